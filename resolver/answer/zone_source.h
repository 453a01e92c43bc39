/*
 * zone_source.h - a source of answers that is a streamed zone: an upstream that answers by a call.
 *
 *      question --> is the zone whole? --yes--> zone_lookup() ---> told at once, if it is an RRset or that there is none;
 *                        |                          |              else the reply, told from the loop, as any other's
 *                        |no                        |
 *                        |                          +-- a name below a cut: somebody else's zone
 *                        v                          v
 *                    `near`, the upstream that the zone would have without the stream
 *
 * What it says is the authority's own, and as new as the stamp that the fetch set out with: a change is in the zone before it is
 * marked. So nothing has to settle, and nothing is provisional. A chain that leads out of the zone is handed on as far as it
 * goes; the fetch asks for its end elsewhere (fetch.h). One that somebody else leads back into it is not believed past
 * that: the zone is asked.
 *
 * When the zone is not whole, `near` is asked. When its feed is lost for longer than the SOA's expire, nobody is, unless it may fall
 * back.
 *
 * Threads: everything on the worker's, which is a registered reader (zone/zone.h).
 */
#ifndef FRESHET_RESOLVER_ANSWER_ZONE_SOURCE_H
#define FRESHET_RESOLVER_ANSWER_ZONE_SOURCE_H

#include "invalidation/streamed.h"
#include "resolver/answer/source.h"
#include "resolver/answer/wheel.h"

/* What the zone sources of one worker share: memory, and a message, used inside one callback at a time. */
struct zone_desk;

/* NULL: no memory. The wheel is borrowed. */
struct zone_desk *zone_desk_new(struct wheel *wheel);
/* After the sources. NULL is fine. */
void zone_desk_free(struct zone_desk *desk);

struct zone_source_options {
    struct zone_desk *desk;           /* borrowed */
    const struct streamed_zone *zone; /* borrowed */
    struct source *near; /* its reference is taken over, also on failure. NULL: there is none */
    bool falls_back;     /* to that, when the zone has expired */
    uint8_t origin;      /* who it is, for people */
};

/* With one reference held. NULL: no memory. */
struct source *zone_source_new(const struct zone_source_options *options);

#endif
