"""Simulated distance: an upstream, a tier of the same process and the feed, each some way off."""

import os
import threading
import time

import pytest

import changes
import freshet
import scripted as script
from process import Stopwatch, eventually
from query import addresses, ask, rcode

NAME = "www.example.com."
SLACK = 0.25  # seconds that a busy machine may take besides


def took(function, *arguments, **options):
    """(what it returned, seconds, seconds of its own)"""
    watch = Stopwatch()
    result = function(*arguments, **options)
    return result, watch.seconds(), watch.own()


def far(servers, way="forward", name="os", **link):
    tier = freshet.tier(name, servers, way=way)
    tier["upstream"]["link"] = link
    return tier


def experiment(*tiers, **top):
    return {"experiment": True, "tiers": list(tiers), **top}


# --- upstreams


def test_a_miss_goes_there_and_back(freshetd, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    daemon = freshetd(experiment(far([scripted], delay="100ms")))
    answer, seconds, own = took(ask, daemon, NAME)
    assert addresses(answer) == ["192.0.2.1"]
    assert seconds >= 0.2 and own < 0.2 + SLACK
    hits = [took(ask, daemon, NAME) for _ in range(5)]
    assert all(addresses(answer) == ["192.0.2.1"] for answer, _, _ in hits)
    assert min(own for _, _, own in hits) < 0.02
    assert scripted.count(NAME) == 1


def test_the_distance_is_in_the_round_trip_time(freshetd, scripted):
    """What chooses between servers sees it, and no query is sent again too early."""
    daemon = freshetd(experiment(far([scripted], delay="60ms", jitter="20ms")))
    for number in range(40):
        ask(daemon, f"n{number}.example.com.")
    (upstream,) = daemon.status()["tiers"][0]["upstreams"]
    assert 80 <= upstream["srtt_ms"] <= 160 + SLACK * 1000
    assert upstream["sent"] < 50, upstream


def test_what_does_not_fit_takes_two_round_trips(freshetd, scripted):
    scripted.set("big.example.com.", "TXT", *(f'"{number:0250}"' for number in range(12)))
    daemon = freshetd(experiment(far([scripted], delay="80ms")))
    answer, seconds, own = took(ask, daemon, "big.example.com.", "TXT", tcp=True)
    assert len(addresses(answer)) == 12
    assert seconds >= 0.32 and own < 0.32 + SLACK


def test_all_lost_is_servfail(freshetd, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    daemon = freshetd(experiment(far([scripted], delay="10ms", loss="100%"),
                                 resolve_timeout="1s"))
    answer, seconds, own = took(ask, daemon, NAME)
    assert rcode(answer) == "SERVFAIL"
    assert seconds >= 1.0 and own < 1.0 + SLACK
    assert scripted.count(NAME) == 0


def test_what_is_lost_is_asked_again(freshetd, scripted):
    daemon = freshetd(experiment(far([scripted], delay="5ms", loss="20%"), resolve_timeout="2s"))
    for number in range(40):
        scripted.set(f"n{number}.example.com.", "A", "192.0.2.1")
    answers = [ask(daemon, f"n{number}.example.com.") for number in range(40)]
    assert sum(addresses(answer) == ["192.0.2.1"] for answer in answers) >= 30
    assert daemon.status()["tiers"][0]["upstreams"][0]["timeouts"] > 5


def test_a_daemon_stops_with_queries_on_their_way(freshetd, scripted):
    """freshetd() judges the end: exit code 0 in time."""
    daemon = freshetd(experiment(far([scripted], delay="30s"), resolve_timeout="300ms"))
    for number in range(3):
        assert rcode(ask(daemon, f"n{number}.example.com.")) == "SERVFAIL"
    daemon.stop()


def test_servers_of_a_zone_are_near(freshetd, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    scripted.set("www.example.net.", "A", "192.0.2.2")
    tier = far([scripted], delay="150ms")
    tier["routes"] = [{"name": "example.net.",
                      "forward": [freshet.address_text(scripted.address)]}]
    daemon = freshetd(experiment(tier))
    answer, _, own = took(ask, daemon, "www.example.net.")
    assert addresses(answer) == ["192.0.2.2"] and own < 0.15
    assert took(ask, daemon, NAME)[1] >= 0.3


# --- tiers of one process


def two(scripted, **link):
    browser = {"name": "browser", "upstream": {"tier": "os", "link": link}}
    return experiment(browser, freshet.tier("os", [scripted]))


def test_two_tiers_of_a_process(freshetd, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    scripted.set("held.example.com.", "A", "192.0.2.2")
    daemon = freshetd(two(scripted, delay="50ms"))
    answer, seconds, own = took(ask, daemon.addresses["browser"], NAME)
    assert addresses(answer) == ["192.0.2.1"]
    assert seconds >= 0.1 and own < 0.1 + SLACK
    assert took(ask, daemon.addresses["browser"], NAME)[2] < 0.05
    assert took(ask, daemon.addresses["os"], "held.example.com.")[2] < 0.05
    assert took(ask, daemon.addresses["browser"], "held.example.com.")[1] >= 0.1


def test_a_lost_call_is_late(freshetd, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    daemon = freshetd(two(scripted, delay="20ms", loss="100%"))
    answer, seconds, own = took(ask, daemon.addresses["browser"], NAME)
    assert addresses(answer) == ["192.0.2.1"]
    assert seconds >= 0.44 and own < 0.44 + SLACK


def test_p1_a_change_overtakes_an_answer_on_its_way(freshetd, topic, scripted):
    """What set out before the change arrives after it: it is answered from, and not kept."""
    scripted.set(NAME, "A", "192.0.2.1")
    config = two(scripted, delay="1500ms")
    config["feed"] = freshet.feed(topic, ["example.com."], settle="0s")
    daemon = freshetd(config)
    daemon.wait_log("feed is live", within=20)
    scripted.script(NAME, script.delay(0.1))
    gate = time.monotonic()
    early = []
    thread = threading.Thread(target=lambda: early.append(ask(daemon.addresses["browser"], NAME, timeout=15)))
    thread.start()
    eventually(lambda: scripted.count(NAME) == 1)
    upper = [tier["name"] for tier in daemon.status()["tiers"]].index("os")
    eventually(lambda: daemon.status()["tiers"][upper]["answers"] == 1)  # the old one, which is on its way down
    before = daemon.status()["feed"]["applied"]
    scripted.set(NAME, "A", "192.0.2.2")
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: daemon.status()["feed"]["applied"] > before)
    if time.monotonic() - gate >= 3:
        pytest.skip("too slow a machine to say anything")
    late = ask(daemon.addresses["browser"], NAME, timeout=15)
    thread.join()
    assert addresses(late) == ["192.0.2.2"]
    assert addresses(ask(daemon.addresses["browser"], NAME)) == ["192.0.2.2"]
    assert addresses(early[0]) == ["192.0.2.1"]


# --- the feed


@pytest.fixture
def late(freshetd, topic, scripted):
    """A tier whose feed is 300 ms off, and one with the same feed at hand."""
    def start(**link):
        section = freshet.feed(topic, ["example.com."], settle="0s")
        near = freshetd({"tiers": [freshet.tier("os", [scripted])], "feed": section})
        daemon = freshetd({"experiment": True, "tiers": [freshet.tier("os", [scripted])],
                           "feed": {**section, "link": link}})
        for each in (near, daemon):
            each.wait_log("feed is live", within=20)
        return daemon, near
    return start


def applied(daemon):
    return daemon.status()["feed"]["applied"]


def visible(daemon, address, within=5.0):
    """Seconds from now until it is answered."""
    began = time.monotonic()
    eventually(lambda: addresses(ask(daemon, NAME)) == [address], within=within, every=0.002)
    return time.monotonic() - began


def test_a_change_comes_as_late_as_its_way_is_long(late, topic, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    daemon, near = late(delay="300ms")
    for each in (daemon, near):
        assert addresses(ask(each, NAME)) == ["192.0.2.1"]
    asked = scripted.count(NAME)  # by each once, or again where the machine is slow
    for version in range(2, 7):
        scripted.set(NAME, "A", f"192.0.2.{version}")
        watch = Stopwatch()
        topic.publish("example.com.", [changes.set_(NAME, "A", 3600, f"192.0.2.{version}")])
        visible(near, f"192.0.2.{version}")
        assert watch.own() < 0.3, "the feed at hand shows the way there is short"
        visible(daemon, f"192.0.2.{version}")
        assert watch.seconds() >= 0.3 and watch.own() <= 0.6, f"version {version} after {watch.seconds():.3f} s"
    assert scripted.count(NAME) == asked, "SETs are installed: the feed stays in sync"
    assert daemon.status()["feed"]["state"] == "live"


def test_order_is_kept_whatever_the_jitter(late, topic, scripted):
    """Each is applied before the next: versions are seen in their order, and the last one stays."""
    scripted.set(NAME, "A", "192.0.2.1")
    daemon, _near = late(delay="100ms", jitter="100ms", loss="2%")
    ask(daemon, NAME)
    before = applied(daemon)
    seen = [1]

    def look():
        seen.append(int(addresses(ask(daemon, NAME))[0].rsplit(".", 1)[1]))
    for version in range(2, 202):
        topic.publish("example.com.", [changes.set_(NAME, "A", 3600, f"192.0.2.{version}")])
        look()
    deadline = time.monotonic() + 10
    while applied(daemon) < before + 200 and time.monotonic() < deadline:
        look()
    look()
    assert seen == sorted(seen)
    assert seen[-1] == 201 and len(set(seen)) > 3
    assert daemon.status()["feed"]["resets"] == 1


def test_what_is_on_its_way_is_not_claimed(late, topic, scripted):
    """Positions are those of what was applied, and the lease covers no more."""
    scripted.set(NAME, "A", "192.0.2.1")
    daemon, near = late(delay="1s")

    def position(each):
        return sum(partition["offset"] for partition in each.status()["feed"]["partitions"])

    start = position(daemon)
    assert position(near) == start
    began = time.monotonic()
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: position(near) == start + 1)
    assert position(daemon) == start or time.monotonic() - began >= 1
    eventually(lambda: position(daemon) == start + 1)
    assert time.monotonic() - began >= 1


def test_a_parent_with_a_late_feed_is_behind(freshetd, topic, scripted):
    """P3: the child hears first, and keeps nothing of what its parent still has."""
    scripted.set(NAME, "A", "192.0.2.1")
    section = freshet.feed(topic, ["example.com."], settle="0s")
    parent = freshetd({"experiment": True, "tiers": [freshet.tier("regional", [scripted])],
                       "feed": {**section, "link": {"delay": "2s"}}})
    child = freshetd({"tiers": [freshet.tier("os", [parent], way="parent")], "feed": section})
    for each in (parent, child):
        each.wait_log("feed is live", within=20)
    assert addresses(ask(child, NAME)) == ["192.0.2.1"]
    before = applied(child)
    scripted.set(NAME, "A", "192.0.2.2")
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: applied(child) > before, within=1.8)
    first = ask(child, NAME)
    assert [rrset.ttl for rrset in first.answer] == [0], "of a parent behind: for nobody to keep"
    eventually(lambda: addresses(ask(child, NAME)) == ["192.0.2.2"])
    assert child.lookup(NAME)["tiers"][0]["variants"], "and kept, now that the parent has caught up"


@pytest.mark.timeout(180)
def test_a_late_feed_outlives_its_broker(freshetd, broker, topic, scripted):
    """What was on its way when the broker went is read again, from what was applied last. Where the broker takes so
    long to come back that all has arrived by then, nothing has to be."""
    scripted.set(NAME, "A", "192.0.2.1")
    section = freshet.feed(topic, ["example.com."], settle="0s", lease="40s")
    daemon = freshetd({"experiment": True, "tiers": [freshet.tier("os", [scripted])],
                       "feed": {**section, "link": {"delay": "12s"}}})
    eventually(lambda: daemon.status()["feed"]["state"] == "live", within=60)
    ask(daemon, NAME)
    scripted.set(NAME, "A", "192.0.2.2")
    sent = time.monotonic()
    topic.publish("example.com.", [changes.flush(NAME)])
    time.sleep(0.2)
    broker.halt()
    eventually(lambda: daemon.status()["feed"]["state"] == "lost", within=20)
    again = time.monotonic()
    broker.start()
    eventually(lambda: daemon.status()["feed"]["state"] != "lost", within=30)
    if time.monotonic() - sent < 11:
        assert applied(daemon) == 0
        eventually(lambda: applied(daemon) == 1, within=60)
        assert time.monotonic() - again >= 12
    eventually(lambda: daemon.status()["feed"]["state"] == "live", within=60)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]
    assert daemon.status()["feed"]["resets"] == 1 and applied(daemon) == 1


# --- refusals


@pytest.mark.parametrize("line, key, text", [
    (4, "tiers[0].upstream.link", """
tiers:
  - { name: os, listen: ["127.0.0.1:5353"],
      upstream: { forward: [192.0.2.1], link: { delay: 40ms, jitter: 5ms, loss: 0.1% } } }
"""),
    (2, "feed.link", """
feed: { brokers: "127.0.0.1:9", zones: [example.com.], link: { delay: 40ms } }
tiers:
  - { name: os, listen: ["127.0.0.1:5353"], upstream: { forward: [192.0.2.1] } }
"""),
])
def test_only_experiments_have_links(rundir, line, key, text):
    path = os.path.join(rundir, "freshet.yaml")
    program = freshet.Cli("freshetd")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    for options in (["-n"], []):
        result = program(*options, "-c", path)
        assert result.code == 2 and result.stdout == ""
        assert result.stderr == (f"freshetd: {path}:{line}: {key}: is only for experiments; expected "
                                 "`experiment: true` at the top level\n")
    with open(path, "w", encoding="ascii") as file:
        file.write("experiment: true\n" + text)
    assert program("-n", "-c", path) == (0, "", "")
