"""Cases: odd clients, and a server with nothing odd about it."""

import struct

import odd
from asking import FALSE, Ask, anything, code, either, fails, has, true
from catalogue import group
from scripted import delay, lookup

case = group("clients")


def client(name, sentence, wire, right=anything, **more):
    """The query's bytes are altered; then somebody asks as usual, and is answered."""
    case(name, sentence, lookup, Ask(wire=wire, right=right, within=2, **more), Ask("mail", right=has("192.0.2.25")))


def word(at, value):
    return lambda wire: wire[:at] + struct.pack("!H", value) + wire[at + 2:]


def bits(raised):
    return lambda wire: wire[:2] + struct.pack("!H", struct.unpack_from("!H", wire, 2)[0] | raised) + wire[4:]


def option(number, data):
    """One EDNS option; a query's OPT is at its end."""
    return lambda wire: wire[:-2] + struct.pack("!HHH", 4 + len(data), number, len(data)) + data


def twice(number, data):
    """The same option two times."""
    one = struct.pack("!HH", number, len(data)) + data
    return lambda wire: wire[:-2] + struct.pack("!H", 2 * len(one)) + one * 2


def cookie_alone(wire):
    """Header and OPT, no question."""
    return wire[:4] + struct.pack("!4H", 0, 0, 0, 1) + option(10, b"12345678")(wire)[-23:]


WWW = has("192.0.2.1")
client("Z bit", "The bit that must be zero.", bits(odd.Z), WWW)
client("AD and CD", "Bits of validation.", bits(odd.AD | odd.CD), WWW)
client("AA, RA, TC in the query", "Bits of responses.", bits(odd.AA | odd.RA), WWW)
client("QR set", "A response that nobody asked for gets no reply, or there would be no end of them.", bits(odd.QR),
       silence=True, right=lambda _: FALSE)
client("no RD", "Not recursive: what is known, REFUSED, or all of it.", lambda wire: wire[:2] + b"\0" + wire[3:])
client("opcode NOTIFY", "Not a query.", bits(4 << 11), either(code("NOTIMP", "REFUSED", "NOTAUTH", "FORMERR"), fails))
client("opcode UPDATE", "Not a query.", bits(5 << 11), either(code("NOTIMP", "REFUSED", "NOTAUTH", "FORMERR"), fails))
client("opcode STATUS", "Never defined.", bits(2 << 11), either(code("NOTIMP", "REFUSED", "FORMERR"), fails))
client("opcode IQUERY", "Retired (RFC 3425): it is not taken for a query.", bits(1 << 11),
       either(code("NOTIMP", "REFUSED", "FORMERR"), fails))
client("no question", "QDCOUNT 0 and no bytes.", lambda wire: wire[:4] + bytes(8), either(code("FORMERR", "NOTIMP", "REFUSED"), fails),
       edns=False)
client("question counted twice", "QDCOUNT 2.", word(4, 2), either(code("FORMERR"), fails), edns=False)
client("two questions", "QDCOUNT 2, and both stand there: FORMERR (RFC 9619), or another error.",
       lambda wire: word(4, 2)(wire) + wire[12:], either(code("FORMERR"), fails), edns=False)
client("65,535 questions", "Counted, and one is there.", word(4, 0xffff), either(code("FORMERR"), fails), edns=False)
client("answer section in a query", "A record where none belongs.", lambda wire: word(6, 1)(wire) + odd.record("A", b"1234"),
       edns=False)
client("bytes behind the query", "Zeros behind the message.", lambda wire: wire + bytes(20), edns=False)
client("EDNS version 1", "BADVERS (RFC 6891 6.1.3).", lambda wire: wire[:-5] + b"\1" + wire[-4:], code("BADVERS"))
for version in (2, 255):
    client(f"EDNS version {version}", "The same.", lambda wire, version=version: wire[:-5] + bytes([version]) + wire[-4:],
           code("BADVERS"))
