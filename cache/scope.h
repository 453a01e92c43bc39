/*
 * scope.h - what a change touches and what an answer depends on, as 64-bit keyed hashes.
 *
 *   NAME       one owner name, all its types
 *   SUBTREE    a name and all below it
 *   EXISTENCE  whether anything exists below a name (RFC 4592 2.2.2, RFC 8020)
 *   SOA        a zone's SOA record, whose serial moves with every change of the zone
 *
 * The scopes of one name differ in their upper bits alone, which marks.h uses as tags: all four lie in one
 * cache line there, and a name is hashed once for them and for its place in a store.
 *
 * Scopes are compared by hash alone. Two that collide share their marks, which can only make a valid
 * answer look invalid, never the reverse; the key keeps strangers from choosing collisions.
 */
#ifndef FRESHET_CACHE_SCOPE_H
#define FRESHET_CACHE_SCOPE_H

#include <stddef.h>
#include <stdint.h>

enum scope_kind { SCOPE_NAME, SCOPE_SUBTREE, SCOPE_EXISTENCE, SCOPE_SOA };

struct scope {
    uint64_t hash;
};

/* A canonical name that is measured and hashed once for all that is looked up by it. Borrows the name. */
struct hashed_name {
    const uint8_t *name;
    size_t size; /* bytes */
    uint64_t hash;
};

/* The hash of a canonical name of `size` bytes; `key` is the process's secret. */
uint64_t scope_hash(const uint8_t *canonical_name, size_t size, uint64_t key);

/* The scope of `kind` at the name of that hash. */
static inline struct scope scope_of(enum scope_kind kind, uint64_t name_hash)
{
    return (struct scope){name_hash ^ (uint64_t)kind << 62};
}

#endif
