/*
 * transfer.h - a zone handed out: AXFR (RFC 5936) and IXFR (RFC 1995), as the messages that go out one after the other.
 *
 *     AXFR    SOA | all else | SOA
 *     IXFR    SOA | SOA old, removed, SOA new, added | ... | SOA          from the versions of history.h
 *     IXFR    SOA                                                         the asker has this version, or a newer one
 *
 * A transfer holds one state of the zone and the versions that lead to it, and nothing else: neither a lock nor the
 * writer, however slow the peer is, and what it hands out is of one version. Where it is in the zone it knows as the
 * name and type it came to, so that each message costs one look-up and its records.
 */
#ifndef FRESHET_ZONE_TRANSFER_H
#define FRESHET_ZONE_TRANSFER_H

#include "dns/build.h"
#include "zone/history.h"
#include "zone/zone.h"

struct transfer;

enum transfer_kind {
    TRANSFER_WHOLE, /* the zone: AXFR, or an IXFR that cannot be had as differences (RFC 1995 4) */
    TRANSFER_VERSIONS,   /* differences */
    TRANSFER_UP_TO_DATE, /* the SOA, once */
};

struct transfer_request {
    const struct zone *zone;
    struct zone_history *history; /* NULL: none is kept */
    bool incremental;             /* IXFR */
    uint32_t serial;              /* of the asker, where it is */
    bool condensed;               /* all versions as one */
};

/*
 * Begins one. Differences that come to more bytes than the zone are not worth it, and it is sent whole. ERR_NOT_FOUND: the zone
 * has no SOA yet (SERVFAIL); ERR_MEMORY. To be ended with transfer_end().
 */
MUST_CHECK int transfer_begin(const struct transfer_request *request,
                              struct transfer **ret_transfer);

/* NULL is fine. */
void transfer_end(struct transfer *transfer);

enum transfer_kind transfer_kind(const struct transfer *transfer);

/* The serial that it brings the asker to. */
uint32_t transfer_serial(const struct transfer *transfer);

/* What each message of it looks like; the question goes with the first one only (RFC 5936 2.2.1). */
struct transfer_shape {
    const struct question *question; /* as it was asked */
    uint16_t id;
    bool edns; /* the query had an OPT, so the first response has one */
};

/*
 * Writes the next message into `buffer`, as full as it gets; leave room for a TSIG out of `size` (dns/tsig.h). Returns its
 * size; 0: it is over; ERR_TOO_LARGE: a record that fits no message.
 */
MUST_CHECK int transfer_next(struct transfer *transfer, const struct transfer_shape *shape,
                             uint8_t *buffer, size_t size);

/* The message that transfer_next() made last was the last one. */
bool transfer_is_over(const struct transfer *transfer);

/*
 * The one message of an IXFR over UDP: all of it, or where that does not fit, the SOA alone, which says: ask again over
 * TCP (RFC 1995 2). Of a transfer that has not begun. Returns its size; ERR_TOO_LARGE.
 */
MUST_CHECK int transfer_single(struct transfer *transfer, const struct transfer_shape *shape,
                               uint8_t *buffer, size_t size);

#endif
