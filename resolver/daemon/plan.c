#include "resolver/daemon/plan.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A name that has an entry of its own. */
struct named {
    UT_hash_handle hh;
    uint8_t name[NAME_MAX_SIZE];
};

static bool canonical(const char *text, uint8_t ret[NAME_MAX_SIZE])
{
    const int size = name_from_text(text, ret);
    if (size > 0)
        name_lower(ret, (size_t)size, ret);
    return size > 0;
}

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

static int note_named(struct named **names, const char *text)
{
    struct named *named = calloc(1, sizeof *named);
    if (!named || !canonical(text, named->name)) {
        free(named);
        return ERR_MEMORY;
    }
    HASH_ADD_KEYPTR(hh, *names, named->name, name_size(named->name), named);
    return ERR_OK;
}

static int add_named(struct plan *plan, const struct config_tier *tier, struct named **names)
{
    int error = 0;
    for (size_t i = 0; !error && i < tier->zone_count; i++) {
        if (!tier->zones[i].name)
            continue;
        error = note_named(names, tier->zones[i].name);
        if (!error)
            error = add(plan, &tier->zones[i]);
    }
    plan->own = plan->tier.zone_count;
    return error;
}

static bool is_named(struct named *names, const uint8_t *name)
{
    struct named *found;
    HASH_FIND(hh, names, name, name_size(name), found);
    return found != NULL;
}

static void free_named(struct named *names)
{
    struct named *each, *next;
    HASH_ITER (hh, names, each, next) {
        HASH_DEL(names, each);
        free(each);
    }
}

/* ---- members --------------------------------------------------------------------------------- */

static bool is_of(const struct config_zone *entry, const uint8_t *catalog, const uint8_t *member)
{
    uint8_t name[NAME_MAX_SIZE];
    return entry->catalog && canonical(entry->catalog, name) && name_equal(name, catalog) &&
           (!entry->group || catalog_is_of_group(member, entry->group));
}

/* The first entry of a tier that is for a member; NULL: none is. */
static const struct config_zone *entry_for(const struct config_tier *tier, const uint8_t *catalog,
                                           const uint8_t *member)
{
    for (size_t i = 0; i < tier->zone_count; i++)
        if (is_of(&tier->zones[i], catalog, member))
            return &tier->zones[i];
    return NULL;
}

static int add_member(struct plan *plan, const struct config_zone *entry, const uint8_t *member)
{
    char text[NAME_MAX_TEXT];
    struct config_zone zone = *entry;
    zone.name = strdup(name_to_text(member, text));
    zone.catalog = zone.group = NULL;
    const int error = zone.name ? add(plan, &zone) : ERR_MEMORY;
    if (error)
        free(zone.name);
    return error;
}

/* Those of one catalog. */
static int add_members(struct plan *plan, const struct config_tier *tier,
                       const struct followed_wish *wish, size_t k, struct named *names)
{
    const uint8_t *apex = catalogs_apex(wish->catalogs, k);
    const struct catalog *catalog =
        catalogs_stands(wish->catalogs, k, wish->changed, wish->instead);
    const size_t count = catalog ? catalog_count(catalog) : 0;
    int error = 0;
    for (size_t m = 0; !error && m < count; m++) {
        const uint8_t *member = catalog_members(catalog)[m];
        const struct config_zone *entry = entry_for(tier, apex, member);
        if (entry && !is_named(names, member) &&
            catalogs_owner(wish->catalogs, member, wish->changed, wish->instead) == k)
            error = add_member(plan, entry, member);
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
    struct named *names = NULL;
    plan.tier.zones = NULL;
    plan.tier.zone_count = 0;
    int error = add_named(&plan, tier, &names);
    for (size_t k = 0; !error && plan_has_members(tier) && k < catalogs_count(wish->catalogs); k++)
        error = add_members(&plan, tier, wish, k, names);
    free_named(names);
    if (error)
        plan_clear(&plan);
    else
        *ret_plan = plan;
    return error;
}

void plan_clear(struct plan *plan)
{
    for (size_t i = plan->own; i < plan->tier.zone_count; i++)
        free(plan->tier.zones[i].name);
    free(plan->tier.zones);
    *plan = (struct plan){.room = 0};
}
