"""The machine sleeps: the world goes on meanwhile, and so do TTLs, leases and deadlines. The first answer afterwards is
given by the time it is then."""

import time

import pytest

import freshet
import scripted as s
import wire
from process import eventually
from query import addresses, ask, rcode
from sleeper import Sleeper

NAME = "www.example.com."
HOUR = 3600

pytestmark = pytest.mark.skipif(freshet.build_directory() != "build",
                                reason="a sanitizer's library wants to be loaded first")


@pytest.fixture
def machine(rundir, monkeypatch):
    sleeper = Sleeper(rundir)
    for name, value in sleeper.environment.items():
        monkeypatch.setenv(name, value)
    return sleeper


def test_a_ttl_runs_out_while_the_machine_sleeps(machine, freshetd, scripted):
    scripted.set(NAME, "A", "192.0.2.1", ttl=600)
    daemon = freshetd(freshet.stub([scripted]))
    ask(daemon, NAME)
    machine.sleep(300)
    assert ask(daemon, NAME).answer[0].ttl == 300
    scripted.set(NAME, "A", "192.0.2.2", ttl=600)
    machine.sleep(301)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"]


def test_the_lease_is_judged_before_the_first_hit_is_given(machine, freshetd, topic, scripted):
    """The feed is live until the moment it falls asleep, and again a second after it wakes up."""
    scripted.set(NAME, "A", "192.0.2.1", ttl=60)
    daemon = freshetd({"tiers": [freshet.tier("os", [scripted], hold="1d")],
                       "feed": freshet.feed(topic, ["example.com."])})
    eventually(lambda: daemon.status()["feed"]["state"] == "live", within=20)
    ask(daemon, NAME)
    machine.sleep(HOUR)
    scripted.set(NAME, "A", "192.0.2.2", ttl=60)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.2"], "held on a lease from an hour ago"
    eventually(lambda: "the machine has slept" in daemon.log and
               daemon.status()["feed"]["state"] == "live", within=20)
    assert daemon.records(msg="the machine has slept")[0]["seconds"] in ("3600", "3599")
    assert daemon.status()["uptime_s"] >= HOUR


def test_a_query_from_before_does_not_wait_its_time_out_again(machine, freshetd, scripted):
    scripted.script("*", s.drop())
    daemon = freshetd(freshet.stub([scripted], resolve_timeout="40s"))
    with wire.connected(daemon) as sock:
        sock.settimeout(5)
        sock.send(wire.query_bytes(NAME, identity=7))
        scripted.wait_count(1)
        began = time.monotonic()
        machine.sleep(HOUR)
        assert sock.recv(512)[:2] == b"\0\7" and time.monotonic() - began < 3
    scripted.script("*", s.lookup)
    scripted.set("other.example.com.", "A", "192.0.2.3")
    eventually(lambda: rcode(ask(daemon, "other.example.com.")) == "NOERROR")
