#!/usr/bin/python3
"""What a cached answer costs in memory, for freshet and other caches; and freshet's memory under churn.

    make bench-memory                      freshet with all kinds of answers, the others with A; the churn
    make bench-memory MEMORY_ARGS=--all    all kinds for all: about half an hour
    python3 bench/memory/run.py --servers freshet,knot-resolver --kinds a,cname --names 100000 --no-churn

Each server is started twice behind a fast authority. First with a cache for next to nothing: its memory after
1,000 queries is what the program takes by itself. Then with one that is large enough: after the same
1,000 queries, NAMES different names are asked for (names.h says which), each until its right answer came, and
memory is read again. A sample of 10,000 names is then asked for once more, and the authority tells how many
of these were not cached.

    bytes per answer = (memory when filled - memory of the program by itself) / answers that are cached

So whatever a server sets aside for its cache at the start, or keeps for each name besides the answer, is in it.
Memory is RssAnon, what the process holds itself, without program text. Knot Resolver keeps its
answers in an LMDB file: the pages of it that are in use are added. dnsmasq makes all entries when it starts.

The churn (churn.c) is 50 million puts into one store, with a limit of 64 MiB. Memory is all that was added since
before the store was made; it must stay within the limit, also one that is lowered, and 1 MiB for what is not the
store's. A store whose answers are all dropped may keep its index, a tenth of the limit; one that is freed, nothing.

The table goes to the terminal and to build/memory/memory.md, the figures to build/memory/result.json, the
picture to build/memory/memory.svg. The exit code is 0 when freshet's A answers take no more than --bar bytes
each, and its memory under churn stayed within its limit and came back.
"""

import argparse
import json
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import lmdb_file  # noqa: E402
import peers  # noqa: E402
import process  # noqa: E402
import report  # noqa: E402
import usage  # noqa: E402

KINDS = ["a", "aaaa", "nxdomain", "cname"]
OWN = ["freshet", "freshet-feed"]
PEERS = ["knot-resolver", "dnsmasq", "dnsdist", "bind", "unbound", "pdns-recursor"]
ZONE = "example.com."
WARM_UP = 1_000
WARM_UP_FIRST = 9_000_000  # names of its own
SAMPLE = 10_000
WINDOW = 200  # a burst that fits the smallest socket buffer
COUNT_TYPE = 65280  # names.h
LEAST = {"size": 8 << 20, "entries": WARM_UP}  # what a program is started with to see what it takes itself
# Bytes of cache for each name, where a cache is counted in bytes: far more than any takes, except where
# the limit itself could cost memory. And entries for each name, where it is counted in these.
SIZE_PER_NAME = {"freshet": 512, "freshet-feed": 512}
SIZE_PER_NAME_OTHERS = 8192
ENTRIES_PER_NAME = {"dnsdist": 1.1, "dnsmasq": 1.05}
ENTRIES_PER_NAME_OTHERS = 5.0
RECORDS = {"cname": 3}  # names in an answer, where each is an entry
SETTLE_S = 2.5  # what a feed fetches until then it keeps for a second only
CHURN_FIXED = 1 << 20  # bytes the process may take beyond the store's limit
CHURN_EMPTY = 0.10  # of the limit, that an empty store may keep: its index


def program(name):
    return freshet.program(f"memory/{name}")


