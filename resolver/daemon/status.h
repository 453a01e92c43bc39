/*
 * status.h - what the process knows about itself, as JSON for the control socket.
 */
#ifndef FRESHET_RESOLVER_DAEMON_STATUS_H
#define FRESHET_RESOLVER_DAEMON_STATUS_H

#include <jansson.h>

#include "resolver/daemon/daemon.h"

/* All return a new reference, or NULL without memory. */

/* The whole process: feed, zones, tiers, upstreams. */
json_t *status_report(struct daemon *daemon);

/*
 * How the change sets after the `after`-th that the feed has applied came, as far as that is remembered (the newest
 * 512): the number of the "first" of them, and of each "age_us", how old it was when applied, and "took_us".
 */
json_t *status_applied(struct daemon *daemon, uint64_t after);

/* The state that the feed is in, as text; null without a feed. */
json_t *status_feed_state(struct daemon *daemon);

/*
 * For each tier, when no client of it can hold an answer any more that is older than the newest change of what is at
 * a canonical name:
 *
 *     "applied"        when that change was applied (UTC); null when no change is remembered
 *     "exact"          false: it was then or earlier, its own time is not remembered any more
 *     "drained_by"     the time after which every client's answer is newer than it
 *     "seconds_left"   until then
 *     "window_s"       how much later than "applied" that is, for any change
 *     "subscribed"     false: the tier hears of no change, its clients live by TTLs; all else is null
 *
 * Clients are those that do not follow the feed; tiers below do, and tell for themselves. Above all that, how far the
 * feed is; a change at an offset before those is among the changes looked at. A chain of names has one such time
 * for each. The window is that of the configuration as it is: after a reload that lowers client_ttl, what was
 * given under the old one must run out first.
 */
json_t *status_drained(struct daemon *daemon, const uint8_t *name);

#endif
