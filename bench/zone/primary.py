"""A primary that says what it was given: an IXFR (RFC 1995) made beforehand, so that only who takes it works."""

import contextlib
import socket
import struct
import threading

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rdatatype

ZONE_AT = b"\xc0\x0c"  # the owner name of the question, to which every name here is compressed
LEAST, MOST = 512, 60_000  # bytes of a message


def _record(owner, kind, rdata, ttl=86400):
    return owner + ZONE_AT + struct.pack("!HHIH", kind, 1, ttl, len(rdata)) + rdata


def soa(serial):
    return _record(b"", 6, b"\3ns1" + ZONE_AT + b"\x0ahostmaster" + ZONE_AT
                   + struct.pack("!IIIII", serial, 3600, 900, 604800, 3600))


def address(number):
    """What `freshet`'s own sets are of in this bench: a name that was not there, with an address."""
    name = b"host%07d" % number
    return _record(bytes([len(name)]) + name, 1, struct.pack("!I", 0x0A000000 | number & 0xFFFFFF))


def differences(count, each):
    """`count` versions after serial 1, of `each` new names: the records of an IXFR, the SOAs around them included."""
    yield soa(count + 1)
    for serial in range(1, count + 1):
        yield soa(serial)
        yield soa(serial + 1)
        for number in range((serial - 1) * each, serial * each):
            yield address(number)
    yield soa(count + 1)


def _messages(records):
    """Answer sections, each with its number of records."""
    section, count = bytearray(), 0
    for record in records:
        if len(section) + len(record) > MOST:
            yield count, bytes(section)
            section, count = bytearray(), 0
        section += record
        count += 1
    yield count, bytes(section)


class Primary:
    """Answers SOA and IXFR over UDP and TCP on 127.0.0.1 until close(). Its serial is 1 until say_all()."""

    def __init__(self, zone, count, each):
        self.zone, self.last = zone, count + 1
        self._serial = 1
        self._transfer = list(_messages(differences(count, each)))
        self._tcp = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def say_all(self):
        """From now on it has the last version."""
        self._serial = self.last

    def notify(self, to):
        """A NOTIFY (RFC 1996) to the secondary."""
        message = dns.message.make_query(self.zone, "SOA")
        message.set_opcode(dns.opcode.NOTIFY)
        message.flags |= dns.flags.AA
        self._udp.sendto(message.to_wire(), to)

    def close(self):
        self._tcp.shutdown(socket.SHUT_RDWR)  # wakes who accepts there
        for sock in (self._tcp, self._udp):
            sock.close()

    def _reply(self, query, count, section):
        question = query.question[0]
        wire = question.name.to_wire() + struct.pack("!HH", question.rdtype, 1)
        return struct.pack("!HHHHHH", query.id, 0x8400, 1, count, 0, 0) + wire + section

    def _serve_udp(self):
        while True:
            try:
                wire, peer = self._udp.recvfrom(LEAST)
                query = dns.message.from_wire(wire)
                if not query.flags & dns.flags.QR and query.question:
                    self._udp.sendto(self._reply(query, 1, soa(self._serial)), peer)
            except OSError:
                return
            except dns.exception.DNSException:
                continue

    def _serve_tcp(self):
        while True:
            try:
                stream, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_stream, args=(stream,), daemon=True).start()

    def _serve_stream(self, stream):
        with contextlib.suppress(ConnectionError), stream, stream.makefile("rb") as file:
            while len(size := file.read(2)) == 2:
                query = dns.message.from_wire(file.read(int.from_bytes(size, "big")))
                has_more = query.question[0].rdtype == dns.rdatatype.IXFR and self._serial == self.last
                for count, section in self._transfer if has_more else [(1, soa(self._serial))]:
                    reply = self._reply(query, count, section)
                    stream.sendall(struct.pack("!H", len(reply)) + reply)
