"""The pages themselves: their links, also once they are installed; their configurations; the protocol as it is written down.

What README.md, docs/origin.md and docs/update.md tell to do is followed in test_readme.py and test_origin_page.py.
"""
import configparser
import glob
import json
import os
import re
import subprocess

import jsonschema
import pytest

import freshet
import kafka_cluster
import process
from pages import blocks, section
from process import eventually

ROOT = process.ROOT
ZONE = "example.com."
PRODUCERS = "## A producer", "docs/protocol.md"


def pages(top):
    return [os.path.join(top, "README.md"), *glob.glob(os.path.join(top, "docs", "*.md"))]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def text_of(page):
    """Without what is fenced."""
    return re.sub(r"^```.*?^```$", "", read(page), flags=re.M | re.S)


def anchors(page):
    """As the renderers make them of headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text_of(page), re.M)}


def dead_links(top):
    for page in pages(top):
        for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
            if re.match(r"\w+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not os.path.exists(target) or (anchor and anchor not in anchors(target)):
                yield os.path.relpath(page, top), link


def test_no_link_is_dead():
    assert not list(dead_links(ROOT))


def test_no_link_is_dead_once_installed(tmp_path):
    sanitizer = freshet.build_directory().partition("build/")[2]
    subprocess.run(["make", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr", f"SANITIZER={sanitizer}"], cwd=ROOT, check=True,
                   capture_output=True)
    top = os.path.join(tmp_path, "usr", "share", "doc", "freshet")
    assert len(pages(top)) == len(pages(ROOT))
    assert not list(dead_links(top))


def test_every_page_is_named_in_the_index():
    index = read(os.path.join(ROOT, "docs", "README.md"))
    assert {os.path.basename(page) for page in pages(ROOT)} - set(re.findall(r"\]\((\w[\w-]*\.md)", index)) == {"README.md"}


def test_readme_is_short():
    text = read(os.path.join(ROOT, "README.md"))
    assert len(text.splitlines()) <= 150
    assert max(len(table.splitlines()) for table in re.findall(r"(?:^\|.*\n)+|^$", text, re.M)) <= 8


# The configurations that are whole; others are parts, which the tests of what they are about have.
@pytest.mark.parametrize("page", ["README.md", "docs/run.md", "docs/zones.md", "docs/catalog.md"])
def test_configurations_are_taken(page, tmp_path):
    texts = [text for text in blocks(read(os.path.join(ROOT, page)), "yaml") if "feed:" in text and "tiers:" in text]
    assert texts
    for number, text in enumerate(texts):
        # Where nobody else listens, and no directory has to be made.
        text = re.sub(r"/run/freshet/|\./", f"{tmp_path}/", text)
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        done = subprocess.run([freshet.program("freshetd"), "-n", "-c", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stderr}"



def test_the_files_of_a_laptop():
    """Those of docs/run.md that keep /etc/resolv.conf as it is: what they are parsed as by the programs that read them."""
    text = section("### On a laptop: who else writes /etc/resolv.conf", "docs/run.md")
    manager, resolved = (configparser.ConfigParser(interpolation=None) for _ in range(2))
    for parser, block in zip((manager, resolved), blocks(text, "ini")):
        parser.read_string(block)
    assert dict(manager["main"]) == {"dns": "none"}
    assert dict(resolved["Resolve"]) == {"dns": "127.0.0.1", "domains": "~.", "cache": "no"}
    [hook] = re.findall(r"^make_resolv_conf.*$", text, re.M)
    done = subprocess.run(["sh", "-euc", f"{hook}\nmake_resolv_conf"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- the change set as docs/protocol.md has it


@pytest.fixture(scope="module")
def schema():
    with open(os.path.join(ROOT, "docs", "changeset.schema.json"), encoding="utf-8") as file:
        made = json.load(file)
    validator = jsonschema.validators.validator_for(made)
    validator.check_schema(made)
    return validator(made)


def example():
    [text] = blocks(section("## One message", "docs/protocol.md"), "json")
    return json.loads(text)


def change(**fields):
    made = {"op": "SET", "name": f"www.{ZONE}", "type": "A", "ttl": 3600, "rdata": ["192.0.2.1"]}
    made.update(fields)
    return {"changes": [{key: value for key, value in made.items() if value is not None}]}


# What is put in the place of the example's fields; None: the field is not there.
GOOD = {
    "as it is": {},
    "no more than has to be": {"serial": None, "publisher": None, "seq": None},
    "a heartbeat": {"changes": []},
    "an unknown field": {"colour": "green"},
    "an offset from UTC": {"time": "2026-11-22t04:00:00+01:00"},
    "a field that is known has to be": {"must": ["rdata", "must"]},
    "the root": {"zone": "."},
    "greatest numbers": {"serial": 2 ** 32 - 1, "seq": 2 ** 63 - 1},
    "DEL of an RRset": change(op="DEL", ttl=None, rdata=None),
    "DEL of a name": change(op="DEL", type=None, ttl=None, rdata=None),
    "FLUSH of a name": change(op="FLUSH", type=None, ttl=None, rdata=None),
    "a type by its number": change(type="TYPE65280", rdata=[r"\# 1 00"]),
    "the greatest TTL": change(ttl=2 ** 31 - 1),
    "an escaped byte": change(name=rf"b\195\188ro.{ZONE}"),
}
BAD = {
    "another version": {"v": 2},
    "no version": {"v": None},
    "no zone": {"zone": None},
    "a zone without its dot": {"zone": "example.com"},
    "a U-label": change(name=f"bücher.{ZONE}"),
    "no time": {"time": None},
    "a date": {"time": "2026-11-22"},
    "a serial too large": {"serial": 2 ** 32},
    "a negative seq": {"seq": -1},
    "a seq in quotes": {"seq": "42"},
    "a long publisher": {"publisher": "x" * 64},
    "must of something unknown": {"must": ["variant"]},
    "must of a number": {"must": [1]},
    "no changes": {"changes": None},
    "changes that are none": {"changes": ["SET"]},
    "an unknown operation": change(op="SWAP"),
    "lower case": change(op="set"),
    "no name": change(name=None),
    "no type": change(type=None),
    "no TTL": change(ttl=None),
    "a negative TTL": change(ttl=-1),
    "a TTL too large": change(ttl=2 ** 31),
    "no rdata": change(rdata=None),
    "empty rdata": change(rdata=[]),
    "rdata that is no list": change(rdata="192.0.2.1"),
    "DEL of records without a type": change(op="DEL", type=None, ttl=None),
    "FLUSH with rdata": change(op="FLUSH", type=None, ttl=None),
    "a subtree of SET": change(subtree=True),
    "a subtree that is a number": change(op="FLUSH", type=None, ttl=None, rdata=None, subtree=1),
}


def set_with(fields):
    made = example()
    made.update(fields)
    return {key: value for key, value in made.items() if value is not None}


@pytest.mark.parametrize("fields", GOOD.values(), ids=GOOD)
def test_the_schema_takes(fields, schema):
    schema.validate(set_with(fields))


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD)
def test_the_schema_refuses(fields, schema):
    assert not schema.is_valid(set_with(fields))


@pytest.mark.usefixtures("broker")
def test_freshetd_takes_and_refuses_the_same(fresh_topic, freshetd, scripted):
    one = freshetd(freshet.stub([scripted], fresh_topic, zones=(ZONE,)))
    eventually(lambda: one.status()["feed"]["state"] == "live", within=10)

    def counted():
        feed = one.status()["feed"]
        return feed["applied"] + feed["ignored"], sum(feed["refused"].values())
    taken = refused = 0
    for what, fields in [*GOOD.items(), *BAD.items()]:
        taken, refused = (taken + 1, refused) if what in GOOD else (taken, refused + 1)
        fresh_topic.send(ZONE, json.dumps(set_with(fields)))
        expected = taken, refused
        eventually(lambda: sum(counted()) == sum(expected), within=5, what=f"{what} is read")  # pylint: disable=cell-var-from-loop
        assert counted() == expected, what


# --- producers


@pytest.fixture
def watched(place, dev_broker):
    """The dev broker, and what is published there: (its address, what the watcher has printed)."""
    return dev_broker, place.start(f"build/freshet watch --brokers {dev_broker}", ready="watching")


def came(said, record):
    """In the partition where every reader looks for it."""
    home = kafka_cluster.partition_of(ZONE, 3)
    eventually(lambda: f" {home}:0 {ZONE} - SET {record}" in said(), within=10, what=f"{record} in {said()}")


def test_a_producer_in_python(place, watched):
    address, said = watched
    [text] = blocks(section(*PRODUCERS), "python")
    place.write("producer.py", text)
    assert "acknowledged at 0" in place.run(f"/usr/bin/python3 producer.py {address}")
    came(said, f"www.{ZONE} 3600 A 192.0.2.7")


@pytest.mark.timeout(180)
def test_a_producer_in_go(place, watched):
    """With the client that Debian has, and nothing from elsewhere."""
    address, said = watched
    [text] = blocks(section(*PRODUCERS), "go")
    place.write("producer.go", text)
    place.run("GO111MODULE=off GOFLAGS= GOPATH=/usr/share/gocode go build -o producer producer.go", within=150)
    assert "acknowledged at 0" in place.run(f"./producer {address}")
    came(said, f"www.{ZONE} 3600 A 192.0.2.8")


# --- Kafka's own tools


def test_the_acls_of_the_page(place):
    """What docs/kafka.md grants is what `freshet topic acls` says, by Kafka's own command on a broker that asks for rights."""
    broker = kafka_cluster.KafkaBroker(properties="authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
                                                  "super.users=User:ANONYMOUS\n")
    try:
        home = os.environ.get("FRESHET_KAFKA_HOME", os.path.join(ROOT, "build", "kafka"))
        [version] = {os.path.basename(os.path.dirname(jar)) for jar in glob.glob(os.path.join(home, "3.9.*", "kafka_2.13-*.jar"))}
        place.write("bin/kafka-acls.sh", f"#!/bin/sh\nexec java -cp '{home}/{version}/*' kafka.admin.AclCommand \"$@\"\n", mode=0o755)
        [block] = blocks(section("## Who may do what", "docs/kafka.md"), "sh")
        text = block.replace("kafka.example.com:9092", broker.bootstrap)
        assert text != block
        place.run(f"PATH=$PWD/bin:$PATH; set -e; {text}", within=60)
        listed = place.run(f"bin/kafka-acls.sh --bootstrap-server {broker.bootstrap} --list")
        for role in ("cache", "publisher", "origin"):
            assert f"User:{role}" in listed
        assert listed.count("operation=WRITE") == 4, listed
    finally:
        broker.stop()
