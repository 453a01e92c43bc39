#include "cache/histogram.h"

const uint64_t histogram_ends_us[HISTOGRAM_ENDS] = {
    10,    25,    50,     100,    250,    500,     1000,    2500,    5000,     10000,
    25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

static void add(_Atomic uint64_t *sum, uint64_t n)
{
    const uint64_t old = atomic_load_explicit(sum, memory_order_relaxed);
    atomic_store_explicit(sum, old + n, memory_order_relaxed);
}

void histogram_add(struct histogram *histogram, uint64_t us, uint64_t times)
{
    size_t k = 0;
    while (k < HISTOGRAM_ENDS && us > histogram_ends_us[k])
        k++;
    add(&histogram->counts[k], times);
    add(&histogram->sum_us, us * times);
}

void histogram_read(const struct histogram *histogram, struct histogram_sum *sum)
{
    for (size_t k = 0; k < HISTOGRAM_RANGES; k++)
        sum->counts[k] += atomic_load_explicit(&histogram->counts[k], memory_order_relaxed);
    sum->sum_us += atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
}

uint64_t histogram_count(const struct histogram_sum *sum)
{
    uint64_t count = 0;
    for (size_t k = 0; k < HISTOGRAM_RANGES; k++)
        count += sum->counts[k];
    return count;
}

uint64_t histogram_within_us(const struct histogram_sum *sum, unsigned percent)
{
    const uint64_t count = histogram_count(sum);
    /* Rounded up, and without an overflow: so many have to lie there. */
    const uint64_t wanted = count / 100 * percent + (count % 100 * percent + 99) / 100;
    uint64_t below = 0;
    for (size_t k = 0; k < HISTOGRAM_ENDS && count > 0; k++) {
        below += sum->counts[k];
        if (below >= wanted)
            return histogram_ends_us[k];
    }
    return count > 0 ? UINT64_MAX : 0;
}
