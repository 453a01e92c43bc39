/*
 * clock.h - the clocks; only workers and the daemon read them, everybody else is told the time.
 */
#ifndef FRESHET_RESOLVER_DAEMON_CLOCK_H
#define FRESHET_RESOLVER_DAEMON_CLOCK_H

#include <time.h>

#include "cache/stamp.h"

static inline struct mono mono_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (struct mono){(uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000};
}

static inline uint64_t mono_now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

#endif
