"""clients.rate_limit and DNS cookies, as strangers meet them: in a network of the test's own, where public prefixes can
be had."""

import socket
import subprocess
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import pytest

import freshet
import process
from query import rcode
from test_clients import enter_new_network, why_not_permitted

NAME = "www.example.com."
RATE = 20    # a second
COOKIE = 10  # the EDNS option (RFC 7873)
SERVER = {4: "198.51.100.53", 6: "2001:db8:53::53"}
# Two of one network, one of another, one of a private network.
STRANGERS = {4: ("203.0.113.1", "203.0.113.200", "203.0.114.1", "10.9.9.9"),
             6: ("2001:db8:1:100::1", "2001:db8:1:1ff::2", "2001:db8:1:200::1", "fd00:53::9")}


@pytest.fixture(scope="module")
def network():
    reason = why_not_permitted()
    if reason:
        pytest.skip(f"needs network namespaces: {reason}")
    leave = enter_new_network()
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for address in SERVER[4], *STRANGERS[4]:
            subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
        for address in SERVER[6], *STRANGERS[6]:
            subprocess.run(["ip", "addr", "add", f"{address}/128", "dev", "lo", "nodad"], check=True)
        yield
    finally:
        leave()


@pytest.fixture(params=[4, 6])
def family(request):
    return request.param


@pytest.fixture
def daemon(network, family, freshetd):
    port = process.free_port(SERVER[family])
    clients = {"allow": ["0.0.0.0/0", "::/0"], "rate_limit": RATE}
    return freshetd({"tiers": [{
        "name": "os", "listen": [freshet.address_text((SERVER[family], port))], "local": [f"{NAME} 60 IN A 192.0.2.1"],
        "clients": clients, "upstream": {"forward": ["127.0.0.1:9"]}}]})


def query(cookie=None):
    options = [dns.edns.GenericOption(COOKIE, cookie)] if cookie else None
    return dns.message.make_query(NAME, "A", use_edns=0, options=options)


def told(daemon, source, count, cookie=None):
    """What becomes of so many queries that are sent at once: "answer", "cut", an RCODE or "nothing", each how often."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    found = {"nothing": count}
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.connect(daemon.address)
        sock.settimeout(0.3)
        for _ in range(count):
            sock.send(query(cookie).to_wire())
        try:
            for _ in range(count):
                response = dns.message.from_wire(sock.recv(4096))
                what = "answer" if response.answer else "cut" if response.flags & dns.flags.TC else rcode(response)
                found[what] = found.get(what, 0) + 1
                found["nothing"] -= 1
        except TimeoutError:
            pass
    return found


def use_up(daemon, source):
    with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        for _ in range(100):
            sock.sendto(query().to_wire(), daemon.address)


def near(number, wanted):
    """A test may be slow: a second more lets another RATE through."""
    return wanted <= number <= wanted + RATE


def test_a_network_has_its_rate(daemon, family):
    one, beside, other, private = STRANGERS[family]
    first = told(daemon, one, 200)
    assert near(first["answer"], RATE) and near(first["cut"] + 10, 90) and near(first["nothing"] + 10, 90)
    assert told(daemon, beside, 20)["answer"] < RATE  # of the same network
    assert told(daemon, other, RATE)["answer"] == RATE
    assert told(daemon, private, 200)["answer"] == 200
    assert daemon.metric("freshet_limited_total") > 0 and daemon.metric("freshet_slipped_total") > 0


def test_by_tcp_there_is_none(daemon, family):
    one = STRANGERS[family][0]
    told(daemon, one, 100)
    for _ in range(2 * RATE):
        response = dns.query.tcp(query(), daemon.address[0], port=daemon.address[1], source=one, timeout=5)
        assert response.answer


def test_who_has_a_cookie_is_not_limited(daemon, family):
    one, beside = STRANGERS[family][:2]
    told(daemon, one, 100)
    response = dns.query.udp(query(b"01234567"), daemon.address[0], port=daemon.address[1], source=one, timeout=5)
    (option,) = [option for option in response.options if option.otype == COOKIE]
    assert told(daemon, one, 200, option.to_wire())["answer"] == 200
    assert told(daemon, beside, 100, option.to_wire())["answer"] <= RATE  # it is another's


def test_a_client_cookie_past_the_rate_gets_a_server_cookie(daemon, family):
    """BADCOOKIE instead of a truncated reply or none, and as many of them as of answers (RFC 7873 5.2.3)."""
    one = STRANGERS[family][0]
    told(daemon, one, 100)
    learnt = told(daemon, one, 200, b"01234567")
    assert near(learnt.get("BADCOOKIE", 0), RATE) and learnt.get("answer", 0) < RATE
    time.sleep(1)  # for the next BADCOOKIE
    use_up(daemon, one)
    response = dns.query.udp(query(b"01234567"), daemon.address[0], port=daemon.address[1], source=one, timeout=5)
    (option,) = [option for option in response.options if option.otype == COOKIE]
    assert rcode(response) == "BADCOOKIE" and len(option.to_wire()) == 24
    assert len(response.to_wire()) <= len(query(b"01234567").to_wire()) + 16
    assert told(daemon, one, 1, option.to_wire())["answer"] == 1
