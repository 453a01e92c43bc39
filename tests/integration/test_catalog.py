"""Zones of the feed from catalog zones (RFC 9432) that are on the log: they come and go without a reload."""

import contextlib
import shlex
import threading

import pytest

import catalog
import changes
import freshet
import origin
import pages
import process
import scripted as script
import secondaries
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
    """Returns once the daemon has applied it."""
    sent = log.updates.publish(zone, list(sets))

    def applied():
        return any(place["partition"] == sent.partition and place["offset"] > sent.offset
                   for place in daemon.status()["feed"]["partitions"])
    eventually(applied, what=f"{sent.partition}:{sent.offset} is applied")


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
    checked = cli("status", "--control", daemon.control_path, "--check")
    assert checked.code != 0 and why in checked.stdout
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


def test_members_are_set_by_hand_as_the_page_says(daemon, log, cli):
    (block,) = [block for block in pages.blocks(pages.section("## Getting a catalog onto the log", "docs/catalog.md"), "sh")]
    for line in pages.commands(block):
        _, *words = shlex.split(line.replace("kafka.example.com:9092", log.updates.bootstrap))
        done = cli(*words, "--topic", log.updates.name)
        assert done.code == 0, done.stderr
    wait_followed(daemon, "example.com.")
    assert status_of(daemon)["wrong"] == ""


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


# --- members that tiers stream


def zone_of(name, address, serial=1):
    """A whole zone, as SETs."""
    return [changes.set_(name, "SOA", 300, catalog.SOA.format(serial)), changes.set_(name, "NS", 300, f"ns.{name}"),
            changes.set_(f"ns.{name}", "A", 300, "192.0.2.53"), changes.set_(f"www.{name}", "A", 300, address)]


def states(daemon):
    return {zone["zone"]: zone["state"] for zone in daemon.status()["streamed"]}


def wait_live(daemon, *zones):
    wanted = {zone: "live" for zone in (catalog.NAME, *zones)}
    eventually(lambda: states(daemon) == wanted, within=20, what=f"{wanted}")


def streaming(log, upstream, *routes, **options):
    config = config_of(log, upstream, **options)
    config["tiers"][0]["routes"] = [{"catalog": catalog.NAME, "stream": True}] if not routes else list(routes)
    return config


def put(log, name, address):
    log.updates.publish(name, zone_of(name, address), serial=1)
    log.snapshot(name, "--from-beginning")


def test_p11_members_are_streamed_as_they_come_and_go(freshetd, log, scripted):
    """A member is answered from its zone once that is there, with no question upstream; one that leaves is asked for again."""
    for name in ("www.a.example.", "www.b.example."):
        scripted.set(name, "A", "192.0.2.99")
    put(log, "a.example.", "192.0.2.1")
    daemon = freshetd(streaming(log, scripted))
    wait_live(daemon)
    assert addresses(ask(daemon, "www.a.example.")) == ["192.0.2.99"]
    wait_taken(daemon, log.add("1", "a.example."))
    wait_live(daemon, "a.example.")
    scripted.forget()
    assert addresses(ask(daemon, "www.a.example.")) == ["192.0.2.1"]
    log.updates.publish("a.example.", [changes.set_("www.a.example.", "A", 300, "192.0.2.2"),
                                       changes.set_("a.example.", "SOA", 300, catalog.SOA.format(2))], serial=2)
    eventually(lambda: addresses(ask(daemon, "www.a.example.")) == ["192.0.2.2"])
    wait_taken(daemon, log.add("2", "b.example."))
    eventually(lambda: states(daemon).get("b.example.") == "gapped")
    assert addresses(ask(daemon, "www.b.example.")) == ["192.0.2.99"], "without a snapshot the upstream is asked"
    put(log, "b.example.", "192.0.2.3")
    wait_live(daemon, "a.example.", "b.example.")
    assert addresses(ask(daemon, "www.b.example.")) == ["192.0.2.3"]
    assert scripted.count("www.a.example.") == 0
    wait_taken(daemon, log.remove("1"))
    wait_live(daemon, "b.example.")
    assert addresses(ask(daemon, "www.a.example.")) == ["192.0.2.99"]
    assert addresses(ask(daemon, "www.b.example.")) == ["192.0.2.3"]
    wait_taken(daemon, log.add("again", "a.example."))
    wait_live(daemon, "a.example.", "b.example.")
    assert addresses(ask(daemon, "www.a.example.")) == ["192.0.2.2"]


