"""Pages as a new user follows them: their files and commands as they are written.

Only what stands for something of the reader's own is replaced: addresses that documentation has (RFC 5737), the broker, and
ports that are free here. What is to be replaced has to be there, so a change of the text shows.
"""
import os
import re
import shlex
import subprocess

import freshet
import process
from process import eventually


def section(title, page="README.md"):
    """A page's text from a heading to the next of its rank or higher; a fenced line is no heading."""
    found, inside, fenced = [], False, False
    with open(os.path.join(process.ROOT, page), encoding="utf-8") as file:
        for line in file:
            fenced ^= line.startswith("```")
            heading = None if fenced else re.match(r"#+ ", line)
            if heading and (not inside or len(heading[0]) <= title.index(" ") + 1):
                inside = line.rstrip("\n") == title
            elif inside:
                found.append(line)
    assert found, f"there is no section {title} any more"
    return "".join(found)


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def commands(block):
    """The lines of a shell block, without their comments; what ends in a backslash goes on."""
    lines = block.replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+#\s.*", "", line).strip() for line in lines if line.strip()]


def replaced(text, **by):
    """`by` has what is to be replaced as its values: (what, by what)."""
    for what, instead in by.values():
        assert what in text, f"{what} is not there any more"
        text = text.replace(what, instead)
    return text


class Place:
    """A directory that looks like the clone's root."""

    def __init__(self, tmp_path):
        self.path = str(tmp_path)
        os.symlink(os.path.join(process.ROOT, freshet.build_directory()), tmp_path / "build")
        self._running = []
        self._environment = dict(freshet.environment(), PATH=f"{self.path}/build:{os.environ['PATH']}")

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def run(self, command, stdin="", within=60):
        done = subprocess.run(["sh", "-c", command], cwd=self.path, input=stdin, capture_output=True, text=True, timeout=within,
                              check=False, env=self._environment)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def start(self, command, ready):
        """In the background; ready when `ready` is in what it says."""
        log = os.path.join(self.path, f"log{len(self._running)}")
        with open(log, "wb") as file:
            child = subprocess.Popen(shlex.split(command), cwd=self.path, stdin=subprocess.DEVNULL, stdout=file,
                                     stderr=file, env=self._environment)
        self._running.append(child)

        def said():
            with open(log, encoding="utf-8") as file:
                return file.read()
        eventually(lambda: ready in said(), within=10, what=f"{command} says {ready}")
        return said

    def stop(self):
        for child in reversed(self._running):
            child.terminate()
            assert child.wait(10) in (0, -15)
