"""What freshetd makes of responses that are odd, and of what they say: beside Unbound, BIND, Knot Resolver and dnsmasq."""

import collections
import struct
import time

import dns.flags
import dns.message
import dns.rdatatype
import pytest

import changes
import freshet
import scripted as s
import wire
from process import eventually
from query import addresses, ask, rcode, ttls
from test_dns import authenticated, send, soa
from test_forwarding import cname, ede

LABELS = ".".join(["a" * 63] * 3)
SIGNATURE = "A 8 3 60 20300101000000 20200101000000 1 example.com. AA=="


@pytest.fixture
def upstream(scripted):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    return scripted


@pytest.fixture
def daemon(freshetd, upstream):
    return freshetd(freshet.stub([upstream], workers=1))


def types(response):
    return [dns.rdatatype.to_text(rrset.rdtype) for rrset in response.answer]


# --- parts that nobody needs


def counted(at, more):
    """A count in the header that is higher than what is there."""
    def change(reply):
        number = struct.unpack_from("!H", reply, at)[0] + more
        return reply[:at] + struct.pack("!H", number) + reply[at + 2:]
    return change


def appended(record, at=10):
    """One more record at the end of the message, counted at `at`."""
    return lambda reply: counted(at, 1)(reply) + record


def record(owner, rtype, rdata):
    return owner + struct.pack("!HHIH", rtype, 1, 300, len(rdata)) + rdata


UNUSED = {
    "ARCOUNT one too high": counted(10, 1),
    "ARCOUNT 9 too high": counted(10, 9),
    "bytes behind": lambda reply: reply + b"\0\1\2",
    "a broken A": appended(record(b"\1x\xc0\x10", 1, b"\1\2\3")),
    "a broken name": appended(record(b"\1x\xc0\x10", 15, b"\0\1\xff")),
    "a broken owner": appended(record(b"\x80x", 1, b"\1\2\3\4")),
    "half a record": appended(b"\xc0\x0c\0\1\0\1\0"),
    "a second OPT": appended(wire.OPT),
    "an OPT that is no root's": appended(b"\1x" + wire.OPT),
}


@pytest.mark.parametrize("edit", list(UNUSED.values()), ids=list(UNUSED))
def test_a_broken_part_that_nobody_needs(daemon, upstream, edit):
    upstream.script("www.example.com.", s.edit(edit, wire.records(b"\xc0\0\2\1")))
    for _ in ("miss", "hit"):
        response = ask(daemon, "www.example.com.")
        assert addresses(response) == ["192.0.2.1"]
        assert response.authority == [] and response.additional == []
    assert upstream.count() == 1


def test_a_broken_authority_beside_an_answer(daemon, upstream):
    def edit(reply):  # without OPT, the message ends in the answer
        return counted(8, 1)(reply) + record(b"\xc0\x10", 2, b"\xff")
    upstream.script("*", s.edit(edit, plain(b"\xc0\0\2\1")))
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


def plain(*rdatas):
    """As wire.records(), without OPT."""
    made = wire.records(*rdatas)

    def behave(server, query):
        reply = made(server, query)
        if query.edns:
            reply.edits.append(lambda bytes_: bytes_[:10] + b"\0\0" + bytes_[12:-len(wire.OPT)])
        return reply
    return behave


@pytest.mark.parametrize("edit", [
    lambda reply: counted(6, 1)(reply),
    lambda reply: counted(6, 1)(reply) + record(b"\xc0\x0c", 1, b"\1\2\3"),
    lambda reply: counted(6, 1)(reply) + record(b"\xc0\x0c", 5, b"\x40"),
], ids=["an answer too few", "a broken A of its own", "a broken CNAME of its own"])
def test_a_broken_part_of_the_answer(daemon, upstream, edit):
    upstream.script("www.example.com.", s.edit(edit, plain(b"\xc0\0\2\1")))
    response = ask(daemon, "www.example.com.")
    assert rcode(response) == "SERVFAIL" and ede(response) == [24]


