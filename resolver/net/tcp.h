/*
 * tcp.h - DNS over TCP (RFC 7766): pipelined queries, answers as they become ready, bounded everything.
 *
 * What is bounded, and how:
 *
 *   connections   `clients` per worker; when all places are taken, the one who holds most of them makes room (holders.h)
 *   bytes         `held` per worker, of queries that are not whole and answers that are not sent; past it the connection goes
 *                 for whose client most of them wait, and that client is kept out for a second. A connection is not read on while TCP_MAX_OUTPUT of its own wait.
 *   time          idle for the idle time, it is closed; so is a message that takes longer to arrive, and a client that takes
 *                 nothing for so long. Who asks is told the time (RFC 7828). When more than half of the places are taken the time shrinks, to a tenth (RFC 9210 4.2).
 *   queries       TCP_MAX_PIPELINE per connection that wait for an answer; then it is not read
 *
 * A client that has sent its last query and closed its side still gets the answers.
 */
#ifndef FRESHET_RESOLVER_NET_TCP_H
#define FRESHET_RESOLVER_NET_TCP_H

#include <event2/event.h>

#include "resolver/answer/query.h"

enum {
    TCP_MAX_PIPELINE = 128,     /* queries waiting per connection; then it is not read */
    TCP_MAX_OUTPUT = 64 * 1024, /* unsent bytes per connection; then it is not read */
};

/* Connections of one worker, over all its listeners. */
struct tcp_pool;

struct tcp_limits {
    size_t clients; /* connections at a time */
    uint64_t idle_ms;
    size_t held; /* bytes that wait, over all connections */
};

struct tcp_pool_counters {
    struct counter accepted, closed, queries;
    struct counter turned_away;                             /* no memory, or no place at all */
    struct counter idle_for_room, busy_for_room, for_bytes; /* closed */
    struct counter kept_out; /* for a second, as they take no answers */
    struct counter slow;     /* closed with half a message, or taking none of theirs */
    struct counter rests;    /* times that nobody could be accepted */
};

struct tcp_pool *tcp_pool_new(struct event_base *base, const struct tcp_limits *limits);
void tcp_pool_configure(struct tcp_pool *pool, const struct tcp_limits *limits);
const struct tcp_pool_counters *tcp_pool_counters(const struct tcp_pool *pool);

/* Takes over a listening `fd`; closes it with the pool, or when false is returned. */
bool tcp_pool_listen(struct tcp_pool *pool, int fd, struct tier_worker *tier_worker);

/* Closes the socket that listens with this number, `fd` as it was; who is connected stays. */
void tcp_pool_leave(struct tcp_pool *pool, int fd);

/* Takes those who wait to be taken, and then no more. Who is connected is served on. */
void tcp_pool_stop_accepting(struct tcp_pool *pool);

/* Whether bytes wait to be sent on some connection. */
bool tcp_pool_busy(const struct tcp_pool *pool);

/* Closes everything; who waits for room is rung. A connection that is held goes when it is released. NULL is fine. */
void tcp_pool_free(struct tcp_pool *pool);

#endif
