"""Faults of those who publish: transactions that hang or are aborted, messages where nobody looks for them, clocks
and counters that are wrong, and what is no change set at all."""

import time

import checking
from hierarchy import LEASE, NOT_LIVE, TIERS

MARGIN = 1.5  # seconds that a busy machine may be late
HANG = 8      # seconds, longer than the lease


def total(daemon, name):
    """Of all zones of a daemon's feed."""
    return sum(zone.get(name, 0) for zone in daemon.status()["feed"]["zones"])


def test_fault_transaction_hangs(hierarchy, row):
    """A transaction is open for longer than the lease; what others publish behind it cannot be read. Both tiers
    say that they are not live, and why; when it is committed they have all of it."""
    with hierarchy().watched(publishers="plain,hanging", drain=4000) as run:
        began = run.mark("begun")
        run.checker.order(f"hang {HANG * 1000}")
        noticed = {name: run.wait_state(name, NOT_LIVE, began, LEASE + MARGIN) for name in TIERS}
        time.sleep(began + HANG - time.monotonic())
        live = run.wait_live(run.mark("committed"))
        why = {name: run.states[name].first(NOT_LIVE, began)[2] for name in TIERS}
    row(f"a transaction hangs for {HANG} s", run, noticed, live)
    run.judge()
    assert all("transaction" in reason for reason in why.values()), why


def test_fault_transaction_hangs_and_is_aborted(hierarchy, row):
    """The same, but what it held is never seen."""
    with hierarchy().watched(publishers="plain,hanging", drain=4000) as run:
        began = run.mark("begun")
        run.checker.order(f"hang-abort {HANG * 1000}")
        noticed = {name: run.wait_state(name, NOT_LIVE, began, LEASE + MARGIN) for name in TIERS}
        time.sleep(began + HANG - time.monotonic())
        live = run.wait_live(run.mark("aborted"))
    row(f"a transaction hangs for {HANG} s and is aborted", run, noticed, live)
    run.judge()


def test_fault_transactions_aborted(hierarchy, row):
    """Half of the changes come in short transactions, and half of these are aborted."""
    with hierarchy().watched(publishers="plain,transactional", abort=0.5, changes=60) as run:
        time.sleep(6)
    row("transactions, half of them aborted", run)
    run.judge()
    assert run.result["log"]["aborted"] > 3 and run.result["log"]["committed"] > 3
    assert all(run.noticed(name, 0) is None for name in TIERS)


def test_fault_publisher_restarted(hierarchy, row):
    """A publisher starts over again and again: seq from 1. Nothing of what it says is lost for that."""
    tiers = hierarchy()
    with tiers.watched(publishers="plain,restarting", changes=60) as run:
        time.sleep(6)
    row("a publisher starts its seq over", run)
    run.judge()
    assert all(total(tiers[name], "jumps_back") > 0 for name in TIERS)


def test_fault_publisher_year_9999(hierarchy, row):
    """Now and then a change set is dated 9999; those after it bring their data all the same, once its time, which counts as the
    clock's and a tolerance, is over: about half of them do, all of them were late if it counted as it is."""
    tiers = hierarchy()
    with tiers.watched(publishers="plain,far", changes=60) as run:
        time.sleep(6)
    row("change sets from the year 9999", run)
    run.judge()
    for name in TIERS:
        assert total(tiers[name], "future") > 0
        assert total(tiers[name], "stale") < 0.75 * total(tiers[name], "sets"), tiers[name].status()["feed"]["zones"]


def test_fault_messages_misplaced(hierarchy, row):
    """Change sets lie in partitions where their zone has no business; the parent reads them late."""
    with hierarchy(late=1).watched(publishers="plain,crc32,dotless,upper,keyless,astray", changes=60) as run:
        time.sleep(6)
    row("messages in other partitions than their zone's, regional 1 s late", run)
    run.judge()


def test_fault_zones_in_zones(hierarchy, row):
    """Of four zones in the zone, whose delegations change, come and go; the parent reads of it late."""
    with hierarchy(late=1).watched(inner=4, outer=0.2, mix="set=60,flush=20,del=5,cut=5,subtree=5,uncut=5") as run:
        time.sleep(6)
    row("zones in zones, regional 1 s late", run)
    run.judge()


def test_fault_garbage(hierarchy, row):
    """What nobody can read, in any partition, and the parent reads it late: what is asked for in between must not
    come back from there."""
    tiers = hierarchy(late=1)
    with tiers.watched() as run:
        for _ in range(6):
            run.checker.order("garbage")
            time.sleep(1)
    row("garbage, regional 1 s late", run)
    run.judge()
    assert all(sum(tiers[name].status()["feed"]["refused"].values()) >= 6 for name in TIERS)