def test_a_broken_record_of_another_name_among_the_answers(daemon, upstream):
    upstream.script("www.example.com.", s.edit(
        lambda reply: counted(6, 1)(reply) + record(b"\1x\xc0\x10", 1, b"\1\2\3"),
        plain(b"\xc0\0\2\1")))
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


@pytest.mark.parametrize("beside", [
    s.answer("other.example.com. 60 A 192.0.2.66"), wire.records(b"\xc0\0\2\x42", rclass=3)],
    ids=["another name", "another class"])
def test_an_answer_to_something_else(daemon, upstream, beside):
    """It is no sign that there is nothing."""
    upstream.script("*", beside)
    response = ask(daemon, "www.example.com.")
    assert rcode(response) == "SERVFAIL" and ede(response) == [24]


# --- DNAME, YXDOMAIN, NXDOMAIN with data


@pytest.mark.parametrize("code", ["NOERROR", "YXDOMAIN"])
def test_a_dname_that_makes_the_name_too_long(daemon, upstream, code):
    """RFC 6672 2.2."""
    name = "b" * 60 + ".d.example.com."
    upstream.script(name, s.answer(f"d.example.com. 60 DNAME {LABELS}.example.com.", rcode=code))
    for _ in ("miss", "hit"):
        response = ask(daemon, name)
        assert rcode(response) == "YXDOMAIN" and types(response) == ["DNAME"]
    assert upstream.count(name) == 1


def test_yxdomain_without_a_dname_is_told(daemon, upstream):
    upstream.script("www.example.com.", s.rcode("YXDOMAIN"))
    for _ in range(2):
        assert rcode(ask(daemon, "www.example.com.")) == "YXDOMAIN"
    assert upstream.count() == 2, "it is not kept"


def test_nxdomain_with_data_is_handed_on(daemon, upstream):
    """As Unbound and Knot Resolver do; it says nothing of other types."""
    upstream.script("www.example.com.", s.answer("www.example.com. 60 A 192.0.2.1", rcode="NXDOMAIN"),
                    rtype="A")
    for _ in ("miss", "hit"):
        response = ask(daemon, "www.example.com.")
        assert rcode(response) == "NXDOMAIN" and addresses(response) == ["192.0.2.1"]
    ask(daemon, "www.example.com.", "MX")
    assert upstream.count("www.example.com.", "MX") == 1


def test_what_a_server_says_of_zones_above_is_not_handed_on(freshetd, upstream, request):
    """Of servers that are asked for one zone alone."""
    inner = s.Scripted(zones=["corp.example."])
    request.addfinalizer(inner.stop)
    config = freshet.stub([upstream], workers=1)
    config["tiers"][0]["routes"] = [{"name": "corp.example.",
                                    "forward": [freshet.address_text(inner.address)]}]
    daemon = freshetd(config)
    inner.script("a.corp.example.", s.answer("example. 60 DNAME evil.example.net.",
                                             authority=[soa(60, 60, "example.")]))
    for _ in ("miss", "hit"):
        response = ask(daemon, "a.corp.example.")
        assert rcode(response) == "NOERROR"
        assert response.answer == [] and response.authority == []
    assert inner.count("a.corp.example.") == 1 and upstream.count() == 0


# --- DNSSEC


def test_signatures_in_the_additional_section(daemon, upstream):
    upstream.script("www.example.com.", s.answer(
        "www.example.com. 60 A 192.0.2.1", additional=[f"www.example.com. 60 RRSIG {SIGNATURE}"]))
    for _ in ("miss", "hit"):
        response = ask(daemon, "www.example.com.", want_dnssec=True)
        assert types(response) == ["A", "RRSIG"] and response.additional == []
        assert types(ask(daemon, "www.example.com.")) == ["A"]


