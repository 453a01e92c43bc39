/*
 * stamp.h - points in time of two kinds, kept apart by their types.
 *
 *   struct stamp   a point on the change clock: how many change sets this process has applied when a
 *                  fetch set out. Says how old an answer's *data* is.
 *   struct mono    a monotonic moment in milliseconds. Says how old its *TTL* is. Below resolver/ it
 *                  is always an argument, so tests run under a made-up clock. It goes on while the
 *                  machine sleeps, as the world does: whoever reads it asks for MONO_CLOCK.
 */
#ifndef FRESHET_CACHE_STAMP_H
#define FRESHET_CACHE_STAMP_H

#include <stdbool.h>
#include <stdint.h>

/* clock_gettime(2). CLOCK_MONOTONIC stands still in a suspended machine: TTLs and leases would outlive it. */
#define MONO_CLOCK CLOCK_BOOTTIME

struct stamp {
    uint64_t n;
};

struct mono {
    uint64_t ms;
};

static inline bool stamp_after(struct stamp a, struct stamp b)
{
    return a.n > b.n;
}

static inline struct mono mono_add(struct mono t, uint64_t ms)
{
    return (struct mono){t.ms + ms};
}

static inline bool mono_reached(struct mono now, struct mono deadline)
{
    return now.ms >= deadline.ms;
}

/* Whole seconds from `since` to `now`; 0 when `now` is earlier. */
static inline uint32_t mono_seconds(struct mono since, struct mono now)
{
    return now.ms > since.ms ? (uint32_t)((now.ms - since.ms) / 1000) : 0;
}

#endif
