#!/usr/bin/python3
"""freshet beside other servers on a machine with two cores: a server on one, who asks on the other.

    make bench-throughput
    python3 bench/throughput/run.py --servers echo,freshet,unbound --cases uniform,misses --rounds 1

    uniform   10,000 names, all in the cache, each as likely
    zipf      the same by Zipf's law, exponent 1
    misses    a new name in every query, fetched from an authority that has an address for any name
    mix       zipf, with 5 % of new names
    tcp       uniform, over 8 connections with queries pipelined
    changes   freshet alone: uniform, while a real Kafka brings 10,000 changes/s of other names
    workers   freshet alone: two workers against one

Of each case, in each round, every server is measured in turn: `peak` is a window of 128 queries
under way, `half` an open loop at half of the queries/s just measured, in which latency counts from
when a query was due, and `same` such a loop at one rate for all: half of what the slowest of the
round reached, as half of its own most is a heavier load for the faster. Everything but the server, the authority too, is on the other core. Where a
server did not use its core to the full, the tables say so. A measurement in which somebody else ran
on the server's core is made again, twice at most; where that did not help, the tables say that too.

Figures go to build/throughput/result.json, tables to the terminal and result.md, a picture to
result.svg. With --add the rounds are added to those that result.json has: a long run in several
short ones.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402,F401  pylint: disable=unused-import
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import knot  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import picture  # noqa: E402
import process  # noqa: E402
import report  # noqa: E402
import table  # noqa: E402
import text  # noqa: E402
import usage  # noqa: E402

SERVER_CORE, OTHER_CORE = [0], [1]
ZONE = "example.com."
KNOWN = 10000
CHANGES = 10000  # a second
MEMORY = "/dev/shm"
MEMORY_NEEDED = 2 << 30  # bytes: a broker's log, Knot Resolver's cache
# More than freshet remembers (feed.marks): the state of a server that has run for some minutes.
EARLIER_CHANGES = 1_200_000
SHARES = (0.25, 0.5)

OPTIONS = {
    "uniform": ["--spin"],
    "zipf": ["--spin", "--order=zipf"],
    "misses": ["--unique=1"],
    "mix": ["--order=zipf", "--unique=0.05"],
    "tcp": ["--spin", "--tcp"],
}
ALONE = ["changes", "workers"]
CASES = [*OPTIONS, *ALONE]


class Progress:
    """A line for each measurement, with the time that is left if things go on like this."""

    def __init__(self, steps):
        self._steps, self._done, self._began = steps, 0, time.monotonic()

    def __call__(self, line):
        self._done += 1
        passed = time.monotonic() - self._began
        left = passed / self._done * (self._steps - self._done)
        print(f"[{self._done}/{self._steps}, {left:3.0f} s left] {line}", flush=True)


class Bench:
    """What a run has in common: options, records, the authority."""

    def __init__(self, args, stack, progress):
        self.args, self.progress = args, progress
        self.records, self.absent = [], {}
        self.load = measure.Load(OTHER_CORE, args.edns)
        self.authority = measure.authority(OTHER_CORE)
        stack.callback(self.authority.stop)

    def keep(self, **record):
        self.records.append({"run": self.args.run, **record})
        return record

    def measure(self, server, seconds, *options, load=None):
        """Once more, up to twice, when somebody else had a part of the server's core meanwhile."""
        for again in range(3):
            result = measure.measure(
                load or self.load, server, {"authority": self.authority.pid}, seconds,
                f"--known={KNOWN}", f"--seed={len(self.records) + 1}", *options)
            result["again"] = again
            if report.others_on_core(result) <= report.DISTURBED:
                break
            print(f"  {server.name}: somebody else ran on its core for "
                  f"{report.others_on_core(result):.0%} of the time", file=sys.stderr)
        return result


# --- servers side by side


def start(name, upstream):
    """The server of that name; process.NotReady, with its last words, when it does not come up."""
    if name == "echo":
        return measure.echo(SERVER_CORE)
    if name == "freshet":
        return peers.Freshet(upstream, SERVER_CORE)
    server = peers.forwarder(name, upstream, SERVER_CORE)
    server.name = name
    return server