client("OPT twice", "FORMERR (RFC 6891 6.1.1).", lambda wire: word(10, 2)(wire) + wire[-11:], code("FORMERR"))
client("payload 0", "Means 512.", lambda wire: wire[:-8] + b"\0\0" + wire[-6:], WWW)
client("payload 65,535", "As much as there is.", lambda wire: wire[:-8] + b"\xff\xff" + wire[-6:], WWW)
client("unknown option", "Passed over.", option(65001, b"x" * 40), WWW)
client("client subnet", "An address prefix (RFC 7871).", option(8, b"\0\1\x18\0\xc0\0\2"), WWW)
client("client subnet, broken", "An address family of 9.", option(8, b"\0\x09\x18\0\xc0\0\2"))
client("cookie", "A client's cookie (RFC 7873).", option(10, b"12345678"), WWW)
client("cookie of 3 bytes", "FORMERR (RFC 7873 5.2.2), or passed over.", option(10, b"123"), either(code("FORMERR"), WWW))
for size in (0, 7, 9, 15, 41):  # a client's 8 bytes, and 8 to 32 of a server's (RFC 7873 4)
    client(f"cookie of {size} bytes", "FORMERR (RFC 7873 5.2.2), or passed over.", option(10, bytes(size)),
           either(code("FORMERR"), WWW))
for size in (16, 24, 40):
    client(f"cookie of {size} bytes, none of ours", "A server's part from elsewhere: as with the client's alone.",
           option(10, bytes(range(size))), WWW)
client("two cookies", "The first counts (RFC 7873 5.2), or FORMERR.", twice(10, b"12345678"),
       either(code("FORMERR"), WWW))
client("no question, with a cookie", "RFC 7873 5.4: asks for a server's cookie; or an error.",
       cookie_alone, either(code("NOERROR"), code("FORMERR", "NOTIMP", "REFUSED"), fails))
client("padding", "RFC 7830.", option(12, bytes(100)), WWW)
client("keepalive by UDP", "To be passed over (RFC 7828 3.2.1).", option(11, b""), WWW)
client("header alone", "12 bytes with QDCOUNT 1.", lambda wire: wire[:12], either(code("FORMERR"), fails), edns=False)
client("11 bytes", "Not even a header.", lambda wire: wire[:11], silence=True, edns=False, right=anything)
client("question cut short", "The name ends nowhere.", lambda wire: wire[:16], either(code("FORMERR"), fails),
       edns=False)
client("pointer in the question", "A compressed question name.", lambda wire: wire[:12] + b"\xc0\x0c" + wire[-4:], edns=False)
client("class CH", "Not the Internet.", lambda wire: wire[:-13] + b"\0\3" + wire[-11:])
client("class ANY", "Any class.", lambda wire: wire[:-13] + b"\0\xff" + wire[-11:])
client("class NONE", "Of updates (RFC 2136).", lambda wire: wire[:-13] + b"\0\xfe" + wire[-11:])
client("class 0", "None.", lambda wire: wire[:-13] + b"\0\0" + wire[-11:])
for rtype in ("AXFR", "IXFR", "MAILB", "OPT", "TSIG", "TKEY", "TYPE0"):
    case(f"type {rtype}", "A type that is no data: an error, not a wait.", lookup,
         Ask(rtype=rtype, right=anything, within=3, edns=rtype != "TSIG"), Ask())
client("by TCP", "The ordinary way.", None, WWW, how="tcp")
client("TCP byte by byte", "A slow client.", None, WWW, how="pieces")
client("TCP half closed", "It has no more to ask, and waits for its answer.", None, WWW, how="half-closed")
case("TCP half closed, slow server", "The same, and the answer takes 0.5 s.", delay(0.5), Ask(how="half-closed"))
client("question in mixed case", "Comes back as it was.", lambda wire: wire.replace(b"www", b"wWw"), true(
    lambda m: str(m.question[0].name) == "wWw.example.com."))
case("TC for who takes 512 bytes", "20 records with a signature do not fit: the client is told, and comes by TCP.", lookup,
     Ask("text512", "TXT", edns=False, right=true(lambda m: len(m.answer) == 1)))
case("names of special use", "localhost is answered here; no server is asked.", lambda server, query: None,
     Ask("localhost.", right=either(has("127.0.0.1"), code("NXDOMAIN")), within=3))
case("reverse of a private address", "RFC 6303: NXDOMAIN, no server is asked.", lambda server, query: None,
     Ask("1.0.0.10.in-addr.arpa.", "PTR", right=code("NXDOMAIN", "NOERROR"), within=3))