def test_p11_a_member_without_a_snapshot_keeps_no_other_waiting(freshetd, log, scripted, tmp_path):
    """A version that is in a snapshot alone: the zone is whole again once that is there, whatever is missing of others."""
    scripted.set("www.a.example.", "A", "192.0.2.99")
    put(log, "a.example.", "192.0.2.1")
    daemon = freshetd(streaming(log, scripted))
    log.change(changes.set_(log.node("1"), "PTR", 0, "a.example."), changes.set_(log.node("2"), "PTR", 0, "b.example."))
    wanted = {catalog.NAME: "live", "a.example.": "live", "b.example.": "gapped"}
    eventually(lambda: states(daemon) == wanted, within=20, what=f"{wanted}")
    log.updates.send("a.example.", changes.encode(changes.change_set("a.example.", [], serial=2, must=["snapshot"])))
    eventually(lambda: states(daemon)["a.example."] == "gapped")
    assert addresses(ask(daemon, "www.a.example.")) == ["192.0.2.99"]
    file = tmp_path / "zone"
    file.write_text(f"$TTL 60\n@ SOA {catalog.SOA.format(2)}\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.2\n")
    log.snapshot("a.example.", "--file", str(file))
    eventually(lambda: states(daemon) == wanted, within=20, what=f"{wanted} again")
    assert addresses(ask(daemon, "www.a.example.")) == ["192.0.2.2"]


def test_p1_a_member_that_the_feed_excepts_is_not_streamed(freshetd, log, scripted):
    """Nobody tells of what changes in it: an answer made of it would live on after a change."""
    scripted.set("www.a.example.", "A", "192.0.2.99")
    put(log, "a.example.", "192.0.2.1")
    config = streaming(log, scripted, **{"except": ["a.example."]})
    daemon = freshetd(config)
    wait_taken(daemon, log.add("1", "a.example."))
    assert states(daemon) == {catalog.NAME: "live"}
    assert addresses(ask(daemon, "www.a.example.")) == ["192.0.2.99"]
    del config["feed"]["except"]
    assert "msg=reloaded" in reload(daemon, config)
    wait_live(daemon, "a.example.")
    assert addresses(ask(daemon, "www.a.example.")) == ["192.0.2.1"]
    config["feed"]["except"] = ["a.example."]
    assert "msg=reloaded" in reload(daemon, config)
    assert states(daemon) == {catalog.NAME: "live"}


def test_a_catalog_that_there_is_no_room_for_is_taken_once_there_is(freshetd, log, scripted, tmp_path):
    """Whatever makes room: a reload, or another catalog that has less. It need not change itself."""
    second, file = "second.example.", tmp_path / "zones"
    log.begin(second, changes.set_(f"x.zones.{second}", "PTR", 0, "x.example."))
    file.write_text("".join(f"n{number}.example.net.\n" for number in range(65536 - 2)))
    server = [freshet.address_text(scripted.address)]
    config = streaming(log, scripted, {"name": f"file:{file}", "forward": server}, {"catalog": catalog.NAME, "forward": server},
                       {"catalog": second, "forward": server}, catalogs=[catalog.NAME, second])
    daemon = freshetd(config)
    wait_taken(daemon, 1)
    eventually(lambda: status_of(daemon, second)["serial"] == 1, within=20)
    wait_taken(daemon, log.add("1", "a.example."))
    full = log.add("2", "b.example.")
    eventually(lambda: "65536 routes" in status_of(daemon)["wrong"], within=15)
    assert status_of(daemon)["members"] == 1
    log.updates.publish(second, [changes.delete(f"x.zones.{second}"), changes.set_(second, "SOA", 0, catalog.SOA.format(2))],
                        serial=2)
    wait_taken(daemon, full)
    assert status_of(daemon)["wrong"] == "" and status_of(daemon)["members"] == 2
    full = log.add("3", "c.example.")
    eventually(lambda: "65536 routes" in status_of(daemon)["wrong"], within=15)
    file.write_text("n1.example.net.\n")
    assert "msg=reloaded" in reload(daemon, config)
    wait_taken(daemon, full)
    assert status_of(daemon)["wrong"] == ""


def test_groups_and_names_choose_the_entry(freshetd, log, scripted, own_authority):
    """The first entry that fits, and a zone's own before that: other servers, streamed, or as the rest of the tier."""
    other = own_authority
    put(log, "a.example.", "192.0.2.1")
    for name in ("www.b.example.", "www.c.example."):
        scripted.set(name, "A", "192.0.2.99")
    daemon = freshetd(streaming(
        log, scripted, {"catalog": catalog.NAME, "group": "whole", "stream": True},
        {"catalog": catalog.NAME, "group": "elsewhere", "forward": [freshet.address_text(other.address)]},
        {"name": "d.example.", "forward": [freshet.address_text(scripted.address)]}))
    log.change(changes.set_(log.node("1"), "PTR", 0, "a.example."),
               changes.set_(f"group.{log.node('1')}", "TXT", 0, '"elsewhere" "whole"'),
               changes.set_(log.node("2"), "PTR", 0, "example.com."),
               changes.set_(f"group.{log.node('2')}", "TXT", 0, '"elsewhere"'),
               changes.set_(log.node("3"), "PTR", 0, "c.example."),
               changes.set_(log.node("4"), "PTR", 0, "d.example."),
               changes.set_(f"group.{log.node('4')}", "TXT", 0, '"whole"'))
    wait_taken(daemon, log.serial)
    wait_live(daemon, "a.example.")
    scripted.set("www.d.example.", "A", "192.0.2.98")
    before = other.query_count()
    ask(daemon, "www.example.com.")
    assert other.query_count() > before, "that is asked of the group's servers"
    assert addresses(ask(daemon, "www.c.example.")) == ["192.0.2.99"]
    assert addresses(ask(daemon, "www.d.example.")) == ["192.0.2.98"]


