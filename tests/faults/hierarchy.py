"""Two tiers of freshetd on one feed, and the checker that asks both while a fault lasts.

    hierarchy = Hierarchy(topic, network)          regional <- stub; the stub in its own network
    with hierarchy.watched() as run:               changes and queries run
        began = run.mark("cut")
        ...the fault...
        run.wait_state("stub", NOT_LIVE, began, 5)   so many seconds later it said so
    run.result, run.violations                     what the checker found

The checker is the authority and the only publisher. What it holds against a tier is in
bench/checker/judge.h; in short: nothing older than what the tier had said to have applied, nothing
older than seen before, and while the tier is not live nothing that outlived its TTL.
"""

import bisect
import contextlib
import os
import shutil
import threading
import time

import checking
import freshet
import process

LEASE = 3.0    # seconds, the default
TTL = 4        # of all records: when the feed is lost, what is held beyond it must go within a test
QUERIES = 600  # a second, over both tiers
CHANGES = 30
NAMES = 100
MIX = "set=60,flush=25,swap=10,del=5"
TIERS = ("regional", "stub")
POLL = 0.02    # seconds between two looks at a daemon's state
FAILURE = 6.0  # seconds, and those of the drain, after which no failure of an upstream is kept

LIVE = frozenset({"live"})
NOT_LIVE = frozenset({"lost", "cold", "catchup"})


class Daemon(freshet.Freshetd):
    """A freshetd started in another network or with another environment, and told of no end."""

    def __init__(self, config, prefix=(), environment=None):
        self._more = dict(environment or {})
        super().__init__(config, log="info", prefix=prefix)

    def start(self):
        argv = [*self._prefix, freshet.program("freshetd"), "-c", self._config_path]
        seen = len(self.log)
        self._process = process.Process(
            "freshetd", argv, self.directory, {**freshet.environment(), **self._more})
        self._stopped = False
        self._process.wait_ready(lambda: "msg=ready" in self.log[seen:], freshet.READY_WITHIN)


class States(threading.Thread):
    """What one daemon said of its feed, and when: [(monotonic seconds, state, reason)]."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.changes = []
        self._daemon, self._end = daemon, threading.Event()
        self.start()

    def run(self):
        while not self._end.wait(POLL):
            try:
                feed = self._daemon.control({"cmd": "status"}, timeout=0.5)["feed"]
                self._note(feed["state"], feed.get("reason", ""))
            except (OSError, AssertionError, ValueError):
                self._note("silent", "")

    def _note(self, state, reason):
        if not self.changes or self.changes[-1][1] != state:
            self.changes.append((time.monotonic(), state, reason))

    def at(self, moment):
        """The state at a moment."""
        k = bisect.bisect_right(self.changes, moment, key=lambda change: change[0])
        return self.changes[k - 1][1] if k else "silent"

    def first(self, wanted, since):
        """The first (moment, state, reason) from `since` on that is in `wanted`; or None."""
        if self.at(since) in wanted:
            return (since, self.at(since), "")
        return next((c for c in list(self.changes) if c[0] >= since and c[1] in wanted), None)

    def stop(self):
        self._end.set()
        self.join()


class Authority:
    """Where the checker will answer."""

    def __init__(self):
        self.address = ("127.0.0.1", process.free_port())


class Run:
    """One run of the checker, and the tiers' states meanwhile. Moments are time.monotonic()."""

    def __init__(self, hierarchy, checker, names):
        self.checker, self.names = checker, names
        self.states = {name: States(hierarchy[name]) for name in TIERS}
        self.result = None

    def mark(self, text):
        """Writes it into the timeline; now."""
        now = time.monotonic()
        self.checker.mark(text)
        return now

    def hush(self):
        """No changes from here on; returns when all there were are in the log."""
        self.checker.order("changes 0")
        seen = len(self.checker.seconds) + 1

        def is_quiet():
            later = self.checker.seconds[seen:]
            return later and later[-1]["published"] == later[-1]["acknowledged"]
        process.eventually(is_quiet, 10, every=POLL, what="all changes are in the log")

    def wait_state(self, name, wanted, since, within):
        """Seconds from `since` until the tier said to be in one of the states."""
        found = process.eventually(
            lambda: self.states[name].first(wanted, since), within, every=POLL,
            what=f"{name} is {'/'.join(sorted(wanted))}, it was {self.states[name].changes}")
        return found[0] - since

    def wait_live(self, since, within=30):
        """Both tiers; tier -> seconds since."""
        return {name: self.wait_state(name, LIVE, since, within) for name in TIERS}

    def noticed(self, name, since):
        """Seconds until the tier said not to be live; None: it never did."""
        found = self.states[name].first(NOT_LIVE, since)
        return found[0] - since if found else None

    def stop(self):
        self.result = self.checker.stop()

    def close(self):
        for states in self.states.values():
            states.stop()

    def tier(self, name):
        return next(tier for tier in self.result["tiers"] if tier["name"] == name)

    def charges(self):
        """tier -> class -> count, where there are any."""
        return {name: dict(self.tier(name)["violations"]) for name in TIERS}

    def judge(self, permitted=()):
        """The assertions of every run: no violation, and in the end all names are current."""
        found = {name: {kind: count for kind, count in kinds.items() if kind not in permitted}
                 for name, kinds in self.charges().items()}
        traces = [one for one in self.checker.violations if one["class"] not in permitted]
        assert not any(found.values()), f"{found}\n{traces[:3]}"
        for name in TIERS:
            sweep, tier = self.tier(name)["sweep"], self.tier(name)
            assert sweep["asked"] == self.names and sweep["old"] == 0 and sweep["lost"] == 0, \
                f"{name} in the end: {sweep}"
            assert tier["answered"] > 500, f"{name}: too few answers to judge by"
        log = self.result["log"]
        assert log["published"] == log["acknowledged"] > 0, log


