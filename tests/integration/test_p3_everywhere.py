"""Promise 3 wherever a message lies and whatever it touches: an answer from a parent is as old as the child's own clock
just before it applied what the parent lacks. The parent's feed is slow by a second and a half, the child's is not."""

import time

import pytest

import changes
import freshet
import kafka_cluster
import scripted as script
from process import Stopwatch, eventually
from query import addresses, ask

PARTITIONS = kafka_cluster.PARTITIONS
NAME = "www.example.com."
OTHER = "mail.example.com."


def applied(daemon):
    return daemon.status()["feed"]["applied"]


def refused(daemon):
    return sum(daemon.status()["feed"]["refused"].values())


def counter(daemon, name):
    return daemon.metric(f"freshet_{name}_total", tier="below")


def nested_zone(partitions=PARTITIONS):
    """A zone below example.com. whose change sets lie in another partition."""
    for n in range(100):
        zone = f"sub{n}.example.com."
        if kafka_cluster.partition_of(zone, partitions) != \
                kafka_cluster.partition_of("example.com.", partitions):
            return zone


class Pair:
    """A parent that hears of each change late, and a child."""

    def __init__(self, freshetd, topic, scripted, zones, parent_zones=None, lag="1500ms", **cache):
        above = freshet.tier("above", [scripted])
        feed = freshet.feed(topic, parent_zones or zones, lease="20s")
        if lag:
            feed = {**feed, "link": {"delay": lag}}
        self.parent = freshetd({"experiment": True, "tiers": [above], "feed": feed})
        below = {"name": "below",
                 "upstream": {"parent": [freshet.address_text(self.parent.address)]}}
        if cache:
            below["cache"] = cache
        self.child = freshetd({"tiers": [below], "feed": freshet.feed(topic, zones, lease="20s")})
        self.topic, self.scripted = topic, scripted
        for daemon in (self.parent, self.child):
            daemon.wait_log("feed is live", within=25)

    def old_answer_is_not_kept(self, name, publish, done=applied):
        """`publish` makes a change known that touches `name`; what the parent gives back meanwhile is for nobody to keep."""
        self.scripted.set(name, "A", "192.0.2.1")
        assert addresses(ask(self.child, name)) == ["192.0.2.1"]
        self.scripted.set(name, "A", "192.0.2.2")
        before = done(self.child)
        publish()
        eventually(lambda: done(self.child) == before + 1)
        assert done(self.parent) == before, "the parent does not lag: the test shows nothing"
        response = ask(self.child, name)
        assert addresses(response) == ["192.0.2.1"] and response.answer[0].ttl == 0
        eventually(lambda: done(self.parent) == before + 1, within=10)
        time.sleep(0.1)
        assert addresses(ask(self.child, name)) == ["192.0.2.2"]


def set_of(zone, *change_list, **fields):
    return changes.encode(changes.change_set(zone, list(change_list), **fields))


NESTED = {
    "NS at the cut": lambda zone: changes.set_(zone, "NS", 300, "ns.example.net."),
    "DS at the cut": lambda zone: changes.delete(zone, "DS"),
    "all below the cut": lambda zone: changes.flush(zone, subtree=True),
    "the whole outer zone": lambda zone: changes.flush("example.com.", subtree=True),
    "the name of the cut": changes.delete,
}


@pytest.mark.parametrize("change", NESTED)
def test_p3_the_outer_zone_changes_what_is_in_the_inner(freshetd, topic, scripted, change):
    zone = nested_zone()
    pair = Pair(freshetd, topic, scripted, ["example.com.", zone])
    pair.old_answer_is_not_kept(
        f"www.{zone}", lambda: topic.publish("example.com.", [NESTED[change](zone)]))


KEYS = {"the zone's": b"example.com.", "without the dot": b"example.com",
        "in upper case": b"EXAMPLE.COM.", "none": None}


@pytest.mark.parametrize("key", KEYS)
def test_p3_a_message_in_another_partition(freshetd, topic, scripted, key):
    pair = Pair(freshetd, topic, scripted, ["example.com."])
    wrong = (kafka_cluster.partition_of("example.com.") + 1) % PARTITIONS
    pair.old_answer_is_not_kept(NAME, lambda: topic.send(
        KEYS[key], set_of("example.com.", changes.flush(NAME)), partition=wrong))


