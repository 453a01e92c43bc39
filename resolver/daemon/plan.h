/*
 * plan.h - what a tier is to be: its configuration, with the zones of files and the members of catalogs in the place of the entries
 * that are for them.
 *
 *     routes: [{name: a., ..}, {catalog: c., group: x, ..}]  -->  a. and each member of c. in group x, as the second entry says
 *
 * A member that is in two catalogs is that of the one that stands first in `feed.catalogs`; unless that hands it over to another one
 * of them that has it, too (RFC 9432 4.3.1, change of ownership).
 */
#ifndef FRESHET_RESOLVER_DAEMON_PLAN_H
#define FRESHET_RESOLVER_DAEMON_PLAN_H

#include "resolver/daemon/followed.h"

enum { PLAN_MAX_ZONES = 65536 /* of a tier */ };

struct plan {
    struct config_tier
        tier; /* each of its zones has a name, which is its own; all else is borrowed */
    size_t room;
};

/*
 * Of a tier's configuration, which is borrowed, and the catalogs of a wish. ERR_MEMORY, ERR_TOO_LARGE: more zones than
 * PLAN_MAX_ZONES.
 */
MUST_CHECK int plan_make(const struct config_tier *tier, const struct followed_wish *wish,
                         struct plan *ret_plan);
void plan_clear(struct plan *plan);

/* Whether a tier has an entry for members at all. */
bool plan_has_members(const struct config_tier *tier);

#endif
