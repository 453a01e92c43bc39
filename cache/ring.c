#include "cache/ring.h"

#include <string.h>
#include <sys/mman.h>

enum { GIVE_BACK = 64 * 1024 }; /* bytes touched from which it is worth a call */

static size_t bytes_of(const struct ring_block *block)
{
    return (size_t)block->size8 * RING_UNIT;
}

bool ring_init(struct ring *ring, size_t capacity)
{
    capacity -= capacity % RING_UNIT;
    if (capacity > (size_t)UINT32_MAX * RING_UNIT)
        capacity = (size_t)UINT32_MAX * RING_UNIT;
    /* One unit more, as there is no mapping of no bytes. */
    void *pages = mmap(NULL, capacity + RING_UNIT, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED)
        return false;
    *ring = (struct ring){.base = pages, .capacity = capacity};
    return true;
}

void ring_free(struct ring *ring)
{
    if (ring->base)
        munmap(ring->base, ring->capacity + RING_UNIT);
    ring->base = NULL;
}

/* Fills up the end with a block that is gone, so that the head is at the front. */
static void wrap_head(struct ring *ring)
{
    size_t left = ring->capacity - ring->head;
    ring->used += left;
    while (left > 0) {
        size_t size = left < RING_MAX_BLOCK ? left : RING_MAX_BLOCK;
        struct ring_block *filler = (struct ring_block *)(ring->base + ring->head);
        filler->size8 = (uint16_t)(size / RING_UNIT);
        filler->dead = true;
        ring->head += size;
        left -= size;
    }
    ring->head = 0;
}

/* Whether the bytes in use go round the end: then what is free lies between head and tail. */
static bool is_wrapped(const struct ring *ring)
{
    return ring->used > 0 && ring->head <= ring->tail;
}

/* Brings the head to where `size` bytes in one piece begin. */
static bool make_room(struct ring *ring, size_t size)
{
    if (is_wrapped(ring))
        return ring->tail - ring->head >= size;
    if (ring->capacity - ring->head >= size)
        return true;
    if (ring->tail < size)
        return false;
    wrap_head(ring);
    return true;
}

static struct ring_block *advance_head(struct ring *ring, size_t size)
{
    struct ring_block *block = (struct ring_block *)(ring->base + ring->head);
    ring->head += size;
    ring->used += size;
    if (ring->head > ring->touched)
        ring->touched = ring->head;
    return block;
}

struct ring_block *ring_take(struct ring *ring, uint16_t size8)
{
    size_t size = (size_t)size8 * RING_UNIT;
    if (!make_room(ring, size))
        return NULL;
    struct ring_block *block = advance_head(ring, size);
    block->size8 = size8;
    block->dead = false;
    return block;
}

struct ring_block *ring_oldest(struct ring *ring)
{
    if (ring->used == 0)
        return NULL;
    if (ring->tail == ring->capacity)
        ring->tail = 0;
    return (struct ring_block *)(ring->base + ring->tail);
}

void ring_drop(struct ring *ring)
{
    size_t size = bytes_of(ring_oldest(ring));
    ring->tail += size;
    ring->used -= size;
    if (ring->used > 0)
        return;
    if (ring->touched >= GIVE_BACK)
        madvise(ring->base, ring->capacity, MADV_DONTNEED);
    ring->head = ring->tail = ring->touched = 0;
}

struct ring_block *ring_renew(struct ring *ring)
{
    struct ring_block *old = ring_oldest(ring);
    size_t size = bytes_of(old);
    /* Its own place is free for it, too: at the front it can only move towards the front. */
    if (!is_wrapped(ring) && ring->capacity - ring->head < size)
        wrap_head(ring);
    ring->tail += size;
    ring->used -= size;
    return memmove(advance_head(ring, size), old, size);
}

struct ring_block *ring_next(const struct ring *ring, const struct ring_block *block)
{
    size_t at = ring->tail;
    if (ring->used == 0)
        return NULL;
    if (block) {
        at = (size_t)((const uint8_t *)block - ring->base) + bytes_of(block);
        if (at == ring->head)
            return NULL;
    }
    return (struct ring_block *)(ring->base + (at == ring->capacity ? 0 : at));
}
