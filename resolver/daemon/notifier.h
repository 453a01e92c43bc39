/*
 * notifier.h - secondaries of streamed zones are told of each version (daemon/notices.h), once the zone has it; and what a
 * catalog has become is taken over.
 *
 *     feed's thread: another version --> eventfd --> main thread: NOTIFY to those who follow the zone; daemon_look_at_zone()
 *
 * Versions that come faster than the loop turns are one.
 *
 * Threads: the main one.
 */
#ifndef FRESHET_RESOLVER_DAEMON_NOTIFIER_H
#define FRESHET_RESOLVER_DAEMON_NOTIFIER_H

#include "daemon/notices.h"
#include "resolver/daemon/daemon.h"

struct notifier;

/* Before the feed starts. NULL: no memory, or no descriptor. */
struct notifier *notifier_new(struct event_base *base, struct daemon *daemon);
/* When no feed is left. NULL is fine. */
void notifier_free(struct notifier *notifier);

/* Takes over who follows which zone from the daemon's configuration, if that is a new one; all are told then. */
void notifier_reload(struct notifier *notifier);

#endif
