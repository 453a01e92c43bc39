/*
 * fuzz_snapshot.c - any bytes as a part of a snapshot: with the checksum set right, so that what is behind it is reached. A zone
 * that comes out is written again, and reads as the same.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "invalidation/snapshot_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { CHECKSUM_AT = 8, CHECKED_AT = 16, MOST = 1 << 16 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct again {
    struct snapshot_reader reader;
    struct zone_edit *edit;
    int result;
};

static int read_again(void *arg, uint32_t part, const uint8_t *bytes, size_t size)
{
    struct again *again = arg;
    (void)part;
    must(again->result == 0);
    again->result = snapshot_reader_take(&again->reader, again->edit, bytes, size);
    must(again->result >= 0);
    return 0;
}

static void write_again(const struct zone_state *state, const struct snapshot_head *head)
{
    struct zone *zone;
    struct snapshot_head written;
    struct again again = {.result = 0};
    must(zone_new(head->zone, &zone) == 0 && zone_edit_begin(zone, true, &again.edit) == 0);
    must(snapshot_write(state, head->zone, &(struct snapshot_stand){.now_us = 1}, read_again,
                        &again, &written) == 0);
    must(again.result == 1);
    zone_edit_abort(again.edit);
    zone_free(zone);
}

static void use(const uint8_t *bytes, size_t size)
{
    struct snapshot_part part;
    struct snapshot_reader reader = {.next = 0};
    struct zone *zone;
    struct zone_edit *edit = NULL;
    if (snapshot_read_part(bytes, size, &part) < 0)
        return;
    must(zone_new(part.head.zone, &zone) == 0 && zone_edit_begin(zone, true, &edit) == 0);
    const int result = snapshot_reader_take(&reader, edit, bytes, size);
    if (result == 1 || result == ERR_DIGEST) /* nobody can guess a digest */
        write_again(zone_edit_state(edit), &reader.head);
    zone_edit_abort(edit);
    zone_free(zone);
}

static void use_as_key(const uint8_t *bytes, size_t size)
{
    char key[SNAPSHOT_MAX_KEY];
    uint8_t zone[NAME_MAX_SIZE], other[NAME_MAX_SIZE];
    unsigned slot, slot_again;
    uint32_t part, part_again;
    if (snapshot_read_key((const char *)bytes, size, zone, &slot, &part) < 0)
        return;
    const size_t written = snapshot_write_key(zone, slot, part, key);
    must(snapshot_read_key(key, written, other, &slot_again, &part_again) == 0);
    must(name_equal(zone, other) && slot == slot_again && part == part_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t copy[MOST];
    if (size > MOST)
        return 0;
    zone_reader_register();
    use_as_key(bytes, size);
    memcpy(copy, bytes, size);
    if (size > CHECKED_AT) {
        const uint64_t checksum = XXH3_64bits(copy + CHECKED_AT, size - CHECKED_AT);
        for (size_t k = 0; k < 8; k++)
            copy[CHECKSUM_AT + k] = (uint8_t)(checksum >> (56 - 8 * k));
    }
    use(copy, size);
    zone_reader_unregister();
    return 0;
}
