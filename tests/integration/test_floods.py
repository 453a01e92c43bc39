"""What one client sends at will, and what the others notice of it."""

import socket
import threading
import time

import dns.message
import dns.query
import pytest

import freshet
import process
import wire
from process import eventually
from query import addresses

SANITIZED = freshet.build_directory() != "build"
FLOOD = 2_000 if SANITIZED else 8_000  # queries a second
OTHER = "127.0.0.2"                    # whom the others ask from


@pytest.fixture
def silent():
    """A server that says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()


class Flood:
    """Random names below a zone, so many a second, from one address, until the end of the block."""

    def __init__(self, server, zone, rate):
        self._server, self._zone, self._rate = server, zone, rate
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0

    def _run(self):
        with wire.connected(self._server) as sock:
            sock.setblocking(False)
            began = time.monotonic()
            while not self._over.is_set():
                due = int((time.monotonic() - began) * self._rate)
                for self.sent in range(self.sent, due):
                    try:
                        sock.send(wire.query_bytes(f"r{self.sent}.{self._zone}"))
                        sock.recv(4096)
                    except OSError:
                        pass
                time.sleep(0.002)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def ask_from(server, name, source=OTHER, **options):
    host, port = getattr(server, "address", server)
    query = dns.message.make_query(name, "A", **options)
    return dns.query.udp(query, host, port=port, timeout=5, source=source)


def silent_zone(healthy, silent, **cache):
    config = freshet.stub([healthy], cache=cache)
    zone = {"name": "silent.example.", "forward": [freshet.address_text(silent)]}
    config["tiers"][0]["zones"] = [zone]
    return config


@pytest.mark.timeout(120)
def test_random_names_under_a_silent_zone(freshetd, scripted, silent):
    daemon = freshetd(silent_zone(scripted, silent), log="info")
    with Flood(daemon, "silent.example.", FLOOD):
        eventually(lambda: daemon.metric("freshet_displaced_total", tier="os") > 0, within=60)
        slowest = 0
        for i in range(200):
            name = f"n{i}.example.com."
            scripted.set(name, "A", "192.0.2.1")
            began = time.monotonic()
            assert addresses(ask_from(daemon, name)) == ["192.0.2.1"], f"query {i}"
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < (5 if SANITIZED else 1)
    assert daemon.metric("freshet_overloaded_total", tier="os") == 0
    assert daemon.records(msg="no room, the oldest of the biggest holder goes",
                          zone="silent.example.")
    assert len(daemon.records(msg="questions under way make room for others")) < 60
