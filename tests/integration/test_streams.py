"""Whoever connects and takes more than a share: by TCP, to the metrics, to the control socket. The others are served."""

import contextlib
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import time

import dns.edns
import dns.message
import dns.rcode
import pytest

import freshet
import process
import scripted as scripts
from query import ask

MEBI = 1 << 20
ROOM = MEBI if freshet.build_directory() == "build" else 4 * MEBI  # sanitizers keep what is freed
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


@contextlib.contextmanager
def controls(path, count):
    """So many connections to a control socket; those that are not taken at once are left out."""
    sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(count)]
    for sock in sockets:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.connect(path)
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


def logged(daemon):
    """A function: the sum that the log has told of a counter."""
    return lambda counter: sum(int(line["count"]) for line in daemon.records(counter=counter))


def few_places(freshetd, upstream, **more):
    return freshetd(freshet.stub([upstream], workers=1, **{"tcp_clients": 50, **more}))


# --- places


@pytest.mark.parametrize("sources", [1, 60], ids=["one client", "many clients"])
def test_slow_queries_on_every_place(upstream, freshetd, sources):
    daemon = few_places(freshetd, upstream)
    with connections(daemon.address, 60, lambda n: f"127.0.1.{1 + n % sources}", lambda n: wire(SLOW)):
        assert all(over_tcp(daemon) for _ in range(20))
        assert daemon.metric("freshet_tcp_connections") <= 50
    closed = [f"freshet_tcp_{state}_for_room_total" for state in ("idle", "busy")]
    assert sum(map(daemon.metric, closed)) >= 10
    process.eventually(lambda: sum(map(logged(daemon), closed)) >= 10, what="what was closed is logged")
    assert len(daemon.records(counter=closed[0])) <= 5 and len(daemon.records(counter=closed[1])) <= 5


def test_ipv6_clients_are_networks_too(upstream, freshetd):
    daemon = freshetd({"workers": 1, "tcp_clients": 20, "tiers": [
        {**freshet.tier("os", [upstream]), "listen": [f"[::1]:{process.free_port('::1')}"]}]})
    with connections(daemon.address, 30, lambda n: "::1", lambda n: wire(SLOW)):
        assert all(over_tcp(daemon, source="::1") for _ in range(10))
        assert daemon.metric("freshet_tcp_connections") <= 20


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


def test_who_asks_is_told_how_long_it_may_be_idle(upstream, freshetd):
    """RFC 7828: only by TCP, hits and misses, and less when places are few."""
    keepalive = dns.edns.GenericOption(dns.edns.OptionType(11), b"")
    daemon = few_places(freshetd, upstream, tcp_idle="20s")

    def told(name, **options):
        return [option.data for option in ask(daemon, name, **options).options if option.otype == 11]

    for _ in range(2):
        assert told("www.example.com.", tcp=True, options=[keepalive]) == [b"\0\xc8"]
    assert told("www.example.com.", options=[keepalive]) == []
    assert told("www.example.com.", tcp=True) == []
    assert told("missing.example.com.", tcp=True, options=[keepalive]) == [b"\0\xc8"]
    with connections(daemon.address, 37):
        process.eventually(lambda: 0 < int.from_bytes(told("www.example.com.", tcp=True, options=[keepalive])[0], "big") < 120,
                           what="the time shrinks")


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
            assert daemon.rss() - before < 64 * ROOM
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
        assert daemon.rss() - before < 96 * ROOM
        print(f"RSS grew by {(daemon.rss() - before) / MEBI:.0f} MiB")
    daemon.wait_log("counter=freshet_tcp_for_bytes_total")


# --- descriptors


