/*
 * wheel.h - the timers of one worker's misses: thousands under way, nearly all stopped before they ring.
 *
 *      slot   0   1   2   3  ...  WHEEL_SLOTS - 1        one millisecond each
 *             |       |
 *             t       t - t                              t: timers due then, or a whole turn later
 *
 * To start or stop a timer is to link it or unlink it. One libevent timer rings for the first slot that
 * has any; stopping leaves it as it is, and what it finds then is an empty slot and where the next one is.
 *
 * The time is an argument everywhere but in the ringing itself. Threads: one.
 */
#ifndef FRESHET_RESOLVER_NET_WHEEL_H
#define FRESHET_RESOLVER_NET_WHEEL_H

#include <event2/event.h>
#include <stdbool.h>

#include "cache/stamp.h"

enum { WHEEL_SLOTS = 4096 }; /* a power of two; about the longest wait there is, in milliseconds */

struct wheel;

/* Zero-initialise but for `ring`. The owner's memory, in place while the timer runs. */
struct wheel_timer {
    /* Called when it is due, from the loop; it runs no longer then, and may be started or freed. */
    void (*ring)(struct wheel_timer *timer, struct mono now);
    struct wheel_timer *prev, *next; /* private: in its slot */
    struct mono due;
    bool running;
};

/* NULL: no memory. */
struct wheel *wheel_new(struct event_base *base);
/* No timer rings any more. NULL is fine. */
void wheel_free(struct wheel *wheel);

/* Rings once at `due`, or as soon as the loop gets to it. A timer that runs already is set anew. */
void wheel_start(struct wheel *wheel, struct wheel_timer *timer, struct mono due, struct mono now);
void wheel_stop(struct wheel *wheel, struct wheel_timer *timer);

#endif
