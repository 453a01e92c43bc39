"""Addresses to listen on that are not there when freshetd starts: of another host, of an interface that comes later, of
IPv6 where that is off. In a network of the test's own, which has but a loopback."""

import os
import subprocess
import sys
import time

import pytest

import freshet
import process

NAME = "www.example.com."

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root, for a network of its own")


@pytest.fixture
def network():
    """A network namespace; network(COMMAND...) runs a command in it."""
    name = f"freshet-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)

    def inside(*command, check=True):
        return subprocess.run(["ip", "netns", "exec", name, *command], capture_output=True, text=True,
                              timeout=20, check=check)
    inside.name = name
    inside.python = lambda text: Inside(name, text)
    inside("ip", "link", "set", "lo", "up")
    yield inside
    subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def start(network, freshetd, monkeypatch):
    """A freshetd in that network, whose name is local: all it takes is to be reached."""
    program = freshet.program

    def begin(*listen, upstream=("127.0.0.1:9",), **top):
        wrapper = os.path.join(process.run_directory("wrap"), "freshetd")
        with open(wrapper, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nexec ip netns exec {network.name} {program("freshetd")} "$@"\n')
        os.chmod(wrapper, 0o755)
        monkeypatch.setattr(freshet, "program", lambda name: wrapper if name == "freshetd" else program(name))
        return freshetd({"tiers": [{"name": "os", "listen": list(listen), "local": [f"{NAME} 60 IN A 192.0.2.1"],
                                    "upstream": {"forward": list(upstream)}}], **top})
    return begin


def answers(network, address, port=53, *options):
    asked = network("dig", f"@{address}", "-p", str(port), "+short", "+tries=1", "+timeout=1", *options,
                    NAME, check=False)
    return asked.stdout.strip() == "192.0.2.1"


def awaited(daemon):
    """The addresses that `freshet status` says are not there."""
    status = freshet.Cli()("status", "--control", daemon.control_path).stdout
    return [line.split()[1] for line in status.splitlines() if line.endswith("not there yet")]


def said_of(daemon, address):
    """What `freshet status` says of an address that is listened on."""
    status = freshet.Cli()("status", "--control", daemon.control_path).stdout
    (line,) = [line for line in status.splitlines() if line.split()[1:2] == [address]]
    return line.split(None, 2)[2]


# Answers any A query; those of names that begin with "tcp" by TCP alone.
SERVER = """
import socket, struct, threading
import dns.flags, dns.message, dns.rrset
where = ("fe80::8%vpn0", 53)
def reply(wire, stream):
    query = dns.message.from_wire(wire)
    response = dns.message.make_response(query)
    name = query.question[0].name
    if name.to_text().startswith("tcp") and not stream:
        response.flags |= dns.flags.TC
    else:
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.8"))
    return response.to_wire()
info = socket.getaddrinfo(*where, type=socket.SOCK_STREAM)[0][4]
listening = socket.create_server(info, family=socket.AF_INET6)
datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
datagrams.bind(info)
def serve(connection):
    while head := connection.recv(2, socket.MSG_WAITALL):
        answer = reply(connection.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL), True)
        connection.sendall(struct.pack("!H", len(answer)) + answer)
def accept():
    while True:
        threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
print("ready", flush=True)
while True:
    wire, peer = datagrams.recvfrom(4096)
    datagrams.sendto(reply(wire, False), peer)
"""


class Inside:
    """A program of ours in a network namespace, which says "ready"."""

    def __init__(self, namespace, text):
        self._child = subprocess.Popen(["ip", "netns", "exec", namespace, sys.executable, "-c", text],
                                       stdout=subprocess.PIPE)
        assert self._child.stdout.readline() == b"ready\n"

    def stop(self):
        self._child.kill()
        self._child.wait()
        self._child.stdout.close()


def asked_upstream(network, name):
    asked = network("dig", "@127.0.0.1", "+short", "+tries=1", "+timeout=1", name, check=False)
    return asked.stdout.strip() == "192.0.2.8"


def test_an_address_that_comes_later(network, start):
    daemon = start("127.0.0.1:53", "10.9.9.9:53", "[fd00:53::9]:53", workers=2)
    assert answers(network, "127.0.0.1") and not answers(network, "10.9.9.9")
    assert len(daemon.records(msg="an address is not there yet: it is answered on once it is")) == 2
    assert awaited(daemon) == ["10.9.9.9:53", "[fd00:53::9]:53"]
    network("ip", "addr", "add", "10.9.9.9/24", "dev", "lo")
    assert awaited(daemon) == ["[fd00:53::9]:53"]
    network("ip", "addr", "add", "fd00:53::9/64", "dev", "lo", "nodad")
    for options in ([], ["+tcp"]):
        process.eventually(lambda: answers(network, "10.9.9.9", 53, *options) and
                           answers(network, "fd00:53::9", 53, *options))
    network("ip", "addr", "del", "10.9.9.9/24", "dev", "lo")
    network("ip", "addr", "add", "10.9.9.9/24", "dev", "lo")
    assert answers(network, "10.9.9.9"), "gone and back"


def test_ipv6_that_is_off(network, start):
    network("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
    start("127.0.0.1:53", "[::1]:53")
    assert answers(network, "127.0.0.1") and not answers(network, "::1")
    network("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
    process.eventually(lambda: answers(network, "::1"))


@pytest.mark.parametrize("user", [None, "nobody"])
def test_an_interface_that_comes_later(network, start, user):
    daemon = start("127.0.0.1:53", "[fe80::9%vpn0]:53", workers=2, **({"user": user} if user else {}))
    assert daemon.records(msg="an address cannot be had yet: it is waited for")[0]["why"] == "no such interface"
    assert awaited(daemon) == ["[fe80::9%vpn0]:53"]
    network("ip", "link", "add", "vpn0", "type", "veth", "peer", "name", "vpn1")
    network("ip", "link", "set", "vpn1", "up")
    network("ip", "link", "set", "vpn0", "up")
    network("ip", "addr", "add", "fe80::9/64", "dev", "vpn0", "nodad")
    daemon.wait_log("msg=\"listening\" tier=os address=[fe80::9%vpn0]:53")
    assert not awaited(daemon)
    assert answers(network, "fe80::9%vpn0") and answers(network, "fe80::9%vpn0", 53, "+tcp")


TAKES = """
import socket, sys
taken = [socket.socket(socket.AF_INET6, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
for one in taken:
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.bind(("::", 53))
taken[1].listen()
print("taken", flush=True)
sys.stdin.read()
"""


def test_a_port_that_is_taken_when_its_address_comes(network, start):
    """It is waited for on: whoever has it may leave."""
    daemon = start("127.0.0.1:53", "[fe80::9%vpn0]:53", workers=2)
    with subprocess.Popen(["ip", "netns", "exec", network.name, "python3", "-c", TAKES],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"taken\n"
        network("ip", "link", "add", "vpn0", "type", "veth", "peer", "name", "vpn1")
        network("ip", "link", "set", "vpn1", "up")
        network("ip", "link", "set", "vpn0", "up")
        network("ip", "addr", "add", "fe80::9/64", "dev", "vpn0", "nodad")
        daemon.wait_log('msg="an address that is waited for is not to be had now"')
        assert not awaited(daemon)
        assert said_of(daemon, "[fe80::9%vpn0]:53") == "not to be had: Address already in use"
        other.stdin.close()
        other.wait(5)
    process.eventually(lambda: answers(network, "fe80::9%vpn0") and answers(network, "fe80::9%vpn0", 53, "+tcp"))
    assert len(daemon.records(msg="an address that is waited for is not to be had now")) == 1
    assert said_of(daemon, "[fe80::9%vpn0]:53") == said_of(daemon, "127.0.0.1:53") == "there"


def make_interface(network, *addresses):
    network("ip", "link", "add", "vpn0", "type", "veth", "peer", "name", "vpn1")
    network("ip", "link", "set", "vpn1", "up")
    network("ip", "link", "set", "vpn0", "up")
    for address in addresses:
        network("ip", "addr", "add", f"{address}/64", "dev", "vpn0", "nodad")


@pytest.mark.parametrize("user", [None, "nobody"])
def test_an_interface_that_is_made_anew(network, start, user):
    """The kernel gives it another number; who listens on it, and who asks a server there, knows it by name."""
    make_interface(network, "fe80::9", "fe80::8")
    daemon = start("127.0.0.1:53", "[fe80::9%vpn0]:53", workers=2, upstream=["fe80::8%vpn0"],
                   **({"user": user} if user else {}))
    server = [network.python(SERVER)]
    assert answers(network, "fe80::9%vpn0") and asked_upstream(network, "before.example.")
    files = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    try:
        for again in range(3):
            server.pop().stop()
            network("ip", "link", "del", "vpn0")
            process.eventually(lambda: awaited(daemon) == ["[fe80::9%vpn0]:53"])
            assert answers(network, "127.0.0.1")
            make_interface(network, "fe80::9", "fe80::8")
            server.append(network.python(SERVER))
            process.eventually(lambda: answers(network, "fe80::9%vpn0"), 5)
            assert answers(network, "fe80::9%vpn0", 53, "+tcp")
            assert not awaited(daemon)
            process.eventually(lambda n=again: asked_upstream(network, f"after{n}.example."), 5)
            process.eventually(lambda n=again: asked_upstream(network, f"tcp{n}.example."), 5)
        process.eventually(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= files + 4, 10)
    finally:
        for one in server:
            one.stop()


def test_a_server_whose_interface_comes_later(network, start):
    """It is said once, and asked as soon as it can be."""
    daemon = start("127.0.0.1:53", upstream=["fe80::8%vpn0"])
    said = daemon.records(msg="the interface of an upstream is not there yet: it is asked once it is")
    assert [record["upstream"] for record in said] == ["fe80::8%vpn0"]
    assert not asked_upstream(network, "early.example.")
    make_interface(network, "fe80::8")
    server = network.python(SERVER)
    try:
        process.eventually(lambda: asked_upstream(network, f"n{time.monotonic_ns()}.example."), 10)
        process.eventually(lambda: asked_upstream(network, f"tcp{time.monotonic_ns()}.example."), 10)
    finally:
        server.stop()


def test_nothing_to_listen_on_is_no_end(network, start):
    daemon = start("10.9.9.9:53", "[fe80::9%vpn0]:53")
    assert daemon.status()["ok"]
    network("ip", "addr", "add", "10.9.9.9/24", "dev", "lo")
    assert answers(network, "10.9.9.9")


NO_IPV6 = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int socket(int family, int type, int protocol)
{
    if (family == AF_INET6 && access(getenv("NO_IPV6"), F_OK) == 0) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (int)syscall(SYS_socket, family, type, protocol);
}
"""


@pytest.mark.skipif(freshet.build_directory() != "build", reason="a sanitizer's library wants to be loaded first")
def test_a_kernel_that_knows_no_ipv6_yet(network, start, rundir, monkeypatch):
    """As one whose module comes late; a library preloaded stands for it."""
    marker, source, library = (os.path.join(rundir, name) for name in ("none", "none.c", "none.so"))
    with open(source, "w", encoding="ascii") as file:
        file.write(NO_IPV6)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    os.mkdir(marker)
    monkeypatch.setenv("LD_PRELOAD", library)
    monkeypatch.setenv("NO_IPV6", marker)
    daemon = start("127.0.0.1:53", "[::1]:53", user="nobody")
    monkeypatch.delenv("LD_PRELOAD")
    os.chmod(rundir, 0o755)
    why = daemon.records(msg="an address cannot be had yet: it is waited for")[0]["why"]
    assert why == "Address family not supported by protocol"
    assert "capabilities=net_bind_service" in daemon.log, "port 53 is to be had yet"
    assert answers(network, "127.0.0.1") and not answers(network, "::1")
    os.rmdir(marker)
    process.eventually(lambda: answers(network, "::1") and answers(network, "::1", 53, "+tcp"))
