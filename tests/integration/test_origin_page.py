"""docs/origin.md and docs/update.md, as a BIND operator follows them: from a primary that is there to two tiers of caches, and a
zone with no primary but the log, step by step.

The topics are those that `freshet broker` makes, so kafka-topics.sh is not run.
"""
import re

import process
from pages import blocks, commands, replaced, section
from process import eventually

PAGE = "docs/origin.md"
ZONE = """$TTL 3600
@ SOA ns1 hostmaster 2026010101 3600 600 604800 300
@ NS ns1
ns1 A 192.0.2.1
www A 192.0.2.7
"""


def step(title):
    return section(title, PAGE)


def start_named(place, ports):
    """BIND as it was, with what step 1 adds, and the key of those who update."""
    text = step("## 1. The primary")
    [key], [config] = blocks(text, "sh"), blocks(text, "named")
    place.run(commands(key)[0].replace("/etc/bind", "."))
    place.run("tsig-keygen update. > update.key")
    place.write("example.com.db", ZONE)
    primary = f"127.0.0.1 port {ports['origin']}"
    place.write("named.conf", "controls { };\ninclude \"update.key\";\n" + replaced(
        config, keys=("/etc/bind/", ""), to=("192.0.2.10", primary),
        here=("192.0.2.1;", f"127.0.0.1; listen-on port {ports['primary']} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};"
              f" recursion no; dnssec-validation no; directory \"{place.path}\"; pid-file \"pid\"; session-keyfile \"s.key\";"),
        zone=("type primary;", "type primary; allow-update { key update.; };")))
    place.run("/usr/bin/named-checkconf named.conf")
    place.start("/usr/sbin/named -g -n 1 -c named.conf", ready="all zones loaded")
    [transfer] = re.findall(r"`(dig -k .* AXFR)`", text)
    transfer = replaced(transfer, key=("/etc/bind", "."), server=("@192.0.2.1", f"@127.0.0.1 -p {ports['primary']}"))
    assert "192.0.2.7" in place.run(transfer)


def start_origin(place, ports, brokers):
    text = step("## 3. The origin")
    [config], [key, run] = blocks(text, "yaml"), blocks(text, "sh")
    place.run(replaced(commands(key)[0], bind=("/etc/bind", "."), own=("/etc/freshet/transfer.key", "one-line.key")))
    place.write("origin.yaml", replaced(
        config, listen=("192.0.2.10:53", f"127.0.0.1:{ports['origin']}"), control=("/run/freshet-origin/", "./run/"),
        key=("/etc/freshet/transfer.key", "./one-line.key"), brokers=("kafka.example.com:9092", brokers),
        primary=("192.0.2.1", f"127.0.0.1:{ports['primary']}")))
    check, start, status = (line.replace("/etc/freshet", ".") for line in commands(run))
    assert place.run(check) == ""
    place.start(start, ready="a zone is followed")
    assert re.search(r"^example\.com\. +2026010101 +4 ", place.run(status), re.M)


def start_caches(place, ports, brokers):
    configs, [run, _] = blocks(step("## 4. The caches"), "yaml"), blocks(step("## 4. The caches"), "sh")
    own = {"brokers": ("kafka.example.com:9092", brokers), "network": ("203.0.113.1", "127.0.0.1:9"),
           "primary": ("192.0.2.1", f"127.0.0.1:{ports['primary']}"), "children": ("10.0.0.0/24", "127.0.0.1"),
           "regional": ("10.0.0.53:53", f"127.0.0.1:{ports['regional']}"), "parent": ("10.0.0.53\"", f"127.0.0.1:{ports['regional']}\""),
           "stub": ("127.0.0.1:53", f"127.0.0.1:{ports['stub']}")}
    for config, line in zip(configs, commands(run)):
        [name] = re.findall(r"^# (\w+)\.yaml, on ", config)
        used = {key: pair for key, pair in own.items() if pair[0] in config}
        place.write(f"{name}.yaml", replaced(config, **used, control=("/run/freshet/control", f"./{name}")))
        check, start = line.split(" && ")
        assert place.run(check) == ""
        place.start(start, ready="feed is live")


