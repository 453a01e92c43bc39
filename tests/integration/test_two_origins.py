"""Two origins of a zone: one writes, and when it is stopped, killed or cut off the other one does. No version is lost or doubled,
and who still takes himself for the one that writes cannot: the log stays one (P12)."""

import os
import struct
import threading
import time

import pytest

import kafka_cluster
import origin as origins
import primaries
import process
import test_update
import two_origins
from test_update import ZONE

pytestmark = pytest.mark.usefixtures("broker")


@pytest.fixture
def pair_of(fresh_topic, request):
    """pair_of(zone, **options) -> Pair."""
    def make(zone, **options):
        made = two_origins.Pair(fresh_topic, ZONE, zone, **options)
        request.addfinalizer(made.close)
        made.wait_settled()
        return made
    return make


@pytest.fixture
def say(capsys):
    def out(text):
        with capsys.disabled():
            print(f"\n  {text}", end="")
    return out


def take_away(pair, how, active):
    """Ends the turn of the active one, in one of the ways there are."""
    if how == "stopped":
        active.stop()
    elif how == "killed":
        active.kill()
    else:
        active.pause()


# --- the log as primary


@pytest.fixture
def edited(pair_of, fresh_topic, request):
    """(pair, editor) of a zone whose primary is the log. The session is short only where an instance goes without a word: else a
    busy machine alone would end the turn of the one that is active."""
    how = getattr(request.node, "callspec", None) and request.node.callspec.params.get("how")
    silent = how in ("killed", "cut off")
    fresh_topic.publish(ZONE, test_update.RECORDS, serial=1)
    pair = pair_of(two_origins.log_zone(), keys=two_origins.keys(), session=two_origins.SESSION if silent else "10s")
    pair.wait_active()
    return pair, two_origins.Editor(pair)


def assert_one_log(pair, editor, at):
    """Each version follows the one before, each UPDATE that was taken is there, and the zone as served is the log's."""
    log = two_origins.committed(pair.topic, ZONE)
    assert two_origins.serials(log) == list(range(1, len(log) + 1))
    made = origins.replay(log)
    assert {f"host{number}.{ZONE}" for number in editor.taken} <= {record[0] for record in made}
    served = two_origins.transfer(pair.listens[at])
    assert origins.digest(made) == origins.digest(served), (made - served, served - made)


@pytest.mark.parametrize("how", ["stopped", "killed", "cut off"])
def test_p12_updates(how, edited, say):
    pair, editor = edited
    for number in range(300, 320):
        editor.add(number)
    active = pair.wait_active()
    other = pair.other(active)
    assert pair.turn(other) == "standby"
    assert editor.reason(pair.members.index(other), 320) == ("REFUSED", ["another instance takes the UPDATEs of this zone"])
    editor.at = pair.members.index(active)
    take_away(pair, how, active)
    seconds = editor.add(320)
    say(f"UPDATE, active one {how}: taken again after {seconds:.2f} s")
    assert pair.turn(other) == "active" and editor.at == pair.members.index(other)
    assert seconds < 8
    for number in range(321, 340):
        editor.add(number)
    if how == "cut off":
        come_back(pair, editor, active, say)
    assert_one_log(pair, editor, pair.members.index(other))


def come_back(pair, editor, deposed, say):
    """It takes itself for the active one still, and has UPDATEs waiting when it comes to itself."""
    at = pair.members.index(deposed)

    answers = {}
    askers = [threading.Thread(target=lambda number=number: answers.update({number: editor.ask(at, number, 6)}))
              for number in range(400, 410)]
    for asker in askers:
        asker.start()
    time.sleep(0.2)
    deposed.resume()
    for number in range(340, 360):
        editor.add(number)
    for asker in askers:
        asker.join()
    taken = [number for number, answer in answers.items() if answer == "NOERROR"]
    say(f"  the deposed one answered {sorted(map(str, answers.values()))}")
    editor.taken += taken
    process.eventually(lambda: pair.turn(deposed) in ("standby", "active"), within=10)