def test_a_zone_in_two_catalogs_is_the_first_ones_unless_that_hands_it_over(freshetd, log, scripted):
    second = "second.example."
    log.begin(second, changes.set_(f"x.zones.{second}", "PTR", 0, "a.example."))
    put(log, "a.example.", "192.0.2.1")
    daemon = freshetd(streaming(log, scripted, {"catalog": second, "stream": True}, catalogs=[catalog.NAME, second]))
    eventually(lambda: states(daemon) == {catalog.NAME: "live", second: "live", "a.example.": "live"}, within=20)
    wait_taken(daemon, log.add("1", "a.example."))
    assert "a.example." not in states(daemon)
    wait_taken(daemon, log.change(changes.set_(f"coo.{log.node('1')}", "PTR", 0, second)))
    eventually(lambda: states(daemon).get("a.example.") == "live", within=20)


def test_members_are_handed_on_to_secondaries(freshetd, log, scripted):
    """Each version of a member is told to whom `notify` names, and they may have it."""
    port = process.free_port()
    put(log, "a.example.", "192.0.2.1")
    config = streaming(log, scripted, {
        "catalog": catalog.NAME, "stream": True, "authoritative": True, "transfer_keys": [secondaries.KEY_NAME],
        "notify": [f"127.0.0.1:{port}"]})
    config["keys"] = [f"hmac-sha256:{secondaries.KEY_NAME}:{secondaries.SECRET}"]
    daemon = freshetd(config)
    secondary = secondaries.Secondary("knot", "a.example.", daemon.address, port)
    try:
        wait_taken(daemon, log.add("1", "a.example."))
        eventually(lambda: secondary.serial() == 1, within=20)
        log.updates.publish("a.example.", zone_of("a.example.", "192.0.2.2", 2), serial=2)
        eventually(lambda: secondary.serial() == 2, within=20)
    finally:
        secondary.close()


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


@pytest.mark.parametrize("way", ["comes", "goes"])
def test_p2_a_fetch_from_before_a_zone_came_or_went_fills_no_cache(way, daemon, log, scripted):
    """The answer that the authority gave before is for who asked before, and the next query asks anew."""
    gate = script.Gate()
    if way == "goes":
        wait_taken(daemon, log.add("1", "example.com."))
    scripted.script(WWW, script.sequence(script.hold(gate), script.lookup))
    early = threading.Thread(target=ask, args=(daemon, WWW))
    early.start()
    gate.wait_held()
    wait_taken(daemon, log.add("1", "example.com.") if way == "comes" else log.remove("1"))
    scripted.set(WWW, "A", "192.0.2.2")
    gate.open()
    early.join()
    assert addresses(ask(daemon, WWW)) == ["192.0.2.2"]
    assert scripted.count(WWW) == 2


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


# --- members that an origin captures


@contextlib.contextmanager
def chain(kafka, members, more=(), **options):
    """Knot with the catalog of its zones; an origin that captures the catalog, and its members from the same Knot."""
    listen = ("127.0.0.1", process.free_port())
    with contextlib.ExitStack() as stack:
        updates, snapshots = kafka.topic(), kafka.topic()
        stack.callback(updates.delete)
        stack.callback(snapshots.delete)
        producer = catalog.Producer(members, listen)
        stack.callback(producer.stop)
        primary = [freshet.address_text(producer.address)]
        config = origin.config(updates, {catalog.NAME: [producer]}, snapshots, listen=[freshet.address_text(listen)], **options)
        config["zones"] += [{"catalog": catalog.NAME, "primary": primary}] if not more else more(primary)
        capture = origin.Origin(config)
        stack.callback(capture.stop)
        yield producer, capture, updates, snapshots


def captured(capture):
    return sorted(zone["name"] for zone in capture.status()["zone_list"])


def wait_captured(capture, *names):
    wanted = sorted([catalog.NAME, *names])
    eventually(lambda: captured(capture) == wanted, within=20, what=f"{wanted} are captured")


