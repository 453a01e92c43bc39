"""docs/by-hand.md, line by line: see pages.py."""
import json
import os

import freshet
import process
from pages import blocks, commands, replaced, section
from process import eventually


def test_by_hand(place, scripted):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    broker, listen = (f"127.0.0.1:{process.free_port()}" for _ in range(2))
    [[start_broker], [start_daemon], [export, *lines]] = map(commands, blocks(section("# By hand", "docs/by-hand.md"), "sh"))
    with open(os.path.join(process.ROOT, "config", "by-hand.yaml"), encoding="utf-8") as file:
        config = replaced(file.read(), broker=("brokers: 127.0.0.1:9092", f"brokers: {broker}"),
                          listen=("127.0.0.1:5300", listen), network=("192.0.2.1", freshet.address_text(scripted.address)))
    place.write("config/by-hand.yaml", config)
    place.start(replaced(start_broker, broker=("127.0.0.1:9092", broker)), ready="bootstrap")
    place.start(start_daemon, ready="msg=ready")
    eventually(lambda: json.loads(place.run(f"{export}; build/freshet status --json"))["feed"]["state"] == "live", within=20)

    def run(line):
        return place.run(f"{export}; {line.replace('-p 5300', '-p ' + listen.rsplit(':', 1)[1])}")

    dig, publish, again, watch, lookup, flush = lines
    assert "192.0.2.1" in run(dig)

    def told():
        """Again if need be: in the first moment after a start a change is not proven to be the newest, and evicts alone."""
        assert "published SET www.example.com. 3600 A 192.0.2.7" in run(publish)
        return "192.0.2.7" in run(again)
    eventually(told, within=10)
    assert "SET www.example.com. 3600 A 192.0.2.7" in run(watch)
    assert "192.0.2.7" in run(lookup)
    assert "published FLUSH" in run(flush)
    eventually(lambda: "192.0.2.1" in run(dig), within=10)
