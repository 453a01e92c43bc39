/*
 * route.h - whom a tier asks for which names: its upstream, and others for the zones that have their own.
 *
 * The longest zone that has a name decides; for DS, which is the parent zone's of the name (RFC 4035 2.4), the longest
 * that the name lies below. A chain of CNAMEs may lead from one into another: then each is
 * asked for its own names, and what it says of others is not believed (chain.h).
 *
 * Threads: a worker's own, as the sources are.
 */
#ifndef FRESHET_RESOLVER_ANSWER_ROUTE_H
#define FRESHET_RESOLVER_ANSWER_ROUTE_H

#include "dns/name.h"
#include "resolver/answer/source.h"

struct routes;

/* Everything goes to `rest`, whose reference is taken over, also on failure. NULL: no memory. */
struct routes *routes_new(struct source *rest);

/* Releases the sources. NULL is fine. */
void routes_free(struct routes *routes);

/* Sends `zone`, canonical, and all below it to `source`, whose reference is taken over, also on failure. */
MUST_CHECK int routes_add(struct routes *routes, const uint8_t *zone, struct source *source);

/* Whether there is more than one way. */
bool routes_differ(const struct routes *routes);

/* The source for a name in any case, and what lies there but for DS; borrowed. */
struct source *routes_find(const struct routes *routes, const uint8_t *name);

/* The source for a question: a name in any case, and a type; borrowed. */
struct source *routes_find_for(const struct routes *routes, const uint8_t *name, uint16_t type);

#endif
