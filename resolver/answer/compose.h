/*
 * compose.h - makes an answer of what a chain has selected: bytes, TTL, and all names that it depends on.
 *
 * Threads: each has its own composer; an answer is good until it is used for the next.
 */
#ifndef FRESHET_RESOLVER_ANSWER_COMPOSE_H
#define FRESHET_RESOLVER_ANSWER_COMPOSE_H

#include "cache/answer.h"
#include "resolver/answer/chain.h"
#include "resolver/answer/source.h"

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
    const struct source_worth *worth; /* of all that went into it */
    uint8_t origin;
    int ede; /* what was said of it upstream (RFC 8914), or EDE_NONE */
};

/* NULL: it does not fit into a message. TTLs are as received. */
struct answer *compose_answer(struct composer *composer, const struct composition *composition);

/* Of what a source says there and then. */
struct told_composition {
    const struct question *question; /* in any case */
    const struct source_told *told;  /* its bytes become the answer's */
    bool dnssec_ok;
    struct stamp stamp; /* taken before that */
};
struct answer *compose_told(struct composer *composer, const struct told_composition *composition);

/*
 * Whether a message shows that a name in the feed's zones lies in a zone below them, which the feed knows nothing of:
 * by the owner of an SOA or of NS records. Then nobody vouches for what it says.
 */
bool compose_shows_cut(const struct composer *composer, const struct message *message);

/* A SERVFAIL for the question, with TTL_FAILURE_SECONDS to live, and why (RFC 8914). */
struct answer *compose_failure(struct composer *composer, const struct question *question, int ede);

#endif
