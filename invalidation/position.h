/*
 * position.h - how far this process has applied the log, and what a parent tier's answer is worth by how far that is.
 *
 * A child tier that has applied a change must not take the old answer again from a parent that has not (P3). So a
 * child asks its parent with an EDNS option, and the parent's response carries the parent's position, read *before* the
 * parent's own lookup: whatever the lookup finds is at least as new. From there on an answer of the parent's is judged
 * as any other, by a stamp of the child's own:
 *
 *      the log, one partition:   ... | 40 | 41 | 42 | 43 |            parent is at 41: it has applied all below
 *      our clock when it came:         17   18   18   22   -> 23      so its answer is as old as our stamp 18
 *
 * that is, the clock as it was just before we applied what the parent lacks; over all partitions, the oldest. What no
 * change has touched since is kept although the parent lags, in whatever partition or zone a message lay.
 *
 * Not all of up to 1,024 offsets have to travel. A parent says how long ago it was proven to have applied everything that
 * was in the log (the proof of its lease). What we applied before that moment it has, wherever it lay. So the query
 * names the partitions in which we applied something within `horizon`, or took our position; the response has an
 * offset for each of those, and for all others the proof stands, or is the bound where something came in them since.
 *
 * A parent without a position, which starts or starts anew, holds nothing that it asked for before it dropped all it had. So it is
 * as a parent that had all of the log at that moment, and says so under no log's id.
 *
 * Offsets do not tell of which incarnation of a topic they are, nor how many partitions it had. So a child that has taken its position
 * anew compares offsets from the first proof on that is later than that; and a parent that is asked about partitions
 * which it has not heard of has no proof.
 *
 * Where nothing can be compared, a parent's answer is that of any cache that hears of no changes (cache/answer.h). In
 * doubt nobody keeps it, if the parent has ever told its position (P3).
 *
 *   option, code 65317 (local use, RFC 6891 9):
 *
 *       query:     | version 2 | feed id 8 | first partition 2 | a bit for each from there on ... |
 *       response:  | version 2 | feed id 8 | age of the proof 4 | flags 1 | offset | offset | ... |
 *
 * Integers are big-endian; the lowest bit of a byte comes first. The highest bit of "first partition" says that the name
 * asked for lies in a zone of the child's feed, so that a parent which does not hear of that zone can say so. The age is in milliseconds, all ones when there is no
 * proof. Offsets stand in the order of the query's bits, seven bits a byte, lowest first, the highest bit of a byte set when
 * more follow. Flag 1: the answer is provisional; 2: the feed vouches for it; 4: some name in
 * it lies in none of the parent's zones, so its position says nothing of that; 8: the parent has it from somebody's cache, which
 * may have it from before changes that the parent has not even heard of, having started after them. The feed id is a hash of the Kafka cluster's id and the topic:
 * positions of different logs do not compare; 0: there is no position, and the age is that of all that is given.
 *
 * Each partition has two offsets here, and which one is read when matters:
 *
 *   applying   set before the marks of a change set. Read after taking a stamp, it covers all that stamp covers.
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

/* The feed id of who has no position. */
#define POSITION_NO_LOG UINT64_C(0)

/* There is no proof. */
#define POSITION_NO_PROOF UINT32_MAX

enum {
    POSITION_OPTION = 65317,
    POSITION_VERSION = 2,
    POSITION_MAX_PARTITIONS = 1024,
    POSITION_MAX_NAMED = 128, /* in one query; where more are in use, the proof is the bound */
    POSITION_MARGIN_MS = 100, /* for what clocks and their readers are late */
    POSITION_HEADER_SIZE = 4 + 1 + 8,
    POSITION_QUERY_SIZE = POSITION_HEADER_SIZE + 2 + POSITION_MAX_PARTITIONS / 8,
    POSITION_RESPONSE_FIXED = POSITION_HEADER_SIZE + 4 + 1,
    POSITION_OFFSET_SIZE = 9, /* at most */
    POSITION_MAX_SIZE = POSITION_RESPONSE_FIXED + POSITION_MAX_NAMED * POSITION_OFFSET_SIZE,
};

struct positions;

/* The partitions that a child asks about. */
struct position_query {
    bool known; /* there is a position, so there is a question */
    struct mono
        quiet_since; /* no other partition has brought anything since; {0}: there is no other. Not sent */
    bool covered; /* the name asked for lies in a zone of the child's feed */
    uint64_t feed_id;
    uint16_t first;
    uint8_t size; /* bytes of bits */
    uint8_t bits[POSITION_MAX_PARTITIONS / 8];
};

