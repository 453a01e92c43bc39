"""What freshet-origin says to a configuration that is wrong: file, line, key path and what is expected. And what it takes."""

import os

import pytest

import freshet

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
    "a key's file that is not there": ("hmac-sha256:transfer.:AAECAwQFBgcICQoLDA0ODw==", "file:/nowhere/key", 6, "/nowhere/key cannot be read"),
    "an address twice": ("[127.0.0.1:5300]", "[127.0.0.1:5300, 127.0.0.1:5300]", 1, "listen[1]"),
    "librdkafka's unknown property": ("socket.timeout.ms=1000", "socket.timeout.mss=1000", 4, "feed.rdkafka[0]"),
    "a key of freshetd's file": ("zones:\n", "tiers: []\nzones:\n", 7, "unknown key"),
    "a user that is not there": ("zones:\n", "user: nobody-of-that-name\nzones:\n", 7, "user"),
    "nothing": (GOOD, "", None, "is empty"),
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
    assert result.code == 1 and result.stdout == "" and word in result.stderr


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_one(check, fault):
    old, new, line, said = BAD[fault]
    assert old in GOOD
    result, path = check(GOOD.replace(old, new, 1))
    assert result.code == 1
    assert said in result.stderr
    if line:
        assert f"{path}:{line}: " in result.stderr, result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_its_secret_is_not_shown(check):
    result, _ = check(GOOD.replace("hmac-sha256:", "hmac-sha1:"))
    assert "AAECAwQF" not in result.stderr
