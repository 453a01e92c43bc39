/* hash.c - see hash.h. */
#include "zone/hash.h"

#include <openssl/evp.h>
#include <string.h>

#include "dns/name.h"
#include "dns/wire.h"

enum { HASH_SHA1 = 1, SHA1_SIZE = 20, LABEL_SIZE = SHA1_SIZE * 8 / 5 };

bool hash_parameters(struct rdata_view rdata, struct hash_parameters *ret)
{
    struct wire_reader reader = wire_reader(rdata.bytes, rdata.size);
    const uint8_t algorithm = wire_read_u8(&reader);
    wire_read_u8(&reader); /* flags */
    ret->iterations = wire_read_u16(&reader);
    ret->salt_size = wire_read_u8(&reader);
    ret->salt = wire_read(&reader, ret->salt_size);
    return !reader.failed && algorithm == HASH_SHA1;
}

bool hash_same(const struct hash_parameters *a, const struct hash_parameters *b)
{
    return a->iterations == b->iterations && a->salt_size == b->salt_size &&
           memcmp(a->salt, b->salt, a->salt_size) == 0;
}

static bool hash_once(EVP_MD_CTX *context, const uint8_t *bytes, size_t size,
                      const struct hash_parameters *parameters, uint8_t ret[SHA1_SIZE])
{
    return EVP_DigestInit_ex(context, EVP_sha1(), NULL) == 1 &&
           EVP_DigestUpdate(context, bytes, size) == 1 &&
           EVP_DigestUpdate(context, parameters->salt, parameters->salt_size) == 1 &&
           EVP_DigestFinal_ex(context, ret, NULL) == 1;
}

static bool hash_name(const struct hash_parameters *parameters, const uint8_t *name,
                      uint8_t ret[SHA1_SIZE])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool fine = context && hash_once(context, name, name_size(name), parameters, ret);
    for (unsigned i = 0; fine && i < parameters->iterations; i++)
        fine = hash_once(context, ret, SHA1_SIZE, parameters, ret);
    EVP_MD_CTX_free(context);
    return fine;
}

size_t hash_owner(const struct hash_parameters *parameters, const uint8_t *name,
                  const uint8_t *apex, uint8_t owner[])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    uint8_t hash[SHA1_SIZE];
    const size_t apex_size = name_size(apex);
    if (1 + LABEL_SIZE + apex_size > NAME_MAX_SIZE || !hash_name(parameters, name, hash))
        return 0;
    owner[0] = LABEL_SIZE;
    for (size_t i = 0; i < LABEL_SIZE; i++) {
        const size_t bit = 5 * i, at = bit / 8;
        const unsigned two = (unsigned)hash[at] << 8 | (at + 1 < SHA1_SIZE ? hash[at + 1] : 0);
        owner[1 + i] = (uint8_t)digits[two >> (11 - bit % 8) & 31];
    }
    memcpy(owner + 1 + LABEL_SIZE, apex, apex_size);
    return 1 + LABEL_SIZE + apex_size;
}
