/*
 * differences.h - what an IXFR said, kept until its end, then made one version after the other.
 *
 *      part 1 | type 2 | TTL 4 | RDATA size 2 | owner | RDATA     records, as they came
 *
 * They are the primary's, which may be wrong about what is held: a record is deleted only if it is there.
 */
#ifndef FRESHET_ZONE_DIFFERENCES_H
#define FRESHET_ZONE_DIFFERENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/message.h"
#include "zone/zone.h"

enum differences_part { DIFFERENCES_DELETE, DIFFERENCES_ADD, DIFFERENCES_VERSION };

/* Zero-initialise. */
struct differences {
    uint8_t *bytes;
    size_t size, room;
    size_t at; /* the next that differences_make() makes */
};

/* Appends; ERR_MEMORY, or ERR_TOO_LARGE when there are more than `most` bytes then. */
MUST_CHECK int differences_add(struct differences *differences, enum differences_part part,
                               const struct record *record, size_t most);

/*
 * Makes the next version in an edit of the state before it. Returns 1; 0: there is none any more; ERR_NOT_FOUND: a record to be
 * deleted is not there; ERR_ZONE, ERR_MEMORY.
 */
MUST_CHECK int differences_make(struct differences *differences, struct zone_edit *edit);

/* Whether there are versions left. */
bool differences_left(const struct differences *differences);

/* Frees what it holds; it is as begun again. */
void differences_clear(struct differences *differences);

#endif
