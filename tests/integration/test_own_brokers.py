"""freshet as the resolver that its own feed finds its brokers by: a wrong address of a broker in its cache must not keep
the feed from coming up for as long as the address is held."""

import os
import subprocess

import pytest

import changes
import freshet
import kafka_cluster
import process
from process import eventually
from query import addresses, ask

BROKER = "kafka.example.net."
OUT_OF_REACH = "127.0.0.99"  # nobody listens there

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root, for an /etc/resolv.conf of its own")


@pytest.fixture
def resolver_of_itself(freshetd, rundir, monkeypatch):
    """Starts a freshetd that is its own process's resolver: in a mount namespace with another /etc/resolv.conf."""
    address = f"127.53.{os.getpid() % 250 + 1}.1"
    program = freshet.program("freshetd")
    with open(f"{rundir}/resolv.conf", "w", encoding="ascii") as file:
        file.write(f"nameserver {address}\noptions timeout:1 attempts:1\n")
    with open(f"{rundir}/freshetd", "w", encoding="ascii") as file:
        file.write(f'#!/bin/sh\nexec unshare -m sh -c \'mount --bind {rundir}/resolv.conf /etc/resolv.conf && '
                   f'exec {program} "$@"\' sh "$@"\n')
    os.chmod(f"{rundir}/freshetd", 0o755)
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("needs mount namespaces")
    find = freshet.program
    monkeypatch.setattr(freshet, "program", lambda name: f"{rundir}/freshetd" if name == "freshetd" else find(name))

    def start(upstream, topic, brokers=None):
        tier = freshet.tier("os", [upstream])
        tier["listen"] = [f"{address}:53", f"127.0.0.1:{process.free_port()}"]
        feed = freshet.feed(topic, ["example.com."], lease="1s")
        feed["brokers"] = brokers or f"{BROKER.rstrip('.')}:{topic.bootstrap.rsplit(':', 1)[1]}"
        return freshetd({"tiers": [tier], "feed": feed})
    return start


def state(daemon):
    return daemon.status()["feed"]["state"]


def test_a_wrong_address_of_a_broker_is_looked_past(resolver_of_itself, scripted, topic):
    scripted.set(BROKER, "A", OUT_OF_REACH, ttl=86400)
    daemon = resolver_of_itself(scripted, topic)
    eventually(lambda: scripted.count(BROKER) >= 1, within=10)
    eventually(lambda: addresses(ask(daemon, BROKER)) == [OUT_OF_REACH])
    scripted.set(BROKER, "A", "127.0.0.1", ttl=86400)
    eventually(lambda: state(daemon) == "live", within=20, what="it finds its broker by itself")
    asked = scripted.count(BROKER)
    assert addresses(ask(daemon, BROKER)) == ["127.0.0.1"] and scripted.count(BROKER) == asked, "held again"


def test_so_is_that_of_a_broker_that_only_brokers_know(resolver_of_itself, scripted, kafka):
    """The configuration has an address; what leads the partitions calls itself by a name."""
    if not isinstance(kafka, kafka_cluster.KafkaBroker):
        pytest.skip("needs a Kafka broker of its own (KAFKA unset)")
    own = kafka_cluster.KafkaBroker()
    try:
        topic = own.topic()
        own.halt()
        own.start_as(BROKER.rstrip("."))
        scripted.set(BROKER, "A", OUT_OF_REACH, ttl=86400)
        daemon = resolver_of_itself(scripted, topic, brokers=own.bootstrap)
        eventually(lambda: scripted.count(BROKER) >= 1, within=20)
        assert state(daemon) == "cold"
        scripted.set(BROKER, "A", "127.0.0.1", ttl=86400)
        eventually(lambda: state(daemon) == "live", within=30)
    finally:
        own.stop()


def test_so_is_no_such_name(resolver_of_itself, scripted, topic):
    daemon = resolver_of_itself(scripted, topic)
    eventually(lambda: scripted.count(BROKER) >= 1, within=10)
    scripted.set(BROKER, "A", "127.0.0.1", ttl=86400)
    eventually(lambda: state(daemon) == "live", within=20)


def test_what_is_held_stays_where_nobody_answers(resolver_of_itself, scripted, topic):
    """The authority is gone, and so was the broker for a while: the address that is held is as good as before."""
    scripted.set(BROKER, "A", "127.0.0.1", ttl=86400)
    daemon = resolver_of_itself(scripted, topic)
    eventually(lambda: state(daemon) == "live", within=20)
    scripted.script("*", lambda server, query: None)
    topic.publish("example.com.", [changes.flush("other.example.com.")], serial=1)
    assert addresses(ask(daemon, BROKER)) == ["127.0.0.1"]
