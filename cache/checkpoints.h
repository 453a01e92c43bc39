/*
 * checkpoints.h - where the change clock stood when something else stood at a key: a moment, or an offset of the log.
 *
 *      key     0 ........ 4096 .... 6144 .. 7168 . 7680 7936 8064 ... 8190 8191 8192   (head)
 *      stamp   1          310       471     566    604  633  640      655  656  657
 *
 * Keys and stamps only grow. What is asked is: of all that happened up to `key`, which stamp is surely no newer? The
 * greatest checkpoint at or below the key says so. So a checkpoint may always be left out; the answer is then an older
 * stamp, which makes whatever is judged by it look older than it is, never newer.
 *
 * Memory is bounded by that: when it is full, checkpoints are thinned so that the gap before one is about a 64th of
 * its distance from the head. A few hundred of them span milliseconds to months. The first is never left out.
 *
 * Threads: the caller's lock.
 */
#ifndef FRESHET_CACHE_CHECKPOINTS_H
#define FRESHET_CACHE_CHECKPOINTS_H

#include <stddef.h>
#include <stdint.h>

#include "cache/stamp.h"

enum { CHECKPOINTS_MOST = 2048 }; /* of 16 bytes each */

struct checkpoint {
    uint64_t key;
    struct stamp stamp;
};

/* Zero-initialise. Memory is taken as it is needed. */
struct checkpoints {
    size_t count, capacity;
    struct checkpoint *items; /* by key, ascending */
};

/*
 * At `key` the clock stood at `stamp`. A key that is not above the newest one changes nothing. Without memory some
 * between the first and the newest make room.
 */
void checkpoints_add(struct checkpoints *checkpoints, uint64_t key, struct stamp stamp);

/* As checkpoints_add(); for the newest key once more, the later stamp counts. */
void checkpoints_move(struct checkpoints *checkpoints, uint64_t key, struct stamp stamp);

/* A stamp that the clock had reached at `key`, as new as is remembered; {0} when all checkpoints are above it. */
struct stamp checkpoints_at(const struct checkpoints *checkpoints, uint64_t key);

/* Forgets all and frees its memory. */
void checkpoints_clear(struct checkpoints *checkpoints);

#endif
