/*
 * forward.h - the way to one address on the network, for one worker: queries out, responses back, by c-ares.
 *
 * The only place that knows c-ares, which matches responses with queries. What is done around it here:
 *
 *   - Sockets. Left alone c-ares makes a system call per message and keeps one UDP source port while queries are
 *     outstanding. So one channel carries all UDP queries over a socket that is none: what it writes and reads
 *     there goes by ports.h, in batches, over many ports. A response must come in by the port of its query.
 *   - Time. Each query ends at a deadline of its own, and until then whatever comes is taken: c-ares is told nothing of
 *     time, since newer ones make their own of it (1.31: 250 ms for a server that usually takes 2).
 *   - What it sees. The ID of a message, and a name that stands for its question. Otherwise it would repeat queries without
 *     EDNS after a FORMERR, refuse messages for records nobody uses, cut them at 512 bytes; newer ones add cookies to
 *     queries, know but few classes, and not every name. Its ID is the query's: newer ones choose it themselves.
 *   - TCP goes another way (stream.h): c-ares fails all queries of a channel when a connection breaks, and loses the
 *     interface of a link-local address.
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
#include "resolver/net/ports.h"

/* NULL: no memory. The address is copied, `interface` as that of net_peer(); the budget of ports is borrowed, or NULL. */
struct exchange *forward_new(struct event_base *base, const struct sockaddr *address,
                             const char *interface, struct ports_budget *budget);

#endif
