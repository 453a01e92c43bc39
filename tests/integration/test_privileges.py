"""What freshetd can do once it serves: nobody's powers, few system calls; and all that it still has to do."""

import grp
import json
import os
import pwd
import re
import shutil
import subprocess
import time

import pytest

import freshet
import process
import wire
from query import addresses, ask

NAME = "www.example.com."
SANDBOXED = freshet.build_directory() == "build"  # a sanitizer needs more than a resolver

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody else")


@pytest.fixture
def upstream(scripted):
    scripted.set(NAME, "A", "192.0.2.1")
    return scripted


def threads(daemon):
    """/proc/PID/task/*/status as dicts."""
    for thread in os.listdir(f"/proc/{daemon.pid}/task"):
        with open(f"/proc/{daemon.pid}/task/{thread}/status", encoding="ascii") as file:
            yield dict(re.findall(r"^(\w+):\t(.*)$", file.read(), re.M))


def expect_nobody(daemon, user="nobody"):
    entry = pwd.getpwnam(user)
    for thread in threads(daemon):
        assert thread["Uid"].split() == [str(entry.pw_uid)] * 4, thread["Name"]
        assert thread["Gid"].split() == [str(entry.pw_gid)] * 4, thread["Name"]
        assert thread["Groups"].split() in ([str(entry.pw_gid)], [])
        assert int(thread["CapEff"], 16) == int(thread["CapPrm"], 16) == 0, thread["Name"]


@pytest.mark.parametrize("fed", [False, True], ids=["plain", "fed"])
def test_it_becomes_who_it_is_told_to(upstream, freshetd, rundir, topic, cli, fed):
    os.chmod(rundir, 0o777)
    control = f"{rundir}/run/c.sock"
    config = freshet.stub([upstream], topic if fed else None, user="nobody", control=control, workers=2)
    daemon = freshetd(config)
    daemon.control_path = control
    expect_nobody(daemon)
    assert all(thread["NoNewPrivs"] == "1" for thread in threads(daemon))
    assert os.stat(control).st_uid == pwd.getpwnam("nobody").pw_uid
    if fed:
        process.eventually(lambda: daemon.status()["feed"]["state"] == "live", within=20)
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]
    assert cli("status", "--control", control).code == 0 or daemon.status()["ok"]
    os.chmod(daemon.directory, 0o755)
    seen = len(daemon.log)
    daemon.sighup()
    daemon.wait_log("msg=reloaded", start=seen)
    daemon.stop()
    assert not os.path.exists(control), "it may remove what is in a directory of its own"


def test_a_group_may_open_the_control_socket(upstream, freshetd, cli, rundir):
    """Who is of it; and nobody else, who is told whose the socket is."""
    group = grp.getgrnam("games")
    config = freshet.stub([upstream], user="nobody", workers=1)
    config["control"] = {"path": f"{rundir}/run/c.sock", "group": "games"}
    os.chmod(rundir, 0o755)
    daemon = freshetd(config)
    daemon.control_path = path = config["control"]["path"]
    at = os.stat(path)
    assert (at.st_uid, at.st_gid, at.st_mode & 0o777) == (pwd.getpwnam("nobody").pw_uid, group.gr_gid, 0o660)
    for gid, may in ((group.gr_gid, True), (group.gr_gid + 12345, False)):
        done = subprocess.run(["setpriv", "--reuid=65533", f"--regid={gid}", "--clear-groups", freshet.program("freshet"),
                               "status", "--control", path], capture_output=True, text=True, timeout=10, check=False)
        assert (done.returncode != 1) == may and (may or "`control: {path, group}`" in done.stderr), done


def test_a_group_that_the_user_is_not_of(upstream, rundir):
    """Without root nobody can give a socket to such a group: it is said, and nothing is left of it."""
    place, user = f"{rundir}/own", 65533
    os.mkdir(place)
    os.chown(place, user, user)
    os.chmod(rundir, 0o755)
    config = freshet.stub([upstream], workers=1, control={"path": f"{place}/c.sock", "group": "games"})
    config["tiers"][0]["listen"] = [f"127.0.0.1:{process.free_port()}"]
    with open(f"{place}/freshet.yaml", "w", encoding="utf-8") as file:
        json.dump(config, file)
    done = subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", freshet.program("freshetd"),
                           "-c", file.name], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert f'control: {place}/c.sock: may not be given to the group "games"; start as root, or as a member of it' in done.stderr
    assert not os.path.exists(f"{place}/c.sock")


