"""As many queries as this machine can do: none is lost, and memory stays what was configured.

dnsperf asks, knotd is the authority and makes up every name from one wildcard record.
"""

import os
import random
import re
import subprocess

import pytest

import freshet
import knot
import process

# A sanitizer makes all of it slower, and its shadow memory is no measure of ours.
SANITIZED = freshet.build_directory() != "build"
NAMES = 20_000
QUERIES = 40_000 if SANITIZED else 100_000
OUTSTANDING = 100  # queries that dnsperf has under way at a time
LOAD_WITHIN = 100  # seconds
MIB = 1 << 20
TEXT = "x" * 250   # makes an answer about 0.7 KiB: 13 MiB for all names, more than 8
RECORDS = f'*.load 3600 TXT "{TEXT}" "{TEXT}"'

# What the process may take, in bytes, beyond its RSS at the start and what its cache may hold: the
# queries under way, and what malloc cannot give back. Measured with glibc 2.36 on amd64: 1.8 MiB.
OVERHEAD = 4 * MIB


@pytest.fixture(scope="module")
def wildcard():
    server = knot.Knot({"example.com.": RECORDS})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def question_file():
    """Every name equally often, in an order that repeats with each run."""
    numbers = [number % NAMES for number in range(QUERIES)]
    random.Random(4).shuffle(numbers)
    path = os.path.join(process.run_directory("load"), "questions")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"n{number}.load.example.com TXT\n" for number in numbers)
    return path


def run_load(daemon, path):
    """Asks all questions of the file once; what dnsperf says of it."""
    host, port = daemon.address
    done = subprocess.run(
        ["dnsperf", "-s", host, "-p", str(port), "-d", path, "-n", "1", "-e", "-c", "4",
         "-q", str(OUTSTANDING)], capture_output=True, text=True, timeout=LOAD_WITHIN, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def number_in(output, pattern):
    found = re.search(pattern, output)
    assert found, f"{pattern!r} is not in:\n{output}"
    return float(found[1])


def check_answers(output):
    assert number_in(output, r"Queries sent:\s+(\d+)") == QUERIES
    assert number_in(output, r"Queries completed:\s+(\d+)") == QUERIES, output
    assert number_in(output, r"Queries lost:\s+(\d+)") == 0
    assert number_in(output, r"Response codes:\s+NOERROR (\d+)") == QUERIES, output
    assert "unexpected" not in output.lower(), output


def peak_rss(daemon):
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
        return int(re.search(r"^VmHWM:\s+(\d+) kB", file.read(), re.M).group(1)) * 1024


def tier_counts(daemon):
    return daemon.status()["tiers"][0]


def check_upstream(daemon):
    """No query came to nothing, and at most one in a thousand had to be repeated; and those under way when the machine
    was busy elsewhere for a moment, twice at most."""
    tier = tier_counts(daemon)
    assert tier["failed"] == 0 and tier["overloaded"] == 0 and tier["dropped"] == 0
    sent = sum(upstream["sent"] for upstream in tier["upstreams"])
    assert sum(upstream["failed"] for upstream in tier["upstreams"]) == 0
    assert sum(upstream["timeouts"] for upstream in tier["upstreams"]) <= sent / 1000 + 2 * OUTSTANDING


def describe(what, output, daemon, before):
    """The line that is printed. Hits are the cache's own count, of this run only."""
    counts = tier_counts(daemon)
    hits = counts["hits"] - before["hits"]
    rate = number_in(output, r"Queries per second:\s+([\d.]+)")
    return (f"  {what}: {rate:,.0f} queries/s, {100 * hits / QUERIES:.1f} % hits, "
            f"{counts['answers']:,} answers in {counts['bytes'] / MIB:.1f} MiB, "
            f"RSS at most {peak_rss(daemon) / MIB:.1f} MiB")


@pytest.mark.timeout(180)
def test_a_cache_too_small_stays_in_its_bounds(wildcard, freshetd, question_file, record_property):
    size = 8 * MIB
    daemon = freshetd(freshet.stub([wildcard], cache={"size": "8MiB"}), log="info")
    start, before = daemon.rss(), tier_counts(daemon)
    output = run_load(daemon, question_file)
    record_property("figures", describe("8 MiB", output, daemon, before)
                    + f" ({start / MIB:.1f} at the start)")
    check_answers(output)
    counts = tier_counts(daemon)
    assert counts["evicted"] > 0
    assert counts["hits"] > QUERIES / 10
    assert counts["bytes"] <= counts["size"] == size
    assert counts["answers"] > size / 2 / 1024, "it has hardly anything: bounds are no feat then"
    check_upstream(daemon)
    if not SANITIZED:
        assert peak_rss(daemon) <= start + size + OVERHEAD


@pytest.mark.timeout(180)
def test_everything_fits(wildcard, freshetd, question_file, record_property):
    daemon = freshetd(freshet.stub([wildcard], cache={"size": "64MiB"}), log="info")
    start, before = daemon.rss(), tier_counts(daemon)
    cold = run_load(daemon, question_file)
    cold_line = describe("64 MiB, cold", cold, daemon, before)
    check_answers(cold)
    warm, asked = tier_counts(daemon), wildcard.query_count("TXT")
    assert warm["evicted"] == 0 and warm["answers"] == NAMES
    output = run_load(daemon, question_file)
    record_property("figures", cold_line + "\n" + describe("64 MiB, warm", output, daemon, warm))
    check_answers(output)
    counts = tier_counts(daemon)
    assert counts["hits"] - warm["hits"] == QUERIES
    assert wildcard.query_count("TXT") == asked, "what is held was asked for again"
    check_upstream(daemon)
    if not SANITIZED:
        assert peak_rss(daemon) <= start + counts["bytes"] + OVERHEAD
