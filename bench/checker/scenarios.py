"""What the checker is run against: each scenario starts caches, and says what is special about its run.

    tiers, special = SCENARIOS[name](stack, args, authority, topic)

`stack` ends what was started, `args` are run.py's, `authority` is where the checker will answer. `tiers` are
made by checking.tier(). `special` are options of the checker, and may have a "script", called with the run and its
seconds to do what is to be done meanwhile, and "figures", in which that leaves a row for each thing it measured.
"""

import time

import checking
import freshet
import peers
import process
import relay

ZONE = checking.ZONE
PEERS = ["recursor-notify", "unbound-flush-zone", "unbound-flush-name", "unbound-plain"]
PEER_BOUND_MS = 1000  # a stale answer is charged to them once the change was readable for so long


class Authority:
    """Where the checker will answer; the caches are told of it before it is there."""

    def __init__(self):
        self.address = ("127.0.0.1", process.free_port())
        self.port = self.address[1]


def fresh(stack, args, name, upstream, topic, parent=False, zones=(ZONE,), late_ms=0, lease=None, **cache):
    """A freshetd of one tier, which reads the log so many milliseconds late."""
    section = freshet.tier(name, [upstream], "parent" if parent else "forward", **cache)
    config = {"tiers": [section]}
    if topic:
        config["feed"] = freshet.feed(topic, zones, lease=f"{lease or args.lease}ms")
    if late_ms:
        config["experiment"] = True
        config["feed"]["link"] = {"delay": f"{late_ms}ms"}
    daemon = freshet.Freshetd(config, log="info")
    stack.callback(daemon.close)
    return daemon


def hierarchy(stack, args, authority, topic):
    regional = fresh(stack, args, "regional", authority, topic)
    stub = fresh(stack, args, "stub", regional, topic, parent=True)
    return regional, stub, [checking.tier("regional", regional, ttl=5),
                            checking.tier("stub", stub, parent="regional", ttl=5)]


def two_level(stack, args, authority, topic):
    return hierarchy(stack, args, authority, topic)[2], {}


LEVELS = ["regional", "neighbourhood", "os", "browser"]


class OneOfMany:
    """A tier of a process that has several, as checking.tier() wants to see it."""

    def __init__(self, daemon, name):
        self.address = daemon.addresses[name]
        self.control_path = daemon.control_path


def one_process(stack, authority, feed, bound_ms=None, **cache):
    """All levels in one freshetd, each asking the next by a call."""
    sections = []
    for name, above in zip(LEVELS, [None] + LEVELS):
        section = freshet.tier(name, [authority], **cache)
        if above:
            section["upstream"] = {"tier": above}
        sections.append(section)
    daemon = freshet.Freshetd({"tiers": sections, "feed": feed}, log="info")
    stack.callback(daemon.close)
    return [checking.tier(name, OneOfMany(daemon, name), parent=above, ttl=5, bound_ms=bound_ms)
            for name, above in zip(LEVELS, [None] + LEVELS)]


def four_level(stack, args, authority, topic):
    return one_process(stack, authority, freshet.feed(topic, [ZONE], lease=f"{args.lease}ms")), {}


def four_processes(stack, args, authority, topic):
    tiers, above = [], None
    for name in LEVELS:
        daemon = fresh(stack, args, name, above[1] if above else authority, topic, parent=bool(above))
        tiers.append(checking.tier(name, daemon, parent=above and above[0], ttl=5))
        above = (name, daemon)
    return tiers, {}


# Of every second zone in the zone a tier knows only that it lies in the outermost.
INNER = 16
MIXED_ZONES = [ZONE, *[f"i{number:02}.{ZONE}" for number in range(2, INNER + 1, 2)]]
LATE = 2000  # milliseconds
# A hanging transaction lasts for longer than the lease, and that for longer than a tier reads late.
MIXED = {"inner": INNER, "publishers": "all", "outer": 0.1, "garbage": 15, "hang": 12000, "hang_rest": 40000,
         "mix": "set=64,flush=20,swap=8,del=6,cut=1,subtree=0.5,uncut=0.5", "ttl": 5, "lease": 6000, "poll": 20,
         "drain": 20000}


def mixed_tier(stack, args, name, above, topic, number, late):
    """One tier of the odd world, each number another: it knows of all zones, or only of the outermost."""
    daemon = fresh(stack, args, name, above[1], topic, parent=bool(above[0]), lease=MIXED["lease"], late_ms=late,
                   zones=[ZONE] if number % 3 else MIXED_ZONES, hold="1h")
    return daemon, checking.tier(name, daemon, parent=above[0], ttl=5,
                                 bound_ms=MIXED["lease"] + late + 3000)


def mixed_tiers(names, late, stack, args, authority, topic):
    """Every other tier, the first among them, reads the log so late."""
    tiers, above = [], ("", authority)
    for number, name in enumerate(names):
        daemon, text = mixed_tier(stack, args, name, above, topic, number, 0 if number % 2 else late)
        tiers.append(text)
        above = (name, daemon)
    return tiers, MIXED


def mixed(*about):
    return mixed_tiers(["regional", "stub"], LATE, *about)


