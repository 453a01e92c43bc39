#include "cache/view.h"

#include <stdlib.h>
#include <string.h>

#include "cache/absent.h"

/* Not one that only keeps a place. */
static bool is_answer(const struct entry *entry)
{
    return (entry->state & (ENTRY_SHARED | ENTRY_PUSHED)) != ENTRY_SHARED;
}

static void show_entry(const struct validity *validity, const struct entry *entry, struct mono now,
                       view_fn *show, void *arg)
{
    uint32_t age = (uint32_t)(entry_age_ms(entry, now) / 1000);
    uint64_t name_hash = answer_key_name_hash(validity, entry_key(entry), entry->name_size);
    struct dependent dependent = entry_dependent(entry, name_hash);
    struct stamp mark = validity_newest_mark(validity, &dependent);
    show(arg, &(struct view){
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
                  .provisional = entry->state & ENTRY_PROVISIONAL,
                  .subscribed = entry->zone != ZONE_NONE,
                  .scope_count = entry->scope_count,
                  .origin = entry->origin,
              });
}

/* ---- one ---- */

/* Copies the entry of a key. False: there is none. */
static bool copy_entry(const struct store *store, const struct answer_key *key,
                       struct entry *ret_copy)
{
    struct shard *shard = shard_lock_of(store_shards(store), key->hash);
    const struct entry *entry = shard_find(shard, key);
    bool is_seen = entry && is_answer(entry);
    if (is_seen)
        memcpy(ret_copy, entry, entry_bytes(entry));
    shard_unlock(shard);
    return is_seen;
}

bool view_entry(const struct store *store, const struct answer_key *key, struct mono now,
                view_fn *show, void *arg)
{
    struct answer_key name;
    struct entry *copy = malloc(ENTRY_MAX_BYTES);
    if (!copy)
        return false;
    bool is_seen = copy_entry(store, key, copy);
    if (!is_seen && absent_answers(key)) {
        answer_key_of_name(key, &name);
        is_seen = copy_entry(store, &name, copy);
    }
    if (is_seen)
        show_entry(shard_of(store_shards(store), key->hash)->rules.validity, copy, now, show, arg);
    free(copy);
    return is_seen;
}

/* ---- all ---- */

enum {
    WALK_ROOM = 128 * 1024
}; /* bytes for copies: those of some dozens, if they are of the usual size */

static_assert((size_t)WALK_ROOM >= (size_t)ENTRY_MAX_BYTES, "there is room for one");

struct view_walk {
    const struct shards *shards;
    size_t shard;
    struct index_walk within;
    _Alignas(struct entry) uint8_t copies[WALK_ROOM];
};

struct view_walk *view_walk_new(const struct store *store)
{
    struct view_walk *walk = malloc(sizeof *walk);
    if (walk)
        view_walk_start(walk, store);
    return walk;
}

void view_walk_start(struct view_walk *walk, const struct store *store)
{
    walk->shards = store_shards(store);
    walk->shard = 0;
    walk->within = (struct index_walk){0};
}

void view_walk_free(struct view_walk *walk)
{
    free(walk);
}

/* Copies the next entries of a shard, as many as fit. Returns their bytes. */
static size_t copy_some(struct view_walk *walk, struct shard *shard)
{
    struct entry *entries[SHARD_WALK];
    size_t used = 0;
    size_t count = shard_walk_lock(shard, &walk->within, entries);
    for (size_t i = 0; i < count; i++) {
        if (used + entry_bytes(entries[i]) > WALK_ROOM) {
            shard_walk_back(shard, &walk->within, entries[i]);
            break;
        }
        memcpy(walk->copies + used, entries[i], entry_bytes(entries[i]));
        used += entry_bytes(entries[i]);
    }
    shard_unlock(shard);
    return used;
}

bool view_walk_next(struct view_walk *walk, struct mono now, view_fn *show, void *arg)
{
    if (walk->shard > walk->shards->mask)
        return false;
    struct shard *shard = &walk->shards->each[walk->shard];
    size_t used = copy_some(walk, shard);
    for (size_t at = 0; at < used;) {
        const struct entry *entry = (const struct entry *)(walk->copies + at);
        if (is_answer(entry) && !entry_is_second(entry))
            show_entry(shard->rules.validity, entry, now, show, arg);
        at += entry_bytes(entry);
    }
    if (walk->within.ended) {
        walk->shard++;
        walk->within = (struct index_walk){0};
    }
    return walk->shard <= walk->shards->mask;
}
