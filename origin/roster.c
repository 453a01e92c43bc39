#include "origin/roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/name_set.h"
#include "invalidation/zone_set.h"
#include "origin/follow.h"

struct listed {
    struct zone *zone; /* the follower's until it has caught up */
    bool whole, dirty;
    struct catalog *catalog; /* as it stands; NULL: nothing yet */
    bool has_serial;
    uint32_t serial;
    char wrong[CATALOG_MAX_WHY];
};

struct roster {
    struct roster_options options;
    struct follow *follow;
    struct event *look;
    size_t count;
    char wrong[CATALOG_MAX_WHY]; /* with all together; "": nothing */
    struct listed each[CATALOG_MAX_MANY];
    struct zone *zones[CATALOG_MAX_MANY];
};

static bool read_name(const char *text, uint8_t ret[NAME_MAX_SIZE])
{
    const int size = name_from_text(text, ret);
    if (size > 0)
        name_lower(ret, (size_t)size, ret);
    return size > 0;
}

/* ---- which catalogs there are ---------------------------------------------------------------- */

/* Names of catalogs, each once, in the order in which entries name them first. Those that are too many are left out. */
static size_t catalogs_of(const struct config *config, uint8_t ret[CATALOG_MAX_MANY][NAME_MAX_SIZE])
{
    size_t count = 0;
    for (size_t i = 0; i < config->origin_zone_count && count < CATALOG_MAX_MANY; i++) {
        const char *text = config->origin_zones[i].catalog;
        size_t k = 0;
        if (!text || !read_name(text, ret[count]))
            continue;
        while (k < count && !name_equal(ret[k], ret[count]))
            k++;
        count += k == count;
    }
    return count;
}

bool roster_is_same(const struct config *one, const struct config *other)
{
    uint8_t left[CATALOG_MAX_MANY][NAME_MAX_SIZE], right[CATALOG_MAX_MANY][NAME_MAX_SIZE];
    const size_t count = catalogs_of(one, left);
    bool same = count == catalogs_of(other, right);
    for (size_t k = 0; same && k < count; k++)
        same = name_equal(left[k], right[k]);
    return same;
}

/* ---- what they say --------------------------------------------------------------------------- */

static void say_refused(const struct listed *listed, const char *why)
{
    char name[NAME_MAX_TEXT], quote[LOG_MAX_QUOTED], reason[LOG_MAX_QUOTED];
    log_limited(LOG_LEVEL_WARNING,
                "msg=\"a catalog is of no use: its members stay as they were\" zone=%s reason=%s",
                log_quote(name_to_text(zone_apex(listed->zone), name), quote),
                log_quote(why, reason));
}

static void refuse(struct listed *listed, const char *why)
{
    snprintf(listed->wrong, sizeof listed->wrong, "%s", why);
    say_refused(listed, why);
}

/* Whether it says something new. */
static bool read_again(struct listed *listed)
{
    struct catalog *catalog;
    char why[CATALOG_MAX_WHY], name[NAME_MAX_TEXT], quote[LOG_MAX_QUOTED];
    const struct zone_state *state = zone_state(listed->zone);
    listed->dirty = false;
    int error = catalog_read(state, ROSTER_MAX_MEMBERS, &catalog, why);
    if (error) {
        refuse(listed, error == ERR_FORMAT ? why : error_text(error));
        return false;
    }
    catalog_free(listed->catalog);
    listed->catalog = catalog;
    listed->has_serial = zone_serial(state, &listed->serial);
    listed->wrong[0] = '\0';
    log_line(LOG_LEVEL_INFO, "msg=\"a catalog is taken over\" zone=%s serial=%u members=%zu",
             log_quote(name_to_text(zone_apex(listed->zone), name), quote), listed->serial,
             catalog_count(catalog));
    return true;
}

