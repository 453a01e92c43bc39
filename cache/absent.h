/*
 * absent.h - names that do not exist, for whatever type they are asked (RFC 2308 5).
 *
 * NXDOMAIN is kept under the name with no type. There a question that is not held, or no more, finds it. It is judged like
 * any other answer: by its TTL, and by the scopes of its name. In the feed's zones it is kept under its question besides,
 * where a change may bring the data of it; people are told of that one, and of the other only where it is alone.
 *
 * Not so with DS: that question goes to the servers of the zone above, which may know a name that those of its own zone
 * do not, or the other way round.
 */
#ifndef FRESHET_CACHE_ABSENT_H
#define FRESHET_CACHE_ABSENT_H

#include "cache/shard.h"
#include "dns/type.h"

/* Whether what is held for its name may answer a question. */
static inline bool absent_answers(const struct answer_key *key)
{
    return wire_get_u16(key->bytes) != TYPE_DS;
}

/*
 * Whether an answer to the question of `key` says that there is no such name, and no change can bring data of it: it is
 * kept for the name alone, by absent_put(), which takes the place of what is held under the question. True: it is kept.
 */
bool absent_is_all(const struct answer_key *key, const struct answer *answer);
bool absent_put(const struct shards *shards, const struct answer_key *key,
                const struct answer *answer, const struct put *put);

/*
 * After an answer to the question of `key` was kept there: keeps it for the name as well if that does not exist, and gives
 * up what was kept there if it does.
 */
void absent_note(const struct shards *shards, const struct answer_key *key,
                 const struct answer *answer, struct stamp stamp, struct mono now);

/* Whether there is an answer to give for the name of a question. */
bool absent_holds(const struct shards *shards, const struct answer_key *key, struct mono now);

/*
 * As store_get(), where that has found nothing to give but `result`; counts what became of it. What is expired under the
 * question itself is older than what is given then, and goes: it must not be held or revived after that.
 */
enum store_result absent_get(const struct shards *shards, const struct store_look *look,
                             enum store_result result, struct store_hit *ret);

/* As store_outdate() and store_revive(), for the name of a question. */
void absent_outdate(const struct shards *shards, const struct answer_key *key, struct mono asked,
                    struct mono now);
bool absent_revive(const struct shards *shards, const struct answer_key *key, struct mono now);

#endif
