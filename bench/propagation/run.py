"""How long does a change take until every tier of a hierarchy of caches answers anew?

    python3 bench/propagation/run.py                   all ways, then the tables and the page
    python3 bench/propagation/run.py push ttl-5        some of them
    python3 bench/propagation/run.py --report          the tables and the page of what is there

Each way is one run of build/propagation/probe, at the same rates, over the same zone; a second run
without probes takes the price. Results go to build/propagation/: WAY.json, times.csv, report.html.
What is measured, and how, is said in the page, in main.c and in flight.h.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402
import figures  # noqa: E402
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import modes  # noqa: E402
import peers  # noqa: E402
import process  # noqa: E402
import table  # noqa: E402
import usage  # noqa: E402

INSIDE = "FRESHET_PROPAGATION_INSIDE"  # set in a network of our own
PRICE_SETTLE = 2000  # milliseconds


# --- what the machine counts


def loopback_bytes():
    with open("/proc/net/dev", encoding="ascii") as file:
        for line in file:
            name, _, values = line.partition(":")
            if name.strip() == "lo":
                return int(values.split()[0])
    return 0


def own_network():
    """Starts this program again in a network namespace, where only its own bytes are counted and
    every port is free. Where that is not permitted, it goes on where it is."""
    if os.environ.get("KAFKA", "embedded") != "embedded":
        return False  # a cluster elsewhere
    if INSIDE in os.environ:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return True
    if subprocess.run(["unshare", "-n", "true"], stderr=subprocess.DEVNULL,
                      check=False).returncode == 0:
        subprocess.run(["sh", "tests/kafka/start.sh", "--fetch"], check=True)
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, os.path.abspath(__file__),
                              *sys.argv[1:]])
    return False


# --- the processors


@contextlib.contextmanager
def awake():
    """Idle processors do not sleep meanwhile, where that is permitted: to wake one takes about as
    long as what is measured. A request that holds while the file is open, as cyclictest(8) has it."""
    try:
        file = open("/dev/cpu_dma_latency", "wb", buffering=0)
    except OSError:
        yield False
        return
    with file:
        file.write(struct.pack("i", 0))  # microseconds
        yield True


# --- one run of the probe


class Counter:
    """CPU time and bytes between the probe's "ready" and "over"."""

    def __init__(self, stage):
        self._stage = stage
        self._begun = None
        self.cpu, self.operations, self.bytes = {}, {}, 0

    def _now(self):
        count, primary = loopback_bytes(), self._stage.primary
        cpu = {name: sum(sum(usage.cpu_times(pid)) for pid in pids) for name, pids in self._stage.processes.items()}
        return cpu, primary.operations() if primary else {}, count

    def begin(self):
        self._begun = self._now()

    def end(self):
        cpu, operations, count = self._now()
        self.cpu = {name: cpu[name] - self._begun[0][name] for name in cpu}
        self.operations = {name: operations[name] - self._begun[1].get(name, 0)
                           for name in operations}
        self.bytes = count - self._begun[2]


class Bar:
    """One line that grows while a mode runs."""

    def __init__(self, title, seconds):
        self._title, self._seconds = title, seconds
        self._shown = sys.stdout.isatty()

    def show(self, done, what):
        if not self._shown:
            return
        filled = min(30, int(30 * done / max(1, self._seconds)))
        print(f"\r  {self._title:44} [{'#' * filled}{'.' * (30 - filled)}] {what:24}", end="",
              flush=True)

    def close(self, text):
        print(f"\r  {self._title:44} {text:60}".rstrip(), flush=True)


def probe(stage, words, bar, counter):
    """Runs it to its end: (changes, result)."""
    command = [freshet.program("propagation/probe"), *stage.words, *words]
    for name, address in stage.tiers.items():
        command.append(f"--tier=name={name},address={freshet.address_text(address)}"
                       + (",position" if stage.positions else ""))
    changes, result, waited = [], None, 0
    with subprocess.Popen([*process.ORPHAN_GUARD, str(os.getpid()), *command], cwd=process.ROOT,
                          text=True, stdout=subprocess.PIPE) as child:
        bar.show(0, "filling the caches")
        for line in child.stdout:
            item = json.loads(line)
            kind = item.pop("type")
            if kind == "ready":
                counter.begin()
            elif kind == "over":
                counter.end()
            elif kind == "second":
                waited = item["second"]
                bar.show(waited, f"{waited} s, {item['changes']} changes")
            elif kind == "change":
                changes.append(item)
            else:
                result = item
    if child.returncode != 0 or result is None:
        raise RuntimeError(f"{command[0]} ended with {child.returncode}")
    return changes, result


