/*
 * chance.h - random numbers that are the same for the same seed, and names drawn by Zipf's law.
 */
#ifndef FRESHET_COMMON_CHANCE_H
#define FRESHET_COMMON_CHANCE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct chance {
    uint64_t state;
};

static inline struct chance chance_of(uint64_t seed)
{
    return (struct chance){seed * 2654435761u + 88172645463325252u};
}

/* xorshift64* (Vigna, 2016). */
static inline uint64_t chance_next(struct chance *chance)
{
    chance->state ^= chance->state >> 12;
    chance->state ^= chance->state << 25;
    chance->state ^= chance->state >> 27;
    return chance->state * 2685821657736338717u;
}

/* From 0 up to 1, without it. */
static inline double chance_draw(struct chance *chance)
{
    return (double)(chance_next(chance) >> 11) / (double)(UINT64_C(1) << 53);
}

/* From 0 up to `bound`, without it. */
static inline uint64_t chance_below(struct chance *chance, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)chance_next(chance) * bound >> 64);
}

/* Ranks from 0 on: rank k has a share of (k + 1)^-exponent. */
struct lottery {
    double *upto; /* cumulated */
    uint32_t count;
};

/* False: no memory. */
static inline bool lottery_init(struct lottery *lottery, uint32_t count, double exponent)
{
    double sum = 0;
    lottery->count = count;
    lottery->upto = calloc(count, sizeof *lottery->upto);
    for (uint32_t k = 0; lottery->upto && k < count; k++)
        lottery->upto[k] = sum += pow(k + 1, -exponent);
    return lottery->upto != NULL;
}

static inline uint32_t lottery_draw(const struct lottery *lottery, struct chance *chance)
{
    const double wanted = chance_draw(chance) * lottery->upto[lottery->count - 1];
    uint32_t low = 0, high = lottery->count - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (lottery->upto[middle] > wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static inline void lottery_free(struct lottery *lottery)
{
    free(lottery->upto);
}

#endif
