"""freshetd as the machine's resolver: under a service manager, with sockets handed over, installed as docs/run.md says.

The service manager is played by this module, with systemd's own protocols: datagrams to $NOTIFY_SOCKET, sockets from
descriptor 3 on. Where systemd's tools are installed, they are used besides.
"""

import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest

import freshet
import process
import wire
from query import addresses, ask
from test_clients import authority_inside, network, run  # pylint: disable=unused-import
from test_program import minimal

# Binds sockets, puts them where systemd would, and becomes the program: it keeps its pid.
HAND_OVER = """
import json, os, socket, sys
given, argv = json.loads(sys.argv[1]), sys.argv[2:]
sockets = []
for kind, host, port in given["sockets"]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, getattr(socket, kind))
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.bind((host, port))
    if kind == "SOCK_STREAM":
        one.listen()
    sockets.append(one.detach())
high = [os.dup2(fd, 200 + n) for n, fd in enumerate(sockets)]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n, inheritable=True)
    os.close(fd)
os.closerange(3 + len(high), 200)
os.environ["LISTEN_PID"] = str(os.getpid() + given.get("pid_off_by", 0))
os.environ["LISTEN_FDS"] = str(given.get("count", len(high)))
if given.get("uid"):
    os.setgroups([])
    os.setgid(given["uid"])
    os.setuid(given["uid"])
os.execv(argv[0], argv)
"""


class Activated(freshet.Freshetd):
    """A freshetd that is handed sockets: (kind, host, port) for each."""

    def __init__(self, config, sockets, **given):
        self.given = json.dumps({"sockets": sockets, **given})
        super().__init__(config)

    def start(self):
        argv = [sys.executable, "-c", HAND_OVER, self.given, freshet.program("freshetd"), "-c",
                self._config_path]
        self._process = process.Process("freshetd", argv, self.directory, freshet.environment())
        self._stopped = False
        self._process.wait_ready(lambda: "msg=ready" in self.log, freshet.READY_WITHIN)


@pytest.fixture
def upstream(scripted):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    return scripted


@pytest.fixture
def activated():
    started = []

    def start(*arguments, **options):
        started.append(Activated(*arguments, **options))
        return started[-1]
    yield start
    for daemon in started:
        daemon.close()


