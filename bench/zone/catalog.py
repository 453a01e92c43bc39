#!/usr/bin/python3
"""Zones from a catalog zone (RFC 9432): how long until they are followed, and what they take.

    python3 bench/zone/catalog.py                       1, 50,000 and 1,000,000 members
    python3 bench/zone/catalog.py --members 1,1000

For each number of members a catalog is written as a snapshot to a real Kafka; then, in a freshetd with one worker and an empty cache:

    followed   from the start of the process until all members are zones of the feed, and its processor time until then
    memory     anonymous memory then, less that with one member; and at most until then
    a change   from when a change set with another member in the place of one is acknowledged until that is followed, and the
               processor time; medians of --rounds

The cost of a hit is measured apart: bench/instructions.py build/hit --zones 1000000.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402,F401
import changes  # noqa: E402
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import process  # noqa: E402

NAME = "catalog.example."
SOA = "invalid. invalid. {} 3600 600 86400 0"
KIB_PER_MIB = 1024


def write_catalog(path, members):
    with open(path, "w", encoding="ascii") as file:
        file.write(f"$ORIGIN {NAME}\n@ 0 SOA {SOA.format(1)}\n@ 0 NS invalid.\nversion 0 TXT \"2\"\n")
        for number in range(members):
            file.write(f"{number:016x}.zones 0 PTR zone{number}.example.com.\n")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid):
    """What is anonymous, and at most resident less what is mapped from files now."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        values = {key: int(value) for key, value in re.findall(r"^(\w+):\s+(\d+) kB$", file.read(), re.M)}
    return values["RssAnon"], values["VmHWM"] - values["RssFile"]


def catalog_of(daemon, name="freshet_catalog_members"):
    """By the metrics, as the status lists every zone. None while the daemon is busy with that."""
    try:
        return daemon.metric(name, zone=NAME)
    except TimeoutError:
        return None


def wait(daemon, members):
    process.eventually(lambda: catalog_of(daemon) == members, within=120, what=f"{members} members")


class Place:
    """A log with a catalog."""

    def __init__(self, cluster, directory, members):
        self.updates, self.snapshots = cluster.topic(), cluster.topic()
        self.serial = 1
        path = os.path.join(directory, "catalog.zone")
        write_catalog(path, members)
        arguments = [freshet.program("freshet"), "snapshot", NAME, "--brokers", self.updates.bootstrap, "--topic",
                     self.updates.name, "--snapshots", self.snapshots.name, "--file", path]
        subprocess.run(arguments, check=True, capture_output=True)
        os.unlink(path)

    def config(self):
        config = freshet.stub([("127.0.0.1", process.free_port())])
        return {**config, "workers": 1, "feed": {"brokers": self.updates.bootstrap, "updates": self.updates.name,
                                                 "snapshots": self.snapshots.name, "catalogs": [NAME]}}

    def change(self):
        self.serial += 1
        self.updates.publish(NAME, [
            changes.delete(f"{self.serial - 2:016x}.zones.{NAME}" if self.serial == 2 else f"more{self.serial - 1}.zones.{NAME}"),
            changes.set_(f"more{self.serial}.zones.{NAME}", "PTR", 0, f"more{self.serial}.example.net."),
            changes.set_(NAME, "SOA", 0, SOA.format(self.serial))], serial=self.serial)


def taken_of(daemon):
    return catalog_of(daemon, "freshet_catalog_taken_total")


def change(place, daemon, rounds):
    """Medians of seconds and of processor seconds."""
    times, cpus = [], []
    for _ in range(rounds):
        cpu, taken = cpu_seconds(daemon.pid), taken_of(daemon)
        place.change()
        began = time.monotonic()
        process.eventually(lambda: (taken_of(daemon) or 0) > taken, within=60)  # pylint: disable=cell-var-from-loop
        times.append(time.monotonic() - began)
        cpus.append(cpu_seconds(daemon.pid) - cpu)
    return statistics.median(times), statistics.median(cpus)


def measure(cluster, members, rounds):
    directory = process.run_directory("catalog")
    place = Place(cluster, directory, members)
    began = time.monotonic()
    daemon = freshet.Freshetd(place.config(), log="info")
    try:
        wait(daemon, members)
        seconds, cpu = time.monotonic() - began, cpu_seconds(daemon.pid)
        anonymous, most = memory_kib(daemon.pid)
        change_seconds, change_cpu = change(place, daemon, rounds)
    finally:
        daemon.stop()
    return {"members": members, "seconds": seconds, "cpu_s": cpu, "anonymous_kib": anonymous, "most_kib": most,
            "change_s": change_seconds, "change_cpu_s": change_cpu}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", default="1,50000,1000000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    cluster = kafka_cluster.connect()
    try:
        rows = [measure(cluster, int(members), arguments.rounds) for members in arguments.members.split(",")]
    finally:
        cluster.stop()
    print("| members | followed after | processor time | memory, more than with the first | at most, meanwhile | a change: after | processor time |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        print(f"| {row['members']:,} | {row['seconds']:.2f} s | {row['cpu_s']:.2f} s "
              f"| {(row['anonymous_kib'] - rows[0]['anonymous_kib']) / KIB_PER_MIB:.0f} MiB "
              f"| {(row['most_kib'] - rows[0]['most_kib']) / KIB_PER_MIB:.0f} MiB "
              f"| {row['change_s'] * 1000:.0f} ms | {row['change_cpu_s'] * 1000:.0f} ms |")
    if arguments.json:
        with open(arguments.json, "w", encoding="ascii") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
