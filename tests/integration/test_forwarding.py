"""freshetd towards its forwarders: whom it asks, what it believes, what it does without answers."""

import collections
import socket
import struct
import threading
import time

import dns.edns
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

import freshet
import process
import scripted as s
import wire
from query import addresses, ask, rcode

A = b"\xc0\0\2\x63"  # 192.0.2.99, what these forwarders say of any name


@pytest.fixture
def upstream(scripted):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    return scripted


@pytest.fixture
def second():
    """Another scripted server."""
    server = s.Scripted()
    server.set("www.example.com.", "A", "192.0.2.1")
    yield server
    server.stop()


@pytest.fixture
def daemon(upstream, freshetd):
    """One tier in front of one forwarder; one worker, so that counts are exact."""
    return freshetd(freshet.stub([upstream], workers=1))


def names(count, prefix="n"):
    return [f"{prefix}{n}.example.com." for n in range(count)]


def expect_answers(replies, wanted):
    """Each of the names was answered with the one address."""
    assert len(replies) == len(wanted)
    wrong = [name for name in wanted
             if wire.rcode_of(replies[name][0]) or not replies[name][0].endswith(A)]
    assert wrong == []


def ede(response):
    return [option.code for option in response.options if isinstance(option, dns.edns.EDEOption)]


def transports(server, name):
    return [query.transport for query in server.asked(name)]


# --- whom it asks


def test_a_forwarder_on_ipv6(freshetd):
    server = s.Scripted(v6=True)
    server.script("*", wire.records(A))
    server.script("big.example.com.", s.truncate())
    server.set("big.example.com.", "A", "192.0.2.5")
    daemon = freshetd(freshet.stub([server]))
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.99"]
    assert addresses(ask(daemon, "big.example.com.")) == ["192.0.2.5"]
    assert transports(server, "big.example.com.") == ["udp", "tcp"]
    server.stop()


def echo(_server, query):
    """The query itself comes back."""
    return wire.Bytes(query, query.raw)


BAD_FORWARDERS = {
    "drops": s.drop(),
    "refuses": s.rcode("REFUSED"),
    "fails": s.rcode("SERVFAIL"),
    "not implemented": s.rcode("NOTIMP"),
    "malformed": s.malformed(b"\1\2\3", "A"),
    "closes over tcp": s.only("udp", s.truncate(), s.close()),
    "echoes": echo,
}


@pytest.mark.parametrize("how", ["dead port", *BAD_FORWARDERS])
def test_failover(upstream, second, freshetd, how):
    """The first forwarder is no good: the second answers every question, soon without delay."""
    second.script("*", wire.records(A))
    first = ("127.0.0.1", process.free_port()) if how == "dead port" else upstream
    if how != "dead port":
        upstream.script("*", BAD_FORWARDERS[how])
    daemon = freshetd(freshet.stub([first, second], workers=1))
    times = []
    for name in names(20):
        began = time.monotonic()
        assert addresses(ask(daemon, name)) == ["192.0.2.99"]
        times.append(time.monotonic() - began)
    assert max(times) < 1 and sum(times[10:]) < 1.0
    if how != "dead port":
        assert upstream.count() > 0


def test_the_faster_forwarder_is_preferred(upstream, second, freshetd):
    upstream.script("*", s.delay(0.1, wire.records(A)))
    second.script("*", wire.records(A))
    daemon = freshetd(freshet.stub([upstream, second], workers=1))
    for name in names(20, "warm"):
        ask(daemon, name)
    upstream.forget()
    second.forget()
    for name in names(300):
        ask(daemon, name)
    assert second.count() >= 285 and upstream.count() <= 30
    speeds = [server["srtt_ms"] for server in daemon.status()["tiers"][0]["upstreams"]]
    assert 50 < speeds[0] < 300 and 0 < speeds[1] < 50


def test_a_forwarder_that_comes_back_is_used_again(upstream, second, freshetd):
    upstream.script("*", s.drop())
    second.script("*", s.delay(0.05, wire.records(A)))
    daemon = freshetd(freshet.stub([upstream, second], workers=1))
    for name in names(10, "down"):
        assert rcode(ask(daemon, name)) == "NOERROR"
    upstream.forget()
    for name in names(5, "still"):
        ask(daemon, name)
    assert upstream.count() <= 2, "a dead forwarder is left alone, but for probes"
    upstream.script("*", wire.records(A))
    fresh = iter(names(1000, "back"))

    def is_preferred():
        upstream.forget()
        for _ in range(10):
            ask(daemon, next(fresh))
        return upstream.count() >= 9
    process.eventually(is_preferred, within=10)


