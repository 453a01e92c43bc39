#!/usr/bin/python3
"""One client against all others: how the others fare under a flood, with freshet and with Unbound.

    make bench-flood
    make bench-flood FLOOD_ARGS="--only 'random names' --seconds 5"

Each attack (attacks.py) meets a fresh server, in every turn. The others ask by UDP, for new names and for names that are
in the cache, and by TCP with a connection for each, from a network that the attacker is not in: in peace, then under attack
from its first query on. Counted are those without an answer within 5 s; of the 99th percentiles of those with one, the
median over the turns; of the server its memory, before, at most, and some seconds after the last attack, and the processor.
A latency by UDP is from the call that sends the query until the kernel has the answer.

A server that only sends back what comes (echo) says what of it is the machine's. Where that is permitted, the server, the
authority and the others have real-time priority, so that nobody waits for a processor that somebody else has.

Behind both servers stands one that answers at once, for names below silent.example.com. one that never does, and for
two more a scripted one: slow.example.com. takes two seconds, huge.example.com. has 60,000 bytes.
"""

import argparse
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "common")]

# pylint: disable=wrong-import-position
import paths  # noqa: E402
import freshet  # noqa: E402
import peers  # noqa: E402
import scripted  # noqa: E402
import usage  # noqa: E402

import asker  # noqa: E402
import attacks  # noqa: E402
import floodpage  # noqa: E402
import queries  # noqa: E402

RATE = 500        # of the others, queries a second by UDP for new names, and as many for names that are held
HELD = 500        # such names
AFTER = 8.0       # seconds after the last one, until memory is looked at
MIB = 1 << 20
MORE_ZONES = 'forward-zone:\n    name: "{name}"\n    forward-addr: 127.0.0.1@{port}\n'


class Upstreams:
    """A server that answers at once, one that is silent, one that is slow or has much to say."""

    def __init__(self):
        self.quick = peers.Child("authority", [freshet.program("throughput/authority"), "--port={port}"])
        self._silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._silent.bind(("127.0.0.1", 0))
        self.odd = scripted.Scripted()
        self.odd.set(queries.HUGE, "TXT", " ".join(['"' + "x" * 250 + '"'] * 240))
        self.odd.script("*", scripted.delay(2, scripted.answer(f"*.{queries.SLOW} 60 A 192.0.2.1")))
        self.odd.script(queries.HUGE, scripted.lookup)
        self.zones = {queries.SILENT: self._silent.getsockname()[1], queries.SLOW: self.odd.address[1],
                      queries.HUGE: self.odd.address[1]}

    def stop(self):
        self.quick.stop()
        self._silent.close()
        self.odd.failures.clear()
        self.odd.stop()


REAL_TIME = ["chrt", "--fifo", "20"]
MAY_HURRY = subprocess.run([*REAL_TIME, "true"], check=False, capture_output=True).returncode == 0


def hurry(pid):
    """All threads of a process come before others', where that is permitted."""
    if MAY_HURRY:
        subprocess.run(["chrt", "--all-tasks", "--fifo", "--pid", REAL_TIME[-1], str(pid)], check=True)


def start(key, upstreams, limit=None, **tier):
    """With so many descriptors, where a `limit` is given."""
    if key == "echo":
        return peers.Child("echo", [freshet.program("throughput/echo"), "--port={port}"])
    port, prefix = upstreams.quick.address[1], ["prlimit", f"--nofile={limit}:{limit}"] if limit else []
    if key == "unbound":
        return peers.forwarder("unbound", port, size=64 * MIB, prefix=prefix, ready=lambda server: os.path.exists(server.control_path),
                               more="".join(MORE_ZONES.format(name=name, port=at) for name, at in upstreams.zones.items()))
    section = {**freshet.tier("os", [("127.0.0.1", port)], size="64MiB"), **tier, "routes": [
        {"name": name, "forward": [f"127.0.0.1:{at}"]} for name, at in upstreams.zones.items()]}
    return freshet.Freshetd({"tiers": [section]}, log="info", files=limit)


def asking(server, seconds, *names, echo=False):
    """The generator, as one of the others."""
    return subprocess.Popen([*(REAL_TIME if MAY_HURRY else ()), *attacks.load(
        server, f"--source={queries.CLIENT}:0", "--edns", f"--rate={RATE}", "--stamps", f"--seconds={seconds}",
        f"--timeout={asker.PATIENCE * 1000:.0f}", *(["--echo"] if echo else []), *names)], stdout=subprocess.PIPE, text=True)


def held(*order):
    return [f"--known={HELD}", "--suffix=held.example.net.", *order]


def came_to(generator, seconds):
    told = json.loads(generator.communicate(timeout=seconds + 60)[0])
    return {"asked": told["asked"], "failed": told["asked"] - told["good"], "p99_ms": told["latency_us"]["p99"] / 1e3}


