/*
 * stream.h - the way to one address by TCP, for one worker: queries out, responses back, over a few connections.
 *
 *      query --> a connection with room, or a new one --> response with its ID and question
 *                       |
 *                closed by the server: what it has not answered goes to another connection
 *
 * Queries are pipelined and answered in any order (RFC 7766 6.2.1). Servers differ in how much of that they can do: one
 * that closes with queries left unanswered gets a connection for each from then on, for a while. Whoever closes without
 * a single answer, several times, is not asked again. A connection on which nothing comes takes no more queries.
 *
 * The whole address is kept, with the interface of a link-local one.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_NET_STREAM_H
#define FRESHET_RESOLVER_NET_STREAM_H

#include <event2/event.h>
#include <sys/socket.h>

#include "resolver/answer/exchange.h"
#include "resolver/answer/wheel.h"

enum {
    STREAM_CONNECTIONS = 4,             /* that share the queries of a moment */
    STREAM_QUERIES_PER_CONNECTION = 32, /* outstanding; then another is made */
    STREAM_MAX_CONNECTIONS = 64,        /* in all: bounds memory when many queries hang */
};

struct stream;

/* NULL: no memory. `wheel` is borrowed, the address copied, which is of AF_INET or AF_INET6; `interface` as that of net_peer(). */
struct stream *stream_new(struct event_base *base, struct wheel *wheel,
                          const struct sockaddr *address, const char *interface);

/* Ends every query under way with ERR_TIMEOUT. NULL is fine. */
void stream_free(struct stream *stream);

/* As exchange_send(). */
void stream_send(struct stream *stream, struct exchange_request *request);

#endif
