#include "cache/store.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "cache/entry.h"
#include "cache/index.h"

/* What holds a shard's entries. */
struct segment {
    struct ring ring;
    struct index index;
};

struct shard {
    pthread_mutex_t lock;
    const struct store *store;
    struct segment segment;
    size_t limit;
    struct ttl_policy policy;
    struct store_counters counters;
} __attribute__((aligned(64)));

struct store {
    const struct validity *validity;
    size_t shard_mask;
    struct shard *shards;
};

enum {
    DEFAULT_SHARDS = 16,
    INDEX_SHARE = 8, /* of a shard's bytes, at most this part is index */
    SECOND_CHANCES_AT_ONCE =
        128,         /* entries moved to the head, at most, to make room for one: some 20 us */
    SLACK_SIZE8 = 4, /* an entry may lie in a block that is larger by this much */
};

static_assert(VALIDITY_MAX_ZONES < ZONE_MANY, "zones are counted from 1");

/* ---- keys ---- */

/* The name's hash is uniform, as is a client's number; what else is in the key moves it to another place. */
static uint64_t key_hash(uint64_t name_hash, const uint8_t *key)
{
    uint64_t rest = (uint64_t)wire_get_u32(key) << 8 | key[ENTRY_KEY_BITS];
    return name_hash ^ rest * 0x9e3779b97f4a7c15u;
}

static void add_client(struct answer_key *key, uint64_t client)
{
    key->bytes[ENTRY_KEY_BITS] |= KEY_OF_CLIENT;
    memcpy(key->bytes + key->size, &client, sizeof client);
    key->size += sizeof client;
    key->hash = key_hash(key->name_hash, key->bytes) ^ client;
}

void store_key(const struct store *store, const struct key_parts *parts, struct answer_key *ret_key)
{
    size_t size = parts->name_size ? parts->name_size : name_size(parts->name);
    uint8_t *key = ret_key->bytes;
    wire_put_u16(key, parts->type);
    wire_put_u16(key + 2, parts->class);
    key[ENTRY_KEY_BITS] = (uint8_t)((parts->dnssec_ok ? KEY_DNSSEC_OK : 0) |
                                    (parts->checking_disabled ? KEY_CHECKING_DISABLED : 0));
    name_lower(parts->name, size, key + ENTRY_KEY_FIXED);
    ret_key->name_size = (uint8_t)size;
    ret_key->size = (uint16_t)(ENTRY_KEY_FIXED + size);
    ret_key->name_hash = validity_hash(store->validity, key + ENTRY_KEY_FIXED, size);
    ret_key->hash = key_hash(ret_key->name_hash, key);
    if (parts->client)
        add_client(ret_key, parts->client);
}

/* The key of the same question, whoever asks. */
static void key_shared(const struct answer_key *key, struct answer_key *ret_key)
{
    *ret_key = *key;
    ret_key->bytes[ENTRY_KEY_BITS] &= (uint8_t)~KEY_OF_CLIENT;
    ret_key->size -= KEY_CLIENT_SIZE;
    ret_key->hash = key_hash(key->name_hash, ret_key->bytes);
}

