"""freshetd and freshet as a test runs them: started on free ports, spoken to, stopped and judged.

The programs are taken from the directory in FRESHET_BUILD (default "build"; "build/address" for a
sanitizer build). What a sanitizer writes to stderr fails the test that stops the process.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import string
import subprocess
import typing

import process

READY_WITHIN = 10.0  # seconds; sanitizer builds start slowly on a busy machine
STOP_WITHIN = 5.0    # seconds from SIGTERM to exit code 0
CLI_WITHIN = 20.0    # seconds for a command of the tool

SANITIZER = re.compile(
    r"(?:ERROR|WARNING|SUMMARY): \w+Sanitizer|: runtime error: |ERROR SUMMARY: [1-9]")
SANITIZER_DEFAULTS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "second_deadlock_stack=1 suppressions="
                    + os.path.join(process.ROOT, "tests", "sanitize", "tsan.supp"),
}
LOG_FIELD = re.compile(r'([\w.]+)=("(?:[^"\\]|\\.)*"|\S*)')
METRIC = re.compile(r"^([a-zA-Z_:][\w:]*)(\{.*\})?\s+(\S+)(?:\s+\d+)?$")


def build_directory():
    return os.environ.get("FRESHET_BUILD", "build")


def program(name):
    """The path of a built program."""
    return os.path.join(process.ROOT, build_directory(), name)


def environment():
    """Of this process, with the sanitizers' options where it says nothing of them."""
    return {**SANITIZER_DEFAULTS, **os.environ}


def sanitizer_report(stderr):
    """What a sanitizer wrote, from its first line on; None when there is nothing."""
    found = SANITIZER.search(stderr)
    return stderr[stderr.rfind("\n", 0, found.start()) + 1:] if found else None


# --- configuration


