"""Cases: silence, distance, loss, several servers, TCP."""

import odd
from asking import BAD, GOOD, Ask, code, either, fails, has, true
from catalogue import group
from odd import attributes, choose, lossy, preceded, reaches, silent
from scripted import (answer, close, delay, drop, edit, lookup, no_edns, only, rcode, sequence, truncate, wrong_id)

case = group("silence")

case("silent for 0.2 s", "An ARP entry is looked up, a radio wakes: the first queries get lost.", silent(0.2))
case("silent for 0.5 s", "The network's own resolver restarts.", silent(0.5))
case("silent for 1 s", "A laptop moves from one network to another.", silent(1))
case("silent for 2 s", "The same, with DHCP.", silent(2))
case("silent for 4 s", "A link comes back.", silent(4))
case("silent for 1 s, 30 names", "The same, with many questions under way.", silent(1),
     *[Ask(f"n{n}") for n in range(30)], together=True)
case("silent for 1 s, server known", "A server that has answered before falls silent for a moment.",
     odd.by_name({"www.example.com.": lookup}, silent(1)), Ask(counted=False), Ask("n1"))
case("silent, and asked again", "A server is silent for 6 s; whoever asks again then is answered, not told of the past.",
     silent(6), Ask(counted=False, within=7), Ask(after=0.5))
case("asked again at 1, 2 and 3 s", "Silent for 2.5 s while a client repeats itself.", silent(2.5),
     Ask(counted=False, within=1), Ask(counted=False, within=1), Ask(counted=False, within=1), Ask())
case("first query lost", "One packet.", sequence(drop(), lookup))
case("first three lost", "Three packets.", sequence(drop(), drop(), drop(), lookup))
case("half of the queries lost", "A bad radio; 8 names one after the other.", lossy(0.5),
     *[Ask(f"n{n}") for n in range(8)])
case("a third of the queries lost, 40 at once", "The same, more at a time.", lossy(0.33),
     *[Ask(f"n{n}") for n in range(40)], together=True)
case("never answers", "Nothing is to be had, and that is said before the client gives up.", drop(), Ask(right=fails))
case("one name never answered", "A silent name does not make the server a bad one.",
     odd.by_name({".silent.example.com.": drop()}),
     *[Ask(f"x{n}.silent", counted=False, within=0.05) for n in range(20)], Ask())
case("silent names, fast server", "Names that the near server does not answer do not steer others to the far one.",
     (odd.by_name({".silent.example.com.": drop()}), delay(0.4)),
     *[Ask(f"x{n}.silent", counted=False, within=0.02) for n in range(40)], *[Ask(f"n{n}") for n in range(20)])

case = group("slow servers")

case("1.5 s", "A satellite, twice.", delay(1.5))
case("3.2 s", "Longer than most wait for the first answer.", delay(3.2))
case("4.5 s", "A server that answers just before its clients give up.", delay(4.5))
case("2 s, and asked for 20 names", "Patience does not depend on how many there are.", delay(2),
     *[Ask(f"n{n}") for n in range(20)], together=True)
case("one at a time, 0.1 s each", "A small box that answers in turns; 20 names at once.", odd.queueing(0.1),
     *[Ask(f"n{n}") for n in range(20)], together=True)
case("first answer slow, then fast", "The first takes 2 s, as its cache is cold.", sequence(delay(2), lookup),
     Ask(), Ask("mail", right=has("192.0.2.25")))
case("answers twice", "Each answer comes in two copies.",
     preceded(lambda server, query: lookup(server, query)), Ask(), Ask("mail", right=has("192.0.2.25")))
case("ten a second, the rest lost", "A rate limit that drops; 30 names at once.", odd.at_most(10),
     *[Ask(f"n{n}") for n in range(30)], together=True)
case("ten a second, the rest truncated", "A rate limit that slips (TC, no records); 30 names at once.",
     odd.at_most(10, else_=truncate()), *[Ask(f"n{n}") for n in range(30)], together=True)
case("ten a second, the rest REFUSED", "A rate limit that refuses; 30 names at once.",
     only("udp", odd.at_most(10, else_=rcode("REFUSED"))), *[Ask(f"n{n}") for n in range(30)], together=True)

