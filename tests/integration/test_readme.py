"""README.md and the samples, as a new user follows them: see pages.py."""
import json
import os
import re

import freshet
import process
from pages import blocks, commands, replaced, section
from process import eventually
from query import addresses, ask

NAME = "www.example.com."


def authority(scripted):
    for name in (NAME, "old.example.com."):
        scripted.set(name, "A", "192.0.2.7")
    return freshet.address_text(scripted.address)


def live(place, config):
    status = json.loads(place.run(f"build/freshet status --json -c {config}"))
    return status["feed"]["state"] == "live"


def test_run_it(place, dev_broker, scripted):
    text = section("## Run it").split("\n### ")[0]
    [config], [start, publish] = blocks(text, "yaml"), blocks(text, "sh")
    port = process.free_port()
    place.write("stub.yaml", replaced(
        config, broker=("kafka.example.com:9092", dev_broker), listen=("127.0.0.1:53", f"127.0.0.1:{port}"),
        listen6=(', "[::1]:53"', ""), network=('"192.0.2.1", "[2001:db8::1]"', '"127.0.0.1:9"'),
        authority=("192.0.2.53", authority(scripted))))
    [daemon] = commands(start)
    place.start(daemon, ready="msg=ready")
    eventually(lambda: live(place, "stub.yaml"), within=10)
    for name in (NAME, "old.example.com."):
        assert addresses(ask(("127.0.0.1", port), name)) == ["192.0.2.7"]
    watch, *rest = commands(publish)
    watched = place.start(watch, ready="watching")
    said = [place.run(command) for command in rest]
    eventually(lambda: f"SET {NAME}" in watched() and "DEL old.example.com." in watched(), within=10)
    for command, shown in (("set", "published"), ("del", "published"), ("lookup", "192.0.2.7"), ("status", "live"),
                           ("dump", NAME)):
        [output] = [output for line, output in zip(rest, said) if f"freshet {command} " in line]
        assert shown in output
    assert addresses(ask(("127.0.0.1", port), NAME)) == ["192.0.2.7"]


def test_a_parent_and_its_child(place, dev_broker, scripted):
    """As the README has it: `parent` here, and `position_for` there."""
    text = section("## Run it")
    [config] = blocks(text, "yaml")
    parent = re.search(r"`(upstream: \{ parent: \[\"10\.0\.0\.53\"\] \})`", text)[1]
    position = re.search(r"`(position_for: \[)ADDRESS OF THIS MACHINE\]`", text)[1] + "127.0.0.1]"
    ports = process.free_port(), process.free_port()
    own = {"broker": ("kafka.example.com:9092", dev_broker), "listen6": (', "[::1]:53"', "")}
    place.write("parent.yaml", replaced(
        config, **own, control=("./stub.sock", "./parent.sock"), listen=("127.0.0.1:53", f"127.0.0.1:{ports[0]}"),
        network=('"192.0.2.1", "[2001:db8::1]"', '"127.0.0.1:9"'), authority=("192.0.2.53", authority(scripted))
    ) + f"    {position}\n")
    child = re.sub(r"^    (upstream|routes|  - ).*\n", "", config, flags=re.M)
    place.write("stub.yaml", replaced(child, **own, listen=("127.0.0.1:53", f"127.0.0.1:{ports[1]}")) + "    "
                + parent.replace("10.0.0.53", f"127.0.0.1:{ports[0]}") + "\n")
    for name in ("parent", "stub"):
        place.start(f"build/freshetd -c {name}.yaml", ready="msg=ready")
        eventually(lambda config=f"{name}.yaml": live(place, config), within=10)
    for _ in range(2):
        assert addresses(ask(("127.0.0.1", ports[1]), NAME)) == ["192.0.2.7"]
    tier = json.loads(place.run("build/freshet status --json -c stub.yaml"))["tiers"][0]
    assert tier["parent_no_position"] == 0


def test_moving_an_address(place, dev_broker, scripted):
    """Whether the command is one: what it does is test_move.py's."""
    [config] = blocks(section("## Run it"), "yaml")
    [block] = blocks(section("## Moving an address", "docs/operate.md"), "sh")
    port = process.free_port()
    server = authority(scripted)
    place.write("stub.yaml", replaced(
        config, broker=("kafka.example.com:9092", dev_broker), listen=("127.0.0.1:53", f"127.0.0.1:{port}"),
        listen6=(', "[::1]:53"', ""), network=('"192.0.2.1", "[2001:db8::1]"', '"127.0.0.1:9"'),
        authority=("192.0.2.53", server)))
    place.write("zone.sh", "#!/bin/sh\n", mode=0o755)
    place.start("build/freshetd -c stub.yaml", ready="msg=ready")
    eventually(lambda: live(place, "stub.yaml"), within=10)
    [move] = commands(block)
    move = replaced(move, authority=("192.0.2.53", server), other=("/run/freshet/control.sock", "./stub.sock"))
    assert "192.0.2.8" in place.run(move + " --dry-run")


def test_the_hierarchy_starts_as_it_is(place, scripted):
    """By the commands at its head."""
    with open(os.path.join(process.ROOT, "config", "hierarchy.yaml"), encoding="utf-8") as file:
        config = file.read()
    broker, daemon, dig = re.findall(r"^#     (\S.*?)(?:\s{2,}.*)?$", config, re.M)
    found = f"127.0.0.1:{process.free_port()}"
    ports = {port: str(process.free_port()) for port in ("5301", "5302", "5303", "5304")}
    by = {port: (f"127.0.0.1:{port}", f"127.0.0.1:{free}") for port, free in ports.items()}
    place.write("config/hierarchy.yaml", replaced(
        config, **by, broker=("127.0.0.1:9092", found), network=("192.0.2.1", "127.0.0.1:9"),
        authority=("192.0.2.53", authority(scripted)), control=("/tmp/freshet-hierarchy.sock", "./hierarchy.sock")))
    place.start(replaced(broker, port=("127.0.0.1:9092", found)).rstrip(" &"), ready="bootstrap")
    place.start(daemon, ready="msg=ready")
    eventually(lambda: live(place, "config/hierarchy.yaml"), within=10)
    assert "192.0.2.7" in place.run(replaced(dig, port=("5301", ports["5301"])) + " +short")
    place.run(f"build/freshet set {NAME} A 60 192.0.2.9 -c config/hierarchy.yaml")
    eventually(lambda: addresses(ask(("127.0.0.1", int(ports["5301"])), NAME)) == ["192.0.2.9"], within=5)
