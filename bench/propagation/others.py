"""The other ways to keep answers fresh, set up as their manuals say: at their defaults, and tuned.

    Primary               Knot, to be changed by dynamic updates; sends NOTIFY
    unbound_auth()        Unbound with the zone as an auth-zone: NOTIFY, SOA, IXFR
    bind_secondary()      BIND as a secondary: the same
    recursor()            PowerDNS Recursor, which forgets the zone at each NOTIFY
    unbound_flush()       Unbound that a script tells to flush each name that changed (script.py)

"Defaults" are the packages' own, with no more than it takes to run on a free loopback port, under
whoever runs the benchmark. What "tuned" changes is in the TUNED texts and in the page.
"""

import os
import shutil
import subprocess
import sys

import dns.exception
import dns.message
import dns.query

import process

HERE = os.path.dirname(os.path.abspath(__file__))
READY_WITHIN = 15.0  # seconds

ZONE_HEAD = """$ORIGIN {zone}
$TTL {ttl}
@ SOA ns1 hostmaster 1 3600 900 604800 {ttl}
@ NS ns1
ns1 A 127.0.0.1
"""

KNOT = """server:
    rundir: {directory}
    listen: 127.0.0.1@{port}
control:
    listen: {directory}/knot.sock
log:
  - target: stderr
    any: warning
database:
    storage: {directory}/db
{tuned_journal}mod-stats:
  - id: counters
    server-operation: on
remote:
  - id: cache
    address: 127.0.0.1@{cache_port}
acl:
  - id: local
    address: 127.0.0.1
    action: [update, transfer, notify]
zone:
  - domain: {zone}
    storage: {directory}
    file: zone
    module: mod-stats/counters
    notify: cache
    acl: local
{tuned}"""

# Not to write the zone file after each change, nor to wait for the disk.
KNOT_TUNED = "    zonefile-sync: -1\n"
KNOT_TUNED_JOURNAL = "    journal-db-mode: asynchronous\n"
TUNED_PRIMARY = ("Knot: zonefile-sync -1, journal-db-mode asynchronous, and NOTIFY is sent by the "
                 "publisher as soon as Knot has answered (Knot itself sends it once a second)")

UNBOUND = """server:
    interface: 127.0.0.1
    port: {port}
    directory: "{directory}"
    chroot: ""
    username: ""
    pidfile: ""
    do-daemonize: no
    use-syslog: no
    module-config: "iterator"     # the zone is not signed
    do-not-query-localhost: no    # where the authority is
{tuned}remote-control:
    control-enable: yes
    control-interface: "{directory}/control.sock"
    control-use-cert: no
{zone_part}"""
UNBOUND_TUNED = "    so-rcvbuf: 4m\n    so-sndbuf: 4m\n"
AUTH_ZONE = """auth-zone:
    name: "{zone}"
    primary: 127.0.0.1@{authority}
"""
FORWARD_ZONE = """forward-zone:
    name: "{zone}"
    forward-addr: 127.0.0.1@{authority}
"""

BIND = """options {{
    directory "{directory}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    dnssec-validation no;
    {tuned}
}};
controls {{ }};
zone "{zone}" {{
    type secondary;
    file "zone.db";
    primaries {{ 127.0.0.1 port {authority}; }};
}};
"""
BIND_TUNED = "serial-query-rate 1000; notify no; transfers-per-ns 100; transfers-in 100;"

RECURSOR = """local-address=127.0.0.1
local-port={port}
socket-dir={directory}
daemon=no
disable-syslog=yes
write-pid=no
forward-zones={zone}=127.0.0.1:{authority}
# where the authority is, and what it answers with, are not asked about by default
dont-query=
dnssec=off
# no root servers here, and no polling for advisories
hint-file=no
security-poll-suffix=
allow-from=127.0.0.0/8
allow-notify-from=127.0.0.0/8
allow-notify-for={zone}
{tuned}
"""
RECURSOR_TUNED = "threads=1\npdns-distributes-queries=no\ndisable-packetcache=yes\n"

TUNED = {"unbound-auth": TUNED_PRIMARY + "; Unbound: so-rcvbuf and so-sndbuf 4m",
         "bind": TUNED_PRIMARY + "; BIND: " + BIND_TUNED.rstrip(";"),
         "recursor": TUNED_PRIMARY + "; Recursor: threads=1, disable-packetcache",
         "unbound-flush": "the script speaks to Unbound's control socket itself, and starts no "
                          "unbound-control; so-rcvbuf and so-sndbuf 4m"}


def answers(address, name):
    """Whether a server there has an answer."""
    query = dns.message.make_query(name, "A")
    try:
        reply = dns.query.udp(query, address[0], timeout=0.2, port=address[1])
    except (dns.exception.DNSException, OSError):
        return False
    return bool(reply.answer)


