"""The servers that are measured: each on a free loopback port, with all its threads on given cores.

Each is set up for one core and this work: its cache larger than what is asked, no log, no DNSSEC
validation, no prefetch, socket buffers of 4 MiB where it has an option for that, and everything it
does not hold asked of one authority. What is not said here is the package's default.
"""

import os
import shutil

import freshet
import peers
import process

READY_WITHIN = 15.0  # seconds
ZONE = "example.com."

UNBOUND = """server:
    interface: 127.0.0.1
    port: {port}
    directory: "{directory}"
    chroot: ""
    username: ""
    pidfile: ""
    do-daemonize: no
    use-syslog: no
    verbosity: 0
    num-threads: 1
    so-reuseport: yes
    so-rcvbuf: 4m
    so-sndbuf: 4m
    udp-connect: no
    msg-cache-size: 256m
    rrset-cache-size: 512m
    msg-cache-slabs: 1
    rrset-cache-slabs: 1
    infra-cache-slabs: 1
    outgoing-range: 8192
    num-queries-per-thread: 4096
    incoming-num-tcp: 100
    module-config: "iterator"
    qname-minimisation: no
    do-not-query-localhost: no
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@{authority}
remote-control:
    control-enable: no
"""

RECURSOR = """local-address=127.0.0.1
local-port={port}
socket-dir={directory}
daemon=no
disable-syslog=yes
loglevel=3
quiet=yes
write-pid=no
threads=1
pdns-distributes-queries=no
forward-zones-recurse=.=127.0.0.1:{authority}
dont-query=
dnssec=off
hint-file=no
security-poll-suffix=
qname-minimization=no
max-cache-entries=2000000
max-packetcache-entries=1000000
packetcache-ttl=86400
packetcache-servfail-ttl=1
max-mthreads=4096
max-tcp-clients=128
max-concurrent-requests-per-tcp-connection=100
statistics-interval=0
"""

KRESD = """net.ipv6 = false
net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})
cache.open(512 * MB, 'lmdb://{directory}/cache')
trust_anchors.remove('.')
for _, name in ipairs({{'ta_update', 'ta_signal_query', 'priming', 'detect_time_skew',
                       'detect_time_jump'}}) do
    if package.loaded[name] or _G[name] then modules.unload(name) end
end
log_level('crit')
policy.add(policy.all(policy.FORWARD({{'127.0.0.1@{authority}'}})))
"""

DNSDIST = """setLocal('127.0.0.1:{port}')
setSecurityPollSuffix('')
setUDPMultipleMessagesVectorSize(64)
setMaxUDPOutstanding(65535)
newServer({{address='127.0.0.1:{authority}', checkInterval=60}})
getPool(''):setCache(newPacketCache(1000000, {{maxTTL=86400}}))
"""

NAMED = """options {{
    directory "{directory}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    forward only;
    forwarders {{ 127.0.0.1 port {authority}; }};
    recursion yes;
    dnssec-validation no;
    qname-minimization off;
    minimal-responses yes;
    empty-zones-enable no;
    querylog no;
    prefetch 0;
    max-cache-size 512m;
    recursive-clients 10000;
    tcp-clients 1000;
    udp-receive-buffer 4194304;
    udp-send-buffer 4194304;
    notify no;
}};
controls {{ }};
logging {{ category default {{ null; }}; }};
"""

