/*
 * followed.h - the zones that the process follows: those of its configuration, and the members of its catalogs.
 *
 * Whoever wants others makes a list of all and hands it over: what came or went is marked as by a change, and nothing else is
 * touched (cache/validity.h, validity_regroup()).
 *
 * Threads: the main one.
 */
#ifndef FRESHET_RESOLVER_DAEMON_FOLLOWED_H
#define FRESHET_RESOLVER_DAEMON_FOLLOWED_H

#include "invalidation/apply.h"
#include "resolver/daemon/catalogs.h"

/* What there is to follow. */
struct followed_wish {
    const struct config_feed *feed;
    const struct catalogs *catalogs; /* NULL: none */
    size_t changed;                  /* the number of one of them, of which is wanted */
    const struct catalog *instead;   /* that it says this; NULL: all as they stand */
    void (*touched)(void *arg,
                    const uint8_t *zone); /* called for each that came or went; or NULL */
    void *arg;
};

/* All of them, sorted. NULL: no memory, or a name that the configuration let through. */
struct zone_roll *followed_roll(const struct followed_wish *wish);

/*
 * They are followed from here on in the place of `*roll`, which is freed. ERR_MEMORY, ERR_SPACE (too many names have been zones):
 * all stays as it is.
 */
MUST_CHECK int followed_take(struct applier *applier, const struct followed_wish *wish,
                             struct zone_roll **roll);

/* What to say of such an error. */
const char *followed_error(int error);

#endif
