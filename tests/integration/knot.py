"""A real authority: knotd on a free loopback port, with its own configuration and directory.

    knot = Knot({"example.com.": "www 300 A 192.0.2.1"})
    knot.update("example.com.", [("set", "www", 300, "A", "192.0.2.2")])

Records go in by dynamic update (RFC 2136): one message, applied as a whole, and knotd answers it
only after the new zone is being served. No journal, no writes back to the zone file. With `notify`,
an address, the server there is told of each change.
"""

import os
import shutil
import subprocess

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.update

import process

HEAD = """$ORIGIN {zone}
$TTL 3600
@ 3600 SOA ns1 hostmaster {serial} 3600 900 604800 3600
@ 3600 NS ns1
ns1 3600 A 127.0.0.1
"""

# Of a small server, whatever zones it has; with a directory `db` below its own.
SERVER = """server:
    rundir: {directory}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: {directory}/db
    journal-db-max-size: 16M
    kasp-db-max-size: 5M
    timer-db-max-size: 1M
"""

CONFIG = SERVER + """control:
    listen: {directory}/knot.sock
mod-stats:
  - id: counters
    query-type: on
acl:
  - id: local
    address: 127.0.0.1
    action: [update, transfer]
{remote}template:
  - id: default
    storage: {directory}
    global-module: mod-stats/counters
    acl: local
    zonefile-sync: -1
{journal}zone:
"""

# With `notify`: who is told of changes, and may have them as differences.
REMOTE = """remote:
  - id: follower
    address: {}@{}
"""
NOTIFY = """    notify: follower
    journal-content: changes
"""


def _absolute(name):
    return name if name.endswith(".") else name + "."


class Knot:
    """One knotd. `zones`: zone name -> records in zone-file text, relative to the zone.

    A zone without a SOA of its own gets a SOA (serial 1), an NS and that server's address.
    """

    def __init__(self, zones, serial=1, notify=None):
        self.directory = process.run_directory("knot")
        self._notify = {"remote": REMOTE.format(*notify), "journal": NOTIFY} if notify else {
            "remote": "", "journal": "    journal-content: none\n"}
        self.address = ("127.0.0.1", process.free_port())
        os.mkdir(self._path("db"))
        self.zones = [_absolute(zone) for zone in zones]
        for zone, text in zones.items():
            self._write_zone(_absolute(zone), text, serial)
        self._write_config()
        self._process = process.Process(
            "knotd", ["/usr/sbin/knotd", "-c", self._path("knot.conf")], self.directory)
        self._probes = 0
        try:
            self._process.wait_ready(self._serves_all, within=15)
            self._probes = self.query_count("SOA")
        except BaseException:
            self.stop()
            raise

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _write_zone(self, zone, text, serial):
        head = "" if " SOA " in text else HEAD.format(zone=zone, serial=serial)
        with open(self._path(f"{zone}zone"), "w", encoding="ascii") as file:
            file.write(f"{head}{text}\n")

    def _write_config(self):
        with open(self._path("knot.conf"), "w", encoding="ascii") as file:
            file.write(CONFIG.format(directory=self.directory, port=self.address[1],
                                     **self._notify))
            for zone in self.zones:
                file.write(f"  - domain: {zone}\n    file: {zone}zone\n")

    def _serves_all(self):
        """A zone counts when its SOA comes back: knotd listens before its zones are loaded."""
        try:
            self.control("status")  # its socket is there before it is listened on
        except RuntimeError:
            return False
        return all(self._has_zone(zone) for zone in self.zones)

    def _has_zone(self, zone):
        query = dns.message.make_query(zone, "SOA")
        try:
            reply = dns.query.udp(query, self.address[0], timeout=0.2, port=self.address[1])
        except (dns.exception.Timeout, OSError):
            return False
        return bool(reply.answer)

    def control(self, *arguments):
        """Runs knotc, blocking until done, and returns its output."""
        argv = ["/usr/sbin/knotc", "-x", "-b", "-s", self._path("knot.sock"), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"knotc {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def update(self, zone, changes):
        """Applies all of `changes` as one update and returns the zone's new SOA serial.

        ("add", name, ttl, type, rdata...)   adds to the RRset
        ("set", name, ttl, type, rdata...)   replaces the RRset
        ("del", name[, type[, rdata...]])    removes the name, the RRset, or the records

        Names are relative to the zone unless they end in a dot. A SOA in `changes` sets the serial.
        """
        self.apply(zone, changes)
        return self.serial(zone)

    def apply(self, zone, changes):
        """update() without a look at the serial, which takes longer than all the rest."""
        message = dns.update.UpdateMessage(_absolute(zone))
        for op, name, *rest in changes:
            self._add_change(message, op, name, rest)
        reply = dns.query.tcp(message, self.address[0], timeout=10, port=self.address[1])
        if reply.rcode() != dns.rcode.NOERROR:
            raise RuntimeError(f"update of {zone}: {dns.rcode.to_text(reply.rcode())}\n{message}")

    @staticmethod
    def _add_change(message, op, name, rest):
        if op == "del":
            message.delete(name, *rest)
            return
        ttl, rtype, *rdata = rest
        kind = dns.rdatatype.from_text(rtype)
        if op == "set":
            message.delete(name, kind)
        elif op != "add":
            raise ValueError(f"op {op}")
        for text in rdata:
            message.add(name, ttl, kind, text)

    def serial(self, zone):
        """The SOA serial being served; read over the control socket, so no query is counted."""
        soa = self.control("zone-read", _absolute(zone), "@", "SOA")
        return int(soa.split(" SOA ")[1].split()[2])

    def reload(self, zone, text):
        """Replaces the whole zone by new zone-file text, under a higher serial, the result."""
        zone = _absolute(zone)
        self._write_zone(zone, text, self.serial(zone) + 1)
        self.control("zone-reload", zone)
        return self.serial(zone)

    def query_count(self, rtype=None):
        """How many queries it got since it was ready: of all types, or of one ("A"). Updates do not
        count, nor do the calls made here."""
        wanted = f"query-type[{rtype}]" if rtype else "server-operation[query]"
        for line in self.control("stats", "mod-stats").splitlines():
            key, _, value = line.partition(" = ")
            if key == f"mod-stats.{wanted}":
                return int(value) - (self._probes if rtype in (None, "SOA") else 0)
        return 0

    @property
    def log(self):
        return self._process.output()

    @property
    def pid(self):
        return self._process.pid

    def stop(self):
        self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
