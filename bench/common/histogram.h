/*
 * histogram.h - counts of microseconds, to within 2 %: 64 buckets to each power of two.
 */
#ifndef FRESHET_COMMON_HISTOGRAM_H
#define FRESHET_COMMON_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_FINE = 64,
    HISTOGRAM_POWERS = 36,
    HISTOGRAM_BUCKETS = HISTOGRAM_FINE * HISTOGRAM_POWERS
};

struct histogram {
    uint64_t count;
    int64_t max_us;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

/* Below 0 counts as 0. */
void histogram_add(struct histogram *histogram, int64_t us);

/* Adds all that `part` has. */
void histogram_merge(struct histogram *histogram, const struct histogram *part);

/* The value that the `share` (0 to 1) of what was counted do not exceed; 0 when there is none. */
int64_t histogram_quantile(const struct histogram *histogram, double share);

/* The lowest value of a bucket. */
int64_t histogram_value(unsigned bucket);

#endif
