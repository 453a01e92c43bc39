"""A log that forgets: it keeps a minute, and changes come for five. Whoever starts at any moment has the whole zone.

    make retention                 RETENTION_SECONDS (300) of changes; RETENTION_SEED=7: at other moments

Kafka deletes closed segments only, so these are short. freshet-origin captures a zone from Knot, or has one whose primary is
the log, and its guard writes snapshots before what came after the last is gone. Consumers that start at random moments, and the origin itself, killed, find a log whose
beginning is gone and the newest snapshot. Then the guard is off: the broker takes no snapshot any more. The origin must say so, and
what starts then that it has no zone, and give none.
"""

import os
import random
import threading
import time

import dns.message
import dns.query
import dns.rcode
import pytest
from kafka.admin import ConfigResource, ConfigResourceType

import changes
import freshet
import kafka_cluster
import origin as origins
import primaries
import process

SECONDS = float(os.environ.get("RETENTION_SECONDS", "0"))
SEED = int(os.environ.get("RETENTION_SEED", "1"))
KEPT_MS, SEGMENT_MS = 60000, 5000
BROKER = "log.retention.check.interval.ms=1000\nlog.segment.delete.delay.ms=1000\n"
RATE = 20       # changes a second
NAMES = 50
ZONE = "example.com."


class Changer(threading.Thread):
    """Changes records at a steady rate, but for moments in which somebody compares."""

    def __init__(self, replace):
        super().__init__(daemon=True)
        self._replace, self._stopping = replace, threading.Event()
        self.still = threading.Lock()
        self.made, self.fault = 0, None
        self.start()

    def run(self):
        while not self._stopping.wait(1 / RATE):
            with self.still:
                self.made += 1
                try:
                    self._replace(f"n{self.made % NAMES}", f"10.0.{self.made >> 8 & 255}.{self.made & 255}")
                except Exception as fault:  # pylint: disable=broad-except  # the test asks for it
                    self.fault = fault
                    return

    def stop(self):
        self._stopping.set()
        self.join()
        assert self.fault is None, self.fault


class Place:
    """A broker, the primary, and the topics; what is started here is ended here."""

    def __init__(self, stack, kind):
        self._stack = stack
        self.cluster = kafka_cluster.KafkaBroker(properties=BROKER)
        stack.append(self.cluster.stop)
        self.updates = self.cluster.topic(retention_ms=KEPT_MS, segment_ms=SEGMENT_MS)
        self.snapshots = self.cluster.topic(cleanup_policy="compact", segment_ms=SEGMENT_MS, min_cleanable_dirty_ratio=0.01)
        self.partition = kafka_cluster.partition_of(ZONE)
        self.origin = self._captured() if kind == "captured" else self._updated()

    def _start(self, zone, **options):
        origin = origins.Origin(origins.config(self.updates, {ZONE: zone}, self.snapshots, **options), log="info")
        self._stack.append(origin.close)
        return origin

    def _captured(self):
        listen = ("127.0.0.1", process.free_port())
        self.primary = primaries.Knot(ZONE, listen, more="\n".join(f"n{n} A 10.0.0.0" for n in range(NAMES)))
        self._stack.append(self.primary.stop)
        origin = self._start([self.primary], listen=[freshet.address_text(listen)])
        origin.wait_serial(ZONE, self.primary.serial(), within=20)
        return origin

    def _updated(self):
        soa = f"ns1.{ZONE} hostmaster.{ZONE} 1 3600 600 86400 60"
        self.updates.publish(ZONE, [changes.set_(ZONE, "NS", 3600, f"ns1.{ZONE}"), changes.set_(f"ns1.{ZONE}", "A", 3600, "127.0.0.1"),
                                    changes.set_(ZONE, "SOA", 3600, soa)])
        self.primary = self._start({"log": "primary", "update_from": ["127.0.0.1"], "transfer_from": ["127.0.0.1"]})
        self._wait_ready()
        return self.primary

    def _wait_ready(self):
        process.eventually(lambda: self.origin_zone()["ready"], within=20, what="the origin has the zone")

    def replace(self, name, address):
        primaries.replace(self.primary.address, ZONE, name, address)

    def origin_zone(self):
        """What the origin says of it."""
        status = getattr(self, "origin", self.primary).status()
        return (status["zone_list"] + status["primary_list"])[0]

    def kill(self, changer):
        """The origin, with kill -9; it goes on from the newest snapshot. UPDATEs wait for it meanwhile."""
        if self.primary is not self.origin:
            self.origin.kill()
            time.sleep(3)
            self.origin.start()
            process.eventually(lambda: self.origin_zone()["versions"] > 0, within=20, what="the origin goes on")
            assert self.origin.status()["axfr"] == 0  # not from the primary
            return
        with changer.still:
            self.origin.kill()
            self.origin.start()
            self._wait_ready()

    def guard_off(self):
        """No message fits the topic of snapshots."""
        small = {"cleanup.policy": "compact", "max.message.bytes": "100"}
        self.cluster.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self.snapshots.name, configs=small)])

    def consumer(self):
        """A cache that has the zone from the stream, or else nowhere: its upstream is not there."""
        nobody = ("127.0.0.1", process.free_port())
        tier = {**freshet.tier("os", [nobody]), "routes": [{"name": ZONE, "stream": True, "authoritative": True}]}
        return freshet.Freshetd({"tiers": [tier], "resolve_timeout": "1s",
                                 "feed": freshet.feed(self.updates, [ZONE], snapshots=self.snapshots.name)}, log="info")

    def log_begins(self):
        """The earliest offset of the zone's partition."""
        with self.updates._consumer() as (consumer, parts):  # pylint: disable=protected-access
            return next(offset for part, offset in consumer.beginning_offsets(parts).items() if part.partition == self.partition)


