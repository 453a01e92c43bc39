"""freshetd towards servers and networks that are not as they should be: who could be answered is."""

import random
import socket
import subprocess
import threading
import time

import dns.edns
import dns.flags
import dns.rcode
import pytest

import freshet
import process
import scripted as s
import wire
from query import addresses, ask, rcode
from test_clients import enter_new_network, why_not_permitted
from test_forwarding import A, ede, names


@pytest.fixture
def second():
    server = s.Scripted()
    yield server
    server.stop()


@pytest.fixture
def without_tcp():
    server = s.Scripted(tcp=False)
    yield server
    server.stop()


def stub(freshetd, *upstreams, **options):
    return freshetd(freshet.stub(list(upstreams), workers=1, **options))


# --- outages


class Load:
    """Queries for new names at an even pace: {name: (rcode, sent, seconds)}."""

    def __init__(self, server, per_second):
        self.replies, self._asked, self._pause = {}, {}, 1 / per_second
        self._socket = wire.connected(server)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        self._socket.settimeout(0.2)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self):
        identity, due = 0, time.monotonic()
        while not self._over.is_set():
            identity += 1
            self._asked[identity] = (f"load{identity}.example.com.", time.monotonic())
            self._socket.send(wire.query_bytes(self._asked[identity][0], identity=identity))
            due += self._pause
            time.sleep(max(0, due - time.monotonic()))

    def _receive(self):
        patience = None
        while patience is None or (self._asked and time.monotonic() < patience):
            if self._over.is_set() and patience is None:
                patience = time.monotonic() + 8
            try:
                reply = self._socket.recv(4096)
            except socket.timeout:
                continue
            name, sent = self._asked.pop(int.from_bytes(reply[:2], "big"))
            self.replies[name] = (wire.rcode_of(reply), sent, time.monotonic() - sent)

    def finish(self):
        """Waits for the last replies. Returns the slowest 1 % 's limit in seconds."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()
        assert not self._asked, f"{len(self._asked)} without any reply"
        seconds = sorted(seconds for _, _, seconds in self.replies.values())
        return seconds[len(seconds) * 99 // 100]


@pytest.mark.parametrize("outage", [0.15, 0.7, 2.0])
def test_an_outage_costs_nobody_an_answer(scripted, freshetd, outage):
    daemon = stub(freshetd, scripted)
    quiet = threading.Event()
    scripted.script("*", lambda *args: None if quiet.is_set() else wire.records(A)(*args))
    ask(daemon, "warm.example.com.")
    watch = process.Stopwatch()
    load = Load(daemon, 500)
    for _ in range(2):
        time.sleep(random.uniform(1, 1.5))
        quiet.set()
        time.sleep(outage)
        quiet.clear()
    time.sleep(1)
    p99 = load.finish()
    assert {code for code, _, _ in load.replies.values()} == {dns.rcode.NOERROR}
    assert p99 < outage + 0.5 + watch.waited()


def test_a_lone_query_in_an_outage(scripted, freshetd):
    daemon = stub(freshetd, scripted)
    ask(daemon, "www.example.com.")
    for number, outage in enumerate((0.2, 0.9, 1.7, 3.1)):
        name = f"n{number}.example.com."
        over = time.monotonic() + outage
        scripted.script(name, lambda *args, over=over: None if time.monotonic() < over
                        else wire.records(A)(*args))
        assert addresses(ask(daemon, name, timeout=8)) == ["192.0.2.99"]
        assert time.monotonic() - over < 0.6


def test_a_restart_is_an_outage(freshetd):
    """Nobody listens for a moment, and the kernel says so: that is no reason to give up."""
    port = process.free_port()
    server = s.Scripted(port=port)
    daemon = stub(freshetd, server)
    server.script("*", wire.records(A))
    assert addresses(ask(daemon, "warm.example.com.")) == ["192.0.2.99"]
    server.stop()
    load = Load(daemon, 50)
    time.sleep(1)
    server = s.Scripted(port=port)
    try:
        server.script("*", wire.records(A))
        time.sleep(0.5)
        load.finish()
    finally:
        server.stop()
    # At first it knows no names, which is an answer too.
    assert {code for code, _, _ in load.replies.values()} <= {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}


def test_who_comes_late_does_not_inherit_the_end(scripted, freshetd):
    daemon = stub(freshetd, scripted, resolve_timeout="1s")
    began = time.monotonic()
    scripted.script("www.example.com.", lambda *args: None if time.monotonic() < began + 1.3
                    else wire.records(A)(*args))
    with wire.connected(daemon) as first, wire.connected(daemon) as late:
        first.send(wire.query_bytes("www.example.com."))
        time.sleep(0.9)
        late.send(wire.query_bytes("www.example.com."))
        late.settimeout(3)
        first.settimeout(3)
        assert wire.rcode_of(first.recv(4096)) == dns.rcode.SERVFAIL
        assert wire.rcode_of(late.recv(4096)) == dns.rcode.NOERROR


def test_who_asks_again_is_not_told_of_the_past(scripted, freshetd):
    """RFC 9520 3.2 wants a second without queries: who asks in it waits."""
    daemon = stub(freshetd, scripted, resolve_timeout="1500ms")
    scripted.script("www.example.com.", s.drop())
    assert rcode(ask(daemon, "www.example.com.")) == "SERVFAIL"
    sent = scripted.count()
    scripted.script("www.example.com.", wire.records(A))
    watch = process.Stopwatch()
    with wire.connected(daemon) as client:
        client.send(wire.query_bytes("www.example.com."))
        time.sleep(0.7)
        assert scripted.count() == sent
        client.settimeout(3)
        assert wire.rcode_of(client.recv(4096)) == dns.rcode.NOERROR
    assert watch.seconds() > 0.8 and watch.own() < 1.3


def test_a_limit_by_udp(scripted, freshetd):
    daemon = stub(freshetd, scripted)
    scripted.script("*", s.only("udp", s.rcode("REFUSED"), wire.records(A)))
    for name in names(30):
        assert addresses(ask(daemon, name)) == ["192.0.2.99"]


def test_what_is_no_response_is_not_heard(scripted, freshetd):
    daemon = stub(freshetd, scripted)
    for flags in (b"\x00", b"\xa0", b"\x78"):
        def noise(server, query, flags=flags):
            reply = wire.records(A)(server, query)
            reply.before.append(query.raw[:2] + flags + query.raw[3:])
            return reply
        name = f"n{flags.hex()}.example.com."
        scripted.script(name, noise)
        assert addresses(ask(daemon, name)) == ["192.0.2.99"]
        assert scripted.count(name) == 1


@pytest.mark.parametrize("seconds, timeout", [(3.2, "5s"), (8, "20s")])
def test_a_slow_server_works(scripted, freshetd, seconds, timeout):
    daemon = stub(freshetd, scripted, resolve_timeout=timeout)
    scripted.script("*", s.delay(seconds, wire.records(A)))
    watch = process.Stopwatch()
    assert addresses(ask(daemon, "www.example.com.", timeout=15)) == ["192.0.2.99"]
    assert watch.seconds() >= seconds and watch.own() < seconds + 0.3
    assert scripted.count() < 20


def test_nothing_to_be_had_is_said_at_once(scripted, second, freshetd):
    daemon = stub(freshetd, scripted, second, resolve_timeout="20s")
    for number, behaviour in enumerate((s.rcode("SERVFAIL"), s.rcode("REFUSED"), s.rcode("NOTAUTH"),
                                        s.set_tc(wire.records(A)))):
        name = f"n{number}.example.com."
        scripted.script(name, behaviour)
        second.script(name, behaviour)
        watch = process.Stopwatch()
        response = ask(daemon, name)
        assert rcode(response) == "SERVFAIL" and ede(response) == [22]
        assert watch.own() < 1


def lame(then):
    """Neither the authority nor a resolver."""
    def change(reply):
        reply.message.flags &= ~(dns.flags.AA | dns.flags.RA)
        return reply
    return lambda server, query: change(then(server, query))


@pytest.mark.parametrize("behaviour", [
    lame(s.answer()), lame(s.rcode("NXDOMAIN")), s.answer("other.example.com. 60 A 192.0.2.66"),
    s.answer("www.example.com. 60 TXT beside")], ids=["empty", "no such name", "another name", "another type"])
def test_who_says_nothing_is_not_believed_while_another_says_more(scripted, second, freshetd, behaviour):
    daemon = stub(freshetd, scripted, second)
    scripted.script("*", behaviour)
    for name in names(8, "lame"):
        second.set(name, "A", "192.0.2.1")
        assert addresses(ask(daemon, name)) == ["192.0.2.1"]


def test_who_says_nothing_is_believed_alone(scripted, second, freshetd):
    """Beside one that is there and refuses, and one that is not there."""
    daemon = stub(freshetd, scripted, second)
    scripted.script("*", lame(s.answer()))
    for behaviour in s.rcode("REFUSED"), s.drop(), lame(s.answer()):
        second.script("*", behaviour)
        for name in names(3, f"alone{time.monotonic_ns()}-"):
            watch = process.Stopwatch()
            assert rcode(ask(daemon, name)) == "NOERROR"
            assert watch.own() < 2


# --- hardenings, and servers that can do without


def test_lower_case_and_no_tcp(without_tcp, freshetd):
    daemon = stub(freshetd, without_tcp)
    without_tcp.script("*", s.lower_case(wire.records(A)))
    for name in names(10, "letters"):
        watch = process.Stopwatch()
        assert addresses(ask(daemon, name)) == ["192.0.2.99"]
        assert watch.own() < 0.5
    assert len(without_tcp.queries) == 12


def test_truncated_and_no_tcp(without_tcp, freshetd):
    """RFC 6891 6.2.5 lets one ask for more."""
    daemon = stub(freshetd, without_tcp)
    without_tcp.set("www.example.com.", "A", *[f"192.0.2.{n}" for n in range(200)])
    assert len(addresses(ask(daemon, "www.example.com.", tcp=True))) == 200
    assert [query.payload for query in without_tcp.queries] == [1232, 4096]


@pytest.mark.parametrize("odd", [
    s.deaf_to_edns(wire.records(A)), s.no_edns("FORMERR", wire.records(A)),
    s.no_edns("NOTIMP", wire.records(A)), s.no_edns("SERVFAIL", wire.records(A)),
    s.no_edns("BADVERS", wire.records(A)), s.without_opt(),
    lambda server, query: wire.Bytes(query, query.raw[:2] + b"\x81\x81" + bytes(8)) if query.edns
    else wire.records(A)(server, query),
], ids=["drops", "FORMERR", "NOTIMP", "SERVFAIL", "BADVERS", "leaves out", "header alone"])
def test_no_edns(scripted, freshetd, odd):
    daemon = stub(freshetd, scripted)
    scripted.script("*", odd)
    for name in names(4):
        scripted.set(name, "A", "192.0.2.99")
        assert addresses(ask(daemon, name)) == ["192.0.2.99"]
    scripted.forget()
    assert addresses(ask(daemon, names(4)[0], "A")) == ["192.0.2.99"]
    scripted.set("last.example.com.", "A", "192.0.2.99")
    watch = process.Stopwatch()
    assert addresses(ask(daemon, "last.example.com.")) == ["192.0.2.99"]
    assert watch.own() < 0.3, "it is remembered by now"


def test_more_than_was_asked_for(scripted, freshetd):
    """Without EDNS 512 bytes are the limit; what is whole is used all the same."""
    daemon = stub(freshetd, scripted)
    many = wire.records(*[bytes([192, 0, 2, n]) for n in range(60)])
    scripted.script("*", s.no_edns("FORMERR", many))
    for name in names(3):
        assert len(addresses(ask(daemon, name, tcp=True))) == 60
    assert {query.transport for query in scripted.queries} == {"udp"}


def test_large_ones_are_lost(scripted, freshetd):
    daemon = stub(freshetd, scripted)
    for number in range(3):
        name = f"n{number}.example.com."
        scripted.set(name, "A", *[f"192.0.2.{n}" for n in range(60)])
        scripted.script(name, s.larger_is_lost(900))
        assert len(addresses(ask(daemon, name, tcp=True))) == 60


def test_one_answer_decides_nothing(scripted, freshetd):
    """Without OPT it is good for who asked, kept for nobody, and says nothing of other names."""
    daemon = stub(freshetd, scripted)
    for name in ("odd.example.com.", "www.example.com.", "next.example.com."):
        scripted.set(name, "A", "192.0.2.1")
    scripted.script("odd.example.com.", s.sequence(s.without_opt(), s.lookup))
    assert addresses(ask(daemon, "odd.example.com.", want_dnssec=True)) == ["192.0.2.1"]
    process.eventually(lambda: daemon.metric("freshet_without_edns_total", tier="os") == 1)
    assert addresses(ask(daemon, "odd.example.com.", want_dnssec=True)) == ["192.0.2.1"]
    assert scripted.count("odd.example.com.") == 2
    assert addresses(ask(daemon, "odd.example.com.", want_dnssec=True)) == ["192.0.2.1"]
    assert scripted.count("odd.example.com.") == 2
    for name in ("www.example.com.", "next.example.com."):
        ask(daemon, name, want_dnssec=True)
        assert scripted.asked(name)[0].message.flags is not None
        assert scripted.asked(name)[0].message.ednsflags & dns.flags.DO


def test_attackers_names_steer_nobody(scripted, second, freshetd):
    """Ten names that are never answered for each that is: by the near server all the same."""
    def near(server, query):
        return None if query.name.lower().startswith("dead") else wire.records(A)(server, query)
    scripted.script("*", near)
    second.script("*", s.delay(0.15, wire.records(A)))
    daemon = stub(freshetd, scripted, second)
    for name in names(100, "warm"):
        ask(daemon, name)
    slow = 0
    with wire.connected(daemon) as attacker:
        for number in range(60):
            for k in range(10):
                attacker.send(wire.query_bytes(f"dead{number}x{k}.example.com.", identity=k))
            watch = process.Stopwatch()
            assert addresses(ask(daemon, f"good{number}.example.com.")) == ["192.0.2.99"]
            slow += watch.own() > 0.1
            time.sleep(0.03)
    assert slow <= 6


def test_who_was_down_is_back(scripted, second, freshetd):
    """By a probe of our own, whatever clients ask for."""
    quiet = threading.Event()
    scripted.script("*", lambda *args: None if quiet.is_set() else wire.records(A)(*args))
    second.script("*", s.delay(0.1, wire.records(A)))
    daemon = stub(freshetd, scripted, second)
    for name in names(100, "warm"):
        ask(daemon, name)
    quiet.set()
    for name in names(30, "down"):
        ask(daemon, name)
    watch = process.Stopwatch()
    ask(daemon, "none.example.com.")
    assert watch.own() < 0.15
    quiet.clear()

    def near():
        start = time.monotonic()
        ask(daemon, f"n{time.monotonic_ns()}.example.com.")
        return time.monotonic() - start < 0.08
    process.eventually(near, within=10)


# --- TCP


@pytest.mark.parametrize("count", [1, 100, 400])
def test_one_answer_for_each_connection(scripted, freshetd, count):
    daemon = stub(freshetd, scripted, resolve_timeout="20s")
    scripted.script("*", s.truncate(s.only_one(s.only("udp", s.lookup, wire.records(A)))))
    asked = names(count, "many")
    for name in asked:
        scripted.set(name, "A", "192.0.2.99")
    for _ in range(2):
        replies = wire.ask_all(daemon, asked)
        assert {wire.rcode_of(reply) for reply, _ in replies.values()} == {dns.rcode.NOERROR}
        assert len(replies) == count
        asked = names(count, "more")
        for name in asked:
            scripted.set(name, "A", "192.0.2.99")


def test_truncated_by_tcp_is_not_the_whole(scripted, second, freshetd):
    daemon = stub(freshetd, scripted, second)
    for number in range(4):
        name = f"n{number}.example.com."
        scripted.script(name, s.set_tc(wire.records(A)))
        second.set(name, "A", "192.0.2.1", "192.0.2.2")
        assert addresses(ask(daemon, name)) == ["192.0.2.1", "192.0.2.2"]


# --- what is said of a failure


def test_the_reason_is_passed_on(scripted, freshetd):
    def blocked(code):
        def behave(server, query):
            reply = s.rcode(code)(server, query)
            reply.message.use_edns(0, 0, 1232, options=[dns.edns.EDEOption(15, "by order")])
            return reply
        return behave
    daemon = stub(freshetd, scripted)
    for code in ("SERVFAIL", "NXDOMAIN", "REFUSED"):
        scripted.script(f"{code}.example.com.", blocked(code))
        assert ede(ask(daemon, f"{code}.example.com.")) == [15]


def test_ds_is_asked_of_the_parent(scripted, second, freshetd):
    config = freshet.stub([scripted], workers=1)
    config["tiers"][0]["routes"] = [{"name": "sub.example.com.",
                                    "forward": [freshet.address_text(second.address)]}]
    daemon = freshetd(config)
    scripted.set("sub.example.com.", "DS", "1 13 2 " + 64 * "0")
    second.set("sub.example.com.", "A", "192.0.2.1")
    assert addresses(ask(daemon, "sub.example.com.", "DS"))
    assert addresses(ask(daemon, "sub.example.com.")) == ["192.0.2.1"]
    assert second.count("sub.example.com.", "DS") == 0


# --- an address that is one of an interface


@pytest.fixture
def link_local():
    """A link-local address on the loopback device of a network of our own."""
    reason = why_not_permitted()
    if reason:
        pytest.skip(f"needs network namespaces: {reason}")
    leave = enter_new_network()
    try:
        for words in ("link set lo up", "addr add fe80::53/64 dev lo nodad"):
            subprocess.run(["ip", *words.split()], check=True)
        yield "fe80::53%lo"
    finally:
        leave()


def test_a_link_local_server(link_local, freshetd):
    """By UDP and, where the answer is truncated, by TCP on the same link."""
    server = s.Scripted(host=link_local, port=process.free_port("::1"))
    try:
        daemon = stub(freshetd, (link_local, server.address[1]))
        server.set("www.example.com.", "A", "192.0.2.1")
        server.set("big.example.com.", "A", *[f"192.0.2.{n}" for n in range(200)])
        assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
        assert len(addresses(ask(daemon, "big.example.com.", tcp=True))) == 200
        assert [query.transport for query in server.queries] == ["udp", "udp", "tcp"]
    finally:
        server.stop()
        daemon.close()


def test_metrics_on_a_link_local_address(link_local, freshetd, scripted):
    where = (link_local, process.free_port("::1"))
    daemon = freshetd(freshet.stub([scripted], metrics=freshet.address_text(where)))
    with socket.create_connection(where, timeout=5) as sock:
        sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in sock.makefile("rb").readline()
    daemon.close()
