"""Manual pages and completions are what the programs take: each has every command and every option, and no others."""
import os
import re
import shutil
import subprocess

import pytest

import freshet
import process

PLACE = os.path.join(process.ROOT, freshet.build_directory(), "manual")
SERVICES = ("freshetd", "freshet-origin")


def output(*words, **how):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True, **how).stdout


def read(*parts):
    with open(os.path.join(PLACE, *parts), encoding="utf-8") as file:
        return file.read()


def helped(program, *command):
    """{option: whether it takes a value} of a --help, by its long names and letters."""
    options = {}
    for line in output(freshet.program(program), *command, "--help").splitlines():
        found = re.match(r"  (?:-(\w), |    )--([a-z-]+)(=?)", line)
        if found:
            options.update({f"--{found[2]}": bool(found[3]), **({f"-{found[1]}": bool(found[3])} if found[1] else {})})
    return options


def commands():
    text = output(freshet.program("freshet"), "--help").split("\n\n")[1]
    return re.findall(r"^  ([a-z-]+) ", text, re.M)


def pages():
    return sorted(os.listdir(os.path.join(PLACE, "man")))


def options_of_page(name):
    """As of helped(), of the OPTIONS of a page."""
    section = re.search(r'^\.SH "OPTIONS"\n(.*?)^\.SH ', read("man", name), re.M | re.S)[1].replace("\\-", "-")
    options = {}
    for line in re.findall(r"^\.TP\n(.*)$", section, re.M):
        words = re.sub(r"\\f[BR]", "", line).split(", ")
        value = "=" in line
        options.update({word.split("=")[0]: value for word in words})
    return options


def test_there_is_a_page_for_everything():
    assert pages() == sorted(["freshet.1", "freshet.yaml.5", "freshet-changeset.5", *(f"{name}.8" for name in SERVICES),
                              *(f"freshet-{name}.1" for name in commands())])
    listed = re.findall(r"^\.TP\n\\fB([a-z\\-]+)\\fR", read("man", "freshet.1"), re.M)
    assert [name.replace("\\-", "-") for name in listed if not name.startswith("\\-")] == commands()


@pytest.mark.parametrize("command", commands())
def test_options_of_commands(command):
    assert options_of_page(f"freshet-{command}.1") == helped("freshet", command)


def test_whoever_publishes_can_be_asked_what_would_be():
    publishing = {"set", "add", "del", "flush", "publish", "move", "snapshot", "zone", "topic"}
    assert {command for command in commands() if "--dry-run" in helped("freshet", command)} == publishing


@pytest.mark.parametrize("service", SERVICES)
def test_options_of_services(service):
    assert options_of_page(f"{service}.8") == helped(service)


def test_the_configuration_has_every_key():
    with open("config/OPTIONS.md", encoding="utf-8") as file:
        keys = re.findall(r"^\| `([^`]+)` \|", file.read(), re.M)
    page = re.findall(r"^\.TP\n\\fB(\S+)\\fR$", read("man", "freshet.yaml.5"), re.M)
    assert [key.replace("\\-", "-") for key in page] == keys


def test_the_message_format_has_every_field():
    page = read("man", "freshet-changeset.5")
    for field in ("v", "zone", "serial", "time", "publisher", "seq", "must", "changes", "name", "type", "ttl", "rdata", "subtree"):
        assert f"\\fB{field}\\fR" in page
    for op in ("SET", "ADD", "DEL", "FLUSH"):
        assert f"{op}:" in page


@pytest.mark.parametrize("page", pages())
def test_pages_are_well_formed(page):
    path = os.path.join(PLACE, "man", page)
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True, check=False)
    assert (lint.returncode, lint.stdout) == (0, "")
    groff = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path], capture_output=True, text=True,
                           check=True, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
    assert groff.stderr == ""
    said = output("man", "-l", "-P", "cat", path, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "200", "MANPAGER": "cat"})
    assert "`" not in said and "\\" not in said and "NAME" in said


# --- completions


def bash(program, *words):
    """What bash offers for the last of the words."""
    function = "_freshet" if program == "freshet" else "_freshet_service"
    line = " ".join(f"'{word}'" for word in (program, *words))
    return output("bash", "-c", f"source '{os.path.join(PLACE, 'bash', program)}'; COMP_WORDS=({line}); "
                  f"COMP_CWORD={len(words)}; {function}; printf '%s\\n' \"${{COMPREPLY[@]}}\"").split()


def forms(options):
    """As completions have them: --name= where a value follows."""
    return sorted(f"{name}=" if value and name.startswith("--") else name for name, value in options.items())


def test_bash_completes_commands():
    assert sorted(bash("freshet", "")) == sorted([*commands(), "help", "--help", "--version"])
    assert bash("freshet", "wat") == ["watch"] and bash("freshet", "topic", "ch") == ["check"]
    assert sorted(bash("freshet", "help", "")) == sorted([*commands(), "exit-codes"])


@pytest.mark.parametrize("command", commands())
def test_bash_completes_options(command):
    assert sorted(bash("freshet", command, "-")) == forms(helped("freshet", command))


@pytest.mark.parametrize("service", SERVICES)
def test_bash_completes_services(service):
    assert sorted(bash(service, "-")) == forms(helped(service))


def test_bash_completes_files(tmp_path):
    (tmp_path / "stub.yaml").touch()
    start = f"{tmp_path}/st"
    for words in (("status", "-c", start), ("status", "--config", "=", start), ("publish", start)):
        assert bash("freshet", *words) == [f"{tmp_path}/stub.yaml"]


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish")
@pytest.mark.parametrize("command", commands())
def test_fish_completes_options(command):
    found = {}
    for line in read("fish", "freshet.fish").splitlines():
        if f"__fish_seen_subcommand_from {command}'" not in line:
            continue
        value = " -x " in line or " -r -F " in line
        for pattern, dash in ((r" -l ([a-z-]+)", "--"), (r" -s (\w)", "-")):
            name = re.search(pattern, line.split(" -d '")[0])
            if name:
                found[f"{dash}{name[1]}"] = value
    assert found == helped("freshet", command)
    source = f"source '{os.path.join(PLACE, 'fish', 'freshet.fish')}'; complete -C 'freshet {command} --'"
    offered = {line.split("\t")[0].rstrip("=") for line in output("fish", "-c", source).splitlines()}
    assert offered >= {name for name in found if name.startswith("--")}


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh")
@pytest.mark.parametrize("command", commands())
def test_zsh_has_the_options(command):
    text = read("zsh", "_freshet")
    part = re.search(rf"^    {command}\)\n(.*?)^        ;;", text, re.M | re.S)[1]
    found = {}
    for letter, sign, name, equals in re.findall(r"'\{-(\w)(\+?),--([a-z-]+)(=?)\}'", part):
        assert bool(sign) == bool(equals)
        found.update({f"-{letter}": bool(equals), f"--{name}": bool(equals)})
    found.update({f"--{name}": bool(equals) for name, equals in re.findall(r"^        '--([a-z-]+)(=?)\[", part, re.M)})
    assert found == helped("freshet", command)


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh")
def test_zsh_reads_them():
    for name in os.listdir(os.path.join(PLACE, "zsh")):
        output("zsh", "-n", os.path.join(PLACE, "zsh", name))