GARBAGE = {"half a message": b"{ half a message", "one byte": b"x", "nothing": b""}


@pytest.mark.parametrize("value", GARBAGE)
def test_p3_what_cannot_be_read_lies_anywhere(freshetd, topic, scripted, value):
    """It invalidates everything; a parent that has not read it lacks that for every name."""
    pair = Pair(freshetd, topic, scripted, ["example.com.", "example.net."])
    wrong = (kafka_cluster.partition_of("example.com.") + 1) % PARTITIONS
    pair.old_answer_is_not_kept(
        NAME, lambda: topic.send(None, GARBAGE[value], partition=wrong), done=refused)


def test_p3_what_no_change_touched_is_kept_meanwhile(freshetd, topic, scripted):
    """Of the same zone and partition, from a parent that lags: kept, at the first query, without asking again."""
    pair = Pair(freshetd, topic, scripted, ["example.com."])
    scripted.set(OTHER, "A", "192.0.2.9")
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: applied(pair.child) == 1)
    assert applied(pair.parent) == 0, "the parent does not lag: the test shows nothing"
    watch = Stopwatch()
    assert ask(pair.child, OTHER).answer[0].ttl > 0
    assert watch.own() < 0.1
    queries = pair.parent.status()["tiers"][0]["queries"]
    ask(pair.child, OTHER)
    assert pair.parent.status()["tiers"][0]["queries"] == queries
    assert counter(pair.child, "parent_behind") == 0


def test_p3_a_change_of_some_time_ago_is_not_waited_for(freshetd, topic, scripted):
    """A parent that lags by seconds is asked once for each query, not eight times."""
    pair = Pair(freshetd, topic, scripted, ["example.com."])
    scripted.set(NAME, "A", "192.0.2.1")
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: applied(pair.child) == 1)
    time.sleep(0.2)
    queries = pair.parent.status()["tiers"][0]["queries"]
    for _ in range(5):
        assert ask(pair.child, NAME).answer[0].ttl == 0
    assert applied(pair.parent) == 0, "the parent does not lag: the test shows nothing"
    assert pair.parent.status()["tiers"][0]["queries"] == queries + 5


def amiss(daemon):
    """What status says is wrong between the tier and its kin, each up to what to do."""
    return [sentence.partition(":")[0] + ":" + sentence.partition(":")[2].partition(":")[0]
            for sentence in daemon.status()["tiers"][0]["amiss"]]


def test_p3_a_zone_that_the_parent_does_not_hear_of(freshetd, topic, scripted):
    """It is a plain cache for that, and taken for one; both say so, and what to write where."""
    pair = Pair(freshetd, topic, scripted, ["example.com.", "example.net."],
                parent_zones=["example.net."], lag=None)
    scripted.set(NAME, "A", "192.0.2.1")
    for _ in range(20):
        assert ask(pair.child, NAME).answer[0].ttl > 0
    assert scripted.count(NAME) == 1 and counter(pair.child, "cache_hits") == 19
    assert counter(pair.child, "parent_no_position") == 1
    pair.child.wait_log("the parent's feed does not have the zone", within=5)
    pair.parent.wait_log("a child tier follows a zone that the feed here does not have", within=5)
    assert amiss(pair.child) == ["zone example.com.: the parent's feed does not have the zone"]
    assert amiss(pair.parent) == [
        f"child 127.0.0.1, name {NAME}: a child tier follows a zone that the feed here does not have"]
    # Once a change has come, what the parent still has lives for a second at a time.
    before = applied(pair.child)
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: applied(pair.child) == before + 1)
    assert ask(pair.child, NAME).answer[0].ttl <= 1
    scripted.set("www.example.net.", "A", "192.0.2.1")
    assert ask(pair.child, "www.example.net.").answer[0].ttl > 0


