#!/usr/bin/python3
"""What it takes to invalidate everything of a zone at once: one FLUSH, with more and more names cached.

    make bench-flush

Real Kafka, Knot with a wildcard as the authority, dnsperf to fill the cache. Prints the time that
applying the change set took, as freshetd measured it, and how many of the names were still served
from the cache afterwards.
"""

import json
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests", "integration"))

# pylint: disable=wrong-import-position
import changes
import freshet
import kafka_cluster
import knot
import process

NAMES = (1_000, 10_000, 100_000)
FLUSHES = 5
PERF = ["-n", "1", "-e", "-c", "4", "-q", "100"]


def ask_all(daemon, count, directory):
    """Asks for every name once; returns how many answers came."""
    path = os.path.join(directory, "questions")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"n{number}.flush.example.com A\n" for number in range(count))
    host, port = daemon.address
    done = subprocess.run(["dnsperf", "-s", host, "-p", str(port), "-d", path, *PERF],
                          capture_output=True, text=True, timeout=300, check=True)
    return int(re.search(r"Queries completed:\s+(\d+)", done.stdout)[1])


def flush(daemon, topic, expected):
    topic.publish("example.com.", [changes.flush("example.com.", subtree=True)])
    process.eventually(lambda: daemon.status()["feed"]["applied"] >= expected, within=10)
    return daemon.status()["feed"]["last_apply_us"]


def measure(daemon, topic, count, directory):
    """Fills and flushes a few times; returns a row of the table."""
    times, kept = [], 0
    for _ in range(FLUSHES):
        ask_all(daemon, count, directory)
        held = daemon.status()["tiers"][0]["answers"]
        times.append(flush(daemon, topic, daemon.status()["feed"]["applied"] + 1))
    before = daemon.status()["tiers"][0]["hits"]
    ask_all(daemon, count, directory)
    kept = daemon.status()["tiers"][0]["hits"] - before
    return {"names": count, "answers_held": held, "apply_us_median": statistics.median(times),
            "apply_us_max": max(times), "served_from_cache_after": kept}


def main():
    cluster = kafka_cluster.connect(build=freshet.build_directory())
    authority = knot.Knot({"example.com.": "*.flush 3600 A 192.0.2.1"})
    topic = cluster.topic()
    daemon = freshet.Freshetd({
        "tiers": [freshet.tier("os", [authority], size="256MiB")],
        "feed": freshet.feed(topic, ["example.com."], settle="0s")}, log="info")
    try:
        process.eventually(lambda: daemon.status()["feed"]["state"] == "live", within=20)
        print(f"{'names':>8} {'held':>8} {'apply, median':>14} {'max':>9} {'still served':>13}")
        rows = []
        for count in NAMES:
            rows.append(measure(daemon, topic, count, daemon.directory))
            row = rows[-1]
            print(f"{row['names']:>8} {row['answers_held']:>8} {row['apply_us_median']:>11.0f} us"
                  f" {row['apply_us_max']:>6.0f} us {row['served_from_cache_after']:>13}")
        with open(os.path.join(process.ROOT, "build", "flush.json"), "w", encoding="ascii") as file:
            json.dump(rows, file, indent=2)
    finally:
        daemon.close()
        authority.stop()
        cluster.stop()


if __name__ == "__main__":
    main()
