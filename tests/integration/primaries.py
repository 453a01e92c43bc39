"""Primary servers of one zone, each changed by its own means, that tell an origin of it (NOTIFY) and hand it out (IXFR, AXFR).

    primary = Bind("example.com.", notify=("127.0.0.1", 5300))
    primary.change(7)            # host7 gets an address, and the serial goes up
    primary.address, primary.stop()

`key`: ("hmac-sha256", "name.", base64) with which transfers and NOTIFYs are signed.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess

import dns.message
import dns.query
import dns.rcode
import dns.update

import process

ZONE_TEXT = """$ORIGIN {zone}
$TTL 3600
@ 3600 SOA ns1 hostmaster {serial} {refresh} 1 604800 60
@ 3600 NS ns1
ns1 3600 A 127.0.0.1
www 3600 A 192.0.2.1
*.wild 3600 A 192.0.2.42
a.empty 3600 TXT "one" "two"
{more}
"""


def run(*argv, stdin=None, **options):
    """A command to its end; what it says is in the error if it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


def replace(server, zone, name, address):
    """By UPDATE: an RRset of one address."""
    message = dns.update.UpdateMessage(zone)
    message.replace(name, 3600, "A", address)
    reply = dns.query.udp(message, server[0], timeout=10, port=server[1])
    assert reply.rcode() == dns.rcode.NOERROR, reply


