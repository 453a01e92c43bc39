/* fuzz_zone_file.c - any bytes as a zone file; what is taken is written so that it reads back, and has a digest. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zone/digest.h"
#include "zone/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The digest of what a file holds; false: it is none. */
static bool read_file(int fd, uint8_t digest[ZONE_DIGEST_SIZE], FILE *copy)
{
    static const uint8_t apex[] = {1, 'z', 0};
    char path[32];
    struct zone *zone;
    struct zone_edit *edit = NULL;
    struct zone_file_error error;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    must(zone_new(apex, &zone) == ERR_OK && zone_edit_begin(zone, true, &edit) == ERR_OK);
    const int result = zone_file_read(path, edit, &error);
    must(result == ERR_OK || error.where[0]);
    if (result == ERR_OK) {
        must(zone_digest(zone_edit_state(edit), digest) == ERR_OK);
        must(!copy || zone_file_write(copy, zone_edit_state(edit)) == ERR_OK);
        zone_edit_commit(edit);
    } else {
        zone_edit_abort(edit);
    }
    zone_free(zone);
    return result == ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t digest[ZONE_DIGEST_SIZE], again[ZONE_DIGEST_SIZE];
    if (size == 0 || memmem(bytes, size, "NCLUDE", 6) || memmem(bytes, size, "nclude", 6))
        return 0; /* other files are none of ours */
    const int fd = memfd_create("zone", 0), copy_fd = memfd_create("copy", 0);
    FILE *copy = fdopen(copy_fd, "w");
    must(fd >= 0 && copy && write(fd, bytes, size) == (ssize_t)size);
    if (read_file(fd, digest, copy))
        must(read_file(copy_fd, again, NULL) && memcmp(digest, again, sizeof digest) == 0);
    fclose(copy);
    close(fd);
    return 0;
}
