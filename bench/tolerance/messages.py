"""Cases: EDNS, the question, the header, foreign messages, and how messages are put together."""

import struct

import odd
from asking import BAD, Ask, anything, code, either, fails, has, true
from catalogue import group
from odd import choose, counts, flags, opt, preceded, raw, raw_records, record, silent, with_edns
from scripted import (answer, close, delay, drop, edit, lookup, no_edns, only, rcode, sequence, spelled,
                      wrong_id, wrong_question, wrong_type)

TWO = (Ask(), Ask("mail", right=has("192.0.2.25")))
SIGNED = true(lambda m: any(rrset.rdtype == 46 for rrset in m.answer), BAD)

case = group("EDNS")

for text in ("FORMERR", "NOTIMP", "SERVFAIL", "REFUSED"):
    case(f"{text} to EDNS", "A server from before EDNS (RFC 6891 7); without OPT it answers.", no_edns(text), *TWO)
case("FORMERR, OPT echoed", "The same, and the OPT record comes back.",
     with_edns(opt(then=rcode("FORMERR"))), *TWO)
case("FORMERR, header alone", "12 bytes, without the question.", with_edns(odd.formerr_header()), *TWO)
case("silent to EDNS", "A firewall drops what has OPT.", with_edns(drop()), *TWO)
case("silent to DO", "It drops what asks for signatures.",
     choose(lambda query: query.edns and query.message.ednsflags & 0x8000, drop()), Ask(dnssec=True), *TWO)
case("silent to EDNS payloads above 512", "It drops what can take more.",
     choose(lambda query: query.edns and query.message.payload > 512, drop()), *TWO)
case("silent to EDNS options", "It drops OPT records that are not empty.",
     choose(lambda query: query.edns and query.message.options, drop()), *TWO)
case("FORMERR to EDNS options", "It knows OPT, and no option.",
     choose(lambda query: query.edns and query.message.options, rcode("FORMERR")), *TWO)
case("no OPT in the answer", "It takes no notice of EDNS.", opt(times=0, then=lookup), *TWO)
case("BADVERS", "It does not know version 0.", with_edns(rcode("BADVERS")), *TWO)
case("version 1 in the answer", "OPT says version 1, and all else is right.", with_edns(opt(version=1, then=lookup)), *TWO)
case("OPT twice", "Two OPT records (RFC 6891 6.1.1 has one at most).", with_edns(opt(times=2, then=lookup)), *TWO)
case("OPT of a name", "Its owner is not the root.", with_edns(opt(owner=b"\1x\0", then=lookup)), *TWO)
case("payload 0", "OPT says that 0 bytes can be taken.", with_edns(opt(payload=0, then=lookup)), *TWO)
case("option cut short", "An option's length goes beyond the record.",
     with_edns(opt(options=b"\0\x0a\0\x20\1\2", then=lookup)), *TWO)
case("unknown options", "A private option of 400 bytes.",
     with_edns(opt(options=struct.pack("!HH", 65001, 400) + bytes(400), then=lookup)), *TWO)
case("Z bits", "Bits of OPT that are not assigned.", with_edns(opt(z=0x7fff, then=lookup)), *TWO)
case("OPT though not asked", "An OPT record in the answer to a query without.", opt(then=lookup),
     Ask(edns=False), *TWO)
case("one answer without OPT", "Once a middle box strips OPT; signatures are still to be had for other names.",
     odd.by_name({"mail.example.com.": opt(times=0, then=lookup)}, odd.signed()),
     Ask("mail", right=has("192.0.2.25"), counted=False), Ask(dnssec=True, right=SIGNED))
case("three answers without OPT", "The same for three names, as one of their servers does.",
     odd.by_name({f"n{n}.example.com.": opt(times=0, then=lookup) for n in range(3)}, odd.signed()),
     *[Ask(f"n{n}", counted=False) for n in range(3)], Ask(dnssec=True, right=SIGNED))
case("one FORMERR", "One name's FORMERR does not take EDNS from all.",
     odd.by_name({"mail.example.com.": no_edns()}, odd.signed()),
     Ask("mail", counted=False), Ask(dnssec=True, right=SIGNED))
case("one name silent to EDNS", "The same by silence.",
     odd.by_name({"mail.example.com.": with_edns(drop())}, odd.signed()),
     Ask("mail", counted=False), Ask(dnssec=True, right=SIGNED))
