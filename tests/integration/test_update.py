"""The log as primary: UPDATE by the tools that people have, transfers and NOTIFY to the secondaries that they have."""

import contextlib
import socket
import subprocess
import time
import unittest.mock

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update
import pytest

import changes
import freshet
import origin as origins
import process
import secondaries
from process import eventually

ZONE = "example.com."
EDITOR, OTHER, SECRET = "editor.", "other.", secondaries.SECRET
RING = dns.tsigkeyring.from_text({EDITOR: SECRET, OTHER: SECRET, secondaries.KEY_NAME: SECRET})
SOA = "ns.example.com. root.example.com. {} 3600 600 86400 60"

RECORDS = [
    changes.set_(ZONE, "NS", 3600, "ns.example.com."),
    changes.set_("ns." + ZONE, "A", 3600, "192.0.2.53"),
    changes.set_("www." + ZONE, "A", 300, "192.0.2.1", "192.0.2.2"),
    changes.set_("alias." + ZONE, "CNAME", 300, "www.example.com."),
    changes.set_("*.wild." + ZONE, "A", 300, "192.0.2.42"),
    changes.set_("text." + ZONE, "TXT", 300, '"one" "two"'),
    *[changes.set_(f"host{n}.{ZONE}", "A", 300, f"198.51.100.{n}") for n in range(200)],
    changes.set_(ZONE, "SOA", 3600, SOA.format(1)),
]


class Primary(origins.Origin):
    """An origin with one zone whose primary is the log."""

    def __init__(self, topic, top=None, **zone):
        self.topic = topic
        options = {
            "log": "primary",
            "update": [f"grant {EDITOR} subdomain {ZONE}", f"grant {OTHER} name only.{ZONE} A"],
            "transfer_keys": [secondaries.KEY_NAME],
            **zone,
        }
        keys = [f"hmac-sha256:{name}:{SECRET}" for name in (EDITOR, OTHER, secondaries.KEY_NAME)]
        super().__init__(origins.config(topic, {ZONE: options}, keys=keys, **(top or {})))

    def ask(self, message, tcp=False, timeout=6, **options):
        call = dns.query.tcp if tcp else dns.query.udp
        return call(message, self.address[0], port=self.address[1], timeout=timeout, **options)

    def update(self, *operations, key=EDITOR, ring=RING, tcp=False):
        """(method, arguments...) of dns.update.Update; returns the response."""
        message = dns.update.Update(ZONE, keyring=ring if key else None, keyname=key,
                                    keyalgorithm=dns.tsig.HMAC_SHA256)
        for method, *arguments in operations:
            getattr(message, method)(*arguments)
        return self.ask(message, tcp)

    def serial(self):
        reply = self.ask(dns.message.make_query(ZONE, "SOA"))
        assert reply.flags & dns.flags.AA
        return reply.answer[0][0].serial if reply.answer else None

    def transfer(self):
        return origins.transfer(self, ZONE, RING, dns.name.from_text(secondaries.KEY_NAME))

    def log_records(self):
        return origins.replay(origins.log_of(self.topic, ZONE))


@pytest.fixture
def primary(fresh_topic):
    """Starts one, with the zone in the log."""
    started = []

    def start(import_zone=True, **zone):
        if import_zone:
            fresh_topic.publish(ZONE, RECORDS, serial=1)
        started.append(Primary(fresh_topic, **zone))
        if import_zone:
            eventually(lambda: started[0].ask(dns.message.make_query(ZONE, "SOA")).answer, within=15,
                       what="the zone is served")
        return started[-1]

    yield start
    for one in started:
        one.close()


def rcode(response):
    return dns.rcode.to_text(response.rcode())


