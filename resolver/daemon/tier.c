#include "resolver/daemon/tier.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/answer/forwarders.h"
#include "resolver/answer/parent.h"
#include "daemon/log.h"
#include "daemon/net.h"
#include "resolver/net/forward.h"
#include "resolver/net/inside.h"

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
static struct server_stats *intern_origin(struct tier *tier, const char *text)
{
    for (size_t i = 0; i < tier->origin_count; i++)
        if (strcmp(tier->origins[i]->address, text) == 0)
            return tier->origins[i];
    /* After ORIGIN_MAX different addresses, the last one's numbers stand for all that follow. */
    if (tier->origin_count == ORIGIN_MAX)
        return tier->origins[ORIGIN_MAX - 1];
    struct server_stats *stats = calloc(1, sizeof *stats);
    if (!stats)
        return NULL;
    snprintf(stats->address, sizeof stats->address, "%s", text);
    tier->origins[tier->origin_count++] = stats;
    stats->origin = (uint8_t)tier->origin_count;
    return stats;
}

static void note_used(struct tier *tier, struct server_stats *stats)
{
    for (size_t i = 0; i < tier->used_count; i++)
        if (tier->used[i] == stats)
            return;
    tier->used[tier->used_count++] = stats; /* no more than there are origins */
}

static union address address_of(const struct sockaddr_storage *from)
{
    union address address = {.family = AF_UNSPEC};
    if (from->ss_family == AF_INET)
        memcpy(&address.in, from, sizeof address.in);
    else if (from->ss_family == AF_INET6)
        memcpy(&address.in6, from, sizeof address.in6);
    return address;
}

/* A link-local address is asked by the name of its interface; one that is not there yet is said, and waited for. */
static void take_interface(const struct tier *tier, const struct config_address *from,
                           struct tier_address *address)
{
    struct sockaddr_storage now = from->addr;
    net_interface_named(from->text, address->interface);
    if (!net_find_interface(from->text, &now))
        log_line(LOG_LEVEL_WARNING,
                 "msg=\"the interface of an upstream is not there yet: it is asked once it is\" "
                 "tier=%s upstream=%s",
                 tier->name, from->text);
}

/* Returns how many addresses there are now. */
static size_t take_addresses(struct tier *tier, const struct config_address *from, size_t count,
                             struct tier_address ret[SERVERS_MAX])
{
    size_t taken = 0;
    for (size_t i = 0; i < count && i < SERVERS_MAX; i++) {
        struct server_stats *stats = intern_origin(tier, from[i].text);
        if (!stats)
            continue;
        note_used(tier, stats);
        struct tier_address *address = &ret[taken++];
        *address = (struct tier_address){.address = address_of(&from[i].addr), .stats = stats};
        take_interface(tier, &from[i], address);
    }
    return taken;
}

/* The tier above, as if it were an address. */
static size_t take_above(struct tier *tier, const char *name)
{
    struct server_stats *stats = intern_origin(tier, name);
    if (!stats)
        return 0;
    note_used(tier, stats);
    tier->addresses[0] = (struct tier_address){.stats = stats};
    return 1;
}

/* The distance to the upstream; that of zones of its own stays what it is. */
static void take_link(struct tier *tier, const struct config_link *config)
{
    if (!config)
        return;
    tier->link = (struct link_options){
        .delay_ms = config->delay_ms, .jitter_ms = config->jitter_ms, .loss = config->loss};
    for (size_t i = 0; i < tier->address_count; i++)
        tier->addresses[i].link = &tier->link;
}

static void take_zone(struct tier *tier, const struct config_zone *config)
{
    struct tier_zone *zone = &tier->zones[tier->zone_count];
    int size = name_from_text(config->name, zone->name);
    if (size < 0)
        return;
    name_lower(zone->name, (size_t)size, zone->name);
    if (config->stream && tier->streamed) {
        static const char stream[] = "stream";
        struct server_stats *stats = intern_origin(tier, stream);
        zone->streamed = streamed_find(tier->streamed, zone->name);
        zone->falls_back = config->fallback != NULL;
        zone->origin = stats ? stats->origin : ORIGIN_NONE;
    }
    zone->parents = config->parent_count > 0;
    zone->address_count =
        zone->parents
            ? take_addresses(tier, config->parent, config->parent_count, zone->addresses)
            : take_addresses(tier, config->forward, config->forward_count, zone->addresses);
    tier->zone_count++;
}