def start_all(bench, stack, authority):
    """Those that start; of the others it is noted why they do not."""
    up = []
    for name in bench.args.servers:
        try:
            server = start(name, authority.address[1])
        except (process.NotReady, OSError) as why:
            print(f"  {name} does not start: {why}", file=sys.stderr)
            bench.absent[name] = str(why)
            continue
        stack.callback(server.stop)
        up.append(server)
    return up


def measure_own(bench, case, server, turn):
    """Peak, then open loop at half of it. Returns the peak's queries/s."""
    options = OPTIONS[case]
    if case != "misses":
        measure.warm(bench.load, server, KNOWN, *(["--tcp"] if case == "tcp" else []))
    peak = bench.measure(server, bench.args.seconds, f"--window={bench.args.window}", *options)
    bench.keep(case=case, server=server.name, round=turn, kind="peak", load=peak)
    line = f"{case}, round {turn}, {server.name}: {peak['qps']:,.0f} queries/s, " \
           f"{table.shown(report.cpu_us(peak), '{:.2f}')} us"
    if peak["qps"] > 0:
        half = bench.measure(server, bench.args.seconds,
                             f"--rate={max(1, peak['qps'] / 2):.0f}", *options)
        bench.keep(case=case, server=server.name, round=turn, kind="half", load=half)
        latency = half["slice_us"]
        line += f"; at half of that p50 {latency['p50']:.0f}, p99 {latency['p99']:.0f} us"
    bench.progress(line)
    return peak["qps"]


def measure_same(bench, case, server, turn, rate):
    """Open loop at the rate that all get."""
    load = bench.measure(server, bench.args.seconds, f"--rate={max(1, rate):.0f}", *OPTIONS[case])
    bench.keep(case=case, server=server.name, round=turn, kind="same", load=load)
    latency = load["slice_us"]
    bench.progress(f"{case}, round {turn}, {server.name}: at {rate:,.0f} queries/s as all p50 "
                   f"{latency['p50']:.0f}, p99 {latency['p99']:.0f} us")


def side_by_side(bench, case):
    with contextlib.ExitStack() as stack:
        authority = bench.authority
        if case == "tcp":  # dnsdist asks over TCP what it was asked over TCP
            authority = knot.Knot({ZONE: "*.bench 86400 A 192.0.2.1"})
            stack.callback(authority.stop)
        up = start_all(bench, stack, authority)
        if case == "tcp":  # nothing to echo there
            up = [server for server in up if not server.echoes]
        for turn in range(1, bench.args.rounds + 1):
            # Who comes first is another one in every round.
            first = (turn - 1) % max(1, len(up))
            order = up[first:] + up[:first]
            peaks = [measure_own(bench, case, server, turn) for server in order]
            for server in order:
                measure_same(bench, case, server, turn, min(peaks) / 2)


# --- freshet under changes


class Changes:
    """A topic on a real broker, and what publishes there."""

    def __init__(self, stack):
        self._kafka = kafka_cluster.connect(build=freshet.build_directory())
        stack.callback(self._kafka.stop)
        self.topic = self._kafka.topic()
        self._next = 0

    def _argv(self, *options):
        return [freshet.program("apply/flood"), f"--brokers={self.topic.bootstrap}",
                f"--topic={self.topic.name}", f"--zone={ZONE}", "--names=1000000000000",
                f"--first={self._next}", *options]

    def publish(self, count, per_set):
        """As fast as the broker takes them; returns how many sets there were."""
        done = subprocess.run(self._argv(f"--sets={count // per_set}", f"--per-set={per_set}"),
                              capture_output=True, text=True, timeout=300, check=True)
        self._next = count  # names that never changed before, whatever a set has of them
        return json.loads(done.stdout.splitlines()[-1])["sets"]

    @contextlib.contextmanager
    def flowing(self, rate):
        """Inside, `rate` change sets a second are published, of one change each."""
        publisher = process.Process("changes", self._argv(
            f"--rate={rate}", "-X", "linger.ms=5", "-X", "acks=all", "-X", "enable.idempotence=true"))
        try:
            publisher.wait_ready(lambda: "ready" in publisher.output("stdout"), within=15)
            time.sleep(0.5)  # until the broker's and the cache's work is that of every second
            yield
        finally:
            publisher.stop()
            self._next = json.loads(publisher.output("stdout").splitlines()[-1])["next"]


