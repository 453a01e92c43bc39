"""An upstream that is somebody else's cache: what it gives back may be from before a change, and it does not say so."""

import os
import time

import changes
import freshet
import process
import scripted as script
from process import eventually
from query import addresses, ask

NAME = "www.example.com."


def start(freshetd, topic, scripted, cache=None, **feed):
    daemon = freshetd({"tiers": [freshet.tier("os", [scripted], **(cache or {}))],
                       "feed": freshet.feed(topic, ["example.com."], **feed)})
    daemon.wait_log("feed is live", within=20)
    return daemon


def cached(scripted, name, address, ttl):
    """The upstream answers for the name as a cache does: without AA."""
    scripted.script(name, script.answer(f"{name} {ttl} A {address}", aa=False))


def publish(daemon, topic, *change_list):
    before = daemon.status()["feed"]["applied"]
    time.sleep(0.003)
    topic.publish("example.com.", list(change_list))
    eventually(lambda: daemon.status()["feed"]["applied"] == before + 1)


def test_p1_an_old_answer_of_a_cache_lives_a_second(freshetd, topic, scripted):
    """Until all that it can have been cached with has run out since the change."""
    daemon = start(freshetd, topic, scripted)
    cached(scripted, NAME, "192.0.2.1", 4)
    assert ask(daemon, NAME).answer[0].ttl > 1
    publish(daemon, topic, changes.flush(NAME))
    cached(scripted, NAME, "192.0.2.1", 3)
    response = ask(daemon, NAME)
    assert addresses(response) == ["192.0.2.1"] and response.answer[0].ttl <= 1
    assert daemon.metric("freshet_provisional_total", tier="os") == 1
    cached(scripted, NAME, "192.0.2.2", 4)
    eventually(lambda: addresses(ask(daemon, NAME)) == ["192.0.2.2"], within=1.5)
    assert ask(daemon, NAME).answer[0].ttl <= 1, "it can still be an old one"
    time.sleep(4.3)
    assert ask(daemon, NAME).answer[0].ttl > 1


def test_p1_of_a_name_that_was_not_held_nothing_is_known(freshetd, topic, scripted):
    """What is told at first after the change may be the rest of what it was cached with before."""
    daemon = start(freshetd, topic, scripted, {"max_ttl": "3s"})
    cached(scripted, NAME, "192.0.2.1", 3)
    cached(scripted, "other.example.com.", "192.0.2.1", 600)
    publish(daemon, topic, changes.delete(NAME))
    publish(daemon, topic, changes.delete("other.example.com."))
    assert ask(daemon, NAME).answer[0].ttl <= 1
    assert ask(daemon, "other.example.com.").answer[0].ttl <= 1
    time.sleep(6.5)
    assert ask(daemon, NAME).answer[0].ttl > 1
    assert ask(daemon, "other.example.com.").answer[0].ttl <= 1


def test_p1_a_parent_that_started_after_the_change(freshetd, topic, scripted):
    """It has not heard of it, and has the old answer from a cache: it says so, and its child knows better."""
    address = f"127.0.0.1:{process.free_port()}"
    feed = freshet.feed(topic, ["example.com."])
    child = freshetd({"tiers": [{"name": "below", "upstream": {"parent": [address]}}], "feed": feed})
    child.wait_log("feed is live", within=20)
    publish(child, topic, changes.flush(NAME))
    time.sleep(3.5)
    cached(scripted, NAME, "192.0.2.1", 600)
    above = freshet.tier("above", [scripted])
    above["listen"] = [address]
    parent = freshetd({"tiers": [above], "feed": feed})
    parent.wait_log("feed is live", within=20)
    eventually(lambda: ask(parent, NAME).answer[0].ttl > 1)
    assert ask(child, NAME).answer[0].ttl <= 1


