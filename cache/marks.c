#include "cache/marks.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { STAMP_BITS = 64 - MARKS_TAG_BITS, CACHE_LINE = 64 };

static const uint64_t STAMP_MASK = ((uint64_t)1 << STAMP_BITS) - 1;

struct bucket {
    _Atomic uint64_t floor;
    _Atomic uint64_t slots[MARKS_SLOTS];
};

static_assert(sizeof(struct bucket) == CACHE_LINE, "a bucket is one cache line");

struct marks {
    size_t mask; /* buckets - 1; a power of two */
    struct bucket *buckets;
};

struct marks *marks_new(size_t scopes)
{
    size_t buckets = 1;
    while (buckets * MARKS_SLOTS < scopes)
        buckets *= 2;
    struct marks *marks = malloc(sizeof *marks);
    if (!marks)
        return NULL;
    marks->mask = buckets - 1;
    marks->buckets = aligned_alloc(CACHE_LINE, buckets * sizeof *marks->buckets);
    if (!marks->buckets) {
        free(marks);
        return NULL;
    }
    memset(marks->buckets, 0, buckets * sizeof *marks->buckets);
    return marks;
}

void marks_free(struct marks *marks)
{
    if (!marks)
        return;
    free(marks->buckets);
    free(marks);
}

void marks_clear(struct marks *marks)
{
    for (size_t i = 0; i <= marks->mask; i++) {
        atomic_store_explicit(&marks->buckets[i].floor, 0, memory_order_release);
        for (size_t k = 0; k < MARKS_SLOTS; k++)
            atomic_store_explicit(&marks->buckets[i].slots[k], 0, memory_order_release);
    }
}

/* The low bits pick the bucket, the high bits are the tag: independent of one another. */
static struct bucket *bucket_of(const struct marks *marks, struct scope scope)
{
    return &marks->buckets[scope.hash & marks->mask];
}

void marks_expect(const struct marks *marks, struct scope scope)
{
    __builtin_prefetch(bucket_of(marks, scope));
}

static uint64_t tag_of(struct scope scope)
{
    return scope.hash & ~STAMP_MASK;
}

static uint64_t load(const _Atomic uint64_t *slot)
{
    return atomic_load_explicit(slot, memory_order_acquire);
}

/* The slot that holds `tag`, or the one to give up for it. Empty slots have the oldest stamp, 0. */
static _Atomic uint64_t *slot_for(struct bucket *bucket, uint64_t tag)
{
    _Atomic uint64_t *oldest = &bucket->slots[0];
    for (size_t i = 0; i < MARKS_SLOTS; i++) {
        uint64_t slot = load(&bucket->slots[i]);
        if (slot != 0 && (slot & ~STAMP_MASK) == tag)
            return &bucket->slots[i];
        if ((slot & STAMP_MASK) < (load(oldest) & STAMP_MASK))
            oldest = &bucket->slots[i];
    }
    return oldest;
}

void marks_set(struct marks *marks, struct scope scope, struct stamp stamp)
{
    assert(stamp.n > 0 && stamp.n <= STAMP_MASK);
    struct bucket *bucket = bucket_of(marks, scope);
    uint64_t tag = tag_of(scope);
    _Atomic uint64_t *slot = slot_for(bucket, tag);
    uint64_t held = load(slot);
    /* The floor rises before the slot goes: a reader that no longer finds the slot sees the floor. */
    if (held != 0 && (held & ~STAMP_MASK) != tag && (held & STAMP_MASK) > load(&bucket->floor))
        atomic_store_explicit(&bucket->floor, held & STAMP_MASK, memory_order_release);
    atomic_store_explicit(slot, tag | stamp.n, memory_order_release);
}

struct stamp marks_get(const struct marks *marks, struct scope scope)
{
    const struct bucket *bucket = bucket_of(marks, scope);
    uint64_t tag = tag_of(scope);
    for (size_t i = 0; i < MARKS_SLOTS; i++) {
        uint64_t slot = load(&bucket->slots[i]);
        if (slot != 0 && (slot & ~STAMP_MASK) == tag)
            return (struct stamp){slot & STAMP_MASK};
    }
    return (struct stamp){load(&bucket->floor)};
}
