#!/usr/bin/python3
"""Is every version of a zone in the log, whatever changes it, and how long does each step of its way take?

    make bench-capture CAPTURE_ARGS="bind knot --changes 1000 --rate 50"

For each of BIND, Knot, NSD and PowerDNS, on a real Kafka: the primary is changed by its own means (UPDATE, zone file and
reload, API), again and again; freshet-origin captures it; two tiers (a parent and its child) hold every name and are asked
for it until they have the new address; a third tier holds the whole zone (stream). At the end, the log must have each
version, in order, and its zone and the streamed one must be what the primary's AXFR is, by digest.

    sent --> acknowledged by the primary --> NOTIFY received --> transferred --> in the log --> visible

All by one clock (CLOCK_BOOTTIME). NOTIFY often comes before the primary's acknowledgement is read: then that step is below
zero. Of several versions in one transfer, the first has been told of by the NOTIFY; the others' have none, and are left
out of the steps that begin with it. A tier is asked every half millisecond: "visible" is late by as much, never early.

A primary with a rate of 0 is changed again as soon as the change before is visible: NSD reads its file anew each time, and
PowerDNS keeps no differences, so that of two changes between two transfers nobody can have the first. Knot and PowerDNS send
NOTIFY once a second; with "-told", whoever changes the zone sends one as well, as soon as the primary has acknowledged.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))

# pylint: disable=wrong-import-position
import paths  # noqa: E402,F401  pylint: disable=unused-import
import dns.flags  # noqa: E402
import dns.message  # noqa: E402
import dns.opcode  # noqa: E402
import dns.query  # noqa: E402
import dns.rdatatype  # noqa: E402
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import origin  # noqa: E402
import primaries  # noqa: E402
import process  # noqa: E402
import table  # noqa: E402
from query import addresses, ask  # noqa: E402

ZONE = "example.com."
NAMES = 100
RATES = {"bind": 50, "knot": 50, "knot-told": 50, "nsd": 0, "powerdns": 0, "powerdns-told": 0}
KINDS = {"bind": primaries.Bind, "knot": primaries.Knot, "knot-told": primaries.Knot, "nsd": primaries.Nsd,
         "powerdns": primaries.PowerDns, "powerdns-told": primaries.PowerDns}
LONG = "powerdns"  # a quarter of an hour: only where it is asked for
OWN_BARS = {"p50": 2000, "p99": 8000}  # us, of capture's own share
VISIBLE_WITHIN = 20  # seconds


def now_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def address_of(number):
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def name_of(number):
    return f"n{number % NAMES}"


# --- when a tier has a change


def number_in(reply):
    """The newest change in an answer; -1: none."""
    return max((int.from_bytes(socket.inet_aton(rdata.address), "big") & 0xffffff
                for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for rdata in rrset), default=-1)


def watch(pipe, address):
    """Asks a tier for each name it is told of until it has the change. Tells (number, when), or None in place of when."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(address)
    sock.settimeout(1)
    waiting = {}  # number -> (query, until)
    while True:
        while pipe.poll(0.0005 if waiting else None):
            number = pipe.recv()
            if number is None:
                return
            query = dns.message.make_query(f"{name_of(number)}.{ZONE}", "A").to_wire()
            waiting[number] = query, time.monotonic() + VISIBLE_WITHIN
        for number, (query, until) in list(waiting.items()):
            seen = -1
            with contextlib.suppress(OSError):
                sock.send(query)
                seen = number_in(dns.message.from_wire(sock.recv(4096)))
            if seen >= number or time.monotonic() > until:
                pipe.send((number, now_us() if seen >= number else None))
                del waiting[number]


class Watcher:
    """watch() in a process of its own, so that whoever makes the changes has his own."""

    def __init__(self, address):
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=watch, args=(theirs, address), daemon=True)
        self._process.start()
        self.seen = {}  # number -> when

    def tell(self, number):
        while self._pipe.poll():  # some hundred fit between the two
            self._take()
        self._pipe.send(number)

    def wait(self, number):
        while number not in self.seen:
            self._take()

    def _take(self):
        number, when = self._pipe.recv()
        self.seen[number] = when

    def close(self):
        self._pipe.send(None)
        self._process.join()


# --- one primary


