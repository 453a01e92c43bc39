#!/usr/bin/python3
"""One topic and many caches that follow it: when has the last one applied a change, and what does each cost?

    make bench-fanout [FANOUT_ARGS="--steps 1 10 100"]

Each step starts so many instances (bench/fanout/fanout.h) on a topic of their own on a real Kafka, and then

    warm     a few change sets, not counted
    idle     nothing is published: the price of the lease and of waiting
    steady   sets at an even rate, fewer a second the more instances there are (--deliveries)
    burst    sets one right after the other

and in the end looks that every instance has applied every set, in order, and answers every name with its newest
value. The two largest counts are done with a long lease too, and with long fetches besides; the largest with the
short lease comes last, as it takes more than two cores have.

From the costs of the largest step follows, on paper, what 10,000 and 1,000,000 instances would take (paper.py).
Tables on the terminal; in build/fanout: result.json, fanout.md, fanout.svg.
"""

import argparse
import array
import json
import math
import mmap
import os
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402,F401  pylint: disable=unused-import
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import page  # noqa: E402
import paper  # noqa: E402
import process  # noqa: E402
import proc  # noqa: E402
import usage  # noqa: E402

PER_PROCESS = 100  # instances: some 1,200 threads and 2,500 descriptors
NAMES = 16
ROOM = 400  # sets of a step, at most
WARM, BURST = 10, 20
MOST_RATE = 10
ANSWER_S = 120
FREE_PER_INSTANCE = 6 << 20  # bytes of memory that must be free before so many are started


