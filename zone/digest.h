/*
 * digest.h - the digest of a zone by ZONEMD (RFC 8976), scheme SIMPLE, SHA-384: two that hold the same data have the same.
 */
#ifndef FRESHET_ZONE_DIGEST_H
#define FRESHET_ZONE_DIGEST_H

#include "zone/zone.h"

enum { ZONE_DIGEST_SIZE = 48 };

/* ERR_MEMORY. ZONEMD at the apex and the RRSIG of it are left out (RFC 8976 3.3.1), occluded names and glue are in. */
MUST_CHECK int zone_digest(const struct zone_state *state, uint8_t ret_digest[ZONE_DIGEST_SIZE]);

/* Checks the ZONEMD of the zone itself: 0, ERR_NOT_FOUND (none of a known scheme and hash), ERR_RDATA (another). */
MUST_CHECK int zone_digest_check(const struct zone_state *state);

#endif
