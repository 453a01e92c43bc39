/*
 * slack.h - memory that a flood has left behind is given back.
 *
 * What a question under way takes is freed with it. Some of that is a pool's and goes back by itself (answer/pool.h); of the
 * rest malloc keeps most for next time: tens of MiB after a flood, for months. So once a second it is looked at how much is under way; when it was many times more not long ago,
 * malloc is told to give back what it has, at most every ten seconds. That takes it some milliseconds.
 *
 * Threads: all on the main thread.
 */
#ifndef FRESHET_RESOLVER_DAEMON_SLACK_H
#define FRESHET_RESOLVER_DAEMON_SLACK_H

#include <event2/event.h>

#include "resolver/daemon/daemon.h"

struct slack;

/* Looks from now on; the daemon is borrowed. NULL: no memory. */
struct slack *slack_new(struct event_base *base, const struct daemon *daemon);
/* NULL is fine. */
void slack_free(struct slack *slack);

/*
 * Whether memory should be given back, when so much is under way. `most`: how much was since that was last done, which it
 * keeps account of.
 */
bool slack_is_due(size_t under_way, size_t *most);

#endif