def others(server, seconds, echo):
    """What those who are no attackers get: by UDP, for new names and held ones, and by TCP."""
    by_tcp = None if echo else subprocess.Popen(
        [*(REAL_TIME if MAY_HURRY else ()), sys.executable, os.path.join(HERE, "asker.py"), *map(str, server.address), str(seconds)],
        stdout=subprocess.PIPE, text=True)
    new = asking(server, seconds, "--unique=1", "--suffix=example.net.", f"--first-unique={time.time_ns() // 1000 % 10**14}", echo=echo)
    hits = asking(server, seconds, *held(), echo=echo)
    found = {"udp": came_to(new, seconds), "hit": came_to(hits, seconds)}
    return {**found, "tcp": json.loads(by_tcp.communicate(timeout=seconds + 60)[0])} if by_tcp else found


def all_turns(turns):
    """Of several others()."""
    return {way: {"asked": sum(turn[way]["asked"] for turn in turns), "failed": sum(turn[way]["failed"] for turn in turns),
                  "p99_ms": statistics.median([turn[way]["p99_ms"] or asker.PATIENCE * 1e3 for turn in turns])}
            for way in turns[0]}


class Watch(threading.Thread):
    """The largest that a process gets, and what it uses of a processor."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self._pid, self._ended = pid, threading.Event()
        self._began, self._cpu = time.monotonic(), usage.cpu_seconds(pid)
        self.most = self.first = usage.field(f"/proc/{pid}/status", "VmRSS") * 1024
        self.start()

    def run(self):
        while not self._ended.wait(0.05):
            self.most = max(self.most, usage.field(f"/proc/{self._pid}/status", "VmRSS") * 1024)

    def stop(self):
        self._ended.set()
        self.join()
        return {"rss_before_mib": self.first / MIB, "rss_most_mib": self.most / MIB,
                "cpu": (usage.cpu_seconds(self._pid) - self._cpu) / (time.monotonic() - self._began)}


def rss(server):
    return usage.field(f"/proc/{server.pid}/status", "VmRSS") * 1024


def in_peace_and_attacked(server, attack, seconds, echo):
    """others() of each, and how much an attacker did in a second."""
    came_to(asking(server, 2 * HELD / RATE, *held("--order=each"), echo=echo), seconds)
    calm, lasts = others(server, seconds, echo), seconds + 1
    with attack(server, lasts) as attacker:
        attacked = others(server, seconds, echo)
        return calm, attacked, json.loads(attacker.communicate(timeout=60)[0])["asked"] / lasts


def one_turn(key, attack, limit, seconds):
    """With a server of its own."""
    upstreams = Upstreams()
    try:
        server = start(key, upstreams, limit)
        try:
            hurry(upstreams.quick.pid)
            hurry(server.pid)
            watch = Watch(server.pid)
            log = len(server.log) if key == "freshet" else 0
            calm, attacked, sent = in_peace_and_attacked(server, attack, seconds, key == "echo")
            found = {"calm": calm, "attacked": attacked, "sent": sent, **watch.stop(),
                     "log_kib": (len(server.log) - log) / 1024 if key == "freshet" else None}
            time.sleep(0 if key == "echo" else AFTER)
            return {**found, "rss_after_mib": rss(server) / MIB}
        finally:
            server.kill() if key == "freshet" else server.stop()
    finally:
        upstreams.stop()


def trial(key, attack, limit, turns, seconds):
    each = [one_turn(key, attack, limit, seconds) for _ in range(turns)]
    middle = {name: statistics.median(turn[name] for turn in each) for name in ("sent", "cpu", "rss_before_mib", "rss_after_mib")}
    return {**middle, "rss_most_mib": max(turn["rss_most_mib"] for turn in each),
            "calm": all_turns([turn["calm"] for turn in each]), "attacked": all_turns([turn["attacked"] for turn in each]),
            "log_kib": max(turn["log_kib"] for turn in each) if key == "freshet" else None, "turns": each}


def cookies(count):
    """How many queries go to the upstream when so many clients of a tier with `per_client` ask for one name."""
    upstreams = Upstreams()
    name = f"cookies.{queries.SLOW}"
    try:
        daemon = start("freshet", upstreams, per_client=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(daemon.address)
            for number in range(count):
                query = bytearray(queries.wire(name, number=number))
                query[11] = 1
                sock.send(bytes(query) + b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08" + number.to_bytes(8, "big"))
                time.sleep(0.0002)
            time.sleep(3)
        asked = upstreams.odd.count(name)
        daemon.kill()
        return asked
    finally:
        upstreams.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="attacks whose name has this (a regular expression)")
    parser.add_argument("--servers", default="echo,freshet,unbound")
    parser.add_argument("--turns", type=int, default=3, help="each in peace and under attack")
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--picture", action="store_true", help="also draws bench/flood.svg anew")
    args = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    rows = []
    for name, attack, limit, servers in attacks.ALL:
        for key in args.servers.split(",") if re.search(args.only, name) else ():
            if key in servers:
                rows.append({"attack": name, "server": key, **trial(key, attack, limit, args.turns, args.seconds)})
                print(floodpage.line(rows[-1]), flush=True)
    asked = cookies(2000) if re.search(args.only, "cookies") else None
    floodpage.write(rows, asked, args.picture)
    assert paths.ROOT


if __name__ == "__main__":
    main()