def test_a_late_answer_is_used(upstream, daemon):
    """A slow forwarder is asked again, and its first answer is taken when it comes."""
    upstream.script("www.example.com.", s.sequence(s.delay(0.8), s.drop()))
    watch = process.Stopwatch()
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    assert watch.seconds() > 0.7 and watch.own() < 1.5
    assert upstream.count() >= 2


@pytest.mark.parametrize("lost", [1, 2])
def test_lost_packets(upstream, daemon, lost):
    upstream.script("www.example.com.", s.sequence(*[s.drop()] * lost, s.lookup))
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    assert upstream.count() == lost + 1


def test_every_answer_has_a_deadline(upstream, freshetd):
    upstream.script("*", s.drop())
    daemon = freshetd(freshet.stub([upstream], resolve_timeout="700ms"))
    for _ in ("first", "again"):
        watch = process.Stopwatch()
        response = ask(daemon, "www.example.com.")
        assert rcode(response) == "SERVFAIL" and ede(response) == [22]
        assert watch.seconds() > 0.6 and watch.own() < 1.2
    watch = process.Stopwatch()
    replies = wire.ask_all(daemon, names(300))
    assert len(replies) == 300
    assert all(0.6 < seconds < 1.5 + watch.waited() for _, seconds in replies.values())


def test_no_forwarder_is_up(freshetd):
    daemon = freshetd(freshet.stub([("127.0.0.1", process.free_port()),
                                    ("127.0.0.1", process.free_port())]))
    watch = process.Stopwatch()
    response = ask(daemon, "www.example.com.")
    assert rcode(response) == "SERVFAIL" and ede(response) == [23]
    assert watch.own() < 1


def test_a_forwarder_refuses_many_at_once(freshetd):
    """What the kernel says of a port that nobody listens to ends all queries there are on it."""
    daemon = freshetd(freshet.stub([("127.0.0.1", process.free_port())], workers=1))
    watch = process.Stopwatch()
    replies = wire.ask_all(daemon, names(300))
    assert len(replies) == 300 and watch.own() < 1
    assert {wire.rcode_of(reply) for reply, _ in replies.values()} == {dns.rcode.SERVFAIL}


# --- one bad name is no bad forwarder


@pytest.mark.parametrize("forwarders", [1, 2])
def test_dead_names_delay_no_others(upstream, second, freshetd, forwarders):
    for server in (upstream, second):
        server.script("*", lambda server, query: None if query.name.lower().startswith("dead")
                      else wire.records(A)(server, query))
    daemon = freshetd(freshet.stub([upstream, second][:forwarders], resolve_timeout="2s"))
    ask(daemon, "warm.example.com.")
    dead = threading.Thread(target=wire.ask_all, args=(daemon, names(50, "dead")))
    dead.start()
    slowest = 0
    for batch in range(8):
        living = names(20, f"b{batch}x")
        replies = wire.ask_all(daemon, living)
        expect_answers(replies, living)
        slowest = max(slowest, *(seconds for _, seconds in replies.values()))
        time.sleep(0.1)
    assert dead.is_alive() and slowest < 0.5
    dead.join()
    assert rcode(ask(daemon, "dead0.example.com.")) == "SERVFAIL"


# --- what is no answer to the question


POISON = s.answer("www.example.com. 600 A 192.0.2.66")


def test_one_id_for_several_queries(upstream, daemon):
    """From one port, under way at once: each gets its answer, also who asks again; the upstream is not asked for each."""
    names = ["a.example.com.", "b.example.com.", "a.example.com.", "A.example.com."]
    for name in names[:2]:
        upstream.set(name, "A", "192.0.2.1")
    upstream.script("*", s.delay(0.3, s.lookup))
    with wire.connected(daemon) as sock:
        sock.settimeout(5)
        for name in names:
            sock.send(wire.query_bytes(name, identity=7))
        answers = [sock.recv(512) for _ in names]
        assert {answer[:2] for answer in answers} == {b"\0\7"}
        assert {answer[7] for answer in answers} == {1}, "one record in each"
        spelled = [wire.spelled(name) for name in names]
        assert sorted(answer[12:12 + len(spelled[0])] for answer in answers) == sorted(spelled), "as each has asked"
    assert upstream.count("a.example.com.") <= 2 and upstream.count("b.example.com.") <= 2, "by UDP, once again at most"


