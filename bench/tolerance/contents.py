"""Cases: chains, negative answers, records, TTLs: what is in the messages."""

import dns.rdatatype

import odd
from asking import Ask, anything, code, either, fails, has, passed_on, true
from catalogue import group
from odd import by_name, choose, raw_records, record
from scripted import answer, extra, lookup, malformed, only, rcode, sequence

A = b"\xc0\0\2\1"
NODATA = code("NOERROR", answers=0)
SOA = "example.com. 60 SOA ns1.example.com. h.example.com. 1 3600 900 604800 60"
CHAIN = "alias.example.com. 60 CNAME www.example.com."


def tail(*rdata):
    """The chain's end has these addresses."""
    return has(*(rdata or ["192.0.2.1"]), rtype="A")


case = group("chains")

for links, at_a_time in ((8, 1), (11, 1), (16, 1), (20, 1), (20, 20)):
    case(f"{links} CNAMEs, {at_a_time} a message", "A long way to the address.", odd.chain(links, at_a_time),
         Ask(f"c{links}", right=tail()))
case("30 CNAMEs", "Too long a way for most: an end all the same, and soon.", odd.chain(30, 1),
     Ask("c30", right=either(tail(), fails, true(lambda m: len(m.answer) > 5))))
case("CNAME loop", "Two names that lead to one another.", by_name({
    "a.example.com.": answer("a.example.com. 60 CNAME b.example.com."),
    "b.example.com.": answer("b.example.com. 60 CNAME a.example.com.")}),
     Ask("a", right=either(fails, true(lambda m: len(m.answer) >= 1))))
case("CNAME loop in one message", "The same.", answer(
    "a.example.com. 60 CNAME b.example.com.", "b.example.com. 60 CNAME a.example.com."),
     Ask("a", right=either(fails, true(lambda m: len(m.answer) >= 1))))
case("CNAME to itself", "A name that leads to itself.", answer("a.example.com. 60 CNAME a.example.com."),
     Ask("a", right=either(fails, true(lambda m: len(m.answer) >= 1))))
case("out of order", "The address stands before the CNAME that leads to it.",
     answer("www.example.com. 60 A 192.0.2.1", CHAIN), Ask("alias", right=tail()))
case("CNAME beside an address", "RFC 1034 3.6.2 forbids it: either will do.",
     answer("alias.example.com. 60 A 192.0.2.1", CHAIN, "www.example.com. 60 A 192.0.2.1"),
     Ask("alias", right=true(lambda m: any(rrset.rdtype == dns.rdatatype.A for rrset in m.answer))))
case("CNAME twice", "The same record, given twice.", answer(CHAIN, CHAIN, "www.example.com. 60 A 192.0.2.1"),
     Ask("alias", right=tail()))
case("two CNAMEs", "A name with two of them.", answer(
    CHAIN, "alias.example.com. 60 CNAME mail.example.com.", "www.example.com. 60 A 192.0.2.1"),
     Ask("alias", right=either(tail(), fails)))
case("CNAME without its end", "The rest is to be asked for.", by_name({"alias.example.com.": answer(CHAIN)}),
     Ask("alias", right=tail()))
case("CNAME and NXDOMAIN", "The chain's end does not exist (RFC 6604).",
     answer("alias.example.com. 60 CNAME gone.example.com.", rcode="NXDOMAIN", authority=[SOA]),
     Ask("alias", right=code("NXDOMAIN")))
case("CNAME with an end of SERVFAIL", "A failure, or as far as it goes: not a whole answer of no data.",
     by_name({"alias.example.com.": answer("alias.example.com. 60 CNAME bad.example.net."),
              "bad.example.net.": rcode("SERVFAIL")}),
     Ask("alias", right=either(fails, true(lambda m: False))))
case("CNAME to the root", "A target without labels.", answer("alias.example.com. 60 CNAME ."),
     Ask("alias", right=either(fails, true(lambda m: len(m.answer) == 1), code("NXDOMAIN"))))
case("CNAME at the apex", "Beside SOA and NS; seen often.", by_name(
    {"example.com.": answer("example.com. 60 CNAME www.example.com.", "www.example.com. 60 A 192.0.2.1")}),
     Ask("example.com.", right=tail()), Ask("mail", right=has("192.0.2.25")))
case("another name's address behind the CNAME", "What nothing leads to is not the answer.",
     answer(CHAIN, "evil.example.net. 60 A 192.0.2.66", "www.example.com. 60 A 192.0.2.1"),
     Ask("alias", right=tail()))
case("DNAME with its CNAME", "RFC 6672: both in one answer.", answer(
    "old.example.com. 60 DNAME example.com.", "www.old.example.com. 60 CNAME www.example.com.",
    "www.example.com. 60 A 192.0.2.1"), Ask("www.old", right=tail()))
