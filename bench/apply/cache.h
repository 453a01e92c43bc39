/*
 * cache.h - what the measurements in this process apply to: one store of one tier, as freshetd has it.
 */
#ifndef FRESHET_BENCH_APPLY_CACHE_H
#define FRESHET_BENCH_APPLY_CACHE_H

#include "bench/apply/messages.h"
#include "invalidation/apply.h"

struct cache {
    struct validity *validity;
    struct store *store;
    struct applier *applier;
};

/* Empty, with room for `names` answers; `marks` as feed.marks. False: no memory. */
bool cache_open(struct cache *cache, size_t names, size_t marks);
void cache_close(struct cache *cache);

/* Keeps an answer to the question for the name of change n, with that change's address, as if fetched now. */
bool cache_fill(struct cache *cache, const struct messages *messages, uint64_t n, struct mono now);

/* Asks for the name of change n. `ret_address` is filled on STORE_HIT. */
enum store_result cache_ask(struct cache *cache, const struct messages *messages, uint64_t n,
                            struct mono now, uint8_t ret_address[MESSAGES_ADDRESS]);

#endif
