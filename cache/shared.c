#include "cache/shared.h"

struct entry *shared_lock(const struct shards *shards, const struct answer_key *own,
                          uint64_t own_born_ms, struct shard **ret_shard)
{
    struct answer_key all;
    answer_key_shared(own, &all);
    *ret_shard = shard_lock_of(shards, all.hash);
    struct entry *entry = shard_find(*ret_shard, &all);
    return entry && entry->state & ENTRY_PUSHED && entry->born_ms > own_born_ms ? entry : NULL;
}

enum store_result shared_get(const struct shards *shards, const struct store_look *look,
                             enum store_result result, uint64_t own_born_ms, struct store_hit *ret)
{
    struct shard *shard;
    struct entry *pushed = shared_lock(shards, look->key, own_born_ms, &shard);
    if (pushed && shard_judge(shard, pushed, look->key, look->now) == STORE_HIT)
        result = shard_give(shard, pushed, look, ret);
    shard_count(shard, look, result);
    shard_unlock(shard);
    return result;
}

/* As one shard does by itself: a fetch may lag behind the change, and a failure never takes an answer's place. */
bool shared_comes_first(const struct shards *shards, const struct answer_key *own,
                        const struct answer *answer, struct mono now)
{
    struct shard *shard = shard_lock_of(shards, own->hash);
    const struct entry *entry = shard_find(shard, own);
    bool changed = shared_stands_in(shard, entry, own);
    const uint64_t born_ms = changed ? entry->born_ms : 0;
    shard_unlock(shard);
    if (!changed)
        return false;
    struct entry *pushed = shared_lock(shards, own, born_ms, &shard);
    bool failure = answer_is_failure(answer);
    bool first = pushed && shard_judge(shard, pushed, own, now) == STORE_HIT &&
                 (failure || !life_is_aging(&shard->rules, pushed, entry_age_ms(pushed, now)));
    shard->counters.late += first && !failure;
    shard_unlock(shard);
    return first;
}

/* Whether a change can bring the answer along: to a plain question, for a name in a zone of the feed. */
static bool may_be_pushed(const struct answer_key *key, const struct answer *answer)
{
    return answer->dependencies.own != OWN_NONE && wire_get_u16(key->bytes + 2) == CLASS_IN &&
           !(key->bytes[ANSWER_KEY_BITS] & KEY_DNSSEC_OK);
}

void shared_leave_place(const struct shards *shards, const struct answer_key *own,
                        const struct answer *answer, struct stamp stamp, struct mono now)
{
    struct answer_key all;
    if (!may_be_pushed(own, answer))
        return;
    answer_key_shared(own, &all);
    struct shard *shard = shard_lock_of(shards, all.hash);
    shard_put(shard, &all, answer,
              &(struct put){.kind = PUT_SHARED, .stamp = stamp, .now = now, .born = now});
    shard_unlock(shard);
}