def typed(block, server, port):
    """The commands of a block, and what nsupdate reads: the lines behind `>`."""
    text = "".join(line[2:] + "\n" for line in block.splitlines() if line.startswith("> "))
    text = replaced(text, server=(f"server {server}\n", f"server 127.0.0.1 {port}\n"))
    return commands(re.sub(r"^> .*\n", "", block, flags=re.M)), text


def change_a_record(place, ports):
    block = blocks(step("## 4. The caches"), "sh")[1]
    (before, watch, nsupdate, after, lookup, verify), text = typed(block, "192.0.2.1", ports["primary"])
    dig = f"@127.0.0.1 -p {ports['stub']}"
    assert place.run(before.replace("@127.0.0.1", dig)) == "192.0.2.7\n"
    watched = place.start(watch, ready="watching")
    place.run(nsupdate.replace("/etc/bind/", ""), stdin=text)
    eventually(lambda: "SET www.example.com. 3600 A 192.0.2.8" in watched(), within=10)
    eventually(lambda: place.run(after.replace("@127.0.0.1", dig)) == "192.0.2.8\n", within=5)
    assert "192.0.2.8" in place.run(lookup) and "from feed" in place.run(lookup)
    same = place.run(replaced(verify, config=("/etc/freshet/origin.yaml", "origin.yaml"), key=("/etc/freshet/transfer.key", "one-line.key"),
                              authority=("192.0.2.1", f"127.0.0.1:{ports['primary']}")))
    log, authority = same.splitlines()
    assert log.split()[1:] == authority.split()[1:]


def test_from_a_primary_to_caches(place, dev_broker):
    ports = {name: process.free_port() for name in ("primary", "origin", "regional", "stub")}
    start_named(place, ports)
    start_origin(place, ports, dev_broker)
    start_caches(place, ports, dev_broker)
    change_a_record(place, ports)
    assert "amiss" not in place.run("freshet status -c stub.yaml")


SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def start_log_as_primary(place, port, brokers):
    text = section("## A zone to begin with", "docs/update.md")
    [config], [run, update] = blocks(text, "yaml"), blocks(text, "sh")
    for key in ("editor", "acme", "transfer"):
        place.write(f"{key}.key", f"hmac-sha256:{key}.:{SECRET}\n")
    place.write("db.example.com", ZONE)
    place.write("origin.yaml", replaced(config, brokers=("kafka:9092", brokers), listen=("192.0.2.5", f"127.0.0.1:{port}"),
                                        control=("/run/freshet-origin/", "./"), keys=("/etc/freshet/", "./"),
                                        notify=("192.0.2.10, 192.0.2.11", "127.0.0.1:9")))
    show, publish, start = (line.replace("kafka:9092", brokers) for line in commands(run))
    assert "+ www.example.com. 3600 A 192.0.2.7" in place.run(show)
    assert "published" in place.run(publish)
    check, start = start.split(" && ")
    assert place.run(check) == ""
    place.start(start, ready="a zone is served")
    [nsupdate], text = typed(update, "192.0.2.5", port)
    place.run(replaced(nsupdate, key=("BASE64", SECRET)), stdin=text)


def test_the_log_as_primary(place, dev_broker):
    port = process.free_port()
    start_log_as_primary(place, port, dev_broker)
    export, then, diff, verify, history = commands(blocks(section("## Whole zones", "docs/update.md"), "sh")[0])
    place.run(export)
    with open(f"{place.path}/db", encoding="ascii") as file:
        assert "new.apps.example.com. 60 IN A 192.0.2.77" in file.read()
    assert "new.apps" not in place.run(then)
    assert place.run(diff) == ""
    log, authority = place.run(replaced(verify, authority=("192.0.2.10", f"127.0.0.1:{port}"),
                                        key=("/etc/freshet/", "./"))).splitlines()
    assert log.split()[1:] == authority.split()[1:]
    assert "2026010101 SET www.example.com." in place.run(history)
    assert " served" in place.run("freshet status -c origin.yaml")
