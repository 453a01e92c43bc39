"""Sets up caches on a real Kafka, and runs the checker against them.

    python3 bench/checker/run.py --seconds 60 two-level peers

    two-level           freshet: a stub whose parent is a regional, both on the feed
    forwarding          the same, but the stub does not ask for its parent's position: P3 is not kept
    four-level          freshet: browser, os, neighbourhood and regional in one process
    four-processes      the same, each a process of its own
    flat                freshet: one tier
    lagging             two-level, with an authority that is 1.5 s behind what is published
    mixed               two-level in an odd world: zones in zones, 64 partitions, publishers of every manner
                        (manner.h), transactions that hang, garbage, and the regional reads 2 s late
    mixed-processes     the same with four levels, each a process of its own; every other one reads late
    faults              two-level; broker paused, a tier killed, one paused, the authority behind, gone
    lagging-parent      two pairs of a parent and its child, one parent 2 s late; half of the names never change:
                        what the child of the late one loses
    cached-upstream     one tier that asks Unbound, which asks the authority; changes are SETs, so nothing is
                        asked for again
    cached-upstream-parts   the same with ADD, DEL and FLUSH: Unbound gives the old for its TTL, and freshet says
                        so with a TTL of 1
    no-feed             freshet without a feed: a plain TTL cache
    recursor-notify     PowerDNS Recursor that is sent a NOTIFY for each change
    unbound-flush-zone  Unbound, with flush_zone for each change
    unbound-flush-name  Unbound, with flush of the name
    unbound-plain       Unbound that nobody tells: a plain TTL cache
    peers               the last four

The tables go to the terminal; build/checker/NAME.json has all the figures and the traces of
violations, build/checker/report.html the plots. The exit code is 0 when no freshet tier with a feed
violated anything. What counts as a violation is said in judge.h, and in the report.
"""

import argparse
import contextlib
import json
import os
import platform
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402,F401  pylint: disable=unused-import
import checking  # noqa: E402
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import peers  # noqa: E402
import plots  # noqa: E402
import process  # noqa: E402
import relay  # noqa: E402
import tables  # noqa: E402

ZONE = checking.ZONE
PEERS = ["recursor-notify", "unbound-flush-zone", "unbound-flush-name", "unbound-plain"]
PEER_BOUND_MS = 1000  # a stale answer is charged to them once the change was readable for so long


class Authority:
    """Where the checker will answer; the caches are told of it before it is there."""

    def __init__(self):
        self.address = ("127.0.0.1", process.free_port())
        self.port = self.address[1]


# --- the scenarios: each yields the tiers to check, and what is special about the run


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


def four_level(stack, args, authority, topic):
    sections = []
    for name, above in zip(LEVELS, [None] + LEVELS):
        section = freshet.tier(name, [authority])
        if above:
            section["upstream"] = {"tier": above}
        sections.append(section)
    daemon = freshet.Freshetd(
        {"tiers": sections, "feed": freshet.feed(topic, [ZONE], lease=f"{args.lease}ms")}, log="info")
    stack.callback(daemon.close)
    return [checking.tier(name, OneOfMany(daemon, name), parent=above, ttl=5)
            for name, above in zip(LEVELS, [None] + LEVELS)], {}


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


def mixed_tier(stack, args, name, above, topic, number):
    """One tier of the odd world, each number another: it reads late, and knows of all zones, or neither."""
    late = 0 if number % 2 else LATE
    daemon = fresh(stack, args, name, above[1], topic, parent=bool(above[0]), lease=MIXED["lease"], late_ms=late,
                   zones=[ZONE] if number % 3 else MIXED_ZONES, hold="1h")
    return daemon, checking.tier(name, daemon, parent=above[0], ttl=5,
                                 bound_ms=MIXED["lease"] + late + 3000)