case("fetched without DO, asked with DO", "What is kept without signatures is no answer to who asks for them.",
     odd.signed(), Ask(counted=False), Ask(edns=False, counted=False), Ask(dnssec=True, right=SIGNED))
case("silent for 1 s, then DO", "Loss is not a lack of EDNS: signatures are there afterwards.",
     silent(1, odd.signed()), Ask("n1", counted=False), Ask(dnssec=True, right=SIGNED))
case("signatures in ADDITIONAL", "RRSIGs stand beside, not in, the answer they sign.", odd.signed(section="additional"),
     Ask(dnssec=True, right=SIGNED))
case("signatures in AUTHORITY", "The same, a section earlier.", odd.signed(section="authority"),
     Ask(dnssec=True, right=either(SIGNED, has("192.0.2.1"))))

case = group("the question")

case("lower case", "The question comes back in lower case.", spelled(bytes.lower, lookup), *TWO)
case("lower case, TCP closed", "The same, from a box without TCP.", spelled(bytes.lower, lookup), *TWO, tcp=False)
case("lower case, TCP silent", "The same, and TCP is swallowed.",
     only("tcp", drop(), spelled(bytes.lower, lookup)), *TWO)
case("lower case, TCP hangs up", "The same, and TCP is taken and closed.",
     only("tcp", close(), spelled(bytes.lower, lookup)), *TWO)
case("lower case, no EDNS, no TCP", "The least that people have at home.",
     no_edns(then=spelled(bytes.lower, lookup)), *TWO, tcp=False)
case("lower case to half", "Two servers behind one address: one spells as asked.",
     odd.in_turns(spelled(bytes.lower, lookup), lookup), *TWO)
case("upper case", "The question comes back in upper case.", spelled(bytes.upper, lookup), *TWO)
case("answer in another case", "The owner is written out, in upper case.",
     answer("WWW.Example.COM. 60 A 192.0.2.1"), Ask())
case("names compressed to the question", "The spelling by which answers are known again stays between the two servers.",
     lookup, Ask("example.com.", "MX", right=has("10 mail.example.com.")))
case("no question", "QDCOUNT 0 beside an answer.", odd.no_question(answer("www.example.com. 60 A 192.0.2.1")),
     Ask(right=either(has("192.0.2.1"), fails)))
case("another question, then the right one", "A message for somebody else comes first.",
     preceded(wrong_question()), *TWO)
case("another type, then the right one", "The same, for another type.", preceded(wrong_type()), *TWO)
case("always another question", "Nothing of it is the answer.", wrong_question(), Ask(right=fails))
case("question of class CH", "Then the right one.", preceded(
    edit(lambda wire: wire[:12] + wire[12:].replace(b"\0\0\1\0\1", b"\0\0\1\0\3", 1))), *TWO)

case = group("the header")

case("no RA", "An authority that is asked as a resolver.", flags(0, odd.RA, lookup), *TWO)
case("no AA, no RA", "A server that answers from its cache, and does not recurse.", flags(0, odd.RA | odd.AA, lookup), *TWO)
case("RD cleared", "It does not copy RD.", flags(0, odd.RD, lookup), *TWO)
case("Z bit", "The bit that must be zero.", flags(odd.Z, 0, lookup), *TWO)
case("CD and AD set", "Bits of validation, unasked.", flags(odd.CD | odd.AD, 0, lookup), *TWO)
case("AD for who asks for AD", "A validating forwarder's word reaches who asked for it.", flags(odd.AD, 0, lookup),
     Ask(ad=True, right=true(lambda m: m.flags & odd.AD, BAD)))
case("opcode NOTIFY, then the right one", "No answer to a query.", preceded(odd.opcode("NOTIFY", lookup)), *TWO)

for section in ("answer", "authority", "additional"):
    case(f"{section} count one too high", "The header counts a record that is not there.", counts(section, 1, lookup),
         Ask(right=either(has("192.0.2.1"), fails)))
case("additional count one too low", "OPT is there and not counted: bytes behind the message.",
     with_edns(counts("additional", -1, lookup)), *TWO)
case("additional count 1,000", "A count from nowhere.", counts("additional", 1000, lookup),
     Ask(right=either(has("192.0.2.1"), fails)))
