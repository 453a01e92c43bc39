"""freshet move: an address takes another's place while clients resolve and connect all the time.

    knotd, TTL 2 <-- freshetd "regional" <-- freshetd "stub"        client_ttl 1
                  \\__ clients __/___ clients ___/___ clients

A fake service listens on two loopback addresses. Clients ask, keep the answer for as long as it
says, and connect to one of its addresses again and again. What counts is that no connection ever fails.
"""

import contextlib
import datetime
import os
import random
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import changes
import freshet
import process
from query import addresses, ask

ZONE, NAME, TTL = "example.com.", "svc.example.com.", 2
NOT_DONE, WRONG, INTERRUPTED = 1, 2, 4
DONE = "may be withdrawn now"

# What an operator's own script does: the whole RRset at the authority, by dynamic update.
HOOK = """
    import os, sys
    import dns.query, dns.rcode, dns.update
    env = {name: os.environ["FRESHET_" + name] for name in ("ZONE", "NAME", "TYPE", "TTL", "RRSET")}
    message = dns.update.UpdateMessage(env["ZONE"])
    message.replace(env["NAME"], int(env["TTL"]), env["TYPE"], *env["RRSET"].split())
    reply = dns.query.tcp(message, sys.argv[1], port=int(sys.argv[2]), timeout=10)
    sys.exit(reply.rcode() != dns.rcode.NOERROR)
"""


# --- the service and its clients


class Service:
    """Greets whoever connects. Withdrawn, it refuses."""

    def __init__(self, host, port):
        self.host = host
        self._listener = socket.create_server((host, port), backlog=128)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while self._listener.fileno() >= 0:
            try:
                connection, _ = self._listener.accept()
                connection.sendall(b"hello\n")
                connection.close()
            except OSError:
                return

    def withdraw(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # ends accept()
        except OSError:
            pass
        self._listener.close()
        self._thread.join()


class Client(threading.Thread):
    """Resolves by TTL, as a browser does, and connects as often as it can."""

    def __init__(self, server, port):
        super().__init__()
        self.server, self.port = server, port
        self.connected, self.failures, self.last = {}, [], {}
        self._held, self._until, self._ended = [], 0.0, threading.Event()
        self._source = random.Random(port)

    def _resolve(self):
        if time.monotonic() < self._until:
            return
        answer = ask(self.server, NAME)
        self._held = addresses(answer)
        self._until = time.monotonic() + answer.answer[0].ttl

    def _connect(self):
        host = self._source.choice(self._held)
        try:
            with socket.create_connection((host, self.port), timeout=2) as connection:
                assert connection.recv(10) == b"hello\n"
        except (OSError, AssertionError) as failure:
            self.failures.append((time.monotonic(), host, repr(failure)))
            return
        self.connected[host] = self.connected.get(host, 0) + 1
        self.last[host] = time.monotonic()

    def run(self):
        while not self._ended.wait(0.004):
            self._resolve()
            self._connect()

    def end(self):
        self._ended.set()
        self.join()


def loopback_addresses():
    """Two addresses and a port that is free on both."""
    for _ in range(100):
        first = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(1, 250)}"
        second = first.rsplit(".", 1)[0] + f".{int(first.rsplit('.', 1)[1]) + 1}"
        port = process.free_port(first)
        try:
            socket.create_server((second, port)).close()
            return first, second, port
        except OSError:
            continue
    raise RuntimeError("no free loopback addresses")


