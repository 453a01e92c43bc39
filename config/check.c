#include "config/check.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/clients.h"
#include "config/members.h"
#include "config/streamed.h"
#include "config/units.h"
#include "config/zone_list.h"

enum { MAX_ZONES = 65536 /* of a tier, or of an origin, with those of files */ };

static bool same_address(const struct config_address *one, const struct config_address *two)
{
    return one->addr_size == two->addr_size && memcmp(&one->addr, &two->addr, one->addr_size) == 0;
}

/* ---- tiers ---------------------------------------------------------------------------------- */

static bool check_name(const struct config *config, size_t tier, struct fault *fault)
{
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    const char *name = config->tiers[tier].name;
    for (size_t i = 0; i < tier; i++) {
        if (strcmp(config->tiers[i].name, name) != 0)
            continue;
        fault_key(key, "tiers[%zu].name", tier);
        return fault_set(fault, key, "%s is the name of tiers[%zu]; expected another",
                         fault_quote(name, quote), i);
    }
    return true;
}

static bool check_ttls(const struct config *config, size_t tier, struct fault *fault)
{
    char key[FAULT_MAX_KEY];
    const struct config_cache *cache = &config->tiers[tier].cache;
    if (cache->min_ttl <= cache->max_ttl)
        return true;
    fault_key(key, "tiers[%zu].cache.min_ttl", tier);
    return fault_set(fault, key, "%us is above max_ttl, %us; expected at most that", cache->min_ttl,
                     cache->max_ttl);
}

static bool is_any(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET)
        return ((const struct sockaddr_in *)addr)->sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)addr)->sin6_addr);
}

/* Whether a socket at one leaves none at the other: 0.0.0.0 has all addresses of its port. */
static bool is_taken_by(const struct config_address *one, const struct config_address *two)
{
    const struct sockaddr_storage *left = &one->addr, *right = &two->addr;
    bool named = strchr(one->text, '%') && strchr(two->text, '%');
    if (left->ss_family != right->ss_family || (named && strcmp(one->text, two->text) != 0))
        return false;
    if (same_address(one, two))
        return true;
    /* sin_port and sin6_port lie in the same place */
    return ((const struct sockaddr_in *)left)->sin_port ==
               ((const struct sockaddr_in *)right)->sin_port &&
           (is_any(left) || is_any(right));
}

/* Where an address is listened on already. */
struct listener {
    size_t tier;
    size_t listen;
};

/* Finds `address` among the listeners before `end`, in the file's order. */
static bool find_listener(const struct config *config, const struct config_address *address,
                          struct listener end, struct listener *ret_listener)
{
    for (size_t t = 0; t <= end.tier && t < config->tier_count; t++) {
        const struct config_tier *tier = &config->tiers[t];
        size_t count = t == end.tier ? end.listen : tier->listen_count;
        for (size_t i = 0; i < count; i++) {
            if (!is_taken_by(&tier->listen[i], address))
                continue;
            *ret_listener = (struct listener){t, i};
            return true;
        }
    }
    return false;
}

static bool check_listen(const struct config *config, size_t tier, struct fault *fault)
{
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    struct listener taken;
    for (size_t i = 0; i < config->tiers[tier].listen_count; i++) {
        const struct config_address *address = &config->tiers[tier].listen[i];
        if (!find_listener(config, address, (struct listener){tier, i}, &taken))
            continue;
        fault_key(key, "tiers[%zu].listen[%zu]", tier, i);
        return fault_set(fault, key, "%s is taken by tiers[%zu].listen[%zu]; expected another",
                         fault_quote(address->text, quote), taken.tier, taken.listen);
    }
    return true;
}

/* ---- loops ---------------------------------------------------------------------------------- */

