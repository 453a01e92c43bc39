/*
 * handouts.h - whole zones handed on by one worker: AXFR and IXFR (zone/handout.h), to who may have them by the tier's authority.
 *
 *     query --> whose zone, may they? --> by UDP one message; by TCP message after message, as the client takes them
 *
 * A message is made when the ones before it have left, so that others are answered in between, and a client that takes nothing
 * costs the state it holds and some 64 KiB.
 *
 * Threads: the worker's. Each transfer that has begun waits at the connection of its client, and ends with that at the latest.
 */
#ifndef FRESHET_RESOLVER_ANSWER_HANDOUTS_H
#define FRESHET_RESOLVER_ANSWER_HANDOUTS_H

#include "resolver/answer/authority.h"
#include "resolver/answer/counter.h"
#include "zone/handout.h"

struct handouts;

struct handout_counters {
    struct counter axfr, ixfr, ixfr_whole, ixfr_up_to_date; /* begun */
    struct counter refused;                                 /* no right to the zone */
    struct counter malformed;
    struct counter not_ready; /* the zone is not whole */
    struct counter busy;      /* too many go on */
    struct counter cut;       /* the client went, or it could not go on */
    struct counter bad_signatures;
};

struct handouts_options {
    struct handout_places *places; /* borrowed: of the whole process */
    uint64_t (*unix_now)(void);    /* seconds; what signatures have for time */
};

/* NULL: no memory. */
struct handouts *handouts_new(const struct handouts_options *options);
/* When no connection is left. NULL is fine. */
void handouts_free(struct handouts *handouts);

/* Seconds since 1970. */
uint64_t handouts_now(const struct handouts *handouts);

struct handouts_query {
    struct authority *authority;
    const uint8_t *bytes;
    size_t size;
    const struct client *client;
    bool stream;    /* over TCP */
    uint8_t *reply; /* room for DNS_EDNS_UDP bytes, or DNS_MAX_MESSAGE for a stream */
    struct handout_counters *counters;
};

/*
 * A question for AXFR or IXFR. Returns the size of the reply to send now; 0: what there is to be sent goes out by itself, or
 * nothing does; ERR_NOT_FOUND: it is of no zone that is answered for here.
 */
MUST_CHECK int handouts_take(struct handouts *handouts, const struct handouts_query *query);

#endif
