"""What a change does to what is cached: each kind of answer, and queries on their way meanwhile.

The authority is scripted, so that each test knows exactly which questions went upstream.
"""

import os
import subprocess
import threading
import time

import pytest

import changes
import freshet
import scripted as script
from process import eventually
from query import addresses, ask, rcode

ZONES = ("example.com.", "example.net.")


class Resolver:
    """A freshetd on a live feed of both zones, with a scripted authority behind it."""

    def __init__(self, daemon, topic, authority):
        self.daemon, self.topic, self.authority = daemon, topic, authority

    def ask(self, name, rtype="A", **how):
        return ask(self.daemon, name, rtype, **how)

    def change(self, *change_list, zone="example.com.", **fields):
        """Publishes a change set and returns once it was applied."""
        before = self.daemon.status()["feed"]["applied"]
        time.sleep(0.003)  # made after what was fetched, also by clocks that count milliseconds
        self.topic.publish(zone, list(change_list), **fields)
        self.wait_applied(before + 1)

    def wait_applied(self, count):
        eventually(lambda: self.daemon.status()["feed"]["applied"] >= count,
                   what=f"{count} change sets applied")

    def fetches(self, name, rtype="A"):
        """How often the question has gone upstream."""
        return self.authority.count(name, rtype)


@pytest.fixture
def resolver(freshetd, topic, scripted):
    for number in range(10):
        scripted.set(f"n{number}.example.com.", "A", f"192.0.2.{number}")
    daemon = freshetd(freshet.stub([scripted], topic, ZONES))
    daemon.wait_log("feed is live", within=20)
    time.sleep(0.2)  # what is dated right after the start only evicts: clocks differ
    return Resolver(daemon, topic, scripted)


def test_set_replaces_in_place(resolver):
    assert addresses(resolver.ask("n1.example.com.")) == ["192.0.2.1"]
    resolver.authority.set("n1.example.com.", "A", "192.0.2.101")
    resolver.change(changes.set_("n1.example.com.", "A", 3600, "192.0.2.101"))
    assert addresses(resolver.ask("n1.example.com.")) == ["192.0.2.101"]
    assert resolver.fetches("n1.example.com.") == 1
    (tier,) = resolver.daemon.lookup("n1.example.com.")["tiers"]
    assert [variant["from"] for variant in tier["variants"]] == ["feed"]


def test_set_evicts_what_asked_for_signatures(resolver):
    resolver.ask("n1.example.com.", want_dnssec=True)
    resolver.authority.set("n1.example.com.", "A", "192.0.2.101")
    resolver.change(changes.set_("n1.example.com.", "A", 3600, "192.0.2.101"))
    assert addresses(resolver.ask("n1.example.com.", want_dnssec=True)) == ["192.0.2.101"]
    assert resolver.fetches("n1.example.com.") == 2


@pytest.mark.parametrize("change", [
    changes.add("n1.example.com.", "A", 3600, "192.0.2.101"),
    changes.delete("n1.example.com.", "A", "192.0.2.1"),
    changes.delete("n1.example.com.", "A"),
    changes.delete("n1.example.com."),
    changes.flush("n1.example.com."),
    changes.flush("example.com.", subtree=True),
], ids=lambda change: f"{change['op']}-{len(change)}")
def test_other_changes_evict(resolver, change):
    resolver.ask("n1.example.com.")
    resolver.authority.set("n1.example.com.", "A", "192.0.2.101")
    resolver.change(change)
    assert addresses(resolver.ask("n1.example.com.")) == ["192.0.2.101"]
    assert resolver.fetches("n1.example.com.") == 2


def test_unrelated_names_stay(resolver):
    for number in range(10):
        resolver.ask(f"n{number}.example.com.")
    resolver.change(changes.delete("n1.example.com.", "A"),
                    changes.set_("n2.example.com.", "A", 3600, "192.0.2.102"),
                    changes.flush("n3.example.com.", subtree=True))
    fetched = resolver.authority.count()
    for number in (0, 4, 5, 6, 7, 8, 9):
        resolver.ask(f"n{number}.example.com.")
    assert resolver.authority.count() == fetched


