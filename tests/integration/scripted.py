"""An authority or forwarder that does as it is told, well or badly; UDP and TCP on one port.

    server = Scripted()
    server.set("www.example.com.", "A", "192.0.2.1")          what it knows
    server.script("slow.example.com.", hold(gate))            how it behaves for a name

A query goes to the behaviour scripted for its name (or "*", or plain `lookup`), which returns a
Reply, or None for silence. Behaviours nest: the inner one makes the reply, the outer one spoils it.

    server.script("www.example.com.", sequence(drop(), truncate(), delay(0.2, wrong_id())))

All of it runs on one thread with an asyncio loop; a test talks to it from its own thread. Plain
answers are kept as wire bytes, so that it answers some ten thousand queries per second.
"""

import asyncio
import collections
import dataclasses
import socket
import struct
import threading
import time

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

import process

HEADER = 12
MAX_RECORDED = 200_000
MAX_WIRES = 10_000
UDP_WITHOUT_EDNS = 512  # RFC 1035 4.2.1


# --- queries and replies


@dataclasses.dataclass(frozen=True, eq=False)
class Query:
    """One query as it came. `name` has the exact spelling of the question."""
    id: int
    name: str
    type: str
    transport: str  # "udp" or "tcp"
    source: tuple   # (address, port)
    raw: bytes
    time: float     # time.monotonic() at arrival
    question_end: int

    @property
    def key(self):
        return (self.name.lower(), self.type)

    @property
    def message(self):
        """The whole query as dnspython sees it, parsed when asked for."""
        return dns.message.from_wire(self.raw)

    @property
    def edns(self):
        """Whether it brings any additional record; a query's only one is OPT, in practice."""
        return self.raw[10:12] != b"\0\0"

    @property
    def payload(self):
        """How many bytes the answer may have."""
        if self.transport == "tcp":
            return 65535
        return max(self.message.payload, UDP_WITHOUT_EDNS) if self.edns else UDP_WITHOUT_EDNS


class Reply:
    """What goes back: a message, changes to its bytes, and what to wait for before it leaves."""

    def __init__(self, query, message):
        self.query, self.message = query, message
        self.edits = []  # functions bytes -> bytes, on the finished wire
        self.delay = 0.0
        self.gates = []
        self.close = False  # TCP: end the connection instead of answering
        self.before = []  # messages that leave at once, ahead of this one
        self.sizes = ()  # TCP: of the pieces that it is written in; the rest follows whole
        self.pause = 0.05  # seconds between two of these
        self.last = False  # TCP: the connection ends behind it
        self.elsewhere = False  # UDP: it leaves from another port than the query came to

    def wire(self):
        size = self.query.payload
        wire = self.message.to_wire(max_size=65535)
        if len(wire) > size:  # TC, and only the question and OPT, as RFC 2181 9 allows
            self.message.flags |= dns.flags.TC
            for section in (self.message.answer, self.message.authority, self.message.additional):
                section.clear()
            wire = self.message.to_wire()
        for edit in self.edits:
            wire = edit(wire)
        return wire


def parse_query(wire, transport, source):
    """A Query, or None for what is no query with one question."""
    if len(wire) < HEADER + 5 or wire[2] & 0x80 or wire[4:6] != b"\0\1":
        return None
    at, labels = HEADER, []
    while at < len(wire) and wire[at]:
        labels.append(wire[at + 1:at + 1 + wire[at]])
        at += 1 + wire[at]
    if at + 5 > len(wire):
        return None
    name = ".".join(dns.name._escapify(label) for label in labels) + "."
    rtype = dns.rdatatype.to_text(struct.unpack_from("!H", wire, at + 1)[0])
    return Query(struct.unpack_from("!H", wire)[0], name, rtype, transport, source[:2], wire,
                 time.monotonic(), at + 5)


# --- behaviours: functions (server, query) -> Reply or None


def lookup(server, query):
    """The right answer from what the server knows: see Scripted.set()."""
    message = server.blank(query)
    server.fill(message, query)
    return Reply(query, message)


def answer(*records, rcode="NOERROR", authority=(), additional=(), aa=True):
    """Exactly these records, each "name ttl type rdata", whatever the question. No SOA is added."""
    def behave(server, query):
        message = server.blank(query)
        if not aa:
            message.flags &= ~dns.flags.AA
        message.set_rcode(dns.rcode.from_text(rcode))
        for section, texts in ((message.answer, records), (message.authority, authority),
                               (message.additional, additional)):
            add_records(section, texts)
        return Reply(query, message)
    return behave


