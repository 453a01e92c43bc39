"""Machines and networks as people have them: dates that jump, other locales, IPv6 alone, clients that use few ids."""

import os
import socket
import struct
import subprocess
import time

import dns.message
import dns.rrset
import pytest

import freshet
import process
import scripted as s
import wire
from query import addresses, ask, rcode
from test_program import reload

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@pytest.fixture(name="server")
def known(scripted):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    return scripted


def stub(upstreams, **options):
    return freshet.stub(upstreams, workers=1, **options)


# --- the date


@pytest.mark.skipif(not os.path.exists(FAKETIME), reason="needs libfaketime")
@pytest.mark.skipif(freshet.build_directory() != "build", reason="a sanitizer's library wants to be loaded first")
def test_dates_that_jump(server, freshetd, rundir, monkeypatch):
    """Set back and forth by hours and years: TTLs, timeouts and retries go by a clock that nobody sets."""
    offset = os.path.join(rundir, "offset")

    def set_clock(text):
        with open(offset, "w", encoding="ascii") as file:
            file.write(text)
    set_clock("+0")
    for name, value in {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": offset, "FAKETIME_NO_CACHE": "1",
                        "FAKETIME_DONT_FAKE_MONOTONIC": "1"}.items():
        monkeypatch.setenv(name, value)
    config = stub([server], sandbox=False)
    daemon = freshetd(config)
    monkeypatch.delenv("LD_PRELOAD")
    server.set("short.example.com.", "A", "192.0.2.3", ttl=2)
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    for number, text in enumerate(("-5h", "+7h", "-20y", "+10y", "+0")):
        before = server.count("www.example.com.")
        set_clock(text)
        year = int(reload(daemon, config)[:4])
        assert abs(year - time.gmtime().tm_year - (int(text[:-1]) if text.endswith("y") else 0)) <= 1
        assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
        assert server.count("www.example.com.") == before, f"{text}: it is still held"
        assert addresses(ask(daemon, "short.example.com.")) == ["192.0.2.3"]
        server.script(f"slow{number}.example.com.", s.sequence(s.drop(), s.lookup))
        server.set(f"slow{number}.example.com.", "A", "192.0.2.4")
        began = time.monotonic()
        assert addresses(ask(daemon, f"slow{number}.example.com.")) == ["192.0.2.4"]
        assert time.monotonic() - began < 3, f"{text}: a lost query is sent again as ever"
    asked = server.count("short.example.com.")
    time.sleep(2.1)
    ask(daemon, "short.example.com.")
    assert server.count("short.example.com.") == asked + 1, "what is over is over"


# --- the locale


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "C.ISO-8859-1", "tr_TR.UTF-8", "xx"])
def test_locales(scripted, freshetd, cli, monkeypatch, locale):
    """What is read and written is the same in each; bytes that are no UTF-8 are refused, not taken for something else."""
    monkeypatch.setenv("LC_ALL", locale)
    scripted.set("xn--bcher-kva.example.com.", "A", "192.0.2.9")
    daemon = freshetd(stub([scripted]))
    assert addresses(ask(daemon, "XN--BCHER-KVA.EXAMPLE.com.")) == ["192.0.2.9"]
    found = cli("lookup", "bücher.example.com", "A", "--control", daemon.control_path)
    assert found.code == 0 and "192.0.2.9" in found.stdout
    refused = subprocess.run([freshet.program("freshet"), "lookup", b"b\xfccher.example.com", "A", "--control",
                              daemon.control_path], capture_output=True, timeout=20, check=False)
    assert refused.returncode == 2 and b"is not a domain name" in refused.stderr
    assert all(byte < 0x7f for byte in refused.stderr), "what is printed harms no terminal"


# --- IPv6 alone


def test_upstreams_of_ipv6_alone(freshetd):
    """By UDP and by TCP, past one that is dead."""
    server = s.Scripted(v6=True)
    dead = ("::1", process.free_port("::1"))
    try:
        for n in range(20):
            server.set(f"n{n}.example.com.", "A", f"192.0.2.{n}")
            server.script(f"n{n}.example.com.", s.truncate() if n % 2 else s.lookup)
        daemon = freshetd(stub([dead, server]))
        for n in range(20):
            assert addresses(ask(daemon, f"n{n}.example.com.")) == [f"192.0.2.{n}"]
        assert {query.transport for query in server.queries} == {"udp", "tcp"}
    finally:
        server.stop()


# --- who answers from elsewhere


