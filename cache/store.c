#include "cache/store.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>
#include <xxhash.h>

struct entry {
    UT_hash_handle hh;
    struct entry *prev, *next; /* SIEVE queue: head is the youngest */
    struct stamp stamp;        /* known valid at */
    struct mono born;
    struct mono revived_until; /* past its TTL, for want of an upstream */
    uint32_t ttl;              /* seconds from born */
    uint32_t body_size;
    uint32_t cost; /* bytes this entry counts for */
    uint16_t flags;
    uint16_t counts[3];
    uint16_t ttl_count;
    uint16_t key_size;
    int16_t ede;
    uint8_t scope_count;
    uint8_t origin;
    bool used;    /* hit since the hand last passed */
    bool covered; /* it may outlive its TTL under the lease */
    bool told;    /* by store_replace(): it came with the change itself */
    /* struct scope scopes[scope_count]; uint16_t ttl_offsets[ttl_count]; key; body */
    alignas(uint64_t) uint8_t tail[];
};

static_assert(DEPENDENCIES_MAX <= UINT8_MAX, "scope_count holds it");

struct shard {
    pthread_mutex_t lock;
    struct entry *table;
    struct entry *queue;
    struct entry *hand;
    size_t bytes;
    size_t limit;
    struct ttl_policy policy;
    struct store_counters counters;
} __attribute__((aligned(64)));

struct store {
    const struct validity *validity;
    uint64_t key;
    size_t shard_mask;
    size_t size;
    struct shard *shards;
};

enum {
    DEFAULT_SHARDS = 16,
    /* What an entry costs beyond its own allocation: malloc's header and its share of uthash's buckets,
     * which are 16 bytes each and between a quarter and ten times as full as they should be. */
    ENTRY_OVERHEAD = 32,
};

static struct scope *entry_scopes(struct entry *entry)
{
    return (struct scope *)entry->tail;
}

static uint16_t *entry_ttl_offsets(struct entry *entry)
{
    return (uint16_t *)(entry->tail + entry->scope_count * sizeof(struct scope));
}

static uint8_t *entry_key(struct entry *entry)
{
    return (uint8_t *)(entry_ttl_offsets(entry) + entry->ttl_count);
}

static uint8_t *entry_body(struct entry *entry)
{
    return entry_key(entry) + entry->key_size;
}

struct store *store_new(const struct store_options *options)
{
    size_t shards = 1;
    while (shards < (options->shards ? options->shards : DEFAULT_SHARDS))
        shards *= 2;
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->validity = options->validity;
    store->key = options->key;
    store->shard_mask = shards - 1;
    store->shards = aligned_alloc(alignof(struct shard), shards * sizeof *store->shards);
    if (!store->shards) {
        free(store);
        return NULL;
    }
    memset(store->shards, 0, shards * sizeof *store->shards);
    for (size_t i = 0; i < shards; i++)
        pthread_mutex_init(&store->shards[i].lock, NULL);
    store_configure(store, &options->policy, options->size);
    return store;
}

/* Takes an entry out of its shard and frees it; the lock is held. */
static void entry_remove(struct shard *shard, struct entry *entry)
{
    if (shard->hand == entry)
        shard->hand = entry == shard->queue ? NULL : entry->prev;
    DL_DELETE(shard->queue, entry);
    HASH_DELETE(hh, shard->table, entry);
    shard->bytes -= entry->cost;
    shard->counters.entries--;
    free(entry);
}

void store_free(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i <= store->shard_mask; i++) {
        struct shard *shard = &store->shards[i];
        while (shard->queue)
            entry_remove(shard, shard->queue);
        pthread_mutex_destroy(&shard->lock);
    }
    free(store->shards);
    free(store);
}