def test_a_configuration_that_the_user_may_not_read(upstream, freshetd):
    """It starts, says that there is no reload, and a reload that is tried all the same is refused."""
    daemon = freshetd(freshet.stub([upstream], user="nobody"))  # its directory is root's alone
    assert "no reload: `user` may not read the configuration" in daemon.log
    daemon.sighup()
    daemon.wait_log("reload refused, running on")
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]


def test_root_without_a_user_keeps_the_name_alone(upstream, freshetd):
    daemon = freshetd(freshet.stub([upstream], workers=2))
    assert addresses(ask(daemon, NAME)) == ["192.0.2.1"]
    for thread in threads(daemon):
        assert int(thread["CapEff"], 16) == int(thread["CapPrm"], 16) == 0, thread["Name"]
        assert thread["NoNewPrivs"] == "1"
    assert "runs as root" in daemon.log


def test_the_group_is_another(upstream, freshetd):
    daemon = freshetd(freshet.stub([upstream], user="nobody", group="daemon"))
    group = next(threads(daemon))["Gid"].split()[0]
    assert group == "1"


def test_low_ports_stay_while_one_is_waited_for(upstream, freshetd):
    config = freshet.stub([upstream], user="nobody")
    config["tiers"][0]["listen"] = [f"127.0.0.1:{process.free_port()}", "[fe80::1%nowhere]:53"]
    daemon = freshetd(config)
    kept = {int(thread["CapEff"], 16) for thread in threads(daemon)}
    assert kept <= {0, 1 << 10} and 1 << 10 in kept, "CAP_NET_BIND_SERVICE and no other"
    assert "capabilities=net_bind_service" in daemon.log


# --- system calls


@pytest.mark.skipif(not SANDBOXED, reason="sanitizers are not sandboxed")
def test_every_thread_is_filtered(upstream, freshetd, topic):
    daemon = freshetd(freshet.stub([upstream], topic, workers=2))
    process.eventually(lambda: daemon.status()["feed"]["state"] == "live", within=20)
    assert {thread["Seccomp"] for thread in threads(daemon)} == {"2"}
    assert "system calls are bounded" in daemon.log and daemon.status()["sandbox"] == "on"


@pytest.mark.skipif(not SANDBOXED, reason="sanitizers are not sandboxed")
def test_no_call_that_it_makes_is_refused(upstream, freshetd, topic):
    """All that a life has: UDP, TCP, a feed, reloads, hosts files, the tool, metrics; under the eyes of strace."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    config = freshet.stub([upstream], topic, workers=2)
    config["tiers"][0]["hosts"] = ["/etc/hosts"]
    daemon = freshetd(config)
    process.eventually(lambda: daemon.status()["feed"]["state"] == "live", within=20)
    trace = os.path.join(daemon.directory, "trace")
    tracer = process.Process("strace", ["strace", "-f", "-Z", "-o", trace, "-p", str(daemon.pid)])
    process.eventually(lambda: os.path.exists(trace))
    time.sleep(0.5)
    ask(daemon, NAME)
    with wire.Stream(daemon) as stream:
        stream.ask(NAME)
        stream.receive()
    daemon.metrics(), daemon.status(), daemon.lookup(NAME)
    topic.publish("example.com.", [{"op": "FLUSH", "name": NAME}], serial=1)
    daemon.sighup()
    daemon.wait_log("msg=reloaded")
    time.sleep(1.5)
    daemon.stop()
    tracer.wait(5)
    tracer.stop()
    with open(trace, encoding="utf-8", errors="replace") as file:
        refused = [line for line in file if " EPERM " in line or " ENOSYS " in line and "clone3" not in line]
    assert refused == []


def test_what_it_must_not_do_is_refused(rundir):
    """The filter itself, entered by a program that then tries to start another, to trace, and to be a raw socket."""
    source, program = os.path.join(rundir, "try.c"), os.path.join(rundir, "try")
    with open(source, "w", encoding="ascii") as file:
        file.write(TRY)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libseccomp"], capture_output=True,
                           text=True, check=True).stdout.split()
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-I.", source, "daemon/sandbox.c",
                    "-o", program, "-pthread", *flags], check=True, cwd=process.ROOT)
    done = subprocess.run([program], capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout == "ok\n" and done.returncode == 0, done.stdout + done.stderr


TRY = r"""
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "daemon/sandbox.h"

