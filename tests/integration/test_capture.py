"""Whatever a primary changes, by its own means, the log has it: each version, in order (P12), and the zone that the log makes is
the primary's own."""

import random
import socket
import threading
import time

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import pytest

import changes
import freshet
import origin
import primaries
import process

ZONE = "example.com."
KINDS = {"bind": primaries.Bind, "knot": primaries.Knot, "nsd": primaries.Nsd, "powerdns": primaries.PowerDns}
KEY = ("hmac-sha256", "transfer.example.com.", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
LONG_KEY = ("hmac-sha512", *KEY[1:])


@pytest.fixture
def listen():
    return ("127.0.0.1", process.free_port())


@pytest.fixture
def started():
    """Starts things and ends them: the last first."""
    things = []

    def start(kind, *arguments, **options):
        things.append(kind(*arguments, **options))
        return things[-1]
    yield start
    for thing in reversed(things):
        (getattr(thing, "close", None) or thing.stop)()


@pytest.fixture
def snapshots(kafka):
    made = kafka.topic()
    yield made
    made.delete()


def config_for(topic, listen, *servers, snapshots=None, keys=(), **zone):
    addresses = [f"{host}:{port}" for host, port in (server.address for server in servers)]
    options = {"keys": [":".join(key) for key in keys]} if keys else {}
    return origin.config(topic, {ZONE: {"primary": addresses, **zone}}, snapshots,
                         listen=[f"{listen[0]}:{listen[1]}"], **options)


def origin_of(started, topic, listen, *servers, **options):
    """An origin that captures the zone from these."""
    return started(origin.Origin, config_for(topic, listen, *servers, **options))


def versions_in_order(log):
    """Each serial once, or twice in a row; none goes back. Returns them."""
    serials = [message["serial"] for message in log]
    assert serials == sorted(serials), serials
    return sorted(set(serials))


def assert_log_is(topic, primary, **transfer):
    log = origin.log_of(topic, ZONE)
    made, wanted = origin.replay(log), origin.transfer(primary, ZONE, **transfer)
    assert made == wanted, (made - wanted, wanted - made)
    assert origin.digest(made) == origin.digest(wanted)
    return versions_in_order(log)


@pytest.mark.parametrize("kind", KINDS)
def test_p12_each_version_is_in_the_log(kind, started, broker, fresh_topic, listen):
    primary = started(KINDS[kind], ZONE, listen)
    capture = origin_of(started, fresh_topic, listen, primary)
    capture.wait_serial(ZONE, primary.serial())
    seen = [primary.serial()]
    for number in range(12):
        primary.change(number)
        capture.wait_serial(ZONE, primary.serial())
        seen.append(primary.serial())
    assert len(set(seen)) == 13
    assert assert_log_is(fresh_topic, primary) == seen


@pytest.mark.parametrize("kind", ["bind", "knot"])
def test_p12_a_burst_is_there_version_by_version(kind, started, broker, fresh_topic, listen):
    """Faster than NOTIFYs come: differences of several versions in a transfer are as many messages."""
    primary = started(KINDS[kind], ZONE, listen)
    capture = origin_of(started, fresh_topic, listen, primary)
    capture.wait_serial(ZONE, primary.serial())
    first = primary.serial()
    for number in range(40):
        primary.update(f"update add {primary.host(number)}")
    capture.wait_serial(ZONE, primary.serial())
    assert capture.status()["zone_list"][0]["transfers"] >= 2
    assert assert_log_is(fresh_topic, primary) == list(range(first, first + 41))


@pytest.mark.parametrize("kind", ["bind", "knot"])
def test_p12_killed_again_and_again(kind, started, broker, fresh_topic, listen):
    """kill -9 of the origin in the middle of changes: it goes on from the log, without a file."""
    primary = started(KINDS[kind], ZONE, listen)
    capture = origin_of(started, fresh_topic, listen, primary)
    capture.wait_serial(ZONE, primary.serial())
    chance = random.Random(7)

    def change_on():
        for number in range(120):
            primary.update(f"update add {primary.host(number)}")
            time.sleep(0.01)
    changer = threading.Thread(target=change_on)
    changer.start()
    kills = 0
    while changer.is_alive():
        time.sleep(chance.uniform(0.05, 0.4))
        capture.kill()
        kills += 1
        capture.start()
    changer.join()
    capture.wait_serial(ZONE, primary.serial(), within=20)
    assert kills >= 3
    versions = assert_log_is(fresh_topic, primary)
    assert versions == list(range(versions[0], versions[-1] + 1))


@pytest.mark.timeout(120)
def test_p12_kafka_away(started, broker, fresh_topic, listen):
    primary = started(primaries.Bind, ZONE, listen)
    capture = origin_of(started, fresh_topic, listen, primary)
    capture.wait_serial(ZONE, primary.serial())
    first = primary.serial()
    with broker.paused():
        for number in range(10):
            primary.change(number)
        process.eventually(lambda: capture.status()["under_way"] == 1)
        time.sleep(1)
        assert capture.status()["under_way"] == 1
    capture.wait_serial(ZONE, primary.serial(), within=30)
    assert assert_log_is(fresh_topic, primary) == list(range(first, primary.serial() + 1))


def test_a_primary_made_anew(started, broker, fresh_topic, listen):
    """Its serial is lower, its journal is gone, its data is other: the log comes to be what it has."""
    primary = started(primaries.Bind, ZONE, listen, refresh=2)
    capture = origin_of(started, fresh_topic, listen, primary)
    for number in range(5):
        primary.change(number)
    capture.wait_serial(ZONE, primary.serial())
    primary.kill()
    for left in ("zone.jnl", "zone"):
        process.os.unlink(primary.path(left))
    primary.more = "other 60 A 192.0.2.77"
    primary.write_zone()
    primary.start()
    capture.wait_serial(ZONE, 1, within=15)
    log = origin.log_of(fresh_topic, ZONE)
    assert origin.replay(log) == origin.transfer(primary, ZONE)
    assert capture.status()["went_back"] == 1


def test_without_notify_by_the_zones_own_timers(started, broker, fresh_topic, listen):
    primary = started(primaries.Knot, ZONE, ("127.0.0.1", process.free_port()), refresh=1)
    capture = origin_of(started, fresh_topic, listen, primary)
    capture.wait_serial(ZONE, primary.serial())  # else its first question may come after the change
    primary.change(1)
    capture.wait_serial(ZONE, primary.serial())
    status = capture.status()
    assert status["notifies"] == 0 and status["soa_queries"] >= 2
    assert_log_is(fresh_topic, primary)


# --- signatures, and who may say what


@pytest.mark.parametrize("kind", ["bind", "knot", "nsd"])
@pytest.mark.parametrize("key", [KEY, LONG_KEY], ids=["sha256", "sha512"])
def test_signed(kind, key, started, broker, fresh_topic, listen):
    """Transfers of many messages too: a chain of signatures."""
    more = "\n".join(f"fill{number} 3600 TXT \"{'x' * 200}\"" for number in range(500))
    primary = started(KINDS[kind], ZONE, listen, key=key, more=more)
    capture = origin_of(started, fresh_topic, listen, primary, keys=[key], key=key[1])
    capture.wait_serial(ZONE, primary.serial())
    primary.change(1)
    capture.wait_serial(ZONE, primary.serial())
    keyring = dns.tsigkeyring.from_text({key[1]: (key[0] + ".", key[2])})
    assert_log_is(fresh_topic, primary, keyring=keyring)
    status = capture.status()
    assert status["notifies"] >= 1 and status["notifies_refused"] == 0
    assert status["bad_signatures"] == status["bad_keys"] == 0


def test_a_wrong_key_gets_nothing_published(started, broker, fresh_topic, listen):
    primary = started(primaries.Bind, ZONE, listen, key=KEY)
    other = (KEY[0], KEY[1], "BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    capture = origin_of(started, fresh_topic, listen, primary, keys=[other], key=KEY[1])
    capture.wait_log("the primary does not take our signature: BADSIG", within=10)
    assert capture.status()["bad_signatures"] >= 1
    assert origin.log_of(fresh_topic, ZONE) == []
    # Whoever looks at the tool alone is told as well.
    said = (f"zone {ZONE}: its changes do not come: primary {freshet.address_text(primary.address)}: "
            "the primary does not take our signature: BADSIG")
    tool = freshet.Cli()

    def warned():
        done = tool("status", "--check", "--control", capture.control_path)
        return done.code == 5 and said in done.stdout and "captured zone" not in done.stdout
    process.eventually(warned, within=10)
    assert f"warning: {said}" in tool("status", "--control", capture.control_path).stdout


def notify(listen, zone=ZONE, key=None, secret=None, algorithm="hmac-sha256."):
    message = dns.message.make_query(zone, "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = message.flags & ~dns.flags.RD | dns.flags.AA
    if key:
        message.use_tsig(dns.tsigkeyring.from_text({key: (algorithm, secret)}), keyname=key)
    try:
        return dns.query.udp(message, listen[0], timeout=3, port=listen[1])
    except dns.tsig.PeerError as error:
        return error


def test_who_may_notify(started, broker, fresh_topic, listen):
    """Only primaries, and only signed where there is a key; each refusal says why."""
    class Elsewhere:
        address = ("127.0.0.9", 53)

    class Here:
        address = ("127.0.0.1", process.free_port())
    capture = origin_of(started, fresh_topic, listen, Elsewhere)
    assert notify(listen).rcode() == dns.rcode.REFUSED
    assert notify(listen, "example.org.").rcode() == dns.rcode.NOTAUTH
    assert isinstance(notify(listen, key="k.", secret=KEY[2]), dns.tsig.PeerBadKey)
    assert capture.status()["notifies_refused"] == 3
    capture.wait_log("not an address of a primary")
    capture.configure(config_for(fresh_topic, listen, Here, keys=[KEY], key=KEY[1]))
    capture.sighup()
    capture.wait_log("msg=reloaded")
    assert notify(listen).rcode() == dns.rcode.REFUSED
    assert isinstance(notify(listen, key=KEY[1], secret="BBECAwQFBgcICQoLDA0ODw=="), dns.tsig.PeerBadSignature)
    assert notify(listen, key=KEY[1], secret=KEY[2]).rcode() == dns.rcode.NOERROR


def test_a_storm_is_one(started, broker, fresh_topic, listen):
    primary = started(primaries.Knot, ZONE, listen)
    capture = origin_of(started, fresh_topic, listen, primary)
    capture.wait_serial(ZONE, primary.serial())
    asked = capture.status()["ixfr"]
    for _ in range(200):
        assert notify(listen).rcode() == dns.rcode.NOERROR
    process.eventually(lambda: capture.zone(ZONE)["state"] == "idle")
    status = capture.status()
    assert status["notifies"] >= 200
    assert status["ixfr"] - asked <= 201
    assert len(origin.log_of(fresh_topic, ZONE)) == 1


# --- the log, and snapshots


def test_what_others_wrote_is_undone_at_the_next_start(started, broker, fresh_topic, listen):
    primary = started(primaries.Bind, ZONE, listen)
    capture = origin_of(started, fresh_topic, listen, primary)
    capture.wait_serial(ZONE, primary.serial())
    capture.stop()
    fresh_topic.publish(ZONE, [changes.set_("www.example.com.", "A", 60, "203.0.113.1"),
                               changes.set_("foreign.example.com.", "A", 60, "203.0.113.2")])
    capture.start()
    process.eventually(lambda: origin.replay(origin.log_of(fresh_topic, ZONE)) == origin.transfer(primary, ZONE),
                       within=10)


def test_a_zone_that_fits_no_message_is_a_snapshot(started, broker, fresh_topic, listen, snapshots):
    """Nobody takes a part of it for the whole; and whoever starts again has it from there."""
    more = "\n".join(f"fill{number} 3600 TXT \"{'x' * 250}\"" for number in range(6000))
    primary = started(primaries.Knot, ZONE, listen, more=more)
    capture = origin_of(started, fresh_topic, listen, primary, snapshots=snapshots)
    capture.wait_serial(ZONE, primary.serial(), within=30)
    log = origin.log_of(fresh_topic, ZONE)
    assert [(message["must"], message["changes"]) for message in log] == [(["snapshot"], [])]
    parts = sum(snapshots.end_offsets().values())
    assert parts >= 2
    axfr = capture.status()["axfr"]
    capture.kill()
    primary.change(1)
    capture.start()
    capture.wait_serial(ZONE, primary.serial(), within=20)
    status = capture.status()
    assert axfr == 1 and status["axfr"] == 0 and status["ixfr"] == 1
    assert [change["name"] for change in origin.log_of(fresh_topic, ZONE)[-1]["changes"]] == ["host1.example.com.", ZONE]


def test_each_zone_has_a_snapshot_that_the_log_goes_on_from(started, broker, fresh_topic, listen, snapshots):
    primary = started(primaries.Knot, ZONE, listen)
    capture = origin_of(started, fresh_topic, listen, primary, snapshots=snapshots)
    capture.wait_serial(ZONE, primary.serial())
    process.eventually(lambda: (capture.zone(ZONE)["snapshot"] or {}).get("verdict") == "fine", within=15)
    for number in range(5):
        primary.change(number)
    capture.wait_serial(ZONE, primary.serial())
    capture.kill()
    ends = fresh_topic.end_offsets()
    for partition, end in ends.items():
        if end:
            fresh_topic.drop_before(partition, end)  # the log goes, past the snapshot
    capture.start()
    capture.wait_serial(ZONE, primary.serial(), within=20)
    log = origin.log_of_from(fresh_topic, ZONE, ends)
    assert [message.get("must") for message in log] == [["snapshot"]]
    process.eventually(lambda: (capture.zone(ZONE)["snapshot"] or {}).get("verdict") == "fine", within=15)


class Silent:
    """A primary that takes connections, and says nothing by them."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address, self.taken = self._listener.getsockname(), []

    def wait_asked(self):
        """For a question that stays without an answer."""
        self._listener.settimeout(10)
        self.taken.append(self._listener.accept()[0])
        self.taken[-1].settimeout(10)
        assert self.taken[-1].recv(2)

    def stop(self):
        for sock in (self._listener, *self.taken):
            sock.close()


def test_in_the_middle_of_a_transfer_zones_go_and_it_stops(started, broker, fresh_topic, listen):
    primary, other = started(Silent), started(Silent)
    here = [f"{listen[0]}:{listen[1]}"]
    capture = origin_of(started, fresh_topic, listen, primary)
    primary.wait_asked()
    capture.configure(origin.config(fresh_topic, {"example.net.": [other]}, listen=here))
    seen = len(capture.log)
    capture.sighup()
    capture.wait_log("msg=reloaded", start=seen)
    other.wait_asked()
    capture.close()


def test_zones_come_and_go_with_a_reload(started, broker, fresh_topic, listen):
    primary = started(primaries.Knot, ZONE, listen)
    other = started(primaries.Knot, "example.net.", listen)
    capture = origin_of(started, fresh_topic, listen, primary)
    capture.wait_serial(ZONE, primary.serial())
    both = {ZONE: [primary], "example.net.": [other]}
    for zones in (both, {"example.net.": [other]}, both):
        capture.configure(origin.config(fresh_topic, zones, listen=[f"{listen[0]}:{listen[1]}"]))
        seen = len(capture.log)
        capture.sighup()
        capture.wait_log("msg=reloaded", start=seen)
        for server in [server for servers in zones.values() for server in servers]:
            server.change(1)
            capture.wait_serial(server.zone, server.serial())
        assert {zone["name"] for zone in capture.status()["zone_list"]} == set(zones)
    for server in (primary, other):
        assert origin.replay(origin.log_of(fresh_topic, server.zone)) == origin.transfer(server, server.zone)
    capture.configure(origin.config(fresh_topic, both, listen=[f"{listen[0]}:{listen[1]}"], publisher="another"))
    capture.sighup()
    capture.wait_log("publisher takes a restart to change")