def test_chain_over_two_zones(resolver):
    """Each link of the chain, in whichever zone, ends the answer; other names do not."""
    authority = resolver.authority
    authority.set("a.example.com.", "CNAME", "b.example.net.")
    authority.set("b.example.net.", "CNAME", "c.example.com.")
    authority.set("c.example.com.", "A", "192.0.2.50")
    authority.set("d.example.net.", "A", "192.0.2.51")
    assert addresses(resolver.ask("a.example.com.")) == ["192.0.2.50"]

    resolver.change(changes.flush("d.example.net."), zone="example.net.")
    fetched = authority.count()
    assert addresses(resolver.ask("a.example.com.")) == ["192.0.2.50"]
    assert authority.count() == fetched

    authority.set("c.example.com.", "A", "192.0.2.60")
    resolver.change(changes.set_("c.example.com.", "A", 3600, "192.0.2.60"))
    assert addresses(resolver.ask("a.example.com.")) == ["192.0.2.60"]

    authority.set("b.example.net.", "CNAME", "d.example.net.")
    resolver.change(changes.set_("b.example.net.", "CNAME", 3600, "d.example.net."),
                    zone="example.net.")
    assert addresses(resolver.ask("a.example.com.")) == ["192.0.2.51"]

    authority.set("a.example.com.", "CNAME", "n5.example.com.")
    resolver.change(changes.set_("a.example.com.", "CNAME", 3600, "n5.example.com."))
    assert addresses(resolver.ask("a.example.com.")) == ["192.0.2.5"]


def test_nxdomain(resolver):
    assert rcode(resolver.ask("new.example.com.")) == "NXDOMAIN"
    resolver.change(changes.delete("n1.example.com."))
    fetched = resolver.fetches("new.example.com.")
    assert rcode(resolver.ask("new.example.com.")) == "NXDOMAIN"
    assert resolver.fetches("new.example.com.") == fetched == 1

    resolver.authority.set("new.example.com.", "A", "192.0.2.70")
    resolver.change(changes.add("new.example.com.", "A", 3600, "192.0.2.70"))
    assert addresses(resolver.ask("new.example.com.")) == ["192.0.2.70"]


def test_nxdomain_ends_with_a_name_below(resolver):
    """x.deep is an empty non-terminal once a.x.deep exists (RFC 4592 2.2.2)."""
    assert rcode(resolver.ask("x.deep.example.com.")) == "NXDOMAIN"
    resolver.authority.set("a.x.deep.example.com.", "A", "192.0.2.71")
    resolver.change(changes.add("a.x.deep.example.com.", "A", 3600, "192.0.2.71"))
    response = resolver.ask("x.deep.example.com.")
    assert rcode(response) == "NOERROR" and not response.answer


def test_nodata(resolver):
    response = resolver.ask("n1.example.com.", "AAAA")
    assert rcode(response) == "NOERROR" and not response.answer
    resolver.change(changes.set_("n2.example.com.", "AAAA", 3600, "2001:db8::2"))
    resolver.ask("n1.example.com.", "AAAA")
    assert resolver.fetches("n1.example.com.", "AAAA") == 1

    resolver.authority.set("n1.example.com.", "AAAA", "2001:db8::1")
    resolver.change(changes.set_("n1.example.com.", "AAAA", 3600, "2001:db8::1"))
    assert addresses(resolver.ask("n1.example.com.", "AAAA")) == ["2001:db8::1"]


def test_wildcard(resolver):
    """What a wildcard made goes when the wildcard changes."""
    old = script.answer("x.w.example.com. 3600 A 192.0.2.80")
    new = script.answer("x.w.example.com. 3600 A 192.0.2.81")
    resolver.authority.script("x.w.example.com.", old)
    assert addresses(resolver.ask("x.w.example.com.")) == ["192.0.2.80"]
    resolver.ask("n1.example.com.")

    resolver.authority.script("x.w.example.com.", new)
    resolver.change(changes.set_("*.w.example.com.", "A", 3600, "192.0.2.81"))
    assert addresses(resolver.ask("x.w.example.com.")) == ["192.0.2.81"]
    resolver.ask("n1.example.com.")
    assert resolver.fetches("n1.example.com.") == 1