/* After all that came at once was taken. */
static void look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct roster *roster = arg;
    bool changed = false;
    for (size_t k = 0; k < roster->count; k++) {
        struct listed *listed = &roster->each[k];
        if (listed->whole && listed->dirty)
            changed = read_again(listed) || changed;
    }
    if (changed)
        roster->options.changed(roster->options.arg);
}

static void note(struct roster *roster, struct listed *listed)
{
    listed->dirty = true;
    event_active(roster->look, EV_TIMEOUT, 0);
}

static bool on_read(void *arg, size_t k, const struct change_set *set, int64_t offset)
{
    struct roster *roster = arg;
    (void)offset;
    const bool good = zone_set_apply(roster->each[k].zone, set, NULL) == 0;
    if (good)
        note(roster, &roster->each[k]);
    return good;
}

static void on_caught_up(void *arg, size_t k, const struct follow_stand *stand)
{
    struct roster *roster = arg;
    (void)stand;
    roster->each[k].whole = true;
    note(roster, &roster->each[k]);
}

static void on_lost(void *arg, size_t k, const char *why)
{
    struct roster *roster = arg;
    roster->each[k].whole = false;
    refuse(&roster->each[k], why);
}

void roster_refuse(struct roster *roster, const char *why)
{
    snprintf(roster->wrong, sizeof roster->wrong, "%s", why ? why : "");
    for (size_t k = 0; why && k < roster->count; k++)
        say_refused(&roster->each[k], why);
}

/* ---- start and stop -------------------------------------------------------------------------- */

static bool make_catalogs(struct roster *roster)
{
    uint8_t names[CATALOG_MAX_MANY][NAME_MAX_SIZE];
    const size_t count = catalogs_of(roster->options.config, names);
    for (; roster->count < count; roster->count++) {
        struct listed *listed = &roster->each[roster->count];
        if (zone_new(names[roster->count], &listed->zone) < 0)
            return false;
        roster->zones[roster->count] = listed->zone;
        snprintf(listed->wrong, sizeof listed->wrong, "it has not been read yet");
    }
    return true;
}

static bool open_log(struct roster *roster, char error[CONFIG_MAX_ERROR])
{
    const struct config_feed *feed = roster->options.config->feed;
    roster->follow = follow_start(&(struct follow_options){.base = roster->options.base,
                                                           .brokers = feed->brokers,
                                                           .updates = feed->updates,
                                                           .snapshots = feed->snapshots,
                                                           .properties = roster->options.properties,
                                                           .property_count = feed->rdkafka_count,
                                                           .zones = roster->zones,
                                                           .zone_count = roster->count,
                                                           .read = on_read,
                                                           .caught_up = on_caught_up,
                                                           .lost = on_lost,
                                                           .arg = roster},
                                  error);
    return roster->follow != NULL;
}