void store_key(const struct store *store, const struct key_parts *parts, struct answer_key *ret_key)
{
    size_t size = name_size(parts->name);
    wire_put_u16(ret_key->bytes, parts->type);
    wire_put_u16(ret_key->bytes + 2, parts->class);
    ret_key->bytes[4] = (uint8_t)((parts->dnssec_ok ? KEY_DNSSEC_OK : 0) |
                                  (parts->checking_disabled ? KEY_CHECKING_DISABLED : 0));
    name_lower(parts->name, size, ret_key->bytes + 5);
    ret_key->size = (uint16_t)(5 + size);
    ret_key->hash = XXH3_64bits_withSeed(ret_key->bytes, ret_key->size, store->key);
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

/* The high half of the hash picks the shard, the low half the bucket. */
static struct shard *shard_lock(struct store *store, uint64_t hash)
{
    struct shard *shard = &store->shards[(hash >> 32) & store->shard_mask];
    if (pthread_mutex_trylock(&shard->lock) != 0) {
        pthread_mutex_lock(&shard->lock);
        shard->counters.contended++;
    }
    return shard;
}

static struct entry *shard_find(struct shard *shard, const struct answer_key *key)
{
    struct entry *entry;
    HASH_FIND_BYHASHVALUE(hh, shard->table, key->bytes, key->size, (uint32_t)key->hash, entry);
    return entry;
}

static bool entry_expired(const struct entry *entry, struct mono now)
{
    return mono_reached(now, mono_add(entry->born, (uint64_t)entry->ttl * 1000));
}

/* Past its TTL, but the feed vouches for it: had it changed, we would have been told (P6). */
static bool entry_is_held(const struct store *store, const struct shard *shard,
                          const struct entry *entry, struct mono now)
{
    return entry->covered &&
           !mono_reached(now, mono_add(entry->born, (uint64_t)shard->policy.hold * 1000)) &&
           validity_has_lease(store->validity, now);
}

/* Past its TTL, but its upstream was found dead a moment ago (RFC 8767). */
static bool entry_is_revived(const struct entry *entry, struct mono now)
{
    return !mono_reached(now, entry->revived_until);
}

/*
 * The check of every hit: its time is not over, and nothing it depends on was marked since its stamp. The
 * clock is read first, so that a check that passes may move the stamp there.
 */
static enum store_result entry_judge(const struct store *store, const struct shard *shard,
                                     struct entry *entry, struct mono now)
{
    if (entry_expired(entry, now) && !entry_is_held(store, shard, entry, now) &&
        !entry_is_revived(entry, now))
        return STORE_EXPIRED;
    struct stamp clock = validity_now(store->validity);
    if (!validity_holds(store->validity, entry_scopes(entry), entry->scope_count, entry->stamp))
        return STORE_INVALID;
    if (stamp_after(clock, entry->stamp))
        entry->stamp = clock;
    return STORE_HIT;
}

/* The highest TTL a client may be told. */
static uint32_t ttl_cap(const struct shard *shard, const struct entry *entry, bool child)
{
    return entry->scope_count > 0 && !child ? shard->policy.client_ttl : UINT32_MAX;
}

static void copy_hit(const struct shard *shard, struct entry *entry, const struct store_look *look)
{
    memcpy(look->buffer, entry_body(entry), entry->body_size);
    body_age_ttls(look->buffer, entry_ttl_offsets(entry), entry->ttl_count,
                  mono_seconds(entry->born, look->now), ttl_cap(shard, entry, look->child));
}

/* Past its TTL there is none left to count down: a held answer starts over within client_ttl, a stale one has
 * its own (RFC 8767 4). */
static void copy_overtime(const struct store *store, const struct shard *shard, struct entry *entry,
                          const struct store_look *look, struct store_hit *ret)
{
    memcpy(look->buffer, entry_body(entry), entry->body_size);
    if (entry_is_held(store, shard, entry, look->now)) {
        body_age_ttls(look->buffer, entry_ttl_offsets(entry), entry->ttl_count, 0,
                      shard->policy.client_ttl);
        return;
    }
    uint32_t cap = ttl_cap(shard, entry, look->child);
    body_set_ttls(look->buffer, entry_ttl_offsets(entry), entry->ttl_count,
                  cap < TTL_STALE_SECONDS ? cap : TTL_STALE_SECONDS);
    bool nxdomain = (entry->flags & FLAG_RCODE) == RCODE_NXDOMAIN;
    ret->ede = nxdomain ? EDE_STALE_NXDOMAIN : EDE_STALE_ANSWER;
}

/* In the last tenth of its life: the more it is asked for, the likelier somebody asks then. */
static bool entry_is_aging(const struct shard *shard, const struct entry *entry, struct mono now)
{
    return shard->policy.prefetch &&
           mono_reached(now, mono_add(entry->born, (uint64_t)entry->ttl * 900));
}

static void count_get(struct shard *shard, enum store_result result)
{
    switch (result) {
    case STORE_HIT:
    case STORE_TRUNCATED:
        shard->counters.hits++;
        break;
    case STORE_MISS:
        shard->counters.misses++;
        break;
    case STORE_EXPIRED:
        shard->counters.expired++;
        break;
    case STORE_INVALID:
        shard->counters.invalid++;
        break;
    }
}

enum store_result store_get(struct store *store, const struct store_look *look,
                            struct store_hit *ret)
{
    struct shard *shard = shard_lock(store, look->key->hash);
    struct entry *entry = shard_find(shard, look->key);
    enum store_result result = entry ? entry_judge(store, shard, entry, look->now) : STORE_MISS;
    if (result == STORE_HIT) {
        entry->used = true;
        ret->flags = entry->flags;
        memcpy(ret->counts, entry->counts, sizeof ret->counts);
        ret->body_size = entry->body_size;
        ret->ede = entry->ede;
        ret->aging = entry_is_aging(shard, entry, look->now);
        if (entry->body_size > look->room)
            result = STORE_TRUNCATED;
        else if (entry_expired(entry, look->now))
            copy_overtime(store, shard, entry, look, ret);
        else
            copy_hit(shard, entry, look);
    }
    count_get(shard, result);
    pthread_mutex_unlock(&shard->lock);
    return result;
}

/* One SIEVE step: evicts the first entry, from the hand towards the young, that was not used. */
static void shard_evict(struct shard *shard)
{
    struct entry *entry = shard->hand ? shard->hand : shard->queue->prev;
    while (entry->used) {
        entry->used = false;
        entry = entry == shard->queue ? shard->queue->prev : entry->prev;
    }
    shard->hand = entry;
    entry_remove(shard, entry);
    shard->counters.evicted++;
}

static void shard_trim(struct shard *shard)
{
    while (shard->bytes > shard->limit && shard->queue)
        shard_evict(shard);
}

static struct entry *entry_new(const struct answer_key *key, const struct answer *answer,
                               struct stamp stamp, struct mono now)
{
    size_t scopes = answer->dependencies.count * sizeof(struct scope);
    size_t offsets = answer->ttl_count * sizeof(uint16_t);
    size_t size = sizeof(struct entry) + scopes + offsets + key->size + answer->body_size;
    struct entry *entry = malloc(size);
    if (!entry)
        return NULL;
    *entry = (struct entry){
        .stamp = stamp,
        .born = now,
        .ttl = answer->ttl,
        .body_size = (uint32_t)answer->body_size,
        .cost = (uint32_t)(malloc_usable_size(entry) + ENTRY_OVERHEAD),
        .flags = answer->flags,
        .counts = {answer->counts[0], answer->counts[1], answer->counts[2]},
        .ttl_count = (uint16_t)answer->ttl_count,
        .key_size = key->size,
        .ede = (int16_t)answer->ede,
        .scope_count = (uint8_t)answer->dependencies.count,
        .origin = answer->origin,
        .covered = answer->covered,
    };
    memcpy(entry_scopes(entry), answer->dependencies.scopes, scopes);
    if (offsets)
        memcpy(entry_ttl_offsets(entry), answer->ttl_offsets, offsets);
    memcpy(entry_key(entry), key->bytes, key->size);
    if (answer->body_size)
        memcpy(entry_body(entry), answer->body, answer->body_size);
    return entry;
}

static void shard_insert(struct shard *shard, const struct answer_key *key, struct entry *entry)
{
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, shard->table, entry_key(entry), entry->key_size,
                                (uint32_t)key->hash, entry);
    DL_PREPEND(shard->queue, entry);
    shard->bytes += entry->cost;
    shard->counters.entries++;
    shard->counters.inserted++;
    shard_trim(shard);
}

