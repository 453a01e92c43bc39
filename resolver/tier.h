/*
 * tier.h - one cache with its policy and its upstream, as all workers share it.
 *
 * Threads: made before the workers and freed after them. The store has its own locks; the table of
 * addresses grows under one, on reload.
 */
#ifndef FRESHET_RESOLVER_TIER_H
#define FRESHET_RESOLVER_TIER_H

#include <pthread.h>

#include "cache/store.h"
#include "config/config.h"
#include "resolver/network.h"
#include "resolver/upstream.h"

struct tier {
    char *name;
    struct store *store;
    pthread_mutex_t lock;
    size_t origin_count;
    struct upstream_stats
        *origins[ORIGIN_MAX]; /* every address this tier ever had; never freed before it */
    /* the forwarders or parents in use now, and who is told our position */
    bool parents;
    _Atomic bool warm;
    size_t address_count;
    struct upstream_address addresses[UPSTREAM_MAX_SERVERS];
    struct network_list position_for;
};

/* NULL: no memory. `key` is secret. */
struct tier *tier_new(const struct config_tier *config, const struct validity *validity,
                      uint64_t key);
void tier_free(struct tier *tier);

/* Takes over cache policy, size and forwarders from a reloaded config; cached answers stay. */
void tier_configure(struct tier *tier, const struct config_tier *config);

/* A worker's own view of the forwarders in use. NULL: no memory. */
struct upstream *tier_upstream(struct tier *tier, struct event_base *base);

/* Whether answers in use that a change evicts are to be fetched again at once. */
bool tier_is_warm(const struct tier *tier);

/* A copy of the networks whose tiers are told our position. */
void tier_networks(struct tier *tier, struct network_list *ret);

/* Text for an answer's origin: "feed", an address, or "none" for a failure. Good as long as the tier. */
const char *tier_origin_text(struct tier *tier, uint8_t origin);

#endif
