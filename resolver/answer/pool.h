/*
 * pool.h - objects of one size that come and go with every miss: freed ones are kept for the next.
 *
 * Memory comes as it was left, not zeroed. What is kept is bounded; the rest goes back to malloc. In builds with
 * AddressSanitizer nothing is kept, so that it sees each use of what was freed.
 *
 * Threads: one.
 */
#ifndef FRESHET_RESOLVER_ANSWER_POOL_H
#define FRESHET_RESOLVER_ANSWER_POOL_H

#include <stddef.h>
#include <stdlib.h>

#ifdef __SANITIZE_ADDRESS__
#define POOL_KEEPS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_KEEPS 0
#endif
#endif
#ifndef POOL_KEEPS
#define POOL_KEEPS 1
#endif

struct pool_item {
    struct pool_item *next;
};

struct pool {
    size_t size; /* of an object, at least that of a pointer */
    size_t most; /* objects kept */
    size_t kept;
    struct pool_item *items;
};

static inline struct pool pool_of(size_t size, size_t most)
{
    return (struct pool){.size = size, .most = POOL_KEEPS ? most : 0};
}

/* NULL: no memory. */
static inline void *pool_get(struct pool *pool)
{
    struct pool_item *item = pool->items;
    if (!item)
        return malloc(pool->size);
    pool->items = item->next;
    pool->kept--;
    return item;
}

static inline void pool_put(struct pool *pool, void *object)
{
    struct pool_item *item = object;
    if (pool->kept >= pool->most) {
        free(object);
        return;
    }
    item->next = pool->items;
    pool->items = item;
    pool->kept++;
}

/* Frees what is kept. */
static inline void pool_drain(struct pool *pool)
{
    while (pool->items) {
        struct pool_item *item = pool->items;
        pool->items = item->next;
        free(item);
    }
    pool->kept = 0;
}

#endif