case = group("several servers")

for what, first in (("silent", drop()), ("not there", None), ("SERVFAIL", rcode("SERVFAIL")),
                    ("REFUSED", rcode("REFUSED")), ("NOTIMP", rcode("NOTIMP")), ("FORMERR", rcode("FORMERR")),
                    ("NOTAUTH", rcode("NOTAUTH")), ("a reserved rcode", rcode("15")),
                    ("lame: refers downwards", odd.referral("www.example.com.", ["ns.www.example.com."])),
                    ("lame: refers to the root", odd.referral(".", ["a.root-servers.net."])),
                    ("an empty answer with TC, no TCP", only("udp", truncate(), close())),
                    ("cut short", edit(lambda wire: wire[:40])),
                    ("header alone", odd.formerr_header(0)),
                    ("compression loop", odd.raw_records("answer", odd.record("A", b"\xc0\0\2\1", owner=b"\xc0\x23"))),
                    ("always another id", wrong_id())):
    case(f"first {what}, second good", "Of two servers one is of no use.", (first, lookup),
         Ask(), Ask("n1"), Ask("n2"))
case("first slow (1.5 s), second good", "Of two servers one is far away.", (delay(1.5), lookup),
     Ask(), Ask("n1"), Ask("n2"))
case("first has NXDOMAIN, second has data", "Servers that contradict one another: the first one's word counts.",
     (rcode("NXDOMAIN"), rcode("NXDOMAIN")), Ask(right=code("NXDOMAIN")))
case("both SERVFAIL", "Said at once, as no other can be asked.", (rcode("SERVFAIL"), rcode("SERVFAIL")),
     Ask(right=fails))
case("nobody there", "The port is closed, the kernel says so: nothing to wait for.", None, Ask(right=fails))
case("three, two silent", "One of three servers is alive.", (drop(), drop(), lookup), Ask(), Ask("n1"), Ask("n2"))
case("both silent for 1 s", "The way out is gone for a moment.", (silent(1), silent(1)), Ask())

case = group("one server's errors")

case("SERVFAIL, then good", "Its own upstream was slow.", odd.failing("SERVFAIL"))
case("SERVFAIL twice, then good", "The same.", odd.failing("SERVFAIL", 2))
case("SERVFAIL, asked again after 1 s", "An error is not kept for long.", odd.failing("SERVFAIL", 4),
     Ask(counted=False), Ask(after=1.1, counted=False), Ask(after=1.1))
case("REFUSED, then good", "A server that has just been reloaded.", odd.failing("REFUSED"))
case("REFUSED", "Said at once.", rcode("REFUSED"), Ask(right=fails))
case("NOTIMP for AAAA alone", "A and AAAA are asked for together: one fails, the other does not.",
     choose(lambda query: query.type == "AAAA", rcode("NOTIMP")), Ask(rtype="AAAA", right=fails, counted=False), Ask())
case("silent to AAAA", "Old load balancers; A works.", choose(lambda query: query.type == "AAAA", drop()),
     Ask(rtype="AAAA", within=0.05, counted=False), Ask())
case("silent to HTTPS", "Middle boxes that know no new types; A works.",
     choose(lambda query: query.type == "HTTPS", drop()), Ask(rtype="HTTPS", within=0.05, counted=False), Ask())
case("FORMERR to unknown types", "HTTPS is not known; A is.",
     choose(lambda query: query.type == "HTTPS", rcode("FORMERR")),
     Ask(rtype="HTTPS", right=fails, counted=False), Ask())

def explained(number, then=rcode("SERVFAIL")):
    """With an Extended DNS Error (RFC 8914)."""
    return odd.with_edns(odd.opt(options=b"\0\x0f\0\2" + number.to_bytes(2, "big"), then=then), then)


def says(number):
    return lambda message: GOOD if any(
        option.otype == 15 and option.code == number for option in message.options) else BAD


for number, what in ((6, "bogus"), (9, "no DNSKEY"), (15, "blocked")):
    case(f"SERVFAIL with EDE {number}", f"A forwarder says why ({what}): it reaches the client.", explained(number),
         Ask(right=says(number)))
