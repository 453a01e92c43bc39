"""freshetd as its clients see it: transports, headers, EDNS, caching, rubbish."""

import random
import socket
import struct
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

import freshet
import process
import scripted as s
import wire
from query import addresses, ask, rcode, ttls

EDE_CODES = {"NOT_AUTHORITATIVE": 20, "NOT_SUPPORTED": 21, "NO_REACHABLE_AUTHORITY": 22}


@pytest.fixture
def upstream(scripted):
    """The scripted server with a few records."""
    scripted.set("www.example.com.", "A", "192.0.2.1")
    scripted.set("www.example.com.", "AAAA", "2001:db8::1")
    scripted.set("alias.example.com.", "CNAME", "www.example.com.")
    return scripted


@pytest.fixture
def daemon(upstream, freshetd):
    """One tier in front of the scripted server; one worker, so that counts are exact."""
    return freshetd(freshet.stub([upstream], workers=1))


def ede(response):
    """The codes of the Extended DNS Errors (RFC 8914) in a response."""
    return [option.code for option in response.options if isinstance(option, dns.edns.EDEOption)]


def send(daemon, query, tcp=False):
    """A dnspython message there, the answer back."""
    host, port = daemon.address
    how = dns.query.tcp if tcp else dns.query.udp
    return how(query, host, port=port, timeout=5)


# --- transports


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_transport(freshetd, upstream, host, tcp):
    config = freshet.stub([upstream], workers=1)
    ports = {address: process.free_port(address) for address in ("127.0.0.1", "::1")}
    config["tiers"][0]["listen"] = [freshet.address_text(item) for item in ports.items()]
    freshetd(config)
    for _ in ("miss", "hit"):
        response = ask((host, ports[host]), "www.example.com.", tcp=tcp)
        assert addresses(response) == ["192.0.2.1"] and rcode(response) == "NOERROR"
    assert upstream.count() == 1


@pytest.mark.parametrize("listen, hosts", [("0.0.0.0", ["127.0.0.1", "127.0.0.2", "127.3.2.1"]),
                                           ("::", ["::1"])])
def test_listening_on_any_answers_from_the_address_asked(freshetd, upstream, listen, hosts):
    config = freshet.stub([upstream], workers=1)
    port = process.free_port(listen)
    config["tiers"][0]["listen"] = [freshet.address_text((listen, port))]
    freshetd(config)
    for host in hosts:
        name = f"{len(host)}{host[-1:]}.example.com."
        upstream.set(name, "A", "192.0.2.7")
        for _ in ("miss", "hit"):  # connected sockets: a reply from another address is not heard
            reply = wire.exchange((host, port), wire.query_bytes(name))
            assert reply is not None and reply[6:8] == b"\0\1"
            assert addresses(ask((host, port), name, tcp=True)) == ["192.0.2.7"]


def test_several_workers_serve_every_client(freshetd, upstream):
    """SO_REUSEPORT spreads clients by their port: all workers answer, from one cache."""
    daemon = freshetd(freshet.stub([upstream], workers=4))
    for tcp in (False, True):
        for _ in range(30):
            assert addresses(ask(daemon, "www.example.com.", tcp=tcp)) == ["192.0.2.1"]
    assert upstream.count() == 1
    tier = daemon.status()["tiers"][0]
    assert (tier["queries"], tier["hits"], tier["fetches"]) == (60, 59, 1)


def test_identical_questions_are_asked_upstream_once(daemon, upstream):
    gate = s.Gate()
    upstream.script("www.example.com.", s.hold(gate))
    spellings = ["www.example.com.", "WWW.example.com.", "wWw.eXample.COM."]
    clients = []
    for n in range(50):
        sock = wire.connected(daemon)
        sock.send(wire.query_bytes(spellings[n % 3], identity=n))
        clients.append(sock)
    streams = [wire.Stream(daemon) for _ in range(5)]
    for stream in streams:
        stream.ask("www.example.com.", identity=77)
    process.eventually(lambda: daemon.status()["tiers"][0]["joined"] == 54)
    gate.open()
    for n, sock in enumerate(clients):
        sock.settimeout(5)
        reply = sock.recv(512)
        assert reply[:2] == struct.pack("!H", n) and reply.endswith(b"\xc0\0\2\1")
        assert reply[12:29] == wire.spelled(spellings[n % 3])
        sock.close()
    for stream in streams:
        assert stream.receive()[:2] == b"\0\x4d"
        stream.socket.close()
    assert upstream.count() == 1


# --- the header


