"""freshet zone: whole zones of the log as files and back, beside what BIND thinks of them, and against an authority."""

import re
import subprocess

import dns.zone
import pytest

import changes
import origin as origins
import secondaries
import test_update
from process import eventually
from test_update import ZONE, rcode

FILE = """$ORIGIN example.com.
$TTL 300
@ 3600 IN SOA ns root 7 3600 600 86400 60
@ 3600 IN NS ns
ns IN A 192.0.2.53
www IN A 192.0.2.1
www IN AAAA 2001:db8::1
*.wild IN TXT "a ; b" "\\"quoted\\""
sub IN NS ns.sub
ns.sub IN A 192.0.2.54
mail IN MX 10 www
odd IN TYPE65300 \\# 3 abcdef
"""


@pytest.fixture
def tool(cli, fresh_topic, rundir):
    """zone("export", ...) with the topic's own options; .file(text) writes one."""

    def run(word, operand, *options):
        properties = [f"-X{text}" for text in fresh_topic.consumer_properties or []]
        return cli("zone", word, operand, "--brokers", fresh_topic.bootstrap, "--topic", fresh_topic.name,
                   *properties, *options)

    def file(text, name="zone.db"):
        path = f"{rundir}/{name}"
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        return path

    run.file = file
    run.topic = fresh_topic
    return run


def checkzone(tool, text):
    done = subprocess.run(["named-checkzone", ZONE, tool.file(text, "check.db")], capture_output=True, text=True,
                          timeout=20, check=False)
    return done.returncode == 0, done.stdout


def records(text):
    zone = dns.zone.from_text(text, ZONE, relativize=False)
    return {(str(name).lower(), rdataset.ttl, rdata.to_text()) for name, rdataset in zone.iterate_rdatasets()
            for rdata in rdataset}


def good(result):
    assert result.code == 0, result.stderr
    return result.stdout


def test_in_and_out(tool):
    """What is imported is exported, as named-checkzone likes it; importing it again publishes nothing."""
    path = tool.file(FILE)
    assert "+ www.example.com. 300 A 192.0.2.1" in good(tool("import", path, "--zone", ZONE, "--dry-run"))
    assert origins.log_of(tool.topic, ZONE) == []
    assert "published" in good(tool("import", path, "--zone", ZONE))
    exported = good(tool("export", ZONE))
    assert records(exported) == records(FILE)
    fine, output = checkzone(tool, exported)
    assert fine and "loaded serial 7" in output, output
    assert good(tool("import", path, "--zone", ZONE)) == ""
    assert good(tool("diff", path, "--zone", ZONE)) == ""
    assert len(origins.log_of(tool.topic, ZONE)) == 1


def test_then_and_now(tool):
    """A difference is what is published, with a newer serial; what was is there by serial and by offset, and who did it."""
    good(tool("import", tool.file(FILE), "--zone", ZONE, "--publisher", "ann"))
    later = tool.file(FILE.replace("192.0.2.1\n", "192.0.2.99\n").replace("mail IN MX 10 www\n", ""))
    differs = tool("diff", later, "--zone", ZONE)
    assert differs.code == 1 and "- mail.example.com. 300 MX 10 www.example.com." in differs.stdout
    shown = good(tool("import", later, "--zone", ZONE, "--publisher", "bob"))
    assert "- www.example.com. 300 A 192.0.2.1\n+ www.example.com. 300 A 192.0.2.99" in shown and "serial 8" in shown
    data = [change for change in origins.log_of(tool.topic, ZONE)[-1]["changes"] if change["op"] != "FLUSH"]
    assert {(change["op"], change["name"]) for change in data} == {
        ("SET", "www.example.com."), ("DEL", "mail.example.com."), ("SET", ZONE)}
    now, then = good(tool("export", ZONE)), good(tool("export", ZONE, "--at-serial", "7"))
    assert records(then) == records(FILE) and "192.0.2.99" in now and "mail" not in now
    history = good(tool("history", "www.example.com.", "--zone", ZONE)).splitlines()
    assert [line.split()[2] for line in history] == ["ann", "ann", "bob"]
    offset = history[0].split()[1]
    assert good(tool("export", ZONE, "--at-offset", offset)) == then


