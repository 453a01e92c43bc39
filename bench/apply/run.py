#!/usr/bin/python3
"""How many changes per second a cache takes in, and what that costs the answers that did not change.

    make bench-apply [APPLY_ARGS="--only kafka --changes 300000"]

Three parts, by bench/apply/bench.h and this file:

    inprocess    parse, check, mark and install alone, one thread, no Kafka
    collisions   valid answers dropped because marks collide, under a made-up clock
    kafka        a real broker on one core and freshetd, all its threads, on another

The Kafka part has two ways to keep the publisher from being the limit:

    backlog      freshetd is stopped (SIGSTOP) while the log is filled, and measured from SIGCONT on until all
                 of it is applied
    flood        the log is filled by librdkafka while freshetd reads; the slower of the two is measured

The lease is a minute, so that both count as in sync, and what is held of the changed names is replaced.

Tables on the terminal, and in build/apply: result.json, table.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "integration"))

# pylint: disable=wrong-import-position
import freshet
import kafka_cluster
import knot
import process
import query

ZONE = "bench.example.com."
PER_SET = 1000
SAMPLES = 200
LEASE = "60s"
PERF = ["-n", "1", "-e", "-c", "8", "-q", "200"]
# Where freshetd runs and where everything else does. On a machine with one core they share it.
CORES = sorted(os.sched_getaffinity(0))
OURS, THEIRS = {CORES[0]}, set(CORES[1:]) or {CORES[0]}


def bench(*arguments):
    """Runs the C program of this folder on the measured core; its lines as dicts."""
    argv = ["taskset", "-c", str(CORES[0]), freshet.program("apply/bench"), *map(str, arguments)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=600, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- one freshetd and the log it reads


class Cache:
    """freshetd alone on a core, with Knot as the authority of the zone that changes."""

    def __init__(self, cluster, properties):
        self.topic = cluster.topic()
        self.authority = knot.Knot({ZONE: "* 3600 A 192.0.2.1"})
        self.sent = 0
        os.sched_setaffinity(0, OURS)
        try:
            self.daemon = freshet.Freshetd({
                "tiers": [freshet.tier("os", [self.authority], size="1GiB")],
                "feed": freshet.feed(self.topic, [ZONE], lease=LEASE, rdkafka=properties)}, log="info")
        except BaseException:
            self.authority.stop()
            raise
        finally:
            os.sched_setaffinity(0, THEIRS)
        process.eventually(lambda: self.feed()["state"] == "live", within=20)

    def feed(self):
        return self.daemon.status()["feed"]

    def applied(self):
        return self.feed()["applied"]

    def cpu_seconds(self):
        """User and system time of all its threads up to now."""
        with open(f"/proc/{self.daemon.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        tick = os.sysconf("SC_CLK_TCK")
        return int(fields[11]) / tick, int(fields[12]) / tick

    def threads(self):
        """CPU seconds by thread name and number."""
        times = {}
        for tid in os.listdir(f"/proc/{self.daemon.pid}/task"):
            with open(f"/proc/{self.daemon.pid}/task/{tid}/schedstat", encoding="ascii") as file:
                spent = int(file.read().split()[0]) / 1e9
            with open(f"/proc/{self.daemon.pid}/task/{tid}/comm", encoding="ascii") as file:
                times[f"{file.read().strip()}/{tid}"] = spent
        return times

    def fill(self, names):
        """Asks for so many of the names that will change, so that it holds them."""
        path = os.path.join(self.daemon.directory, "questions")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(f"host{number:07d}.{ZONE} A\n" for number in range(names))
        host, port = self.daemon.address
        subprocess.run(["dnsperf", "-s", host, "-p", str(port), "-d", path, *PERF],
                       stdout=subprocess.DEVNULL, timeout=300, check=True)
        return self.daemon.status()["tiers"][0]["answers"]

    def flood(self, sets, per_set, names):
        """Starts to publish `sets` further change sets; the process, to be waited for."""
        argv = ["taskset", "-c", ",".join(map(str, sorted(THEIRS))), freshet.program("apply/flood"),
                "--brokers", self.topic.bootstrap, "--topic", self.topic.name,
                "--first", self.sent, "--sets", sets, "--per-set", per_set, "--names", names]
        self.sent += sets
        return subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, text=True)

    def close(self):
        try:
            self.daemon.close()
        finally:
            self.authority.stop()


def finish(publisher):
    """Waits for a publisher; what it says of itself."""
    try:
        out, _ = publisher.communicate(timeout=200)
    except BaseException:
        publisher.kill()
        publisher.wait()
        raise
    assert publisher.returncode == 0, f"the publisher ended with {publisher.returncode}"
    return json.loads(out.splitlines()[-1])


def watch(cache, began_at, target, within=120):
    """Samples (seconds, sets applied) until `target` sets are."""
    samples = []
    deadline = began_at + within
    while not samples or samples[-1][1] < target:
        assert time.monotonic() < deadline, f"{samples[-1:]} of {target} after {within} s"
        samples.append((time.monotonic() - began_at, cache.applied()))
        time.sleep(0.02)
    return samples


def address(change):
    return f"10.{change >> 16 & 255}.{change >> 8 & 255}.{change & 255}"


def last_change(name, names, first, changes):
    """The last one of changes first..first+changes-1 to a name, by the numbers of messages.h."""
    last = first + changes - 1
    return last - (last - name) % names


def check_values(cache, held, names, first, changes):
    """Of the names it holds some must now be what the log said last. Returns how many were looked at."""
    step = max(1, held // SAMPLES)
    for name in range(0, held, step):
        reply = query.ask(cache.daemon.address, f"host{name:07d}.{ZONE}", "A", timeout=2)
        got = reply.answer[0][0].address
        want = address(last_change(name, names, first, changes))
        assert got == want, f"host{name:07d} is {got}, not {want}"
    return len(range(0, held, step))


def spent_since(cache, before):
    """By thread, what took more than a few milliseconds."""
    spent = {name: round(now - before.get(name, 0), 3) for name, now in cache.threads().items()}
    return {name: seconds for name, seconds in spent.items() if seconds > 0.005}


def measured(cache, per_set, sets, begin):
    """Lets begin() start the clock, and waits until all sets are applied."""
    before, threads, (user, system) = cache.feed(), cache.threads(), cache.cpu_seconds()
    began_at, publisher = begin()
    try:
        samples = watch(cache, began_at, before["applied"] + sets)
    except BaseException:
        if not isinstance(publisher, dict):
            publisher.kill()
            publisher.wait()
        raise
    cpu = cache.cpu_seconds()
    after = cache.feed()
    assert after["applied"] - before["applied"] == sets
    assert after["resets"] == before["resets"], "it lost its position meanwhile"
    assert after["marked"] - before["marked"] >= sets * per_set, "each change marks its name"
    publisher = publisher if isinstance(publisher, dict) else finish(publisher)
    seconds = samples[-1][0]
    return {"per_set": per_set, "sets": sets, "seconds": round(seconds, 3),
            "sets_per_s": round(sets / seconds), "changes_per_s": round(sets * per_set / seconds),
            "user_us_per_change": round((cpu[0] - user) * 1e6 / sets / per_set, 3),
            "system_us_per_change": round((cpu[1] - system) * 1e6 / sets / per_set, 3),
            "publisher_sets_per_s": publisher["sets_per_s"],
            "installed": after["installed"] - before["installed"],
            "threads": spent_since(cache, threads)}


def backlog(cache, per_set, sets, names):
    """Stopped while the log is filled; the clock starts with SIGCONT."""
    def begin():
        cache.daemon.pause()
        try:
            publisher = finish(cache.flood(sets, per_set, names))
        finally:
            began_at = time.monotonic()
            cache.daemon.resume()
        return began_at, publisher
    return {"way": "backlog", **measured(cache, per_set, sets, begin)}


def flood(cache, per_set, sets, names):
    """Published while it reads; the clock starts with the publisher."""
    def begin():
        return time.monotonic(), cache.flood(sets, per_set, names)
    return {"way": "flood", **measured(cache, per_set, sets, begin)}


def run_rounds(cluster, options, per_set, sets, held, rows):
    cache = Cache(cluster, options.rdkafka)
    names = held or 10_000_000
    try:
        if held:
            cache.fill(held)
        for _ in range(options.rounds):
            for way in (backlog, flood):
                first = cache.sent * per_set
                result = {"held": held, **way(cache, per_set, sets, names)}
                if held:
                    assert result["installed"] == sets * per_set, "each replaces an answer"
                    result["values_checked"] = check_values(cache, held, names, first, sets * per_set)
                show(result, rows)
    finally:
        cache.close()


def run_kafka(options):
    rows = []
    cluster = kafka_cluster.connect(build=freshet.build_directory())
    try:
        for per_set, sets in ((1, options.changes), (PER_SET, 2 * options.changes // PER_SET)):
            for held in (0, options.held):
                run_rounds(cluster, options, per_set, sets, held, rows)
    finally:
        cluster.stop()
    return rows


# --- tables


def show(result, rows):
    rows.append(result)
    print(f"  {result['way']:<8} {result['per_set']:>5} {result['held']:>7} "
          f"{result['changes_per_s']:>9} changes/s "
          f"{result['user_us_per_change']:>7} us user {result['system_us_per_change']:>6} us system "
          f"installed {result['installed']:>7} publisher {result['publisher_sets_per_s']} sets/s "
          f"{result['threads']}", flush=True)


def thousands(number):
    return f"{number:,.0f}"


def table_inprocess(rows):
    yield "**In this process, one thread** (parse, check, mark, install; no Kafka)"
    yield ""
    yield ("| cached names | changed names | changes per set | sets/s | changes/s | parse, ns per change | "
           "apply, ns per change | valid answers dropped |")
    yield "|---:|---|---:|---:|---:|---:|---:|---:|"
    for r in rows:
        dropped = (f"{r['falsely_dropped']} ({r['falsely_dropped'] / r['cached']:.4%})"
                   if r["cached"] else "-")
        changed = "cached" if r["changed"] == "held" else "not cached"
        yield (f"| {thousands(r['cached'])} | {changed} | {r['per_set']} | "
               f"{thousands(r['sets_per_s'])} | "
               f"{thousands(r['changes_per_s'])} | {thousands(r['parse_ns'])} | "
               f"{thousands(r['apply_ns'])} | {dropped} |")


def table_collisions(rows):
    yield "**Hits lost because marks collide** (changes of other, ever new names)"
    yield ""
    yield "| table of marks | changes/s | hits/s on names | hits | valid answers dropped | share |"
    yield "|---|---:|---:|---:|---:|---:|"
    for r in rows:
        yield (f"| {r['table']} at first | {thousands(r['changes_per_s'])} | "
               f"{thousands(r['asks_per_s'])} on {thousands(r['names'])} | {thousands(r['hits'])} | "
               f"{thousands(r['falsely_dropped'])} | {r['share']:.5%} |")


def table_kafka(rows):
    yield "**From a real Kafka, freshetd pinned to one core** (medians of rounds)"
    yield ""
    yield ("| log filled | changes per set | cached, changed names | sets/s | changes/s | CPU per change, user + "
           "system | the publisher's sets/s |")
    yield "|---|---:|---:|---:|---:|---:|---:|"
    kinds = {}
    for r in rows:
        kinds.setdefault((r["way"], r["per_set"], r.get("held", 0)), []).append(r)
    for (way, per_set, held), some in kinds.items():

        def median(key, some=some):
            return statistics.median(r[key] for r in some)
        when = "while stopped" if way == "backlog" else "while reading"
        yield (f"| {when} | {per_set} | {thousands(held)} | {thousands(median('sets_per_s'))} | "
               f"{thousands(median('changes_per_s'))} | {median('user_us_per_change'):.2f} + "
               f"{median('system_us_per_change'):.2f} us | {thousands(median('publisher_sets_per_s'))} |")


TABLES = {"inprocess": table_inprocess, "collisions": table_collisions, "kafka": table_kafka}


def write(result):
    directory = os.path.join(process.ROOT, freshet.build_directory(), "apply")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "result.json"), "w", encoding="ascii") as file:
        json.dump(result, file, indent=2)
    text = "\n\n".join("\n".join(TABLES[part](rows)) for part, rows in result.items())
    with open(os.path.join(directory, "table.md"), "w", encoding="ascii") as file:
        file.write(text + "\n")
    print(text)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(TABLES), help="one part")
    parser.add_argument("--cached", type=int, default=1_000_000, help="names in the full cache")
    parser.add_argument("--changes", type=int, default=1_000_000,
                        help="single-change sets for each line; twice as many in sets of 1,000")
    parser.add_argument("--held", type=int, default=100_000, help="cached names, of freshetd")
    parser.add_argument("--rounds", type=int, default=3, help="of each line from Kafka")
    parser.add_argument("--rdkafka", action="append", default=[], metavar="NAME=VALUE",
                        help="a property of freshetd's consumer, to try another")
    return parser.parse_args()


def main():
    options = parse_arguments()
    os.sched_setaffinity(0, THEIRS)
    parts = {
        "inprocess": lambda: bench("inprocess", "--cached", options.cached,
                                   "--changes", options.changes // 2),
        "collisions": lambda: bench("collisions"),
        "kafka": lambda: run_kafka(options),
    }
    result = {}
    for part, run in parts.items():
        if options.only in (None, part):
            print(f"{part} ...", flush=True)
            result[part] = run()
    write(result)


if __name__ == "__main__":
    main()
