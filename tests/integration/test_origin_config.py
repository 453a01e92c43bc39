"""What freshet-origin says to a configuration that is wrong: file, line, key path and what is expected. And what it takes."""

import contextlib
import os
import signal
import subprocess

import pytest

import freshet
import origin
import process

GOOD = """listen: [127.0.0.1:5300]
feed:
  brokers: 127.0.0.1:9092
  rdkafka: ["socket.timeout.ms=1000"]
keys:
  - hmac-sha256:transfer.:AAECAwQFBgcICQoLDA0ODw==
zones:
  - name: example.com.
    primary: [192.0.2.1, "[2001:db8::1]:5353"]
    key: transfer.
"""

# what is replaced, by what, the line that is named, and a part of what is said
BAD = {
    "no zones": (GOOD[GOOD.index("zones:"):], "", 1, "zones: missing"),
    "no primary": ("    primary: [192.0.2.1, \"[2001:db8::1]:5353\"]\n", "", 8, "zones[0].primary: missing"),
    "a primary that is no address": ("192.0.2.1,", "ns1.example.com,", 9, "zones[0].primary[0]"),
    "a primary that is everybody": ("192.0.2.1,", "0.0.0.0,", 9, "zones[0].primary[0]"),
    "a zone twice": ("zones:\n", "zones:\n  - {name: EXAMPLE.com, primary: [192.0.2.1]}\n", 9, "is zones[0] again"),
    "a name that is none": ("name: example.com.", "name: a..b.", 8, "zones[0].name"),
    "a key that is not there": ("    key: transfer.", "    key: other.", 10, "is none of `keys`"),
    "a key without colons": ("hmac-sha256:transfer.:AAECAwQFBgcICQoLDA0ODw==", "transfer", 6, "is not ALGORITHM:NAME:BASE64"),
    "a key of an old algorithm": ("hmac-sha256:", "hmac-md5:", 6, "neither hmac-sha256 nor hmac-sha512"),
    "a secret that is no base64": ("AAECAwQFBgcICQoLDA0ODw==", "no!", 6, "not base64"),
    "a key's file that is not there": ("hmac-sha256:transfer.:AAECAwQFBgcICQoLDA0ODw==", "file:/nowhere/key", 6, '"/nowhere/key" No such file or directory; expected a file with the value'),
    "a key's file that has none": ("hmac-sha256:transfer.:AAECAwQFBgcICQoLDA0ODw==", "file:/etc/hosts", 6,
                                   "/etc/hosts is not ALGORITHM:NAME:BASE64; expected one line, hmac-sha256:NAME:BASE64"),
    "a key of no service": ("hmac-sha256:transfer.:AAECAwQFBgcICQoLDA0ODw==", "file:transfer.key", 6, "names a credential"),
    "a socket where it cannot be": ("zones:\n", "control: /nowhere/at/all.sock\nzones:\n", 7, "control: /nowhere/at/all.sock: No such file"),
    "numbers where they cannot be": ("zones:\n", "metrics: 192.0.2.1:9154\nzones:\n", 7, "metrics: 192.0.2.1:9154: Cannot assign"),
    "an address that cannot be had": ("[127.0.0.1:5300]", "[\"fe80::1%nowhere\"]", 1, "listen[0]: fe80::1%nowhere: no such interface"),
    "an address twice": ("[127.0.0.1:5300]", "[127.0.0.1:5300, 127.0.0.1:5300]", 1, "listen[1]"),
    "librdkafka's unknown property": ("socket.timeout.ms=1000", "socket.timeout.mss=1000", 4, "feed.rdkafka[0]"),
    "a key of freshetd's file": ("zones:\n", "tiers: []\nzones:\n", 7, "unknown key"),
    "a user that is not there": ("zones:\n", "user: nobody-of-that-name\nzones:\n", 7, "user"),
    "neither a name nor a catalog": ("name: example.com.", "group: one", 8, "zones[0]: neither name nor catalog"),
    "a name and a catalog": ("name: example.com.", "name: example.com.\n    catalog: c.", 8, "zones[0]: both name and catalog"),
    "a group of no catalog": ("name: example.com.", "name: example.com.\n    group: one", 9, "zones[0].group: is for members"),
    "members of the log": ("zones:\n", "zones:\n  - {catalog: c., log: primary}\n", 8, "zones[0].log: is for a zone that is named"),
    "members that another entry has": ("zones:\n", "zones:\n  - {catalog: c., primary: [192.0.2.1]}\n  - {catalog: C, group: g, primary: [192.0.2.1]}\n", 9,
                                       "zones[1].catalog: has no members left after zones[0]"),
    "nothing": (GOOD, "", None, "is empty"),
}


PRIMARY = """listen: [127.0.0.1:5300]
feed:
  brokers: 127.0.0.1:9092
keys:
  - hmac-sha256:editor.:AAECAwQFBgcICQoLDA0ODw==
zones:
  - name: example.com.
    log: primary
    serial: unixtime
    update: [grant editor. subdomain example.com. A TXT]
    update_from: ["::1"]
    transfer_keys: [editor.]
    transfer_from: [10.0.0.0/8]
    notify: [192.0.2.1]
    history: 1MiB
"""

