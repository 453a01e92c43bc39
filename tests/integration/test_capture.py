"""Whatever a primary changes, by its own means, the log has it: each version, in order (P12), and the zone that the log makes is
the primary's own."""

import pytest

import origin
import primaries
import process

ZONE = "example.com."
KINDS = {"bind": primaries.Bind, "knot": primaries.Knot, "nsd": primaries.Nsd, "powerdns": primaries.PowerDns}
KEY = ("hmac-sha256", "transfer.example.com.", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")


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


def origin_of(started, topic, listen, *servers, **zone):
    """An origin that captures the zone from these."""
    addresses = [f"{host}:{port}" for host, port in (server.address for server in servers)]
    keys = {"keys": [":".join(KEY)]} if "key" in zone else {}
    return started(origin.Origin, origin.config(topic, {ZONE: {"primary": addresses, **zone}},
                                                listen=[f"{listen[0]}:{listen[1]}"], **keys))


def versions_in_order(log):
    """Each serial once, or twice in a row; none goes back. Returns them."""
    serials = [message["serial"] for message in log]
    assert serials == sorted(serials), serials
    return sorted(set(serials))


def assert_log_is(topic, primary):
    log = origin.log_of(topic, ZONE)
    made, wanted = origin.replay(log), origin.transfer(primary, ZONE)
    assert made == wanted, (made - wanted, wanted - made)
    assert origin.digest(made) == origin.digest(wanted)
    return versions_in_order(log)


@pytest.mark.parametrize("kind", KINDS)
def test_p12_each_version_is_in_the_log(kind, started, broker, fresh_topic, listen):
    primary = started(KINDS[kind], ZONE, listen)
    capture = origin_of(started, fresh_topic, listen, primary)
    capture.wait_serial(ZONE, primary.serial())
    seen = [primary.serial()]
    for number in range(20):
        primary.change(number)
        capture.wait_serial(ZONE, primary.serial())
        seen.append(primary.serial())
    assert len(set(seen)) == 21
    assert assert_log_is(fresh_topic, primary) == seen
