/*
 * ring.h - memory for entries: blocks taken at the head, given up at the tail.
 *
 *         tail (oldest)                 head
 *           v                             v
 *     +-----+-----+--+-----+-----+-----+--+-----------+
 *     |     |  A  |  |  B  |dead |  C  |  |           |    blocks of 8 bytes, each begins with its size
 *     +-----+-----+--+-----+-----+-----+--+-----------+
 *
 * No allocator stands behind an entry: no header, no rounding to size classes, nothing that fragments, and
 * after any number of insertions the memory is what it was: `capacity`. A block that is no longer wanted
 * is marked gone and is passed over when the tail gets there. What is to stay longer is moved to the head then.
 *
 * No threads: the caller's lock.
 */
#ifndef FRESHET_CACHE_RING_H
#define FRESHET_CACHE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RING_UNIT = 8, RING_MAX_BLOCK = UINT16_MAX * RING_UNIT };

/* What every block begins with. */
struct ring_block {
    uint16_t size8; /* in units of 8 bytes */
    uint8_t dead;   /* nothing to keep in it */
};

struct ring {
    uint8_t *base;
    size_t capacity; /* bytes, a multiple of the unit */
    size_t head;     /* offset of the next block to be taken */
    size_t tail;     /* offset of the oldest block */
    size_t used;     /* bytes from tail to head */
    size_t touched;  /* how far the head has been since memory was last given back */
};

/* Maps `capacity` bytes (rounded down to a multiple of 8); they take memory as they are used. False: no memory. */
bool ring_init(struct ring *ring, size_t capacity);
void ring_free(struct ring *ring);

/* A block of `size8` times 8 bytes at the head, its size set and `dead` false; NULL when the tail is in the way. */
struct ring_block *ring_take(struct ring *ring, uint16_t size8);

/* The oldest block, which may be gone already; NULL when there is none. */
struct ring_block *ring_oldest(struct ring *ring);

/* Gives up the oldest block. An empty ring gives its memory back. */
void ring_drop(struct ring *ring);

/* Makes the oldest block the youngest. Returns where it is now. */
struct ring_block *ring_renew(struct ring *ring);

/* From the oldest to the youngest: the block after `block`, the oldest for NULL; NULL at the end. */
struct ring_block *ring_next(const struct ring *ring, const struct ring_block *block);

static inline struct ring_block *ring_at(const struct ring *ring, uint32_t ref)
{
    return (struct ring_block *)(ring->base + (size_t)ref * RING_UNIT);
}

static inline uint32_t ring_ref(const struct ring *ring, const struct ring_block *block)
{
    return (uint32_t)((size_t)((const uint8_t *)block - ring->base) / RING_UNIT);
}

#endif
