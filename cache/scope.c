#include "cache/scope.h"

#include <xxhash.h>

#include "dns/name.h"

struct scope scope_of(enum scope_kind kind, const uint8_t *canonical_name, uint64_t key)
{
    /* A different seed per kind keeps the three scopes of one name apart. */
    uint64_t seed = key ^ ((uint64_t)kind + 1) * 0x9e3779b97f4a7c15u;
    return (struct scope){XXH3_64bits_withSeed(canonical_name, name_size(canonical_name), seed)};
}
