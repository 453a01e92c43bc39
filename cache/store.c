#include "cache/store.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "cache/absent.h"
#include "cache/shard.h"
#include "cache/shared.h"

struct store {
    const struct validity *validity;
    struct shards shards;
};

enum { DEFAULT_SHARDS = 16 };

static_assert(VALIDITY_MAX_ZONES < ZONE_MANY, "zones are counted from 1");

struct store *store_new(const struct store_options *options)
{
    size_t shards = 1;
    while (shards < (options->shards ? options->shards : DEFAULT_SHARDS))
        shards *= 2;
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->validity = options->validity;
    store->shards.mask = shards - 1;
    store->shards.each = aligned_alloc(alignof(struct shard), shards * sizeof(struct shard));
    if (!store->shards.each) {
        free(store);
        return NULL;
    }
    memset(store->shards.each, 0, shards * sizeof(struct shard));
    for (size_t i = 0; i < shards; i++)
        shard_init(&store->shards.each[i], options->validity);
    if (store_configure(store, &options->policy, options->size) != ERR_OK) {
        store_free(store);
        return NULL;
    }
    return store;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i <= store->shards.mask; i++)
        shard_free(&store->shards.each[i]);
    free(store->shards.each);
    free(store);
}

const struct shards *store_shards(const struct store *store)
{
    return &store->shards;
}

void store_key(const struct store *store, const struct key_parts *parts, struct answer_key *ret_key)
{
    answer_key_make(store->validity, parts, ret_key);
}

void store_key_variant(const struct store *store, const uint8_t *name, uint16_t type, int bits,
                       struct answer_key *ret_key)
{
    store_key(store,
              &(struct key_parts){
                  .name = name,
                  .type = type,
                  .class = CLASS_IN,
                  .dnssec_ok = bits & KEY_DNSSEC_OK,
                  .checking_disabled = bits & KEY_CHECKING_DISABLED,
              },
              ret_key);
}

void store_expect(const struct store *store, uint64_t key_hash)
{
    /* Without the lock: should the table change at this moment, the hint is worth nothing and costs nothing. */
    index_expect(&shard_of(&store->shards, key_hash)->segment.index, key_hash);
}

/* ---- looking up ---- */

enum store_result store_get(struct store *store, const struct store_look *look,
                            struct store_hit *ret)
{
    struct shard *shard = shard_lock_of(&store->shards, look->key->hash);
    struct entry *entry = shard_find(shard, look->key);
    enum store_result result = entry ? shard_judge(shard, entry, look->key, look->now) : STORE_MISS;
    if (result == STORE_HIT) {
        result = shard_give(shard, entry, look, ret);
        shard_count(shard, look, result);
        shard_unlock(shard);
        return result;
    }
    bool elsewhere = shared_stands_in(shard, entry, look->key);
    const uint64_t born_ms = elsewhere ? entry->born_ms : 0;
    shard_unlock(shard);
    return elsewhere ? shared_get(&store->shards, look, result, born_ms, ret)
                     : absent_get(&store->shards, look, result, ret);
}

bool store_revive(struct store *store, const struct answer_key *key, struct mono now)
{
    struct shard *shard = shard_lock_of(&store->shards, key->hash);
    struct entry *entry = shard_find(shard, key);
    if (shared_stands_in(shard, entry, key)) {
        const uint64_t born_ms = entry->born_ms;
        shard_unlock(shard);
        entry = shared_lock(&store->shards, key, born_ms, &shard);
    }
    bool revived = entry && life_revive(&shard->rules, entry, key->name_hash, now);
    shard->counters.revived += revived;
    shard_unlock(shard);
    return revived || absent_revive(&store->shards, key, now);
}

bool store_was_hot(struct store *store, const struct answer_key *key, struct mono now)
{
    struct shard *shard = shard_lock_of(&store->shards, key->hash);
    struct entry *entry = shard_find(shard, key);
    bool hot =
        entry && entry->state & ENTRY_USED && shard_judge(shard, entry, key, now) == STORE_INVALID;
    shard_unlock(shard);
    return hot;
}

/* ---- keeping answers ---- */

static bool put(struct store *store, const struct answer_key *key, const struct answer *answer,
                const struct put *put)
{
    assert(answer->ttl_count == (size_t)answer->counts[0] + answer->counts[1] + answer->counts[2]);
    if (answer->ttl == 0)
        return false;
    struct shard *shard = shard_lock_of(&store->shards, key->hash);
    bool kept = shard_put(shard, key, answer, put);
    shard_unlock(shard);
    return kept;
}

bool store_put(struct store *store, const struct answer_key *key, const struct answer *answer,
               struct stamp stamp, struct mono now)
{
    bool of_client = answer_key_is_of_client(key);
    if (of_client && shared_comes_first(&store->shards, key, answer, now))
        return false;
    if (answer_is_failure(answer) && absent_holds(&store->shards, key, now))
        return false;
    const struct put how = {.kind = PUT_FETCHED, .stamp = stamp, .now = now, .born = now};
    if (answer->ttl > 0 && absent_is_all(key, answer))
        return absent_put(&store->shards, key, answer, &how);
    bool kept = put(store, key, answer, &how);
    if (kept && of_client)
        shared_leave_place(&store->shards, key, answer, stamp, now);
    if (kept)
        absent_note(&store->shards, key, answer, stamp, now);
    return kept;
}

