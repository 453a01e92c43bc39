"""Configurations that are wrong: `freshetd -n` refuses each, and so does the start, with the same line, which says in
which file and line, under which key, and what is wrong. And what -n takes, starts."""

import os
import random
import re
import shutil
import subprocess

import pytest

import freshet
import process
from test_program import expect_refusal, run  # noqa: F401  (a fixture)

SECRET = "hunter2"

TIER = 'tiers: [{name: os, listen: ["127.0.0.1:$port"], upstream: {forward: [192.0.2.1]}}]\n'


def tier(text, listen='"127.0.0.1:$port"', upstream="{forward: [192.0.2.1]}"):
    return f"tiers:\n- name: os\n  listen: [{listen}]\n  upstream: {upstream}\n  {text}\n"


def top(text):
    return f"{TIER}{text}\n"


def feed(text, brokers="127.0.0.1:1"):
    brokers = brokers if brokers.startswith("[") else f'"{brokers}"'
    return f'{TIER}feed:\n  brokers: {brokers}\n  zones: [example.com.]\n  {text}\n'


FEED = 'feed: {brokers: "127.0.0.1:1", zones: [example.com.]}\n'


def rdkafka(*properties):
    return feed("rdkafka: [" + ", ".join(f'"{one}"' for one in properties) + "]")


