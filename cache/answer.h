/*
 * answer.h - a response ready to be sent again: wire bytes, where its TTLs are, what it depends on.
 *
 * The bytes begin behind the question section and end before any OPT record:
 *
 *     header | question | answer RRs, authority RRs, additional RRs | OPT
 *      12 B     varies   \__________________ body ________________/   per client
 *
 * A compression pointer in the body counts from the start of the message, so a body fits every
 * message whose question name has the same size: any spelling of the same name. Pointers to the
 * question give records the client's own spelling.
 */
#ifndef FRESHET_CACHE_ANSWER_H
#define FRESHET_CACHE_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "cache/answer_key.h"
#include "cache/stamp.h"
#include "cache/ttl.h"
#include "cache/validity.h"
#include "dns/message.h"

enum { ANSWER_MAX_TTLS = 4096 };

/*
 * Among an answer's flags, in the places of RA and CD, which are each reply's own: its RRset may be rotated (rotation.h); it is not
 * at first hand.
 */
enum { FLAG_ROTATES = FLAG_RA, FLAG_SECOND_HAND = FLAG_CD };

/* Where an answer came from, for people: n is the n-th upstream a tier has ever had. */
enum { ORIGIN_FEED = 0, ORIGIN_MAX = 254, ORIGIN_NONE = 255 };

/* Whose an answer is, for a name of the feed's zones: the more of these it is, the more there is to say of it. */
enum hand {
    FIRST_HAND,         /* the authority's, or a parent's that tells how old it is */
    SECOND_HAND_ABOVE,  /* such a parent's, who has it at second hand himself, and says so there */
    SECOND_HAND,        /* without AA, from a cache that hears of no change */
    SECOND_HAND_PARENT, /* a parent's that says nothing of its position */
    SECOND_HAND_ZONE,   /* a parent's that does not hear of the zone's changes */
    HANDS
};

/* An answer outside a store. Borrows its bytes; its scopes are its own. */
struct answer {
    uint16_t flags; /* AD, RCODE, FLAG_ROTATES, FLAG_SECOND_HAND; the rest is made for each reply */
    uint16_t counts[3]; /* by enum section */
    bool negative;      /* NXDOMAIN or NODATA */
    bool uncacheable;   /* whatever its TTL */
    bool covered;       /* the feed vouches for every name in it: it may be held past its TTL */
    bool behind;        /* its source lacks a change that we have: not to be kept by anyone */
    /* It may be old already: no lower bound of its TTLs, not to be held or revived; children are told so. */
    bool provisional;
    bool exact;    /* made of the log itself: no change of it has to settle */
    bool outside;  /* some name in it lies in no zone of the feed */
    bool unplaced; /* a tier's that was compared with nothing: in doubt for nobody to keep (P3) */
    enum hand hand;
    uint8_t origin;
    uint32_t ttl; /* seconds it may live, before the policy's bounds */
    uint32_t
        elsewhere; /* seconds that older answers may be cached elsewhere; below `ttl`: that is it */
    struct stamp
        as_old_as; /* no newer than this by what a parent has applied; UINT64_MAX: no such bound */
    int ede;       /* Extended DNS Error that explains it, or EDE_NONE */
    uint8_t *body;
    size_t body_size;
    const uint16_t *ttl_offsets; /* from the body's first byte */
    size_t ttl_count;
    struct dependencies dependencies;
};

/* A failure to answer, kept for a while so as not to ask again at once. */
static inline bool answer_is_failure(const struct answer *answer)
{
    return (answer->flags & FLAG_RCODE) == RCODE_SERVFAIL;
}

/*
 * Bounds the answer's lifetime and every TTL in its bytes by the policy; `negative_ttl` bounds what says that there is
 * nothing, not the CNAMEs that lead there. Returns the lifetime in seconds.
 */
uint32_t answer_bound_ttls(struct answer *answer, const struct ttl_policy *policy);

/* Makes the answer provisional, with a second to live: it may be from before a change (P4). */
void answer_doubt(struct answer *answer);

/* For nobody to keep: its source may lack a change that we have (P3). */
void answer_disown(struct answer *answer);

/* Takes `age` seconds off every TTL in a body, no lower than 0, and then lowers each to `cap`. */
void body_age_ttls(uint8_t *body, const uint16_t *ttl_offsets, size_t ttl_count, uint32_t age,
                   uint32_t cap);

/* Makes every TTL in a body `ttl` seconds. */
void body_set_ttls(uint8_t *body, const uint16_t *ttl_offsets, size_t ttl_count, uint32_t ttl);

#endif