def nsupdate(program, primary, *lines, key=EDITOR):
    text = "\n".join([f"server {primary.address[0]} {primary.address[1]}", f"zone {ZONE}", *lines, "send", ""])
    done = subprocess.run([program, "-y", f"hmac-sha256:{key}:{SECRET}"], input=text, text=True,
                          capture_output=True, timeout=20, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("program", ["nsupdate", "knsupdate"])
def test_the_tools(primary, program):
    """What is answered NOERROR is in the log, in one change set with the next serial, and served at once."""
    origin = primary()
    code, output = nsupdate(program, origin, f"update add new.{ZONE} 60 A 192.0.2.77",
                            f"update add new.{ZONE} 60 TXT hello")
    assert code == 0, output
    assert origin.serial() == 2
    answer = origin.ask(dns.message.make_query(f"new.{ZONE}", "A")).answer
    assert answer[0].to_text() == f"new.{ZONE} 60 IN A 192.0.2.77"
    last = origins.log_of(origin.topic, ZONE)[-1]
    assert last["serial"] == 2 and last["publisher"] == "freshet-origin"
    data = [change for change in last["changes"] if change["op"] != "FLUSH"]
    assert {(c["op"], c["name"], c["type"]) for c in data} == {
        ("SET", f"new.{ZONE}", "A"), ("SET", f"new.{ZONE}", "TXT"), ("SET", ZONE, "SOA")}
    assert data[-1]["type"] == "SOA"
    code, output = nsupdate(program, origin, f"prereq yxdomain new.{ZONE}", f"update delete new.{ZONE}")
    assert code == 0, output
    assert rcode(origin.ask(dns.message.make_query(f"new.{ZONE}", "A"))) == "NXDOMAIN"
    code, output = nsupdate(program, origin, f"prereq yxdomain new.{ZONE}", f"update add x.{ZONE} 60 A 192.0.2.1")
    assert "NXDOMAIN" in output, output
    assert origin.serial() == 3


def test_rcodes(primary):
    origin = primary()
    assert rcode(origin.update(("add", "a", 60, "A", "192.0.2.1"))) == "NOERROR"
    assert rcode(origin.update(("absent", "a"), ("add", "b", 60, "A", "192.0.2.1"))) == "YXDOMAIN"
    assert rcode(origin.update(("present", "b"), ("add", "b", 60, "A", "192.0.2.1"))) == "NXDOMAIN"
    assert rcode(origin.update(("present", "a", "A", "192.0.2.9"), ("delete", "a"))) == "NXRRSET"
    assert rcode(origin.update(("absent", "a", "A"), ("delete", "a"))) == "YXRRSET"
    assert rcode(origin.update(("add", "x.example.net.", 60, "A", "192.0.2.1"))) == "NOTZONE"
    assert rcode(origin.update(("add", "a", 60, "NS", "ns"))) == "REFUSED"  # the policy says no types
    assert rcode(origin.update(("add", "a", 60, "A", "192.0.2.9"), key=OTHER)) == "REFUSED"
    assert rcode(origin.update(("add", "only", 60, "A", "192.0.2.9"), key=OTHER, tcp=True)) == "NOERROR"
    assert rcode(origin.update(("add", "a", 60, "A", "192.0.2.9"), key=None)) == "REFUSED"
    assert rcode(origin.update(("add", "a", 60, "A", "192.0.2.1"))) == "NOERROR"  # is there
    assert origin.serial() == 3
    elsewhere = dns.update.Update("example.org.", keyring=RING, keyname=EDITOR)
    assert rcode(origin.ask(elsewhere)) == "NOTAUTH"
    assert rcode(origin.ask(dns.message.make_query("www.example.org.", "A"))) == "REFUSED"


def test_an_address_may_do_without_a_key(primary):
    origin = primary(update_from=["127.0.0.1"], serial="unixtime")
    before = int(time.time())
    assert rcode(origin.update(("add", "sub", 60, "NS", "ns"), key=None)) == "NOERROR"
    assert before <= origin.serial() <= time.time() + 1


def signed_wrong(origin, seconds=0, key=EDITOR, secret=SECRET):
    """The answer, in bytes, to an UPDATE that is signed by another clock, key or secret."""
    message = dns.update.Update(ZONE, keyring=dns.tsigkeyring.from_text({key: secret}), keyname=key,
                                keyalgorithm=dns.tsig.HMAC_SHA256)
    message.add("wrong", 60, "A", "192.0.2.1")
    real = time.time
    with unittest.mock.patch("time.time", lambda: real() + seconds):
        wire = message.to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(wire, origin.address)
        return sock.recv(65535)


def tsig_error(reply):
    """RCODE, and the error field of the TSIG at a message's end: behind it comes no other data, or a time."""
    other = 8 if reply[-8:-6] == b"\0\x06" else 2
    return reply[3] & 15, int.from_bytes(reply[-other - 2:-other], "big")


@pytest.mark.parametrize("fault, error", [
    ({"key": "nobody."}, 17),
    ({"secret": "d3Jvbmctc2VjcmV0LW9mLXRoZS10ZXN0cw=="}, 16),
    ({"seconds": 3600}, 18),
    ({"seconds": -3600}, 18),
])
def test_signatures_that_do_not_hold(primary, fault, error):
    """RFC 8945 5.2: NOTAUTH, and why."""
    origin = primary()
    assert tsig_error(signed_wrong(origin, **fault)) == (dns.rcode.NOTAUTH, error)
    assert origin.serial() == 1
    [said] = refusals(origin)
    assert said["key"] == fault.get("key", EDITOR) and said["why"] == {16: "BADSIG", 17: "BADKEY", 18: "BADTIME"}[error]


def refusals(origin):
    """The log lines that say who was refused what."""
    said = origin.records(msg="an UPDATE or a transfer is refused")
    assert all(line["zone"] == ZONE and line["from"] == "127.0.0.1" for line in said)
    return said


@pytest.mark.parametrize("key, why", [(OTHER, "update: the policy forbids it"),
                                      (None, "not signed, and not from an address of update_from")])
def test_who_is_refused_is_said(primary, key, why):
    """By key and reason: his tool says REFUSED and no more."""
    origin = primary()
    assert rcode(origin.update(("add", "a", 60, "A", "192.0.2.9"), key=key)) == "REFUSED"
    [said] = refusals(origin)
    assert said["key"] == (key or "none") and said["why"] == why


def test_a_zone_that_comes_later_is_said_to_be_served(primary, fresh_topic):
    origin = primary(import_zone=False)
    origin.wait_log("a zone is not served")
    fresh_topic.publish(ZONE, RECORDS, serial=1)
    origin.wait_log("a zone is served")


def test_transfers(primary):
    """AXFR and IXFR give what the log has; nobody gets them without a right."""
    origin = primary(transfer_from=["127.0.0.2"])
    assert origin.transfer() == origin.log_records()
    for n in range(5):
        assert rcode(origin.update(("replace", "www", 60, "A", f"192.0.2.{n}"), ("delete", f"host{n}"))) == "NOERROR"
    assert origin.transfer() == origin.log_records()
    query = dns.message.make_query(ZONE, "IXFR")
    query.authority.append(dns.rrset.from_text(ZONE, 0, "IN", "SOA", SOA.format(1)))
    query.use_tsig(RING, secondaries.KEY_NAME, algorithm=dns.tsig.HMAC_SHA256)
    records = [rrset[0] for rrset in origin.ask(query, tcp=True, one_rr_per_rrset=True).answer]
    assert [record.serial for record in records if record.rdtype == dns.rdatatype.SOA] == [6, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert origin.status()["primary_list"][0]["transfers"] == 3
    assert origin.ask(query).answer  # over UDP: these, or the SOA alone
    unsigned = dns.message.make_query(ZONE, "AXFR")
    assert rcode(origin.ask(unsigned, tcp=True)) == "REFUSED"
    unsigned.use_tsig(RING, EDITOR, algorithm=dns.tsig.HMAC_SHA256)
    assert rcode(origin.ask(unsigned, tcp=True)) == "REFUSED"


@pytest.fixture
def followers(fresh_topic):
    """One of each kind, and the origin that notifies them."""
    with contextlib.ExitStack() as stack:
        ports = {kind: process.free_port() for kind in secondaries.PROGRAMS}
        fresh_topic.publish(ZONE, RECORDS, serial=1)
        origin = Primary(fresh_topic, notify=[f"127.0.0.1:{port}" for port in ports.values()],
                         transfer_from=["127.0.0.1"])
        stack.callback(origin.close)
        eventually(lambda: origin.ask(dns.message.make_query(ZONE, "SOA")).answer, within=15)
        started = []
        for kind, port in ports.items():
            started.append(secondaries.Secondary(kind, ZONE, origin.address, port))
            stack.callback(started[-1].close)
        for one in started:
            eventually(lambda: one.serial() == 1, within=20, what=f"{one.kind} has the zone: {one.output()[-2000:]}")
        yield origin, started


def test_secondaries_follow(followers):
    """Each has every version soon after NOTIFY, though none asks by itself for an hour, and is the log at the end."""
    origin, started = followers
    for n in range(20):
        assert rcode(origin.update(("replace", "www", 60, "A", f"192.0.2.{n}"), ("add", f"n{n}", 60, "TXT", "x" * (n + 1)),
                                   ("delete", f"host{n}"))) == "NOERROR"
        if n % 5 == 4:
            for one in started:
                eventually(lambda: one.serial() == origin.serial(), within=10,
                           what=f"{one.kind} is at {origin.serial()}, not {one.serial()}: {one.output()[-2000:]}")
    wanted = origin.log_records()
    for one in started:
        if one.kind != "unbound":  # which hands nothing out
            assert origins.transfer(one, ZONE) == wanted, one.kind
            continue
        for name, rtype, _, text in wanted:
            if rtype == "SOA":
                continue
            answer = dns.query.udp(dns.message.make_query(name, rtype), *one.address[:1], port=one.address[1], timeout=2).answer
            assert text in [rdata.to_text() for rrset in answer for rdata in rrset]


def test_kafka_is_away(primary, broker):
    """SERVFAIL then, within a client's patience; afterwards as before, and nothing that was acknowledged is lost."""
    origin = primary()
    assert rcode(origin.update(("add", "before", 60, "A", "192.0.2.1"))) == "NOERROR"
    broker.halt()
    began = time.monotonic()
    assert rcode(origin.update(("add", "away", 60, "A", "192.0.2.1"))) == "SERVFAIL"
    assert time.monotonic() - began < 6
    assert origin.serial() == 2  # questions are answered
    broker.start()
    eventually(lambda: rcode(origin.update(("add", "after", 60, "A", "192.0.2.1"))) == "NOERROR", within=30)
    records = origin.log_records()
    assert {(f"before.{ZONE}", "A", 60, "192.0.2.1"), (f"after.{ZONE}", "A", 60, "192.0.2.1")} <= records
    eventually(lambda: origin.transfer() == origin.log_records(), within=10)


def test_what_others_publish(primary, fresh_topic):
    """The state is the log's: a change set of another publisher is in it, and the next UPDATE builds on it."""
    origin = primary()
    fresh_topic.publish(ZONE, [changes.set_("other." + ZONE, "A", 60, "192.0.2.7"),
                               changes.set_(ZONE, "SOA", 3600, SOA.format(5))], serial=5)
    eventually(lambda: origin.serial() == 5)
    assert rcode(origin.update(("present", "other", "A", "192.0.2.7"), ("delete", "other"))) == "NOERROR"
    assert origin.serial() == 6
    assert origin.transfer() == origin.log_records()


def test_restarted(primary, fresh_topic):
    """kill -9: whoever starts again is the log, with all that was acknowledged."""
    origin = primary()
    acknowledged = []
    for n in range(30):
        if rcode(origin.update(("add", f"n{n}", 60, "A", "192.0.2.1"))) == "NOERROR":
            acknowledged.append(f"n{n}.{ZONE}")
    origin.kill()
    again = primary(import_zone=False)
    eventually(lambda: again.ask(dns.message.make_query(ZONE, "SOA")).answer, within=15)
    names = {name for name, *_ in again.transfer()}
    assert len(acknowledged) == 30 and names >= set(acknowledged)
    assert again.transfer() == again.log_records()
