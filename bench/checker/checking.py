"""The checker as a library: started against tiers, watched while a script does harm, and read.

    with Checker(topic, port, [tier("regional", regional), tier("stub", stub, parent="regional")],
                 seconds=0) as checker:
        checker.wait_ready()
        with kafka.paused():
            checker.mark("broker paused")
            time.sleep(10)
        result = checker.stop()
    result["tiers"][0]["violations"]            {} is the bar
    checker.seconds, checker.violations         the timeline; the first traces of each kind

What is judged, and how, is said in judge.h. `make build/checker/checker` builds the program.
"""

import json
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

import freshet  # noqa: E402  pylint: disable=wrong-import-position
import process  # noqa: E402  pylint: disable=wrong-import-position

ZONE = "check.example."
READY_WITHIN = 90.0  # seconds; some thousand names are asked for at each tier first
END_WITHIN = 60.0    # seconds from the last change: late probes, and all names once more


def tier(name, server, parent="", ttl=None, bound_ms=None):
    """One --tier: `server` has an .address, and a .control_path when it is a freshetd.

    A Freshetd that has several tiers is listed once for each; `name` says which.
    """
    addresses = getattr(server, "addresses", {})
    fields = {"name": name,
              "address": freshet.address_text(addresses.get(name, server.address)),
              "control": getattr(server, "control_path", ""), "parent": parent, "ttl": ttl,
              "bound": bound_ms}
    return ",".join(f"{key}={value}" for key, value in fields.items() if value not in ("", None))


def _option(key, value):
    return f"--{key.replace('_', '-')}" + ("" if value is True else f"={value}")


def program():
    return freshet.program("checker/checker")


class Checker:
    """One run. Options are the program's, with _ for -: queries=3000, mix="set=80,flush=20".

    topic           a kafka_cluster.Topic
    authority_port  where the tiers look for the authority; the checker answers there
    tiers           made by tier(), parents first
    told            called with each JSON object as it comes, in another thread
    """

    def __init__(self, topic, authority_port, tiers, told=None, **options):
        self.ready, self.result = None, None
        self.seconds, self.marks, self.violations = [], [], []
        self._told = told
        words = [program(), f"--brokers={topic.bootstrap}", f"--topic={topic.name}",
                 f"--authority-port={authority_port}", f"--zone={ZONE}"]
        words += [f"--tier={text}" for text in tiers]
        for value in topic.consumer_properties:
            words += ["-X", value]
        words += [_option(key, value) for key, value in options.items()
                  if value is not None and value is not False]
        self._child = subprocess.Popen([*process.ORPHAN_GUARD, str(os.getpid()), *words],
                                       cwd=process.ROOT, text=True, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, env=freshet.environment())
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _read(self):
        places = {"second": self.seconds, "mark": self.marks, "violation": self.violations}
        for line in self._child.stdout:
            item = json.loads(line)
            kind = item.pop("type")
            if kind in places:
                places[kind].append(item)
            else:
                setattr(self, kind, item)
            if self._told:
                self._told(kind, item)

    def wait_ready(self, within=READY_WITHIN):
        """Returns when the run has begun."""
        deadline = time.monotonic() + within
        while self.ready is None:
            if self._child.poll() is not None:
                raise RuntimeError(f"the checker ended with {self._child.returncode}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the checker is not ready after {within} s")
            time.sleep(0.01)

    def order(self, text):
        """One of: mark TEXT, lag MS, delay MS, down, up, queries RATE, changes RATE."""
        self._child.stdin.write(text + "\n")
        self._child.stdin.flush()

    def mark(self, text):
        """Puts a note into the timeline."""
        self.order(f"mark {text}")

    def stop(self):
        """Ends the run; the result."""
        self.order("stop")
        return self.wait(END_WITHIN)

    def wait(self, within):
        """The result, once the run is over by itself or by stop()."""
        try:
            code = self._child.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"the checker did not end within {within} s") from None
        self._reader.join()
        if code != 0 or self.result is None:
            raise RuntimeError(f"the checker ended with {code}")
        return self.result

    def kill(self):
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        self._reader.join()
        self._child.stdin.close()
        self._child.stdout.close()

    def record(self):
        """All of it, for a file."""
        return {"result": self.result, "seconds": self.seconds, "marks": self.marks,
                "violations": self.violations, "ready": self.ready}
