"""freshet as people use it: what is published from words, files and pipes, and what they are told when they err."""
import json
import os
import socket
import subprocess
import uuid

import pytest

import freshet
import process
from query import ask

ZONE = "example.com."


@pytest.fixture
def cli():
    return freshet.Cli()


@pytest.fixture
def log(cli, dev_broker):
    """All that is in the log: log(count) -> change sets."""
    def read(count):
        shown = cli("watch", "--brokers", dev_broker, "--from-beginning", "--count", count, "--json", "--timeout", "10")
        assert shown.code == 0, shown.stderr
        return [json.loads(line)["set"] for line in shown.stdout.splitlines()]
    return read


def ops(change_set):
    return [(change["op"], change["name"]) for change in change_set["changes"]]


def test_several_rrsets_are_one_set(cli, dev_broker, log):
    done = cli("set", "a.example.com.", "3600", "IN", "A", "192.0.2.1", "192.0.2.2", "+", "b.example.com", "TXT", "60", '"x" "y"',
               "--brokers", dev_broker, "--zone", ZONE)
    assert done.code == 0 and done.stdout.splitlines()[1:] == [
        "  SET a.example.com. 3600 A 192.0.2.1, 192.0.2.2", '  SET b.example.com. 60 TXT "x" "y"']
    assert cli("flush", "a.example.com", "b.example.com", "--brokers", dev_broker, "--zone", ZONE).code == 0
    first, second = log(2)
    assert [change["rdata"] for change in first["changes"]] == [["192.0.2.1", "192.0.2.2"], ['"x" "y"']]
    assert ops(second) == [("FLUSH", "a.example.com."), ("FLUSH", "b.example.com.")]


def test_a_dry_run_needs_no_brokers_and_shows_the_message(cli):
    done = cli("set", "a.example.com.", "60", "A", "192.0.2.1", "--brokers", "127.0.0.1:9", "--zone", ZONE, "--dry-run", "--json")
    assert done.code == 0 and ops(json.loads(done.stdout)) == [("SET", "a.example.com.")]


def test_nsupdate_from_a_file(cli, dev_broker, log, tmp_path):
    path = tmp_path / "updates"
    path.write_text("".join(f"update delete h{k}.example.com A\nupdate add h{k}.example.com 60 A 192.0.2.{k}\nsend\n"
                            for k in range(100)))
    done = cli("publish", path, "--brokers", dev_broker, "--zone", ZONE)
    assert done.code == 0 and done.stdout.count("published 2 changes of example.com. to dns.updates[") == 100
    sets = log(100)
    assert [ops(one) for one in sets] == [[("DEL", f"h{k}.example.com."), ("ADD", f"h{k}.example.com.")] for k in range(100)]


def test_json_from_a_pipe_is_published_as_it_comes(dev_broker):
    with subprocess.Popen([freshet.program("freshet"), "publish", "-", "--brokers", dev_broker], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, env=freshet.environment()) as publisher:
        for name in ("a", "b"):
            print(json.dumps({"zone": ZONE, "changes": [{"op": "DEL", "name": f"{name}.{ZONE}"}]}), file=publisher.stdin,
                  flush=True)
            assert f"published DEL {name}.example.com. to" in publisher.stdout.readline()
        publisher.stdin.close()
        assert publisher.wait(20) == 0


def test_nothing_of_a_file_is_published_unless_all_is_good(cli, dev_broker, log, tmp_path):
    path = tmp_path / "updates"
    path.write_text("del a.example.com\nsend\nadd b.example.com 60 A 192.0.2.256\nsend\n")
    options = "--brokers", dev_broker, "--zone", ZONE
    done = cli("publish", path, *options)
    assert done.code == 2 and done.stdout == "" and f"{path}:3: RDATA 1 \"192.0.2.256\"" in done.stderr
    path.write_text("del a.example.com\n")
    assert "no send behind" in cli("publish", path, *options).stderr
    path.write_text("\n")
    assert "has no change set" in cli("publish", path, *options).stderr
    assert cli("del", "last.example.com", *options).code == 0
    assert ops(log(1)[0]) == [("DEL", "last.example.com.")]


@pytest.mark.parametrize("command", ["set a.example.com. 60 A 192.0.2.1 --zone example.com", "watch --timeout 2"])
def test_a_topic_that_is_not_there_is_not_made(cli, dev_broker, command):
    for _ in range(2):
        done = cli(*command.split(), "--brokers", dev_broker, "--topic", "dns.update")
        assert done.code == 1 and "topic dns.update: the brokers have no such topic" in done.stderr


def test_kafka_makes_no_topic_either(cli, kafka):
    """Whatever auto.create.topics.enable says there."""
    for _ in range(2):
        done = cli("del", "a.example.com.", "--zone", ZONE, "--brokers", kafka.bootstrap, "--topic", "dns.mistyped")
        assert done.code == 1 and "topic dns.mistyped: the brokers have no such topic" in done.stderr
    assert "dns.mistyped" not in kafka.admin.list_topics()


