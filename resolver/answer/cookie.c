#include "resolver/answer/cookie.h"

#include <endian.h>
#include <string.h>

enum {
    VERSION = 1,
    HASHED_SIZE = COOKIE_CLIENT_SIZE + 8, /* before the address */
    HASH_SIZE = 8,
    PAST_SECONDS = 3600, /* RFC 9018 4.3 */
    FUTURE_SECONDS = 300,
};

/* ---- SipHash-2-4 ---------------------------------------------------------------------------- */

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(uint64_t v[4], int count)
{
    while (count-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static uint64_t load(const uint8_t *bytes, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, bytes, size);
    return le64toh(word);
}

static void absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
}

void cookie_siphash(const uint8_t key[COOKIE_KEY_SIZE], const uint8_t *bytes, size_t size,
                    uint8_t ret_hash[8])
{
    const uint64_t k0 = load(key, 8), k1 = load(key + 8, 8);
    uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                     k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    size_t whole = size / 8 * 8;
    for (size_t i = 0; i < whole; i += 8)
        absorb(v, load(bytes + i, 8));
    absorb(v, load(bytes + whole, size - whole) | (uint64_t)size << 56);
    v[2] ^= 0xff;
    rounds(v, 4);
    const uint64_t hash = htole64(v[0] ^ v[1] ^ v[2] ^ v[3]);
    memcpy(ret_hash, &hash, sizeof hash);
}

/* ---- cookies -------------------------------------------------------------------------------- */

/* `start` is the client cookie, version, reserved and time. */
static void hash_of(const uint8_t key[COOKIE_KEY_SIZE], const uint8_t start[HASHED_SIZE],
                    const union address *peer, uint8_t ret_hash[HASH_SIZE])
{
    uint8_t bytes[HASHED_SIZE + 16];
    size_t size = peer->family == AF_INET ? 4 : 16;
    memcpy(bytes, start, HASHED_SIZE);
    memcpy(bytes + HASHED_SIZE,
           size == 4 ? (const void *)&peer->in.sin_addr : (const void *)&peer->in6.sin6_addr, size);
    cookie_siphash(key, bytes, HASHED_SIZE + size, ret_hash);
}

/* Without telling by how long it takes where they differ. */
static bool same_hash(const uint8_t *one, const uint8_t *two)
{
    uint8_t different = 0;
    for (size_t i = 0; i < HASH_SIZE; i++)
        different |= one[i] ^ two[i];
    return different == 0;
}

int cookie_find(const struct edns *edns, struct cookie_view *ret)
{
    struct wire_reader reader = wire_reader(edns->options, edns->options_size);
    struct edns_option option;
    *ret = (struct cookie_view){NULL, 0};
    while (!ret->bytes && edns_next(&reader, &option))
        if (option.code == EDNS_OPTION_COOKIE)
            *ret = (struct cookie_view){option.bytes, option.size};
    bool good = !ret->bytes || ret->size == COOKIE_CLIENT_SIZE ||
                (ret->size >= COOKIE_CLIENT_SIZE + COOKIE_SERVER_MIN &&
                 ret->size <= COOKIE_CLIENT_SIZE + COOKIE_SERVER_MAX);
    return good ? ERR_OK : ERR_FORMAT;
}

bool cookie_is_valid(const struct cookie_secrets *secrets, const struct cookie_view *cookie,
                     const union address *peer, uint32_t unix_now)
{
    const uint8_t *bytes = cookie->bytes;
    uint8_t hash[HASH_SIZE];
    if (!bytes || cookie->size != COOKIE_CLIENT_SIZE + COOKIE_SERVER_SIZE)
        return false;
    /* Serial number arithmetic (RFC 1982), as the time will wrap. */
    int32_t age = (int32_t)(unix_now - wire_get_u32(bytes + COOKIE_CLIENT_SIZE + 4));
    if (bytes[COOKIE_CLIENT_SIZE] != VERSION || age > PAST_SECONDS || age < -FUTURE_SECONDS)
        return false;
    for (size_t i = 0; i < secrets->count; i++) {
        hash_of(secrets->keys[i], bytes, peer, hash);
        if (same_hash(hash, bytes + HASHED_SIZE))
            return true;
    }
    return false;
}

void cookie_write(const struct cookie_secrets *secrets, const struct cookie_view *cookie,
                  const union address *peer, uint32_t unix_now,
                  uint8_t ret_option[COOKIE_OPTION_SIZE])
{
    uint8_t *bytes = ret_option + 4;
    wire_put_u16(ret_option, EDNS_OPTION_COOKIE);
    wire_put_u16(ret_option + 2, COOKIE_CLIENT_SIZE + COOKIE_SERVER_SIZE);
    memcpy(bytes, cookie->bytes, COOKIE_CLIENT_SIZE);
    memset(bytes + COOKIE_CLIENT_SIZE, 0, 4);
    bytes[COOKIE_CLIENT_SIZE] = VERSION;
    wire_put_u32(bytes + COOKIE_CLIENT_SIZE + 4, unix_now);
    hash_of(secrets->keys[0], bytes, peer, bytes + HASHED_SIZE);
}
