"""The feed's zones change while freshetd runs: a reload takes the new list over and keeps what is cached of others."""
import os

import changes
import freshet
import pytest
from process import eventually
from query import addresses, ask
from test_except import publish
from test_program import reload

FOLLOWED, FOREIGN = "www.example.com.", "www.example.net."


@pytest.fixture
def zones(tmp_path):
    return Zones(tmp_path / "zones")


class Zones:
    """The file that the configuration names."""

    def __init__(self, path):
        self.path = os.fspath(path)
        self.write("example.com.")

    def write(self, *names):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("".join(f"{name}\n" for name in names))


@pytest.fixture
def config(topic, scripted, zones):
    for name in (FOLLOWED, FOREIGN):
        scripted.set(name, "A", "192.0.2.1")
    return freshet.stub([scripted], topic, zones=[f"file:{zones.path}"])


@pytest.fixture
def daemon(freshetd, config):
    daemon = freshetd(config)
    eventually(lambda: daemon.status()["feed"]["state"] == "live", within=10)
    return daemon


def followed(daemon):
    return sorted(zone["zone"] for zone in daemon.status()["feed"]["zones"])


def test_a_zone_that_is_added_is_followed_at_once(daemon, config, zones, topic, scripted):
    """What was cached before it came is asked for again; what is cached of other zones stays."""
    for name in (FOLLOWED, FOREIGN):
        assert addresses(ask(daemon, name)) == ["192.0.2.1"]
    scripted.set(FOREIGN, "A", "192.0.2.2")  # nobody tells
    zones.write("example.com.", "example.net.")
    assert "msg=reloaded" in reload(daemon, config)
    assert followed(daemon) == ["example.com.", "example.net."]
    scripted.forget()
    assert addresses(ask(daemon, FOREIGN)) == ["192.0.2.2"]
    assert addresses(ask(daemon, FOLLOWED)) == ["192.0.2.1"]
    assert scripted.count(FOLLOWED) == 0
    scripted.set(FOREIGN, "A", "192.0.2.3")
    publish(daemon, topic, "example.net.", changes.flush(FOREIGN))
    assert addresses(ask(daemon, FOREIGN)) == ["192.0.2.3"]
    assert daemon.lookup(FOREIGN)["tiers"][0]["variants"][0]["valid"]


def test_a_zone_that_is_removed_lives_by_its_ttl(daemon, config, zones, topic, scripted):
    ask(daemon, FOLLOWED)
    zones.write("example.net.")
    assert "msg=reloaded" in reload(daemon, config)
    assert followed(daemon) == ["example.net."]
    scripted.set(FOLLOWED, "A", "192.0.2.2")
    assert addresses(ask(daemon, FOLLOWED)) == ["192.0.2.2"], "what was the feed's is not held on"
    scripted.set(FOLLOWED, "A", "192.0.2.3")
    publish(daemon, topic, "example.com.", changes.flush(FOLLOWED))
    assert addresses(ask(daemon, FOLLOWED)) == ["192.0.2.2"]
    zones.write("example.com.", "example.net.")
    reload(daemon, config)
    assert addresses(ask(daemon, FOLLOWED)) == ["192.0.2.3"]


def test_a_list_that_is_broken_changes_nothing(daemon, config, zones, scripted):
    ask(daemon, FOLLOWED)
    zones.write("example.com.", "two words")
    log = reload(daemon, config)
    assert "reload refused" in log and ":2: " in log and "two words" in log
    assert followed(daemon) == ["example.com."]
    scripted.forget()
    ask(daemon, FOLLOWED)
    assert scripted.count(FOLLOWED) == 0
