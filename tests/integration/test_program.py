"""freshetd as a process: options, failures to start, signals, reload, control socket, metrics."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time

import dns.exception
import pytest

import freshet
import process
import scripted as s
import wire
from query import addresses, ask, rcode, ttls


@pytest.fixture
def upstream(scripted):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    return scripted


@pytest.fixture
def daemon(upstream, freshetd):
    return freshetd(freshet.stub([upstream], workers=1))


@pytest.fixture
def run():
    """Runs freshetd to its end: run("-n") -> Result."""
    return freshet.Cli("freshetd")


@pytest.fixture
def config_file(rundir):
    """Writes a configuration and returns its path."""
    def write(config, name="freshet.yaml"):
        path = os.path.join(rundir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(config if isinstance(config, str) else json.dumps(config))
        return path
    return write


def minimal(**top):
    """A configuration on free ports, without control socket and metrics."""
    port = process.free_port()
    return {"tiers": [{"name": "os", "listen": [f"127.0.0.1:{port}"],
                       "upstream": {"forward": ["127.0.0.1:9"]}}], **top}


def expect_refusal(result, *words):
    """It ended at once, with one line that says why."""
    assert result.code in (1, 2) and result.stdout == ""
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("freshetd: ")
    for word in words:
        assert word in result.stderr, result.stderr


# --- options


def test_what_is_printed_goes_into_no_connection(rundir):
    """Started without a standard output, its number would be that of the first socket."""
    path, got = os.path.join(rundir, "control.sock"), b""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        dump = subprocess.Popen(["sh", "-c", 'exec "$@" >&-', "sh", freshet.program("freshet"), "dump", "--control", path],
                                stderr=subprocess.PIPE, env=freshet.environment())
        client = listener.accept()[0]
        with client, client.makefile("rb") as lines:
            got = lines.readline()
            with contextlib.suppress(ConnectionError):  # it gives up when it cannot print
                client.sendall(b'{"tier":"os"}\n' * 5000 + b'{"ok":true,"count":5000}\n')
                got += lines.read()
    assert json.loads(got) == {"cmd": "dump"}
    assert b"standard output" in dump.communicate()[1] and dump.returncode == 1


def test_what_is_logged_goes_into_no_connection(config_file):
    """Likewise without a standard error."""
    config = minimal()
    host, port = config["tiers"][0]["listen"][0].split(":")
    daemon = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", freshet.program("freshetd"), "-c",
                               config_file(config)], env=freshet.environment())

    def answers():
        with contextlib.suppress(OSError, dns.exception.Timeout):
            return ask((host, int(port)), "localhost.", timeout=0.2)

    try:
        process.eventually(answers)
        held = [os.readlink(f"/proc/{daemon.pid}/fd/{fd}") for fd in range(3)]
        assert held == ["/dev/null"] * 3
    finally:
        daemon.terminate()
        assert daemon.wait(10) == 0


def test_help(run):
    for option in ("--help", "-h"):
        code, stdout, stderr = run(option)
        assert code == 0 and stderr == "" and stdout.startswith("Usage: freshetd ")
        for word in ("-c, --config=FILE", "-n, --check", "-h, --help", "-V, --version"):
            assert word in stdout


def test_version(run):
    for option in ("--version", "-V"):
        code, stdout, stderr = run(option)
        assert code == 0 and stderr == "" and re.fullmatch(r"freshetd \d+\.\d+\.\d+\n", stdout)


@pytest.mark.parametrize("arguments, word", [
    ([], "-c"), (["-n"], "-c"), (["--nonsense"], "nonsense"), (["-c"], "argument"),
    (["-c", "x.yaml", "more"], "more"),
])
def test_wrong_arguments(run, arguments, word):
    code, stdout, stderr = run(*arguments)
    assert code == 2 and stdout == "" and word in stderr and stderr.count("\n") <= 2


def test_check_accepts_the_samples(run):
    samples = sorted(name for name in os.listdir(os.path.join(process.ROOT, "config"))
                     if name.endswith(".yaml") and name != "origin.yaml")
    assert "stub.yaml" in samples and "regional.yaml" in samples
    for name in samples:
        assert run("-n", "-c", f"config/{name}") == (0, "", "")


def test_check_opens_nothing(run, daemon):
    """Of the very configuration that is being served."""
    assert run("-n", "-c", os.path.join(daemon.directory, "freshet.yaml")) == (0, "", "")
    assert daemon.status()["ok"]


BAD_CONFIGS = {
    "not YAML": ("tiers: [", ".yaml:2: "),
    "empty": ("", "empty"),
    "unknown key": (json.dumps(minimal(wrokers=2)), "wrokers"),
    "bad value": (json.dumps(minimal(workers=0)), "workers"),
    "line breaks in a value": (json.dumps(minimal(log="a\nb\nc")), "log"),
    "no tiers": ("{log: info}", "tiers"),
    "asks itself": ('{tiers: [{name: a, listen: ["127.0.0.1:5300"], '
                    'upstream: {forward: ["127.0.0.1:5300"]}}]}', "loop"),
    "control path too long": (json.dumps(minimal(control="/tmp/" + "x" * 120)), "control"),
}


@pytest.mark.parametrize("what", BAD_CONFIGS)
def test_bad_configurations(run, config_file, what):
    text, word = BAD_CONFIGS[what]
    path = config_file(text)
    for options in (["-n"], []):
        expect_refusal(run(*options, "-c", path), path, word)


def test_no_configuration_there(run, rundir):
    expect_refusal(run("-c", f"{rundir}/none.yaml"), "none.yaml", "No such file")
    expect_refusal(run("-n", "-c", rundir), rundir)


# --- what keeps it from starting


@pytest.mark.parametrize("kind", ["freshetd", "udp", "tcp"])
def test_port_taken(run, daemon, config_file, kind):
    config = minimal()
    address = ("127.0.0.1", process.free_port())
    transport = socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, transport) as taken:
        if kind == "freshetd":
            address = daemon.address
        else:
            taken.bind(address)
            if kind == "tcp":
                taken.listen()
        config["tiers"][0]["listen"] = [freshet.address_text(address)]
        began = time.monotonic()
        expect_refusal(run("-c", config_file(config)), freshet.address_text(address),
                       "Address already in use")
        assert time.monotonic() - began < 3
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


@pytest.mark.parametrize("shared", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
def test_port_taken_by_one_who_shares(run, config_file, shared):
    """SO_REUSEPORT on both sides would have the kernel split the clients between two programs."""
    config = minimal()
    host, port = config["tiers"][0]["listen"][0].split(":")
    with socket.socket(socket.AF_INET, shared) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind((host, int(port)))
        if shared == socket.SOCK_STREAM:
            taken.listen()
        expect_refusal(run("-c", config_file(config)), "Address already in use")


def test_the_second_address_is_taken(run, daemon, config_file):
    config = minimal()
    config["tiers"][0]["listen"].append(freshet.address_text(daemon.address))
    expect_refusal(run("-c", config_file(config)), freshet.address_text(daemon.address))


def test_no_permission_for_the_port(rundir, config_file):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        if int(file.read()) <= 53 or os.getuid() != 0:
            pytest.skip("needs root, and a kernel that keeps low ports from others")
    config = minimal()
    config["tiers"][0]["listen"] = ["127.0.0.1:53"]
    path = config_file(config)
    os.chmod(rundir, 0o755)
    program = shutil.copy(freshet.program("freshetd"), rundir)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", program,
         "-c", path], capture_output=True, text=True, timeout=10, check=False)
    expect_refusal(freshet.Result(done.returncode, done.stdout, done.stderr),
                   "127.0.0.1:53", "Permission denied")


def test_control_socket_of_a_running_instance(run, daemon, config_file):
    began = time.monotonic()
    expect_refusal(run("-c", config_file(minimal(control=daemon.control_path))),
                   daemon.control_path, "another instance")
    assert time.monotonic() - began < 3
    assert daemon.status()["pid"] == daemon.pid


def test_control_socket_that_was_left_behind(daemon):
    daemon.kill()
    assert stat.S_ISSOCK(os.stat(daemon.control_path).st_mode)
    daemon.start()
    assert daemon.status()["pid"] == daemon.pid


def test_control_path_that_is_no_socket(run, rundir, config_file):
    path = os.path.join(rundir, "precious")
    with open(path, "w", encoding="ascii") as file:
        file.write("data")
    expect_refusal(run("-c", config_file(minimal(control=path))), path, "no socket")
    with open(path, encoding="ascii") as file:
        assert file.read() == "data"


def test_control_path_in_no_directory(run, rundir, config_file):
    """The last directory is made, as /run/freshet has to be after each boot; the one above is not."""
    expect_refusal(run("-c", config_file(minimal(control=f"{rundir}/none/none/c.sock"))),
                   "none/none/c.sock", "No such file or directory")


def test_control_path_in_a_directory_that_is_made(upstream, freshetd, rundir):
    daemon = freshetd(freshet.stub([upstream], control=f"{rundir}/made/c.sock"))
    assert stat.S_ISSOCK(os.stat(f"{rundir}/made/c.sock").st_mode)
    daemon.stop()


def test_control_socket_is_the_owners(daemon):
    assert stat.S_IMODE(os.stat(daemon.control_path).st_mode) == 0o600
    daemon.stop()
    assert not os.path.exists(daemon.control_path)


def test_metrics_port_taken(run, rundir, daemon, config_file):
    taken = freshet.address_text(daemon.metrics_address)
    control = os.path.join(rundir, "c.sock")
    expect_refusal(run("-c", config_file(minimal(metrics=taken, control=control))), taken,
                   "Address already in use")
    assert not os.path.exists(control), "what was opened before is gone again"


def test_unknown_property_of_the_feed(run, config_file):
    feed = {"brokers": "127.0.0.1:1", "zones": ["example.com."], "rdkafka": ["no.such=1"]}
    expect_refusal(run("-c", config_file(minimal(feed=feed))), "no.such")


# --- the end


def stop_in_background(daemon, number=signal.SIGTERM):
    """Sends the signal and returns when it has arrived; daemon.stop() judges the end."""
    os.kill(daemon.pid, number)
    daemon.wait_log("msg=stopping")


def has_ended(daemon):
    with open(f"/proc/{daemon.pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_queries_under_way_are_answered_before_the_end(upstream, daemon, number):
    gate = s.Gate()
    upstream.script("www.example.com.", s.hold(gate))
    with wire.Stream(daemon) as stream, wire.connected(daemon) as sock:
        sock.settimeout(5)
        sock.send(wire.query_bytes("www.example.com.", identity=5))
        stream.ask("www.example.com.")
        process.eventually(lambda: daemon.status()["tiers"][0]["joined"] == 1)
        stop_in_background(daemon, number)
        time.sleep(0.2)
        gate.open()
        assert sock.recv(512)[:2] == b"\0\5" and stream.receive()[6:8] == b"\0\1"
        process.eventually(lambda: has_ended(daemon), within=10)
        daemon.stop()


def test_the_end_is_quick(daemon):
    ask(daemon, "www.example.com.")
    with wire.Stream(daemon), wire.Stream(daemon), \
            socket.create_connection(daemon.metrics_address):  # idle ones do not hold it up
        began = time.monotonic()
        daemon.stop()
        assert time.monotonic() - began < 3


def test_the_end_does_not_wait_for_ever(upstream, daemon):
    upstream.script("*", s.drop())
    with wire.connected(daemon) as sock:
        for n in range(100):
            sock.send(wire.query_bytes(f"n{n}.example.com."))
        upstream.wait_count(100)
        began = time.monotonic()
        daemon.stop()
        assert time.monotonic() - began < 3.5


def test_who_still_waits_at_the_end_is_told_so(upstream, freshetd):
    """Whatever the time that a query may take: at the end of draining all who wait get an answer, by UDP and TCP."""
    upstream.script("*", s.drop())
    upstream.set("www.example.com.", "A", "192.0.2.1", ttl=1)
    upstream.script("www.example.com.", s.lookup)
    daemon = freshetd(freshet.stub([upstream], workers=2, resolve_timeout="30s",
                                   cache={"serve_stale": "1h"}))
    ask(daemon, "www.example.com.")
    time.sleep(1.1)
    upstream.script("www.example.com.", s.drop())
    with wire.Stream(daemon) as stream, wire.connected(daemon) as sock, wire.connected(daemon) as old:
        for each in (sock, old):
            each.settimeout(5)
        stream.ask("a.example.com.")
        for n in range(10):
            sock.send(wire.query_bytes(f"n{n}.example.com.", identity=n))
        upstream.wait_count(11)
        stop_in_background(daemon)
        old.send(wire.query_bytes("www.example.com.", identity=77))
        answers = [sock.recv(512) for _ in range(10)]
        assert {answer[1] for answer in answers} == set(range(10))
        assert {answer[3] & 15 for answer in answers} == {2}, "SERVFAIL"
        assert stream.receive()[3] & 15 == 2
        assert old.recv(512)[6:8] == b"\0\1", "what is held past its TTL is better than nothing"
        process.eventually(lambda: has_ended(daemon), within=10)
        daemon.stop()


@pytest.mark.parametrize("order", [1, -1], ids=["below first", "above first"])
def test_who_waits_for_a_tier_above_is_told_too(upstream, freshetd, order):
    upstream.script("*", s.drop())
    tiers = [{"name": "os", "upstream": {"tier": "regional"}}, freshet.tier("regional", [upstream])][::order]
    daemon = freshetd({"tiers": tiers, "resolve_timeout": "30s"})
    with wire.connected(daemon.addresses["os"]) as below, wire.connected(daemon.addresses["regional"]) as above:
        for n, sock in enumerate((below, above)):
            sock.settimeout(5)
            sock.send(wire.query_bytes("www.example.com.", identity=n))
        upstream.wait_count(1)
        stop_in_background(daemon)
        for n, sock in enumerate((below, above)):
            answer = sock.recv(512)
            assert answer[1] == n and answer[3] & 15 == 2
        daemon.stop()


def test_what_is_held_is_answered_until_the_end(upstream, daemon):
    upstream.script("never.example.com.", s.drop())
    ask(daemon, "www.example.com.")
    with wire.Stream(daemon) as stream, wire.connected(daemon) as sock:
        sock.settimeout(5)
        sock.send(wire.query_bytes("never.example.com.", identity=1))
        upstream.wait_count(1, "never.example.com.")
        stop_in_background(daemon)
        for _ in range(12):
            assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
            stream.ask("www.example.com.")
            assert stream.receive()[6:8] == b"\0\1"
            time.sleep(0.1)
        assert sock.recv(512)[:2] == b"\0\1"
        daemon.stop()


# --- reload


def reload(daemon, config):
    """Configures anew and returns once the daemon has said what it thinks of it."""
    daemon.configure(config)
    seen = len(daemon.log)
    daemon.sighup()
    process.eventually(lambda: "reload" in daemon.log[seen:])
    return daemon.log[seen:]


def test_reload_takes_new_forwarders_and_keeps_the_cache(upstream, daemon):
    other = s.Scripted()
    other.set("www.example.com.", "A", "192.0.2.2")
    other.set("new.example.com.", "A", "192.0.2.2")
    ask(daemon, "www.example.com.")
    assert "msg=reloaded" in reload(daemon, freshet.stub([other], workers=1))
    process.eventually(lambda: addresses(ask(daemon, "new.example.com.")) == ["192.0.2.2"])
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"], "cached from before"
    assert upstream.count() == 1 and other.count() == 1
    listed = [server["address"] for server in daemon.status()["tiers"][0]["upstreams"]]
    assert listed == [freshet.address_text(other.address)]
    other.stop()


def test_queries_under_way_survive_a_reload(upstream, daemon):
    """They are answered by whom they were put to; and the end comes in order after many reloads."""
    gate = s.Gate()
    upstream.script("*", s.hold(gate))
    upstream.script("never.example.com.", s.drop())
    with wire.connected(daemon) as sock:
        sock.settimeout(5)
        for n in range(10):
            sock.send(wire.query_bytes(f"n{n}.example.com.", identity=n))
            sock.send(wire.query_bytes("never.example.com.", identity=100))
            gate.wait_held(n + 1)
            reload(daemon, freshet.stub([upstream if n % 2 else ("127.0.0.1", 9)], workers=1))
        gate.open()
        assert {sock.recv(512)[1] for _ in range(10)} == set(range(10))


def test_outstanding_queries_of_old_forwarders_do_not_outlive_the_process(upstream, freshetd):
    """A client has its answer from the second forwarder while the first one's is still awaited."""
    silent = s.Scripted()
    silent.script("*", s.drop())
    daemon = freshetd(freshet.stub([silent, upstream], workers=1))
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    reload(daemon, freshet.stub([upstream], workers=1))
    assert silent.count() >= 1
    daemon.stop()
    silent.stop()


