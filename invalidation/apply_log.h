/*
 * apply_log.h - how the newest change sets came: of each its age when it was applied, and how long that took.
 *
 * Sets are numbered from 1 in the order they were applied, as the feed counts them.
 *
 * Threads: the caller's lock.
 */
#ifndef FRESHET_INVALIDATION_APPLY_LOG_H
#define FRESHET_INVALIDATION_APPLY_LOG_H

#include <stddef.h>
#include <stdint.h>

enum { APPLY_LOG_MOST = 512 };

/* Microseconds; what is more than fits (71 minutes) is told as that. */
struct applied_set {
    uint32_t age_us; /* by its "time" and this host's clock; 0 when that is in the future */
    uint32_t took_us;
};

struct apply_log {
    uint64_t count; /* ever */
    struct applied_set sets[APPLY_LOG_MOST];
};

void apply_log_add(struct apply_log *apply_log, int64_t age_us, int64_t took_us);

/*
 * Copies what is remembered of the sets after number `after`, the oldest first. Returns how many; the first of them
 * has number *ret_first, which is more than `after` + 1 where some are forgotten.
 */
size_t apply_log_after(const struct apply_log *apply_log, uint64_t after,
                       struct applied_set ret_sets[APPLY_LOG_MOST], uint64_t *ret_first);

#endif
