#!/usr/bin/python3
"""One client against all others: how the others fare under a flood, with freshet and with Unbound.

    make bench-flood
    make bench-flood FLOOD_ARGS="--only 'random names' --seconds 5"

Each attack (attacks.py) meets a fresh server. The others ask for a new name every few milliseconds by UDP, and by
TCP with a connection for each: first in peace, then under attack, from a network that the attacker is not in. Counted
are those without an answer within 5 s, and the 99th percentile of those with one; of the server its memory, and the processor.

Behind both servers stands one that answers at once, for names below silent.example.com. one that never does, and for
two more a scripted one: slow.example.com. takes two seconds, huge.example.com. has 60,000 bytes.
"""

import argparse
import json
import os
import re
import resource
import socket
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

import attacks  # noqa: E402
import floodpage  # noqa: E402

RATE = 200        # of the others, queries a second by UDP
TCP_EVERY = 0.05  # seconds
PATIENCE = 5.0    # seconds
DESCRIPTORS = 256
MIB = 1 << 20
MORE_ZONES = 'forward-zone:\n    name: "{name}"\n    forward-addr: 127.0.0.1@{port}\n'


class Upstreams:
    """A server that answers at once, one that is silent, one that is slow or has much to say."""

    def __init__(self):
        self.quick = peers.Child("authority", [freshet.program("throughput/authority"), "--port={port}"])
        self._silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._silent.bind(("127.0.0.1", 0))
        self.odd = scripted.Scripted()
        self.odd.set(attacks.HUGE, "TXT", " ".join(['"' + "x" * 250 + '"'] * 240))
        self.odd.script("*", scripted.delay(2, scripted.answer(f"*.{attacks.SLOW} 60 A 192.0.2.1")))
        self.odd.script(attacks.HUGE, scripted.lookup)
        self.zones = {attacks.SILENT: self._silent.getsockname()[1], attacks.SLOW: self.odd.address[1],
                      attacks.HUGE: self.odd.address[1]}

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
    section = {**freshet.tier("os", [("127.0.0.1", port)], size="64MiB"), **tier, "zones": [
        {"name": name, "forward": [f"127.0.0.1:{at}"]} for name, at in upstreams.zones.items()]}
    return freshet.Freshetd({"tiers": [section]}, log="info", files=limit)


class ByTcp(threading.Thread):
    """Connects, asks for a new name, closes; again and again until it is stopped."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self._address, self._ended = address, threading.Event()
        self.waits, self.failed = [], 0
        self.start()

    def run(self):
        number = 0
        while not self._ended.wait(TCP_EVERY):
            number += 1
            began = time.monotonic()
            try:
                self._ask(f"t{number}-{time.time_ns()}.example.net.")
                self.waits.append(time.monotonic() - began)
            except OSError:
                self.failed += 1

    def _ask(self, name):
        with socket.create_connection(self._address, timeout=PATIENCE, source_address=(attacks.CLIENT, 0)) as sock:
            sock.sendall(attacks.framed(attacks.wire(name)))
            reply = sock.recv(4096)
            if len(reply) < 14 or reply[5] & 15:
                raise OSError("no answer")

    def stop(self):
        self._ended.set()
        self.join()


def others(server, seconds):
    """What those who are no attackers get: by UDP and by TCP."""
    by_tcp = ByTcp(server.address)
    done = subprocess.run(attacks.load(
        server, f"--source={attacks.CLIENT}:0", f"--rate={RATE}", "--unique=1", "--suffix=example.net.", "--edns",
        f"--seconds={seconds}", f"--timeout={PATIENCE * 1000:.0f}", f"--first-unique={time.time_ns() // 1000 % 10**14}"),
        capture_output=True, text=True, timeout=seconds + 60, check=True)
    by_tcp.stop()
    told, waits = json.loads(done.stdout), sorted(by_tcp.waits)
    return {"udp": {"asked": told["asked"], "failed": told["asked"] - told["good"], "p99_ms": told["latency_us"]["p99"] / 1e3},
            "tcp": {"asked": len(waits) + by_tcp.failed, "failed": by_tcp.failed,
                    "p99_ms": waits[int(len(waits) * 0.99)] * 1e3 if waits else None}}


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


HEADERS = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
ATTACKS = [  # name, attack(server) -> context, descriptors, whether Unbound has the like
    ("random names, 5,000/s", lambda server: attacks.random_names(server, 5000), None, True),
    ("random names, 20,000/s", lambda server: attacks.random_names(server, 20000), None, True),
    ("1,000 connections, one slow query each", lambda server: attacks.slow_queries(server, 1000), None, True),
    ("1,000 connections that read nothing", lambda server: attacks.unread_answers(server, 1000), None, True),
    (f"{DESCRIPTORS} descriptors, 1,000 connections", lambda server: attacks.idle(server, 1000), DESCRIPTORS, True),
    ("65,536 clients wait for one name", lambda server: attacks.one_name(server, 65536), None, True),
    ("metrics: endless headers", lambda server: attacks.endless_http(
        server.metrics_address, HEADERS, b"X-A: " + b"b" * 1000 + b"\r\n"), None, False),
    ("metrics: endless line", lambda server: attacks.endless_http(
        server.metrics_address, b"GET /", b"b" * 65536), None, False),
    ("metrics: endless body", lambda server: attacks.endless_http(
        server.metrics_address, HEADERS + b"Content-Length: 9000000000\r\n\r\n", b"b" * 65536), None, False),
]


def trial(key, attack, limit, seconds):
    upstreams = Upstreams()
    try:
        server = start(key, upstreams, limit)
        try:
            calm, watch = others(server, seconds), Watch(server.pid)
            log = len(server.log) if key == "freshet" else 0
            with attack(server):
                time.sleep(2)
                attacked = others(server, seconds)
            return {"calm": calm, "attacked": attacked, **watch.stop(),
                    "log_kib": (len(server.log) - log) / 1024 if key == "freshet" else None}
        finally:
            server.kill() if key == "freshet" else server.stop()
    finally:
        upstreams.stop()


def cookies(count):
    """How many queries go to the upstream when so many clients of a tier with `per_client` ask for one name."""
    upstreams = Upstreams()
    name = f"cookies.{attacks.SLOW}"
    try:
        daemon = start("freshet", upstreams, per_client=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(daemon.address)
            for number in range(count):
                query = bytearray(attacks.wire(name, number=number))
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
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--picture", action="store_true", help="also draws bench/flood.svg anew")
    args = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    rows = []
    for name, attack, limit, common in ATTACKS:
        for key in args.servers.split(",") if re.search(args.only, name) else ():
            if key == "freshet" or common:
                rows.append({"attack": name, "server": key, **trial(key, attack, limit, args.seconds)})
                print(floodpage.line(rows[-1]), flush=True)
    asked = cookies(2000) if re.search(args.only, "cookies") else None
    floodpage.write(rows, asked, args.picture)
    assert paths.ROOT


if __name__ == "__main__":
    main()