def address_text(address):
    """("::1", 53) -> "[::1]:53", as configurations have it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def tier(name, upstreams, way="forward", **cache):
    """One tier's dict: `upstreams` are (address, port) or have `.address`, `cache` its options.

    way     "parent" when the upstreams are freshet tiers on the same feed
    """
    addresses = [address_text(getattr(server, "address", server)) for server in upstreams]
    section = {"name": name, "upstream": {way: addresses}}
    if cache:
        section["cache"] = cache
    return section


def feed(topic, zones, **options):
    """The feed's dict for a kafka_cluster.Topic. Nothing settles unless it is asked for: tests share a topic, and a
    cache that starts holds what changed a moment ago for unsettled."""
    options.setdefault("settle", "0s")
    properties = list(options.pop("rdkafka", [])) + topic.consumer_properties
    section = {"brokers": topic.bootstrap, "updates": topic.name, "zones": list(zones), **options}
    if properties:
        section["rdkafka"] = properties
    return section


def stub(upstreams, topic=None, zones=("example.com.", "example.net."), cache=None, **top):
    """The configuration most tests want: one tier "os", with a feed when a topic is given."""
    config = {"tiers": [tier("os", upstreams, **(cache or {}))], **top}
    if topic is not None:
        config["feed"] = feed(topic, zones)
    return config


# --- the daemon


class Freshetd:
    """One freshetd, ready when the constructor returns; process.NotReady if it gets not there.

    config  a dict, written as JSON (which is YAML); `control`, `metrics` and each tier's `listen`
            are filled in where missing, with free loopback ports. Or YAML text, in which $control,
            $metrics and $listen stand for these.
    prefix  a command that runs it, such as one that puts it into another network
    files   the limit of open files, soft and hard
    """

    def __init__(self, config, arguments=(), log="debug", prefix=(), files=None):
        self.directory = process.run_directory("daemon")
        self.control_path = os.path.join(self.directory, "control.sock")
        self.metrics_address = ("127.0.0.1", process.free_port())
        self.addresses = {}  # tier name -> (host, port) of its first listen address
        self._default_listen = ("127.0.0.1", process.free_port())
        self._log_level = log
        self._arguments = list(arguments)
        self._prefix = [*prefix, *(["prlimit", f"--nofile={files}"] if files else [])]
        self._config_path = os.path.join(self.directory, "freshet.yaml")
        self._stopped = True
        self._process = None
        try:
            self.configure(config)
            self.start()
        except BaseException:
            self.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def configure(self, config):
        """Writes the configuration file anew; sighup() or a restart makes the daemon read it."""
        text = self._fill_text(config) if isinstance(config, str) else self._fill_dict(config)
        with open(self._config_path, "w", encoding="utf-8") as file:
            file.write(text)

    def _fill_text(self, text):
        return string.Template(text).safe_substitute(
            control=self.control_path, metrics=address_text(self.metrics_address),
            listen=address_text(self._default_listen))

    def _fill_dict(self, config):
        config = json.loads(json.dumps(config))
        config.setdefault("log", self._log_level)
        config.setdefault("control", self.control_path)
        config.setdefault("metrics", address_text(self.metrics_address))
        for section in config.get("tiers", []):
            self._fill_listen(section)
        return json.dumps(config, indent=2)

    def _fill_listen(self, section):
        """A tier keeps its port when configured again."""
        name = section.get("name")
        if "listen" in section:
            host, port = section["listen"][0].rsplit(":", 1)
            self.addresses[name] = (host.strip("[]"), int(port))
            return
        if name not in self.addresses:
            port = process.free_port() if self.addresses else self._default_listen[1]
            self.addresses[name] = ("127.0.0.1", port)
        section["listen"] = [address_text(self.addresses[name])]

    def start(self):
        """Starts it, again after stop() or kill(), with the same configuration file."""
        argv = [*self._prefix, program("freshetd"), "-c", self._config_path, *self._arguments]
        seen = len(self.log)
        self._process = process.Process("freshetd", argv, self.directory, environment())
        self._stopped = False
        self._process.wait_ready(lambda: "msg=ready" in self.log[seen:], READY_WITHIN)

    @property
    def address(self):
        """(host, port) of the first tier, for ask()."""
        return next(iter(self.addresses.values()), self._default_listen)

    @property
    def pid(self):
        return self._process.pid

    @property
    def log(self):
        """All of stderr up to now, of earlier starts too."""
        return self._process.output("stderr") if self._process else ""

    def records(self, **wanted):
        """Log lines as dicts of their key=value fields: those whose fields equal `wanted`."""
        lines = [log_fields(line) for line in self.log.splitlines()]
        return [fields for fields in lines
                if fields and all(fields.get(key) == value for key, value in wanted.items())]

    def wait_log(self, text, within=5.0, start=0):
        """Returns once `text` is in the log, after its first `start` characters."""
        process.eventually(lambda: text in self.log[start:], within, what=f"log has {text!r}")

    def control(self, request, timeout=5.0):
        """One request over the control socket: a dict there, a dict back, one line each."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(self.control_path)
            sock.sendall(json.dumps(request).encode() + b"\n")
            line = sock.makefile("rb").readline()
        if not line.endswith(b"\n"):
            raise AssertionError(f"control: no whole line for {request}: {line!r}")
        return json.loads(line)

    def status(self):
        return self.control({"cmd": "status"})

    def lookup(self, name, rtype="A"):
        return self.control({"cmd": "lookup", "name": name, "type": rtype})

    def metrics(self):
        """'name' or 'name{label="value"}' -> float, as /metrics has them now."""
        connection = http.client.HTTPConnection(*self.metrics_address, timeout=5)
        try:
            connection.request("GET", "/metrics")
            reply = connection.getresponse()
            body = reply.read().decode()
        finally:
            connection.close()
        assert reply.status == 200, f"/metrics: {reply.status} {body}"
        return parse_metrics(body)

    def metric(self, name, **labels):
        """The sum over all series of `name` that have these labels; 0 when there are none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for series, value in self.metrics().items()
                   if series.split("{")[0] == name and all(label in series for label in wanted))

    def rss(self):
        """Resident memory in bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"^VmRSS:\s+(\d+) kB", file.read(), re.M).group(1)) * 1024

    def sighup(self):
        self._process.send_signal(signal.SIGHUP)

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def stop(self):
        """SIGTERM; fails unless it exits with 0 in time and no sanitizer wrote. Safe to repeat."""
        if self._stopped:
            return
        self._stopped = True
        code = self._process.stop(within=STOP_WITHIN)
        report = sanitizer_report(self.log)
        assert report is None, f"freshetd, sanitizer:\n{report}"
        assert code == 0, f"freshetd: {_ending(code)}\n{self._process.tail()}"

    def kill(self):
        """SIGKILL, as a crash would: no judgement."""
        if self._process:
            self._process.stop(signal.SIGKILL)
        self._stopped = True

    def close(self):
        """stop(), and removes the directory. `log` and records() still work."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)


def _ending(code):
    if code == -signal.SIGKILL:
        return f"killed, as it did not end {STOP_WITHIN} s after SIGTERM"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def log_fields(line):
    """The key=value fields of a log line, unquoted; {} for any other line."""
    return {key: re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
            for key, value in LOG_FIELD.findall(line)}


def parse_metrics(text):
    """Prometheus text format -> {series: value}; a line that does not parse is an error."""
    series = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        found = METRIC.match(line)
        if not found:
            raise AssertionError(f"not a metric: {line!r}")
        name = found.group(1) + (found.group(2) or "")
        if name in series:
            raise AssertionError(f"twice: {name}")
        series[name] = float(found.group(3))
    return series


# --- the tool


class Result(typing.NamedTuple):
    """What a command came to."""
    code: int
    stdout: str
    stderr: str


class Cli:
    """The tool `freshet`, or another built program by its name."""

    def __init__(self, name="freshet"):
        self._program = program(name)

    def __call__(self, *arguments, stdin="", within=CLI_WITHIN):
        """Runs it to its end: cli("publish", "--brokers", ...) -> Result."""
        done = subprocess.run(
            [self._program, *map(str, arguments)], input=stdin, capture_output=True, text=True,
            cwd=process.ROOT, timeout=within, env=environment(), check=False)
        report = sanitizer_report(done.stderr)
        assert report is None, f"{self._program}, sanitizer:\n{report}"
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments):
        """Starts a command that runs on, such as `watch`: a Process, for the test to stop."""
        return process.Process("freshet", [self._program, *map(str, arguments)],
                               env=environment())
