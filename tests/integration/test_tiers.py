"""Tiers of one process: each asks the one above by a call, and all hear of the same changes."""

import dns.edns
import dns.message
import dns.query
import pytest

import changes
import freshet
import scripted as script
from process import eventually
from query import addresses, ask, rcode, ttls

NAME = "www.example.com."
LEVELS = ["browser", "os", "neighbourhood", "regional"]


def hierarchy(topic, authority, **of_tier):
    """Four levels, from the one next to the client to the one next to the authority."""
    tiers = []
    for level, above in zip(LEVELS, LEVELS[1:] + [None]):
        tier = freshet.tier(level, [authority])
        if above:
            tier["upstream"] = {"tier": above}
        tier.update(of_tier.get(level, {}))
        tiers.append(tier)
    config = {"tiers": tiers}
    if topic:
        config["feed"] = freshet.feed(topic, ["example.com.", "example.net."])
    return config


@pytest.fixture
def four(freshetd, topic, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    daemon = freshetd(hierarchy(topic, scripted, browser={"per_client": True}))
    daemon.wait_log("feed is live", within=20)
    return daemon


def change(daemon, topic, *change_list):
    before = daemon.status()["feed"]["applied"]
    topic.publish("example.com.", list(change_list))
    eventually(lambda: daemon.status()["feed"]["applied"] > before)


def test_a_miss_goes_up_and_fills_every_tier(four, scripted):
    assert addresses(ask(four.addresses["browser"], NAME)) == ["192.0.2.1"]
    for level in LEVELS:
        assert addresses(ask(four.addresses[level], NAME)) == ["192.0.2.1"]
    assert scripted.count(NAME, "A") == 1
    held = {tier["tier"]: tier["variants"] for tier in four.lookup(NAME)["tiers"]}
    assert held["os"][0]["from"] == "neighbourhood"
    assert held["regional"][0]["from"].startswith("127.0.0.1:")


def test_p1_a_change_is_seen_at_every_tier(four, topic, scripted):
    for level in LEVELS:
        ask(four.addresses[level], NAME)
    scripted.set(NAME, "A", "192.0.2.2")
    change(four, topic, changes.set_(NAME, "A", 3600, "192.0.2.2"))
    for level in LEVELS:
        assert addresses(ask(four.addresses[level], NAME)) == ["192.0.2.2"]
    assert scripted.count(NAME, "A") == 1, "the change brought the record along"
    scripted.set(NAME, "A", "192.0.2.3")
    change(four, topic, changes.flush(NAME))
    assert addresses(ask(four.addresses["browser"], NAME)) == ["192.0.2.3"]
    assert scripted.count(NAME, "A") == 2


def test_negative_answers_and_chains_go_up_too(four, scripted):
    scripted.set("alias.example.com.", "CNAME", NAME)
    assert addresses(ask(four.addresses["browser"], "alias.example.com.")) == ["192.0.2.1"]
    assert rcode(ask(four.addresses["browser"], "none.example.com.")) == "NXDOMAIN"
    assert rcode(ask(four.addresses["regional"], "none.example.com.")) == "NXDOMAIN"
    assert scripted.count("none.example.com.", "A") == 1


def misses_of(daemon, level):
    (tier,) = [t for t in daemon.status()["tiers"] if t["name"] == level]
    return tier["misses"]


def ask_browser(daemon, source=None, cookie=None):
    host, port = daemon.addresses["browser"]
    query = dns.message.make_query(NAME, "A", use_edns=0, options=[
        dns.edns.GenericOption(dns.edns.OptionType.COOKIE, cookie)] if cookie else [])
    return dns.query.udp(query, host, port=port, timeout=5, source=source)


def test_a_change_replaces_what_each_client_holds(four, topic, scripted):
    first, second, third = "127.0.0.2", "127.0.0.3", "127.0.0.4"
    for source in (first, second):
        assert addresses(ask_browser(four, source)) == ["192.0.2.1"]
    before = misses_of(four, "browser")
    scripted.set(NAME, "A", "192.0.2.2")
    change(four, topic, changes.set_(NAME, "A", 3600, "192.0.2.2"))
    for source in (first, second):
        assert addresses(ask_browser(four, source)) == ["192.0.2.2"]
    assert misses_of(four, "browser") == before
    assert addresses(ask_browser(four, third)) == ["192.0.2.2"]
    assert misses_of(four, "browser") == before + 1, "this one had asked for nothing yet"


def test_each_client_has_a_browser_of_its_own(four):
    for known in range(3):
        assert addresses(ask_browser(four, source=f"127.0.0.{known + 2}")) == ["192.0.2.1"]
        assert misses_of(four, "browser") == known + 1
        ask_browser(four, source=f"127.0.0.{known + 2}")
        assert misses_of(four, "browser") == known + 1
    assert misses_of(four, "os") == 1
    ask_browser(four, source="127.0.0.2", cookie=b"12345678")
    ask_browser(four, source="127.0.0.3", cookie=b"12345678")
    assert misses_of(four, "browser") == 4, "one cookie, one client, wherever it asks from"


def test_a_tier_without_the_feed_is_a_cache_by_ttl(freshetd, topic, scripted):
    scripted.set(NAME, "A", "192.0.2.1", ttl=3600)
    daemon = freshetd(hierarchy(topic, scripted, browser={"subscribe": False}))
    daemon.wait_log("feed is live", within=20)
    answer = ask(daemon.addresses["browser"], NAME)
    assert ttls(answer) <= [5], "what follows no feed is told no more than client_ttl"
    scripted.set(NAME, "A", "192.0.2.2", ttl=3600)
    change(daemon, topic, changes.set_(NAME, "A", 3600, "192.0.2.2"))
    assert addresses(ask(daemon.addresses["os"], NAME)) == ["192.0.2.2"]
    assert addresses(ask(daemon.addresses["browser"], NAME)) == ["192.0.2.1"]
    eventually(lambda: addresses(ask(daemon.addresses["browser"], NAME)) == ["192.0.2.2"], within=8)


def test_a_dead_authority_is_servfail_at_the_bottom(freshetd, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    scripted.script(NAME, script.drop())
    daemon = freshetd({**hierarchy(None, scripted), "resolve_timeout": "700ms"})
    assert rcode(ask(daemon.addresses["browser"], NAME)) == "SERVFAIL"
    daemon.stop()


def test_a_tier_may_be_reached_through_others_alone(freshetd, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    text = """
tiers:
  - { name: browser, listen: [$listen], upstream: { tier: os } }
  - { name: os, upstream: { tier: regional } }
  - { name: regional, upstream: { forward: ["%s"] } }
""" % freshet.address_text(scripted.address)
    daemon = freshetd(text)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]