def counters(server):
    status = server.daemon.status()
    return {"hits": status["tiers"][0]["hits"], "invalid": status["tiers"][0]["invalid"],
            "applied": status["feed"]["applied"], "at": time.monotonic()}


def with_changes(bench, server, changes, seconds, options, load):
    """The load while changes flow; and what freshet counted meanwhile."""
    with changes.flowing(CHANGES):
        before = None if server.echoes else counters(server)
        result = bench.measure(server, seconds, *options, load=load)
        if server.echoes:
            return result, None
        after = counters(server)
    return result, {key: after[key] - before[key] for key in before}


def pairs(bench, server, changes, peak, load):
    """Without and with changes, one right after the other."""
    for turn in range(1, bench.args.rounds + 1):
        for share in SHARES:
            options = [f"--rate={peak * share:.0f}", "--burst=16", "--stamps"]
            without = bench.measure(server, bench.args.seconds, *options, load=load)
            under, counted = with_changes(bench, server, changes, bench.args.seconds, options, load)
            bench.keep(case="changes", kind="pair", server=server.name, round=turn, share=share,
                       counted=counted, applied_rate=counted and counted["applied"] / counted["at"],
                       **{"without": without, "with": under})
            bench.progress(f"changes, round {turn}, {server.name}, {share:.0%}: p99 "
                           f"{without['slice_us']['p99']:.0f} us, with changes "
                           f"{under['slice_us']['p99']:.0f}")


def changes_case(bench):
    """Broker, publisher and generator share a core. The generator goes first there, as a wait for
    the others is not the server's fault; to leave them enough of it, it asks in bursts, and has the
    kernel note when replies come."""
    load = measure.Load(OTHER_CORE, bench.args.edns, real_time=True)
    with contextlib.ExitStack() as stack:
        changes = Changes(stack)
        server = peers.Freshet(bench.authority.address[1], SERVER_CORE,
                               feed=freshet.feed(changes.topic, [ZONE]))
        stack.callback(server.stop)
        process.eventually(lambda: server.daemon.status()["feed"]["state"] == "live", within=30)
        sets = changes.publish(EARLIER_CHANGES, per_set=100)
        process.eventually(lambda: server.daemon.status()["feed"]["applied"] >= sets, within=120)
        measure.warm(bench.load, server, KNOWN)
        peak = bench.measure(server, bench.args.seconds, f"--window={bench.args.window}", "--spin")
        bench.keep(case="changes", kind="peak", server=server.name, load=peak)
        pairs(bench, server, changes, peak["qps"], load)
        # The echo has no changes to apply; what they do to it, the machine does.
        server.stop()
        echo = measure.echo(SERVER_CORE)
        stack.callback(echo.stop)
        pairs(bench, echo, changes, peak["qps"], load)


# --- a second worker


def workers_case(bench):
    """All on both cores; report.py says how the generator's part is left out."""
    both = SERVER_CORE + OTHER_CORE
    load = measure.Load(both, bench.args.edns)
    with contextlib.ExitStack() as stack:
        up = {}
        for workers in (1, 2):
            up[workers] = peers.Freshet(bench.authority.address[1], both, workers=workers)
            stack.callback(up[workers].stop)
            measure.warm(load, up[workers], KNOWN)
        for turn in range(1, bench.args.rounds + 1):
            for workers, server in up.items():
                # Here generator and server share both cores: nobody can tell who disturbs.
                result = measure.measure(load, server, {}, bench.args.seconds, f"--known={KNOWN}",
                                         f"--window={bench.args.window}", "--flows=32")
                bench.keep(case="workers", kind="peak", workers=workers, round=turn,
                           server="freshet", load=result)
                bench.progress(f"workers, round {turn}, {workers}: {result['qps']:,.0f} queries/s, "
                               f"{report.cpu_us(result):.2f} us")


