"""Small caches, each with one fault of its own: what the checker is tried on.

    cache = Cache(upstream, topic, "early")        answers at cache.address, reports at cache.control_path

Each follows the topic, evicts what changed, and has a control socket, as freshetd does; then it does one thing
wrong. A cache evicts only, so nothing that comes in an odd order can harm it.

    none           nothing
    early          says that a change is applied, and applies it later
    slow           applies all of it late, and says so
    deaf           does not read the topic
    back, mixed, wrong    now and then the answer before, parts of two, another one
    misplaced      ignores what is not in the partition where the zone's key belongs
    shallow        ignores change sets of zones in the zone
    cut            evicts the names that a change set has, nothing below them
    restarted      ignores a publisher whose seq does not rise
    dated          ignores what is dated before the newest of its zone
    late           puts in what a SET brings, whenever that comes
    uncommitted    the same, and reads what may be aborted
    narrow         a child that compares itself with its parent by the zone's own partition alone
    careful        a child that compares all
    honest         says that it is not live while there is something that it cannot read
    second-hand    keeps nothing from above, and says a TTL of 1 s
    forwarder      no freshet: keeps for the TTL, and reads no topic
"""

import contextlib
import json
import os
import shutil
import socket
import threading
import time

import confluent_kafka

import checking  # also makes the harness importable
import kafka_cluster
import process

LATE = 0.3  # seconds, of what is done late
HEADER, TYPE_A_SIZE = 12, 16  # bytes: a DNS header; an A record with a compressed name
TTL_AT, SOA_TTL_AT = -10, -30  # where the TTL of an answer is, and of a negative one
TAIL = b"\0\1\0\1"  # of a question: A, IN


def question(name):
    """"www.example.com." as the bytes after the header of a query have it."""
    labels = name.rstrip(".").split(".")
    return b"".join(bytes([len(part)]) + part.encode() for part in labels) + b"\0" + TAIL


class Cache:
    """A cache for one zone in front of `upstream`: an address, or a Cache. `fault` is what it does wrong."""

    def __init__(self, upstream, topic, fault, lives=None):
        self._fault, self._topic, self._lives = fault, topic, lives
        self._above = upstream if isinstance(upstream, Cache) else None
        self._upstream = upstream.address if self._above else upstream
        self._answers, self._before, self._applied = {}, {}, {}
        self._seqs, self._times = {}, {}
        self._lock, self._over, self._turn = threading.RLock(), threading.Event(), 0
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
            held, since = self._answers.get(name, (None, 0))
            generation, applied = self._generation, dict(self._applied)
        if self._lives is not None and time.monotonic() - since > self._lives:
            held = None
        if held is None:
            behind = self._above is not None and self._is_behind(applied)
            held = self._fetch(query)
            with self._lock:
                if held and generation == self._generation and not behind and self._fault != "second-hand":
                    self._answers[name] = (held, time.monotonic())
            if held and (behind or self._fault == "second-hand"):
                held = self._with_ttl(held, 0 if behind else 1)
        return self._spoil(name, held)

    def _is_behind(self, applied):
        """The parent, of what counts. Asked before the parent is: it can only get further."""
        theirs = self._above.applied()
        home = kafka_cluster.partition_of(checking.ZONE, self._topic.partitions)
        counts = {"narrow": [home], "careful": list(applied)}.get(self._fault, [])
        return any(theirs[number] < applied[number] for number in counts)

    def applied(self):
        """Partition -> next offset."""
        with self._lock:
            return dict(self._applied)

    @staticmethod
    def _with_ttl(answer, seconds):
        at = SOA_TTL_AT if answer[3] & 15 else TTL_AT
        return answer[:at] + seconds.to_bytes(4, "big") + answer[at + 4:]

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
        if self._fault == "wrong":  # a version that there will never be
            return held[:-3] + bytes([held[-3] ^ 0x40]) + held[-2:]
        return held

    # --- changes

    def _consumer(self, level):
        options = dict(text.split("=") for text in self._topic.consumer_properties)
        return confluent_kafka.Consumer({
            "bootstrap.servers": self._topic.bootstrap, "group.id": "faulty", "isolation.level": level,
            "enable.auto.commit": False, "log_level": 3, **options})

    def _follow(self):
        consumer = self._consumer(
            "read_uncommitted" if self._fault == "uncommitted" else "read_committed")
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
            if message is not None and not message.error() and self._fault not in ("deaf", "forwarder"):
                self._apply(message)
        consumer.close()

    def _apply(self, message):
        if self._fault == "slow":
            time.sleep(max(0, message.timestamp()[1] / 1000 + LATE - time.time()))
        found = json.loads(message.value())
        with self._lock:
            if self._fault == "early":
                threading.Timer(LATE, self._evict, [found["changes"]]).start()
            elif not self._ignores(message, found):
                self._evict(found["changes"])
            self._applied[message.partition()] = message.offset() + 1

    def _ignores(self, message, found):
        zone = found["zone"]
        if self._fault == "misplaced":
            return message.partition() != kafka_cluster.partition_of(zone, self._topic.partitions)
        if self._fault == "shallow":
            return zone != checking.ZONE
        if self._fault == "restarted":
            last = self._seqs.get(found["publisher"], 0)
            self._seqs[found["publisher"]] = max(last, found["seq"])
            return found["seq"] <= last
        if self._fault == "dated":
            last = self._times.get(zone, "")
            self._times[zone] = max(last, found["time"])
            return found["time"] < last
        return False

    def _evict(self, changes):
        for change in changes:
            key = question(change["name"])
            below = key if change["op"] == "DEL" or change.get("subtree") or change.get("type") == "NS" else None
            if self._fault == "cut":
                below = None
            with self._lock:
                self._generation += 1
                for held in [name for name in self._answers
                             if name == key or below and name.endswith(below)]:
                    self._before[held] = self._answers.pop(held)[0]
                if self._fault in ("late", "uncommitted") and change["op"] == "SET":
                    self._install(key, change)

    def _install(self, key, change):
        before = self._before.get(key)
        if before and not before[3] & 15 and change["type"] == "A":
            address = bytes(int(part) for part in change["rdata"][0].split("."))
            self._answers[key] = (before[:-4] + address, time.monotonic())

    # --- the control socket

    def _report(self):
        self._control.settimeout(0.1)
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                client, _ = self._control.accept()
                client.settimeout(0.1)
                with client:
                    self._converse(client)

    def _converse(self, client):
        ends = self._consumer("read_uncommitted") if self._fault == "honest" else None
        while not self._over.is_set():
            try:
                if not client.recv(4096):
                    break
            except TimeoutError:
                continue
            places = self.applied()
            feed = {"state": "live" if ends is None or self._has_all(ends, places) else "catchup",
                    "partitions": [{"partition": k, "offset": n} for k, n in places.items()]}
            client.sendall(json.dumps({"ok": True, "feed": feed}).encode() + b"\n")
        if ends:
            ends.close()

    def _has_all(self, consumer, places):
        return all(consumer.get_watermark_offsets(
            confluent_kafka.TopicPartition(self._topic.name, number), timeout=10)[1] <= offset
            for number, offset in places.items())
