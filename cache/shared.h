/*
 * shared.h - what a change brings for clients that have a cache of their own each.
 *
 *     client 1: own answer --\                       change: SET
 *     client 2: own answer ----> one entry for all <------'
 *     client 3: (never asked)     its place is left by the first client's answer
 *
 * To replace the clients' answers one by one, a change would have to know who holds what. So there is one entry
 * for all that it replaces, and whose own answer a change has touched, and is older than that change, gets that one
 * instead; whoever never asked gets nothing. Before a change that entry only keeps the place: it is no answer for anybody.
 *
 * `own` is the client's own key, that of a store's shards. One shard's lock is held at a time.
 */
#ifndef FRESHET_CACHE_SHARED_H
#define FRESHET_CACHE_SHARED_H

#include "cache/shard.h"

/* Whether an entry is a client's own answer, and a change has touched it. */
static inline bool shared_stands_in(const struct shard *shard, const struct entry *entry,
                                    const struct answer_key *key)
{
    return entry && answer_key_is_of_client(key) &&
           !life_is_unchanged(&shard->rules, entry, key->name_hash);
}

/*
 * Finds what a change brought for all that is newer than the client's own answer, which was fetched at `own_born_ms`;
 * NULL: nothing. Its shard is locked in any case.
 */
struct entry *shared_lock(const struct shards *shards, const struct answer_key *own,
                          uint64_t own_born_ms, struct shard **ret_shard);

/* Gives what a change brought for all, and counts. `result` is what became of the client's own, fetched at `own_born_ms`. */
enum store_result shared_get(const struct shards *shards, const struct store_look *look,
                             enum store_result result, uint64_t own_born_ms, struct store_hit *ret);

/* Whether a client's answer comes second to what a change brought, which still holds. */
bool shared_comes_first(const struct shards *shards, const struct answer_key *own,
                        const struct answer *answer, struct mono now);

/* A client's answer was kept: leaves a place that a change can go to, if one can bring this answer along. */
void shared_leave_place(const struct shards *shards, const struct answer_key *own,
                        const struct answer *answer, struct stamp stamp, struct mono now);

#endif
