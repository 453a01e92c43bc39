/*
 * forward.h - the way to one address on the network, for one worker: queries out, responses back, by c-ares.
 *
 * The only place that knows c-ares. It matches responses with queries, gives up those that get none, and
 * speaks TCP. What is done around it here:
 *
 *   - Sockets. Left alone c-ares makes a system call per message and keeps one UDP source port while queries are
 *     outstanding. So one channel carries all UDP queries over a socket that is none: what it writes and reads
 *     there goes by ports.h, in batches, over many ports. A response must come in by the port of its query.
 *   - EDNS. c-ares is told nothing of it: knowing, it would repeat queries without their last 11 bytes after a
 *     FORMERR, and behave differently from then on.
 *   - TCP. A truncated answer is asked for again over TCP: by channels of their own, few queries on each, since
 *     c-ares fails all queries of a channel when a connection breaks.
 *   - c-ares' own answer cache (1.31 and later) is off: it knows nothing of invalidation.
 *   - No resolv.conf, hosts file or environment is consulted.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_NET_FORWARD_H
#define FRESHET_RESOLVER_NET_FORWARD_H

#include <event2/event.h>
#include <sys/socket.h>

#include "resolver/answer/exchange.h"

enum {
    FORWARD_CONNECTIONS = 4,             /* TCP connections that take queries at a time */
    FORWARD_QUERIES_PER_CONNECTION = 32, /* then another is made */
    FORWARD_MAX_CONNECTIONS = 64,        /* in all: bounds memory when many queries hang */
    FORWARD_TIMEOUT_MS = 3000,           /* when c-ares gives a query up */
};

/* NULL: no memory. The address is copied. */
struct exchange *forward_new(struct event_base *base, const struct sockaddr *address);

#endif