/*
 * Whether a fetch comes second to what was installed while it was under way. It set out between the
 * mark and the install, so by its stamp it is no late fill; but its server may lag behind the change.
 */
static bool told_already(const struct store *store, const struct shard *shard, struct entry *held,
                         struct mono now)
{
    return held && held->told && !entry_is_aging(shard, held, now) &&
           entry_judge(store, shard, held, now) == STORE_HIT;
}

/* A failure never takes the place of an answer that can still be given. */
static bool is_failure(const struct answer *answer)
{
    return (answer->flags & FLAG_RCODE) == RCODE_SERVFAIL;
}

/* Inserts or replaces; with `held_only` does nothing where the key is not held. */
static bool put(struct store *store, const struct answer_key *key, const struct answer *answer,
                struct stamp stamp, struct mono now, bool held_only)
{
    if (answer->ttl == 0)
        return false;
    struct entry *entry = entry_new(key, answer, stamp, now);
    if (!entry)
        return false;
    entry->told = held_only;
    bool kept = false;
    struct shard *shard = shard_lock(store, key->hash);
    struct entry *old = shard_find(shard, key);
    if (!validity_holds(store->validity, answer->dependencies.scopes, answer->dependencies.count,
                        stamp) ||
        (!held_only && told_already(store, shard, old, now))) {
        shard->counters.late++;
    } else if ((old || !held_only) && entry->cost <= shard->limit &&
               !(is_failure(answer) && old && entry_judge(store, shard, old, now) == STORE_HIT)) {
        if (old) {
            entry->used = old->used;
            entry_remove(shard, old);
            shard->counters.replaced++;
        }
        shard_insert(shard, key, entry);
        kept = true;
    }
    pthread_mutex_unlock(&shard->lock);
    if (!kept)
        free(entry);
    return kept;
}