class Stage:
    """A primary, the origin, and the tiers, which hold every name."""

    def __init__(self, kind, cluster, stack):
        self.topic, snapshots = cluster.topic(), cluster.topic()
        for topic in (self.topic, snapshots):
            stack.callback(topic.delete)
        listen = ("127.0.0.1", process.free_port())
        more = "\n".join(f"{name_of(number)} 3600 A {address_of(0)}" for number in range(NAMES))
        self.primary = KINDS[kind](ZONE, listen, more=more)
        stack.callback(self.primary.stop)
        self.origin = origin.Origin(origin.config(self.topic, {ZONE: [self.primary]}, snapshots,
                                                  listen=[freshet.address_text(listen)]), log="info")
        stack.callback(self.origin.close)
        self.told = listen if kind.endswith("-told") else None
        self.first = self.primary.serial()
        self.origin.wait_serial(ZONE, self.first, within=20)
        feed = freshet.feed(self.topic, [ZONE], snapshots=snapshots.name)
        self.regional = self._tier(stack, {"tiers": [freshet.tier("regional", [self.primary])], "feed": feed})
        self.stub = self._tier(stack, {"tiers": [freshet.tier("stub", [self.regional], way="parent")], "feed": feed})
        streaming = {**freshet.tier("streamed", [self.primary]),
                     "routes": [{"name": ZONE, "stream": True, "authoritative": True}]}
        self.streamed = self._tier(stack, {"tiers": [streaming], "feed": feed})
        process.eventually(lambda: self.streamed.status()["streamed"][0]["state"] == "live", within=30, what="the zone is streamed")
        for number in range(NAMES):
            assert addresses(ask(self.stub, f"{name_of(number)}.{ZONE}"))

    @staticmethod
    def _tier(stack, config):
        daemon = freshet.Freshetd(config, log="info")
        stack.callback(daemon.close)
        process.eventually(lambda: daemon.status()["feed"]["state"] == "live", 20)
        return daemon

    def change(self, number):
        """One change; returns when the primary had acknowledged it."""
        self.primary.replace(name_of(number), address_of(number))
        acked = now_us()
        if self.told:
            message = dns.message.make_query(ZONE, "SOA", flags=dns.flags.AA)
            message.set_opcode(dns.opcode.NOTIFY)
            dns.query.udp(message, self.told[0], port=self.told[1], timeout=5)
        return acked


class Times:
    """Of each change, by number."""

    def __init__(self):
        self.sent, self.acked, self.captured = {}, {}, {}

    def take_captured(self, stage, numbers):
        """What the origin has measured since; `numbers`: serial -> change."""
        reply = stage.origin.captured()
        for serial, *row in zip(*(reply[key] for key in ("serial", "acknowledged_us", "own_us", "transfer_us", "kafka_us"))):
            if serial in numbers:
                self.captured[numbers[serial]] = row


def change_all(stage, watchers, args, rate):
    times, begun = Times(), time.monotonic()
    for number in range(1, args.changes + 1):
        if rate:
            time.sleep(max(0, begun + number / rate - time.monotonic()))
        for watcher in watchers:
            watcher.tell(number)
        times.sent[number] = now_us()
        times.acked[number] = stage.change(number)
        for watcher in watchers if not rate else ():
            watcher.wait(number)
    seconds = time.monotonic() - begun
    for watcher in watchers:
        for number in times.sent:
            watcher.wait(number)
    return times, args.changes / seconds


def numbers_of(log):
    """Serial -> change, of the log."""
    numbers = {}
    for message in log[1:]:
        for change in message["changes"]:
            if change["op"] == "SET" and change["type"] == "A" and change["rdata"][0].startswith("10."):
                numbers[message["serial"]] = int.from_bytes(socket.inet_aton(change["rdata"][0]), "big") & 0xffffff
    return numbers


# --- what came of it


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else None


def steps(times, watchers):
    """What is measured, each a list of microseconds."""
    known = {number: row for number, row in times.captured.items() if row[1]}
    found = {
        "sent -> acknowledged": [times.acked[n] - times.sent[n] for n in times.acked],
        "acknowledged -> NOTIFY": [at - own - transfer - times.acked[n] for n, (at, own, transfer, _) in known.items()],
        "NOTIFY -> in the log": [own + transfer for _, own, transfer, _ in known.values()],
        "  of it the transfer": [transfer for _, _, transfer, _ in known.values()],
        "  of it the origin's own": [own for _, own, *_ in known.values()],
        "    of that, until Kafka has it": [kafka for *_, kafka in known.values()],
        "    of that, all else": [own - kafka for _, own, _, kafka in known.values()],
    }
    for name, watcher in watchers.items():
        found[f"in the log -> visible at {name}"] = [when - times.captured[n][0] for n, when in watcher.seen.items()
                                                     if when and n in times.captured]
    whole = [max(watcher.seen[n] for watcher in watchers.values()) - times.acked[n] for n in times.acked
             if all(watcher.seen[n] for watcher in watchers.values())]
    return {**found, "acknowledged -> visible at both": whole}


