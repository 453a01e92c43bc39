/*
 * key.h - a name as a string of bytes whose plain order is the canonical order of names (RFC 4034 6.1).
 *
 * The labels of a name below the apex, from the apex's side, each closed by a 0. Bytes 0 and 1 of a label become
 * (1, 1) and (1, 2), so that a 0 is always the end of a label, which sorts before every byte:
 *
 *     example.            ""                 the apex itself
 *     b.a.example.        a 0 b 0
 *     \000.a.example.     a 0 1 1 0
 *
 * So the key of an ancestor is a prefix of the keys of all below it, and two names have a common ancestor where their
 * keys have a common prefix that ends in a 0. Keys are read in halves of bytes, the upper one first; a place in a key is
 * counted in these.
 */
#ifndef FRESHET_ZONE_KEY_H
#define FRESHET_ZONE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KEY_MAX_SIZE = 512,                /* of 253 bytes of labels, each doubled at worst */
    KEY_MAX_PLACES = 2 * KEY_MAX_SIZE, /* halves of bytes */
    KEY_SAME = UINT16_MAX,             /* two keys differ nowhere */
};

struct key {
    const uint8_t *name; /* what it was made of, borrowed */
    uint16_t size;       /* bytes */
    uint8_t name_size;
    uint8_t apex_size;
    uint8_t bytes[KEY_MAX_SIZE];
};

/* Of a canonical name that lies within the apex, whose size in bytes is given. */
void key_make(const uint8_t *name, size_t name_size, size_t apex_size, struct key *ret);

/* Which of 17 ways it goes at a place: 0 for its end, which can only be at an even place, else 1 + the half byte there. */
static inline unsigned key_way(const struct key *key, unsigned place)
{
    const unsigned at = place / 2;
    if (at >= key->size)
        return 0;
    return 1u + (place % 2 ? key->bytes[at] & 15u : key->bytes[at] >> 4);
}

/* The first place at which two keys go different ways, or KEY_SAME. */
unsigned key_differ(const struct key *a, const struct key *b);

/* How many labels below the apex lie whole before a place. */
size_t key_labels(const struct key *key, unsigned place);

#endif