case("DNAME without its CNAME", "The CNAME is to be made from it.", by_name({".old.example.com.": answer(
    "old.example.com. 60 DNAME example.com.")}), Ask("www.old", right=tail()))
case("DNAME without its CNAME, whole", "The same, with the address.", answer(
    "old.example.com. 60 DNAME example.com.", "www.example.com. 60 A 192.0.2.1"), Ask("www.old", right=tail()))
case("DNAME, CNAME to elsewhere", "The CNAME does not follow from the DNAME: what follows holds, or a failure.", answer(
    "old.example.com. 60 DNAME example.com.", "www.old.example.com. 60 CNAME evil.example.net.",
    "evil.example.net. 60 A 192.0.2.66"), Ask("www.old", right=either(tail(), fails, anything)))
case("DNAME makes too long a name", "YXDOMAIN, as from the server (RFC 6672 2.2).", answer(
    "old.example.com. 60 DNAME " + ".".join(["x" * 63] * 3) + ".example.com.", rcode="YXDOMAIN"),
     Ask(".".join(["y" * 60]) + ".old", right=either(code("YXDOMAIN"), fails)))
case("DNAME loop", "A DNAME below itself.", by_name({".example.com.": answer(
    "old.example.com. 60 DNAME old.example.com.")}),
     Ask("www.old", right=either(fails, true(lambda m: len(m.answer) >= 1))))

case = group("negative answers")

case("NXDOMAIN without SOA", "Not to be kept, but an answer.", rcode("NXDOMAIN"), Ask(right=code("NXDOMAIN")))
case("NODATA without SOA", "The same.", answer(), Ask(right=NODATA))
case("SOA of another zone", "A SOA from elsewhere in a negative answer.", answer(rcode="NXDOMAIN", authority=[
    SOA.replace("example.com.", "example.org.")]), Ask(right=code("NXDOMAIN")))
case("SOA of another zone is not handed on", "The same: it does not reach the client.", answer(
    rcode="NXDOMAIN", authority=[SOA.replace("example.com.", "example.org.")]), Ask(right=true(
        lambda m: not any("example.org" in str(rrset.name) for rrset in m.authority))))
case("SOA of the root", "As from a wrong zone file.", answer(rcode="NXDOMAIN", authority=[
    ". 60 SOA a.root-servers.net. n.verisign.com. 1 3600 900 604800 60"]), Ask(right=code("NXDOMAIN")))
case("SOA below the name", "A SOA of a zone that the name is not in.", answer(authority=[
    SOA.replace("example.com.", "x.www.example.com.")]), Ask(right=NODATA))
case("two SOAs", "A zone and the one above.", answer(rcode="NXDOMAIN", authority=[SOA, SOA.replace(
    "example.com.", "com.", 1)]), Ask(right=code("NXDOMAIN")))
case("SOA in ANSWER", "A negative answer whose SOA stands in the wrong section.", answer(SOA),
     Ask(right=either(NODATA, fails, true(lambda m: not any(r.rdtype == 1 for r in m.answer)))))
case("NXDOMAIN with data", "Both at once.", answer("www.example.com. 60 A 192.0.2.1", rcode="NXDOMAIN"),
     Ask(right=either(has("192.0.2.1"), code("NXDOMAIN"))))
case("NXDOMAIN for a name above", "The server denies an empty name; the one below is there.", by_name({
    "empty.example.com.": answer(rcode="NXDOMAIN", authority=[SOA]),
    "a.empty.example.com.": answer("a.empty.example.com. 60 A 192.0.2.1")}),
     Ask("empty", right=code("NXDOMAIN"), counted=False), Ask("a.empty"))
case("NXDOMAIN to AAAA, data for A", "Old load balancers; who asks for A first has it.",
     choose(lambda query: query.type == "AAAA", answer(rcode="NXDOMAIN", authority=[SOA])),
     Ask(), Ask(rtype="AAAA", right=code("NXDOMAIN", "NOERROR"), counted=False), Ask())
case("NXDOMAIN kept for other types", "RFC 2308 5: the name does not exist; with no further question.",
     sequence(answer(rcode="NXDOMAIN", authority=[SOA]), only("tcp", lookup, lambda server, query: None)),
     Ask(right=code("NXDOMAIN")), Ask(rtype="TXT", right=code("NXDOMAIN"), within=2))
case("referral", "A lame server: neither an answer nor a denial.", odd.referral(
    "www.example.com.", ["ns.www.example.com."], ["ns.www.example.com. 60 A 192.0.2.53"]), Ask(right=fails))
case("referral to the root", "An authority that does not have the zone.", odd.referral(".", ["a.root-servers.net."]),
     Ask(right=fails))
case("referral to its own zone", "The zone's NS records, and no SOA.", odd.referral("example.com.", ["ns1.example.com."]),
     Ask(right=either(fails, NODATA)))
