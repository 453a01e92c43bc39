"""Secondaries as operators have them: BIND, Knot, NSD, and Unbound with an auth-zone, each fed by one primary.

    with Secondary.start("bind", "example.com.", primary) as secondary: ...

Each listens on a free loopback port, takes NOTIFY from the primary and fetches by AXFR and IXFR with a TSIG key.
"""

import os
import shutil

import dns.exception
import dns.message
import dns.query

import knot
import process

KEY_NAME, SECRET = "transfer.", "c2VjcmV0LW9mLXRoZS10ZXN0cy0wMTIzNDU2Nzg5"

BIND = """
key "{key}" {{ algorithm hmac-sha256; secret "{secret}"; }};
options {{
    directory "{directory}"; pid-file none; session-keyfile none;
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; notify no; allow-transfer {{ 127.0.0.1; }};
    min-refresh-time 1; min-retry-time 1;
}};
server {host} {{ keys {{ "{key}"; }}; }};
controls {{ }};
zone "{zone}" {{
    type secondary; file "zone.db"; masterfile-format text;
    primaries {{ {host} port {primary} key "{key}"; }};
}};
"""

KNOT = knot.SERVER + """key:
  - id: {key}
    algorithm: hmac-sha256
    secret: {secret}
remote:
  - id: primary
    address: {host}@{primary}
    key: {key}
acl:
  - id: notify
    address: 127.0.0.1
    action: [notify, transfer]
template:
  - id: default
    storage: {directory}
zone:
  - domain: {zone}
    master: primary
    acl: notify
"""

NSD = """
server:
    ip-address: 127.0.0.1@{port}
    database: ""
    zonesdir: "{directory}"
    zonelistfile: "{directory}/zone.list"
    xfrdfile: "{directory}/xfrd.state"
    xfrdir: "{directory}"
    pidfile: "{directory}/nsd.pid"
    username: ""
    server-count: 1
    xfrd-reload-timeout: 0
remote-control:
    control-enable: no
key:
    name: "{key}"
    algorithm: hmac-sha256
    secret: "{secret}"
zone:
    name: "{zone}"
    zonefile: "zone.db"
    request-xfr: {host}@{primary} {key}
    allow-notify: 127.0.0.1 NOKEY
    provide-xfr: 127.0.0.1 NOKEY
"""

# Unbound has no TSIG: it comes by its address.
UNBOUND = """
server:
    interface: 127.0.0.1@{port}
    directory: "{directory}"
    username: ""
    chroot: ""
    pidfile: ""
    do-daemonize: no
    use-syslog: no
    do-not-query-localhost: no
    num-threads: 1
remote-control:
    control-enable: no
auth-zone:
    name: "{zone}"
    primary: {host}@{primary}
    allow-notify: 127.0.0.1
    for-downstream: yes
    for-upstream: no
    zonefile: "zone.db"
"""

PROGRAMS = {
    "bind": (BIND, ["/usr/sbin/named", "-g", "-c"]),
    "knot": (KNOT, ["/usr/sbin/knotd", "-c"]),
    "nsd": (NSD, ["/usr/sbin/nsd", "-d", "-c"]),
    "unbound": (UNBOUND, ["/usr/sbin/unbound", "-d", "-c"]),
}


class Secondary:
    """One of them; `primary` is an address. Ended with close()."""

    def __init__(self, kind, zone, primary, port):
        self.kind, self.zone = kind, zone
        self.address = ("127.0.0.1", port)
        self.directory = process.run_directory(kind)
        os.mkdir(os.path.join(self.directory, "db"))
        text, argv = PROGRAMS[kind]
        path = os.path.join(self.directory, "conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(text.format(directory=self.directory, port=port, zone=zone, host=primary[0],
                                   primary=primary[1], key=KEY_NAME, secret=SECRET))
        self._process = process.Process(kind, [*argv, path], self.directory)

    def serial(self):
        """Of its SOA; None: it has none yet."""
        try:
            reply = dns.query.udp(dns.message.make_query(self.zone, "SOA"), self.address[0], timeout=1,
                                  port=self.address[1])
        except (dns.exception.Timeout, OSError):
            return None
        return reply.answer[0][0].serial if reply.answer else None

    def output(self):
        return self._process.output("stderr")

    def close(self):
        self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
