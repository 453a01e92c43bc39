"""Publishers that use Kafka's transactions: what is committed counts, what is aborted never does, and one
that hangs is no reason to believe that nothing changed."""

import time

import pytest

import changes
import freshet
from process import eventually
from query import addresses, ask

NAME = "www.example.com."
ZONES = ["example.com.", "example.net."]


@pytest.fixture
def daemon(freshetd, broker, fresh_topic, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    return start(freshetd, fresh_topic, scripted)


@pytest.fixture
def hasty(freshetd, broker, fresh_topic, scripted):
    """With a short lease: soon no longer live, but on a busy machine without any reason too."""
    scripted.set(NAME, "A", "192.0.2.1")
    return start(freshetd, fresh_topic, scripted, lease="1s")


def start(freshetd, topic, scripted, **options):
    feed_options = freshet.feed(topic, ZONES, settle="0s", **options)
    started = freshetd({"tiers": [freshet.tier("os", [scripted])], "feed": feed_options})
    started.wait_log("feed is live", within=25)
    return started


@pytest.fixture
def transactional(publisher, fresh_topic):
    return publisher(fresh_topic, "transactional.id=tests", "partitioner=murmur2_random")


def feed(daemon):
    return daemon.status()["feed"]


def wait_state(daemon, state, within=20.0):
    eventually(lambda: feed(daemon)["state"] == state, within=within, what=f"the feed is {state}")


def wait_applied(daemon, count):
    eventually(lambda: feed(daemon)["applied"] == count, within=10, what=f"{count} sets applied")


def assert_live(daemon):
    now = feed(daemon)
    assert now["state"] == "live", now["reason"]


def stays_live(daemon, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert_live(daemon)
        time.sleep(0.02)


def version(number):
    return changes.set_(NAME, "A", 3600, f"192.0.2.{number}")


def test_a_committed_set_is_applied(daemon, transactional):
    ask(daemon, NAME)
    transactional.begin()
    transactional.publish("example.com.", [version(2)])
    transactional.commit()
    wait_applied(daemon, 1)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]
    assert feed(daemon)["installed"] == 1
    stays_live(daemon, 4)


def test_the_position_passes_what_a_commit_leaves_in_the_log(daemon, transactional, fresh_topic):
    transactional.begin()
    transactional.publish("example.com.", [version(2)])
    transactional.commit()
    wait_applied(daemon, 1)

    def positions():
        return {p["partition"]: p["offset"] for p in feed(daemon)["partitions"]}
    eventually(lambda: positions() == fresh_topic.end_offsets())


@pytest.mark.parametrize("isolation", [[], ["isolation.level=read_uncommitted"]],
                         ids=["default", "read_uncommitted"])
def test_an_aborted_set_is_never_applied(freshetd, broker, fresh_topic, scripted, transactional,
                                         isolation):
    """Whatever the operator wrote."""
    scripted.set(NAME, "A", "192.0.2.1")
    daemon = start(freshetd, fresh_topic, scripted, rdkafka=isolation)
    ask(daemon, NAME)
    transactional.begin()
    transactional.publish("example.com.", [version(66)])
    transactional.abort()
    fresh_topic.publish("example.com.", [changes.flush("other.example.com.")])
    wait_applied(daemon, 1)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]
    assert scripted.count(NAME) == 1 and feed(daemon)["installed"] == 0
    stays_live(daemon, 4)


def test_an_aborted_set_alone_keeps_the_feed_live(daemon, transactional):
    transactional.begin()
    transactional.publish("example.com.", [version(66)])
    transactional.abort()
    stays_live(daemon, 5)
    assert feed(daemon)["applied"] == 0


@pytest.mark.parametrize("ending", ["commit", "abort"])
def test_p5_a_transaction_that_hangs(hasty, transactional, fresh_topic, scripted, ending):
    """It hides whatever comes after it in its partition, so the feed is not live meanwhile."""
    ask(hasty, NAME)
    transactional.begin()
    transactional.publish("example.com.", [changes.flush("other.example.com.")])
    scripted.set(NAME, "A", "192.0.2.2")
    fresh_topic.publish("example.com.", [version(2)])
    wait_state(hasty, "catchup", within=3)
    assert feed(hasty)["reason"] == "2 messages do not come: a transaction under way hides them, or they are large"
    assert feed(hasty)["applied"] == 0
    time.sleep(1.5)
    assert feed(hasty)["state"] == "catchup"
    assert feed(hasty)["resets"] == 1

    getattr(transactional, ending)()
    wait_state(hasty, "live", within=5)
    wait_applied(hasty, 2 if ending == "commit" else 1)
    assert addresses(ask(hasty, NAME)) == ["192.0.2.2"]


def test_p5_a_transaction_that_hangs_in_another_partition(hasty, transactional, fresh_topic):
    """What can be read is applied; but of the zone in that partition nothing is known."""
    transactional.begin()
    transactional.publish("example.net.", [changes.flush("www.example.net.")])
    fresh_topic.publish("example.com.", [version(2)])
    wait_applied(hasty, 1)
    wait_state(hasty, "catchup", within=3)
    transactional.abort()
    wait_state(hasty, "live", within=5)


def test_p5_a_start_while_a_transaction_hangs(freshetd, broker, fresh_topic, scripted, transactional):
    """Its set may be committed later, so the position is before it, and the feed is not live before that is known."""
    scripted.set(NAME, "A", "192.0.2.1")
    transactional.begin()
    transactional.publish("example.com.", [version(2)])
    daemon = freshetd({"tiers": [freshet.tier("os", [scripted])],
                       "feed": freshet.feed(fresh_topic, ZONES, lease="1s", settle="0s")})
    eventually(lambda: "a transaction under way" in feed(daemon)["reason"], within=10)
    time.sleep(1)
    assert feed(daemon)["state"] == "catchup"
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]
    scripted.set(NAME, "A", "192.0.2.2")
    transactional.commit()
    wait_state(daemon, "live", within=10)
    eventually(lambda: addresses(ask(daemon, NAME)) == ["192.0.2.2"], within=3)


def test_transactions_one_after_another_keep_the_feed_live(daemon, transactional):
    """At each moment one is under way, but none for long."""
    for number in range(80):
        transactional.begin()
        transactional.publish("example.com.", [version(number)], serial=number)
        time.sleep(0.05)
        transactional.commit()
        assert_live(daemon)
    wait_applied(daemon, 80)


def test_p3_a_child_caches_from_a_parent_after_a_transaction(freshetd, broker, fresh_topic, scripted,
                                                             transactional):
    """Its commit is in the log, and neither parent nor child ever sees it as a message."""
    scripted.set(NAME, "A", "192.0.2.1")
    section = freshet.feed(fresh_topic, ZONES, settle="0s")
    parent = freshetd({"tiers": [freshet.tier("above", [scripted])], "feed": section})
    parent.wait_log("feed is live", within=25)
    transactional.begin()
    transactional.publish("example.com.", [changes.flush(NAME)])
    transactional.commit()
    wait_applied(parent, 1)
    child = freshetd({"tiers": [freshet.tier("below", [parent], way="parent")], "feed": section})
    child.wait_log("feed is live", within=25)
    time.sleep(2)
    for _ in range(3):
        assert ask(child, NAME).answer[0].ttl > 0
    assert scripted.count(NAME) == 1
