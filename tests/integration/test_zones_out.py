"""Streamed zones handed on: freshetd as the primary of today's secondaries, which follow the log unchanged."""

import contextlib
import socket

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import pytest

import changes
import origin as origins
import process
import secondaries
from process import eventually
from query import addresses, ask, rcode
from test_program import queries_logged, reload
from test_zones import SOA, ZONE, Log, config, streamed, wait_serial, wait_state, whole_zone

KEY, OTHER, SECRET = secondaries.KEY_NAME, "other.", secondaries.SECRET
RING = dns.tsigkeyring.from_text({KEY: SECRET, OTHER: SECRET, "nobody.": SECRET})


@pytest.fixture
def log(kafka, cli):
    """A log that begins with the zone and 200 hosts, and a snapshot of that."""
    made = Log(kafka, cli)
    hosts = [changes.set_(f"host{n}.{ZONE}", "A", 300, f"198.51.100.{n}") for n in range(200)]
    made.updates.publish(ZONE, whole_zone() + hosts, serial=1)
    made.snapshot("--from-beginning", "-X", "compression.codec=gzip")
    yield made
    made.delete()


def handing_on(log, upstream, keys=(KEY, OTHER), **zone):
    made = config(log, upstream, authoritative=True, **zone)
    made["keys"] = [f"hmac-sha256:{name}:{SECRET}" for name in keys]
    return made


def start(freshetd, log, upstream, **zone):
    daemon = freshetd(handing_on(log, upstream, **zone))
    wait_state(daemon, "live")
    return daemon


def query(rtype, key=None, serial=None, name=ZONE):
    message = dns.message.make_query(name, rtype, use_edns=0, payload=1232)
    message.flags &= ~dns.flags.RD
    if serial is not None:
        message.authority.append(dns.rrset.from_text(name, 0, "IN", "SOA", SOA.format(serial)))
    if key:
        message.use_tsig(RING, key, algorithm=dns.tsig.HMAC_SHA256)
    return message


def send(daemon, message, tcp=False, **options):
    call = dns.query.tcp if tcp else dns.query.udp
    return call(message, daemon.address[0], port=daemon.address[1], timeout=5, **options)


def axfr(daemon, key=KEY):
    return origins.transfer(daemon, ZONE, RING if key else None, dns.name.from_text(key) if key else None)


def log_records(log):
    return origins.replay(origins.log_of(log.updates, ZONE))


def serials(response):
    return [rrset[0].serial for rrset in response.answer if rrset.rdtype == dns.rdatatype.SOA]


def change(daemon, log, number):
    log.change(changes.set_(f"www.{ZONE}", "A", 60, f"192.0.2.{number}"), changes.add(f"n{number}.{ZONE}", "TXT", 60, "x"),
               changes.delete(f"host{number}.{ZONE}"))
    wait_serial(daemon, log.serial)


