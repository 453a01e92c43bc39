"""The programs people have, against freshetd as their name server on port 53.

A network namespace of the tests' own has nothing but a loopback device: there, port 53 is free for
freshetd, and the authority it asks is there too. A program that reads /etc/resolv.conf runs in a
mount namespace besides, with a file of ours in that place. Both go with the last process inside:
nothing needs cleaning up.
"""

import ctypes
import os
import re
import subprocess

import dns.flags
import pytest

import freshet
import knot
import process
import query

NAME_SERVERS = ("127.0.0.53", "::1")
CLONE_NEWNET = 0x40000000
COMMAND_WITHIN = 20  # seconds
BIG = [f"{number:02}" + "x" * 200 for number in range(30)]  # some 6,400 bytes of TXT

RECORDS = """
www     A 192.0.2.1
www     A 192.0.2.2
www     AAAA 2001:db8::1
four    A 192.0.2.4
six     AAAA 2001:db8::6
alias   CNAME www
mail    MX 10 www
any     A 192.0.2.9
any     TXT "any"
""" + "\n".join(f'big TXT "{text}"' for text in BIG)

# Runs its arguments where /etc/resolv.conf is $0. The mount ends with the process.
WITH_RESOLV_CONF = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'

GETADDRINFO = """
import socket, sys
try:
    found = socket.getaddrinfo(sys.argv[1], 80, type=socket.SOCK_STREAM)
except socket.gaierror as error:
    print(error.args[0] == socket.EAI_NONAME and "no such name" or error)
else:
    print(*sorted(entry[4][0] for entry in found))
"""


# --- the namespace


def libc_call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def enter_new_network():
    """Moves this thread, and what it starts from here on, to a network of its own; the way back."""
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc_call("unshare", CLONE_NEWNET)
    except OSError:
        os.close(outside)
        raise

    def leave():
        libc_call("setns", outside, CLONE_NEWNET)
        os.close(outside)
    return leave


def why_not_permitted():
    """Why this machine lets us make no namespaces; None when it does."""
    probe = subprocess.run(["unshare", "--net", "--mount", "ip", "link", "set", "lo", "up"],
                           capture_output=True, text=True, check=False)
    return probe.stderr.strip() or "unshare fails" if probe.returncode else None


@pytest.fixture(scope="module")
def network():
    """Inside, there is one device, with an address that is no loopback address in each family:
    without these, getaddrinfo() takes a family for unused (AI_ADDRCONFIG, RFC 3493 6.1)."""
    reason = why_not_permitted()
    if reason:
        pytest.skip(f"needs network and mount namespaces: {reason}")
    leave = enter_new_network()
    try:
        for words in ("link set lo up", "addr add 192.0.2.100/32 dev lo",
                      "addr add 2001:db8::100/128 dev lo"):
            subprocess.run(["ip", *words.split()], check=True)
        yield
    finally:
        leave()


@pytest.fixture(scope="module")
def authority_inside(network):
    server = knot.Knot({"example.com.": RECORDS})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def name_server(authority_inside):
    """freshetd on port 53 of all NAME_SERVERS."""
    config = freshet.stub([authority_inside])
    config["tiers"][0]["listen"] = [freshet.address_text((host, 53)) for host in NAME_SERVERS]
    daemon = freshet.Freshetd(config)
    yield daemon
    daemon.close()


@pytest.fixture(params=NAME_SERVERS)
def server(name_server, request):
    """Its address, in either family."""
    return request.param


