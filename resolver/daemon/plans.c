#include "resolver/daemon/plans.h"

#include <stdlib.h>

int plans_make(const struct config *config, const struct followed_wish *wish,
               struct plans **ret_plans)
{
    struct plans *plans = calloc(1, sizeof *plans + config->tier_count * sizeof *plans->each);
    int error = plans ? ERR_OK : ERR_MEMORY;
    for (size_t i = 0; !error && i < config->tier_count; i++) {
        error = plan_make(&config->tiers[i], wish, &plans->each[i]);
        plans->count += !error;
    }
    if (error)
        plans_free(plans);
    else
        *ret_plans = plans;
    return error;
}

void plans_free(struct plans *plans)
{
    for (size_t i = 0; plans && i < plans->count; i++)
        plan_clear(&plans->each[i]);
    free(plans);
}

bool plans_may_stream(const struct config *config)
{
    for (size_t i = 0; i < config->tier_count; i++)
        for (size_t k = 0; k < config->tiers[i].zone_count; k++)
            if (config->tiers[i].zones[k].stream)
                return true;
    return config->feed && config->feed->catalog_count > 0;
}

static int add_streams(struct zone_roll *roll, const struct config_tier *tier)
{
    uint8_t name[NAME_MAX_SIZE];
    int error = 0;
    for (size_t k = 0; !error && k < tier->zone_count; k++) {
        const int size = tier->zones[k].stream ? name_from_text(tier->zones[k].name, name) : 0;
        if (size <= 0)
            continue;
        name_lower(name, (size_t)size, name);
        error = zone_roll_add(roll, name, STANDING_ZONE);
    }
    return error;
}

/* All that is to be streamed. NULL: no memory. */
static struct zone_roll *make_streams(const struct plans *plans, const struct catalogs *catalogs)
{
    struct zone_roll *roll = zone_roll_new();
    int error = roll ? ERR_OK : ERR_MEMORY;
    for (size_t k = 0; !error && k < catalogs_count(catalogs); k++)
        error = zone_roll_add(roll, catalogs_apex(catalogs, k), STANDING_ZONE);
    for (size_t i = 0; !error && i < plans->count; i++)
        error = add_streams(roll, &plans->each[i].tier);
    if (error) {
        zone_roll_free(roll);
        return NULL;
    }
    zone_roll_sort(roll);
    return roll;
}

static int add_or_drop(struct streamed *streamed, const struct zone_change *change)
{
    if (change->standing == STANDING_ZONE)
        return streamed_add(streamed, change->name);
    struct streamed_zone *zone = streamed_find(streamed, change->name);
    if (zone)
        streamed_drop(streamed, zone);
    return ERR_OK;
}

int plans_stream(const struct plans *plans, const struct catalogs *catalogs,
                 struct streamed *streamed, struct zone_roll **streams)
{
    struct zone_change *changes = NULL;
    size_t count = 0;
    struct zone_roll *none = zone_roll_new(), *wanted = make_streams(plans, catalogs);
    int error = none && wanted
                    ? zone_roll_differ(*streams ? *streams : none, wanted, &changes, &count)
                    : ERR_MEMORY;
    for (size_t i = 0; !error && i < count; i++)
        error = add_or_drop(streamed, &changes[i]);
    free(changes);
    zone_roll_free(none);
    if (error) {
        zone_roll_free(wanted);
        return error;
    }
    zone_roll_free(*streams);
    *streams = wanted;
    return ERR_OK;
}

const char *plans_error(int error)
{
    return error == ERR_TOO_LARGE ? "a tier would have more than 65536 routes with its members"
                                  : error_text(error);
}
