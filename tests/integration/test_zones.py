"""Streamed zones: a tier that holds a whole zone, from its snapshot and the log, and needs no upstream for it.

Snapshots are written by the tool; the log, as any publisher does it. The upstream is scripted: what it is asked for is known.
"""

import contextlib
import json
import time
import uuid

import dns.flags
import pytest

import changes
import freshet
import kafka_cluster
from process import eventually
from query import addresses, ask, rcode

ZONE = "example.com."
SOA = "ns.example.com. root.example.com. {} 3600 600 86400 60"

RECORDS = [
    ("@", "SOA", [SOA.format(1)]),
    ("@", "NS", ["ns.example.com."]),
    ("ns", "A", ["192.0.2.53"]),
    ("www", "A", ["192.0.2.1", "192.0.2.2"]),
    ("alias", "CNAME", ["www.example.com."]),
    ("far", "CNAME", ["www.example.net."]),
    ("*.wild", "A", ["192.0.2.42"]),
    ("a.empty", "A", ["192.0.2.43"]),
    ("child", "NS", ["ns.child.example.com."]),
    ("ns.child", "A", ["192.0.2.54"]),
]


def full(name):
    return ZONE if name == "@" else f"{name}.{ZONE}"


def whole_zone():
    """The zone as SETs."""
    return [changes.set_(full(name), rtype, 300, *rdata) for name, rtype, rdata in RECORDS]


class Log:
    """A topic of updates and one of snapshots, of the test's own."""

    def __init__(self, kafka, cli):
        self.kafka, self.cli = kafka, cli
        self.updates = kafka.topic()
        self.snapshots = kafka_cluster.Topic(kafka, f"dns.snapshots.{uuid.uuid4().hex[:12]}", 2)
        self.serial = 1

    def change(self, *change_list, **fields):
        """One change set, with the SOA of the next serial at its end; returns where it lies."""
        self.serial += 1
        soa = changes.set_(ZONE, "SOA", 300, SOA.format(self.serial))
        return self.updates.publish(ZONE, [*change_list, soa], serial=self.serial, **fields)

    def tool(self, *arguments):
        return self.cli("snapshot", ZONE, "--brokers", self.updates.bootstrap, "--topic", self.updates.name,
                        "--snapshots", self.snapshots.name, "--json", *arguments)

    def snapshot(self, *arguments):
        """Writes one (or only looks, with --dry-run) and returns what the tool says of it."""
        done = self.tool(*arguments)
        assert done.code == 0, done.stderr
        return json.loads(done.stdout)

    def feed(self, **options):
        return freshet.feed(self.updates, [ZONE, "example.net."], snapshots=self.snapshots.name, **options)

    def delete(self):
        self.updates.delete()
        self.snapshots.delete()


@pytest.fixture
def log(kafka, cli):
    """A log that begins with the whole zone, and a snapshot of that."""
    made = Log(kafka, cli)
    made.updates.publish(ZONE, whole_zone(), serial=1)
    made.snapshot("--from-beginning", "-X", "compression.codec=gzip")  # which the Python client reads
    yield made
    made.delete()


def config(log, upstream, feed=None, **zone):
    tier = freshet.tier("os", [upstream])
    tier["routes"] = [{"name": ZONE, "stream": True, **zone}]
    return {"tiers": [tier], "feed": log.feed(**(feed or {}))}


def streamed(daemon):
    (zone,) = daemon.status()["streamed"]
    return zone


def wait_state(daemon, state, within=20):
    eventually(lambda: streamed(daemon)["state"] == state, within=within, what=f"the zone is {state}")


def wait_serial(daemon, serial, within=10):
    eventually(lambda: streamed(daemon)["serial"] == serial, within=within, what=f"serial {serial}")


@pytest.fixture
def daemon(freshetd, log, scripted):
    started = freshetd(config(log, scripted))
    wait_state(started, "live")
    return started


def test_p11_a_zone_is_answered_without_an_upstream(daemon, log, scripted):
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1", "192.0.2.2"]
    assert addresses(ask(daemon, "alias.example.com.")) == ["192.0.2.1", "192.0.2.2"]
    assert rcode(ask(daemon, "nobody.example.com.")) == "NXDOMAIN"
    nodata = ask(daemon, "www.example.com.", "MX")
    assert rcode(nodata) == "NOERROR" and not nodata.answer and nodata.authority
    assert addresses(ask(daemon, "any.thing.wild.example.com.")) == ["192.0.2.42"]
    empty = ask(daemon, "empty.example.com.")
    assert rcode(empty) == "NOERROR" and not empty.answer
    assert scripted.count() == 0
    status = streamed(daemon)
    assert status["serial"] == 1 and status["records"] == 11 and status["offset"] == 1
    assert daemon.metric("freshet_streamed_state", state="live") == 1
    assert daemon.metric("freshet_streamed_records", zone=ZONE) == 11


