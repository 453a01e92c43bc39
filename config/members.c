#include "config/members.h"

#include <string.h>

#include "config/zone_name.h"

static bool is_catalog(const struct config *config, const char *name)
{
    for (size_t k = 0; config->feed && k < config->feed->catalog_count; k++)
        if (zone_name_same(config->feed->catalogs[k], name))
            return true;
    return false;
}

bool members_same(const struct config_zone *one, const struct config_zone *two)
{
    if (!one->catalog || !two->catalog || !zone_name_same(one->catalog, two->catalog))
        return false;
    return one->group && two->group ? strcmp(one->group, two->group) == 0
                                    : !one->group && !two->group;
}

/* Whether one entry takes all that another one after it could have. */
static bool hides(const struct config_zone *one, const struct config_zone *later)
{
    return members_same(one, later) || (one->catalog && !one->group && later->catalog &&
                                        zone_name_same(one->catalog, later->catalog));
}

static bool check_reached(const struct config_tier *tier, size_t i, const char *key,
                          struct fault *fault)
{
    for (size_t k = 0; k < i; k++)
        if (hides(&tier->zones[k], &tier->zones[i]))
            return fault_set(fault, key,
                             "has no members left after routes[%zu]; expected it before that", k);
    return true;
}

bool members_check(const struct config *config, size_t tier, struct fault *fault)
{
    const struct config_tier *self = &config->tiers[tier];
    char key[FAULT_MAX_KEY], quote[FAULT_MAX_QUOTE];
    for (size_t i = 0; i < self->zone_count; i++) {
        const struct config_zone *zone = &self->zones[i];
        fault_key(key, "tiers[%zu].routes[%zu]", tier, i);
        if (!zone->name == !zone->catalog)
            return fault_set(fault, key, "%s; expected one of them",
                             zone->name ? "both name and catalog" : "neither name nor catalog");
        fault_key(key, "tiers[%zu].routes[%zu].%s", tier, i, zone->name ? "group" : "catalog");
        if (zone->name && zone->group)
            return fault_set(fault, key, "is for members of a catalog; expected it beside one");
        if (zone->catalog && !is_catalog(config, zone->catalog))
            return fault_set(fault, key, "%s is not in feed.catalogs; expected it there",
                             fault_quote(zone->catalog, quote));
        if (!check_reached(self, i, key, fault))
            return false;
    }
    return true;
}