@pytest.fixture(params=["captured", "log"])
def place(request):
    stack = []
    try:
        yield Place(stack, request.param)
    finally:
        for end in reversed(stack):
            end()


def state(consumer):
    return consumer.status()["streamed"][0]


def check_whole(place, changer, when):
    """A consumer started now has the zone, as the primary's AXFR has it, by digest."""
    began = time.monotonic()
    consumer = place.consumer()
    try:
        process.eventually(lambda: state(consumer)["state"] == "live", within=15, what=f"live: {state(consumer)}")
        took = time.monotonic() - began
        with changer.still:
            wanted = origins.transfer(place.primary, ZONE)
            found = origins.zone_at(consumer, wanted)
        assert found is not None and origins.digest(found) == origins.digest(wanted)
        print(f"  {when:5.0f} s: live after {took:.2f} s, serial {state(consumer)['serial']}, the log begins at offset "
              f"{place.log_begins()}, digest {origins.digest(found)[:16]}", flush=True)
    finally:
        consumer.close()


@pytest.mark.skipif(not SECONDS, reason="some minutes: make retention")
@pytest.mark.timeout(SECONDS + 400)
def test_whoever_starts_has_the_whole_zone(place):
    chance = random.Random(SEED)
    origin = place.origin
    changer, began, checked = Changer(place.replace), time.monotonic(), 0
    kill_at = began + SECONDS / 2
    margins = []
    while time.monotonic() < began + SECONDS:
        time.sleep(chance.uniform(1, 15))
        if kill_at and time.monotonic() > kill_at:
            kill_at = None
            place.kill(changer)
        margins.append((place.origin_zone()["snapshot"] or {}).get("margin_s"))
        check_whole(place, changer, time.monotonic() - began)
        checked += 1
    print(f"  {changer.made} changes, {checked} consumers, margin of the snapshot at least "
          f"{min(margin for margin in margins if margin is not None):.1f} s")
    assert place.log_begins() > 0  # or nothing was put to the test
    assert origin.metric("freshet_origin_gapped") == origin.metric("freshet_origin_snapshots_failed_total") == 0
    without_guard(place, origin, changer)
    changer.stop()


def without_guard(place, origin, changer):
    """The last snapshot is overtaken by the log's beginning."""
    place.guard_off()
    process.eventually(lambda: origin.metric("freshet_origin_snapshots_failed_total") > 0, within=KEPT_MS / 1000, every=0.5,
                       what="the origin has tried to write a snapshot")
    origin.wait_log("snapshots cannot be written")
    snapshot = place.origin_zone()["snapshot"]["offset"]
    process.eventually(lambda: place.log_begins() > snapshot, within=2.5 * KEPT_MS / 1000, every=1,
                       what=f"the log begins behind offset {snapshot}")
    process.eventually(lambda: origin.metric("freshet_origin_gapped") == 1, within=10, what="the origin says gapped")
    assert place.origin_zone()["snapshot"]["verdict"] == "gapped"
    assert changer.fault is None
    consumer = place.consumer()
    try:
        process.eventually(lambda: state(consumer)["state"] == "gapped", within=15, what="it says so")
        reply = dns.query.udp(dns.message.make_query(f"ns1.{ZONE}", "A"), consumer.address[0], port=consumer.address[1], timeout=5)
        assert reply.rcode() == dns.rcode.SERVFAIL and not reply.answer
        assert "the log begins at offset" in state(consumer)["reason"]
        assert consumer.metric("freshet_streamed_state", state="gapped") == 1
        consumer.wait_log("streamed zone is gapped")
        print(f"  without the guard: gapped, \"{state(consumer)['reason']}\"")
    finally:
        consumer.close()
