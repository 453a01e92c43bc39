/*
 * zone_roll.h - the zones that the process follows, and those excepted, as a list: made of a configuration, and compared with
 * the one before to know which came and went.
 */
#ifndef FRESHET_RESOLVER_DAEMON_ZONE_ROLL_H
#define FRESHET_RESOLVER_DAEMON_ZONE_ROLL_H

#include "cache/validity.h"

struct zone_roll;

/* NULL: no memory. */
struct zone_roll *zone_roll_new(void);
void zone_roll_free(struct zone_roll *roll); /* NULL is fine */

/* Adds a name, canonical, copied. One that is added twice counts once: as excepted, rather than as a zone. ERR_MEMORY. */
MUST_CHECK int zone_roll_add(struct zone_roll *roll, const uint8_t *name,
                             enum zone_standing standing);

/* Once, after the last was added: from here on each name is there once, in an order of its own. */
void zone_roll_sort(struct zone_roll *roll);

const struct zone_change *zone_roll_items(const struct zone_roll *roll);
size_t zone_roll_count(const struct zone_roll *roll);

/*
 * What makes `after` of `before`, both sorted, to be freed by the caller; the names are borrowed from either. ERR_MEMORY.
 */
MUST_CHECK int zone_roll_differ(const struct zone_roll *before, const struct zone_roll *after,
                                struct zone_change **ret_changes, size_t *ret_count);

#endif