def test_delegation(resolver):
    """A change of the name servers of a delegated name takes everything below it."""
    resolver.authority.set("www.sub.example.com.", "A", "192.0.2.90")
    resolver.authority.set("sub.example.com.", "NS", "ns.example.net.")
    assert addresses(resolver.ask("www.sub.example.com.")) == ["192.0.2.90"]
    assert rcode(resolver.ask("no.sub.example.com.")) == "NXDOMAIN"
    resolver.ask("n1.example.com.")

    resolver.authority.set("www.sub.example.com.", "A", "192.0.2.91")
    resolver.authority.set("no.sub.example.com.", "A", "192.0.2.92")
    resolver.change(changes.set_("sub.example.com.", "NS", 3600, "ns2.example.net."))
    assert addresses(resolver.ask("www.sub.example.com.")) == ["192.0.2.91"]
    assert addresses(resolver.ask("no.sub.example.com.")) == ["192.0.2.92"]
    resolver.ask("n1.example.com.")
    assert resolver.fetches("n1.example.com.") == 1


def test_half_of_a_set_is_never_seen(resolver):
    """Two names always change together. Whoever has seen the new version of one never gets the old
    one of the other after it. Between mark and install a query goes to the authority, which is
    ahead of the stream or behind it: it answers with version 0 here, and that does not count."""
    names = ("n1.example.com.", "n2.example.com.")
    last, seen, done = 50, [], threading.Event()

    def version(name):
        return int(addresses(resolver.ask(name))[0].split(".")[3])

    def publish(number):
        resolver.topic.publish("example.com.", [
            changes.set_(name, "A", 3600, f"192.0.2.{number}") for name in names], serial=number)

    def watch():
        while not done.is_set():
            seen.append((version(names[0]), version(names[1]), version(names[0])))

    for name in names:
        resolver.authority.set(name, "A", "192.0.2.0")
        resolver.ask(name)
    publish(100)
    resolver.wait_applied(1)
    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(101, 101 + last):
        publish(number)
    resolver.wait_applied(1 + last)
    done.set()
    watcher.join()
    seen = [versions for versions in seen if 0 not in versions]
    assert len({first for first, _, _ in seen}) > 5, "the changes were not seen as they came"
    assert all(first <= second <= third for first, second, third in seen)


# --- promises 1 and 2: queries on their way while the change arrives


def asking(resolver, name, rtype="A"):
    """Asks in a thread of its own; returns it and the list its answer will be in."""
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(resolver.ask(name, rtype, timeout=10)))
    thread.start()
    return thread, answers


def test_p2_an_answer_that_comes_late_is_not_cached(resolver):
    """The authority holds its old answer until the change was applied."""
    name, gate = "race.example.com.", script.Gate()
    resolver.authority.set(name, "A", "192.0.2.1")
    resolver.authority.script(name, script.sequence(script.hold(gate), script.lookup))
    early, early_answers = asking(resolver, name)
    gate.wait_held()

    resolver.authority.set(name, "A", "192.0.2.2")
    resolver.change(changes.set_(name, "A", 3600, "192.0.2.2"))

    # Who asks after the change does not wait for what set out before it.
    assert addresses(resolver.ask(name, timeout=2)) == ["192.0.2.2"]
    gate.open()
    early.join()
    # Who asked before it may have the old answer, but not to keep.
    assert addresses(early_answers[0]) in (["192.0.2.1"], ["192.0.2.2"])
    if addresses(early_answers[0]) == ["192.0.2.1"]:
        assert early_answers[0].answer[0].ttl == 0
    assert addresses(resolver.ask(name)) == ["192.0.2.2"]
    assert not resolver.daemon.status()["tiers"][0]["failed"]


def test_p2_a_late_answer_alone_is_not_cached(resolver):
    """As above, with nobody asking in between: the next query finds the cache empty."""
    name, gate = "race.example.com.", script.Gate()
    resolver.authority.set(name, "A", "192.0.2.1")
    resolver.authority.script(name, script.sequence(script.hold(gate), script.lookup))
    early, _ = asking(resolver, name)
    gate.wait_held()
    resolver.authority.set(name, "A", "192.0.2.2")
    resolver.change(changes.delete(name, "A", "192.0.2.1"))
    gate.open()
    early.join()
    assert addresses(resolver.ask(name)) == ["192.0.2.2"]
    assert resolver.daemon.status()["tiers"][0]["late"] == 1