class Child:
    """The C program, led by lines; ends with our end of the pipe, or by pid."""

    def __init__(self, *arguments):
        argv = [freshet.program("fanout/fanout"), *map(str, arguments)]
        self._child = subprocess.Popen([*process.ORPHAN_GUARD, str(os.getpid()), *argv], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self._child.pid

    def answer(self):
        """Its next line; a child that says nothing in time is ended, and that is an error here."""
        timer = threading.Timer(ANSWER_S, self._child.kill)
        timer.start()
        try:
            line = self._child.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise RuntimeError(f"fanout ended with {self._child.wait()}, or said nothing in time")
        return json.loads(line)

    def tell(self, line):
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()

    def stop(self):
        try:
            self._child.stdin.close()
            self._child.wait(10)
        except (subprocess.TimeoutExpired, OSError):
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()


class Times:
    """The file of times: when instance i applied set k, microseconds; 0 for not yet."""

    def __init__(self, directory, instances):
        self.path = os.path.join(directory, "times")
        self._instances = instances
        with open(self.path, "w+b") as file:
            file.truncate(instances * ROOM * 8)
            self._map = mmap.mmap(file.fileno(), 0)

    def of_set(self, k):
        cells = array.array("q")
        for i in range(self._instances):
            at = (i * ROOM + k) * 8
            cells.frombytes(self._map[at:at + 8])
        return cells

    def close(self):
        self._map.close()


class Crowd:
    """So many instances in some processes, their topic, and a publisher."""

    def __init__(self, cluster, count, lease_ms, properties):
        self.cluster, self.count, self.lease_ms = cluster, count, lease_ms
        self.published = 0
        self.children, self.publisher = [], None
        self.topic = cluster.topic()
        self.times = Times(cluster.directory, count)
        try:
            self._start(properties)
        except BaseException:
            self.close()
            raise

    def _start(self, properties):
        where = ["--brokers", self.topic.bootstrap, "--topic", self.topic.name, "--names", NAMES]
        sets = [text for name in properties for text in ("--set", name)]
        processes = -(-self.count // PER_PROCESS)
        for first in range(0, self.count, PER_PROCESS):
            self.children.append(Child(
                "subscribe", *where, "--times", self.times.path, "--first", first, "--sets", ROOM,
                "--count", min(PER_PROCESS, self.count - first), "--lease", self.lease_ms,
                "--spacing", 8 * processes, *sets))
        began = time.monotonic()
        live = sum(child.answer()["live"] for child in self.children)
        assert live == self.count
        self.start_s = time.monotonic() - began
        self.publisher = Child("publish", *where)

    def publish(self, sets, rate):
        """Sends; waits until all have all. Returns the sets' numbers and (called, acked) in microseconds."""
        first = self.published
        self.publisher.tell(f"{sets} {rate}")
        sent = self.publisher.answer()
        self.published += sets
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not all(self.times.of_set(self.published - 1)):
            time.sleep(0.05)
        return list(zip(range(first, self.published), sent))

    def ask(self, line):
        """A command to every process; the sums of what they say."""
        total = {}
        for child in self.children:
            child.tell(line)
        for child in self.children:
            for key, value in child.answer().items():
                total[key] = total.get(key, 0) + value
        return total

    def usage(self):
        return proc.Usage([child.pid for child in self.children], self.cluster.process.pid,
                          self.cluster.bootstrap)

    def close(self):
        threads = [threading.Thread(target=child.stop)
                   for child in [*self.children, *filter(None, [self.publisher])]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.times.close()
        self.topic.delete()


# --- one step


def quantile(ordered, share):
    return ordered[math.ceil(share * len(ordered)) - 1]


def latencies(crowd, sets):
    """Milliseconds from the publishing call: of each set over the instances, then the median over the sets."""
    rows, missing = [], 0
    for k, (called, acked) in sets:
        applied = sorted((at - called) / 1000 for at in crowd.times.of_set(k) if at)
        missing += crowd.count - len(applied)
        if applied:
            rows.append({"acked": (acked - called) / 1000, "first": applied[0],
                         "median": quantile(applied, 0.5), "p99": quantile(applied, 0.99),
                         "last": applied[-1]})
    middle = {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}
    return {**middle, "worst": round(max(row["last"] for row in rows), 3), "sets": len(sets),
            "missing": missing}


def phase(crowd, action):
    """What happens meanwhile, with the costs of it."""
    before = crowd.usage()
    result = action()
    return result, before.until(crowd.usage())


def counted(crowd):
    """Whether anything was lost: the counts, and what the caches answer."""
    status = crowd.ask("status")
    check = crowd.ask(f"check {crowd.published}")
    due = crowd.count * crowd.published
    return {**status, **check, "due": due, "lost": due - status["applied"],
            "answers": crowd.count * NAMES}


def per_delivery(spent, idle, deliveries, key):
    """CPU microseconds beyond what waiting costs."""
    return (spent[key] - idle[key] / idle["seconds"] * spent["seconds"]) / deliveries * 1e6


def costs(crowd, idle, spent, sets):
    deliveries = crowd.count * sets
    out = {f"{who}_us_per_delivery": round(per_delivery(spent, idle, deliveries, who), 1)
           for who in ("subscribers", "broker")}
    out.update({f"{who}_idle_us_per_s": round(idle[who] / idle["seconds"] / crowd.count * 1e6, 1)
                for who in ("subscribers", "broker")})
    out["bytes_out_per_delivery"] = round(per_delivery(spent, idle, deliveries, "sent") / 1e6)
    out["idle_bytes_out_per_s"] = round(idle["sent"] / idle["seconds"] / crowd.count)
    return out


def step(cluster, options, count, lease_ms, properties=()):
    crowd = Crowd(cluster, count, lease_ms, properties)
    rate = min(MOST_RATE, options.deliveries / count)
    sets = max(10, round(rate * options.seconds))
    try:
        crowd.publish(WARM, max(rate, 5))
        time.sleep(1)
        threads = proc.Threads(crowd.children[0].pid)
        _, idle = phase(crowd, lambda: time.sleep(options.idle))
        threads = threads.until(proc.Threads(crowd.children[0].pid), min(count, PER_PROCESS))
        steady, spent = phase(crowd, lambda: crowd.publish(sets, rate))
        burst, spent_burst = phase(crowd, lambda: crowd.publish(BURST, 0))
        return {"count": count, "cores": os.cpu_count(), "lease_ms": lease_ms,
                "properties": list(properties), "rate": rate, "surveys_per_s": 3000 / lease_ms,
                "start_s": round(crowd.start_s, 1), "threads": threads,
                "steady": latencies(crowd, steady), "burst": latencies(crowd, burst),
                "costs": costs(crowd, idle, spent, sets), "idle": idle, "spent": spent,
                "spent_burst": spent_burst, "counted": counted(crowd),
                "size": proc.sizes([child.pid for child in crowd.children],
                                   cluster.process.pid, count)}
    finally:
        crowd.close()


def is_whole(row):
    """Nothing was lost, came twice or out of order, and no answer is an old one."""
    counts = row["counted"]
    return (counts["lost"] == 0 and row["steady"]["missing"] == 0 and row["burst"]["missing"] == 0
            and counts["wrong"] == counts["refused"] == counts["old"] == 0
            and counts["newest"] + counts["evicted"] == counts["answers"])


# --- the run


def plan(options):
    """Count, lease and properties of each step."""
    counts = sorted(options.steps)
    variants = [(paper.LONG_LEASE, ()), (paper.LONG_LEASE, (paper.LONG_WAIT,))]
    steps = [(count, options.lease, ()) for count in counts[:-1]]
    if options.variants:
        steps += [(count, *variant) for count in counts[-2:] for variant in variants]
    return [*steps, (counts[-1], options.lease, ())]


def fits(count):
    """Whether memory allows for it; says so when it does not."""
    free = usage.field("/proc/meminfo", "MemAvailable") * 1024
    if free >= count * FREE_PER_INSTANCE:
        return True
    print(f"  {count} instances: not tried, {free >> 20} MiB of memory are free and "
          f"{count * FREE_PER_INSTANCE >> 20} are wanted", flush=True)
    return False


def run(options):
    rows = []
    os.environ.setdefault("FRESHET_KAFKA_HEAP", "1g")
    began = time.monotonic()
    cluster = kafka_cluster.KafkaBroker()
    try:
        warm = Crowd(cluster, 10, options.lease, ())
        warm.publish(150, 100)
        warm.close()
        for count, lease_ms, properties in plan(options):
            print(f"[{time.monotonic() - began:4.0f} s] {count} instances, lease {lease_ms / 1000:g} s",
                  *properties, flush=True)
            if not fits(count):
                continue
            rows.append(step(cluster, options, count, lease_ms, properties))
            print(f"         {page.line(rows[-1])}", flush=True)
    finally:
        cluster.stop()
    return rows


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 10, 100, 300, 1000],
                        metavar="N", help="instances")
    parser.add_argument("--lease", type=int, default=3000, metavar="MS")
    parser.add_argument("--idle", type=float, default=6, metavar="S", help="seconds of waiting")
    parser.add_argument("--seconds", type=float, default=8, help="of the steady part")
    parser.add_argument("--deliveries", type=float, default=2000, metavar="N",
                        help="sets a second times instances, at most")
    parser.add_argument("--no-variants", dest="variants", action="store_false",
                        help="not the largest step again with other settings")
    parser.add_argument("--report", metavar="FILE", help="only the texts, from a result.json")
    return parser.parse_args()


def main():
    options = parse_arguments()
    directory = os.path.join(process.ROOT, freshet.build_directory(), "fanout")
    if options.report:
        with open(options.report, encoding="ascii") as file:
            result = json.load(file)
    else:
        began = time.monotonic()
        result = {"machine": usage.machine(), "when": time.strftime("%Y-%m-%d"), "rows": run(options)}
        result["seconds"] = round(time.monotonic() - began)
    page.write(result, directory)
    bad = [row["count"] for row in result["rows"] if not is_whole(row)]
    if bad:
        sys.exit(f"something was lost, or came wrong, with {bad} instances")


if __name__ == "__main__":
    main()