def rcode(text):
    """An answer without records: "SERVFAIL"; so "NXDOMAIN" is a negative one without a SOA."""
    return answer(rcode=text)


def drop():
    """Silence."""
    return lambda server, query: None


def close():
    """Over TCP the connection is closed without an answer; over UDP silence."""
    def behave(server, query):
        reply = Reply(query, server.blank(query))
        reply.close = True
        return reply if query.transport == "tcp" else None
    return behave


def only_one(then=lookup):
    """Over TCP the connection is closed behind the answer, whatever else has been asked on it."""
    def change(reply):
        reply.last = True
    return _spoil(then, change)


def sequence(*behaviours):
    """The first query gets the first behaviour, the next the next; the last one stays."""
    def behave(server, query):
        left = server.memory.setdefault(behave, list(behaviours))
        now = left.pop(0) if len(left) > 1 else left[0]
        return now(server, query)
    return behave


def only(transport, then, otherwise=lookup):
    """`then` over "udp" or "tcp", `otherwise` over the other."""
    def behave(server, query):
        return (then if query.transport == transport else otherwise)(server, query)
    return behave


def _spoil(then, change):
    """A behaviour that lets `then` make the reply and change(reply) alter it."""
    def behave(server, query):
        reply = then(server, query)
        if reply is not None:
            change(reply)
        return reply
    return behave


class Gate:
    """Holds replies back until open() (or set(), as an Event has it); knows how many it holds."""

    def __init__(self):
        self._changed = threading.Condition()
        self._open = False
        self._held = []

    def hold(self, release):
        """Calls release() when the gate opens: at once when it is open."""
        with self._changed:
            if not self._open:
                self._held.append(release)
                self._changed.notify_all()
                return
        release()

    def open(self):
        with self._changed:
            self._open, held, self._held = True, self._held, []
        for release in held:
            release()

    set = open

    def is_set(self):
        return self._open

    @property
    def held(self):
        return len(self._held)

    def wait_held(self, count=1, within=5.0):
        """Returns once `count` replies wait here: their queries have come, nothing was answered."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._held) >= count, within):
                raise AssertionError(f"{len(self._held)} of {count} queries held in {within} s")


def hold(gate, then=lookup):
    """The reply is made when the query comes, and leaves when `gate` opens."""
    return _spoil(then, lambda reply: reply.gates.append(gate))


def delay(seconds, then=lookup):
    """The reply is made when the query comes, and leaves so much later."""
    def change(reply):
        reply.delay += seconds
    return _spoil(then, change)


def truncate(then=lookup):
    """Over UDP, TC and no records; over TCP the whole answer."""
    def change(reply):
        if reply.query.transport == "udp":
            reply.message.flags |= dns.flags.TC
            reply.message.answer.clear()
            reply.message.authority.clear()
    return _spoil(then, change)


def wrong_id(then=lookup):
    """The transaction id is off by one."""
    return _spoil(then, lambda reply: reply.edits.append(
        lambda wire: struct.pack("!H", reply.query.id ^ 1) + wire[2:]))


def wrong_question(name="other.example.", then=lookup):
    """The question section names another name; the records stay."""
    def change(reply):
        old = reply.message.question[0]
        reply.message.question = [
            dns.rrset.RRset(dns.name.from_text(name), old.rdclass, old.rdtype)]
    return _spoil(then, change)


def wrong_type(rtype="TXT", then=lookup):
    """The question section asks for another type; the records stay."""
    def change(reply):
        name = reply.message.question[0].name
        reply.message.question = [
            dns.rrset.RRset(name, dns.rdataclass.IN, dns.rdatatype.from_text(rtype))]
    return _spoil(then, change)


def spelled(function, then=lookup):
    """The question's name comes back as function(bytes) spells it: bytes.upper."""
    def respell(reply, wire):
        end = reply.query.question_end - 4
        return wire[:HEADER] + function(wire[HEADER:end]) + wire[end:]
    return _spoil(then, lambda reply: reply.edits.append(lambda wire: respell(reply, wire)))