@pytest.mark.parametrize("cached", [False, True], ids=["miss", "hit"])
def test_header_of_an_answer(daemon, cached):
    if cached:
        ask(daemon, "www.example.com.")
    for identity in (0, 0x1234, 0xFFFF):
        reply = wire.exchange(daemon, wire.query_bytes("www.example.com.", identity=identity))
        assert reply[:2] == struct.pack("!H", identity)
        assert reply[2:4] == b"\x81\x80", "QR RD RA, and nothing else"
        assert reply[4:12] == b"\0\1\0\1\0\0\0\0"


def test_recursion_not_desired_is_refused(daemon, upstream):
    ask(daemon, "www.example.com.")
    response = ask(daemon, "www.example.com.", rd=False)
    assert rcode(response) == "REFUSED" and response.answer == []
    assert ede(response) == [EDE_CODES["NOT_AUTHORITATIVE"]]
    assert not response.flags & dns.flags.RD and response.flags & dns.flags.RA
    assert upstream.count() == 1


def test_checking_disabled_goes_upstream_and_has_its_own_answers(daemon, upstream):
    for _ in range(2):
        assert not ask(daemon, "www.example.com.").flags & dns.flags.CD
        assert ask(daemon, "www.example.com.", cd=True).flags & dns.flags.CD
    asked = upstream.asked("www.example.com.")
    assert [bool(query.message.flags & dns.flags.CD) for query in asked] == [False, True]


def test_dnssec_ok_goes_upstream_and_has_its_own_answers(daemon, upstream):
    signature = ("www.example.com. 60 RRSIG "
                 "A 8 3 60 20300101000000 20200101000000 1 example.com. AA==")
    upstream.script("www.example.com.", s.answer("www.example.com. 60 A 192.0.2.1", signature))
    for _ in range(2):  # this forwarder sends signatures to anybody
        plain = ask(daemon, "www.example.com.")
        signed = ask(daemon, "www.example.com.", want_dnssec=True)
        assert [rrset.rdtype for rrset in plain.answer] == [dns.rdatatype.A]
        assert [rrset.rdtype for rrset in signed.answer] == [dns.rdatatype.A, dns.rdatatype.RRSIG]
        assert not plain.ednsflags & dns.flags.DO and signed.ednsflags & dns.flags.DO
    asked = upstream.asked("www.example.com.")
    assert [bool(query.message.ednsflags & dns.flags.DO) for query in asked] == [False, True]


def authenticated(then=s.lookup):
    """The forwarder says that it has validated the answer."""
    return s.edit(lambda reply: reply[:3] + bytes([reply[3] | 0x20]) + reply[4:], then)


def test_authentic_data_is_said_to_those_who_ask(daemon, upstream):
    upstream.script("www.example.com.", authenticated())
    for _ in ("miss", "hit"):
        assert not ask(daemon, "www.example.com.").flags & dns.flags.AD
        assert send(daemon, wire.dnspython("www.example.com.", ad=True)).flags & dns.flags.AD
        assert ask(daemon, "www.example.com.", want_dnssec=True).flags & dns.flags.AD
    upstream.set("other.example.com.", "A", "192.0.2.9")
    assert not send(daemon, wire.dnspython("other.example.com.", ad=True)).flags & dns.flags.AD


@pytest.mark.parametrize("validated", [(True, True), (False, True), (True, False)])
def test_a_chain_is_authentic_when_every_part_is(daemon, upstream, validated):
    first = s.answer("far.example.com. 60 CNAME www.example.com.")
    upstream.script("far.example.com.", authenticated(first) if validated[0] else first)
    upstream.script("www.example.com.", authenticated() if validated[1] else s.lookup)
    response = send(daemon, wire.dnspython("far.example.com.", ad=True))
    assert addresses(response) == ["192.0.2.1"]
    assert bool(response.flags & dns.flags.AD) == all(validated)


def test_spelling_is_echoed_and_ignored_by_the_cache(daemon, upstream):
    for spelling in ("wWw.ExAmPlE.cOm.", "WWW.EXAMPLE.COM.", "www.example.com."):
        query = wire.query_bytes(spelling)
        reply = wire.exchange(daemon, query)
        assert reply[12:len(query)] == query[12:] and reply[6:8] == b"\0\1"
        assert reply[len(query):len(query) + 2] == b"\xc0\x0c", "the owner is the question's name"
    assert upstream.count() == 1


# --- EDNS (RFC 6891)


