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
    mixed-levels        four levels in one process, in that world
    mixed-equal         as mixed-processes, but nobody reads late on purpose
    faults              two-level; broker paused, a tier killed, one paused, the authority behind, gone
    new-starts          four processes, the second of which is killed, reloaded, paused; a middlebox below it that takes options away
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
import plots  # noqa: E402
import process  # noqa: E402
import tables  # noqa: E402
from scenarios import PARTITIONS, PEERS, SCENARIOS, Authority  # noqa: E402


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
                   "authority_delay": args.authority_delay, "authority_lag": args.authority_lag,
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
    parser.add_argument("--authority-lag", type=float, default=0, help="milliseconds that it is behind the topic")
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
