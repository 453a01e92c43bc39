"""The servers that the benchmarks of speed and memory compare, each tuned for one core.

    freshet     built here; without a feed unless it is given one
    unbound     Unbound
    kresd       Knot Resolver; its cache is an LMDB file
    recursor    PowerDNS Recursor
    named       BIND
    dnsdist     PowerDNS dnsdist, for its packet cache
    dnsmasq     dnsmasq

All forward everything to one upstream on 127.0.0.1 and answer on 127.0.0.1. The same care for each: one
thread for queries, no DNSSEC validation, no logs of queries, no prefetch, no minimised names, caches far larger
than what a benchmark puts there, room for many queries at a time. What differs from the packages' defaults for
another reason has a line that says why.

    server = servers.make("unbound")
    server.start(port, upstream_port, directory, core=0)
    ...
    server.stop()                      # always, also after a start() that failed

`directory` is the caller's, and must be short: unix sockets are made in it.
"""

import os
import re
import shutil
import subprocess

import peers
import process

READY_WITHIN = 20.0  # seconds
BIG = 4 << 30  # bytes; what cache="big" means
ENTRIES = 5_000_000  # the same, where a cache is counted in entries
CLIENTS = 10_000  # queries under way at a time


def mebibytes(size):
    return max(1, size >> 20)