def test_ad_is_told_only_where_the_upstream_is_trusted(freshetd, upstream):
    upstream.script("www.example.com.", authenticated())
    config = freshet.stub([upstream], workers=1)
    config["tiers"][0]["trust_ad"] = False
    daemon = freshetd(config)
    for _ in ("miss", "hit"):
        assert not send(daemon, wire.dnspython("www.example.com.", ad=True)).flags & dns.flags.AD
        assert not ask(daemon, "www.example.com.", want_dnssec=True).flags & dns.flags.AD
    config["tiers"][0]["trust_ad"] = True
    daemon.configure(config)
    daemon.sighup()
    eventually(lambda: send(daemon, wire.dnspython("www.example.com.", ad=True)).flags & dns.flags.AD)
    assert not ask(daemon, "www.example.com.").flags & dns.flags.AD
    assert upstream.count("www.example.com.") == 2, "with DO and without"


# --- ANY


def test_any_of_an_alias_is_its_cname(daemon, upstream):
    """RFC 8482 4.2: no HINFO beside a CNAME."""
    upstream.set("alias.example.com.", "CNAME", "www.example.com.")
    for _ in ("miss", "hit"):
        response = ask(daemon, "alias.example.com.", "ANY")
        assert dns.rdatatype.to_text(response.question[0].rdtype) == "ANY"
        assert addresses(response, "CNAME") == ["www.example.com."] and len(response.answer) == 1


def test_any_of_what_is_not_there(daemon, upstream):
    upstream.script("bad.example.com.", s.rcode("REFUSED"))
    for _ in ("miss", "hit"):
        response = ask(daemon, "gone.example.com.", "ANY")
        assert rcode(response) == "NXDOMAIN" and response.answer == []
        assert dns.rdatatype.to_text(response.authority[0].rdtype) == "SOA"
        assert rcode(ask(daemon, "bad.example.com.", "ANY")) == "SERVFAIL"
    assert upstream.count("gone.example.com.") == 1


def test_any_of_local_names(freshetd, upstream):
    config = freshet.stub([upstream], workers=1)
    config["tiers"][0]["local"] = ["nas.lan. A 192.0.2.7", "alias.lan. CNAME nas.lan."]
    daemon = freshetd(config)
    for name, code, kinds in (("nas.lan.", "NOERROR", ["HINFO"]), ("alias.lan.", "NOERROR", ["CNAME"]),
                              ("localhost.", "NOERROR", ["HINFO"]), ("a.test.", "NXDOMAIN", []),
                              ("1.10.in-addr.arpa.", "NXDOMAIN", []),
                              ("10.in-addr.arpa.", "NOERROR", ["HINFO"])):
        response = ask(daemon, name, "ANY")
        assert (rcode(response), types(response)) == (code, kinds), name
        assert dns.rdatatype.to_text(response.question[0].rdtype) == "ANY"
    assert upstream.count() == 0


# --- negative answers


@pytest.mark.parametrize("first", ["A", "MX", "TYPE65280"])
def test_an_absent_name_has_no_other_type(daemon, upstream, first):
    """RFC 2308 5: NXDOMAIN is for all types of a name; not what asks otherwise, nor DS."""
    for rtype in (first, "A", "AAAA", "HTTPS", "SOA"):
        response = ask(daemon, "gone.example.com.", rtype)
        assert rcode(response) == "NXDOMAIN" and dns.rdatatype.to_text(response.authority[0].rdtype) == "SOA"
    assert upstream.count("gone.example.com.") == 1
    ask(daemon, "gone.example.com.", "DS")
    ask(daemon, "gone.example.com.", want_dnssec=True)
    assert upstream.count("gone.example.com.") == 3


def test_the_end_of_a_chain_is_not_its_beginning(daemon, upstream):
    upstream.set("dangling.example.com.", "CNAME", "gone.example.com.")
    assert rcode(ask(daemon, "dangling.example.com.")) == "NXDOMAIN"
    assert rcode(ask(daemon, "dangling.example.com.", "CNAME")) == "NOERROR"
    assert upstream.count("dangling.example.com.") == 2


