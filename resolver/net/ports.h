/*
 * ports.h - the UDP sockets towards one upstream address: queries out and responses in, by the batch.
 *
 *      ports_send() -> the queue of a port -> at the end of the loop's iteration, one sendmmsg per port
 *      one recvmmsg per readable port -> arrived() -> ports_next(), ports_response()
 *
 * Source ports are half of what an attacker who does not see the queries must guess (RFC 5452 4.5, 9.2). A query
 * goes by one of a few open ports at random; a port takes no more after PORTS_QUERIES, and is closed as soon as
 * none is outstanding on it, so that quiet times see a new port for every query. The kernel picks ports at
 * random. A response counts only on the port that its query left by. Where no more ports can be had, those there are
 * take more: a few of them in each iteration, drawn at random.
 *
 * Nothing waits for a timer: a query leaves in the iteration in which it was asked for.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_NET_PORTS_H
#define FRESHET_RESOLVER_NET_PORTS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dns/error.h"
#include "dns/message.h"
#include "resolver/answer/counter.h"

enum {
    PORTS_TAKING = 4,           /* open ports that share the queries of a moment */
    PORTS_QUERIES = 32,         /* by one port */
    PORTS_MOST = 256,           /* open ports; when so many wait for answers they are used longer */
    PORTS_MOST_ON = 256,        /* queries outstanding on one of them then */
    PORTS_BATCH = 32,           /* messages in one system call */
    PORTS_MAX_RESPONSE = 65535, /* whatever a datagram can carry; memory is touched as needed */
};

struct ports;

/* What came in. For a query that was refused it is a SERVFAIL to it of our own making. */
struct udp_response {
    const uint8_t *bytes; /* at least a header; good until arrived() returns */
    size_t size;
    const struct udp_query *query; /* one that has its ID, and left by its port */
};

/* A query under way; the caller's memory, in place from ports_send() to ports_done(). */
struct udp_query {
    struct port *port; /* NULL: not under way */
    uint64_t batch;    /* private: `udp_response` is of this one; 0: there is none */
    struct udp_response udp_response;
    uint16_t place; /* private: on the port */
    uint16_t id;    /* private */
    bool queued;    /* private: not sent yet */
    bool refused;   /* what has arrived says only that the query was refused (ICMP) */
    uint16_t size;
    uint8_t *bytes; /* the caller's */
};

/*
 * How many ports the upstreams of a worker may have open, all together: those of a silent one must not use up the
 * descriptors of the others. PORTS_TAKING each may have in any case.
 */
struct ports_budget {
    size_t most;
    size_t open;           /* now */
    struct counter shared; /* queries that had to go by a port that would have taken no more */
};

struct ports_options {
    struct ports_budget *budget; /* borrowed; NULL: no bound but PORTS_MOST */
    struct event_base *base;
    const struct sockaddr *address; /* copied */
    const char *interface;          /* as that of net_peer() */
    /* Something is there for ports_next(); from the loop. */
    void (*arrived)(void *arg);
    void *arg;
};

/* NULL: no memory. */
struct ports *ports_new(const struct ports_options *options);
/* Every udp_query must be done. NULL is fine. */
void ports_free(struct ports *ports);

/* Queues the query in `udp_query`, a whole message. Returns 0; ERR_SYSTEM when no socket can be had. */
MUST_CHECK int ports_send(struct ports *ports, struct udp_query *udp_query);

/* No response is wanted any more. Nothing happens when it is not under way. */
void ports_done(struct ports *ports, struct udp_query *udp_query);

/* Within arrived(): the next of this batch. False when there is none. */
bool ports_next(struct ports *ports, struct udp_response *ret);

/* Within arrived(): how many more there may be. */
size_t ports_left(const struct ports *ports);

/*
 * Within arrived(): what this batch brought by the port that the query left by, with its ID; NULL when nothing.
 * Another query may have the same ID: whether the question is the same is not looked at here.
 */
const struct udp_response *ports_response(const struct ports *ports,
                                          const struct udp_query *udp_query);

#endif
