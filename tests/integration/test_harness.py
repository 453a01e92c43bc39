"""The harness tested by itself: a test that uses it may then blame freshet for what goes wrong."""

import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import pytest

import changes
import freshet
import kafka_cluster
import odd
import process
import scripted as s
from query import addresses, ask, rcode, ttls

HERE = os.path.dirname(os.path.abspath(__file__))


def nonsense_query(wire_name, identity=0x1234):
    """A query's bytes with the question spelled exactly so."""
    labels = b"".join(bytes([len(label)]) + label for label in wire_name.split(b".") if label)
    return identity.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


def exchange(server, wire, timeout=2.0):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.sendto(wire, server.address)
        return sock.recv(65535)


# --- processes


def test_eventually_gives_up_with_the_last_reason():
    def never():
        assert 1 == 2, "one is not two"
    with pytest.raises(AssertionError, match="one is not two"):
        process.eventually(never, within=0.05)
    with pytest.raises(AssertionError, match="not within 0.05 s: pigs fly"):
        process.eventually(lambda: False, within=0.05, what="pigs fly")
    assert process.eventually(iter([0, 0, 5]).__next__) == 5


def test_a_stopwatch_leaves_out_waits_for_a_core():
    """Two busy loops for each core, and one more: a part of them waits at any time."""
    loops = [process.Process("loop", ["sh", "-c", "while :; do :; done"]) for _ in range(2 * os.cpu_count() + 1)]
    try:
        watch = process.Stopwatch()
        process.eventually(lambda: watch.waited() > 0.5, within=20)
        assert watch.own() < watch.seconds()
    finally:
        for loop in loops:
            loop.stop()


