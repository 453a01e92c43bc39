"""What processes use, from /proc and from the kernel's sockets."""

import os
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of all threads, so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def busy_seconds():
    """Of all processors, whoever used them."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(text) for text in file.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK


def socket_bytes(address):
    """Connections of a server, and the bytes it has sent and had acknowledged on them, so far."""
    port = address.rsplit(":", 1)[1]
    text = subprocess.run(["ss", "-tinH", "state", "established", f"sport = :{port}"], text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    words = text.split()
    return (sum(word.startswith("cubic") or word.startswith("reno") or word.startswith("bbr")
                for word in words),
            sum(int(word[12:]) for word in words if word.startswith("bytes_acked:")))


class Usage:
    """One look at everything."""

    def __init__(self, subscribers, broker, address):
        self.connections, self.sent = socket_bytes(address)
        self.at = time.monotonic()
        self.subscribers = sum(map(cpu_seconds, subscribers))
        self.broker = cpu_seconds(broker)
        self.busy = busy_seconds()

    def until(self, later):
        """Seconds of the clock and of processors, bytes, and the connections there are."""
        spent = {key: round(getattr(later, key) - getattr(self, key), 3)
                 for key in ("subscribers", "broker", "sent", "busy")}
        spent["seconds"] = round(later.at - self.at, 3)
        spent["others"] = max(0, round(spent["busy"] - spent["subscribers"] - spent["broker"], 3))
        spent["connections"] = later.connections
        return spent


class Threads:
    """Time and waits of a process's threads, by name."""

    def __init__(self, pid):
        self.at = time.monotonic()
        self.by_name = {}
        for tid in os.listdir(f"/proc/{pid}/task"):
            task = f"/proc/{pid}/task/{tid}"
            with open(f"{task}/comm", encoding="ascii") as file:
                row = self.by_name.setdefault(file.read().strip(), [0, 0, 0])
            with open(f"{task}/schedstat", encoding="ascii") as file:
                row[1] += int(file.read().split()[0]) / 1000
            row[0] += 1
            row[2] += _field(f"{task}/status", "voluntary_ctxt_switches")

    def until(self, later, instances):
        """For one instance, by name of thread."""
        scale = 1 / (later.at - self.at) / instances
        return {name: {"count": round(count / instances, 2),
                       "us_per_s": round((us - self.by_name.get(name, [0, 0, 0])[1]) * scale, 1),
                       "waits_per_s": round((waits - self.by_name.get(name, [0, 0, 0])[2]) * scale, 1)}
                for name, (count, us, waits) in later.by_name.items()}


def _field(path, name):
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    raise KeyError(name)


def sizes(subscribers, broker, count):
    """Memory, threads and descriptors of one instance; memory of the broker."""
    memory = sum(_field(f"/proc/{pid}/smaps_rollup", "Pss") for pid in subscribers)
    threads = sum(_field(f"/proc/{pid}/status", "Threads") for pid in subscribers)
    files = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in subscribers)
    return {"kib": round(memory / count), "threads": round(threads / count, 1),
            "files": round(files / count, 1),
            "broker_mib": round(_field(f"/proc/{broker}/status", "VmRSS") / 1024),
            "processes": len(subscribers)}


def available_memory():
    return _field("/proc/meminfo", "MemAvailable") * 1024


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = next((line.split(":", 1)[1].strip() for line in file
                      if line.startswith("model name")), "unknown")
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) >> 20
    version = subprocess.run(["pkg-config", "--modversion", "rdkafka"], text=True,
                             stdout=subprocess.PIPE, check=True).stdout.strip()
    return f"{os.cpu_count()} cores ({model}), {memory} GiB, librdkafka {version}"