class Manager:
    """The end of $NOTIFY_SOCKET that a service manager holds."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("\0" + path[1:] if path[0] == "@" else path)
        self.sock.settimeout(10)

    def receive(self):
        """The next message, as a dict."""
        text = self.sock.recv(4096).decode()
        assert text.endswith("\n")
        return dict(line.split("=", 1) for line in text.splitlines())

    def messages_within(self, seconds):
        """All that come in this time."""
        found, deadline = [], time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                found.append(self.receive())
            except TimeoutError:
                break
        self.sock.settimeout(10)
        return found


@pytest.fixture(params=["path", "abstract"])
def manager(request, rundir, monkeypatch):
    path = f"@freshet-{os.getpid()}" if request.param == "abstract" else f"{rundir}/notify"
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    end = Manager(path)
    yield end
    end.sock.close()


# --- what the manager is told


def test_ready_reloading_stopping(upstream, freshetd, manager):
    daemon = freshetd(freshet.stub([upstream], workers=2))
    ready = manager.receive()
    assert ready["READY"] == "1" and freshet.address_text(daemon.address) in ready["STATUS"]
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    before = time.monotonic_ns() // 1000
    daemon.sighup()
    reloading = manager.receive()
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert manager.receive()["READY"] == "1"
    daemon.configure("nonsense")
    daemon.sighup()
    assert [manager.receive().get(key) for key in ("RELOADING", "READY")] == ["1", "1"]
    daemon.stop()
    assert manager.receive()["STOPPING"] == "1"


def test_it_is_not_ready_before_it_answers(upstream, manager, rundir):
    """READY comes when the sockets are there: whoever waits for it finds them."""
    config = minimal()
    config["tiers"][0]["upstream"]["forward"] = [freshet.address_text(upstream.address)]
    path = os.path.join(rundir, "freshet.yaml")
    with open(path, "w", encoding="ascii") as file:
        json.dump(config, file)
    host, port = config["tiers"][0]["listen"][0].split(":")
    daemon = process.Process("freshetd", [freshet.program("freshetd"), "-c", path],
                             env=freshet.environment())
    try:
        assert manager.receive()["READY"] == "1"
        assert addresses(ask((host, int(port)), "www.example.com.", timeout=1)) == ["192.0.2.1"]
    finally:
        assert daemon.stop(within=5) == 0


def test_a_manager_that_does_not_listen_is_no_harm(upstream, freshetd, monkeypatch, rundir):
    for path in (f"{rundir}/none", "nonsense", "/" + "x" * 200, "@", ""):
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        daemon = freshetd(freshet.stub([upstream], workers=1))
        assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
        assert len(daemon.records(msg="the service manager is not told")) == 1
        daemon.stop()


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_watchdog(upstream, freshetd, manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    freshetd(freshet.stub([upstream], workers=3))
    alive = [message for message in manager.messages_within(2) if message.get("WATCHDOG") == "1"]
    assert len(alive) >= 6  # one in 200 ms; a busy machine may skip some


@pytest.mark.parametrize("manager", ["path"], indirect=True)
@pytest.mark.parametrize("usec, pid", [("300000", "1"), ("0", None), ("-1", None), ("soon", None)])
def test_no_watchdog(upstream, freshetd, manager, monkeypatch, usec, pid):
    """Not asked for; or asked of another process."""
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    freshetd(freshet.stub([upstream], workers=1))
    assert [list(message) for message in manager.messages_within(1)] == [["READY", "STATUS"]]


PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000


def ptrace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_watchdog_of_a_stuck_worker(upstream, freshetd, manager, monkeypatch):
    """One thread of several stops; the main thread goes on, and says no more that all is well."""
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    daemon = freshetd(freshet.stub([upstream], workers=2))
    worker = max(int(task) for task in os.listdir(f"/proc/{daemon.pid}/task"))
    assert worker != daemon.pid
    try:
        ptrace(PTRACE_ATTACH, worker)
    except OSError as error:
        pytest.skip(f"may not stop a thread: {error}")
    os.waitpid(worker, WALL)
    manager.messages_within(0.5)
    assert manager.messages_within(1) == []
    assert daemon.records(msg="a worker is stuck") and daemon.status()["ok"]
    ptrace(PTRACE_DETACH, worker)
    process.eventually(lambda: {"WATCHDOG": "1"} in manager.messages_within(0.5))


# --- sockets handed over


def listening(config, name="os"):
    """(host, port) of the tier's first address, which is chosen here."""
    address = ("127.0.0.1", process.free_port())
    config["tiers"][0]["listen"] = [freshet.address_text(address)]
    return address


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("kinds", [("SOCK_DGRAM", "SOCK_STREAM"), ("SOCK_STREAM",),
                                   ("SOCK_DGRAM",)], ids=["both", "tcp", "udp"])
def test_sockets_are_taken(upstream, activated, kinds, workers):
    """They do not share their port (SO_REUSEPORT): had it opened its own, it would have failed."""
    config = freshet.stub([upstream], workers=workers)
    host, port = listening(config)
    daemon = activated(config, [(kind, host, port) for kind in kinds])
    for n in range(30):
        assert addresses(ask(daemon, "www.example.com.", tcp=n % 2 == 0)) == ["192.0.2.1"]
    assert not [record for record in daemon.records() if "handed over" in record["msg"]]
    # So few at a time that they fit the one socket's buffer, whoever is busy.
    assert len(wire.ask_all(daemon, [f"n{n}.example.com." for n in range(2000)], window=100)) == 2000


def test_sockets_for_any_address(upstream, activated):
    """A reply comes from the address that was asked, as with a socket of our own (IP_PKTINFO)."""
    config = freshet.stub([upstream], workers=2)
    port = process.free_port()
    config["tiers"][0]["listen"] = [f"0.0.0.0:{port}", f"[::]:{port}"]
    activated(config, [(kind, host, port) for host in ("0.0.0.0", "::")
                       for kind in ("SOCK_DGRAM", "SOCK_STREAM")])
    for host in ("127.0.0.1", "127.0.0.77", "::1"):
        for tcp in (False, True):
            assert addresses(ask((host, port), "www.example.com.", tcp=tcp)) == ["192.0.2.1"]


def test_a_socket_nobody_wants_is_closed_and_told(upstream, activated):
    config = freshet.stub([upstream], workers=1)
    host, port = listening(config)
    other = process.free_port()
    daemon = activated(config, [("SOCK_STREAM", host, other), ("SOCK_DGRAM", host, port)])
    record, = [record for record in daemon.records() if "handed over" in record["msg"]]
    assert (record["kind"], record["host"], record["port"]) == ("tcp", host, str(other))
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


