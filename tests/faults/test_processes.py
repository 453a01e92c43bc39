"""Faults of freshetd's own process: stopped for a while, killed, and its clock set."""

import glob
import os
import time

import pytest

import changes
import checking
from hierarchy import FAILURE, LEASE, LIVE, NOT_LIVE, TIERS, long_runs
from process import eventually

STOPPED = 60.0 if long_runs() else 2 * LEASE
HOUR = 3600


@pytest.mark.parametrize("name", TIERS)
def test_fault_stopped(hierarchy, row, name):
    """For longer than the lease (SIGSTOP): on waking up it has everything to read, and knows it."""
    tiers = hierarchy()
    with tiers.watched() as run:
        run.mark(f"{name} stopped")
        tiers[name].pause()
        time.sleep(STOPPED)
        tiers[name].resume()
        ended = run.mark("resumed")
        noticed = run.wait_state(name, NOT_LIVE, ended, 1)
        live = noticed + run.wait_state(name, LIVE, ended + noticed, 20)
        time.sleep(FAILURE if name == "regional" else 1)
    row(f"{name} stopped for {STOPPED:g} s", run, {name: noticed}, {name: live})
    run.judge()


@pytest.mark.parametrize("name", TIERS)
def test_fault_killed(hierarchy, row, name):
    """SIGKILL, and started again after a second; the other one runs on."""
    tiers = hierarchy()
    with tiers.watched() as run:
        run.mark(f"{name} killed")
        tiers[name].kill()
        time.sleep(1)
        tiers[name].start()
        ended = run.mark("started")
        live = run.wait_state(name, LIVE, ended, 20)
        time.sleep(FAILURE if name == "regional" else 1)
    row(f"{name} killed and restarted", run, {}, {name: live})
    run.judge()


# --- clocks


def faketime_library():
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        pytest.skip("needs faketime")
    return found[0]


class Clock:
    """The time of day that one daemon sees; its monotonic clock is left alone."""

    def __init__(self, directory):
        self._path = os.path.join(directory, "offset")
        self.step(0)
        self.environment = {
            "LD_PRELOAD": faketime_library(), "FAKETIME_TIMESTAMP_FILE": self._path,
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1"}

    def step(self, seconds):
        with open(self._path + ".new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}\n")
        os.replace(self._path + ".new", self._path)


def test_fault_clock_stepped(hierarchy, tmp_path, row):
    """The stub's time of day goes an hour ahead, then an hour back; nothing hangs on it."""
    clock = Clock(tmp_path)
    tiers = hierarchy(environment={"stub": clock.environment})
    with tiers.watched() as run:
        for step in (HOUR, -HOUR, 0):
            clock.step(step)
            run.mark(f"clock at {step:+d} s")
            time.sleep(2)
            last = tiers["stub"].status()["feed"]
            assert last["state"] == "live"
    row("time of day stepped by 1 h (stub)", run)
    run.judge()
    assert all(run.noticed(name, 0) is None for name in TIERS)


def test_fault_publisher_clock(hierarchy, topic, row):
    """Other publishers' clocks are off by an hour, and more than a day: what they change is applied
    all the same, and so is what others change."""
    tiers = hierarchy()
    with tiers.watched() as run:
        before = tiers["stub"].status()["feed"]
        for number, offset in enumerate((-HOUR, HOUR, -30 * HOUR, 30 * HOUR)):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))
            topic.publish(checking.ZONE, [changes.flush(f"other{number}.{checking.ZONE}")],
                          serial=None, time=stamp, publisher=f"clock{number}")
            time.sleep(0.5)
        eventually(lambda: tiers["stub"].status()["feed"]["applied"] >= before["applied"] + 4)
        time.sleep(1)
        assert tiers["stub"].status()["feed"]["refused"] == before["refused"]
    row("publishers' clocks wrong by 1 h and 30 h", run)
    run.judge()