# name: (text, line, what the message has after it). $port is a free port, $dir a directory, $nobody not there.
TABLE = {
    # the file
    "empty": ("", None, "is empty"),
    "not YAML": ("tiers: [\n", 2, "expected YAML"),
    "a tab": ("\ttiers: []\n", 1, "a tab while scanning for the next token; expected YAML, indented"),
    "a list": ("- a\n", 1, "is a list; expected a mapping"),
    "a key twice": (top("log: info\nlog: debug"), 3, "log: given twice, first in line 2"),
    "two documents": (TIER + "---\n" + TIER, 2, "a second document"),
    "an alias": (top("log: *x"), 2, "log: an anchor or alias"),
    "not UTF-8": ("log: \udcff\n", None, "expected printable text in UTF-8"),
    # keys and shapes
    "unknown key": (top("wrokers: 2"), 2, "wrokers: unknown key; known here: workers"),
    "unknown key inside": (tier("cache: {sise: 1MiB}"), 5, "tiers[0].cache.sise: unknown key"),
    "no tiers": ("log: info\n", 1, "tiers: missing"),
    "no tier": ("tiers: []\n", 1, "tiers: too few entries"),
    "no upstream": ("tiers:\n- {name: os, listen: [127.0.0.1]}\n", 2, "tiers[0].upstream: missing"),
    "no way to reach it": ("tiers:\n- {name: os, upstream: {forward: [192.0.2.1]}}\n", 2,
                           "tiers[0].listen: missing"),
    "a value for a list": (tier("hosts: /etc/hosts"), 5, "tiers[0].hosts: is a value; expected a list"),
    "a list for a value": (top("workers: [1]"), 2, "workers: is a list; expected a value"),
    "a feed without zones": (TIER + "feed:\n  brokers: b\n", 2, "feed.zones: missing"),
    # numbers
    "no worker": (top("workers: 0"), 2, 'workers: "0" is out of range; expected 1 to 256'),
    "too many workers": (top("workers: 257"), 2, 'workers: "257" is out of range'),
    "no number": (top("workers: many"), 2, 'workers: "many" is not a number'),
    "no unit": (top("tcp_idle: 10"), 2, 'tcp_idle: "10" has no unit'),
    "a unit of nothing": (top("tcp_idle: 10parsec"), 2, 'tcp_idle: "10parsec" is not a duration'),
    "half a second": (tier("cache: {max_ttl: 500ms}"), 5, 'max_ttl: "500ms" is not a whole number'),
    "min above max": (tier("cache: {min_ttl: 2d}"), 5, "min_ttl: 172800s is above max_ttl"),
    "more than the machine's memory": (tier("cache: {size: 1024GiB}"), 5,
                                       "tiers[0].cache.size: 1048576MiB"),
    "more than the machine's memory in all": (
        "tiers:\n"
        + "".join(f'- {{name: t{n}, listen: ["127.0.0.1:{20000 + n}"], cache: {{size: $thirdMiB}}, '
                  "upstream: {forward: [192.0.2.1]}}\n" for n in range(4)), 5,
        "tiers[3].cache.size: "),
    "too small a cache": (tier("cache: {size: 1KiB}"), 5, 'size: "1KiB" is out of range'),
    "not a boolean": (tier("special_use: maybe"), 5, 'special_use: "maybe" is not a boolean'),
    "not a log level": (top("log: verbose"), 2, 'log: "verbose" is not a log level'),
    # addresses
    "a host name": (tier("", listen="localhost"), 3, 'listen[0]: "localhost" is not an address'),
    "port 0": (tier("", listen='"127.0.0.1:0"'), 3, 'listen[0]: "127.0.0.1:0" is not an address'),
    "a multicast address": (tier("", listen='"224.0.0.251:5353"'), 3,
                            'listen[0]: "224.0.0.251:5353" is not an address of one host'),
    "IPv4 in IPv6": (tier("", listen='"::ffff:127.0.0.1"'), 3, "is not an address of one host"),
    "link-local without a zone": (tier("", listen='"[fe80::1]:$port"'), 3, "is link-local"),
    "a link-local server": (tier("", upstream='{forward: ["fe80::1"]}'), 4,
                            'tiers[0].upstream.forward[0]: "fe80::1" is link-local, and says not'),
    "metrics behind no interface": (top('metrics: "[fe80::1%nowhere]:9153"'), 2,
                                    '"[fe80::1%nowhere]:9153" names an interface that is not there'),
    "any address as a server": (tier("", upstream='{forward: [0.0.0.0]}'), 4,
                                '"0.0.0.0" is no server\'s address'),
    "listening twice": (tier("", listen='"127.0.0.1:$port", "127.0.0.1:$port"'), 3,
                        "listen[1]: \"127.0.0.1:$port\" is taken by tiers[0].listen[0]"),
    "within any address": (tier("", listen='"0.0.0.0:$port", "127.0.0.1:$port"'), 3,
                           "is taken by tiers[0].listen[0]"),
    "metrics where a tier listens": (top('metrics: "127.0.0.1:$port"'), 2, "metrics: "),
    "metrics without a port": (top("metrics: 127.0.0.1"), 2, 'metrics: "127.0.0.1" has no port'),
    "metrics elsewhere": (top('metrics: "192.0.2.1:9153"'), 2, "metrics: 192.0.2.1:9153: Cannot assign"),
    "it asks itself": (tier("", upstream='{forward: ["127.0.0.1:$port"]}'), 4, "a loop"),
    "it asks itself by another name": (tier("", listen='"0.0.0.0:$port"',
                                            upstream='{forward: ["127.0.0.1:$port"]}'), 4, "a loop"),
    "a network with host bits": (tier("position_for: [10.0.0.1/8]"), 5, "has bits set beyond"),
    # what belongs together
    "both ways up": (tier("", upstream="{forward: [192.0.2.1], parent: [192.0.2.2]}"), 4,
                     "tiers[0].upstream: both forward and parent"),
    "a parent without a feed": (tier("", upstream="{parent: [192.0.2.2]}"), 4, "needs a feed"),
    "hold without a feed": (tier("cache: {hold: 1d}"), 5, "tiers[0].cache.hold: needs a feed"),
    "no such tier": (tier("", upstream="{tier: roof}"), 4, '"roof" is no tier of this file'),
    "one name for two": (TIER.replace("]}}]", ']}}, {name: os, listen: ["127.0.0.1:1"], upstream: '
                                      "{forward: [192.0.2.1]}}]"), 1, "is the name of tiers[0]"),
    "a zone twice": (tier("routes: [{name: a., forward: [192.0.2.1]}, {name: A, forward: [192.0.2.1]}]"),
                     5, "tiers[0].routes[1]: \"A\" is tiers[0].routes[0] again"),
    "streamed without a feed": (tier("routes: [{name: a., stream: true}]"), 5,
                                "tiers[0].routes[0].stream: needs a feed, and none is configured"),
    "streamed and not followed": (tier("routes: [{name: example.org., stream: true}]") + FEED, 5,
                                  'tiers[0].routes[0].stream: "example.org." is not in feed.zones'),
    "streamed and not subscribed": (tier("subscribe: false\n  routes: [{name: example.com., stream: true}]") + FEED, 6,
                                    "tiers[0].routes[0].stream: needs a feed, and this tier does not subscribe"),
    "streamed by two ways": (tier("routes: [{name: example.com., stream: true, forward: [192.0.2.1], parent: [192.0.2.2]}]")
                             + FEED, 5, "tiers[0].routes[0]: both forward and parent"),
    "authority for no zone": (tier("routes: [{name: a., forward: [192.0.2.1], authoritative: true}]"), 5,
                              "tiers[0].routes[0].authoritative: is for a streamed zone"),
    "a fallback for no zone": (tier("routes: [{name: a., forward: [192.0.2.1], fallback: upstream}]"), 5,
                               "tiers[0].routes[0].fallback: is for a streamed zone"),
    "transfers of what is not handed on": (tier("routes: [{name: example.com., stream: true, transfer_from: ['::1']}]") + FEED, 5,
                                           "tiers[0].routes[0].transfer_from: is for a zone that is handed on"),
    "a key there is not": (tier("routes: [{name: example.com., stream: true, authoritative: true, transfer_keys: [a.]}]")
                           + FEED, 5, "tiers[0].routes[0].transfer_keys[0]: a. is none of `keys`"),
    "a key to sign with there is not": (tier("routes: [{name: example.com., stream: true, authoritative: true, key: a.}]")
                                        + FEED, 5, "tiers[0].routes[0].key: a. is none of `keys`"),
    "a key that is none": (top("keys: [nothing]"), 2, "keys[0]: is not ALGORITHM:NAME:BASE64"),
    "a fallback there is not": (tier("routes: [{name: example.com., stream: true, fallback: nowhere}]") + FEED, 5,
                                'tiers[0].routes[0].fallback: "nowhere" is none; expected upstream'),
    "snapshots among the updates": (feed("snapshots: dns.updates"), 5,
                                    "feed.snapshots: is feed.updates too; expected another topic"),
    "a wildcard for a zone": (tier("routes: [{name: '*.a.', forward: [192.0.2.1]}]"), 5, "is a wildcard"),
    "a link in earnest": (tier("", upstream="{forward: [192.0.2.1], link: {delay: 1ms}}"), 4,
                          "is only for experiments"),
    # records and paths
    "no record": (tier('local: ["printer.lan. A 192.0.2.9", "printer.lan. A 192.0.2"]'), 5,
                  "tiers[0].local[1]: "),
    "control in no directory": (top("control: $dir/a/b/c.sock"), 2, "control: $dir/a/b/c.sock: No such"),
    "control of no group": (top("control: {path: $dir/c.sock, group: nowhere}"), 2,
                            'control.group: there is no group "nowhere"'),
    "brokers in two depths": (feed("", brokers="[a, [b]]"), 3, "feed.brokers[1]: is a list or a mapping"),
    "a property of properties": (feed("rdkafka: {ssl: {ca: x}}"), 5, "feed.rdkafka.ssl: is a list or a mapping"),
    "freshet's own property": (feed("rdkafka: {group.id: x}"), 5, 'feed.rdkafka[0]: "group.id"'),
    "control is a file": (top("control: $dir/file"), 2, "is there already and is no socket"),
    "control is a directory": (top("control: $dir"), 2, "is there already and is no socket"),
    "control below a file": (top("control: $dir/file/c.sock"), 2, "Not a directory"),
    "control too long": (top("control: /" + "x" * 107), 2, "control.path: "),
    # who
    "no such user": (top("user: nobody-of-that-name"), 2,
                     'user: "nobody-of-that-name": no such user; expected one of this machine'),
    "no such group": (top("group: nobody-of-that-name"), 2, 'group: "nobody-of-that-name": no such group'),
    "hosts that the user may not read": (
        tier("hosts: [/etc/hosts, $dir/secret/hosts]") + "user: nobody\n", 5,
        "tiers[0].hosts[1]: $dir/secret/hosts: user may not read it"),
    # the feed
    "no brokers": (feed("", brokers=""), 3, 'feed.brokers: "" is empty'),
    "a broker's port": (feed("", brokers="kafka:99999"), 3, "is no broker"),
    "a hole in the brokers": (feed("", brokers="a:1,,b:1"), 3, "is no broker"),
    "no topic": (feed("updates: a b"), 5, "is not a Kafka topic"),
    "an unknown property": (rdkafka("nonsense.x=1"), 5,
                            'feed.rdkafka[0]: No such configuration property: "nonsense.x"'),
    "the second property": (rdkafka("client.id=x", "nonsense.x=1"), 5, "feed.rdkafka[1]: No such"),
    "a property's value": (rdkafka("security.protocol=carrier-pigeon"), 5, '"carrier-pigeon"'),
    "a property's number": (rdkafka("socket.timeout.ms=soon"), 5, '"socket.timeout.ms"'),
    "a property out of range": (rdkafka("socket.timeout.ms=-5"), 5, '"socket.timeout.ms" value -5'),
    "a property of ours": (rdkafka("group.id=x"), 5, '"group.id" is a property that freshet sets'),
    "properties that do not go together": (rdkafka("security.protocol=sasl_plaintext",
                                                   "sasl.mechanisms=CARRIER"), 5, "feed.rdkafka: "),
    "no certificates there": (rdkafka("security.protocol=ssl", "ssl.ca.location=$dir/none.pem"), 5,
                              "feed.rdkafka: "),
    "a certificate that is none": (rdkafka("security.protocol=ssl", "ssl.certificate.location=$dir/file",
                                           "ssl.key.location=$dir/file"), 5, "feed.rdkafka: "),
    "no property": (rdkafka(f"sasl.password {SECRET}"), 5, "feed.rdkafka[0]: is not a property"),
    "a secret by itself": (rdkafka(f"{SECRET}="), 5, "feed.rdkafka[0]: No such configuration property;"),
    "a secret's file is not there": (rdkafka("sasl.password=file:$dir/none"), 5, "No such file"),
    "a secret's file is a directory": (rdkafka("sasl.password=file:$dir"), 5, "is a directory"),
    "a secret's file is a FIFO": (rdkafka("sasl.password=file:$dir/fifo"), 5, "is a pipe that does not"),
    "a secret without end": (rdkafka("sasl.password=file:/dev/zero"), 5, "is a device"),
    "no credentials": (rdkafka("sasl.password=file:kafka"), 5, "$CREDENTIALS_DIRECTORY is not set"),
    "an exception elsewhere": (feed("except: [example.org.]"), 5, "lies below no zone of feed.zones"),
    "too many marks": (feed("marks: 268435457"), 5, "is out of range"),
}


