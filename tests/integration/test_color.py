"""Colours: on a terminal, or where they are asked for; and what is said is the same without."""
import os
import pty
import re
import subprocess

import pytest

import freshet
import process
from pages import Place

ESCAPE = re.compile(r"\033\[[0-9]*m")


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Words of a `watch` that shows one change of each kind, and ends."""
    place = Place(tmp_path_factory.mktemp("color"))
    broker = f"127.0.0.1:{process.free_port()}"
    at = f"--zone example.com --brokers {broker}"
    place.start(f"build/freshet broker --listen {broker}", ready="bootstrap")
    for words in ("set a.example.com. 60 A 192.0.2.1", "del b.example.com.", "flush c.example.com."):
        place.run(f"build/freshet {words} {at}")
    yield ["watch", "--brokers", broker, "--from-beginning", "--count", "3"]
    place.stop()


def environment(**more):
    return {**freshet.environment(), "FRESHET_CONFIG": "", "TERM": "xterm", "NO_COLOR": "", **more}


def said(words, **env):
    return subprocess.run([freshet.program("freshet"), *words], capture_output=True, text=True, timeout=30, check=True,
                          env=environment(**env)).stdout


def said_to_a_terminal(words, **env):
    ours, its = pty.openpty()
    with subprocess.Popen([freshet.program("freshet"), *words], stdout=its, stderr=subprocess.DEVNULL, env=environment(**env)) as running:
        os.close(its)
        text = b""
        try:
            while more := os.read(ours, 4096):
                text += more
        except OSError:  # the other end is closed
            pass
        assert running.wait(timeout=30) == 0
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


def test_where_there_are_colours(watched):
    plain = said(watched)
    assert "\033" not in plain and len(plain.splitlines()) == 3
    assert "\033" not in said(watched, NO_COLOR="1") and said([*watched, "--color=never"]) == plain
    coloured = said([*watched, "--color=always"], NO_COLOR="1")
    assert ESCAPE.sub("", coloured) == plain
    assert [ESCAPE.findall(line) for line in coloured.splitlines()] == [["\033[32m", "\033[0m"], ["\033[31m", "\033[0m"],
                                                                       ["\033[33m", "\033[0m"]]
    assert said_to_a_terminal(watched) == coloured
    assert said_to_a_terminal(watched, NO_COLOR="1") == said_to_a_terminal([*watched, "--color=never"]) == plain
    assert said_to_a_terminal(watched, TERM="dumb") == plain


def test_warnings(freshetd, scripted):
    config = freshet.stub([scripted], workers=1)
    config["feed"] = {"brokers": "127.0.0.1:9", "zones": ["example.com."]}
    words = ["status", "--control", freshetd(config).control_path]
    assert said(words).startswith("warning: feed: cold")
    assert said([*words, "--color=always"]).startswith("\033[33mwarning: feed: cold")
