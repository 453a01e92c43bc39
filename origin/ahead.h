/*
 * ahead.h - versions that were sent on and are not acknowledged yet: their serials, in order.
 */
#ifndef FRESHET_ORIGIN_AHEAD_H
#define FRESHET_ORIGIN_AHEAD_H

#include <stddef.h>
#include <stdint.h>

enum { AHEAD_MOST = 64 };

/* Zero-initialise, which also forgets them. */
struct ahead {
    size_t first, count;
    size_t bytes;                 /* of all since there was none */
    uint32_t serials[AHEAD_MOST]; /* a ring */
};

/* There are fewer than AHEAD_MOST. */
static inline void ahead_add(struct ahead *ahead, uint32_t serial, size_t bytes)
{
    ahead->serials[(ahead->first + ahead->count++) % AHEAD_MOST] = serial;
    ahead->bytes += bytes;
}

/* The serial of the first of them, which is acknowledged; there is one. */
static inline uint32_t ahead_take(struct ahead *ahead)
{
    const uint32_t serial = ahead->serials[ahead->first];
    ahead->first = (ahead->first + 1) % AHEAD_MOST;
    if (--ahead->count == 0)
        ahead->bytes = 0;
    return serial;
}

#endif
