/*
 * link.h - a simulated distance between a tier and its upstream, for experiments on one machine.
 *
 *      forward_send() --- delay ---> near: c-ares, or a tier of this process
 *      done()         <-- delay ---  its response
 *
 * Every message takes `delay`, more or less by up to `jitter`, and may get lost. Over UDP a lost
 * one never arrives: the query ends after FORWARD_TIMEOUT_MS, as any that gets no response. What
 * comes by TCP or by a call within the process arrives LINK_RETRANSMIT_MS later instead, as if sent
 * again; that one is never lost. A response that did not fit into UDP takes a second round trip.
 * TCP connections count as open: no handshake is simulated.
 *
 * Whatever looks at the upstream from this side sees the distance as if it were real: round-trip
 * times, timeouts. A message is never early; late by a millisecond or so, and by what the loop is.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_NET_LINK_H
#define FRESHET_RESOLVER_NET_LINK_H

#include "resolver/net/forward.h"

enum {
    LINK_RETRANSMIT_MS = 200, /* the least that Linux waits before it sends again (TCP_RTO_MIN) */
    LINK_SURE_LOSS = 1000000,
};

struct link_options {
    uint64_t delay_ms;  /* at most a minute or so */
    uint64_t jitter_ms; /* at most delay_ms */
    uint32_t loss;      /* so many of LINK_SURE_LOSS are lost, each way */
};

struct link;

/*
 * Takes over `near`, which does the asking; `inside` says that it is a tier of this process.
 * NULL: no memory, and `near` stays the caller's.
 */
struct link *link_new(struct event_base *base, struct forward *near, bool inside,
                      const struct link_options *options);

/* Ends every outstanding query with ERR_TIMEOUT, and frees `near`. NULL is fine. */
void link_free(struct link *link);

/* As forward_send(). */
void link_send(struct link *link, enum forward_way way, struct forward_request *request);

#endif
