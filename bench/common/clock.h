/*
 * clock.h - the one clock of a measuring process: microseconds, monotonic, the same for all threads.
 */
#ifndef FRESHET_COMMON_CLOCK_H
#define FRESHET_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { US_PER_MS = 1000, US_PER_S = 1000000 };

static inline int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

#endif
