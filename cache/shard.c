#include "cache/shard.h"

#include <stdlib.h>

enum {
    INDEX_SHARE = 8, /* of a shard's bytes, at most this part is index */
    SECOND_CHANCES_AT_ONCE =
        128,         /* entries moved to the head, at most, to make room for one: some 20 us */
    SLACK_SIZE8 = 4, /* an entry may lie in a block that is larger by this much */
};

static struct entry *entry_at(const struct segment *segment, uint32_t ref)
{
    return (struct entry *)ring_at(&segment->ring, ref);
}

static uint32_t ref_of(const struct segment *segment, const struct entry *entry)
{
    return ring_ref(&segment->ring, (const struct ring_block *)entry);
}

static uint64_t hash_of(const struct shard *shard, const struct entry *entry)
{
    return answer_key_hash(shard->rules.validity, entry_key(entry), entry->name_size);
}

static uint64_t hash_of_ref(void *arg, uint32_t ref)
{
    const struct shard *shard = arg;
    return hash_of(shard, entry_at(&shard->segment, ref));
}

int segment_init(struct segment *segment, size_t limit, size_t count)
{
    *segment = (struct segment){0};
    if (ring_init(&segment->ring, limit - limit / INDEX_SHARE)) {
        if (index_init(&segment->index, limit / INDEX_SHARE, count))
            return ERR_OK;
        ring_free(&segment->ring);
    }
    return ERR_MEMORY;
}

void segment_free(struct segment *segment)
{
    index_free(&segment->index);
    ring_free(&segment->ring);
}

/* Those that people are told of. */
static uint64_t answers_of(const struct shard *shard)
{
    return shard->counters.entries - shard->counters.absent;
}

/* One entry more, or less. */
static void count_entry(struct shard *shard, const struct entry *entry, int64_t difference)
{
    shard->counters.entries += (uint64_t)difference;
    if (entry_is_second(entry))
        shard->counters.absent += (uint64_t)difference;
}

void shard_remove(struct shard *shard, struct entry *entry)
{
    index_remove(&shard->segment.index, hash_of(shard, entry), ref_of(&shard->segment, entry));
    entry->dead = true;
    count_entry(shard, entry, -1);
}

/* Moves the oldest entry to the head; it has to be hit again for another second chance. */
static void give_second_chance(struct shard *shard, struct entry *entry)
{
    uint64_t hash = hash_of(shard, entry);
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
        life_is_left(&shard->rules, oldest, now)) {
        --*left;
        give_second_chance(shard, oldest);
        return true;
    }
    if (!oldest->dead) {
        shard->counters.evicted += !entry_is_second(oldest);
        shard_remove(shard, oldest);
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

bool shard_tidy(struct shard *shard, size_t most)
{
    struct ring_block *oldest;
    while ((oldest = ring_oldest(&shard->segment.ring)) && oldest->dead) {
        if (most-- == 0)
            return true;
        ring_drop(&shard->segment.ring);
    }
    return false;
}

/* Fetches an entry's first lines: its head and its key. */
static void expect_entry(const struct segment *segment, uint32_t ref)
{
    const char *at = (const char *)ring_at(&segment->ring, ref);
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
}

size_t shard_walk_lock(struct shard *shard, struct index_walk *walk,
                       struct entry *ret_entries[SHARD_WALK])
{
    const struct segment *segment = &shard->segment;
    uint32_t refs[2 * SHARD_WALK];
    index_walk_expect(&segment->index, walk);
    shard_lock(shard);
    size_t count = index_walk_peek(&segment->index, walk, refs, 2 * SHARD_WALK);
    for (size_t i = 0; i < count; i++)
        expect_entry(segment, refs[i]);
    shard_unlock(shard);
    shard_lock(shard);
    count = index_walk(&segment->index, walk, refs, SHARD_WALK);
    for (size_t i = 0; i < count; i++)
        ret_entries[i] = entry_at(segment, refs[i]);
    return count;
}

void shard_walk_back(const struct shard *shard, struct index_walk *walk, const struct entry *entry)
{
    index_walk_back(&shard->segment.index, walk, ref_of(&shard->segment, entry));
}

/* ---- size ---- */

void shard_init(struct shard *shard, const struct validity *validity)
{
    pthread_mutex_init(&shard->lock, NULL);
    shard->rules.validity = validity;
}

void shard_free(struct shard *shard)
{
    segment_free(&shard->segment);
    pthread_mutex_destroy(&shard->lock);
}

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
        if (index_insert(&shard->segment.index, hash_of(shard, entry),
                         ref_of(&shard->segment, entry)))
            count_entry(shard, entry, 1);
        else
            entry->dead = true;
    }
}