def test_against_an_authority(tool):
    """verify: the same digest, or what differs."""
    good(tool("import", tool.file(FILE), "--zone", ZONE))
    origin = test_update.Primary(tool.topic)
    try:
        eventually(lambda: origin.ask(dns.message.make_query(ZONE, "SOA")).answer, within=15)
        key = tool.file(f"hmac-sha256:{secondaries.KEY_NAME}:{secondaries.SECRET}\n", "key")
        authority = ["--authority", f"127.0.0.1:{origin.address[1]}"]
        first, second = good(tool("verify", ZONE, *authority, "--key-file", key)).splitlines()
        assert first.split()[1:] == second.split()[1:]
        refused = tool("verify", ZONE, *authority)
        assert refused.code == 1 and "REFUSED; it may want a key" in refused.stderr
        other = tool.file(f"hmac-sha256:{secondaries.KEY_NAME}:d3Jvbmctc2VjcmV0LW9mLXRoZS10ZXN0cw==\n", "other.key")
        refused = tool("verify", ZONE, *authority, "--key-file", other)
        assert refused.code == 1 and "NOTAUTH, BADSIG: the key of --key-file is not as" in refused.stderr
        assert "--key-file /nowhere: No such file" in tool("verify", ZONE, *authority, "--key-file", "/nowhere").stderr
        assert rcode(origin.update(("add", "x", 60, "A", "192.0.2.1"))) == "NOERROR"
        good(tool("verify", ZONE, *authority, "--key-file", key))
    finally:
        origin.close()


def test_what_is_no_zone(tool):
    """Each with what is wrong, and where."""
    nothing = tool("export", ZONE)
    assert nothing.code == 1 and "no SOA" in nothing.stderr
    good(tool("import", tool.file(FILE), "--zone", ZONE))
    assert "no state of example.com. with serial 99" in tool("export", ZONE, "--at-serial", "99").stderr
    assert "--at-offset 99 is not in the log" in tool("export", ZONE, "--at-offset", "99").stderr
    assert tool("export", ZONE, "--at-offset", "1", "--at-serial", "1").code == 2
    bad = tool("import", tool.file(FILE + "bad IN A 192.0.2\n", "bad.db"), "--zone", ZONE)
    assert bad.code == 1 and "bad.db:13" in bad.stderr
    assert "/nowhere.db: No such file" in tool("import", "/nowhere.db", "--zone", ZONE).stderr
    for word, option in (("export", "--authority=192.0.2.1"), ("history", "--key-file=key"), ("diff", "--dry-run")):
        other = tool(word, ZONE, option)
        assert other.code == 2 and f"{option.partition('=')[0]} is not for {word}" in other.stderr
    nowhere = tool("import", tool.file(FILE))
    assert nowhere.code == 2 and "which zone?" in nowhere.stderr
    outside = tool("import", tool.file(FILE, "other.db"), "--zone", "example.org.")
    assert outside.code == 1
    tool.topic.publish(ZONE, [changes.set_("a." + ZONE, "A", 60, "not an address")])
    broken = tool("export", ZONE)
    assert broken.code == 1 and "cannot be read" in broken.stderr


def test_by_the_origins_own_file(tool, cli):
    """On the machine of an origin there is no file of freshetd: its own says brokers, topics, zone and socket."""
    good(tool("import", tool.file(FILE), "--zone", ZONE))
    origin = test_update.Primary(tool.topic)
    try:
        eventually(lambda: origin.ask(dns.message.make_query(ZONE, "SOA")).answer, within=15)
        own = ["-c", f"{origin.directory}/freshet.yaml"]
        assert records(good(cli("zone", "export", ZONE, *own))) == records(FILE)
        assert good(cli("zone", "import", tool.file(FILE), *own)) == ""
        assert "SET www.example.com." in good(cli("watch", "--from-beginning", "--count", "1", *own))
        status = good(cli("status", *own))
        assert "program  freshet-origin" in status and "tier" not in status
        assert re.search(r"^zone of the log .*\nexample\.com\. +7 .* served$", status, re.M), status
        refused = cli("lookup", "www.example.com.", "A", *own)
        assert refused.code == 2 and "is freshet-origin's; expected a configuration of freshetd" in refused.stderr
    finally:
        origin.close()
