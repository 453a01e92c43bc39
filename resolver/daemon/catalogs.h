/*
 * catalogs.h - the catalog zones of the feed (RFC 9432, zone/catalog.h): streamed zones that nobody is answered from, and what they say
 * last.
 *
 *     feed's thread: a change --> main thread: catalogs_read() --> other members --> followed.h --> catalogs_keep()
 *                                                    \-- broken, or there is no room for them: what it said before stands
 *
 * Threads: the main one.
 */
#ifndef FRESHET_RESOLVER_DAEMON_CATALOGS_H
#define FRESHET_RESOLVER_DAEMON_CATALOGS_H

#include "config/config.h"
#include "invalidation/streamed.h"
#include "resolver/daemon/zone_roll.h"
#include "zone/catalog.h"

enum { CATALOGS_MAX_MEMBERS = 1000000 /* of one */ };

struct catalogs;

/* Those of a configuration, which become streamed zones. Before any thread runs. NULL: no memory. */
struct catalogs *catalogs_new(const struct config_feed *feed, struct streamed *streamed);
void catalogs_free(struct catalogs *catalogs); /* NULL is fine */

/*
 * Adds their own names, and those of all members as they stand: the k-th's `instead` of its own, if that is not NULL. ERR_MEMORY.
 */
MUST_CHECK int catalogs_add(const struct catalogs *catalogs, size_t k,
                            const struct catalog *instead, struct zone_roll *roll);

/* How many there are, and the name of the k-th. `catalogs` may be NULL. */
size_t catalogs_count(const struct catalogs *catalogs);
const uint8_t *catalogs_apex(const struct catalogs *catalogs, size_t k);

/* All as they stand; of the `changed`-th it is `instead`, if that is not NULL. `catalogs` may be NULL. */
void catalogs_view(const struct catalogs *catalogs, size_t changed, const struct catalog *instead,
                   struct catalog_view *ret);

/* The number of the catalog that a streamed zone is. False: it is none. `catalogs` may be NULL. */
bool catalogs_find(const struct catalogs *catalogs, const struct streamed_zone *zone,
                   size_t *ret_k);

/* What the k-th says now: NULL when it is not there as a whole, when it is broken (that is logged), or without memory. */
struct catalog *catalogs_read(struct catalogs *catalogs, size_t k);

/* What was read stands from here on. Takes it over. */
void catalogs_keep(struct catalogs *catalogs, size_t k, struct catalog *read);

/* What was read cannot be had as things are; what was kept before stands. Frees it. */
void catalogs_refuse(struct catalogs *catalogs, size_t k, struct catalog *read, const char *why);

/* Whether that is so of the newest version of the k-th: where others have changed, it may be had by now. */
bool catalogs_waits(const struct catalogs *catalogs, size_t k);

struct catalog_status {
    const uint8_t *zone;
    bool has_serial;
    uint32_t serial;   /* of what stands */
    const char *wrong; /* with what came after it; "": nothing */
    uint64_t members, taken, refused;
};

/* Of the k-th; false past the last one. `catalogs` may be NULL. */
bool catalogs_status(const struct catalogs *catalogs, size_t k, struct catalog_status *ret);

#endif
