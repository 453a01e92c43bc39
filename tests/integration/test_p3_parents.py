"""Promise 3: a tier never caches an answer from a parent that has applied less of the log than itself."""

import os
import subprocess
import threading
import time

import dns.edns
import pytest

import changes
import freshet
import process
from process import eventually
from query import addresses, ask

# A consumer that is handed messages only after a second or two: its broker waits for a megabyte.
LAGGING = ["fetch.min.bytes=1000000", "fetch.wait.max.ms=1500"]
NAME = "www.example.com."


def hierarchy(freshetd, topic, scripted, parent_properties=(), levels=2, tcp=False):
    """Tiers from the one next to the authority to the one next to the client, all on the feed."""
    daemons = []
    for level in range(levels):
        tier = freshet.tier(f"level{level}", daemons[-1:] or [scripted])
        if daemons:
            tier["upstream"] = {"parent": tier["upstream"]["forward"]}
        properties = list(parent_properties) if level == 0 else []
        config = {"tiers": [tier], "feed": freshet.feed(
            topic, ["example.com.", "example.net."], rdkafka=properties, settle="0s")}
        daemons.append(freshetd(config))
    for daemon in daemons:
        daemon.wait_log("feed is live", within=25)
    return daemons


def offsets(daemon):
    return {p["partition"]: p["offset"] for p in daemon.status()["feed"]["partitions"]}


def applied(daemon):
    return daemon.status()["feed"]["applied"]


@pytest.fixture
def real_feed(kafka, topic):
    if topic.consumer_properties:
        pytest.skip("the embedded broker does not wait for fetch.min.bytes")
    return topic


def test_p3_a_child_does_not_cache_from_a_parent_behind(freshetd, real_feed, scripted):
    parent, child = hierarchy(freshetd, real_feed, scripted, LAGGING)
    scripted.set(NAME, "A", "192.0.2.1")
    assert addresses(ask(child, NAME)) == ["192.0.2.1"]

    def counters():
        return [child.metric(f"freshet_parent_{what}_total", tier="level1") for what in ("behind", "uncached")]

    # The parent still has the old answer. The child may hand it on, but for nobody to keep. A machine may be so busy that
    # the parent has caught up before all of that was seen: then once more.
    for version in range(2, 8):
        scripted.set(NAME, "A", f"192.0.2.{version}")
        real_feed.publish("example.com.", [changes.flush(NAME)])
        eventually(lambda: applied(child) == version - 1)
        before = counters()
        response = ask(child, NAME)
        behind, uncached = (after - then for after, then in zip(counters(), before))
        (tier,) = child.lookup(NAME)["tiers"]
        was_behind = applied(parent) == version - 2
        eventually(lambda: applied(parent) == version - 1, within=10)
        if was_behind:
            assert addresses(response) == [f"192.0.2.{version - 1}"] and response.answer[0].ttl == 0
            assert behind > 1 and uncached == 1
            assert not [v for v in tier["variants"] if v["valid"]]
        assert addresses(ask(child, NAME)) == [f"192.0.2.{version}"]
        if was_behind:
            return
    pytest.fail("the parent does not lag: the test shows nothing")


def test_p3_what_the_parent_has_applied_is_cached(freshetd, topic, scripted):
    parent, child = hierarchy(freshetd, topic, scripted)
    scripted.set(NAME, "A", "192.0.2.1")
    ask(child, NAME)
    scripted.set(NAME, "A", "192.0.2.2")
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: applied(child) == 1)
    assert addresses(ask(child, NAME)) == ["192.0.2.2"]
    queries = parent.status()["tiers"][0]["queries"]
    assert addresses(ask(child, NAME)) == ["192.0.2.2"]
    assert parent.status()["tiers"][0]["queries"] == queries


def test_p3_changes_of_other_zones_do_not_hold_it_up(freshetd, real_feed, scripted):
    """The zones lie in different partitions; a parent behind in one is not behind in the other."""
    parent, child = hierarchy(freshetd, real_feed, scripted, LAGGING)
    before = offsets(child)
    scripted.set(NAME, "A", "192.0.2.1")
    real_feed.publish("example.net.", [changes.flush("www.example.net.")])
    eventually(lambda: applied(child) == 1)
    moved = {p for p, offset in offsets(child).items() if offset != before[p]}
    real_feed.publish("example.com.", [changes.flush("other.example.com.")])
    eventually(lambda: applied(child) == 2)
    both = {p for p, offset in offsets(child).items() if offset != before[p]}
    if moved == both:
        pytest.skip("this topic has both zones in one partition")
    eventually(lambda: applied(parent) == 2, within=10)
    real_feed.publish("example.net.", [changes.flush("www.example.net.")])
    eventually(lambda: applied(child) == 3)
    assert applied(parent) == 2
    assert ask(child, NAME).answer[0].ttl > 0
    assert child.metric("freshet_parent_behind_total", tier="level1") == 0