@pytest.fixture
def fed(freshetd, topic, upstream):
    """(daemon on a live feed, function that publishes changes and returns once they are applied)"""
    daemon = freshetd(freshet.stub([upstream], topic))
    daemon.wait_log("feed is live", within=20)
    time.sleep(0.2)  # what is dated right after the start only evicts: clocks differ

    def change(*change_list):
        before = daemon.status()["feed"]["applied"]
        time.sleep(0.003)
        topic.publish("example.com.", list(change_list))
        eventually(lambda: daemon.status()["feed"]["applied"] > before)
    return daemon, change


def test_p1_a_name_that_comes_to_be_has_all_its_types(fed, upstream):
    daemon, change = fed
    for rtype in ("A", "AAAA"):
        assert rcode(ask(daemon, "new.example.com.", rtype)) == "NXDOMAIN"
    assert upstream.count("new.example.com.") == 1
    upstream.set("new.example.com.", "AAAA", "2001:db8::1")
    change(changes.set_("new.example.com.", "TXT", 60, "x"))
    assert addresses(ask(daemon, "new.example.com.", "AAAA")) == ["2001:db8::1"]


def test_a_negative_end_does_not_shorten_its_links(freshetd, upstream):
    daemon = freshetd(freshet.stub([upstream], cache={"negative_ttl": "30s"}, workers=1))
    upstream.set("dangling.example.com.", "CNAME", "gone.example.com.", ttl=500)
    for _ in ("miss", "hit"):
        response = ask(daemon, "dangling.example.com.")
        assert ttls(response) == [500] and response.authority[0].ttl == 30


# --- RRsets


@pytest.mark.parametrize("rtype, rdata", [
    ("A", [f"192.0.2.{n}" for n in range(1, 5)]),
    ("AAAA", ["2001:db8::1", "2001:db8::2"]),
    ("MX", ["10 a.mail.example.net.", "10 longer.mail.example.net.", "20 mail.example.net."]),
    ("TXT", ["a", "bb", "ccc"]),
])
def test_records_take_turns(daemon, upstream, rtype, rdata):
    upstream.set("many.example.com.", "CNAME", "set.example.com.")
    upstream.set("set.example.com.", rtype, *rdata)
    first = collections.Counter()
    for _ in range(60):
        reply = wire.exchange(daemon, wire.query_bytes("many.example.com.",
                                                       dns.rdatatype.from_text(rtype)))
        response = dns.message.from_wire(reply, one_rr_per_rrset=True)
        assert types(response) == ["CNAME"] + [rtype] * len(rdata)
        first[response.answer[1][0].to_text()] += 1
        assert len({rrset[0].to_text() for rrset in response.answer[1:]}) == len(rdata)
    assert len(first) == len(rdata) and min(first.values()) > 3


def test_a_record_given_twice_is_served_once(daemon, upstream):
    """RFC 2181 5."""
    upstream.script("www.example.com.", wire.records(b"\xc0\0\2\1", b"\xc0\0\2\1", b"\xc0\0\2\2",
                                                     b"\xc0\0\2\1"))
    for _ in ("miss", "hit"):
        reply = wire.exchange(daemon, wire.query_bytes("www.example.com."))
        assert reply[6:8] == b"\0\2"


def test_a_record_given_twice_in_a_change_is_served_once(fed, upstream):
    daemon, change = fed
    ask(daemon, "www.example.com.")
    change(changes.set_("www.example.com.", "A", 60, "192.0.2.8", "192.0.2.8", "192.0.2.9"))
    reply = wire.exchange(daemon, wire.query_bytes("www.example.com."))
    assert reply[6:8] == b"\0\2" and upstream.count("www.example.com.") == 1


def test_the_chain_may_be_of_twenty(daemon, upstream):
    for n in range(20):
        upstream.script(f"c{n}.example.com.", s.answer(cname(f"c{n}.example.com.", f"c{n + 1}.example.com.")))
    upstream.set("c20.example.com.", "A", "192.0.2.9")
    assert addresses(ask(daemon, "c0.example.com.")) == ["192.0.2.9"]
