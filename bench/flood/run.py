#!/usr/bin/python3
"""One client against all others: how the others fare under a flood, with freshet and with Unbound.

    make bench-flood
    make bench-flood FLOOD_ARGS="--only 'random names' --seconds 5"

Each attack (attacks.py) meets a fresh server. The others ask for a new name every few milliseconds by UDP, and by
TCP with a connection for each, from a network that the attacker is not in: in peace, then under attack, and so on in
turns. Counted are those without an answer within 5 s; of the 99th percentiles of those with one, the median over the
turns; of the server its memory, before, at most, and some seconds after the last attack, and the processor.

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

RATE = 200        # of the others, queries a second by UDP
AHEAD = 2.0       # seconds that an attack has before the others are counted
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


def start(key, upstreams, limit=None, **tier):
    """With so many descriptors, where a `limit` is given."""
    port, prefix = upstreams.quick.address[1], ["prlimit", f"--nofile={limit}:{limit}"] if limit else []
    if key == "unbound":
        return peers.forwarder("unbound", port, size=64 * MIB, prefix=prefix, ready=lambda server: os.path.exists(server.control_path),
                               more="".join(MORE_ZONES.format(name=name, port=at) for name, at in upstreams.zones.items()))
    section = {**freshet.tier("os", [("127.0.0.1", port)], size="64MiB"), **tier, "routes": [
        {"name": name, "forward": [f"127.0.0.1:{at}"]} for name, at in upstreams.zones.items()]}
    return freshet.Freshetd({"tiers": [section]}, log="info", files=limit)


def others(server, seconds):
    """What those who are no attackers get: by UDP and by TCP."""
    with subprocess.Popen([sys.executable, os.path.join(HERE, "asker.py"), *map(str, server.address), str(seconds)],
                          stdout=subprocess.PIPE, text=True) as by_tcp:
        done = subprocess.run(attacks.load(
            server, f"--source={queries.CLIENT}:0", f"--rate={RATE}", "--unique=1", "--suffix=example.net.", "--edns",
            f"--seconds={seconds}", f"--timeout={asker.PATIENCE * 1000:.0f}",
            f"--first-unique={time.time_ns() // 1000 % 10**14}"),
            capture_output=True, text=True, timeout=seconds + 60, check=True)
        tcp = json.loads(by_tcp.communicate(timeout=seconds + 60)[0])
    told = json.loads(done.stdout)
    return {"udp": {"asked": told["asked"], "failed": told["asked"] - told["good"], "p99_ms": told["latency_us"]["p99"] / 1e3},
            "tcp": tcp}


def all_turns(turns):
    """Of several others()."""
    return {way: {"asked": sum(turn[way]["asked"] for turn in turns), "failed": sum(turn[way]["failed"] for turn in turns),
                  "p99_ms": statistics.median([turn[way]["p99_ms"] or asker.PATIENCE * 1e3 for turn in turns])}
            for way in ("udp", "tcp")}


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


def in_turns(server, attack, turns, seconds):
    """In peace and under attack: others() of each, and how much an attacker did in a second."""
    calm, attacked, sent = [], [], 0
    for _ in range(turns):
        calm.append(others(server, seconds))
        lasts = AHEAD + seconds + 1
        with attack(server, lasts) as attacker:
            time.sleep(AHEAD)
            attacked.append(others(server, seconds))
            sent += json.loads(attacker.communicate(timeout=60)[0])["asked"] / lasts / turns
    return {"calm": all_turns(calm), "attacked": all_turns(attacked), "sent": sent}


def trial(key, attack, limit, turns, seconds):
    upstreams = Upstreams()
    try:
        server = start(key, upstreams, limit)
        try:
            watch = Watch(server.pid)
            log = len(server.log) if key == "freshet" else 0
            found = {**in_turns(server, attack, turns, seconds), **watch.stop(),
                     "log_kib": (len(server.log) - log) / 1024 if key == "freshet" else None}
            time.sleep(AFTER)
            return {**found, "rss_after_mib": rss(server) / MIB}
        finally:
            server.kill() if key == "freshet" else server.stop()
    finally:
        upstreams.stop()


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
    parser.add_argument("--servers", default="freshet,unbound")
    parser.add_argument("--turns", type=int, default=3, help="in peace and under attack")
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--picture", action="store_true", help="also draws bench/flood.svg anew")
    args = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    rows = []
    for name, attack, limit, common in attacks.ALL:
        for key in args.servers.split(",") if re.search(args.only, name) else ():
            if key == "freshet" or common:
                rows.append({"attack": name, "server": key, **trial(key, attack, limit, args.turns, args.seconds)})
                print(floodpage.line(rows[-1]), flush=True)
    asked = cookies(2000) if re.search(args.only, "cookies") else None
    floodpage.write(rows, asked, args.picture)
    assert paths.ROOT


if __name__ == "__main__":
    main()
