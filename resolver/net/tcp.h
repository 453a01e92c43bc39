/*
 * tcp.h - DNS over TCP (RFC 7766): pipelined queries, answers as they become ready, bounded everything.
 *
 * A connection is closed when it is silent for the idle time with nothing to wait for, when a message takes
 * longer than that to arrive or to be taken, and, when all places are taken, when it is the one that
 * has been quiet longest. A client that has sent its last query and closed its side still gets the answers.
 */
#ifndef FRESHET_RESOLVER_NET_TCP_H
#define FRESHET_RESOLVER_NET_TCP_H

#include <event2/event.h>

#include "resolver/answer/query.h"

enum {
    TCP_MAX_PIPELINE = 128,       /* queries waiting per connection; then it is not read */
    TCP_MAX_OUTPUT = 1024 * 1024, /* unsent bytes per connection; then it is not read */
};

/* Connections of one worker, over all its listeners. */
struct tcp_pool;

struct tcp_limits {
    size_t clients; /* connections at a time */
    uint64_t idle_ms;
};

struct tcp_pool_counters {
    struct counter accepted, turned_away, queries;
};

struct tcp_pool *tcp_pool_new(struct event_base *base, const struct tcp_limits *limits);
void tcp_pool_configure(struct tcp_pool *pool, const struct tcp_limits *limits);
const struct tcp_pool_counters *tcp_pool_counters(const struct tcp_pool *pool);

/* Takes over a listening `fd`; closes it with the pool, or when false is returned. */
bool tcp_pool_listen(struct tcp_pool *pool, int fd, struct tier_worker *tier_worker);

/* Accepts and reads no more; answers still go out. */
void tcp_pool_stop_reading(struct tcp_pool *pool);

/* Whether bytes wait to be sent on some connection. */
bool tcp_pool_busy(const struct tcp_pool *pool);

/* Closes everything. Nobody may hold a connection any more. NULL is fine. */
void tcp_pool_free(struct tcp_pool *pool);

#endif
