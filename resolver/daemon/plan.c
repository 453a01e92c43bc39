#include "resolver/daemon/plan.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/name_set.h"

static int add(struct plan *plan, const struct config_zone *zone)
{
    struct config_tier *tier = &plan->tier;
    if (tier->zone_count == PLAN_MAX_ZONES)
        return ERR_TOO_LARGE;
    if (tier->zone_count == plan->room) {
        const size_t room = plan->room ? 2 * plan->room : 16;
        struct config_zone *zones = realloc(tier->zones, room * sizeof *zones);
        if (!zones)
            return ERR_MEMORY;
        tier->zones = zones;
        plan->room = room;
    }
    tier->zones[tier->zone_count++] = *zone;
    return ERR_OK;
}

/* ---- zones that are named -------------------------------------------------------------------- */

/* One of an entry, whose name is copied: all names of a plan are its own. */
static int add_as(struct plan *plan, const struct config_zone *entry, const char *name)
{
    struct config_zone zone = *entry;
    zone.name = strdup(name);
    zone.names = NULL;
    zone.name_count = 0;
    zone.catalog = zone.group = NULL;
    const int error = zone.name ? add(plan, &zone) : ERR_MEMORY;
    if (error)
        free(zone.name);
    return error;
}

static int add_named(struct plan *plan, const struct config_tier *tier, struct name_set **names)
{
    int error = 0;
    for (size_t i = 0; !error && i < tier->zone_count; i++) {
        const struct config_zone *zone = &tier->zones[i];
        const size_t count = zone->names ? zone->name_count : zone->name ? 1 : 0;
        for (size_t k = 0; !error && k < count; k++) {
            const char *name = zone->names ? zone->names[k] : zone->name;
            error = name_set_add(names, name);
            if (!error)
                error = add_as(plan, zone, name);
        }
    }
    return error;
}

/* ---- members --------------------------------------------------------------------------------- */

/* What members are judged by. */
struct judge {
    const struct config_tier *tier;
    struct catalog_view view;
    struct name_set *names;    /* that the tier has entries of their own for */
    struct name_set *excepted; /* from the feed: what changes in them nobody tells */
};

static int add_excepted(struct judge *judge, const struct config_feed *feed)
{
    int error = 0;
    for (size_t i = 0; !error && feed && i < feed->except_count; i++)
        error = name_set_add(&judge->excepted, feed->except[i]);
    return error;
}

/* The first entry of a tier that is for a member; NULL: none is. */
static const struct config_zone *entry_for(const struct judge *judge, const struct catalog *catalog,
                                           const uint8_t *member)
{
    for (size_t i = 0; i < judge->tier->zone_count; i++) {
        const struct config_zone *entry = &judge->tier->zones[i];
        if (entry->catalog && catalog_is_for(catalog, member, entry->catalog, entry->group) &&
            !(entry->stream && name_set_has(judge->excepted, member)))
            return entry;
    }
    return NULL;
}

/* Those of one catalog. */
static int add_members(struct plan *plan, const struct judge *judge, const struct catalog *catalog)
{
    char text[NAME_MAX_TEXT];
    int error = 0;
    for (size_t m = 0; !error && m < catalog_count(catalog); m++) {
        const uint8_t *member = catalog_members(catalog)[m];
        const struct config_zone *entry = entry_for(judge, catalog, member);
        if (entry && !name_set_has(judge->names, member) &&
            catalog_owner(&judge->view, member) == catalog)
            error = add_as(plan, entry, name_to_text(member, text));
    }
    return error;
}

bool plan_has_members(const struct config_tier *tier)
{
    for (size_t i = 0; i < tier->zone_count; i++)
        if (tier->zones[i].catalog)
            return true;
    return false;
}

int plan_make(const struct config_tier *tier, const struct followed_wish *wish,
              struct plan *ret_plan)
{
    struct plan plan = {.tier = *tier};
    struct judge judge = {.tier = tier};
    plan.tier.zones = NULL;
    plan.tier.zone_count = 0;
    int error = add_named(&plan, tier, &judge.names);
    catalogs_view(wish->catalogs, wish->changed, wish->instead, &judge.view);
    if (!error && plan_has_members(tier))
        error = add_excepted(&judge, wish->feed);
    for (size_t k = 0; !error && plan_has_members(tier) && k < judge.view.count; k++)
        if (judge.view.each[k])
            error = add_members(&plan, &judge, judge.view.each[k]);
    name_set_clear(&judge.names);
    name_set_clear(&judge.excepted);
    if (error)
        plan_clear(&plan);
    else
        *ret_plan = plan;
    return error;
}

void plan_clear(struct plan *plan)
{
    for (size_t i = 0; i < plan->tier.zone_count; i++)
        free(plan->tier.zones[i].name);
    free(plan->tier.zones);
    *plan = (struct plan){.room = 0};
}