case("NXDOMAIN with EDE 15", "A forwarder that filters says so.", explained(15, rcode("NXDOMAIN")),
     Ask(right=says(15)))

case = group("TCP")

case("truncated", "The ordinary case: TC, and the whole by TCP.", truncate())
case("truncated, some records", "TC with a part of the RRset; the whole by TCP.",
     only("udp", odd.flags(odd.TC, then=answer("many.example.com. 60 A 198.51.100.1"))),
     Ask("many", right=has(*[f"198.51.100.{n}" for n in range(1, 21)])))
case("truncated, port closed", "No TCP at all: a failure, not a part of the answer.", truncate(), Ask(right=fails),
     tcp=False)
case("truncated, TCP silent", "TCP is taken, and never answered.", only("udp", truncate(), drop()), Ask(right=fails))
case("truncated, TCP closed at once", "Taken and closed.", only("udp", truncate(), close()), Ask(right=fails))
case("TCP closed the first time", "The next connection is answered.",
     only("udp", truncate(), sequence(close(), lookup)))
case("TCP silent the first time", "The next connection is answered.",
     only("udp", truncate(), sequence(drop(), lookup)))
case("length in a packet of its own", "Two bytes, then the rest.", attributes(truncate(), sizes=(2,)))
case("byte by byte", "As slow as it gets.", attributes(truncate(), sizes=(1,) * 30, pause=0.01))
case("in two halves, 1 s apart", "A segment is lost and sent again.", attributes(truncate(), sizes=(30,), pause=1))
case("closes after each answer", "One question per connection; 50 names at once.", attributes(truncate(), last=True),
     *[Ask(f"n{n}") for n in range(50)], together=True)
case("half an answer, then closed", "The length says more than comes.",
     only("udp", truncate(), attributes(edit(lambda wire: wire[:20] + bytes(400)), last=True)), Ask(right=fails))
case("answers out of order", "The first answer comes last; 20 names at once.",
     only("udp", truncate(), choose(lambda query: query.name.lower().startswith("n0."), delay(0.5))),
     *[Ask(f"n{n}") for n in range(20)], together=True)
case("another id first, by TCP", "Then the right one.",
     only("udp", truncate(), preceded(wrong_id())))
case("TC set by TCP", "A part of the RRset, said to be one: it is not given as the whole.",
     only("udp", truncate(), odd.flags(odd.TC, then=answer("many.example.com. 60 A 198.51.100.1"))),
     Ask("many", right=fails))
case("60,000 bytes", "The largest messages.", truncate(), Ask("huge", "TXT", right=true(lambda m: len(m.answer) == 1)))
case("TCP alone", "UDP is closed; TCP would work.", lookup, Ask(right=either(has("192.0.2.1"), fails)), udp=False)
case("UDP filtered, TCP works", "UDP vanishes; TCP would work.", only("udp", drop()),
     Ask(right=either(has("192.0.2.1"), fails)))

case = group("large answers")

WHOLE = true(lambda m: len(m.answer) == 1 and len(m.answer[0]) > 0)
case("2,000 bytes by UDP, uninvited", "Longer than was asked for, whole, without TC.", odd.oversized(),
     Ask("text", "TXT", right=WHOLE, payload=4096))
case("600 bytes by UDP without EDNS", "The same, from a server that knows no EDNS.",
     no_edns(then=odd.oversized()), Ask("many", right=true(lambda m: len(m.answer[0]) == 20)))
case("UDP above 512 bytes gets lost", "A firewall from before EDNS; TCP works.", reaches(512),
     Ask("text512", "TXT", right=WHOLE), Ask())
case("UDP above 1,232 bytes gets lost", "No fragments come through; TCP works.", reaches(1232),
     Ask("text", "TXT", right=WHOLE), Ask())
case("UDP above 512 lost, no TCP", "Short answers still come, and long ones do not stop them.",
     only("udp", reaches(512), close()), Ask("text512", "TXT", right=fails, counted=False), Ask())
case("truncated to TC and OPT, 20 records", "An RRset by TCP.", truncate(),
     Ask("many", right=has(*[f"198.51.100.{n}" for n in range(1, 21)])))
