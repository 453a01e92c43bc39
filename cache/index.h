/*
 * index.h - finds an entry's place by its hash: a hash table of 32-bit references.
 *
 * A table of buckets, one cache line each, so that most lookups touch one line here and the entry itself:
 *
 *     +-------------------+--------+-------+-----------------------+
 *     | tags 12 x 8 bit   | passed | used  | references 12 x 32 bit|
 *     +-------------------+--------+-------+-----------------------+
 *     0                   12       14      16                     64
 *
 * The low half of the hash picks the bucket, its top byte is the tag. What finds its bucket full goes to the
 * next one, and each bucket it had to pass counts it, so that a lookup knows where to stop. The table doubles
 * when it is five sixths full: 6.4 to 12.8 bytes per entry.
 *
 * The caller compares keys, and can tell the hash of what a reference stands for. No threads: the caller's lock,
 * but for index_expect().
 */
#ifndef FRESHET_CACHE_INDEX_H
#define FRESHET_CACHE_INDEX_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { INDEX_SLOTS = 12 };

struct index_bucket {
    uint8_t tags[INDEX_SLOTS];
    uint16_t passed;
    uint16_t used; /* a bit for each slot in use */
    uint32_t refs[INDEX_SLOTS];
};

static_assert(sizeof(struct index_bucket) == 64, "a bucket is one cache line");

struct index {
    /* Atomic for those who only peek where a bucket lies, without the lock. */
    _Atomic(struct index_bucket *) buckets;
    _Atomic size_t mask; /* buckets - 1; a power of two */
    size_t count;
    size_t max_bytes;
    uint64_t (*hash_of)(void *arg, uint32_t ref);
    void *arg;
};

/*
 * Grows up to `max_bytes`, or the smallest table if that is larger; there is room for `count` references, as far as
 * that allows, before it grows. False: no memory.
 */
bool index_init(struct index *index, size_t max_bytes, size_t count);
void index_free(struct index *index);

/* Whether one more reference would take a larger table, which there is no room for. */
bool index_is_full(const struct index *index);

/* False: full, and no memory to grow. The reference must not be in the table. */
bool index_insert(struct index *index, uint64_t hash, uint32_t ref);

/* The reference must be in the table. */
void index_remove(struct index *index, uint64_t hash, uint32_t ref);
void index_move(struct index *index, uint64_t hash, uint32_t from, uint32_t to);

size_t index_bytes(const struct index *index);

/*
 * A walk over all references, some at a time, that survives whatever happens to the table in between. It goes by the
 * hashes, in the order of their bits from the lowest up: so the hashes of a bucket follow one another in a table of any
 * size, and what has been passed is one number. What is in the table all the time is met once, wherever it moves.
 */
struct index_walk {
    uint64_t at; /* reversed hashes below this one are behind us */
    bool ended;
};

/* Writes the next up to `room` references; the walk moves past them. Few come when many buckets are empty. */
size_t index_walk(const struct index *index, struct index_walk *walk, uint32_t *ret_refs,
                  size_t room);

/*
 * What the walk will come by next, as far as it can be told without a look at what references stand for: up to `room`
 * references. The buckets are expected (index_expect), without the lock, by index_walk_expect() before.
 */
void index_walk_expect(const struct index *index, const struct index_walk *walk);
size_t index_walk_peek(const struct index *index, const struct index_walk *walk, uint32_t *ret_refs,
                       size_t room);

/* Lets the walk go on with a reference that it has just come by. */
void index_walk_back(const struct index *index, struct index_walk *walk, uint32_t ref);

/* Hands a table over: `from` must not be used or freed any more. */
void index_assign(struct index *to, const struct index *from);

/* Walks over what may be an entry of that hash. */
struct index_cursor {
    const struct index_bucket *bucket;
    size_t at;
    size_t left;      /* buckets not looked at yet */
    uint32_t matches; /* slots of the bucket still to be looked at, a bit each */
    uint8_t tag;
};

static inline size_t index_home(const struct index *index, uint64_t hash)
{
    return (size_t)hash & atomic_load_explicit(&index->mask, memory_order_relaxed);
}

/* Fetches the bucket of a hash into the processor's cache. Without the lock: no more than its address is used. */
static inline void index_expect(const struct index *index, uint64_t hash)
{
    /* Each is read by a load of its own: in an expression GCC 12 reads an atomic pointer as if it were plain. */
    const struct index_bucket *buckets =
        atomic_load_explicit(&index->buckets, memory_order_relaxed);
    __builtin_prefetch(buckets + index_home(index, hash));
}

static inline uint8_t index_tag(uint64_t hash)
{
    return (uint8_t)(hash >> 56);
}

/* A bit for each slot in use whose tag this is. */
static inline uint32_t index_matches(const struct index_bucket *bucket, uint8_t tag)
{
    typedef uint8_t tags16 __attribute__((vector_size(16)));
    typedef int8_t mask16 __attribute__((vector_size(16)));
    tags16 tags;
    memcpy(&tags, bucket, sizeof tags); /* the last four bytes are no tags; `used` masks them out */
    mask16 equal = tags == tag;
#if defined __SSE2__
    uint32_t bits =
        (uint32_t)__builtin_ia32_pmovmskb128((__attribute__((vector_size(16))) char)equal);
#else
    uint32_t bits = 0;
    for (size_t i = 0; i < INDEX_SLOTS; i++)
        bits |= (uint32_t)(equal[i] & 1) << i;
#endif
    return bits & bucket->used;
}

static inline struct index_cursor index_find(const struct index *index, uint64_t hash)
{
    size_t mask = atomic_load_explicit(&index->mask, memory_order_relaxed);
    size_t home = (size_t)hash & mask;
    const struct index_bucket *bucket =
        atomic_load_explicit(&index->buckets, memory_order_relaxed) + home;
    return (struct index_cursor){bucket, home, mask, index_matches(bucket, index_tag(hash)),
                                 index_tag(hash)};
}

/* The next candidate in `ret_ref`; false when there is none. */
static inline bool index_next(const struct index *index, struct index_cursor *cursor,
                              uint32_t *ret_ref)
{
    while (cursor->matches == 0) {
        if (cursor->bucket->passed == 0 || cursor->left-- == 0)
            return false;
        cursor->at = (cursor->at + 1) & index->mask;
        cursor->bucket = &index->buckets[cursor->at];
        cursor->matches = index_matches(cursor->bucket, cursor->tag);
    }
    *ret_ref = cursor->bucket->refs[__builtin_ctz(cursor->matches)];
    cursor->matches &= cursor->matches - 1;
    return true;
}

#endif
