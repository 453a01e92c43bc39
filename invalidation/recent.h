/*
 * recent.h - how the newest change sets came: of each its age when it was applied, and how long that took.
 *
 * Sets are numbered from 1 in the order they were applied, as the feed counts them.
 *
 * Threads: the caller's lock.
 */
#ifndef FRESHET_INVALIDATION_RECENT_H
#define FRESHET_INVALIDATION_RECENT_H

#include <stddef.h>
#include <stdint.h>

enum { RECENT_MOST = 512 };

/* Microseconds; what is more than fits (71 minutes) is told as that. */
struct recent_set {
    uint32_t age_us; /* by its "time" and this host's clock; 0 when that is in the future */
    uint32_t took_us;
};

struct recent {
    uint64_t count; /* ever */
    struct recent_set sets[RECENT_MOST];
};

void recent_add(struct recent *recent, int64_t age_us, int64_t took_us);

/*
 * Copies what is remembered of the sets after number `after`, the oldest first. Returns how many; the first of them
 * has number *ret_first, which is more than `after` + 1 where some are forgotten.
 */
size_t recent_after(const struct recent *recent, uint64_t after,
                    struct recent_set ret_sets[RECENT_MOST], uint64_t *ret_first);

#endif
