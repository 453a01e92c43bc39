/*
 * record.h - one record as a zone file writes it, on one line.
 *
 *     printer.lan. 3600 IN A 192.0.2.9
 *     OWNER        [TTL] [CLASS] TYPE RDATA      TTL and class in either order (RFC 1035 5.1)
 *
 * A line stands alone: no directives, no parentheses, no owner taken from the line before. Names are
 * absolute, with or without their final dot.
 */
#ifndef FRESHET_DNS_RECORD_H
#define FRESHET_DNS_RECORD_H

#include "dns/message.h"

enum { RECORD_MAX_RDATA = 4096 };

/* What the pointers of a record lead to. */
struct record_room {
    uint8_t owner[NAME_MAX_SIZE];
    uint8_t rdata[RECORD_MAX_RDATA];
};

/*
 * Parses all of `text`; `ret` points into `room`, owner in lower case, names in RDATA as written.
 * Without a TTL it has `default_ttl` (seconds). Returns 0; ERR_FORMAT (something is missing, or the class
 * is not IN), ERR_NAME, ERR_TTL, ERR_TYPE (unknown, or a type that is no record's), ERR_RDATA, ERR_SPACE.
 */
MUST_CHECK int record_from_text(const char *text, uint32_t default_ttl, struct record_room *room,
                                struct record *ret);

#endif