class Server:
    """One server. A subclass says how it is configured and started; `name` is the key in SERVERS."""

    name = title = program = ""
    config_file = "server.conf"
    config = ""
    arguments = ()
    version_arguments = ("--version",)  # and the first thing like a version in what that prints
    version_pattern = r"(\d+\.\d+[\w.\-]*)"
    entries = ENTRIES

    def __init__(self):
        self.address = self.directory = None
        self._process = None

    @property
    def pid(self):
        return self._process.pid

    def start(self, port, upstream_port, directory, core=None, cache="big", entries=None):
        """Ready to answer when it returns. process.NotReady, or OSError when the program is missing.

        core     the CPU that all its threads are bound to; None: any
        cache    "big", or bytes for all of its caches
        entries  the same for those whose caches are counted in entries: dnsdist, dnsmasq, recursor
        """
        self.address = ("127.0.0.1", port)
        self.directory = directory
        values = {"port": port, "upstream": upstream_port, "directory": directory,
                  "size": BIG if cache == "big" else cache, "entries": entries or self.entries,
                  "clients": CLIENTS}
        values["mib"] = mebibytes(values["size"])
        self._write_config(values)
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        self._process = process.Process(
            self.name, [*pinned, self.path(), *(word.format(**values, file=self._config_path())
                                                for word in self.arguments)], directory)
        try:
            self._process.wait_ready(lambda: peers.answers(self.address), READY_WITHIN)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """Ends it, by its pid. Safe to repeat."""
        if self._process:
            self._process.stop()
            self._process = None

    def alive(self):
        return self._process is not None and self._process.alive()

    def tail(self):
        """The last of what it wrote, for a failure report."""
        return self._process.tail() if self._process else ""

    def version(self):
        done = subprocess.run([self.path(), *self.version_arguments], capture_output=True,
                              text=True, timeout=10, check=False)
        found = re.search(self.version_pattern, done.stdout + done.stderr)
        return found[1] if found else "unknown"

    def path(self):
        """Where its program is. FileNotFoundError when it is not installed."""
        found = shutil.which(self.program, path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not found:
            raise FileNotFoundError(f"{self.program} is not installed")
        return found

    def _config_path(self):
        return os.path.join(self.directory, self.config_file)

    def _write_config(self, values):
        with open(self._config_path(), "w", encoding="ascii") as file:
            file.write(self.config.format(**values))


class Freshet(Server):
    """`feed` is YAML for the key of that name, on one line: {brokers: ..., zones: [...]}."""

    name, title, config_file = "freshet", "freshet", "freshet.yaml"
    arguments = ("-c", "{file}")
    version_arguments = ("-V",)
    # What a client is told of TTLs is the same as from the others, with a feed or without.
    config = """workers: {workers}
log: warning
control: {directory}/control.sock
{feed}
tiers:
  - name: os
    listen: ["127.0.0.1:{port}"]
    cache: {{ size: {size}B, client_ttl: 1d }}
    upstream: {{ forward: ["127.0.0.1:{upstream}"] }}
"""

    def __init__(self, feed=None, workers=1):
        super().__init__()
        self._feed = f"feed: {feed}" if feed else ""
        self._workers = workers
        self.control_path = None

    def path(self):
        found = os.path.join(process.ROOT, os.environ.get("FRESHET_BUILD", "build"), "freshetd")
        if not os.access(found, os.X_OK):
            raise FileNotFoundError(f"{found} is not built")
        return found

    def _write_config(self, values):
        self.control_path = os.path.join(self.directory, "control.sock")
        super()._write_config({**values, "feed": self._feed, "workers": self._workers})

    def resize(self, upstream_port, size):
        """A reload with another cache size."""
        self._write_config({"port": self.address[1], "upstream": upstream_port, "size": size,
                            "directory": self.directory})
        self._process.send_signal(1)


class Unbound(Server):
    name, title, program = "unbound", "Unbound", "unbound"
    arguments = ("-d", "-p", "-c", "{file}")
    version_arguments = ("-V",)
    # Half of the memory for messages, half for the records they are made of, as its manual advises
    # for sets of one record. A port of its own for each query that is under way.
    config = """server:
    interface: 127.0.0.1
    port: {port}
    directory: "{directory}"
    chroot: ""
    username: ""
    pidfile: ""
    do-daemonize: no
    use-syslog: no
    logfile: "/dev/null"
    verbosity: 0
    num-threads: 1
    so-rcvbuf: 4m
    so-sndbuf: 4m
    so-reuseport: yes
    udp-connect: no
    outgoing-range: 8192
    num-queries-per-thread: 4096
    msg-cache-slabs: 1
    rrset-cache-slabs: 1
    infra-cache-slabs: 1
    key-cache-slabs: 1
    msg-cache-size: {half}m
    rrset-cache-size: {half}m
    cache-max-ttl: 86400
    cache-max-negative-ttl: 86400
    module-config: "iterator"
    qname-minimisation: no
    prefetch: no
    do-not-query-localhost: no    # where the upstream is
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@{upstream}
remote-control:
    control-enable: no
"""

    def _write_config(self, values):
        super()._write_config({**values, "half": max(1, values["mib"] // 2)})


class Kresd(Server):
    """Knot Resolver. `cache_file` is where its answers are."""

    name, title, program, config_file = "kresd", "Knot Resolver", "kresd", "kresd.lua"
    arguments = ("-n", "-q", "-c", "{file}", "{directory}")
    version_arguments = ("-V",)
    # Not policy.STUB, which keeps answers for five seconds only; without a trust anchor this does not validate.
    config = """log_level('crit')
log_target('stderr')
net.ipv6 = false
net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})
cache.open({size}, 'lmdb://{directory}/cache')
trust_anchors.remove('.')
modules.unload('ta_signal_query')
modules.unload('ta_update')
modules.unload('priming')
modules.unload('detect_time_skew')
modules.unload('detect_time_jump')
option('NO_MINIMIZE', true)
policy.add(policy.all(policy.FORWARD('127.0.0.1@{upstream}')))
"""

    @property
    def cache_file(self):
        return os.path.join(self.directory, "cache", "data.mdb")


class Recursor(Server):
    name, title, program = "recursor", "PowerDNS Recursor", "pdns_recursor"
    config_file = "recursor.conf"
    arguments = ("--config-dir={directory}",)
    # Its packet cache stands before its cache of records, and both keep what passes.
    config = """local-address=127.0.0.1
local-port={port}
socket-dir={directory}
daemon=no
disable-syslog=yes
loglevel=0
quiet=yes
write-pid=no
threads=1
pdns-distributes-queries=no
max-mthreads=8192
max-cache-entries={entries}
max-packetcache-entries={entries}
max-negative-ttl=86400
refresh-on-ttl-perc=0
qname-minimization=no
dnssec=off
forward-zones-recurse=.=127.0.0.1:{upstream}
# where the upstream is, and what it answers with, are not asked about by default
dont-query=
# no root servers here, and no polling for advisories
hint-file=no
security-poll-suffix=
allow-from=127.0.0.0/8
"""


class Named(Server):
    name, title, program, config_file = "named", "BIND", "named", "named.conf"
    arguments = ("-f", "-4", "-n", "1", "-U", "1", "-c", "{file}")
    version_arguments = ("-v",)
    config = """options {{
    directory "{directory}";
    pid-file none;
    session-keyfile none;
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion yes;
    allow-query {{ any; }};
    forward only;
    forwarders {{ 127.0.0.1 port {upstream}; }};
    dnssec-validation no;
    empty-zones-enable no;
    qname-minimization off;
    minimal-responses yes;
    prefetch 0;
    recursive-clients {clients};
    clients-per-query 0;
    max-clients-per-query 0;
    max-cache-size {mib}M;
    max-ncache-ttl 86400;
    stale-cache-enable no;
    querylog no;
    udp-receive-buffer 4194304;
    udp-send-buffer 4194304;
}};
controls {{ }};
logging {{ category default {{ null; }}; }};
"""


class Dnsdist(Server):
    name, title, program, config_file = "dnsdist", "dnsdist", "dnsdist", "dnsdist.lua"
    arguments = ("--supervised", "--disable-syslog", "-C", "{file}")
    # One backend, held to be up: no checks of its health are among the queries. What it keeps of past queries
    # for its console is as little as it takes.
    config = """setLocal('127.0.0.1:{port}')
setACL('127.0.0.0/8')
setSecurityPollSuffix('')
setVerboseHealthChecks(false)
setRingBuffersSize(100, 1)
setMaxUDPOutstanding(65535)
setUDPMultipleMessagesVectorSize(64)
setUDPSocketBufferSizes(4194304, 4194304)
newServer({{ address = '127.0.0.1:{upstream}', sockets = 16 }})
getServer(0):setUp()
getPool(''):setCache(newPacketCache({entries},
    {{ maxTTL = 86400, maxNegativeTTL = 86400, numberOfShards = 20 }}))
"""


class Dnsmasq(Server):
    name, title, program, config_file = "dnsmasq", "dnsmasq", "dnsmasq", "dnsmasq.conf"
    arguments = ("--keep-in-foreground", "--conf-file={file}", "--pid-file=")
    config = """port={port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
no-poll
user=root
server=127.0.0.1#{upstream}
cache-size={entries}
dns-forward-max={clients}
"""
    # All of them are made when it starts. Its manual warns of large caches.
    entries = 10_000


SERVERS = {server.name: server for server in
           (Freshet, Unbound, Kresd, Recursor, Named, Dnsdist, Dnsmasq)}


def make(name, **options):
    """A server by its name, not yet started. `options` are its constructor's."""
    return SERVERS[name](**options)
