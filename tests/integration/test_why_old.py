"""docs/operate.md, "Why is a name still old": each cause is made, and the tool says the words that the table goes by."""
import json
import re

import pytest
import yaml

import freshet
from pages import blocks, commands, section
from process import eventually
from query import addresses, ask

ZONE, NAME = "example.com.", "www.example.com."
PAGE = section("## Why is a name still old", "docs/operate.md")
ROWS = [row for row in re.findall(r"^\| (.*?) \|", PAGE, re.M) if row != "what is said"]


def heard(row, *said):
    """The row is the table's, and what stands in it first is what was said."""
    assert row in ROWS, f"{row} is none of {ROWS}"
    words = re.findall(r"`([^`]+)`", row)[0]
    assert any(words in text for text in said), f"{words}: {said}"


@pytest.fixture
def world(cli, fresh_topic, freshetd, scripted, tmp_path):
    """A live cache that holds NAME with 192.0.2.1, and the tool with its configuration."""
    class World:
        topic = fresh_topic

        def __init__(self):
            scripted.set(NAME, "A", "192.0.2.1")
            config = freshet.stub([scripted], fresh_topic, zones=(ZONE,))
            config["tiers"][0]["local"] = ["pinned.example.com. 60 A 192.0.2.66"]
            self.daemon = freshetd(config)
            eventually(lambda: self.daemon.status()["feed"]["state"] == "live", within=10)
            self.path = tmp_path / "freshet.yaml"
            self.path.write_text(yaml.safe_dump({**config, "control": self.daemon.control_path, "tiers": [
                {**config["tiers"][0], "listen": ["127.0.0.1:5300"]}]}))
            assert addresses(ask(self.daemon.address, NAME)) == ["192.0.2.1"]

        def tool(self, *words):
            return cli(*words, "-c", self.path)

        def send(self, change_list, key=ZONE, partition=None):
            message = {"v": 1, "zone": ZONE, "time": "2026-11-22T03:00:00Z", "changes": change_list}
            before = self.daemon.status()["feed"]
            fresh_topic.send(key, json.dumps(message), partition=partition)

            def read():
                feed = self.daemon.status()["feed"]
                return (feed["applied"], feed["refused"]) != (before["applied"], before["refused"])
            eventually(read, within=10)

        def watched(self):
            return self.tool("watch", "--from-beginning", "--timeout", "2").stdout
    return World()


def change(**fields):
    return {"op": "SET", "name": NAME, "type": "A", "ttl": 60, "rdata": ["192.0.2.2"], **fields}


def test_nobody_runs(cli, tmp_path):
    heard("`no freshetd answers at`", cli("lookup", NAME, "A", "--control", tmp_path / "none").stderr)


def test_a_name_of_the_machine_itself(world):
    said = world.tool("lookup", "pinned.example.com.", "A").stdout
    heard("`answered by this machine itself`", said)
    assert "not cached" not in said
    said = world.tool("lookup", "localhost", "A").stdout
    heard("`answered by this machine itself`", said)
    assert "lies in no zone" not in said
    assert "this machine" not in world.tool("lookup", NAME, "A").stdout


def test_a_zone_that_the_feed_lacks(world):
    heard("`lies in no zone of the feed`", world.tool("lookup", "www.example.org", "A").stdout)
    assert "lies in no zone" not in world.tool("lookup", NAME, "A").stdout


def test_a_feed_that_is_lost(world, broker):
    with broker.paused():
        eventually(lambda: world.daemon.status()["feed"]["state"] == "lost", within=15)
        assert "the feed is lost" in world.tool("lookup", NAME, "A").stdout
        assert "feed: lost" in world.tool("status", "--check").stdout
    assert "`the feed is cold`, `catchup` or `lost`" in ROWS


def test_a_publisher_with_another_topic(world, broker):
    other = broker.topic()
    other.publish(ZONE, [change()])
    done = world.tool("zone", "history", NAME)
    heard("`has no change of` (`zone history`)", done.stderr)
    assert done.code == 1 and f"topic {world.topic.name} " in done.stderr and f"zone {ZONE}" in done.stderr
    assert world.topic.name in world.tool("status").stdout
    world.send([change()])
    done = world.tool("zone", "history", NAME)
    assert done.code == 0 and f"SET {NAME} 60 A 192.0.2.2" in done.stdout


def test_another_key_or_partition(world):
    for key in ("", "example.org."):
        assert world.tool("lookup", NAME, "A").code == 0
        world.send([change()], key=key)
        assert "not valid: a change" in world.tool("lookup", NAME, "A").stdout
        ask(world.daemon.address, NAME)
    assert world.watched().count(f"SET {NAME}") == 2
    assert "has no change of" in world.tool("zone", "history", NAME).stderr
    assert "the change in `watch`, not in `history`" in ROWS


def test_a_change_that_cannot_be_read(world):
    world.send([change(type="MX", rdata=["10 mail"])])
    heard("`refused` in `watch` and in `status`", world.watched())
    assert re.search(r"refused +1: a name without its final dot", world.tool("status").stdout)


def test_a_parent_that_tells_no_position(world, freshetd, scripted, cli):
    above = freshet.stub([scripted], world.topic, zones=(ZONE,))
    above["tiers"][0]["position_for"] = ["192.0.2.0/24"]
    parent = freshetd(above)
    child = freshetd({"tiers": [freshet.tier("os", [parent], way="parent")], "feed": above["feed"]})
    for daemon in (parent, child):
        eventually(lambda daemon=daemon: daemon.status()["feed"]["state"] == "live", within=10)
    world.send([change()])
    eventually(lambda: child.status()["feed"]["applied"] == 1, within=10)
    ask(child.address, NAME)
    at = "--control", child.control_path
    heard("`provisional`, and `amiss in the last minute` (`status`)", cli("lookup", NAME, "A", *at).stdout)
    said = cli("status", "--check", *at).stdout
    assert "amiss in the last minute" in said and "position_for" in said


def test_the_authority_gives_the_old_one(world):
    world.send([{"op": "FLUSH", "name": NAME}])
    ask(world.daemon.address, NAME)
    said = world.tool("lookup", NAME, "A").stdout
    heard("`valid`, and the old one came `from` a server", said)
    assert re.search(r", from 127\.0\.0\.1:\d+$", said, re.M)


def test_the_block_is_one_of_commands(world):
    """As it is written, but for what would wait for ever."""
    export, *rest = commands(blocks(PAGE, "sh")[0])
    assert export == "export FRESHET_CONFIG=/etc/freshet/freshet.yaml"
    world.send([change()])
    ask(world.daemon.address, NAME)
    for line in rest:
        _, *words = line.split()
        done = world.tool(*words, *(["--timeout", "1"] if words == ["watch"] else []))
        assert done.code == 0, done
