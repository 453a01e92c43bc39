"""Queries below dnspython: datagrams as bytes, TCP streams in a test's hand, many at once.

And replies for the scripted server that dnspython would not write.
"""

import select
import socket
import struct
import time

import dns.flags
import dns.message

import scripted

HEADER = 12
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"  # 1232 bytes, version 0, no flags, no options


def spelled(name):
    """"wWw.example.com." -> labels in wire format, each letter as it is."""
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def query_bytes(name, rtype=1, rclass=1, identity=0x1234, flags=0x0100, additional=()):
    """A query with this spelling; `additional` are whole records, such as OPT."""
    head = struct.pack("!6H", identity, flags, 1, 0, 0, len(additional))
    return head + spelled(name) + struct.pack("!2H", rtype, rclass) + b"".join(additional)


def connected(server):
    """A UDP socket that hears this server only."""
    host, port = getattr(server, "address", server)
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((host, port))
    return sock


def exchange(server, wire, timeout=5.0):
    """One datagram there and one back; None when none comes. Only the asked address is heard."""
    with connected(server) as sock:
        sock.settimeout(timeout)
        sock.send(wire)
        try:
            return sock.recv(65535)
        except socket.timeout:
            return None


def ask_all(server, names, rtype=1, timeout=20.0, window=10_000):
    """Asks all names from one UDP port, `window` at a time: {name: (reply bytes, seconds)}.

    Names without an answer in time are missing. At most 65535 of them, each another.
    """
    left, asked, replies = list(enumerate(names))[::-1], {}, {}
    deadline = time.monotonic() + timeout
    with connected(server) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        while (left or asked) and time.monotonic() < deadline:
            for _ in range(min(len(left), 32, window - len(asked))):
                identity, name = left.pop()
                asked[identity] = (name, time.monotonic())
                sock.send(query_bytes(name, rtype, identity=identity))
            while select.select([sock], [], [], 0 if left and len(asked) < window else 0.05)[0]:
                reply = sock.recv(65535)
                name, began = asked.pop(int.from_bytes(reply[:2], "big"))
                replies[name] = (reply, time.monotonic() - began)
    return replies


def rcode_of(reply):
    return reply[3] & 15


class Stream:
    """A TCP connection to a server, to send and receive messages as the test likes."""

    def __init__(self, server, timeout=5.0, receive_buffer=None):
        host, port = getattr(server, "address", server)
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((host, port))
        self._received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *messages):
        """Messages as bytes, each with its length in front, in one write."""
        self.socket.sendall(b"".join(struct.pack("!H", len(m)) + m for m in messages))

    def ask(self, name, rtype=1, identity=0x1234):
        self.send(query_bytes(name, rtype, identity=identity))

    def finish(self):
        """No more is sent; answers are still read."""
        self.socket.shutdown(socket.SHUT_WR)

    def receive(self):
        """The next message's bytes; EOFError when the server has closed the connection."""
        size = struct.unpack("!H", self._take(2))[0]
        return self._take(size)

    def _take(self, size):
        while len(self._received) < size:
            more = self.socket.recv(1 << 16)
            if not more:
                raise EOFError
            self._received += more
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def is_closed(self, within=0.0):
        """Whether the server ends the connection in this time. It must have nothing more to say."""
        if not select.select([self.socket], [], [], within)[0]:
            return False
        try:
            assert self.socket.recv(1) == b""
        except ConnectionResetError:
            pass
        return True


# --- replies as bytes, for the scripted server


class Bytes(scripted.Reply):
    """A reply that starts out as these bytes, not as a message."""

    def __init__(self, query, wire):
        super().__init__(query, None)
        self._wire = wire

    def wire(self):
        wire = self._wire
        for edit in self.edits:
            wire = edit(wire)
        return wire


def records(*rdatas, ttl=300, rtype=None, flags=0x8580, rclass=1):
    """An answer owned by the question's name, one record for each of `rdatas` (bytes)."""
    def behave(_server, query):
        kind = query.raw[query.question_end - 4:query.question_end - 2] if rtype is None else \
            struct.pack("!H", rtype)
        head = query.raw[:2] + struct.pack("!5H", flags, 1, len(rdatas), 0, int(query.edns))
        body = b"".join(b"\xc0\x0c" + kind + struct.pack("!HIH", rclass, ttl, len(rdata)) + rdata
                        for rdata in rdatas)
        question = query.raw[HEADER:query.question_end]
        return Bytes(query, head + question + body + (OPT if query.edns else b""))
    return behave


def dnspython(name, rtype="A", **flags):
    """A query as a dnspython message; `flags` are ad=True, cd=True, rd=False."""
    query = dns.message.make_query(name, rtype)
    for flag, wanted in flags.items():
        bit = dns.flags.Flag[flag.upper()]
        query.flags = query.flags | bit if wanted else query.flags & ~bit
    return query
