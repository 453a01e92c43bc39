"""Other servers, started on free loopback ports: the caches beside freshet, and what they ask.

    forwarder("unbound", upstream_port)      forwards everything to one upstream, tuned for one core
    unbound(), recursor(), secondary()       caches of one zone: at their packages' defaults, or tuned
    Primary()                                Knot, to be changed by dynamic updates; sends NOTIFY
    Freshet()                                freshetd as a forwarder beside them
    Bridge()                                 bridge.py as a child: tells a cache of what a topic has

Each is ready when the call returns, and is stopped by stop(), by its pid. Their options are the packages'
defaults except where it says why, or where it takes that to run on a free port under whoever measures.

A forwarder has one thread for queries, no DNSSEC validation, no logs of queries, no prefetch, no minimised
names, buffers of 4 MiB, a cache far larger than what a benchmark puts there, and room for many queries at a time.
"""

import os
import re
import shutil
import subprocess
import sys

import dns.exception
import dns.message
import dns.query

import freshet
import process

HERE = os.path.dirname(os.path.abspath(__file__))
READY_WITHIN = 20.0  # seconds

# --- configurations; `lines` and `zones` are the use's own

UNBOUND = """server:
    interface: 127.0.0.1
    port: {port}
    directory: "{directory}"
    chroot: ""
    username: ""
    pidfile: ""
    do-daemonize: no
    use-syslog: no
    module-config: "iterator"     # nothing here is signed
    do-not-query-localhost: no    # where the authority is
{lines}remote-control:
    control-enable: yes
    control-interface: "{directory}/control.sock"
    control-use-cert: no
{zones}"""
UNBOUND_BUFFERS = "    so-rcvbuf: 4m\n    so-sndbuf: 4m\n"  # as large as freshet's
# Half of the memory for messages, half for the records they are made of, as its manual advises for sets of one
# record. A port of its own for each query that is under way.
UNBOUND_FORWARDER = UNBOUND_BUFFERS + """    logfile: "/dev/null"
    verbosity: 0
    num-threads: 1
    so-reuseport: yes
    udp-connect: no
    outgoing-range: 8192
    num-queries-per-thread: 4096
    incoming-num-tcp: 100
    msg-cache-slabs: 1
    rrset-cache-slabs: 1
    infra-cache-slabs: 1
    key-cache-slabs: 1
    msg-cache-size: {half_mib}m
    rrset-cache-size: {half_mib}m
    cache-max-ttl: 86400
    cache-max-negative-ttl: 86400
    qname-minimisation: no
    prefetch: no
"""
UNBOUND_FORWARD = 'forward-zone:\n    name: "{zone}"\n    forward-addr: 127.0.0.1@{upstream}\n'
UNBOUND_AUTH = 'auth-zone:\n    name: "{zone}"\n    primary: 127.0.0.1@{upstream}\n'

RECURSOR = """local-address=127.0.0.1
local-port={port}
socket-dir={directory}
daemon=no
disable-syslog=yes
write-pid=no
{zones}
# where the upstream is, and what it answers with, are not asked about by default
dont-query=
dnssec=off
# no root servers here, and no polling for advisories
hint-file=no
security-poll-suffix=
allow-from=127.0.0.0/8
{lines}"""
RECURSOR_NOTIFIED = "forward-zones={zone}=127.0.0.1:{upstream}\nallow-notify-from=127.0.0.0/8\nallow-notify-for={zone}"
# Its packet cache stands before its cache of records, and both keep what passes.
RECURSOR_FORWARDER = """loglevel=0
quiet=yes
statistics-interval=0
threads=1
pdns-distributes-queries=no
max-mthreads=8192
max-tcp-clients=128
max-concurrent-requests-per-tcp-connection=100
max-cache-entries={entries}
max-packetcache-entries={entries}
packetcache-ttl=86400
packetcache-servfail-ttl=1
max-negative-ttl=86400
refresh-on-ttl-perc=0
qname-minimization=no
"""

