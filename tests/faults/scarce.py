"""A program that finds no memory when a test says so: a library preloaded into it fails allocations.

    scarce.fail_at(300)      the 300th from now on, and no other
    scarce.fail_each(50)     every 50th, until fail_each(0)
"""

import mmap
import os
import struct
import subprocess

SOURCE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *bytes, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static struct page {
    _Atomic int64_t asked, fail_at, fail_each, failed;
} *page;

__attribute__((constructor)) static void start(void)
{
    int fd = open(getenv("SCARCE"), O_RDWR | O_CLOEXEC);
    void *found = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    page = found == MAP_FAILED ? NULL : found;
    close(fd);
}

static bool fails(void)
{
    if (!page)
        return false;
    const int64_t number = ++page->asked, at = page->fail_at, each = page->fail_each;
    if (number != at && (each == 0 || number % each != 0))
        return false;
    page->failed++;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *bytes, size_t size)
{
    return fails() ? NULL : __libc_realloc(bytes, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *bytes = fails() ? NULL : __libc_memalign(alignment, size);
    if (!bytes)
        return ENOMEM;
    *ret = bytes;
    return 0;
}
"""
ASKED, AT, EACH, FAILED = range(4)


class Scarce:
    """Programs started with its `environment` have the memory that it gives them."""

    def __init__(self, directory):
        library, source = (os.path.join(directory, name) for name in ("scarce.so", "scarce.c"))
        path = os.path.join(directory, "scarce")
        with open(source, "w", encoding="ascii") as file:
            file.write(SOURCE)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        with open(path, "wb") as file:
            file.write(bytes(32))
        os.chmod(path, 0o666)
        with open(path, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), 32)
        self.environment = {"LD_PRELOAD": library, "SCARCE": path}

    def _get(self, field):
        return struct.unpack_from("=q", self._page, 8 * field)[0]

    def _set(self, field, value):
        self._page[8 * field:8 * field + 8] = struct.pack("=q", value)

    def begin(self):
        """Counts from here on, with as much memory as is wanted."""
        for field in (AT, EACH, ASKED, FAILED):
            self._set(field, 0)

    def fail_at(self, number):
        self._set(AT, self._get(ASKED) + number)

    def fail_each(self, number):
        self._set(EACH, number)

    @property
    def asked(self):
        return self._get(ASKED)

    @property
    def failed(self):
        return self._get(FAILED)