@pytest.fixture
def resolv_conf(server):
    directory = process.run_directory("resolv")
    path = os.path.join(directory, "resolv.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"nameserver {server}\noptions timeout:2 attempts:1\n")
    return path


def run(*words, codes=(0,)):
    """A command's output."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_WITHIN,
                          env=dict(os.environ, LC_ALL="C", HOME="/nonexistent"), check=False)
    assert done.returncode in codes, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_resolving(resolv_conf, *words, codes=(0,)):
    """The same, with our /etc/resolv.conf."""
    return run("unshare", "--mount", "sh", "-c", WITH_RESOLV_CONF, resolv_conf, *words, codes=codes)


def short(program, server, *words):
    """The answer's data by `+short`, sorted."""
    return sorted(run(program, f"@{server}", "+short", *words).splitlines())


def status(output):
    """The status and flags in the header that dig or kdig has printed, in lower case."""
    found = re.search(r"status: (\w+).*?flags: ([a-z ]*);", output.replace("Flags", "flags"), re.S)
    assert found, output
    return found[1], found[2].split()


# --- dig and kdig


@pytest.mark.parametrize("program", ["dig", "kdig"])
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_lookups(server, program, transport):
    def lookup(*words):
        return short(program, server, transport, *words)

    assert lookup("www.example.com", "A") == ["192.0.2.1", "192.0.2.2"]
    assert lookup("WWW.eXample.com", "AAAA") == ["2001:db8::1"]
    assert lookup("alias.example.com", "A") == ["192.0.2.1", "192.0.2.2", "www.example.com."]
    assert lookup("alias.example.com", "CNAME") == ["www.example.com."]
    assert lookup("mail.example.com", "MX") == ["10 www.example.com."]


@pytest.mark.parametrize("program", ["dig", "kdig"])
def test_negative_answers(server, program):
    nothing = run(program, f"@{server}", "no.such.example.com", "A")
    assert status(nothing)[0] == "NXDOMAIN"
    assert re.search(r"^example\.com\.\s+\d+\s+IN\s+SOA\s", nothing, re.M), nothing
    no_data = run(program, f"@{server}", "four.example.com", "AAAA")
    assert status(no_data)[0] == "NOERROR"
    assert re.search(r"^example\.com\.\s+\d+\s+IN\s+SOA\s", no_data, re.M), no_data


@pytest.mark.parametrize("program", ["dig", "kdig"])
def test_header_and_edns(server, program):
    plain = run(program, f"@{server}", "+noedns", "www.example.com")
    assert status(plain) == ("NOERROR", ["qr", "rd", "ra"])
    assert "EDNS" not in plain
    signed = run(program, f"@{server}", "+edns", "+dnssec", "www.example.com")
    code, flags = status(signed)
    assert code == "NOERROR" and {"qr", "rd", "ra"} <= set(flags)
    assert re.search(r"^;.*[Vv]ersion: 0[,;] flags: do\b", signed, re.M), signed


def test_unknown_edns_version_is_answered_badvers(server):
    assert status(run("dig", f"@{server}", "+edns=1", "+noednsneg", "four.example.com"))[0] == \
        "BADVERS"


@pytest.mark.parametrize("program", ["dig", "kdig"])
def test_any_is_answered(server, program):
    """Whatever part of it is given (RFC 8482): a client must not be left waiting."""
    code, _ = status(run(program, f"@{server}", "+notcp", "any.example.com", "ANY"))
    assert code in ("NOERROR", "NOTIMP")


@pytest.mark.parametrize("program", ["dig", "kdig"])
def test_a_long_answer_comes_over_tcp(server, program):
    cut = run(program, f"@{server}", "+notcp", "+ignore", "big.example.com", "TXT")
    assert "tc" in status(cut)[1]
    whole = short(program, server, "big.example.com", "TXT")
    assert [line.strip('"') for line in whole if line.startswith('"')] == BIG


def test_many_queries_on_one_connection(server):
    names = [word for _ in range(20) for word in ("four.example.com", "www.example.com")]
    lines = run("kdig", f"@{server}", "+tcp", "+keepopen", "+short", *names).splitlines()
    assert sorted(lines) == sorted(["192.0.2.4", "192.0.2.1", "192.0.2.2"] * 20)


# --- host


def test_host_asks_for_what_it_wants(server, name_server):
    assert sorted(run("host", "www.example.com", server).splitlines()[5:]) == [
        "www.example.com has IPv6 address 2001:db8::1",
        "www.example.com has address 192.0.2.1",
        "www.example.com has address 192.0.2.2"]
    assert "www.example.com is an alias" not in run("host", "four.example.com", server)
    alias = run("host", "alias.example.com", server)
    assert "alias.example.com is an alias for www.example.com." in alias
    assert "Host no.such.example.com not found: 3(NXDOMAIN)" in \
        run("host", "no.such.example.com", server, codes=(1,))
    long_answer = run("host", "-t", "TXT", "big.example.com", server)
    assert all(text in long_answer for text in BIG)


# --- what asks through /etc/resolv.conf


def test_host_finds_its_server_in_resolv_conf(resolv_conf, name_server):
    before = name_server.metric("freshet_queries_total")
    assert "four.example.com has address 192.0.2.4" in \
        run_resolving(resolv_conf, "host", "four.example.com")
    assert name_server.metric("freshet_queries_total") > before


@pytest.mark.parametrize("name, expected", [
    ("www.example.com", "192.0.2.1 192.0.2.2 2001:db8::1"),
    ("alias.example.com", "192.0.2.1 192.0.2.2 2001:db8::1"),
    ("four.example.com", "192.0.2.4"),
    ("six.example.com", "2001:db8::6"),
    ("no.such.example.com", "no such name"),
])
def test_getaddrinfo(resolv_conf, name, expected):
    """glibc sends its A and AAAA questions at once, from one socket."""
    assert run_resolving(resolv_conf, "/usr/bin/python3", "-c", GETADDRINFO, name).strip() == \
        expected


def test_getent(resolv_conf):
    found = run_resolving(resolv_conf, "getent", "ahosts", "alias.example.com")
    assert {line.split()[0] for line in found.splitlines()} == \
        {"192.0.2.1", "192.0.2.2", "2001:db8::1"}
    assert "www.example.com" in found  # the canonical name: the chain's end
    four = run_resolving(resolv_conf, "getent", "ahostsv4", "four.example.com")
    assert {line.split()[0] for line in four.splitlines()} == {"192.0.2.4"}
    assert run_resolving(resolv_conf, "getent", "ahosts", "no.such.example.com", codes=(2,)) == ""


def test_nothing_is_left_mounted(resolv_conf):
    inside = run_resolving(resolv_conf, "cat", "/etc/resolv.conf")
    assert "attempts:1" in inside  # so the programs above did read our file
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        assert file.read() != inside
    with open("/proc/self/mounts", encoding="utf-8") as file:
        assert "freshet-resolv" not in file.read()


def test_more_than_the_interface_takes(network, scripted, freshetd):
    """Replies never go out in fragments: one too large for the interface comes cut short (RFC 9715)."""
    texts = ['"' + letter * 200 + '"' for letter in "abcde"]
    scripted.set("big.example.com.", "TXT", *texts)
    daemon = freshetd(freshet.stub([scripted]))
    run("ip", "link", "set", "lo", "mtu", "1000")
    try:
        for _ in range(2):  # fetched, and held
            reply = query.ask(daemon, "big.example.com.", "TXT", timeout=2)
            assert reply.flags & dns.flags.TC and not reply.answer and reply.edns == 0
        whole = query.ask(daemon, "big.example.com.", "TXT", tcp=True)
        assert query.addresses(whole) == texts
    finally:
        run("ip", "link", "set", "lo", "mtu", "65536")
