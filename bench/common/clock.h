/*
 * clock.h - the one clock of a measuring process, monotonic, the same for all threads; and waiting.
 */
#ifndef FRESHET_COMMON_CLOCK_H
#define FRESHET_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { US_PER_MS = 1000, US_PER_S = 1000000, NS_PER_US = 1000 };

static inline int64_t clock_ns_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * US_PER_S * NS_PER_US + t.tv_nsec;
}

static inline int64_t clock_ns(void)
{
    return clock_ns_of(CLOCK_MONOTONIC);
}

static inline int64_t clock_us(void)
{
    return clock_ns() / NS_PER_US;
}

/* Of the world, since 1970. */
static inline int64_t clock_wall_us(void)
{
    return clock_ns_of(CLOCK_REALTIME) / NS_PER_US;
}

static inline void clock_sleep_us(int64_t us)
{
    if (us > 0)
        nanosleep(
            &(const struct timespec){.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * NS_PER_US},
            NULL);
}

#endif
