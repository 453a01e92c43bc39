#include "bench/common/histogram.h"

/* Below 64 a bucket for each value; above, the six bits after the highest choose it. */
static unsigned bucket_of(int64_t us)
{
    if (us < HISTOGRAM_FINE)
        return us < 0 ? 0 : (unsigned)us;
    const unsigned power = 63u - (unsigned)__builtin_clzll((uint64_t)us);
    const unsigned bucket =
        (power - 5) * HISTOGRAM_FINE + (unsigned)((us >> (power - 6)) & (HISTOGRAM_FINE - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

int64_t histogram_value(unsigned bucket)
{
    if (bucket < HISTOGRAM_FINE)
        return bucket;
    const unsigned power = bucket / HISTOGRAM_FINE + 5;
    return ((int64_t)HISTOGRAM_FINE + bucket % HISTOGRAM_FINE) << (power - 6);
}

void histogram_add(struct histogram *histogram, int64_t us)
{
    histogram->count++;
    histogram->buckets[bucket_of(us)]++;
    if (us > histogram->max_us)
        histogram->max_us = us;
}

void histogram_merge(struct histogram *histogram, const struct histogram *part)
{
    histogram->count += part->count;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += part->buckets[i];
    if (part->max_us > histogram->max_us)
        histogram->max_us = part->max_us;
}

int64_t histogram_quantile(const struct histogram *histogram, double share)
{
    const double wanted = share * (double)histogram->count;
    uint64_t passed = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        passed += histogram->buckets[bucket];
        if (passed > 0 && (double)passed >= wanted)
            return histogram_value(bucket);
    }
    return 0;
}