@pytest.mark.parametrize("given", [{"pid_off_by": 1}, {"count": 0}, {"count": -1}])
def test_sockets_for_others_are_not_taken(upstream, activated, given):
    config = freshet.stub([upstream], workers=1)
    host, port = listening(config)
    with pytest.raises(process.NotReady, match="Address already in use"):
        activated(config, [("SOCK_DGRAM", host, port)], **given)


def test_descriptors_that_are_no_sockets(upstream, activated):
    config = freshet.stub([upstream], workers=1)
    listening(config)
    daemon = activated(config, [], count=50)
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


def test_a_reload_keeps_them(upstream, activated):
    config = freshet.stub([upstream], workers=2)
    host, port = listening(config)
    daemon = activated(config, [(kind, host, port) for kind in ("SOCK_DGRAM", "SOCK_STREAM")])
    daemon.sighup()
    daemon.wait_log("msg=reloaded")
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


def test_systemds_own_activation(upstream, rundir):
    """The first question makes systemd-socket-activate start it, and is answered."""
    activate = shutil.which("systemd-socket-activate")
    if not activate:
        pytest.skip("needs systemd-socket-activate")
    config = minimal()
    host, port = listening(config)
    config["tiers"][0]["upstream"]["forward"] = [freshet.address_text(upstream.address)]
    path = os.path.join(rundir, "freshet.yaml")
    with open(path, "w", encoding="ascii") as file:
        json.dump(config, file)
    daemon = process.Process(
        "activate", [activate, "--datagram", "-l", f"{host}:{port}",
                     freshet.program("freshetd"), "-c", path], env=freshet.environment())
    try:
        daemon.wait_ready(lambda: "Listening on" in daemon.output("stderr"), within=5)
        assert "msg=ready" not in daemon.output("stderr")
        assert addresses(ask((host, port), "www.example.com.", timeout=10)) == ["192.0.2.1"]
    finally:
        daemon.stop(within=5)
    assert freshet.sanitizer_report(daemon.output("stderr")) is None


# --- installed


SHIMS = {
    # We are root already.
    "sudo": '#!/bin/sh\nexec "$@"\n',
    # What a person does with the file: names the resolvers, and has no feed.
    "sudoedit": """#!/usr/bin/python3
import os, re, sys
with open(sys.argv[1]) as file:
    text = file.read()
text, changed = re.subn(r"^(      (?:- .* )?forward:) .*\\]", f"\\\\1 ['{os.environ['UPSTREAM']}']", text, flags=re.M)
assert changed == 2
text, changed = re.subn(r"^feed:\\n(?:(?:  .*)?\\n)+", "", text, flags=re.M)
assert changed == 1
with open(sys.argv[1], "w") as file:
    file.write(text)
""",
    # What systemd does with the unit, as far as it takes no systemd: its commands, its user's powers, its notice.
    "systemctl": """#!/usr/bin/python3
import os, shlex, socket, subprocess, sys
assert sys.argv[1:] == ["enable", "--now", "freshet"], sys.argv
settings = {}
with open("/usr/local/lib/systemd/system/freshet.service") as file:
    for line in file:
        if "=" in line and not line.startswith("#"):
            key, value = line.strip().split("=", 1)
            settings.setdefault(key, []).append(value)
assert settings["Type"] == ["notify"] and settings["DynamicUser"] == ["yes"]
capability, = settings["AmbientCapabilities"]
assert settings["CapabilityBoundingSet"] == [capability]
capability = "-all,+" + capability.lower().removeprefix("cap_")
user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
        "--inh-caps=" + capability, "--ambient-caps=" + capability, "--bounding-set=" + capability]
directory = "/run/" + settings["RuntimeDirectory"][0]
os.mkdir(directory)
os.chown(directory, 65534, 65534)
os.umask(int(settings["UMask"][0], 8))
for command in settings["ExecStartPre"]:
    subprocess.run(user + shlex.split(command), check=True)
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind("/run/notify")
os.chmod("/run/notify", 0o666)
manager.settimeout(15)
log = open("/run/freshetd.log", "wb")
subprocess.Popen(user + shlex.split(settings["ExecStart"][0]), stdout=log, stderr=log,
                 env=dict(os.environ, NOTIFY_SOCKET="/run/notify"))
assert b"READY=1" in manager.recv(4096), open("/run/freshetd.log").read()
""",
}

