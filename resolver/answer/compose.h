/*
 * compose.h - makes an answer of what a chain has selected: bytes, TTL, and all names that it depends on.
 *
 * Threads: each has its own composer; an answer is good until it is used for the next.
 */
#ifndef FRESHET_RESOLVER_ANSWER_COMPOSE_H
#define FRESHET_RESOLVER_ANSWER_COMPOSE_H

#include "cache/answer.h"
#include "resolver/answer/chain.h"

struct composer;

/* NULL: no memory. `validity` is borrowed. */
struct composer *composer_new(const struct validity *validity);
/* NULL is fine. */
void composer_free(struct composer *composer);

struct composition {
    const struct question *question; /* canonical */
    const struct chain *chain;
    enum chain_end end; /* DATA, NODATA or NXDOMAIN */
    bool dnssec_ok;
    bool behind; /* it may be older than what we have applied: for nobody to keep */
    bool
        second_hand; /* some of it another cache had: not for us to hold when that shortened its TTL */
    uint8_t origin;
};

/* NULL: it does not fit into a message. TTLs are as received. */
struct answer *compose_answer(struct composer *composer, const struct composition *composition);

/* A SERVFAIL for the question, with TTL_FAILURE_SECONDS to live, and why (RFC 8914). */
struct answer *compose_failure(struct composer *composer, const struct question *question, int ede);

#endif
