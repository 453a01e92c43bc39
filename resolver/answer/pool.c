#include "resolver/answer/pool.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <utlist.h>

#ifdef __SANITIZE_ADDRESS__
#define POOL_IS_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_IS_MALLOC 1
#endif
#endif
#ifndef POOL_IS_MALLOC
#define POOL_IS_MALLOC 0
#endif

enum { ALIGNMENT = 16 };

struct pool_item {
    struct pool_item *next;
};

struct pool_slab {
    struct pool_slab *prev, *next; /* among those with room */
    struct pool_item *freed;
    size_t used;    /* objects that are out */
    size_t touched; /* objects that were, the first of the slab */
    uint8_t objects[] __attribute__((aligned(ALIGNMENT)));
};

struct pool pool_of(size_t size, size_t most)
{
    struct pool pool = {.size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT};
    pool.per_slab = (POOL_SLAB - sizeof(struct pool_slab)) / pool.size;
    assert(pool.per_slab > 0);
    pool.keeps = most / pool.per_slab + 1;
    return pool;
}

/* Twice the room has the aligned half somewhere. NULL: no memory. */
static struct pool_slab *slab_map(void)
{
    uint8_t *room = mmap(NULL, (size_t)2 * POOL_SLAB, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return NULL;
    const size_t before = (size_t)(-(uintptr_t)room % POOL_SLAB);
    if (before > 0)
        (void)munmap(room, before);
    (void)munmap(room + before + POOL_SLAB, POOL_SLAB - before);
    return (struct pool_slab *)(room + before);
}

static struct pool_slab *slab_of(void *object)
{
    return (struct pool_slab *)((uint8_t *)object - (uintptr_t)object % POOL_SLAB);
}

static void slab_unmap(struct pool *pool, struct pool_slab *slab)
{
    DL_DELETE(pool->roomy, slab);
    pool->empty--;
    (void)munmap(slab, POOL_SLAB);
}

static void *slab_take(const struct pool *pool, struct pool_slab *slab)
{
    struct pool_item *item = slab->freed;
    slab->used++;
    if (!item)
        return slab->objects + pool->size * slab->touched++;
    slab->freed = item->next;
    return item;
}

void *pool_get(struct pool *pool)
{
    if (POOL_IS_MALLOC)
        return malloc(pool->size);
    struct pool_slab *slab = pool->roomy;
    if (!slab) {
        slab = slab_map(); /* zeroed: nothing of it is used */
        if (!slab)
            return NULL;
        DL_APPEND(pool->roomy, slab);
        pool->empty++;
    }
    pool->empty -= slab->used == 0;
    void *object = slab_take(pool, slab);
    if (slab->used == pool->per_slab)
        DL_DELETE(pool->roomy, slab);
    return object;
}

/* Slabs that are empty come last: those in use fill up, and others become empty. */
void pool_put(struct pool *pool, void *object)
{
    if (POOL_IS_MALLOC) {
        free(object);
        return;
    }
    struct pool_slab *slab = slab_of(object);
    struct pool_item *item = object;
    item->next = slab->freed;
    slab->freed = item;
    if (slab->used-- == pool->per_slab)
        DL_PREPEND(pool->roomy, slab);
    if (slab->used > 0)
        return;
    pool->empty++;
    if (pool->empty > pool->keeps) {
        slab_unmap(pool, slab);
        return;
    }
    DL_DELETE(pool->roomy, slab);
    DL_APPEND(pool->roomy, slab);
}

void pool_drain(struct pool *pool)
{
    struct pool_slab *slab, *next;
    DL_FOREACH_SAFE (pool->roomy, slab, next)
        if (slab->used == 0)
            slab_unmap(pool, slab);
}