# --- what is said when somebody errs


@pytest.mark.parametrize("line, said", [
    ("statsu", 'no command "statsu"; did you mean "status"?'),
    ("help stauts", 'did you mean "status"?'),
    ("status --jsno", "Did you mean --json?"),
    ("watch --tipoc x", "Did you mean --topic?"),
    ("set a.example.com 60 A 192.0.2.1", "which brokers? Say --brokers, or -c"),
    ("set a.example.com 60 A 192.0.2.1 --brokers b:1", "which zone? Say --zone"),
])
def test_the_mistake_and_the_next_step(cli, line, said):
    done = cli(*line.split())
    assert done.code == 2 and done.stdout == "" and said in done.stderr


def test_help_of_a_command_and_exit_codes(cli):
    assert cli("help", "set").stdout == cli("set", "--help").stdout
    assert cli("help").stdout == cli("--help").stdout
    assert "exit-codes" in cli("help").stdout


def test_three_ways_not_to_reach_the_socket(cli, tmp_path):
    path = tmp_path / "control.sock"
    assert "is it running" in cli("status", "--control", path).stderr
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    assert "start it again" in cli("status", "--control", path).stderr
    if os.geteuid() != 0:
        pytest.skip("only root becomes somebody else")
    os.chmod(path, 0o600)
    for directory in (tmp_path, *tmp_path.parents):
        if directory.owner() == "root" and str(directory).startswith("/tmp/"):
            os.chmod(directory, 0o755)
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", freshet.program("freshet"), "status", "--control", path],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "try sudo" in done.stderr


def test_a_default_configuration(cli, monkeypatch, tmp_path):
    path = tmp_path / "freshet.yaml"
    path.write_text('{feed: {brokers: "127.0.0.1:9", zones: [example.com.]}, '
                    'tiers: [{name: os, listen: ["127.0.0.1:5300"], upstream: {forward: ["192.0.2.1"]}}]}')
    monkeypatch.setenv("FRESHET_CONFIG", str(path))
    done = cli("set", "a.example.com", "60", "A", "192.0.2.1", "--dry-run")
    assert done.code == 0 and "would publish SET" in done.stdout
    assert f"{path} has no control; add one" in cli("status").stderr
    assert "is it running" in cli("status", "--control", tmp_path / "none").stderr
    path.write_text("tiers: [")
    assert str(path) in cli("status").stderr


# --- a daemon's health


def test_health_and_drained_by(cli, scripted, freshetd, dev_broker):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    config = freshet.stub([scripted], workers=1)
    config["feed"] = {"brokers": dev_broker, "zones": [ZONE], "settle": "0s"}
    daemon = freshetd(config)
    at = "--control", daemon.control_path
    process.eventually(lambda: cli("status", "--check", *at).code == 0, within=20)
    assert "warning" not in cli("status", *at).stdout
    assert cli("drained-by", "www.example.com", *at).code in (0, 5)
    assert cli("drained-by", "www.example.org", *at).code == 1
    assert cli("evict", "www.example.com", *at).stdout.startswith("evicted www.example.com.: 0 (os 0)")
    process.eventually(lambda: cli("drained-by", "www.example.com", *at).code == 0, within=20)
    config["feed"]["brokers"] = "127.0.0.1:9"
    lost = freshetd(config)
    done = cli("status", "--check", "--control", lost.control_path)
    assert done.code == 5 and done.stdout.startswith("warning: feed: cold (no broker has answered yet")
    assert "the feed is cold: answers go by their TTL alone" in cli("lookup", "www.example.com", "A", "--control",
                                                                   lost.control_path).stdout


# --- the topics


def test_topics_are_made_and_looked_at(cli, kafka):
    names = [f"{kind}.{uuid.uuid4().hex[:12]}" for kind in ("updates", "snapshots")]
    at = "--brokers", kafka.bootstrap, "--topic", names[0], "--snapshots", names[1]
    missing = cli("topic", "check", *at)
    assert missing.code == 5 and f"{names[0]}: the brokers have no such topic" in missing.stderr
    assert "'freshet topic create' makes it" in missing.stderr
    assert cli("topic", "create", "--dry-run", *at).stdout.count("would make") == 2
    try:
        made = cli("topic", "create", "--partitions", "4", *at)
        assert made.stdout.count("made") == 2 and made.code == 0, made
        process.eventually(lambda: cli("topic", "check", *at).stdout.count("cleanup.policy=") == 2, within=20)
        shown = cli("topic", "check", *at)
        assert shown.code == 5  # a lone broker
        assert f"{names[0]}: 4 partitions, 1 replicas, cleanup.policy=delete, retention.ms=604800000" in shown.stdout
        assert f"{names[1]}: 4 partitions, 1 replicas, cleanup.policy=compact" in shown.stdout
        assert shown.stdout.count("  one replica") == shown.stdout.count("\n  ") == 2
        assert cli("topic", "create", *at).stdout == shown.stdout
        swapped = cli("topic", "check", "--brokers", kafka.bootstrap, "--topic", names[1], "--snapshots", names[0])
        assert f"--entity-name {names[1]} --add-config cleanup.policy=delete" in swapped.stdout
        assert f"--entity-name {names[0]} --add-config cleanup.policy=compact" in swapped.stdout
    finally:
        kafka.admin.delete_topics([name for name in names if name in kafka.admin.list_topics()])


