/*
 * counter.h - a statistic that one thread writes and any thread reads.
 */
#ifndef FRESHET_RESOLVER_ANSWER_COUNTER_H
#define FRESHET_RESOLVER_ANSWER_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

struct counter {
    _Atomic uint64_t n;
};

/* By the owning thread only: a plain add, no locked instruction. */
static inline void counter_add(struct counter *counter, uint64_t n)
{
    uint64_t old = atomic_load_explicit(&counter->n, memory_order_relaxed);
    atomic_store_explicit(&counter->n, old + n, memory_order_relaxed);
}

/* By any thread. */
static inline void counter_add_shared(struct counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counter->n, n, memory_order_relaxed);
}

static inline uint64_t counter_get(const struct counter *counter)
{
    return atomic_load_explicit(&counter->n, memory_order_relaxed);
}

#endif
