/*
 * limits.h - a log line for whatever was refused, dropped or closed for a limit: one a second at most for each number.
 *
 *     a worker counts --> a number with a `limit` (numbers.h) --looked at once a second, main thread--> the log
 *
 * A worker that refuses ten thousand queries a second has no time to say so, and the parts below the daemon do not log
 * at all. They count; here it is told how often it was since the last look, so nothing is lost of the last ones either:
 *
 *     warning msg="TCP clients are turned away: no place" count=812 counter=freshet_tcp_turned_away_total
 *
 * What a line needs to say beyond that (who, which) is said where it happens, by log_limited() (log.h).
 *
 * Threads: all on the main thread.
 */
#ifndef FRESHET_RESOLVER_DAEMON_LIMITS_H
#define FRESHET_RESOLVER_DAEMON_LIMITS_H

#include <event2/event.h>

#include "resolver/daemon/numbers.h"

struct limits;

/* Looks from now on. NULL: no memory. */
struct limits *limits_new(struct event_base *base, const struct daemon *daemon);

/* Looks a last time. NULL is fine. */
void limits_free(struct limits *limits);

#endif
