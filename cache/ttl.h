/*
 * ttl.h - how long an answer may live, and what TTL a client is told.
 */
#ifndef FRESHET_CACHE_TTL_H
#define FRESHET_CACHE_TTL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    /* A failure is kept this long, so that a broken zone is not asked for every query. RFC 9520 3.2 wants a second at least:
     * whoever could not be reached may be back in a moment, and what is kept must not make the outage longer. */
    TTL_FAILURE_SECONDS = 1,
    /* What is fetched while a change settles, or may come from a cache, lives no longer: it may be the old answer (P4). */
    TTL_PROVISIONAL_SECONDS = 1,
    /* What a client is told of a stale answer (RFC 8767 4), */
    TTL_STALE_SECONDS = 30,
};

struct ttl_policy {
    uint32_t min_ttl;      /* seconds; raises shorter TTLs */
    uint32_t max_ttl;      /* seconds; lowers longer ones */
    uint32_t negative_ttl; /* seconds; upper bound for NXDOMAIN and NODATA (RFC 2308 5) */
    uint32_t client_ttl; /* seconds; upper bound towards clients, for answers of subscribed zones */
    uint32_t hold;       /* seconds an answer may live past its TTL, while the lease lasts */
    bool prefetch;       /* tell when an answer in use is near its end */
    uint32_t serve_stale; /* seconds past its TTL an answer may stand in for a dead upstream */
};

/* What a record that came with `ttl` lives by under the policy, in seconds. */
static inline uint32_t ttl_bounded(const struct ttl_policy *policy, uint32_t ttl, bool negative)
{
    if (ttl < policy->min_ttl)
        ttl = policy->min_ttl;
    if (ttl > policy->max_ttl)
        ttl = policy->max_ttl;
    if (negative && ttl > policy->negative_ttl)
        ttl = policy->negative_ttl;
    return ttl;
}

#endif
