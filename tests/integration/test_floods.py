"""What one client sends at will, and what the others notice of it."""

import socket
import threading
import time

import dns.edns
import dns.exception
import dns.message
import dns.query
import pytest

import freshet
import process
import scripted as odd
import wire
from process import eventually
from query import addresses, rcode

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


def ask_from(server, name, source=OTHER, timeout=5, **options):
    host, port = getattr(server, "address", server)
    query = dns.message.make_query(name, "A", **options)
    return dns.query.udp(query, host, port=port, timeout=timeout, source=source)


def silent_zone(healthy, silent, **cache):
    config = freshet.stub([healthy], cache=cache)
    zone = {"name": "silent.example.", "forward": [freshet.address_text(silent)]}
    config["tiers"][0]["routes"] = [zone]
    return config


@pytest.mark.timeout(120)
def test_random_names_under_a_silent_zone(freshetd, scripted, silent):
    daemon = freshetd(silent_zone(scripted, silent), log="info")
    with Flood(daemon, "silent.example.", FLOOD):
        eventually(lambda: daemon.metric("freshet_in_vain_total", tier="os") > 0, within=60)
        slowest = 0
        for i in range(200):
            name = f"n{i}.example.com."
            scripted.set(name, "A", "192.0.2.1")
            began = time.monotonic()
            assert addresses(ask_from(daemon, name)) == ["192.0.2.1"], f"query {i}"
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < (5 if SANITIZED else 1)
    assert daemon.metric("freshet_overloaded_total", tier="os") == 0
    assert daemon.records(msg="nobody answers, questions are refused", zone="silent.example.")
    assert len(daemon.records(msg="queries are refused: nobody answers what is under way")) < 60


@pytest.mark.timeout(120)
def test_what_nobody_answers_is_not_sent(freshetd, scripted):
    """But for a few questions, by which it is found out that somebody does."""
    address = ("127.0.0.1", process.free_port())
    daemon = freshetd(silent_zone(scripted, address), log="info")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(address)
        with Flood(daemon, "silent.example.", FLOOD) as flood:
            eventually(lambda: daemon.metric("freshet_in_vain_total", tier="os") > 0, within=60)
            time.sleep(5)  # what was under way is over
            asked, sent = daemon.metric("freshet_fetches_total"), flood.sent
            time.sleep(2)
            fetched = daemon.metric("freshet_fetches_total") - asked
            assert 0 < fetched < 0.1 * (flood.sent - sent)
    server = odd.Scripted(zones=["silent.example."], port=address[1])
    try:
        server.set("www.silent.example.", "A", "192.0.2.1")
        eventually(lambda: addresses(ask_from(daemon, "www.silent.example.", "127.0.0.1")), within=5)
        for i in range(50):
            server.set(f"n{i}.silent.example.", "A", "192.0.2.1")
            assert addresses(ask_from(daemon, f"n{i}.silent.example.", "127.0.0.1")) == ["192.0.2.1"]
    finally:
        server.stop()


@pytest.mark.timeout(120)
def test_silent_upstreams_do_not_use_up_the_descriptors(freshetd, scripted, silent):
    """Of those that a small limit leaves, every upstream can have some."""
    config = silent_zone(scripted, silent)
    config["tcp_clients"] = 10
    daemon = freshetd(config, log="info", files=256)
    with Flood(daemon, "silent.example.", 2000):
        eventually(lambda: daemon.metric("freshet_upstream_sent_total") > 15_000, within=60)
        for i in range(100):
            name = f"n{i}.example.com."
            scripted.set(name, "A", "192.0.2.1")
            assert addresses(ask_from(daemon, name)) == ["192.0.2.1"], f"query {i}"


# --- who may ask


def test_the_access_list(freshetd, scripted):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    config = freshet.stub([scripted])
    config["tiers"][0]["clients"] = {
        "allow": ["127.0.0.0/8"], "refuse": ["127.0.0.16/28"], "drop": ["127.0.0.20/31"]}
    daemon = freshetd(config)
    assert addresses(ask_from(daemon, "www.example.com.", "127.0.0.2")) == ["192.0.2.1"]
    refused = ask_from(daemon, "www.example.com.", "127.0.0.17", use_edns=0)
    assert rcode(refused) == "REFUSED" and not refused.answer
    assert [int(option.code) for option in refused.options] == [dns.edns.EDECode.PROHIBITED]
    with pytest.raises(dns.exception.Timeout):
        ask_from(daemon, "www.example.com.", "127.0.0.20", timeout=0.3)
    with socket.create_connection(daemon.address, source_address=("127.0.0.21", 0)) as stream:
        stream.settimeout(5)
        assert stream.recv(1) == b""
    assert daemon.metric("freshet_clients_refused_total") == 1
    assert daemon.metric("freshet_clients_dropped_total") == 2
    config["tiers"][0]["clients"] = {"drop": ["127.0.0.2"]}
    daemon.configure(config)
    daemon.sighup()
    daemon.wait_log("msg=reloaded")
    assert addresses(ask_from(daemon, "www.example.com.", "127.0.0.20")) == ["192.0.2.1"]
    with pytest.raises(dns.exception.Timeout):
        ask_from(daemon, "www.example.com.", timeout=0.3)


COOKIE = 10  # the EDNS option (RFC 7873)


def cookie_of(response):
    (option,) = [option for option in response.options if option.otype == COOKIE]
    return option.to_wire()


def ask_with_cookie(daemon, data, **options):
    return ask_from(daemon, "www.example.com.", options=[dns.edns.GenericOption(COOKIE, data)], **options)


def test_cookies(freshetd, scripted):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    config = freshet.stub([scripted])
    secrets = ["e5e973e5a6b2a43f48e7dc849e37bfcf", "dd3bdf9344b678b185a6f5cb60fca715"]
    config["tiers"][0]["clients"] = {"cookie_secrets": secrets}
    daemon = freshetd(config)
    miss, hit = (cookie_of(ask_with_cookie(daemon, b"01234567")) for _ in range(2))
    for cookie in (miss, hit, cookie_of(ask_with_cookie(daemon, miss))):
        assert len(cookie) == 24 and cookie.startswith(b"01234567\1\0\0\0")
    refused = ask_with_cookie(daemon, b"01234567", flags=0)
    assert rcode(refused) == "REFUSED" and len(cookie_of(refused)) == 24
    assert rcode(ask_with_cookie(daemon, b"0123456")) == "FORMERR"
    assert not ask_from(daemon, "www.example.com.", use_edns=0).options


@pytest.mark.parametrize("clients, wrong", [
    ({"allow": ["10.0.0.0/8"], "drop": ["10.0.0.0/8"]}, "clients.drop[0]"),
    ({"cookie_secrets": ["e5e973e5"]}, "clients.cookie_secrets[0]"),
    ({"refuse": ["10.0.0.1/8"]}, "clients.refuse[0]"),
    ({"rate_limit": -1}, "clients.rate_limit"),
])
def test_clients_that_make_no_sense(clients, wrong, scripted, freshetd):
    config = freshet.stub([scripted])
    config["tiers"][0]["clients"] = clients
    with pytest.raises(process.NotReady) as failure:
        freshetd(config)
    assert wrong in str(failure.value) and "e5e973e5" not in str(failure.value)