case("ANY of no name", "NXDOMAIN, or what RFC 8482 allows.", answer(rcode="NXDOMAIN", authority=[SOA]),
     Ask("gone", "ANY", right=code("NXDOMAIN")))
case("ANY of an alias", "The CNAME, not an HINFO (RFC 8482 4.2).", lookup,
     Ask("alias", "ANY", right=true(lambda m: not any(r.rdtype == 13 for r in m.answer))))

case = group("more than was asked")

POISON = "victim.example.net. 3600 A 192.0.2.66"
for section in ("answer", "authority", "additional"):
    case(f"another zone's record in {section}", "Not taken, and the answer is.",
         by_name({"victim.example.net.": answer("victim.example.net. 60 A 192.0.2.1")},
                 extra(POISON, section=section, then=lookup)), Ask(right=true(lambda m: any(
                     r.rdtype == 1 and r[0].to_text() == "192.0.2.1" for r in m.answer))), Ask("victim.example.net."))
case("another type in the answer", "AAAA where A was asked.", answer("www.example.com. 60 AAAA 2001:db8::1"),
     Ask(right=either(fails, NODATA, true(lambda m: not any(r.rdtype == 1 for r in m.answer)))))
case("another owner alone", "No record of the name.", answer("other.example.com. 60 A 192.0.2.66"),
     Ask(right=either(fails, NODATA, true(lambda m: not any("other" in str(r.name) for r in m.answer)))))
case("class CH in the answer", "An address of another class.", raw_records("answer", record("A", A, rclass=3)),
     Ask(right=fails))
case("class CH beside the answer", "One more record, of another class.",
     raw_records("answer", record("A", A, rclass=3), keep=True), Ask(right=either(has("192.0.2.1"), fails)))
case("200 NS and their addresses", "An AUTHORITY of a kilobyte.", extra(
    *[f"example.com. 60 NS ns{n}.example.com." for n in range(25)], section="authority", then=lookup), Ask())
case("address of 3 bytes in ADDITIONAL", "A broken record that nobody uses.",
     raw_records("additional", record("A", A[:3]), keep=True), Ask())
case("broken MX in AUTHORITY", "The same, where a denial would stand.",
     raw_records("authority", record("MX", b"\0"), keep=True), Ask(right=either(has("192.0.2.1"), fails)))
case("record cut short in ADDITIONAL", "The last record's length goes beyond the message.",
     raw_records("additional", record("A", A)[:-2], keep=True), Ask(edns=False, right=either(has("192.0.2.1"), fails)))
case("broken signature in ADDITIONAL", "An RRSIG of 3 bytes.",
     raw_records("additional", record("RRSIG", b"\0\1\2"), keep=True), Ask())

case = group("records")

for rtype, what, rdata in (
        ("A", "3 bytes", A[:3]), ("A", "5 bytes", A + b"\0"), ("A", "no bytes", b""), ("AAAA", "4 bytes", A),
        ("CNAME", "no name", b""), ("SOA", "two names alone", b"\0\0")):
    case(f"{rtype} of {what}", "A broken record is no answer.", raw_records("answer", record(rtype, rdata)),
         Ask(rtype=rtype, right=fails))
case("MX of no name", "Nobody but its client looks into it.", raw_records("answer", record("MX", b"\0\1")),
     Ask(rtype="MX", loose=True, right=either(fails, passed_on)))
case("good and broken address", "One of two records is broken.", malformed(A[:3]),
     Ask(right=either(fails, has("192.0.2.1"))))