@pytest.mark.parametrize("wrong", [
    s.wrong_id(POISON), s.wrong_question("xxx.example.com.", POISON), s.wrong_type("AAAA", POISON),
    s.edit(lambda reply: reply[:20], POISON), s.edit(lambda reply: b"", POISON),
    s.edit(lambda reply: reply[:4] + b"\0\0" + reply[6:12], POISON),
    s.edit(lambda reply: reply[:2] + bytes([reply[2] & 0x7F]) + reply[3:], POISON),
    s.edit(lambda reply: reply[:2] + bytes([reply[2] | 0x28]) + reply[3:], POISON),
], ids=["id", "name", "type", "cut", "empty", "no question", "not a response", "opcode"])
def test_wrong_answers_are_not_believed(upstream, daemon, wrong):
    upstream.script("www.example.com.", s.sequence(wrong, s.lookup))
    for _ in ("miss", "hit"):
        assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    assert upstream.count() == 2


def test_answers_from_elsewhere_are_not_heard(upstream, daemon):
    """Right in every byte, but from another port: sent before the true one."""
    def spoof(server, query):
        fake = wire.records(b"\xc0\0\2\x42")(server, query)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            other.sendto(fake.wire(), query.source)
        return s.lookup(server, query)
    upstream.script("www.example.com.", spoof)
    for _ in ("miss", "hit"):
        assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    assert upstream.count() == 1


def test_answers_count_on_the_port_of_their_query_only(upstream, daemon):
    """Right in every byte and from the right address, but to another of the open ports."""
    waiting = []
    everybody = threading.Event()

    def cross(server, query):
        waiting.append(query)
        if len(waiting) < 60:
            return None
        for asked in waiting:
            fake = wire.records(b"\xc0\0\2\x42")(server, asked).wire()
            for port in {other.source[1] for other in waiting} - {asked.source[1]}:
                server._send_udp(fake, ("127.0.0.1", port), None)  # pylint: disable=protected-access
        for asked in waiting:
            server._send_udp(wire.records(A)(server, asked).wire(), asked.source, None)  # pylint: disable=protected-access
        everybody.set()
        server.script("*", wire.records(A))
        return None
    upstream.script("*", cross)
    wanted = names(60)
    expect_answers(wire.ask_all(daemon, wanted), wanted)
    assert everybody.is_set() and len({query.source[1] for query in waiting}) > 1
    assert upstream.count() == 60, "and the true ones are heard"


@pytest.mark.parametrize("section", ["answer", "authority", "additional"])
def test_records_nobody_asked_for(upstream, daemon, section):
    upstream.set("victim.example.com.", "A", "192.0.2.7")
    upstream.set("alias.example.com.", "CNAME", "www.example.com.")
    poison = ["victim.example.com. 9999 A 192.0.2.66",
              "www.example.com. 9999 NS victim.example.com.",
              "www.example.com. 9999 TXT poison", "example.com. 9999 SOA a. b. 1 2 3 4 9999",
              "com. 9999 NS victim.example.com."]
    for name in ("www.example.com.", "alias.example.com."):
        upstream.script(name, s.extra(*poison, section=section))
        for _ in ("miss", "hit"):
            response = ask(daemon, name)
            assert addresses(response) == ["192.0.2.1"]
            wanted = {dns.rdatatype.A, dns.rdatatype.CNAME}
            assert {rrset.rdtype for rrset in response.answer} <= wanted
            assert response.authority == [] and response.additional == []
    for name, rtype in (("victim.example.com.", "A"), ("www.example.com.", "TXT"),
                        ("com.", "NS"), ("example.com.", "SOA")):
        upstream.script(name, None)
        before = upstream.count(name, rtype)
        response = ask(daemon, name, rtype)
        assert upstream.count(name, rtype) > before and "poison" not in response.to_text()
    assert addresses(ask(daemon, "victim.example.com.")) == ["192.0.2.7"]


