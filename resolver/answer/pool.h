/*
 * pool.h - objects of one size that come and go with every miss, out of slabs that are the pool's own.
 *
 *      slab: | header | object | object | ... |      POOL_SLAB bytes, at a multiple of that: an object finds its slab
 *
 * A flood's objects go back to the kernel slab by slab as it ends, but for what the pool is to keep for the next: a heap that is
 * full of holes would have to be searched for them, and nobody could have memory meanwhile. Memory comes as it was left, not
 * zeroed. In builds with AddressSanitizer each object is malloc's, so that it sees each use of what was freed.
 *
 * Threads: one.
 */
#ifndef FRESHET_RESOLVER_ANSWER_POOL_H
#define FRESHET_RESOLVER_ANSWER_POOL_H

#include <stddef.h>

enum { POOL_SLAB = 64 * 1024 }; /* bytes; a power of two */

struct pool_slab;

struct pool {
    size_t size;             /* of an object, in bytes */
    size_t per_slab;         /* objects */
    size_t keeps;            /* empty slabs, at most */
    size_t empty;            /* of those with room */
    struct pool_slab *roomy; /* slabs with room for an object */
};

/* Of objects of `size` bytes, a slab has room for some; those that were freed are kept for the next, about `most` of them. */
struct pool pool_of(size_t size, size_t most);

/* The caller's until pool_put(). NULL: no memory. */
void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *object);

/* Frees what is kept: all objects must have been put back. */
void pool_drain(struct pool *pool);

#endif
