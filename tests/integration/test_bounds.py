"""Messages that are larger than they look: a compressed one inflates in the client before anybody can
look at it."""

import pytest

import changes
import freshet
from process import eventually
from query import addresses, ask

NAME = "www.example.com."
MIB = 1 << 20


@pytest.fixture
def daemon(freshetd, broker, fresh_topic, scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    started = freshetd({"tiers": [freshet.tier("os", [scripted])],
                        "feed": freshet.feed(fresh_topic, ["example.com."], settle="0s")})
    started.wait_log("feed is live", within=25)
    return started


def feed(daemon):
    return daemon.status()["feed"]


def peak(daemon):
    """The most memory that was ever resident, in bytes."""
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def inflating(publisher, topic, codec):
    return publisher(topic, f"compression.codec={codec}", "message.max.bytes=1000000000")


def test_p5_what_inflates_beyond_its_bound_is_a_gap(daemon, publisher, fresh_topic, scripted):
    """With zstd the client says so, whatever is behind it; the rest is read on."""
    ask(daemon, NAME)
    before = peak(daemon)
    inflating(publisher, fresh_topic, "zstd").fill("example.com.", 512 * MIB)
    scripted.set(NAME, "A", "192.0.2.2")
    eventually(lambda: feed(daemon)["resets"] == 2 and feed(daemon)["state"] == "live", within=30)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]
    assert peak(daemon) - before < 100 * MIB
    fresh_topic.publish("example.com.", [changes.flush(NAME)])
    eventually(lambda: feed(daemon)["applied"] == 1)


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_p9_what_inflates_to_too_much_invalidates_its_zone(daemon, publisher, fresh_topic, scripted, codec):
    ask(daemon, NAME)
    inflating(publisher, fresh_topic, codec).fill("example.com.", 16 * MIB)
    scripted.set(NAME, "A", "192.0.2.2")
    eventually(lambda: feed(daemon)["refused"] == {"too large": 1}, within=30)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]
    assert feed(daemon)["resets"] == 1
