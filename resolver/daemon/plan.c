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

/* The first entry of a tier that is for a member; NULL: none is. */
static const struct config_zone *entry_for(const struct config_tier *tier,
                                           const struct catalog *catalog, const uint8_t *member)
{
    for (size_t i = 0; i < tier->zone_count; i++) {
        const struct config_zone *entry = &tier->zones[i];
        if (entry->catalog && catalog_is_for(catalog, member, entry->catalog, entry->group))
            return entry;
    }
    return NULL;
}

/* Those of one catalog. */
static int add_members(struct plan *plan, const struct config_tier *tier,
                       const struct catalog_view *view, const struct catalog *catalog,
                       struct name_set *names)
{
    char text[NAME_MAX_TEXT];
    int error = 0;
    for (size_t m = 0; !error && m < catalog_count(catalog); m++) {
        const uint8_t *member = catalog_members(catalog)[m];
        const struct config_zone *entry = entry_for(tier, catalog, member);
        if (entry && !name_set_has(names, member) && catalog_owner(view, member) == catalog)
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
    struct catalog_view view;
    struct name_set *names = NULL;
    plan.tier.zones = NULL;
    plan.tier.zone_count = 0;
    int error = add_named(&plan, tier, &names);
    catalogs_view(wish->catalogs, wish->changed, wish->instead, &view);
    for (size_t k = 0; !error && plan_has_members(tier) && k < view.count; k++)
        if (view.each[k])
            error = add_members(&plan, tier, &view, view.each[k], names);
    name_set_clear(&names);
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