def test_p3_a_stale_answer_of_a_parent_behind(freshetd, topic, scripted):
    """The authority is away: what the parent gives in its place, it has in spite of a change that it has not heard of."""
    above = freshet.tier("above", [scripted], serve_stale="1h")
    feed = {**freshet.feed(topic, ["example.com."], lease="20s"), "link": {"delay": "3s"}}
    parent = freshetd({"experiment": True, "tiers": [above], "feed": feed})
    below = {"name": "below", "upstream": {"parent": [freshet.address_text(parent.address)]}}
    child = freshetd({"tiers": [below], "feed": freshet.feed(topic, ["example.com."], lease="20s")})
    for daemon in (parent, child):
        daemon.wait_log("feed is live", within=25)
    scripted.set(NAME, "A", "192.0.2.1", ttl=1)
    ask(child, NAME)
    time.sleep(1.3)
    scripted.script(NAME, script.rcode("SERVFAIL"))
    topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: applied(child) == 1)
    for _ in range(2):
        response = ask(child, NAME)
        assert applied(parent) == 0 and addresses(response) == ["192.0.2.1"]
        assert response.answer[0].ttl == 0
    assert counter(child, "parent_uncached") == 2


def test_p3_a_child_that_starts_after_the_change(freshetd, topic, scripted):
    """Its position is taken behind a change that the parent has not applied yet."""
    pair = Pair(freshetd, topic, scripted, ["example.com."], lag="4s")
    scripted.set(NAME, "A", "192.0.2.1")
    ask(pair.parent, NAME)
    scripted.set(NAME, "A", "192.0.2.2")
    topic.publish("example.com.", [changes.flush(NAME)])
    below = {"name": "below",
             "upstream": {"parent": [freshet.address_text(pair.parent.address)]}}
    late = freshetd({"tiers": [below],
                     "feed": freshet.feed(topic, ["example.com."], lease="20s")})
    late.wait_log("feed is live", within=25)
    response = ask(late, NAME)
    if applied(pair.parent) == 0:
        assert addresses(response) == ["192.0.2.1"] and response.answer[0].ttl == 0
    eventually(lambda: applied(pair.parent) == 1, within=10)
    time.sleep(0.1)
    assert addresses(ask(late, NAME)) == ["192.0.2.2"]


@pytest.mark.parametrize("partitions", [64, 300])
def test_p3_many_partitions(freshetd, scripted, partitions):
    """Of each zone, wherever it lies, an answer is kept at the first query."""
    broker = kafka_cluster.EmbeddedBroker(freshet.build_directory(), partitions=partitions)
    try:
        topic = broker.topic(partitions)
        zones = [f"zone{n}.example.com." for n in range(2 * partitions)]
        top = freshet.tier("top", [scripted])
        low = {"name": "below", "upstream": {"tier": "top"}}
        daemon = freshetd({"tiers": [low, top], "feed": freshet.feed(topic, zones)})
        daemon.wait_log("feed is live", within=25)
        time.sleep(1.5)  # a proof of after the start, where more are in use than can be named
        for zone in zones[:200]:
            scripted.set(f"www.{zone}", "A", "192.0.2.1")
            assert ask(daemon, f"www.{zone}").answer[0].ttl > 0
        assert counter(daemon, "parent_behind") == counter(daemon, "parent_uncached") == 0
    finally:
        broker.stop()


def test_p4_local_names_of_the_parent_are_not_held(freshetd, topic, scripted):
    """No change set tells when they change."""
    name = "printer.example.com."
    above = freshet.tier("above", [scripted])
    above["local"] = [f"{name} 2 IN A 192.0.2.9"]
    feed = freshet.feed(topic, ["example.com."])
    config = {"tiers": [above], "feed": feed}
    parent = freshetd(config)
    below = {"name": "below", "cache": {"hold": "1h", "min_ttl": "1m", "serve_stale": "1h"},
             "upstream": {"parent": [freshet.address_text(parent.address)]}}
    child = freshetd({"tiers": [below], "feed": feed})
    for daemon in (parent, child):
        daemon.wait_log("feed is live", within=25)
    assert addresses(ask(child, name)) == ["192.0.2.9"]
    above["local"] = [f"{name} 2 IN A 192.0.2.10"]
    parent.configure(config)
    parent.sighup()
    eventually(lambda: addresses(ask(parent, name)) == ["192.0.2.10"])
    eventually(lambda: addresses(ask(child, name)) == ["192.0.2.10"], within=3)
