/*
 * forward.h - one upstream address as seen by one worker: queries out, responses back, by c-ares.
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
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dns/error.h"
#include "resolver/net/ports.h"

enum forward_way { FORWARD_EDNS, FORWARD_PLAIN, FORWARD_TCP };

enum {
    FORWARD_CONNECTIONS = 4,             /* TCP connections that take queries at a time */
    FORWARD_QUERIES_PER_CONNECTION = 32, /* then another is made */
    FORWARD_MAX_CONNECTIONS = 64,        /* in all: bounds memory when many queries hang */
    FORWARD_TIMEOUT_MS = 3000,           /* when c-ares gives a query up */
};

struct forward;

/*
 * A query under way; the caller's memory, which must stay until `done` was called. `done` is called exactly
 * once per query, never from within forward_send(). `status` is 0 with the response's bytes (good inside the
 * call), ERR_TIMEOUT, or ERR_SYSTEM (refused, unreachable, connection lost).
 */
struct forward_request {
    void (*done)(struct forward_request *request, int status, const uint8_t *response, size_t size);
    struct udp_query udp_query; /* the query: its `bytes` and `size` are the caller's to set */
    struct forward *forward;    /* private from here on */
    struct forward_request *prev, *next;
    struct channel *channel;
    enum forward_way way;
};

/* To a tier of this process (inside.h), whose tier_worker is borrowed. NULL: no memory. */
struct tier_worker;
struct forward *forward_new_inside(struct event_base *base, struct tier_worker *tier_worker);

/* At a simulated distance (link.h): takes over `near`. NULL: no memory, and `near` was freed. */
struct link_options;
struct forward *forward_new_far(struct event_base *base, struct forward *near,
                                const struct link_options *options);

/* NULL: no memory. The address is copied. */
struct forward *forward_new(struct event_base *base, const struct sockaddr *address);

/* Ends every outstanding query with ERR_TIMEOUT first. Not from within a `done`. NULL is fine. */
void forward_free(struct forward *forward);

/* Sends the query in `request->udp_query`, a whole message, whose ID is random and whose question c-ares matches. */
void forward_send(struct forward *forward, enum forward_way way, struct forward_request *request);

/* Whether a query that went by UDP was asked again over TCP. It was zeroed before it was sent. */
static inline bool forward_fell_back(const struct forward_request *request)
{
    return request->channel && request->way != FORWARD_TCP;
}

#endif
