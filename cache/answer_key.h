/*
 * answer_key.h - what an answer is looked up by: a question as it matters for the answer, and for whom.
 *
 *     type | class | KEY_ bits | canonical name | client, where each has a cache of its own
 *      2   |   2   |     1     |    1 to 255    |   8
 *
 * Its hash is that of the name, which the validity check needs as well, mixed with the rest: so one hash is
 * computed for a lookup, and an entry's can be told from its bytes alone.
 */
#ifndef FRESHET_CACHE_ANSWER_KEY_H
#define FRESHET_CACHE_ANSWER_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/validity.h"
#include "dns/name.h"

enum {
    KEY_CLIENT_SIZE = 8,
    ANSWER_KEY_MAX = 5 + NAME_MAX_SIZE + KEY_CLIENT_SIZE,
};

/* Compared as bytes. */
struct answer_key {
    uint64_t hash;      /* of all of it */
    uint64_t name_hash; /* validity_hash() of the name */
    uint16_t size;
    uint8_t name_size;
    uint8_t bytes[ANSWER_KEY_MAX];
};

enum { KEY_DNSSEC_OK = 1, KEY_CHECKING_DISABLED = 2, KEY_VARIANTS = 4, KEY_OF_CLIENT = 4 };

/* Where in the bytes its bits are, and where its name begins. */
enum { ANSWER_KEY_BITS = 4, ANSWER_KEY_FIXED = 5 };

static inline const uint8_t *answer_key_name(const uint8_t *key_bytes)
{
    return key_bytes + ANSWER_KEY_FIXED;
}

static inline bool answer_key_is_of_client(const struct answer_key *key)
{
    return key->bytes[ANSWER_KEY_BITS] & KEY_OF_CLIENT;
}

/* Makes the key of a question. `name` in any case. */
struct key_parts {
    const uint8_t *name;
    size_t name_size; /* in bytes; 0: to be measured */
    uint16_t type;
    uint16_t class;
    bool dnssec_ok;
    bool checking_disabled;
    uint64_t client; /* whose answer it is; 0: everybody's */
};
void answer_key_make(const struct validity *validity, const struct key_parts *parts,
                     struct answer_key *ret_key);

/* The key of (name, type, IN) with no KEY_ bits; and one with others (KEY_DNSSEC_OK, KEY_CHECKING_DISABLED) instead. */
void answer_key_of(const struct hashed_name *name, uint16_t type, struct answer_key *ret_key);
void answer_key_set_bits(struct answer_key *key, int bits);
uint64_t answer_key_hash_of(const struct hashed_name *name, uint16_t type, int bits);

/* The key of the same question, whoever asks. */
void answer_key_shared(const struct answer_key *key, struct answer_key *ret_key);

/* The other way round: that of a client who has a cache of its own. `client` is not 0. */
void answer_key_for_client(const struct answer_key *shared, uint64_t client,
                           struct answer_key *ret_key);

/* Whose answer it is; 0: everybody's. */
uint64_t answer_key_client(const struct answer_key *key);

/* The key of the question's name with no type, which no question has, for the same client. */
void answer_key_of_name(const struct answer_key *key, struct answer_key *ret_key);
static inline bool answer_key_is_of_name(const uint8_t *key_bytes)
{
    return wire_get_u16(key_bytes) == 0;
}

/* The hash of a key of which only the bytes are there, and that of its name. */
uint64_t answer_key_hash(const struct validity *validity, const uint8_t *key_bytes,
                         size_t name_size);
static inline uint64_t answer_key_name_hash(const struct validity *validity,
                                            const uint8_t *key_bytes, size_t name_size)
{
    return validity_hash(validity, answer_key_name(key_bytes), name_size);
}

#endif
