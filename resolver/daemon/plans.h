/*
 * plans.h - the plans of all tiers (plan.h), and which zones are streamed for them.
 */
#ifndef FRESHET_RESOLVER_DAEMON_PLANS_H
#define FRESHET_RESOLVER_DAEMON_PLANS_H

#include "resolver/daemon/plan.h"

struct plans {
    size_t count;
    struct plan each[]; /* by tier */
};

/* Borrows from the configuration. The errors are those of plan_make(). */
MUST_CHECK int plans_make(const struct config *config, const struct followed_wish *wish,
                          struct plans **ret_plans);
void plans_free(struct plans *plans); /* NULL is fine */

/* Whether any tier streams a zone, or may. */
bool plans_may_stream(const struct config *config);

/*
 * From here on all zones that the plans stream are streamed, and the catalogs, and no others. `*streams` lists those of before, and
 * then these; NULL: none. ERR_MEMORY: some are not, or stay.
 */
MUST_CHECK int plans_stream(const struct plans *plans, const struct catalogs *catalogs,
                            struct streamed *streamed, struct zone_roll **streams);

/* What to say of an error of plans_make(). */
const char *plans_error(int error);

#endif