def test_reload_takes_limits(upstream, freshetd):
    upstream.script("*", wire.records(b"\xc0\0\2\1"))
    daemon = freshetd(freshet.stub([upstream]))
    wire.ask_all(daemon, [f"n{n}.example.com." for n in range(2000)])
    before = daemon.status()["tiers"][0]
    assert before["answers"] == 2000
    reload(daemon, freshet.stub([upstream], cache={"size": "64KiB", "max_ttl": "50s"},
                                resolve_timeout="300ms", tcp_idle="200ms"))
    after = daemon.status()["tiers"][0]
    assert after["size"] == 65536 and after["bytes"] <= 65536 and 10 < after["answers"] < 2000
    process.eventually(lambda: ttls(ask(daemon, "another.example.com.")) == [50])  # in 300 ms, if the upstream is as fast
    upstream.script("dead.example.com.", s.drop())
    watch = process.Stopwatch()
    assert rcode(ask(daemon, "dead.example.com.")) == "SERVFAIL"
    assert watch.own() < 1
    with wire.Stream(daemon) as stream:
        assert stream.is_closed(within=2)


def test_reload_takes_the_log_level(upstream, daemon):
    reload(daemon, freshet.stub([upstream], workers=1, log="debug"))
    daemon.configure(freshet.stub([upstream], workers=1, log="error"))
    daemon.sighup()
    time.sleep(0.3)
    seen = len(daemon.log)
    daemon.sighup()
    time.sleep(0.3)
    assert daemon.log[seen:] == "", "below the level"
    daemon.configure("nonsense")
    daemon.sighup()
    daemon.wait_log(" error msg=", start=seen)