void store_outdate(struct store *store, const struct answer_key *key, struct mono asked,
                   struct mono now)
{
    struct shard *shard = shard_lock_of(&store->shards, key->hash);
    shard_outdate(shard, key, asked, now);
    shard_unlock(shard);
    absent_outdate(&store->shards, key, asked, now);
}

bool store_replace(struct store *store, const struct answer_key *key, const struct answer *answer,
                   const struct store_pushed *pushed)
{
    return put(store, key, answer,
               &(struct put){.kind = PUT_PUSHED,
                             .since = pushed->since,
                             .stamp = pushed->stamp,
                             .now = pushed->now,
                             .born = pushed->made});
}

bool store_renew(struct store *store, const struct answer_key *key)
{
    struct shard *shard = shard_lock_of(&store->shards, key->hash);
    struct entry *entry = shard_find(shard, key);
    /* First the clock: what is unchanged after it was read is so at that stamp. */
    const struct stamp clock = validity_now(store->validity);
    const bool renewed = entry && life_is_unchanged(&shard->rules, entry, key->name_hash);
    if (renewed && clock.n > entry->stamp)
        entry->stamp = clock.n;
    shard_unlock(shard);
    return renewed;
}

uint32_t store_elsewhere(struct store *store, const struct answer_key *key, struct stamp *ret_stamp)
{
    struct shard *shard = shard_lock_of(&store->shards, key->hash);
    const struct entry *entry = shard_find(shard, key);
    uint32_t seconds = entry ? entry_elsewhere(entry) : 0;
    const bool fetched =
        entry && !(entry->state & ENTRY_PUSHED) && (entry->flags & FLAG_RCODE) != RCODE_SERVFAIL;
    ret_stamp->n = fetched ? entry->stamp : 0;
    shard_unlock(shard);
    return seconds;
}

/* ---- all entries ---- */

/* Drops what there is among the next entries of a walk; some of the room is given back on the way. */
static size_t drop_some(struct shard *shard, struct index_walk *walk, const uint8_t *name,
                        bool subtree, bool *ret_more)
{
    struct entry *entries[SHARD_WALK];
    size_t count = shard_walk_lock(shard, walk, entries), dropped = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *held = answer_key_name(entry_key(entries[i]));
        if (subtree ? name_is_within(held, name) : name_equal(held, name)) {
            shard_remove(shard, entries[i]);
            dropped++;
        }
    }
    *ret_more = shard_tidy(shard, SHARD_WALK) || !walk->ended;
    shard_unlock(shard);
    return dropped;
}

size_t store_drop(struct store *store, const uint8_t *canonical_name, bool subtree)
{
    size_t dropped = 0;
    for (size_t i = 0; i <= store->shards.mask; i++) {
        struct index_walk walk = {0};
        for (bool more = true; more;)
            dropped += drop_some(&store->shards.each[i], &walk, canonical_name, subtree, &more);
    }
    return dropped;
}

struct ttl_policy store_policy(struct store *store)
{
    struct shard *shard = &store->shards.each[0];
    shard_lock(shard);
    struct ttl_policy policy = shard->rules.policy;
    shard_unlock(shard);
    return policy;
}

/* A segment for what each shard holds; NULL: no memory for all of them. */
static struct segment *segments_new(struct shards *shards, size_t limit)
{
    size_t count = shards->mask + 1, done = 0;
    struct segment *segments = malloc(count * sizeof *segments);
    for (; segments && done < count; done++) {
        struct shard *shard = &shards->each[done];
        shard_lock(shard);
        size_t entries = shard->counters.entries;
        shard_unlock(shard);
        if (segment_init(&segments[done], limit, entries) != ERR_OK)
            break;
    }
    if (!segments || done == count)
        return segments;
    while (done > 0)
        segment_free(&segments[--done]);
    free(segments);
    return NULL;
}

int store_configure(struct store *store, const struct ttl_policy *policy, size_t size)
{
    size_t count = store->shards.mask + 1, limit = size / count;
    /* All shards are of one size, which changes here only. */
    bool resize = limit != store->shards.each[0].limit;
    struct segment *segments = resize ? segments_new(&store->shards, limit) : NULL;
    if (resize && !segments)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct shard *shard = &store->shards.each[i];
        shard_lock(shard);
        shard->rules.policy = *policy;
        if (resize)
            shard_change(shard, &segments[i], limit);
        shard_unlock(shard);
    }
    free(segments);
    return ERR_OK;
}

void store_count(struct store *store, struct store_counters *ret)
{
    enum { FIELDS = sizeof(struct store_counters) / sizeof(uint64_t) };
    static_assert(sizeof(struct store_counters) == FIELDS * sizeof(uint64_t), "all are uint64_t");
    *ret = (struct store_counters){0};
    for (size_t i = 0; i <= store->shards.mask; i++) {
        struct shard *shard = &store->shards.each[i];
        shard_lock(shard);
        shard->counters.bytes = shard->segment.ring.used + index_bytes(&shard->segment.index);
        for (size_t k = 0; k < FIELDS; k++)
            ((uint64_t *)ret)[k] += ((const uint64_t *)&shard->counters)[k];
        shard_unlock(shard);
    }
    ret->entries -= ret->absent;
}
