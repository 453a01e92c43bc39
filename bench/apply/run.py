#!/usr/bin/python3
"""How many changes per second a cache takes in, and what that costs the answers that did not change.

    make bench-apply [APPLY_ARGS="--only kafka --changes 300000"]

Four parts, by bench/apply/bench.h and this file:

    inprocess    parse, check, mark and install alone, one thread, no Kafka
    collisions   valid answers dropped because marks collide, under a made-up clock
    kafka        a real broker on one core and freshetd, all its threads, on another
    flush        what one FLUSH of a zone takes, with more and more of its names cached; and how many of them
                 were still served from the cache afterwards

The kafka part has two ways to keep the publisher from being the limit:

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

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402,F401  pylint: disable=unused-import
import changes  # noqa: E402
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import knot  # noqa: E402
import process  # noqa: E402
import query  # noqa: E402
import usage  # noqa: E402
from table import markdown, shown  # noqa: E402

ZONE = "bench.example.com."
PER_SET = 1000
SAMPLES = 200
SETTLE_S = 2.5  # what a feed fetches until then it keeps for a second only
FLUSH_NAMES, FLUSHES = (1_000, 10_000, 100_000), 5
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

    def __init__(self, cluster, properties=(), **options):
        self.topic = cluster.topic()
        self.authority = knot.Knot({ZONE: "* 3600 A 192.0.2.1"})
        self.sent = 0
        os.sched_setaffinity(0, OURS)
        try:
            self.daemon = freshet.Freshetd({
                "tiers": [freshet.tier("os", [self.authority], size="1GiB")],
                "feed": freshet.feed(self.topic, [ZONE], **{"lease": LEASE, **options}, rdkafka=properties)}, log="info")
        except BaseException:
            self.authority.stop()
            raise
        finally:
            os.sched_setaffinity(0, THEIRS)
        process.eventually(lambda: self.feed()["state"] == "live", within=20)
        time.sleep(SETTLE_S)

    def feed(self):
        return self.daemon.status()["feed"]

    def applied(self):
        return self.feed()["applied"]

    def threads(self):
        """CPU seconds by thread name and number."""
        return {f"{name}/{tid}": seconds for name, tid, seconds, _ in usage.threads(self.daemon.pid)}

    def fill(self, names):
        """Asks for so many of the names that will change, so that it holds them; how many answers it has."""
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
    before, threads, (user, system, *_) = cache.feed(), cache.threads(), usage.cpu_times(cache.daemon.pid)
    began_at, publisher = begin()
    try:
        samples = watch(cache, began_at, before["applied"] + sets)
    except BaseException:
        if not isinstance(publisher, dict):
            publisher.kill()
            publisher.wait()
        raise
    cpu = usage.cpu_times(cache.daemon.pid)
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
                    assert 0.999 <= result["installed"] / (sets * per_set) <= 1, "each replaces an answer, but where " \
                        "another name's mark was in the way (cache/marks.h; which names, is by chance)"
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


# --- one FLUSH


def run_flush(_options):
    rows = []
    cluster = kafka_cluster.connect(build=freshet.build_directory())
    cache = Cache(cluster, settle="0s")
    try:
        for names in FLUSH_NAMES:
            times = []
            for _ in range(FLUSHES):
                held = cache.fill(names)
                expected = cache.applied() + 1
                cache.topic.publish(ZONE, [changes.flush(ZONE, subtree=True)])
                process.eventually(lambda n=expected: cache.applied() >= n, within=10)
                times.append(cache.feed()["last_apply_us"])
            before = cache.daemon.status()["tiers"][0]["hits"]
            cache.fill(names)
            rows.append({"names": names, "answers_held": held, "apply_us_median": statistics.median(times),
                         "apply_us_max": max(times),
                         "served_from_cache_after": cache.daemon.status()["tiers"][0]["hits"] - before})
    finally:
        cache.close()
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


def table_inprocess(rows):
    return "In this process, one thread** (parse, check, mark, install; no Kafka)", [
        ["cached names", "changed names", "changes per set", "sets/s", "changes/s", "parse, ns per change",
         "apply, ns per change", "valid answers dropped"],
        *[[shown(r["cached"]), "cached" if r["changed"] == "held" else "not cached", str(r["per_set"]),
           *[shown(r[key]) for key in ("sets_per_s", "changes_per_s", "parse_ns", "apply_ns")],
           f"{r['falsely_dropped']} ({r['falsely_dropped'] / r['cached']:.4%})" if r["cached"] else "-"]
          for r in rows]]


def table_collisions(rows):
    return "Hits lost because marks collide** (changes of other, ever new names)", [
        ["table of marks", "changes/s", "hits/s on names", "hits", "valid answers dropped", "share"],
        *[[f"{r['table']} at first", shown(r["changes_per_s"]), f"{shown(r['asks_per_s'])} on {shown(r['names'])}",
           shown(r["hits"]), shown(r["falsely_dropped"]), f"{r['share']:.5%}"] for r in rows]]


def table_kafka(rows):
    kinds = {}
    for r in rows:
        kinds.setdefault((r["way"], r["per_set"], r["held"]), []).append(r)
    table = [["log filled", "changes per set", "cached, changed names", "sets/s", "changes/s",
              "CPU per change, user + system", "the publisher's sets/s"]]
    for (way, per_set, held), some in kinds.items():
        middle = {key: statistics.median(r[key] for r in some) for key in some[0] if key.endswith(("_s", "_change"))}
        table.append(["while stopped" if way == "backlog" else "while reading", str(per_set), shown(held),
                      shown(middle["sets_per_s"]), shown(middle["changes_per_s"]),
                      f"{middle['user_us_per_change']:.2f} + {middle['system_us_per_change']:.2f} us",
                      shown(middle["publisher_sets_per_s"])])
    return "From a real Kafka, freshetd pinned to one core** (medians of rounds)", table


def table_flush(rows):
    return "One FLUSH of a zone**", [
        ["names", "answers held", "apply, us, median", "most", "still served from the cache"],
        *[[shown(r[key]) for key in ("names", "answers_held", "apply_us_median", "apply_us_max",
                                     "served_from_cache_after")] for r in rows]]


TABLES = {"inprocess": table_inprocess, "collisions": table_collisions, "kafka": table_kafka, "flush": table_flush}


def write(result):
    directory = os.path.join(process.ROOT, freshet.build_directory(), "apply")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "result.json"), "w", encoding="ascii") as file:
        json.dump(result, file, indent=2)
    text = "\n\n".join(f"**{title}\n\n{markdown(table)}"
                       for title, table in (TABLES[part](rows) for part, rows in result.items()))
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
        "flush": lambda: run_flush(options),
    }
    result = {}
    for part, run in parts.items():
        if options.only in (None, part):
            print(f"{part} ...", flush=True)
            result[part] = run()
    write(result)


if __name__ == "__main__":
    main()
