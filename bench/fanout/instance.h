/*
 * instance.h - one subscribed cache, put together as in resolver/daemon/daemon.c, that notes the times.
 *
 * Threads: those of the feed, which calls back when a set was applied; the rest is the owner's.
 */
#ifndef FRESHET_BENCH_FANOUT_INSTANCE_H
#define FRESHET_BENCH_FANOUT_INSTANCE_H

#include <stdatomic.h>

#include "bench/common/freshet_cache.h"
#include "bench/fanout/fanout.h"
#include "invalidation/feed.h"

struct instance {
    struct cache cache;
    struct positions *positions;
    struct feed *feed;
    const struct fanout_options *options;
    int64_t *applied_us;    /* by set */
    _Atomic uint64_t next;  /* the set that must come now */
    _Atomic uint64_t wrong; /* names that came in another's place */
    _Atomic uint64_t lives; /* times the feed became live */
};

/* What every name's answer was, once all is published. */
struct instance_check {
    uint64_t newest;  /* the last change to the name */
    uint64_t evicted; /* no answer any more: the change came, its data was not taken */
    uint64_t old;     /* an earlier change's data: this must not be */
};

/*
 * Starts it; `applied_us` has room for options->sets, both stay borrowed. False, with a line on
 * stderr.
 */
bool instance_start(struct instance *instance, const struct fanout_options *options,
                    int64_t *applied_us);

/* Whether its feed is live; `ret_status` may be NULL. */
bool instance_is_live(struct instance *instance, struct feed_status *ret_status);

/* Keeps an answer for each name, as if fetched now. To be called once it is live. */
bool instance_fill(struct instance *instance, struct mono now);

/* Asks for every name after `published` sets, at least one for each name; adds to `ret`. */
void instance_check(struct instance *instance, uint64_t published, struct mono now,
                    struct instance_check *ret);

#endif