@pytest.mark.parametrize("config, word", [
    ("tiers: [", "expected YAML"), ("", "empty"),
    (json.dumps(minimal(log='lo"ud\\')), 'log: "lo"ud\\"'),
], ids=["not YAML", "empty", "bad value"])
def test_a_bad_configuration_is_not_taken(daemon, config, word):
    ask(daemon, "www.example.com.")
    log = reload(daemon, config)
    assert log.count("\n") == 1 and " error msg=" in log
    fields = freshet.log_fields(log)
    assert "refused" in fields["msg"] and ".yaml:" in fields["error"]
    assert (word in fields["error"]) and list(fields)[-1] == "error"
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]


@pytest.mark.parametrize("change, key", [
    ({"workers": 2}, "workers"), ({"control": "/tmp/other.sock"}, "control"),
    ({"feed": {"brokers": "127.0.0.1:1", "zones": ["example.com."]}}, "feed"),
])
def test_what_takes_a_restart_is_refused_as_a_whole(upstream, daemon, change, key):
    other = s.Scripted()
    log = reload(daemon, freshet.stub([other], **{"workers": 1, **change}))
    assert key in freshet.log_fields(log)["error"] and "restart" in log
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"] and other.count() == 0
    other.stop()


def test_other_listeners_take_a_restart(upstream, daemon):
    config = freshet.stub([upstream], workers=1)
    config["tiers"][0]["listen"] = ["127.0.0.1:" + str(process.free_port())]
    address = daemon.address
    assert "listen" in reload(daemon, config)
    assert addresses(ask(address, "www.example.com.")) == ["192.0.2.1"]


