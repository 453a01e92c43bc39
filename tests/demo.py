"""freshet at work, in a few seconds: an authority, two caches, and a stream that keeps them right.

    make demo

Everything runs on free loopback ports and is stopped at the end, also after Ctrl-C. What is shown
is checked: the exit code is 0 only if each step did what its line says.
"""

import contextlib
import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "integration"))
sys.dont_write_bytecode = True

import freshet  # noqa: E402  pylint: disable=wrong-import-position
import knot     # noqa: E402  pylint: disable=wrong-import-position
import origin   # noqa: E402  pylint: disable=wrong-import-position
import process  # noqa: E402  pylint: disable=wrong-import-position

ZONE = "example.com."
RECORDS = """
www 3600 A 192.0.2.1
old 3600 A 192.0.2.7
"""
TTL = 3600           # seconds, of both records
VISIBLE_WITHIN = 5   # seconds; a step that takes longer has failed
COMMAND_WITHIN = 20  # seconds
COLOURS = {"head": "1", "command": "36", "result": "32", "failure": "31"}


class Failure(Exception):
    """A step did not show what it should."""


# What can go wrong in a step: its own check, a server, a command.
FAILURES = (Failure, AssertionError, RuntimeError, OSError, process.NotReady,
            subprocess.SubprocessError)


def expect(condition, what):
    if not condition:
        raise Failure(what)


# --- what is printed


