/*
 * clock.h - the clock (cache/stamp.h); only net/ and daemon/ read it, everybody else is told the time.
 */
#ifndef FRESHET_RESOLVER_NET_CLOCK_H
#define FRESHET_RESOLVER_NET_CLOCK_H

#include "daemon/clock.h"
#include "resolver/answer/micro.h"

static inline struct micro micro_now(void)
{
    struct timespec ts;
    clock_gettime(MONO_CLOCK, &ts);
    return (struct micro){(uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000};
}

#endif
