"""A machine that sleeps, as a program on it sees that: some clocks have gone on meanwhile, the others stood still.

A library preloaded into the program adds to CLOCK_BOOTTIME and CLOCK_REALTIME what the test says was slept.
"""

import mmap
import os
import struct
import subprocess

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *slept;

__attribute__((constructor)) static void start(void)
{
    int fd = open(getenv("SLEEPER"), O_RDONLY | O_CLOEXEC);
    void *page = mmap(NULL, sizeof *slept, PROT_READ, MAP_SHARED, fd, 0);
    slept = page == MAP_FAILED ? NULL : page;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    int result = (int)syscall(SYS_clock_gettime, clock, t);
    if (slept && (clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME))
        t->tv_sec += *slept;
    return result;
}
"""


class Sleeper:
    """Programs started with its `environment` have slept for as long as sleep() has said, all in all."""

    def __init__(self, directory):
        library, source = (os.path.join(directory, name) for name in ("sleeper.so", "sleeper.c"))
        self._path = os.path.join(directory, "slept")
        with open(source, "w", encoding="ascii") as file:
            file.write(SOURCE)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        with open(self._path, "wb") as file:
            file.write(bytes(8))
        with open(self._path, "r+b") as file:
            self._slept = mmap.mmap(file.fileno(), 8)
        self.environment = {"LD_PRELOAD": library, "SLEEPER": self._path}

    def sleep(self, seconds):
        before, = struct.unpack("=q", self._slept[:])
        self._slept[:] = struct.pack("=q", before + seconds)
