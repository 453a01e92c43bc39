#include "cache/answer_key.h"

#include <string.h>

#include "dns/message.h"

/* The name's hash is uniform, as is a client's number; what else is in the key moves it to another place. */
static uint64_t mixed_hash(uint64_t name_hash, const uint8_t *key)
{
    uint64_t rest = (uint64_t)wire_get_u32(key) << 8 | key[ANSWER_KEY_BITS];
    return name_hash ^ rest * 0x9e3779b97f4a7c15u;
}

uint64_t answer_key_hash_of(const struct hashed_name *name, uint16_t type, int bits)
{
    uint8_t fixed[ANSWER_KEY_FIXED];
    wire_put_u16(fixed, type);
    wire_put_u16(fixed + 2, CLASS_IN);
    fixed[ANSWER_KEY_BITS] = (uint8_t)bits;
    return mixed_hash(name->hash, fixed);
}

static void add_client(struct answer_key *key, uint64_t client)
{
    key->bytes[ANSWER_KEY_BITS] |= KEY_OF_CLIENT;
    memcpy(key->bytes + key->size, &client, sizeof client);
    key->size += sizeof client;
    key->hash = mixed_hash(key->name_hash, key->bytes) ^ client;
}

void answer_key_make(const struct validity *validity, const struct key_parts *parts,
                     struct answer_key *ret_key)
{
    size_t size = parts->name_size ? parts->name_size : name_size(parts->name);
    uint8_t *key = ret_key->bytes;
    wire_put_u16(key, parts->type);
    wire_put_u16(key + 2, parts->class);
    key[ANSWER_KEY_BITS] = (uint8_t)((parts->dnssec_ok ? KEY_DNSSEC_OK : 0) |
                                     (parts->checking_disabled ? KEY_CHECKING_DISABLED : 0));
    name_lower(parts->name, size, key + ANSWER_KEY_FIXED);
    ret_key->name_size = (uint8_t)size;
    ret_key->size = (uint16_t)(ANSWER_KEY_FIXED + size);
    ret_key->name_hash = validity_hash(validity, key + ANSWER_KEY_FIXED, size);
    ret_key->hash = mixed_hash(ret_key->name_hash, key);
    if (parts->client)
        add_client(ret_key, parts->client);
}

void answer_key_of(const struct hashed_name *name, uint16_t type, struct answer_key *ret_key)
{
    uint8_t *key = ret_key->bytes;
    wire_put_u16(key, type);
    wire_put_u16(key + 2, CLASS_IN);
    memcpy(key + ANSWER_KEY_FIXED, name->name, name->size);
    ret_key->name_size = (uint8_t)name->size;
    ret_key->size = (uint16_t)(ANSWER_KEY_FIXED + name->size);
    ret_key->name_hash = name->hash;
    answer_key_set_bits(ret_key, 0);
}

void answer_key_set_bits(struct answer_key *key, int bits)
{
    key->bytes[ANSWER_KEY_BITS] = (uint8_t)bits;
    key->hash = mixed_hash(key->name_hash, key->bytes);
}

void answer_key_shared(const struct answer_key *key, struct answer_key *ret_key)
{
    *ret_key = *key;
    ret_key->bytes[ANSWER_KEY_BITS] &= (uint8_t)~KEY_OF_CLIENT;
    ret_key->size -= KEY_CLIENT_SIZE;
    ret_key->hash = mixed_hash(key->name_hash, ret_key->bytes);
}

void answer_key_for_client(const struct answer_key *shared, uint64_t client,
                           struct answer_key *ret_key)
{
    *ret_key = *shared;
    add_client(ret_key, client);
}

uint64_t answer_key_client(const struct answer_key *key)
{
    uint64_t client = 0;
    if (answer_key_is_of_client(key))
        memcpy(&client, key->bytes + key->size - sizeof client, sizeof client);
    return client;
}

void answer_key_of_name(const struct answer_key *key, struct answer_key *ret_key)
{
    *ret_key = *key;
    wire_put_u16(ret_key->bytes, 0);
    /* What a client's number has added to the hash stays. */
    ret_key->hash ^= mixed_hash(0, key->bytes) ^ mixed_hash(0, ret_key->bytes);
}

uint64_t answer_key_hash(const struct validity *validity, const uint8_t *key_bytes,
                         size_t name_size)
{
    uint64_t client = 0;
    if (key_bytes[ANSWER_KEY_BITS] & KEY_OF_CLIENT)
        memcpy(&client, key_bytes + ANSWER_KEY_FIXED + name_size, sizeof client);
    return mixed_hash(answer_key_name_hash(validity, key_bytes, name_size), key_bytes) ^ client;
}
