"""P11: whatever was done to a zone, in whatever order, the log from its head, a snapshot and the rest, and the transfer of
whoever serves the log are one zone, by digest (RFC 8976, once by dnspython); and it is what the changes say.

ZONE_SEED chooses another sequence, 0 any.
"""

import os
import random

import dns.name
import dns.query
import dns.xfr
import dns.zone
import pytest

import changes
import origin as origins
import process
import secondaries
from test_update import RING, Primary
from test_zones import ZONE, Log, streamed, wait_serial

SEED = int(os.environ.get("ZONE_SEED", "3")) or random.randrange(1, 1 << 30)
LABELS = ["a", "b", "\\097", "*", "x-1", "\\000", "a\\000", "ns"]
RDATA = {"A": ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "TXT": ['"one"', '"two" "strings"', '"\\000"'],
         "MX": ["10 a.example.com.", "20 mx.elsewhere.test."], "TYPE65280": ["\\# 1 00", "\\# 0"],
         "NSEC3": ["1 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A"]}
ROUNDS, SETS = 4, 20


def _change(rng):
    name = ".".join([*(rng.choice(LABELS) for _ in range(rng.randint(1, 3))), ZONE])
    rtype = rng.choice(list(RDATA))
    some = rng.sample(RDATA[rtype], rng.randint(1, len(RDATA[rtype])))
    ttl = rng.choice([0, 60, 300])
    return rng.choice([
        lambda: changes.set_(name, rtype, ttl, *some), lambda: changes.add(name, rtype, ttl, *some),
        lambda: changes.add(name, rtype, ttl, *some), lambda: changes.delete(name, rtype, *some),
        lambda: changes.delete(name, rtype), lambda: changes.delete(name), lambda: changes.flush(name, rng.random() < 0.5)])()


def _digest_of_transfer(server):
    """By dnspython, which knows nothing of ours."""
    zone = dns.zone.Zone(dns.name.from_text(ZONE), relativize=False)
    query = dns.xfr.make_query(zone, serial=None, keyring=RING, keyname=dns.name.from_text(secondaries.KEY_NAME))[0]
    dns.query.inbound_xfr(server.address[0], zone, query=query, port=server.address[1], timeout=10)
    return zone.compute_digest(dns.zone.DigestHashAlgorithm.SHA384).digest.hex(), zone


def _canonical(change):
    """A change with its name as text of one spelling."""
    return {**change, "name": dns.name.from_text(change["name"]).to_text()}


@pytest.fixture(name="log")
def _log(kafka, cli):
    made = Log(kafka, cli)
    yield made
    made.delete()


def test_p11_replay_snapshot_and_transfer_are_one_zone(log, freshetd):
    rng = random.Random(SEED)
    first = [changes.set_(ZONE, "NS", 300, "ns.example.com."), changes.set_("ns." + ZONE, "A", 300, "192.0.2.53")]
    log.change(*first)
    done = [*first]
    log.snapshot("--from-beginning")
    daemon = freshetd({"tiers": [{"name": "os", "upstream": {"forward": ["127.0.0.1:9"]},
                                  "routes": [{"name": ZONE, "stream": True}]}], "feed": log.feed()})
    primary = Primary(log.updates)
    try:
        for _ in range(ROUNDS):
            for _ in range(rng.randint(1, SETS)):
                some = [_change(rng) for _ in range(rng.randint(1, 4))]
                done += some
                log.change(*some)
            wait_serial(daemon, log.serial)
            process.eventually(lambda: primary.serial() == log.serial, within=20, what="the origin has the log")
            head = log.snapshot("--dry-run", "--from-beginning")
            rest = log.snapshot("--dry-run")
            digest, zone = _digest_of_transfer(primary)
            assert (head["digest"], rest["digest"]) == (digest, digest), f"ZONE_SEED={SEED}"
            records = {record for record in origins.transfer(primary, ZONE, RING, dns.name.from_text(secondaries.KEY_NAME))
                       if record[1] != "SOA"}
            assert records == origins.replay([{"changes": map(_canonical, done)}]), f"ZONE_SEED={SEED}"
            assert streamed(daemon)["records"] == head["records"] == len(records) + 1
            assert zone.get_rdataset(zone.origin, "SOA")[0].serial == log.serial
            if rng.random() < 0.5:
                log.snapshot()
    finally:
        primary.close()
