"""Cases: DS at zone cuts, and the order in which RRsets and records come."""

import odd
from asking import BAD, Ask, code, either, fails, has, true
from catalogue import group
from odd import altered, choose, raw_records, record
from scripted import answer, lookup, only, rcode, sequence, truncate

DS = "sub.example.com. 300 DS 12345 13 2 " + "ab" * 32
NS = "sub.example.com. 300 NS ns.sub.example.com."
SOA = "example.com. 60 SOA ns1.example.com. h.example.com. 1 3600 900 604800 60"
SIG = "8 3 300 20380101000000 20200101000000 12345 example.com. c2lnbmF0dXJl"
NSEC = ["sub.example.com. 60 NSEC t.example.com. NS RRSIG NSEC", f"sub.example.com. 60 RRSIG NSEC {SIG}"]
NODATA = code("NOERROR", answers=0)
THE_DS = has("12345 13 2 " + "ab" * 32)


def signed(kind, message):
    """Signatures over that type are there."""
    return any(one.rdtype == 46 and one[0].type_covered == kind for part in (message.answer, message.authority)
               for one in part)


case = group("DS")

case("of a child zone", "The parent's side of a cut has it.", answer(DS), Ask("sub", "DS", right=THE_DS))
case("with its signature", "For who asks with DO.", answer(DS, f"sub.example.com. 300 RRSIG DS {SIG}"),
     Ask("sub", "DS", dnssec=True, right=true(lambda m: signed(43, m) and any(r.rdtype == 43 for r in m.answer), BAD)))
case("with the NS of the cut", "AUTHORITY names the child's servers: no referral, as there is an answer.",
     answer(DS, authority=[NS]), Ask("sub", "DS", right=THE_DS))
case("none, an insecure child", "NODATA with the parent's SOA.", answer(authority=[SOA]), Ask("sub", "DS", right=NODATA))
case("none, proven", "The NSEC that proves it reaches who asks with DO.", answer(authority=[SOA, *NSEC]),
     Ask("sub", "DS", dnssec=True, right=true(lambda m: m.rcode() == 0 and not m.answer and signed(47, m), BAD)))
case("none, by the child's SOA", "The child's server is asked for what the parent has: NODATA of the wrong zone, or a failure.",
     answer(authority=[SOA.replace("example.com.", "sub.example.com.", 1)]), Ask("sub", "DS", right=either(NODATA, fails)))
case("of a name that is not there", "NXDOMAIN.", answer(rcode="NXDOMAIN", authority=[SOA]),
     Ask("sub", "DS", right=code("NXDOMAIN")))
case("referral instead", "A server that knows nothing of DS (RFC 4035 3.1.4.1) refers to the child.",
     answer(authority=[NS], additional=["ns.sub.example.com. 300 A 192.0.2.53"], aa=False), Ask("sub", "DS", right=fails))
case("referral with DS", "A referral to a signed child, for another name: no answer.", answer(
    authority=[NS, DS], aa=False), Ask("www.sub", right=fails))
case("NOTIMP to DS alone", "A server that knows no DS; the address is had.",
     choose(lambda query: query.type == "DS", rcode("NOTIMP")), Ask("sub", "DS", right=fails, counted=False), Ask())
case("FORMERR to DS alone", "The same.", choose(lambda query: query.type == "DS", rcode("FORMERR")),
     Ask("sub", "DS", right=fails, counted=False), Ask())
case("behind a CNAME", "No zone is cut at an alias; the chain is followed.", answer(
    "alias.example.com. 300 CNAME sub.example.com.", DS), Ask("alias", "DS", right=THE_DS))
case("below a DNAME", "The same, by a whole tree.", answer(
    "old.example.com. 300 DNAME example.com.", "sub.old.example.com. 300 CNAME sub.example.com.", DS),
     Ask("sub.old", "DS", right=THE_DS))
case("truncated", "By TCP.", truncate(answer(DS)), Ask("sub", "DS", right=THE_DS))
case("of the root", "It has no parent: NODATA, or a failure.", answer(authority=[
    ". 60 SOA a.root-servers.net. n.verisign.com. 1 3600 900 604800 60"]), Ask(".", "DS", right=either(NODATA, fails)))
case("of a top-level domain", "The root's side of the cut.", answer(DS.replace("sub.example.com.", "com.")),
     Ask("com.", "DS", right=THE_DS))
case("then an address of the same name", "The DS of a name says nothing of its other types.",
     choose(lambda query: query.type == "DS", answer(authority=[SOA]), answer("sub.example.com. 60 A 192.0.2.1")),
     Ask("sub", "DS", right=NODATA), Ask("sub"))