def test_p12_the_brokers_refuse_who_was_deposed(edited, fresh_topic):
    """Another one raises the fence, and the group says nothing: what is sent is refused, not only not sent. As the group then
    says that it is this one's turn all the same, it begins anew."""
    pair, editor = edited
    editor.add(300)
    active = pair.wait_active()
    editor.at = pair.members.index(active)
    process.eventually(lambda: pair.of_zone(active)["epoch"] is not None, within=3)
    before = pair.of_zone(active)["epoch"]
    epoch = two_origins.raise_fence(fresh_topic, kafka_cluster.partition_of(ZONE, fresh_topic.partitions))
    assert editor.ask(editor.at, 301, timeout=6) == "SERVFAIL"
    assert epoch == before + 1
    assert active.status()["turns_fenced"] == 1
    editor.add(302)
    assert pair.wait_active() is active
    process.eventually(lambda: pair.of_zone(active)["epoch"] == epoch + 1, within=3)
    assert f"host301.{ZONE}" not in {record[0] for record in origins.replay(two_origins.committed(fresh_topic, ZONE))}
    assert_one_log(pair, editor, editor.at)


def test_a_turn_that_cannot_begin_is_tried_again_as_long_as_there_is_a_zone_for_it(fresh_topic, request):
    """librdkafka takes no idempotent producer with as many requests under way."""
    zones = sorted((f"zone{number}.test." for number in range(20)),
                   key=lambda zone: kafka_cluster.partition_of(zone, fresh_topic.partitions))
    nobody = {"primary": [f"127.0.0.1:{process.free_port()}"]}
    first, last = [two_origins.group(origins.config(fresh_topic, {zone: nobody}, rdkafka=["max.in.flight=10"]))
                   for zone in (zones[0], zones[-1])]
    one = origins.Origin(first)
    request.addfinalizer(one.close)
    one.wait_log('a turn cannot begin" partition=0', within=20)
    seen = len(one.log)
    one.wait_log('a turn cannot begin" partition=0', start=seen)
    one.configure(last)
    one.sighup()
    one.wait_log("msg=reloaded")
    seen = one.log.index("msg=reloaded")
    one.wait_log(f'a turn cannot begin" partition={fresh_topic.partitions - 1}', start=seen)
    assert "partition=0" not in one.log[seen:]


# --- capture


def test_p12_a_burst_is_there_version_by_version(pair_of, fresh_topic, request):
    """Faster than anybody asks: what one transfer brings goes out at once, and lies in order."""
    primary = primaries.Knot(ZONE, ("127.0.0.1", process.free_port()), refresh=1)
    request.addfinalizer(primary.stop)
    pair = pair_of({"primary": [f"{primary.address[0]}:{primary.address[1]}"]}, session="10s")
    active = pair.wait_active()
    first = primary.serial()
    active.wait_serial(ZONE, first)
    for number in range(100):
        primary.replace("www", f"192.0.2.{number}")
    active.wait_serial(ZONE, primary.serial())
    log = two_origins.committed(fresh_topic, ZONE)
    assert two_origins.serials(log) == list(range(first, first + 101))
    assert origins.digest(origins.replay(log)) == origins.digest(origins.transfer(primary, ZONE))


