/*
 * wire.h - the one way to touch foreign bytes: a bounds-checked cursor with a sticky failure.
 *
 * A reader that runs past its end returns zeros (or NULL) from then on and sets `failed`; a writer
 * that would pass its capacity writes nothing more and sets `failed`. So a parser reads straight
 * through and checks once. Integers are big-endian (RFC 1035 2.3.2). Neither owns its bytes.
 */
#ifndef FRESHET_DNS_WIRE_H
#define FRESHET_DNS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_reader {
    const uint8_t *base; /* first byte of the message: compression pointers count from here */
    size_t size;         /* readable bytes from base */
    size_t at;           /* next byte, as an offset from base */
    bool failed;
};

struct wire_writer {
    uint8_t *base;
    size_t size; /* capacity */
    size_t at;   /* bytes written */
    bool failed;
};

static inline uint16_t wire_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void wire_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void wire_put_u32(uint8_t *p, uint32_t v)
{
    wire_put_u16(p, (uint16_t)(v >> 16));
    wire_put_u16(p + 2, (uint16_t)v);
}

static inline struct wire_reader wire_reader(const uint8_t *base, size_t size)
{
    return (struct wire_reader){.base = base, .size = size};
}

static inline struct wire_writer wire_writer(uint8_t *base, size_t size)
{
    return (struct wire_writer){.base = base, .size = size};
}

/* Bytes left to read. */
static inline size_t wire_left(const struct wire_reader *r)
{
    return r->failed ? 0 : r->size - r->at;
}

/* The next `n` bytes, or NULL (and failed) when fewer are left. They stay the message's. */
static inline const uint8_t *wire_read(struct wire_reader *r, size_t n)
{
    if (r->failed || wire_left(r) < n) { /* zero bytes of a failed reader fail too */
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->base + r->at;
    r->at += n;
    return p;
}

static inline uint8_t wire_read_u8(struct wire_reader *r)
{
    const uint8_t *p = wire_read(r, 1);
    return p ? *p : 0;
}

static inline uint16_t wire_read_u16(struct wire_reader *r)
{
    const uint8_t *p = wire_read(r, 2);
    return p ? wire_get_u16(p) : 0;
}

static inline uint32_t wire_read_u32(struct wire_reader *r)
{
    const uint8_t *p = wire_read(r, 4);
    return p ? wire_get_u32(p) : 0;
}

/* Room for `n` more bytes, counted as written; NULL (and failed) when they do not fit. */
static inline uint8_t *wire_reserve(struct wire_writer *w, size_t n)
{
    if (w->failed || w->size - w->at < n) {
        w->failed = true;
        return NULL;
    }
    uint8_t *p = w->base + w->at;
    w->at += n;
    return p;
}

static inline void wire_write(struct wire_writer *w, const void *bytes, size_t n)
{
    uint8_t *p = wire_reserve(w, n);
    if (p && n > 0)
        memcpy(p, bytes, n);
}

static inline void wire_write_u8(struct wire_writer *w, uint8_t v)
{
    wire_write(w, &v, 1);
}

static inline void wire_write_u16(struct wire_writer *w, uint16_t v)
{
    uint8_t *p = wire_reserve(w, 2);
    if (p)
        wire_put_u16(p, v);
}

static inline void wire_write_u32(struct wire_writer *w, uint32_t v)
{
    uint8_t *p = wire_reserve(w, 4);
    if (p)
        wire_put_u32(p, v);
}

#endif
