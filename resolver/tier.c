#include "resolver/tier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ttl_policy policy_of(const struct config_cache *cache)
{
    return (struct ttl_policy){
        .min_ttl = cache->min_ttl,
        .max_ttl = cache->max_ttl,
        .negative_ttl = cache->negative_ttl,
        .client_ttl = cache->client_ttl,
        .hold = cache->hold,
        .serve_stale = cache->serve_stale,
        .prefetch = cache->prefetch,
    };
}

/* The stats of an address, made at its first use. The lock is held. */
static struct upstream_stats *intern_origin(struct tier *tier, const char *text)
{
    for (size_t i = 0; i < tier->origin_count; i++)
        if (strcmp(tier->origins[i]->address, text) == 0)
            return tier->origins[i];
    /* After ORIGIN_MAX different addresses, the last one's numbers stand for all that follow. */
    if (tier->origin_count == ORIGIN_MAX)
        return tier->origins[ORIGIN_MAX - 1];
    struct upstream_stats *stats = calloc(1, sizeof *stats);
    if (!stats)
        return NULL;
    snprintf(stats->address, sizeof stats->address, "%s", text);
    tier->origins[tier->origin_count++] = stats;
    stats->origin = (uint8_t)tier->origin_count;
    return stats;
}

static void set_addresses(struct tier *tier, const struct config_tier *config)
{
    tier->parents = config->parent_count > 0;
    atomic_store_explicit(&tier->warm, config->cache.warm, memory_order_relaxed);
    const struct config_address *from = tier->parents ? config->parent : config->forward;
    size_t count = tier->parents ? config->parent_count : config->forward_count;
    tier->address_count = 0;
    for (size_t i = 0; i < count && i < UPSTREAM_MAX_SERVERS; i++) {
        struct upstream_stats *stats = intern_origin(tier, from[i].text);
        if (stats)
            tier->addresses[tier->address_count++] = (struct upstream_address){from[i].addr, stats};
    }
    network_list_set(&tier->position_for, config->position_for, config->position_for_count);
}

struct tier *tier_new(const struct config_tier *config, const struct validity *validity,
                      uint64_t key)
{
    struct tier *tier = calloc(1, sizeof *tier);
    if (!tier)
        return NULL;
    pthread_mutex_init(&tier->lock, NULL);
    tier->name = strdup(config->name);
    tier->store = store_new(&(struct store_options){
        .size = config->cache.size,
        .key = key,
        .policy = policy_of(&config->cache),
        .validity = validity,
    });
    set_addresses(tier, config);
    if (!tier->name || !tier->store || tier->address_count == 0) {
        tier_free(tier);
        return NULL;
    }
    return tier;
}

void tier_free(struct tier *tier)
{
    if (!tier)
        return;
    store_free(tier->store);
    for (size_t i = 0; i < tier->origin_count; i++)
        free(tier->origins[i]);
    pthread_mutex_destroy(&tier->lock);
    free(tier->name);
    free(tier);
}

void tier_configure(struct tier *tier, const struct config_tier *config)
{
    struct ttl_policy policy = policy_of(&config->cache);
    store_configure(tier->store, &policy, config->cache.size);
    pthread_mutex_lock(&tier->lock);
    set_addresses(tier, config);
    pthread_mutex_unlock(&tier->lock);
}

struct upstream *tier_upstream(struct tier *tier, struct event_base *base)
{
    pthread_mutex_lock(&tier->lock);
    struct upstream *upstream = upstream_new(base, tier->addresses, tier->address_count);
    if (upstream)
        upstream->parents = tier->parents;
    pthread_mutex_unlock(&tier->lock);
    return upstream;
}

bool tier_is_warm(const struct tier *tier)
{
    return atomic_load_explicit(&tier->warm, memory_order_relaxed);
}

void tier_networks(struct tier *tier, struct network_list *ret)
{
    pthread_mutex_lock(&tier->lock);
    *ret = tier->position_for;
    pthread_mutex_unlock(&tier->lock);
}

const char *tier_origin_text(struct tier *tier, uint8_t origin)
{
    const char *text = origin == ORIGIN_FEED ? "feed" : "none";
    pthread_mutex_lock(&tier->lock);
    if (origin > 0 && origin <= tier->origin_count)
        text = tier->origins[origin - 1]->address;
    pthread_mutex_unlock(&tier->lock);
    return text;
}