class Hierarchy:
    """regional <- stub, both live when the constructor returns.

    network       the stub runs in it
    authority     another one than the checker, which then cannot watch
    environment   name -> more environment variables
    cache, feed   options of both tiers' sections
    late          seconds that the regional reads the log later than it comes
    """

    def __init__(self, topic, network=None, environment=None, cache=None, feed=None,
                 authority=None, late=0):
        self.topic, self.network = topic, network
        self.authority = authority or Authority()
        self._cache = {"hold": "1h", **(cache or {})}
        self._feed, self._late = feed or {}, late
        self._daemons = {}
        environment = environment or {}
        try:
            self._start_regional(environment.get("regional"))
            self._start_stub(environment.get("stub"))
            for daemon in self._daemons.values():
                daemon.wait_log("feed is live", within=30)
        except BaseException:
            self.kill()
            raise

    def __getitem__(self, name):
        return self._daemons[name]

    def _config(self, name, upstream, way):
        section = freshet.tier(name, [upstream], way, **self._cache)
        return {"tiers": [section], "resolve_timeout": "2s",
                "feed": freshet.feed(self.topic, [checking.ZONE], lease=f"{LEASE:g}s",
                                     **self._feed)}

    def _start_regional(self, environment):
        config = self._config("regional", self.authority, "forward")
        if self._late:
            config["experiment"] = True
            config["feed"]["link"] = {"delay": f"{self._late * 1000:g}ms"}
        if self.network:
            host = self.network.outside
            config["tiers"][0]["listen"] = [f"{host}:{process.free_port(host)}"]
            config["tiers"][0]["position_for"] = [f"{self.network.inside}/32"]
        self._daemons["regional"] = Daemon(config, environment=environment)

    def _start_stub(self, environment):
        config = self._config("stub", self["regional"], "parent")
        if self.network:
            config["tiers"][0]["listen"] = [f"{self.network.inside}:{process.free_port()}"]
        prefix = self.network.prefix if self.network else ()
        self._daemons["stub"] = Daemon(config, prefix, environment)

    @contextlib.contextmanager
    def watched(self, **options):
        """A Run; it is stopped, and has its result, when the block ends well. Options are the
        checker's, and replace those above."""
        tiers = [checking.tier("regional", self["regional"], ttl=5),
                 checking.tier("stub", self["stub"], parent="regional", ttl=5)]
        about = {"seconds": 0, "queries": QUERIES, "changes": CHANGES, "names": NAMES, "ttl": TTL,
                 "mix": MIX, "lease": int(LEASE * 1000), "drain": 4000, "no_probes": True}
        about.update(options)
        with checking.Checker(self.topic, self.authority.address[1], tiers, **about) as checker:
            checker.wait_ready()
            run = Run(self, checker, about["names"])
            try:
                time.sleep(1)  # as all is well, so that the tiers hold what the fault may spoil
                yield run
                run.stop()
            finally:
                run.close()

    def close(self):
        """Ends both; they are judged as freshet.Freshetd.stop() does."""
        failures = []
        for daemon in reversed(self._daemons.values()):
            try:
                daemon.close()
            except AssertionError as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def kill(self):
        for daemon in self._daemons.values():
            daemon.kill()
            shutil.rmtree(daemon.directory, ignore_errors=True)


def long_runs():
    return os.environ.get("FAULT_LONG", "") not in ("", "0")