BAD_PRIMARY = {
    "another log": ("log: primary", "log: secondary", 8, "zones[0].log"),
    "both": ("log: primary", "log: primary\n    primary: [192.0.2.1]", 8, "the zone has `primary` too"),
    "neither": ("    log: primary\n", "", 7, "zones[0].primary: missing"),
    "no log": ("log: primary", "primary: [192.0.2.1]", 7, "zones[0].log: missing"),
    "a serial of another kind": ("unixtime", "random", 9, "expected increment, unixtime or date"),
    "a rule that is none": ("grant editor.", "allow editor.", 10, 'zones[0].update[0]: begins with "allow"'),
    "a rule of another kind": ("subdomain", "krb5-self", 10, '"krb5-self" is none of'),
    "a rule's relative name": ("subdomain example.com.", "subdomain example.com", 10, "without its final dot"),
    "a rule's key": ("grant editor.", "grant editr.", 10, "zones[0].update[0]: its key is none of `keys`"),
    "a rule's name": ("subdomain example.com.", "subdomain example.org.", 10, "zones[0].update[0]: its name is not in the zone"),
    "a rule's type": ("A TXT", "A PTR(1)", 10, '"PTR(1)" is no type of records'),
    "a key that is not there": ("transfer_keys: [editor.]", "transfer_keys: [other.]", 12, "is none of `keys`"),
    "a network with host bits": ("10.0.0.0/8", "10.0.0.1/8", 13, "zones[0].transfer_from[0]"),
    "a follower that is everybody": ("notify: [192.0.2.1]", "notify: [0.0.0.0]", 14, "zones[0].notify[0]"),
    "a history of nothing": ("1MiB", "1KiB", 15, "zones[0].history"),
}


@pytest.fixture
def check(tmp_path):
    def run(text):
        path = os.path.join(tmp_path, "origin.yaml")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return freshet.Cli("freshet-origin")("-n", "-c", path), path
    return run


def test_a_good_one(check):
    assert check(GOOD)[0] == (0, "", "")


def test_the_sample(check):
    assert freshet.Cli("freshet-origin")("-n", "-c", "config/origin.yaml") == (0, "", "")


@pytest.mark.parametrize("arguments, word", [([], "-c"), (["--nonsense"], "nonsense"), (["-c", "x", "more"], "more"),
                                             (["-c", "/nowhere.yaml"], "/nowhere.yaml")])
def test_wrong_arguments(arguments, word):
    result = freshet.Cli("freshet-origin")(*arguments)
    assert result.code == 2 and result.stdout == "" and word in result.stderr


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_one(check, fault):
    old, new, line, said = BAD[fault]
    assert old in GOOD
    result, path = check(GOOD.replace(old, new, 1))
    assert result.code in (1, 2)
    assert said in result.stderr
    if line:
        assert f"{path}:{line}: " in result.stderr, result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_good_one_whose_primary_is_the_log(check):
    assert check(PRIMARY)[0] == (0, "", "")


@pytest.mark.parametrize("fault", BAD_PRIMARY)
def test_a_bad_one_whose_primary_is_the_log(check, fault):
    old, new, line, said = BAD_PRIMARY[fault]
    assert old in PRIMARY
    result, path = check(PRIMARY.replace(old, new, 1))
    assert result.code in (1, 2)
    assert said in result.stderr
    assert f"{path}:{line}: " in result.stderr, result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, for a network of its own")
def test_a_webhook_where_it_cannot_be(tmp_path):
    """It is of loopback, so it takes a machine without IPv6."""
    path = tmp_path / "origin.yaml"
    path.write_text(PRIMARY + "webhook: \"[::1]:8888\"\n")
    script = 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; exec "$@"'
    done = subprocess.run(["unshare", "-n", "sh", "-c", script, "sh", freshet.program("freshet-origin"), "-n", "-c", path],
                          capture_output=True, text=True, timeout=20, check=False)
    if "unshare" in done.stderr:
        pytest.skip("needs network namespaces")
    assert done.returncode == 1
    assert done.stderr == f"freshet-origin: {path}:16: webhook: [::1]:8888: Cannot assign requested address\n"


def test_a_hangup_at_the_start(tmp_path):
    """Before there is anything to read again."""
    path = tmp_path / "origin.yaml"
    os.mkfifo(path)
    program = subprocess.Popen([freshet.program("freshet-origin"), "-n", "-c", path])
    with open(path, "w", encoding="ascii") as pipe:  # once it reads
        program.send_signal(signal.SIGHUP)
        pipe.write(GOOD)
    assert program.wait(timeout=20) == 0


def test_its_secret_is_not_shown(check):
    result, _ = check(GOOD.replace("hmac-sha256:", "hmac-sha1:"))
    assert "AAECAwQF" not in result.stderr


def test_the_directory_of_the_control_socket_is_made(tmp_path):
    """As /run/freshet is gone after each boot. And what it listens on is said."""
    control = tmp_path / "run" / "origin.sock"
    ports = [process.free_port() for _ in range(2)]
    with contextlib.closing(origin.Origin({
            "control": str(control), "listen": [f"127.0.0.1:{port}" for port in ports] + ["192.0.2.1:5300"],
            "feed": {"brokers": "127.0.0.1:9"}, "zones": [{"name": "example.com.", "primary": ["192.0.2.53"]}]})) as server:
        assert control.is_socket()
        assert [line["address"] for line in server.records(msg="listening")] == [f"127.0.0.1:{port}" for port in ports]
        [absent] = server.records(msg="an address is not there yet: it is answered on once it is")
        assert absent["address"] == "192.0.2.1:5300"