def limit_files(daemon, soft, hard=None):
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (soft, hard or soft))


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def cpu_seconds(daemon):
    with open(f"/proc/{daemon.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_tcp_clients_that_do_not_fit_are_told_at_the_start(upstream, freshetd):
    daemon = freshetd(freshet.stub([upstream], workers=2, tcp_clients=1000000))
    (warned,) = daemon.records(msg="tcp_clients does not fit the limit of open files")
    assert 2 * int(warned["clients"]) < int(warned["limit"]) * 3 / 4 < int(warned["wanted"])


def test_out_of_descriptors(upstream, freshetd):
    """Nobody spins, nothing fills the log, hits go on; and where clients have taken all, some of them give way."""
    daemon = few_places(freshetd, upstream, tcp_clients=200)
    assert over_tcp(daemon)
    limit_files(daemon, descriptors(daemon) + 20)
    size, cpu = len(daemon.log), cpu_seconds(daemon)
    with connections(daemon.address, 100, first=lambda n: wire("www.example.com.")), \
            connections(daemon.metrics_address, 30), controls(daemon.control_path, 30):
        for n in range(20):
            assert ask(daemon, "www.example.com.").answer
            time.sleep(0.1)
        assert len(daemon.log) - size < 10000
        assert cpu_seconds(daemon) - cpu < 1
        assert sum(over_tcp(daemon) for _ in range(10)) >= 8
    assert daemon.metric("freshet_tcp_rests_total") > 0
    daemon.wait_log("counter=freshet_tcp_rests_total")


def test_clients_leave_descriptors_for_misses(upstream, freshetd):
    """More clients than the limit leaves room for: each miss still finds a port."""
    daemon = freshetd(freshet.stub([upstream], workers=1, tcp_clients=1000), files=512)
    with connections(daemon.address, 600, first=lambda n: wire("www.example.com.")):
        for n in range(20):
            assert ask(daemon, f"miss{n}.example.com.").rcode() == dns.rcode.NXDOMAIN
        assert daemon.metric("freshet_tcp_rests_total") == 0
        assert over_tcp(daemon)


def test_no_descriptor_for_a_miss_is_told(upstream, freshetd):
    daemon = few_places(freshetd, upstream, resolve_timeout="1s")
    assert over_tcp(daemon)
    time.sleep(0.2)
    limit_files(daemon, 3, 1000)
    assert ask(daemon, "miss.example.com.").rcode() == dns.rcode.SERVFAIL
    assert ask(daemon, "www.example.com.").answer
    daemon.wait_log("counter=freshet_upstream_no_socket_total")
    limit_files(daemon, 1000)
    assert ask(daemon, "miss2.example.com.").rcode() == dns.rcode.NXDOMAIN


# --- metrics


def pour(address, first, more, mebibytes):
    """Sends `first`, then `more` until so much is sent or nobody takes it. Returns what was answered."""
    with socket.create_connection(address, 5) as sock:
        sock.settimeout(2)
        got = b""
        with contextlib.suppress(OSError):
            sock.sendall(first)
            for _ in range(mebibytes * MEBI // len(more)):
                sock.sendall(more)
        with contextlib.suppress(OSError):
            got = sock.recv(4096)
        return got


@pytest.mark.parametrize("first, more, status", [
    (b"GET /metrics HTTP/1.1\r\n", b"X-Header: " + b"y" * 1000 + b"\r\n", b"431"),
    (b"GET /", b"x" * 65536, b"431"),
    (b"", b"x" * 65536, b"431"),
    (b"POST /metrics HTTP/1.1\r\nContent-Length: 9000000000\r\n\r\n", b"x" * 65536, b"405"),
    (b"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n", b"200"),
], ids=["headers", "line", "no end of line", "body", "chunks"])
def test_requests_without_end(upstream, freshetd, first, more, status):
    daemon = few_places(freshetd, upstream)
    daemon.metrics()
    before, cpu = daemon.rss(), cpu_seconds(daemon)
    for _ in range(3):
        got = pour(daemon.metrics_address, first, more, 64)
        assert not got or got.split()[1] == status  # it may be reset before it has read that
    assert daemon.rss() - before < 4 * ROOM
    assert cpu_seconds(daemon) - cpu < 1
    assert daemon.metrics()


@pytest.mark.timeout(90)
def test_visitors_have_ten_seconds(upstream, freshetd):
    """Silent, or a byte now and then: closed. Others are served meanwhile, whoever stays."""
    daemon = few_places(freshetd, upstream)
    with connections(daemon.metrics_address, 14) as silent:
        start = time.monotonic()
        while time.monotonic() - start < 11:
            for sock in silent[:7]:
                send(sock, b"G")
            assert daemon.metrics()
            time.sleep(0.5)
        for sock in silent:
            sock.settimeout(1)
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
    with connections(daemon.metrics_address, 100):
        assert daemon.metrics()
    daemon.wait_log("a metrics connection is closed for another")


def test_head_and_odd_requests(upstream, freshetd):
    daemon = few_places(freshetd, upstream)

    def request(text):
        with socket.create_connection(daemon.metrics_address, 5) as sock:
            sock.sendall(text)
            return sock.makefile("rb").read()

    assert request(b"GET /metrics?a=b HTTP/1.0\n\n").split()[1] == b"200"
    head, _, body = request(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
    assert head.split()[1] == b"200" and b"Content-Length: " in head and not body
    for text, status in ((b"GET /metricsx HTTP/1.1", b"404"), (b"GET /metric HTTP/1.1", b"404"),
                         (b"DELETE /metrics HTTP/1.1", b"405"), (b"GET /metrics", b"400"), (b"", b"400"),
                         (b"GET http://localhost/metrics HTTP/1.1", b"200"), (b"GET http://x HTTP/1.1", b"404"),
                         (b"GET  /metrics HTTP/1.1", b"400"), (b"\0\1\2", b"400")):
        assert request(text + b"\r\n\r\n").split()[1] == status


# --- the control socket


def test_many_at_the_control_socket(upstream, freshetd):
    daemon = few_places(freshetd, upstream)
    with controls(daemon.control_path, 200):
        process.eventually(lambda: is_served(daemon), what="it is served")
        assert descriptors(daemon) < 120
    daemon.wait_log("a control connection is closed for another")


def test_a_control_line_without_end(upstream, freshetd):
    daemon = few_places(freshetd, upstream)
    before = daemon.rss()
    with controls(daemon.control_path, 50) as sockets:
        for sock in sockets:
            sock.settimeout(1)
            with contextlib.suppress(OSError):
                sock.sendall(b"x" * 4 * MEBI)
        assert daemon.status()["ok"]
        assert daemon.rss() - before < 16 * ROOM


def is_served(daemon):
    with contextlib.suppress(BlockingIOError):
        return daemon.status()["ok"]


def second(config_path):
    """Another instance with the same control socket; its exit code and what it says."""
    return subprocess.run([freshet.program("freshetd"), "-c", config_path], timeout=10, check=False,
                          capture_output=True, text=True)


def configuration(rundir, daemon, name="second.yaml"):
    path = os.path.join(rundir, name)
    config = freshet.stub([("127.0.0.1", 1)], workers=1, control=daemon.control_path)
    config["tiers"][0]["listen"] = [f"127.0.0.1:{process.free_port()}"]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    return path


@pytest.mark.parametrize("queue", [0, 200], ids=["", "its queue full"])
def test_a_second_instance_beside_a_stopped_one(upstream, freshetd, rundir, queue):
    daemon = few_places(freshetd, upstream)
    path = configuration(rundir, daemon)
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        with controls(daemon.control_path, queue):
            result = second(path)
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    process.eventually(lambda: is_served(daemon), what="it goes on")
    assert result.returncode == 1 and "another instance is running" in result.stderr


def test_of_two_that_start_at_once_one_runs(upstream, freshetd, rundir):
    """Over a socket that was left behind, which both would remove."""
    daemon = few_places(freshetd, upstream)
    daemon.kill()
    paths = [configuration(rundir, daemon, f"{n}.yaml") for n in range(2)]
    for _ in range(5):
        started = [subprocess.Popen([freshet.program("freshetd"), "-c", path], stderr=subprocess.PIPE, text=True)
                   for path in paths]
        try:
            process.eventually(lambda: any(one.poll() is not None for one in started), what="one gives up")
            process.eventually(lambda: is_served(daemon), what="the other runs")
            (loser,) = [one for one in started if one.poll() is not None]
            assert loser.returncode == 1 and "another instance is running" in loser.stderr.read()
        finally:
            for one in started:
                one.kill()
                one.wait()
                one.stderr.close()


def test_who_stops_leaves_the_socket_of_another(upstream, freshetd):
    """Somebody removed the socket, and another instance made its own at the same path."""
    first = few_places(freshetd, upstream)
    os.unlink(first.control_path)
    other = freshetd(freshet.stub([upstream], workers=1, control=first.control_path))
    other.control_path = first.control_path
    assert other.status()["ok"]
    first.stop()
    assert other.status()["ok"]


# --- the end


def test_cached_names_are_answered_while_others_are_waited_for(upstream, freshetd):
    daemon = few_places(freshetd, upstream)
    assert over_tcp(daemon)
    with connections(daemon.address, 3) as (waiting, asking, silent):
        waiting.sendall(wire(SLOW))
        process.eventually(lambda: upstream.count(SLOW), 5, what="it is asked for")
        os.kill(daemon.pid, signal.SIGTERM)
        daemon.wait_log("msg=stopping")
        for _ in range(5):
            asking.sendall(wire("www.example.com."))
            asking.settimeout(2)
            assert len(asking.recv(4096)) > 12
            time.sleep(0.1)
        waiting.settimeout(5)
        assert len(waiting.recv(4096)) > 12
        assert waiting.recv(1) == asking.recv(1) == b""
        silent.settimeout(5)
        assert silent.recv(1) == b""