def test_p2_a_chain_into_a_changed_name(resolver):
    """The question itself did not change, but what its CNAME leads to did: who asked after the
    change, and joined the fetch in good faith, gets the new answer all the same."""
    name, gate = "alias.example.com.", script.Gate()
    resolver.authority.set(name, "CNAME", "target.example.net.")
    resolver.authority.set("target.example.net.", "A", "192.0.2.1")
    resolver.authority.script(name, script.sequence(script.hold(gate), script.lookup))
    early, _ = asking(resolver, name)
    gate.wait_held()

    resolver.authority.set("target.example.net.", "A", "192.0.2.2")
    resolver.change(changes.set_("target.example.net.", "A", 3600, "192.0.2.2"),
                    zone="example.net.")
    late, late_answers = asking(resolver, name)
    eventually(lambda: resolver.daemon.status()["tiers"][0]["joined"] == 1)
    gate.open()
    early.join()
    late.join()
    assert addresses(late_answers[0]) == ["192.0.2.2"]
    assert addresses(resolver.ask(name)) == ["192.0.2.2"]


def test_p2_a_negative_answer_that_comes_late(resolver):
    name, gate = "born.example.com.", script.Gate()
    resolver.authority.script(name, script.sequence(script.hold(gate), script.lookup))
    early, _ = asking(resolver, name)
    gate.wait_held()
    resolver.authority.set(name, "A", "192.0.2.2")
    resolver.change(changes.add(name, "A", 3600, "192.0.2.2"))
    assert addresses(resolver.ask(name, timeout=2)) == ["192.0.2.2"]
    gate.open()
    early.join()
    assert addresses(resolver.ask(name)) == ["192.0.2.2"]


def test_p1_a_flush_of_the_zone_reaches_fetches_under_way(resolver):
    gates = {f"f{number}.example.com.": script.Gate() for number in range(5)}
    for name, gate in gates.items():
        resolver.authority.set(name, "A", "192.0.2.1")
        resolver.authority.script(name, script.sequence(script.hold(gate), script.lookup))
    askers = [asking(resolver, name)[0] for name in gates]
    for gate in gates.values():
        gate.wait_held()
    for name in gates:
        resolver.authority.set(name, "A", "192.0.2.2")
    resolver.change(changes.flush("example.com.", subtree=True))
    for gate in gates.values():
        gate.open()
    for asker in askers:
        asker.join()
    for name in gates:
        assert addresses(resolver.ask(name)) == ["192.0.2.2"]


# --- promise 9 and what is not ours


BAD = {
    "not JSON": b"{",
    "unknown change-set version": changes.encode(changes.change_set("example.com.", [], v=2)),
    "unknown op": changes.encode(changes.change_set("example.com.", [
        {"op": "MAKE", "name": "n1.example.com."}])),
    "unknown record type": changes.encode(changes.change_set("example.com.", [
        changes.set_("n1.example.com.", "AAAAA", 60, "192.0.2.1")])),
    "RDATA does not fit its type": changes.encode(changes.change_set("example.com.", [
        changes.set_("n1.example.com.", "A", 60, "192.0.2.300")])),
    "name outside the zone": changes.encode(changes.change_set("example.com.", [
        changes.set_("n1.example.net.", "A", 60, "192.0.2.1")])),
    "a name without its final dot": changes.encode(changes.change_set("example.com.", [
        changes.set_("n1.example.com.", "MX", 60, "10 mail")])),
    "a name that is not ASCII: its A-labels (xn--) are meant": changes.encode(changes.change_set("example.com.", [
        changes.set_("bücher.example.com.", "A", 60, "192.0.2.1")])),
    "a field that must be understood is not known": changes.encode(changes.change_set("example.com.", [
        dict(changes.set_("n1.example.com.", "A", 60, "192.0.2.9"), variant="eu")], must=["variant"])),
    "a field is missing or of the wrong kind": changes.encode(
        changes.change_set("example.com.", None)),
}


