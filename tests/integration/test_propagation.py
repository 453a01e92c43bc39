"""A change reaches both tiers of a hierarchy, each time, and at once: on a real Kafka broker.

    knotd (1,000 names, TTL 3600) <-- freshetd "regional" <-- freshetd "stub"

Both daemons follow the topic, and hold every name before the first change. The figures that are
printed, and written to build/propagation.json, are of this machine at this moment: what a test may
assert is that no change is lost, not how fast it is.
"""

import json
import os
import random
import statistics
import subprocess
import time

import pytest

import changes
import freshet
import kafka_cluster
import knot
import process
from query import addresses, ask

ZONE = "example.com."
NAMES = [f"n{number}.{ZONE}" for number in range(1000)]
SETS = 1000
TTL = 3600        # seconds
# Seconds: sooner after another publisher's set, one of this publisher's evicts (invalidation/order.h), as clocks may differ by that.
ORDER_TOLERANCE = 0.1
APPLIED_WITHIN = 10.0  # seconds; for a machine that is busy with other things
OLD = "192.0.2.1"
BROKER = "one node of Apache Kafka on this machine"
REPORT = os.path.join(process.ROOT, "build", "propagation.json")


def new_address(number):
    """A different one for each change."""
    return f"198.18.{number >> 8 & 0xff}.{number & 0xff}"


def tier_status(daemon):
    return daemon.status()["tiers"][0]


class Hierarchy:
    """The authority and the two tiers, both live and warm."""

    def __init__(self, topic, stack):
        self.topic = topic
        records = "\n".join(f"{name} {TTL} A {OLD}" for name in NAMES)
        self.authority = knot.Knot({ZONE: records})
        stack.append(self.authority.stop)
        self.regional = self._tier(stack, "regional", self.authority)
        self.stub = self._tier(stack, "stub", self.regional, way="parent")
        self.tiers = {"regional": self.regional, "stub": self.stub}
        for daemon in self.tiers.values():
            process.eventually(lambda d=daemon: d.status()["feed"]["state"] == "live", 20)
        for name in NAMES:
            assert addresses(ask(self.stub, name)) == [OLD]

    def _tier(self, stack, name, upstream, **options):
        # One authority has nobody who could lag behind it, so there is nothing to settle.
        feed = freshet.feed(self.topic, [ZONE], settle="0s")
        daemon = freshet.Freshetd({"tiers": [freshet.tier(name, [upstream], **options)],
                                   "feed": feed}, log="info")
        stack.append(daemon.close)
        return daemon

    def upstream_queries(self):
        """What each has sent to the one above it, as counted here and there."""
        sent = {name: sum(upstream["sent"] for upstream in tier_status(daemon)["upstreams"])
                for name, daemon in self.tiers.items()}
        return {**sent, "authority": self.authority.query_count("A")}

    def change(self, name, address):
        """At the authority; it answers so when this returns."""
        self.authority.apply(ZONE, [("set", name, TTL, "A", address)])


@pytest.fixture(scope="module")
def hierarchy(kafka):
    if not isinstance(kafka, kafka_cluster.KafkaBroker):
        pytest.skip("needs a Kafka broker of its own (KAFKA unset)")
    topic = kafka.topic()
    stack = [topic.delete]
    try:
        yield Hierarchy(topic, stack)
    finally:
        while stack:
            stack.pop()()


def applied(daemon):
    return daemon.status()["feed"]["applied"]


@pytest.mark.timeout(180)
def test_every_set_is_visible_at_the_next_query(hierarchy):
    """P1, and no change lost: once a tier says that it has applied a change, it answers so."""
    source = random.Random(1)
    before = {tier: applied(daemon) for tier, daemon in hierarchy.tiers.items()}
    upstream = hierarchy.upstream_queries()
    for number in range(1, SETS + 1):
        name, address = source.choice(NAMES), new_address(number)
        hierarchy.change(name, address)
        hierarchy.topic.publish(ZONE, [changes.set_(name, "A", TTL, address)], serial=None)
        for tier, daemon in hierarchy.tiers.items():
            process.eventually(lambda d=daemon, n=before[tier] + number: applied(d) >= n,
                               APPLIED_WITHIN, every=0.0005, what=f"{tier} applies {number}")
            answer = ask(daemon, name)
            assert addresses(answer) == [address], f"{tier}: change {number}, {name}"
    assert hierarchy.stub.lookup(name)["tiers"][0]["variants"][0]["ttl"] > TTL - 60
    assert hierarchy.upstream_queries() == upstream, "a SET of a held name costs no query"
    for daemon in hierarchy.tiers.values():
        feed = daemon.status()["feed"]
        assert feed["refused"] == {} and feed["resets"] == 1


