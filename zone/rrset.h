/*
 * rrset.h - an RRset as it stands in a zone.
 */
#ifndef FRESHET_ZONE_RRSET_H
#define FRESHET_ZONE_RRSET_H

#include <stddef.h>
#include <stdint.h>

#include "zone/change.h"

struct node;

/* An RRset, borrowed from a state. */
struct zone_rrset {
    const uint8_t *owner; /* canonical */
    uint16_t type;
    uint32_t ttl;
    size_t count;      /* of records, at least 1 */
    const void *place; /* zone_rdata() and others know */
    const struct node *node;
    uint16_t index;
};

/* The k-th record of it, k < count. */
struct rdata_view zone_rdata(const struct zone_rrset *rrset, size_t k);

/* The TTL of that record: the RRset's; of a signature, that of what it covers. */
uint32_t zone_ttl(const struct zone_rrset *rrset, size_t k);

#endif
