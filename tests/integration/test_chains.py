"""freshetd towards its forwarders: responses that are no answer, and answers that take more than one of them."""


import pytest

import freshet
import process
import scripted as s
from query import addresses, ask, rcode
from test_forwarding import cname, ede

DOWN = s.answer(authority=["sub.example.com. 3600 NS ns.sub.example.com."],
                additional=["ns.sub.example.com. 3600 A 192.0.2.53"], aa=False)
UP = s.answer(authority=[". 518400 NS a.root-servers.net."], aa=False)


@pytest.fixture
def second():
    server = s.Scripted()
    yield server
    server.stop()


@pytest.mark.parametrize("referral", [DOWN, UP], ids=["down", "up"])
def test_a_referral_is_no_answer(scripted, freshetd, referral):
    """RFC 2308 2.2: NS and no SOA says that somebody else knows, not that there is nothing."""
    daemon = freshetd(freshet.stub([scripted], workers=1))
    scripted.script("www.sub.example.com.", referral)
    watch = process.Stopwatch()
    response = ask(daemon, "www.sub.example.com.")
    assert rcode(response) == "SERVFAIL" and ede(response) == [22]
    assert watch.own() < 1 and response.authority == []


@pytest.mark.parametrize("referral", [DOWN, UP], ids=["down", "up"])
def test_another_server_is_asked_instead(scripted, second, freshetd, referral):
    daemon = freshetd(freshet.stub([scripted, second], workers=1))
    for n in range(8):
        name = f"n{n}.sub.example.com."
        scripted.script(name, referral)
        second.set(name, "A", "192.0.2.1")
        assert addresses(ask(daemon, name)) == ["192.0.2.1"]


def test_a_chain_ends_in_a_referral(scripted, freshetd):
    """What the server does not say of the CNAME's target is asked for; and then it is a referral still."""
    daemon = freshetd(freshet.stub([scripted], workers=1))
    scripted.script("www.example.com.", s.answer(
        cname("www.example.com.", "www.sub.example.com."),
        authority=["sub.example.com. 3600 NS ns.sub.example.com."], aa=False))
    scripted.script("www.sub.example.com.", DOWN)
    assert rcode(ask(daemon, "www.example.com.")) == "SERVFAIL"
    scripted.script("new.example.com.", s.answer(
        cname("new.example.com.", "known.example.com."),
        authority=["sub.example.com. 3600 NS ns.sub.example.com."], aa=False))
    scripted.set("known.example.com.", "A", "192.0.2.2")
    assert addresses(ask(daemon, "new.example.com."), "A") == ["192.0.2.2"]


@pytest.mark.parametrize("records", [
    (), ("www.d.example.com. 3600 CNAME evil.example.net.", "evil.example.net. 3600 A 192.0.2.66"),
], ids=["without", "with another"])
def test_a_dname_brings_its_cname(scripted, freshetd, records):
    """RFC 6672 3.1: the CNAME is made where the server leaves it out, or says something else."""
    daemon = freshetd(freshet.stub([scripted], workers=1))
    scripted.script("www.d.example.com.", s.answer(
        "d.example.com. 3600 DNAME e.example.com.", *records))
    scripted.set("www.e.example.com.", "A", "192.0.2.5")
    for _ in ("miss", "hit"):
        response = ask(daemon, "www.d.example.com.")
        assert addresses(response, "A") == ["192.0.2.5"]
        assert [rrset.to_text() for rrset in response.answer[:2]] == [
            "d.example.com. 3600 IN DNAME e.example.com.",
            "www.d.example.com. 3600 IN CNAME www.e.example.com."]
    assert scripted.count("www.d.example.com.") == 1


def test_an_earlier_step_is_not_waited_for(scripted, second, freshetd):
    """All have refused the second name of a chain: it fails at once, whoever still owes a response to the first."""
    daemon = freshetd(freshet.stub([scripted, second], workers=1, resolve_timeout="5s"))
    for n in range(4):
        chain, target = f"c{n}.example.com.", f"t{n}.example.org."
        for server in (scripted, second):
            server.script(target, s.rcode("REFUSED"))
        silent, other = (scripted, second) if n % 2 else (second, scripted)
        silent.script(chain, s.drop())
        other.script(chain, s.answer(cname(chain, target)))
        watch = process.Stopwatch()
        response = ask(daemon, chain, timeout=8)
        assert rcode(response) == "SERVFAIL" and ede(response) == [22]
        assert watch.own() < 1.5
