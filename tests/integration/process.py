"""Servers as children: started with their output in a file, watched with deadlines, ended by pid.

A child cannot outlive the test run, whichever way that ends:

    test or fixture ends      Process.stop()
    pytest ends early         atexit stops what is left
    pytest itself is killed   the kernel kills the child (PR_SET_PDEATHSIG, set by setpriv)

The death signal is tied to the thread that started the child, so servers start from the main one.
"""

import atexit
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The death signal is set by the child itself: when the parent died before that, it must not go on.
ORPHAN_GUARD = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"']

PORTS = range(10000, 32000)  # below the kernel's ephemeral range: no client socket can take one

_running = []
_directories = []
_given_ports = set()


class NotReady(Exception):
    """A server ended, or ran out of time, before it was ready. Carries the end of its output."""


def eventually(check, within=5.0, every=0.01, what=None):
    """Calls check() until it returns something true, the result; fails after `within` seconds.

    An AssertionError inside check() counts as "not yet" and is what the last try ends with.
    """
    deadline = time.monotonic() + within
    while True:
        late = time.monotonic() >= deadline
        try:
            value = check()
            if value:
                return value
        except AssertionError:
            if late:
                raise
        if late:
            raise AssertionError(f"not within {within} s: {what or check}")
        time.sleep(every)


class Stopwatch:
    """Seconds from now on. What a program may take at most is said of its `own` seconds: without those for which it, or another
    server of the test, or the test itself, had work to do and no core to do it on, as the kernel counts them. So the limit
    is as strict as it is written on a machine with time to spare, and holds on a busy one.
    """

    def __init__(self):
        self._waited = _waits_for_a_core()
        self._began = time.monotonic()

    def seconds(self):
        return time.monotonic() - self._began

    def waited(self):
        """Of what was there from the start to the end."""
        return sum(max(0, until - self._waited[pid]) for pid, until in _waits_for_a_core().items() if pid in self._waited)

    def own(self):
        seconds = self.seconds()
        return seconds - self.waited()


def _waits_for_a_core():
    """pid -> seconds ever, all threads together; 0 -> seconds that a hypervisor took from this machine."""
    waits = {}
    for pid in [os.getpid(), *(process.pid for process in running())]:
        nanoseconds = 0
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                with open(path, encoding="ascii") as file:
                    nanoseconds += int(file.read().split()[1])
            except (OSError, IndexError):  # a thread that has ended meanwhile
                pass
        waits[pid] = nanoseconds / 1e9
    with open("/proc/stat", encoding="ascii") as file:
        waits[0] = int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")
    return waits


def free_port(host="127.0.0.1"):
    """A port that is free for UDP and TCP on `host`, never given out before by this process."""
    for _ in range(1000):
        port = random.choice(PORTS)
        if port not in _given_ports and _is_free(host, port):
            _given_ports.add(port)
            return port
    raise RuntimeError("no free port")


def _is_free(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:  # as servers do: TIME_WAIT is no user
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def run_directory(name):
    """A new directory of its own for a server; short, since a unix socket's path has 107 bytes.

    To be removed by its user; what is left when Python ends is removed then.
    """
    _directories.append(tempfile.mkdtemp(prefix=f"freshet-{name}-"))
    return _directories[-1]


def running():
    """The processes that are up, oldest first."""
    return [process for process in _running if process.alive()]


class Process:
    """One child process with stdout and stderr in files below `directory` (created when not given).

    A directory created here is removed by stop(); a given one is the caller's.
    """

    def __init__(self, name, argv, directory=None, env=None, stdin=subprocess.DEVNULL):
        self.name = name
        self.directory = directory or run_directory(name)
        self._owns_directory = directory is None
        self._last_output = {}
        with open(self._path("stdout"), "ab") as out, open(self._path("stderr"), "ab") as err:
            self._child = subprocess.Popen(
                [*ORPHAN_GUARD, str(os.getpid()), *argv],
                cwd=ROOT, stdin=stdin, stdout=out, stderr=err, start_new_session=True,
                env=dict(os.environ, **(env or {})))
        self.pid = self._child.pid
        _running.append(self)

    def _path(self, stream):
        return os.path.join(self.directory, f"{self.name}.{stream}")

    def write(self, text):
        """To its stdin, which must have been asked for as a pipe."""
        self._child.stdin.write(text.encode())
        self._child.stdin.flush()

    def output(self, stream="stderr"):
        """All the child wrote so far to "stdout" or "stderr"; readable after stop() too."""
        if stream in self._last_output:
            return self._last_output[stream]
        with open(self._path(stream), encoding="utf-8", errors="replace") as file:
            return file.read()

    def alive(self):
        return self._child.poll() is None

    @property
    def exit_code(self):
        """None while it runs; negative: the signal that ended it."""
        return self._child.poll()

    def send_signal(self, number):
        self._child.send_signal(number)

    def wait_ready(self, check, within):
        """Polls check() until true. NotReady when the child ends or `within` seconds pass."""
        deadline = time.monotonic() + within
        while not check():
            if not self.alive():
                raise NotReady(f"{self.name} ended with {self.exit_code}\n{self.tail()}")
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} is not ready after {within} s\n{self.tail()}")
            time.sleep(0.005)

    def wait(self, within):
        """The exit code, or None when it still runs after `within` seconds."""
        try:
            return self._child.wait(within)
        except subprocess.TimeoutExpired:
            return None

    def tail(self, lines=40):
        """The last lines of what it wrote, both streams, for a failure report."""
        parts = []
        for stream in ("stdout", "stderr"):
            text = self.output(stream).splitlines()[-lines:]
            parts += [f"--- {self.name} {stream}:", *text] if text else []
        return "\n".join(parts)

    def stop(self, number=signal.SIGTERM, within=5.0):
        """Asks it to end, kills it when it does not, reaps it. The exit code; safe to repeat.

        What it started and left behind in its process group is killed.
        """
        if self.alive():
            self.send_signal(number)
            self.send_signal(signal.SIGCONT)  # a paused process ends only once it runs
            if self.wait(within) is None:
                self._child.kill()
                self._child.wait()
        if self in _running:
            self._kill_group()
            self._forget()
        return self.exit_code

    def _kill_group(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def _forget(self):
        _running.remove(self)
        self._last_output = {stream: self.output(stream) for stream in ("stdout", "stderr")}
        if self._owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)


@atexit.register
def _stop_all():
    for process in reversed(list(_running)):
        process.stop(within=2.0)
    for directory in _directories:
        shutil.rmtree(directory, ignore_errors=True)
