/*
 * micro.h - a monotonic moment in microseconds: fine enough to measure a round trip with.
 *
 * The same clock as struct mono (cache/stamp.h), and like it always an argument: whoever calls from the loop has read
 * it, and a test makes it up.
 */
#ifndef FRESHET_RESOLVER_ANSWER_MICRO_H
#define FRESHET_RESOLVER_ANSWER_MICRO_H

#include "cache/stamp.h"

struct micro {
    uint64_t us;
};

static inline struct mono micro_ms(struct micro t)
{
    return (struct mono){t.us / 1000};
}

/* Microseconds from `since` to `now`. */
static inline uint64_t micro_between(struct micro since, struct micro now)
{
    return now.us - since.us;
}

#endif
