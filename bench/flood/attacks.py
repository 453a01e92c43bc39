"""What one client can do to all others: attack(server, seconds) is a process that does it for so long.

Attackers have machines of their own. Here they have the processor when nobody else wants it (SCHED_IDLE), beside the server
and those it is to serve: what these wait for should be the server. What an attacker came to, it says when it ends.
"""

import os
import subprocess
import sys
import time

import freshet

from queries import ATTACKER, SILENT

HERE = os.path.dirname(os.path.abspath(__file__))
DESCRIPTORS = 256


def load(server, *options):
    """The generator of bench/throughput, from an address of its own."""
    return [freshet.program("throughput/load"), f"--server={freshet.address_text(server.address)}", *options]


def attacker(*words):
    return subprocess.Popen(["chrt", "--idle", "0", *map(str, words)], stdout=subprocess.PIPE, text=True)


def random_names(rate):
    """So many names a second that nobody answers for."""
    return lambda server, seconds: attacker(*load(
        server, f"--source={ATTACKER}:0", f"--rate={rate}", "--unique=1", f"--suffix={SILENT}", f"--seconds={seconds}",
        "--timeout=100", "--flows=32", "--burst=16", f"--first-unique={time.time_ns() // 1000 % 10**14}"))


def _python(address, kind, count, seconds):
    return attacker(sys.executable, os.path.join(HERE, "attacker.py"), kind, *address, count, seconds)


def queries(kind, count):
    return lambda server, seconds: _python(server.address, kind, count, seconds)


def requests(kind):
    return lambda server, seconds: _python(server.metrics_address, kind, 1, seconds)


CACHES = ("freshet", "unbound")
ALL = [  # name, attack, descriptors, whom it can be done to
    ("random names, 5,000/s", random_names(5000), None, ("echo", *CACHES)),
    ("random names, 20,000/s", random_names(20000), None, ("echo", *CACHES)),
    ("1,000 connections, one slow query each", queries("slow", 1000), None, CACHES),
    ("1,000 connections that read nothing", queries("unread", 1000), None, CACHES),
    (f"{DESCRIPTORS} descriptors, 1,000 connections", queries("idle", 1000), DESCRIPTORS, CACHES),
    ("65,536 clients wait for one name", queries("one", 65536), None, CACHES),
    ("metrics: endless headers", requests("headers"), None, ("freshet",)),
    ("metrics: endless line", requests("line"), None, ("freshet",)),
    ("metrics: endless body", requests("body"), None, ("freshet",)),
]
