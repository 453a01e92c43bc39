"""How long answers live: promises 4, 6 and 7, stale answers and refreshing; and what yields to a change."""

import time

import pytest

import changes
import freshet
import scripted as script
from process import eventually
from query import addresses, ask, rcode

NAME = "www.example.com."


def start(freshetd, topic, scripted, cache=None, **feed):
    if feed.get("settle", "0s") != "0s":
        time.sleep(3.2)  # for what the test before changed, on the same topic
    config = {"tiers": [freshet.tier("os", [scripted], **(cache or {}))],
              "feed": freshet.feed(topic, ["example.com."], **feed)}
    daemon = freshetd(config)
    daemon.wait_log("feed is live", within=20)
    return daemon


def applied(daemon, count):
    eventually(lambda: daemon.status()["feed"]["applied"] >= count)


def test_p4_a_lagging_authority_cannot_pin_the_old(freshetd, topic, scripted):
    """The authority still gives the old answer when the change has been applied: it is asked again
    within about a second."""
    scripted.set(NAME, "A", "192.0.2.1", ttl=3600)
    daemon = start(freshetd, topic, scripted, settle="2s")
    assert ask(daemon, NAME).answer[0].ttl == 5
    topic.publish("example.com.", [changes.flush(NAME)])
    applied(daemon, 1)
    response = ask(daemon, NAME)
    assert addresses(response) == ["192.0.2.1"] and response.answer[0].ttl <= 1
    scripted.set(NAME, "A", "192.0.2.2")
    eventually(lambda: addresses(ask(daemon, NAME)) == ["192.0.2.2"], within=1.5)
    assert scripted.count(NAME) <= 4


def test_p4_counts_from_when_the_authority_was_asked(freshetd, topic, scripted):
    """It answered while the change settled, with the old answer; that took longer than the settling."""
    scripted.set(NAME, "A", "192.0.2.1", ttl=3600)
    daemon = start(freshetd, topic, scripted, settle="1s")
    topic.publish("example.com.", [changes.flush(NAME)])
    applied(daemon, 1)
    scripted.script(NAME, script.delay(1.6))
    response = ask(daemon, NAME)
    assert addresses(response) == ["192.0.2.1"] and response.answer[0].ttl <= 1
    scripted.script(NAME, script.lookup)
    scripted.set(NAME, "A", "192.0.2.2")
    eventually(lambda: addresses(ask(daemon, NAME)) == ["192.0.2.2"], within=1.8)


def test_p4_a_child_does_not_hold_what_settles_above(freshetd, topic, scripted):
    """The parent's answer was shortened because a change settles; the child, whose own settling is
    over (0 s here), must not hold it for longer."""
    scripted.set(NAME, "A", "192.0.2.1", ttl=3600)
    above = freshetd({"tiers": [freshet.tier("above", [scripted])],
                      "feed": freshet.feed(topic, ["example.com."], settle="2s")})
    below = {"name": "below", "cache": {"hold": "1h"},
             "upstream": {"parent": [freshet.address_text(above.address)]}}
    child = freshetd({"tiers": [below],
                      "feed": freshet.feed(topic, ["example.com."], settle="0s")})
    for daemon in (above, child):
        daemon.wait_log("feed is live", within=20)
    ask(child, NAME)
    topic.publish("example.com.", [changes.flush(NAME)])
    for daemon in (above, child):
        applied(daemon, 1)
    assert addresses(ask(child, NAME)) == ["192.0.2.1"]
    scripted.set(NAME, "A", "192.0.2.2", ttl=3600)
    eventually(lambda: addresses(ask(child, NAME)) == ["192.0.2.2"], within=3)


def test_p4_other_names_live_on(freshetd, topic, scripted):
    scripted.set(NAME, "A", "192.0.2.1", ttl=3600)
    daemon = start(freshetd, topic, scripted, {"client_ttl": "1h"}, settle="2s")
    topic.publish("example.com.", [changes.flush("other.example.com.")])
    applied(daemon, 1)
    assert ask(daemon, NAME).answer[0].ttl > 3590


def test_p6_answers_are_held_under_a_live_lease(freshetd, broker, topic, scripted):
    """Past its TTL an answer lives while the feed does, and ends with it."""
    scripted.set(NAME, "A", "192.0.2.1", ttl=1)
    daemon = start(freshetd, topic, scripted, {"hold": "1h"}, lease="1s", settle="0s")
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]
    time.sleep(1.5)
    response = ask(daemon, NAME)
    assert response.answer[0].ttl <= 5
    assert scripted.count(NAME) == 1, "not held"
    with broker.paused():
        eventually(lambda: daemon.status()["feed"]["state"] == "lost", within=5)
        ask(daemon, NAME)
        assert scripted.count(NAME) == 2, "held without a lease"


