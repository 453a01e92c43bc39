"""P12 under kill -9: two origins, three brokers and a primary, one of them killed at random every few seconds, while zones change.

Two zones: one whose primary is Knot, changed there; one whose primary is the log, changed by UPDATE to whichever origin takes it.
At the end each zone is by the log what its primary serves, in order, and no UPDATE that was answered NOERROR is missing.

ORIGIN_KILLS (50) and ORIGIN_CHANGES (5000) make it shorter or longer.
"""

import os
import random
import threading
import time

import dns.exception
import dns.query
import dns.update
import pytest

import origin as origins
import primaries
import process
import test_update
import two_origins

KILLS = int(os.environ.get("ORIGIN_KILLS", "50"))
CHANGES = int(os.environ.get("ORIGIN_CHANGES", "5000"))
CAPTURED = "captured.example."
SEED = 11


class Changer(threading.Thread):
    """Makes its half of the changes, as fast as they are taken once nothing is killed any more."""

    def __init__(self, change, count):
        super().__init__()
        self.change, self.count, self.done, self.calm, self.error = change, count, 0, False, None
        self.slowest = 0.0

    def run(self):
        try:
            while self.done < self.count:
                begin = time.monotonic()
                self.change(self.done)
                self.slowest = max(self.slowest, time.monotonic() - begin)
                self.done += 1
                if not self.calm:
                    time.sleep(0.03)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error


class World:
    """All that is killed. Things are started again by the main thread, as process.py wants it."""

    def __init__(self, topic, brokers):
        self.topic, self.brokers = topic, brokers
        self.knot = primaries.Knot(CAPTURED, ("127.0.0.1", process.free_port()), refresh=1)
        self.pair = two_origins.Pair(topic, test_update.ZONE, two_origins.log_zone(), keys=two_origins.keys(),
                                     more={CAPTURED: {"primary": [f"127.0.0.1:{self.knot.address[1]}"]}})
        self.killed = {"an origin": 0, "a broker": 0, "the primary": 0}

    def kill(self, chance):
        what = chance.choice(list(self.killed))
        self.killed[what] += 1
        if what == "an origin":
            victim = chance.choice(self.pair.members)
            victim.kill()
            time.sleep(chance.uniform(0, 1))
            victim.start()
        elif what == "a broker":
            node = chance.choice((1, 2, 3))
            self.brokers.kill(node)
            time.sleep(chance.uniform(0, 1))
            self.brokers.start(node)
        else:
            self.knot.kill()
            time.sleep(chance.uniform(0, 1))
            self.knot.start()

    def add_host(self, number):
        """Until Knot has it; it may be away."""
        update = dns.update.Update(CAPTURED)
        update.add(f"host{number}", 300, "A", f"198.51.{number // 250}.{number % 250}")
        while True:
            try:
                if dns.query.udp(update, self.knot.address[0], port=self.knot.address[1], timeout=1).rcode() == 0:
                    return
            except (dns.exception.Timeout, OSError):
                pass
            time.sleep(0.05)

    def close(self):
        self.pair.close()
        self.knot.stop()


@pytest.fixture
def world(topic, brokers):
    topic.publish(test_update.ZONE, test_update.RECORDS, serial=1)
    made = World(topic, brokers)
    yield made
    brokers.make_whole()
    made.close()


@pytest.mark.timeout(1800)
def test_p12_fifty_kills(world, capsys):
    chance = random.Random(SEED)
    editor = two_origins.Editor(world.pair)
    world.pair.wait_active()
    changers = [Changer(lambda number: editor.add(number + 1000, within=120), CHANGES // 2),
                Changer(world.add_host, CHANGES // 2)]
    begin = time.monotonic()
    for changer in changers:
        changer.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.2, 1.5))
        world.kill(chance)
    half = [changer.done for changer in changers]
    for changer in changers:
        changer.calm = True
        changer.join()
        assert changer.error is None, changer.error
    seconds = time.monotonic() - begin
    settle(world)
    log, captured = (two_origins.committed(world.topic, zone, within="12s") for zone in (test_update.ZONE, CAPTURED))
    with capsys.disabled():
        print(f"\n  {KILLS} kills -9 ({', '.join(f'{n} of {what}' for what, n in world.killed.items())}) in {seconds:.0f} s, "
              f"by the last of which {half[0]} and {half[1]} changes were made; "
              f"{len(editor.taken)} UPDATEs taken as {len(log)} versions, the slowest after {changers[0].slowest:.1f} s, "
              f"{len(captured)} versions captured")
    judge(world, editor, log, captured)


def settle(world):
    """Both zones are where they will stay."""
    writer = process.eventually(
        lambda: next((one for one in world.pair.members
                      if any(zone["name"] == CAPTURED and zone["turn"] == "active" for zone in one.status()["zone_list"])),
                     None), within=30, what="one captures")
    writer.wait_serial(CAPTURED, world.knot.serial(), within=60)
    world.pair.wait_active(within=30)


def judge(world, editor, log, captured):
    assert len(editor.taken) == CHANGES // 2
    odd = [(one, other) for one, other in zip(log, log[1:]) if other["serial"] != one["serial"] + 1]
    assert not odd, f"a version is missing, or there are two: {odd}"
    made = origins.replay(log)
    missing = {f"host{number}.{test_update.ZONE}" for number in editor.taken} - {record[0] for record in made}
    assert not missing, f"taken and lost: {missing}"
    for listen in world.pair.listens:
        assert origins.digest(two_origins.transfer(listen)) == origins.digest(made)
    seen = two_origins.serials(captured)
    assert seen == sorted(seen), "captured out of order"
    made, wanted = origins.replay(captured), origins.transfer(world.knot, CAPTURED)
    assert origins.digest(made) == origins.digest(wanted), (made - wanted, wanted - made)
