"""What people get wrong in the first hour, and what they are told: the mistake by its name, and the next step.

Each row is a command line, its exit status and words of the answer. {broker} is a dev broker, {socket} the control socket of a
daemon, {free} a path where nothing is, {dead} the socket of a daemon that has ended; FILES are written beside.
"""
import os
import shlex
import socket
import subprocess

import freshet
import process
import pytest
from pages import Place

FILES = {
    "plain.yaml": '{{tiers: [{{name: os, listen: ["127.0.0.1:5300"], upstream: {{forward: ["192.0.2.1"]}}}}]}}',
    "feed.yaml": '{{control: {socket}, feed: {{brokers: "{broker}", zones: [example.com.]}}, '
                 'tiers: [{{name: os, listen: ["127.0.0.1:5300"], upstream: {{forward: ["192.0.2.1"]}}}}]}}',
    "origin.yaml": '{{control: {socket}, listen: ["127.0.0.1:5301"], feed: {{brokers: "{broker}"}}, publisher: ns1, zones: '
                   '[{{name: example.com., primary: ["192.0.2.53"]}}]}}',
    "typo.yaml": '{{fede: {{brokers: "b:1"}}, tiers: []}}',
    "group.yaml": '{{control: {{path: ./c.sock, group: nowhere}}, tiers: [{{name: os, listen: ["127.0.0.1:5300"], '
                  'upstream: {{forward: ["192.0.2.1"]}}}}]}}',
    "property.yaml": 'feed:\n  brokers: b\n  rdkafka:\n    ssl: {{ca: x}}\n  zones: [a.]\n',
    "list.yaml": 'feed:\n  brokers: [a, "b c"]\n  zones: [a.]\ntiers: [{{name: os, listen: ["127.0.0.1:5300"], '
                 'upstream: {{forward: ["192.0.2.1"]}}}}]\n',
    "former.yaml": '{{tiers: [{{name: os, listen: ["127.0.0.1:5300"], upstream: {{forward: ["192.0.2.1"]}}, '
                   'zones: [{{name: a., forward: ["192.0.2.2"]}}]}}]}}',
    "logged.yaml": '{{query_log: "on", tiers: [{{name: os, listen: ["127.0.0.1:5300"], upstream: {{forward: ["192.0.2.1"]}}}}]}}',
    "twice.yaml": '{{tiers: [{{name: os, listen: ["127.0.0.1:5300"], upstream: {{forward: ["192.0.2.1"]}}, zones: [], routes: []}}]}}',
    "tabs.yaml": "tiers:\n\t- name: os\n",
    "empty": "",
    "array": '[{{"zone": "example.com."}}]',
    "broken": '{{"zone": "example.com.", "changes": [,]}}',
    "half": '{{"zone": "example.com.", "changes": [',
    "zoneless": '{{"changes": []}}',
    "small": '{{"zone": "example.com.", "changes": [{{"op": "set", "name": "a.example.com."}}]}}',
    "outside": '{{"zone": "example.com.", "changes": [{{"op": "DEL", "name": "a.example.org."}}]}}',
    "dotless": '{{"zone": "example.com", "changes": []}}',
    "zonefile": "www.example.com. 3600 IN A 192.0.2.1\n",
    "prereq": "prereq yxdomain a.example.com\n",
    "ttlless": "update add a.example.com A 192.0.2.1\nsend\n",
    "sendless": "update delete a.example.com\n",
    "mixed": "update delete a.example.com\nupdate delete a.example.org\nsend\n",
}

SET = "freshet set a.example.com."
AT = "--zone example.com --brokers {broker}"