@pytest.mark.parametrize("reason", BAD)
def test_p9_what_cannot_be_applied_invalidates_its_zone(resolver, reason):
    resolver.authority.set("www.example.net.", "A", "198.51.100.1")
    resolver.ask("n1.example.com.")
    resolver.ask("www.example.net.")
    resolver.topic.send("example.com.", BAD[reason])
    eventually(lambda: resolver.daemon.status()["feed"]["refused"] == {reason: 1})
    resolver.ask("n1.example.com.")
    resolver.ask("www.example.net.")
    assert resolver.fetches("n1.example.com.") == 2
    assert resolver.fetches("www.example.net.") == 1

    # The feed goes on; what was made so close to what was missed that clocks do not tell would only evict.
    time.sleep(0.15)
    resolver.change(changes.set_("n1.example.com.", "A", 3600, "192.0.2.101"))
    assert addresses(resolver.ask("n1.example.com.")) == ["192.0.2.101"]
    assert resolver.daemon.metric("freshet_feed_refused_total", reason=reason) == 1
    assert resolver.daemon.status()["feed"]["state"] == "live"


def test_other_letters_on_the_command_line_are_a_labels(resolver):
    """The name that every resolver is asked for is the one that is changed, looked at and evicted."""
    def tool(*words):
        place = [] if words[0] in ("lookup", "evict") else [
            "--brokers", resolver.topic.bootstrap, "--topic", resolver.topic.name, "--zone", "example.com"]
        control = [] if place else ["--control", resolver.daemon.control_path]
        return subprocess.run([os.path.join(freshet.build_directory(), "freshet"), *words, *place, *control],
                              capture_output=True, text=True, check=False)

    resolver.authority.set("xn--bcher-kva.example.com.", "A", "192.0.2.1")
    assert addresses(resolver.ask("xn--bcher-kva.example.com.")) == ["192.0.2.1"]
    assert "xn--bcher-kva" in tool("lookup", "bücher.example.com", "A").stdout
    done = tool("set", "BÜCHER.example.com", "A", "3600", "192.0.2.2")
    assert done.returncode == 0 and "xn--bcher-kva.example.com." in done.stdout
    eventually(lambda: addresses(resolver.ask("xn--bcher-kva.example.com.")) == ["192.0.2.2"])
    assert resolver.fetches("xn--bcher-kva.example.com.") == 1
    assert tool("evict", "bücher.example.com").stdout.startswith("evicted xn--bcher-kva.example.com.: 1")
    refused = tool("set", "mail.example.com", "MX", "60", "10 mail")
    assert refused.returncode == 2 and '"mail" has no final dot' in refused.stderr


# --- promise 8: where a set comes from


def send(resolver, key, partition, version):
    """A SET of n1 in that partition; returns once it was applied, and asks."""
    before = resolver.daemon.status()["feed"]["applied"]
    address = f"192.0.2.{version}"
    resolver.authority.set("n1.example.com.", "A", address)
    message = changes.change_set("example.com.", [changes.set_("n1.example.com.", "A", 3600, address)],
                                 serial=version)
    resolver.topic.send(key, changes.encode(message), partition=partition)
    resolver.wait_applied(before + 1)
    assert addresses(resolver.ask("n1.example.com.")) == [address]


@pytest.mark.parametrize("key", ["example.com", "EXAMPLE.COM.", "com.", "example.net.", "sub.example.com.",
                                 "some key", None])
def test_p8_a_set_under_any_key_is_applied(resolver, key):
    """What counts is that the sets of its zone are in order, which they are in any one partition."""
    resolver.ask("n1.example.com.")
    for version in (101, 102, 103):
        send(resolver, key, 2, version)
    feed = resolver.daemon.status()["feed"]
    assert feed["installed"] == 3 and feed["refused"] == {}
    assert resolver.fetches("n1.example.com.") == 1


def test_p8_sets_of_a_zone_in_two_partitions_only_evict(resolver):
    resolver.ask("n1.example.com.")
    for version, partition in enumerate((1, 1, 2, 1, 2, 2), start=101):
        send(resolver, "example.com.", partition, version)
    feed = resolver.daemon.status()["feed"]
    assert feed["installed"] == 2
    assert [zone["elsewhere"] for zone in feed["zones"] if zone["zone"] == "example.com."] == [4]
    assert resolver.fetches("n1.example.com.") == 1 + 4


@pytest.mark.parametrize("key", [None, "ns1", "7f3a9c", "example.org"])
def test_p9_what_may_be_of_any_zone_invalidates_all(resolver, key):
    resolver.authority.set("www.example.net.", "A", "198.51.100.1")
    for name in ("n1.example.com.", "www.example.net."):
        resolver.ask(name)
    resolver.topic.send(key, b"{")
    eventually(lambda: resolver.daemon.status()["feed"]["refused"] == {"not JSON": 1})
    for name in ("n1.example.com.", "www.example.net."):
        resolver.ask(name)
        assert resolver.fetches(name) == 2