# --- the figures


class Bench:
    """build/tests/propagation: publishes, and sees when the change is where."""

    def __init__(self, topic, servers):
        words = [freshet.program("tests/propagation"), "--brokers", topic.bootstrap,
                 "--topic", topic.name, "--zone", ZONE]
        words += [freshet.address_text(server.address) for server in servers]
        self._process = subprocess.Popen(
            words, cwd=process.ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=freshet.environment())

    def set(self, name, ttl, address):
        """Publishes the SET; microseconds by "acked_us", "consumed_us" and "visible_us"."""
        self._process.stdin.write(f"{name} {ttl} {address}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"{self._process.args[0]} ended with {self._process.wait(5)}"
        return json.loads(line)

    def close(self):
        self._process.stdin.close()
        try:
            assert self._process.wait(10) == 0
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()


def summary(microseconds):
    """Milliseconds."""
    percentiles = statistics.quantiles(microseconds, n=100, method="inclusive")
    return {"p50_ms": round(percentiles[49] / 1000, 3), "p99_ms": round(percentiles[98] / 1000, 3),
            "max_ms": round(max(microseconds) / 1000, 3)}


def report(figures):
    lines = [f"\n{SETS} SETs, one after the other: ms since the call that publishes, on {BROKER};",
             "the tiers are asked about every 0.2 ms",
             f"{'':36}{'p50':>9}{'p99':>9}{'max':>9}"]
    lines += [f"  {what:34}{row['p50_ms']:9.3f}{row['p99_ms']:9.3f}{row['max_ms']:9.3f}"
              for what, row in figures.items()]
    return "\n".join(lines)


@pytest.mark.timeout(180)
def test_figures_of_publish_to_visible(hierarchy, record_property):
    """Every change is seen at both tiers; and how long that took, beside the broker's own part."""
    source = random.Random(2)
    picked = [(source.choice(NAMES), TTL, new_address(SETS + number))
              for number in range(1, SETS + 1)]
    # At the authority all at once and before the first is published: the caches hold the old
    # answers for an hour, so what makes the new ones visible can only be the stream.
    last = {name: address for name, _, address in picked}
    hierarchy.authority.apply(ZONE, [("set", name, TTL, "A", last[name]) for name in last])
    bench = Bench(hierarchy.topic, hierarchy.tiers.values())
    try:
        time.sleep(2 * ORDER_TOLERANCE)
        bench.set(*picked[0])  # a broker's first producer waits half a second for its id
        times = [bench.set(*change) for change in picked]
    finally:
        bench.close()
    lost = [row for row in times if None in [row["consumed_us"], *row["visible_us"]]]
    assert lost == [], f"{len(lost)} of {len(times)}: {[daemon.status()['feed'] for daemon in hierarchy.tiers.values()]}"
    for name, address in last.items():
        for daemon in hierarchy.tiers.values():
            assert addresses(ask(daemon, name)) == [address]

    figures = {"acknowledged by the broker": summary([t["acked_us"] for t in times]),
               "at a plain consumer (librdkafka)": summary([t["consumed_us"] for t in times])}
    for place, tier in enumerate(hierarchy.tiers):
        figures[f"visible at {tier}"] = \
            summary([t["visible_us"][place] for t in times])
    with open(REPORT, "w", encoding="ascii") as file:
        json.dump({"sets": SETS, "programs": freshet.build_directory(), "broker": BROKER,
                   "from_publish_call": figures}, file, indent=2)
    record_property("figures", report(figures))
