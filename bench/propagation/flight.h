/*
 * flight.h - the changes, and when which answer was seen of each at each tier.
 *
 *     published                 the call that hands the change to the publisher returns after this
 *     acked                     the broker, or the primary server, has said that it has it
 *     read                      a plain Kafka consumer has the message in its hands
 *     applied[tier]             the tier's first answer that says so (freshet's position option)
 *     new[tier]                 the first answer with this version or a later one
 *     arrived[tier]             the same, when the kernel had it: before the client was woken
 *     old[tier]                 the last answer with an earlier version to a query sent since
 *
 * Times are microseconds of one clock (CLOCK_MONOTONIC) in one process, but for `arrived` when the
 * answer is in the client's hands: a tier's times are late by the way there and back and by up to the distance of
 * two probes, never early.
 *
 * Probes of a watched change go to each tier (with `rotate` mostly to one alone: the probes of all
 * are a load that delays what they look for), at times fixed by the moment of publishing, whether
 * or not the last was answered: `first` after it, then every `fine`, from `fine_for` on each at
 * 1.15 times the time of the last, but at most `coarse` apart. When the new answer has come they
 * thin out: 2, 20, 200 and 1,000 ms later it is looked whether the old one is back. After `horizon`
 * it is given up.
 *
 *     | . . . . . . . . . . .  .  .   .    .     .       .         .            .
 *     published  ^first       ^fine_for
 *
 * Threads: the loop's; `acked`, `read` and `offset` are set once by those of topic.h.
 */
#ifndef FRESHET_PROPAGATION_FLIGHT_H
#define FRESHET_PROPAGATION_FLIGHT_H

#include <stdatomic.h>

#include "bench/common/history.h"
#include "bench/propagation/options.h"

struct seen {
    int64_t new_us, arrived_us, old_us; /* 0: not seen */
};

struct flight {
    int64_t published_us;
    int64_t plain_us;                  /* when it was also sent past all tiers; 0: it was not */
    _Atomic int64_t acked_us, read_us; /* 0: not yet; read: what went past them, if it did */
    _Atomic int64_t offset;            /* in the log; -1: not known */
    bool watched;
    uint32_t asked; /* a bit for each tier that gets probes for it */
    struct seen seen[TIERS_MAX];
};

struct flights {
    const struct options *options;
    struct history *history;
    struct flight *all;             /* by version; the first versions are in no flight */
    int64_t base;                   /* in the log: offset of the first change */
    int64_t applied[TIERS_MAX];     /* how many of the log from there on */
    int64_t *applied_us[TIERS_MAX]; /* by offset from `base` on: when that was first said */
};

/* A probe to be sent. */
struct due {
    int64_t at_us;
    uint32_t version;
    uint32_t tier;
};

/* False: no memory. Borrows options and history. */
bool flights_init(struct flights *flights, const struct options *options, struct history *history);
void flights_free(struct flights *flights);

/* A change goes out now. */
struct flight *flights_begin(struct flights *flights, uint32_t version, bool watched,
                             int64_t now_us);

struct receipt {
    int64_t arrived_us; /* at the client's socket, by the kernel */
    int64_t now_us;     /* in its hands */
};

/* A tier answered `version` to a query for the name sent at `sent_us`. */
void flights_answer(struct flights *flights, unsigned tier, uint32_t version, int64_t sent_us,
                    struct receipt receipt);

/* A tier said at `now_us` that it has applied what lies before `offset`. */
void flights_applied(struct flights *flights, unsigned tier, int64_t offset, int64_t now_us);

/* When the tier first said that it had applied the change; 0: it did not. */
int64_t flights_applied_us(const struct flights *flights, unsigned tier, uint32_t version);

/* When the probe after `due` is to be sent; 0: none. */
int64_t flights_next(const struct flights *flights, const struct due *due);

/* A heap of what is due, the earliest first. */
struct dues {
    struct due *all;
    size_t count, room;
};

bool dues_add(struct dues *dues, struct due due);
struct due dues_take(struct dues *dues); /* there is one */

#endif
