/*
 * authority.h - streamed zones that a tier answers for as a secondary does: queries without RD, with AA, past the cache; and
 * who may have all of one of them.
 *
 * Threads: made by one, and unchanged from then on; answered from by any that is a registered reader (zone/zone.h).
 */
#ifndef FRESHET_RESOLVER_ANSWER_AUTHORITY_H
#define FRESHET_RESOLVER_ANSWER_AUTHORITY_H

#include "config/config.h"
#include "dns/signature.h"
#include "invalidation/streamed.h"
#include "resolver/answer/client.h"
#include "resolver/answer/reply.h"

struct authority;

/* With one reference held. Takes over the keys that are in the ring, also on failure. NULL: no memory. */
struct authority *authority_new(struct keyring *keyring);
struct authority *authority_ref(struct authority *authority);
void authority_unref(struct authority *authority); /* NULL is fine */

/* Adds a zone, borrowed, with what is configured of it, copied. ERR_MEMORY. */
MUST_CHECK int authority_add(struct authority *authority, const struct streamed_zone *zone,
                             const struct config_zone *config);

bool authority_is_empty(const struct authority *authority);

/* The keys that messages may be signed with. */
const struct keyring *authority_keys(const struct authority *authority);

/* The zone of this name (in any case), and whether who asks from there, with that key or none, may have all of it. NULL: none. */
const struct streamed_zone *authority_handout(const struct authority *authority,
                                              const uint8_t *name, const union address *peer,
                                              const struct tsig_key *key, bool *ret_may);

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
bool authority_answer(const struct authority *authority, const struct authority_query *query,
                      struct reply_content *ret);

#endif
