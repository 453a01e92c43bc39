/* key.c - see key.h. */
#include "zone/key.h"

#include <string.h>

#include "dns/name.h"

enum { ESCAPE = 1 };

static size_t add_label(const uint8_t *label, uint8_t *to)
{
    uint8_t *at = to;
    for (unsigned i = 1; i <= label[0]; i++) {
        if (label[i] <= ESCAPE) {
            *at++ = ESCAPE;
            *at++ = (uint8_t)(label[i] + 1);
        } else {
            *at++ = label[i];
        }
    }
    *at++ = 0;
    return (size_t)(at - to);
}

void key_make(const uint8_t *name, size_t name_size, size_t apex_size, struct key *ret)
{
    uint8_t labels[NAME_MAX_LABELS];
    size_t count = 0, size = 0;
    for (size_t at = 0; at < name_size - apex_size; at += 1u + name[at])
        labels[count++] = (uint8_t)at;
    while (count-- > 0)
        size += add_label(name + labels[count], ret->bytes + size);
    ret->name = name;
    ret->size = (uint16_t)size;
    ret->name_size = (uint8_t)name_size;
    ret->apex_size = (uint8_t)apex_size;
}

unsigned key_differ(const struct key *a, const struct key *b)
{
    const unsigned common = a->size < b->size ? a->size : b->size;
    for (unsigned i = 0; i < common; i++) {
        const uint8_t differ = a->bytes[i] ^ b->bytes[i];
        if (differ)
            return 2 * i + (differ < 16);
    }
    return a->size == b->size ? (unsigned)KEY_SAME : 2 * common;
}

size_t key_labels(const struct key *key, unsigned place)
{
    const unsigned end = place / 2 < key->size ? place / 2 : key->size;
    size_t labels = 0;
    for (unsigned i = 0; i < end; i++)
        labels += key->bytes[i] == 0;
    return labels;
}