def lower_case(then=lookup):
    """The question comes back in lower case: fails 0x20 when the query was spelled otherwise."""
    return spelled(bytes.lower, then)


def no_edns(code="FORMERR", then=lookup):
    """A server from before EDNS: "FORMERR" or "NOTIMP" to OPT, without OPT (RFC 6891 7)."""
    def behave(server, query):
        if not query.edns:
            return then(server, query)
        message = server.blank(query)
        message.use_edns(False)
        message.flags &= ~dns.flags.AA
        message.set_rcode(dns.rcode.from_text(code))
        return Reply(query, message)
    return behave


def deaf_to_edns(then=lookup):
    """Queries with OPT are dropped, as some firewalls do."""
    return lambda server, query: None if query.edns else then(server, query)


def larger_is_lost(size, then=lookup):
    """Over UDP, what is larger than `size` bytes does not arrive, as fragments do not everywhere."""
    def behave(server, query):
        reply = then(server, query)
        lost = reply and query.transport == "udp" and len(reply.wire()) > size
        return None if lost else reply
    return behave


def without_opt(then=lookup):
    """The response has no OPT, whatever the query had."""
    return _spoil(then, lambda reply: reply.message.use_edns(False))


def set_tc(then=lookup):
    """TC, over UDP and TCP, beside whatever records there are."""
    return edit(lambda wire: wire[:2] + bytes([wire[2] | 2]) + wire[3:], then)


def extra(*records, section="additional", then=lookup):
    """Adds records nobody asked for ("victim.example. 9 A 192.0.2.66"): attempted poisoning."""
    return _spoil(then, lambda reply: add_records(getattr(reply.message, section), records))


def malformed(rdata, rtype=None, then=lookup):
    """One more answer record, owned by the question's name, with `rdata` bytes fit for no type."""
    def append(reply, wire):
        kind = dns.rdatatype.from_text(rtype or reply.query.type)
        record = struct.pack("!HHHIH", 0xC000 | HEADER, kind, 1, 3600, len(rdata)) + rdata
        count = struct.unpack_from("!H", wire, 6)[0] + 1
        return wire[:6] + struct.pack("!H", count) + wire[8:] + record

    def change(reply):
        reply.message.use_edns(False)  # the record goes at the end: nothing may follow the answer
        reply.message.authority.clear()
        reply.message.additional.clear()
        reply.edits.append(lambda wire: append(reply, wire))
    return _spoil(then, change)


def edit(function, then=lookup):
    """function(bytes) -> bytes on the finished message: cut it, flip its bits."""
    return _spoil(then, lambda reply: reply.edits.append(function))


def add_records(section, texts):
    """Appends records in the form "name ttl type rdata" to a dnspython section."""
    for text in texts:
        name, ttl, rtype, rdata = text.split(None, 3)
        section.append(dns.rrset.from_text(name, int(ttl), "IN", rtype, rdata))


# --- the server