def test_p6_a_change_ends_what_is_held(freshetd, topic, scripted):
    scripted.set(NAME, "A", "192.0.2.1", ttl=1)
    daemon = start(freshetd, topic, scripted, {"hold": "1h"}, settle="0s")
    ask(daemon, NAME)
    time.sleep(1.2)
    scripted.set(NAME, "A", "192.0.2.2", ttl=1)
    topic.publish("example.com.", [changes.flush(NAME)])
    applied(daemon, 1)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]


def test_p6_names_outside_the_feed_are_not_held(freshetd, topic, scripted):
    scripted.zones.append("example.org.")
    scripted.set("www.example.org.", "A", "192.0.2.1", ttl=1)
    scripted.set("alias.example.com.", "CNAME", "www.example.org.", ttl=1)
    daemon = start(freshetd, topic, scripted, {"hold": "1h"}, settle="0s")
    for name in ("www.example.org.", "alias.example.com."):
        ask(daemon, name)
    time.sleep(1.2)
    for name in ("www.example.org.", "alias.example.com."):
        ask(daemon, name)
        assert scripted.count(name) == 2


@pytest.fixture
def stale(freshetd, topic, scripted):
    """A daemon that serves stale, holding an answer whose TTL is over."""
    scripted.set(NAME, "A", "192.0.2.1", ttl=1)
    daemon = start(freshetd, topic, scripted, {"serve_stale": "1h", "client_ttl": "1h"},
                   settle="0s")
    ask(daemon, NAME)
    time.sleep(1.2)
    return daemon


def test_stale_answers_stand_in_for_a_failing_upstream(stale, scripted):
    scripted.script(NAME, script.rcode("SERVFAIL"))
    response = ask(stale, NAME)
    assert addresses(response) == ["192.0.2.1"]
    assert response.answer[0].ttl == 30  # RFC 8767 4
    assert [option.code for option in response.options if option.otype == 15] == [3]
    asked = scripted.count(NAME)
    assert addresses(ask(stale, NAME)) == ["192.0.2.1"]
    assert scripted.count(NAME) == asked, "the dead upstream is asked for every query"
    scripted.script(NAME, None)
    scripted.set(NAME, "A", "192.0.2.2", ttl=1)
    eventually(lambda: addresses(ask(stale, NAME)) == ["192.0.2.2"], within=8, every=0.2)


def test_stale_answers_come_before_patience_ends(stale, scripted):
    """An upstream that is silent: the client has its answer after 1.8 s, not at the end of all tries."""
    scripted.script(NAME, script.drop())
    began = time.monotonic()
    assert addresses(ask(stale, NAME)) == ["192.0.2.1"]
    assert 1.5 < time.monotonic() - began < 4


def test_p1_stale_answers_yield_to_a_change(stale, topic, scripted):
    scripted.script(NAME, script.rcode("SERVFAIL"))
    topic.publish("example.com.", [changes.flush(NAME)])
    applied(stale, 1)
    assert rcode(ask(stale, NAME)) == "SERVFAIL"


def test_prefetch_keeps_what_is_asked_for(freshetd, scripted):
    scripted.set(NAME, "A", "192.0.2.1", ttl=3)
    scripted.set("rare.example.com.", "A", "192.0.2.2", ttl=3)
    daemon = freshetd(freshet.stub([scripted], cache={"prefetch": True}))
    ask(daemon, "rare.example.com.")
    until = time.monotonic() + 5
    while time.monotonic() < until:
        ask(daemon, NAME)
        time.sleep(0.02)
    counters = daemon.status()["tiers"][0]
    assert counters["prefetched"] >= 1
    assert counters["expired"] == 0, "a client had to wait for what could have been refreshed"
    assert scripted.count("rare.example.com.") == 1


def test_p1_a_prefetch_under_way_yields_to_a_change(freshetd, topic, scripted):
    scripted.set(NAME, "A", "192.0.2.1", ttl=2)
    daemon = start(freshetd, topic, scripted, {"prefetch": True}, settle="0s")
    ask(daemon, NAME)
    gate = script.Gate()
    scripted.script(NAME, script.sequence(script.hold(gate), script.lookup))
    time.sleep(1.85)
    ask(daemon, NAME)
    gate.wait_held()
    scripted.set(NAME, "A", "192.0.2.2", ttl=2)
    topic.publish("example.com.", [changes.flush(NAME)])
    applied(daemon, 1)
    assert addresses(ask(daemon, NAME, timeout=2)) == ["192.0.2.2"]
    gate.open()
    time.sleep(0.1)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]


