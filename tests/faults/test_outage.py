"""Short outages: the only upstream falls silent for a moment, again and again, under names that nobody has yet.

What could have been answered within `resolve_timeout` is answered: an upstream that was silent when a question came and
is there before the client's time is over is no failure. Nobody waits much longer than the outage lasts.
"""

import random
import socket
import struct
import threading
import time

import pytest

import freshet
import process
from scripted import HEADER

RATE = 500              # queries a second, each for another name
RUN = 8.0               # seconds from the first outage's begin to the last question
RESOLVE_TIMEOUT = 5.0   # the default
MARGIN = 0.5            # seconds that an answer may take beyond the outage

ANSWER = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 3600, 4) + b"\xc0\0\2\1"


class Flapping(threading.Thread):
    """Has an address for every name, except while it is silent: [(from, to)], time.monotonic()."""

    def __init__(self):
        super().__init__(daemon=True)
        self.address = ("127.0.0.1", process.free_port())
        self.silences, self.queries = [], 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(self.address)
        self._socket.settimeout(0.1)
        self._ended = False
        self.start()

    def silent(self, now):
        return any(start <= now < end for start, end in self.silences)

    def run(self):
        while not self._ended:
            try:
                wire, source = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            self.queries += 1
            if not self.silent(time.monotonic()):
                self._socket.sendto(self._answer(wire), source)

    @staticmethod
    def _answer(wire):
        end = wire.index(b"\0", HEADER) + 5
        return wire[:2] + b"\x85\x80" + struct.pack("!4H", 1, 1, 0, 0) + wire[HEADER:end] + ANSWER

    def stop(self):
        self._ended = True
        self.join()
        self._socket.close()


class Asker(threading.Thread):
    """Asks for a new name RATE times a second, once each, and hears what comes."""

    def __init__(self, address, rate, seconds):
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.connect(address)
        self._rate, self._count = rate, int(rate * seconds)
        self.sent, self.told = {}, {}  # number -> when; number -> (when, rcode)
        self.start()

    def _hear(self, until):
        """What comes before that time, at least what is there."""
        while True:
            self._socket.settimeout(max(0.0001, until - time.monotonic()))
            try:
                reply = self._socket.recv(4096)
            except (TimeoutError, BlockingIOError):
                return
            self.told[struct.unpack_from("!H", reply)[0]] = (time.monotonic(), reply[3] & 15)

    def run(self):
        began = time.monotonic()
        for number in range(self._count):
            self._hear(began + number / self._rate)
            name = b"q%d" % number
            self._socket.send(struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + bytes([len(name)]) + name
                              + b"\7example\3com\0\0\1\0\1")
            self.sent[number] = time.monotonic()
        end = time.monotonic() + RESOLVE_TIMEOUT + 2
        while len(self.told) < self._count and time.monotonic() < end:
            self._hear(time.monotonic() + 0.1)
        self._socket.close()


def moments(length, chance):
    """Silences of that length, far enough from one another that each can be made up for."""
    now, end, found = time.monotonic(), time.monotonic() + RUN, []
    while (start := now + chance.uniform(0.3, 1.5)) + length < end:
        found.append((start, start + length))
        now = start + length + 1
    return found


@pytest.fixture
def flapping():
    made = Flapping()
    yield made
    made.stop()


@pytest.fixture
def daemon(flapping):
    made = freshet.Freshetd(freshet.stub([flapping]), log="info")
    yield made
    made.close()


@pytest.mark.parametrize("length", [0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 4.0])
def test_fault_outage(flapping, daemon, length, capsys):
    flapping.silences = moments(length, random.Random(int(length * 10)))
    asker = Asker(daemon.address, RATE, RUN)
    asker.join()
    failed = [number for number in asker.sent if asker.told.get(number, (0, -1))[1] != 0]
    waits = sorted(asker.told[number][0] - asker.sent[number] for number in asker.told)
    p99 = waits[int(len(waits) * 0.99)]
    with capsys.disabled():
        print(f"\n  outages of {length:g} s: {len(asker.sent)} names, {len(failed)} failed, p99 {p99:.2f} s, "
              f"longest {waits[-1]:.2f} s, {flapping.queries} packets to the upstream")
    assert len(flapping.silences) > 0 and len(asker.sent) == RATE * RUN
    assert not failed, f"{len(failed)} of {len(asker.sent)}: {failed[:5]}"
    assert p99 <= length + MARGIN
