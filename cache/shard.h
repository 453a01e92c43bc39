/*
 * shard.h - one part of a store: a lock, a ring of entries and the index that finds them, and how they make way.
 *
 *     lock | rules | counters | segment: index (hash -> place) | ring of entries, oldest first
 *
 * A full ring makes room at its tail: what was hit since it was put, and has time left, moves to the head; the
 * rest goes. A shard of another size gets another segment, and what fits of the entries, the youngest, is moved.
 *
 * What the path of a hit calls is inline here. Threads: all under the shard's lock, which shard_lock() takes.
 */
#ifndef FRESHET_CACHE_SHARD_H
#define FRESHET_CACHE_SHARD_H

#include <pthread.h>
#include <string.h>

#include "cache/entry.h"
#include "cache/index.h"
#include "cache/life.h"
#include "cache/rotation.h"
#include "cache/store.h"

/* What holds a shard's entries. */
struct segment {
    struct ring ring;
    struct index index;
};

struct shard {
    pthread_mutex_t lock;
    struct rules rules;
    struct segment segment;
    size_t limit; /* bytes */
    struct store_counters counters;
} __attribute__((aligned(64)));

/* All of a store's; a power of two. */
struct shards {
    size_t mask;
    struct shard *each;
};

/* The low half of the hash picks the bucket and its top byte the tag; between them the shard. */
static inline struct shard *shard_of(const struct shards *shards, uint64_t hash)
{
    return &shards->each[(hash >> 32) & shards->mask];
}

static inline void shard_lock(struct shard *shard)
{
    if (pthread_mutex_trylock(&shard->lock) != 0) {
        pthread_mutex_lock(&shard->lock);
        shard->counters.contended++;
    }
}

/* The shard of a key's hash, locked. */
static inline struct shard *shard_lock_of(const struct shards *shards, uint64_t hash)
{
    struct shard *shard = shard_of(shards, hash);
    shard_lock(shard);
    return shard;
}

static inline void shard_unlock(struct shard *shard)
{
    pthread_mutex_unlock(&shard->lock);
}

/* The entry of a key, in whatever state; NULL for none. */
static inline struct entry *shard_find(const struct shard *shard, const struct answer_key *key)
{
    struct index_cursor cursor = index_find(&shard->segment.index, key->hash);
    uint32_t ref;
    while (index_next(&shard->segment.index, &cursor, &ref)) {
        struct entry *entry = (struct entry *)ring_at(&shard->segment.ring, ref);
        if (entry_has_key(entry, key))
            return entry;
    }
    return NULL;
}

static inline enum store_result shard_judge(const struct shard *shard, struct entry *entry,
                                            const struct answer_key *key, struct mono now)
{
    return life_judge(&shard->rules, entry, key->name_hash, now);
}

/* Counts what became of a look; one that comes again without a hit is counted then. */
static inline void shard_count(struct shard *shard, const struct store_look *look,
                               enum store_result result)
{
    if (look->comes_again && result != STORE_HIT && result != STORE_TRUNCATED)
        return;
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
static inline enum store_result shard_give(const struct shard *shard, struct entry *entry,
                                           const struct store_look *look, struct store_hit *ret)
{
    uint64_t age_ms = entry_age_ms(entry, look->now);
    if (!(entry->state & ENTRY_USED))
        entry->state |= ENTRY_USED;
    ret->flags = entry->flags;
    memcpy(ret->counts, entry->counts, sizeof ret->counts);
    ret->body_size = entry->body_size;
    ret->ede = entry->ede;
    ret->aging = life_is_aging(&shard->rules, entry, age_ms);
    ret->provisional = entry->state & ENTRY_PROVISIONAL;
    ret->vouched = entry->state & ENTRY_COVERED;
    ret->outside = entry->state & ENTRY_OUTSIDE;
    if (entry->body_size > look->room)
        return STORE_TRUNCATED;
    if (entry_is_expired(entry, age_ms)) {
        ret->ede = life_copy_stale(&shard->rules, entry, look);
    } else {
        memcpy(look->buffer, entry_body(entry), entry->body_size);
        body_age_ttls(look->buffer, entry_ttl_offsets(entry), entry_ttl_count(entry),
                      (uint32_t)(age_ms / 1000), life_ttl_cap(&shard->rules, entry, look->child));
    }
    /* By a number of hits that no client's pattern of questions keeps step with. */
    if (ret->flags & FLAG_ROTATES)
        rotate_body(entry, look->buffer, shard->counters.hits * UINT64_C(0x9e3779b97f4a7c15) >> 33);
    return STORE_HIT;
}

/* Fills in a shard of zeroes; it holds nothing before shard_change(). */
void shard_init(struct shard *shard, const struct validity *validity);
void shard_free(struct shard *shard);

/*
 * Another size, in two steps so that of many shards all can change, or none: a segment for `limit` bytes with an index
 * for `count` entries, which may fail, and the change to it, which cannot. What fits of the entries is kept. The lock is held for the change, or
 * nobody else knows the shard yet; the segment is used up by it.
 */
MUST_CHECK int segment_init(struct segment *segment, size_t limit, size_t count);
void segment_free(struct segment *segment);
void shard_change(struct shard *shard, struct segment *segment, size_t limit);

/* Where an answer to be kept comes from. */
enum put_kind {
    PUT_FETCHED,
    PUT_PUSHED, /* with a change: only where the key is held already */
    PUT_SHARED, /* a client's, as the place that a change goes to: only where none is that holds */
};

/* How an answer comes. */
struct put {
    enum put_kind kind;
    struct stamp stamp;
    struct stamp since; /* PUSHED: what is held was known valid then, just before the change */
    struct mono now;
    struct mono
        born; /* from when its TTL counts: now, or when the change was made that brought it */
};

/* As store_outdate(). */
void shard_outdate(struct shard *shard, const struct answer_key *key, struct mono asked,
                   struct mono now);

/* Whether it was kept. Copies. */
bool shard_put(struct shard *shard, const struct answer_key *key, const struct answer *answer,
               const struct put *put);

/* Takes an entry out of the index; its block is passed over when its turn comes. */
void shard_remove(struct shard *shard, struct entry *entry);

/* Drops up to `most` blocks at the tail that nothing is left in. False: there are none any more. */
bool shard_tidy(struct shard *shard, size_t most);

enum { SHARD_WALK = 32 }; /* entries at a time in a walk */

/*
 * A walk's next step, in the shard's lock: what it will touch is fetched into the processor's cache before, so that
 * lookups wait for a microsecond or two. The entries are good until the unlock.
 */
size_t shard_walk_lock(struct shard *shard, struct index_walk *walk,
                       struct entry *ret_entries[SHARD_WALK]);

/* Lets the walk go on with an entry that it has just come by. */
void shard_walk_back(const struct shard *shard, struct index_walk *walk, const struct entry *entry);

/* A store's shards. */
const struct shards *store_shards(const struct store *store);

#endif
