/*
 * cursor.h - the bytes of a DNS message, read with bounds and written: what wire.h is made of.
 */
#ifndef FRESHET_COMMON_CURSOR_H
#define FRESHET_COMMON_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HEADER_SIZE = 12,
    TYPE_A = 1,
    TYPE_NS = 2,
    TYPE_SOA = 6,
    TYPE_OPT = 41,
    CLASS_IN = 1,
    CLASS_ANY = 255,
};

/* Stays at its first error. */
struct cursor {
    const uint8_t *bytes;
    size_t size, at;
    bool bad;
};

static inline uint64_t take(struct cursor *cursor, size_t count)
{
    uint64_t value = 0;
    if (cursor->bad || cursor->size - cursor->at < count) {
        cursor->bad = true;
        return 0;
    }
    for (size_t k = 0; k < count; k++)
        value = value << 8 | cursor->bytes[cursor->at++];
    return value;
}

static inline void skip(struct cursor *cursor, size_t count)
{
    if (cursor->bad || cursor->size - cursor->at < count)
        cursor->bad = true;
    else
        cursor->at += count;
}

/* A name ends at its root label, or at a pointer (RFC 1035 4.1.4). */
static inline void skip_name(struct cursor *cursor)
{
    for (;;) {
        const uint64_t length = take(cursor, 1);
        if (cursor->bad || length == 0)
            return;
        skip(cursor, length >= 0xc0 ? 1 : length);
        if (length >= 0xc0)
            return;
    }
}

struct record {
    uint32_t type, ttl;
    const uint8_t *rdata;
    size_t size;
};

static inline struct record take_record(struct cursor *cursor)
{
    struct record record = {0};
    skip_name(cursor);
    record.type = (uint32_t)take(cursor, 2);
    skip(cursor, 2);
    record.ttl = (uint32_t)take(cursor, 4);
    record.size = take(cursor, 2);
    record.rdata = cursor->bytes + cursor->at;
    skip(cursor, record.size);
    return record;
}

static inline uint8_t *put(uint8_t *at, uint64_t value, size_t count)
{
    for (size_t k = count; k > 0; k--)
        *at++ = (uint8_t)(value >> (8 * (k - 1)));
    return at;
}

#endif