# --- the log


def test_log_lines_have_one_form(upstream, freshetd):
    config = freshet.stub([upstream], workers=2)
    config["feed"] = {"brokers": "127.0.0.1:1", "zones": ["example.com."]}
    daemon = freshetd(config)
    ask(daemon, "www.example.com.")
    reload(daemon, config)
    reload(daemon, json.dumps(minimal(log="loud")))
    daemon.stop()
    lines = daemon.log.splitlines()
    form = r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|info|debug) ' \
           r'msg=("(\\.|[^"\\])*"|[^" ]+)( [a-z_]+=("(\\.|[^"\\])*"|[^" ]*))*'
    assert [line for line in lines if not re.fullmatch(form, line)] == []
    messages = [freshet.log_fields(line)["msg"] for line in lines]
    for wanted in ("listening", "ready", "reloaded", "stopping"):
        assert wanted in messages
    ready = daemon.records(msg="ready")[0]
    assert ready["pid"] == str(daemon.pid) and ready["workers"] == "2"


# --- the control socket


def converse(daemon, *parts, timeout=5):
    """Sends bytes, ends its side, and returns the lines that come back until the end."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(daemon.control_path)
        for part in parts:
            sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        return [json.loads(line) for line in sock.makefile("rb")]


def test_status(upstream, daemon):
    ask(daemon, "www.example.com.")
    ask(daemon, "www.example.com.")
    ask(daemon, "www.example.com.", rd=False)
    status = daemon.status()
    assert status["ok"] and status["pid"] == daemon.pid and status["feed"] is None
    assert re.fullmatch(r"\d+\.\d+\.\d+", status["version"]) and 0 <= status["uptime_s"] < 60
    assert status["sandbox"] in ("on", "off")
    tier, = status["tiers"]
    assert tier["name"] == "os" and tier["listen"] == [freshet.address_text(daemon.address)] and not tier["awaited"]
    assert (tier["queries"], tier["hits"], tier["misses"], tier["refused"]) == (3, 1, 1, 1)
    assert (tier["answers"], tier["fetches"], tier["failed"]) == (1, 1, 0)
    server, = tier["upstreams"]
    assert server["address"] == freshet.address_text(upstream.address)
    assert (server["sent"], server["answered"], server["timeouts"]) == (1, 1, 0)


def test_lookup(upstream, daemon):
    upstream.set("alias.example.com.", "CNAME", "www.example.com.", ttl=90)
    nothing = {"tier": "os", "local": False, "variants": []}
    assert daemon.lookup("alias.example.com.")["tiers"] == [nothing]
    ask(daemon, "alias.example.com.")
    for spelling in ("alias.example.com.", "ALIAS.example.COM", "\\097lias.example.com."):
        found = daemon.lookup(spelling)
        assert found["ok"] and found["name"] == "alias.example.com." and found["type"] == "A"
        (held,), = [tier["variants"] for tier in found["tiers"]]
        assert held["valid"] and 85 <= held["ttl"] <= 90 and held["rcode"] == "NOERROR"
        assert held["from"] == freshet.address_text(upstream.address) and held["why"]
        assert held["records"][0].startswith("alias.example.com. ")
        assert held["records"][0].endswith(" IN CNAME www.example.com.")
        assert held["records"][1].endswith(" IN A 192.0.2.1")
    assert daemon.lookup("alias.example.com.", "AAAA")["tiers"] == [nothing]
    ask(daemon, "alias.example.com.", want_dnssec=True, cd=True)
    variants = daemon.lookup("alias.example.com.")["tiers"][0]["variants"]
    assert [(held["dnssec_ok"], held["checking_disabled"]) for held in variants] == [
        (False, False), (True, True)]
    assert daemon.status()["tiers"][0]["hits"] == 0, "looking is no hit"


@pytest.mark.parametrize("feed", [False, True], ids=["no feed", "zone of a feed"])
def test_evict(upstream, freshetd, feed):
    config = freshet.stub([upstream], workers=1)
    if feed:
        config["feed"] = {"brokers": "127.0.0.1:1", "zones": ["example.com."]}
    daemon = freshetd(config)
    names = ["www.example.com.", "a.www.example.com.", "mail.example.com."]
    for name in names:
        upstream.set(name, "A", "192.0.2.1")
        ask(daemon, name)

    def asked_again():
        upstream.forget()
        for name in names:
            ask(daemon, name)
        return [upstream.count(name) for name in names]
    assert asked_again() == [0, 0, 0]
    assert daemon.control({"cmd": "evict", "name": "WWW.example.com."})["ok"]
    assert asked_again() == [1, 0, 0]
    assert daemon.control({"cmd": "evict", "name": "www.example.com", "subtree": True})["ok"]
    assert asked_again() == [1, 1, 0]
    assert daemon.control({"cmd": "evict", "name": ".", "subtree": True})["ok"]
    assert asked_again() == [1, 1, 1]
    assert daemon.control({"cmd": "evict", "name": "other.example.org."})["ok"]
    assert asked_again() == [0, 0, 0]


def test_without_a_feed_nothing_was_applied(daemon):
    assert daemon.control({"cmd": "applied"}) == {"ok": True, "first": 1, "age_us": [], "took_us": []}


def test_all_threads_but_the_main_one_have_short_time_slices(daemon):
    """Those that answer go before the one that dumps."""
    release = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    if release < (6, 12) or not os.path.exists("/proc/self/sched"):
        pytest.skip("this kernel gives no thread a slice of its own, or does not show it")
    slices = {}
    for thread in os.listdir(f"/proc/{daemon.pid}/task"):
        with open(f"/proc/{daemon.pid}/task/{thread}/sched", encoding="ascii") as file:
            slices[int(thread)] = [int(line.split(":")[1]) for line in file if line.startswith("se.slice")]
    assert slices.pop(daemon.pid)[0] > 100000, "nanoseconds"
    assert slices and all(thread == [100000] for thread in slices.values())


def test_dump(upstream, daemon):
    upstream.script("*", wire.records(b"\xc0\0\2\1"))
    names = {f"n{n}.example.com." for n in range(3000)}
    wire.ask_all(daemon, sorted(names), window=200)
    lines = converse(daemon, b'{"cmd": "dump"}\n', timeout=20)
    assert lines[-1] == {"ok": True, "count": 3000}
    assert {line["name"] for line in lines[:-1]} == names
    assert {(line["tier"], line["type"]) for line in lines[:-1]} == {("os", "A")}


def connect(daemon):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(daemon.control_path)
    return sock


def test_dumps_wait_for_their_clients(upstream, daemon):
    """Eight at once that are not read keep little, hold nobody up, and are whole when they are read."""
    upstream.script("*", wire.records(b"\xc0\0\2\1"))
    names = {f"n{n}.example.com." for n in range(20000)}
    wire.ask_all(daemon, sorted(names), window=200)
    before = daemon.rss()
    socks = [connect(daemon) for _ in range(8)]
    for sock in socks:
        sock.sendall(b'{"cmd": "dump"}\n{"cmd": "status"}\n')
    for _ in range(20):
        assert ask(daemon, "n1.example.com.") is not None
        assert daemon.status()["ok"]
    assert daemon.rss() - before < 8 << 20
    for sock in socks:
        with sock, sock.makefile("rb") as lines:
            rows = [json.loads(next(lines)) for _ in range(len(names) + 1)]
            assert rows.pop() == {"ok": True, "count": len(names)}
            assert {row["name"] for row in rows} == names
            assert json.loads(next(lines))["pid"] == daemon.pid, "what was asked behind it comes behind it"


def test_a_client_that_asks_and_does_not_read_is_not_answered_on(daemon):
    before = daemon.rss()
    with connect(daemon) as sock:
        sock.settimeout(1)
        with pytest.raises(OSError):
            for _ in range(100):
                sock.sendall(b'{"cmd": "status"}\n' * 1000)
        assert daemon.rss() - before < 4 << 20
        assert daemon.status()["ok"]


def test_a_client_that_ends_its_side_gets_its_dump(upstream, daemon):
    upstream.script("*", wire.records(b"\xc0\0\2\1"))
    wire.ask_all(daemon, [f"n{n}.example.com." for n in range(2000)], window=200)
    with connect(daemon) as sock:
        sock.sendall(b'{"cmd": "dump"}\n')
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        lines = sock.makefile("rb").readlines()
    assert json.loads(lines[-1]) == {"ok": True, "count": 2000}


@pytest.mark.parametrize("request_line", [
    b"", b"{", b"[]", b"7", b"null", b"nonsense", b"\xff\xfe", b'{"cmd": 7}', b"{}",
    b'{"cmd": "nothing"}', b'{"cmd": "lookup"}', b'{"cmd": "lookup", "name": 7}',
    b'{"cmd": "lookup", "name": "a..b"}', b'{"cmd": "lookup", "name": "a.", "type": "NONSENSE"}',
    b'{"cmd": "evict"}', b'{"cmd": "evict", "name": ""}', b'{"cmd": "evict", "name": "a\\u0000b"}',
    b'{"cmd": "evict", "name": "' + b"x" * 300 + b'"}', b'{"cmd": "status", "cmd": "dump"}',
    b'{"cmd": "applied", "after": -1}', b'{"cmd": "applied", "after": "x"}',
    b'{"cmd":"status"} {"cmd":"status"}', b"[" * 10000, b'{"a":' * 10000, b"\0\0\0\0",
])
def test_wrong_requests_get_a_reason(daemon, request_line):
    reply, then = converse(daemon, request_line + b"\n", b'{"cmd": "status"}\n')
    assert reply["ok"] is False and len(reply["error"]) > 10
    assert then["ok"] is True, "and the conversation goes on"


def test_requests_in_pieces_and_many_at_once(daemon):
    replies = converse(daemon, b'{"cmd"', b': "status"}\r\n{"cmd": "look',
                       b'up", "name": "a."}\n', b'{"cmd": "status"}\n' * 50)
    assert len(replies) == 52 and all(reply["ok"] for reply in replies)


def test_a_request_without_end_is_cut_off(daemon):
    before = daemon.rss()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(daemon.control_path)
        with pytest.raises(OSError):
            for _ in range(1000):
                sock.sendall(b"x" * 65536)
                time.sleep(0.001)
    assert daemon.rss() - before < 16 << 20
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(daemon.control_path)
        sock.sendall(b"y" * 70_000)
        reply = json.loads(sock.makefile("rb").readline())
    assert reply["ok"] is False and "too long" in reply["error"]
    assert daemon.status()["ok"]


def test_visitors_that_leave_or_stay_do_no_harm(upstream, daemon):
    upstream.script("*", wire.records(b"\xc0\0\2\1"))
    wire.ask_all(daemon, [f"n{n}.example.com." for n in range(500)])
    idle = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for n, sock in enumerate(idle):
        sock.connect(daemon.control_path)
        if n % 2:
            sock.sendall(b'{"cmd": "dump"}\n' * 5)
            if n % 3:
                sock.close()
    assert daemon.status()["ok"]
    for sock in idle:
        sock.close()
    assert daemon.status()["ok"]


# --- metrics


def get(daemon, path="/metrics", method="GET"):
    connection = http.client.HTTPConnection(*daemon.metrics_address, timeout=5)
    connection.request(method, path)
    reply = connection.getresponse()
    body = reply.read().decode()
    connection.close()
    return reply, body


def test_metrics_are_prometheus_text(daemon):
    for name in ("www.example.com.", "www.example.com.", "no.example.com."):
        ask(daemon, name)
    reply, body = get(daemon)
    assert reply.status == 200
    assert reply.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    series = freshet.parse_metrics(body)
    described = dict(re.findall(r"^# TYPE (\S+) (counter|gauge|histogram)$", body, re.M))
    helped = re.findall(r"^# HELP (\S+) \S.*$", body, re.M)
    assert len(helped) == len(set(helped)) and set(helped) == set(described)
    named = {name.split("{")[0] for name in series}
    parts = {f"{name}_{part}" for name, kind in described.items() if kind == "histogram" for part in ("bucket", "sum", "count")}
    assert parts <= named and named - parts <= set(described)
    for name, kind in described.items():
        assert name.startswith("freshet_") and name.endswith("_total") == (kind == "counter")
    assert series['freshet_queries_total{tier="os"}'] == 3
    assert series['freshet_cache_hits_total{tier="os"}'] == 1
    assert series['freshet_cache_answers{tier="os"}'] == 2


def test_metrics_agree_with_status(daemon):
    for n in range(5):
        ask(daemon, f"n{n % 3}.example.com.")
    tier = daemon.status()["tiers"][0]
    for metric, field in (("queries_total", "queries"), ("cache_hits_total", "hits"),
                          ("cache_misses_total", "misses"), ("fetches_total", "fetches"),
                          ("cache_bytes", "bytes"), ("cache_size_bytes", "size")):
        assert daemon.metric(f"freshet_{metric}", tier="os") == tier[field]
    assert tier["size"] == 64 << 20
    assert daemon.metric("freshet_upstream_sent_total") == tier["upstreams"][0]["sent"] == 3


def test_how_long_answers_took(daemon, upstream):
    """Each in one range: what was held within half of what the upstream takes, what was fetched beyond it."""
    def count(way, most=None):
        kind = "count" if most is None else "bucket"
        labels = {} if most is None else {"le": most}
        return daemon.metric(f"freshet_answer_seconds_{kind}", tier="os", way=way, **labels)
    before = {way: count(way) for way in ("at_once", "waited")}
    for name in ("first", "second"):
        upstream.script(f"{name}.example.com.", s.delay(0.1))
        ask(daemon, f"{name}.example.com.")
    for _ in range(5):
        ask(daemon, "first.example.com.")
    ask(daemon, "first.example.com.", tcp=True)
    assert count("waited") == before["waited"] + 2 and count("waited", "0.05") == 0 and count("waited", "+Inf") == 2
    assert count("at_once") == before["at_once"] + 6 and count("at_once", "0.05") == count("at_once", "+Inf")
    assert daemon.metric("freshet_answer_seconds_sum", tier="os", way="waited") >= 0.2
    times = daemon.status()["tiers"][0]
    assert times["waited_times"]["p50_us"] >= 100000 > times["at_once_times"]["p99_us"] > 0


def queries_logged(daemon):
    return [dict(pair.split("=", 1) for pair in line.split(" msg=query ", 1)[1].split())
            for line in daemon.log.splitlines() if " msg=query " in line]


def test_what_is_asked_is_logged_where_that_is_wanted(upstream, freshetd):
    config = freshet.stub([upstream], workers=1, query_log="questions")
    config["tiers"][0]["local"] = ["printer.lan. 60 IN A 192.0.2.9"]
    daemon = freshetd(config)
    for name, rtype, tcp in (("WWW.example.com.", "A", False), ("www.example.com.", "A", False), ("www.example.com.", "A", True),
                             ("printer.lan.", "A", False), ("no.example.com.", "AAAA", True), ("x.test.", "A", False)):
        ask(daemon, name, rtype, tcp=tcp)
    ask(daemon, "www.example.com.", rd=False)
    process.eventually(lambda: len(queries_logged(daemon)) == 7)
    logged = queries_logged(daemon)
    assert [(line["name"], line["type"], line["from"], line["rcode"], line["answers"]) for line in logged] == [
        ("WWW.example.com.", "A", "upstream", "NOERROR", "1"), ("www.example.com.", "A", "cache", "NOERROR", "1"),
        ("www.example.com.", "A", "cache", "NOERROR", "1"), ("printer.lan.", "A", "local", "NOERROR", "1"),
        ("no.example.com.", "AAAA", "upstream", "NXDOMAIN", "0"), ("x.test.", "A", "local", "NXDOMAIN", "0"),
        ("www.example.com.", "A", "freshet", "REFUSED", "0")]
    assert "127.0.0.1" not in "".join(line for line in daemon.log.splitlines() if "msg=query" in line)
    config["query_log"] = "clients"
    reload(daemon, config)
    ask(daemon, "www.example.com.")
    assert process.eventually(lambda: queries_logged(daemon)[7:])[0]["client"] == "127.0.0.1"
    config["query_log"] = "none"
    reload(daemon, config)
    ask(daemon, "www.example.com.")
    time.sleep(0.1)
    assert len(queries_logged(daemon)) == 8


def test_what_is_logged_of_queries_has_a_limit(upstream, freshetd):
    daemon = freshetd(freshet.stub([upstream], workers=1, query_log="questions"))
    ask(daemon, "www.example.com.")
    while len(queries_logged(daemon)) == daemon.metric("freshet_queries_total"):
        for _ in range(300):
            ask(daemon, "www.example.com.")
    before = len(queries_logged(daemon))

    def more_lines():
        ask(daemon, "www.example.com.")
        return len(queries_logged(daemon)) > before and queries_logged(daemon)
    lines = process.eventually(more_lines)
    assert len(lines) + sum(int(line.get("more", 0)) for line in lines) == daemon.metric("freshet_queries_total")


def test_health_and_readiness(daemon):
    for path in ("/healthz", "/readyz"):
        reply, body = get(daemon, path)
        assert reply.status == 200 and body == "ok\n"
        assert get(daemon, path, "HEAD")[1] == "" and get(daemon, path, "POST")[0].status == 405


def test_it_is_not_ready_while_an_address_is_not_there(upstream, freshetd):
    config = freshet.stub([upstream], workers=1)
    config["tiers"][0]["listen"] = [f"127.0.0.1:{process.free_port()}", f"192.0.2.200:{process.free_port()}"]
    waiting = freshetd(config)
    reply, body = get(waiting, "/readyz")
    assert reply.status == 503 and body == f"tier os: {config['tiers'][0]['listen'][1]}: no address of this machine yet\n"
    assert get(waiting, "/healthz")[0].status == 200


def test_two_questions_are_answered_beside_the_metrics(daemon):
    """As on the control socket."""
    ask(daemon, "www.example.com.")
    for path, request in (("/drained-by?name=www.example.com.", {"cmd": "drained_by", "name": "www.example.com."}),
                          ("/lookup?type=A&name=%77ww.example.com.", {"cmd": "lookup", "name": "www.example.com.", "type": "A"}),
                          ("/lookup?name=www.example.com.", {"cmd": "lookup", "name": "www.example.com."})):
        reply, body = get(daemon, path)
        assert reply.status == 200 and reply.getheader("Content-Type") == "application/json"
        told, known = json.loads(body), daemon.control(request)
        assert told.keys() == known.keys() and told["name"] == known["name"] and len(told["tiers"]) == len(known["tiers"])
    for path, wrong in (("/lookup", '"name" is missing'), ("/lookup?name=a..b", '"name" is not a domain name'),
                        ("/lookup?name=%ff.example.com.", '"name" is not a domain name'),
                        ("/lookup?name=%0", '"name" is missing'), ("/lookup?name=www.example.com.%00x", '"name" is missing'),
                        ("/lookup?name=a.&type=NONE", '"type" is not a record type'), ("/drained-by?type=A", '"name" is missing')):
        reply, body = get(daemon, path)
        assert reply.status == 200 and json.loads(body) == {"ok": False, "error": wrong}
    for path in ("/evict?name=www.example.com.", "/status", "/dump", "/drained-by/"):
        assert get(daemon, path)[0].status == 404
    assert daemon.status()["tiers"][0]["answers"] == 1


def test_only_metrics_are_served(daemon):
    assert get(daemon, "/")[0].status == 404 and get(daemon, "/metrics/../etc")[0].status == 404
    assert get(daemon, method="POST")[0].status in (405, 501)
    with socket.create_connection(daemon.metrics_address) as sock:
        sock.sendall(b"\0\1\2 nonsense\r\n\r\n")
    assert get(daemon)[0].status == 200


# --- no brokers


def test_unreachable_brokers_make_a_plain_cache(upstream, freshetd):
    config = freshet.stub([upstream], workers=1)
    config["feed"] = {"brokers": "127.0.0.1:1", "zones": ["example.com."], "lease": "1s"}
    daemon = freshetd(config)
    for _ in range(3):
        assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    assert upstream.count() == 1, "it caches, by TTL"
    feed = daemon.status()["feed"]
    assert feed["state"] == "cold" and feed["reason"] and feed["brokers"] == "127.0.0.1:1"
    assert [zone["zone"] for zone in feed["zones"]] == ["example.com."]
    assert daemon.metric("freshet_feed_state", state="cold") == 1
    assert daemon.metric("freshet_feed_state") == 1, "one state at a time"
    process.eventually(lambda: [record for record in daemon.records()
                                if "feed" in record.get("msg", "") and record.get("reason")])
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < 3


# --- what a path in the configuration, or of it, may turn into


@pytest.mark.parametrize("kind", ["fifo", "directory", "device", "endless", "large", "gone"])
def test_no_file_holds_up_a_reload_or_the_end(upstream, freshetd, kind):
    daemon = freshetd(freshet.stub([upstream], workers=1))
    path = os.path.join(daemon.directory, "freshet.yaml")
    os.unlink(path)
    {"fifo": lambda: os.mkfifo(path), "directory": lambda: os.mkdir(path),
     "device": lambda: os.symlink("/dev/null", path), "endless": lambda: os.symlink("/dev/zero", path),
     "large": lambda: os.close(os.open(path, os.O_CREAT | os.O_WRONLY)) or os.truncate(path, 1 << 40),
     "gone": lambda: None}[kind]()
    daemon.sighup()
    assert addresses(ask(daemon, "www.example.com.")) == ["192.0.2.1"]
    daemon.wait_log("reload refused, running on", within=5)
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < 2


def test_a_configuration_from_a_pipe(run):
    """As a shell's <(...) has it."""
    text = json.dumps(minimal())
    shell = subprocess.run(["bash", "-c", f'{freshet.program("freshetd")} -n -c <(cat)'], input=text,
                           capture_output=True, text=True, timeout=10, check=False)
    assert (shell.returncode, shell.stdout, shell.stderr) == (0, "", "")
    shell = subprocess.run(["bash", "-c", f'{freshet.program("freshetd")} -n -c <(sleep 5)'],
                           capture_output=True, text=True, timeout=10, check=False,
                           start_new_session=True)
    assert shell.returncode == 2 and "is a pipe that does not come to its end" in shell.stderr
