/*
 * store.h - the answers one tier holds: bounded in bytes, sharded, checked at every look.
 *
 *    key --hash--> shard: lock | index (hash -> place) | ring of entries, oldest first
 *
 * Entries (entry.h) lie side by side in a ring (ring.h); a new one is written at its head. When the ring is full the
 * oldest entry makes room: if it was hit since it was put it moves to the head instead, and has to be hit again
 * to move once more. What is used stays, a hit sets one bit, and no memory is allocated or freed on the way.
 *
 * An entry that fails its validity check stays where it is until it is replaced or evicted: a later change
 * set may carry its new content, and then it is installed in place (store_replace). For clients with answers of
 * their own it is installed once for all: whose answer the change made invalid gets that one in its place, and whoever
 * never asked still gets nothing.
 *
 * Threads: all calls but new and free from any thread. A shard's lock is held for a lookup and a copy,
 * never for I/O.
 */
#ifndef FRESHET_CACHE_STORE_H
#define FRESHET_CACHE_STORE_H

#include "cache/answer.h"

struct store;

struct store_options {
    size_t size;   /* bytes for entries, all overhead known to us included */
    size_t shards; /* rounded up to a power of two; 0 picks 16 */
    struct ttl_policy policy;
    const struct validity *validity; /* borrowed */
};

/* NULL: no memory. */
struct store *store_new(const struct store_options *options);
void store_free(struct store *store);

/* Makes the key of a question (answer_key.h). */
void store_key(const struct store *store, const struct key_parts *parts,
               struct answer_key *ret_key);

/* The key of (name, type, IN) with these KEY_ bits: 0 to KEY_VARIANTS - 1 are all that may be held. */
void store_key_variant(const struct store *store, const uint8_t *name, uint16_t type, int bits,
                       struct answer_key *ret_key);

/* Hints that the key of a hash will be looked up soon: what that touches first is fetched into the processor's cache. */
void store_expect(const struct store *store, uint64_t key_hash);

enum store_result {
    STORE_HIT,
    STORE_MISS,      /* never held, or evicted */
    STORE_EXPIRED,   /* held, its TTL is over */
    STORE_INVALID,   /* held, a change touched it */
    STORE_TRUNCATED, /* a hit whose body does not fit the buffer: counts and flags are set, no body */
};

struct store_hit {
    uint16_t flags;
    uint16_t counts[3];
    size_t body_size;
    int ede;
    bool aging;       /* in use and near its end: to be fetched again */
    bool provisional; /* it may be old: whoever keeps it must know */
    bool vouched;     /* it may be held past its TTL */
    bool outside;     /* some name in it lies in no zone of the feed */
};

/*
 * Looks up a key, or an NXDOMAIN that is held for its name (absent.h), and on a hit copies the body to `buffer` (`room` bytes) with its TTLs as of `now`; those of
 * subscribed zones are capped by the policy's client_ttl. `ret` is filled on STORE_HIT and STORE_TRUNCATED.
 */
struct store_look {
    const struct answer_key *key;
    struct mono now;
    uint8_t *buffer;
    size_t room;
    bool child;       /* the client follows the feed itself: client_ttl does not bind it */
    bool comes_again; /* what is not held is looked for once more, for the same query */
};
enum store_result store_get(struct store *store, const struct store_look *look,
                            struct store_hit *ret);

/*
 * Keeps `answer` for `key`, as old as `stamp`; its TTLs have been through answer_bound_ttls(). Copies.
 * Nothing is kept when the answer has no time to live, or something it depends on was marked after `stamp`
 * (a late fill), or store_replace() has put an answer there that is still valid: that one came with the
 * change, and the server this one is from may lag behind it. A late fill may be newer still, where the change itself came late: so the
 * answer that the change brought is dropped as well. Returns whether it was kept.
 */
bool store_put(struct store *store, const struct answer_key *key, const struct answer *answer,
               struct stamp stamp, struct mono now);

/*
 * Clients were given an answer that is not kept. Drops the entry that is kept for the key if it is expired, or was put there
 * before `asked` ({0}: if it is expired alone). Otherwise a renewed lease could bring it back after the newer one.
 */
void store_outdate(struct store *store, const struct answer_key *key, struct mono asked,
                   struct mono now);

/*
 * Whether the key is held, and no change has touched what is held up to now: it is known valid as of now then. Before a
 * change set is marked this tells where it may bring data.
 */
bool store_renew(struct store *store, const struct answer_key *key);

/*
 * As store_put(), for what a change brought. It replaces an entry only if no other change has touched that (store_renew() was
 * called before the marks, at the stamp `since`) and it is older than this change: fetched before the change was made, or brought by
 * an earlier one. Where another change has evicted the entry, it may have been followed by more than is known here.
 */
struct store_pushed {
    struct stamp since;
    struct stamp stamp;
    struct mono made; /* the change, at the source; the answer's TTLs count from here */
    struct mono now;
};
bool store_replace(struct store *store, const struct answer_key *key, const struct answer *answer,
                   const struct store_pushed *pushed);

/*
 * Seconds that answers to the key's question may be cached elsewhere, as far as is known from what is held; 0: unknown.
 * `ret_stamp`: when what is held was last known valid; 0 where it is no answer of an upstream, so that what is known is from before.
 */
uint32_t store_elsewhere(struct store *store, const struct answer_key *key,
                         struct stamp *ret_stamp);

/*
 * The upstream is dead: lets the answer that is held for `key` be served past its TTL for a few seconds, if the
 * policy allows it and no change has touched it. Returns whether there is such an answer.
 */
bool store_revive(struct store *store, const struct answer_key *key, struct mono now);

/* Whether an answer is held that clients have asked for, and that a change has touched. */
bool store_was_hot(struct store *store, const struct answer_key *key, struct mono now);

/*
 * Drops all entries of a canonical name, or of it and all below, that are there when it is called. Walks the whole
 * store, some entries at a time. Returns how many.
 */
size_t store_drop(struct store *store, const uint8_t *canonical_name, bool subtree);

/* The policy as it is now; a copy. */
struct ttl_policy store_policy(struct store *store);

/*
 * Changes policy and size; a smaller size evicts at once. Returns 0, or ERR_MEMORY: then all is as before. One
 * call at a time.
 */
MUST_CHECK int store_configure(struct store *store, const struct ttl_policy *policy, size_t size);

struct store_counters {
    uint64_t hits, misses, expired, invalid; /* by result of store_get() */
    uint64_t inserted, replaced, evicted;
    uint64_t revived;              /* stale answers let live for want of an upstream */
    uint64_t late;                 /* fills refused because a change came first */
    uint64_t contended;            /* times a shard's lock was busy */
    uint64_t entries, bytes, size; /* bytes: in rings, and of indexes */
    uint64_t absent; /* entries held for their names besides (absent.h); not among `entries` */
};
void store_count(struct store *store, struct store_counters *ret);

#endif