MALFORMED = [  # what a resolver looks into, and names
    ("A", b"\1\2\3"), ("A", b"\1\2\3\4\5"), ("A", b""), ("AAAA", b"\1" * 15),
    ("NS", b""), ("NS", b"\3www"), ("NS", b"\xc0\xff"),
    ("CNAME", b"\3www\0\0"), ("CNAME", b"\x40" + b"a" * 64 + b"\0"), ("PTR", b"\xc0"),
    ("SOA", b"\0\0" + b"\0" * 19), ("RRSIG", b"\0" * 10), ("DNAME", b"\3www"),
    ("MX", b"\0\1\3www"), ("SRV", b"\0\0\0\0\0\0\x40"), ("NAPTR", b"\0\0\0\0\0\0\0\3a"),
]
ODD = [  # that Unbound and dnsmasq pass on as well
    ("MX", b"\0\1"), ("MX", b"\0"), ("TXT", b"\5abc"), ("TXT", b""), ("SRV", b"\0\0\0\0\0"),
    ("DS", b"\0"), ("DNSKEY", b"\1\2\3"), ("NSEC", b"\0\0\x21"), ("CAA", b"\0\xff"),
    ("NAPTR", b"\0\0\0\0\5"), ("SVCB", b"\0"), ("MX", b"\0\1\0more"),
    ("HTTPS", b"\0\1\0\0\3\0\2\1\xbb\0\1\0\3\2h2"), ("LOC", b"\1" + b"\0" * 15),
    ("TYPE65280", b"\xc0\xff"),
]


def test_odd_rdata_is_handed_on(upstream, daemon):
    """Of a type that nobody here looks into: that is for whoever asked to judge."""
    for n, (rtype, rdata) in enumerate(ODD):
        name = f"n{n}.example.com."
        upstream.script(name, wire.records(rdata))
        for _ in ("miss", "hit"):
            reply = wire.exchange(daemon, wire.query_bytes(name, dns.rdatatype.from_text(rtype)))
            assert wire.rcode_of(reply) == 0 and reply[6:8] == b"\0\1", (rtype, rdata)
            assert reply.endswith(struct.pack("!H", len(rdata)) + rdata)
        assert upstream.count(name) == 1


def test_malformed_rdata_is_never_handed_on(upstream, daemon):
    for n, (rtype, rdata) in enumerate(MALFORMED):
        name = f"n{n}.example.com."
        upstream.script(name, wire.records(rdata))
        reply = wire.exchange(daemon, wire.query_bytes(name, dns.rdatatype.from_text(rtype),
                                                       additional=[wire.OPT]))
        assert wire.rcode_of(reply) == dns.rcode.SERVFAIL, (rtype, rdata)
        assert reply[6:8] == b"\0\0"
        assert reply[-6:] == b"\0\x0f\0\2\0\x18", "EDE 24, invalid data"


def test_rrset_with_different_ttls_gets_the_lowest(upstream, daemon):
    """RFC 2181 5.2."""
    upstream.script("www.example.com.", s.answer(
        "www.example.com. 300 A 192.0.2.1", "www.example.com. 50 A 192.0.2.2",
        "www.example.com. 700 A 192.0.2.3"))
    for _ in ("miss", "hit"):
        reply = wire.exchange(daemon, wire.query_bytes("www.example.com."))
        seconds = [struct.unpack_from("!I", reply, 33 + 16 * n + 6)[0] for n in range(3)]
        assert seconds == [50, 50, 50]


@pytest.mark.parametrize("behaviour", [
    s.rcode("NXDOMAIN"), s.rcode("NOERROR"),
    s.answer(authority=["other.net. 600 SOA ns. host. 1 2 3 4 600"]),
    s.answer(authority=["example.com. 600 NS ns1.example.com."]),
    s.answer("www.example.com. 60 CNAME gone.example.com.", rcode="NXDOMAIN"),
], ids=["NXDOMAIN", "NODATA", "SOA of another zone", "referral", "chain"])
def test_negative_answers_without_soa_are_not_kept(upstream, freshetd, behaviour):
    """RFC 2308 5: whatever the policy has as the least TTL."""
    daemon = freshetd(freshet.stub([upstream], cache={"min_ttl": "60s"}, workers=1))
    upstream.script("www.example.com.", behaviour)
    for _ in range(2):
        response = ask(daemon, "www.example.com.")
        assert addresses(response) == response.authority == []
    assert upstream.count() >= 2
    upstream.script("www.example.com.", None)
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


# --- chains


