/* serial.c - see serial.h. */
#include "zone/serial.h"

#include <time.h>

/* A day in UTC as ten digits, the last two of them 0. */
static uint32_t serial_of_day(uint64_t now)
{
    time_t seconds = (time_t)now;
    struct tm day;
    if (!gmtime_r(&seconds, &day))
        return 0;
    return ((uint32_t)(day.tm_year + 1900) * 10000 + (uint32_t)(day.tm_mon + 1) * 100 +
            (uint32_t)day.tm_mday) *
           100;
}

uint32_t serial_next(uint32_t serial, enum serial_policy policy, uint64_t now)
{
    uint32_t next = serial + 1;
    uint32_t wanted = policy == SERIAL_UNIXTIME ? (uint32_t)now
                      : policy == SERIAL_DATE   ? serial_of_day(now)
                                                : next;
    if (serial_is_newer(wanted, serial))
        next = wanted;
    return next == 0 ? 1 : next;
}
