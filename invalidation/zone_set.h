/*
 * zone_set.h - a change set taken into a zone's state: all of its changes, exactly as they say, or none.
 *
 * Everybody who makes a zone of the log does it by this, so that all of them have the same one: streamed zones, tools and
 * whoever writes snapshots.
 */
#ifndef FRESHET_INVALIDATION_ZONE_SET_H
#define FRESHET_INVALIDATION_ZONE_SET_H

#include "invalidation/changeset.h"
#include "zone/history.h"
#include "zone/zone.h"

/*
 * The set is one of this zone. Its history notes it, too; NULL: none is kept. ERR_ZONE (a name outside), ERR_MEMORY: the zone is as
 * it was.
 */
MUST_CHECK int zone_set_apply(struct zone *zone, const struct change_set *set,
                              struct zone_history *history);

#endif
