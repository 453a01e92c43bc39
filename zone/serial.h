/*
 * serial.h - numbers that go round: the serial of a zone (RFC 1982).
 */
#ifndef FRESHET_ZONE_SERIAL_H
#define FRESHET_ZONE_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

/* Whether `a` is newer than `b`. Two that are 2^31 apart are neither (RFC 1982 3.2). */
static inline bool serial_is_newer(uint32_t a, uint32_t b)
{
    return a != b && (uint32_t)(a - b) < UINT32_C(0x80000000);
}

/* How a zone that is changed here gets its next serial. */
enum serial_policy {
    SERIAL_INCREMENT, /* one more */
    SERIAL_UNIXTIME,  /* the seconds since 1970, if that is newer; else one more */
    SERIAL_DATE,      /* YYYYMMDD00 in UTC, if that is newer; else one more */
};

/* The serial after `serial`, newer than it and never 0, which some servers take for none. `now`: seconds since 1970. */
uint32_t serial_next(uint32_t serial, enum serial_policy policy, uint64_t now);

#endif