struct roster *roster_start(const struct roster_options *options, char ret_error[CONFIG_MAX_ERROR])
{
    struct roster *roster = calloc(1, sizeof *roster);
    snprintf(ret_error, CONFIG_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (!roster)
        return NULL;
    roster->options = *options;
    roster->look = event_new(options->base, -1, 0, look, roster);
    if (roster->look && make_catalogs(roster) &&
        (roster->count == 0 || open_log(roster, ret_error)))
        return roster;
    roster_stop(roster);
    return NULL;
}

void roster_stop(struct roster *roster)
{
    if (!roster)
        return;
    follow_stop(roster->follow);
    for (size_t k = 0; k < roster->count; k++) {
        catalog_free(roster->each[k].catalog);
        zone_free(roster->each[k].zone);
    }
    if (roster->look)
        event_free(roster->look);
    free(roster);
}

/* ---- all zones ------------------------------------------------------------------------------- */

static const struct config_origin_zone *
entry_for(const struct config *config, const struct catalog *catalog, const uint8_t *member)
{
    for (size_t i = 0; i < config->origin_zone_count; i++) {
        const struct config_origin_zone *entry = &config->origin_zones[i];
        if (entry->catalog && catalog_is_for(catalog, member, entry->catalog, entry->group))
            return entry;
    }
    return NULL;
}

/* One of an entry; there is room for it. */
static int add_as(struct config *all, const struct config_origin_zone *entry, const char *name)
{
    struct config_origin_zone zone = *entry;
    if (all->origin_zone_count == ROSTER_MAX_ZONES)
        return ERR_TOO_LARGE;
    zone.names = NULL;
    zone.name_count = 0;
    zone.catalog = zone.group = NULL;
    zone.name = strdup(name);
    if (!zone.name)
        return ERR_MEMORY;
    all->origin_zones[all->origin_zone_count++] = zone;
    return ERR_OK;
}

static int add_members(const struct catalog_view *view, const struct catalog *catalog,
                       const struct config *config, struct name_set *names, struct config *all)
{
    char text[NAME_MAX_TEXT];
    int error = 0;
    for (size_t m = 0; !error && m < catalog_count(catalog); m++) {
        const uint8_t *member = catalog_members(catalog)[m];
        const struct config_origin_zone *entry = entry_for(config, catalog, member);
        if (entry && !name_set_has(names, member) && catalog_owner(view, member) == catalog)
            error = add_as(all, entry, name_to_text(member, text));
    }
    return error;
}

/* Those that have a name, which are noted, and those of files; there is room for all others, too. */
static int begin(const struct config *config, size_t room, struct config *all,
                 struct name_set **names)
{
    for (size_t i = 0; i < config->origin_zone_count; i++)
        room += 1 + config->origin_zones[i].name_count;
    *all = *config;
    all->origin_zones =
        calloc(room < ROSTER_MAX_ZONES ? room + 1 : ROSTER_MAX_ZONES, sizeof *all->origin_zones);
    all->origin_zone_count = 0;
    int error = all->origin_zones ? ERR_OK : ERR_MEMORY;
    for (size_t i = 0; !error && i < config->origin_zone_count; i++) {
        const struct config_origin_zone *zone = &config->origin_zones[i];
        const size_t count = zone->names ? zone->name_count : zone->name ? 1 : 0;
        for (size_t k = 0; !error && k < count; k++) {
            const char *name = zone->names ? zone->names[k] : zone->name;
            error = name_set_add(names, name);
            if (!error)
                error = add_as(all, zone, name);
        }
    }
    return error;
}

int roster_zones(const struct roster *roster, const struct config *config,
                 struct config *ret_config)
{
    struct catalog_view view = {.count = roster ? roster->count : 0};
    struct name_set *names = NULL;
    struct config all;
    size_t members = 0;
    for (size_t k = 0; k < view.count; k++) {
        view.each[k] = roster->each[k].catalog;
        members += view.each[k] ? catalog_count(view.each[k]) : 0;
    }
    int error = begin(config, members, &all, &names);
    for (size_t k = 0; !error && k < view.count; k++)
        if (view.each[k])
            error = add_members(&view, view.each[k], config, names, &all);
    name_set_clear(&names);
    if (error)
        roster_clear(&all);
    else
        *ret_config = all;
    return error;
}

void roster_clear(struct config *config)
{
    for (size_t i = 0; i < config->origin_zone_count; i++)
        free(config->origin_zones[i].name);
    free(config->origin_zones);
    config->origin_zones = NULL;
    config->origin_zone_count = 0;
}

bool roster_status(const struct roster *roster, size_t k, struct roster_status *ret)
{
    if (!roster || k >= roster->count)
        return false;
    const struct listed *listed = &roster->each[k];
    *ret = (struct roster_status){
        .zone = zone_apex(listed->zone),
        .has_serial = listed->has_serial,
        .serial = listed->serial,
        .wrong = listed->wrong[0] ? listed->wrong : roster->wrong,
        .members = listed->catalog ? catalog_count(listed->catalog) : 0,
    };
    return true;
}
