#!/usr/bin/python3
"""That the generator sees what there is to see: losses, stalls, wrong replies, late ones.

    make bench-throughput-selftest

Each check breaks one thing on purpose and looks for its trace in what load printed.
"""

import contextlib
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402,F401  pylint: disable=unused-import
import measure  # noqa: E402
import peers  # noqa: E402
import process  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
STALL = 0.3  # seconds


def drops(load):
    """Every 100th query is dropped: so many are lost, and no other."""
    with contextlib.closing(measure.echo(CORES, drop_every=100)) as echo:
        result = load(echo, 1, "--rate=20000")
    # The echo has counted the question that told it was ready, too.
    assert abs(result["lost"] - result["asked"] / 100) <= 1, result
    assert result["good"] + result["lost"] == result["asked"] > 15000, result
    assert result["bad"] == result["unsent"] == 0, result


def echo_is_no_answer(load):
    """A reply without an answer is bad, unless an echo is expected."""
    with contextlib.closing(measure.echo(CORES)) as echo:
        echo.echoes = False
        result = load(echo, 0.5, "--rate=1000")
    assert result["good"] == 0 and result["bad"] == result["asked"] > 300, result


def answers(load):
    """An authority's answers are good, of known names and of new ones, with and without a rate."""
    with contextlib.closing(measure.authority(CORES)) as authority:
        for options in (["--rate=5000", "--unique=0.5"], ["--unique=1"], ["--order=zipf"],
                        ["--rate=5000", "--edns"], ["--rate=5000", "--stamps", "--burst=8"]):
            result = load(authority, 0.5, *options)
            assert result["good"] == result["asked"] > 1000, (options, result)


def each_once(load):
    """As many queries as there are names, and not one more."""
    with contextlib.closing(measure.authority(CORES)) as authority:
        result = load(authority, 10, "--order=each", "--known=777", "--limit=777")
    assert result["asked"] == result["good"] == 777, result


@contextlib.contextmanager
def stalled(server, after):
    """Meanwhile it stands still for a while, `after` seconds from the begin."""
    timers = [threading.Timer(after, server.signal, [signal.SIGSTOP]),
              threading.Timer(after + STALL, server.signal, [signal.SIGCONT])]
    for timer in timers:
        timer.start()
    yield
    for timer in timers:
        timer.join()


def stall(load):
    """The server stands still for 0.3 s of 1.5: a fifth of the queries waited, each its share."""
    with contextlib.closing(measure.authority(CORES)) as authority:
        began = time.monotonic()
        with stalled(authority, 0.6):
            result = load(authority, 1.5, "--rate=10000")
    assert time.monotonic() - began < 20
    assert result["good"] == result["asked"], result
    # The stall takes the highest fifth of the latencies: p90 is in its middle, p99 near its start.
    latency = result["latency_us"]
    assert 0.25 * STALL * 1e6 < latency["p90"] < 0.75 * STALL * 1e6, latency
    assert latency["p99"] > 0.8 * STALL * 1e6, latency
    # A tenth of a second without a stall is what most of them are.
    assert result["slice_us"]["p50"] < 0.1 * STALL * 1e6, result


def too_late(load):
    """A reply after the timeout is lost, and counted as a stray when it comes."""
    with contextlib.closing(measure.authority(CORES)) as authority:
        with stalled(authority, 0.4):
            result = load(authority, 1.2, "--rate=2000", "--timeout=50")
    lost = result["lost"] / 2000
    assert 0.5 * STALL < lost < 1.2 * STALL, result
    assert result["stray"] == result["lost"], result


def streams(load):
    """freshet over TCP: good answers, connections kept; lost from when it is killed."""
    with contextlib.closing(measure.authority(CORES)) as authority:
        with contextlib.closing(peers.Freshet(authority.address[1], CORES)) as server:
            result = load(server, 0.5, "--tcp", "--known=100")
            assert result["good"] == result["asked"] > 1000 and result["reconnects"] == 0, result
            result = load(server, 0.5, "--tcp", "--known=100", "--rate=5000")
            assert result["good"] == result["asked"] > 1000, result
            timer = threading.Timer(0.5, server.daemon.kill)
            timer.start()
            result = load(server, 1, "--tcp", "--known=100", "--rate=5000")
            timer.join()
            missing = (result["lost"] + result["unsent"]) / 5000
            assert 0.2 < missing < 0.8 and result["reconnects"] > 0, result
            assert result["good"] + result["lost"] + result["unsent"] == result["asked"], result


def main():
    os.chdir(process.ROOT)
    load = measure.Load(CORES)
    for check in (drops, echo_is_no_answer, answers, each_once, stall, too_late, streams):
        check(load)
        print(f"ok  {check.__name__}: {check.__doc__.splitlines()[0]}", flush=True)


if __name__ == "__main__":
    main()
