"""One who asks, as the C library of a machine does: by UDP, again after 5 s, by TCP where the answer is truncated.

    ask(address, Ask("www.example.com.", "A"))  ->  Told(message or None, seconds, text)

Odd clients give the query's bytes (`wire`), or how they are sent (`how`). What `right` says of what is told: GOOD, or
BAD (a failure, which is no lie), or FALSE (something is claimed that is not so).
"""

import dataclasses
import socket
import struct
import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

AGAIN = 5.0  # seconds, resolv.conf(5)
GIVEN_UP = 10.0

GOOD, BAD, FALSE = "good", "bad", "false"


def has(*rdata, rtype=None):
    """NOERROR, and these are the records of the type asked for, or of another."""
    def right(message):
        kind = dns.rdatatype.from_text(rtype) if rtype else message.question[0].rdtype
        found = sorted(one.to_text() for rrset in message.answer if rrset.rdtype == kind for one in rrset)
        if found == sorted(rdata):
            return GOOD
        return BAD if failed(message) else FALSE
    return right


def failed(message):
    return message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN)


def code(*texts, answers=None):
    """One of these rcodes; with so many records or, where it is 0, none."""
    def right(message):
        if dns.rcode.to_text(message.rcode()) in texts and answers in (None, len(message.answer)):
            return GOOD
        return BAD if failed(message) else FALSE
    return right


def fails(message):
    """There is no answer to be had, and that is said."""
    return GOOD if failed(message) else FALSE


def passed_on(message):
    """One record, also if it is of a form that this library does not read."""
    if failed(message):
        return BAD
    return GOOD if len(message.answer) + len(message.errors) == 1 else FALSE


def either(*rights):
    """The first that says GOOD, or what the last says."""
    def right(message):
        return GOOD if GOOD in [one(message) for one in rights] else rights[-1](message)
    return right


def anything(message):
    """Any reply will do."""
    return GOOD if message else BAD


def true(condition, otherwise=FALSE):
    """condition(message); which may look at a record that is not there."""
    def right(message):
        try:
            if condition(message):
                return GOOD
        except IndexError:
            pass
        return BAD if failed(message) else otherwise
    return right


A1 = has("192.0.2.1")


@dataclasses.dataclass(frozen=True)
class Ask:
    """A question and what is right of its answer. Names without a dot at their end are below example.com."""
    name: str = "www"
    rtype: str = "A"
    right: object = A1
    dnssec: bool = False
    edns: bool = True
    payload: int = 1232
    ad: bool = False
    after: float = 0.0    # seconds to wait before
    counted: bool = True  # both its answer and its time count; otherwise it only prepares
    wire: object = None   # function query bytes -> bytes
    how: str = "udp"      # or "tcp", "pieces", "half-closed"
    within: float = GIVEN_UP
    silence: bool = False  # no reply at all is right
    orders: int = 0        # asked so many times more: its records come in more than one order
    loose: bool = False    # records of a form that dnspython does not read are no fault: see passed_on()

    @property
    def full(self):
        return self.name if self.name.endswith(".") else self.name + ".example.com."

    def query(self):
        made = dns.message.make_query(self.full, self.rtype)
        if self.edns:
            made.use_edns(0, dns.flags.DO if self.dnssec else 0, self.payload)
        if self.ad:
            made.flags |= dns.flags.AD
        return made


@dataclasses.dataclass
class Told:
    verdict: str
    text: str
    seconds: float


def ask(address, question):
    query, began = question.query(), time.monotonic()
    wire = question.wire(query.to_wire()) if question.wire else query.to_wire()
    try:
        message = dns.message.from_wire(_exchange(address, question, query, wire, began + question.within),
                                        ignore_trailing=True, continue_on_error=question.loose)
        verdict, text = question.right(message), _told(message)
        if question.orders and verdict == GOOD:
            verdict = _turned(address, question, message)
    except (dns.exception.Timeout, TimeoutError):
        verdict, text = (GOOD if question.silence else BAD), "silence"
    except (dns.exception.DNSException, OSError, EOFError, ValueError, struct.error) as error:
        verdict, text = BAD, type(error).__name__
    return Told(verdict, text, time.monotonic() - began)


def _turned(address, question, message):
    """Whether the last RRset's first record is another one at times."""
    firsts = {message.answer[-1][0].to_text()}
    for _ in range(question.orders):
        query = question.query()
        reply = dns.message.from_wire(_exchange(address, question, query, query.to_wire(), time.monotonic() + 1))
        firsts.add(reply.answer[-1][0].to_text())
    return GOOD if len(firsts) > 1 else BAD


def timed(address, question):
    """(question, what was told), after the pause that the question asks for."""
    time.sleep(question.after)
    return question, ask(address, question)


def is_up(server):
    """Without a question that would go on to its upstream."""
    try:
        dns.query.udp(dns.message.make_query("version.bind.", "TXT", "CH"), server.address[0], timeout=0.2,
                      port=server.address[1])
    except (dns.exception.Timeout, OSError):
        return False
    return True


def _told(message):
    records = sum(len(rrset) for rrset in message.answer)
    name = dns.rcode.to_text(message.rcode())
    return f"{records} records" if name == "NOERROR" and records else "NODATA" if name == "NOERROR" else name


def _exchange(address, question, query, wire, deadline):
    if question.how != "udp":
        return _tcp(address, question.how, wire, deadline)
    reply = _udp(address, query, wire, deadline)
    if len(reply) > 2 and reply[2] & dns.flags.TC >> 8 and not question.wire:
        return _tcp(address, "tcp", wire, deadline)
    return reply


def _udp(address, query, wire, deadline):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        again = 0.0
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise TimeoutError
            if now >= again:
                sock.send(wire)
                again = now + AGAIN
            sock.settimeout(max(0.001, min(again, deadline) - now))
            try:
                reply = sock.recv(65535)
            except TimeoutError:
                continue
            if struct.unpack_from("!H", reply)[0] == query.id:
                return reply


def _tcp(address, how, wire, deadline):
    with socket.create_connection(address, timeout=max(0.01, deadline - time.monotonic())) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        framed = struct.pack("!H", len(wire)) + wire
        pieces = [framed[:1], framed[1:2], framed[2:9], framed[9:]] if how == "pieces" else [framed]
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(0.02 if len(pieces) > 1 else 0)
        if how == "half-closed":
            sock.shutdown(socket.SHUT_WR)
        return _framed(sock, deadline)


def _framed(sock, deadline):
    data = b""
    while len(data) < 2 or len(data) < 2 + struct.unpack("!H", data[:2])[0]:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        more = sock.recv(65535)
        if not more:
            raise EOFError("closed")
        data += more
    return data[2:]
