"""Zones of the feed from catalog zones (RFC 9432) that are on the log: they come and go without a reload."""

import contextlib
import threading
import time

import pytest

import catalog
import changes
import freshet
import origin
import process
from process import eventually
from query import addresses, ask, rcode
from test_program import reload

WWW = "www.example.com."


@pytest.fixture
def log(kafka, cli):
    made = catalog.Log(kafka, cli)
    yield made
    made.delete()


def config_of(log, upstream, zones=(), catalogs=(catalog.NAME,), **options):
    config = freshet.stub([upstream])
    feed = freshet.feed(log.updates, zones, snapshots=log.snapshots.name, catalogs=list(catalogs), **options)
    if not zones:
        del feed["zones"]
    return {**config, "feed": feed}


def status_of(daemon, name=catalog.NAME):
    return next(one for one in daemon.status()["catalogs"] if one["zone"] == name)


def followed(daemon):
    return sorted(zone["zone"] for zone in daemon.status()["feed"]["zones"])


def wait_followed(daemon, *zones):
    wanted = sorted([catalog.NAME, *zones])
    eventually(lambda: followed(daemon) == wanted, within=15, what=f"{wanted} are followed")


def wait_taken(daemon, serial):
    eventually(lambda: status_of(daemon)["serial"] == serial, within=15, what=f"the catalog is taken at {serial}")


@pytest.fixture
def daemon(freshetd, log, scripted):
    scripted.set(WWW, "A", "192.0.2.1")
    started = freshetd(config_of(log, scripted))
    eventually(lambda: started.status()["feed"]["state"] == "live", within=10)
    wait_taken(started, 1)
    return started


def publish(daemon, log, zone, *sets):
    """Returns once the daemon has been past it."""
    def passed():
        return sum(daemon.status()["feed"][key] for key in ("applied", "ignored"))
    before = passed()
    log.updates.publish(zone, list(sets))
    eventually(lambda: passed() > before)


def test_a_member_that_comes_is_followed_at_once(daemon, log, scripted):
    """What was cached before it came is asked for again, and a change evicts from there on."""
    assert followed(daemon) == [catalog.NAME]
    assert addresses(ask(daemon, WWW)) == ["192.0.2.1"]
    scripted.set(WWW, "A", "192.0.2.2")
    assert addresses(ask(daemon, WWW)) == ["192.0.2.1"], "nobody tells"
    wait_taken(daemon, log.add("1", "Example.COM."))
    assert followed(daemon) == [catalog.NAME, "example.com."]
    assert addresses(ask(daemon, WWW)) == ["192.0.2.2"]
    scripted.set(WWW, "A", "192.0.2.3")
    publish(daemon, log, "example.com.", changes.flush(WWW))
    assert addresses(ask(daemon, WWW)) == ["192.0.2.3"]


def test_a_member_that_leaves_lives_by_its_ttl(daemon, log, scripted):
    wait_taken(daemon, log.add("1", "example.com."))
    ask(daemon, WWW)
    scripted.set(WWW, "A", "192.0.2.2")
    wait_taken(daemon, log.remove("1"))
    assert followed(daemon) == [catalog.NAME]
    assert addresses(ask(daemon, WWW)) == ["192.0.2.2"], "what was the feed's is not held on"
    scripted.set(WWW, "A", "192.0.2.3")
    publish(daemon, log, "example.com.", changes.flush(WWW))
    assert addresses(ask(daemon, WWW)) == ["192.0.2.2"]


def test_what_is_cached_of_others_stays(daemon, log, scripted):
    other = "www.example.net."
    scripted.set(other, "A", "192.0.2.9")
    wait_taken(daemon, log.add("1", "example.net."))
    ask(daemon, other)
    scripted.forget()
    wait_taken(daemon, log.add("2", "example.com."))
    wait_taken(daemon, log.remove("2"))
    assert addresses(ask(daemon, other)) == ["192.0.2.9"]
    assert scripted.count(other) == 0