void shard_change(struct shard *shard, struct segment *segment, size_t limit)
{
    struct segment old = {.ring = shard->segment.ring};
    segment->index.hash_of = hash_of_ref;
    segment->index.arg = shard;
    index_assign(&old.index, &shard->segment.index);
    index_assign(&shard->segment.index, &segment->index);
    shard->segment.ring = segment->ring;
    shard->limit = limit;
    shard->counters.size = limit;
    if (!old.ring.base)
        return;
    uint64_t before = answers_of(shard), evicted = shard->counters.evicted;
    shard->counters.entries = shard->counters.absent = 0;
    move_entries(shard, &old);
    shard->counters.evicted = evicted + before - answers_of(shard);
    segment_free(&old);
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
           !life_is_aging(&shard->rules, held, entry_age_ms(held, now)) &&
           shard_judge(shard, held, key, now) == STORE_HIT;
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
        .outside = dependencies->outside,
        .count = dependencies->count,
        .scopes = dependencies->scopes,
    };
    return !validity_holds(shard->rules.validity, &dependent, stamp);
}

/* A block for the answer, not counted: that of the entry it replaces, if that is about as large, or a new one. */
static struct entry *shard_place(struct shard *shard, const struct answer_key *key, uint16_t size8,
                                 struct entry *old, struct mono now)
{
    if (old) {
        shard->counters.replaced += !entry_is_second(old);
        if (old->size8 >= size8 && old->size8 <= size8 + SLACK_SIZE8) {
            count_entry(shard, old, -1);
            return old;
        }
        shard_remove(shard, old);
    }
    struct entry *entry = shard_take(shard, size8, now);
    if (!entry)
        return NULL;
    if (!index_insert(&shard->segment.index, key->hash, ref_of(&shard->segment, entry))) {
        entry->dead = true;
        return NULL;
    }
    return entry;
}

/*
 * Whether what is held may be newer than the change that brings the answer: fetched from a server that may have had that
 * change, and the next, by then; brought by a later change; or evicted by one.
 */
static bool overtaken(const struct entry *old, const struct put *put)
{
    return old->stamp < put->since.n ||
           (old->state & ENTRY_PUSHED ? old->born_ms > put->born.ms : old->born_ms >= put->born.ms);
}

/* A fill that comes after a change may still be newer than what that brought: its authority may be further by now. */
static void drop_overtaken(struct shard *shard, struct entry *held)
{
    if (held && held->state & ENTRY_PUSHED)
        shard_remove(shard, held);
}

/* Whether the answer is to take the place of `old`, or of nothing where that is NULL. */
static bool may_put(struct shard *shard, const struct answer_key *key, const struct answer *answer,
                    const struct put *put, struct entry *old)
{
    const bool pushed = put->kind == PUT_PUSHED;
    if (pushed && (!old || overtaken(old, put)))
        return false;
    if (put->kind == PUT_SHARED && old && shard_judge(shard, old, key, put->now) == STORE_HIT)
        return false;
    const bool late = is_late(shard, key, answer, put->stamp);
    if (late || (!pushed && pushed_already(shard, old, key, put->now))) {
        shard->counters.late++;
        if (late && !pushed)
            drop_overtaken(shard, old);
        return false;
    }
    /* A failure never takes the place of an answer that can still be given. */
    return !answer_is_failure(answer) || !old ||
           shard_judge(shard, old, key, put->now) != STORE_HIT;
}

void shard_outdate(struct shard *shard, const struct answer_key *key, struct mono asked,
                   struct mono now)
{
    struct entry *held = shard_find(shard, key);
    if (held && (held->born_ms < asked.ms || shard_judge(shard, held, key, now) == STORE_EXPIRED))
        shard_remove(shard, held);
}

bool shard_put(struct shard *shard, const struct answer_key *key, const struct answer *answer,
               const struct put *put)
{
    const bool pushed = put->kind == PUT_PUSHED;
    struct entry *old = shard_find(shard, key);
    uint16_t size8 = entry_size8(answer, key->size);
    if ((size_t)size8 * RING_UNIT > shard->segment.ring.capacity ||
        !may_put(shard, key, answer, put, old))
        return false;
    /* What was cached elsewhere before the change, or the failure, may be there for as long as it was to live. */
    const uint64_t elsewhere = old && (pushed || answer_is_failure(answer)) ? old->elsewhere : 0;
    uint8_t state =
        (uint8_t)((old ? old->state & (ENTRY_USED | ENTRY_SHARED) : 0) |
                  (pushed ? ENTRY_PUSHED : 0) | (put->kind == PUT_SHARED ? ENTRY_SHARED : 0));
    struct entry *entry = shard_place(shard, key, size8, old, put->now);
    if (!entry)
        return false;
    entry_write(entry, key, answer, put->stamp, put->born, state);
    count_entry(shard, entry, 1);
    if (entry->elsewhere < elsewhere)
        entry->elsewhere = elsewhere;
    shard->counters.inserted += !entry_is_second(entry);
    return true;
}