def test_zones_of_others_are_ignored(resolver):
    resolver.ask("n1.example.com.")
    resolver.topic.publish("example.org.", [changes.flush("example.org.", subtree=True)])
    resolver.topic.send("example.org.", b"{")
    eventually(lambda: resolver.daemon.status()["feed"]["ignored"] == 2)
    resolver.ask("n1.example.com.")
    assert resolver.fetches("n1.example.com.") == 1


def test_what_was_cached_before_the_feed_is_not_trusted(freshetd, fresh_topic, scripted):
    """Started with its topic not there yet, it is a plain TTL cache; when the feed comes to life,
    what it cached in ignorance of the log is asked for again."""
    scripted.set("www.example.com.", "A", "192.0.2.1")
    daemon = freshetd(freshet.stub([scripted], fresh_topic, ZONES))
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    daemon.wait_log("feed is live", within=20)
    scripted.set("www.example.com.", "A", "192.0.2.2")
    fresh_topic.publish("example.com.", [changes.flush("www.example.com.")])
    eventually(lambda: addresses(ask(daemon, "www.example.com.")) == ["192.0.2.2"])


def test_how_changes_came_is_told(resolver):
    before = resolver.daemon.status()["feed"]["applied"]
    for _ in range(3):
        resolver.change(changes.flush("n1.example.com."))
    status = resolver.daemon.status()["feed"]
    told = resolver.daemon.control({"cmd": "applied", "after": before})
    assert told["ok"] and told["first"] == before + 1
    assert len(told["age_us"]) == len(told["took_us"]) == 3
    assert told["age_us"][-1] == status["last_delay_us"]
    assert told["took_us"][-1] == status["last_apply_us"]
    assert all(0 <= took < 1e6 for took in told["took_us"])
    assert resolver.daemon.control({"cmd": "applied", "after": before + 3})["age_us"] == []


def test_evict_is_for_this_cache_alone(resolver):
    resolver.ask("n1.example.com.")
    resolver.ask("n2.example.com.")
    end = resolver.topic.end_offsets()
    reply = resolver.daemon.control({"cmd": "evict", "name": "n1.example.com."})
    assert reply["ok"]
    resolver.ask("n1.example.com.")
    resolver.ask("n2.example.com.")
    assert resolver.fetches("n1.example.com.") == 2
    assert resolver.fetches("n2.example.com.") == 1
    assert resolver.topic.end_offsets() == end


def test_client_ttl_bounds_answers_of_the_feed(resolver):
    resolver.authority.zones.append("example.org.")
    resolver.authority.set("www.example.org.", "A", "192.0.2.1")
    for _ in range(2):
        assert resolver.ask("n1.example.com.").answer[0].ttl <= 5
        assert resolver.ask("www.example.org.").answer[0].ttl > 3590


def test_how_far_and_how_fast_it_is(freshetd, topic, scripted):
    """What is on a long way is lag until it is applied; then its age is at least that way."""
    config = freshet.stub([scripted], topic, ZONES, experiment=True)
    config["feed"].update(link={"delay": "4s"}, lease="3s")
    daemon = freshetd(config)
    daemon.wait_log("feed is live", within=20)
    for number in range(5):
        topic.publish("example.com.", [changes.flush(f"n{number}.example.com.")])
    eventually(lambda: daemon.metric("freshet_feed_lag") == 5, within=3.5, what="five messages behind")
    assert daemon.metric("freshet_feed_apply_seconds_count") == 0
    eventually(lambda: daemon.metric("freshet_feed_apply_seconds_count") == 5, within=10, what="all are applied")
    assert daemon.metric("freshet_feed_lag") == 0
    assert daemon.metric("freshet_feed_age_seconds_bucket", le="1") == 0
    assert daemon.metric("freshet_feed_age_seconds_bucket", le="+Inf") == 5
    feed = daemon.status()["feed"]
    assert feed["ages"]["p50_us"] >= 4000000 > feed["applying"]["p99_us"]
    assert [partition["lag"] for partition in feed["partitions"]] == [0] * len(feed["partitions"])