class World:
    """The authority, two tiers, the service at its old and its new address, clients of all."""

    def __init__(self, authority, topic, freshetd, cli, directory):
        self.authority, self.topic, self.cli, self.directory = authority, topic, cli, directory
        self.old, self.new, self.port = loopback_addresses()
        self.hold(self.old)
        feed = freshet.feed(topic, [ZONE], settle="0s")
        self.regional = freshetd(self._config("regional", [authority], feed))
        self.stub = freshetd(self._config("stub", [self.regional], feed, way="parent"))
        for daemon in self.daemons:
            process.eventually(lambda d=daemon: d.status()["feed"]["state"] == "live", 20)
        self.hook = os.path.join(directory, "hook.py")
        with open(self.hook, "w", encoding="ascii") as file:
            file.write(textwrap.dedent(HOOK))
        self.services, self.clients = [], []

    @staticmethod
    def _config(name, upstreams, feed, **how):
        return {"tiers": [freshet.tier(name, upstreams, client_ttl="1s", **how)], "feed": feed}

    @property
    def daemons(self):
        return (self.regional, self.stub)

    def hold(self, *held):
        self.authority.apply(ZONE, [("set", NAME, TTL, "A", *held)])

    def held(self):
        return addresses(ask(self.authority, NAME))

    def serve(self):
        self.services = [Service(self.old, self.port), Service(self.new, self.port)]
        for server in (self.authority, *self.daemons):
            self.clients += [Client(server, self.port) for _ in range(2)]
        for client in self.clients:
            client.start()
        time.sleep(0.5)

    def failures(self):
        return [failure for client in self.clients for failure in client.failures]

    def count(self, host):
        return sum(client.connected.get(host, 0) for client in self.clients)

    def words(self, *more, hooks=True, remote=False):
        """The command line of a move from old to new."""
        command = f"{sys.executable} {self.hook} {' '.join(map(str, self.authority.address))}"
        words = ["move", NAME, "A", "--from", self.old, "--to", self.new, "--zone", ZONE,
                 "--brokers", self.topic.bootstrap, "--topic", self.topic.name,
                 "--authority", freshet.address_text(self.authority.address)]
        for daemon in self.daemons:
            words += ["--tier", f"http://{freshet.address_text(daemon.metrics_address)}" if remote else daemon.control_path]
        if hooks:
            words += ["--before-both", command, "--before-new", command]
        return [*words, *more]

    def move(self, *more, **how):
        return self.cli(*self.words(*more, **how), within=40)

    def close(self):
        for client in self.clients:
            client.end()
        for service in self.services:
            service.withdraw()


@pytest.fixture
def world(own_authority, topic, freshetd, cli, rundir):
    made = World(own_authority, topic, freshetd, cli, rundir)
    yield made
    made.close()


def wait_output(child, text, within=30.0):
    process.eventually(lambda: text in child.output("stdout") or not child.alive(), within,
                       every=0.002, what=f"{text!r} is printed")
    assert text in child.output("stdout"), child.tail()


# --- no lost traffic


def test_no_client_meets_a_withdrawn_address(world):
    world.serve()
    child = world.cli.start(*world.words())
    try:
        wait_output(child, DONE)
        world.services[0].withdraw()
        withdrawn = time.monotonic()
        assert child.wait(5) == 0
        time.sleep(2.5)  # longer than any TTL: who still knew the old address would try it
    finally:
        child.stop()
    world.close()
    assert world.failures() == []
    assert world.held() == [world.new]
    for client in world.clients:
        assert client.last[world.old] < withdrawn < client.last[world.new]
        assert client.connected[world.old] > 50 and client.connected[world.new] > 50
    published = re.findall(r"published: SET (\S+) (\d+) A (.*), \d+:\d+", child.output("stdout"))
    assert [(name, int(ttl), sorted(rrset.split())) for name, ttl, rrset in published] == [
        (NAME, TTL, sorted([world.old, world.new])), (NAME, TTL, [world.new])]


def test_without_the_waits_clients_fail(world):
    """The same clients notice: the change is published, applied, and the old service withdrawn."""
    world.serve()
    applied = [daemon.status()["feed"]["applied"] for daemon in world.daemons]
    world.hold(world.new)
    world.topic.publish(ZONE, [changes.set_(NAME, "A", TTL, world.new)], serial=None)
    for daemon, before in zip(world.daemons, applied):
        process.eventually(lambda d=daemon, n=before: d.status()["feed"]["applied"] > n)
    world.services[0].withdraw()
    time.sleep(2.5)
    world.close()
    failed = {client.server for client in world.clients if client.failures}
    assert failed == {world.authority, *world.daemons}
    assert {host for _, host, _ in world.failures()} == {world.old}


def test_other_addresses_stay(world):
    other = "192.0.2.200"
    world.hold(world.old, other)
    result = world.move("--outside-ttl", 0, "--margin", "0s")
    assert result.code == 0, result.stderr
    assert DONE in result.stdout
    assert world.held() == sorted([world.new, other])
    for daemon in world.daemons:
        assert addresses(ask(daemon, NAME)) == sorted([world.new, other])


