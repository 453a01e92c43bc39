"""One table of exit statuses, for all programs: what the docs say is what the programs say, and what they do."""
import os
import re
import signal
import subprocess

import pytest

import freshet
import process

PROGRAMS = ("freshet", "freshetd", "freshet-origin")
PLAIN = '{tiers: [{name: os, listen: ["127.0.0.1:%d"], upstream: {forward: ["192.0.2.1"]}}]}'
ORIGIN = ('{listen: ["127.0.0.1:%d"], feed: {brokers: "127.0.0.1:9"}, zones: [{name: example.com., primary: ["192.0.2.53"]}]}')


def run(*words, **how):
    return subprocess.run([freshet.program(words[0]), *words[1:]], capture_output=True, text=True, timeout=30, check=False,
                          env={**freshet.environment(), "FRESHET_CONFIG": ""}, **how)


def told():
    """(status, whose, meaning) of `freshet help exit-codes`."""
    return [re.fullmatch(r"  (\d)  (?:(freshet [^:]*): )?(.*)", line).groups()
            for line in run("freshet", "help", "exit-codes").stdout.splitlines()]


def test_the_docs_have_the_same_table():
    with open("docs/operate.md", encoding="utf-8") as file:
        section = file.read().split("## Exit status\n", 1)[1]
    rows = [[cell.strip().replace("`", "") for cell in line.split("|")[1:-1]]
            for line in section.splitlines() if line.startswith("|")][2:]
    assert [(status, None if whose == "all" else whose, meaning) for status, whose, meaning in rows] == told()


@pytest.mark.parametrize("program", PROGRAMS[1:])
def test_the_services_print_what_is_theirs(program):
    text = run(program, "--help").stdout.split("Exit status:\n", 1)[1]
    assert text == "".join(f"  {status}  {meaning}\n" for status, whose, meaning in told() if whose is None)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_and_version_are_done(program):
    for word in ("--help", "--version"):
        done = run(program, word)
        assert done.returncode == 0 and done.stdout and not done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_command_line(program):
    done = run(program, "--nonsense")
    assert done.returncode == 2 and done.stderr and not done.stdout


@pytest.mark.parametrize("program, good", [("freshetd", PLAIN), ("freshet-origin", ORIGIN)])
def test_services(program, good, tmp_path):
    """A good file, a text that is wrong, and a machine that does not give what it wants."""
    path = tmp_path / "file.yaml"
    path.write_text(good % process.free_port())
    assert run(program, "-n", "-c", path).returncode == 0
    path.write_text((good % process.free_port()).replace("{", "{control: {path: x, group: nowhere}, ", 1))
    assert run(program, "-n", "-c", path).returncode == run(program, "-c", path).returncode == 1
    path.write_text("{}")
    assert run(program, "-n", "-c", path).returncode == run(program, "-c", path).returncode == 2
    assert run(program, "-c", tmp_path / "none").returncode == 2


@pytest.mark.parametrize("program, good", [("freshetd", PLAIN), ("freshet-origin", ORIGIN)])
def test_a_service_that_is_told_to_stop_is_done(program, good, tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text(good % process.free_port())
    with subprocess.Popen([freshet.program(program), "-c", path], stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr:
            if "msg=ready" in line:
                break
        running.send_signal(signal.SIGTERM)
        running.stderr.read()
    assert running.returncode == 0


def test_the_tool(tmp_path, freshetd, scripted):
    """Those that are no failure and not done either; move's is tested where it is interrupted (test_move.py)."""
    daemon = freshetd(freshet.stub([scripted], workers=1))
    at = ("--control", daemon.control_path)
    assert run("freshet", "status", *at).returncode == 0
    assert run("freshet", "status", "--control", os.path.join(tmp_path, "none")).returncode == 1
    assert run("freshet", "status", *at, "--timeout", "soon").returncode == 2
    assert run("freshet", "lookup", "www.example.com.", "A", *at).returncode == 3
    config = freshet.stub([scripted], workers=1)
    config["feed"] = {"brokers": "127.0.0.1:9", "zones": ["example.com."]}
    lost = freshetd(config)
    assert run("freshet", "status", "--check", "--control", lost.control_path).returncode == 5