/* Without memory for the zones, false and all stays as it was. */
static bool set_addresses(struct tier *tier, const struct config_tier *config)
{
    struct tier_zone *zones = calloc(config->zone_count + 1, sizeof *zones);
    if (!zones)
        return false;
    free(tier->zones);
    tier->zones = zones;
    tier->zone_count = 0;
    tier->used_count = 0;
    tier->parents = config->parent_count > 0 || (config->above && tier->subscribed);
    atomic_store_explicit(&tier->warm, config->cache.warm, memory_order_relaxed);
    atomic_store_explicit(&tier->trust_ad, config->trust_ad, memory_order_relaxed);
    tier->address_count =
        config->above ? take_above(tier, config->above)
        : tier->parents
            ? take_addresses(tier, config->parent, config->parent_count, tier->addresses)
            : take_addresses(tier, config->forward, config->forward_count, tier->addresses);
    take_link(tier, config->link);
    for (size_t i = 0; i < config->zone_count; i++)
        take_zone(tier, &config->zones[i]);
    network_list_set(&tier->position_for, config->position_for, config->position_for_count);
    return true;
}

struct tier *tier_new(const struct config_tier *config, const struct validity *validity,
                      const struct streamed *streamed)
{
    struct tier *tier = calloc(1, sizeof *tier);
    if (!tier)
        return NULL;
    pthread_mutex_init(&tier->lock, NULL);
    tier->name = strdup(config->name);
    tier->above = config->above ? strdup(config->above) : NULL;
    tier->subscribed = validity_zone_room(validity) > 0;
    tier->per_client = config->per_client;
    tier->streamed = streamed;
    tier->store = store_new(&(struct store_options){
        .size = config->cache.size,
        .policy = policy_of(&config->cache),
        .validity = validity,
    });
    tier->kin = tier->name ? kin_new(tier->name, validity) : NULL;
    if (!set_addresses(tier, config) || !tier->kin || !tier->store || tier->address_count == 0 ||
        (config->above && !tier->above)) {
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
    kin_free(tier->kin);
    local_unref(tier->local);
    admission_unref(tier->admission);
    authority_unref(tier->authority);
    free(tier->zones);
    for (size_t i = 0; i < tier->origin_count; i++)
        free(tier->origins[i]);
    pthread_mutex_destroy(&tier->lock);
    free(tier->above);
    free(tier->name);
    free(tier);
}

void tier_configure(struct tier *tier, const struct config_tier *config)
{
    struct ttl_policy policy = policy_of(&config->cache);
    if (store_configure(tier->store, &policy, config->cache.size) != ERR_OK)
        log_line(LOG_LEVEL_ERROR, "msg=\"size of cache unchanged: no memory\" tier=%s", tier->name);
    pthread_mutex_lock(&tier->lock);
    (void)set_addresses(tier, config);
    pthread_mutex_unlock(&tier->lock);
}

/* How messages travel to an address. NULL: no memory. */
static struct exchange *open_exchange(const struct tier_ways *ways,
                                      const struct tier_address *address)
{
    struct exchange *exchange =
        address->address.family == AF_UNSPEC
            ? inside_new(ways->base, ways->above)
            : forward_new(ways->base, &address->address.sa, address->interface, ways->ports);
    return address->link ? link_new(ways->base, exchange, address->link) : exchange;
}

static struct source *open_source(const struct tier_ways *ways,
                                  const struct tier_address *addresses, size_t count, bool parents)
{
    struct server_address to[SERVERS_MAX];
    for (size_t i = 0; i < count; i++)
        to[i] = (struct server_address){.address = addresses[i].address,
                                        .stats = addresses[i].stats,
                                        .exchange = open_exchange(ways, &addresses[i])};
    struct servers *servers = servers_new(ways->known, to, count);
    if (!servers)
        return NULL;
    struct source *source = forwarders_new(&(struct forwarders_options){
        .attempts = ways->attempts, .wheel = ways->wheel, .servers = servers});
    return source && parents ? parent_new(source, ways->positions) : source;
}

static bool same_servers(const struct tier_zone *one, const struct tier_zone *two)
{
    return one->parents == two->parents && one->address_count == two->address_count &&
           memcmp(one->addresses, two->addresses, one->address_count * sizeof one->addresses[0]) ==
               0;
}

/* Zones with the same servers share a source. */
static struct source *zone_source(const struct tier *tier, size_t i, struct routes *routes,
                                  const struct tier_ways *ways)
{
    const struct tier_zone *zone = &tier->zones[i];
    for (size_t k = 0; k < i && !zone->streamed; k++)
        if (!tier->zones[k].streamed && same_servers(&tier->zones[k], zone))
            return source_ref(routes_find(routes, tier->zones[k].name));
    return open_source(ways, zone->addresses, zone->address_count, zone->parents);
}

/* Who is asked after what a streamed zone does not have; the zone before it may have had the same servers. */
static struct source *near_source(const struct tier *tier, size_t i, struct source *rest,
                                  struct source *before, const struct tier_ways *ways)
{
    const struct tier_zone *zone = &tier->zones[i];
    if (zone->address_count == 0)
        return source_ref(rest);
    if (before && same_servers(&tier->zones[i - 1], zone))
        return source_ref(before);
    return open_source(ways, zone->addresses, zone->address_count, zone->parents);
}

/* Takes `near` over. */
static struct source *streamed_source(const struct tier_zone *zone, struct source *near,
                                      const struct tier_ways *ways)
{
    if (!near)
        return NULL;
    return zone_source_new(&(struct zone_source_options){.desk = ways->desk,
                                                         .zone = zone->streamed,
                                                         .near = near,
                                                         .falls_back = zone->falls_back,
                                                         .origin = zone->origin});
}

static struct routes *make_routes(const struct tier *tier, const struct tier_ways *ways)
{
    struct source *rest = open_source(ways, tier->addresses, tier->address_count, tier->parents);
    struct source *near = NULL; /* of the zone before, if that is streamed; borrowed */
    struct routes *routes = rest ? routes_new(rest) : NULL;
    for (size_t i = 0; routes && i < tier->zone_count; i++) {
        const struct tier_zone *zone = &tier->zones[i];
        near = zone->streamed ? near_source(tier, i, rest, near, ways) : NULL;
        struct source *source =
            zone->streamed ? streamed_source(zone, near, ways) : zone_source(tier, i, routes, ways);
        if (!source || routes_add(routes, zone->name, source) != ERR_OK) {
            routes_free(routes);
            return NULL;
        }
    }
    return routes;
}

struct routes *tier_routes(struct tier *tier, const struct tier_ways *ways)
{
    pthread_mutex_lock(&tier->lock);
    struct routes *routes = make_routes(tier, ways);
    pthread_mutex_unlock(&tier->lock);
    return routes;
}

/* "zone=example.com." and the like: who has too much under way. */
static void write_holder(const struct inflight_holder *holder, char *ret, size_t size)
{
    char name[NAME_MAX_TEXT], quoted[LOG_MAX_QUOTED], address[INET6_ADDRSTRLEN + 1] = "";
    const union address *client = holder->client;
    if (holder->zone)
        snprintf(ret, size, "zone=%s", log_quote(name_to_text(holder->zone, name), quoted));
    else if (client)
        snprintf(ret, size, "client=%s",
                 inet_ntop(client->family,
                           client->family == AF_INET ? (const void *)&client->in.sin_addr
                                                     : (const void *)&client->in6.sin6_addr,
                           address, sizeof address)
                     ? address
                     : "");
    else
        snprintf(ret, size, "holder=upstream");
}

void tier_is_full(void *arg, const struct inflight_holder *holder)
{
    struct tier *tier = arg;
    char who[LOG_MAX_QUOTED + sizeof "zone="];
    write_holder(holder, who, sizeof who);
    if (holder->silent)
        log_at(&tier->full, LOG_LEVEL_WARNING,
               "msg=\"nobody answers, questions are refused\" tier=%s %s", tier->name, who);
    else
        log_at(&tier->full, LOG_LEVEL_WARNING,
               "msg=\"no room, the oldest of the biggest holder goes\" tier=%s what=%s %s",
               tier->name, holder->count ? "questions" : "clients", who);
}

bool tier_trusts_ad(const struct tier *tier)
{
    return atomic_load_explicit(&tier->trust_ad, memory_order_relaxed);
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

void tier_set_local(struct tier *tier, struct local *local)
{
    pthread_mutex_lock(&tier->lock);
    struct local *old = tier->local;
    tier->local = local;
    pthread_mutex_unlock(&tier->lock);
    local_unref(old);
}

struct local *tier_local(struct tier *tier)
{
    pthread_mutex_lock(&tier->lock);
    struct local *local = tier->local ? local_ref(tier->local) : NULL;
    pthread_mutex_unlock(&tier->lock);
    return local;
}

void tier_set_admission(struct tier *tier, struct admission *admission)
{
    pthread_mutex_lock(&tier->lock);
    struct admission *old = tier->admission;
    tier->admission = admission;
    pthread_mutex_unlock(&tier->lock);
    admission_unref(old);
}

struct admission *tier_admission(struct tier *tier)
{
    pthread_mutex_lock(&tier->lock);
    struct admission *admission = tier->admission ? admission_ref(tier->admission) : NULL;
    pthread_mutex_unlock(&tier->lock);
    return admission;
}

void tier_set_authority(struct tier *tier, struct authority *authority)
{
    pthread_mutex_lock(&tier->lock);
    struct authority *old = tier->authority;
    tier->authority = authority;
    pthread_mutex_unlock(&tier->lock);
    authority_unref(old);
}

struct authority *tier_authority(struct tier *tier)
{
    pthread_mutex_lock(&tier->lock);
    struct authority *authority = tier->authority ? authority_ref(tier->authority) : NULL;
    pthread_mutex_unlock(&tier->lock);
    return authority;
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
