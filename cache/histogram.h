/*
 * histogram.h - how long something took, each time: counted in ranges whose ends are 1, 2.5, 5 and 10 times a power of ten.
 *
 *     microseconds   ..10  ..25  ..50  ..100  ..250  ...  ..5 s  ..10 s  more
 *
 * Threads: one counts, any may read. A read is not of one moment: its sum may have what its counts have not yet.
 */
#ifndef FRESHET_CACHE_HISTOGRAM_H
#define FRESHET_CACHE_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_ENDS = 19, HISTOGRAM_RANGES = HISTOGRAM_ENDS + 1 }; /* the last has no end */

struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_RANGES];
    _Atomic uint64_t sum_us;
};

/* What was read of one or more of them. */
struct histogram_sum {
    uint64_t counts[HISTOGRAM_RANGES];
    uint64_t sum_us;
};

/* Where the ranges end, in microseconds, each end included. */
extern const uint64_t histogram_ends_us[HISTOGRAM_ENDS];

/* `times` things took `us` each. By the owning thread only: plain adds, no locked instruction. */
void histogram_add(struct histogram *histogram, uint64_t us, uint64_t times);

/* Adds all that was counted to `sum`. Any thread. */
void histogram_read(const struct histogram *histogram, struct histogram_sum *sum);

uint64_t histogram_count(const struct histogram_sum *sum);

/* The end of the range that `percent` of all lie in or below; 0: there are none, UINT64_MAX: that range has no end. */
uint64_t histogram_within_us(const struct histogram_sum *sum, unsigned percent);

#endif
