"""feed.except: zones below those of the feed whose changes the topic does not carry."""
import changes
import freshet
import pytest
from process import eventually
from query import addresses, ask

OUTER, INNER, DEEPER = "www.example.com.", "www.sub.example.com.", "www.own.sub.example.com."


@pytest.fixture
def daemon(freshetd, topic, scripted):
    for name in (OUTER, INNER, DEEPER):
        scripted.set(name, "A", "192.0.2.1")
    config = freshet.stub([scripted], topic, zones=["example.com.", "own.sub.example.com."])
    config["feed"]["except"] = ["SUB.example.com"]
    daemon = freshetd(config)
    eventually(lambda: daemon.status()["feed"]["state"] == "live", within=10)
    return daemon


def publish(daemon, topic, zone, *sets):
    applied = sum(daemon.status()["feed"][key] for key in ("applied", "ignored"))
    topic.publish(zone, list(sets))
    eventually(lambda: sum(daemon.status()["feed"][key] for key in ("applied", "ignored")) > applied)


def test_what_is_excepted_lives_by_its_ttl(daemon, topic, scripted):
    for name in (OUTER, INNER, DEEPER):
        assert addresses(ask(daemon, name)) == ["192.0.2.1"]
        scripted.set(name, "A", "192.0.2.2")
    publish(daemon, topic, "example.com.", changes.flush("example.com.", subtree=True))
    publish(daemon, topic, "sub.example.com.", changes.flush("sub.example.com.", subtree=True))
    assert addresses(ask(daemon, OUTER)) == ["192.0.2.2"]
    assert addresses(ask(daemon, INNER)) == ["192.0.2.1"], "nobody tells of its changes"
    held = daemon.lookup(INNER)["tiers"][0]["variants"][0]
    assert held["valid"] and "no zone of the feed" in held["why"]


def test_a_zone_of_the_feed_below_an_excepted_one_follows_it(daemon, topic, scripted):
    assert addresses(ask(daemon, DEEPER)) == ["192.0.2.1"]
    scripted.set(DEEPER, "A", "192.0.2.2")
    publish(daemon, topic, "own.sub.example.com.", changes.flush(DEEPER))
    assert addresses(ask(daemon, DEEPER)) == ["192.0.2.2"]


def test_an_operator_evicts_what_is_excepted(daemon, scripted):
    for evicted in ({"name": INNER}, {"name": "example.com.", "subtree": True}):
        ask(daemon, INNER)
        scripted.forget()
        daemon.control({"cmd": "evict", **evicted})
        ask(daemon, INNER)
        assert scripted.count(INNER) == 1