def test_free_port_avoids_udp_and_tcp_users(monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", 0))
        tcp.bind(("127.0.0.1", 0))
        taken = [udp.getsockname()[1], tcp.getsockname()[1]]
        offers = iter([*taken, *process.PORTS])
        monkeypatch.setattr(random, "choice", lambda _: next(offers))
        assert process.free_port() not in taken


def test_a_process_that_ends_early_is_reported_with_its_output():
    child = process.Process("early", ["sh", "-c", "echo out; echo err >&2; exit 7"])
    with pytest.raises(process.NotReady, match="(?s)early ended with 7.*out.*err"):
        child.wait_ready(lambda: False, within=5)
    assert child.stop() == 7
    assert not os.path.exists(child.directory)
    assert child.output("stdout") == "out\n"


def test_a_process_that_ignores_sigterm_is_killed():
    child = process.Process("deaf", ["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait; wait"])
    child.wait_ready(lambda: child.output("stdout").endswith("\n"), within=5)
    assert child.stop(within=0.2) == -9
    assert child not in process.running()
    grandchild = child.output("stdout").strip()
    process.eventually(lambda: is_gone(grandchild), what="its child is gone too")


def test_a_child_dies_with_the_test_run():
    code = ("import os, sys, process\n"
            "child = process.Process('orphan', ['sleep', '60'])\n"
            "print(child.pid, child.directory, flush=True)\n"
            "os.kill(os.getpid(), 9)\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == -9, done.stderr
    pid, directory = done.stdout.split()
    process.eventually(lambda: is_gone(pid), within=5, what="the orphan is gone")
    os.unlink(os.path.join(directory, "orphan.stdout"))
    os.unlink(os.path.join(directory, "orphan.stderr"))
    os.rmdir(directory)


def is_gone(pid):
    """No such process, or a zombie that init has yet to reap."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


LIMITS = """
import time
import pytest
import process

@pytest.mark.timeout(1)
def test_sleeps():
    process.Process("lazy", ["sh", "-c", "echo I am lazy; sleep 30"])
    time.sleep(20)

def test_next():
    pass
"""


def test_a_test_has_a_time_limit_and_its_servers_are_reported(rundir):
    with open(os.path.join(rundir, "test_limits.py"), "w", encoding="ascii") as file:
        file.write(LIMITS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider",
         "test_limits.py"],
        cwd=rundir, env=dict(os.environ, PYTHONPATH=HERE), capture_output=True, text=True,
        timeout=45, check=False)
    assert "Failed: time limit of 1 s" in done.stdout, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert "--- lazy stdout:\nI am lazy" in done.stdout
    pid, = re.findall(r"left running: lazy \(pid (\d+)\)", done.stdout)
    assert is_gone(pid) and done.returncode != 0


# --- Kafka


def test_topic_roundtrip(topic):
    start = topic.end_offsets()
    sent = topic.publish("example.com.", [changes.set_("www.example.com.", "A", 60, "192.0.2.9")],
                         serial=7, seq=None)
    message, = topic.read(1, start)
    assert message.key == b"example.com."
    assert (message.partition, message.offset) == (sent.partition, sent.offset)
    assert sent.partition == kafka_cluster.partition_of("example.com.")
    value = json.loads(message.value)
    assert value["serial"] == 7 and value["v"] == 1 and "seq" not in value
    assert value["changes"] == [{"op": "SET", "name": "www.example.com.", "type": "A", "ttl": 60,
                                 "rdata": ["192.0.2.9"]}]
    assert dict(message.headers)["ce_specversion"] == b"1.0"
    assert topic.end_offsets()[sent.partition] == start[sent.partition] + 1


def test_partitions_are_those_of_the_java_clients():
    """Vectors of Kafka's own UtilsTest.testMurmur2, whose keys hash to these signed numbers."""
    vectors = {"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
               "abc": 479470107}
    for key, number in vectors.items():
        assert kafka_cluster.partition_of(key, 1000) == (number & 0x7FFFFFFF) % 1000


def test_a_topic_takes_any_bytes_on_any_partition(topic):
    start = topic.end_offsets()
    topic.send(None, b"\0\xff not JSON", headers=[("k", b"v")], partition=2)
    topic.send("example.com.", None, headers=[], partition=2)
    first, second = topic.read(2, start)
    assert (first.key, first.value, first.headers) == (None, b"\0\xff not JSON", [("k", b"v")])
    assert (second.key, second.value, second.headers) == (b"example.com.", None, [])
    assert {first.partition, second.partition} == {2}


def test_topics_do_not_mix(topic, fresh_topic):
    assert fresh_topic.end_offsets() == {0: 0, 1: 0, 2: 0}
    fresh_topic.publish("example.com.", [changes.flush("example.com.", subtree=True)])
    before = topic.end_offsets()
    assert len(fresh_topic.read(1)) == 1
    assert topic.end_offsets() == before


def test_read_has_a_deadline(fresh_topic):
    with pytest.raises(AssertionError, match="0 of 1 messages"):
        fresh_topic.read(1, within=0.5)


def test_a_topic_can_be_broken(broker):
    topic = broker.topic()
    part = kafka_cluster.partition_of("example.com.")
    for serial in (1, 2, 3):
        topic.publish("example.com.", [], serial=serial)
    topic.drop_before(part, 2)
    assert [message.offset for message in topic.read(1)] == [2]
    topic.add_partitions(5)
    assert set(topic.end_offsets()) == {0, 1, 2, 3, 4}
    topic.recreate()
    assert set(topic.end_offsets().values()) == {0}
    topic.delete()


def test_a_broker_can_be_paused_and_restarted(broker):
    topic = broker.topic()
    topic.publish("example.com.", [], serial=1)
    with broker.paused():
        with pytest.raises(AssertionError, match="0 of 1"):
            broker_reads_nothing(topic)
    assert len(topic.read(1)) == 1
    broker.halt()
    with pytest.raises(OSError):
        socket.create_connection(topic.bootstrap.split(":"), timeout=1)
    broker.start()
    topic.publish("example.com.", [], serial=2)
    assert len(topic.read(2)) == 2
    topic.delete()


def broker_reads_nothing(topic):
    """Under a deadline of its own: the client library waits long for its first request."""
    done = threading.Event()
    threading.Thread(target=lambda: (topic.end_offsets(), done.set()), daemon=True).start()
    assert done.wait(1.0), "0 of 1"


# --- Knot


def test_knot_serves_its_zones(authority):
    response = ask(authority, "www.example.com.")
    assert addresses(response) == ["192.0.2.1"] and ttls(response) == [3600]
    assert response.flags & dns.flags.AA
    assert addresses(ask(authority, "www.example.net.", tcp=True)) == ["198.51.100.1"]
    assert addresses(ask(authority, "alias.example.com.")) == ["192.0.2.1"]
    assert addresses(ask(authority, "x.wild.example.com.")) == ["192.0.2.42"]
    assert rcode(ask(authority, "no.example.com.")) == "NXDOMAIN"
    assert rcode(ask(authority, "example.org.")) == "REFUSED"


def test_knot_updates_at_once(own_authority):
    assert own_authority.serial("example.com") == 1
    assert own_authority.update("example.com.", [
        ("set", "www", 300, "A", "192.0.2.7", "192.0.2.8"), ("add", "new", 60, "TXT", '"hello"'),
        ("del", "mail.example.com."), ("del", "www", "AAAA")]) == 2
    assert addresses(ask(own_authority, "www.example.com.")) == ["192.0.2.7", "192.0.2.8"]
    assert ask(own_authority, "www.example.com.", "AAAA").answer == []
    assert addresses(ask(own_authority, "new.example.com.", "TXT")) == ['"hello"']
    assert rcode(ask(own_authority, "mail.example.com.")) == "NXDOMAIN"
    assert own_authority.update("example.com.", [("del", "www", "A", "192.0.2.7")]) == 3
    assert addresses(ask(own_authority, "www.example.com.")) == ["192.0.2.8"]
    assert own_authority.serial("example.net") == 1


def test_knot_reloads_a_whole_zone(own_authority):
    own_authority.update("example.com.", [("set", "www", 300, "A", "192.0.2.7")])
    assert own_authority.reload("example.com.", "www A 192.0.2.99") == 3
    assert addresses(ask(own_authority, "www.example.com.")) == ["192.0.2.99"]
    assert rcode(ask(own_authority, "mail.example.com.")) == "NXDOMAIN"
    assert own_authority.update("example.com.", [("del", "www")]) == 4


def test_knot_refuses_a_bad_update(own_authority):
    with pytest.raises(RuntimeError, match="NOTZONE"):
        own_authority.update("example.com.", [("add", "www.example.org.", 60, "A", "192.0.2.1")])


def test_knot_counts_queries(own_authority):
    assert own_authority.query_count() == 0
    for _ in range(3):
        ask(own_authority, "www.example.com.")
    ask(own_authority, "www.example.com.", "AAAA", tcp=True)
    own_authority.update("example.com.", [("del", "www")])
    assert own_authority.query_count() == 4
    assert (own_authority.query_count("A"), own_authority.query_count("SOA")) == (3, 0)


# --- the scripted server: right answers


def test_scripted_answers_from_what_was_set(scripted):
    scripted.set("a.www.example.com.", "A", "192.0.2.1", "192.0.2.2", ttl=30)
    scripted.set("alias.example.com.", "CNAME", "a.www.example.com.")
    scripted.set("away.example.com.", "CNAME", "www.example.org.")
    response = ask(scripted, "alias.example.com.")
    assert addresses(response) == ["192.0.2.1", "192.0.2.2"] and ttls(response) == [3600, 30]
    assert addresses(ask(scripted, "alias.example.com.", "CNAME")) == ["a.www.example.com."]
    assert addresses(ask(scripted, "away.example.com.", tcp=True), "CNAME") == ["www.example.org."]
    for name, expected in (("a.www.example.com.", "NOERROR"), ("www.example.com.", "NOERROR"),
                           ("no.example.com.", "NXDOMAIN")):
        response = ask(scripted, name, "TXT")
        assert rcode(response) == expected and response.answer == []
        assert response.authority[0].to_text().startswith("example.com. 60 IN SOA ")
    assert rcode(ask(scripted, "www.example.org.")) == "REFUSED"


def test_scripted_forgets_old_answers(scripted):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    assert addresses(ask(scripted, "www.example.com.")) == ["192.0.2.1"]
    scripted.set("www.example.com.", "A", "192.0.2.2")
    assert addresses(ask(scripted, "www.example.com.")) == ["192.0.2.2"]
    scripted.remove("www.example.com.", "A")
    assert rcode(ask(scripted, "www.example.com.")) == "NXDOMAIN"


def test_scripted_records_queries_as_they_came(scripted):
    scripted.set("www.example.com.", "A", "192.0.2.1")
    for spelling, identity in ((b"wWw.ExAmPlE.cOm", 0xABCD), (b"www.example.COM", 7)):
        wire = nonsense_query(spelling, identity)
        reply = exchange(scripted, wire)
        assert reply[:2] == wire[:2] and reply[12:len(wire)] == wire[12:]
    ask(scripted, "www.example.com.", "AAAA", tcp=True)
    first, second, third = scripted.asked("www.example.com.")
    assert (first.name, first.id, first.transport) == ("wWw.ExAmPlE.cOm.", 0xABCD, "udp")
    assert first.raw == nonsense_query(b"wWw.ExAmPlE.cOm", 0xABCD) and not first.edns
    assert first.source[0] == "127.0.0.1" and first.source != second.source
    assert (third.type, third.transport, third.edns) == ("AAAA", "tcp", True)
    assert scripted.count() == 3 and scripted.count("WWW.example.com.", "A") == 2
    scripted.wait_count(3, "www.example.com.", within=0)
    with pytest.raises(AssertionError, match="3 of 4"):
        scripted.wait_count(4, within=0.05)
    scripted.forget()
    assert scripted.count() == 0


def test_scripted_truncates_what_does_not_fit(scripted):
    scripted.set("big.example.com.", "TXT", *[f'"{n:0200}"' for n in range(10)])
    for edns in (False, True):
        response = ask(scripted, "big.example.com.", "TXT", edns=edns)
        assert response.flags & dns.flags.TC and response.answer == []
        assert scripted.asked("big.example.com.")[-1].edns == edns
    assert len(addresses(ask(scripted, "big.example.com.", "TXT", payload=4096))) == 10
    assert len(addresses(ask(scripted, "big.example.com.", "TXT", tcp=True))) == 10


def test_scripted_on_ipv6():
    server = s.Scripted(v6=True)
    server.set("www.example.com.", "A", "192.0.2.1")
    assert addresses(ask(server, "www.example.com.")) == ["192.0.2.1"]
    assert addresses(ask(server, "www.example.com.", tcp=True)) == ["192.0.2.1"]
    server.stop()


def test_scripted_is_fast(scripted):
    """5000 queries, 100 at a time, below 2.5 s: 2000 per second even on a busy machine."""
    scripted.set("www.example.com.", "A", "192.0.2.1")
    watch = process.Stopwatch()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(scripted.address)
        for batch in range(50):
            for n in range(100):
                sock.send(nonsense_query(b"www.example.com", batch * 100 + n))
            ids = {sock.recv(512)[:2] for _ in range(100)}
            assert len(ids) == 100
    assert watch.own() < 2.5
    assert scripted.count("www.example.com.", "A") == 5000


# --- the scripted server: wrong ones


@pytest.fixture
def www(scripted):
    """The scripted server with one record to spoil."""
    scripted.set("www.example.com.", "A", "192.0.2.1")
    return scripted


def test_hold_keeps_the_answer_of_its_time(www):
    gate = s.Gate()
    www.script("www.example.com.", s.sequence(s.hold(gate), s.lookup))
    got = []
    asker = threading.Thread(target=lambda: got.append(ask(www, "www.example.com.")))
    asker.start()
    gate.wait_held(1)
    www.set("www.example.com.", "A", "192.0.2.2")
    assert addresses(ask(www, "www.example.com.")) == ["192.0.2.2"] and got == []
    gate.open()
    asker.join(5)
    assert addresses(got[0]) == ["192.0.2.1"] and gate.held == 0


def test_an_open_gate_holds_nothing(www):
    gate = s.Gate()
    gate.set()
    www.script("www.example.com.", s.hold(gate))
    assert addresses(ask(www, "www.example.com.", tcp=True)) == ["192.0.2.1"]


def test_tcp_answers_overtake(www):
    gate = s.Gate()
    www.script("slow.example.com.", s.hold(gate, s.answer("slow.example.com. 5 A 192.0.2.5")))
    with socket.create_connection(www.address, timeout=5) as sock:
        for name in ("slow", "www"):
            dns.query.send_tcp(sock, dns.message.make_query(f"{name}.example.com.", "A"))
        gate.wait_held(1)
        names = [next_question(sock)]
        gate.open()
        names.append(next_question(sock))
    assert names == ["www.example.com.", "slow.example.com."]


def next_question(sock):
    message, _ = dns.query.receive_tcp(sock, expiration=time.time() + 5)
    return message.question[0].name.to_text()


def test_delay_and_drop(www):
    www.script("www.example.com.", s.sequence(s.drop(), s.delay(0.3)))
    with pytest.raises(dns.exception.Timeout):
        ask(www, "www.example.com.", timeout=0.2)
    began = time.monotonic()
    assert addresses(ask(www, "www.example.com.")) == ["192.0.2.1"]
    assert time.monotonic() - began >= 0.3
    www.script("www.example.com.", None)
    assert addresses(ask(www, "www.example.com.", timeout=0.25)) == ["192.0.2.1"]


def test_truncate_only_over_udp(www):
    www.script("www.example.com.", s.truncate())
    response = ask(www, "www.example.com.")
    assert response.flags & dns.flags.TC and response.answer == []
    assert addresses(ask(www, "www.example.com.", tcp=True)) == ["192.0.2.1"]


def test_close_over_tcp(www):
    www.script("www.example.com.", s.close())
    with pytest.raises(EOFError):
        ask(www, "www.example.com.", tcp=True)


@pytest.mark.parametrize("behaviour, spoiled", [
    (s.wrong_id(), slice(0, 2)),
    (s.wrong_question("mmm.example.com."), slice(12, 29)),
    (s.wrong_type("AAAA"), slice(29, 31)),
    (s.lower_case(), slice(12, 29)),
], ids=["wrong_id", "wrong_question", "wrong_type", "lower_case"])
def test_one_field_is_wrong_and_only_that(www, behaviour, spoiled):
    query = nonsense_query(b"wWW.ExamplE.com")
    good = exchange(www, query)
    www.script("www.example.com.", behaviour)
    bad = exchange(www, query)
    assert bad[spoiled] != good[spoiled]
    assert bad[:spoiled.start] == good[:spoiled.start]
    assert bad[spoiled.stop:33] == good[spoiled.stop:33]
    assert bad[6:8] == b"\0\1"


@pytest.mark.parametrize("code", ["FORMERR", "NOTIMP"])
def test_no_edns(www, code):
    www.script("www.example.com.", s.no_edns(code))
    response = ask(www, "www.example.com.")
    assert rcode(response) == code and response.edns == -1
    assert addresses(ask(www, "www.example.com.", edns=False)) == ["192.0.2.1"]


def test_rcode_only(www):
    www.script("*", s.rcode("SERVFAIL"))
    assert rcode(ask(www, "anything.example.org.")) == "SERVFAIL"
    www.script("no.example.com.", s.rcode("NXDOMAIN"))
    response = ask(www, "no.example.com.")
    assert rcode(response) == "NXDOMAIN" and response.authority == []


def test_malformed_rdata(www):
    www.script("www.example.com.", s.malformed(b"\1\2\3"))
    with pytest.raises(dns.exception.FormError):
        ask(www, "www.example.com.")
    wire = exchange(www, nonsense_query(b"www.example.com"))
    assert wire[6:8] == b"\0\2" and wire.endswith(b"\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\3\1\2\3")
    assert wire[8:12] == b"\0\0\0\0"


def test_extra_records(www):
    www.script("www.example.com.", s.extra("victim.example. 9 A 192.0.2.66", section="authority"))
    response = ask(www, "www.example.com.")
    assert addresses(response) == ["192.0.2.1"]
    assert response.authority[0].to_text() == "victim.example. 9 IN A 192.0.2.66"


def test_part_of_a_chain(www):
    www.script("alias.example.com.", s.answer("alias.example.com. 60 CNAME www.example.com."))
    response = ask(www, "alias.example.com.")
    assert addresses(response, "CNAME") == ["www.example.com."] and addresses(response) == []


def test_a_script_for_one_type(www):
    www.script("www.example.com.", s.rcode("SERVFAIL"), rtype="AAAA")
    assert rcode(ask(www, "www.example.com.", "AAAA")) == "SERVFAIL"
    assert rcode(ask(www, "www.example.com.")) == "NOERROR"


def test_edit_and_only(www):
    www.script("www.example.com.", s.only("udp", s.edit(lambda wire: wire[:20])))
    assert len(exchange(www, nonsense_query(b"www.example.com"))) == 20
    assert addresses(ask(www, "www.example.com.", tcp=True)) == ["192.0.2.1"]


def test_a_fault_of_the_script_is_not_silence():
    server = s.Scripted()
    server.script("*", lambda server, query: 1 / 0)
    with pytest.raises(dns.exception.Timeout):
        ask(server, "www.example.com.", timeout=0.2)
    with pytest.raises(AssertionError) as caught:
        server.stop()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_odd_bytes_and_times(www):
    name = "www.example.com."
    www.script(name, odd.preceded(s.wrong_id(), odd.raw(lambda query: b"")))
    assert exchange(www, nonsense_query(b"www.example.com"))[:2] == b"\x12\x35"
    www.script(name, odd.attributes(sizes=(1, 1, 5), pause=0.05))
    began = time.monotonic()
    assert addresses(ask(www, name, tcp=True)) == ["192.0.2.1"] and time.monotonic() - began > 0.15
    www.script(name, odd.attributes(elsewhere=True))
    with pytest.raises((dns.query.UnexpectedSource, dns.exception.Timeout)):
        ask(www, name, timeout=0.2)
    www.script(name, odd.silent(0.3))
    with pytest.raises(dns.exception.Timeout):
        ask(www, name, timeout=0.1)
    time.sleep(0.3)
    assert addresses(ask(www, name)) == ["192.0.2.1"]
    www.script(name, odd.raw_records("answer", odd.record("A", b"\xc0\0\2\7"), keep=True))
    assert addresses(ask(www, name)) == ["192.0.2.1", "192.0.2.7"]


def test_a_closed_port_and_one_that_hangs_up():
    server = s.Scripted(udp=False)
    try:
        with pytest.raises((dns.exception.Timeout, OSError)):
            ask(server, "www.example.com.", timeout=0.2)
        assert rcode(ask(server, "www.example.com.", tcp=True)) == "NXDOMAIN"
        server.hang_up = True
        with pytest.raises((EOFError, OSError)):
            ask(server, "www.example.com.", tcp=True)
    finally:
        server.stop()


# --- freshetd and freshet, played by a script


@pytest.fixture
def fake_build(rundir, monkeypatch):
    """FRESHET_BUILD with fake_freshetd.py for freshetd, and a shell script for freshet."""
    write_program(rundir, "freshetd", f"exec {sys.executable} {HERE}/fake_freshetd.py \"$@\"")
    write_program(rundir, "freshet", 'cat; echo "args $*"; echo "$NOISE" >&2; exit 4')
    monkeypatch.setenv("FRESHET_BUILD", rundir)


def write_program(directory, name, body):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(f"#!/bin/sh\n{body}\n")
    os.chmod(path, 0o755)


UPSTREAM = ("127.0.0.1", 9)


def test_daemon_from_start_to_stop(fake_build):
    daemon = freshet.Freshetd(freshet.stub([UPSTREAM]))
    assert daemon.records(msg="ready") == [{"level": "info", "msg": "ready", "tier": "os"}]
    assert daemon.control({"cmd": "status"}) == {"echo": {"cmd": "status"}}
    assert daemon.lookup("a.example.", "TXT")["echo"]["type"] == "TXT"
    assert daemon.metric("freshet_queries_total") == 10
    assert daemon.metric("freshet_queries_total", tier="os", transport="udp") == 7
    assert daemon.metrics()["freshet_feed_in_sync"] == 1
    assert 1 << 20 < daemon.rss() < 1 << 28
    daemon.configure(freshet.stub([UPSTREAM], log="error"))
    daemon.sighup()
    daemon.wait_log("msg=reloaded log=error")
    directory, pid = daemon.directory, daemon.pid
    daemon.close()
    daemon.close()
    assert is_gone(pid) and not os.path.exists(directory)
    assert "msg=ready" in daemon.log


def test_daemon_restarts_on_the_same_ports(fake_build):
    daemon = freshet.Freshetd({"tiers": [freshet.tier("os", [UPSTREAM]), freshet.tier("b", [])]})
    before = (daemon.addresses, daemon.metrics_address, daemon.pid)
    daemon.kill()
    daemon.start()
    assert daemon.log.count("msg=ready") == 2
    assert (daemon.addresses, daemon.metrics_address) == before[:2] and daemon.pid != before[2]
    assert set(daemon.addresses) == {"os", "b"} and daemon.address == daemon.addresses["os"]
    daemon.close()


def test_daemon_from_text(fake_build):
    daemon = freshet.Freshetd('{"control": "$control", "metrics": "$metrics", "log": "info", '
                              '"tiers": [{"name": "os", "listen": ["$listen"]}]}')
    assert daemon.metrics() and daemon.status()
    daemon.close()


def test_daemon_that_does_not_start(fake_build):
    with pytest.raises(process.NotReady, match="(?s)ended with 3.*cannot"):
        freshet.Freshetd(freshet.stub([UPSTREAM], tests="crash"))


def test_daemon_that_is_never_ready(fake_build, monkeypatch):
    monkeypatch.setattr(freshet, "READY_WITHIN", 0.5)
    with pytest.raises(process.NotReady, match="not ready after 0.5 s"):
        freshet.Freshetd(freshet.stub([UPSTREAM], tests="mute"))
    assert not [server for server in process.running() if server.name == "freshetd"]


def test_daemon_that_does_not_stop(fake_build, monkeypatch):
    monkeypatch.setattr(freshet, "STOP_WITHIN", 0.3)
    daemon = freshet.Freshetd(freshet.stub([UPSTREAM], tests="stubborn"))
    with pytest.raises(AssertionError, match="killed"):
        daemon.close()
    assert is_gone(daemon.pid)


def test_daemon_that_crashed_while_nobody_looked(fake_build):
    daemon = freshet.Freshetd(freshet.stub([UPSTREAM]))
    os.kill(daemon.pid, 6)
    process.eventually(lambda: is_gone(daemon.pid))
    with pytest.raises(AssertionError, match="SIGABRT"):
        daemon.close()


def test_sanitizer_reports_fail_the_stop(fake_build):
    daemon = freshet.Freshetd(freshet.stub([UPSTREAM], tests="leak"))
    with pytest.raises(AssertionError, match="(?s)LeakSanitizer: detected.*#0 malloc"):
        daemon.close()


@pytest.mark.parametrize("line", [
    "==7==ERROR: AddressSanitizer: heap-use-after-free on address",
    "WARNING: ThreadSanitizer: data race (pid=7)",
    "cache/store.c:7:3: runtime error: signed integer overflow",
    "==7== ERROR SUMMARY: 2 errors from 1 contexts"])
def test_sanitizers_are_recognised(line):
    assert freshet.sanitizer_report(f"level=info msg=x\n{line}\n  #0\n") == f"{line}\n  #0\n"
    assert freshet.sanitizer_report("level=error msg=\"error: none\"\n"
                                    "==7== ERROR SUMMARY: 0 errors from 0 contexts\n") is None


def test_log_fields():
    assert freshet.log_fields(r'time=1.5 level=info msg="a \"b\" c" zone=x.') == {
        "time": "1.5", "level": "info", "msg": 'a "b" c', "zone": "x."}


def test_metrics_are_parsed_strictly():
    assert freshet.parse_metrics("# HELP a b\na 1\nb{c=\"d e\"} 2.5e3\n") == {
        "a": 1.0, 'b{c="d e"}': 2500.0}
    for wrong in ("a", "a b", "a 1\na 2"):
        with pytest.raises((AssertionError, ValueError)):
            freshet.parse_metrics(wrong)


def test_cli(fake_build, cli, monkeypatch):
    assert freshet.Cli()("watch", "-n", 1, stdin="in\n") == (4, "in\nargs watch -n 1\n", "\n")
    monkeypatch.setenv("NOISE", "==1==ERROR: AddressSanitizer: stack-overflow")
    with pytest.raises(AssertionError, match="stack-overflow"):
        freshet.Cli()("status")
    child = freshet.Cli().start("watch")
    assert child.wait(5) == 4 and child.output("stdout") == "args watch\n"
    child.stop()


def test_configurations(fresh_topic):
    config = freshet.stub([UPSTREAM, ("::1", 53)], fresh_topic, cache={"client_ttl": "1d"},
                          workers=2)
    assert config["workers"] == 2
    assert config["tiers"] == [{"name": "os", "cache": {"client_ttl": "1d"}, "upstream": {
        "forward": ["127.0.0.1:9", "[::1]:53"]}}]
    assert config["feed"]["brokers"] == fresh_topic.bootstrap
    assert config["feed"]["updates"] == fresh_topic.name
