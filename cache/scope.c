#include "cache/scope.h"

/* The hash of every lookup: not through a library call. */
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t scope_hash(const uint8_t *canonical_name, size_t size, uint64_t key)
{
    return XXH3_64bits_withSeed(canonical_name, size, key);
}