def cname(owner, target, ttl=60):
    return f"{owner} {ttl} CNAME {target}"


def link(n):
    return f"l{n}.example.com."


def test_the_rest_of_a_chain_is_asked_for(upstream, daemon):
    """A forwarder that answers a part of it, across zones, several times over."""
    upstream.set("end.example.net.", "A", "198.51.100.9")
    for n in range(5):
        target = link(n + 1) if n < 4 else "end.example.net."
        upstream.script(link(n), s.answer(cname(link(n), target)))
    for _ in ("miss", "hit"):
        asked = upstream.count()
        response = ask(daemon, link(0))
        assert addresses(response) == ["198.51.100.9"] and len(response.answer) == 6
        assert [rrset.name.to_text() for rrset in response.answer] == [
            *(link(n) for n in range(5)), "end.example.net."]
    assert upstream.count() == asked >= 6


def test_the_rest_of_a_chain_may_be_negative(upstream, daemon):
    upstream.script("far.example.com.", s.answer(cname("far.example.com.", "gone.example.net.")))
    for _ in ("miss", "hit"):
        response = ask(daemon, "far.example.com.")
        assert rcode(response) == "NXDOMAIN"
        assert addresses(response, "CNAME") == ["gone.example.net."]
        assert response.authority[0].name.to_text() == "example.net."
    assert upstream.count() == 2


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("links", [20, 21, 40])
def test_length_of_chains(upstream, daemon, links, in_parts):
    for n in range(links):
        upstream.set(link(n), "CNAME", link(n + 1))
        if in_parts:
            upstream.script(link(n), s.answer(cname(link(n), link(n + 1))))
    upstream.set(link(links), "A", "192.0.2.9")
    watch = process.Stopwatch()
    response = ask(daemon, link(0))
    assert watch.own() < 1
    if links == 20:
        assert addresses(response) == ["192.0.2.9"] and len(response.answer) == 21
    else:
        assert rcode(response) == "SERVFAIL" and response.answer == []


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_loops(upstream, daemon, length, in_parts):
    records = [cname(link(n), link((n + 1) % length)) for n in range(length)]
    for n in range(length):
        upstream.script(link(n), s.answer(records[n]) if in_parts else s.answer(*records))
    watch = process.Stopwatch()
    assert rcode(ask(daemon, link(0))) == "SERVFAIL"
    assert watch.own() < 1 and upstream.count() <= 15


def test_dname(upstream, daemon):
    """RFC 6672: the DNAME and the CNAME it implies; a CNAME that says otherwise is no link."""
    dname = "sub.example.com. 60 DNAME www.example.net."
    upstream.set("a.www.example.net.", "A", "198.51.100.5")
    upstream.script("a.sub.example.com.", s.answer(
        dname, cname("a.sub.example.com.", "a.www.example.net.")))
    for _ in ("miss", "hit"):
        response = ask(daemon, "a.sub.example.com.")
        assert addresses(response) == ["198.51.100.5"]
        assert addresses(response, "DNAME") == ["www.example.net."]
        assert addresses(response, "CNAME") == ["a.www.example.net."]
    upstream.script("b.sub.example.com.", s.answer(
        dname, cname("b.sub.example.com.", "evil.example.net."),
        "evil.example.net. 60 A 192.0.2.66"))
    response = ask(daemon, "b.sub.example.com.")
    assert addresses(response) == [] and "evil" not in response.to_text()


# --- truncation and size


