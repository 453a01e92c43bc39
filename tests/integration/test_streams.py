"""Whoever connects and takes more than a share: by TCP, to the metrics, to the control socket. The others are served."""

import contextlib
import socket
import struct
import time

import dns.message
import pytest

import freshet
import process
import scripted as scripts
from query import ask

MEBI = 1 << 20
SLOW = "slow.example.com."
BIG = "big.example.com."


@pytest.fixture
def upstream(scripted):
    """Answers quickly but for SLOW names, which wait for ever; BIG has 12 kB."""
    scripted.set("www.example.com.", "A", "192.0.2.1")
    scripted.set(BIG, "TXT", *[f'"{n:03} {"x" * 200}"' for n in range(60)])
    scripted.script(SLOW, scripts.drop())
    return scripted


def wire(name, rtype="A", **options):
    message = dns.message.make_query(name, rtype, **options).to_wire()
    return struct.pack("!H", len(message)) + message


@contextlib.contextmanager
def connections(address, count, source=lambda n: "127.0.0.1", first=lambda n: b""):
    """`count` sockets to `address`, the n-th from source(n), and first(n) is sent; without those that were refused."""
    sockets = []
    for n in range(count):
        with contextlib.suppress(OSError):
            sockets.append(socket.create_connection(address, 5, (source(n), 0)))
            send(sockets[-1], first(n))
    try:
        yield sockets
    finally:
        for sock in sockets:
            sock.close()


def send(sock, data):
    """Whether all of it went, at once."""
    try:
        return sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) == len(data)
    except OSError:
        return False


def over_tcp(daemon, name="www.example.com.", source="127.0.0.9"):
    """Whether a client on its own address gets an answer over a connection of its own, within two seconds."""
    try:
        with socket.create_connection(daemon.address, 2, (source, 0)) as sock:
            sock.sendall(wire(name))
            return len(sock.recv(4096)) > 12
    except OSError:
        return False


def few_places(freshetd, upstream, **more):
    return freshetd(freshet.stub([upstream], workers=1, **{"tcp_clients": 50, **more}))


# --- places


@pytest.mark.parametrize("sources", [1, 60], ids=["one client", "many clients"])
def test_slow_queries_on_every_place(upstream, freshetd, sources):
    daemon = few_places(freshetd, upstream)
    with connections(daemon.address, 60, lambda n: f"127.0.1.{1 + n % sources}", lambda n: wire(SLOW)):
        assert all(over_tcp(daemon) for _ in range(20))
        assert daemon.metric("freshet_tcp_connections") <= 50
        assert daemon.metric("freshet_tcp_busy_for_room_total") > 0
    daemon.wait_log("counter=freshet_tcp_busy_for_room_total")
    assert len(daemon.records(counter="freshet_tcp_busy_for_room_total")) <= 5


def test_one_who_waits_is_not_closed_for_a_crowd(upstream, freshetd):
    """The places of one client are room for others, and not the other way round."""
    gate = scripts.Gate()
    upstream.script("late.example.com.", scripts.hold(gate))
    daemon = few_places(freshetd, upstream)
    with connections(daemon.address, 1, lambda n: "127.0.0.7", lambda n: wire("late.example.com.")) as (patient,), \
            connections(daemon.address, 200, lambda n: "127.0.0.8", lambda n: wire(SLOW)):
        gate.open()
        patient.settimeout(5)
        assert len(patient.recv(4096)) > 12


def test_half_messages_and_single_bytes(upstream, freshetd):
    daemon = few_places(freshetd, upstream, tcp_idle="1s")
    query = wire("www.example.com.")
    with connections(daemon.address, 40) as held:
        end = time.monotonic() + 4
        at = 0
        while time.monotonic() < end and at < len(query) - 1:
            for sock in held:
                send(sock, query[at:at + 1])
            at += 1
            assert over_tcp(daemon)
            time.sleep(0.2)
    assert daemon.metric("freshet_tcp_slow_total") == 40


def test_zero_lengths_and_comers_and_goers(upstream, freshetd):
    daemon = few_places(freshetd, upstream)
    with connections(daemon.address, 5) as held:
        for _ in range(50):
            for sock in held:
                send(sock, b"\0\0" * 4096)
            with connections(daemon.address, 20):
                pass
            assert over_tcp(daemon)
    process.eventually(lambda: daemon.metric("freshet_tcp_connections") == 0, 5,
                       what="no connection is left")


# --- bytes


def test_who_asks_much_and_reads_nothing(upstream, freshetd):
    """Two hundred of them, each with more answers to come than a socket takes."""
    daemon = few_places(freshetd, upstream, tcp_clients=300)
    assert over_tcp(daemon)
    ask(daemon, BIG, "TXT", tcp=True)
    before = daemon.rss()
    with connections(daemon.address, 200) as held:
        for sock in held:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(30):
            for sock in held:
                send(sock, wire(BIG, "TXT") * 20)
            assert over_tcp(daemon)
            assert daemon.rss() - before < 64 * MEBI
        print(f"RSS grew by {(daemon.rss() - before) / MEBI:.0f} MiB")


def test_late_answers_are_bounded_as_well(upstream, freshetd):
    """They wait for one big answer, which then comes to all of them at once."""
    gate = scripts.Gate()
    upstream.script(BIG, scripts.hold(gate))
    daemon = few_places(freshetd, upstream, tcp_clients=300)
    before = daemon.rss()
    with connections(daemon.address, 100) as held:
        for sock in held:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            send(sock, wire(BIG, "TXT") * 100)
        process.eventually(lambda: daemon.metric("freshet_tcp_queries_total") >= 9000, 5,
                           what="they all wait")
        gate.open()
        process.eventually(lambda: daemon.metric("freshet_tcp_for_bytes_total") > 0, 5,
                           what="some are closed")
        assert over_tcp(daemon)
        assert daemon.rss() - before < 96 * MEBI
        print(f"RSS grew by {(daemon.rss() - before) / MEBI:.0f} MiB")
    daemon.wait_log("counter=freshet_tcp_for_bytes_total")
