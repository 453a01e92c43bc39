"""Faults of the log itself: it lost what a tier had not read, or is not the log it was."""

import time

import changes
import checking
import kafka_cluster
from hierarchy import CHANGES, LIVE, NAMES, NOT_LIVE, TIERS


def home(topic):
    return kafka_cluster.partition_of(checking.ZONE, topic.partitions)


def resets(daemon):
    return daemon.status()["feed"]["resets"]


def reasons(run, name, since):
    """Why the tier was not live."""
    return [reason for at, state, reason in run.states[name].changes
            if at >= since and state in NOT_LIVE]


def offset_of(daemon, partition):
    return next(part["offset"] for part in daemon.status()["feed"]["partitions"]
                if part["partition"] == partition)


def test_fault_retention_overrun(hierarchy, topic, row):
    """The stub is stopped; meanwhile all that it has not read is deleted. It learns of a gap, says
    so, and holds nothing of before."""
    tiers = hierarchy()
    with tiers.watched() as run:
        part = home(topic)
        run.mark("stub stopped")
        position = offset_of(tiers["stub"], part)
        tiers["stub"].pause()
        time.sleep(4)
        start = topic.end_offsets()[part]
        assert start > position + CHANGES
        topic.drop_before(part, start)
        tiers["stub"].resume()
        ended = run.mark("resumed")
        noticed = {"stub": run.wait_state("stub", NOT_LIVE, ended, 5)}
        live = run.wait_live(ended + noticed["stub"])
        time.sleep(2)
        why = reasons(run, "stub", ended)
    row("retention overrun (stub)", run, noticed, live)
    run.judge()
    assert any("out of range" in reason.lower() for reason in why), why
    assert resets(tiers["stub"]) == 2 and resets(tiers["regional"]) == 1
    assert run.noticed("regional", ended - 5) is None


def make_anew(topic, run=None):
    """Deletes the topic, lets the tiers notice, and makes it again."""
    began = run.mark("topic deleted") if run else None
    topic.delete()
    noticed = {name: run.wait_state(name, NOT_LIVE, began, 5) for name in TIERS} if run else {}
    topic._create()  # pylint: disable=protected-access
    return noticed


def test_fault_topic_recreated(hierarchy, topic, row):
    """The topic is deleted and made again: same name, offsets from 0."""
    tiers = hierarchy()
    with tiers.watched() as run:
        run.hush()
        noticed = make_anew(topic, run)
        live = run.wait_live(run.mark("topic made"))
    row("topic recreated", run, noticed, live)
    run.judge()
    assert all(resets(tiers[name]) == 2 for name in TIERS)


def test_fault_topic_recreated_unseen(hierarchy, topic, row):
    """The same, with nobody asking meanwhile, and all records changed by the time it is back: of what
    the tiers held before, nothing is left: the second checker would call it wrong. It has more names
    so that it goes on counting above the first one."""
    tiers = hierarchy()
    with tiers.watched() as before:
        time.sleep(2)
    before.judge()
    make_anew(topic)
    with tiers.watched(names=5 * NAMES) as after:
        time.sleep(1)
    row("topic recreated, records changed", after)
    after.judge()


def test_fault_topic_recreated_and_grown(hierarchy, topic, row):
    """The same while both tiers are stopped, and the new topic has grown beyond where they were in the old
    one: their offsets are good ones again, of another log. All records have changed meanwhile."""
    tiers = hierarchy()
    with tiers.watched() as before:
        time.sleep(2)
    before.judge()
    part = home(topic)
    position = offset_of(tiers["regional"], part)
    for name in TIERS:
        tiers[name].pause()
    topic.recreate()
    beat = changes.encode(changes.change_set(checking.ZONE, [], serial=None))
    for _ in range(position + CHANGES):
        topic.send(checking.ZONE, beat)
    for name in TIERS:
        tiers[name].resume()
    with tiers.watched(names=5 * NAMES) as after:
        time.sleep(1)
    row("topic recreated and grown, records changed", after)
    after.judge()
    assert all(resets(tiers[name]) == 2 for name in TIERS)


def test_fault_partitions_added(hierarchy, topic, row):
    """Keys may move to other partitions, so all is dropped and read anew, from all partitions."""
    before = home(topic)
    total = next(n for n in range(topic.partitions + 1, 64)
                 if kafka_cluster.partition_of(checking.ZONE, n) == before)
    tiers = hierarchy()
    with tiers.watched() as run:
        began = run.mark(f"{total} partitions")
        topic.add_partitions(total)
        noticed = {name: run.wait_state(name, NOT_LIVE, began, 5) for name in TIERS}
        live = {name: run.wait_state(name, LIVE, began + noticed[name], 20) for name in TIERS}
        time.sleep(3)
    row("partitions added", run, noticed, live)
    run.judge()
    # A broker that has not heard of the new partition yet says that there is none such, and that can be known first. Who
    # looks at the state now and then may miss it; the log has it.
    told = ("partition count changed", "Unknown topic or partition")
    assert all(any(words in tiers[name].log for words in told) for name in TIERS)
    assert all(len(tiers[name].status()["feed"]["partitions"]) == total for name in TIERS)
