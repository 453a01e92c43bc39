"""Other caches, as the checker can be pointed at them: started on free ports, stopped by pid.

    PowerDNS Recursor   forgets a zone when it is sent a NOTIFY for it (RFC 1996)
    Unbound             forgets a zone, or a name, when unbound-control says so
    Unbound, untold     forgets when the TTL is over

Each asks the checker's authority for the one zone and nobody else for anything. Their options are
the packages' defaults except where a line says why. Who tells them of changes is bridge.py.
"""

import os
import shutil
import socket
import sys

import process

HERE = os.path.dirname(os.path.abspath(__file__))
READY_WITHIN = 10.0  # seconds

UNBOUND = """server:
    interface: 127.0.0.1
    port: {port}
    directory: "{directory}"
    chroot: ""
    username: ""
    pidfile: ""
    do-daemonize: no
    use-syslog: no
    so-rcvbuf: 4m                 # freshet's is as large; the default loses queries in a stall
    module-config: "iterator"     # the zone is not signed
    do-not-query-localhost: no    # where the authority is
forward-zone:
    name: "{zone}"
    forward-addr: 127.0.0.1@{authority}
remote-control:
    control-enable: yes
    control-interface: "{directory}/control.sock"
    control-use-cert: no
"""

RECURSOR = """local-address=127.0.0.1
local-port={port}
socket-dir={directory}
daemon=no
disable-syslog=yes
write-pid=no
threads=1
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
"""


def answers(address):
    """Whether a server answers anything at all there."""
    question = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\5ready\7invalid\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        try:
            sock.connect(address)
            sock.send(question)
            return bool(sock.recv(512))
        except OSError:
            return False


class Peer:
    """One server and its directory; ready when the constructor returns."""

    def __init__(self, name, config, file_name, argv, zone, authority_port):
        self.name = name
        self.directory = process.run_directory(name)
        self.address = ("127.0.0.1", process.free_port())
        self._process = None
        path = os.path.join(self.directory, file_name)
        with open(path, "w", encoding="ascii") as file:
            file.write(config.format(port=self.address[1], directory=self.directory, zone=zone,
                                     authority=authority_port))
        try:
            self._process = process.Process(
                name, [word.format(path=path, directory=self.directory) for word in argv],
                self.directory)
            self._process.wait_ready(lambda: answers(self.address), READY_WITHIN)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self._process:
            self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Unbound(Peer):
    """`control` is the path of its control socket."""

    def __init__(self, zone, authority_port):
        super().__init__("unbound", UNBOUND, "unbound.conf",
                         ["/usr/sbin/unbound", "-d", "-p", "-c", "{path}"], zone, authority_port)
        self.control = os.path.join(self.directory, "control.sock")


class Recursor(Peer):
    """PowerDNS Recursor."""

    def __init__(self, zone, authority_port):
        super().__init__("recursor", RECURSOR, "recursor.conf",
                         ["/usr/sbin/pdns_recursor", "--config-dir={directory}"], zone,
                         authority_port)


class Bridge:
    """bridge.py as a child: tells a peer of what the topic has."""

    def __init__(self, topic, *action):
        words = [sys.executable, os.path.join(HERE, "bridge.py"), "--brokers", topic.bootstrap,
                 "--topic", topic.name, *action]
        self._process = process.Process("bridge", words)
        try:
            self._process.wait_ready(lambda: "ready" in self._process.output("stdout"),
                                     READY_WITHIN)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """What it said it had done."""
        self._process.stop()
        return self._process.output("stdout").splitlines()[-1:]