/* A parent's position, to send or to judge by. */
struct position_claim {
    bool known;
    bool provisional; /* the answer that it comes with is */
    bool
        vouched; /* it is the authority's, and the feed tells when it changes: it may be held past its TTL */
    bool outside;     /* some name in it lies in no zone that the parent hears of */
    bool second_hand; /* the parent has it from a cache that hears of no changes */
    uint64_t feed_id;
    uint32_t
        age_ms; /* of the proof; without a position, of the oldest that is given; or POSITION_NO_PROOF */
    size_t count;
    int64_t offsets[POSITION_MAX_NAMED]; /* next to be applied, in the order of the query's bits */
};

/*
 * `validity` is borrowed. Within `horizon_ms` of having applied something in a partition it is asked about: somewhat more
 * than a lease. Without a position yet, nothing that is given here was asked for before `since`: that is `settle` before the
 * start, since authorities may lag for so long behind changes that nobody here has heard of. {0}: no log is followed. NULL: no memory.
 */
struct positions *positions_new(const struct validity *validity, uint64_t horizon_ms,
                                struct mono since);
void positions_free(struct positions *positions);

/*
 * Writer. A new position was taken: `offsets` by partition, asked for at `asked` and known by `now`. To be called before everything is
 * invalidated (the child's side holds from there on), then positions_claim() after it. Returns 0, ERR_MEMORY, or
 * ERR_TOO_LARGE for more than POSITION_MAX_PARTITIONS.
 */
MUST_CHECK int positions_take(struct positions *positions, uint64_t feed_id, const int64_t *offsets,
                              size_t count, struct mono asked, struct mono now);

/* Writer. Everything was invalidated after `since`. */
void positions_claim(struct positions *positions, struct mono since);

/* Writer. There is no position any more. To be called before everything is invalidated, then positions_claim() after it. */
void positions_drop(struct positions *positions);

/* Writer: around the application of the message before `next` in a partition. */
void positions_applying(struct positions *positions, int32_t partition, int64_t next,
                        struct mono now);
/* Also without positions_applying(), where what lies before `next` is no message. */
void positions_applied(struct positions *positions, int32_t partition, int64_t next);

/* Writer: all that was in the log at `moment` is applied. */
void positions_proved(struct positions *positions, struct mono moment);

/* What to ask a parent, after taking the stamp; `ret->known` false: nothing, all will do. */
void positions_ask(struct positions *positions, struct mono now, struct position_query *ret);

/* Whether the name (canonical) lies in a zone of the feed. */
bool positions_cover(const struct positions *positions, const uint8_t *name);

/* What a parent may claim to a child's query; take it before the lookup, at a `now` that is not before the query came. */
void positions_claim_for(struct positions *positions, const struct position_query *query,
                         struct mono now, struct position_claim *ret);

/*
 * How old a parent's answer is: `ret_stamp` is `own`, taken before the query, or older. `query` is what was asked
 * at `sent`. ERR_NOT_FOUND: the claim says nothing that can be compared, and the answer may be of any age.
 */
MUST_CHECK int positions_bound(struct positions *positions, const struct position_query *query,
                               const struct position_claim *claim, struct mono sent,
                               struct stamp own, struct stamp *ret_stamp);

/* Write the option with code and length. Return the size; 0 without a position. */
size_t position_write_query(const struct position_query *query, uint8_t *buffer);
size_t position_write_claim(const struct position_claim *claim, uint8_t *buffer);

/* Says in a query that is written already whether the name asked for lies in a zone of the child's feed. */
void position_note_query(uint8_t *query, bool covered);

/* Says in a claim that is written already what the answer is: its flags, from `what`. */
void position_describe(uint8_t *claim, const struct position_claim *what);

/*
 * Find the option among EDNS options (checked to be well formed). Return 1 with it read, 0 when there is none, or
 * ERR_FORMAT when it is malformed: wrong version or size, partitions there cannot be, offsets above 2^63 - 1.
 */
MUST_CHECK int position_read_query(const uint8_t *options, size_t size, struct position_query *ret);
MUST_CHECK int position_read_claim(const uint8_t *options, size_t size, struct position_claim *ret);

#endif