def test_an_upstream_that_answers_from_another_address(freshetd):
    """It is nobody's that was asked: not taken, and the one that answers from where it was asked is."""
    right = s.Scripted()
    right.set("www.example.com.", "A", "192.0.2.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        asked.bind(("127.0.0.1", 0))
        elsewhere.bind(("127.0.0.2", asked.getsockname()[1]))
        asked.settimeout(5)
        try:
            daemon = freshetd(stub([asked.getsockname(), right]))
            with wire.connected(daemon) as client:
                client.settimeout(5)
                for n in range(10):
                    right.set(f"n{n}.example.com.", "A", "192.0.2.1")
                    client.send(wire.query_bytes(f"n{n}.example.com."))
                    asked.setblocking(False)
                    until = time.monotonic() + 0.3
                    while time.monotonic() < until:
                        try:
                            query, peer = asked.recvfrom(4096)
                        except BlockingIOError:
                            time.sleep(0.005)
                            continue
                        response = dns.message.make_response(dns.message.from_wire(query))
                        response.answer.append(dns.rrset.from_text(response.question[0].name, 60, "IN", "A", "192.0.2.66"))
                        elsewhere.sendto(response.to_wire(), peer)
                    reply = dns.message.from_wire(client.recv(4096))
                    assert addresses(reply) == ["192.0.2.1"]
        finally:
            right.stop()


# --- clients


def replies(sock, count, within=5.0):
    found, until = [], time.monotonic() + within
    while len(found) < count and time.monotonic() < until:
        sock.settimeout(max(0.01, until - time.monotonic()))
        try:
            found.append(dns.message.from_wire(sock.recv(4096)))
        except TimeoutError:
            break
    return found


@pytest.mark.parametrize("identity", [0, 0x1234, 0xffff])
def test_one_id_for_all_queries(scripted, freshetd, identity):
    """From one port, all at once: each question has its answer."""
    names = [f"n{n}.example.com." for n in range(300)]
    for name in names:
        scripted.set(name, "A", "192.0.2.1")
    scripted.script("*", s.delay(0.2))
    daemon = freshetd(stub([scripted]))
    with wire.connected(daemon) as sock:
        for name in names:
            sock.send(wire.query_bytes(name, identity=identity))
        found = replies(sock, len(names))
    assert {reply.id for reply in found} == {identity}
    assert sorted(str(reply.question[0].name) for reply in found) == sorted(names)
    assert all(addresses(reply) == ["192.0.2.1"] for reply in found)


def test_the_same_query_many_times(server, freshetd):
    """A client that repeats itself asks once upstream, and is answered as often as it has asked."""
    server.script("www.example.com.", s.delay(0.5))
    daemon = freshetd(stub([server]))
    with wire.connected(daemon) as sock:
        for _ in range(200):
            sock.send(wire.query_bytes("www.example.com."))
        assert len(replies(sock, 200)) == 200
    assert server.count("www.example.com.") <= 2, "and once more, as half a second is long"


@pytest.mark.parametrize("name, value", [("qr", 0x8100), ("opcode 3", 0x1900), ("opcode 6", 0x3100), ("opcode 15", 0x7900)])
def test_messages_that_are_no_queries(server, freshetd, name, value):
    """No loop between two servers, and NOTIMP for what nobody has defined (RFC 1035 4.1.1)."""
    daemon = freshetd(stub([server]))
    with wire.connected(daemon) as sock:
        sock.settimeout(0.5)
        sock.send(wire.query_bytes("www.example.com.", flags=value))
        if name == "qr":
            with pytest.raises(TimeoutError):
                sock.recv(4096)
        else:
            flags, = struct.unpack_from("!H", sock.recv(4096), 2)
            assert flags & 0x800f == 0x8004 and flags & 0x7800 == value & 0x7800
    assert rcode(ask(daemon, "www.example.com.")) == "NOERROR" and server.count("www.example.com.") == 1


# --- TCP upstreams that are gone without a word


def test_a_half_open_connection(scripted, freshetd):
    """The server has forgotten the connection, and no packet says so: the next query goes by another one."""
    for n in range(40):
        scripted.set(f"n{n}.example.com.", "A", "192.0.2.1")
    gone = []

    def behave(server, query):
        gone[:] = gone or [query.source]
        return None if query.source in gone else s.lookup(server, query)
    scripted.script("*", s.only("udp", s.truncate(), behave))
    daemon = freshetd(stub([scripted]))
    began = time.monotonic()
    for n in range(10):
        assert addresses(ask(daemon, f"n{n}.example.com.")) == ["192.0.2.1"]
    assert time.monotonic() - began < 4