for rtype, what, rdata in (
        ("TXT", "an empty string", b"\0"), ("TXT", "255 empty strings", bytes(255)),
        ("TYPE65280", "7 bytes", b"1234567"), ("TYPE65280", "no bytes", b""), ("NULL", "9 bytes", b"\0" * 9),
        ("HTTPS", "no parameters", b"\0\1\0"), ("HTTPS", "an unknown parameter", b"\0\1\0\x12\x34\0\1x"),
        ("HTTPS", "alias mode with parameters", b"\0\0\3www\0\0\1\0\3\2h2"),
        ("SVCB", "an IPv6 hint", b"\0\1\0\0\6\0\x10" + bytes(16)),
        ("CAA", "an odd tag", b"\0\5a-b.c\1x"), ("CAA", "reserved flags", b"\x7f\5issue;"),
        ("NAPTR", "empty fields", b"\0\1\0\1\0\0\0\0"), ("LOC", "16 bytes", b"\0\x12\x16\x13" + b"\x80\0\0\0" * 3),
        ("SSHFP", "an unknown kind", b"\x99\x98\1\2\3"), ("TLSA", "unknown numbers", b"\x77\x66\x55\1\2\3"),
        ("DS", "an unknown digest", b"\0\1\x0d\x99\1\2\3\4"), ("URI", "a target", b"\0\1\0\1ftp://x/"),
        ("HINFO", "two strings", b"\3CPU\2OS"), ("SPF", "a string", b"\6v=spf1"), ("EUI48", "6 bytes", b"123456"),
        ("OPENPGPKEY", "3 bytes", b"key"), ("CERT", "5 bytes and more", b"\0\1\0\2\3data"),
        ("APL", "a prefix", b"\0\1\x18\3\xc0\0\2"), ("DHCID", "4 bytes", b"\0\1\2\3"),
        ("RP", "two names", b"\1a\0\1b\0"), ("AFSDB", "a name", b"\0\1\1a\0"), ("PX", "two names", b"\0\1\1a\0\1b\0"),
        ("NSEC", "a bitmap", b"\1a\0\0\1\x40"), ("ZONEMD", "48 bytes", b"\0\0\0\1\1\1" + bytes(48)),
        ("HIP", "a key", b"\4\2\0\2HIT1KK"), ("CSYNC", "a bitmap", b"\0\0\0\1\0\0\0\1\x40"),
        ("AMTRELAY", "no relay", b"\1\0"), ("NID", "10 bytes", b"\0\1" + bytes(8)), ("X25", "digits", b"\x03123"),
        ("ISDN", "an address", b"\x03123"), ("GPOS", "three strings", b"\0011\0012\0013"), ("KEY", "4 bytes", b"\0\0\0\0"),
        ("SINK", "2 bytes", b"\1\2"), ("TALINK", "two names", b"\1a\0\1b\0"), ("RESINFO", "a string", b"\3a=b"),
        ("WALLET", "a string", b"\3abc"), ("NINFO", "a string", b"\1x"), ("DOA", "14 bytes", bytes(10) + b"\0abc")):
    try:
        dns.rdatatype.from_text(rtype)
    except dns.rdatatype.UnknownRdatatype:
        continue
    case(f"{rtype} with {what}", "A record that is passed on as it is.", raw_records("answer", record(rtype, rdata)),
         Ask(rtype=rtype, loose=True, right=passed_on))
case("HTTPS, parameters out of order", "RFC 9460 2.2 forbids it; both are there.", raw_records(
    "answer", record("HTTPS", b"\0\1\0\0\4\0\4\xc0\0\2\1\0\1\0\3\2h2")), Ask(rtype="HTTPS", loose=True, right=anything))
case("record twice", "RFC 2181 5: folded to one.", answer(*["www.example.com. 60 A 192.0.2.1"] * 2), Ask())
case("record twice, in raw", "The same, not folded by who sends it.", raw_records("answer", record("A", A), record("A", A)),
     Ask())
case("200 addresses", "3,200 bytes, by TCP.", answer(*[f"www.example.com. 60 A 198.51.100.{n}" for n in range(200)]),
     Ask(right=true(lambda m: len(m.answer[0]) == 200)))
case("order", "The addresses of a name come in changing order.", lookup, *[Ask("many", counted=False)] * 8,
     Ask("many", right=true(lambda m: len(m.answer[0]) == 20)))

case = group("TTLs")

case("TTL 0", "An answer for this time alone.", answer("www.example.com. 0 A 192.0.2.1"), Ask(), Ask())
for name, ttl in (("top bit", 0x80000000), ("all bits", 0xffffffff), ("68 years", 0x7fffffff)):
    case(f"TTL with {name}" if ttl != 0x7fffffff else "TTL of 68 years", "RFC 2181 8: kept for 0 s, or for as long as is usual.",
         raw_records("answer", record("A", A, ttl=ttl)),
         Ask(right=true(lambda m: m.answer[0][0].to_text() == "192.0.2.1" and m.answer[0].ttl <= 0x7fffffff)), Ask())
case("different TTLs in an RRset", "RFC 2181 5.2: the lowest holds.", raw_records(
    "answer", record("A", A, ttl=3600), record("A", b"\xc0\0\2\2", ttl=5)), Ask(right=true(
        lambda m: sum(len(r) for r in m.answer) == 2 and min(r.ttl for r in m.answer) <= 5)))
case("CNAME of 5 s to an address of a day", "The chain is as old as its shortest part.", answer(
    "alias.example.com. 2 CNAME www.example.com.", "www.example.com. 86400 A 192.0.2.1"),
     Ask("alias", right=tail()), Ask("alias", right=tail(), after=2.2))
case("negative TTL of a year", "A wrong SOA minimum is not believed for ever.", answer(rcode="NXDOMAIN", authority=[
    "example.com. 31536000 SOA a. b. 1 3600 900 604800 31536000"]), Ask("gone", right=true(
        lambda m: m.rcode() == 3 and (not m.authority or m.authority[0].ttl <= 86400))))
