/*
 * forward.h - one upstream address as seen by one worker: queries out, responses back, by c-ares.
 *
 * The only place that knows c-ares. What it takes care of here:
 *
 *   - Source ports. c-ares keeps one UDP socket per channel while queries are outstanding. Queries are
 *     spread at random over a few channels, and each takes no new query after QUERIES_PER_CHANNEL until it
 *     has none outstanding; its socket is closed then and the next one gets a new random port.
 *   - EDNS. On FORMERR without OPT c-ares repeats a query without its last 11 bytes and changes the
 *     channel's mode; so queries with and without EDNS use different channels, and a channel that saw an
 *     answer without OPT is retired for good.
 *   - TCP. A truncated answer is asked for again over TCP by c-ares itself.
 *   - c-ares' own answer cache (1.31 and later) is off: it knows nothing of invalidation.
 *   - No resolv.conf, hosts file or environment is consulted.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_FORWARD_H
#define FRESHET_RESOLVER_FORWARD_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dns/error.h"

enum forward_way { FORWARD_EDNS, FORWARD_PLAIN, FORWARD_TCP, FORWARD_WAYS };

enum {
    FORWARD_CHANNELS = 4,             /* channels that take queries at a time, per way */
    FORWARD_QUERIES_PER_CHANNEL = 32, /* on one source port */
    FORWARD_MAX_CHANNELS = 64,        /* in all, per way: bounds memory when many queries hang */
    FORWARD_TIMEOUT_MS = 3000,        /* when c-ares gives a query up */
};

struct forward;

/*
 * A query under way; the caller's memory, which must stay until `done` was called. `done` is called exactly
 * once per query, never from within forward_send(). `status` is 0 with the response's bytes (good inside the
 * call), ERR_TIMEOUT, or ERR_SYSTEM (refused, unreachable, connection lost).
 */
struct forward_request {
    void (*done)(struct forward_request *request, int status, const uint8_t *response, size_t size);
    struct forward_request *prev, *next; /* private */
    struct channel *channel;             /* private */
};

/* NULL: no memory. The address is copied. */
struct forward *forward_new(struct event_base *base, const struct sockaddr *address);

/* Ends every outstanding query with ERR_TIMEOUT first. Not from within a `done`. NULL is fine. */
void forward_free(struct forward *forward);

/* Sends `query` (a whole message; copied). Its ID and spelling are the caller's and are matched by c-ares. */
void forward_send(struct forward *forward, enum forward_way way, const uint8_t *query, size_t size,
                  struct forward_request *request);

#endif
