/*
 * local_table.h - where local names and special zones are kept: two hash tables, made once, then only read.
 *
 * Nearly every question is about neither, and is told so by two bitmaps of what names end in.
 *
 * Names and zones are canonical. Without memory the table is marked as failed, and of no use to anybody.
 */
#ifndef FRESHET_RESOLVER_ANSWER_LOCAL_TABLE_H
#define FRESHET_RESOLVER_ANSWER_LOCAL_TABLE_H

#include <string.h>
#define HASH_NONFATAL_OOM 1 /* what finds no memory is not in the table: its hh.tbl is NULL */
#include <uthash.h>

#include "dns/record.h"

struct local_record {
    struct local_record *next;
    uint32_t ttl;
    uint16_t type;
    uint16_t rdata_size;
    uint8_t rdata[];
};

/* A name with its records; without any, it is there because one below it is (RFC 8020). */
struct local_name {
    UT_hash_handle hh;
    struct local_record *records;
    uint8_t name[];
};

enum local_zone_kind {
    LOCAL_EXEMPT,   /* not ours */
    LOCAL_LOOPBACK, /* RFC 6761 6.3 */
    LOCAL_NOTHING,  /* no such name, the zone's own included */
    LOCAL_EMPTY,    /* SOA and NS, and nothing below (RFC 6303 3) */
    LOCAL_NODATA,   /* whatever is asked for (RFC 9462 6.4) */
};

struct local_zone {
    UT_hash_handle hh;
    enum local_zone_kind kind;
    size_t size;
    uint8_t name[];
};

enum {
    LOCAL_TAIL = 8,      /* bytes before the root label that the bitmap of names goes by */
    LOCAL_ZONE_TAIL = 4, /* likewise for zones */
    LOCAL_NAME_BITS = 1 << 15,
    LOCAL_ZONE_BITS = 1 << 10,
};

struct local_table {
    uint64_t name_tails[LOCAL_NAME_BITS / 64];
    uint64_t zone_tails[LOCAL_ZONE_BITS / 64];
    struct local_name *names;
    struct local_zone *zones;
    bool failed; /* while it is made: memory ran out */
};

/* The last bytes of a name before its root label, in lower case as far as letters go; `size` > LOCAL_TAIL. */
static inline uint64_t local_tail(const uint8_t *name, size_t size)
{
    uint64_t tail;
    memcpy(&tail, name + size - 1 - LOCAL_TAIL, sizeof tail);
    return tail | UINT64_C(0x2020202020202020);
}

/* `size` > LOCAL_ZONE_TAIL. */
static inline uint32_t local_zone_tail(const uint8_t *name, size_t size)
{
    uint32_t tail;
    memcpy(&tail, name + size - 1 - LOCAL_ZONE_TAIL, sizeof tail);
    return tail | 0x20202020u;
}

static inline size_t local_name_bit(uint64_t tail)
{
    return (size_t)(tail * UINT64_C(0x9e3779b97f4a7c15) >> 49); /* 15 bits */
}

static inline size_t local_zone_bit(uint32_t tail)
{
    return (size_t)(tail * 0x9e3779b1u >> 22); /* 10 bits */
}

/* False: certainly not local. `name` in any case, of `size` bytes. */
static inline bool local_table_may_have(const struct local_table *table, const uint8_t *name,
                                        size_t size)
{
    if (size <= LOCAL_TAIL)
        return true;
    size_t name_bit = local_name_bit(local_tail(name, size));
    size_t zone_bit = local_zone_bit(local_zone_tail(name, size));
    return (table->name_tails[name_bit / 64] >> name_bit % 64 & 1) ||
           (table->zone_tails[zone_bit / 64] >> zone_bit % 64 & 1);
}

/* A name with its records; NULL for none. */
struct local_name *local_table_name(const struct local_table *table, const uint8_t *name);

/* The first of its records of a type; NULL for none, or without a name. */
const struct local_record *local_table_type(const struct local_name *name, uint16_t type);

/* The longest zone that has `name`; NULL: none. */
const struct local_zone *local_table_zone(const struct local_table *table, const uint8_t *name);

/* Adds a record, once; and the names between it and the special zone around it. Copies. */
void local_table_add(struct local_table *table, const struct record *record);

/* Adds a zone, or changes its kind. Copies. */
void local_table_add_zone(struct local_table *table, const uint8_t *name,
                          enum local_zone_kind kind);

/* Frees what is in the tables. */
void local_table_clear(struct local_table *table);

#endif
