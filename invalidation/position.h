/*
 * position.h - how far this process has applied the log, and the EDNS option that tells a child tier.
 *
 * A child tier that was told of a change must not fetch the old answer again from a parent that was not told
 * yet (P3). So it asks its parent with an EDNS option, and the parent's response carries the parent's position,
 * read *before* the parent's own lookup: whatever the lookup finds is at least as new. The child keeps the answer
 * only if, for each zone the answer depends on, the parent's offset is not behind the child's own.
 *
 *   option, code 65317 (local use, RFC 6891 9):
 *
 *       query:     | version 1 | feed id 8 |
 *       response:  | version 1 | feed id 8 | partition 4 | offset 8 | partition 4 | offset 8 | ...
 *
 * Integers are big-endian. The feed id is a hash of the Kafka cluster's id and the topic: positions of
 * different logs do not compare. Only partitions that carry zones of the subscription are listed.
 *
 * Each partition has two offsets here, and which one is read when matters:
 *
 *   applying   set before the marks of a change set: what a child must ask for. Read after taking a stamp,
 *              it covers everything that stamp covers.
 *   applied    set after the change clock has moved: what a parent may claim. Read before a lookup, that
 *              lookup finds nothing older.
 *
 * Threads: one writer (the feed), any number of readers; a short lock.
 */
#ifndef FRESHET_INVALIDATION_POSITION_H
#define FRESHET_INVALIDATION_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/validity.h"
#include "dns/error.h"

/* A parent that claims to be further ahead than this is not believed. */
#define POSITION_MAX_AHEAD (INT64_C(1) << 32)

enum {
    POSITION_OPTION = 65317,
    POSITION_VERSION = 1,
    POSITION_MAX_LISTED = 48, /* partitions in a response: 585 bytes of option */
    POSITION_QUERY_SIZE = 4 + 1 + 8,
    POSITION_MAX_SIZE = POSITION_QUERY_SIZE + POSITION_MAX_LISTED * 12, /* option header included */
};

struct positions;

/* A copy, to compare or to send. */
struct position_set {
    bool known; /* there is a position */
    uint64_t feed_id;
    size_t count;
    struct {
        int32_t partition;
        int64_t offset; /* next to be applied */
    } listed[POSITION_MAX_LISTED];
};

/* Zones are those of `validity` (borrowed). NULL: no memory. */
struct positions *positions_new(const struct validity *validity);
void positions_free(struct positions *positions);

/*
 * Writer. A new position was taken: `offsets` by partition. To be called before everything is invalidated
 * (the child's side holds from there on), then positions_claim() after it.
 */
MUST_CHECK int positions_take(struct positions *positions, uint64_t feed_id, const int64_t *offsets,
                              size_t count);
void positions_claim(struct positions *positions);

/* Writer. There is no position any more. */
void positions_drop(struct positions *positions);

/* Writer: around the application of the message before `next` in a partition. */
void positions_applying(struct positions *positions, int32_t partition, int64_t next);
void positions_applied(struct positions *positions, int32_t partition, int64_t next);

/* What a parent may claim; take it before the lookup. */
void positions_applied_now(struct positions *positions, struct position_set *ret);

/* What a child must see; take it after the stamp. */
void positions_wanted_now(struct positions *positions, struct position_set *ret);

/*
 * Whether a parent at `parent` has applied at least what `wanted` says for the partition of `zone` (an index
 * of the subscription). Without a position of our own everything will do: all of it is invalidated when one
 * is taken.
 */
bool positions_cover(struct positions *positions, const struct position_set *parent,
                     const struct position_set *wanted, size_t zone);

/* Writes the option of a query, or of a response, with code and length. Returns the size; 0 without a position. */
size_t position_write_query(const struct position_set *wanted, uint8_t *buffer);
size_t position_write_response(const struct position_set *applied, uint8_t *buffer);

/*
 * Finds the option among EDNS options (checked to be well formed). Returns 1 with it read, 0 when there is none, or
 * ERR_FORMAT when it is malformed: wrong version or size, offsets or partitions below 0.
 */
MUST_CHECK int position_read(const uint8_t *options, size_t size, struct position_set *ret);

#endif
