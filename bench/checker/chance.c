#include "bench/checker/chance.h"

#include <math.h>
#include <stdlib.h>

struct chance chance_of(uint64_t seed)
{
    return (struct chance){seed * 2654435761u + 88172645463325252u};
}

/* xorshift64* */
double chance_next(struct chance *chance)
{
    chance->state ^= chance->state >> 12;
    chance->state ^= chance->state << 25;
    chance->state ^= chance->state >> 27;
    return (double)((chance->state * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}

uint32_t chance_below(struct chance *chance, uint32_t count)
{
    return (uint32_t)(chance_next(chance) * count);
}

bool lottery_init(struct lottery *lottery, uint32_t count, double exponent)
{
    double sum = 0;
    lottery->count = count;
    lottery->upto = calloc(count, sizeof *lottery->upto);
    if (!lottery->upto)
        return false;
    for (uint32_t k = 0; k < count; k++)
        lottery->upto[k] = sum += pow(k + 1, -exponent);
    return true;
}

uint32_t lottery_draw(const struct lottery *lottery, struct chance *chance)
{
    const double wanted = chance_next(chance) * lottery->upto[lottery->count - 1];
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