/* Whether `listen` is 0.0.0.0 or [::] and `target` the same port of this machine's loopback. */
static bool covers_loopback(const struct sockaddr_storage *listen,
                            const struct sockaddr_storage *target)
{
    if (listen->ss_family != target->ss_family)
        return false;
    if (listen->ss_family == AF_INET) {
        const struct sockaddr_in *any = (const struct sockaddr_in *)listen;
        const struct sockaddr_in *to = (const struct sockaddr_in *)target;
        return any->sin_addr.s_addr == htonl(INADDR_ANY) && any->sin_port == to->sin_port &&
               ntohl(to->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    const struct sockaddr_in6 *any = (const struct sockaddr_in6 *)listen;
    const struct sockaddr_in6 *to = (const struct sockaddr_in6 *)target;
    return IN6_IS_ADDR_UNSPECIFIED(&any->sin6_addr) && any->sin6_port == to->sin6_port &&
           IN6_IS_ADDR_LOOPBACK(&to->sin6_addr);
}

static bool asks_itself(const struct config_tier *tier, const struct config_address *target)
{
    for (size_t i = 0; i < tier->listen_count; i++)
        if (same_address(&tier->listen[i], target) ||
            covers_loopback(&tier->listen[i].addr, &target->addr))
            return true;
    return false;
}

/* The servers of one mapping, as one of the two keys lists them. */
struct servers {
    const char *mapping; /* "tiers[0].upstream" */
    const char *key;
    const struct config_address *list;
    size_t count;
};

static bool check_loop(const struct config_tier *tier, struct servers servers, struct fault *fault)
{
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    for (size_t i = 0; i < servers.count; i++) {
        if (!asks_itself(tier, &servers.list[i]))
            continue;
        fault_key(key, "%s.%s[%zu]", servers.mapping, servers.key, i);
        return fault_set(fault, key,
                         "%s is where this tier listens, a loop; expected another server",
                         fault_quote(servers.list[i].text, quote));
    }
    return true;
}

static bool check_servers(const struct config_tier *tier, struct servers forward,
                          struct servers parent, struct fault *fault)
{
    if (forward.count == 0 && parent.count == 0)
        return fault_set(fault, forward.mapping,
                         "neither forward nor parent; expected one of them");
    if (forward.count > 0 && parent.count > 0)
        return fault_set(fault, forward.mapping, "both forward and parent; expected one of them");
    return check_loop(tier, forward, fault) && check_loop(tier, parent, fault);
}

/* ---- tiers above tiers ----------------------------------------------------------------------- */

static const struct config_tier *find_tier(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->tier_count; i++)
        if (strcmp(config->tiers[i].name, name) == 0)
            return &config->tiers[i];
    return NULL;
}

/* Going up from `tier` never comes back to it. */
static bool check_no_circle(const struct config *config, const struct config_tier *tier,
                            const char *key, struct fault *fault)
{
    char quote[FAULT_MAX_QUOTE];
    const struct config_tier *above = tier;
    for (size_t i = 0; above && above->above && i < config->tier_count; i++) {
        above = find_tier(config, above->above);
        if (above == tier)
            return fault_set(fault, key, "%s leads back to this tier, a loop; expected another",
                             fault_quote(tier->above, quote));
    }
    return true;
}

static bool check_above(const struct config *config, size_t tier, struct fault *fault)
{
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    const struct config_tier *self = &config->tiers[tier];
    const struct config_tier *above = find_tier(config, self->above);
    fault_key(key, "tiers[%zu].upstream.tier", tier);
    if (self->forward_count > 0 || self->parent_count > 0)
        return fault_set(fault, key, "given beside %s; expected one of them",
                         self->forward_count ? "forward" : "parent");
    if (!above)
        return fault_set(fault, key, "%s is no tier of this file; expected the name of one",
                         fault_quote(self->above, quote));
    if (config->feed && self->subscribe && !above->subscribe)
        return fault_set(fault, key,
                         "%s does not subscribe, and would give old answers back; expected one "
                         "that does, or subscribe: false here",
                         fault_quote(self->above, quote));
    return check_no_circle(config, self, key, fault);
}

/* Somebody must be able to ask it. */
static bool check_reachable(const struct config *config, size_t tier, struct fault *fault)
{
    char key[FAULT_MAX_KEY];
    const char *name = config->tiers[tier].name;
    if (config->tiers[tier].listen_count > 0)
        return true;
    for (size_t i = 0; i < config->tier_count; i++)
        if (config->tiers[i].above && strcmp(config->tiers[i].above, name) == 0)
            return true;
    fault_key(key, "tiers[%zu].listen", tier);
    return fault_set(fault, key,
                     "missing, and no tier has this one as its upstream; expected "
                     "addresses");
}

static bool check_upstream(const struct config *config, size_t tier, struct fault *fault)
{
    char key[FAULT_MAX_KEY];
    const struct config_tier *self = &config->tiers[tier];
    if (self->above)
        return check_above(config, tier, fault);
    fault_key(key, "tiers[%zu].upstream", tier);
    if (self->forward_count == 0 && self->parent_count == 0)
        return fault_set(fault, key, "neither tier, forward nor parent; expected one of them");
    const struct servers forward = {key, "forward", self->forward, self->forward_count};
    const struct servers parent = {key, "parent", self->parent, self->parent_count};
    return check_servers(self, forward, parent, fault);
}

static bool check_tier_zones(const struct config *config, size_t tier, struct fault *fault)
{
    char key[FAULT_MAX_KEY];
    const struct config_tier *self = &config->tiers[tier];
    for (size_t i = 0; i < self->zone_count; i++) {
        const struct config_zone *zone = &self->zones[i];
        fault_key(key, "tiers[%zu].routes[%zu]", tier, i);
        const struct servers forward = {key, "forward", zone->forward, zone->forward_count};
        const struct servers parent = {key, "parent", zone->parent, zone->parent_count};
        if (zone->stream && forward.count == 0 && parent.count == 0)
            continue; /* `upstream` has what the zone does not */
        if (!check_servers(self, forward, parent, fault))
            return false;
    }
    return true;
}

/* ---- what takes a feed ---------------------------------------------------------------------- */

static bool refuse_without_feed(const struct config *config, size_t tier, const char *option,
                                const char *expected, struct fault *fault)
{
    char key[FAULT_MAX_KEY];
    fault_key(key, "tiers[%zu].%s", tier, option);
    return fault_set(fault, key, "needs a feed, and %s; expected %s",
                     config->feed ? "this tier does not subscribe" : "none is configured",
                     expected);
}

static bool check_needs_feed(const struct config *config, size_t tier, struct fault *fault)
{
    const struct config_tier *self = &config->tiers[tier];
    if (config->feed && self->subscribe)
        return true;
    if (self->cache.hold > 0)
        return refuse_without_feed(config, tier, "cache.hold", "0s or a feed", fault);
    if (self->cache.warm)
        return refuse_without_feed(config, tier, "cache.warm", "false or a feed", fault);
    if (self->parent_count > 0)
        return refuse_without_feed(config, tier, "upstream.parent", "forward or a feed", fault);
    for (size_t i = 0; i < self->zone_count; i++) {
        char option[FAULT_MAX_KEY];
        fault_key(option, "routes[%zu].parent", i);
        if (self->zones[i].parent_count > 0)
            return refuse_without_feed(config, tier, option, "forward or a feed", fault);
    }
    return true;
}

/* ---- experiments ---------------------------------------------------------------------------- */

/* `mapping` is where the link stands: "feed.link". */
static bool check_link(const struct config *config, const struct config_link *link,
                       const char *mapping, struct fault *fault)
{
    char key[FAULT_MAX_KEY], jitter[UNITS_MAX_TEXT], delay[UNITS_MAX_TEXT];
    if (!link)
        return true;
    if (!config->experiment)
        return fault_set(fault, mapping,
                         "is only for experiments; expected `experiment: true` at the top level");
    if (link->jitter_ms <= link->delay_ms)
        return true;
    fault_key(key, "%s.jitter", mapping);
    return fault_set(fault, key, "%s is above delay, %s; expected at most that",
                     units_format(&units_durations, link->jitter_ms, jitter),
                     units_format(&units_durations, link->delay_ms, delay));
}

static bool check_links(const struct config *config, struct fault *fault)
{
    char mapping[FAULT_MAX_KEY];
    for (size_t i = 0; i < config->tier_count; i++) {
        fault_key(mapping, "tiers[%zu].upstream.link", i);
        if (!check_link(config, config->tiers[i].link, mapping, fault))
            return false;
    }
    return !config->feed || check_link(config, config->feed->link, "feed.link", fault);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static bool check_metrics(const struct config *config, struct fault *fault)
{
    char quote[FAULT_MAX_QUOTE];
    struct listener taken;
    if (!config->metrics ||
        !find_listener(config, config->metrics, (struct listener){config->tier_count, 0}, &taken))
        return true;
    return fault_set(fault, "metrics", "%s is taken by tiers[%zu].listen[%zu]; expected another",
                     fault_quote(config->metrics->text, quote), taken.tier, taken.listen);
}

/* Names of a list, and where in it each stands: others of its entries have none. */
struct listing {
    const char *list; /* what they are written in: "zones" */
    char **names;
    size_t *places;
    size_t count;
    size_t most; /* 0: no limit */
};

static void free_listing(struct listing *listing)
{
    free(listing->names);
    free(listing->places);
}

/* The names of an entry. False: no memory. */
static bool list_names(struct listing *listing, char *const *names, size_t count, size_t place)
{
    const size_t room = listing->count + count + 1;
    char **grown = realloc(listing->names, room * sizeof *grown);
    if (grown)
        listing->names = grown;
    size_t *places = grown ? realloc(listing->places, room * sizeof *places) : NULL;
    if (!places)
        return false;
    listing->places = places;
    for (size_t i = 0; i < count; i++) {
        listing->names[listing->count] = names[i];
        listing->places[listing->count++] = place;
    }
    return true;
}

/* That of a zone, or those of a file; or none, of one that is for members of a catalog. */
static bool list_zone(struct listing *listing, char *const *name, char *const *names, size_t count,
                      size_t place)
{
    return names ? list_names(listing, names, count, place)
                 : list_names(listing, name, *name ? 1 : 0, place);
}

/* Each is there once. */
static bool check_listing(const struct listing *listing, struct fault *fault)
{
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    size_t first, second;
    fault_key(key, "%s", listing->list);
    if (listing->most > 0 && listing->count > listing->most)
        return fault_set(fault, key, "has %zu zones; expected %zu at most", listing->count,
                         listing->most);
    struct zone_list *sorted = zone_list_new(listing->names, listing->count);
    if (!sorted)
        return fault_memory(fault);
    const bool twice = zone_list_twice(sorted, &first, &second);
    zone_list_free(sorted);
    if (!twice)
        return true;
    fault_key(key, "%s[%zu]", listing->list, listing->places[second]);
    return fault_set(fault, key, "%s is %s[%zu] again; expected each zone once",
                     fault_quote(listing->names[second], quote), listing->list,
                     listing->places[first]);
}

static bool check_zone_names(const struct config *config, size_t tier, struct fault *fault)
{
    char list[FAULT_MAX_KEY];
    struct listing listing = {.list = list, .most = MAX_ZONES};
    const struct config_tier *self = &config->tiers[tier];
    bool good = true;
    fault_key(list, "tiers[%zu].routes", tier);
    for (size_t i = 0; good && i < self->zone_count; i++) {
        const struct config_zone *zone = &self->zones[i];
        good = list_zone(&listing, &zone->name, zone->names, zone->name_count, i) ||
               fault_memory(fault);
    }
    good = good && check_listing(&listing, fault);
    free_listing(&listing);
    return good;
}

static bool check_catalogs(const struct config_feed *feed, struct fault *fault)
{
    struct listing listing = {.list = "feed.catalogs"};
    bool good = true;
    for (size_t i = 0; good && i < feed->catalog_count; i++)
        good = list_names(&listing, &feed->catalogs[i], 1, i) || fault_memory(fault);
    good = good && (listing.count == 0 || check_listing(&listing, fault));
    free_listing(&listing);
    return good;
}

bool check_config(const struct config *config, struct fault *fault)
{
    for (size_t i = 0; i < config->tier_count; i++)
        if (!check_name(config, i, fault) || !check_ttls(config, i, fault) ||
            !check_listen(config, i, fault) || !check_upstream(config, i, fault) ||
            !check_reachable(config, i, fault) || !check_tier_zones(config, i, fault) ||
            !check_zone_names(config, i, fault) || !members_check_tier(config, i, fault) ||
            !check_needs_feed(config, i, fault) || !clients_check(config, i, fault) ||
            !streamed_check(config, i, fault))
            return false;
    if (!check_metrics(config, fault) || !check_links(config, fault))
        return false;
    return !config->feed || check_catalogs(config->feed, fault);
}

/* ---- freshet-origin ------------------------------------------------------------------------- */

static bool check_origin_listen(const struct config *config, struct fault *fault)
{
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    for (size_t i = 0; i < config->listen_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (!is_taken_by(&config->listen[k], &config->listen[i]))
                continue;
            fault_key(key, "listen[%zu]", i);
            return fault_set(fault, key, "%s is taken by listen[%zu]; expected another",
                             fault_quote(config->listen[i].text, quote), k);
        }
    }
    return true;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    return address->ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
                                         : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* Its protocol knows no password. */
static bool check_webhook(const struct config *config, struct fault *fault)
{
    char quote[FAULT_MAX_QUOTE];
    return !config->webhook || is_loopback(&config->webhook->addr) ||
           fault_set(fault, "webhook", "%s is not of loopback; expected such as 127.0.0.1:8888",
                     fault_quote(config->webhook->text, quote));
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(text, *words) != 0)
        words++;
    return *words != NULL;
}

/* A zone whose primary is the log has no others, and the other way round. */
static bool check_origin_zone(const struct config *config, size_t i, struct fault *fault)
{
    static const char *const serials[] = {"increment", "unixtime", "date", NULL};
    const struct config_origin_zone *zone = &config->origin_zones[i];
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    fault_key(key, "zones[%zu].log", i);
    if (zone->log && strcmp(zone->log, "primary") != 0)
        return fault_set(fault, key, "%s is not known; expected primary",
                         fault_quote(zone->log, quote));
    if (zone->log && zone->primary_count > 0)
        return fault_set(fault, key, "the zone has `primary` too; expected one of the two");
    fault_key(key, "zones[%zu].serial", i);
    if (!is_one_of(zone->serial, serials))
        return fault_set(fault, key, "%s is not known; expected increment, unixtime or date",
                         fault_quote(zone->serial, quote));
    fault_key(key, "zones[%zu].primary", i);
    if (!zone->log && zone->primary_count == 0)
        return fault_set(fault, key, "missing; expected its primaries, or log: primary");
    fault_key(key, "zones[%zu].log", i);
    if (!zone->log &&
        (zone->update_count > 0 || zone->update_from_count > 0 || zone->transfer_key_count > 0 ||
         zone->transfer_from_count > 0 || zone->notify_count > 0))
        return fault_set(fault, key,
                         "missing; expected primary where UPDATEs, transfers or "
                         "notify are meant");
    return true;
}

static bool check_origin_zones(const struct config *config, struct fault *fault)
{
    for (size_t i = 0; i < config->origin_zone_count; i++) {
        if (!check_origin_zone(config, i, fault))
            return false;
    }
    return true;
}

static bool check_origin_names(const struct config *config, struct fault *fault)
{
    struct listing listing = {.list = "zones", .most = MAX_ZONES};
    bool good = true;
    for (size_t i = 0; good && i < config->origin_zone_count; i++) {
        const struct config_origin_zone *zone = &config->origin_zones[i];
        good = list_zone(&listing, &zone->name, zone->names, zone->name_count, i) ||
               fault_memory(fault);
    }
    good = good && check_listing(&listing, fault);
    free_listing(&listing);
    return good;
}

bool check_origin(const struct config *config, struct fault *fault)
{
    bool good = check_origin_names(config, fault) && members_check_origin(config, fault) &&
                check_origin_listen(config, fault) && check_webhook(config, fault) &&
                check_origin_zones(config, fault);
    if (good && strcmp(config->feed->updates, config->feed->snapshots) == 0)
        good = fault_set(fault, "feed.snapshots", "is feed.updates too; expected another topic");
    return good;
}
