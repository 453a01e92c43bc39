"""What an operator evicts is gone: from every tier, and from fetches that are under way."""
import threading

import freshet
import pytest
import scripted as script
from query import addresses, ask, rcode

NAME = "www.example.com."


@pytest.fixture
def plain(freshetd, scripted):
    """No feed: every name lies outside it."""
    return freshetd(freshet.stub([scripted]))


@pytest.fixture
def of_another_zone(freshetd, topic, scripted):
    """A feed, whose zone has nothing to do with the name."""
    return freshetd(freshet.stub([scripted], topic, zones=["example.org."]))


@pytest.mark.parametrize("cache", ["plain", "of_another_zone"])
@pytest.mark.parametrize("evicted", [{"name": NAME}, {"name": "WWW.EXAMPLE.COM"}, {"name": "com.", "subtree": True},
                                     {"name": ".", "subtree": True}])
def test_a_fetch_under_way_does_not_bring_it_back(cache, evicted, request, scripted):
    daemon = request.getfixturevalue(cache)
    gate = script.Gate()
    scripted.set(NAME, "A", "192.0.2.1")
    scripted.script(NAME, script.hold(gate))
    asking = threading.Thread(target=ask, args=(daemon, NAME))
    asking.start()
    gate.wait_held()
    scripted.script(NAME, None)
    scripted.set(NAME, "A", "192.0.2.2")
    assert daemon.control({"cmd": "evict", **evicted})["ok"]
    gate.open()
    asking.join()
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]


def test_a_fetch_of_another_name_is_left_alone(plain, scripted):
    gate = script.Gate()
    scripted.set(NAME, "A", "192.0.2.1")
    scripted.script(NAME, script.hold(gate))
    asking = threading.Thread(target=ask, args=(plain, NAME))
    asking.start()
    gate.wait_held()
    scripted.script(NAME, None)
    plain.control({"cmd": "evict", "name": "other.example.com."})
    plain.control({"cmd": "evict", "name": "example.org.", "subtree": True})
    gate.open()
    asking.join()
    scripted.forget()
    assert addresses(ask(plain, NAME)) == ["192.0.2.1"]
    assert scripted.count(NAME) == 0


def test_each_tier_tells_what_it_dropped(freshetd, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    tiers = [freshet.tier("os", [scripted]), {"name": "browser", "upstream": {"tier": "os"}}]
    daemon = freshetd({"tiers": tiers})
    ask(daemon.addresses["browser"], NAME)
    ask(daemon, NAME)
    reply = daemon.control({"cmd": "evict", "name": NAME})
    assert reply["tiers"] == [{"tier": "os", "evicted": 1}, {"tier": "browser", "evicted": 1}]
    assert reply["evicted"] == 2


@pytest.mark.parametrize("evicted", [{"name": NAME}, {"name": "com.", "subtree": True}])
@pytest.mark.parametrize("end", ["refused", "stopped"])
def test_a_fetch_that_fails_after_an_eviction_is_answered(plain, evicted, end, scripted):
    """What is said then depends on no name at all."""
    gate = script.Gate()
    scripted.script(NAME, script.hold(gate, script.rcode("REFUSED")))
    replies = []
    asking = threading.Thread(target=lambda: replies.append(ask(plain, NAME)))
    asking.start()
    gate.wait_held()
    plain.control({"cmd": "evict", **evicted})
    if end == "refused":
        gate.open()
    else:
        plain.stop()
    asking.join()
    assert rcode(replies[0]) == "SERVFAIL"
