#!/usr/bin/python3
"""A zone of a million records: loaded from its snapshot, looked up, changed; beside Knot and NSD with the same zone file.

    make bench-zone
    python3 bench/zone/run.py --only load,memory --records 100000

    load       from the start of a process to the first answer from the zone: freshetd from the topic of snapshots on a
               real Kafka, the others from the zone file, which is in memory. On all cores; medians of --rounds
    memory     what a process takes with the zone, less what it takes with one of three records, over the records
    lookups    each name once in any order, so that no cache has it: queries without RD, which freshetd answers from
               the zone (`authoritative`); and with RD, which it answers through its cache, a miss each. Then names
               that are cached. A server on one core, who asks on the other, one load program for all
    changes    change sets that wait in the log, applied by freshetd on one core: of one change, and of 1,000; beside
               the same as an IXFR of as many versions, made beforehand, to the others as secondaries on that core: from
               NOTIFY to the last serial

Memory is PSS without what is mapped from files, of all processes of a server.

The table goes to the terminal and to build/zone/zone.md, the figures to result.json, the picture to zone.svg. With --add to
those that result.json has. The exit code is 0 when freshet loads at least as fast as Knot, takes at most Knot's memory, and looks up
at least as much as NSD.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402,F401
sys.path.insert(0, os.path.join(paths.BENCH, "throughput"))
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import measure  # noqa: E402
import page  # noqa: E402
import peers  # noqa: E402
import process  # noqa: E402
import usage  # noqa: E402
from primary import Primary  # noqa: E402
from servers import ZONE, FromFile, FromSnapshot, memory, serial  # noqa: E402

PARTS = ["load", "memory", "lookups", "changes"]
OTHERS = ["knot", "nsd"]
SERVER_CORE, OTHER_CORE = [0], [1]
HOT = 10_000
HEAD = "@ SOA ns1 hostmaster 1 3600 900 604800 3600\n@ NS ns1\nns1 A 192.0.2.53\n"
DIGITS = "0123456789abcdefghijklmnopqrstuv"


def label(number):
    """As the load program has it (bench/throughput/questions.c)."""
    return "n" + "".join(DIGITS[number >> shift & 31] for shift in range(45, -1, -5))


def write_zone(path, records):
    with open(path, "w", encoding="ascii") as file:
        file.write(f"$ORIGIN {ZONE}\n$TTL 86400\n{HEAD}")
        for number in range(records - HEAD.count("\n")):
            file.write(f"{label(number)} A 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\n")


class Stock:
    """The zone as a file and as a snapshot, on a broker of its own."""

    def __init__(self, stack, cluster, records):
        self.records = records
        self.directory = process.run_directory("zone")
        stack.callback(lambda: subprocess.run(["rm", "-r", self.directory], check=False))
        self.path = os.path.join(self.directory, "file")
        write_zone(self.path, records)
        self.updates = cluster.topic()
        self.snapshots = kafka_cluster.Topic(cluster, f"dns.snapshots.{uuid.uuid4().hex[:12]}", 2)
        done = subprocess.run([freshet.program("freshet"), "snapshot", ZONE, "--brokers", self.updates.bootstrap,
                               "--topic", self.updates.name, "--snapshots", self.snapshots.name, "--file", self.path,
                               "--json"], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"freshet snapshot: {done.stderr}")
        self.written = json.loads(done.stdout)


def start(key, stock, cores=None):
    return FromSnapshot(stock, cores) if key == "freshet" else FromFile(key, stock.path, cores)


@contextlib.contextmanager
def running(key, stock, cores=None):
    server = start(key, stock, cores)
    try:
        yield server
    finally:
        server.stop()


def say(text):
    print(text, flush=True)


# --- the parts; each gives rows of its own


def load_part(bench):
    rows = []
    for key in ["freshet", *bench.servers]:
        times, cpu = [], []
        for _ in range(bench.args.rounds):
            with running(key, bench.stock) as server:
                times.append(server.loaded_s)
                cpu.append(measure.cpu_seconds(server.pid))
        rows.append({"server": key, "seconds": statistics.median(times), "all": times, "cpu_s": statistics.median(cpu)})
        say(f"  {key}: loaded after {rows[-1]['seconds']:.2f} s, {rows[-1]['cpu_s']:.2f} s of CPU")
    return rows


def memory_part(bench):
    rows = []
    for key in ["freshet", *bench.servers]:
        taken = []
        for stock in (bench.small, bench.stock):
            with running(key, stock) as server:
                time.sleep(3)
                taken.append(memory(server))
        rows.append({"server": key, "empty": taken[0], "full": taken[1],
                     "per_record": (taken[1] - taken[0]) / bench.args.records})
        say(f"  {key}: {rows[-1]['per_record']:.1f} bytes per record, {taken[0] >> 20} -> {taken[1] >> 20} MiB")
    return rows


def asked(bench, server, seconds, *options):
    """The load program's figures, and the CPU time of a query."""
    result = measure.measure(bench.load, server, {}, seconds, f"--suffix={ZONE}", "--spin", *options)
    wrong = result["bad"] or result["lost"] > result["good"] / 1000
    if wrong:
        raise RuntimeError(f"{server.key}: {result['bad']} wrong, {result['lost']} lost of {result['good']}")
    return {"server": server.key, "qps": result["qps"], "cpu_us": 1e6 * result["cpu"]["server_s"] / result["good"]}