def test_no_opt_for_a_client_without(daemon):
    for _ in ("miss", "hit"):
        assert ask(daemon, "www.example.com.", edns=False).edns == -1
    assert ask(daemon, "www.example.com.", edns=False, rd=False).edns == -1
    response = ask(daemon, "www.example.com.")
    assert (response.edns, response.payload, response.options) == (0, 1232, ())


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_unknown_version(daemon, upstream, tcp):
    query = wire.dnspython("www.example.com.")
    query.use_edns(1)
    response = send(daemon, query, tcp)
    assert response.rcode() == dns.rcode.BADVERS and response.edns == 0
    assert response.answer == [] and upstream.count() == 0


def test_options_are_ignored(daemon, upstream):
    options = [dns.edns.GenericOption(code, b"12345678") for code in (3, 8, 12, 65001)]
    for _ in ("miss", "hit"):
        response = ask(daemon, "www.example.com.", options=options)
        assert addresses(response) == ["192.0.2.1"] and response.options == ()
    assert upstream.asked("www.example.com.")[0].message.options == ()


@pytest.mark.parametrize("additional", [
    (wire.OPT, wire.OPT),
    (b"\3www" + wire.OPT,),
    (wire.OPT[:-2] + b"\0\5\0\x0a\0\x08\1",),  # an option longer than the record
], ids=["two", "not at the root", "cut option"])
def test_malformed_opt(daemon, additional):
    query = wire.query_bytes("www.example.com.", additional=additional)
    reply = wire.exchange(daemon, query)
    assert wire.rcode_of(reply) == dns.rcode.FORMERR and reply[6:10] == b"\0\0\0\0"


def test_sizes_are_honoured(daemon, upstream):
    """An answer goes out whole exactly when it fits; never above 1232 bytes over UDP."""
    for length in (300, 455, 456, 457, 600, 1000, 1160, 1200, 2000):
        name = f"t{length}.example.com."
        upstream.script(name, wire.records(text_rdata(length)))
        whole = ask(daemon, name, "TXT", tcp=True, payload=1232)
        for payload in (0, 100, 512, 513, 700, 1231, 1232, 1233, 4096, 65535):
            query = wire.dnspython(name, "TXT")
            query.use_edns(0, 0, payload)
            expect_cut(daemon, query, len(whole.to_wire()), min(max(payload, 512), 1232))
        expect_cut(daemon, wire.dnspython(name, "TXT"), len(whole.to_wire()) - 11, 512)


def text_rdata(length):
    """TXT RDATA of so many bytes."""
    strings = b""
    while len(strings) < length:
        string = b"x" * min(255, length - len(strings) - 1)
        strings += bytes([len(string)]) + string
    return strings


def expect_cut(daemon, query, whole_size, limit):
    reply = wire.exchange(daemon, query.to_wire())
    response = dns.message.from_wire(reply)
    cut = bool(response.flags & dns.flags.TC)
    assert len(reply) <= limit and cut == (whole_size > limit), (len(reply), whole_size, limit)
    assert (response.answer == []) == cut and (len(reply) == whole_size) != cut


