"""Does the checker find what it is there to find? Small caches, each with one fault of its own.

    python3 bench/checker/selftest.py [FAULT...]

Each cache follows the topic, evicts what changed, and has a control socket, as freshetd does; then
it does one thing wrong. The checker must report that kind of violation, and no other; of the sound
one, nothing. Uses the embedded broker: nothing here is about speed.
"""

import contextlib
import json
import os
import shutil
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import confluent_kafka  # noqa: E402

# pylint: disable=wrong-import-position
import checking  # noqa: E402
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import process  # noqa: E402

SECONDS = 4
LATE = 0.3  # seconds, of what is done late
LOAD = {"seconds": SECONDS, "names": 40, "changes": 20, "queries": 400, "drain": 1200,
        "mix": "set=50,flush=20,swap=20,del=10"}
HEADER, TYPE_A_SIZE = 12, 16  # bytes: a DNS header; an A record with a compressed name


class Cache:
    """A cache for one zone in front of `upstream`. `fault` is what it does wrong, see FAULTS."""

    def __init__(self, upstream, topic, fault):
        self._fault, self._upstream, self._topic = fault, upstream, topic
        self._answers, self._before, self._applied = {}, {}, {}
        self._lock, self._over, self._turn = threading.Lock(), threading.Event(), 0
        self._generation = 0
        self.directory = process.run_directory("faulty")
        self.control_path = "" if fault == "back" else os.path.join(self.directory, "control")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._control.bind(os.path.join(self.directory, "control"))
        self._control.listen()
        self._assigned = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True)
                         for run in (self._serve, self._follow, self._report)]
        for thread in self._threads:
            thread.start()
        if not self._assigned.wait(10):
            raise RuntimeError("no position in the topic")

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()
        self._control.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- queries

    def _serve(self):
        self._socket.settimeout(0.1)
        while not self._over.is_set():
            try:
                query, client = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            answer = self._find(query)
            if answer:
                self._socket.sendto(query[:2] + answer[2:], client)

    def _find(self, query):
        name = query[HEADER:]
        with self._lock:
            held, generation = self._answers.get(name), self._generation
        if held is None:
            held = self._fetch(query)
            with self._lock:
                if held and generation == self._generation:
                    self._answers[name] = held
        return self._spoil(name, held)

    def _fetch(self, query):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.5)
            sock.connect(self._upstream)
            sock.send(query)
            try:
                return sock.recv(512)
            except OSError:
                return None

    def _spoil(self, name, held):
        self._turn += 1
        if self._turn % 20 or held is None or held[3] & 15:
            return held
        if self._fault == "back":
            return self._before.get(name, held)
        if self._fault == "mixed":
            other = held[:-1] + bytes([held[-1] ^ 1])
            return held[:7] + b"\2" + held[8:] + other[-TYPE_A_SIZE:]
        if self._fault == "wrong":
            return held[:-1] + bytes([held[-1] ^ 1])
        return held

    # --- changes

    def _follow(self):
        options = dict(text.split("=") for text in self._topic.consumer_properties)
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": self._topic.bootstrap, "group.id": "faulty",
            "enable.auto.commit": False, "log_level": 3, **options})
        places = []
        for number in range(self._topic.partitions):
            place = confluent_kafka.TopicPartition(self._topic.name, number)
            _, place.offset = consumer.get_watermark_offsets(place, timeout=10)
            self._applied[number] = place.offset
            places.append(place)
        consumer.assign(places)
        self._assigned.set()
        while not self._over.is_set():
            message = consumer.poll(0.1)
            if message is not None and not message.error() and self._fault != "deaf":
                self._apply(message)
        consumer.close()

    def _apply(self, message):
        if self._fault == "slow":  # and says so
            time.sleep(LATE)
        names = {change["name"] for change in json.loads(message.value())["changes"]}
        if self._fault == "early":  # says that it is done, and is not
            threading.Timer(LATE, self._evict, [names]).start()
        else:
            self._evict(names)
        with self._lock:
            self._applied[message.partition()] = message.offset() + 1

    def _evict(self, names):
        for name in names:
            labels = name.rstrip(".").split(".")
            key = b"".join(bytes([len(part)]) + part.encode() for part in labels) + b"\0\0\1\0\1"
            with self._lock:
                self._generation += 1
                if key in self._answers:
                    self._before[key] = self._answers.pop(key)

    # --- the control socket

    def _report(self):
        self._control.settimeout(0.1)
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                visitor, _ = self._control.accept()
                visitor.settimeout(0.1)
                with visitor:
                    self._converse(visitor)

    def _converse(self, visitor):
        while not self._over.is_set():
            try:
                if not visitor.recv(4096):
                    return
            except TimeoutError:
                continue
            with self._lock:
                places = [{"partition": k, "offset": n} for k, n in self._applied.items()]
            feed = {"state": "live", "partitions": places}
            visitor.sendall(json.dumps({"ok": True, "feed": feed}).encode() + b"\n")


# Fault: the violations it must show, the checker's options, the tiers' options. The tier with the
# fault is the last one; "behind" has a sound child of a slow parent, and it is the child's fault
# that it does not ask how far its parent is.
FAULTS = {
    "none": (set(), {}, {}),
    "early": ({"P1"}, {}, {}),
    "behind": ({"P3"}, {}, {}),
    "lagging": ({"P4"}, {"authority_lag": 1500, "seconds": 6}, {}),
    "deaf": ({"bound"}, {}, {"bound_ms": 500}),
    "stubborn": ({"P5"}, {"ttl": 1, "lease": 100}, {"bound_ms": 60000}),
    "generous": ({"P7"}, {}, {"ttl": 4}),
    "back": ({"regression"}, {}, {}),
    "wrong": ({"wrong"}, {}, {}),
    "mixed": ({"mixed"}, {}, {}),
}
BEHAVIOUR = {"stubborn": "deaf", "lagging": "none", "generous": "none"}


def find(fault, topic):
    """The kinds of violations that the checker finds, by tier, the faulty one last."""
    _, options, limits = FAULTS[fault]
    with contextlib.ExitStack() as stack:
        port = process.free_port()

        def start(upstream, behaviour):
            cache = Cache(upstream, topic, behaviour)
            stack.callback(cache.stop)
            return cache

        tiers = []
        upstream = ("127.0.0.1", port)
        if fault == "behind":
            parent = start(upstream, "slow")
            tiers.append(checking.tier("parent", parent))
            upstream = parent.address
        cache = start(upstream, BEHAVIOUR.get(fault, "none" if fault == "behind" else fault))
        tiers.append(checking.tier("faulty", cache, parent="parent" if tiers else "",
                                   **{"ttl": 5, **limits}))
        with checking.Checker(topic, port, tiers, **{**LOAD, "ttl": 5, **options}) as run:
            result = run.wait(60)
    return [set(tier["violations"]) for tier in result["tiers"]]


def main():
    os.chdir(process.ROOT)
    wanted = sys.argv[1:] or list(FAULTS)
    broker = kafka_cluster.EmbeddedBroker(freshet.build_directory())
    topic, failed = broker.topic(), 0
    try:
        for fault in wanted:
            *above, found = find(fault, topic)
            good = found == FAULTS[fault][0] and not any(above)
            failed += not good
            print(f"{'ok  ' if good else 'FAIL'}  {fault:10} {', '.join(sorted(found)) or '-'}"
                  f"{'' if good else f'  wanted {FAULTS[fault][0]}; above: {above}'}", flush=True)
    finally:
        broker.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
