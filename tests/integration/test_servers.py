"""What freshetd has learned of its forwarders stays when the configuration, or a hosts file, is read again."""

import os
import time

import pytest

import freshet
import process
import scripted as s
from query import addresses, ask
from test_program import reload


@pytest.fixture
def second():
    server = s.Scripted()
    yield server
    server.stop()


def stub(upstreams, **options):
    config = freshet.stub(upstreams, workers=1)
    config["tiers"][0].update(options)
    return config


def test_that_it_does_not_speak_edns(scripted, freshetd, rundir):
    hosts = os.path.join(rundir, "hosts")

    def write_hosts(address):
        with open(hosts, "w", encoding="ascii") as file:
            file.write(f"{address} nas\n")

    write_hosts("192.0.2.7")
    config = stub([scripted], hosts=[hosts])
    daemon = freshetd(config)
    scripted.script("*", s.no_edns())
    for name in ("first.example.com.", "other.example.com."):
        ask(daemon, name)
        assert [query.edns for query in scripted.asked(name)] == [True, False]
    assert "msg=reloaded" in reload(daemon, config)
    ask(daemon, "second.example.com.")
    assert [query.edns for query in scripted.asked("second.example.com.")] == [False]
    write_hosts("192.0.2.70")
    process.eventually(lambda: addresses(ask(daemon, "nas.")) == ["192.0.2.70"], within=10)
    ask(daemon, "third.example.com.")
    assert [query.edns for query in scripted.asked("third.example.com.")] == [False]


def test_that_it_folds_case(scripted, freshetd):
    config = stub([scripted])
    daemon = freshetd(config)
    scripted.script("*", s.lower_case())
    for name in ("first.example.com.", "other.example.com."):
        ask(daemon, name)
        assert [query.transport for query in scripted.asked(name)] == ["udp", "tcp"]
    reload(daemon, config)
    ask(daemon, "second.example.com.")
    assert [query.transport for query in scripted.asked("second.example.com.")] == ["udp"]


def test_that_it_is_down(scripted, second, freshetd):
    """Many times over, so that the few queries by which it may show that it is back are counted too."""
    config = stub([scripted, second])
    daemon = freshetd(config)
    scripted.script("*", s.drop())
    # Seven seconds of silence: it is down for longer than the rest takes.
    process.eventually(lambda: ask(daemon, f"n{time.monotonic_ns()}.example.com.")
                       and scripted.count() >= 9, within=40)
    scripted.forget()
    for n in range(20):
        if n % 5 == 0:
            assert "msg=reloaded" in reload(daemon, config)
        watch = process.Stopwatch()
        ask(daemon, f"m{n}.example.com.")
        assert watch.own() < 0.3 or scripted.count() <= 2
    assert scripted.count() <= 2


def test_a_new_address_starts_from_nothing(scripted, second, freshetd):
    daemon = freshetd(stub([scripted]))
    scripted.script("*", s.no_edns())
    for name in ("first.example.com.", "other.example.com."):
        ask(daemon, name)
    reload(daemon, stub([second]))
    process.eventually(lambda: ask(daemon, f"n{time.monotonic_ns()}.example.com.")
                       and second.count() > 0)
    assert all(query.edns for query in second.queries)
    reload(daemon, stub([scripted]))
    scripted.forget()
    process.eventually(lambda: ask(daemon, f"n{time.monotonic_ns()}.example.com.")
                       and scripted.count() > 0)
    assert not any(query.edns for query in scripted.queries), "back again it is remembered"