BROKEN = {
    "version is not": [changes.set_(f"version.{catalog.NAME}", "TXT", 0, '"1"')],
    "says no version": [changes.delete(f"version.{catalog.NAME}")],
    "has 2 TXT records": [changes.add(f"version.{catalog.NAME}", "TXT", 0, '"1"')],
    "1.zones.catalog.example. has 2 PTR records": [changes.add(f"1.zones.{catalog.NAME}", "PTR", 0, "example.net.")],
    "example.com. is a member twice": [changes.set_(f"2.zones.{catalog.NAME}", "PTR", 0, "example.com.")],
    "coo.1.zones.catalog.example. has 2 PTR records": [
        changes.set_(f"coo.1.zones.{catalog.NAME}", "PTR", 0, "a.", "b.")],
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_broken_catalog_keeps_its_last_members(why, daemon, log, scripted, cli):
    taken = log.add("1", "example.com.")
    wait_taken(daemon, taken)
    ask(daemon, WWW)
    scripted.forget()
    log.change(*BROKEN[why], changes.set_(log.node("new"), "PTR", 0, "example.org."))
    eventually(lambda: why in status_of(daemon)["wrong"], what=why)
    one = status_of(daemon)
    assert one["serial"] == taken and one["members"] == 1 and one["refused"] == 1
    assert followed(daemon) == [catalog.NAME, "example.com."]
    assert daemon.metric("freshet_catalog_wrong", zone=catalog.NAME) == 1
    assert daemon.metric("freshet_catalog_refused_total", zone=catalog.NAME) == 1
    assert why in daemon.log and "its members stay as they were" in daemon.log
    shown = cli("status", "--control", daemon.control_path)
    assert shown.code == 0 and why in shown.stdout
    ask(daemon, WWW)
    assert scripted.count(WWW) == 0, "what is cached stays"
    mended = log.change(changes.set_(f"version.{catalog.NAME}", "TXT", 0, '"2"'), changes.delete(log.node("1")),
                        changes.delete(f"coo.1.zones.{catalog.NAME}"), changes.delete(log.node("2")))
    wait_taken(daemon, mended)
    assert status_of(daemon)["wrong"] == "" and daemon.metric("freshet_catalog_wrong", zone=catalog.NAME) == 0
    assert followed(daemon) == [catalog.NAME, "example.org."]


def test_a_restart_has_the_members_again(daemon, log):
    """From the snapshot, and the log since."""
    log.add("1", "example.com.")
    log.snapshot(catalog.NAME)
    wait_taken(daemon, log.add("2", "example.net."))
    daemon.stop()
    daemon.start()
    wait_followed(daemon, "example.com.", "example.net.")
    assert status_of(daemon)["serial"] == log.serial


def test_the_configuration_has_the_last_word(freshetd, log, scripted):
    """Its zones stay when a catalog has them no more, and what it excepts is no zone although a catalog has it."""
    config = config_of(log, scripted, ["example.com."])
    daemon = freshetd(config)
    log.add("1", "example.com.")
    wait_taken(daemon, log.add("2", "sub.example.com."))
    assert followed(daemon) == [catalog.NAME, "example.com.", "sub.example.com."]
    config["feed"]["except"] = ["sub.example.com."]
    assert "msg=reloaded" in reload(daemon, config)
    assert followed(daemon) == [catalog.NAME, "example.com."]
    wait_taken(daemon, log.remove("1"))
    assert followed(daemon) == [catalog.NAME, "example.com."]


def test_a_catalog_that_is_not_on_the_log_is_awaited(freshetd, log, scripted):
    daemon = freshetd(config_of(log, scripted, ["example.com."], ["elsewhere.example.", catalog.NAME]))
    wait_taken(daemon, 1)
    assert status_of(daemon, "elsewhere.example.")["serial"] is None
    states = {zone["zone"]: zone for zone in daemon.status()["streamed"]}
    assert "no snapshot" in states["elsewhere.example."]["reason"]
    wait_taken(daemon, log.add("1", "example.net."))
    log.begin("elsewhere.example.", changes.set_("1.zones.elsewhere.example.", "PTR", 0, "example.org."))
    eventually(lambda: "example.org." in followed(daemon), within=20)


def test_a_reverse_zone_of_a_catalog_is_asked_for(daemon, log, scripted):
    """10.in-addr.arpa is answered here as empty, unless it is a zone of ours (RFC 6303)."""
    name = "1.0.0.10.in-addr.arpa."
    scripted.set(name, "PTR", "host.example.com.")
    assert rcode(ask(daemon, name, "PTR")) == "NXDOMAIN"
    wait_taken(daemon, log.add("1", "10.in-addr.arpa."))
    eventually(lambda: addresses(ask(daemon, name, "PTR")) == ["host.example.com."])
    wait_taken(daemon, log.remove("1"))
    eventually(lambda: rcode(ask(daemon, name, "PTR")) == "NXDOMAIN")


@contextlib.contextmanager
def asking(daemon, names):
    """Names are asked for all the time."""
    over = threading.Event()
    failures = []

    def run():
        while not over.is_set():
            for name in names:
                if rcode(ask(daemon, name)) != "NOERROR":
                    failures.append(name)
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures


def test_p1_p2_members_come_and_go_under_load(daemon, log, scripted):
    """While other zones come and go, and the zone itself, what is asked after a change was applied is never from before it."""
    zones = [f"z{k}.example." for k in range(8)]
    names = [f"www.{zone}" for zone in zones]
    for name in names:
        scripted.set(name, "A", "192.0.2.1")
    wait_taken(daemon, log.add("steady", "z0.example."))
    with asking(daemon, names):
        for turn in range(1, 40):
            moving = 1 + turn % 7
            if turn % 2:
                log.change(changes.set_(log.node(f"m{moving}"), "PTR", 0, zones[moving]))
            else:
                log.change(*[changes.delete(log.node(f"m{k}")) for k in range(1, 8)])
            for k in (0, moving) if turn % 2 else (0,):
                if k:
                    wait_taken(daemon, log.serial)
                value = f"192.0.2.{turn + 1}"
                scripted.set(names[k], "A", value)
                publish(daemon, log, zones[k], changes.flush(names[k]))
                assert addresses(ask(daemon, names[k])) == [value], (turn, k)
    assert status_of(daemon)["wrong"] == ""


def test_members_of_knots_catalog_come_and_go(freshetd, kafka, log, cli):
    """Knot makes the catalog of its zones, and is asked; the origin captures it; the cache follows what is in it."""
    listen = ("127.0.0.1", process.free_port())
    producer = catalog.Producer({"a.example.": None, "b.example.": "special"}, listen)
    # A topic of its own: the catalog of `log` has been there before
    updates, snapshots = kafka.topic(), kafka.topic()
    capture = daemon = None
    try:
        capture = origin.Origin(origin.config(updates, {catalog.NAME: [producer]}, snapshots,
                                              listen=[freshet.address_text(listen)]))
        capture.wait_serial(catalog.NAME, producer.serial())
        config = freshet.stub([producer])
        config["feed"] = {"brokers": updates.bootstrap, "updates": updates.name, "snapshots": snapshots.name,
                          "catalogs": [catalog.NAME]}
        daemon = freshetd(config)
        wait_followed(daemon, "a.example.", "b.example.")
        producer.set({"b.example.": None, "c.example.": None})
        wait_followed(daemon, "b.example.", "c.example.")
        assert addresses(ask(daemon, "www.c.example.")) == ["192.0.2.1"]
        producer.apply("c.example.", [("set", "www", 3600, "A", "192.0.2.2")])
        updates.publish("c.example.", [changes.set_("www.c.example.", "A", 3600, "192.0.2.2")], serial=2)
        eventually(lambda: addresses(ask(daemon, "www.c.example.")) == ["192.0.2.2"])
        shown = cli("status", "--control", daemon.control_path)
        assert catalog.NAME in shown.stdout and "taken over" in shown.stdout
    finally:
        if capture:
            capture.stop()
        producer.stop()
        updates.delete()
        snapshots.delete()
