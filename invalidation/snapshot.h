/*
 * snapshot.h - the whole of a zone as messages of its own topic, with the offset of the log that it stands at.
 *
 *      zone state --- snapshot_write() ---> part 0, part 1, ... part n-1 ---> the topic dns.snapshots, compacted
 *                                                                               |
 *      zone edit <--- snapshot_reader <--- the parts of one generation <--- snapshot_index: which is whole?
 *
 * A zone is larger than a message, so a snapshot is many: its parts. All parts of one writing are a *generation*. The topic
 * is compacted: of each key the newest message stays. A key names the zone, one of two slots, and the part:
 *
 *      "example.com. a 0"  "example.com. a 1" ...       all in the partition that the zone has by murmur2 of its name
 *      "example.com. b 0"  "example.com. b 1" ...
 *
 * A generation is written to the slot that the newest whole one is not in, so one that was half written, by whoever was
 * killed then, takes no part of the other's away. Parts are written in order; when all are there, keys of the slot past the
 * last part get tombstones. In the topic, parts of older generations may stand before, between and behind those of the
 * newest: a reader takes a generation only whole, its parts in order, all heads alike, and by its digest.
 *
 * A message, integers big-endian:
 *
 *       0  "frsn"         | version 4: 1       | checksum 8: XXH3 of all that follows |
 *      16  generation 8   | part 4 | parts 4   |
 *      32  log 8: whose offset it is (the feed id of position.h)
 *      40  partition 4 | offset 8: of the first change set that is not in it
 *      52  made 8: microseconds since 1970 UTC | serial 4 | records 8: of the whole zone
 *      72  digest 48: of the whole zone (RFC 8976, SIMPLE, SHA-384)
 *     120  the zone's name, then records:
 *
 *      owner | type 2 | TTL 4 | count 2, 1 to 1024 | count times: RDATA size 2 | RDATA |
 *
 * An owner is a canonical name, or the byte 0xff alone: the same as before it in the part. Names are not compressed, the
 * topic is (zstd, lz4). Records of one RRset may go on in the next part. The SOA comes first.
 *
 * No Kafka here and no clock.
 */
#ifndef FRESHET_INVALIDATION_SNAPSHOT_H
#define FRESHET_INVALIDATION_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "dns/name.h"
#include "zone/digest.h"
#include "zone/zone.h"

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_HEAD_SIZE = 120,         /* without the zone's name */
    SNAPSHOT_PART_BYTES = 512 * 1024, /* about what a part takes before it is compressed */
    SNAPSHOT_MAX_BYTES = SNAPSHOT_PART_BYTES + 128 * 1024, /* one large record more fits */
    SNAPSHOT_MAX_PARTS = 1 << 20,
    SNAPSHOT_MAX_COUNT = 1024, /* records of an RRset in a row */
    SNAPSHOT_SLOTS = 2,
    SNAPSHOT_MAX_KEY = NAME_MAX_TEXT + 16,
};

/* What all parts of a generation say. */
struct snapshot_head {
    uint8_t zone[NAME_MAX_SIZE]; /* canonical */
    uint64_t generation;         /* unlike any other's: when it was made, in microseconds */
    uint32_t parts;
    uint64_t log_id;
    int32_t partition;
    int64_t offset; /* of the first change set that is not in it */
    int64_t made_us;
    uint32_t serial;
    uint64_t records;
    uint8_t digest[ZONE_DIGEST_SIZE];
};

/* A part, read as far as its records; borrows the message. */
struct snapshot_part {
    struct snapshot_head head;
    uint32_t part;
    struct wire_reader records;
};

/* ---- keys */

/* Writes a key without a NUL; returns its size. */
size_t snapshot_write_key(const uint8_t *zone, unsigned slot, uint32_t part,
                          char key[SNAPSHOT_MAX_KEY]);

/* ERR_FORMAT: it is none. */
MUST_CHECK int snapshot_read_key(const char *key, size_t size, uint8_t ret_zone[NAME_MAX_SIZE],
                                 unsigned *ret_slot, uint32_t *ret_part);

/* ---- writing */

/* Where in the log the state stands, and when. */
struct snapshot_stand {
    uint64_t log_id;
    int32_t partition;
    int64_t offset;
    int64_t now_us;
};

/*
 * Hands the parts of a state to `each`, in order; `bytes` are good inside the call. It returns 0, or an error that ends it.
 * Returns 0 or that error; ERR_ZONE (there is no SOA), ERR_TOO_LARGE (too many parts), ERR_MEMORY. `ret_head` says what
 * was written.
 */
MUST_CHECK int snapshot_write(const struct zone_state *state, const uint8_t *zone,
                              const struct snapshot_stand *stand,
                              int (*each)(void *arg, uint32_t part, const uint8_t *bytes,
                                          size_t size),
                              void *arg, struct snapshot_head *ret_head);

/* ---- reading */

/*
 * Reads the head of a message, and sees to it that its bytes are those that were written. ERR_SHORT, ERR_FORMAT (no
 * snapshot), ERR_SNAPSHOT_VERSION, ERR_CHECKSUM, ERR_NAME, ERR_SCHEMA (a head that cannot be).
 */
MUST_CHECK int snapshot_read_part(const uint8_t *bytes, size_t size, struct snapshot_part *ret);

/* Whether two parts may be of one generation. */
bool snapshot_same(const struct snapshot_head *one, const struct snapshot_head *other);

/* Takes the parts of one generation, in order, into an edit that was begun empty. Zero-initialise. */
struct snapshot_reader {
    struct snapshot_head head; /* once the first part was taken */
    uint32_t next;             /* part */
    uint64_t records;          /* taken */
    bool failed;
};

/*
 * Takes the next part. Returns 1 when that was the last one, and the edit is the zone that the head says, by its digest; 0
 * when more follow. What snapshot_read_part() returns; ERR_SCHEMA (another generation, or not the next part), ERR_ZONE,
 * ERR_TYPE, ERR_RDATA, ERR_TTL, ERR_SHORT (records), ERR_DIGEST, ERR_MEMORY: the edit is to be thrown away, and so is the
 * reader.
 */
MUST_CHECK int snapshot_reader_take(struct snapshot_reader *reader, struct zone_edit *edit,
                                    const uint8_t *bytes, size_t size);

#endif
