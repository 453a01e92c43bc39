/*
 * differ.h - what makes one state of a zone of another, as changes.
 *
 * Whole RRsets: a SET for each that is new or other, a DEL for each that is gone (of the name, where all of it is). What goes
 * comes first, with FLUSHes and what else holds for all below a name, then new data, the SOA's SET last. A cache that does not hold the zone has to be told more than that of what a wildcard, a cut or a
 * DNAME covers: where a change makes a name come to be or cease to be between a wildcard and names that the wildcard
 * answered (RFC 4592), or moves a cut, a FLUSH of what may be answered otherwise now goes with it.
 */
#ifndef FRESHET_ZONE_DIFFER_H
#define FRESHET_ZONE_DIFFER_H

#include "zone/zone.h"

/*
 * Hands each change from `before` to `after` (states of the same apex) to `each`, which copies what it keeps and
 * returns 0, or an error that ends it. Returns 0 or that error; ERR_MEMORY. Two states of one zone cost what they do not
 * share, not what they hold: an UPDATE (RFC 2136) is one call.
 */
MUST_CHECK int zone_differ(const struct zone_state *before, const struct zone_state *after,
                           int (*each)(void *arg, const struct change *change), void *arg);

#endif
