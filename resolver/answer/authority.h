/*
 * authority.h - streamed zones that a tier answers for as a secondary does: queries without RD, with AA, past the cache.
 *
 * Threads: a worker's own, which is a registered reader (zone/zone.h).
 */
#ifndef FRESHET_RESOLVER_ANSWER_AUTHORITY_H
#define FRESHET_RESOLVER_ANSWER_AUTHORITY_H

#include "invalidation/streamed.h"
#include "resolver/answer/reply.h"

struct authority;

/* NULL: no memory. */
struct authority *authority_new(void);
/* NULL is fine. */
void authority_free(struct authority *authority);

/* Adds a zone, borrowed. ERR_MEMORY. */
MUST_CHECK int authority_add(struct authority *authority, const struct streamed_zone *zone);

struct authority_query {
    const struct question *question; /* as spelled */
    bool dnssec_ok;
    uint8_t *reply; /* header, question and body are written here */
    size_t limit;   /* bytes they may take */
};

/*
 * Answers a question: the question and the body are in `reply`, for reply_finish(). False, `reply` spoilt: its name is in
 * none of the zones. A zone that is not whole has SERVFAIL to say.
 */
bool authority_answer(struct authority *authority, const struct authority_query *query,
                      struct reply_content *ret);

#endif