def lookups_part(bench):
    names = bench.args.records - HEAD.count("\n")
    each = [f"--known={names}", "--order=shuffled", f"--limit={names}"]
    ways = {"cold": [*each, "--iterative"], "cold, RD": each, "cached": [f"--known={HOT}"]}
    rows = []
    for turn in range(bench.args.rounds):
        for key in ["freshet", *bench.servers]:
            for way, options in ways.items():
                if way != "cold" and key != "freshet":
                    continue
                with running(key, bench.stock, SERVER_CORE) as server:
                    if way == "cached":
                        bench.load(server, 5, f"--suffix={ZONE}", *options, "--order=each")
                    rows.append({"way": way, "round": turn, **asked(bench, server, bench.args.seconds, *options,
                                                                    f"--seed={turn + 1}")})
                say(f"  {key}, {way}: {rows[-1]['qps']:,.0f} a second, {rows[-1]['cpu_us']:.2f} us of CPU each")
    return rows


def of_changes(server, per_set, sets, begin, done):
    """begin() sets it off; changes a second until done()."""
    cpu, began = measure.cpu_seconds(server.pid), time.monotonic()
    begin()
    process.eventually(done, within=300, what="all is applied", every=0.02)
    passed = time.monotonic() - began
    row = {"server": server.key, "way": f"{per_set} a set", "changes_per_s": per_set * sets / passed,
           "cpu_us": 1e6 * (measure.cpu_seconds(server.pid) - cpu) / (per_set * sets)}
    say(f"  {server.key}, {row['way']}: {row['changes_per_s']:,.0f} changes/s, {row['cpu_us']:.2f} us of CPU each")
    return row


def from_log(bench, per_set, sets):
    """The log is filled while the process is stopped."""
    with running("freshet", bench.stock, SERVER_CORE) as server:
        last = server.streamed()["offset"] + sets
        server.daemon.pause()
        try:
            subprocess.run([freshet.program("apply/flood"), f"--brokers={bench.stock.updates.bootstrap}",
                            f"--topic={bench.stock.updates.name}", f"--zone={ZONE}", f"--sets={sets}", f"--per-set={per_set}",
                            "--names=1000000"], stdout=subprocess.DEVNULL, check=True, timeout=120)
        except BaseException:
            server.daemon.resume()
            raise
        return of_changes(server, per_set, sets, server.daemon.resume, lambda: server.streamed()["offset"] >= last)


def from_transfer(bench, key, per_set, sets):
    with contextlib.closing(Primary(ZONE, sets, per_set)) as primary, \
            contextlib.closing(FromFile(key, bench.stock.path, SERVER_CORE, primary.port)) as server:
        primary.say_all()
        return of_changes(server, per_set, sets, lambda: primary.notify(server.address),
                          lambda: serial(server.address) == primary.last)


def changes_part(bench):
    rows = []
    for per_set, sets in ((1, bench.args.changes), (1000, bench.args.changes // 500)):
        rows.append(from_log(bench, per_set, sets))
        rows += [from_transfer(bench, key, per_set, sets) for key in bench.servers]
    return rows


class Bench:
    def __init__(self, args, stack):
        self.args = args
        self.servers = [key for key in OTHERS if key in args.servers]
        cluster = kafka_cluster.connect(build=freshet.build_directory())
        stack.callback(cluster.stop)
        self.stock = Stock(stack, cluster, args.records)
        self.small = Stock(stack, cluster, HEAD.count("\n"))
        self.load = measure.Load(OTHER_CORE)


def run_parts(args):
    found = {}
    with contextlib.ExitStack() as stack:
        bench = Bench(args, stack)
        for part in args.only:
            say(part)
            found[part] = globals()[f"{part}_part"](bench)
    return found


def words_of(choices):
    def parse(text):
        chosen = text.split(",")
        if not set(chosen) <= set(choices):
            raise argparse.ArgumentTypeError(f"of {', '.join(choices)}")
        return chosen
    return parse


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--only", type=words_of(PARTS), default=PARTS)
    parser.add_argument("--servers", type=words_of(OTHERS), default=OTHERS, help="beside freshet")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of a measurement of lookups")
    parser.add_argument("--changes", type=int, default=200_000)
    parser.add_argument("--add", action="store_true", help="to what result.json has")
    parser.add_argument("--output", default=os.path.join(freshet.build_directory(), "zone"))
    return parser.parse_args()


def main():
    args = arguments()
    os.makedirs(args.output, exist_ok=True)
    path = os.path.join(args.output, "result.json")
    result = {"parts": {}}
    if args.add and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    result.update(when=time.strftime("%Y-%m-%d"), machine=usage.machine(), records=args.records,
                  titles={key: f"{peers.PROGRAMS[key][0]} {peers.version(key)}" for key in args.servers} | {
                      "freshet": "freshet"})
    result["parts"].update(run_parts(args))
    return page.write(result, path, args.output)


if __name__ == "__main__":
    sys.exit(main())
