#!/usr/bin/python3
"""What a dump of the whole cache costs those who ask meanwhile: latency of hits, and memory.

    make bench-dump DUMP_ARGS="--names 1000000 --rate 100000 --dumps 1"

A freshetd with one worker is filled, and asked for the same names at a steady rate (open loop, latency by the
kernel's time stamps, so that the generator's own delays are not in it); in every second turn, dumps run
without a pause. Turns alternate, since a machine is never the same for long; the figure is the median
of the ratios of neighbours. Whoever takes a dump looks at nothing but its last line: what a client does with
the rows is its own affair.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests", "integration"))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import freshet  # noqa: E402
import process  # noqa: E402

SUFFIX = "bench.example.com."
MIB = 1 << 20


def program(name):
    return os.path.join(process.ROOT, freshet.build_directory(), "throughput", name)


def load(daemon, *options):
    """load.c to its end: its figures."""
    address = freshet.address_text(daemon.address)
    done = subprocess.run([program("load"), f"--server={address}", f"--suffix={SUFFIX}", *options],
                          capture_output=True, text=True, timeout=600, check=True)
    return json.loads(done.stdout)


def fill(daemon, names):
    """Until every name is held; what got lost is asked for again."""
    while daemon.status()["tiers"][0]["answers"] < names:
        load(daemon, f"--known={names}", "--order=each", f"--limit={names}", "--seconds=300", "--window=256")


class Dumper(threading.Thread):
    """Dumps again and again until it is told to stop; counts bytes and rows."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self._path, self._stopping = path, threading.Event()
        self.dumps, self.counts, self.seconds = 0, set(), []
        self.start()

    def run(self):
        while not self._stopping.is_set():
            began = time.monotonic()
            if not self._dump():
                return
            self.seconds.append(time.monotonic() - began)

    def _dump(self):
        """False: it was told to stop before the end."""
        buffer, tail = bytearray(1 << 18), b""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(self._path)
            sock.sendall(b'{"cmd": "dump"}\n')
            while not (tail.endswith(b"\n") and b'{"ok":true,"count":' in tail):
                if self._stopping.is_set():
                    return False
                size = sock.recv_into(buffer)
                if size == 0:
                    raise AssertionError("the dump ended before its end")
                tail = (tail + bytes(buffer[max(0, size - 100):size]))[-100:]
        self.counts.add(json.loads(tail.splitlines()[-1])["count"])
        self.dumps += 1
        return True

    def stop(self):
        self._stopping.set()
        self.join()


class RssWatch(threading.Thread):
    def __init__(self, daemon):
        super().__init__(daemon=True)
        self._server, self._stopping, self.most = daemon, threading.Event(), 0
        self.start()

    def run(self):
        while not self._stopping.wait(0.05):
            self.most = max(self.most, self._server.rss())

    def stop(self):
        self._stopping.set()
        self.join()
        return self.most


def turn(daemon, args, dumps):
    """One measurement with so many dumps at a time."""
    dumpers = [Dumper(daemon.control_path) for _ in range(dumps)]
    try:
        result = load(daemon, f"--known={min(args.names, args.asked)}", f"--rate={args.rate}", "--stamps",
                      f"--burst={args.burst}", f"--seconds={args.seconds}")
    finally:
        for dumper in dumpers:
            dumper.stop()
    if result["bad"]:
        raise AssertionError(f"wrong answers: {result['bad_rcodes']}")
    row = {quantile: result["latency_us"][quantile] for quantile in ("p50", "p90", "p99", "p999")}
    row |= {"dumping": dumps, "qps": result["qps"], "slice_p99": result["slice_us"]["p99"], "lost": result["lost"],
            "dumps": sum(dumper.dumps for dumper in dumpers),
            "dump_s": statistics.median([s for dumper in dumpers for s in dumper.seconds] or [0])}
    wrong = {count for dumper in dumpers for count in dumper.counts} - {args.names}
    if wrong:
        raise AssertionError(f"a dump of {wrong} of {args.names} answers")
    return row


def print_row(row):
    print(f"  {row['dumping']} dumps at a time: p50 {row['p50']:7.0f}  p90 {row['p90']:7.0f}  p99 {row['p99']:8.0f}"
          f"  p99.9 {row['p999']:8.0f}  middle p99 {row['slice_p99']:7.0f} us   {row['qps']:8.0f} hits/s"
          f"  {row['lost']} lost   {row['dumps']} dumps of {row['dump_s']:.1f} s", flush=True)


def measure(daemon, args):
    fill(daemon, args.names)
    turn(daemon, args, 0)
    before, watch, ratios = daemon.rss(), RssWatch(daemon), []
    for _ in range(args.turns):
        without, dumping = turn(daemon, args, 0), turn(daemon, args, args.dumps)
        print_row(without)
        print_row(dumping)
        ratios.append(dumping["p99"] / without["p99"])
    grown = watch.stop() - before
    return {"p99_ratio": statistics.median(ratios), "p99_ratios": ratios, "rss_mib": grown / MIB}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--asked", type=int, default=10_000, help="of the names, while dumps run")
    parser.add_argument("--rate", type=int, default=100_000, help="queries a second")
    parser.add_argument("--burst", type=int, default=10, help="queries that are due at a time")
    parser.add_argument("--seconds", type=float, default=10, help="of a turn")
    parser.add_argument("--turns", type=int, default=5, help="of each kind")
    parser.add_argument("--dumps", type=int, default=1, help="at a time")
    parser.add_argument("--bar", type=float, default=1.5, help="for the ratio of hits' p99, with and without")
    parser.add_argument("--rss", type=float, default=16, help="MiB that dumps may take")
    return parser.parse_args()


def main():
    args = arguments()
    port = process.free_port()
    authority = process.Process("authority", [program("authority"), f"--port={port}"])
    authority.wait_ready(lambda: "ready" in authority.output("stdout"), 5)
    config = freshet.stub([("127.0.0.1", port)], workers=1, cache={"size": f"{max(64, args.names // 2000)} MiB"})
    daemon = freshet.Freshetd(config)
    try:
        result = measure(daemon, args)
    finally:
        daemon.stop()
        authority.stop()
    print(f"hits' p99 with {args.dumps} dumps of {args.names} answers, over without: {result['p99_ratio']:.2f}"
          f" (bar {args.bar}); RSS +{result['rss_mib']:.1f} MiB (bar {args.rss})")
    return result["p99_ratio"] > args.bar or result["rss_mib"] > args.rss


if __name__ == "__main__":
    sys.exit(main())
