/*
 * members.h - entries of a tier's routes that are for the members of a catalog: what goes together.
 */
#ifndef FRESHET_CONFIG_MEMBERS_H
#define FRESHET_CONFIG_MEMBERS_H

#include "config/config.h"
#include "config/fault.h"

/* False, with the line in `fault`, when an entry names no zone or catalog, both, or one that nobody knows; or is never reached. */
bool members_check(const struct config *config, size_t tier, struct fault *fault);

/* Whether both entries are for the same members. */
bool members_same(const struct config_zone *one, const struct config_zone *two);

#endif
