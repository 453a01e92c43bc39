/*
 * link.h - a simulated distance between a tier and its upstream, for experiments on one machine.
 *
 *      exchange_send() -- delay ---> near: c-ares, or a tier of this process
 *      done()          <- delay ---  its response
 *
 * Every message takes `delay`, more or less by up to `jitter`, and may get lost. Over UDP a lost
 * one never arrives: the query ends at its deadline, as any that gets no response. What
 * comes by TCP or by a call within the process arrives LINK_RETRANSMIT_MS later instead, as if sent
 * again; that one is never lost. TCP connections count as open: no handshake is simulated.
 *
 * Whatever looks at the upstream from this side sees the distance as if it were real: round-trip
 * times, timeouts. A message is never early; late by a millisecond or so, and by what the loop is.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_NET_LINK_H
#define FRESHET_RESOLVER_NET_LINK_H

#include <event2/event.h>

#include "resolver/answer/exchange.h"

enum {
    LINK_RETRANSMIT_MS = 200, /* the least that Linux waits before it sends again (TCP_RTO_MIN) */
    LINK_SURE_LOSS = 1000000,
};

struct link_options {
    uint64_t delay_ms;  /* at most a minute or so */
    uint64_t jitter_ms; /* at most delay_ms */
    uint32_t loss;      /* so many of LINK_SURE_LOSS are lost, each way */
};

/*
 * Takes over `near`, which does the asking; also on failure. NULL: no memory.
 */
struct exchange *link_new(struct event_base *base, struct exchange *near,
                          const struct link_options *options);

#endif
