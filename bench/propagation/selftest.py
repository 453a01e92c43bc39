"""That the probe measures what is there: a server of known lateness, and servers with one fault each.

    python3 bench/propagation/selftest.py

The server takes the probe's dynamic updates and answers its queries, with each version exactly so
many milliseconds after it came. Needs no Kafka; takes some seconds.
"""

import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402,F401  pylint: disable=unused-import
import figures  # noqa: E402
import freshet  # noqa: E402

LABEL = re.compile(rb"\x06(n\d{5})")
BACK_FROM, BACK_UNTIL = 0.015, 0.03  # seconds after a change, when a faulty server gives the old again
TOLERANCE_MS = 3.0  # distance of two questions, the way there and back, and this server's own


class Server(threading.Thread):
    """Primary and tier in one. `late` is in seconds; None: it never has what is new."""

    def __init__(self, late, fault=False):
        super().__init__(daemon=True)
        self._late, self._fault = late, fault
        self._versions = {}  # name -> [(when, version)]
        self._over = threading.Event()
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for sock in self.sockets:
            sock.bind(("127.0.0.1", 0))
        self.primary, self.tier = [sock.getsockname() for sock in self.sockets]

    def run(self):
        while not self._over.is_set():
            for sock in select.select(self.sockets, [], [], 0.2)[0]:
                query, client = sock.recvfrom(2048)
                now = time.monotonic()
                act = self._update if sock is self.sockets[0] else self._answer
                sock.sendto(act(query, now), client)

    def stop(self):
        self._over.set()
        self.join()
        for sock in self.sockets:
            sock.close()

    def _update(self, query, now):
        """Its last three bytes are the version."""
        name = LABEL.search(query)[1]
        self._versions.setdefault(name, []).append((now, int.from_bytes(query[-3:], "big")))
        return query[:2] + b"\xa8\x00" + query[4:12]

    def _version(self, name, now):
        version = int(name[1:]) + 1  # the first
        before = version
        for when, number in self._versions.get(name, []):
            if self._late is not None and now >= when + self._late:
                back = self._fault and BACK_FROM < now - when < BACK_UNTIL
                before, version = version, version if back else number
        return version

    def _answer(self, query, now):
        version = self._version(LABEL.search(query)[1], now)
        end = query.index(b"\0\0\1\0\1", 12) + 5
        record = b"\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\x0a" + version.to_bytes(3, "big")
        return query[:2] + b"\x84\x00\0\1\0\1\0\0\0\0" + query[12:end] + record


def run(late, fault=False):
    """What the probe made of it: the samples of the one tier."""
    server = Server(late, fault)
    server.start()
    try:
        done = subprocess.run(
            [freshet.program("propagation/probe"), f"--primary=127.0.0.1:{server.primary[1]}",
             f"--tier=name=fake,address=127.0.0.1:{server.tier[1]}", "--names=50", "--changes=40",
             "--sweep=50", "--settle=200", "--seconds=3", "--horizon=600"],
            capture_output=True, text=True, timeout=60, check=True)
    finally:
        server.stop()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    changes = [line for line in lines if line["type"] == "change"]
    return figures.tier_samples(changes, 0, None)


def expect(what, good, seen):
    print(f"  {'ok    ' if good else 'FAILED'}  {what}: {seen}")
    return good


def main():
    results = []
    for late in (0.002, 0.02, 0.3):
        new = run(late)["new"]
        least, median = min(new) / 1000, figures.quantile(new, 0.5) / 1000
        slack = TOLERANCE_MS + 0.15 * late * 1000
        results.append(expect(f"late by {late * 1000:g} ms",
                              late * 1000 <= least and median <= late * 1000 + slack,
                              f"{least:.2f} ms at least, {median:.2f} ms in the middle"))
    back = run(0.002, fault=True)["old_after_new"]
    results.append(expect("the old answer comes back", len(back) > 30, f"{len(back)} times"))
    steady = run(0.002)["old_after_new"]
    results.append(expect("it does not", len(steady) == 0, f"{len(steady)} times"))
    never = run(None)["new"]
    results.append(expect("nothing new ever", all(value is None for value in never),
                          f"{len(never)} changes"))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
