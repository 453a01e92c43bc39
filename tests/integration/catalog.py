"""Catalog zones (RFC 9432), made by Knot of the zones that it has, or written to a log by hand."""

import json
import os
import shutil
import uuid

import dns.exception
import dns.message
import dns.query

import changes
import kafka_cluster
import knot
import process

NAME = "catalog.example."
SOA = "invalid. invalid. {} 3600 600 86400 0"

CONFIG = knot.SERVER + """control:
    listen: {directory}/knot.sock
acl:
  - id: local
    address: 127.0.0.1
    action: [update, transfer]
remote:
  - id: follower
    address: {notify}
template:
  - id: default
    storage: {directory}
    acl: local
    notify: follower
    zonefile-sync: -1
    journal-content: changes
zone:
  - domain: {catalog}
    catalog-role: generate
"""

MEMBER = """  - domain: {name}
    file: {name}zone
    catalog-role: member
    catalog-zone: {catalog}
"""


class Producer:
    """A knotd that makes the catalog of its zones; `members`: name -> group, or None. Each zone has www 3600 A 192.0.2.1."""

    def __init__(self, members, notify):
        self.directory = process.run_directory("producer")
        self.address = ("127.0.0.1", process.free_port())
        self.members = dict(members)
        self._notify = notify
        os.mkdir(os.path.join(self.directory, "db"))
        self._write()
        self._process = process.Process("knotd", ["/usr/sbin/knotd", "-c", self._path("knot.conf")], self.directory)
        try:
            self._process.wait_ready(lambda: self.serial() is not None, within=15)
        except BaseException:
            self.stop()
            raise

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _write(self):
        for name in self.members:
            with open(self._path(f"{name}zone"), "w", encoding="ascii") as file:
                file.write(knot.HEAD.format(zone=name, serial=1) + "www 3600 A 192.0.2.1\n")
        with open(self._path("knot.conf"), "w", encoding="ascii") as file:
            file.write(CONFIG.format(directory=self.directory, port=self.address[1], catalog=NAME,
                                     notify=f"{self._notify[0]}@{self._notify[1]}"))
            for name, group in self.members.items():
                file.write(MEMBER.format(name=name, catalog=NAME))
                if group:
                    file.write(f"    catalog-group: {group}\n")

    def set(self, members):
        """These are its members from here on."""
        self.members = dict(members)
        self._write()
        knot.Knot.control(self, "reload")

    def serial(self, zone=NAME):
        """Over TCP: a catalog's SOA is refused by UDP."""
        query = dns.message.make_query(zone, "SOA")
        query.flags = 0
        try:
            reply = dns.query.tcp(query, self.address[0], timeout=2, port=self.address[1])
        except (dns.exception.Timeout, OSError, EOFError):
            return None
        return reply.answer[0][0].serial if reply.answer else None

    def apply(self, zone, change_list):
        """As Knot.apply()."""
        knot.Knot.apply(self, zone, change_list)

    _add_change = staticmethod(knot.Knot._add_change)  # pylint: disable=protected-access

    @property
    def pid(self):
        return self._process.pid

    def stop(self):
        self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Log:
    """A topic of updates and one of snapshots, of the test's own; in it, to begin with, a catalog without members."""

    def __init__(self, kafka, cli, name=NAME):
        self.name, self.serial = name, 1
        self.cli = cli
        self.updates = kafka.topic()
        self.snapshots = kafka_cluster.Topic(kafka, f"dns.snapshots.{uuid.uuid4().hex[:12]}", 2)
        self.begin(name)

    def begin(self, name, *more):
        """A catalog, with its snapshot."""
        self.updates.publish(name, [changes.set_(name, "SOA", 0, SOA.format(1)), changes.set_(name, "NS", 0, "invalid."),
                                    changes.set_(f"version.{name}", "TXT", 0, '"2"'), *more], serial=1)
        self.snapshot(name, "--from-beginning")

    def snapshot(self, zone, *arguments):
        done = self.cli("snapshot", zone, "--brokers", self.updates.bootstrap, "--topic", self.updates.name,
                        "--snapshots", self.snapshots.name, "--json", *arguments)
        assert done.code == 0, done.stderr
        return json.loads(done.stdout)

    def node(self, label):
        return f"{label}.zones.{self.name}"

    def change(self, *change_list):
        """One change set of the catalog, under the next serial, which it returns."""
        self.serial += 1
        soa = changes.set_(self.name, "SOA", 0, SOA.format(self.serial))
        self.updates.publish(self.name, [*change_list, soa], serial=self.serial)
        return self.serial

    def add(self, label, zone):
        return self.change(changes.set_(self.node(label), "PTR", 0, zone))

    def remove(self, label):
        return self.change(changes.delete(self.node(label)))

    def delete(self):
        self.updates.delete()
        self.snapshots.delete()