def mixed_tiers(names, stack, args, authority, topic):
    tiers, above = [], ("", authority)
    for number, name in enumerate(names):
        daemon, text = mixed_tier(stack, args, name, above, topic, number)
        tiers.append(text)
        above = (name, daemon)
    return tiers, MIXED


def mixed(*about):
    return mixed_tiers(["regional", "stub"], *about)


def mixed_processes(*about):
    return mixed_tiers(LEVELS, *about)


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
        self._before = {}

    def begin(self):
        self.relay.reset()
        self._before = self.child.metrics()

    def end(self, still):
        """Of `still` questions for names that no change touched, and of all misses."""
        passed, now = self.relay.count(), self.child.metrics()

        def grown(name):
            key = f'freshet_{name}_total{{tier="{self.name}-child"}}'
            return now[key] - self._before[key]

        misses = grown("queries") - grown("cache_hits")
        return {"hit_ratio_untouched": 1 - passed["counted"] / still,
                "hit_ratio": 1 - misses / grown("queries"),
                "parent_queries_per_miss": passed["all"] / misses,
                "parent_queries_per_fetch": passed["all"] / grown("fetches")}


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


def behind_a_cache(stack, args, authority, topic, **options):
    """A freshet whose upstream is no authority but Unbound, which caches for the TTL and reads no topic."""
    cache = peers.Unbound(ZONE, authority.port)
    stack.callback(cache.stop)
    tier = fresh(stack, args, "os", cache, topic, hold="1h")
    tier.wait_log("feed is live", within=30)
    time.sleep(SETTLE)  # a start settles: what is fetched meanwhile is not kept for long
    figures = {}

    def watch(_run_of, seconds):
        before = tier.metrics()
        time.sleep(seconds)
        now = tier.metrics()
        figures["os"] = {key: now[f'freshet_{key}_total{{tier="os"}}'] - before[f'freshet_{key}_total{{tier="os"}}']
                         for key in ("queries", "cache_hits", "fetches", "provisional")
                         if f'freshet_{key}_total{{tier="os"}}' in now}

    return ([checking.tier("os", tier, ttl=5, bound_ms=1000 * (CACHED_FOR + 8))],
            {"script": watch, "figures": figures, **options})


CACHED_FOR = 10  # seconds; the TTL of the records behind a cache, which counts in whole ones
SETTLE = 2.5     # seconds, a little more than the default


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


PARTITIONS = {"mixed": 64, "mixed-processes": 64}

SCENARIOS = {
    "two-level": two_level,
    "four-level": four_level,
    "four-processes": four_processes,
    "mixed": mixed,
    "mixed-processes": mixed_processes,
    "lagging-parent": lagging_parent,
    "cached-upstream": lambda *about: behind_a_cache(*about, mix="set=100"),
    "cached-upstream-parts": lambda *about: behind_a_cache(
        *about, mix="swap=40,flush=40,del=20", ttl=CACHED_FOR, forwarder=CACHED_FOR + 1),
    "forwarding": forwarding,
    "flat": flat,
    "lagging": lagging,
    "faults": faults,
    "no-feed": no_feed,
    "recursor-notify": recursor_notify,
    "unbound-flush-zone": lambda *about: unbound(*about, flush="zone"),
    "unbound-flush-name": lambda *about: unbound(*about, flush="name"),
    "unbound-plain": unbound,
}


# --- a run


class Progress:
    """A line every few seconds, and each violation's first words."""

    def __init__(self, every):
        self._every = every
        self._shown = set()

    def __call__(self, kind, item):
        if kind == "second" and item["second"] % self._every == 0:
            print(f"  {item['second']:5} s  {item['published']:7} changes  "
                  + "  ".join(tables.second(tier) for tier in item["tiers"]), flush=True)
        elif kind == "mark":
            print(f"  {item['at_ms'] / 1000:7.1f} s  {item['text']}", flush=True)
        elif kind == "violation" and (item["class"], item["tier"]) not in self._shown:
            self._shown.add((item["class"], item["tier"]))
            print(f"  first {item['class']} of {item['tier']}: {item['name']}, "
                  f"{item['age_ms']:.1f} ms old", flush=True)