def test_transfers_are_the_log(freshetd, log, scripted):
    """AXFR, and differences straight from the log, to who may have them; questions that are signed are answered so."""
    daemon = start(freshetd, log, scripted, transfer_keys=[KEY])
    assert axfr(daemon) == log_records(log)
    for number in range(4):
        change(daemon, log, number)
    assert axfr(daemon) == log_records(log)
    differences = send(daemon, query("IXFR", KEY, serial=1), tcp=True, one_rr_per_rrset=True)
    assert serials(differences) == [5, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert serials(send(daemon, query("IXFR", KEY, serial=5), tcp=True)) == [5]
    assert serials(send(daemon, query("IXFR", KEY, serial=4), one_rr_per_rrset=True)) == [5, 4, 5, 5]
    long = send(daemon, query("IXFR", KEY, serial=0), one_rr_per_rrset=True)  # the zone: "use TCP"
    assert serials(long) == [5] and len(long.answer) == 1
    signed = send(daemon, query("SOA", KEY))
    assert signed.had_tsig and signed.flags & dns.flags.AA and serials(signed) == [5]
    assert daemon.metric("freshet_axfr_total") == 2 and daemon.metric("freshet_ixfr_total") == 4
    assert daemon.metric("freshet_ixfr_whole_total") == 1


def test_who_may(freshetd, log, scripted):
    daemon = start(freshetd, log, scripted, transfer_keys=[KEY])
    for message in (query("AXFR"), query("AXFR", OTHER), query("IXFR", serial=1), query("IXFR", OTHER, serial=1)):
        assert rcode(send(daemon, message, tcp=True)) == "REFUSED"
    assert daemon.metric("freshet_transfers_refused_total") == 4
    assert rcode(send(daemon, query("AXFR", KEY))) == "FORMERR"  # by UDP (RFC 5936 4.2)
    assert rcode(send(daemon, query("IXFR", KEY), tcp=True)) == "FORMERR"  # without a serial
    assert daemon.metric("freshet_transfers_malformed_total") == 2
    assert rcode(send(daemon, query("AXFR", name="example.net."), tcp=True)) == "REFUSED"
    for message, tcp in ((query("AXFR", "nobody."), True), (query("SOA", "nobody."), False)):
        with pytest.raises(dns.tsig.PeerBadKey):
            send(daemon, message, tcp)
    assert daemon.metric("freshet_bad_signatures_total") == 2


def test_transfers_are_logged_as_what_they_are(freshetd, log, scripted):
    """Those that fit one message, and those that are refused: none of them comes from the cache."""
    daemon = freshetd({**handing_on(log, scripted, transfer_keys=[KEY]), "query_log": "questions"})
    wait_state(daemon, "live")
    for message in (query("IXFR", KEY, serial=1), query("IXFR", serial=1), query("AXFR", KEY)):
        send(daemon, message)
    eventually(lambda: len(queries_logged(daemon)) == 3)
    assert [(line["type"], line["from"], line["rcode"]) for line in queries_logged(daemon)] == [
        ("IXFR", "zone", "NOERROR"), ("IXFR", "freshet", "REFUSED"), ("AXFR", "freshet", "FORMERR")]


def test_a_reload_says_who_may(freshetd, log, scripted):
    daemon = start(freshetd, log, scripted, transfer_keys=[KEY])
    assert rcode(send(daemon, query("AXFR"), tcp=True)) == "REFUSED"
    reload(daemon, handing_on(log, scripted, keys=[OTHER], transfer_from=["127.0.0.1"]))
    eventually(lambda: rcode(send(daemon, query("AXFR"), tcp=True)) == "NOERROR")
    assert axfr(daemon, None) == log_records(log)


def test_a_zone_that_is_not_whole_is_not_handed_on(freshetd, kafka, cli, scripted):
    own = Log(kafka, cli)
    own.updates.publish(ZONE, whole_zone(), serial=1)
    daemon = freshetd(handing_on(own, scripted, transfer_from=["127.0.0.1"]))
    wait_state(daemon, "gapped")
    for message in (query("AXFR"), query("IXFR", serial=1)):
        assert rcode(send(daemon, message, tcp=True)) == "SERVFAIL"
    assert daemon.metric("freshet_transfers_not_ready_total") == 2
    own.snapshot("--from-beginning")
    wait_state(daemon, "live")
    assert axfr(daemon, None) == log_records(own)
    own.delete()


def test_a_slow_client_costs_nobody_anything(freshetd, kafka, cli, scripted):
    """A large zone that nobody takes: others are answered, and it ends with the connection."""
    own = Log(kafka, cli)
    for part in range(5):
        own.updates.publish(ZONE, whole_zone() + [
            changes.set_(f"t{part}-{n}.{ZONE}", "TXT", 300, "x" * 200) for n in range(1000)], serial=1)
    own.snapshot("--from-beginning")
    daemon = start(freshetd, own, scripted, transfer_from=["127.0.0.1"])
    with socket.create_connection(daemon.address) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire = query("AXFR").to_wire()
        slow.sendall(len(wire).to_bytes(2, "big") + wire)
        eventually(lambda: daemon.metric("freshet_axfr_total") == 1)
        own.change(changes.set_(f"www.{ZONE}", "A", 60, "192.0.2.9"))
        wait_serial(daemon, own.serial)
        assert addresses(ask(daemon, f"www.{ZONE}")) == ["192.0.2.9"]
        assert serials(send(daemon, query("SOA"))) == [2]
        assert daemon.metric("freshet_transfers_cut_total") == 0
    eventually(lambda: daemon.metric("freshet_transfers_cut_total") == 1)
    own.delete()


def test_notify(freshetd, log, scripted):
    """Signed, at the start and with each version, until it is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as follower:
        follower.bind(("127.0.0.1", 0))
        follower.settimeout(10)
        daemon = start(freshetd, log, scripted, notify=[f"127.0.0.1:{follower.getsockname()[1]}"], key=KEY)

        def notice():
            wire, peer = follower.recvfrom(2048)
            return dns.message.from_wire(wire, keyring=RING), peer

        first, _ = notice()
        assert first.opcode() == dns.opcode.NOTIFY and first.had_tsig and serials(first) == [1]
        again, peer = notice()  # after a second
        assert again.id == first.id
        follower.sendto(dns.message.make_response(again).to_wire(), peer)
        eventually(lambda: daemon.metric("freshet_notices_answered_total") == 1)
        log.change(changes.set_(f"www.{ZONE}", "A", 60, "192.0.2.9"))
        assert serials(notice()[0]) == [2]


@pytest.fixture
def followers(freshetd, log, scripted):
    """One secondary of each kind, and the freshetd that notifies them."""
    with contextlib.ExitStack() as stack:
        ports = {kind: process.free_port() for kind in secondaries.PROGRAMS}
        daemon = start(freshetd, log, scripted, notify=[f"127.0.0.1:{port}" for port in ports.values()],
                       transfer_keys=[KEY], transfer_from=["127.0.0.1"])
        started = []
        for kind, port in ports.items():
            started.append(secondaries.Secondary(kind, ZONE, daemon.address, port))
            stack.callback(started[-1].close)
        for one in started:
            eventually(lambda: one.serial() == 1, within=20, what=f"{one.kind} has the zone: {one.output()[-2000:]}")
        yield daemon, started


def test_secondaries_follow_the_log(followers, log):
    """Each has every version soon after NOTIFY, though none asks by itself for an hour, and is the log at the end."""
    daemon, started = followers
    for number in range(20):
        change(daemon, log, number)
        if number % 5 == 4:
            for one in started:
                eventually(lambda: one.serial() == log.serial, within=10,
                           what=f"{one.kind} is at {log.serial}, not {one.serial()}: {one.output()[-2000:]}")
    wanted = log_records(log)
    for one in started:
        if one.kind != "unbound":  # which hands nothing out
            assert origins.transfer(one, ZONE) == wanted, one.kind
            continue
        for name, rtype, _, text in wanted:
            if rtype not in ("SOA", "NS") and "child" not in name and "*" not in name:
                assert text in [rdata.to_text() for rrset in ask(one, name, rtype).answer for rdata in rrset]
    assert daemon.metric("freshet_ixfr_total") > 0 and streamed(daemon)["serial"] == log.serial