def test_truncated_answers_are_asked_for_over_tcp(upstream, daemon):
    def cut(server, query):
        """TC with some of the records, which must not be taken for all."""
        reply = s.lookup(server, query)
        reply.edits.append(lambda data: data[:2] + bytes([data[2] | 2]) + data[3:])
        reply.message.answer[0] = dns.rrset.from_text(query.name, 60, "IN", "A", "192.0.2.1")
        return reply
    upstream.set("www.example.com.", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    upstream.script("www.example.com.", s.only("udp", cut))
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert transports(upstream, "www.example.com.") == ["udp", "tcp"]


@pytest.mark.parametrize("count", [70, 90, 600, 3700])
def test_size_of_answers_over_udp(upstream, daemon, count):
    """What came whole is taken, also past the 1232 bytes that were offered."""
    rdatas = [struct.pack("!I", 0x0A000000 + n) for n in range(count)]
    upstream.script("www.example.com.", wire.records(*rdatas))
    with wire.Stream(daemon) as stream:
        stream.ask("www.example.com.")
        reply = stream.receive()
    assert reply[6:8] == struct.pack("!H", count)
    assert transports(upstream, "www.example.com.") == ["udp"]


def test_big_answers(upstream, daemon):
    """60 KB, many at a time, byte for byte."""
    rdatas = [struct.pack("!I", 0x0A000000 + n) for n in range(3700)]
    for name in names(20):
        upstream.script(name, s.only("udp", wire.records(flags=0x8780), wire.records(*rdatas)))
    with wire.Stream(daemon, timeout=10) as stream:
        stream.send(*[wire.query_bytes(name, identity=n) for n, name in enumerate(names(20))])
        replies = [stream.receive() for _ in range(20)]
    assert {reply[1] for reply in replies} == set(range(20))
    for reply in replies:
        assert wire.rcode_of(reply) == 0 and reply[6:8] == struct.pack("!H", 3700)
        start = reply.index(b"\xc0\x0c")
        assert [reply[start + 16 * n + 12:start + 16 * n + 16] for n in range(3700)] == rdatas


# --- EDNS towards forwarders


@pytest.mark.parametrize("code", ["FORMERR", "NOTIMP"])
def test_a_forwarder_without_edns(upstream, daemon, code):
    upstream.script("*", s.no_edns(code, wire.records(A)))
    for name in names(5):
        assert addresses(ask(daemon, name)) == ["192.0.2.99"]
        assert ask(daemon, name).edns == 0
    asked = [query.edns for query in upstream.queries]
    assert asked == [True, False] * 2 + [False] * 3, "two names say so, then it is remembered"


def test_a_forwarder_that_leaves_opt_out(upstream, daemon):
    """It ignores EDNS instead of refusing it: its answers are good."""
    full = wire.records(A)
    plain = s.edit(lambda reply: reply[:10] + b"\0\0" + reply[12:-11], full)
    upstream.script("*", lambda *args: (plain if args[1].edns else full)(*args))
    for name in names(50):
        assert addresses(ask(daemon, name)) == ["192.0.2.99"]
    assert upstream.count() == 50 and all(query.edns for query in upstream.queries)


def test_a_forwarder_from_before_everything(upstream, daemon):
    """No EDNS, and questions come back in lower case."""
    upstream.script("*", s.no_edns("FORMERR", s.lower_case(wire.records(A))))
    for name in names(20):
        assert addresses(ask(daemon, name)) == ["192.0.2.99"]
    assert upstream.count() <= 25


def test_an_error_with_opt_says_nothing_of_edns(upstream, daemon):
    """RFC 6891 7: who answers with OPT knows it; one odd question must not cost DNSSEC."""
    upstream.script("odd.example.com.", s.rcode("NOTIMP"))
    assert rcode(ask(daemon, "odd.example.com.")) == "SERVFAIL"
    upstream.script("*", wire.records(A))
    for name in names(5):
        ask(daemon, name)
        assert upstream.asked(name)[0].edns


def test_opt_goes_hop_by_hop(upstream, daemon):
    def chatty(server, query):
        reply = s.lookup(server, query)
        reply.message.use_edns(0, 0, 4096, options=[
            dns.edns.GenericOption(65001, b"secret"), dns.edns.EDEOption(15, "blocked")])
        return reply
    upstream.script("www.example.com.", chatty)
    for _ in ("miss", "hit"):
        response = ask(daemon, "www.example.com.", options=[dns.edns.GenericOption(65002, b"mine")])
        assert addresses(response) == ["192.0.2.1"]
        assert response.options == (dns.edns.EDEOption(15),) and response.payload == 1232
    query = upstream.asked("www.example.com.")[0].message
    assert query.options == () and query.payload == 1232


# --- unpredictable to those who do not see the queries (RFC 5452)


def test_spelling_is_random(upstream, daemon):
    upstream.script("*", wire.records(A, ttl=0))
    label = "abcdefghijklmnopqrstuvwxyz"
    for _ in range(40):
        ask(daemon, f"{label}.example.com.")
    spellings = [query.name for query in upstream.queries]
    assert len(spellings) == 40 and len(set(spellings)) == 40
    for place in (0, 7, 25, 28, 36):
        upper = sum(spelling[place].isupper() for spelling in spellings)
        assert 5 <= upper <= 35, f"letter {place}: {upper} of 40"


def test_a_forwarder_that_folds_case(upstream, daemon):
    """It is asked over TCP, where nobody can guess his way in; then its way is known."""
    upstream.script("*", s.lower_case(wire.records(A)))
    for name in names(20, "letters"):
        assert addresses(ask(daemon, name)) == ["192.0.2.99"]
    assert [query.transport for query in upstream.queries] == ["udp", "tcp"] * 2 + ["udp"] * 18


def test_a_forged_answer_in_another_spelling(upstream, daemon):
    forged = s.lower_case(s.answer("www.example.com. 600 A 192.0.2.66"))
    upstream.script("www.example.com.", s.only("udp", forged))
    for _ in ("miss", "hit"):
        assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    assert transports(upstream, "www.example.com.") == ["udp", "tcp"]


PER_PORT = 32  # queries that may share a source port


@pytest.mark.parametrize("window", [2000, 40, 3], ids=["all at once", "steady", "few"])
def test_ports_and_ids_are_unpredictable_under_load(upstream, daemon, window):
    """Whatever is outstanding, a port serves few queries, and the next one says nothing of it."""
    upstream.script("*", s.delay(0.3 if window == 2000 else 0.002, wire.records(A)))
    ask(daemon, "warm.example.com.")
    upstream.forget()
    wanted = names(2000 if window > 3 else 500)
    expect_answers(wire.ask_all(daemon, wanted, window=window), wanted)
    # Queries of a moment leave port by port: here in the order of their questions again.
    queries = sorted(upstream.queries, key=lambda query: int(query.name[1:].split(".")[0]))
    expect_unpredictable([query.source[1] for query in queries], [query.id for query in queries])


def expect_unpredictable(ports, ids):
    count = len(ports)
    uses = collections.Counter(ports)
    over = [port for port, used in uses.items() if used > PER_PORT]
    assert len(over) <= 2, "a port may come up again by chance, later"
    assert len(uses) >= count / PER_PORT - len(over)
    longest = run = 1
    for before, after in zip(ports, ports[1:]):
        run = run + 1 if before == after else 1
        longest = max(longest, run)
    assert longest <= 14, "queries in a row take turns among ports"
    fresh = list(dict.fromkeys(ports))
    near = sum(abs(a - b) <= 4 for a, b in zip(fresh, fresh[1:]))
    assert near <= max(3, len(fresh) // 10), "ports do not count up"
    assert max(fresh) - min(fresh) > 5000
    assert len(set(ids)) >= count * 0.95
    for bit in range(16):
        ones = sum(identity >> bit & 1 for identity in ids)
        assert 0.4 * count < ones < 0.6 * count, f"bit {bit} of the id"
    steps = collections.Counter((b - a) % 65536 for a, b in zip(ids, ids[1:]))
    assert steps.most_common(1)[0][1] <= 5


# --- load


def test_thousands_of_misses(upstream, daemon):
    upstream.script("*", wire.records(A))
    ask(daemon, "warm.example.com.")
    before = daemon.rss()
    wanted = names(10000)
    expect_answers(wire.ask_all(daemon, wanted, window=500, timeout=30), wanted)
    assert upstream.count() <= 15000, "each is asked once, but for hiccups of a busy machine"
    limit = 512 if "address" in freshet.build_directory() else 64  # MiB; ASan keeps what is freed
    assert daemon.rss() - before < limit << 20
    tier = daemon.status()["tiers"][0]
    assert tier["answers"] == 10001 and tier["failed"] == 0 and tier["overloaded"] == 0


def test_thousands_wait_at_once(upstream, freshetd):
    """More than the upstream ports are for: all are answered, when there is an answer. One in fifty is at once: nobody
    takes the server for silent, however long a busy machine makes all that."""
    daemon = freshetd(freshet.stub([upstream], resolve_timeout="20s", workers=1))
    gate = s.Gate()
    upstream.script("*", s.hold(gate, wire.records(A)))
    wanted = names(10000)
    for name in wanted[::50]:
        upstream.script(name, wire.records(A))
    opener = threading.Thread(target=lambda: (gate.wait_held(9800, within=20), gate.open()))
    opener.start()
    expect_answers(wire.ask_all(daemon, wanted, timeout=30), wanted)
    opener.join()
