/*
 * hash.h - hashed names of NSEC3 (RFC 5155 5).
 */
#ifndef FRESHET_ZONE_HASH_H
#define FRESHET_ZONE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zone/change.h"

/*
 * The most that are made for a proof: one question takes up to a hash for each label of its name. Validators take zones with more for
 * unsigned (RFC 9276 3.2), so none is signed like that.
 */
enum { HASH_MAX_ITERATIONS = 150 };

/* What hashes depend on; the salt is borrowed. */
struct hash_parameters {
    uint16_t iterations;
    uint8_t salt_size;
    const uint8_t *salt;
};

/* Of NSEC3 or NSEC3PARAM, which begin alike. False: broken, or not SHA-1, the one algorithm there is. */
bool hash_parameters(struct rdata_view rdata, struct hash_parameters *ret);

bool hash_same(const struct hash_parameters *a, const struct hash_parameters *b);

/*
 * The name of the NSEC3 of a canonical name: its hash in base32 (RFC 4648 7, lower case) below the apex. Returns its size
 * in bytes; 0: it cannot be made.
 */
size_t hash_owner(const struct hash_parameters *parameters, const uint8_t *name,
                  const uint8_t *apex, uint8_t owner[]);

#endif
