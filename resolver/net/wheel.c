#include "resolver/net/wheel.h"

#include <stdint.h>
#include <stdlib.h>
#include <utlist.h>

#include "resolver/daemon/clock.h"

enum {
    WORD_BITS = 64,
    WORDS = WHEEL_SLOTS / WORD_BITS,
};

struct wheel {
    struct event *event;
    struct mono armed;      /* when the event rings; 0: it does not */
    struct mono done;       /* slots up to this moment have rung */
    size_t count;           /* timers running */
    uint64_t filled[WORDS]; /* a bit per slot that has timers */
    struct wheel_timer *slots[WHEEL_SLOTS];
};

static size_t slot_of(struct mono t)
{
    return t.ms % WHEEL_SLOTS;
}

static void arm(struct wheel *wheel, struct mono due, struct mono now)
{
    uint64_t ms = due.ms > now.ms ? due.ms - now.ms : 0;
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000) * 1000};
    if (event_add(wheel->event, &tv) == 0)
        wheel->armed = due;
}

/* How many slots from `from` on are empty; WHEEL_SLOTS when all are. */
static size_t empty_from(const struct wheel *wheel, size_t from)
{
    size_t passed = 0;
    while (passed < WHEEL_SLOTS) {
        size_t slot = (from + passed) % WHEEL_SLOTS;
        uint64_t word = wheel->filled[slot / WORD_BITS] >> (slot % WORD_BITS);
        if (word)
            return passed + (size_t)__builtin_ctzll(word);
        passed += WORD_BITS - slot % WORD_BITS;
    }
    return WHEEL_SLOTS;
}

void wheel_stop(struct wheel *wheel, struct wheel_timer *timer)
{
    size_t slot = slot_of(timer->due);
    if (!timer->running)
        return;
    DL_DELETE(wheel->slots[slot], timer);
    if (!wheel->slots[slot])
        wheel->filled[slot / WORD_BITS] &= ~(UINT64_C(1) << (slot % WORD_BITS));
    timer->running = false;
    wheel->count--;
}

void wheel_start(struct wheel *wheel, struct wheel_timer *timer, struct mono due, struct mono now)
{
    wheel_stop(wheel, timer);
    if (wheel->count == 0)
        wheel->done = (struct mono){now.ms - 1};
    /* A slot that has rung would not be looked at before a whole turn. */
    timer->due = due.ms > wheel->done.ms ? due : (struct mono){wheel->done.ms + 1};
    timer->running = true;
    wheel->count++;
    size_t slot = slot_of(timer->due);
    DL_APPEND(wheel->slots[slot], timer);
    wheel->filled[slot / WORD_BITS] |= UINT64_C(1) << (slot % WORD_BITS);
    if (wheel->armed.ms == 0 || timer->due.ms < wheel->armed.ms)
        arm(wheel, timer->due, now);
}

/* The first timer of a slot that is due; those of a later turn are not. */
static struct wheel_timer *due_in(const struct wheel *wheel, size_t slot, struct mono now)
{
    struct wheel_timer *timer;
    DL_FOREACH (wheel->slots[slot], timer)
        if (mono_reached(now, timer->due))
            return timer;
    return NULL;
}

/* What a ring starts is due after the slot that rings, so this ends; what a ring stops is not looked at again. */
static void ring_slot(struct wheel *wheel, size_t slot, struct mono now)
{
    struct wheel_timer *timer;
    while ((timer = due_in(wheel, slot, now))) {
        wheel_stop(wheel, timer);
        timer->ring(timer, now);
    }
}

/* Rings all that is due at `now`, slot by slot. */
static void turn(struct wheel *wheel, struct mono now)
{
    if (now.ms - wheel->done.ms > WHEEL_SLOTS)
        wheel->done.ms = now.ms - WHEEL_SLOTS; /* one turn looks at every slot */
    while (wheel->count > 0) {
        struct mono next = {wheel->done.ms + 1};
        next.ms += empty_from(wheel, slot_of(next));
        if (next.ms > now.ms)
            break;
        wheel->done = next;
        ring_slot(wheel, slot_of(next), now);
    }
    wheel->done = now;
}

static void rung(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct wheel *wheel = arg;
    struct mono now = mono_now();
    wheel->armed = (struct mono){0};
    turn(wheel, now);
    if (wheel->count == 0)
        return;
    struct mono next = {now.ms + 1};
    next.ms += empty_from(wheel, slot_of(next));
    arm(wheel, next, now);
}

struct wheel *wheel_new(struct event_base *base)
{
    struct wheel *wheel = calloc(1, sizeof *wheel);
    if (!wheel)
        return NULL;
    wheel->event = event_new(base, -1, 0, rung, wheel);
    if (!wheel->event) {
        free(wheel);
        return NULL;
    }
    return wheel;
}

void wheel_free(struct wheel *wheel)
{
    if (!wheel)
        return;
    event_free(wheel->event);
    free(wheel);
}