MISTAKES = [
    # words that are none
    ("freshet", 2, "which command?"),
    ("freshet statsu", 2, 'did you mean "status"?'),
    ("freshet publsih updates", 2, 'did you mean "publish"?'),
    ("freshet help stauts", 2, 'did you mean "status"?'),
    ("freshet status --jsno", 2, "Did you mean --json?"),
    ("freshet watch --form-beginning", 2, "Did you mean --from-beginning?"),
    ("freshet status now", 2, '"now" is one operand too many'),
    ("freshet evict", 2, "missing operand: freshet evict NAME"),
    ("freshet topic list --brokers b:1", 2, '"list" is none of create, check, acls'),
    ("freshet zone dump example.com --brokers b:1", 2, '"dump"'),
    # the order of the words
    ("freshet set", 2, "missing operand: freshet set NAME TTL TYPE RDATA"),
    (f"{SET} {AT}", 2, "no TYPE behind NAME"),
    (f"{SET} A {AT}", 2, "no TTL for NAME"),
    (f"{SET} 60 A {AT}", 2, "no RDATA for NAME"),
    (f"{SET} 192.0.2.1 {AT}", 2, "a.example.com. 3600 A 192.0.2.1"),
    (f"{SET} A 192.0.2.1 {AT}", 2, "an address where TTL or TYPE belongs"),
    (f"{SET} A 192.0.2.1 60 {AT}", 2, "an address where TTL or TYPE belongs"),
    (f"freshet set A a.example.com. 60 192.0.2.1 {AT}", 2, "the order is NAME TTL TYPE RDATA"),
    (f"{SET} 60 A 192.0.2.1 + {AT}", 2, 'no NAME behind "+"'),
    (f"freshet lookup A a.example.com --control {{socket}}", 2, 'TYPE "a.example.com" is not a record type'),
    ("freshet lookup a.example.com --control {socket}", 2, "missing operand: freshet lookup NAME TYPE"),
    (f"freshet flush a.example.com. AAAA {AT}", 2, '"aaaa." does not lie in the zone'),
    # what a word is
    (f"{SET} 60 A 192.0.2.256 {AT}", 2, 'RDATA 1 "192.0.2.256" is not valid for A'),
    (f"{SET} 60 AAAA 192.0.2.1 {AT}", 2, "is not valid for AAAA"),
    (f"{SET} 60 A 192.0.2.1,192.0.2.2 {AT}", 2, "is not valid for A"),
    (f"{SET} 60 MX 10 mx.example.com. {AT}", 2, 'quote it: "10 mx.example.com."'),
    (f"{SET} 60 MX '10 mail' {AT}", 2, '"mail" has no final dot; say "mail."'),
    (f"{SET} 60 CNAME www {AT}", 2, '"www" has no final dot'),
    (f"{SET} 60 ANY x {AT}", 2, 'TYPE "ANY" is not a type of records'),
    (f"{SET} 60 HOST 192.0.2.1 {AT}", 2, 'TYPE "HOST" is not a type of records'),
    (f"{SET} 99999999999 A 192.0.2.1 {AT}", 2, "is not 0..2147483647 seconds"),
    (f"{SET} 1hour A 192.0.2.1 {AT}", 2, "such as 5m or 1h30m"),
    (f"freshet set a..example.com 60 A 192.0.2.1 {AT}", 2, "is not a domain name"),
    (f"freshet set a.example.org. 60 A 192.0.2.1 {AT}", 2, "does not lie in the zone"),
    ("freshet set a.example.org. 60 A 192.0.2.1 -c feed.yaml", 2, "lies in no zone of feed.yaml: say --zone"),
    (f"{SET} 60 A 192.0.2.1 --brokers {{broker}}", 2, "which zone? Say --zone"),
    ("freshet watch --brokers {broker} --timeout 5x", 2, "is not a time such as 5, 500ms or 2m"),
    ("freshet watch --brokers {broker} --since yesterday", 2, "a time such as 10m, or 2026-11-22T03:00:00Z"),
    ("freshet watch --brokers {broker} --last 0", 2, "is not a number from 1"),
    ("freshet watch --brokers {broker} --last 1 --from-beginning", 2, "one of them"),
    ("freshet status --color=blue --control {socket}", 2, '--color "blue" is not one of: auto, always, never'),
    ("freshet broker --listen 0.0.0.0:9092", 2, "a loopback address with port, such as 127.0.0.1:9092"),
    ("freshet broker --listen {broker}", 1, "Address already in use"),
    # Kafka
    (f"{SET} 60 A 192.0.2.1 --zone example.com", 2, "which brokers? Say --brokers, or -c"),
    (f"{SET} 60 A 192.0.2.1 --zone example.com --brokers 127.0.0.1:9 --timeout 1", 1, "Connection refused"),
    (f"{SET} 60 A 192.0.2.1 {AT} --topic dns.update", 1, "topic dns.update: the brokers have no such topic"),
    ("freshet watch --brokers {broker} --topic dns.update --timeout 1", 1, "the brokers have no such topic"),
    ("freshet topic check --brokers {broker} --topic dns.update", 5, "'freshet topic create' makes it"),
    (f"{SET} 60 A 192.0.2.1 {AT} -X acks", 2, "is not NAME=VALUE"),
    (f"{SET} 60 A 192.0.2.1 {AT} -X sasl.user=x", 2, "No such configuration property"),
    # files
    (f"freshet publish nowhere {AT}", 2, "nowhere: No such file"),
    (f"freshet publish . {AT}", 1, "Is a directory"),
    (f"freshet publish empty {AT}", 2, "has no change set"),
    (f"freshet publish array {AT}", 2, "array:1: a change set is a JSON object"),
    (f"freshet publish broken {AT}", 2, "broken:1: no JSON"),
    (f"freshet publish half {AT}", 2, "half:1: the text ends within a JSON object"),
    (f"freshet publish zoneless {AT}", 2, "zoneless:1: a field is missing"),
    (f"freshet publish small {AT}", 2, "small:1: unknown op"),
    (f"freshet publish outside {AT}", 2, "outside:1: name outside the zone"),
    (f"freshet publish dotless {AT}", 2, "dotless:1: a name without its final dot"),
    (f"freshet publish zonefile {AT}", 2, "neither a JSON object nor a word of nsupdate"),
    (f"freshet publish prereq {AT}", 2, "send this to freshet-origin"),
    (f"freshet publish ttlless {AT}", 2, "or ttl N before"),
    (f"freshet publish sendless {AT}", 2, "1 change and no send behind"),
    (f"freshet publish mixed {AT}", 2, "a set is of one zone"),
    # no daemon, another daemon, another's configuration
    ("freshet status --control {free}", 1, "is it running"),
    ("freshet status --control {dead}", 1, "start it again"),
    ("freshet status -c plain.yaml", 2, "plain.yaml has no control; add one"),
    ("freshet status -c nowhere.yaml", 2, "nowhere.yaml"),
    ("freshet lookup a.example.com A -c origin.yaml", 2, "is freshet-origin's; expected a configuration of freshetd"),
    ("freshet drained-by a.example.org --control {socket}", 1, "lies in no zone of the feed"),
    ("freshet move a.example.com A --from 192.0.2.1 -c feed.yaml", 2, "--to"),
    ("freshet move a.example.com A --from 192.0.2.1 --to 192.0.2.2 -c feed.yaml --ttl 60 --tier http://127.0.0.1:9", 2,
     "say --authority, or name a control socket first"),
    # the configuration
    ("freshetd -n -c nowhere.yaml", 2, "nowhere.yaml"),
    ("freshetd -n -c typo.yaml", 2, "fede"),
    ("freshetd -n -c group.yaml", 1, 'group.yaml:1: control.group: there is no group "nowhere"'),
    ("freshetd -n -c property.yaml", 2, "property.yaml:4: feed.rdkafka.ssl: is a list or a mapping; expected a value"),
    ("freshetd -n -c list.yaml", 2, 'list.yaml:2: feed.brokers: "b c" is no broker; expected host:port, or several'),
    ("freshetd -n -c former.yaml", 0, "former.yaml:1: tiers[0].zones: is called routes now"),
    ("freshetd -n -c logged.yaml", 2, 'logged.yaml:1: query_log: "on" is not known; expected none, questions or clients'),
    ("freshetd -n -c twice.yaml", 2, "twice.yaml:1: tiers[0].routes: given twice, first in line 1"),
    ("freshetd -n -c tabs.yaml", 2, "tabs.yaml:2"),
    ("freshetd -n -c origin.yaml", 2, "origin.yaml"),
    ("freshetd", 2, "no configuration: give one with -c FILE"),
    ("freshetd -n -c plain.yaml now", 2, "unexpected argument 'now'"),
    ("freshet-origin --chekc", 2, "Try 'freshet-origin --help'"),
    ("freshet-origin -n -c plain.yaml", 2, "tiers: unknown key; known here: listen"),
    ("freshetd --config", 2, "--config"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A directory with a broker, a daemon and FILES: world(command) -> Result."""
    place = Place(tmp_path_factory.mktemp("mistakes"))
    broker = f"127.0.0.1:{process.free_port()}"
    names = {"broker": broker, **{name: os.path.join(place.path, name) for name in ("socket", "free", "dead")}}
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind(names["dead"])
    for name, text in FILES.items():
        place.write(name, text.format(**names))
    place.write("running.yaml", FILES["feed.yaml"].format(**names).replace(":5300", f":{process.free_port()}"))
    place.start(f"build/freshet broker --listen {broker}", ready="bootstrap")
    place.start("build/freshetd -c running.yaml", ready="msg=ready")

    def run(command):
        program, *words = shlex.split(command.format(**names))
        done = subprocess.run([freshet.program(program), *words], capture_output=True, text=True, cwd=place.path, timeout=60,
                              check=False, env={**freshet.environment(), "FRESHET_CONFIG": ""})
        assert freshet.sanitizer_report(done.stderr) is None
        return freshet.Result(done.returncode, done.stdout, done.stderr)

    yield run
    place.stop()


def test_there_are_enough_of_them():
    assert len(MISTAKES) >= 60 and len({command for command, *_ in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize("command, code, said", MISTAKES, ids=[command.replace(AT, "...") for command, *_ in MISTAKES])
def test_the_answer_names_the_mistake(world, command, code, said):
    done = world(command)
    assert done.code == code and said in done.stderr, done
    assert done.stdout == "" or code != 2
    assert len(done.stderr.splitlines()) <= 2, done.stderr