def paint(text, kind):
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\033[{COLOURS[kind]}m{text}\033[0m"


def head(number, text):
    print(f"\n{paint(f'{number}  {text}', 'head')}", flush=True)


def say(text=""):
    print(f"   {text}".rstrip(), flush=True)


def show(lines):
    for line in lines:
        print(f"     {line}".rstrip(), flush=True)


def result(name, text):
    print(f"   {name:<10} {paint(text, 'result')}", flush=True)


def announce(command):
    print(f"   {paint('$ ' + command, 'command')}", flush=True)


# --- commands, shown as they are run


class Shell:
    """Runs commands in the demo's directory, where stub.yaml and regional.yaml are."""

    def __init__(self, directory):
        self._directory = directory
        build = os.path.join(process.ROOT, freshet.build_directory())
        self._environment = dict(freshet.environment(), LC_ALL="C",
                                 PATH=f"{build}:{os.environ['PATH']}")

    def start(self, *words, stdin=""):
        """Shows and starts a command, and what it reads."""
        announce(shlex.join(words))
        show(f"> {line}" for line in stdin.splitlines())
        child = subprocess.Popen(words, cwd=self._directory, env=self._environment, text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        with contextlib.suppress(BrokenPipeError):  # its exit code says why
            child.stdin.write(stdin)
            child.stdin.flush()
        return child

    def finish(self, child, codes=(0,)):
        """Its output lines, once it has ended with one of `codes`."""
        output, _ = child.communicate(timeout=COMMAND_WITHIN)
        expect(child.returncode in codes, f"exit code {child.returncode}: {output}")
        return output.splitlines()

    def run(self, *words, stdin="", codes=(0,)):
        """Shows the command, what it reads, and what it writes; the lines of that."""
        lines = self.finish(self.start(*words, stdin=stdin), codes)
        show(lines)
        return lines

    def dig(self, server, name):
        """dig's answer, its status if that is an error, and how long it took."""
        host, port = server.address
        words = ["dig", "-u", f"@{host}", "-p", str(port), name, "A"]
        lines = self.finish(self.start(*words))
        kept = [line.expandtabs(1) for line in lines if is_telling(line)]
        show(kept)
        return kept


def is_telling(line):
    """Of dig's output: the answer, the time it took, and a status other than NOERROR."""
    if line.startswith(";"):
        return "Query time" in line or ("status:" in line and "NOERROR" not in line)
    return line.strip() and "SOA" not in line.split()


def answer_of(lines):
    """(TTL, address) of the first answer dig has shown."""
    for line in lines:
        found = re.match(r"\S+ +(\d+) +IN +A +(\S+)$", line)
        if found:
            return int(found[1]), found[2]
    raise Failure(f"no answer in: {lines}")


# --- the servers


class Stage:
    """The authority, the stream's broker, the two caches, and the directory the demo runs in. Later
    the origin, too, which the authority tells of its changes from the start."""

    def __init__(self):
        self.directory = process.run_directory("demo")
        self._stops = [lambda: shutil.rmtree(self.directory, ignore_errors=True)]
        self.authority = self.broker = self.regional = self.stub = self.origin = None
        self._told = ("127.0.0.1", process.free_port())

    def set_up(self):
        self.authority = self._own(knot.Knot({ZONE: RECORDS}, notify=self._told),
                                   "stop")
        self.broker = self._own(process.Process(
            "broker", [freshet.program("freshet"), "broker", "--topic", "dns.updates"]), "stop")
        self.broker.wait_ready(lambda: "\n" in self.broker.output("stdout"), within=10)
        # With this client_ttl, dig sees what TTL regional holds.
        self.regional = self._tier("regional", self.authority, client_ttl="1d")
        self.stub = self._tier("stub", self.regional, way="parent")
        for server in (self.regional, self.stub):
            process.eventually(lambda s=server: s.status()["feed"]["state"] == "live", within=10,
                               what="the caches follow the stream")

    def start_origin(self):
        """freshet-origin; its configuration is origin.yaml in the demo's directory."""
        feed = {"brokers": self.bootstrap, "rdkafka": ["fetch.wait.max.ms=1"]}
        zone = {"name": ZONE, "primary": [freshet.address_text(self.authority.address)]}
        self.origin = self._own(origin.Origin(
            {"listen": [freshet.address_text(self._told)], "feed": feed, "zones": [zone]},
            log="info"), "close")
        self._link(self.origin, "origin")

    @property
    def bootstrap(self):
        return self.broker.output("stdout").split()[1]

    def _own(self, server, stop):
        self._stops.append(getattr(server, stop))
        return server

    def _tier(self, name, upstream, **options):
        """A freshetd of one tier; its configuration is NAME.yaml in the demo's directory."""
        feed = {"brokers": self.bootstrap, "updates": "dns.updates", "zones": [ZONE],
                "settle": "0s",  # the zone has one server, so no other can lag behind it
                "rdkafka": ["fetch.wait.max.ms=1"]}  # as the embedded broker needs it
        server = self._own(freshet.Freshetd(
            {"feed": feed, "tiers": [freshet.tier(name, [upstream], **options)]}, log="info"),
            "close")
        self._link(server, name)
        return server

    def _link(self, server, name):
        os.symlink(os.path.join(server.directory, "freshet.yaml"),
                   os.path.join(self.directory, f"{name}.yaml"))

    def tear_down(self):
        """Stops all, the last first; one that does not end well keeps none of the others."""
        failures = []
        while self._stops:
            try:
                self._stops.pop()()
            except AssertionError as failure:
                failures.append(str(failure))
        expect(not failures, "\n".join(failures))


# --- how long until a cache answers anew


def query_bytes(identity, name):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.strip(".").split("."))
    return struct.pack("!6H", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


class Watcher:
    """Asks several caches the same question, over and over, until each gives the new address."""

    def __init__(self, servers, name, address):
        self._name, self._address = name, socket.inet_aton(address)
        self._waiting = {}  # socket -> server's key
        for key, server in servers.items():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect(server.address)
            self._waiting[sock] = key
        self.seen = {}      # server's key -> time.monotonic() of its first new answer
        self.asked = 0

    def _round(self):
        """One question to each that has not answered anew, and its answer."""
        identity = self.asked = self.asked + 1
        for sock in self._waiting:
            sock.send(query_bytes(identity & 0xFFFF, self._name))
        outstanding = set(self._waiting)
        while outstanding:
            ready, _, _ = select.select(outstanding, [], [], 1)
            expect(ready, "a cache does not answer")
            for sock in ready:
                if sock.recv(512).endswith(self._address):
                    self.seen[self._waiting.pop(sock)] = time.monotonic()
                    sock.close()
                outstanding.discard(sock)

    def until_seen(self, within):
        deadline = time.monotonic() + within
        while self._waiting:
            expect(time.monotonic() < deadline, f"{within} s, and the old answer is still given by "
                   + ", ".join(self._waiting.values()))
            self._round()
        return self.seen


# --- the steps


def introduce(stage, seconds):
    print(paint("freshet: DNS caches that are told of changes", "head"), end="\n\n")
    say(f"Running since {seconds:.1f} s, all of it on this machine:")
    rows = [("authority", stage.authority, f"Knot DNS; {ZONE} with a TTL of {TTL} s"),
            ("regional", stage.regional, "freshetd, asks the authority"),
            ("stub", stage.stub, "freshetd, asks regional; programs ask it")]
    show(f"{name:<10} {freshet.address_text(server.address):<16} {what}"
         for name, server, what in rows)
    show([f"{'stream':<10} {stage.bootstrap:<16} Kafka topic dns.updates; both caches subscribe"])
    say(f"freshet and freshetd are in {freshet.build_directory()}/; of dig's output, only the lines"
        " that matter are shown.")


def step_miss(stage, shell):
    head(1, "Miss: no cache has it. The stub asks regional, regional asks the authority.")
    _, address = answer_of(shell.dig(stage.stub, "www.example.com"))
    expect(address == "192.0.2.1", f"{address} is not what the authority has")
    expect(stage.authority.query_count("A") == 1, "the authority was not asked once")
    say("The authority was asked 1 time. (TTL 5: the stub keeps the answer for an hour, but does "
        "not\n   let programs keep it for more than 5 s, since nobody tells them of changes.)")


def step_hit(stage, shell):
    head(2, "Hit: the same question again, answered from memory; the TTL counts down.")
    _, address = answer_of(shell.dig(stage.stub, "www.example.com"))
    expect(address == "192.0.2.1", f"{address} is not what was cached")
    time.sleep(1.1)
    left, _ = answer_of(shell.dig(stage.regional, "www.example.com"))
    expect(TTL - 60 < left < TTL, f"TTL {left} is not counted down")
    expect(stage.authority.query_count("A") == 1, "a hit went to the authority")
    say("The authority was still asked only 1 time.")


def update_text(stage, *commands):
    """What nsupdate reads for a dynamic update (RFC 2136)."""
    host, port = stage.authority.address
    return "\n".join([f"server {host} {port}", *commands, "send"]) + "\n"


def update_authority(stage, shell, *commands):
    """An update, which knotd answers when the new zone is served; the serial."""
    shell.run("nsupdate", stdin=update_text(stage, *commands))
    return stage.authority.serial(ZONE)


def step_change(stage, shell):
    head(3, "The record changes at the authority. A cache that knows only TTLs cannot notice.")
    serial = update_authority(stage, shell, f"update delete www.{ZONE} A",
                              f"update add www.{ZONE} {TTL} A 192.0.2.2")
    left, address = answer_of(shell.dig(stage.regional, "www.example.com"))
    expect(address == "192.0.2.1", "the cache noticed by itself: nothing is shown by this")
    say(f"Still the old address, and without more it stays so for another {left} s.")
    return serial, left


def change_set(change, **more):
    """A line for `freshet publish`."""
    return json.dumps({"zone": ZONE, **more, "changes": [change]})


def step_publish(stage, shell, serial, left):
    head(4, "The change is published to the stream. Both caches are asked without pause.")
    tiers = {"regional": stage.regional, "stub": stage.stub}
    first = change_set({"op": "FLUSH", "name": f"unused.{ZONE}"})
    change = change_set({"op": "SET", "name": f"www.{ZONE}", "type": "A", "ttl": TTL, "rdata": ["192.0.2.2"]}, serial=serial)
    child = shell.start("freshet", "publish", "-c", "stub.yaml", "-", stdin=first + "\n")
    try:
        show([child.stdout.readline()])  # it is connected
        watcher = Watcher(tiers, f"www.{ZONE}", "192.0.2.2")
        show([f"> {change}"])
        start = time.monotonic()
        print(change, file=child.stdin, flush=True)
        seen = watcher.until_seen(VISIBLE_WITHIN)
    finally:
        lines = shell.finish(child)
    show(lines)
    say()
    for name in tiers:
        result(name, f"{(seen[name] - start) * 1000:8.1f} ms until it answers 192.0.2.2")
    result("TTL alone", f"{left:8} s  at worst")
    say()
    say("Measured from just before the publisher, which is connected since its first line, is handed the\n"
        "   second, to the first new answer. To apply the change took the caches:")
    say()
    for name, server in tiers.items():
        feed = server.status()["feed"]
        expect(feed["applied"] == 2 and feed["installed"] == 1, f"{name} replaced nothing: {feed}")
        result(name, f"{feed['last_apply_us'] / 1000:8.3f} ms")


def step_new(stage, shell):
    head(5, "The change carried the new record, so nobody has to ask the authority for it.")
    for server in (stage.stub, stage.regional):
        _, address = answer_of(shell.dig(server, "www.example.com"))
        expect(address == "192.0.2.2", f"{address} is not the new address")
    asked = stage.authority.query_count("A")
    expect(asked <= 2, f"the authority was asked {asked} times for what the stream has brought")
    say(f"The authority was asked {asked} time{'s' * (asked > 1)} since the start of the demo.")
    if asked == 2:  # rare, and no fault
        say("(A query of step 4 met the moment in which the old answer was out, the new not in.)")


def wait_invalid(server, name):
    process.eventually(
        lambda: not any(variant["valid"] for tier in server.lookup(name)["tiers"]
                        for variant in tier["variants"]),
        VISIBLE_WITHIN, every=0.001, what=f"{name} is evicted")


def step_evict(stage, shell):
    head(6, "A name is deleted. There is no new record to install, so the old one is evicted.")
    answer_of(shell.dig(stage.stub, "old.example.com"))
    serial = update_authority(stage, shell, f"update delete old.{ZONE}")
    shell.run("freshet", "del", "-c", "stub.yaml", "--serial", str(serial), "old.example.com")
    for server in (stage.regional, stage.stub):
        wait_invalid(server, f"old.{ZONE}")
    say("What the stub holds for the name now (exit code 3: nothing valid):")
    shell.run("freshet", "lookup", "-c", "stub.yaml", "old.example.com", "A", codes=(3,))
    lines = shell.dig(stage.stub, "old.example.com")
    expect(any("NXDOMAIN" in line for line in lines), "the deleted name is still answered")


def wait_captured(stage, serial):
    stage.origin.wait_serial(ZONE, serial, VISIBLE_WITHIN)
    for server in (stage.regional, stage.stub):
        process.eventually(
            lambda s=server: s.status()["feed"]["zones"][0]["serial"] == serial, VISIBLE_WITHIN,
            every=0.001, what=f"a cache has serial {serial}")


def step_capture(stage, shell):
    head(7, "Nobody has to publish: freshet-origin is told by the authority (NOTIFY), fetches what is\n"
         "   different (IXFR), and writes it to the stream.")
    announce("freshet-origin -c origin.yaml")
    stage.start_origin()
    wait_captured(stage, stage.authority.serial(ZONE))
    for server in (stage.regional, stage.stub):  # so that both have an old answer to lose
        answer_of(shell.dig(server, "www.example.com"))
    say("An nsupdate to the authority, and nothing else. Both caches are asked without pause.")
    tiers = {"regional": stage.regional, "stub": stage.stub}
    watcher = Watcher(tiers, f"www.{ZONE}", "192.0.2.3")
    asked = stage.authority.query_count("A")
    start = time.monotonic()
    child = shell.start("nsupdate", stdin=update_text(
        stage, f"update delete www.{ZONE} A", f"update add www.{ZONE} {TTL} A 192.0.2.3"))
    try:
        seen = watcher.until_seen(VISIBLE_WITHIN)
    finally:
        shell.finish(child)
    say()
    for name in tiers:
        result(name, f"{(seen[name] - start) * 1000:8.1f} ms until it answers 192.0.2.3")
    captured = stage.origin.captured()
    expect(captured["serial"][-1] == stage.authority.serial(ZONE), f"not captured: {captured}")
    own = captured["own_us"][-1] + captured["transfer_us"][-1]
    result("the origin", f"{own / 1000:8.1f} ms of that: from the NOTIFY to the stream's acknowledgement")
    say()
    say("Measured from just before `nsupdate` starts. Most of it is Knot's own: it waits for up to a\n"
        "   second before it tells of a change.")
    asked = stage.authority.query_count("A") - asked
    say(f"Queries of the caches to the authority meanwhile: {asked}.")


def step_status(shell):
    head(8, "What an operator sees.")
    shell.run("freshet", "status", "-c", "stub.yaml")


def play(stage):
    start = time.monotonic()
    stage.set_up()
    introduce(stage, time.monotonic() - start)
    shell = Shell(stage.directory)
    step_miss(stage, shell)
    step_hit(stage, shell)
    serial, left = step_change(stage, shell)
    step_publish(stage, shell, serial, left)
    step_new(stage, shell)
    step_evict(stage, shell)
    step_capture(stage, shell)
    step_status(shell)


def end(stage):
    stage.tear_down()
    expect(not process.running(), "a server is left running")


def complain(failure):
    """What went wrong, and the last words of the servers that are up."""
    print(paint(f"\nThis did not go as it should: {failure}", "failure"), file=sys.stderr)
    for server in process.running():
        print(f"\n{server.name} (pid {server.pid})\n{server.tail(10)}", file=sys.stderr)


def terminated(_number, _frame):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, terminated)
    stage = Stage()
    try:
        try:
            play(stage)
        except FAILURES as failure:
            complain(failure)
            return 1
        finally:
            end(stage)
    except KeyboardInterrupt:
        print("\nInterrupted; all servers are stopped.", file=sys.stderr)
        return 130
    except Failure as failure:
        complain(failure)
        return 1
    print()
    say("All servers are stopped. The stream was the embedded development broker in one process:\n"
        "   these latencies are not those of Kafka. `make check` measures a real Kafka broker.\n"
        "   next: docs/by-hand.md, the same by your own hands in ten lines.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