def test_warm_fetches_what_is_in_use_again(freshetd, topic, scripted):
    """A hot answer that a change evicts is there again before its clients ask; a cold one is not."""
    for name in (NAME, "cold.example.com."):
        scripted.set(name, "A", "192.0.2.1")
    daemon = start(freshetd, topic, scripted, {"warm": True}, settle="0s")
    for name in (NAME, NAME, NAME, "cold.example.com."):
        ask(daemon, name)
    scripted.set(NAME, "A", "192.0.2.2")
    topic.publish("example.com.", [changes.flush(NAME), changes.flush("cold.example.com.")])
    scripted.wait_count(2, NAME)
    eventually(lambda: [v["valid"] for v in daemon.lookup(NAME)["tiers"][0]["variants"]] == [True])
    before = daemon.status()["tiers"][0]
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]
    after = daemon.status()["tiers"][0]
    assert after["hits"] == before["hits"] + 1, "a client had to wait"
    assert scripted.count(NAME) == 2
    assert scripted.count("cold.example.com.") == 1


def test_p7_clients_cannot_keep_what_was_dropped(freshetd, topic, scripted):
    scripted.set(NAME, "A", "192.0.2.1", ttl=3600)
    daemon = start(freshetd, topic, scripted, {"client_ttl": "7s"})
    for _ in range(2):
        assert ask(daemon, NAME).answer[0].ttl <= 7


def test_p8_a_mirror_that_delivers_twice(freshetd, topic, scripted):
    """The same set again, at a later offset, after the record has changed once more."""
    scripted.set(NAME, "A", "192.0.2.1")
    daemon = start(freshetd, topic, scripted, settle="0s")
    ask(daemon, NAME)
    time.sleep(0.01)
    sets = [changes.encode(changes.change_set(
        "example.com.", [changes.set_(NAME, "A", 3600, f"192.0.2.{last}")], serial=None, seq=seq))
        for seq, last in ((1, 2), (2, 3))]
    scripted.set(NAME, "A", "192.0.2.3")
    for value in sets + sets + sets[:1]:
        topic.send("example.com.", value)
    applied(daemon, 5)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.3"]
    (zone,) = daemon.status()["feed"]["zones"]
    assert zone["duplicates"] == 3
    assert scripted.count(NAME) == 1, "a duplicate evicted something"


def test_p8_a_replayed_log_brings_nothing_back(freshetd, topic, scripted):
    """As a mirror without seq would: older serials and times mark, but never install."""
    scripted.set(NAME, "A", "192.0.2.9")
    daemon = start(freshetd, topic, scripted, settle="0s")
    ask(daemon, NAME)
    sets = [changes.change_set("example.com.", [changes.set_(NAME, "A", 3600, f"192.0.2.{n}")],
                               serial=n) for n in range(1, 10)]
    for message in sets + sets[:5]:
        topic.send("example.com.", changes.encode(message))
    applied(daemon, 14)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.9"]
    (zone,) = daemon.status()["feed"]["zones"]
    assert zone["stale"] == 5


# --- what is provisional, and what can be placed in order


def test_p4_a_childs_min_ttl_does_not_lengthen_a_second(freshetd, topic, scripted):
    """The authority lags; the parent keeps what it gave for a second, and a child with a lower bound no longer."""
    time.sleep(3.2)
    scripted.set(NAME, "A", "192.0.2.1")
    above = freshetd({"tiers": [freshet.tier("above", [scripted])],
                      "feed": freshet.feed(topic, ["example.com."], settle="2s")})
    below = {"name": "below", "cache": {"min_ttl": "1m", "hold": "1h"},
             "upstream": {"parent": [freshet.address_text(above.address)]}}
    child = freshetd({"tiers": [below], "feed": freshet.feed(topic, ["example.com."])})
    for daemon in (above, child):
        daemon.wait_log("feed is live", within=20)
    topic.publish("example.com.", [changes.flush(NAME)])
    for daemon in (above, child):
        applied(daemon, 1)
    assert addresses(ask(child, NAME)) == ["192.0.2.1"]
    scripted.set(NAME, "A", "192.0.2.2")
    eventually(lambda: addresses(ask(child, NAME)) == ["192.0.2.2"], within=3)


@pytest.mark.parametrize("rtype, old, new", [
    ("A", "192.0.2.1", "192.0.2.2"), ("TXT", '"old"', '"new"')])
def test_p4_a_start_right_after_a_change(freshetd, topic, scripted, rtype, old, new):
    """What was published a moment before may not have reached the authority, and what was not is as ever."""
    scripted.set(NAME, rtype, old)
    scripted.set("quiet.example.com.", "A", "192.0.2.9")
    topic.publish("example.com.", [changes.flush(NAME)])
    daemon = freshetd({"tiers": [freshet.tier("os", [scripted])],
                       "feed": freshet.feed(topic, ["example.com."], settle="2s")})
    daemon.wait_log("feed is live", within=20)
    assert ask(daemon, NAME, rtype).answer[0].ttl <= 1
    assert ask(daemon, "quiet.example.com.").answer[0].ttl > 1
    assert daemon.status()["feed"]["applied"] == 0
    scripted.set(NAME, rtype, new)
    eventually(lambda: addresses(ask(daemon, NAME, rtype)) == [new], within=2.5)


