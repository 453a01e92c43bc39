"""A publisher as odd as they come (publisher.c): transactions, any partitioner, any compression."""

import subprocess

import changes
import freshet
import process


class Publisher:
    """Each call waits until the broker has acknowledged."""

    def __init__(self, topic, *properties):
        self._answers = 0
        self._process = process.Process(
            "publisher", [freshet.program("tests/publisher"), topic.bootstrap, topic.name, *properties],
            stdin=subprocess.PIPE)
        self._wait()

    def _wait(self):
        self._process.wait_ready(
            lambda: self._process.output("stdout").count("\n") > self._answers, within=30)
        answer = self._process.output("stdout").splitlines()[self._answers]
        self._answers += 1
        assert answer == "ok", answer

    def _command(self, *words):
        self._process.write(" ".join(words) + "\n")
        self._wait()

    def begin(self):
        self._command("begin")

    def commit(self):
        self._command("commit")

    def abort(self):
        self._command("abort")

    def publish(self, zone, change_list, key=None, **fields):
        """One change set, under the zone's key or another; "-" for none."""
        message = changes.change_set(zone, change_list, **fields)
        self._command("send", key or zone, changes.encode(message).decode())

    def fill(self, key, size):
        """A message of so many spaces."""
        self._command("fill", key, str(size))

    def stop(self):
        self._process.stop()
