"""What processes and the machine use, from /proc; and what machine it is."""

import os
import platform

TICK = os.sysconf("SC_CLK_TCK")


def _read(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def field(path, name):
    """The number behind a name in a file of "name: number" lines."""
    for line in _read(path).splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def cpu_times(pid):
    """User and system time of all threads, and those of the children waited for; seconds."""
    words = _read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return [int(word) / TICK for word in words[11:15]]


def cpu_seconds(pid):
    """User and system time of all its threads."""
    return sum(cpu_times(pid)[:2])


def threads(pid):
    """(name, number, seconds run, waits) of each thread; the seconds are the scheduler's, to the nanosecond."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        task = f"/proc/{pid}/task/{tid}"
        yield (_read(f"{task}/comm").strip(), tid, int(_read(f"{task}/schedstat").split()[0]) / 1e9,
               field(f"{task}/status", "voluntary_ctxt_switches"))


def busy_seconds():
    """Of all processors, whoever used them."""
    words = [int(text) for text in _read("/proc/stat").splitlines()[0].split()[1:9]]
    return (sum(words) - words[3] - words[4]) / TICK


def anonymous(pid):
    """Bytes that the process holds itself, without program text."""
    return field(f"/proc/{pid}/status", "RssAnon") * 1024


def processor():
    model = next((line.split(":", 1)[1].strip() for line in _read("/proc/cpuinfo").splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} x {model}"


def machine():
    return f"{processor()}, {field('/proc/meminfo', 'MemTotal') >> 20} GiB, Linux {platform.release()}"