def test_rights_are_printed_as_commands(cli):
    done = cli("topic", "acls", "--brokers", "kafka.example.com:9092")
    assert done.code == 0
    with open(os.path.join(process.ROOT, "docs", "kafka.md"), encoding="utf-8") as file:
        page = file.read()
    rights = [line.split(" --add ", 1)[1] for line in done.stdout.splitlines() if not line.startswith("#")]
    assert len(rights) == 5 and all(f"$acl {right}" in page for right in rights)


def test_no_such_word_of_topic(cli):
    assert '"list" is none of create, check, acls' in cli("topic", "list", "--brokers", "b:1").stderr


# --- watch


def test_watch_shows_what_is_asked_for(cli, dev_broker):
    at = "--brokers", dev_broker
    for name in ("a.example.com", "b.example.com", "a.example.org"):
        assert cli("del", name, "--zone", name[2:], *at).code == 0
    assert cli("set", "a.example.com", "60", "A", "192.0.2.1", "+", "b.example.com", "60", "A", "192.0.2.1",
               "--zone", ZONE, *at).code == 0
    assert cli("flush", "example.com", "--subtree", "--zone", ZONE, *at).code == 0

    def watched(*options):
        done = cli("watch", "--until-end", *options, *at)
        assert done.code == 0, done.stderr
        return sorted(line.split(" ", 4)[-1] for line in done.stdout.splitlines())

    deleted = ["DEL a.example.com.", "DEL a.example.org.", "DEL b.example.com."]
    flushed, sets = "FLUSH example.com. and all below", [f"SET {k}.example.com. 60 A 192.0.2.1" for k in "ab"]
    assert watched() == []
    assert watched("--from-beginning") == [*deleted, flushed, *sets]
    assert watched("--from-beginning", "--zone", "example.org") == [deleted[1]]
    assert watched("--from-beginning", "--name", "b.example.com") == [deleted[2], flushed, sets[1]]
    assert watched("--last", "1", "--zone", ZONE) == [flushed]
    assert cli("watch", "--last", "1", "--since", "1h", *at).code == 2


def test_watch_since_a_time(cli, fresh_topic):
    """The dev broker knows nothing of times."""
    at = "--brokers", fresh_topic.bootstrap, "--topic", fresh_topic.name
    assert cli("del", "a.example.com", "--zone", ZONE, *at).code == 0
    for since, shown in (("1h", 1), ("2000-01-01T00:00:00Z", 1), ("2100-01-01T00:00:00Z", 0)):
        done = cli("watch", "--until-end", "--since", since, *at)
        assert done.code == 0 and done.stdout.count("DEL a.example.com.") == shown


def test_watch_ends_where_the_log_is_another(cli):
    """What it was to read next is not there: it does not wait for what may never come."""
    address = f"127.0.0.1:{process.free_port()}"

    def start_broker():
        started = cli.start("broker", "--listen", address)
        started.wait_ready(lambda: "bootstrap" in started.output("stdout"), within=10)
        return started

    broker = start_broker()
    for _ in range(3):
        assert cli("del", "a.example.com", "--zone", ZONE, "--brokers", address).code == 0
    watch = cli.start("watch", "--brokers", address)
    try:
        watch.wait_ready(lambda: "watching" in watch.output("stderr"), within=10)
        assert cli("del", "b.example.com", "--zone", ZONE, "--brokers", address).code == 0
        watch.wait_ready(lambda: "DEL b.example.com." in watch.output("stdout"), within=10)
        broker.stop()
        broker = start_broker()
        assert watch.wait(within=30) == 1
        assert "partition" in watch.output("stderr")
    finally:
        watch.stop()
        broker.stop()


def test_dump_shows_what_is_asked_for(cli, scripted, freshetd):
    for name in ("a.example.com.", "b.example.com."):
        scripted.set(name, "A", "192.0.2.1")
    daemon = freshetd(freshet.stub([scripted], workers=1))
    at = "--control", daemon.control_path
    for name in ("a.example.com.", "b.example.com."):
        ask(daemon, name)

    def dumped(*options):
        return [line.split()[1] for line in cli("dump", *options, *at).stdout.splitlines()[1:]]

    assert sorted(dumped()) == ["a.example.com.", "b.example.com."]
    assert dumped("--name", "a.example.com") == ["a.example.com."] and dumped("--tier", "none") == []
    assert len(dumped("--name", "example.com", "--tier", "os")) == 2
    assert "stamp" in cli("dump", "--verbose", *at).stdout and "stamp" not in cli("dump", *at).stdout