static bool is_of_client(const struct answer_key *key)
{
    return key->bytes[ENTRY_KEY_BITS] & KEY_OF_CLIENT;
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

static uint64_t entry_name_hash(const struct store *store, const struct entry *entry)
{
    return validity_hash(store->validity, answer_key_name(entry_key(entry)), entry->name_size);
}

static uint64_t entry_hash(const struct store *store, const struct entry *entry)
{
    const uint8_t *key = entry_key(entry);
    uint64_t client = 0;
    if (key[ENTRY_KEY_BITS] & KEY_OF_CLIENT)
        memcpy(&client, key + ENTRY_KEY_FIXED + entry->name_size, sizeof client);
    return key_hash(entry_name_hash(store, entry), key) ^ client;
}

/* ---- segments ---- */

static struct entry *entry_at(const struct segment *segment, uint32_t ref)
{
    return (struct entry *)ring_at(&segment->ring, ref);
}

static uint32_t ref_of(const struct segment *segment, const struct entry *entry)
{
    return ring_ref(&segment->ring, (const struct ring_block *)entry);
}

static uint64_t hash_of_ref(void *arg, uint32_t ref)
{
    const struct shard *shard = arg;
    return entry_hash(shard->store, entry_at(&shard->segment, ref));
}

static int segment_init(struct segment *segment, struct shard *shard, size_t limit)
{
    *segment = (struct segment){.index = {.hash_of = hash_of_ref, .arg = shard}};
    if (ring_init(&segment->ring, limit - limit / INDEX_SHARE)) {
        if (index_init(&segment->index, limit / INDEX_SHARE))
            return ERR_OK;
        ring_free(&segment->ring);
    }
    return ERR_MEMORY;
}

static void segment_free(struct segment *segment)
{
    index_free(&segment->index);
    ring_free(&segment->ring);
}

/* Takes an entry out of the index; its block is passed over when its turn comes. */
static void entry_remove(struct shard *shard, struct entry *entry)
{
    index_remove(&shard->segment.index, entry_hash(shard->store, entry),
                 ref_of(&shard->segment, entry));
    entry->dead = true;
    shard->counters.entries--;
}

/* Whether it can still be of use: within its TTL, or what may be added to that. */
static bool entry_lives(const struct shard *shard, const struct entry *entry, struct mono now)
{
    const struct ttl_policy *policy = &shard->policy;
    uint64_t extra = policy->hold > policy->serve_stale ? policy->hold : policy->serve_stale;
    return entry_age_ms(entry, now) < (entry->ttl + extra) * 1000;
}

/* Moves the oldest entry to the head; it has to be hit again for another second chance. */
static void give_second_chance(struct shard *shard, struct entry *entry)
{
    uint64_t hash = entry_hash(shard->store, entry);
    uint32_t from = ref_of(&shard->segment, entry);
    entry = (struct entry *)ring_renew(&shard->segment.ring);
    entry->state &= (uint8_t)~ENTRY_USED;
    index_move(&shard->segment.index, hash, from, ref_of(&shard->segment, entry));
}

/* Gives up the oldest block, or gives what is in it a second chance while `*left` lasts. False: nothing is left. */
static bool make_way(struct shard *shard, struct mono now, int *left)
{
    struct entry *oldest = (struct entry *)ring_oldest(&shard->segment.ring);
    if (!oldest)
        return false;
    if (!oldest->dead && oldest->state & ENTRY_USED && *left > 0 &&
        entry_lives(shard, oldest, now)) {
        --*left;
        give_second_chance(shard, oldest);
        return true;
    }
    if (!oldest->dead) {
        entry_remove(shard, oldest);
        shard->counters.evicted++;
    }
    ring_drop(&shard->segment.ring);
    return true;
}

/* A block at the head, and room in the index. NULL when it is larger than the ring. */
static struct entry *shard_take(struct shard *shard, uint16_t size8, struct mono now)
{
    struct segment *segment = &shard->segment;
    int left = SECOND_CHANCES_AT_ONCE;
    while (index_is_full(&segment->index))
        make_way(shard, now, &left);
    struct ring_block *block;
    while (!(block = ring_take(&segment->ring, size8)))
        if (!make_way(shard, now, &left))
            return NULL;
    return (struct entry *)block;
}

/* Drops blocks at the tail that nothing is left in. */
static void shard_tidy(struct shard *shard)
{
    struct ring_block *oldest;
    while ((oldest = ring_oldest(&shard->segment.ring)) && oldest->dead)
        ring_drop(&shard->segment.ring);
}

/* ---- the store ---- */

/* Moves what fits of a shard's entries, the youngest, to a segment of another size. */
static void move_entries(struct shard *shard, const struct segment *from)
{
    struct mono start = {0}; /* nothing is too old to be moved */
    const struct ring_block *block = NULL;
    while ((block = ring_next(&from->ring, block))) {
        const struct entry *old = (const struct entry *)block;
        struct entry *entry = old->dead ? NULL : shard_take(shard, old->size8, start);
        if (!entry)
            continue;
        memcpy(entry, old, (size_t)old->size8 * RING_UNIT);
        if (index_insert(&shard->segment.index, entry_hash(shard->store, entry),
                         ref_of(&shard->segment, entry)))
            shard->counters.entries++;
        else
            entry->dead = true;
    }
}

/* The lock is held, or nobody else knows the shard yet. */
static int shard_resize(struct shard *shard, size_t limit)
{
    struct segment old = {.ring = shard->segment.ring}, segment;
    if (limit == shard->limit)
        return ERR_OK;
    if (segment_init(&segment, shard, limit) != ERR_OK)
        return ERR_MEMORY;
    index_assign(&old.index, &shard->segment.index);
    index_assign(&shard->segment.index, &segment.index);
    shard->segment.ring = segment.ring;
    shard->limit = limit;
    shard->counters.size = limit;
    if (old.ring.base) {
        uint64_t before = shard->counters.entries, evicted = shard->counters.evicted;
        shard->counters.entries = 0;
        move_entries(shard, &old);
        shard->counters.evicted = evicted + before - shard->counters.entries;
        segment_free(&old);
    }
    return ERR_OK;
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
    store->shard_mask = shards - 1;
    store->shards = aligned_alloc(alignof(struct shard), shards * sizeof *store->shards);
    if (!store->shards) {
        free(store);
        return NULL;
    }
    memset(store->shards, 0, shards * sizeof *store->shards);
    for (size_t i = 0; i < shards; i++) {
        pthread_mutex_init(&store->shards[i].lock, NULL);
        store->shards[i].store = store;
    }
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
    for (size_t i = 0; i <= store->shard_mask; i++) {
        segment_free(&store->shards[i].segment);
        pthread_mutex_destroy(&store->shards[i].lock);
    }
    free(store->shards);
    free(store);
}

/* The low half of the hash picks the bucket and its top byte the tag; between them the shard. */
static struct shard *shard_lock(struct store *store, uint64_t hash)
{
    struct shard *shard = &store->shards[(hash >> 32) & store->shard_mask];
    if (pthread_mutex_trylock(&shard->lock) != 0) {
        pthread_mutex_lock(&shard->lock);
        shard->counters.contended++;
    }
    return shard;
}

static bool entry_has_key(const struct entry *entry, const struct answer_key *key)
{
    /* With names of one size and the same bits, the keys are of one size. */
    const uint8_t *bytes = entry_key(entry);
    return entry->name_size == key->name_size &&
           bytes[ENTRY_KEY_BITS] == key->bytes[ENTRY_KEY_BITS] &&
           memcmp(bytes, key->bytes, key->size) == 0;
}

static inline struct entry *shard_find(const struct shard *shard, const struct answer_key *key)
{
    struct index_cursor cursor = index_find(&shard->segment.index, key->hash);
    uint32_t ref;
    while (index_next(&shard->segment.index, &cursor, &ref)) {
        struct entry *entry = entry_at(&shard->segment, ref);
        if (entry_has_key(entry, key))
            return entry;
    }
    return NULL;
}

void store_expect(const struct store *store, const struct answer_key *key)
{
    /* Without the lock: should the table grow at this moment, the hint is worth nothing and costs nothing. */
    const struct index *index = &store->shards[(key->hash >> 32) & store->shard_mask].segment.index;
    __builtin_prefetch(&index->buckets[index_home(index, key->hash)]);
}

/* ---- is an entry good? ---- */

/* Past its TTL, but the feed vouches for it: had it changed, we would have been told (P6). */
static bool entry_is_held(const struct shard *shard, const struct entry *entry, struct mono now)
{
    return entry->state & ENTRY_COVERED &&
           entry_age_ms(entry, now) < (uint64_t)shard->policy.hold * 1000 &&
           validity_has_lease(shard->store->validity, now);
}

/* Past its TTL, but its upstream was found dead a moment ago (RFC 8767). */
static bool entry_is_revived(const struct entry *entry, struct mono now)
{
    return entry_age_ms(entry, now) < (uint64_t)entry->stale_until * 1000;
}

static bool entry_holds(const struct shard *shard, const struct entry *entry, uint64_t name_hash)
{
    struct dependent dependent = entry_dependent(entry, name_hash);
    return validity_holds(shard->store->validity, &dependent, (struct stamp){entry->stamp});
}

/*
 * The check of every hit: its time is not over, and nothing it depends on was marked since its stamp. The
 * clock is read first, so that a check that passes may move the stamp there.
 */
static inline enum store_result entry_judge(const struct shard *shard, struct entry *entry,
                                            uint64_t name_hash, struct mono now)
{
    if (entry_is_expired(entry, entry_age_ms(entry, now)) && !entry_is_held(shard, entry, now) &&
        !entry_is_revived(entry, now))
        return STORE_EXPIRED;
    if (entry->zone == ZONE_NONE)
        return STORE_HIT;
    struct stamp clock = validity_now(shard->store->validity);
    if (entry->stamp == clock.n)
        return STORE_HIT;
    if (!entry_holds(shard, entry, name_hash))
        return STORE_INVALID;
    if (clock.n > entry->stamp)
        entry->stamp = clock.n;
    return STORE_HIT;
}

/* The highest TTL a client may be told. */
static uint32_t ttl_cap(const struct shard *shard, const struct entry *entry, bool child)
{
    return entry->zone != ZONE_NONE && !child ? shard->policy.client_ttl : UINT32_MAX;
}

static void copy_hit(const struct shard *shard, const struct entry *entry, uint64_t age_ms,
                     const struct store_look *look)
{
    memcpy(look->buffer, entry_body(entry), entry->body_size);
    body_age_ttls(look->buffer, entry_ttl_offsets(entry), entry_ttl_count(entry),
                  (uint32_t)(age_ms / 1000), ttl_cap(shard, entry, look->child));
}

/* Past its TTL there is none left to count down: a held answer starts over within client_ttl, a stale one has
 * its own (RFC 8767 4). */
static void copy_stale(const struct shard *shard, const struct entry *entry,
                       const struct store_look *look, struct store_hit *ret)
{
    memcpy(look->buffer, entry_body(entry), entry->body_size);
    if (entry_is_held(shard, entry, look->now)) {
        body_age_ttls(look->buffer, entry_ttl_offsets(entry), entry_ttl_count(entry), 0,
                      shard->policy.client_ttl);
        return;
    }
    uint32_t cap = ttl_cap(shard, entry, look->child);
    body_set_ttls(look->buffer, entry_ttl_offsets(entry), entry_ttl_count(entry),
                  cap < TTL_STALE_SECONDS ? cap : TTL_STALE_SECONDS);
    bool nxdomain = (entry->flags & FLAG_RCODE) == RCODE_NXDOMAIN;
    ret->ede = nxdomain ? EDE_STALE_NXDOMAIN : EDE_STALE_ANSWER;
}

/* In the last tenth of its life: the more it is asked for, the likelier somebody asks then. */
static bool entry_is_aging(const struct shard *shard, const struct entry *entry, uint64_t age_ms)
{
    return shard->policy.prefetch && age_ms >= (uint64_t)entry->ttl * 900;
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

/* Fills `ret` and the buffer from a good entry. Returns STORE_HIT, or STORE_TRUNCATED. */
static inline enum store_result give(const struct shard *shard, struct entry *entry,
                                     const struct store_look *look, struct store_hit *ret)
{
    uint64_t age_ms = entry_age_ms(entry, look->now);
    if (!(entry->state & ENTRY_USED))
        entry->state |= ENTRY_USED;
    ret->flags = entry->flags;
    memcpy(ret->counts, entry->counts, sizeof ret->counts);
    ret->body_size = entry->body_size;
    ret->ede = entry->ede;
    ret->aging = entry_is_aging(shard, entry, age_ms);
    if (entry->body_size > look->room)
        return STORE_TRUNCATED;
    if (entry_is_expired(entry, age_ms))
        copy_stale(shard, entry, look, ret);
    else
        copy_hit(shard, entry, age_ms, look);
    return STORE_HIT;
}

/*
 * Clients with answers of their own: to replace those one by one, a change would have to know who holds what. So
 * there is one entry for all (leave_shared) that it replaces, and whose own answer a change has touched gets that.
 */
static bool is_own_and_changed(const struct shard *shard, const struct entry *entry,
                               const struct answer_key *key)
{
    return entry && is_of_client(key) && !entry_holds(shard, entry, key->name_hash);
}

/* Finds what a change brought for all; NULL: nothing. Its shard is locked in any case. */
static struct entry *pushed_lock(struct store *store, const struct answer_key *key,
                                 struct shard **ret_shard)
{
    struct answer_key all;
    key_shared(key, &all);
    *ret_shard = shard_lock(store, all.hash);
    struct entry *entry = shard_find(*ret_shard, &all);
    return entry && entry->state & ENTRY_PUSHED ? entry : NULL;
}

/* `result` is what became of the client's own. */
static enum store_result get_pushed(struct store *store, const struct store_look *look,
                                    enum store_result result, struct store_hit *ret)
{
    struct shard *shard;
    struct entry *pushed = pushed_lock(store, look->key, &shard);
    if (pushed && entry_judge(shard, pushed, look->key->name_hash, look->now) == STORE_HIT)
        result = give(shard, pushed, look, ret);
    count_get(shard, result);
    pthread_mutex_unlock(&shard->lock);
    return result;
}

enum store_result store_get(struct store *store, const struct store_look *look,
                            struct store_hit *ret)
{
    struct shard *shard = shard_lock(store, look->key->hash);
    struct entry *entry = shard_find(shard, look->key);
    enum store_result result =
        entry ? entry_judge(shard, entry, look->key->name_hash, look->now) : STORE_MISS;
    bool elsewhere = result != STORE_HIT && is_own_and_changed(shard, entry, look->key);
    if (result == STORE_HIT)
        result = give(shard, entry, look, ret);
    if (!elsewhere)
        count_get(shard, result);
    pthread_mutex_unlock(&shard->lock);
    return elsewhere ? get_pushed(store, look, result, ret) : result;
}

/* ---- keeping answers ---- */

/*
 * Whether a fetch comes second to what was installed while it was under way. It set out between the
 * mark and the install, so by its stamp it is no late fill; but its server may lag behind the change.
 */
static bool pushed_already(const struct shard *shard, struct entry *held,
                           const struct answer_key *key, struct mono now)
{
    return held && held->state & ENTRY_PUSHED &&
           !entry_is_aging(shard, held, entry_age_ms(held, now)) &&
           entry_judge(shard, held, key->name_hash, now) == STORE_HIT;
}

/* A failure never takes the place of an answer that can still be given. */
static bool is_failure(const struct answer *answer)
{
    return (answer->flags & FLAG_RCODE) == RCODE_SERVFAIL;
}

/* Whether the answer holds at its stamp; its question is that of the key. */
static bool is_late(const struct shard *shard, const struct answer_key *key,
                    const struct answer *answer, struct stamp stamp)
{
    const struct dependencies *dependencies = &answer->dependencies;
    struct dependent dependent = {
        .question = answer_key_name(key->bytes),
        .question_hash = key->name_hash,
        .zone = dependencies->zone,
        .own = dependencies->own,
        .count = dependencies->count,
        .scopes = dependencies->scopes,
    };
    return !validity_holds(shard->store->validity, &dependent, stamp);
}

/* A block for the answer: that of the entry it replaces, if that is about as large, or a new one. */
static struct entry *shard_place(struct shard *shard, const struct answer_key *key, uint16_t size8,
                                 struct entry *old, struct mono now)
{
    if (old) {
        shard->counters.replaced++;
        if (old->size8 >= size8 && old->size8 <= size8 + SLACK_SIZE8)
            return old;
        entry_remove(shard, old);
    }
    struct entry *entry = shard_take(shard, size8, now);
    if (!entry)
        return NULL;
    if (!index_insert(&shard->segment.index, key->hash, ref_of(&shard->segment, entry))) {
        entry->dead = true;
        return NULL;
    }
    shard->counters.entries++;
    return entry;
}

/* Where an answer to be kept comes from. */
enum put_kind {
    PUT_FETCHED,
    PUT_PUSHED, /* with a change: only where the key is held already */
    PUT_SHARED, /* a client's, as the place that a change goes to: only where the key is not held yet */
};

static bool shard_put(struct shard *shard, const struct answer_key *key,
                      const struct answer *answer, struct stamp stamp, struct mono now,
                      enum put_kind kind)
{
    const bool pushed = kind == PUT_PUSHED;
    struct entry *old = shard_find(shard, key);
    uint16_t size8 = entry_size8(answer, key->size);
    if ((pushed && !old) || (kind == PUT_SHARED && old))
        return false;
    if (is_late(shard, key, answer, stamp) || (!pushed && pushed_already(shard, old, key, now))) {
        shard->counters.late++;
        return false;
    }
    if ((size_t)size8 * RING_UNIT > shard->segment.ring.capacity ||
        (is_failure(answer) && old && entry_judge(shard, old, key->name_hash, now) == STORE_HIT))
        return false;
    uint8_t state =
        (uint8_t)((old ? old->state & (ENTRY_USED | ENTRY_SHARED) : 0) |
                  (pushed ? ENTRY_PUSHED : 0) | (kind == PUT_SHARED ? ENTRY_SHARED : 0));
    struct entry *entry = shard_place(shard, key, size8, old, now);
    if (!entry)
        return false;
    entry_write(entry, key, answer, stamp, now, state);
    shard->counters.inserted++;
    return true;
}

static bool put(struct store *store, const struct answer_key *key, const struct answer *answer,
                struct stamp stamp, struct mono now, enum put_kind kind)
{
    assert(answer->ttl_count == (size_t)answer->counts[0] + answer->counts[1] + answer->counts[2]);
    if (answer->ttl == 0)
        return false;
    struct shard *shard = shard_lock(store, key->hash);
    bool kept = shard_put(shard, key, answer, stamp, now, kind);
    pthread_mutex_unlock(&shard->lock);
    return kept;
}

/* As pushed_already(), and failures never, where a change has touched the client's own and brought one for all. */
static bool pushed_for_clients(struct store *store, const struct answer_key *key,
                               const struct answer *answer, struct mono now)
{
    struct shard *shard = shard_lock(store, key->hash);
    bool changed = is_own_and_changed(shard, shard_find(shard, key), key);
    pthread_mutex_unlock(&shard->lock);
    if (!changed)
        return false;
    struct entry *pushed = pushed_lock(store, key, &shard);
    bool first = pushed && entry_judge(shard, pushed, key->name_hash, now) == STORE_HIT &&
                 (is_failure(answer) || !entry_is_aging(shard, pushed, entry_age_ms(pushed, now)));
    shard->counters.late += first && !is_failure(answer);
    pthread_mutex_unlock(&shard->lock);
    return first;
}

/* Whether a change can bring the answer along: to a plain question, for a name in a zone of the feed. */
static bool may_be_pushed(const struct answer_key *key, const struct answer *answer)
{
    return answer->dependencies.own != OWN_NONE && wire_get_u16(key->bytes + 2) == CLASS_IN &&
           !(key->bytes[ENTRY_KEY_BITS] & KEY_DNSSEC_OK);
}

/* A change replaces what is held: the first client's answer is where it will go for all. */
static void leave_shared(struct store *store, const struct answer_key *key,
                         const struct answer *answer, struct stamp stamp, struct mono now)
{
    struct answer_key all;
    key_shared(key, &all);
    put(store, &all, answer, stamp, now, PUT_SHARED);
}

bool store_put(struct store *store, const struct answer_key *key, const struct answer *answer,
               struct stamp stamp, struct mono now)
{
    if (is_of_client(key) && pushed_for_clients(store, key, answer, now))
        return false;
    bool kept = put(store, key, answer, stamp, now, PUT_FETCHED);
    if (kept && is_of_client(key) && may_be_pushed(key, answer))
        leave_shared(store, key, answer, stamp, now);
    return kept;
}

bool store_replace(struct store *store, const struct answer_key *key, const struct answer *answer,
                   struct stamp stamp, struct mono now)
{
    return put(store, key, answer, stamp, now, PUT_PUSHED);
}

bool store_has(struct store *store, const struct answer_key *key)
{
    struct shard *shard = shard_lock(store, key->hash);
    bool has = shard_find(shard, key) != NULL;
    pthread_mutex_unlock(&shard->lock);
    return has;
}

/* Lets a stale entry be served for a while, counted from when it was put. */
static bool entry_revive(const struct shard *shard, struct entry *entry, uint64_t name_hash,
                         struct mono now)
{
    enum { RECHECK_SECONDS = 5 }; /* then the upstream is tried again; RFC 8767 5 wants no busier */
    uint64_t age_ms = entry_age_ms(entry, now);
    uint64_t life = (uint64_t)entry->ttl + shard->policy.serve_stale;
    if ((entry->flags & FLAG_RCODE) == RCODE_SERVFAIL || shard->policy.serve_stale == 0 ||
        age_ms >= life * 1000 || !entry_holds(shard, entry, name_hash))
        return false;
    entry->stale_until = (uint32_t)((age_ms + 999) / 1000) + RECHECK_SECONDS;
    return true;
}

bool store_revive(struct store *store, const struct answer_key *key, struct mono now)
{
    struct shard *shard = shard_lock(store, key->hash);
    struct entry *entry = shard_find(shard, key);
    if (is_own_and_changed(shard, entry, key)) {
        pthread_mutex_unlock(&shard->lock);
        entry = pushed_lock(store, key, &shard);
    }
    bool revived = entry && entry_revive(shard, entry, key->name_hash, now);
    shard->counters.revived += revived;
    pthread_mutex_unlock(&shard->lock);
    return revived;
}

bool store_was_hot(struct store *store, const struct answer_key *key, struct mono now)
{
    struct shard *shard = shard_lock(store, key->hash);
    struct entry *entry = shard_find(shard, key);
    bool hot = entry && entry->state & ENTRY_USED &&
               entry_judge(shard, entry, key->name_hash, now) == STORE_INVALID;
    pthread_mutex_unlock(&shard->lock);
    return hot;
}

/* ---- all entries ---- */

/* The next entry after `entry`, the oldest for NULL; NULL at the end. */
static struct entry *shard_next(const struct shard *shard, const struct entry *entry)
{
    const struct ring_block *block = (const struct ring_block *)entry;
    do
        block = ring_next(&shard->segment.ring, block);
    while (block && block->dead);
    return (struct entry *)block;
}

size_t store_drop(struct store *store, const uint8_t *canonical_name, bool subtree)
{
    size_t dropped = 0;
    for (size_t i = 0; i <= store->shard_mask; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        for (struct entry *entry = NULL; (entry = shard_next(shard, entry));) {
            const uint8_t *name = answer_key_name(entry_key(entry));
            if (subtree ? name_is_within(name, canonical_name) : name_equal(name, canonical_name)) {
                entry_remove(shard, entry);
                dropped++;
            }
        }
        shard_tidy(shard);
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

int store_configure(struct store *store, const struct ttl_policy *policy, size_t size)
{
    int error = ERR_OK;
    for (size_t i = 0; i <= store->shard_mask && !error; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        shard->policy = *policy;
        error = shard_resize(shard, size / (store->shard_mask + 1));
        pthread_mutex_unlock(&shard->lock);
    }
    return error;
}

void store_count(struct store *store, struct store_counters *ret)
{
    enum { FIELDS = sizeof(struct store_counters) / sizeof(uint64_t) };
    static_assert(sizeof(struct store_counters) == FIELDS * sizeof(uint64_t), "all are uint64_t");
    *ret = (struct store_counters){0};
    for (size_t i = 0; i <= store->shard_mask; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        shard->counters.bytes = shard->segment.ring.used + index_bytes(&shard->segment.index);
        for (size_t k = 0; k < FIELDS; k++)
            ((uint64_t *)ret)[k] += ((const uint64_t *)&shard->counters)[k];
        pthread_mutex_unlock(&shard->lock);
    }
}

static void entry_view(const struct shard *shard, const struct entry *entry, struct mono now,
                       struct store_view *ret)
{
    uint32_t age = (uint32_t)(entry_age_ms(entry, now) / 1000);
    struct dependent dependent = entry_dependent(entry, entry_name_hash(shard->store, entry));
    struct stamp mark = validity_newest_mark(shard->store->validity, &dependent);
    *ret = (struct store_view){
        .key = entry_key(entry),
        .flags = entry->flags,
        .counts = {entry->counts[0], entry->counts[1], entry->counts[2]},
        .body = entry_body(entry),
        .body_size = entry->body_size,
        .age = age,
        .ttl = entry->ttl > age ? entry->ttl - age : 0,
        .stamp = {entry->stamp},
        .mark = mark,
        .valid = mark.n <= entry->stamp,
        .subscribed = entry->zone != ZONE_NONE,
        .scope_count = entry->scope_count,
        .origin = entry->origin,
    };
}

/* Not one that only keeps a place. */
static bool is_answer(const struct entry *entry)
{
    return (entry->state & (ENTRY_SHARED | ENTRY_PUSHED)) != ENTRY_SHARED;
}

bool store_peek(struct store *store, const struct answer_key *key, struct mono now,
                void (*visit)(void *arg, const struct store_view *view), void *arg)
{
    struct shard *shard = shard_lock(store, key->hash);
    const struct entry *entry = shard_find(shard, key);
    bool is_seen = entry && is_answer(entry);
    if (is_seen) {
        struct store_view view;
        entry_view(shard, entry, now, &view);
        visit(arg, &view);
    }
    pthread_mutex_unlock(&shard->lock);
    return is_seen;
}

void store_visit(struct store *store, struct mono now,
                 void (*visit)(void *arg, const struct store_view *view), void *arg)
{
    for (size_t i = 0; i <= store->shard_mask; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        for (const struct entry *entry = NULL; (entry = shard_next(shard, entry));) {
            struct store_view view;
            if (!is_answer(entry))
                continue;
            entry_view(shard, entry, now, &view);
            visit(arg, &view);
        }
        pthread_mutex_unlock(&shard->lock);
    }
}