# --- the run


def steps(args):
    count = sum(args.rounds * 2 * (len(args.servers) - (case == "tcp" and "echo" in args.servers))
                for case in args.cases if case in OPTIONS)
    count += args.rounds * len(SHARES) * 2 * ("changes" in args.cases)
    return count + args.rounds * 2 * ("workers" in args.cases)


def versions(names):
    """Of those that are installed."""
    found = {}
    for name in names:
        with contextlib.suppress(OSError):
            found[name] = peers.version(name)
    return found


def split(words, known, what, parser):
    chosen = [word for word in words.split(",") if word]
    for word in chosen:
        if word not in known:
            parser.error(f"no such {what}: {word} (there are {', '.join(known)})")
    return chosen


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default=",".join(report.NAMES))
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5,
                        help="of each measurement; there are three per server")
    parser.add_argument("--window", type=int, default=128, help="queries under way for the peak")
    parser.add_argument("--edns", action="store_true", help="queries carry an OPT record")
    parser.add_argument("--add", action="store_true", help="add to the rounds in result.json")
    parser.add_argument("--table", action="store_true",
                        help="measure nothing; tables of the rounds in result.json")
    parser.add_argument("--output", default=os.path.join(freshet.build_directory(), "throughput"))
    args = parser.parse_args()
    args.servers = split(args.servers, report.NAMES, "server", parser)
    args.cases = split(args.cases, CASES, "case", parser)
    args.run = time.strftime("%Y-%m-%d %H:%M:%S")
    return args


def earlier(path, wanted):
    """The records and absences of an earlier result, when they are wanted."""
    if not wanted or not os.path.exists(path):
        return [], {}
    with open(path, encoding="ascii") as file:
        result = json.load(file)
    return result["records"], result["absent"]


def write(args, records, absent):
    summary, changes = report.summary(records), report.summarize_changes(records)
    result = {
        "when": args.run, "machine": usage.machine(), "versions": versions(["freshet", *peers.FORWARDERS]),
        "options": {"seconds": args.seconds, "window": args.window, "edns": args.edns,
                    "known": KNOWN},
        "summary": summary, "changes": changes, "workers": report.summarize_workers(records),
        "bars": report.bars(summary, changes), "absent": absent, "records": records,
    }
    page = text.whole(result)
    for name, content in (("result.json", json.dumps(result, indent=1)), ("result.md", page)):
        with open(os.path.join(args.output, name), "w", encoding="ascii") as file:
            file.write(content)
    picture.write(result, os.path.join(args.output, "result.svg"))
    print(f"\n{page}\n{args.output}/: result.json, result.md, result.svg")


def run(args):
    records, absent = [], {}
    with contextlib.ExitStack() as stack:
        bench = Bench(args, stack, Progress(steps(args)))
        records, absent = bench.records, bench.absent
        for case in args.cases:
            if case in OPTIONS:
                side_by_side(bench, case)
            else:
                {"changes": changes_case, "workers": workers_case}[case](bench)
    return records, absent


def keep_off_disks():
    """Run directories in memory, if there is room: writing to a disk takes time of any core."""
    with contextlib.suppress(OSError):
        room = os.statvfs(MEMORY)
        if os.access(MEMORY, os.W_OK) and room.f_bavail * room.f_frsize > MEMORY_NEEDED:
            tempfile.tempdir = MEMORY


def main():
    args = arguments()
    os.chdir(process.ROOT)
    os.makedirs(args.output, exist_ok=True)
    if os.cpu_count() < 2:
        sys.exit("two cores are needed")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and so stops what it has started
    keep_off_disks()
    os.sched_setaffinity(0, OTHER_CORE)  # and all that is started, where nothing else is said
    before, absences = earlier(os.path.join(args.output, "result.json"), args.add or args.table)
    records, absent = ([], {}) if args.table else run(args)
    write(args, before + records, {**absences, **absent})
    return 0


if __name__ == "__main__":
    sys.exit(main())