class Server:
    """One server and its directory, at an address that was chosen before."""

    def __init__(self, name, config, file_name, argv, port, **fields):
        self.name, self.address = name, ("127.0.0.1", port)
        self.directory = process.run_directory(name)
        self._process = None
        self._path = os.path.join(self.directory, file_name)
        fields.update(port=port, directory=self.directory)
        with open(self._path, "w", encoding="ascii") as file:
            file.write(config.format(**fields))
        self._argv = [word.format(path=self._path, directory=self.directory) for word in argv]

    def start(self, ready):
        try:
            self._process = process.Process(self.name, self._argv, self.directory)
            self._process.wait_ready(ready, READY_WITHIN)
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def pid(self):
        return self._process.pid

    @property
    def control(self):
        return os.path.join(self.directory, "control.sock")

    def tail(self):
        return self._process.tail()

    def stop(self):
        if self._process:
            self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def first_address(number):
    """What the probe calls version number + 1, the first of this name."""
    version = number + 1
    return f"10.{version >> 16 & 255}.{version >> 8 & 255}.{version & 255}"


class Primary(Server):
    """Knot with all names of the zone, at their first versions."""

    def __init__(self, zone, names, ttl, cache_port, tuned):
        super().__init__("knotd", KNOT, "knot.conf", ["/usr/sbin/knotd", "-c", "{path}"],
                         process.free_port(), zone=zone, cache_port=cache_port,
                         tuned=KNOT_TUNED if tuned else "",
                         tuned_journal=KNOT_TUNED_JOURNAL if tuned else "")
        self._zone = zone
        os.mkdir(os.path.join(self.directory, "db"))
        with open(os.path.join(self.directory, "zone"), "w", encoding="ascii") as file:
            file.write(ZONE_HEAD.format(zone=zone, ttl=ttl))
            file.writelines(f"n{n:05} A {first_address(n)}\n" for n in range(names))
        self.start(lambda: answers(self.address, f"n00000.{zone}"))

    def operations(self):
        """What it was asked: "query", "ixfr", "notify", ... -> how often."""
        done = subprocess.run(["/usr/sbin/knotc", "-s", os.path.join(self.directory, "knot.sock"),
                               "zone-stats", self._zone, "mod-stats"],
                              capture_output=True, text=True, timeout=20, check=False)
        found = {}
        for line in done.stdout.splitlines():
            key, _, value = line.partition(" = ")
            if "server-operation[" in key and value.strip().isdigit():
                found[key[key.rindex("[") + 1:key.rindex("]")]] = int(value)
        return found


def unbound(port, zone, authority, zone_part, tuned):
    server = Server("unbound", UNBOUND, "unbound.conf",
                    ["/usr/sbin/unbound", "-d", "-p", "-c", "{path}"], port,
                    zone_part=zone_part.format(zone=zone, authority=authority),
                    tuned=UNBOUND_TUNED if tuned else "")
    return server


def unbound_auth(port, zone, primary, tuned):
    server = unbound(port, zone, primary, AUTH_ZONE, tuned)
    return server.start(lambda: answers(server.address, f"n00000.{zone}"))


def unbound_flush(port, zone, authority, tuned):
    """The authority is not there yet: ready when its control socket is."""
    server = unbound(port, zone, authority, FORWARD_ZONE, tuned)
    return server.start(lambda: os.path.exists(server.control))


def bind_secondary(port, zone, primary, tuned):
    server = Server("named", BIND, "named.conf", ["/usr/sbin/named", "-g", "-c", "{path}"], port,
                    zone=zone.rstrip("."), authority=primary, tuned=BIND_TUNED if tuned else "")
    return server.start(lambda: answers(server.address, f"n00000.{zone}"))


def recursor(port, zone, primary, tuned):
    server = Server("recursor", RECURSOR, "recursor.conf",
                    ["/usr/sbin/pdns_recursor", "--config-dir={directory}"], port, zone=zone,
                    authority=primary, tuned=RECURSOR_TUNED if tuned else "")
    return server.start(lambda: answers(server.address, f"n00000.{zone}"))


class Script:
    """script.py as a child: tells Unbound of what the topic has."""

    def __init__(self, topic, server, tuned):
        words = [sys.executable, os.path.join(HERE, "script.py"), "--brokers", topic.bootstrap,
                 "--topic", topic.name, "--control", server.control,
                 "--config", os.path.join(server.directory, "unbound.conf")]
        self._process = process.Process("script", words + (["--direct"] if tuned else []))
        try:
            self._process.wait_ready(lambda: "ready" in self._process.output("stdout"),
                                     READY_WITHIN)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self):
        return self._process.pid

    def stop(self):
        self._process.stop()