def test_p3_through_three_levels(freshetd, real_feed, scripted):
    """The one in the middle does not vouch for what it has from one that is behind."""
    top, middle, bottom = hierarchy(freshetd, real_feed, scripted, LAGGING, levels=3)
    scripted.set(NAME, "A", "192.0.2.1")
    ask(bottom, NAME)
    scripted.set(NAME, "A", "192.0.2.2")
    real_feed.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: applied(middle) == 1 and applied(bottom) == 1)
    assert applied(top) == 0, "the top does not lag: the test shows nothing"
    response = ask(bottom, NAME)
    assert addresses(response) == ["192.0.2.1"] and response.answer[0].ttl == 0
    eventually(lambda: applied(top) == 1, within=10)
    assert addresses(ask(bottom, NAME)) == ["192.0.2.2"]


def test_p3_over_tcp(freshetd, topic, scripted):
    """An answer too long for UDP is fetched from the parent over TCP, with the option."""
    parent, child = hierarchy(freshetd, topic, scripted)
    scripted.set(NAME, "TXT", *(f'"{"x" * 200}{number}"' for number in range(20)))
    assert len(ask(child, NAME, "TXT", tcp=True).answer[0]) == 20
    queries = parent.status()["tiers"][0]["queries"]
    assert len(ask(child, NAME, "TXT", tcp=True).answer[0]) == 20
    assert parent.status()["tiers"][0]["queries"] == queries
    assert child.metric("freshet_parent_no_position_total", tier="level1") == 0


def test_p3_while_changes_pour_in(freshetd, topic, scripted):
    """Evictions of one name as fast as they go, the authority always first: from the moment a tier
    has applied change n, its answers are of version n or later, or TTL 0."""
    parent, child = hierarchy(freshetd, topic, scripted)
    last, done, old = 120, threading.Event(), []
    scripted.set(NAME, "A", "192.0.2.0")
    ask(child, NAME)

    def watch():
        while not done.is_set():
            known = applied(child)
            response = ask(child, NAME)
            version = int(addresses(response)[0].split(".")[3])
            if version < known and response.answer[0].ttl > 0:
                old.append((known, version))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for version in range(1, last + 1):
        scripted.set(NAME, "A", f"192.0.2.{version}")
        topic.publish("example.com.", [changes.flush(NAME)], serial=version)
        time.sleep(0.005)
    eventually(lambda: applied(child) == last and applied(parent) == last, within=10)
    done.set()
    watcher.join()
    assert not old
    assert addresses(ask(child, NAME)) == [f"192.0.2.{last}"]


def test_p3_a_parent_that_is_none(freshetd, topic, scripted):
    """An upstream declared a parent that does not know the option is like any cache."""
    tier = {"name": "os", "upstream": {"parent": [freshet.address_text(scripted.address)]}}
    child = freshetd({"tiers": [tier], "feed": freshet.feed(topic, ["example.com."])})
    child.wait_log("feed is live", within=20)
    scripted.zones.append("example.org.")
    scripted.set(NAME, "A", "192.0.2.1")
    scripted.set("www.example.org.", "A", "192.0.2.2")
    for _ in range(20):
        assert ask(child, NAME).answer[0].ttl > 0
        assert ask(child, "www.example.org.").answer[0].ttl > 0
    assert scripted.count(NAME) == scripted.count("www.example.org.") == 1
    assert child.metric("freshet_parent_no_position_total", tier="os") == 1
    child.wait_log("write the address of this machine into position_for", within=5)
    (said,) = child.status()["tiers"][0]["amiss"]
    assert said.startswith("zone example.com.: ") and "say forward instead of parent" in said
    shown = subprocess.run([os.path.join(freshet.build_directory(), "freshet"), "status", "--control",
                            child.control_path], capture_output=True, text=True, check=True).stdout
    assert "amiss in the last minute" in shown and "position_for" in shown
    # After a change it may be from before, and does not say so: a second at a time.
    before = child.status()["feed"]["applied"]
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: child.status()["feed"]["applied"] == before + 1)
    assert ask(child, NAME).answer[0].ttl <= 1
    time.sleep(1.2)
    scripted.set(NAME, "A", "192.0.2.9")
    assert addresses(ask(child, NAME)) == ["192.0.2.9"]


