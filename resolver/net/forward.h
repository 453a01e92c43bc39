/*
 * forward.h - the way to one address on the network, for one worker: queries out, responses back.
 *
 *   - By UDP the bytes go by ports.h, in batches, over many ports. A response must come in by the port of its query, with
 *     its ID and its question; whatever else comes until the query's deadline is not heard.
 *   - By TCP they go by stream.h.
 *   - A message is not looked into beyond its question, and goes out as it is: a resolver library in between would
 *     add options, refuse what it does not know, and have timeouts and a cache of its own, in each version otherwise.
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

/* NULL: no memory. The address is copied; the budget of ports is borrowed, or NULL. */
struct exchange *forward_new(struct event_base *base, const struct sockaddr *address,
                             struct ports_budget *budget);

#endif