@pytest.mark.parametrize("edns", [True, False])
def test_a_truncated_answer_is_there_over_tcp(daemon, upstream, edns):
    upstream.script("big.example.com.", wire.records(*[bytes([10, 0, n // 256, n % 256])
                                                       for n in range(3500)]))
    for _ in ("miss", "hit"):
        response = ask(daemon, "big.example.com.", edns=edns)
        assert response.flags & dns.flags.TC and response.answer == []
        assert len(addresses(ask(daemon, "big.example.com.", tcp=True, edns=edns))) == 3500
    assert daemon.status()["tiers"][0]["truncated"] >= 1


# --- types, classes, opcodes


def test_unknown_types_pass(daemon, upstream):
    """RFC 3597: any type is data of so many bytes."""
    upstream.script("www.example.com.", wire.records(b"\1\2\3", b""), rtype="TYPE65280")
    for _ in ("miss", "hit"):
        response = ask(daemon, "www.example.com.", "TYPE65280")
        assert [text.strip() for text in addresses(response)] == ["\\# 0", "\\# 3 010203"]
    assert upstream.count() == 1


def test_unknown_classes_pass(daemon, upstream):
    upstream.script("www.example.com.", wire.records(b"\7\7\7\7", rclass=32))
    for _ in ("miss", "hit"):
        reply = wire.exchange(daemon, wire.query_bytes("www.example.com.", rclass=32))
        assert wire.rcode_of(reply) == 0 and reply.endswith(b"\0\1\0\x20\0\0\1\x2c\0\4\7\7\7\7")
    upstream.script("www.example.com.", None)
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"], "of its class"
    classes = [query.raw[-13:-11] for query in upstream.asked("www.example.com.")]
    assert classes == [b"\0\x20", b"\0\1"]


@pytest.mark.parametrize("rclass", [0, 3, 254, 255], ids=["0", "CH", "NONE", "ANY"])
def test_classes_that_are_no_data_are_refused(daemon, upstream, rclass):
    reply = wire.exchange(daemon, wire.query_bytes("version.bind.", 16, rclass))
    assert wire.rcode_of(reply) == dns.rcode.REFUSED and upstream.count() == 0


def test_any_is_one_small_record(daemon, upstream):
    """RFC 8482 4.2."""
    for tcp in (False, True):
        response = ask(daemon, "www.example.com.", "ANY", tcp=tcp)
        assert [rrset.to_text() for rrset in response.answer] == [
            'www.example.com. 3600 IN HINFO "RFC8482" ""']
    reply = wire.exchange(daemon, wire.query_bytes("www.example.com.", 255, 32))
    assert reply[33:39] == b"\xc0\x0c\0\x0d\0\x20", "of the class asked"
    assert upstream.count(rtype="ANY", name="www.example.com.") == 0
    assert upstream.count(rtype="CNAME", name="www.example.com.") == 2, "of each class"


@pytest.mark.parametrize("rtype", ["AXFR", "IXFR"])
def test_transfers_are_refused(daemon, upstream, rtype):
    number = dns.rdatatype.from_text(rtype)
    reply = wire.exchange(daemon, wire.query_bytes("example.com.", number, additional=[wire.OPT]))
    assert wire.rcode_of(reply) == dns.rcode.REFUSED and reply.endswith(b"\0\x0f\0\2\0\x15")
    with wire.Stream(daemon) as stream:
        stream.ask("example.com.", number)
        assert wire.rcode_of(stream.receive()) == dns.rcode.REFUSED
    assert upstream.count() == 0


def test_other_opcodes_are_not_implemented(daemon, upstream):
    for opcode in range(1, 16):
        query = wire.query_bytes("example.com.", 6, flags=opcode << 11)
        reply = wire.exchange(daemon, query)
        assert reply[:2] == query[:2] and wire.rcode_of(reply) == dns.rcode.NOTIMP
        assert reply[2] == 0x80 | opcode << 3
    assert upstream.count() == 0


GOOD = wire.query_bytes("www.example.com.")


@pytest.mark.parametrize("query", [
    GOOD[:4] + b"\0\2" + GOOD[6:] + GOOD[12:],
    GOOD[:4] + b"\0\0" + GOOD[6:12],
    GOOD[:4] + b"\0\0" + GOOD[6:],
    GOOD[:7] + b"\1" + GOOD[8:] + b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4",
    GOOD[:-1],
    GOOD[:12],
    GOOD[:12] + b"\xc0\x0c\0\1\0\1",
    GOOD[:12] + b"\x40" + b"a" * 64 + b"\0\0\1\0\1",
    GOOD[:12] + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1",
    GOOD[:10] + b"\0\1" + GOOD[12:],
    wire.query_bytes("www.example.com.", 0),
    wire.query_bytes("www.example.com.", 41),
    wire.query_bytes("www.example.com.", 250),
], ids=["two questions", "no question", "uncounted question", "an answer in it",
        "cut", "header alone", "pointer", "long label", "long name", "missing record",
        "type 0", "type OPT", "type TSIG"])
def test_malformed_queries(daemon, upstream, query):
    reply = wire.exchange(daemon, query)
    assert reply[:2] == query[:2] and reply[2] & 0x80
    assert wire.rcode_of(reply) == dns.rcode.FORMERR and reply[6:10] == b"\0\0\0\0"
    assert upstream.count() == 0


def test_junk_behind_a_query(daemon):
    """As BIND, Unbound and dnsmasq do."""
    for junk in (b"\0", b"\1\2\3", GOOD):
        reply = wire.exchange(daemon, GOOD + junk)
        assert wire.rcode_of(reply) == 0 and reply[6:8] == b"\0\1"


@pytest.mark.parametrize("message", [
    GOOD[:2] + b"\x81\x80" + GOOD[4:],  # a response: answering it could go on for ever
    GOOD[:11],
    b"",
    GOOD + b"\0" * 3000,
], ids=["response", "under a header", "empty", "longer than any query"])
def test_what_is_no_query_gets_no_answer(daemon, message):
    with wire.connected(daemon) as sock:
        sock.settimeout(5)
        sock.send(message)
        sock.send(wire.query_bytes("www.example.com.", identity=9))
        assert sock.recv(512)[:2] == b"\0\x09", "the first answer is the second message's"
        sock.settimeout(0.05)
        with pytest.raises(socket.timeout):
            sock.recv(512)


# --- rubbish


def mutations(rng):
    """An endless stream of packets from nearly right to random."""
    seeds = [GOOD, wire.query_bytes("a.b.example.com.", 16, additional=[wire.OPT]),
             wire.query_bytes("x" * 63 + ".example.com.", additional=[
                 wire.OPT[:-2] + b"\0\x0c\0\x0a\0\x08" + b"c" * 8]),
             GOOD[:10] + b"\0\3" + GOOD[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4" * 3,
             GOOD[:10] + b"\0\1" + GOOD[12:] + b"\xc0\x21\0\1\0\1\0\0\0\0\0\0",
             GOOD[:10] + b"\0\1" + GOOD[12:] + b"\xc0\x23\xc0\x21\0\1\0\1\0\0\0\0\0\0"]
    while True:
        packet = bytearray(rng.choice(seeds))
        how = rng.randrange(5)
        if how == 0:
            packet = packet[:rng.randrange(len(packet) + 1)]
        elif how == 1:
            for _ in range(rng.randrange(1, 4)):
                packet[rng.randrange(len(packet))] = rng.randrange(256)
        elif how == 2:  # pointers: forwards, backwards, to themselves
            at = rng.randrange(12, len(packet) - 1)
            packet[at:at + 2] = struct.pack("!H", 0xC000 | rng.randrange(len(packet) + 4))
        elif how == 3:
            packet[12:] = rng.randbytes(rng.randrange(600))
        else:
            packet = bytearray(rng.randbytes(rng.randrange(80)))
        yield bytes(packet)


def test_rubbish_does_no_harm(daemon, upstream):
    upstream.script("*", wire.records(b"\xc0\0\2\x63"))
    rng = random.Random(20261122)
    packets = mutations(rng)
    answered = 0
    with wire.connected(daemon) as sock:
        sock.settimeout(5)
        for _ in range(120):
            for _ in range(50):
                sock.send(next(packets))
            sock.send(wire.query_bytes("www.example.com.", 99, identity=0xBEEF))
            answered += read_replies(sock, b"\xbe\xef")
    assert answered > 2000
    assert addresses(ask(daemon, "after.example.com.")) == ["192.0.2.99"]
    tier = daemon.status()["tiers"][0]
    assert tier["malformed"] > 1000 and tier["dropped"] > 100 and tier["fetches"] > 100


def read_replies(sock, last):
    """How many came before the reply to the query with the ID `last`."""
    count = 0
    while True:
        reply = sock.recv(65535)
        assert 12 <= len(reply) <= 1232 and reply[2] & 0x80
        if reply[:2] == last:
            return count
        count += 1


def test_rubbish_over_tcp_does_no_harm(daemon, upstream):
    upstream.script("*", wire.records(b"\xc0\0\2\x63"))
    rng = random.Random(20261122)
    packets = mutations(rng)
    for n in range(60):
        with wire.Stream(daemon) as stream:
            if n % 3 == 0:  # as bytes: lengths are rubbish too
                stream.socket.sendall(b"".join(next(packets) for _ in range(20)))
            else:
                stream.send(*[next(packets) for _ in range(50)])
            if n % 2 == 0:
                stream.finish()
    assert addresses(ask(daemon, "after.example.com.", tcp=True)) == ["192.0.2.99"]


# --- time to live


def soa(ttl, minimum, zone="example.com."):
    return f"{zone} {ttl} SOA ns1.{zone} hostmaster.{zone} 1 3600 900 604800 {minimum}"


def test_ttls_count_down(daemon, upstream):
    """Of positive answers, NXDOMAIN and NODATA (RFC 2308 5) alike; the lowest decides."""
    upstream.script("no.example.com.", s.answer(rcode="NXDOMAIN", authority=[soa(100, 40)]))
    upstream.script("empty.example.com.", s.answer(authority=[soa(30, 90)]))
    upstream.script("www.example.com.", s.answer("www.example.com. 60 A 192.0.2.1"))
    questions = [("no", "NXDOMAIN", 40), ("empty", "NOERROR", 30), ("www", "NOERROR", 60)]
    for wait in (0, 1.1):
        time.sleep(wait)
        for label, code, ttl in questions:
            response = ask(daemon, f"{label}.example.com.")
            records = response.answer + response.authority
            assert rcode(response) == code and len(records) == 1
            assert ttl - 2 <= records[0].ttl < ttl if wait else records[0].ttl == ttl
    assert upstream.count() == 3


def test_an_answer_expires(daemon, upstream):
    upstream.set("www.example.com.", "A", "192.0.2.1", ttl=1)
    upstream.script("no.example.com.", s.answer(rcode="NXDOMAIN", authority=[soa(1, 60)]))
    ask(daemon, "www.example.com.")
    ask(daemon, "no.example.com.")
    upstream.set("www.example.com.", "A", "192.0.2.2", ttl=1)
    time.sleep(1.05)
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.2"]
    ask(daemon, "no.example.com.")
    assert upstream.count("www.example.com.") == 2 and upstream.count("no.example.com.") == 2


def test_policy_bounds_ttls(freshetd, upstream):
    daemon = freshetd(freshet.stub([upstream], cache={
        "min_ttl": "20s", "max_ttl": "50s", "negative_ttl": "30s"}))
    upstream.set("low.example.com.", "A", "192.0.2.1", ttl=5)
    upstream.set("high.example.com.", "A", "192.0.2.1", ttl=500)
    upstream.set("mid.example.com.", "A", "192.0.2.1", ttl=33)
    upstream.script("no.example.com.", s.answer(rcode="NXDOMAIN", authority=[soa(45, 45)]))
    for _ in ("miss", "hit"):
        for label, ttl in (("low", 20), ("high", 50), ("mid", 33)):
            assert ttls(ask(daemon, f"{label}.example.com.")) == [ttl]
        assert ask(daemon, "no.example.com.").authority[0].ttl == 30


def test_ttl_zero_is_answered_and_not_kept(daemon, upstream):
    upstream.set("www.example.com.", "A", "192.0.2.1", ttl=0)
    upstream.script("huge.example.com.", wire.records(b"\xc0\0\2\1", ttl=0x80000001))
    for _ in range(3):
        assert ttls(ask(daemon, "www.example.com.")) == [0]
        assert ttls(ask(daemon, "huge.example.com.")) == [0], "RFC 2181 8: the top bit means 0"
    assert upstream.count("www.example.com.") == 3 and upstream.count("huge.example.com.") == 3


def test_negative_answers_keep_their_chain(daemon, upstream):
    upstream.set("dangling.example.com.", "CNAME", "gone.example.com.")
    for _ in ("miss", "hit"):
        response = ask(daemon, "dangling.example.com.")
        assert rcode(response) == "NXDOMAIN"
        assert addresses(response, "CNAME") == ["gone.example.com."]
        response = ask(daemon, "alias.example.com.", "TXT")
        assert rcode(response) == "NOERROR" and addresses(response, "CNAME") == ["www.example.com."]
        assert response.authority[0].rdtype == dns.rdatatype.SOA
    assert upstream.count() == 2


def test_failures_are_kept_for_seconds(daemon, upstream):
    """RFC 9520: a broken zone is not asked again for every query; but soon enough."""
    upstream.script("bad.example.com.", s.rcode("SERVFAIL"))
    for _ in range(5):
        response = ask(daemon, "bad.example.com.")
        assert rcode(response) == "SERVFAIL"
        assert ede(response) == [EDE_CODES["NO_REACHABLE_AUTHORITY"]]
    asked = upstream.count("bad.example.com.")
    assert 1 <= asked <= 3, "a few tries, for one query"
    upstream.set("bad.example.com.", "A", "192.0.2.5")
    upstream.script("bad.example.com.", None)
    process.eventually(lambda: rcode(ask(daemon, "bad.example.com.")) == "NOERROR", within=6,
                       every=0.2)


def test_client_ttl_is_for_zones_of_the_feed(freshetd, upstream):
    """Whoever does not listen to the feed must ask again soon (P7); other zones are as they are."""
    config = freshet.stub([upstream], cache={"client_ttl": "7s"})
    config["feed"] = {"brokers": "127.0.0.1:1", "zones": ["example.com."]}
    daemon = freshetd(config)
    upstream.set("www.example.net.", "A", "198.51.100.1")
    upstream.set("short.example.com.", "A", "192.0.2.1", ttl=3)
    for _ in ("miss", "hit"):
        assert ttls(ask(daemon, "www.example.com.")) == [7]
        assert ttls(ask(daemon, "short.example.com.")) == [3]
        assert ttls(ask(daemon, "alias.example.com.")) == [7, 7]
        assert ask(daemon, "no.example.com.").authority[0].ttl == 7
        assert ttls(ask(daemon, "www.example.net.")) == [3600]
    assert upstream.count() == 5


# --- TCP (RFC 7766)


def test_pipelined_answers_come_as_they_are_ready(daemon, upstream):
    gate = s.Gate()
    upstream.script("slow.example.com.", s.hold(gate))
    upstream.set("slow.example.com.", "A", "192.0.2.8")
    with wire.Stream(daemon) as stream:
        for identity, label in enumerate(("slow", "www", "alias", "www")):
            stream.ask(f"{label}.example.com.", identity=identity)
        assert {stream.receive()[1] for _ in range(3)} == {1, 2, 3}
        gate.open()
        assert stream.receive()[:2] == b"\0\0"


def test_a_silent_connection_is_closed(freshetd, upstream):
    daemon = freshetd(freshet.stub([upstream], tcp_idle="400ms"))
    gate = s.Gate()
    upstream.script("slow.example.com.", s.hold(gate))
    began = time.monotonic()
    with wire.Stream(daemon) as mute, wire.Stream(daemon) as asker, wire.Stream(daemon) as waiter:
        waiter.ask("slow.example.com.")
        asker.ask("www.example.com.")
        asker.receive()
        assert mute.is_closed(within=3) and asker.is_closed(within=1)
        assert 0.35 <= time.monotonic() - began < 2
        assert not waiter.is_closed(within=0.6), "it has an answer to come"
        gate.open()
        assert waiter.receive()[:2] == b"\x12\x34"
        assert waiter.is_closed(within=3)


def test_a_message_must_not_take_for_ever(freshetd, upstream):
    daemon = freshetd(freshet.stub([upstream], tcp_idle="500ms"))
    message = struct.pack("!H", len(GOOD)) + GOOD
    with wire.Stream(daemon) as stream:
        began = time.monotonic()
        with pytest.raises(OSError):
            for byte in message:  # 33 bytes, 3.3 s
                stream.socket.sendall(bytes([byte]))
                time.sleep(0.1)
        assert 0.35 <= time.monotonic() - began < 2
    with wire.Stream(daemon) as stream:
        for _ in range(4):  # a pause below the limit, then a message in three parts
            time.sleep(0.35)
            for part in (message[:1], message[1:20], message[20:]):
                stream.socket.sendall(part)
                time.sleep(0.1)
            assert stream.receive()[6:8] == b"\0\1"


def test_the_quietest_connection_makes_room(freshetd, upstream):
    daemon = freshetd(freshet.stub([upstream], tcp_clients=4, workers=1))
    gate = s.Gate()
    upstream.script("slow.example.com.", s.hold(gate))
    first, second, third, busy = streams = [wire.Stream(daemon) for _ in range(4)]
    for stream in (second, third, first):
        stream.ask("www.example.com.")
        stream.receive()
    busy.ask("slow.example.com.")
    gate.wait_held(1)
    fifth = wire.Stream(daemon)
    fifth.ask("www.example.com.")
    assert fifth.receive()[6:8] == b"\0\1"
    assert second.is_closed(within=2)
    assert not first.is_closed() and not third.is_closed() and not busy.is_closed()
    gate.open()
    assert busy.receive()[:2] == b"\x12\x34"
    for stream in (*streams, fifth):
        stream.socket.close()


def test_when_all_wait_the_one_that_has_waited_longest_makes_room(freshetd, upstream):
    daemon = freshetd(freshet.stub([upstream], tcp_clients=2, workers=1))
    gate = s.Gate()
    upstream.script("*", s.hold(gate))
    streams = [wire.Stream(daemon) for _ in range(2)]
    for n, stream in enumerate(streams):
        stream.ask(f"n{n}.example.com.")
        gate.wait_held(n + 1)
    with wire.Stream(daemon) as late:
        late.ask("n2.example.com.")
        gate.wait_held(3)
        assert streams[0].is_closed(within=2)
        assert daemon.metric("freshet_tcp_busy_for_room_total") == 1
        gate.open()
        for stream in (streams[1], late):
            assert wire.rcode_of(stream.receive()) == dns.rcode.NXDOMAIN
    for stream in streams:
        stream.socket.close()


def test_a_half_closed_client_gets_its_answers(daemon, upstream):
    gate = s.Gate()
    upstream.script("slow.example.com.", s.hold(gate))
    with wire.Stream(daemon) as stream:
        stream.send(*[wire.query_bytes(f"{label}.example.com.", identity=n)
                      for n, label in enumerate(("slow", "www", "alias"))])
        stream.finish()
        assert {stream.receive()[1] for _ in range(2)} == {1, 2}
        assert not stream.is_closed(within=0.2)
        gate.open()
        assert stream.receive()[1] == 0
        assert stream.is_closed(within=2)


def test_a_client_that_leaves_while_it_waits(daemon, upstream):
    gate = s.Gate()
    upstream.script("*", s.hold(gate))
    for n in range(20):
        with wire.Stream(daemon) as stream:
            stream.ask(f"n{n}.example.com.")
            if n % 2:  # reset instead of FIN
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            gate.wait_held(n + 1)
    gate.open()
    process.eventually(lambda: daemon.status()["tiers"][0]["answers"] == 20)


def distinct(upstream):
    """How many names it was asked for: each again, when it takes long."""
    return len({query.name.lower() for query in upstream.queries})


def test_more_queries_than_the_pipeline_holds(daemon, upstream):
    """The connection is not read while 128 wait, nothing is lost, and the last ones come too."""
    gate = s.Gate()
    upstream.script("*", s.hold(gate, wire.records(b"\xc0\0\2\1")))
    with wire.Stream(daemon, timeout=10) as stream:
        stream.send(*[wire.query_bytes(f"n{n}.example.com.", identity=n) for n in range(500)])
        stream.finish()
        gate.wait_held(128)
        time.sleep(0.2)
        assert distinct(upstream) == 128
        gate.open()
        replies = [stream.receive() for _ in range(500)]
        assert {int.from_bytes(reply[:2], "big") for reply in replies} == set(range(500))
        assert {reply[3] for reply in replies} == {0x80}
        assert stream.is_closed(within=2)


def test_who_only_sends_is_not_read_on(freshetd, upstream):
    """Its queries stay in the kernel's buffers, and then with itself."""
    daemon = freshetd(freshet.stub([upstream], resolve_timeout="30s"))
    gate = s.Gate()
    upstream.script("*", s.hold(gate))
    before, sent = daemon.rss(), 0
    queries = b"".join(struct.pack("!H", len(query)) + query for query in (
        wire.query_bytes(f"n{n}.example.com.", identity=n) for n in range(2000)))
    with wire.Stream(daemon, timeout=0.3) as stream:
        def fill():
            """Sends until nothing is taken any more; how much was."""
            taken = 0
            with pytest.raises(socket.timeout):
                while sent + taken < 256 << 20:
                    taken += stream.socket.send(queries)
            return taken

        sent += fill()
        process.eventually(lambda: distinct(upstream) >= 128, within=20)
        while taken := fill():
            sent += taken
        assert distinct(upstream) == 128 and daemon.rss() - before < 16 << 20
    gate.open()


def test_messages_in_any_pieces(daemon):
    message = struct.pack("!H", len(GOOD)) + GOOD
    with wire.Stream(daemon) as stream:
        stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in range(1, len(message)):
            stream.socket.sendall(message + message[:cut])
            stream.receive()
            stream.socket.sendall(message[cut:])
            stream.receive()


def test_zero_length_and_short_messages_are_skipped(daemon):
    with wire.Stream(daemon) as stream:
        stream.send(b"", b"\0" * 11, GOOD, b"")
        assert stream.receive()[:2] == GOOD[:2]
        stream.send(GOOD)
        assert stream.receive()[:2] == GOOD[:2]


def test_a_slow_reader_gets_everything(freshetd, upstream):
    """As long as it takes something now and then, it is not idle."""
    daemon = freshetd(freshet.stub([upstream], tcp_idle="300ms"))
    upstream.script("big.example.com.", wire.records(*[bytes([10, 0, n // 256, n % 256])
                                                       for n in range(3500)]))
    ask(daemon, "big.example.com.", tcp=True)
    with wire.Stream(daemon, receive_buffer=1 << 16) as stream:
        stream.send(*[wire.query_bytes("big.example.com.", identity=n) for n in range(70)])
        for n in range(70):  # 4 MB, more than the kernel holds, at about 1 MB a second
            if n % 3 == 0:
                time.sleep(0.15)
            assert stream.receive()[:2] == struct.pack("!H", n)


def test_a_reader_that_stops_is_closed(freshetd, upstream):
    daemon = freshetd(freshet.stub([upstream], tcp_idle="300ms"))
    upstream.script("big.example.com.", wire.records(*[bytes([10, 0, n // 256, n % 256])
                                                       for n in range(3500)]))
    ask(daemon, "big.example.com.", tcp=True)
    before = daemon.rss()
    with wire.Stream(daemon, receive_buffer=1 << 16) as stream:
        stream.send(*[wire.query_bytes("big.example.com.", identity=n) for n in range(2000)])
        time.sleep(1.5)
        assert daemon.rss() - before < 64 << 20, "what it does not take is not made"
        with pytest.raises((EOFError, ConnectionResetError)):
            for _ in range(2000):
                stream.receive()
