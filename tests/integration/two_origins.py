"""Two instances of freshet-origin on one topic, of which Kafka lets one write; and what came of it in the log.

The log is read as any consumer that reads what is committed: by `freshet watch`.
"""

import json
import time

import dns.edns
import dns.message
import dns.rcode
import dns.tsig
import dns.update

import kafka.errors
from kafka.protocol.api import Request, Response
from kafka.protocol.types import Int16, Int32, Int64, Schema, String

import freshet
import origin as origins
import process
import secondaries
import test_update

SESSION = "2s"


def group(config, name="origins", session=SESSION):
    """A configuration of an instance that is one of several."""
    config["feed"].update(group=name, session=session)
    return config


def committed(topic, zone, within="1s"):
    """All change sets of a zone in the log, in order, but for those without changes."""
    result = freshet.Cli()("watch", "--from-beginning", "--json", "--timeout", within, "--brokers", topic.bootstrap,
                           "--topic", topic.name)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    ours = sorted((line for line in lines if line["key"] == zone), key=lambda line: line["offset"])
    return [line["set"] for line in ours if line["set"]["changes"]]


class Pair:
    """Both instances. `zone`: what the configuration says of it; `more`: of others; `listens`: where each is asked."""

    def __init__(self, topic, name, zone, snapshots=None, session=SESSION, more=None, **options):
        self.topic, self.name = topic, name
        self.listens = [("127.0.0.1", process.free_port()) for _ in range(2)]
        self.members = [origins.Origin(group(origins.config(
            topic, {name: zone, **(more or {})}, snapshots, listen=[freshet.address_text(listen)], **options), session=session))
            for listen in self.listens]

    def of_zone(self, member):
        status = member.status()
        return next(zone for zone in status["zone_list"] + status["primary_list"] if zone["name"] == self.name)

    def turn(self, member):
        return self.of_zone(member)["turn"]

    def wait_active(self, among=None, within=15):
        """The one whose turn it is."""
        members = self.members if among is None else among
        return process.eventually(
            lambda: next((one for one in members if self.turn(one) == "active"), None), within,
            what="one of them is active")

    def wait_settled(self, group="origins", within=40):
        """Until the group has handed out all turns: one that has just joined takes some from the other."""
        def settled():
            try:
                [told] = self.topic.cluster.admin.describe_consumer_groups([group])
            except kafka.errors.KafkaError:  # a broker's first group has no coordinator yet
                return False
            return told.state == "Stable" and len(told.members) == len(self.members) and all(
                member.member_assignment.assignment for member in told.members)
        process.eventually(settled, within, every=0.1, what="both have their turns")

    def other(self, member):
        return self.members[1 - self.members.index(member)]

    def close(self):
        for member in self.members:
            member.close()


class Editor:
    """Adds hosts by UPDATE at one of both, and the other where that does not take it. `taken`: those answered NOERROR."""

    def __init__(self, pair):
        self.pair, self.taken, self.at, self.refused = pair, [], 0, 0

    def message(self, number):
        update = dns.update.Update(self.pair.name, keyring=test_update.RING, keyname=test_update.EDITOR,
                                   keyalgorithm=dns.tsig.HMAC_SHA256)
        update.add(f"host{number}", 300, "A", f"198.51.{number // 250}.{number % 250}")
        return update

    def ask(self, at, number, timeout=1.0):
        """The RCODE's text; None: no answer."""
        host, port = self.pair.listens[at]
        try:
            reply = dns.query.udp(self.message(number), host, port=port, timeout=timeout)
        except (dns.exception.Timeout, OSError):
            return None
        return dns.rcode.to_text(reply.rcode())

    def reason(self, at, number):
        """The RCODE's text, and what is said for people (RFC 8914) to a client that speaks EDNS."""
        host, port = self.pair.listens[at]
        update = self.message(number)
        update.use_edns(0)
        reply = dns.query.udp(update, host, port=port, timeout=5)
        return dns.rcode.to_text(reply.rcode()), [option.text for option in reply.options if option.otype == dns.edns.EDE]

    def add(self, number, within=30):
        """Until one has taken it. Returns the seconds that took."""
        begin = time.monotonic()
        while time.monotonic() < begin + within:
            result = self.ask(self.at, number, timeout=0.3)
            if result == "NOERROR":
                self.taken.append(number)
                return time.monotonic() - begin
            self.refused += result == "REFUSED"
            self.at = 1 - self.at
            time.sleep(0.02)
        raise AssertionError(f"nobody took host{number} within {within} s")


def log_zone():
    """Of a zone whose primary is the log."""
    return {"log": "primary", "update": [f"grant {test_update.EDITOR} subdomain {test_update.ZONE}"],
            "transfer_keys": [secondaries.KEY_NAME]}


def keys():
    return [f"hmac-sha256:{name}:{secondaries.SECRET}" for name in (test_update.EDITOR, secondaries.KEY_NAME)]


def transfer(address):
    """A zone by AXFR of an instance of such a zone."""
    class At:
        pass
    at = At()
    at.address = address
    return origins.transfer(at, test_update.ZONE, test_update.RING, dns.name.from_text(secondaries.KEY_NAME))


def serials(log):
    return [one["serial"] for one in log]


class InitProducerIdResponse(Response):
    """Kafka protocol, key 22; the client library has none."""
    API_KEY = 22
    API_VERSION = 0
    SCHEMA = Schema(("throttle_time_ms", Int32), ("error_code", Int16), ("producer_id", Int64), ("producer_epoch", Int16))


class InitProducerIdRequest(Request):
    API_KEY = 22
    API_VERSION = 0
    RESPONSE_TYPE = InitProducerIdResponse
    SCHEMA = Schema(("transactional_id", String("utf-8")), ("transaction_timeout_ms", Int32))


def raise_fence(topic, partition, group="origins"):
    """What another one does that comes to be the writer; the group knows nothing of it. Returns the epoch."""
    admin = topic.cluster.admin
    request = InitProducerIdRequest(transactional_id=f"{group}/{topic.name}/{partition}", transaction_timeout_ms=10000)
    node = admin.describe_cluster()["brokers"][0]["node_id"]
    future = admin._send_request_to_node(node, request)  # pylint: disable=protected-access
    admin._wait_for_futures([future])  # pylint: disable=protected-access
    assert future.value.error_code == 0, future.value
    return future.value.producer_epoch
