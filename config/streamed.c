#include "config/streamed.h"

#include <stdio.h>
#include <string.h>

#include "config/zone_name.h"

static bool is_followed(const struct config_feed *feed, const char *name)
{
    for (size_t i = 0; i < feed->zone_count; i++)
        if (zone_name_same(feed->zones[i], name))
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

static bool check_streamed(const struct config *config, size_t tier, size_t index,
                           struct fault *fault)
{
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    const struct config_zone *zone = &config->tiers[tier].zones[index];
    fault_key(key, "tiers[%zu].zones[%zu].stream", tier, index);
    if (!config->feed || !config->tiers[tier].subscribe)
        return fault_set(fault, key, "needs a feed, and %s; expected false or a feed",
                         config->feed ? "this tier does not subscribe" : "none is configured");
    if (!is_followed(config->feed, zone->name))
        return fault_set(fault, key, "%s is not in feed.zones; expected it there",
                         fault_quote(zone->name, quote));
    if (!zone->fallback || strcmp(zone->fallback, "upstream") == 0)
        return true;
    fault_key(key, "tiers[%zu].zones[%zu].fallback", tier, index);
    return fault_set(fault, key, "%s is none; expected upstream",
                     fault_quote(zone->fallback, quote));
}

bool streamed_check(const struct config *config, size_t tier, struct fault *fault)
{
    char mapping[FAULT_MAX_KEY];
    const struct config_tier *self = &config->tiers[tier];
    for (size_t i = 0; i < self->zone_count; i++) {
        fault_key(mapping, "tiers[%zu].zones[%zu]", tier, i);
        if (!check_plain(&self->zones[i], mapping, fault) ||
            (self->zones[i].stream && !check_streamed(config, tier, i, fault)))
            return false;
    }
    const struct config_feed *feed = config->feed;
    if (!feed || !feed->snapshots || strcmp(feed->updates, feed->snapshots) != 0)
        return true;
    return fault_set(fault, "feed.snapshots", "is feed.updates too; expected another topic");
}

/* The first streamed zone of a tier that is not streamed in another version of it; NULL: none. */
static const struct config_zone *only_here(const struct config_tier *here,
                                           const struct config_tier *there)
{
    for (size_t i = 0; i < here->zone_count; i++) {
        bool found = !here->zones[i].stream;
        for (size_t k = 0; k < there->zone_count && !found; k++)
            found =
                there->zones[k].stream && zone_name_same(here->zones[i].name, there->zones[k].name);
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
            snprintf(ret_key, CONFIG_MAX_ERROR, "tiers[%s].zones[%.300s].stream", one->name,
                     zone->name);
            return true;
        }
    }
    return false;
}
