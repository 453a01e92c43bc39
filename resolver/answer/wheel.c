#include "resolver/answer/wheel.h"

#include <stdint.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    WORD_BITS = 64,
    WORDS = WHEEL_SLOTS / WORD_BITS,
};

struct wheel {
    struct wheel_driver driver;
    struct mono awake_at;   /* when the driver turns it; 0: he does not */
    struct mono done;       /* slots up to this moment have rung */
    size_t count;           /* timers running */
    uint64_t filled[WORDS]; /* a bit per slot that has timers */
    struct wheel_timer *slots[WHEEL_SLOTS];
};

static size_t slot_of(struct mono t)
{
    return t.ms % WHEEL_SLOTS;
}

static void wake_driver(struct wheel *wheel, struct mono due, struct mono now)
{
    if (!wheel->driver.wake)
        return;
    wheel->awake_at = due;
    wheel->driver.wake(wheel->driver.arg, due, now);
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
    if (wheel->awake_at.ms == 0 || timer->due.ms < wheel->awake_at.ms)
        wake_driver(wheel, timer->due, now);
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

/*
 * Whether all of it has rung: no more than `*left` do. What a ring starts is due after the slot that rings, so this ends; what a
 * ring stops is not looked at again.
 */
static bool ring_slot(struct wheel *wheel, size_t slot, size_t *left, struct micro now)
{
    struct wheel_timer *timer;
    while ((timer = due_in(wheel, slot, micro_ms(now)))) {
        if (*left == 0)
            return false;
        --*left;
        wheel_stop(wheel, timer);
        timer->ring(timer, now);
    }
    return true;
}

/* Slot by slot. */
static void ring_some(struct wheel *wheel, struct micro now_us)
{
    struct mono now = micro_ms(now_us);
    size_t left = WHEEL_TURN;
    bool first = true;
    if (now.ms - wheel->done.ms > WHEEL_SLOTS)
        wheel->done.ms = now.ms - WHEEL_SLOTS; /* one turn looks at every slot */
    while (wheel->count > 0) {
        struct mono next = {wheel->done.ms + 1};
        next.ms += empty_from(wheel, slot_of(next));
        if (next.ms > now.ms)
            break;
        if (first && now.ms - next.ms >= WHEEL_LATE)
            left = WHEEL_LATE_TURN;
        first = false;
        wheel->done = next;
        if (!ring_slot(wheel, slot_of(next), &left, now_us)) {
            wheel->done.ms--;
            return;
        }
    }
    wheel->done = now;
}

void wheel_turn(struct wheel *wheel, struct micro now_us)
{
    wheel->awake_at =
        (struct mono){1}; /* what is started meanwhile wakes nobody: this is as early as can be */
    ring_some(wheel, now_us);
    wheel->awake_at = (struct mono){0};
    if (wheel->count == 0)
        return;
    struct mono next = {wheel->done.ms + 1};
    next.ms += empty_from(wheel, slot_of(next));
    wake_driver(wheel, next, micro_ms(now_us));
}

size_t wheel_count(const struct wheel *wheel)
{
    return wheel->count;
}

struct wheel *wheel_new(const struct wheel_driver *driver)
{
    struct wheel *wheel = calloc(1, sizeof *wheel);
    if (wheel)
        wheel->driver = *driver;
    return wheel;
}

void wheel_free(struct wheel *wheel)
{
    free(wheel);
}