class Scripted:
    """One scripted server. `zones` are those it has authority for; outside it answers REFUSED.

    Without `udp` or `tcp` that port is closed: who asks is told so by the kernel.
    """

    def __init__(self, zones=("example.com.", "example.net."), v6=False, negative_ttl=60, udp=True,
                 tcp=True, port=None, host=None):
        self.host = host or ("::1" if v6 else "127.0.0.1")
        self.address = (self.host, port or process.free_port(self.host))
        self.zones = [zone.lower() for zone in zones]
        self.negative_ttl = negative_ttl
        self._records = {}  # lower-case name -> type text -> RRset
        self._names = set()  # that exist: those of _records and above (RFC 4592 2.2.2)
        self._scripts = {}
        self._wires = {}    # plain answers, ready: see _plain()
        self._recorded = threading.Condition()
        self.queries = collections.deque(maxlen=MAX_RECORDED)
        self._counts = collections.Counter()
        self._tasks = set()
        self.hang_up = False  # TCP: connections are taken, and closed at once
        self.memory = {}  # behaviour -> what it knows of the past; so that one serves several servers
        self.failures = []  # exceptions of behaviours, unreadable queries: see stop()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="scripted", daemon=True)
        self._start(udp, tcp)

    # what it knows and how it behaves

    def set(self, name, rtype, *rdata, ttl=3600):
        """Makes this the whole RRset. A lookup follows CNAMEs among what is set here."""
        rrset = dns.rrset.from_text(name, ttl, "IN", rtype, *rdata)
        self._records.setdefault(name.lower(), {})[rtype] = rrset
        self._forget_wires()

    def remove(self, name, rtype=None):
        """Removes an RRset, or the name with all of its types."""
        types = self._records.get(name.lower(), {})
        types.pop(rtype, None)
        if rtype is None or not types:
            self._records.pop(name.lower(), None)
        self._forget_wires()

    def script(self, name, behaviour, rtype=None):
        """Behaves so for the name (and type): "*" for all others. None: plain lookup."""
        if behaviour is None:
            self._scripts.pop((name.lower(), rtype), None)
        else:
            self._scripts[(name.lower(), rtype)] = behaviour

    def _forget_wires(self):
        """After a change, in this order: wires made of the old records go with their dict."""
        names = set()
        for name in list(self._records):
            while name not in names and name not in self.zones and "." in name[:-1]:
                names.add(name)
                name = name.split(".", 1)[1]
        self._names = names | set(self.zones)
        self._wires = {}

    # what was asked

    def count(self, name=None, rtype=None):
        """How many queries came: in all, for a name in any case, or for a name and type."""
        with self._recorded:
            if name is None:
                return sum(self._counts.values())
            if rtype is not None:
                return self._counts[(name.lower(), rtype)]
            return sum(n for (key, _), n in self._counts.items() if key == name.lower())

    def asked(self, name):
        """The Query objects for a name, oldest first."""
        with self._recorded:
            return [query for query in self.queries if query.name.lower() == name.lower()]

    def wait_count(self, count, name=None, rtype=None, within=5.0):
        """Returns once so many queries have come."""
        with self._recorded:
            if not self._recorded.wait_for(lambda: self.count(name, rtype) >= count, within):
                raise AssertionError(f"{self.count(name, rtype)} of {count} queries in {within} s")

    def forget(self):
        """Sets all counts to zero."""
        with self._recorded:
            self.queries.clear()
            self._counts.clear()

    def _record(self, query):
        with self._recorded:
            self.queries.append(query)
            self._counts[query.key] += 1
            self._recorded.notify_all()

    # making answers

    def blank(self, query):
        """The response to a query before its records: AA and RA set, EDNS when the query had it."""
        message = dns.message.make_response(query.message, recursion_available=True,
                                            our_payload=1232)
        message.flags |= dns.flags.AA
        return message

    def fill(self, message, query):
        """Puts the answer to the query's question in, as an authority would (RFC 1034 4.3.2)."""
        name, seen = query.name.lower(), set()
        while name not in seen:
            seen.add(name)
            types = self._records.get(name, {})
            found = types.get(query.type)
            cname = types.get("CNAME")
            if found is None and cname is None:
                self._fill_negative(message, name, chain=bool(message.answer))
                return
            message.answer.append(found if found is not None else cname)
            if found is not None:
                return
            name = cname[0].target.to_text().lower()

    def _fill_negative(self, message, name, chain):
        zone = next((z for z in self.zones if name == z or name.endswith("." + z)), None)
        if zone is None:
            # A chain that leaves our zones ends there; the rest is the asker's to fetch.
            message.set_rcode(dns.rcode.NOERROR if chain else dns.rcode.REFUSED)
            return
        if name not in self._names:
            message.set_rcode(dns.rcode.NXDOMAIN)
        message.authority.append(dns.rrset.from_text(
            zone, self.negative_ttl, "IN", "SOA",
            f"ns1.{zone} hostmaster.{zone} 1 3600 900 604800 {self.negative_ttl}"))

    def _behaviour(self, query):
        name = query.name.lower()
        for key in ((name, query.type), (name, None), ("*", query.type), ("*", None)):
            if key in self._scripts:
                return self._scripts[key]
        return lookup

    def _plain(self, query):
        """A lookup's wire: made once per question, then only the id and its spelling change.

        The key holds all else of the query that the answer depends on: flags, transport, EDNS.
        """
        raw, end, wires = query.raw, query.question_end, self._wires
        key = (raw[2:HEADER], raw[HEADER:end].lower(), raw[end:], query.transport)
        wire = wires.get(key)
        if wire is None:
            if len(wires) >= MAX_WIRES:  # queries that never repeat, with a cookie each
                wires.clear()
            wire = wires[key] = lookup(self, query).wire()
        return raw[:2] + wire[2:HEADER] + raw[HEADER:end] + wire[end:]

    def _respond(self, wire, transport, source, send, close_connection=None):
        """One message's way through. What goes wrong here must not pass for a server's silence."""
        try:
            query = parse_query(wire, transport, source)
            if query is None:
                raise ValueError(f"not a query: {wire.hex()}")
            self._record(query)
            self._answer(query, send, close_connection)
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(error)

    def _answer(self, query, send, close_connection):
        """Answers through send(bytes), now or later."""
        behave = self._behaviour(query)
        if behave is lookup:
            send(self._plain(query))
            return
        reply = behave(self, query)
        if reply is None:
            return
        for wire in reply.before:
            send(wire)
        if reply.close:
            close_connection()
        elif not reply.gates and not reply.delay:
            send(reply.wire(), reply)
        else:
            self._later(reply, reply.wire(), send)

    def _later(self, reply, wire, send):
        async def wait():
            for gate in reply.gates:
                opened = asyncio.Event()
                gate.hold(lambda: self._call(opened.set))
                await opened.wait()
            await asyncio.sleep(reply.delay)
            send(wire, reply)
        self._start_task(wait())

    def _start_task(self, coroutine):
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # sockets and the thread

    def _call(self, function):
        """Runs function() on the server's thread; after stop() it does nothing."""
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            pass

    def _start(self, udp, tcp):
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._udp.setblocking(False)
        if udp:
            self._udp.bind(socket.getaddrinfo(*self.address)[0][4])
            self._loop.add_reader(self._udp, self._read_udp)
        self._tcp = self._loop.run_until_complete(asyncio.start_server(
            self._serve_tcp, self.host, self.address[1], backlog=512)) if tcp else None
        self._thread.start()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _read_udp(self):
        for _ in range(64):
            try:
                wire, source = self._udp.recvfrom(65535)
            except (BlockingIOError, ConnectionError):
                return
            self._respond(wire, "udp", source,
                          lambda wire, reply=None, to=source: self._send_udp(wire, to, reply))

    def _send_udp(self, wire, source, reply=None):
        try:
            if reply and reply.elsewhere:
                with socket.socket(self._udp.family, socket.SOCK_DGRAM) as other:
                    other.bind((self.host, 0))
                    other.sendto(wire, source)
            else:
                self._udp.sendto(wire, source)
        except OSError:
            pass  # the asker is gone, or its buffer is full: that is what UDP is

    async def _serve_tcp(self, reader, writer):
        """One connection. Answers go out as they are ready, in any order (RFC 7766 6.2.1.1)."""
        def send(wire, reply=None):
            framed = struct.pack("!H", len(wire)) + wire
            if reply and reply.sizes:
                self._start_task(self._write_pieces(writer, framed, reply))
            elif not writer.is_closing():
                writer.write(framed)
                if reply and reply.last:
                    writer.close()
        try:
            if self.hang_up:
                return
            while not writer.is_closing():
                size = struct.unpack("!H", await reader.readexactly(2))[0]
                wire = await reader.readexactly(size)
                self._respond(wire, "tcp", writer.get_extra_info("peername"), send, writer.close)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def _write_pieces(writer, framed, reply):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for size in (*reply.sizes, len(framed)):
            piece, framed = framed[:size], framed[size:]
            if piece and not writer.is_closing():
                writer.write(piece)
                await asyncio.sleep(reply.pause)
        if reply.last:
            writer.close()

    def stop(self):
        """Closes the sockets and ends the thread; held and delayed replies are never sent.

        Raises what went wrong on the thread, if anything did. Clear `failures` first when a test
        sends rubbish on purpose.
        """
        if not self._thread.is_alive():
            return
        self._call(self._finish)
        self._thread.join(5)
        assert not self._thread.is_alive(), "the scripted server's thread does not end"
        self._udp.close()
        self._loop.close()
        if self.failures:
            raise AssertionError("the scripted server has failed") from self.failures[0]

    def _finish(self):
        self._loop.remove_reader(self._udp)
        if self._tcp:
            self._tcp.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        ended = asyncio.gather(*tasks, return_exceptions=True)
        ended.add_done_callback(lambda _: self._loop.stop())