def mixed_processes(*about):
    return mixed_tiers(LEVELS, LATE, *about)


def mixed_equal(*about):
    return mixed_tiers(LEVELS, 0, *about)


def mixed_levels(stack, _args, authority, topic):
    feed = freshet.feed(topic, MIXED_ZONES, lease=f"{MIXED['lease']}ms")
    return one_process(stack, authority, feed, MIXED["lease"] + 3000, hold="1h"), MIXED


PAIR_LEASE = 6000  # milliseconds; who reads 2 s late needs more than 3


class Pair:
    """A parent, and a child of it behind a relay that counts what it asks for."""

    def __init__(self, stack, args, authority, topic, late_ms, name):
        self.name = name
        self.parent = fresh(stack, args, f"{name}-parent", authority, topic, late_ms=late_ms,
                            lease=PAIR_LEASE)
        self.relay = relay.Relay(self.parent.address, is_still)
        stack.callback(self.relay.stop)
        self.child = fresh(stack, args, f"{name}-child", self.relay, topic, parent=True, lease=PAIR_LEASE)
        self.tiers = [checking.tier(f"{name}-parent", self.parent, ttl=5, bound_ms=8000),
                      checking.tier(f"{name}-child", self.child, parent=f"{name}-parent", ttl=5)]
        self._before = []

    def begin(self):
        self.relay.reset()
        self._before = self._counted()

    def end(self, still):
        """Of `still` questions for names that no change touched, and of all misses."""
        passed = self.relay.count()
        queries, hits, fetches = (now - was for now, was in zip(self._counted(), self._before))
        misses = queries - hits
        return {"hit_ratio_untouched": 1 - passed["counted"] / still, "hit_ratio": hits / queries,
                "parent_queries_per_miss": passed["all"] / misses,
                "parent_queries_per_fetch": passed["all"] / fetches}

    def _counted(self):
        return [self.child.metric(f"freshet_{name}_total") for name in ("queries", "cache_hits", "fetches")]


STILL = 2  # every second name is never changed


def is_still(name):
    return name[1:6].isdigit() and int(name[1:6]) % STILL == 0


def lagging_parent(stack, args, authority, topic):
    """What a child loses by a parent that reads the log 2 s late."""
    pairs = [Pair(stack, args, authority, topic, LATE, "lagging"),
             Pair(stack, args, authority, topic, 0, "equal")]
    figures = {}

    def measure(run_of, seconds):
        for pair in pairs:
            pair.begin()
        time.sleep(seconds)
        run_of.order("changes 0")
        run_of.order("queries 0")
        time.sleep(1.5)
        still = {tier["name"]: sum(second["still"] for second in seconds_of(run_of, tier["name"]))
                 for tier in run_of.seconds[-1]["tiers"]}
        for pair in pairs:
            figures[pair.name] = pair.end(still[f"{pair.name}-child"])

    return ([tier for pair in pairs for tier in pair.tiers],
            {"script": measure, "figures": figures, "still": STILL, "ttl": 10})


def seconds_of(run_of, name):
    """What each second of a run was for a tier."""
    return [tier for second in run_of.seconds for tier in second["tiers"] if tier["name"] == name]


CACHED_FOR = 10  # seconds; the TTL of the records behind a cache, which counts in whole ones
SETTLE = 2.5     # seconds, a little more than the default


def behind_a_cache(stack, args, authority, topic, **options):
    """A freshet whose upstream is no authority but Unbound, which caches for the TTL and reads no topic."""
    cache = peers.unbound(ZONE, authority.port, tuned=True)
    stack.callback(cache.stop)
    tier = fresh(stack, args, "os", cache, topic, hold="1h")
    tier.wait_log("feed is live", within=30)
    time.sleep(SETTLE)  # a start settles: what is fetched meanwhile is not kept for long
    figures, counted = {}, ("queries", "cache_hits", "fetches", "provisional")

    def watch(_run_of, seconds):
        before = [tier.metric(f"freshet_{key}_total") for key in counted]
        time.sleep(seconds)
        figures["os"] = {key: tier.metric(f"freshet_{key}_total") - was for key, was in zip(counted, before)}

    return ([checking.tier("os", tier, ttl=5, bound_ms=1000 * (CACHED_FOR + 8))],
            {"script": watch, "figures": figures, **options})


def forwarding(stack, args, authority, topic):
    regional = fresh(stack, args, "regional", authority, topic, client_ttl="1d")
    stub = fresh(stack, args, "stub", regional, topic)
    return [checking.tier("regional", regional, ttl=args.ttl),
            checking.tier("stub", stub, parent="regional", ttl=5)], {}


def lagging(stack, args, authority, topic):
    return hierarchy(stack, args, authority, topic)[2], {"authority_lag": 1500}


