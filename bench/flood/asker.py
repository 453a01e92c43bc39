"""One of those who are no attackers, by TCP: asker.py HOST PORT SECONDS.

Connects, asks for a new name, closes; again and again. Says how many were asked, how many got nothing within
PATIENCE, and the 99th percentile of the others' time.
"""

import json
import socket
import sys
import time

from queries import CLIENT, framed, wire

EVERY = 0.05    # seconds
PATIENCE = 5.0  # seconds


def ask(address, name):
    with socket.create_connection(address, timeout=PATIENCE, source_address=(CLIENT, 0)) as sock:
        sock.sendall(framed(wire(name)))
        reply = sock.recv(4096)
        if len(reply) < 14 or reply[5] & 15:
            raise OSError("no answer")


def main(host, port, seconds):
    until, waits, failed = time.monotonic() + float(seconds), [], 0
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            ask((host, int(port)), f"t{time.time_ns()}.example.net.")
            waits.append(time.monotonic() - began)
        except OSError:
            failed += 1
        time.sleep(EVERY)
    waits.sort()
    print(json.dumps({"asked": len(waits) + failed, "failed": failed,
                      "p99_ms": waits[int(len(waits) * 0.99)] * 1e3 if waits else None}))


if __name__ == "__main__":
    main(*sys.argv[1:])