def test_p12_an_origin_captures_the_members_of_a_catalog(freshetd, kafka, cli):
    """Nobody lists a zone: Knot's list of zones goes all the way to what a cache answers."""
    with chain(kafka, {"a.example.": None, "b.example.": None}) as (producer, capture, updates, snapshots):
        wait_captured(capture, "a.example.", "b.example.")
        for name in ("a.example.", "b.example."):
            capture.wait_serial(name, producer.serial(name))
        config = freshet.stub([("127.0.0.1", process.free_port())])  # there is no upstream
        config["feed"] = {"brokers": updates.bootstrap, "updates": updates.name, "snapshots": snapshots.name,
                          "catalogs": [catalog.NAME]}
        config["tiers"][0]["routes"] = [{"catalog": catalog.NAME, "stream": True}]
        daemon = freshetd(config)
        wait_live(daemon, "a.example.", "b.example.")
        assert addresses(ask(daemon, "www.a.example.")) == ["192.0.2.1"]
        producer.apply("a.example.", [("set", "www", 3600, "A", "192.0.2.2")])
        eventually(lambda: addresses(ask(daemon, "www.a.example.")) == ["192.0.2.2"])
        producer.set({"b.example.": None, "c.example.": None})
        wait_captured(capture, "b.example.", "c.example.")
        wait_live(daemon, "b.example.", "c.example.")
        assert addresses(ask(daemon, "www.c.example.")) == ["192.0.2.1"]
        log = origin.log_of(updates, "c.example.")
        assert origin.replay(log) == origin.transfer(producer, "c.example.")
        (one,) = capture.status()["catalogs"]
        assert one["zone"] == catalog.NAME and one["members"] == 2 and one["wrong"] == ""
        assert capture.metric("freshet_origin_catalog_members", zone=catalog.NAME) == 2
        shown = cli("status", "--control", capture.control_path)
        assert shown.code == 0 and "taken over" in shown.stdout
        capture.stop()
        producer.set({"c.example.": None, "d.example.": None})
        capture.start()
        wait_captured(capture, "c.example.", "d.example.")
        wait_live(daemon, "c.example.", "d.example.")


def test_an_origins_entries_are_chosen_by_group_and_name(kafka):
    """A member of no entry is not captured; a reload with other entries, and a catalog that is broken, keep what is there."""
    other = process.free_port()
    members = {"a.example.": "mine", "b.example.": None, "c.example.": "mine"}

    def entries(primary):
        return [{"catalog": catalog.NAME, "group": "mine", "primary": primary},
                {"name": "c.example.", "primary": [f"127.0.0.1:{other}"]}]
    with chain(kafka, members, entries) as (producer, capture, updates, _):
        wait_captured(capture, "a.example.", "c.example.")
        capture.wait_serial("a.example.", producer.serial("a.example."))
        assert capture.zone("c.example.")["serial"] is None, "by its own entry, whose primary is not there"
        updates.publish(catalog.NAME, [changes.delete(f"version.{catalog.NAME}")], serial=producer.serial() + 1)
        eventually(lambda: "no version" in capture.status()["catalogs"][0]["wrong"])
        assert captured(capture) == ["a.example.", "c.example.", catalog.NAME]
        assert capture.metric("freshet_origin_catalog_wrong", zone=catalog.NAME) == 1


def test_all_of_a_group_have_the_members_whoevers_turn_it_is(kafka):
    """The catalog is read from the log, so that an instance which does not write it captures members, too."""
    listens = [("127.0.0.1", process.free_port()) for _ in range(2)]
    names = [f"m{number}.example." for number in range(6)]  # in all partitions
    with contextlib.ExitStack() as stack:
        updates, snapshots = kafka.topic(), kafka.topic()
        stack.callback(updates.delete)
        stack.callback(snapshots.delete)
        producer = catalog.Producer(dict.fromkeys(names), listens[0])
        stack.callback(producer.stop)
        captures = []
        for listen in listens:
            config = origin.config(updates, {catalog.NAME: [producer]}, snapshots, listen=[freshet.address_text(listen)])
            config["feed"]["group"] = f"group-{updates.name}"
            config["zones"].append({"catalog": catalog.NAME, "primary": [freshet.address_text(producer.address)]})
            captures.append(origin.Origin(config))
            stack.callback(captures[-1].stop)

        def written(capture):
            return {zone["name"] for zone in capture.status()["zone_list"] if zone.get("serial") is not None and zone["state"] == "idle"}
        for capture in captures:
            wait_captured(capture, *names)
        eventually(lambda: written(captures[0]) | written(captures[1]) == {catalog.NAME, *names}, within=40)
        captures[1].stop()
        producer.set(dict.fromkeys([*names, "late.example."]))
        eventually(lambda: written(captures[0]) == {catalog.NAME, "late.example.", *names}, within=60)
        assert origin.replay(origin.log_of(updates, "late.example.")) == origin.transfer(producer, "late.example.")
