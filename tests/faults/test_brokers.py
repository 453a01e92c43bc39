"""Faults of the brokers, and of the way to them."""

import time

import pytest

import changes
import checking
import kafka_cluster
import scripted
from hierarchy import LEASE, NOT_LIVE, TIERS, long_runs
from process import eventually
from query import addresses, ask

MARGIN = 1.5  # seconds that a busy machine may be late
# From the last change to the look at all names: a tier may be that late without knowing it.
DRAIN = int(1000 * (LEASE + 1))


def home(topic):
    """The partition of the checker's zone."""
    return kafka_cluster.partition_of(checking.ZONE, topic.partitions)


def noticed(run, since):
    return {name: run.noticed(name, since) for name in TIERS}


def test_fault_broker_killed(hierarchy, brokers, topic, row):
    """The one that leads the zone's partition, with SIGKILL; another one takes over when the
    controllers have missed it for long enough. Later it comes back."""
    leader = topic.leader(home(topic))
    with hierarchy().watched(drain=DRAIN) as run:
        began = run.mark(f"broker {leader} killed")
        brokers.kill(leader)
        topic.wait_leader(home(topic), lambda node: node != leader)
        elected = run.mark("another one leads")
        live = run.wait_live(elected)
        run.mark("broker back")
        brokers.start(leader)
        topic.wait_in_sync()
        run.wait_live(run.mark("in sync"))
    row("leading broker killed", run, noticed(run, began), live)
    run.judge()


def test_fault_leader_moved(hierarchy, brokers, topic, row):
    """A controlled shutdown hands the partition on; then an election gives it back."""
    leader = topic.leader(home(topic))
    with hierarchy().watched(drain=DRAIN) as run:
        began = run.mark(f"broker {leader} shut down")
        brokers.shut_down(leader)
        topic.wait_leader(home(topic), lambda node: node != leader)
        brokers.start(leader)
        topic.wait_in_sync()
        run.mark("election")
        topic.elect_preferred()
        topic.wait_leader(home(topic), lambda node: node == leader)
        live = run.wait_live(run.mark("moved back"))
    row("leader moved, twice", run, noticed(run, began), live)
    run.judge()


@pytest.mark.parametrize("seconds", [LEASE / 2, 60.0 if long_runs() else 10.0])
def test_fault_network_cut(hierarchy, brokers, network, row, seconds):
    """The stub's packets from and to all brokers vanish; its parent stays in reach."""
    with hierarchy(network=network).watched(drain=DRAIN) as run:
        began = run.mark("cut")
        network.cut(brokers.ports.values())
        time.sleep(seconds)
        if seconds > LEASE:
            assert run.wait_state("stub", NOT_LIVE, began, 1) < LEASE + MARGIN
        dropped = network.mend()
        mended = run.mark("mended")
        assert dropped > 0, "nothing was cut"
        live = run.wait_live(mended)
        time.sleep(2)
    row(f"network cut for {seconds:g} s (stub)", run, noticed(run, began), live)
    run.judge()
    assert run.noticed("regional", began) is None


def test_p8_what_was_missed_brings_nothing_old_back(hierarchy, topic, brokers, network):
    """While the stub is cut off, a record changes twice, and the stub fetches the second version.
    When it reads of the first change, afterwards, that one must not take the second's place."""
    name = f"www.{checking.ZONE}"
    authority = scripted.Scripted(zones=[checking.ZONE])
    try:
        stub = hierarchy(network=network, authority=authority)["stub"]
        network.cut(brokers.ports.values())
        eventually(lambda: stub.status()["feed"]["state"] == "lost", within=LEASE + MARGIN)
        authority.set(name, "A", "192.0.2.2")
        topic.publish(checking.ZONE, [changes.set_(name, "A", 3600, "192.0.2.1")])
        assert addresses(ask(stub, name)) == ["192.0.2.2"]
        network.mend()
        eventually(lambda: stub.status()["feed"]["applied"] == 1, within=20)
        assert addresses(ask(stub, name)) == ["192.0.2.2"]
    finally:
        authority.stop()