def test_p11_what_lies_in_another_partition_changes_no_zone_and_is_said(daemon, log):
    """Whoever begins now, at the snapshot, does not read it: so both have the same zone."""
    name = "www.example.com."
    message = changes.encode(changes.change_set(ZONE, [changes.set_(name, "A", 300, "192.0.2.9")], 2))
    other = (kafka_cluster.partition_of(ZONE, log.updates.partitions) + 1) % log.updates.partitions
    sent = log.updates.send(ZONE, message, partition=other)
    daemon.wait_log("a change set of a streamed zone lies in another partition than the zone's: it evicts only")
    assert f"zone=\"{ZONE}\" partition={other} offset={sent.offset}" in daemon.log
    assert daemon.metric("freshet_streamed_elsewhere_total") == 1
    assert addresses(ask(daemon, name)) == ["192.0.2.1", "192.0.2.2"]
    assert log.snapshot("--dry-run")["records"] == streamed(daemon)["records"]


def test_p11_changes_are_exact_and_visible_at_once(daemon, log, scripted):
    """ADD and DEL of one record, too: the next answer is made of the new zone, with no question upstream."""
    name = "www.example.com."
    assert addresses(ask(daemon, name)) == ["192.0.2.1", "192.0.2.2"]
    steps = [
        ([changes.add(name, "A", 300, "192.0.2.3")], ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        ([changes.delete(name, "A", "192.0.2.1")], ["192.0.2.2", "192.0.2.3"]),
        ([changes.set_(name, "A", 300, "192.0.2.9")], ["192.0.2.9"]),
        ([changes.delete(name)], []),
    ]
    for change, wanted in steps:
        log.change(*change)
        wait_serial(daemon, log.serial)
        assert addresses(ask(daemon, name)) == wanted
        assert int(ask(daemon, ZONE, "SOA").answer[0][0].serial) == log.serial
    assert rcode(ask(daemon, name)) == "NXDOMAIN"
    assert scripted.count() == 0


def test_p11_what_a_wildcard_and_an_empty_name_cover_moves(daemon, log, scripted):
    assert addresses(ask(daemon, "x.wild.example.com.")) == ["192.0.2.42"]
    log.change(changes.add("b.x.wild.example.com.", "A", 300, "192.0.2.77"),
               changes.flush("x.wild.example.com.", subtree=True))
    wait_serial(daemon, log.serial)
    empty = ask(daemon, "x.wild.example.com.")  # is there now, with nothing (RFC 4592 2.2.2)
    assert rcode(empty) == "NOERROR" and not empty.answer
    log.change(changes.delete("b.x.wild.example.com."), changes.flush("x.wild.example.com.", subtree=True))
    wait_serial(daemon, log.serial)
    assert addresses(ask(daemon, "x.wild.example.com.")) == ["192.0.2.42"]
    assert scripted.count() == 0


def test_chains_and_children_go_on_elsewhere(daemon, scripted):
    scripted.set("www.example.net.", "A", "198.51.100.1")
    scripted.set("host.child.example.com.", "A", "192.0.2.99")
    assert addresses(ask(daemon, "far.example.com.")) == ["198.51.100.1"]
    assert scripted.count("far.example.com.") == 0
    assert addresses(ask(daemon, "host.child.example.com.")) == ["192.0.2.99"]
    assert scripted.count("host.child.example.com.") == 1


def test_a_child_cannot_say_what_is_in_the_zone(daemon, scripted):
    scripted.set("back.child.example.com.", "CNAME", "www.example.com.")
    scripted.set("www.example.com.", "A", "203.0.113.66")
    assert addresses(ask(daemon, "back.child.example.com.")) == ["192.0.2.1", "192.0.2.2"]


def test_authoritative_answers_as_a_secondary(freshetd, log, scripted):
    daemon = freshetd(config(log, scripted, authoritative=True))
    wait_state(daemon, "live")
    answer = ask(daemon, "www.example.com.", rd=False)
    assert answer.flags & dns.flags.AA and addresses(answer) == ["192.0.2.1", "192.0.2.2"]
    absent = ask(daemon, "nobody.example.com.", rd=False)
    assert absent.flags & dns.flags.AA and rcode(absent) == "NXDOMAIN" and absent.authority
    referral = ask(daemon, "host.child.example.com.", rd=False)
    assert not referral.flags & dns.flags.AA and not referral.answer
    assert referral.authority and referral.additional
    assert rcode(ask(daemon, "www.example.net.", rd=False)) == "REFUSED"
    assert not ask(daemon, "www.example.com.").flags & dns.flags.AA
    assert scripted.count() == 0


def test_before_the_snapshot_the_upstream_is_asked(freshetd, kafka, cli, scripted):
    own = Log(kafka, cli)
    own.updates.publish(ZONE, whole_zone(), serial=1)
    scripted.set("www.example.com.", "A", "203.0.113.1")
    daemon = freshetd(config(own, scripted))
    wait_state(daemon, "gapped")
    assert streamed(daemon)["reason"] == "there is no snapshot of it"
    assert addresses(ask(daemon, "www.example.com.")) == ["203.0.113.1"]
    own.snapshot("--from-beginning")
    wait_state(daemon, "live")
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1", "192.0.2.2"]
    assert scripted.count() == 1
    own.delete()


def test_p11_snapshot_and_rest_are_the_log_from_its_head(daemon, log):
    """By digest: from the beginning, from the snapshot, and from a newer one."""
    for number in range(20):
        log.change(changes.set_(f"h{number % 7}.example.com.", "A", 300, f"192.0.2.{number}"),
                   changes.delete(f"h{(number + 3) % 7}.example.com."))
    ways = [log.snapshot("--dry-run", "--from-beginning"), log.snapshot("--dry-run")]
    assert ways[1]["sets"] < ways[0]["sets"]
    ways.append(log.snapshot())
    ways.append(log.snapshot("--dry-run"))
    assert ways[3]["sets"] == 0
    assert len({way["digest"] for way in ways}) == 1
    wait_serial(daemon, log.serial)
    assert streamed(daemon)["records"] == ways[0]["records"]


def test_a_restart_begins_at_the_snapshot(daemon, log, scripted):
    log.change(changes.set_("www.example.com.", "A", 300, "192.0.2.8"))
    daemon.stop()
    log.change(changes.set_("new.example.com.", "A", 300, "192.0.2.9"))
    daemon.start()
    wait_state(daemon, "live")
    assert streamed(daemon)["serial"] == log.serial
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.8"]
    assert addresses(ask(daemon, "new.example.com.")) == ["192.0.2.9"]
    assert scripted.count() == 0


def test_a_log_that_begins_behind_the_snapshot_is_a_gap(freshetd, log, scripted):
    """Never half served: the upstream is asked, until there is a newer snapshot."""
    place = None
    for number in range(3):
        place = log.change(changes.set_("www.example.com.", "A", 300, f"192.0.2.{number}"))
    newer = log.snapshot("--dry-run")
    log.updates.drop_before(place.partition, place.offset)
    scripted.set("www.example.com.", "A", "203.0.113.1")
    daemon = freshetd(config(log, scripted))
    wait_state(daemon, "gapped")
    assert "the log begins at offset" in streamed(daemon)["reason"]
    assert addresses(ask(daemon, "www.example.com.")) == ["203.0.113.1"]
    assert log.tool("--dry-run").code == 1
    assert newer["offset"] == place.offset + 1


def test_a_topic_made_anew_is_a_gap(daemon, log, scripted):
    scripted.set("www.example.com.", "A", "203.0.113.1")
    log.updates.recreate()
    wait_state(daemon, "gapped", within=30)
    assert addresses(ask(daemon, "www.example.com.")) == ["203.0.113.1"]
    log.updates.publish(ZONE, whole_zone(), serial=1)
    log.snapshot("--from-beginning")
    wait_state(daemon, "live", within=30)
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1", "192.0.2.2"]


def test_a_change_set_that_cannot_be_read_is_a_gap(daemon, log, scripted, tmp_path):
    """Nobody knows what it changed: the zone is whole again from a snapshot that somebody made who does."""
    scripted.set("www.example.com.", "A", "203.0.113.1")
    log.updates.send(ZONE, json.dumps({"v": 1, "zone": ZONE, "time": "2026-11-22T03:00:00Z",
                                       "changes": [{"op": "FROB", "name": "www.example.com."}]}))
    wait_state(daemon, "gapped")
    assert "was refused" in streamed(daemon)["reason"]
    assert addresses(ask(daemon, "www.example.com.")) == ["203.0.113.1"]
    assert log.tool().code == 1
    file = tmp_path / "zone"
    file.write_text(f"$TTL 60\n@ SOA {SOA.format(7)}\n@ NS ns.example.com.\nwww A 192.0.2.70\n")
    log.snapshot("--file", str(file))
    wait_state(daemon, "live")
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.70"]
    # The origin's way for a version that fits no message: readers are told that a snapshot has it.
    log.updates.send(ZONE, changes.encode(changes.change_set(ZONE, [], serial=8, must=["snapshot"])))
    wait_state(daemon, "gapped")
    file.write_text(f"$TTL 60\n@ SOA {SOA.format(8)}\n@ NS ns.example.com.\nwww A 192.0.2.80\n")
    log.snapshot("--file", str(file))
    wait_serial(daemon, 8)
    wait_state(daemon, "live")
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.80"]


def test_a_damaged_snapshot_is_not_used(freshetd, log, scripted):
    """The one before is, with the log since: another key holds it."""
    log.change(changes.set_("www.example.com.", "A", 300, "192.0.2.7"))
    log.snapshot("-X", "compression.codec=gzip")
    newest = log.snapshots.read(2)[-1]
    spoilt = bytearray(newest.value)
    spoilt[-1] ^= 1
    log.snapshots.send(newest.key, bytes(spoilt), headers=[], partition=newest.partition)
    daemon = freshetd(config(log, scripted))
    wait_state(daemon, "live")
    assert streamed(daemon)["damaged"] == 1
    assert "part of a snapshot refused" in daemon.log
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.7"]
    other = bytearray(newest.value)
    other[7] = 9  # another version
    log.snapshots.send(newest.key, bytes(other), headers=[], partition=newest.partition)
    daemon.stop()
    daemon.start()
    wait_state(daemon, "live")
    assert "unknown snapshot version" in daemon.log


def test_a_feed_that_is_lost_for_long_makes_a_zone_expire(freshetd, broker, log, scripted):
    soa = "ns.example.com. root.example.com. 2 3600 600 2 60"
    log.updates.publish(ZONE, [changes.set_(ZONE, "SOA", 300, soa)], serial=2)
    scripted.set("www.example.com.", "A", "203.0.113.1")
    strict = freshetd(config(log, scripted, feed={"lease": "500ms"}))
    lenient = freshetd(config(log, scripted, feed={"lease": "500ms"}, fallback="upstream"))
    for daemon in (strict, lenient):
        wait_state(daemon, "live")
        assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1", "192.0.2.2"]
    with broker.paused():
        for daemon in (strict, lenient):
            wait_state(daemon, "expired")
        assert rcode(ask(strict, "www.example.com.")) == "SERVFAIL"
        assert addresses(ask(lenient, "www.example.com.")) == ["203.0.113.1"]
    for daemon in (strict, lenient):
        wait_state(daemon, "live", within=30)
    eventually(lambda: rcode(ask(strict, "www.example.com.")) == "NOERROR")
    assert addresses(ask(lenient, "www.example.com.")) == ["192.0.2.1", "192.0.2.2"]


def test_many_parts(freshetd, log, scripted):
    """A zone larger than a message; and a smaller one in its place."""
    many = [changes.set_(f"h{number}.example.com.", "TXT", 300, f'"{number:0>200}"') for number in range(4000)]
    for start in range(0, len(many), 1000):
        log.change(*many[start:start + 1000])
    written = log.snapshot()
    assert written["parts"] > 1
    log.snapshot()
    daemon = freshetd(config(log, scripted))
    wait_state(daemon, "live")
    assert streamed(daemon)["records"] == 4011
    for start in range(0, len(many), 1000):
        log.change(*[changes.delete(change["name"]) for change in many[start:start + 1000]])
    assert log.snapshot()["parts"] == 1
    assert log.snapshot()["parts"] == 1
    assert log.snapshot("--dry-run")["sets"] == 0
    daemon.stop()
    daemon.start()
    wait_state(daemon, "live")
    assert streamed(daemon)["records"] == 11
    assert scripted.count() == 0


def test_its_answers_are_told_and_timed_once(freshetd, log, scripted):
    daemon = freshetd({**config(log, scripted), "query_log": "questions"})
    wait_state(daemon, "live")
    for tcp in (False, True):
        ask(daemon, "www.example.com.", "A" if tcp else "AAAA", tcp=tcp)
    lines = [line.split(" msg=query ", 1)[1] for line in daemon.log.splitlines() if " msg=query " in line]
    assert [line.split()[1:4:2] for line in lines] == [["name=www.example.com.", "from=zone"]] * 2
    assert daemon.metric("freshet_answer_seconds_count", way="at_once") == 2
    assert daemon.metric("freshet_answer_seconds_count", way="waited") == 0
