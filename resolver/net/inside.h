/*
 * inside.h - one tier of this process asks another: a call, no packet.
 *
 * The query goes to the other tier's tier_worker as a client's would, so everything about tiers holds as it does
 * between processes: its cache, its table of questions under way, and the position option (P3). What comes back is told
 * from the loop, never while it is sent: by then the answer's memory, which all tiers of a worker share, is free.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_NET_INSIDE_H
#define FRESHET_RESOLVER_NET_INSIDE_H

#include <event2/event.h>

#include "resolver/answer/exchange.h"

struct tier_worker;

/* Queries go to `tier_worker`, which is borrowed. NULL: no memory. */
struct exchange *inside_new(struct event_base *base, struct tier_worker *tier_worker);

#endif