static void *wait_long(void *arg)
{
    while (!*(volatile int *)arg)
        usleep(1000);
    return (void *)(long)(fork() == -1 && errno == EPERM);
}

static void *nothing(void *arg)
{
    return arg;
}

#define EXPECT(what) do { if (!(what)) { printf("%s: %d\n", #what, errno); return 1; } } while (0)

int main(void)
{
    char error[SANDBOX_MAX_ERROR];
    volatile int go = 0;
    void *result;
    pthread_t before, after;
    EXPECT(pthread_create(&before, NULL, wait_long, (void *)&go) == 0);
    EXPECT(sandbox_enter(error) == 0);
    go = 1;
    EXPECT(pthread_join(before, &result) == 0 && result); /* it holds for threads that were there, */
    EXPECT(pthread_create(&after, NULL, nothing, &go) == 0 && pthread_join(after, NULL) == 0);
    EXPECT(fork() == -1 && errno == EPERM);
    EXPECT(system("true") != 0);
    EXPECT(execl("/bin/true", "true", (char *)NULL) == -1 && errno == EPERM);
    EXPECT(ptrace(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM);
    EXPECT(mount("none", "/mnt", "tmpfs", 0, NULL) == -1 && errno == EPERM);
    EXPECT(socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EPERM);
    EXPECT(syscall(SYS_bpf, 0, NULL, 0) == -1 && errno == EPERM);
    EXPECT(setuid(12) == -1 && errno == EPERM);
    EXPECT(chmod("/tmp", 0777) == -1 && errno == EPERM);
    EXPECT(socket(AF_INET, SOCK_DGRAM, 0) >= 0 && socket(AF_INET6, SOCK_STREAM, 0) >= 0);
    EXPECT(time(NULL) > 0);
    puts("ok");
    fflush(stdout);
    _exit(0);
}
"""


@pytest.mark.skipif(not SANDBOXED, reason="sanitizers are not sandboxed")
@pytest.mark.parametrize("mechanism, off", [(["sasl.mechanisms=GSSAPI"], True), (["sasl.mechanism=GSSAPI"], True),
                                            ([], True), (["sasl.mechanisms=PLAIN", "sasl.username=u",
                                                          "sasl.password=p"], False)])
def test_kerberos_turns_the_sandbox_off(run_start, mechanism, off):
    """It renews its tickets by a program; and it is what SASL means where nothing else is said."""
    log = run_start(rdkafka=["security.protocol=sasl_plaintext", "sasl.kerberos.keytab=/nowhere", *mechanism])
    if log is None:
        pytest.skip("this librdkafka has no GSSAPI")
    assert ("no sandbox: GSSAPI starts programs" in log) == off
    assert ("system calls are bounded" in log) != off


@pytest.fixture
def run_start(freshetd, upstream):
    def start(rdkafka):
        config = freshet.stub([upstream])
        config["feed"] = {"brokers": "127.0.0.1:1", "zones": ["example.com."], "rdkafka": rdkafka}
        try:
            return freshetd(config).log
        except process.NotReady as failure:
            assert "feed.rdkafka" in str(failure)
            return None
    return start


# --- secrets


def test_a_secret_that_others_may_read_is_told(upstream, freshetd, rundir):
    with open(f"{rundir}/secret", "w", encoding="ascii") as file:
        file.write("hunter2\n")
    config = freshet.stub([upstream])
    config["feed"] = {"brokers": "127.0.0.1:1", "zones": ["example.com."],
                      "rdkafka": ["security.protocol=sasl_plaintext", "sasl.mechanisms=PLAIN",
                                  "sasl.username=u", "sasl.password=hunter2"]}
    daemon = freshetd(config)
    assert "others may read" in daemon.log and "hunter2" not in daemon.log
    config["feed"]["rdkafka"][3] = f"sasl.password=file:{rundir}/secret"
    daemon = freshetd(config)
    assert "others may read" not in daemon.log and "hunter2" not in daemon.log
    assert "hunter2" not in str(daemon.status()) + str(daemon.metrics())