bool store_put(struct store *store, const struct answer_key *key, const struct answer *answer,
               struct stamp stamp, struct mono now)
{
    return put(store, key, answer, stamp, now, false);
}

bool store_replace(struct store *store, const struct answer_key *key, const struct answer *answer,
                   struct stamp stamp, struct mono now)
{
    return put(store, key, answer, stamp, now, true);
}

bool store_revive(struct store *store, const struct answer_key *key, struct mono now)
{
    enum { RECHECK_MS = 5000 }; /* then the upstream is tried again; RFC 8767 5 wants no busier */
    struct shard *shard = shard_lock(store, key->hash);
    struct entry *entry = shard_find(shard, key);
    bool revived = false;
    if (entry && (entry->flags & FLAG_RCODE) != RCODE_SERVFAIL) {
        uint64_t life = (uint64_t)entry->ttl + shard->policy.serve_stale;
        revived =
            shard->policy.serve_stale > 0 &&
            !mono_reached(now, mono_add(entry->born, life * 1000)) &&
            validity_holds(store->validity, entry_scopes(entry), entry->scope_count, entry->stamp);
        if (revived) {
            entry->revived_until = mono_add(now, RECHECK_MS);
            shard->counters.revived++;
        }
    }
    pthread_mutex_unlock(&shard->lock);
    return revived;
}

