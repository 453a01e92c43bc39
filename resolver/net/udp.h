/*
 * udp.h - one UDP socket of one worker: batches in, batches out.
 *
 * Up to UDP_BATCH queries are read in one system call into buffers made once, each is handled with its reply
 * written where it is sent from, and the replies that are ready leave in one call. Replies that had to wait
 * are copied, and leave together at the end of the loop's iteration that brought them.
 */
#ifndef FRESHET_RESOLVER_NET_UDP_H
#define FRESHET_RESOLVER_NET_UDP_H

#include <event2/event.h>

#include "resolver/answer/query.h"

enum {
    UDP_BATCH = 64,
    UDP_MAX_QUERY = 2048, /* longer ones are no queries */
};

struct udp_listener;

/* Takes over `fd`; closes it in udp_free() or when NULL is returned. */
struct udp_listener *udp_new(struct event_base *base, int fd, struct tier_worker *tier_worker);
void udp_free(struct udp_listener *listener);

/* Frees it once nobody waits at it any more; until then no query is read, and replies go out. */
void udp_retire(struct udp_listener *listener);

/* Reads no more queries; replies still go out. */
void udp_stop_reading(struct udp_listener *listener);

#endif