def verdicts(stage, times, watchers, log):
    """What must be so: (what, whether, what was seen)."""
    serials = [message["serial"] for message in log]
    last = stage.primary.serial()
    made = len(times.sent)
    wanted = origin.transfer(stage.primary, ZONE)
    digests = [origin.digest(zone) if zone is not None else "other" for zone in
               (wanted, origin.replay(log), origin.zone_at(stage.streamed, wanted))]
    visible = {name: sum(when is not None for when in watcher.seen.values()) for name, watcher in watchers.items()}
    return [
        ("every version is in the log, in order", serials == list(range(stage.first, last + 1)) and len(serials) == made + 1,
         f"{len(serials) - 1} versions of {made} changes, serials {serials[0]} to {serials[-1]}; the primary is at {last}"),
        ("each is the change that was made", list(numbers_of(log).values()) == list(range(1, made + 1)), f"{made} changes"),
        ("the log's zone is the primary's AXFR", digests[1] == digests[0], digests[1][:16]),
        ("the streamed tier's zone is the primary's AXFR", digests[2] == digests[0], digests[2][:16]),
        *[(f"each was visible at {name}", count == made, f"{count} of {made}") for name, count in visible.items()],
    ]


def measure(kind, cluster, args):
    rate = RATES[kind] if args.rate is None else args.rate
    with contextlib.ExitStack() as stack:
        stage = Stage(kind, cluster, stack)
        watchers = {name: Watcher(getattr(stage, name).address) for name in ("regional", "stub")}
        for watcher in watchers.values():
            stack.callback(watcher.close)
        times, reached = change_all(stage, list(watchers.values()), args, rate)
        stage.origin.wait_serial(ZONE, stage.primary.serial(), within=20)
        log = origin.log_of(stage.topic, ZONE)
        times.take_captured(stage, numbers_of(log))
        asked = stage.origin.status()
        return {"kind": kind, "changes": args.changes, "rate": reached, "ixfr": asked["ixfr"], "axfr": asked["axfr"],
                "notifies": asked["notifies"], "steps": steps(times, watchers),
                "verdicts": verdicts(stage, times, watchers, log)}


def report(record):
    """Prints it; whether all was as it must be."""
    print(f"\n{record['kind']}: {record['changes']} changes, {record['rate']:.1f} a second; {record['notifies']} NOTIFYs, "
          f"{record['ixfr']} IXFRs and {record['axfr']} AXFRs asked for")
    rows = [["", "p50", "p99", "max", "count"]]
    for what, values in record["steps"].items():
        rows.append([what, *[table.time(quantile(values, share)) for share in (0.5, 0.99, 1)], str(len(values))])
    print(table.grid(rows))
    for what, good, seen in record["verdicts"]:
        print(f"  {'ok    ' if good else 'FAILED'}  {what}: {seen}")
    own = record["steps"]["  of it the origin's own"]
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        value = quantile(own, share)
        print(f"  {'met   ' if value and value <= OWN_BARS[name] else 'MISSED'}  the origin's own share, {name}: "
              f"{table.time(value)}, at most {table.time(OWN_BARS[name])}")
    return all(good for _, good, _ in record["verdicts"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="PRIMARY", help=", ".join(KINDS))
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--rate", type=float, help="changes a second; 0: each once the one before is visible")
    args = parser.parse_args()
    unknown = set(args.kinds) - set(KINDS)
    if unknown:
        parser.error(f"no such primary: {', '.join(unknown)}")
    os.chdir(process.ROOT)
    path = os.path.join(freshet.build_directory(), "capture")
    os.makedirs(path, exist_ok=True)
    cluster, good = kafka_cluster.connect(build=freshet.build_directory()), True
    try:
        for kind in args.kinds or [kind for kind in KINDS if kind != LONG]:
            record = measure(kind, cluster, args)
            with open(os.path.join(path, f"{kind}.json"), "w", encoding="ascii") as file:
                json.dump(record, file)
            good &= report(record)
    finally:
        cluster.stop()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
