"""Promise 5: feed loss is noticed within the lease, outages are resumed without a gap, and a gap of any
kind invalidates what the feed covers. All on a real broker that can be paused, stopped and changed."""

import os
import time

import pytest

import changes
import freshet
from process import eventually
from query import addresses, ask

NAME = "www.example.com."
LEASE = 1.0  # seconds


@pytest.fixture
def daemon(freshetd, broker, topic, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    scripted.set("quiet.example.com.", "A", "192.0.2.9")
    config = {"tiers": [freshet.tier("os", [scripted])],
              "feed": freshet.feed(topic, ["example.com."], lease="1s", settle="0s")}
    started = freshetd(config)
    wait_state(started, "live")
    return started


def feed(daemon):
    return daemon.status()["feed"]


def wait_state(daemon, *states, within=20.0):
    eventually(lambda: feed(daemon)["state"] in states, within=within,
               what=f"the feed is {' or '.join(states)}")


def change(daemon, topic, scripted, version):
    scripted.set(NAME, "A", f"192.0.2.{version}")
    topic.publish("example.com.", [changes.flush(NAME)], serial=version)


def test_p5_loss_is_noticed_within_the_lease(daemon, broker):
    """The broker falls silent without a word: connections stay open, nothing is answered."""
    with broker.paused():
        began = time.monotonic()
        wait_state(daemon, "lost", within=LEASE * 3)
        noticed = time.monotonic() - began
        assert noticed <= LEASE + 0.5, f"noticed after {noticed:.2f} s"
        assert daemon.metric("freshet_feed_state", state="lost") == 1
        assert feed(daemon)["reason"]
        assert "feed is lost" in daemon.log
    wait_state(daemon, "live")


def test_p5_an_outage_is_resumed_without_a_gap(daemon, broker, topic, scripted):
    """What was published around it is applied, in order, from the kept position: nothing is reset."""
    ask(daemon, NAME)
    ask(daemon, "quiet.example.com.")
    change(daemon, topic, scripted, 2)
    broker.halt()
    wait_state(daemon, "lost", within=10)
    broker.start()
    change(daemon, topic, scripted, 3)
    wait_state(daemon, "live", within=30)
    eventually(lambda: feed(daemon)["applied"] == 2)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.3"]
    assert feed(daemon)["resets"] == 1
    ask(daemon, "quiet.example.com.")
    assert scripted.count("quiet.example.com.") == 1, "the outage cost what had not changed"


def test_p5_a_lost_feed_leaves_a_ttl_cache(daemon, broker, scripted):
    scripted.set("short.example.com.", "A", "192.0.2.5", ttl=1)
    with broker.paused():
        wait_state(daemon, "lost", within=10)
        ask(daemon, "short.example.com.")
        time.sleep(1.2)
        ask(daemon, "short.example.com.")
        assert scripted.count("short.example.com.") == 2
    wait_state(daemon, "live")


def gap_ends_what_was_cached(daemon, scripted, resets):
    eventually(lambda: feed(daemon)["resets"] >= resets, within=30)
    wait_state(daemon, "live", within=30)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.7"]
    ask(daemon, "quiet.example.com.")
    assert scripted.count("quiet.example.com.") == 2, "what the gap may have changed was kept"


def cache_both(daemon):
    for name in (NAME, "quiet.example.com."):
        ask(daemon, name)


def test_p5_a_gap_by_retention(daemon, topic, scripted):
    """The process sleeps; meanwhile the log moves on and forgets what it would have read."""
    cache_both(daemon)
    daemon.pause()
    # The fetch under way still gets the first message, into the sleeper's socket; it asks for no more.
    topic.publish("example.com.", [changes.flush("other.example.com.")])
    time.sleep(0.2)
    scripted.set(NAME, "A", "192.0.2.7")
    topic.publish("example.com.", [changes.flush(NAME)])
    for partition, end in topic.end_offsets().items():
        topic.drop_before(partition, end)
    daemon.resume()
    gap_ends_what_was_cached(daemon, scripted, 2)
    assert any("feed is cold" in line for line in daemon.log.splitlines())


def test_p5_a_gap_by_a_new_topic(daemon, topic, scripted):
    cache_both(daemon)
    change(daemon, topic, scripted, 6)
    eventually(lambda: feed(daemon)["applied"] == 1)
    topic.recreate()
    scripted.set(NAME, "A", "192.0.2.7")
    gap_ends_what_was_cached(daemon, scripted, 2)
    change(daemon, topic, scripted, 8)
    eventually(lambda: addresses(ask(daemon, NAME)) == ["192.0.2.8"])


def test_p5_a_gap_by_a_new_topic_of_a_lower_epoch(daemon, broker, topic, scripted):
    """Each start of a broker raises the epoch of those it leads; a topic made anew begins at 0, which looks outdated to
    a client that knew the old one, and has not seen it gone."""
    for _ in range(2):
        broker.halt()
        wait_state(daemon, "lost")
        broker.start()
        wait_state(daemon, "live", within=30)
    change(daemon, topic, scripted, 6)
    eventually(lambda: feed(daemon)["applied"] == 1)
    cache_both(daemon)
    daemon.pause()
    topic.recreate()
    scripted.set(NAME, "A", "192.0.2.7")
    daemon.resume()
    gap_ends_what_was_cached(daemon, scripted, 2)
    change(daemon, topic, scripted, 8)
    eventually(lambda: addresses(ask(daemon, NAME)) == ["192.0.2.8"])


def test_p5_a_topic_made_anew_time_and_again(daemon, topic, scripted):
    """Whether it is read by the same client or by one that never knew the topic before, none is left behind."""
    threads = set()
    for turn in range(4):
        change(daemon, topic, scripted, 100 + turn)
        eventually(lambda: addresses(ask(daemon, NAME)) == [f"192.0.2.{100 + turn}"])
        topic.recreate()
        eventually(lambda: feed(daemon)["resets"] == turn + 2, within=15)
        wait_state(daemon, "live")
        eventually(lambda: thread_count(daemon) <= min(threads, default=1000), what="clients end")
        threads.add(thread_count(daemon))
    renewed = feed(daemon)["renewed"]
    assert renewed <= 4
    assert renewed == daemon.metric("freshet_feed_renewed_total")
    assert renewed == daemon.log.count("kafka client given up for a new one")


def thread_count(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/task"))


@pytest.mark.parametrize("count", [1, 3])
def test_p5_a_gap_by_a_new_topic_that_outgrew_the_old(freshetd, broker, fresh_topic, scripted, count):
    """Made anew and grown past our position between two looks at it, with as many partitions: only what
    lies in it tells. What was published below our position would be missed for ever."""
    scripted.set(NAME, "A", "192.0.2.1")
    config = {"tiers": [freshet.tier("os", [scripted])],
              "feed": freshet.feed(fresh_topic, ["example.com."], lease="1s", settle="0s")}
    daemon = freshetd(config)
    wait_state(daemon, "live")
    for number in range(count):
        fresh_topic.publish("example.com.", [changes.flush("other.example.com.")])
    eventually(lambda: feed(daemon)["applied"] == count)
    ask(daemon, NAME)
    time.sleep(1.5)  # readings of the watermarks, with something to know the log by
    daemon.pause()
    fresh_topic.recreate()
    scripted.set(NAME, "A", "192.0.2.7")
    fresh_topic.publish("example.com.", [changes.flush(NAME)])
    for number in range(count):
        fresh_topic.publish("example.com.", [changes.flush("other.example.com.")])
    daemon.resume()
    eventually(lambda: feed(daemon)["resets"] == 2, within=10)
    wait_state(daemon, "live", within=20)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.7"]


def test_p5_a_log_that_expired_is_still_the_same(freshetd, broker, fresh_topic, scripted):
    """Everything that was known of it is gone, and what comes is read as before."""
    scripted.set(NAME, "A", "192.0.2.1")
    daemon = freshetd({"tiers": [freshet.tier("os", [scripted])],
                       "feed": freshet.feed(fresh_topic, ["example.com."], lease="1s", settle="0s")})
    wait_state(daemon, "live")
    for number in range(3):
        fresh_topic.publish("example.com.", [changes.flush("other.example.com.")])
    eventually(lambda: feed(daemon)["applied"] == 3)
    time.sleep(1.5)
    for partition, end in fresh_topic.end_offsets().items():
        fresh_topic.drop_before(partition, end)
    time.sleep(1.5)
    change(daemon, fresh_topic, scripted, 2)
    eventually(lambda: feed(daemon)["applied"] == 4)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]
    assert feed(daemon)["resets"] == 1 and feed(daemon)["state"] == "live"


def test_p5_a_gap_by_new_partitions(daemon, topic, scripted):
    """Zones move to other partitions; what lands in the new ones before they are known was not seen."""
    cache_both(daemon)
    scripted.set(NAME, "A", "192.0.2.7")
    topic.add_partitions(7)
    gap_ends_what_was_cached(daemon, scripted, 2)
    assert len(feed(daemon)["partitions"]) == 7
    change(daemon, topic, scripted, 8)
    eventually(lambda: addresses(ask(daemon, NAME)) == ["192.0.2.8"])


def test_p5_a_process_that_slept_trusts_nothing_it_held(freshetd, broker, topic, scripted):
    """Stopped for longer than the lease with a held answer: on waking it does not serve it before
    the log was read."""
    scripted.set(NAME, "A", "192.0.2.1", ttl=1)
    config = {"tiers": [freshet.tier("os", [scripted], hold="1h")],
              "feed": freshet.feed(topic, ["example.com."], lease="1s", settle="0s")}
    daemon = freshetd(config)
    wait_state(daemon, "live")
    ask(daemon, NAME)
    daemon.pause()
    change(daemon, topic, scripted, 2)
    time.sleep(LEASE + 1)
    daemon.resume()
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]


def test_p5_heartbeats_are_welcome(daemon, topic):
    """A set without changes moves the position, and nothing else; the first one tells the zone's serial."""
    topic.publish("example.com.", [])
    eventually(lambda: feed(daemon)["applied"] == 1)
    stamp = daemon.status()["stamp"]
    topic.publish("example.com.", [])
    topic.publish("example.org.", [])
    eventually(lambda: feed(daemon)["applied"] == 2 and feed(daemon)["ignored"] == 1)
    assert daemon.status()["stamp"] == stamp
    assert feed(daemon)["state"] == "live"