bool store_was_hot(struct store *store, const struct answer_key *key, struct mono now)
{
    struct shard *shard = shard_lock(store, key->hash);
    struct entry *entry = shard_find(shard, key);
    bool hot = entry && entry->used && entry_judge(store, shard, entry, now) == STORE_INVALID;
    pthread_mutex_unlock(&shard->lock);
    return hot;
}

size_t store_drop(struct store *store, const uint8_t *canonical_name, bool subtree)
{
    size_t dropped = 0;
    for (size_t i = 0; i <= store->shard_mask; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        struct entry *entry, *next;
        DL_FOREACH_SAFE (shard->queue, entry, next) {
            const uint8_t *name = answer_key_name(entry_key(entry));
            if (subtree ? name_is_within(name, canonical_name) : name_equal(name, canonical_name)) {
                entry_remove(shard, entry);
                dropped++;
            }
        }
        pthread_mutex_unlock(&shard->lock);
    }
    return dropped;
}

struct ttl_policy store_policy(struct store *store)
{
    struct shard *shard = &store->shards[0];
    pthread_mutex_lock(&shard->lock);
    struct ttl_policy policy = shard->policy;
    pthread_mutex_unlock(&shard->lock);
    return policy;
}

void store_configure(struct store *store, const struct ttl_policy *policy, size_t size)
{
    for (size_t i = 0; i <= store->shard_mask; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        shard->policy = *policy;
        shard->limit = size / (store->shard_mask + 1);
        shard->counters.size = shard->limit;
        shard_trim(shard);
        pthread_mutex_unlock(&shard->lock);
    }
}

void store_count(struct store *store, struct store_counters *ret)
{
    enum { FIELDS = sizeof(struct store_counters) / sizeof(uint64_t) };
    static_assert(sizeof(struct store_counters) == FIELDS * sizeof(uint64_t), "all are uint64_t");
    *ret = (struct store_counters){0};
    for (size_t i = 0; i <= store->shard_mask; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        shard->counters.bytes = shard->bytes;
        for (size_t k = 0; k < FIELDS; k++)
            ((uint64_t *)ret)[k] += ((const uint64_t *)&shard->counters)[k];
        pthread_mutex_unlock(&shard->lock);
    }
}

static void entry_view(const struct store *store, struct entry *entry, struct mono now,
                       struct store_view *ret)
{
    uint32_t age = mono_seconds(entry->born, now);
    struct stamp mark =
        validity_newest_mark(store->validity, entry_scopes(entry), entry->scope_count);
    *ret = (struct store_view){
        .key = entry_key(entry),
        .flags = entry->flags,
        .counts = {entry->counts[0], entry->counts[1], entry->counts[2]},
        .body = entry_body(entry),
        .body_size = entry->body_size,
        .age = age,
        .ttl = entry->ttl > age ? entry->ttl - age : 0,
        .stamp = entry->stamp,
        .mark = mark,
        .valid = !stamp_after(mark, entry->stamp),
        .scope_count = entry->scope_count,
        .origin = entry->origin,
    };
}

bool store_peek(struct store *store, const struct answer_key *key, struct mono now,
                void (*visit)(void *arg, const struct store_view *view), void *arg)
{
    struct shard *shard = shard_lock(store, key->hash);
    struct entry *entry = shard_find(shard, key);
    if (entry) {
        struct store_view view;
        entry_view(store, entry, now, &view);
        visit(arg, &view);
    }
    pthread_mutex_unlock(&shard->lock);
    return entry != NULL;
}

void store_visit(struct store *store, struct mono now,
                 void (*visit)(void *arg, const struct store_view *view), void *arg)
{
    for (size_t i = 0; i <= store->shard_mask; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        struct entry *entry;
        DL_FOREACH (shard->queue, entry) {
            struct store_view view;
            entry_view(store, entry, now, &view);
            visit(arg, &view);
        }
        pthread_mutex_unlock(&shard->lock);
    }
}