# A machine of its own: what is written to /etc, /usr/local and /run is gone with it, and so is every process.
MACHINE = """
set -e
scratch=$1
shift
mount -t tmpfs scratch "$scratch"
mkdir "$scratch/etc" "$scratch/overlay"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$scratch/etc,workdir=$scratch/overlay" /etc
rm -f /etc/resolv.conf
mount -t tmpfs local /usr/local
mount -t tmpfs run /run
exec sh -e "$@"
"""


def page_lines():
    """The commands under the heading, as they stand there."""
    with open(os.path.join(process.ROOT, "docs", "run.md"), encoding="utf-8") as file:
        section = file.read().split("As the machine's resolver\n", 1)[1]
    lines = section.split("```sh\n", 1)[1].split("```", 1)[0].splitlines()
    assert len(lines) == 5
    return lines


@pytest.fixture
def machine(network, rundir):
    """Runs a script in it: machine(lines, **environment) -> its output."""
    scratch, shims = os.path.join(rundir, "scratch"), os.path.join(rundir, "bin")
    os.mkdir(scratch)
    os.mkdir(shims)
    os.chmod(rundir, 0o755)
    for name, text in SHIMS.items():
        with open(os.path.join(shims, name), "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(os.path.join(shims, name), 0o755)
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    probe = subprocess.run(
        [*unshare, "sh", "-c", MACHINE, "sh", scratch, "-c", "true"], capture_output=True,
        text=True, check=False)
    if probe.returncode:
        pytest.skip(f"needs mount and pid namespaces, and overlayfs: {probe.stderr.strip()}")

    def run_inside(lines, **environment):
        script = os.path.join(rundir, "script")
        with open(script, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        path = f"{shims}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        sanitizer = freshet.build_directory().partition("build/")[2]
        done = subprocess.run(
            [*unshare, "sh", "-c", MACHINE, "sh", scratch, script], capture_output=True, text=True,
            cwd=process.ROOT, timeout=50, check=False, stdin=subprocess.DEVNULL,
            env={**freshet.environment(), "PATH": path, "SANITIZER": sanitizer, "LC_ALL": "C",
                 **environment})
        assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout
    return run_inside


def test_page_lines_make_a_machines_resolver(machine, authority_inside):
    output = machine([
        "echo 192.0.2.77 nas.lan >> /etc/hosts",
        *page_lines(),
        "cat /etc/resolv.conf",
        "getent ahosts alias.example.com",
        "getent -s hosts:dns ahosts nas.lan",  # by DNS alone, as a container would
        "getent ahosts no.such.example.com || echo no such name: $?",
        "dig +short -x 192.0.2.77 @::1",
        "freshet status -c /etc/freshet/freshet.yaml",
        "cat /run/freshetd.log",
    ], UPSTREAM=freshet.address_text(authority_inside.address))
    lines = output.splitlines()
    assert "nameserver 127.0.0.1" in lines
    assert {line.split()[0] for line in lines if "STREAM" in line} == {
        "192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.77"}
    assert "no such name: 2" in lines and "nas.lan." in lines
    assert freshet.sanitizer_report(output) is None


def test_units_please_systemd(machine):
    """`systemd-analyze verify` reads them as systemd would."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    units = "/usr/local/lib/systemd/system"
    output = machine([
        "make -s install",
        f"systemd-analyze verify {units}/freshet.service {units}/freshet.socket 2>&1",
        "echo VERIFIED",
        f"systemd-analyze security --offline=yes --threshold=25 {units}/freshet.service | tail -1",
    ])
    verdict = output.split("VERIFIED")
    assert len(verdict) == 2 and "freshet" not in verdict[0], output
    assert float(re.search(r"level for freshet.service: ([\d.]+)", output)[1]) <= 2.0


def test_install_keeps_a_configuration(machine):
    output = machine([
        "make -s install", "cmp config/stub.yaml /etc/freshet/freshet.yaml",
        "echo mine > /etc/freshet/freshet.yaml", "make -s install", "cat /etc/freshet/freshet.yaml",
        "make -s install PREFIX=/usr/local/other SYSCONFDIR=/etc/deep DESTDIR=/run/stage",
        "grep -h ^Exec /run/stage/usr/local/other/lib/systemd/system/freshet.service",
        "cmp config/stub.yaml /run/stage/etc/deep/freshet/freshet.yaml"])
    assert "mine\n" in output
    assert "ExecStart=/usr/local/other/sbin/freshetd --config=/etc/deep/freshet/freshet.yaml" in output