class Primary:
    """What they have in common. Subclasses write a configuration, say how to start, and change."""

    def __init__(self, zone, notify, refresh=3600, key=None, more=""):
        self.zone, self.notify, self.refresh, self.key, self.more = zone, notify, refresh, key, more
        self.directory = process.run_directory(type(self).__name__.lower())
        self.address = ("127.0.0.1", process.free_port())
        self.written = 1  # the serial in the file
        self._process = None
        self.write_zone()
        self.prepare()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)

    def write_zone(self):
        self.write("zone", ZONE_TEXT.format(zone=self.zone, serial=self.written, refresh=self.refresh, more=self.more))

    def start(self):
        self._process = process.Process(type(self).__name__, self.command(), self.directory)
        self._process.wait_ready(lambda: self.serial() is not None, within=15)

    def serial(self):
        """As it is served; None: not at all."""
        query = dns.message.make_query(self.zone, "SOA")
        query.flags = 0
        try:
            reply = dns.query.udp(query, self.address[0], timeout=0.5, port=self.address[1])
        except (dns.exception.Timeout, OSError):
            return None
        return reply.answer[0][0].serial if reply.answer else None

    def kill(self):
        self._process.stop(signal.SIGKILL)

    def stop(self):
        if self._process:
            self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def pid(self):
        return self._process.pid

    @property
    def log(self):
        return self._process.output()

    def update(self, *lines):
        """nsupdate: one UPDATE."""
        text = "\n".join([f"server {self.address[0]} {self.address[1]}", f"zone {self.zone}", *lines, "send\n"])
        run("nsupdate", stdin=text)

    def replace(self, name, address):
        """An RRset of one address, quickly and by the primary's own means; returns once it is acknowledged."""
        replace(self.address, self.zone, name, address)

    def host(self, number):
        return f"host{number}.{self.zone} 3600 A 198.51.{number // 250 % 250}.{number % 250}"

    # the subclasses'
    def prepare(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def change(self, number):
        raise NotImplementedError


class Bind(Primary):
    """named, changed by UPDATE; all hosts that were added are removed again every fifth time."""

    def prepare(self):
        secret = f'key "{self.key[1]}" {{ algorithm {self.key[0]}; secret "{self.key[2]}"; }};' if self.key else ""
        by = f' key "{self.key[1]}"' if self.key else ""
        allow = f'key "{self.key[1]}"' if self.key else "127.0.0.1"
        self.write("named.conf", f"""
{secret}
options {{
    directory "{self.directory}"; pid-file "{self.path('pid')}"; session-keyfile "{self.path('session.key')}";
    listen-on port {self.address[1]} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; dnssec-validation no; notify-delay 0; notify-rate 10000; startup-notify-rate 10000;
    serial-query-rate 10000; tcp-idle-timeout 1200; max-journal-size 50m; empty-zones-enable no;
}};
controls {{ }};
zone "{self.zone}" {{
    type primary; file "zone"; notify explicit; also-notify {{ {self.notify[0]} port {self.notify[1]}{by}; }};
    allow-update {{ 127.0.0.1; }}; allow-transfer {{ {allow}; }}; ixfr-from-differences yes; max-ixfr-ratio unlimited;
}};
""")

    def command(self):
        return ["/usr/sbin/named", "-g", "-n", "1", "-c", self.path("named.conf")]

    def change(self, number):
        if number % 5 == 4:
            self.update(f"update delete host{number - 1}.{self.zone}")
        else:
            self.update(f"update add {self.host(number)}")


class Knot(Primary):
    """knotd, changed by its control tool and by UPDATE in turn."""

    def prepare(self):
        os.mkdir(self.path("db"))
        keys = f"key:\n  - id: {self.key[1]}\n    algorithm: {self.key[0]}\n    secret: {self.key[2]}\n" if self.key else ""
        by = f"    key: {self.key[1]}\n" if self.key else ""
        self.write("knot.conf", f"""
server:
    rundir: {self.directory}
    listen: 127.0.0.1@{self.address[1]}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
control:
    listen: {self.path("knot.sock")}
database:
    storage: {self.path("db")}
    journal-db-max-size: 64M
    kasp-db-max-size: 5M
    timer-db-max-size: 1M
{keys}
remote:
  - id: origin
    address: {self.notify[0]}@{self.notify[1]}
{by}
acl:
  - id: updates
    address: 127.0.0.1
    action: update
  - id: transfers
    address: 127.0.0.1
    action: transfer
{by}
zone:
  - domain: {self.zone}
    storage: {self.directory}
    file: zone
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: changes
    journal-max-depth: 10000
    notify: origin
    acl: [updates, transfers]
""")

    def command(self):
        return ["/usr/sbin/knotd", "-c", self.path("knot.conf")]

    def control(self, *arguments):
        return run("/usr/sbin/knotc", "-b", "-s", self.path("knot.sock"), *arguments)

    def change(self, number):
        if number % 2:
            self.update(f"update add {self.host(number)}")
            return
        owner, *rest = self.host(number).split()
        self.control("zone-begin", self.zone)
        self.control("zone-set", self.zone, owner, *rest)
        self.control("zone-commit", self.zone)

    def reload(self, more):
        """The zone of the file, with other records."""
        self.written, self.more = self.serial() + 1, more
        self.write_zone()
        self.control("zone-reload", self.zone)
        process.eventually(lambda: self.serial() == self.written, within=20, what="the zone is loaded")


class Nsd(Primary):
    """nsd, changed by its zone file and a reload."""

    served = 0

    def serial(self):
        """The newest there was: after a reload its processes of before may answer for a moment more."""
        serial = super().serial()
        self.served = max(self.served, serial or 0)
        return serial and self.served

    def prepare(self):
        keys = f"key:\n    name: {self.key[1]}\n    algorithm: {self.key[0]}\n    secret: {self.key[2]}\n" if self.key else ""
        by = self.key[1] if self.key else "NOKEY"
        self.write("nsd.conf", f"""
server:
    ip-address: 127.0.0.1@{self.address[1]}
    zonesdir: "{self.directory}"
    database: ""
    pidfile: "{self.path('pid')}"
    xfrdfile: "{self.path('xfrd.state')}"
    xfrdir: "{self.directory}"
    zonelistfile: "{self.path('zone.list')}"
    cookie-secret-file: "{self.path('cookies')}"
    username: ""
    server-count: 1
    verbosity: 1
    logfile: ""
    xfrd-reload-timeout: 0
    rrl-ratelimit: 0
remote-control:
    control-enable: yes
    control-interface: {self.path("nsd.sock")}
{keys}
zone:
    name: {self.zone}
    zonefile: zone
    notify: {self.notify[0]}@{self.notify[1]} {by}
    notify-retry: 5
    provide-xfr: 127.0.0.1 {by}
    store-ixfr: yes
    create-ixfr: yes
    ixfr-number: 5
""")

    def command(self):
        return ["/usr/sbin/nsd", "-d", "-c", self.path("nsd.conf")]

    def replace(self, name, address):
        lines = [line for line in self.more.splitlines() if not line.startswith(name + " ")]
        self.more = "\n".join([*lines, f"{name} 3600 A {address}"])
        self.load()

    def change(self, number):
        self.more += f"\n{self.host(number)}"
        self.load()

    def load(self):
        self.written += 1
        self.write_zone()
        run("/usr/sbin/nsd-control", "-c", self.path("nsd.conf"), "reload", self.zone)
        process.eventually(lambda: self.serial() == self.written, within=10, what="nsd serves what it has read")


class PowerDns(Primary):
    """pdns_server with sqlite, changed by its tool, or by its API."""

    def prepare(self):
        self.api_port = process.free_port()
        self.write("pdns.conf", f"""
launch=gsqlite3
gsqlite3-database={self.path("pdns.sqlite")}
gsqlite3-dnssec=yes
local-address=127.0.0.1
local-port={self.address[1]}
socket-dir={self.directory}
primary=yes
also-notify={self.notify[0]}:{self.notify[1]}
only-notify=
allow-axfr-ips=127.0.0.1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
xfr-cycle-interval=1
default-ttl=3600
setuid=
setgid=
webserver=yes
webserver-address=127.0.0.1
webserver-port={self.api_port}
webserver-loglevel=none
api=yes
api-key=tests
""")
        schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
        run("sqlite3", self.path("pdns.sqlite"), f".read {schema}") if shutil.which("sqlite3") else self._read_schema(schema)
        self.tool("load-zone", self.zone, self.path("zone"))
        self.tool("set-kind", self.zone, "primary")
        self.tool("set-meta", self.zone, "SOA-EDIT-API", "INCREASE")
        if self.key:
            self.tool("import-tsig-key", self.key[1], self.key[0], self.key[2])
            self.tool("activate-tsig-key", self.zone, self.key[1], "primary")

    def _read_schema(self, schema):
        import sqlite3  # pylint: disable=import-outside-toplevel
        with open(schema, encoding="ascii") as file, sqlite3.connect(self.path("pdns.sqlite")) as database:
            database.executescript(file.read())

    def tool(self, *arguments):
        return run("/usr/bin/pdnsutil", "--config-dir", self.directory, *arguments)

    def command(self):
        return ["/usr/sbin/pdns_server", "--config-dir=" + self.directory, "--daemon=no", "--guardian=no"]

    def api(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=10)
        connection.request(method, f"/api/v1/servers/localhost/zones/{self.zone}{path}",
                           body and json.dumps(body), {"X-API-Key": "tests", "Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        assert reply.status < 300, f"{method} {path}: {reply.status} {text}"

    def replace(self, name, address):
        self.api("PATCH", "", {"rrsets": [{"name": f"{name}.{self.zone}", "type": "A", "ttl": 3600, "changetype": "REPLACE",
                                           "records": [{"content": address, "disabled": False}]}]})
        self.api("PUT", "/notify")

    def change(self, number):
        owner, ttl, rtype, rdata = self.host(number).split()
        self.tool("add-record", self.zone, owner.removesuffix("." + self.zone), rtype, ttl, rdata)
        self.tool("increase-serial", self.zone)
        run("/usr/bin/pdns_control", "--config-dir=" + self.directory, "--socket-dir=" + self.directory,
            "notify-host", self.zone, f"{self.notify[0]}:{self.notify[1]}")
