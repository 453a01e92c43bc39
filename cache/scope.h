/*
 * scope.h - what a change touches and what an answer depends on, as 64-bit keyed hashes.
 *
 *   NAME       one owner name, all its types
 *   SUBTREE    a name and all below it
 *   EXISTENCE  whether a name, or anything below it, exists (RFC 4592 2.2.2, RFC 8020)
 *
 * Scopes are compared by hash alone. Two that collide share their marks, which can only make a valid
 * answer look invalid, never the reverse; the key keeps strangers from choosing collisions.
 */
#ifndef FRESHET_CACHE_SCOPE_H
#define FRESHET_CACHE_SCOPE_H

#include <stddef.h>
#include <stdint.h>

enum scope_kind { SCOPE_NAME, SCOPE_SUBTREE, SCOPE_EXISTENCE };

struct scope {
    uint64_t hash;
};

/* The scope of `kind` at a canonical name; `key` is the process's secret. */
struct scope scope_of(enum scope_kind kind, const uint8_t *canonical_name, uint64_t key);

#endif
