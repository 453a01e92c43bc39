"""What zone/ answers, beside what Knot answers that serves the same zones: RCODE, AA, each section as a set.

Random zones (random_zones.py), unsigned and signed by knotd with NSEC, with NSEC3, and with NSEC3 and opt-out; what knotd
then writes as a zone file is what zone/ loads. The seed is printed; ZONE_SEED chooses another, 0 any, ZONE_QUESTIONS how many questions
(`make zone-answers` asks 200,000).

Where Knot is known to do otherwise, and why zone/ does not, says `expected()`.
"""

import os
import random
import socket
import subprocess

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

import freshet
import process
from random_zones import RandomZone

QUESTIONS = int(os.environ.get("ZONE_QUESTIONS", "3000"))
SEED = int(os.environ.get("ZONE_SEED", "2")) or random.randrange(1, 1 << 30)
KINDS = ["unsigned", "nsec", "nsec3", "optout"]
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
                apex = f"{kind}{number}.test."
                self.zones[apex], self.kinds[apex] = RandomZone(apex, rng), kind
                with open(self.file(apex), "w", encoding="ascii") as file:
                    file.write(self.zones[apex].text)
                config += f"  - domain: {apex}\n    file: {apex}zone\n"
                if kind != "unsigned":
                    config += f"    dnssec-signing: on\n    dnssec-policy: {kind}\n"
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
        pairs = [text for apex in judge.zones for text in (apex, judge.file(apex))]
        self.process = process.Process("zone_server", [
            os.path.join(freshet.build_directory(), "tests", "zone_server"), *pairs], stdin=subprocess.PIPE)
        self.process.wait_ready(lambda: "loaded" in self.process.output("stdout"), within=30)
        self.port = int(self.process.output("stdout").split()[0])
        self._lines = 2

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


def sections(message):
    """Each section as a set of (owner, type, TTL, RDATA)."""
    return [{(str(rrset.name).lower(), dns.rdatatype.to_text(rrset.rdtype), rrset.ttl, rdata.to_digestable())
             for rrset in section for rdata in rrset}
            for section in (message.answer, message.authority, message.additional)]


def seen(reply):
    """What is compared. A record is its own RRset: those of one may not differ in their TTLs."""
    message = dns.message.from_wire(reply, one_rr_per_rrset=True)
    return (dns.rcode.to_text(message.rcode()), bool(message.flags & dns.flags.AA),
            bool(message.flags & dns.flags.TC), *sections(message))


def is_proof(record):
    return record[1] in ("NSEC", "RRSIG")


def expected(rtype, theirs, ours):
    """What Knot's answer comes to where it is known to differ.

    A DNAME that makes too long a name: NXDOMAIN, with proofs of another name; RFC 6672 2.2 wants YXDOMAIN.
    ANY: of a name whose types are all above RRSIG's it is the RRSIGs that Knot takes; ours is the data.
    A wildcard that is an empty non-terminal: that it exists needs its own proof (RFC 4035 3.1.3.4), which Knot leaves out.
    """
    if ours[0] == "YXDOMAIN" and theirs[0] == "NXDOMAIN":
        return (ours[0], *theirs[1:4], *ours[4:])
    if rtype == "ANY" and theirs[3] and all(is_proof(record) for record in theirs[3]) and ours[3]:
        return (*theirs[:3], ours[3], *theirs[4:])
    more = ours[4] - theirs[4]
    if theirs[4] <= ours[4] and all(map(is_proof, more)) and any(
            b"\x01*" in record[3][1:] for record in more if record[1] == "NSEC"):
        return (*theirs[:4], ours[4], theirs[5])
    return theirs


def explain(theirs, ours):
    lines = [f"Knot {theirs[:3]}, zone/ {ours[:3]}"]
    for title, one, other in zip(("answer", "authority", "additional"), theirs[3:], ours[3:]):
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
        name, rtype = judge.zones[apex].question(rng)
        try:
            query = dns.message.make_query(name, rtype, use_edns=0, payload=4096,
                                           want_dnssec=rng.random() < 0.7)
        except Exception:  # too long a name  pylint: disable=broad-except
            continue
        wire = query.to_wire()
        theirs, mine = (seen(asker.ask(wire)) for asker in askers)
        if expected(rtype, theirs, mine) != mine:
            wrong.append(f"{number}: {name} {rtype}{' DO' if query.ednsflags else ''}\n{explain(theirs, mine)}")
    for asker in askers:
        asker.close()
    assert not wrong, f"ZONE_SEED={SEED}: {len(wrong)} of {QUESTIONS}\n" + "\n".join(wrong[:20])


def test_same_digests_as_knot(judge, ours):
    """RFC 8976: knotd has put the digest of each into the zone."""
    for apex in judge.zones:
        assert ours.ask(f"check {apex}") == "ok", apex


def test_written_files_are_the_same_zones(judge, ours, tmp_path):
    """named-checkzone reads what zone/ writes; read again it is the same by digest."""
    for apex in judge.zones:
        path = str(tmp_path / "zone")
        assert ours.ask(f"write {apex} {path}") == "ok"
        done = subprocess.run(["named-checkzone", "-i", "none", "-k", "ignore", apex, path],
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stdout
        with open(path, encoding="ascii") as file, open(judge.file(apex), encoding="ascii") as other:
            assert len(file.readlines()) == sum(1 for line in other if line.strip() and line[0] != ";")