def test_p4_what_settles_is_not_served_stale(freshetd, topic, scripted):
    daemon = start(freshetd, topic, scripted, {"serve_stale": "1d"}, settle="2s")
    scripted.set(NAME, "A", "192.0.2.1")
    ask(daemon, NAME)
    topic.publish("example.com.", [changes.flush(NAME)])
    applied(daemon, 1)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]  # by a secondary that lags
    scripted.script(NAME, script.rcode("SERVFAIL"))
    time.sleep(2)
    assert addresses(ask(daemon, NAME)) != ["192.0.2.1"]


def test_p6_hold_begins_where_the_ttl_ends(freshetd, topic, scripted):
    daemon = start(freshetd, topic, scripted, {"hold": "3s"})
    scripted.set(NAME, "A", "192.0.2.1", ttl=3)
    ask(daemon, NAME)
    time.sleep(4.2)
    ask(daemon, NAME)
    assert scripted.count(NAME) == 1
    time.sleep(2)
    ask(daemon, NAME)
    assert scripted.count(NAME) == 2


def test_p8_a_set_that_the_authority_has_overtaken(freshetd, topic, scripted):
    """It comes late; what was fetched after it was made may be newer than it, and is asked for again."""
    feed = freshet.feed(topic, ["example.com."], lease="20s")
    daemon = freshetd({"experiment": True, "tiers": [freshet.tier("os", [scripted])],
                       "feed": {**feed, "link": {"delay": "1s"}}})
    daemon.wait_log("feed is live", within=25)
    topic.publish("example.com.", [changes.set_(NAME, "A", 60, "192.0.2.1")], serial=1)
    scripted.set(NAME, "A", "192.0.2.2")
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]
    applied(daemon, 1)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]
    assert daemon.status()["feed"]["installed"] == 0


def test_p8_a_set_from_the_future(freshetd, topic, scripted):
    """It evicts and is counted; and the sets after it bring their data as ever."""
    daemon = start(freshetd, topic, scripted)
    scripted.set(NAME, "A", "192.0.2.1")
    ask(daemon, NAME)
    topic.publish("example.com.", [changes.set_(NAME, "A", 60, "192.0.2.66")], serial=None,
                  time="9999-01-01T00:00:00.000000Z")
    applied(daemon, 1)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]
    (zone,) = daemon.status()["feed"]["zones"]
    assert zone["future"] == 1
    time.sleep(0.15)
    topic.publish("example.com.", [changes.set_(NAME, "A", 60, "192.0.2.2")], serial=None)
    applied(daemon, 2)
    count = scripted.count(NAME)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]
    assert scripted.count(NAME) == count


def test_p8_a_publisher_that_lost_count(freshetd, topic, scripted):
    """It counts from 1 again: its first set evicts, those after it bring their data."""
    daemon = start(freshetd, topic, scripted)
    scripted.set(NAME, "A", "192.0.2.1")
    ask(daemon, NAME)
    for count, (seq, last) in enumerate(((1, 1), (2, 1), (1, 2), (2, 3)), 1):
        scripted.set(NAME, "A", f"192.0.2.{last}")
        topic.publish("example.com.", [changes.set_(NAME, "A", 60, f"192.0.2.{last}")],
                      serial=None, seq=seq, publisher="p")
        applied(daemon, count)
        assert addresses(ask(daemon, NAME)) == [f"192.0.2.{last}"]
    assert scripted.count(NAME) == 2, "asked again but for the set that could not be placed"


def test_p1_a_serial_ends_the_soa(freshetd, topic, scripted):
    daemon = start(freshetd, topic, scripted)
    for serial in (1, 2):
        scripted.set("example.com.", "SOA", f"ns. host. {serial} 3600 900 604800 60")
        if serial == 2:
            topic.publish("example.com.", [changes.set_(NAME, "A", 60, "192.0.2.2")], serial=2)
            applied(daemon, 1)
        assert addresses(ask(daemon, "example.com.", "SOA"))[0].split()[2] == str(serial)


def test_p1_a_set_of_a_zone_below_counts(freshetd, topic, scripted):
    daemon = start(freshetd, topic, scripted, {"hold": "1h"})
    name = "www.sub.example.com."
    for last in (1, 2):
        scripted.set(name, "A", f"192.0.2.{last}", ttl=2)
        if last == 2:
            topic.publish("sub.example.com.", [changes.set_(name, "A", 2, "192.0.2.2")])
            applied(daemon, 1)
        assert addresses(ask(daemon, name)) == [f"192.0.2.{last}"]
    assert daemon.status()["feed"]["ignored"] == 0