def test_p1_deleted_and_pushed_does_not_come_back(freshetd, topic, scripted):
    """A SET with a short TTL after a long one: what is cached elsewhere is the long one."""
    daemon = start(freshetd, topic, scripted)
    cached(scripted, NAME, "192.0.2.1", 600)
    ask(daemon, NAME)
    publish(daemon, topic, changes.set_(NAME, "A", 1, "192.0.2.2"))
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]
    time.sleep(1.3)
    response = ask(daemon, NAME)
    assert addresses(response) == ["192.0.2.1"] and response.answer[0].ttl <= 1


def test_names_that_did_not_change_are_cached(freshetd, topic, scripted):
    daemon = start(freshetd, topic, scripted)
    cached(scripted, NAME, "192.0.2.1", 600)
    publish(daemon, topic, changes.flush("other.example.com."))
    assert ask(daemon, NAME).answer[0].ttl > 1
    ask(daemon, NAME)
    assert scripted.count(NAME) == 1


def test_p6_what_a_cache_says_is_not_held(freshetd, topic, scripted):
    daemon = start(freshetd, topic, scripted, {"hold": "1h"})
    cached(scripted, NAME, "192.0.2.1", 1)
    scripted.set("auth.example.com.", "A", "192.0.2.1", ttl=1)
    for name in (NAME, "auth.example.com."):
        ask(daemon, name)
    time.sleep(1.3)
    for name in (NAME, "auth.example.com."):
        ask(daemon, name)
    assert scripted.count(NAME) == 2
    assert scripted.count("auth.example.com.") == 1


def test_p6_a_delegated_zone_below_is_not_held(freshetd, topic, scripted):
    """The topic does not carry it: shown by the owner of its NS records, or said by `except`."""
    scripted.script("www.sub.example.com.", script.answer(
        "www.sub.example.com. 1 A 192.0.2.1", authority=["sub.example.com. 1 NS ns.example.net."]))
    scripted.set("www.other.example.com.", "A", "192.0.2.1", ttl=1)
    feed = {**freshet.feed(topic, ["example.com."]), "except": ["other.example.com."]}
    daemon = freshetd({"tiers": [freshet.tier("os", [scripted], hold="1h")], "feed": feed})
    daemon.wait_log("feed is live", within=20)
    for name in ("www.sub.example.com.", "www.other.example.com."):
        ask(daemon, name)
        time.sleep(1.3)
        ask(daemon, name)
        assert scripted.count(name) == 2, name


def test_it_is_said_once_a_zone(freshetd, topic, scripted):
    daemon = start(freshetd, topic, scripted)
    scripted.set("auth.example.com.", "A", "192.0.2.1")
    ask(daemon, "auth.example.com.")
    for n in range(3):
        cached(scripted, f"n{n}.example.com.", "192.0.2.1", 60)
        ask(daemon, f"n{n}.example.com.")
    daemon.wait_log("cache that hears of no changes", within=5)
    with open(os.path.join(daemon.directory, "freshetd.stderr"), encoding="utf-8") as log:
        said = [line for line in log if "cache that hears of no changes" in line]
    assert len(said) == 1 and "zone=\"example.com.\"" in said[0]


def test_a_hot_name_is_asked_for_in_the_background(freshetd, topic, scripted):
    """While it is in doubt, clients do not wait for it each second."""
    daemon = start(freshetd, topic, scripted)
    cached(scripted, NAME, "192.0.2.1", 60)
    ask(daemon, NAME)
    publish(daemon, topic, changes.flush(NAME))
    ask(daemon, NAME)
    scripted.script(NAME, script.delay(0.05, script.answer(f"{NAME} 50 A 192.0.2.1", aa=False)))
    slowest, until = 0, time.monotonic() + 2.5
    while time.monotonic() < until:
        watch = process.Stopwatch()
        ask(daemon, NAME)
        slowest = max(slowest, watch.own())
        time.sleep(0.02)
    assert slowest < 0.045
    assert 3 <= scripted.count(NAME) <= 10
