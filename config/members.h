/*
 * members.h - entries of a list of zones that are for the members of a catalog, in the place of a name: what goes together.
 */
#ifndef FRESHET_CONFIG_MEMBERS_H
#define FRESHET_CONFIG_MEMBERS_H

#include "config/config.h"
#include "config/fault.h"

/* What an entry is for. */
struct members_entry {
    const char *name, *catalog, *group;
};

/*
 * Checks the k-th entry of a list, `list` as it is called. False, with the line in `fault`, when it names no zone or catalog, or both;
 * or has a group without a catalog; or comes after one that takes all members it could have.
 */
bool members_check(const char *list, const struct members_entry *entries, size_t k,
                   struct fault *fault);

/* The same for all of a tier; the catalogs are the feed's. */
bool members_check_tier(const struct config *config, size_t tier, struct fault *fault);

/* And for all zones of an origin; those of a catalog have primaries. */
bool members_check_origin(const struct config *config, struct fault *fault);

/* Whether both entries are for the same members. */
bool members_same(const struct config_zone *one, const struct config_zone *two);

#endif