def test_each_step_has_its_time(world):
    """It waits for no less than the TTLs: 2 s outside, and the margin."""
    result = world.move("--margin", "500ms")
    assert result.code == 0, result.stderr
    lines = [re.match(r"\s*(\d+\.\d{3}) s  (\S+)  (.*)", line)
             for line in result.stdout.splitlines()]
    assert all(lines), result.stdout
    since = {}
    for line in lines:
        datetime.datetime.strptime(line[2], "%Y-%m-%dT%H:%M:%S.%fZ")
        since.setdefault(line[3].split(":")[0], []).append(float(line[1]))
    running, published, done = since["running"], since["published"], float(lines[-1][1])
    assert len(running) == len(published) == 2
    # What is waited for begins when it is published; that is said once the broker has it, which may be later.
    assert running[1] - running[0] >= 2.5 and done - running[1] >= 2.5
    assert published[0] < running[1] and published[1] < done


# --- not done, half done, done again


def test_dry_run(world):
    end = world.topic.end_offsets()
    result = world.move("--dry-run")
    assert result.code == 0, result.stderr
    assert world.topic.end_offsets() == end and world.held() == [world.old]
    both, new = result.stdout.split("step new\n")
    assert f"would publish: SET {NAME} {TTL} A {world.old} {world.new}\n" in both
    assert f"would publish: SET {NAME} {TTL} A {world.new}\n" in new
    for step in (both, new):
        assert f"would run: {sys.executable} {world.hook}" in step
        assert "would wait until it is applied by: regional, stub\n" in step
        assert "would wait 3.000 s more: tiers 1.000 s, outside 2.000 s, margin 1.000 s\n" in step
    assert new.endswith(f"then {world.old} may be withdrawn\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_in_step_both(world, number):
    child = world.cli.start(*world.words("--outside-ttl", "1h"))
    try:
        wait_output(child, "applied by all")
        child.send_signal(number)
        assert child.wait(5) == INTERRUPTED
    finally:
        child.stop()
    said = child.output("stderr")
    assert f"interrupted in step both: {world.old} must go on serving" in said
    assert "to go on: the same command with --resume both" in said
    assert f"freshet set {NAME} A {TTL} {world.old}" in said
    assert DONE not in child.output("stdout")
    assert world.held() == sorted([world.old, world.new])
    result = world.move("--outside-ttl", 0, "--margin", "0s", "--resume", "both")
    assert result.code == 0 and DONE in result.stdout, result.stderr
    assert world.held() == [world.new]


@pytest.mark.parametrize("output", ["a pipe that nobody reads", "/dev/full"])
def test_nobody_reads_what_it_says(world, output):
    """`freshet move ... | head -1`: it is carried through, and what is left to say is said elsewhere."""
    if output == "/dev/full":
        stdout = os.open(output, os.O_WRONLY)
    else:
        reader, stdout = os.pipe()
        os.close(reader)
    words = [str(word) for word in world.words("--outside-ttl", 0, "--margin", "0s")]
    try:
        result = subprocess.run([freshet.program("freshet"), *words], stdout=stdout, stderr=subprocess.PIPE, text=True,
                                timeout=60, check=False)
    finally:
        os.close(stdout)
    assert result.returncode == 0, result.stderr
    assert world.held() == [world.new]
    assert "standard output: " in result.stderr and result.stderr.count("published: SET") == 2
    assert result.stderr.count(f"{NAME} A holds") == 1 and DONE in result.stderr


def test_interrupted_in_step_new(world):
    child = world.cli.start(*world.words("--margin", "3s", "--outside-ttl", 0))
    try:
        wait_output(child, f"published: SET {NAME} {TTL} A {world.new},")
        child.send_signal(signal.SIGINT)
        assert child.wait(5) == INTERRUPTED
    finally:
        child.stop()
    assert "to go on: the same command with --resume new" in child.output("stderr")
    for _ in range(2):
        result = world.move("--outside-ttl", 0, "--margin", "0s", "--resume", "new")
        assert result.code == 0 and DONE in result.stdout, result.stderr
        assert result.stdout.count("published") == 1
        assert world.held() == [world.new]


def test_a_tier_that_does_not_follow(world):
    """It is stopped while the authority changes: published, but nobody is told to withdraw."""
    def hook(pid):
        return f"kill -STOP {pid} && {words[words.index('--before-both') + 1]}"
    words = world.words("--wait-at-most", "1s", "--timeout", "1s")
    words[words.index("--before-both") + 1] = hook(world.stub.pid)
    try:
        result = world.cli(*words)
    finally:
        world.stub.resume()
    assert result.code == NOT_DONE
    assert f"{world.stub.control_path}: no answer in time" in result.stderr
    assert f"the same command with --resume both --outside-ttl {TTL}\n" in result.stderr
    assert DONE not in result.stdout
    assert world.move("--outside-ttl", 0, "--margin", "0s", "--resume", "both").code == 0


def test_a_hook_that_fails(world):
    end = world.topic.end_offsets()
    words = world.words(hooks=False)
    result = world.cli(*words, "--before-both", "exit 7")
    assert result.code == NOT_DONE
    assert "--before-both ended with status 7: not published" in result.stderr
    assert "with --resume both" in result.stderr
    assert world.topic.end_offsets() == end


def test_an_authority_that_has_not_changed(world):
    """The authority comes first: nothing is published that it does not answer."""
    end = world.topic.end_offsets()
    result = world.move("--wait-at-most", "300ms", hooks=False)
    assert result.code == NOT_DONE
    assert f"it holds {world.old}: not published" in result.stderr
    assert world.topic.end_offsets() == end


# --- refused


def refused(result, *said):
    assert result.code == NOT_DONE, result
    for text in said:
        assert text in result.stderr
    assert "nothing was changed" in result.stderr


def test_refused_when_the_old_address_is_not_there(world):
    world.hold("192.0.2.7", "192.0.2.8")
    refused(world.move(), f"{NAME} A does not hold {world.old}; it holds 192.0.2.")
    refused(world.move("--resume", "new"), f"{NAME} A does not hold {world.new}; it holds")


def test_tiers_of_other_machines(world):
    """Named by the addresses of their metrics, they are waited for as by their sockets."""
    result = world.move(remote=True)
    assert result.code == 0, result.stderr
    assert f"{world.old} may be withdrawn now" in result.stdout and world.held() == [world.new]
    [until, _] = re.findall(r"waiting ([0-9.]+) s until .*: until 2\d{3}-\d\d-\d\dT[0-9:.]+Z$", result.stdout, re.M)
    assert float(until) > 0


def test_refused_by_tiers_of_other_machines(world, freshetd):
    elsewhere = freshetd(freshet.stub([world.authority], world.topic, ["example.net."]))
    place = f"http://{freshet.address_text(elsewhere.metrics_address)}"
    refused(world.move("--tier", place), f"{place}: for this name it follows no zone, not the zone example.com.")
    refused(world.move("--tier", "http://127.0.0.1:1"), "http://127.0.0.1:1: Connection refused: is it running")
    refused(world.move("--tier", "http://127.0.0.1"), "expected http://HOST:PORT")
    authority = f"http://{freshet.address_text(world.authority.address)}"
    refused(world.move("--tier", authority), f"{authority}: ")


def test_a_tier_elsewhere_answers_in_time_or_not_at_all(world):
    """Bytes now and then do not make it wait longer; and no number of seconds is too large for it."""
    head = b"HTTP/1.1 200 OK\r\n\r\n"

    def serve(answer):
        listener = socket.create_server(("127.0.0.1", 0))

        def run():
            with listener, listener.accept()[0] as client:
                client.recv(4096)
                answer(client)
        threading.Thread(target=run, daemon=True).start()
        return "http://127.0.0.1:%d" % listener.getsockname()[1]

    def drip(client):
        with contextlib.suppress(OSError):
            client.sendall(head)
            while True:
                client.sendall(b" ")
                time.sleep(0.1)
    place = serve(drip)
    refused(world.move("--tier", place, "--timeout", "1s"), f"{place}: no answer in time")
    place = serve(lambda client: client.sendall(head + b'{"tiers": [{"window_s": 1e300, "seconds_left": 1e300}]}'))
    refused(world.move("--tier", place), f"{place}: it has no feed")


def test_refused_when_a_tier_is_not_there(world):
    end = world.topic.end_offsets()
    refused(world.move("--tier", "/nonexistent.sock"),
            "no freshetd answers at /nonexistent.sock: No such file")
    assert world.topic.end_offsets() == end and world.held() == [world.old]


def test_refused_when_a_tier_is_not_live(world, freshetd):
    feed = {"brokers": f"127.0.0.1:{process.free_port()}", "updates": world.topic.name,
            "zones": [ZONE]}
    cold = freshetd({"tiers": [freshet.tier("cold", [world.authority])], "feed": feed})
    refused(world.move("--tier", cold.control_path),
            f"{cold.control_path}: its feed is not live but cold")


def test_refused_when_a_tier_follows_something_else(world, freshetd):
    none = freshetd({"tiers": [freshet.tier("none", [world.authority])]})
    refused(world.move("--tier", none.control_path), f"{none.control_path}: it has no feed")
    other = freshetd(freshet.stub([world.authority], world.topic, ["example.net."]))
    refused(world.move("--tier", other.control_path),
            "for this name it follows no zone, not the zone example.com.")
    refused(world.move("--topic", "elsewhere"), "it follows the topic dns.updates.")


@pytest.mark.parametrize("words, said", [
    (["MX"], 'TYPE "MX" is neither A nor AAAA'),
    (["AAAA"], '--from "192.0.2.1" is not an address of type AAAA'),
    (["A", "--to", "192.0.2.300"], '--to "192.0.2.300" is not an address of type A'),
    (["A", "--to", "192.0.2.1"], "--from and --to are the same address"),
    (["A"], "what TTL does the RRset have?"),
    (["A", "--ttl", "5", "--authority", "192.0.2.53"], "--ttl is for want of an --authority"),
    (["A", "--zone", "example.net."], 'does not lie in the zone "example.net."'),
])
def test_refused_without_asking_anybody(cli, words, said):
    result = cli("move", NAME, "--brokers", "127.0.0.1:1", "--from", "192.0.2.1",
                 "--to", "192.0.2.2", "--zone", ZONE, *words)
    assert result.code == WRONG and said in result.stderr, result


def test_without_an_authority_the_tier_is_asked(world):
    """Then the TTL must be said: what a tier tells its clients is shorter."""
    words = world.words()
    place = words.index("--authority")
    del words[place:place + 2]
    result = world.cli(*words)
    assert result.code == WRONG and "what TTL does the RRset have?" in result.stderr
    result = world.cli(*words, "--ttl", TTL, "--outside-ttl", 0, "--margin", "0s")
    assert result.code == 0, result.stderr
    assert world.held() == [world.new]
    assert ask(world.authority, NAME).answer[0].ttl == TTL


# --- what a tier says of itself


def wall(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(
        tzinfo=datetime.timezone.utc).timestamp()


def drained(daemon, name=NAME):
    return daemon.control({"cmd": "drained_by", "name": name})


def test_drained_by(world, freshetd):
    feed = freshet.feed(world.topic, [ZONE], settle="2s")
    time.sleep(3.2)  # what the test before changed settles no more
    tiers = [freshet.tier("short", [world.authority], client_ttl="1s"),
             freshet.tier("child", [world.regional], way="parent", client_ttl="0s"),
             freshet.tier("long", [world.authority], client_ttl="30s"),
             freshet.tier("deaf", [world.authority])]
    tiers[3]["subscribe"] = False
    daemon = freshetd({"tiers": tiers, "feed": feed})
    process.eventually(lambda: daemon.status()["feed"]["state"] == "live", 20)
    before = drained(daemon)
    assert before["zone"] == ZONE and before["feed"]["state"] == "live"
    assert [tier["applied"] for tier in before["tiers"]] == [None] * 4
    start = time.time()
    world.topic.publish(ZONE, [changes.set_(NAME, "A", TTL, world.new)], serial=None)
    after = process.eventually(
        lambda: (now := drained(daemon))["stamp"] > before["stamp"] and now)
    end = time.time()
    assert [tier["window_s"] for tier in after["tiers"]] == [4.0, 4.0, 30.0, None]
    assert [tier["subscribed"] for tier in after["tiers"]] == [True, True, True, False]
    assert after["tiers"][3]["drained_by"] is None
    for tier in after["tiers"][:3]:
        assert start - 0.01 <= wall(tier["applied"]) <= end + 0.01 and tier["exact"] is True
        assert wall(tier["drained_by"]) - wall(tier["applied"]) == pytest.approx(tier["window_s"])
        assert tier["seconds_left"] == pytest.approx(wall(tier["drained_by"]) - end, abs=0.5)
    other = drained(daemon, "other.example.com.")
    assert [tier["drained_by"] for tier in other["tiers"]] == [None] * 4
    assert drained(daemon, "www.example.org.")["zone"] is None
    assert not drained(daemon, "a..b")["ok"]
    process.eventually(lambda: drained(daemon)["tiers"][0]["seconds_left"] == 0)
    assert drained(daemon)["tiers"][2]["seconds_left"] > 20