case("NODATA for the address, then DS", "And the other way round.",
     choose(lambda query: query.type == "DS", answer(DS), answer(authority=[SOA])),
     Ask("sub", right=NODATA), Ask("sub", "DS", right=THE_DS))
case("of 3 bytes", "A broken record: a failure, or passed on as it is.", raw_records("answer", record("DS", b"\0\1\x0d")),
     Ask("sub", "DS", loose=True, right=either(fails, true(lambda m: len(m.answer) + len(m.errors) == 1))))

case = group("order")

LINKS = [f"c{n}.example.com. 300 CNAME c{n - 1}.example.com." for n in range(5, 0, -1)]
END = "c0.example.com. 300 A 192.0.2.1"
ALL = true(lambda m: [r.rdtype for r in m.answer].count(5) == 5 and m.answer[-1].rdtype == 1
           and all(one[0].target == two.name for one, two in zip(m.answer, m.answer[1:])), BAD)
case("of a chain is that of its links", "As many stub resolvers want it (RFC 9499: read from its beginning).",
     answer(*LINKS, END), Ask("c5", right=ALL))
case("of a chain, from its end", "The server has it backwards; it is put right, or a failure.",
     answer(END, *reversed(LINKS)), Ask("c5", right=ALL))
case("of a chain, mixed", "The server has it in no order.", answer(LINKS[3], END, LINKS[0], LINKS[4], LINKS[2], LINKS[1]),
     Ask("c5", right=ALL))
case("of a chain, asked again", "The same out of the cache.", answer(*LINKS, END), Ask("c5", right=ALL), Ask("c5", right=ALL),
     Ask("c5", right=ALL))


def reversed_records(then):
    """Each section's RRsets in the opposite order."""
    def change(reply):
        for part in (reply.message.answer, reply.message.authority):
            part.reverse()
    return altered(change, then)


case("a signature before what it signs", "Both are there for who asks with DO.", reversed_records(odd.signed()),
     Ask(dnssec=True, right=true(lambda m: signed(1, m) and any(r.rdtype == 1 for r in m.answer), BAD)))
case("a chain's signatures first", "All signatures, then all that they sign.", reversed_records(odd.signed(
    answer("alias.example.com. 60 CNAME www.example.com.", "www.example.com. 60 A 192.0.2.1"))),
     Ask("alias", dnssec=True, right=true(lambda m: signed(1, m) and signed(5, m) and m.answer[0].rdtype == 5, BAD)))
case("proof before the SOA", "NSEC and signature stand first in AUTHORITY.", reversed_records(answer(
    rcode="NXDOMAIN", authority=[SOA, *NSEC])), Ask("gone", dnssec=True, right=true(
        lambda m: m.rcode() == 3 and signed(47, m) and any(r.rdtype == 6 for r in m.authority), BAD)))
A1, A2 = b"\xc0\0\2\1", b"\xc0\0\2\2"
case("an RRset in two places", "Another record stands between its two (RFC 2181 5 knows no such place).",
     raw_records("answer", record("A", A1), record("TXT", b"\1x"), record("A", A2)),
     Ask(right=true(lambda m: sorted(one.to_text() for r in m.answer if r.rdtype == 1 for one in r)
                    == ["192.0.2.1", "192.0.2.2"], BAD)))
case("of addresses, once asked", "As the server has it, or turned: all of them.", lookup,
     Ask("many", right=true(lambda m: len({one.to_text() for one in m.answer[0]}) == 20)))
case("of addresses changes", "Clients take the first one: it is another one each time.", lookup, Ask("many", counted=False),
     Ask("many", orders=8, right=true(lambda m: len(m.answer[0]) == 20)))
case("of addresses behind an alias changes", "The same at the end of a chain.", answer(
    "alias.example.com. 60 CNAME many.example.com.", *[f"many.example.com. 60 A 198.51.100.{n}" for n in range(1, 9)]),
     Ask("alias", counted=False), Ask("alias", orders=8, right=true(lambda m: len(m.answer[-1]) == 8)))
case("of MX records", "Clients sort by preference: all are there.", answer(
    *[f"example.com. 60 MX {n} m{n}.example.com." for n in (30, 10, 20)]), Ask("example.com.", "MX", right=true(
        lambda m: sorted(one.preference for one in m.answer[0]) == [10, 20, 30])))
case("by TCP as by UDP", "Truncated, and the whole has its chain in order.", only("udp", truncate(), answer(END, *LINKS)),
     Ask("c5", right=ALL))
case("two answers that differ in it", "The same records in another order are the same answer.",
     sequence(answer(*LINKS, END), answer(END, *LINKS)), Ask("c5", right=ALL), Ask("c5", right=ALL, after=0.1))
