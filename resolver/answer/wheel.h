/*
 * wheel.h - the timers of one worker's misses: thousands under way, nearly all stopped before they ring.
 *
 *      slot   0   1   2   3  ...  WHEEL_SLOTS - 1        one millisecond each
 *             |       |
 *             t       t - t                              t: timers due then, or a whole turn later
 *
 * To start or stop a timer is to link it or unlink it. Pure: somebody who has a clock turns it. He is told of the first
 * moment at which that is worth while; stopping leaves it as it is, and what is found then is an empty slot and where
 * the next one is.
 *
 * Threads: one.
 */
#ifndef FRESHET_RESOLVER_ANSWER_WHEEL_H
#define FRESHET_RESOLVER_ANSWER_WHEEL_H

#include <stdbool.h>
#include <stddef.h>

#include "resolver/answer/micro.h"

enum {
    WHEEL_SLOTS = 4096,   /* a power of two; about the longest wait there is, in milliseconds */
    WHEEL_TURN = 8,       /* timers that ring in one turn; then sockets have theirs */
    WHEEL_LATE = 10,      /* milliseconds; where the first of a turn is as late as that, */
    WHEEL_LATE_TURN = 64, /* so many do: deadlines go before what comes in anew */
};

struct wheel;

/* Zero-initialise but for `ring`. The owner's memory, in place while the timer runs. */
struct wheel_timer {
    /* Called when it is due; it runs no longer then, and may be started or freed. */
    void (*ring)(struct wheel_timer *timer, struct micro now);
    struct wheel_timer *prev, *next; /* private: in its slot */
    struct mono due;
    bool running;
};

/* Who turns it. */
struct wheel_driver {
    /* To be turned at `due`, which comes before what was said last. NULL: it is turned whatever is due. */
    void (*wake)(void *arg, struct mono due, struct mono now);
    void *arg;
};

/* NULL: no memory. */
struct wheel *wheel_new(const struct wheel_driver *driver);
/* No timer rings any more. NULL is fine. */
void wheel_free(struct wheel *wheel);

/* Rings once at `due`, or the next time the wheel is turned. A timer that runs already is set anew. */
void wheel_start(struct wheel *wheel, struct wheel_timer *timer, struct mono due, struct mono now);
void wheel_stop(struct wheel *wheel, struct wheel_timer *timer);

/* Rings what is due at `now`, in order, but no more than WHEEL_TURN, or WHEEL_LATE_TURN; then wakes the driver for what is left. Not from within a ring. */
void wheel_turn(struct wheel *wheel, struct micro now);

/* Timers running. */
size_t wheel_count(const struct wheel *wheel);

#endif