PROGRAMS = {
    "unbound": (UNBOUND, "unbound.conf", ["/usr/sbin/unbound", "-d", "-p", "-c", "{path}"]),
    "knot-resolver": (KRESD, "kresd.conf", [
        "/usr/sbin/kresd", "-n", "-c", "{path}", "{directory}"]),
    "pdns-recursor": (RECURSOR, "recursor.conf", [
        "/usr/sbin/pdns_recursor", "--config-dir={directory}"]),
    "dnsdist": (DNSDIST, "dnsdist.conf", [
        "/usr/bin/dnsdist", "--supervised", "--disable-syslog", "-C", "{path}"]),
    "bind": (NAMED, "named.conf", ["/usr/sbin/named", "-f", "-n", "1", "-c", "{path}"]),
    # Its cache takes 10,000 names at most: those that are asked again and again, and no others.
    "dnsmasq": ("", "dnsmasq.conf", [
        "/usr/sbin/dnsmasq", "-k", "-C", "{path}", "--pid-file=", "--user=root", "--no-resolv",
        "--no-hosts", "--listen-address=127.0.0.1", "--bind-interfaces", "--port={port}",
        "--server=127.0.0.1#{authority}", "--cache-size=10000", "--dns-forward-max=10000"]),
}
VERSIONS = {
    "unbound": ["unbound", "-V"], "knot-resolver": ["kresd", "--version"],
    "pdns-recursor": ["pdns_recursor", "--version"], "dnsdist": ["dnsdist", "--version"],
    "bind": ["named", "-v"], "dnsmasq": ["dnsmasq", "--version"],
}
PEERS = list(PROGRAMS)
NAMES = ["echo", "freshet", *PEERS]


def pinned(cores, argv):
    return ["taskset", "-c", ",".join(map(str, cores)), *argv]


class Server:
    """One that runs: `address`, `pid`, and `echoes` when its replies have no answer."""

    echoes = False

    def __init__(self, name, argv, cores, config=None, file_name=None, authority=0):
        self.name = name
        self.directory = process.run_directory(name)
        self.address = ("127.0.0.1", process.free_port())
        self._process = None
        try:
            words = self._words(config, file_name, authority)
            self._process = process.Process(
                name, pinned(cores, [word.format(**words) for word in argv]), self.directory)
            self._process.wait_ready(lambda: peers.answers(self.address), READY_WITHIN)
        except BaseException:
            self.stop()
            raise

    def _words(self, config, file_name, authority):
        """What stands in the configuration and on the command line; writes the former."""
        words = {"port": self.address[1], "directory": self.directory, "authority": authority,
                 "path": os.path.join(self.directory, file_name or "none")}
        if config is not None:
            with open(words["path"], "w", encoding="ascii") as file:
                file.write(config.format(**words))
        return words

    @property
    def pid(self):
        return self._process.pid

    def signal(self, number):
        self._process.send_signal(number)

    def stop(self):
        if self._process:
            self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Freshet:
    """freshetd, without a feed unless a topic is given."""

    echoes = False
    name = "freshet"

    def __init__(self, authority, cores, workers=1, topic=None, client_ttl="1d"):
        config = {"workers": workers,
                  "tiers": [freshet.tier("bench", [("127.0.0.1", authority)], size="512MiB",
                                         client_ttl=client_ttl)]}
        if topic:
            config["feed"] = freshet.feed(topic, [ZONE])
        before = os.sched_getaffinity(0)
        try:  # a child has the cores of its parent
            os.sched_setaffinity(0, cores)
            self.daemon = freshet.Freshetd(config, log="info")
        finally:
            os.sched_setaffinity(0, before)
        self.address = self.daemon.address
        self.pid = self.daemon.pid
        self.stop = self.daemon.close


def program(name):
    return freshet.program(os.path.join("throughput", name))


def echo(cores, drop_every=None):
    dropping = [f"--drop={drop_every}"] if drop_every else []
    server = Server("echo", [program("echo"), "--port={port}", *dropping], cores)
    server.echoes = True
    return server


def authority(cores):
    return Server("authority", [program("authority"), "--port={port}"], cores)


def start(name, authority_port, cores):
    """The server called `name`; process.NotReady, with its last words, when it does not come up."""
    if name == "echo":
        return echo(cores)
    if name == "freshet":
        return Freshet(authority_port, cores)
    config, file_name, argv = PROGRAMS[name]
    return Server(name, argv, cores, config, file_name, authority_port)