def run(name, args, kafka):
    seconds = args.peer_seconds if name in PEERS else args.seconds
    print(f"\n{name}: {seconds} s, {args.changes:g} changes/s, {args.queries:g} queries/s"
          f"{' and 5 probes per change and tier' if args.probes else ''}", flush=True)
    with contextlib.ExitStack() as stack:
        topic = kafka.topic(PARTITIONS.get(name, kafka_cluster.PARTITIONS))
        stack.callback(topic.delete)
        authority = Authority()
        tiers, special = SCENARIOS[name](stack, args, authority, topic)
        special = dict(special)
        script, figures = special.pop("script", None), special.pop("figures", {})
        options = {"seconds": 0 if script else seconds, "queries": args.queries, "changes": args.changes,
                   "names": args.names, "ttl": args.ttl, "mix": args.mix, "zipf": args.zipf,
                   "change_zipf": args.change_zipf, "lease": args.lease, "seed": args.seed,
                   "authority_delay": args.authority_delay,
                   **special}
        run_of = stack.enter_context(checking.Checker(
            topic, authority.port, tiers, told=Progress(args.every),
            no_probes=not args.probes, **options))
        load = os.getloadavg()[0]
        if script:
            run_of.wait_ready()
            script(run_of, seconds)
            run_of.stop()
        else:
            run_of.wait(seconds + 180 + 2 * args.names / 500)
    record = {"scenario": name, "options": {**options, "seconds": seconds}, "tiers": tiers,
              "machine": f"{os.cpu_count()} x {platform.machine()}, load {load:.1f} at the start, "
                         f"{os.getloadavg()[0]:.1f} at the end",
              "when": time.strftime("%Y-%m-%d %H:%M:%S %Z"), "figures": figures, **run_of.record()}
    print(tables.result(record), flush=True)
    return record


def write(record, directory):
    path = os.path.join(directory, f"{record['scenario']}.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump(record, file, indent=1)
    return path


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=["two-level"], metavar="SCENARIO")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--peer-seconds", type=int, default=60)
    parser.add_argument("--queries", type=float, default=2500, help="a second, over all tiers")
    parser.add_argument("--changes", type=float, default=200, help="a second")
    parser.add_argument("--names", type=int, default=2000)
    parser.add_argument("--ttl", type=int, default=3600, help="of the records, seconds")
    parser.add_argument("--mix", default="set=80,flush=20", help="shares of set, flush, swap, del")
    parser.add_argument("--zipf", type=float, default=1.0)
    parser.add_argument("--change-zipf", type=float, default=0.0)
    parser.add_argument("--lease", type=int, default=3000, help="milliseconds")
    parser.add_argument("--authority-delay", type=float, default=20,
                        help="milliseconds; a cache may be told of a change while it waits")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=10, help="seconds between progress lines")
    parser.add_argument("--no-probes", dest="probes", action="store_false")
    parser.add_argument("--output", default=os.path.join(freshet.build_directory(), "checker"))
    args = parser.parse_args()
    args.scenarios = [one for name in args.scenarios
                      for one in (PEERS if name == "peers" else [name])]
    unknown = [name for name in args.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    return args


def main():
    args = arguments()
    os.chdir(process.ROOT)
    os.makedirs(args.output, exist_ok=True)
    kafka = kafka_cluster.connect(build=freshet.build_directory())
    records = []
    try:
        for name in args.scenarios:
            records.append(run(name, args, kafka))
            print(f"  {write(records[-1], args.output)}", flush=True)
    finally:
        kafka.stop()
    print(tables.comparison(records))
    path = os.path.join(args.output, "report.html")
    plots.write(records, path)
    print(f"\n{path}")
    return 1 if any(tables.broken(record) for record in records) else 0


if __name__ == "__main__":
    sys.exit(main())