def common_words(args, mode):
    return [f"--zone={modes.ZONE}", f"--names={args.names}", f"--ttl={mode.ttl}",
            f"--changes={args.changes:g}", f"--seed={args.seed}"]


def time_words(args, mode):
    return [*common_words(args, mode), f"--sweep={args.sweep:g}",
            f"--watched={args.watched or mode.watched:g}",
            f"--seconds={mode.seconds * args.length:.0f}", f"--settle={mode.settle}",
            f"--horizon={mode.horizon}", f"--fine={args.fine or mode.fine}",
            f"--coarse={mode.coarse}", *(["--rotate"] if mode.rotate else [])]


def price_words(args, mode):
    return [*common_words(args, mode), "--sweep=0", f"--clients={args.clients:g}", "--watched=0",
            f"--seconds={mode.price_seconds}",
            f"--settle={mode.settle if mode.family == 'TTL' else PRICE_SETTLE}", "--horizon=1",
            "--no-reader"]


def measure_times(args, mode, place):
    """When which tier had the new answer."""
    bar = Bar(mode.title, mode.seconds * args.length + mode.horizon / 1000)
    with mode.set_up(place, mode.ttl) as stage:
        counter = Counter(stage)
        changes, result = probe(stage, time_words(args, mode), bar, counter)
        asked = sum(word.startswith("--control") for word in stage.words)
        tiers = {}
        for number, name in enumerate(stage.tiers):
            inside = None if not asked else number if asked > 1 else 0
            samples = figures.tier_samples(changes, number, inside)
            tiers[name] = {"samples": samples, "watched": len(samples["new"]),
                           "summary": {key: figures.summary(values)
                                       for key, values in samples.items()}}
    common = figures.common_samples(changes)
    bar.close(" ".join(f"{name} {table.time(tier['summary']['new']['p50'])}"
                       for name, tier in tiers.items()))
    return {"tiers": tiers, "common": common, "primary": stage.primary is not None,
            "example": example(changes),
            "common_summary": {key: figures.summary(values) for key, values in common.items()},
            "watched": len(changes), "counts": result}


