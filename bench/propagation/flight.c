#include "bench/propagation/flight.h"

#include <stdlib.h>

#include "bench/common/clock.h"

#define GROWTH 0.15 /* of the distance, with the time since the change */

bool flights_init(struct flights *flights, const struct options *options, struct history *history)
{
    flights->options = options;
    flights->history = history;
    flights->all = calloc(history->capacity, sizeof *flights->all);
    bool good = flights->all != NULL;
    for (unsigned k = 0; k < options->tier_count; k++) {
        flights->applied_us[k] = calloc(history->capacity, sizeof *flights->applied_us[k]);
        good &= flights->applied_us[k] != NULL;
    }
    return good;
}

void flights_free(struct flights *flights)
{
    free(flights->all);
    for (unsigned k = 0; k < TIERS_MAX; k++)
        free(flights->applied_us[k]);
}

struct flight *flights_begin(struct flights *flights, uint32_t version, bool watched,
                             int64_t now_us)
{
    struct flight *flight = &flights->all[version];
    flight->watched = watched;
    atomic_store(&flight->offset, -1);
    flight->published_us = now_us;
    return flight;
}

/* All that this answer is new to: this version and those before that were not seen. */
static void note_new(struct flights *flights, unsigned tier, uint32_t version,
                     struct receipt receipt)
{
    while (version > flights->history->names && !flights->all[version].seen[tier].new_us) {
        flights->all[version].seen[tier].new_us = receipt.now_us;
        flights->all[version].seen[tier].arrived_us = receipt.arrived_us;
        version = flights->history->changes[version].previous;
    }
}

/* What came before the new answer, by another socket, and was read after it, is not old again. */
static void note_old(struct seen *seen, struct receipt receipt)
{
    const bool overtaken = seen->new_us && receipt.arrived_us < seen->arrived_us;
    const int64_t old_us = overtaken ? seen->new_us : receipt.now_us;
    if (old_us > seen->old_us)
        seen->old_us = old_us;
}

void flights_answer(struct flights *flights, unsigned tier, uint32_t version, int64_t sent_us,
                    struct receipt receipt)
{
    note_new(flights, tier, version, receipt);
    for (uint32_t later = flights->history->changes[version].next; later;
         later = flights->history->changes[later].next)
        if (flights->all[later].published_us && sent_us > flights->all[later].published_us)
            note_old(&flights->all[later].seen[tier], receipt);
}

void flights_applied(struct flights *flights, unsigned tier, int64_t offset, int64_t now_us)
{
    int64_t upto = offset - flights->base;
    if (upto > flights->history->capacity)
        upto = flights->history->capacity;
    for (; flights->applied[tier] < upto; flights->applied[tier]++)
        flights->applied_us[tier][flights->applied[tier]] = now_us;
}

int64_t flights_applied_us(const struct flights *flights, unsigned tier, uint32_t version)
{
    const int64_t at = atomic_load(&flights->all[version].offset) - flights->base;
    return at >= 0 && at < flights->applied[tier] ? flights->applied_us[tier][at] : 0;
}

/* Whether the old answer comes back: looked for so long after the new one. */
static int64_t next_check(int64_t new_us, int64_t at_us)
{
    static const int64_t checks_us[] = {2000, 20000, 200000, 1000000};
    for (size_t k = 0; k < sizeof checks_us / sizeof *checks_us; k++)
        if (new_us + checks_us[k] > at_us)
            return new_us + checks_us[k];
    return 0;
}

int64_t flights_next(const struct flights *flights, const struct due *due)
{
    const struct options *o = flights->options;
    const struct flight *flight = &flights->all[due->version];
    const int64_t since_us = due->at_us - flight->published_us;
    if (flight->seen[due->tier].new_us)
        return next_check(flight->seen[due->tier].new_us, due->at_us);
    if (since_us > o->horizon_us)
        return 0;
    int64_t step_us = since_us < o->fine_for_us ? o->fine_us : (int64_t)((double)since_us * GROWTH);
    if (step_us > o->coarse_us)
        step_us = o->coarse_us;
    return due->at_us + (step_us > o->fine_us ? step_us : o->fine_us);
}

/* ---- the heap ---- */

static bool grow(struct dues *dues)
{
    const size_t room = dues->room ? dues->room * 2 : 1024;
    struct due *all = realloc(dues->all, room * sizeof *all);
    if (!all)
        return false;
    dues->all = all;
    dues->room = room;
    return true;
}

bool dues_add(struct dues *dues, struct due due)
{
    if (dues->count == dues->room && !grow(dues))
        return false;
    size_t at = dues->count++;
    for (; at > 0 && dues->all[(at - 1) / 2].at_us > due.at_us; at = (at - 1) / 2)
        dues->all[at] = dues->all[(at - 1) / 2];
    dues->all[at] = due;
    return true;
}

struct due dues_take(struct dues *dues)
{
    const struct due first = dues->all[0], last = dues->all[--dues->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= dues->count)
            break;
        if (child + 1 < dues->count && dues->all[child + 1].at_us < dues->all[child].at_us)
            child++;
        if (dues->all[child].at_us >= last.at_us)
            break;
        dues->all[at] = dues->all[child];
        at = child;
    }
    dues->all[at] = last;
    return first;
}
