#include "config/streamed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/members.h"
#include "config/zone_list.h"

/* The names of a tier's zones, and of which each is. */
struct names {
    char **names;
    size_t *places;
    size_t count;
};

/* False: no memory. */
static bool find_names(const struct config_tier *tier, struct names *ret)
{
    size_t room = 1;
    for (size_t i = 0; i < tier->zone_count; i++)
        room += tier->zones[i].names ? tier->zones[i].name_count : 1;
    *ret = (struct names){calloc(room, sizeof *ret->names), calloc(room, sizeof *ret->places), 0};
    for (size_t i = 0; ret->names && ret->places && i < tier->zone_count; i++) {
        const struct config_zone *zone = &tier->zones[i];
        const size_t count = zone->names ? zone->name_count : zone->name ? 1 : 0;
        for (size_t k = 0; k < count; k++) {
            ret->places[ret->count] = i;
            ret->names[ret->count++] = zone->names ? zone->names[k] : zone->name;
        }
    }
    return ret->names && ret->places;
}

/*
 * Marks those of a tier's zones that the feed follows, with all names of a file: it may have a million, the tier has few. Members of
 * a catalog are among them as long as they are members. False: no memory.
 */
static bool mark_followed(const struct config *config, const struct config_tier *tier, bool *ret)
{
    uint8_t wire[ZONE_NAME_MAX];
    size_t found;
    struct names names;
    size_t *missing = calloc(tier->zone_count + 1, sizeof *missing);
    struct zone_list *list =
        find_names(tier, &names) && missing ? zone_list_new(names.names, names.count) : NULL;
    for (size_t i = 0; list && i < names.count; i++)
        missing[names.places[i]]++;
    for (size_t i = 0; list && config->feed && i < config->feed->zone_count; i++)
        if (zone_list_has(list, wire, zone_name_read(config->feed->zones[i], wire), &found))
            missing[names.places[found]]--;
    for (size_t i = 0; list && i < tier->zone_count; i++)
        ret[i] = missing[i] == 0;
    const bool good = list != NULL;
    zone_list_free(list);
    free(names.names);
    free(names.places);
    free(missing);
    return good;
}

static bool has_streamed(const struct config_tier *tier)
{
    for (size_t i = 0; i < tier->zone_count; i++)
        if (tier->zones[i].stream)
            return true;
    return false;
}

/* What of a zone is for one that is handed on; NULL: nothing. */
static const char *for_secondaries(const struct config_zone *zone)
{
    return zone->transfer_key_count > 0    ? "transfer_keys"
           : zone->transfer_from_count > 0 ? "transfer_from"
           : zone->notify_count > 0        ? "notify"
           : zone->key                     ? "key"
                                           : NULL;
}

/* What is written of a zone has something that takes it. */
static bool check_plain(const struct config_zone *zone, const char *mapping, struct fault *fault)
{
    char key[FAULT_MAX_KEY];
    const char *what = zone->authoritative ? "authoritative" : zone->fallback ? "fallback" : NULL;
    if (!zone->stream && what) {
        fault_key(key, "%s.%s", mapping, what);
        return fault_set(fault, key, "is for a streamed zone; expected `stream: true` beside it");
    }
    what = for_secondaries(zone);
    if (zone->authoritative || !what)
        return true;
    fault_key(key, "%s.%s", mapping, what);
    return fault_set(fault, key,
                     "is for a zone that is handed on; expected `authoritative: true` beside it");
}

static bool check_streamed(const struct config *config, size_t tier, size_t index, bool followed,
                           struct fault *fault)
{
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    const struct config_zone *zone = &config->tiers[tier].zones[index];
    fault_key(key, "tiers[%zu].routes[%zu].stream", tier, index);
    if (!config->feed || !config->tiers[tier].subscribe)
        return fault_set(fault, key, "needs a feed, and %s; expected false or a feed",
                         config->feed ? "this tier does not subscribe" : "none is configured");
    if (!followed)
        return fault_set(fault, key,
                         zone->names ? "not all zones of %s are in feed.zones; expected them there"
                                     : "%s is not in feed.zones; expected it there",
                         fault_quote(zone->name, quote));
    if (!zone->fallback || strcmp(zone->fallback, "upstream") == 0)
        return true;
    fault_key(key, "tiers[%zu].routes[%zu].fallback", tier, index);
    return fault_set(fault, key, "%s is none; expected upstream",
                     fault_quote(zone->fallback, quote));
}

bool streamed_check(const struct config *config, size_t tier, struct fault *fault)
{
    char mapping[FAULT_MAX_KEY];
    const struct config_tier *self = &config->tiers[tier];
    bool *followed = calloc(self->zone_count + 1, sizeof *followed);
    bool good = followed && (!has_streamed(self) || mark_followed(config, self, followed));
    if (!good)
        fault_memory(fault);
    for (size_t i = 0; good && i < self->zone_count; i++) {
        fault_key(mapping, "tiers[%zu].routes[%zu]", tier, i);
        good = check_plain(&self->zones[i], mapping, fault) &&
               (!self->zones[i].stream || check_streamed(config, tier, i, followed[i], fault));
    }
    free(followed);
    if (!good)
        return false;
    const struct config_feed *feed = config->feed;
    if (!feed || !feed->snapshots || strcmp(feed->updates, feed->snapshots) != 0)
        return true;
    return fault_set(fault, "feed.snapshots", "is feed.updates too; expected another topic");
}

static bool is_same(const struct config_zone *one, const struct config_zone *two)
{
    return members_same(one, two) ||
           (one->name && two->name && zone_name_same(one->name, two->name));
}

/* The first streamed zone of a tier that is not streamed in another version of it; NULL: none. */
static const struct config_zone *only_here(const struct config_tier *here,
                                           const struct config_tier *there)
{
    for (size_t i = 0; i < here->zone_count; i++) {
        bool found = !here->zones[i].stream;
        for (size_t k = 0; k < there->zone_count && !found; k++)
            found = there->zones[k].stream && is_same(&here->zones[i], &there->zones[k]);
        if (!found)
            return &here->zones[i];
    }
    return NULL;
}

bool streamed_differ(const struct config *running, const struct config *wanted,
                     char ret_key[CONFIG_MAX_ERROR])
{
    for (size_t i = 0; i < running->tier_count; i++) {
        const struct config_tier *one = &running->tiers[i], *two = &wanted->tiers[i];
        const struct config_zone *zone = only_here(one, two);
        if (!zone)
            zone = only_here(two, one);
        if (zone) {
            snprintf(ret_key, CONFIG_MAX_ERROR, "tiers[%s].routes[%.300s].stream", one->name,
                     zone->name ? zone->name : zone->catalog);
            return true;
        }
    }
    return false;
}
