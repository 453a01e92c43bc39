/*
 * chance.h - the checker's dice: the same run for the same seed.
 */
#ifndef FRESHET_CHECKER_CHANCE_H
#define FRESHET_CHECKER_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

struct chance chance_of(uint64_t seed);

/* In [0, 1). */
double chance_next(struct chance *chance);

/* In 0 to count - 1. */
uint32_t chance_below(struct chance *chance, uint32_t count);

/* Names by their rank: cumulated shares, which fall with the rank to the power of `exponent`. */
struct lottery {
    double *upto;
    uint32_t count;
};

/* False: no memory. The caller frees `upto`. */
bool lottery_init(struct lottery *lottery, uint32_t count, double exponent);

uint32_t lottery_draw(const struct lottery *lottery, struct chance *chance);

#endif
