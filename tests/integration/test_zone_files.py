"""Entries of `routes`, and of an origin's zones, that are for all zones of a file."""

import os
import subprocess

import pytest

import catalog
import freshet
import origin
import process
from process import eventually
from query import addresses, ask
from test_catalog import put
from test_program import reload


@pytest.fixture
def log(kafka, cli):
    made = catalog.Log(kafka, cli)
    yield made
    made.delete()


class Names:
    """The file."""

    def __init__(self, path):
        self.path = os.fspath(path)

    def write(self, *names):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("# zones of ours\n" + "".join(f"{name}\n" for name in names))
        return f"file:{self.path}"


@pytest.fixture
def names(tmp_path):
    return Names(tmp_path / "zones")


def streamed(daemon):
    return {zone["zone"]: zone["state"] for zone in daemon.status()["streamed"]}


def test_zones_of_a_file_are_streamed_and_a_reload_takes_others(freshetd, log, scripted, names):
    for name in ("a.example.", "b.example.", "c.example."):
        put(log, name, "192.0.2.1")
        scripted.set(f"www.{name}", "A", "192.0.2.99")
    entry = names.write("a.example.", "B.example")
    config = freshet.stub([scripted])
    config["feed"] = freshet.feed(log.updates, [entry], snapshots=log.snapshots.name)
    config["tiers"][0]["routes"] = [{"name": entry, "stream": True}]
    daemon = freshetd(config)
    eventually(lambda: streamed(daemon) == {"a.example.": "live", "b.example.": "live"}, within=20)
    assert addresses(ask(daemon, "www.b.example.")) == ["192.0.2.1"]
    names.write("b.example.", "c.example.")
    scripted.forget()
    assert "msg=reloaded" in reload(daemon, config)
    eventually(lambda: streamed(daemon) == {"b.example.": "live", "c.example.": "live"}, within=20)
    assert addresses(ask(daemon, "www.c.example.")) == ["192.0.2.1"]
    assert addresses(ask(daemon, "www.a.example.")) == ["192.0.2.99"]
    assert scripted.count("www.b.example.") == 0


def test_zones_of_a_file_are_asked_elsewhere(freshetd, scripted, names):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    scripted.set("www.example.net.", "A", "192.0.2.2")
    config = freshet.stub([("127.0.0.1", process.free_port())])
    config["tiers"][0]["routes"] = [{"name": names.write("example.com.", "example.net."),
                                     "forward": [freshet.address_text(scripted.address)]}]
    daemon = freshetd(config)
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    assert addresses(ask(daemon, "www.example.net.")) == ["192.0.2.2"]


def test_an_origin_captures_the_zones_of_a_file(kafka, names):
    listen = ("127.0.0.1", process.free_port())
    producer = catalog.Producer({"a.example.": None, "b.example.": None, "c.example.": None}, listen)
    updates = kafka.topic()
    capture = None
    try:
        entry = names.write("a.example.", "b.example.")
        config = origin.config(updates, {entry: [producer]}, listen=[freshet.address_text(listen)])
        capture = origin.Origin(config)
        for name in ("a.example.", "b.example."):
            capture.wait_serial(name, 1)
        names.write("b.example.", "c.example.")
        assert "msg=reloaded" in reload(capture, config)
        capture.wait_serial("c.example.", 1)
        assert sorted(zone["name"] for zone in capture.status()["zone_list"]) == ["b.example.", "c.example."]
        assert origin.replay(origin.log_of(updates, "c.example.")) == origin.transfer(producer, "c.example.")
    finally:
        if capture:
            capture.stop()
        producer.stop()
        updates.delete()


BAD = {
    "a line that is none": (["example.com.", "two words"], [], ':3: "two words" is not a domain name'),
    "a zone twice in the file": (["example.com.", "EXAMPLE.com"], [], ":2 again; expected each zone once"),
    "a zone of another entry": (["example.com."], ["example.com."], "is {0}[0] again; expected each zone once"),
    "nothing in it": ([], [], "names no zone; expected a name on each line"),
}


@pytest.mark.parametrize("which", BAD)
@pytest.mark.parametrize("program", ["freshetd", "freshet-origin"])
def test_what_is_wrong_with_a_file_is_said_with_its_place(program, which, names, tmp_path):
    lines, others, says = BAD[which]
    servers = ("forward" if program == "freshetd" else "primary") + ": [192.0.2.1]"
    entries = "".join(f'    - {{name: "{name}", {servers}}}\n' for name in [names.write(*lines), *others])
    text = ("tiers:\n- name: os\n  listen: [127.0.0.1:5300]\n  upstream: {forward: [192.0.2.2]}\n  routes:\n" + entries
            if program == "freshetd" else
            "listen: [127.0.0.1:5300]\nfeed: {brokers: 127.0.0.1:9092}\nzones:\n" + entries)
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run([freshet.program(program), "-n", "-c", path], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert says.format("tiers[0].routes" if program == "freshetd" else "zones") in done.stderr, done.stderr
    key = "tiers[0].routes" if program == "freshetd" else "zones"
    assert key in done.stderr
