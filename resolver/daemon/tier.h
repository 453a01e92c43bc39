/*
 * tier.h - one cache with its policy and its upstream, as all workers share it.
 *
 * Threads: made before the workers and freed after them. The store has its own locks; the table of
 * addresses grows under one, on reload.
 */
#ifndef FRESHET_RESOLVER_DAEMON_TIER_H
#define FRESHET_RESOLVER_DAEMON_TIER_H

#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>

#include "cache/store.h"
#include "config/config.h"
#include "invalidation/streamed.h"
#include "resolver/answer/admission.h"
#include "resolver/answer/authority.h"
#include "resolver/answer/inflight.h"
#include "resolver/answer/local.h"
#include "resolver/answer/network.h"
#include "resolver/answer/route.h"
#include "resolver/answer/servers.h"
#include "resolver/answer/zone_source.h"
#include "resolver/daemon/kin.h"
#include "daemon/log.h"
#include "resolver/net/link.h"

/* Who may be asked. */
struct tier_address {
    union address address;           /* zero for the tier above */
    char interface[IF_NAMESIZE];     /* of a link-local one, which may come later; or "" */
    struct server_stats *stats;      /* borrowed */
    const struct link_options *link; /* the distance to it; borrowed. NULL: none is simulated */
};

/* A zone with upstreams of its own, or that is streamed. */
struct tier_zone {
    uint8_t name[NAME_MAX_SIZE];          /* canonical */
    const struct streamed_zone *streamed; /* borrowed; NULL: it is not */
    bool falls_back;
    uint8_t origin; /* of what the zone itself says */
    bool parents;
    size_t address_count;
    struct tier_address addresses[SERVERS_MAX];
};

struct tier {
    char *name;
    char *above;     /* the tier of this process that it asks; NULL: it has addresses to ask */
    bool subscribed; /* to the feed */
    bool per_client;
    const struct streamed *streamed; /* borrowed; NULL: none is */
    struct store *store;
    pthread_mutex_t lock;
    size_t origin_count;
    struct server_stats
        *origins[ORIGIN_MAX]; /* every address this tier ever had; never freed before it */
    struct link_options link; /* the distance to the upstream, where one is simulated */
    /* the forwarders or parents in use now, and who is told our position */
    bool parents;
    _Atomic bool warm, trust_ad;
    size_t address_count;
    struct tier_address addresses[SERVERS_MAX];
    size_t zone_count;
    struct tier_zone *zones;
    size_t used_count; /* all addresses in use, each once */
    struct server_stats *used[ORIGIN_MAX];
    struct network_list position_for;
    struct log_place full; /* for who has most under way */
    struct kin *kin;
    struct local *local;         /* a reference; NULL before it is set */
    struct admission *admission; /* likewise */
    struct authority *authority; /* likewise; NULL: it is that of no zone */
};

/* `validity` has the zones that the tier subscribes to, `streamed` those that it streams. NULL: no memory. */
struct tier *tier_new(const struct config_tier *config, const struct validity *validity,
                      const struct streamed *streamed);
void tier_free(struct tier *tier);

/* Takes over cache policy, size and upstreams from a reloaded config; cached answers stay. */
void tier_configure(struct tier *tier, const struct config_tier *config);

/* What of a worker the ways to upstreams are made of. */
struct tier_ways {
    struct event_base *base;
    struct wheel *wheel;
    struct attempts *attempts;
    struct known_servers *known;
    struct zone_desk *desk;
    struct tier_worker *above; /* of the tier that this one asks; NULL: it asks servers */
    struct positions *positions;
    struct ports_budget *ports;
};

/* A worker's own view of the upstreams in use. NULL: no memory. */
struct routes *tier_routes(struct tier *tier, const struct tier_ways *ways);

/* Whether clients are told what the upstream has validated. */
bool tier_trusts_ad(const struct tier *tier);

/* Whether answers in use that a change evicts are to be fetched again at once. */
bool tier_is_warm(const struct tier *tier);

/* Any thread: who has most under way, now that a table is full. Says so once a second. */
void tier_is_full(void *tier, const struct inflight_holder *holder);

/* A copy of the networks whose tiers are told our position. */
void tier_networks(struct tier *tier, struct network_list *ret);

/* Names answered without cache and upstreams, from here on; takes over the reference. */
void tier_set_local(struct tier *tier, struct local *local);

/* What clients must pass, from here on; takes over the reference. */
void tier_set_admission(struct tier *tier, struct admission *admission);
/* The same, with a reference for the caller; NULL before it is set. */
struct admission *tier_admission(struct tier *tier);

/* Zones that it answers for, from here on; takes over the reference, which may be NULL. */
void tier_set_authority(struct tier *tier, struct authority *authority);
/* The same, with a reference for the caller; NULL: none. */
struct authority *tier_authority(struct tier *tier);

/* These names, with a reference for the caller; NULL when none were set. */
struct local *tier_local(struct tier *tier);

/* Text for an answer's origin: "feed", an address, or "none" for a failure. Good as long as the tier. */
const char *tier_origin_text(struct tier *tier, uint8_t origin);

#endif
