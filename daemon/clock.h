/*
 * clock.h - the clock (cache/stamp.h); only the programs' outer parts read it, everybody else is told the time.
 */
#ifndef FRESHET_DAEMON_CLOCK_H
#define FRESHET_DAEMON_CLOCK_H

#include <time.h>

#include "cache/stamp.h"

static inline struct mono mono_now(void)
{
    struct timespec ts;
    clock_gettime(MONO_CLOCK, &ts);
    return (struct mono){(uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000};
}

#endif
