#include "resolver/daemon/catalogs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"

struct one {
    struct streamed_zone *zone;
    struct catalog *catalog; /* as it stands; NULL: nothing yet */
    bool has_serial;
    uint32_t serial, read_serial; /* of what stands, and of what was read last */
    uint64_t taken, refused;
    bool waits; /* what was read last is fine, and cannot be had */
    char wrong[CATALOG_MAX_WHY];
};

struct catalogs {
    size_t count;
    struct one each[];
};

struct catalogs *catalogs_new(const struct config_feed *feed, struct streamed *streamed)
{
    struct catalogs *catalogs =
        calloc(1, sizeof *catalogs + feed->catalog_count * sizeof *catalogs->each);
    for (size_t i = 0; catalogs && i < feed->catalog_count; i++) {
        uint8_t name[NAME_MAX_SIZE];
        int size = name_from_text(feed->catalogs[i], name);
        if (size > 0)
            name_lower(name, (size_t)size, name);
        if (size < 0 || streamed_add(streamed, name) < 0) {
            catalogs_free(catalogs);
            return NULL;
        }
        struct one *one = &catalogs->each[catalogs->count++];
        one->zone = streamed_find(streamed, name);
        streamed_watch(streamed, one->zone);
    }
    return catalogs;
}

void catalogs_free(struct catalogs *catalogs)
{
    for (size_t i = 0; catalogs && i < catalogs->count; i++)
        catalog_free(catalogs->each[i].catalog);
    free(catalogs);
}

size_t catalogs_count(const struct catalogs *catalogs)
{
    return catalogs ? catalogs->count : 0;
}

const uint8_t *catalogs_apex(const struct catalogs *catalogs, size_t k)
{
    return streamed_apex(catalogs->each[k].zone);
}

void catalogs_view(const struct catalogs *catalogs, size_t changed, const struct catalog *instead,
                   struct catalog_view *ret)
{
    ret->count = catalogs_count(catalogs);
    for (size_t k = 0; k < ret->count; k++)
        ret->each[k] = instead && k == changed ? instead : catalogs->each[k].catalog;
}

int catalogs_add(const struct catalogs *catalogs, size_t k, const struct catalog *instead,
                 struct zone_roll *roll)
{
    struct catalog_view view;
    int error = 0;
    catalogs_view(catalogs, k, instead, &view);
    for (size_t i = 0; !error && i < view.count; i++) {
        const size_t count = view.each[i] ? catalog_count(view.each[i]) : 0;
        error = zone_roll_add(roll, catalogs_apex(catalogs, i), STANDING_ZONE);
        for (size_t m = 0; !error && m < count; m++)
            error = zone_roll_add(roll, catalog_members(view.each[i])[m], STANDING_ZONE);
    }
    return error;
}

bool catalogs_find(const struct catalogs *catalogs, const struct streamed_zone *zone, size_t *ret_k)
{
    for (size_t i = 0; catalogs && i < catalogs->count; i++)
        if (catalogs->each[i].zone == zone) {
            *ret_k = i;
            return true;
        }
    return false;
}

/* ---- what it says now ------------------------------------------------------------------------ */

static void refuse(struct one *one, const char *why)
{
    char name[NAME_MAX_TEXT], quote[LOG_MAX_QUOTED], reason[LOG_MAX_QUOTED];
    one->refused++;
    one->waits = false;
    snprintf(one->wrong, sizeof one->wrong, "%s", why);
    log_limited(LOG_LEVEL_WARNING,
                "msg=\"a catalog is of no use: its members stay as they were\" zone=%s serial=%u "
                "reason=%s",
                log_quote(name_to_text(streamed_apex(one->zone), name), quote), one->read_serial,
                log_quote(why, reason));
}

struct catalog *catalogs_read(struct catalogs *catalogs, size_t k)
{
    struct one *one = &catalogs->each[k];
    struct catalog *catalog = NULL;
    char why[CATALOG_MAX_WHY];
    if (streamed_state(one->zone) != STREAMED_LIVE)
        return NULL;
    const struct zone_state *state = zone_state_hold(streamed_data(one->zone));
    (void)zone_serial(state, &one->read_serial);
    int error = catalog_read(state, CATALOGS_MAX_MEMBERS, &catalog, why);
    zone_state_release(state);
    if (error)
        refuse(one, error == ERR_FORMAT ? why : error_text(error));
    return catalog;
}

void catalogs_keep(struct catalogs *catalogs, size_t k, struct catalog *read)
{
    struct one *one = &catalogs->each[k];
    char name[NAME_MAX_TEXT], quote[LOG_MAX_QUOTED];
    catalog_free(one->catalog);
    one->catalog = read;
    one->has_serial = true;
    one->serial = one->read_serial;
    one->wrong[0] = '\0';
    one->waits = false;
    one->taken++;
    log_line(LOG_LEVEL_INFO, "msg=\"a catalog is taken over\" zone=%s serial=%u members=%zu",
             log_quote(name_to_text(streamed_apex(one->zone), name), quote), one->serial,
             catalog_count(read));
}

void catalogs_refuse(struct catalogs *catalogs, size_t k, struct catalog *read, const char *why)
{
    catalog_free(read);
    refuse(&catalogs->each[k], why);
    catalogs->each[k].waits = true;
}

bool catalogs_waits(const struct catalogs *catalogs, size_t k)
{
    return catalogs->each[k].waits;
}

bool catalogs_status(const struct catalogs *catalogs, size_t k, struct catalog_status *ret)
{
    if (!catalogs || k >= catalogs->count)
        return false;
    const struct one *one = &catalogs->each[k];
    *ret = (struct catalog_status){.zone = streamed_apex(one->zone),
                                   .has_serial = one->has_serial,
                                   .serial = one->serial,
                                   .wrong = one->wrong,
                                   .members = one->catalog ? catalog_count(one->catalog) : 0,
                                   .taken = one->taken,
                                   .refused = one->refused};
    return true;
}
