#include "cache/absent.h"

static bool speaks_for_name(const struct answer_key *key, const struct answer *answer)
{
    return (answer->flags & FLAG_RCODE) == RCODE_NXDOMAIN && answer->negative &&
           answer->counts[SECTION_ANSWER] == 0 && absent_answers(key);
}

bool absent_is_all(const struct answer_key *key, const struct answer *answer)
{
    return answer->dependencies.zone == ZONE_NONE && speaks_for_name(key, answer);
}

bool absent_put(const struct shards *shards, const struct answer_key *key,
                const struct answer *answer, const struct put *put)
{
    struct answer_key name;
    struct shard *shard = shard_lock_of(shards, key->hash);
    struct entry *held = shard_find(shard, key);
    if (held)
        shard_remove(shard, held);
    shard_unlock(shard);
    answer_key_of_name(key, &name);
    shard = shard_lock_of(shards, name.hash);
    bool kept = shard_put(shard, &name, answer, put);
    shard_unlock(shard);
    return kept;
}

void absent_note(const struct shards *shards, const struct answer_key *key,
                 const struct answer *answer, struct stamp stamp, struct mono now)
{
    struct answer_key name;
    if (answer_is_failure(answer))
        return;
    answer_key_of_name(key, &name);
    struct shard *shard = shard_lock_of(shards, name.hash);
    struct entry *held = shard_find(shard, &name);
    if (speaks_for_name(key, answer))
        shard_put(shard, &name, answer,
                  &(struct put){.kind = PUT_FETCHED, .stamp = stamp, .now = now, .born = now});
    else if (held && absent_answers(key))
        shard_remove(shard, held);
    shard_unlock(shard);
}

bool absent_holds(const struct shards *shards, const struct answer_key *key, struct mono now)
{
    struct answer_key name;
    answer_key_of_name(key, &name);
    struct shard *shard = shard_lock_of(shards, name.hash);
    struct entry *entry = absent_answers(key) ? shard_find(shard, &name) : NULL;
    const bool holds = entry && shard_judge(shard, entry, &name, now) == STORE_HIT;
    shard_unlock(shard);
    return holds;
}

enum store_result absent_get(const struct shards *shards, const struct store_look *look,
                             enum store_result result, struct store_hit *ret)
{
    struct answer_key name;
    answer_key_of_name(look->key, &name);
    struct shard *shard = shard_lock_of(shards, name.hash);
    struct entry *entry = absent_answers(look->key) ? shard_find(shard, &name) : NULL;
    const bool outdates = result == STORE_EXPIRED;
    const bool found = entry && shard_judge(shard, entry, &name, look->now) == STORE_HIT;
    if (found)
        result = shard_give(shard, entry, look, ret);
    shard_count(shard, look, result);
    shard_unlock(shard);
    if (found && outdates) {
        shard = shard_lock_of(shards, look->key->hash);
        shard_outdate(shard, look->key, (struct mono){0}, look->now);
        shard_unlock(shard);
    }
    return result;
}

void absent_outdate(const struct shards *shards, const struct answer_key *key, struct mono asked,
                    struct mono now)
{
    struct answer_key name;
    answer_key_of_name(key, &name);
    struct shard *shard = shard_lock_of(shards, name.hash);
    shard_outdate(shard, &name, asked, now);
    shard_unlock(shard);
}

bool absent_revive(const struct shards *shards, const struct answer_key *key, struct mono now)
{
    struct answer_key name;
    answer_key_of_name(key, &name);
    struct shard *shard = shard_lock_of(shards, name.hash);
    struct entry *entry = absent_answers(key) ? shard_find(shard, &name) : NULL;
    bool revived = entry && life_revive(&shard->rules, entry, name.name_hash, now);
    shard->counters.revived += revived;
    shard_unlock(shard);
    return revived;
}