def faults(stack, args, authority, topic):
    regional, stub, tiers = hierarchy(stack, args, authority, topic)

    def do_harm(run_of, seconds):
        """Six pieces of the run: a quiet one, and one for each harm with some time after it."""
        piece = seconds / 6
        time.sleep(piece)
        run_of.mark("broker paused")
        with topic.cluster.paused():
            time.sleep(piece / 2)
        run_of.mark("broker back")
        time.sleep(piece / 2)
        run_of.mark("stub killed")
        stub.kill()
        stub.start()
        run_of.mark("stub back")
        time.sleep(piece)
        run_of.mark("regional paused")
        regional.pause()
        time.sleep(piece / 4)
        regional.resume()
        run_of.mark("regional back")
        time.sleep(piece * 3 / 4)
        run_of.order("lag 1500")
        time.sleep(piece / 2)
        run_of.order("lag 0")
        time.sleep(piece / 2)
        run_of.order("down")
        time.sleep(piece / 4)
        run_of.order("up")
        time.sleep(piece * 3 / 4)

    return tiers, {"script": do_harm}


POSITION = (65317).to_bytes(2, "big")
OPT = b"\0\0\x29"


class Middlebox:
    """Takes the position out of one response in so many."""

    def __init__(self, every):
        self._every, self._seen = every, 0

    def __call__(self, response):
        self._seen += 1
        opt = response.rfind(OPT)
        if opt < 0 or self._seen % self._every:
            return response
        return response[:opt] + response[opt:].replace(POSITION, b"\xff\x26")  # an option that nobody knows


def new_starts(stack, args, authority, topic):
    """Four processes, the second of which starts anew in one way after the other; what it gives may lose its position."""
    daemons, tiers, above = [], [], authority
    for name in LEVELS:
        if len(daemons) == 2:
            above = relay.Relay(above.address, through=Middlebox(7))
            stack.callback(above.stop)
        daemons.append(fresh(stack, args, name, above, topic, parent=bool(daemons), hold="1h"))
        tiers.append(checking.tier(name, daemons[-1], parent=tiers and LEVELS[len(tiers) - 1] or "", ttl=5))
        above = daemons[-1]
    first, second = daemons[:2]

    def kill(daemon):
        daemon.kill()
        daemon.start()

    def pause(daemon, seconds):
        daemon.pause()
        time.sleep(seconds)
        daemon.resume()

    harms = [("second killed", lambda: kill(second)), ("second hung up", second.sighup),
             ("second paused", lambda: pause(second, args.lease / 2000)), ("first killed", lambda: kill(first)),
             ("second paused for long", lambda: pause(second, args.lease / 500)),
             ("first and second killed", lambda: (kill(first), kill(second)))]

    def do_harm(run_of, seconds):
        end = time.monotonic() + seconds
        for number in range(1000):
            what, harm = harms[number % len(harms)]
            time.sleep(6)
            if time.monotonic() > end:
                return
            run_of.mark(what)
            harm()

    return tiers, {"script": do_harm}


def flat(stack, args, authority, topic):
    tier = fresh(stack, args, "flat", authority, topic)
    return [checking.tier("flat", tier, ttl=5)], {}


def no_feed(stack, args, authority, _topic):
    tier = fresh(stack, args, "no-feed", authority, None)
    tier.control_path = ""  # there is no position to ask for
    return [checking.tier("no-feed", tier, ttl=args.ttl, bound_ms=PEER_BOUND_MS)], {}


def peer_tier(server):
    server.control_path = ""  # its own, which tells of no position
    return [checking.tier(server.key, server, bound_ms=PEER_BOUND_MS)], {}


def recursor_notify(stack, _args, authority, topic):
    server = peers.recursor(ZONE, authority.port, "threads=1\n", served=False)
    stack.callback(server.stop)
    bridge = peers.Bridge(topic, "--notify", freshet.address_text(server.address))
    stack.callback(lambda: print("  bridge:", *bridge.stop()))
    return peer_tier(server)


def unbound(stack, _args, authority, topic, flush=None):
    server = peers.unbound(ZONE, authority.port, tuned=True)  # with the default buffers it loses queries in a stall
    stack.callback(server.stop)
    if flush:
        bridge = peers.Bridge(topic, "--unbound", server.control_path, "--flush", flush)
        stack.callback(lambda: print("  bridge:", *bridge.stop()))
    return peer_tier(server)


# Of the topic, where it matters.
PARTITIONS = {"mixed": 64, "mixed-processes": 64, "mixed-levels": 64, "mixed-equal": 64}

SCENARIOS = {
    "two-level": two_level,
    "four-level": four_level,
    "four-processes": four_processes,
    "mixed": mixed,
    "mixed-processes": mixed_processes,
    "mixed-levels": mixed_levels,
    "mixed-equal": mixed_equal,
    "lagging-parent": lagging_parent,
    "cached-upstream": lambda *about: behind_a_cache(*about, mix="set=100"),
    "cached-upstream-parts": lambda *about: behind_a_cache(
        *about, mix="swap=40,flush=40,del=20", ttl=CACHED_FOR, forwarder=CACHED_FOR + 1),
    "forwarding": forwarding,
    "flat": flat,
    "lagging": lagging,
    "faults": faults,
    "new-starts": new_starts,
    "no-feed": no_feed,
    "recursor-notify": recursor_notify,
    "unbound-flush-zone": lambda *about: unbound(*about, flush="zone"),
    "unbound-flush-name": lambda *about: unbound(*about, flush="name"),
    "unbound-plain": unbound,
}
