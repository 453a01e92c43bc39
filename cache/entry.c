#include "cache/entry.h"

#include <string.h>

uint16_t entry_size8(const struct answer *answer, size_t key_size)
{
    size_t size = sizeof(struct entry) + answer->dependencies.count * sizeof(struct scope) +
                  answer->ttl_count * sizeof(uint16_t) + key_size + answer->body_size;
    return (uint16_t)((size + RING_UNIT - 1) / RING_UNIT);
}

void entry_write(struct entry *entry, const struct answer_key *key, const struct answer *answer,
                 struct stamp stamp, struct mono born, uint8_t state)
{
    const struct dependencies *dependencies = &answer->dependencies;
    const uint32_t least = answer_is_failure(answer) ? 0 : answer->ttl;
    const uint32_t elsewhere = answer->elsewhere > least ? answer->elsewhere : least;
    const uint32_t units =
        elsewhere / ENTRY_ELSEWHERE_UNIT + (elsewhere % ENTRY_ELSEWHERE_UNIT > 0);
    *entry = (struct entry){
        .size8 = entry->size8,
        .state =
            (uint8_t)(state | (answer->covered ? ENTRY_COVERED : 0) |
                      (answer->provisional ? ENTRY_PROVISIONAL : 0) |
                      (answer->outside ? ENTRY_OUTSIDE : 0) | dependencies->own << ENTRY_OWN_SHIFT),
        .body_size = (uint16_t)answer->body_size,
        .name_size = key->name_size,
        .origin = answer->origin,
        .stamp = stamp.n,
        .zone = dependencies->zone,
        .born_ms = born.ms,
        .scope_count = dependencies->count,
        .flags = answer->flags & ENTRY_FLAGS,
        .ttl = answer->ttl < ENTRY_MOST_SECONDS ? answer->ttl : ENTRY_MOST_SECONDS,
        .elsewhere = units < ENTRY_ELSEWHERE_MOST ? units : ENTRY_ELSEWHERE_MOST,
        .counts = {answer->counts[0], answer->counts[1], answer->counts[2]},
        .ede = (int16_t)answer->ede,
    };
    memcpy(entry_scopes(entry), dependencies->scopes, dependencies->count * sizeof(struct scope));
    if (answer->ttl_count > 0)
        memcpy(entry_ttl_offsets(entry), answer->ttl_offsets, answer->ttl_count * sizeof(uint16_t));
    memcpy(entry_key(entry), key->bytes, key->size);
    if (answer->body_size > 0)
        memcpy(entry_body(entry), answer->body, answer->body_size);
}
