"""No memory: at any moment of freshetd's start, and while it is asked in every way there is.

    make oom                 OOM_STEPS (150) moments of the start, as many of its run
    make oom OOM_SEED=7      others

A start without memory ends and says so, or goes on with less; never by a signal. While it runs, what finds no memory
fails alone: afterwards every question has its answer, and the end is an orderly one.

Without the sandbox and without a feed: libseccomp 2.5 frees twice, loops for ever or leaves rules out where its own
memory fails, and librdkafka ends the program.
"""

import http.client
import json
import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request

import dns.exception
import dns.message
import dns.query
import pytest

import freshet
import process
import scripted as s
from scarce import Scarce

STEPS = int(os.environ.get("OOM_STEPS", "0"))
SEED = int(os.environ.get("OOM_SEED", "1"))
pytestmark = pytest.mark.skipif(STEPS == 0, reason="make oom")
WITHIN = 5.0


@pytest.fixture
def scarce(tmp_path):
    return Scarce(str(tmp_path))


@pytest.fixture
def server():
    one = s.Scripted()
    for n in range(10):
        one.set(f"n{n}.example.com.", "A", f"192.0.2.{n}")
    one.script("n1.example.com.", s.truncate())
    yield one
    one.failures.clear()
    one.stop()


class Trial:
    """A freshetd with all that it may have but a feed, as a process of its own."""

    def __init__(self, scarce, server, directory):
        self.address, self.metrics = (("127.0.0.1", process.free_port()) for _ in range(2))
        self.control = os.path.join(directory, "c.sock")
        config, hosts = (os.path.join(directory, name) for name in ("freshet.yaml", "hosts"))
        with open(hosts, "w", encoding="ascii") as file:
            file.write("192.0.2.99 nas.home.\n")
        with open(config, "w", encoding="ascii") as file:
            json.dump({"control": self.control, "metrics": freshet.address_text(self.metrics), "workers": 2, "sandbox": False, "tiers": [
                {"name": "os", "listen": [freshet.address_text(self.address)], "hosts": [hosts],
                 "local": ["printer.home. 60 IN A 192.0.2.98"], "cache": {"serve_stale": "1h"},
                 "upstream": {"tier": "above"}},
                {"name": "above", "listen": [freshet.address_text(("127.0.0.1", process.free_port()))],
                 "upstream": {"forward": [freshet.address_text(server.address)]}}]}, file)
        self.child = subprocess.Popen([freshet.program("freshetd"), "-c", config], stderr=subprocess.PIPE, text=True,
                                      env={**os.environ, **scarce.environment})

    def ask(self, name, tcp=False, timeout=3.0):
        """Its address; None: no answer."""
        query = dns.message.make_query(name, "A")
        try:
            reply = (dns.query.tcp if tcp else dns.query.udp)(query, self.address[0], port=self.address[1], timeout=timeout)
        except (dns.exception.DNSException, OSError, EOFError):
            return None
        return reply.answer[-1][0].to_text() if reply.answer else None

    def is_up(self):
        """Until it answers what it knows by itself; False: it has ended, or hangs."""
        until = time.monotonic() + WITHIN
        while self.child.poll() is None and time.monotonic() < until:
            if self.ask("printer.home.", timeout=0.1):
                return True
        return False

    def by_control(self):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(0.3)
            sock.connect(self.control)
            sock.sendall(b'{"cmd":"status"}\n')
            return sock.recv(65536)

    def by_http(self):
        with urllib.request.urlopen(f"http://{freshet.address_text(self.metrics)}/metrics", timeout=0.3) as page:
            return page.read()

    def end(self):
        if self.child.poll() is None:
            self.child.terminate()
        try:
            self.child.wait(WITHIN)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise
        with self.child.stderr:
            return self.child.returncode, self.child.stderr.read()


def moments(most, seed):
    """So many of 1..most, the first ones among them."""
    chosen = random.Random(seed)
    return sorted({*range(1, min(most, STEPS // 4) + 1), *(chosen.randint(1, most) for _ in range(STEPS))})


@pytest.mark.timeout(900)
def test_a_start_without_memory(scarce, server, tmp_path):
    trial = Trial(scarce, server, str(tmp_path))
    assert trial.is_up()
    most = scarce.asked
    assert trial.end()[0] == 0 and most > 100
    wrong, ended = [], 0
    for number in moments(most, SEED):
        scarce.begin()
        scarce.fail_at(number)
        trial = Trial(scarce, server, str(tmp_path))
        up = trial.is_up()
        good = not up or trial.ask("n2.example.com.") == "192.0.2.2"
        code, said = trial.end()
        ended += not up
        failed = code in (1, 2) and "freshetd: " in said
        if not failed and not (up and good and code == 0):
            wrong.append((number, "up" if up else "ended", code, good, said[-300:]))
    print(f"{ended} starts ended, of {most} allocations")
    assert wrong == []
    assert ended > 0


@pytest.mark.timeout(900)
def test_questions_without_memory(scarce, server, tmp_path):
    chosen = random.Random(SEED)
    trial = Trial(scarce, server, str(tmp_path))
    assert trial.is_up()
    scarce.begin()
    for step in range(STEPS):
        scarce.fail_each(chosen.choice([1, 2, 3, 5, 7, 11, 20, 50]))
        for n in range(4):
            name = chosen.choice([f"n{chosen.randrange(10)}.example.com.", f"x{step}-{n}.example.com.", "nas.home."])
            trial.ask(name, tcp=chosen.random() < 0.4, timeout=0.05)
        scarce.fail_each(0)
        for other in (trial.by_control, trial.by_http):
            scarce.fail_at(chosen.randint(1, 30))
            try:
                other()
            except (OSError, urllib.error.URLError, http.client.HTTPException):
                pass
        if chosen.random() < 0.05:
            trial.child.send_signal(1)
        if step % 10 == 9:
            scarce.fail_each(0)
            assert trial.child.poll() is None, trial.end()
            time.sleep(0.1)
            assert trial.ask("printer.home.") == "192.0.2.98"
            assert trial.ask(f"n{step % 10}.example.com.", tcp=step % 20 == 9) == f"192.0.2.{step % 10}"
    scarce.fail_each(0)
    assert b"uptime" in trial.by_control() and b"freshet_queries_total" in trial.by_http()
    assert scarce.failed > STEPS
    code, said = trial.end()
    assert code == 0, said[-2000:]
