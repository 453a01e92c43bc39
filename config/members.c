#include "config/members.h"

#include <stdlib.h>
#include <string.h>

#include "config/zone_name.h"

static bool same(const struct members_entry *one, const struct members_entry *two)
{
    if (!one->catalog || !two->catalog || !zone_name_same(one->catalog, two->catalog))
        return false;
    return one->group && two->group ? strcmp(one->group, two->group) == 0
                                    : !one->group && !two->group;
}

/* Whether one entry takes all that another one after it could have. */
static bool hides(const struct members_entry *one, const struct members_entry *later)
{
    return same(one, later) || (one->catalog && !one->group && later->catalog &&
                                zone_name_same(one->catalog, later->catalog));
}

bool members_check(const char *list, const struct members_entry *entries, size_t k,
                   struct fault *fault)
{
    const struct members_entry *entry = &entries[k];
    char key[FAULT_MAX_KEY];
    fault_key(key, "%s[%zu]", list, k);
    if (!entry->name == !entry->catalog)
        return fault_set(fault, key, "%s; expected one of them",
                         entry->name ? "both name and catalog" : "neither name nor catalog");
    fault_key(key, "%s[%zu].%s", list, k, entry->name ? "group" : "catalog");
    if (entry->name && entry->group)
        return fault_set(fault, key, "is for members of a catalog; expected it beside one");
    for (size_t i = 0; entry->catalog && i < k; i++)
        if (hides(&entries[i], entry))
            return fault_set(fault, key,
                             "has no members left after %s[%zu]; expected it before that", list, i);
    return true;
}

/* ---- a tier's -------------------------------------------------------------------------------- */

static struct members_entry entry_of(const struct config_zone *zone)
{
    return (struct members_entry){zone->name, zone->catalog, zone->group};
}

bool members_same(const struct config_zone *one, const struct config_zone *two)
{
    const struct members_entry left = entry_of(one), right = entry_of(two);
    return same(&left, &right);
}

static bool is_catalog(const struct config *config, const char *name)
{
    for (size_t k = 0; config->feed && k < config->feed->catalog_count; k++)
        if (zone_name_same(config->feed->catalogs[k], name))
            return true;
    return false;
}

static bool check_is_catalog(const struct config *config, const char *catalog, const char *key,
                             struct fault *fault)
{
    char quote[FAULT_MAX_QUOTE];
    return !catalog || is_catalog(config, catalog) ||
           fault_set(fault, key, "%s is not in feed.catalogs; expected it there",
                     fault_quote(catalog, quote));
}

bool members_check_tier(const struct config *config, size_t tier, struct fault *fault)
{
    const struct config_tier *self = &config->tiers[tier];
    struct members_entry *entries = calloc(self->zone_count + 1, sizeof *entries);
    char list[FAULT_MAX_KEY], key[FAULT_MAX_KEY];
    bool good = entries || fault_memory(fault);
    fault_key(list, "tiers[%zu].routes", tier);
    for (size_t i = 0; good && i < self->zone_count; i++) {
        entries[i] = entry_of(&self->zones[i]);
        fault_key(key, "tiers[%zu].routes[%zu].catalog", tier, i);
        good = members_check(list, entries, i, fault) &&
               check_is_catalog(config, entries[i].catalog, key, fault);
    }
    free(entries);
    return good;
}

/* ---- an origin's ----------------------------------------------------------------------------- */

bool members_check_origin(const struct config *config, struct fault *fault)
{
    enum { MOST = 64 };
    size_t count = 0;
    struct members_entry *entries = calloc(config->origin_zone_count + 1, sizeof *entries);
    char key[FAULT_MAX_KEY];
    bool good = entries || fault_memory(fault);
    for (size_t i = 0; good && i < config->origin_zone_count; i++) {
        const struct config_origin_zone *zone = &config->origin_zones[i];
        entries[i] = (struct members_entry){zone->name, zone->catalog, zone->group};
        good = members_check("zones", entries, i, fault);
        fault_key(key, "zones[%zu].catalog", i);
        count += zone->catalog != NULL;
        if (good && count > MOST)
            good = fault_set(fault, key, "is one too many; expected %d entries with one at most",
                             MOST);
        fault_key(key, "zones[%zu].log", i);
        if (good && (zone->catalog || zone->names) && zone->log)
            good = fault_set(fault, key, "is for a zone that is named; expected `primary`");
    }
    free(entries);
    return good;
}