@pytest.fixture
def filled(rundir):
    """A text with its $words filled in, written to a file: (path, function that fills in)."""
    with open(os.path.join(rundir, "file"), "w", encoding="ascii") as file:
        file.write("neither key nor socket\n")
    os.mkfifo(os.path.join(rundir, "fifo"))
    os.mkdir(os.path.join(rundir, "secret"), 0o700)
    with open(os.path.join(rundir, "secret", "hosts"), "w", encoding="ascii") as file:
        file.write("192.0.2.1 one\n")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    words = {"$port": str(process.free_port()), "$dir": rundir, "$third": str(memory // 3)}

    def fill(text):
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    def write(text):
        path = os.path.join(rundir, "freshet.yaml")
        with open(path, "wb") as file:
            file.write(fill(text).encode("utf-8", "surrogateescape"))
        return path, fill
    return write


def test_there_are_enough():
    assert len(TABLE) >= 60


@pytest.mark.parametrize("name", TABLE)
def test_bad_configuration(run, filled, name):  # noqa: F811
    text, line, expected = TABLE[name]
    path, fill = filled(text)
    checked, started = run("-n", "-c", path), run("-c", path)
    place = f"freshetd: {path}:{line}: " if line else f"freshetd: {path}"
    expect_refusal(checked, place, fill(expected))
    assert started == checked, "the start says the same"
    assert SECRET not in checked.stderr
    assert re.fullmatch(r"[ -~]+\n", checked.stderr), "one line that any terminal can show"


def test_a_port_without_the_right(rundir, filled):
    """As a user who may not open it: by -n and by the start alike."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        if int(file.read()) <= 53 or os.getuid() != 0:
            pytest.skip("needs root, and a kernel that keeps low ports from others")
    path, _ = filled(tier("", listen='"127.0.0.1:53"'))
    os.chmod(rundir, 0o755)
    program = shutil.copy(freshet.program("freshetd"), rundir)
    said = []
    for options in (["-n"], []):
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", program,
             *options, "-c", path], capture_output=True, text=True, timeout=10, check=False)
        said.append(done.stderr)
        expect_refusal(freshet.Result(done.returncode, done.stdout, done.stderr),
                       f"{path}:3: tiers[0].listen[0]: 127.0.0.1:53: Permission denied")
    assert said[0] == said[1]


GOOD = {
    "plain": TIER,
    "an address that comes later": tier("", listen='"127.0.0.1:$port", "192.0.2.77:$port"'),
    "an interface that comes later": tier("", listen='"127.0.0.1:$port", "[fe80::1%nowhere]:$port"'),
    "a server whose interface comes later": tier("", upstream='{forward: ["fe80::1%nowhere"]}'),
    "a feed far away": feed('rdkafka: ["security.protocol=ssl", "client.id=x"]', brokers="kafka.invalid:9092"),
    "a secret in a file": rdkafka("security.protocol=sasl_plaintext", "sasl.mechanisms=PLAIN",
                                  "sasl.username=u", "sasl.password=file:$dir/file"),
    "control in a new directory": top("control: $dir/new/c.sock"),
    "control for a group": top("control: {path: $dir/c.sock, group: root}"),
    "brokers and properties as people write them": feed("rdkafka: {security.protocol: ssl, client.id: x}",
                                                        brokers="[kafka.invalid:9092, b]"),
    "another user": top("user: nobody\ngroup: nogroup\ncontrol: $dir/new/c.sock"),
    "no sandbox": top("sandbox: false"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_taken_starts(run, filled, freshetd, name):  # noqa: F811
    path, fill = filled(GOOD[name])
    os.chmod(os.path.dirname(path), 0o777)
    assert run("-n", "-c", path) == (0, "", "")
    daemon = freshetd(fill(GOOD[name]))
    assert "msg=ready" in daemon.log


@pytest.mark.parametrize("sample", ["stub", "regional", "hierarchy"])
def test_samples_start(run, freshetd, rundir, sample):  # noqa: F811
    """As they are, but for the paths and ports, which this machine may have in use."""
    with open(f"config/{sample}.yaml", encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"(?m)^( *listen: \[|metrics: ).*?(\]?)$",
                  lambda found: f'{found[1]}"127.0.0.1:{process.free_port()}"{found[2]}', text)
    text = text.replace("/run/freshet", rundir).replace("./stub.sock", f"{rundir}/c.sock")
    path = os.path.join(rundir, "sample.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    assert run("-n", "-c", path) == (0, "", "")
    assert "msg=ready" in freshetd(text).log


def mutated(text, random):
    """A line gone, twice, moved, or with another's end: most of these are wrong, and some are not."""
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    at, other = random.randrange(len(lines)), random.randrange(len(lines))
    kind = random.choice(["drop", "double", "swap", "graft", "digit"])
    if kind == "drop":
        del lines[at]
    elif kind == "double":
        lines.insert(at, lines[at])
    elif kind == "swap":
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "graft":
        lines[at] = lines[at].split(":")[0] + ":" + lines[other].partition(":")[2]
    else:
        lines[at] = re.sub(r"\d", lambda digit: random.choice("0123456789"), lines[at])
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(40))
def test_what_is_taken_starts_whatever_it_is(run, rundir, seed):  # noqa: F811
    """Samples with an accident. What -n takes reaches the point of being ready; what it refuses does not start."""
    chance = random.Random(seed)
    with open(f"config/{chance.choice(['stub', 'regional', 'hierarchy'])}.yaml", encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"(?m)^( *listen: \[|metrics: ).*?(\]?)$",
                  lambda found: f'{found[1]}"127.0.0.1:{process.free_port()}"{found[2]}', text)
    text = text.replace("/run/freshet", rundir).replace("./stub.sock", f"{rundir}/c.sock")
    text = mutated(text, chance).replace("GiB", "MiB")
    path = os.path.join(rundir, "sample.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    checked = run("-n", "-c", path)
    if checked.code != 0:
        assert run("-c", path) == checked
        return
    program = process.Process("freshetd", [freshet.program("freshetd"), "-c", path], rundir)
    try:
        program.wait_ready(lambda: "msg=ready" in program.output() or "in use" in program.output(), within=10)
    except process.NotReady:
        assert "in use" in program.output(), text
    program.stop()