def example(changes):
    """A typical change: the one whose slowest tier is the median."""
    whole = [change for change in changes
             if all(tier["asked"] and tier["new"] is not None for tier in change["tiers"])]
    if not whole:
        return None
    whole.sort(key=lambda change: max(tier["new"] for tier in change["tiers"]))
    return whole[len(whole) // 2]


def measure_price(args, mode, place):
    """Clients' queries alone, and changes at the same rate."""
    bar = Bar(f"{mode.title}: price", mode.price_seconds)
    with mode.set_up(place, mode.ttl) as stage:
        stage.words = [word for word in stage.words if not word.startswith("--control")]
        counter = Counter(stage)
        _, result = probe(stage, price_words(args, mode), bar, counter)
    clients = result["tiers"][0]
    upstream = result["authority_queries"] + counter.operations.get("query", 0)
    price = {"client_queries": clients["sent"], "answered": clients["answered"],
             "upstream_queries": upstream, "primary_operations": counter.operations,
             "upstream_per_1000": 1000 * upstream / clients["sent"],
             "hit_ratio": 1 if stage.whole else 1 - min(1, upstream / clients["sent"]),
             "cpu_us_per_query": {name: 1e6 * seconds / clients["sent"]
                                  for name, seconds in counter.cpu.items()},
             "bytes_per_change": (counter.bytes - clients["bytes"]) / max(1, result["changes"])
             if args.own_network else None}
    bar.close(f"{price['upstream_per_1000']:.1f} upstream queries per 1,000")
    return price


# --- all of it


def measure(args, mode, place):
    record = {"key": mode.key, "title": mode.title, "family": mode.family, "about": mode.about,
              "ttl": mode.ttl, "tuned": mode.tuned, "coarse_us": mode.coarse,
              "horizon_ms": mode.horizon,
              "when": time.strftime("%Y-%m-%d %H:%M:%S %Z"), "machine": machine(),
              "options": {"names": args.names, "changes": args.changes, "sweep": args.sweep,
                          "clients": args.clients, "watched": args.watched or mode.watched,
                          "rotate": mode.rotate, "fine": args.fine or mode.fine,
                          "awake": args.awake},
              **measure_times(args, mode, place), "price": None}
    if mode.price and args.price:
        record["price"] = measure_price(args, mode, place)
    return record


def machine():
    return {"cpu": usage.processor(), "kernel": platform.release(), "load": round(os.getloadavg()[0], 1)}


def versions():
    with open(os.path.join(paths.ROOT, "tests", "kafka", "pom.xml"), encoding="utf-8") as file:
        kafka = re.search(r"<artifactId>kafka_2[^/]*</artifactId>\s*<version>([^<]+)", file.read())
    return {"freshet": peers.version("freshet"), "Apache Kafka": kafka[1] if kafka else "unknown",
            **{peers.PROGRAMS[key][0]: peers.version(key) for key in ("knot", "unbound", "bind", "pdns-recursor")}}


def write(record, directory):
    with open(os.path.join(directory, f"{record['key']}.json"), "w", encoding="ascii") as file:
        json.dump(record, file)


def read_all(directory):
    """The records that are there, in the order of the modes, with what is computed from them."""
    records = []
    for key in modes.BY_KEY:
        path = os.path.join(directory, f"{key}.json")
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                records.append(json.load(file))
            if key == "ttl-30" or (key == "ttl-5" and
                                   not os.path.exists(os.path.join(directory, "ttl-30.json"))):
                short = next(record for record in records if record["key"].startswith("ttl-"))
                records += [figures.scaled(short, ttl) for ttl in (300, 3600)]
    return records


def run(args):
    with contextlib.ExitStack() as stack:
        print("  starting Kafka", flush=True)
        cluster = kafka_cluster.connect(build=freshet.build_directory())
        stack.callback(cluster.stop)
        args.awake = stack.enter_context(awake())
        place = modes.Place(cluster, args.hierarchy, args.names)
        for key in args.modes:
            write(measure(args, modes.BY_KEY[key], place), args.output)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modes", nargs="*", metavar="WAY", help=", ".join(modes.BY_KEY))
    parser.add_argument("--hierarchy", default=os.path.join(paths.ROOT, "config", "hierarchy.yaml"))
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--no-price", dest="price", action="store_false")
    parser.add_argument("--fine", type=int, help="microseconds between two first questions")
    parser.add_argument("--watched", type=float, help="changes a second that are looked for")
    parser.add_argument("--changes", type=float, default=200, help="a second")
    parser.add_argument("--names", type=int, default=500)
    parser.add_argument("--sweep", type=float, default=1000,
                        help="queries a second that keep all names in use, over all tiers")
    parser.add_argument("--clients", type=float, default=2000,
                        help="queries a second to the first tier while the price is taken")
    parser.add_argument("--length", type=float, default=1, help="factor to the times of all runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", default=os.path.join(freshet.build_directory(), "propagation"))
    args = parser.parse_args()
    unknown = [key for key in args.modes if key not in modes.BY_KEY]
    if unknown:
        parser.error(f"no such way: {', '.join(unknown)}")
    args.modes = args.modes or list(modes.BY_KEY)
    return args


def report(args):
    import page  # pylint: disable=import-outside-toplevel  # matplotlib takes a second to load
    import tables  # pylint: disable=import-outside-toplevel
    records = read_all(args.output)
    if not records:
        raise SystemExit(f"nothing in {args.output}")
    tables.write_csv(records, os.path.join(args.output, "times.csv"))
    print(tables.text(records))
    path = os.path.join(args.output, "report.html")
    page.write(records, versions(), path)
    print(f"\n{path}")


def main():
    args = arguments()
    os.chdir(process.ROOT)
    os.makedirs(args.output, exist_ok=True)
    args.own_network = False
    if not args.report:
        args.own_network = own_network()
        run(args)
    report(args)


if __name__ == "__main__":
    main()