# How an instance ends is the same for both kinds of zones: all of it here takes a minute (FAULT_LONG=1).
@pytest.mark.parametrize("how", ["stopped", "killed", "cut off"] if os.environ.get("FAULT_LONG") else ["cut off"])
def test_p12_capture(how, pair_of, fresh_topic, say, request):
    listen = ("127.0.0.1", process.free_port())
    primary = primaries.Knot(ZONE, listen, refresh=1)
    request.addfinalizer(primary.stop)
    pair = pair_of({"primary": [f"{primary.address[0]}:{primary.address[1]}"]})
    active = pair.wait_active()
    active.wait_serial(ZONE, primary.serial())
    for number in range(10):
        primary.change(number)
    active.wait_serial(ZONE, primary.serial())
    take_away(pair, how, active)
    begin = time.monotonic()
    primary.change(11)
    other = pair.other(active)
    other.wait_serial(ZONE, primary.serial(), within=15)
    say(f"capture, active one {how}: the next version is in the log after {time.monotonic() - begin:.2f} s")
    for number in range(12, 20):
        primary.change(number)
    if how == "cut off":
        active.resume()
    for number in range(20, 30):
        primary.change(number)
        time.sleep(0.05)
    writer = pair.wait_active(among=pair.members if how == "cut off" else [other])
    writer.wait_serial(ZONE, primary.serial(), within=15)
    log = two_origins.committed(fresh_topic, ZONE)
    seen = two_origins.serials(log)
    assert seen == sorted(set(seen))
    made, wanted = origins.replay(log), origins.transfer(primary, ZONE)
    assert origins.digest(made) == origins.digest(wanted), (made - wanted, wanted - made)


# --- snapshots


class Parts(threading.Thread):
    """The parts of snapshots as they come to the topic, committed or not: (partition, offset, generation, part, parts)."""

    def __init__(self, topic):
        super().__init__(daemon=True)
        self._topic, self._stopping, self.first = topic, threading.Event(), threading.Event()
        self.seen, self.on_large = [], lambda: None
        self.start()

    def run(self):
        with self._topic._consumer() as (consumer, _):  # pylint: disable=protected-access
            consumer.seek_to_beginning()
            while not self._stopping.is_set():
                for batch in consumer.poll(timeout_ms=50).values():
                    self.seen += [self._read(message) for message in batch if (message.value or b"")[:4] == b"frsn"]
                if not self.first.is_set() and self.large():
                    self.on_large()
                    self.first.set()

    @staticmethod
    def _read(message):
        generation, part, parts = struct.unpack(">QII", message.value[16:32])
        return message.partition, message.offset, generation, part, parts

    def large(self):
        """Those of snapshots that are many."""
        return [part for part in self.seen if part[4] > 1]

    def stop(self):
        self._stopping.set()
        self.join()


def large_zone(count=60000):
    """Records that do not become much smaller: some 30 parts."""
    return "\n".join(f"fill{number} 3600 TXT \"{os.urandom(120).hex()}\"" for number in range(count))


def test_p12_who_was_deposed_in_the_middle_of_a_snapshot_adds_no_part(pair_of, fresh_topic, kafka, request):
    """He is stopped in the middle, and the other one writes the zone; when he comes to himself the brokers refuse the rest. Else
    that would stand in the place of the newer one's parts, and no snapshot of the zone were whole any more."""
    snapshots = kafka.topic()
    request.addfinalizer(snapshots.delete)
    primary = primaries.Knot(ZONE, ("127.0.0.1", process.free_port()), refresh=1)
    request.addfinalizer(primary.stop)
    pair = pair_of({"primary": [f"{primary.address[0]}:{primary.address[1]}"]}, snapshots=snapshots,
                   rdkafka=["compression.codec=none"])  # the Python client reads no other here
    deposed = pair.wait_active()
    process.eventually(lambda: pair.of_zone(deposed)["snapshot"], within=15, what="there is one to begin with")
    parts = Parts(snapshots)
    request.addfinalizer(parts.stop)
    parts.on_large = deposed.pause
    primary.reload(large_zone())
    assert parts.first.wait(30)
    other = pair.other(deposed)
    other.wait_serial(ZONE, primary.serial(), within=60)
    process.eventually(lambda: len({part[2] for part in parts.large()}) == 2, within=20, what="the other one has written his")
    before = [part for part in parts.large() if part[2] == parts.large()[0][2]]
    assert len(before) < before[0][4], "it was in the middle"
    deposed.resume()
    deposed.wait_log("another instance writes", within=20)
    writer = pair.wait_active()
    primary.replace("www", "192.0.2.77")
    writer.wait_serial(ZONE, primary.serial(), within=60)
    generations = [part[2] for part in sorted(parts.large())]
    assert generations == sorted(generations)
    assert pair.of_zone(writer)["snapshot"]["verdict"] == "fine"
