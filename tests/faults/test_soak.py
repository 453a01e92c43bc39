"""A day in five minutes: changes, reloads, an upstream that comes and goes, floods, a machine that sleeps.

    make soak                      SOAK_SECONDS (300) of it; SANITIZER=address,undefined or thread as for all tests
    make soak SOAK_SEED=7          another day

Two tiers of freshetd follow a topic on a real broker while the checker changes names, asks for them, and judges each
answer (bench/checker/judge.h). Meanwhile things happen, at random and all at once. In the end nothing was wrong, every
name is current in both tiers, and neither memory nor descriptors have grown from the second quarter of the day to the last:
what floods take is given back.

A machine that sleeps is a process that is stopped: the monotonic clock goes on, which is more than a laptop's does,
and as much as a test can have without a clock of its own.
"""

import os
import random
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import freshet
import hierarchy as tiers
import kafka_cluster

SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
SETTLED = 8.0        # seconds of peace at the end
MIB = 1 << 20
GROWTH = 4.0         # MiB from the second quarter to the last, at most: allocators are not exact
MORE_DESCRIPTORS = 8
BUSY = 250           # ms


class Sampler(threading.Thread):
    """RSS and descriptors of the daemons, once a second."""

    def __init__(self, daemons):
        super().__init__(daemon=True)
        self._daemons, self._ended = daemons, threading.Event()
        self.samples = {name: [] for name in daemons}  # (seconds, MiB, descriptors)
        self._began = time.monotonic()
        self.start()

    def sample(self):
        for name, daemon in self._daemons.items():
            self.samples[name].append((time.monotonic() - self._began, daemon.rss() / MIB,
                                       len(os.listdir(f"/proc/{daemon.pid}/fd"))))

    def run(self):
        while not self._ended.wait(1):
            self.sample()

    def stop(self):
        self._ended.set()
        self.join()
        self.sample()

    def floor(self, name, quarter):
        """The least RSS in a quarter of the day, 0 to 3: what a flood takes is given back after it."""
        samples = self.samples[name]
        return min(sample[1] for sample in samples[len(samples) * quarter // 4:len(samples) * (quarter + 1) // 4])


class Day:
    """What happens; each event takes its time, and all run beside one another."""

    def __init__(self, run, hierarchy):
        self._run, self._hierarchy = run, hierarchy
        self._ended, self._threads, self.counts = threading.Event(), [], {}
        self._order = threading.Lock()
        self._sizes = 0
        for number, (every, event) in enumerate(((6, self.outage), (15, self.lag), (9, self.reload), (14, self.sleep),
                                                 (17, self.names), (19, self.connections))):
            chance = random.Random(SEED * 100 + number)
            thread = threading.Thread(target=self._repeat, args=(every, event, chance), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _repeat(self, every, event, chance):
        while not self._ended.wait(chance.uniform(0.5, 1.5) * every):
            self._run.mark(event.__name__)
            event(chance)
            self.counts[event.__name__] = self.counts.get(event.__name__, 0) + 1

    def _order_for(self, before, seconds, after):
        with self._order:
            self._run.checker.order(before)
            self._ended.wait(seconds)
            self._run.checker.order(after)

    def outage(self, chance):
        """The authority is silent."""
        self._order_for("down", chance.choice([0.2, 0.5, 1, 3]), "up")

    def lag(self, chance):
        """It gives what it had a second ago, which is within `settle`."""
        self._order_for(f"lag {chance.choice([300, 1000])}", 2, "lag 0")

    def reload(self, chance):
        """One tier reads its configuration again."""
        self._hierarchy[chance.choice(tiers.TIERS)].sighup()

    def sleep(self, chance):
        """One tier stops, and wakes."""
        daemon = self._hierarchy[chance.choice(tiers.TIERS)]
        os.kill(daemon.pid, signal.SIGSTOP)
        self._ended.wait(chance.choice([0.3, 1, 4]))
        os.kill(daemon.pid, signal.SIGCONT)

    def names(self, chance):
        """Names that nobody answers for, two thousand a second."""
        flood(self._hierarchy[chance.choice(tiers.TIERS)], 2000, 3)

    def connections(self, chance):
        """Connections that ask and never read."""
        address, held = self._hierarchy[chance.choice(tiers.TIERS)].address, []
        query = struct.pack("!7H", 28, 7, 0x0100, 1, 0, 0, 0) + b"\1x\7silent\0\0\1\0\1"
        for _ in range(200):
            held.append(socket.socket())
            held[-1].settimeout(1)
            try:
                held[-1].connect(address)
                held[-1].sendall(query * 50)
            except OSError:
                pass
        self._ended.wait(3)
        for sock in held:
            sock.close()

    def stop(self):
        self._ended.set()
        for thread in self._threads:
            thread.join()


def flood(daemon, rate, seconds):
    subprocess.run([freshet.program("throughput/load"), f"--server={freshet.address_text(daemon.address)}",
                    f"--rate={rate}", f"--seconds={seconds}", "--unique=1", "--suffix=silent.example.", "--timeout=100",
                    "--source=127.1.0.1:0", f"--first-unique={time.time_ns() // 1000 % 10**14}"], check=True,
                   capture_output=True, timeout=60)


@pytest.fixture
def day_topic():
    kafka = kafka_cluster.connect(build=freshet.build_directory())
    made = kafka.topic()
    yield made
    made.delete()
    kafka.stop()


@pytest.mark.skipif(not SECONDS, reason="make soak")
def test_soak(day_topic, capsys):
    made = tiers.Hierarchy(day_topic, cache={"hold": "1h", "serve_stale": "1h", "prefetch": True, "size": "16MiB"},
                           feed={"settle": "2s"})
    try:
        with made.watched(drain=3000) as run:
            for name in tiers.TIERS:
                flood(made[name], 5000, 4)  # what they keep for the next one is there from the start
            sampler = Sampler({name: made[name] for name in tiers.TIERS})
            day = Day(run, made)
            time.sleep(SECONDS)
            day.stop()
            time.sleep(SETTLED)
            sampler.stop()
        with capsys.disabled():
            report(run, day, sampler)
        judge_lives(run)
        judge_growth(sampler)
    finally:
        made.close()


def report(run, day, sampler):
    print(f"\n  a day in {SECONDS:.0f} s: " + ", ".join(f"{count} x {name}" for name, count in sorted(day.counts.items())))
    for name in tiers.TIERS:
        tier, samples = run.tier(name), sampler.samples[name]
        print(f"  {name}: {tier['answered']} answers, {tier['lost'] + tier['failed']} without, "
              f"{sum(tier['violations'].values())} wrong; RSS {samples[0][1]:.1f} -> {samples[-1][1]:.1f} MiB "
              f"(at most {max(sample[1] for sample in samples):.1f}, at least, by quarters, "
              f"{', '.join(f'{sampler.floor(name, quarter):.1f}' for quarter in range(4))}), descriptors "
              f"{samples[0][2]} -> {samples[-1][2]} (at most {max(sample[2] for sample in samples)})")
        print(f"    RSS every tenth of the day: {', '.join(f'{sample[1]:.0f}' for sample in samples[::max(1, len(samples) // 10)])}")


def judge_lives(run):
    """What a lagging authority gave after a change lives a second in each tier (P4): on a machine as busy as this, and
    with tiers that sleep while the answer is on its way to them, a little more."""
    run.judge(permitted={"P4"})
    late = {"regional": 1000 + BUSY, "stub": 2000 + BUSY}
    traces = [one for one in run.checker.violations if one["class"] == "P4"]
    for one in traces:
        given = next(change for change in one["changes"] if change["version"] == one["version"])
        assert one["sent_ms"] - given["served_ms"] <= late[one["tier"]], one
    assert sum(kinds.get("P4", 0) for kinds in run.charges().values()) == len(traces), run.charges()


def judge_growth(sampler):
    for name, samples in sampler.samples.items():
        growth = sampler.floor(name, 3) - sampler.floor(name, 1)
        assert SECONDS < 120 or growth < GROWTH or "/" in freshet.build_directory(), f"{name}: RSS +{growth:.1f} MiB in half a day"
        assert samples[-1][2] <= min(sample[2] for sample in samples) + MORE_DESCRIPTORS, f"{name}: {samples[0]} -> {samples[-1]}"