case("4 bytes behind", "Zeros behind the message.", odd.trailing(4, lookup), *TWO)
case("400 bytes behind", "Padding from a middle box.", odd.trailing(400, lookup), *TWO)
case("question counted twice", "QDCOUNT 2, and the question stands there once.", counts("question", 1, lookup),
     Ask(right=either(has("192.0.2.1"), fails)))

case = group("foreign messages")

case("another id first", "A guess from elsewhere, then the answer.", preceded(wrong_id()), *TWO)
case("100 other ids first", "Many guesses, then the answer.", preceded(*[wrong_id()] * 100), *TWO)
case("always another id", "Never the answer.", wrong_id(), Ask(right=fails))
case("guess with poison, 0.1 s before", "Another id and another address: not taken.",
     preceded(wrong_id(answer("www.example.com. 60 A 192.0.2.66")), then=delay(0.1)), *TWO)
case("from another port", "By UDP never from where it was asked.", odd.attributes(lookup, elsewhere=True), Ask(right=either(has("192.0.2.1"), fails)))
case("from another port, then right", "Once from elsewhere.",
     sequence(odd.attributes(lookup, elsewhere=True), lookup))
case("query echoed, then the answer", "A box that repeats what it hears.", preceded(odd.echo()), *TWO)
case("query echoed", "Always, with QR=0.", odd.echo(), Ask(right=fails))
case("query echoed with QR=1", "An empty NOERROR without RA and AA.", odd.echo(odd.QR),
     Ask(right=either(fails, code("NOERROR", answers=0))))
case("5 bytes, then the answer", "Rubbish.", preceded(raw(lambda query: query.raw[:5])), *TWO)
case("nothing, then the answer", "An empty datagram.", preceded(raw(lambda query: b"")), *TWO)
case("header alone, then the answer", "12 bytes, NOERROR.", preceded(odd.formerr_header(0)), *TWO)
case("header alone", "12 bytes, NOERROR, always.", odd.formerr_header(0), Ask(right=fails))
case("5 bytes", "Always.", raw(lambda query: query.raw[:5]), Ask(right=fails))
case("cut in the answer", "A message that ends too early, always.", edit(lambda wire: wire[:36], lookup), Ask(right=fails))
case("cut once", "Then whole.", sequence(edit(lambda wire: wire[:36], lookup), lookup))

case = group("how names are written")

A = b"\xc0\0\2\1"
case("not compressed", "All names written out.", raw_records(
    "answer", record("A", A, owner=b"\3www\7example\3com\0")))
case("pointer forwards", "A name that points behind itself.", raw_records(
    "answer", record("A", A, owner=b"\xc0\x29")), Ask(right=fails))
case("pointer to itself", "A name without an end.", raw_records(
    "answer", record("A", A, owner=b"\xc0\x21")), Ask(right=fails))
case("pointer beyond the end", "A name that is nowhere.", raw_records(
    "answer", record("A", A, owner=b"\xff\xff")), Ask(right=fails))
case("pointer into the header", "A name made of flags.", raw_records(
    "answer", record("A", A, owner=b"\xc0\0")), Ask(right=fails))
case("label type 01", "An extended label that is not in use (RFC 6891 5).", raw_records(
    "answer", record("A", A, owner=b"\x41\0\0")), Ask(right=fails))
case("compressed SRV target", "RFC 2782 forbids it, many do it.", raw_records(
    "answer", record("SRV", struct.pack("!HHH", 1, 2, 443) + b"\xc0\x0c")), Ask("www", "SRV", right=has(
        "1 2 443 www.example.com.")))
case("compressed DNAME target", "RFC 6672 forbids it, old servers do it.", raw_records(
    "answer", record("DNAME", b"\3new\xc0\x0c")), Ask("example.com.", "DNAME", right=anything))
case("an owner of other bytes", "Labels with a dot, a space, a zero and bytes above 127.",
     answer("a\\.b\\032\\000\\255.example.com. 60 A 192.0.2.1"), Ask("a\\.b\\032\\000\\255.example.com."))
case("255 bytes of name", "The longest there is.", answer(
    ".".join(["x" * 63] * 3 + ["y" * 49]) + ".example.com. 60 A 192.0.2.1"),
    Ask(".".join(["x" * 63] * 3 + ["y" * 49]) + ".example.com."))
case("underscores and stars", "Names that are no host names.", answer("*._tcp.a_b.example.com. 60 A 192.0.2.1"),
     Ask("*._tcp.a_b"))
