/*
 * snapshot_index.h - which generations of which zones are whole in the topic of snapshots, and where they lie.
 *
 * It is told of each message of the topic, each partition from its beginning on, and looks at keys and heads alone. Of a
 * zone and slot it follows one generation at a time: part 0 begins one, the next part goes on, anything else ends it. So it
 * needs the same memory for a zone of any size, and what it holds for whole was there, in order and undamaged, when it was read.
 *
 * Threads: the caller's.
 */
#ifndef FRESHET_INVALIDATION_SNAPSHOT_INDEX_H
#define FRESHET_INVALIDATION_SNAPSHOT_INDEX_H

#include "invalidation/snapshot.h"

struct snapshot_index;

/* Where a whole generation lies. */
struct snapshot_place {
    struct snapshot_head head;
    unsigned slot;
    int32_t partition; /* of the topic of snapshots, as the next two */
    int64_t first;     /* offset of part 0 */
    int64_t last;      /* and of the last part */
};

struct snapshot_message {
    int32_t partition;
    int64_t offset;
    const char *key;
    size_t key_size;
    const uint8_t *value; /* NULL: a tombstone */
    size_t value_size;
};

/* NULL: no memory. `all`: of all zones that there are; else of those that are wanted. */
struct snapshot_index *snapshot_index_new(bool all);
/* NULL is fine. */
void snapshot_index_free(struct snapshot_index *index);

/* `zone`: canonical, copied. */
MUST_CHECK int snapshot_index_want(struct snapshot_index *index, const uint8_t *zone);

/*
 * Takes a message. Returns 0, also for zones that nobody wants. What is not used, and nothing whole comes of: what
 * snapshot_read_part() and snapshot_read_key() return; ERR_ZONE (the key is of another zone), ERR_SCHEMA (of another part); ERR_MEMORY. Then
 * `ret_zone` has the zone of the key, or is the root where that cannot be read.
 */
MUST_CHECK int snapshot_index_take(struct snapshot_index *index,
                                   const struct snapshot_message *message,
                                   uint8_t ret_zone[NAME_MAX_SIZE]);

/*
 * For who writes: a generation was written to a slot, and the keys past its last part have tombstones. Where it lies is not
 * known. ERR_MEMORY.
 */
MUST_CHECK int snapshot_index_put(struct snapshot_index *index, unsigned slot,
                                  const struct snapshot_head *head);

/* What lies in a slot of a zone. */
struct snapshot_slot {
    bool whole;
    struct snapshot_place place; /* where it is whole */
    uint32_t keys; /* no key of the slot from this part on has anything but tombstones */
};

/* False: nothing is known of the zone. */
bool snapshot_index_find(const struct snapshot_index *index, const uint8_t *zone,
                         struct snapshot_slot ret_slots[SNAPSHOT_SLOTS]);

#endif
