/*
 * view.h - what a store holds, for people to look at: one entry, or all of them.
 *
 * Entries are copied out under a shard's lock, a few dozen at a time, and shown without it: a lookup waits for some
 * microseconds, however slow the one who looks is.
 *
 * A walk goes by the keys' hashes (index.h), so it needs no picture of the store to be kept, and any number of them may
 * be under way. Whatever is held from its beginning to its end is shown once, as it is when the walk comes by, also if
 * it is replaced, moved to make room, or if the store changes its size meanwhile. What comes or goes is shown or
 * not; nothing is shown twice, but for what went and came again.
 */
#ifndef FRESHET_CACHE_VIEW_H
#define FRESHET_CACHE_VIEW_H

#include "cache/store.h"

/* One entry; pointers are good inside the call only. */
struct view {
    const uint8_t *key; /* bytes of struct answer_key; type 0: whatever type of the name */
    uint16_t flags;
    uint16_t counts[3];
    const uint8_t *body;
    size_t body_size;
    uint32_t age;       /* seconds since it was put */
    uint32_t ttl;       /* seconds left; 0 when expired */
    struct stamp stamp; /* known valid at */
    struct stamp mark;  /* newest mark among its scopes; 0 for none */
    bool valid;         /* by marks; its TTL may be over all the same */
    bool provisional;   /* it may be old */
    bool subscribed;    /* it depends on zones of the feed */
    size_t scope_count; /* of further names than the question's */
    uint8_t origin;
};

typedef void view_fn(void *arg, const struct view *view);

/* Shows the entry of `key`, or what is held for its name (absent.h), if there is one. Counts as no hit. False: it is not, or there is no memory for a copy. */
bool view_entry(const struct store *store, const struct answer_key *key, struct mono now,
                view_fn *show, void *arg);

struct view_walk;

/* NULL: no memory. The store is borrowed. */
struct view_walk *view_walk_new(const struct store *store);
void view_walk_free(struct view_walk *walk);

/* Begins anew, with this store. */
void view_walk_start(struct view_walk *walk, const struct store *store);

/* Shows the next few entries. False: those were the last. */
bool view_walk_next(struct view_walk *walk, struct mono now, view_fn *show, void *arg);

#endif
