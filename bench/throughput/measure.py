"""One measurement: the generator against a server, and the processor time both took meanwhile.

Total CPU time is the scheduler's, to the nanosecond, of every thread of the server. The kernel
charges the network work that a send sets off to whoever sends, so a server's figure has the
delivery of its replies, and the generator's that of the queries; and its split of a process's time
in user and system leaves that work out. So the split is taken from the ticks of the server's core,
where nobody else runs.
"""

import contextlib
import json
import os
import subprocess
import sys

import freshet
import peers
import usage

TICK_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


def group(pid):
    """The processes of a server: itself, and what it forked (dnsmasq does, per connection)."""
    members = [pid]
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == pid:
            continue
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(int(entry)) == pid:
                members.append(int(entry))
    return members


def cpu_seconds(pid):
    """What all threads of a server have run so far, and the children that it has waited for."""
    total = sum(usage.cpu_times(pid)[2:])
    for member in group(pid):
        with contextlib.suppress(FileNotFoundError):
            total += sum(seconds for _, _, seconds, _ in usage.threads(member))
    return total


def core_ticks():
    """core ("0") -> field -> ticks."""
    cores = {}
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            name, *values = line.split()
            if name.startswith("cpu") and name != "cpu":
                cores[name[3:]] = dict(zip(TICK_FIELDS, map(int, values)))
    return cores


def ticks_between(before, after):
    return {core: {field: after[core][field] - before[core][field] for field in TICK_FIELDS}
            for core in before}


def busy_share(ticks):
    total = sum(ticks.values())
    return 1 - (ticks["idle"] + ticks["iowait"] + ticks["steal"]) / total if total else 0.0


def echo(cores, drop_every=None):
    server = peers.Child("echo", [freshet.program("throughput/echo"), "--port={port}",
                                  *([f"--drop={drop_every}"] if drop_every else [])], cores=cores)
    server.echoes = True
    return server


def authority(cores):
    return peers.Child("authority", [freshet.program("throughput/authority"), "--port={port}"], cores=cores)


class Load:
    """The generator, on cores of its own."""

    def __init__(self, cores, edns=False, real_time=False):
        self._argv = ["taskset", "-c", ",".join(map(str, cores)), freshet.program("throughput/load")]
        if real_time:
            self._argv = [*real_time_prefix(), *self._argv]
        self._common = ["--edns"] if edns else []
        self._next_unique = 0

    def __call__(self, server, seconds, *options):
        """What load printed, as a dict. Unique names are new in every call."""
        argv = [*self._argv, f"--server={server.address[0]}:{server.address[1]}",
                f"--seconds={seconds:.3f}", f"--first-unique={self._next_unique}",
                *(["--echo"] if server.echoes else []), *self._common, *options]
        self._next_unique += 1 << 32
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 60,
                              check=False)
        if done.returncode:
            raise RuntimeError(f"load against {server.name}: {done.stderr.strip()}")
        return json.loads(done.stdout)


def real_time_prefix():
    """What gives a command precedence over all others on its core, where that is allowed."""
    prefix = ["chrt", "--fifo", "10"]
    allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    return prefix if allowed else []


def measure(load, server, others, seconds, *options):
    """The load's dict with `cpu`: seconds of the server and of `others` (name -> pid), core ticks.

    A stop of the whole machine by its host shows as nothing but time; it is in the latencies, and
    medians are there for that.
    """
    before = {name: cpu_seconds(pid) for name, pid in others.items()}
    server_before, ticks_before = cpu_seconds(server.pid), core_ticks()
    result = load(server, seconds, *options)
    ticks = ticks_between(ticks_before, core_ticks())
    result["cpu"] = {
        "server_s": cpu_seconds(server.pid) - server_before,
        "others_s": {name: cpu_seconds(pid) - before[name] for name, pid in others.items()},
        "ticks": ticks,
        "busy": {core: busy_share(ticks[core]) for core in ticks},
    }
    return result


def warm(load, server, known, *options):
    """Has every known name asked for until all were answered; how many rounds that took."""
    for attempt in range(1, 6):
        result = load(server, 30, "--order=each", f"--known={known}", f"--limit={known}",
                      "--window=64", *options)
        if result["good"] == known:
            return attempt
    print(f"  {server.name}: of {known} names only {result['good']} were answered",
          file=sys.stderr)
    return attempt
