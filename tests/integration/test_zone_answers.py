"""What zone/ answers, beside what Knot answers that serves the same zones: RCODE, AA, each section as a set.

Random zones (random_zones.py), unsigned and signed by knotd with NSEC, with NSEC3, and with NSEC3 and opt-out; what knotd
then writes as a zone file is what zone/ loads. The seed is printed; ZONE_SEED chooses another, 0 any, ZONE_QUESTIONS how many questions
(`make zone-answers` asks 200,000).

Where Knot is known to do otherwise, and why zone/ does not, is told in knot_differences.py.
"""

import os
import random
import socket
import struct
import subprocess

import dns.name
import dns.rdataclass
import dns.rdatatype
import pytest

import freshet
import knot_differences
import plain_message
import process
from random_zones import DISGUISE, RandomZone, lower

QUESTIONS = int(os.environ.get("ZONE_QUESTIONS", "3000"))
SEED = int(os.environ.get("ZONE_SEED", "2")) or random.randrange(1, 1 << 30)
KINDS = ["unsigned", "nsec", "nsec3", "optout", "low", "lownsec"]
DISGUISED = plain_message.LOWER.translate(bytes.maketrans(bytes(DISGUISE.values()), "".join(DISGUISE).encode()))
PAYLOAD = 16384  # of EDNS: more than zone/ makes of a chain without an end; knotd has 4,096 at most
PER_KIND = max(2, QUESTIONS // 5000)

CONFIG = """server:
    rundir: {directory}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    background-workers: 2
    udp-max-payload: 4096
log:
  - target: stderr
    any: info
control:
    listen: {directory}/knot.sock
database:
    storage: {directory}/db
    journal-db-max-size: 200M
    kasp-db-max-size: 50M
    timer-db-max-size: 1M
policy:
  - id: nsec
    algorithm: ecdsap256sha256
    single-type-signing: on
  - id: nsec3
    algorithm: ecdsap256sha256
    single-type-signing: on
    nsec3: on
    nsec3-iterations: 2
    nsec3-salt-length: 4
  - id: optout
    algorithm: ecdsap256sha256
    single-type-signing: on
    nsec3: on
    nsec3-opt-out: on
    nsec3-iterations: 0
    nsec3-salt-length: 0
template:
  - id: default
    storage: {directory}
    zonefile-sync: 0
    zonefile-load: whole
    zonemd-generate: zonemd-sha384
zone:
"""


class Judge:
    """knotd with random zones; `zones`: apex -> RandomZone, `kinds`: apex -> how it is signed."""

    def __init__(self, rng):
        self.directory = process.run_directory("judge")
        self.port = process.free_port()
        self.zones, self.kinds = {}, {}
        os.mkdir(os.path.join(self.directory, "db"))
        config = CONFIG.format(directory=self.directory, port=self.port)
        for kind in KINDS:
            for number in range(PER_KIND):
                apex = f"{kind}-{number}.test."
                self.zones[apex], self.kinds[apex] = RandomZone(apex, rng, low=kind.startswith("low")), kind
                with open(self.file(apex), "w", encoding="ascii") as file:
                    file.write(self.zones[apex].text)
                config += f"  - domain: {apex}\n    file: {apex}zone\n"
                if kind not in ("unsigned", "low"):
                    config += f"    dnssec-signing: on\n    dnssec-policy: {kind.removeprefix('low')}\n"
        with open(os.path.join(self.directory, "knot.conf"), "w", encoding="ascii") as file:
            file.write(config)
        self.process = process.Process(
            "knotd", ["/usr/sbin/knotd", "-c", os.path.join(self.directory, "knot.conf")], self.directory)
        self.process.wait_ready(self._all_written, within=60)

    def file(self, apex):
        return os.path.join(self.directory, f"{apex}zone")

    def _all_written(self):
        """A zone is whole once its file has the digest."""
        failed = [line for line in self.process.output().splitlines() if "failed" in line or "error:" in line]
        assert not failed, "\n".join(failed[:10])
        for apex in self.zones:
            with open(self.file(apex), encoding="ascii", errors="replace") as file:
                if "\tZONEMD\t" not in file.read().replace(" ", "\t"):
                    return False
        return True

    def stop(self):
        self.process.stop()


class Ours:
    """zone_server with the same files."""

    def __init__(self, judge):
        self.directory = process.run_directory("ours")
        for apex, zone in judge.zones.items():
            with open(judge.file(apex), encoding="ascii") as file, open(self.file(apex), "w", encoding="ascii") as copy:
                copy.write(lower(file.read()) if zone.low else file.read())
        pairs = [text for apex in judge.zones for text in (apex, self.file(apex))]
        self.process = process.Process("zone_server", [
            os.path.join(freshet.build_directory(), "tests", "zone_server"), *pairs], stdin=subprocess.PIPE)
        self.process.wait_ready(lambda: "loaded" in self.process.output("stdout"), within=30)
        self.port = int(self.process.output("stdout").split()[0])
        self._lines = 2

    def file(self, apex):
        return os.path.join(self.directory, f"{apex}zone")

    def ask(self, command):
        """The line that a command gets."""
        self.process.write(command + "\n")
        self._lines += 1
        lines = process.eventually(
            lambda: self.process.output("stdout").splitlines()[self._lines - 1:], what=command)
        return lines[0]

    def stop(self):
        self.process.stop()


@pytest.fixture(scope="module", name="rng")
def _rng():
    print(f"ZONE_SEED={SEED}")
    return random.Random(SEED)


@pytest.fixture(scope="module", name="judge")
def _judge(rng):
    judge = Judge(rng)
    yield judge
    judge.stop()


@pytest.fixture(scope="module", name="ours")
def _ours(judge):
    ours = Ours(judge)
    yield ours
    ours.stop()


class Asker:
    """Asks one server over UDP."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(5)

    def ask(self, query):
        self.socket.send(query)
        while True:
            reply = self.socket.recv(65535)
            if reply[:2] == query[:2]:
                return reply

    def close(self):
        self.socket.close()


def query_of(name, rtype, number, dnssec_ok):
    return b"".join([
        struct.pack(">6H", number & 0xFFFF, 0, 1, 0, 0, 1), dns.name.from_text(name).to_wire(),
        struct.pack(">2H", dns.rdatatype.from_text(rtype), dns.rdataclass.IN),
        struct.pack(">BHHIH", 0, dns.rdatatype.OPT, PAYLOAD, 0x8000 if dnssec_ok else 0, 0)])


def explain(theirs, ours):
    lines = [f"Knot {theirs[:3]}, zone/ {ours[:3]}"]
    for title in ("answer", "authority", "additional"):
        one, other = getattr(theirs, title), getattr(ours, title)
        lines += [f"  {title}: only Knot {record[:3]}" for record in one - other]
        lines += [f"  {title}: only zone/ {record[:3]}" for record in other - one]
    return "\n".join(lines)


@pytest.mark.timeout(3600)
def test_same_answers_as_knot(rng, judge, ours):
    """P11: the same to each question."""
    askers = Asker(judge.port), Asker(ours.port)
    apexes, wrong = list(judge.zones), []
    for number in range(QUESTIONS):
        apex = rng.choice(apexes)
        zone = judge.zones[apex]
        name, rtype = zone.question(rng)
        dnssec_ok = rng.random() < 0.7
        try:
            query = query_of(name, rtype, number, dnssec_ok)
        except dns.name.NameTooLong:
            continue
        theirs = plain_message.content(askers[0].ask(query))
        if zone.low:
            query = query_of(lower(name), rtype, number, dnssec_ok)
        mine = plain_message.content(askers[1].ask(query), DISGUISED if zone.low else plain_message.LOWER)
        if mine == theirs:
            continue
        theirs, mine = map(knot_differences.words, (theirs, mine))
        if knot_differences.expected(zone, (name, rtype), theirs, mine) != mine:
            wrong.append(f"{number}: {name} {rtype}{' DO' if dnssec_ok else ''}\n{explain(theirs, mine)}")
    for asker in askers:
        asker.close()
    assert not wrong, f"ZONE_SEED={SEED}: {len(wrong)} of {QUESTIONS}\n" + "\n".join(wrong[:20])


def test_same_digests_as_knot(judge, ours):
    """RFC 8976: knotd has put the digest of each into the zone."""
    for apex, zone in judge.zones.items():
        if not zone.low:
            assert ours.ask(f"check {apex}") == "ok", apex


def test_written_files_are_the_same_zones(judge, ours, tmp_path):
    """named-checkzone reads what zone/ writes; read again it is the same by digest."""
    for apex in judge.zones:
        path = str(tmp_path / "zone")
        assert ours.ask(f"write {apex} {path}") == "ok"
        done = subprocess.run(["named-checkzone", "-i", "none", "-k", "ignore", apex, path],
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stdout
        with open(path, encoding="ascii") as file, open(ours.file(apex), encoding="ascii") as other:
            assert len(file.readlines()) == sum(1 for line in other if line.strip() and line[0] != ";")