def test_p3_a_parent_without_a_position(freshetd, topic, scripted):
    """Its brokers cannot be reached, the child's can: what changed is handed on, for nobody to keep; the rest is kept."""
    above = freshet.feed(topic, ["example.com."])
    above["brokers"] = f"127.0.0.1:{process.free_port()}"
    parent = freshetd({"tiers": [freshet.tier("above", [scripted])], "feed": above})
    below = {"name": "below", "upstream": {"parent": [freshet.address_text(parent.address)]}}
    child = freshetd({"tiers": [below], "feed": freshet.feed(topic, ["example.com."])})
    child.wait_log("feed is live", within=20)
    for name in (NAME, "other.example.com."):
        scripted.set(name, "A", "192.0.2.1")
        ask(parent, name)
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: applied(child) == 1)
    scripted.set(NAME, "A", "192.0.2.2")
    # A parent of before the child's start may have all from before it: then it is started again.
    parent.kill()
    time.sleep(0.2)  # more than what clocks may be late
    parent.start()
    ask(parent, NAME)
    assert ask(child, NAME).answer[0].ttl > 0, "asked for after the change"
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: applied(child) == 2)
    queries = parent.status()["tiers"][0]["queries"]
    for _ in range(5):
        response = ask(child, NAME)
        assert addresses(response) == ["192.0.2.2"] and response.answer[0].ttl == 0
        assert ask(child, "other.example.com.").answer[0].ttl > 0
    assert parent.status()["tiers"][0]["queries"] <= queries + 5 * 6 + 1, "it is not asked over and over"
    assert parent.status()["feed"]["state"] == "cold"
    assert not child.status()["tiers"][0].get("amiss"), "nothing is wrong with the configuration"


POSITION = 65317


def position_query(feed_id, body=b""):
    return dns.edns.GenericOption(POSITION, b"\x01" + feed_id.to_bytes(8, "big") + body)


def positions_in(response):
    return [option for option in response.options if option.otype == POSITION]


@pytest.mark.parametrize("option", [
    dns.edns.GenericOption(POSITION, b""),
    dns.edns.GenericOption(POSITION, b"\x02" + bytes(8)),
    dns.edns.GenericOption(POSITION, b"\x01" + bytes(7)),
    position_query(1),
    position_query(1, bytes(11)),
    position_query(1, b"\xff" * 12),
], ids=["empty", "version", "short", "another feed", "half a partition", "below zero"])
def test_p3_what_is_no_question_of_ours_is_ignored(freshetd, topic, scripted, option):
    """Malformed, or of another feed: counted, answered without a position, bound by client_ttl."""
    (parent,) = hierarchy(freshetd, topic, scripted, levels=1)
    scripted.set(NAME, "A", "192.0.2.1")
    for _ in range(2):
        response = ask(parent, NAME, options=[option])
        assert addresses(response) == ["192.0.2.1"]
        assert not positions_in(response) and response.answer[0].ttl <= 5
    assert parent.metric("freshet_position_ignored_total", tier="level0") == 2


def test_p3_strangers_learn_nothing(freshetd, topic, scripted):
    """A child outside position_for is served as any client; both say what to write where."""
    scripted.set(NAME, "A", "192.0.2.1")
    above = freshet.tier("above", [scripted])
    above["position_for"] = ["192.0.2.0/24"]
    parent = freshetd({"tiers": [above], "feed": freshet.feed(topic, ["example.com."])})
    below = {"name": "below", "upstream": {"parent": [freshet.address_text(parent.address)]}}
    child = freshetd({"tiers": [below], "feed": freshet.feed(topic, ["example.com."])})
    for daemon in (parent, child):
        daemon.wait_log("feed is live", within=20)
    for _ in range(20):
        assert ask(child, NAME).answer[0].ttl > 0
    assert parent.metric("freshet_position_ignored_total", tier="above") == 1
    assert child.metric("freshet_parent_no_position_total", tier="below") == 1
    for daemon in (parent, child):
        daemon.wait_log("position_for", within=5)
        (said,) = daemon.status()["tiers"][0]["amiss"]
        assert "position_for" in said
    assert said.startswith("zone example.com.: ")
    (said,) = parent.status()["tiers"][0]["amiss"]
    assert said.startswith(f"child 127.0.0.1, name {NAME}: ")
