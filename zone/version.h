/*
 * version.h - what one version of a zone removed of the one before, and what it added: a difference sequence of IXFR
 * (RFC 1995 4).
 *
 *     +--------------------------+-------------------------+
 *     | removed: the old SOA, .. | added: the new SOA, ..  |     records packed one behind the other
 *     +--------------------------+-------------------------+
 *
 * A version never changes, and is counted: history.h has one reference to each, a transfer one to each that it hands out.
 */
#ifndef FRESHET_ZONE_VERSION_H
#define FRESHET_ZONE_VERSION_H

#include <stdatomic.h>

#include "dns/message.h"
#include "zone/zone.h"

struct zone_version {
    atomic_uint references;
    uint32_t from, to; /* serials; the same where records changed and the SOA did not */
    size_t removed_size, added_size;
    uint8_t bytes[]; /* removed_size of them, then added_size */
};

/*
 * From the version `before` to `after`, states of one zone that have an SOA. One reference is the caller's. ERR_NOT_FOUND:
 * nothing differs; ERR_TOO_LARGE: it takes more than `max_bytes`; ERR_MEMORY.
 */
MUST_CHECK int zone_version_between(const struct zone_state *before, const struct zone_state *after,
                                    size_t max_bytes, struct zone_version **ret_version);

/*
 * Versions that follow each other, as one: what was added and removed again, or the other way round, is in neither part
 * (RFC 1995 5, condensation). `count` is at least 1. ERR_MEMORY.
 */
MUST_CHECK int zone_version_merge(struct zone_version *const *each, size_t count,
                                  struct zone_version **ret_version);

struct zone_version *zone_version_hold(struct zone_version *version);
void zone_version_release(struct zone_version *version); /* NULL is fine */

/* What it takes of memory. */
size_t zone_version_bytes(const struct zone_version *version);

/*
 * The record at `*at`, an offset into `bytes`, which moves behind it. Removed ones are at 0 .. removed_size, added ones
 * behind them. False: there are no more.
 */
bool zone_version_next(const struct zone_version *version, size_t *at, struct record *ret_record);

#endif