class Authority(peers.Child):
    """authority.c."""

    def __init__(self):
        super().__init__("authority", [program("authority"), "--port={port}"])

    def queries(self):
        """How many it has had."""
        question = b"\0\1\1\0\0\1" + bytes(6) + b"\0" + struct.pack(">HH", COUNT_TYPE, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect(self.address)
            sock.send(question)
            return struct.unpack(">Q", sock.recv(512)[-8:])[0]


def fill(server, kind, first, count, stride=1):
    """filler.c to its end: its figures."""
    done = subprocess.run(
        [program("filler"), f"--server={freshet.address_text(server.address)}", f"--kind={kind}", f"--first={first}",
         f"--count={count}", f"--stride={stride}", f"--window={WINDOW}"],
        capture_output=True, text=True, timeout=1800, check=False)
    if not done.stdout:
        raise RuntimeError(f"filler: {done.stderr.strip()}")
    return json.loads(done.stdout)


def memory(server):
    """Of a running server, in bytes: its own, and of its cache's file."""
    found = {"anon": usage.anonymous(server.pid), "file": 0}
    if server.key == "knot-resolver":
        found["file"], found["entries"] = lmdb_file.used(os.path.join(server.directory, "cache", "data.mdb"))
    found["total"] = found["anon"] + found["file"]
    return found


class Bench:
    """All that runs have in common."""

    def __init__(self, args):
        self.args = args
        self.began = time.monotonic()
        self.authority = Authority()
        self._broker = self._topic = None

    def close(self):
        self.authority.stop()
        if self._broker:
            self._broker.stop()

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.0f} s  {text}", flush=True)

    def make(self, name, limits):
        upstream = self.authority.address[1]
        if name not in OWN:
            return peers.forwarder(name, upstream, **limits)
        size = f"{limits['size']}B"
        if name == "freshet":
            return peers.Freshet(upstream, size=size)
        if not self._broker:
            self._broker = kafka_cluster.connect({"KAFKA": os.environ.get("KAFKA", "embedded")},
                                                 freshet.build_directory())
            self._topic = self._broker.topic()
        server = peers.Freshet(upstream, size=size, feed=freshet.feed(self._topic, [ZONE]))
        process.eventually(lambda: server.daemon.status()["feed"]["state"] == "live", within=20)
        time.sleep(SETTLE_S)
        return server

    def limits(self, name, kind):
        """The cache that `args.names` answers of that kind surely fit."""
        records = 1 if name == "dnsdist" else RECORDS.get(kind, 1)  # it keeps whole messages
        entries = ENTRIES_PER_NAME.get(name, ENTRIES_PER_NAME_OTHERS) * records
        return {"size": SIZE_PER_NAME.get(name, SIZE_PER_NAME_OTHERS) * self.args.names,
                "entries": int(entries * (self.args.names + WARM_UP))}

    def started(self, name, kind, limits):
        """A server that has answered WARM_UP queries. The caller stops it."""
        server = self.make(name, limits)
        try:
            warm = fill(server, kind, WARM_UP_FIRST, WARM_UP)
            if warm["failed"]:
                raise process.NotReady(f"{name} left {warm['failed']} queries without an answer")
            time.sleep(0.5)
        except BaseException:
            server.stop()
            raise
        return server

    def alone(self, name, kind):
        """The memory of a program with as good as no cache."""
        server = self.started(name, kind, LEAST)
        try:
            return memory(server)
        finally:
            server.stop()

    def measure(self, name, kind):
        """One server, filled with one kind of answer: a row of the result."""
        alone = self.alone(name, kind)
        server = self.started(name, kind, self.limits(name, kind))
        try:
            row = {"server": name, "title": title(name), "version": peers.version(name), "kind": kind,
                   "names": self.args.names, "alone": alone, "started": memory(server)}
            row["fill"] = fill(server, kind, 0, self.args.names)
            time.sleep(1)
            row["filled"] = memory(server)
            row.update(self.verify(server, kind, row["fill"]["right"]))
            if name == "freshet" and kind == "a":
                row["given_back"] = self.shrink(server, row["filled"]["anon"])
        finally:
            server.stop()
        grown = row["filled"]["total"] - alone["total"]
        row["bytes_per_answer"] = grown / max(row["cached"], 1)
        row["whole_per_answer"] = row["filled"]["total"] / max(row["cached"], 1)
        return row

    def verify(self, server, kind, right):
        """Asks for a sample again. A query of the authority's is an answer that was not cached."""
        count = min(SAMPLE, self.args.names)
        before = self.authority.queries()
        again = fill(server, kind, 0, count, self.args.names // count)
        asked_upstream = self.authority.queries() - before
        share = max(0, count - asked_upstream - again["failed"]) / count
        return {"sample": count, "sample_not_cached": asked_upstream, "cached": round(share * right)}

    def shrink(self, server, filled):
        """Freshet: a reload with a quarter of what it holds as the limit."""
        limit = filled // 4
        server.resize(self.authority.address[1], f"{limit}B")
        process.eventually(lambda: tier(server)["bytes"] <= limit, within=20)
        time.sleep(1)
        return {"limit": limit, "anon": usage.anonymous(server.pid), "answers": tier(server)["answers"]}

    def churn(self):
        """churn.c to its end: its lines."""
        lines = []
        argv = [program("churn"), f"--inserts={self.args.inserts}", f"--limit={self.args.limit}",
                f"--samples={self.args.samples}"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
            for text in child.stdout:
                lines.append(json.loads(text))
                line = lines[-1]
                self.say(f"churn: {line['phase']}, {line['inserts'] / 1e6:.1f} million puts, "
                         f"{line['entries']} answers, RSS {line['rss'] / 2**20:.1f} MiB, "
                         f"limit {line['limit'] / 2**20:.0f} MiB, hits {line['hit_ratio']:.0%}")
        if child.returncode:
            raise RuntimeError(f"churn ended with {child.returncode}")
        return lines


def tier(server):
    return server.daemon.status()["tiers"][0]


def title(name):
    return peers.PROGRAMS[name][0] if name in PEERS else {"freshet-feed": "freshet, zone on the feed"}.get(name, name)


def judge_churn(lines):
    """What of the churn is not as promised: a sentence for each phase, of its worst; none is good."""
    if not lines[-1]["inserts"] or not any(line["evicted"] for line in lines):
        return ["the store never got full"]
    before = lines[0]["rss"]
    share = {"all dropped": CHURN_EMPTY, "store freed": 0}
    worst = {}
    for line in lines[1:]:
        over = line["rss"] - before - line["limit"] * share.get(line["phase"], 1) - CHURN_FIXED
        if over > worst.get(line["phase"], (0,))[0]:
            worst[line["phase"]] = (over, line["inserts"])
    return [f"{phase}, {puts} puts: {over / 2**20:.1f} MiB more than allowed"
            for phase, (over, puts) in worst.items()]


def judge(result, bar):
    """Sentences on what missed its bar."""
    faults = [f"{row['title']}, {row['kind']}: {row['bytes_per_answer']:.0f} bytes per answer, "
              f"more than {bar}" for row in result["rows"]
              if row["server"] in OWN and row["kind"] == "a" and row["bytes_per_answer"] > bar]
    faults += [f"{row['title']}, {row['kind']}: {row['fill']['failed']} names not answered"
               for row in result["rows"] if row["fill"]["failed"] and row["server"] in OWN]
    faults += [f"{row['title']}: {row['given_back']['anon']} bytes under a lowered limit of "
               f"{row['given_back']['limit']}" for row in result["rows"] if "given_back" in row and
               row["given_back"]["anon"] - row["alone"]["anon"] >
               row["given_back"]["limit"] + CHURN_FIXED]
    faults += [f"{title(item['server'])}, {item['kind']}: not measured"
               for item in result["missing"] if item["server"] in OWN]
    return faults + [f"churn: {fault}" for fault in result.get("churn_faults", [])]


def plan(args):
    """(server, kind), in the order of the table."""
    if args.kinds or args.all:
        kinds = args.kinds or KINDS
        return [(name, kind) for name in args.servers for kind in kinds]
    return [(name, kind) for name in args.servers
            for kind in (KINDS if name in OWN else KINDS[:1])]


def words_of(choices):
    def parse(text):
        chosen = text.split(",")
        for word in chosen:
            if word not in choices:
                raise argparse.ArgumentTypeError(f"{word} is none of {', '.join(choices)}")
        return chosen
    return parse


def arguments():
    parser = argparse.ArgumentParser(description="Memory for each cached answer.")
    parser.add_argument("--servers", type=words_of(OWN + PEERS), default=OWN + PEERS)
    parser.add_argument("--kinds", type=words_of(KINDS), default=None)
    parser.add_argument("--all", action="store_true", help="all kinds for all servers")
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--bar", type=float, default=200, help="bytes for each of freshet's A answers")
    parser.add_argument("--inserts", type=int, default=50_000_000, help="puts of the churn")
    parser.add_argument("--limit", type=int, default=64, help="of its store, MiB")
    parser.add_argument("--samples", type=int, default=96, help="of its day")
    parser.add_argument("--no-churn", action="store_true")
    parser.add_argument("--no-answers", action="store_true", help="the churn alone")
    parser.add_argument("--add", action="store_true",
                        help="to the result of an earlier run, whose other figures stay")
    parser.add_argument("--output", default=os.path.join(paths.ROOT, "build", "memory"))
    args = parser.parse_args()
    if not WARM_UP <= args.names <= WARM_UP_FIRST:
        parser.error(f"--names is from {WARM_UP} to {WARM_UP_FIRST}")
    return args


def measure_all(bench, result, args):
    todo = [] if args.no_answers else plan(args)
    for done, (name, kind) in enumerate(todo, 1):
        bench.say(f"{done} of {len(todo)}: {title(name)}, {kind}")
        try:
            row = bench.measure(name, kind)
        except (process.NotReady, OSError, AssertionError, RuntimeError) as error:
            bench.say(f"  not measured: {error}")
            result["missing"].append({"server": name, "kind": kind, "why": str(error)})
            continue
        result["rows"].append(row)
        bench.say(f"  {row['bytes_per_answer']:.1f} bytes per answer, {row['cached']} cached, "
                  f"filled in {row['fill']['seconds']:.0f} s, "
                  f"{row['fill']['failed']} not answered")
    if not args.no_churn:
        result["churn"] = bench.churn()
        result["churn_faults"] = judge_churn(result["churn"])


def add_earlier(result, path):
    """What an earlier run measured, and this one has not; with as many names, or they do not compare."""
    with open(path, encoding="utf-8") as file:
        earlier = json.load(file)
    if earlier["names"] != result["names"]:
        raise SystemExit(f"{path} is of {earlier['names']} names")
    for part in ("rows", "missing"):
        have = {(row["server"], row["kind"]) for row in result["rows"] + result["missing"]}
        result[part] += [row for row in earlier[part] if (row["server"], row["kind"]) not in have]
    order = [(name, kind) for name in OWN + PEERS for kind in KINDS]
    result["rows"].sort(key=lambda row: order.index((row["server"], row["kind"])))
    for part in ("churn", "churn_faults"):
        if part in earlier:
            result.setdefault(part, earlier[part])


def main():
    args = arguments()
    os.makedirs(args.output, exist_ok=True)
    result = {"when": time.strftime("%Y-%m-%d %H:%M:%S %z"), "names": args.names, "rows": [],
              "missing": []}
    bench = Bench(args)
    try:
        measure_all(bench, result, args)
    finally:
        bench.close()
    if args.add:
        add_earlier(result, os.path.join(args.output, "result.json"))
    result["faults"] = judge(result, args.bar)
    report.write(result, args.output)
    for fault in result["faults"]:
        print(f"missed: {fault}")
    return 1 if result["faults"] or not (result["rows"] or "churn" in result) else 0


if __name__ == "__main__":
    sys.exit(main())
