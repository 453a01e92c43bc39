"""Servers with one zone, from a file or from its snapshot: when each had loaded it, and what it takes."""

import os
import time

import dns.exception
import dns.flags
import dns.message
import dns.query

import freshet
import knot
import measure
import peers
import usage

ZONE = "bench.example.com."
LOADED_WITHIN = 120

KNOT = knot.SERVER + """remote:
  - id: primary
    address: 127.0.0.1@{primary}
acl:
  - id: notify
    address: 127.0.0.1
    action: notify
zone:
  - domain: {zone}
    file: {file}
    journal-content: none
    zonefile-sync: -1
{follows}"""
KNOT_FOLLOWS = "    master: primary\n    acl: notify\n"

NSD = """server:
    ip-address: 127.0.0.1@{port}
    server-count: 1
    database: ""
    username: ""
    pidfile: "{directory}/pid"
    zonelistfile: "{directory}/zone.list"
    xfrdfile: "{directory}/xfrd.state"
    xfrdir: "{directory}"
    xfrd-reload-timeout: 0
    zonesdir: "{directory}"
    minimal-responses: yes
    rrl-ratelimit: 0
    send-buffer-size: 4194304
    receive-buffer-size: 4194304
remote-control:
    control-enable: no
zone:
    name: "{zone}"
    zonefile: "{file}"
{follows}"""
NSD_FOLLOWS = "    request-xfr: 127.0.0.1@{primary} NOKEY\n    allow-notify: 127.0.0.1 NOKEY\n"

# title, program, configuration, what it has as a secondary, arguments
PROGRAMS = {"knot": ("Knot DNS", "knotd", KNOT, KNOT_FOLLOWS, ("-c", "{directory}/conf")),
            "nsd": ("NSD", "nsd", NSD, NSD_FOLLOWS, ("-d", "-c", "{directory}/conf"))}
peers.PROGRAMS["nsd"] = ("NSD", "nsd", "conf", NSD, (), "-v")


def serial(address):
    """Of the zone, answered with authority; None if it is not."""
    query = dns.message.make_query(ZONE, "SOA")
    query.flags = 0
    try:
        reply = dns.query.udp(query, address[0], timeout=0.5, port=address[1])
    except (dns.exception.DNSException, OSError):
        return None
    return reply.answer[0][0].serial if reply.answer and reply.flags & dns.flags.AA else None


def has_zone(address):
    return serial(address) is not None


def memory(server):
    """Bytes that its processes hold themselves; what they share counts once."""
    return sum(usage.field(f"/proc/{pid}/smaps_rollup", "Pss_Anon") * 1024 for pid in measure.group(server.pid))


class FromFile(peers.Child):
    """Knot or NSD; the secondary of a primary (its port), if there is one."""

    def __init__(self, key, path, cores=None, primary=None):
        self.title, program, self._config, follows, argv = PROGRAMS[key]
        self.key, self._path, self._primary = key, path, primary
        self._follows = follows.format(primary=primary) if primary else ""
        self._began = time.monotonic()
        super().__init__(key, [peers.find(program), *argv], cores=cores, ready=lambda: has_zone(self.address))
        self.loaded_s = time.monotonic() - self._began

    def _prepare(self):
        os.mkdir(os.path.join(self.directory, "db"))
        with open(os.path.join(self.directory, "conf"), "w", encoding="ascii") as file:
            file.write(self._config.format(directory=self.directory, port=self.address[1], zone=ZONE, file=self._path,
                                           primary=self._primary or 1, follows=self._follows))
        self._began = time.monotonic()


class FromSnapshot:
    """freshetd with the streamed zone of a stock."""

    key, title, name, echoes = "freshet", "freshet", "freshet", False

    def __init__(self, stock, cores=None, size="512MiB"):
        tier = freshet.tier("os", [("127.0.0.1", 9)], size=size)
        tier["routes"] = [{"name": ZONE, "stream": True, "authoritative": True}]
        config = {"tiers": [tier], "workers": 1, "feed": freshet.feed(stock.updates, [ZONE], snapshots=stock.snapshots.name,
                                                                      lease="60s")}
        began = time.monotonic()
        self.daemon = freshet.Freshetd(config, log="info",
                                       prefix=["taskset", "-c", ",".join(map(str, cores))] if cores else [])
        self.address, self.stop = self.daemon.address, self.daemon.close
        deadline = began + LOADED_WITHIN
        while not has_zone(self.address):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the zone was not loaded: {self.streamed()}")
            time.sleep(0.02)
        self.loaded_s = time.monotonic() - began

    @property
    def pid(self):
        return self.daemon.pid

    def streamed(self):
        (zone,) = self.daemon.status()["streamed"]
        return zone
