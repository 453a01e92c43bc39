#include "resolver/answer/rate.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    PLACES = 1 << 16, /* half a MiB */
    TAG_BITS = 20,
    TIME_BITS = 64 - TAG_BITS, /* microseconds: half a year */
};

/* A place: the tag of whoever has it above, and until when his replies so far use up the rate, below. */
struct rate {
    uint64_t key;
    uint64_t cost_us; /* of a reply */
    _Atomic uint64_t places[PLACES];
};

static const uint64_t time_mask = (UINT64_C(1) << TIME_BITS) - 1;

struct rate *rate_new(uint32_t per_second, uint64_t key)
{
    struct rate *rate = calloc(1, sizeof *rate);
    if (!rate)
        return NULL;
    rate->key = key;
    rate->cost_us = 1000000 / per_second;
    return rate;
}

void rate_free(struct rate *rate)
{
    free(rate);
}

/* A finaliser of MurmurHash3: every bit counts for every other. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

/*
 * How far ahead of `now` a place's time is; 0: it is over. Nobody gets further ahead than the burst (another worker may be at
 * it as well): whatever is further was written before the time began anew, or never.
 */
static uint64_t ahead(uint64_t place, uint64_t now)
{
    uint64_t difference = (place - now) & time_mask;
    return difference <= UINT64_C(2000) * RATE_BURST_MS ? difference : 0;
}

/* The place that is theirs, or that nobody needs any more; NULL: others have both. */
static _Atomic uint64_t *find_place(struct rate *rate, uint64_t hash, uint64_t tag, uint64_t now)
{
    _Atomic uint64_t *at[] = {&rate->places[hash % PLACES], &rate->places[(hash >> 16) % PLACES]};
    for (int i = 0; i < 2; i++)
        if (atomic_load_explicit(at[i], memory_order_relaxed) >> TIME_BITS == tag)
            return at[i];
    for (int i = 0; i < 2; i++)
        if (ahead(atomic_load_explicit(at[i], memory_order_relaxed), now) == 0)
            return at[i];
    return NULL;
}

bool rate_take(struct rate *rate, uint64_t who, struct micro now)
{
    uint64_t hash = mix(who ^ rate->key), tag = hash >> TIME_BITS, now_us = now.us & time_mask;
    _Atomic uint64_t *place = find_place(rate, hash, tag, now_us);
    if (!place)
        return true;
    uint64_t old = atomic_load_explicit(place, memory_order_relaxed), new;
    do {
        uint64_t used = old >> TIME_BITS == tag ? ahead(old, now_us) : 0;
        if (used + rate->cost_us > UINT64_C(1000) * RATE_BURST_MS)
            return false;
        new = tag << TIME_BITS | ((now_us + used + rate->cost_us) & time_mask);
    } while (!atomic_compare_exchange_weak_explicit(place, &old, new, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}
