/*
 * change.h - one change to the data of a zone: what change sets (invalidation/changeset.h) are made of, what a zone's
 * state takes (zone.h), and what the difference of two states is (differ.h).
 */
#ifndef FRESHET_ZONE_CHANGE_H
#define FRESHET_ZONE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum change_op { CHANGE_SET, CHANGE_ADD, CHANGE_DEL, CHANGE_FLUSH };

struct rdata_view {
    const uint8_t *bytes; /* uncompressed, checked against its type */
    uint16_t size;
};

struct change {
    enum change_op op;
    bool subtree;             /* FLUSH: the name and all below it */
    uint16_t type;            /* 0: all types (DEL of a name, FLUSH) */
    uint32_t ttl;             /* seconds; SET and ADD only */
    const uint8_t *name;      /* canonical (lower case) */
    struct rdata_view *rdata; /* rdata_count of them */
    size_t rdata_count;       /* SET, ADD: at least 1; DEL: 0 means the whole RRset or name */
};

#endif
