"""What a step takes, of its processes and of the kernel's sockets."""

import os
import subprocess
import time

import usage


def socket_bytes(address):
    """Connections of a server, and the bytes it has sent and had acknowledged on them, so far."""
    port = address.rsplit(":", 1)[1]
    words = subprocess.run(["ss", "-tinH", "state", "established", f"sport = :{port}"], text=True,
                           stdout=subprocess.PIPE, check=True).stdout.split()
    return (sum(word.startswith(("cubic", "reno", "bbr")) for word in words),
            sum(int(word[12:]) for word in words if word.startswith("bytes_acked:")))


class Usage:
    """One look at everything."""

    def __init__(self, subscribers, broker, address):
        self.connections, self.sent = socket_bytes(address)
        self.at = time.monotonic()
        self.subscribers = sum(map(usage.cpu_seconds, subscribers))
        self.broker = usage.cpu_seconds(broker)
        self.busy = usage.busy_seconds()

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
        for name, _, seconds, waits in usage.threads(pid):
            row = self.by_name.setdefault(name, [0, 0, 0])
            self.by_name[name] = [row[0] + 1, row[1] + seconds * 1e6, row[2] + waits]

    def until(self, later, instances):
        """For one instance, by name of thread."""
        scale = 1 / (later.at - self.at) / instances
        return {name: {"count": round(count / instances, 2),
                       "us_per_s": round((us - self.by_name.get(name, [0, 0, 0])[1]) * scale, 1),
                       "waits_per_s": round((waits - self.by_name.get(name, [0, 0, 0])[2]) * scale, 1)}
                for name, (count, us, waits) in later.by_name.items()}


def sizes(subscribers, broker, count):
    """Memory, threads and descriptors of one instance; memory of the broker."""
    memory = sum(usage.field(f"/proc/{pid}/smaps_rollup", "Pss") for pid in subscribers)
    threads = sum(usage.field(f"/proc/{pid}/status", "Threads") for pid in subscribers)
    files = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in subscribers)
    return {"kib": round(memory / count), "threads": round(threads / count, 1), "files": round(files / count, 1),
            "broker_mib": round(usage.field(f"/proc/{broker}/status", "VmRSS") / 1024),
            "processes": len(subscribers)}