NAMED = """options {{
    directory "{directory}";
    pid-file none;
    session-keyfile none;
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    dnssec-validation no;
    {lines}
}};
controls {{ }};
{zones}"""
NAMED_SECONDARY = 'zone "{zone}" {{ type secondary; file "zone.db"; primaries {{ 127.0.0.1 port {upstream}; }}; }};\n'
NAMED_FORWARDER = """recursion yes;
    allow-query {{ any; }};
    forward only;
    forwarders {{ 127.0.0.1 port {upstream}; }};
    empty-zones-enable no;
    qname-minimization off;
    minimal-responses yes;
    prefetch 0;
    recursive-clients 10000;
    clients-per-query 0;
    max-clients-per-query 0;
    tcp-clients 1000;
    max-cache-size {mib}M;
    max-ncache-ttl 86400;
    stale-cache-enable no;
    querylog no;
    udp-receive-buffer 4194304;
    udp-send-buffer 4194304;
    notify no;"""

# Not policy.STUB, which keeps answers for five seconds only; without a trust anchor this does not validate.
KRESD = """log_level('crit')
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
policy.add(policy.all(policy.FORWARD({{'127.0.0.1@{upstream}'}})))
"""

# One backend, held to be up: no checks of its health are among the queries. What it keeps of past queries
# for its console is as little as it takes.
DNSDIST = """setLocal('127.0.0.1:{port}')
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

DNSMASQ = """port={port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
no-poll
user=root
server=127.0.0.1#{upstream}
cache-size={entries}
dns-forward-max=10000
"""
DNSMASQ_ENTRIES = 10_000  # all of them are made when it starts, and its manual warns of more

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
{journal}mod-stats:
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
{lines}"""
KNOT_ZONE = "$ORIGIN {zone}\n$TTL {ttl}\n@ SOA ns1 hostmaster 1 3600 900 604800 {ttl}\n@ NS ns1\nns1 A 127.0.0.1\n"

NAMED_TUNED = "serial-query-rate 1000; notify no; transfers-per-ns 100; transfers-in 100;"
RECURSOR_TUNED = "threads=1\npdns-distributes-queries=no\ndisable-packetcache=yes\n"
KNOT_TUNED = "    zonefile-sync: -1\n    journal-max-depth: 10000\n"
PRIMARY_TUNED = ("Knot: zonefile-sync -1, journal-max-depth 10000, journal-db-mode asynchronous, and NOTIFY is sent by the publisher as soon "
                 "as Knot has answered (Knot itself sends it once a second)")
TUNED = {"unbound-auth": PRIMARY_TUNED + "; Unbound: so-rcvbuf and so-sndbuf 4m",
         "bind": PRIMARY_TUNED + "; BIND: " + NAMED_TUNED.rstrip(";"),
         "recursor": PRIMARY_TUNED + "; Recursor: threads=1, disable-packetcache",
         "unbound-flush": "the script speaks to Unbound's control socket itself, and starts no unbound-control; "
                          "so-rcvbuf and so-sndbuf 4m"}

# key: title, program, file, configuration, arguments, what prints its version
PROGRAMS = {
    "unbound": ("Unbound", "unbound", "unbound.conf", UNBOUND, ("-d", "-p", "-c", "{file}"), "-V"),
    "knot-resolver": ("Knot Resolver", "kresd", "kresd.conf", KRESD, ("-n", "-q", "-c", "{file}", "{directory}"), "-V"),
    "pdns-recursor": ("PowerDNS Recursor", "pdns_recursor", "recursor.conf", RECURSOR, ("--config-dir={directory}",),
                      "--version"),
    "dnsdist": ("dnsdist", "dnsdist", "dnsdist.lua", DNSDIST,
                ("--supervised", "--disable-syslog", "-C", "{file}"), "--version"),
    "bind": ("BIND", "named", "named.conf", NAMED, ("-f", "-4", "{threads}", "-c", "{file}"), "-v"),
    "dnsmasq": ("dnsmasq", "dnsmasq", "dnsmasq.conf", DNSMASQ,
                ("--keep-in-foreground", "--conf-file={file}", "--pid-file="), "--version"),
    "knot": ("Knot DNS", "knotd", "knot.conf", KNOT, ("-c", "{file}"), "--version"),
}
FORWARDERS = ["unbound", "knot-resolver", "pdns-recursor", "dnsdist", "bind", "dnsmasq"]
# What a forwarder adds to its configuration: lines, zones.
FORWARDING = {"unbound": (UNBOUND_FORWARDER, UNBOUND_FORWARD),
              "pdns-recursor": (RECURSOR_FORWARDER, "forward-zones-recurse=.=127.0.0.1:{upstream}"),
              "bind": (NAMED_FORWARDER, "logging {{ category default {{ null; }}; }};\n")}


# Between two servers to forward to.
BETWEEN = {"unbound": "\n    forward-addr: 127.0.0.1@", "knot-resolver": "', '127.0.0.1@", "pdns-recursor": ";127.0.0.1:",
           "bind": "; 127.0.0.1 port ", "dnsmasq": "\nserver=127.0.0.1#"}


def answers(address, name="ready.invalid.", whole=False):
    """Whether a server answers anything at all there; `whole`: with a record."""
    try:
        reply = dns.query.udp(dns.message.make_query(name, "A"), address[0], timeout=0.2, port=address[1])
    except (dns.exception.DNSException, OSError):
        return False
    return bool(reply.answer) or not whole


def find(program):
    """Where a program is. FileNotFoundError when it is not installed."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not found:
        raise FileNotFoundError(f"{program} is not installed")
    return found


def version(name):
    """Of an installed server; the first thing like a version in what it prints."""
    if name in PROGRAMS:
        argv = [find(PROGRAMS[name][1]), PROGRAMS[name][5]]
    else:
        argv = [freshet.program("freshetd"), "-V"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"\d+\.\d+[\w.\-]*", (done.stdout + done.stderr).split("PowerDNS Recursor")[-1])
    return found[0] if found else "unknown"


class Child:
    """A program that answers on a port of 127.0.0.1, and its directory; on `cores`, or on any."""

    echoes = False  # its replies have no answer

    def __init__(self, name, argv, port=None, cores=None, ready=None):
        self.name = name
        self.address = ("127.0.0.1", port or process.free_port())
        self.directory = process.run_directory(name)
        self.control_path = os.path.join(self.directory, "control.sock")
        self._process = None
        pinned = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
        try:
            self._prepare()
            self._process = process.Process(name, [*pinned, *map(self.fill, argv)], self.directory)
            self._process.wait_ready(ready or (lambda: answers(self.address)), READY_WITHIN)
        except BaseException:
            self.stop()
            raise

    def _prepare(self):
        pass

    def fill(self, text, **fields):
        return text.format(port=self.address[1], directory=self.directory, **fields)

    @property
    def pid(self):
        return self._process.pid

    def signal(self, number):
        self._process.send_signal(number)

    def tail(self):
        """The last of what it wrote, for a failure report."""
        return self._process.tail() if self._process else ""

    def stop(self):
        """Ends it, by its pid. Safe to repeat."""
        if self._process:
            self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    close = stop


class Peer(Child):
    """One of PROGRAMS, with what the use puts into its configuration."""

    def __init__(self, key, lines="", zones="", ready=None, port=None, cores=None, prefix=(), **fields):
        self.key, (self.title, program, self._file, self._config, argv, _) = key, PROGRAMS[key]
        self._parts, self._fields = {"lines": lines, "zones": zones}, {"threads": "-4", **fields}
        super().__init__(program, [*prefix, find(program), *argv], port, cores, ready and (lambda: ready(self)))

    def fill(self, text, **fields):
        return super().fill(text, file=os.path.join(self.directory, self._file), **self._fields, **fields)

    def _prepare(self):
        parts = {name: self.fill(text) for name, text in self._parts.items()}
        with open(os.path.join(self.directory, self._file), "w", encoding="ascii") as file:
            file.write(self.fill(self._config, **parts))


def forwarder(key, upstream, cores=None, size=512 << 20, entries=None, ready=None, more="", prefix=()):
    """Forwards everything, to one port or to any of several. `size`: bytes for all of its caches; `entries`, where a
    cache is counted in these; `more`: zones that go elsewhere; `prefix`: a command that runs it."""
    if not isinstance(upstream, int):
        upstream = BETWEEN[key].join(map(str, upstream))
    lines, zones = FORWARDING.get(key, ("", ""))
    entries = entries or (DNSMASQ_ENTRIES if key == "dnsmasq" else 2_000_000)
    mib = max(1, size >> 20)
    return Peer(key, lines, zones + more, cores=cores, zone=".", upstream=upstream, size=size, mib=mib,
                half_mib=max(1, mib // 2), entries=entries, threads="-n1", ready=ready, prefix=prefix)


def _has(zone):
    return lambda server: answers(server.address, f"n00000.{zone}", whole=True)


def unbound(zone, upstream, tuned=False, port=None, auth=False):
    """Unbound with the zone: all of it (NOTIFY, SOA, IXFR), or a cache that forwards to its authority.

    The latter's authority need not be there yet: it is ready when its control socket is.
    """
    return Peer("unbound", UNBOUND_BUFFERS if tuned else "", UNBOUND_AUTH if auth else UNBOUND_FORWARD,
                _has(zone) if auth else (lambda server: os.path.exists(server.control_path)), port,
                zone=zone, upstream=upstream)


def recursor(zone, upstream, lines="", port=None, served=True):
    """PowerDNS Recursor, which forgets the zone at each NOTIFY. `served`: the authority is there already."""
    return Peer("pdns-recursor", lines, RECURSOR_NOTIFIED, _has(zone) if served else None, port, zone=zone,
                upstream=upstream)


def secondary(zone, upstream, tuned, port):
    """BIND as a secondary."""
    return Peer("bind", NAMED_TUNED if tuned else "", NAMED_SECONDARY, _has(zone), port, zone=zone.rstrip("."),
                upstream=upstream)


def first_versions(names):
    """The zone's names, each with the address that the probe takes for its first version."""
    for version in range(1, names + 1):
        yield f"n{version - 1:05}", f"10.{version >> 16 & 255}.{version >> 8 & 255}.{version & 255}"


class Primary(Peer):
    """Knot with the zone's names n00000..., each at the first version that the probe says it has.

    Tuned: not to write the zone file after each change, nor to wait for the disk; to keep more than twenty versions.
    """

    def __init__(self, zone, names, ttl, cache_port, tuned):
        self._zone, self._names, self._ttl = zone, names, ttl
        super().__init__("knot", KNOT_TUNED if tuned else "", ready=_has(zone), zone=zone,
                         cache_port=cache_port, journal="    journal-db-mode: asynchronous\n" if tuned else "")

    def _prepare(self):
        super()._prepare()
        os.mkdir(os.path.join(self.directory, "db"))
        with open(os.path.join(self.directory, "zone"), "w", encoding="ascii") as file:
            file.write(KNOT_ZONE.format(zone=self._zone, ttl=self._ttl))
            file.writelines(f"{name} A {address}\n" for name, address in first_versions(self._names))

    def operations(self):
        """What it was asked: "query", "ixfr", "notify", ... -> how often."""
        done = subprocess.run(["/usr/sbin/knotc", "-s", os.path.join(self.directory, "knot.sock"), "zone-stats",
                               self._zone, "mod-stats"], capture_output=True, text=True, timeout=20, check=False)
        return {name: int(count) for name, count in
                re.findall(r"server-operation\[([\w-]+)\] = (\d+)", done.stdout)}


class Freshet:
    """freshetd as a forwarder, without a feed unless one is given (freshet.feed())."""

    echoes = False
    name = key = title = "freshet"

    def __init__(self, upstream, cores=None, workers=1, feed=None, size="512MiB"):
        self._config = {"workers": workers, **({"feed": feed} if feed else {})}
        before = os.sched_getaffinity(0)
        try:  # a child has the cores of its parent
            os.sched_setaffinity(0, cores or before)
            self.daemon = freshet.Freshetd(self._sized(upstream, size), log="info")
        finally:
            os.sched_setaffinity(0, before)
        self.address, self.pid, self.stop = self.daemon.address, self.daemon.pid, self.daemon.close
        self.close = self.stop

    def _sized(self, upstream, size):
        """What a client is told of TTLs is the same as from the others, with a feed or without."""
        upstreams = [("127.0.0.1", port) for port in ([upstream] if isinstance(upstream, int) else upstream)]
        return {**self._config, "tiers": [freshet.tier("os", upstreams, size=size, client_ttl="1d")]}

    def resize(self, upstream, size):
        """A reload with another cache size."""
        self.daemon.configure(self._sized(upstream, size))
        self.daemon.sighup()

    def tail(self):
        return self.daemon.log[-2000:]


class Bridge:
    """bridge.py as a child: tells a cache of what the topic has."""

    def __init__(self, topic, *action):
        self._process = process.Process("bridge", [
            sys.executable, os.path.join(HERE, "bridge.py"), "--brokers", topic.bootstrap, "--topic", topic.name,
            *action])
        try:
            self._process.wait_ready(lambda: "ready" in self._process.output("stdout"), READY_WITHIN)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self):
        return self._process.pid

    def stop(self):
        """What it said it had done."""
        self._process.stop()
        return self._process.output("stdout").splitlines()[-1:]
