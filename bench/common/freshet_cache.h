/*
 * freshet_cache.h - freshet's cache for measurements in its own process: one store, and what applies
 * changes to it, as a freshetd with one tier has them.
 */
#ifndef FRESHET_COMMON_FRESHET_CACHE_H
#define FRESHET_COMMON_FRESHET_CACHE_H

#include "bench/common/messages.h"
#include "invalidation/apply.h"

struct cache {
    struct validity *validity;
    struct store *store;
    struct applier *applier;
};

struct cache_options {
    const char *zone; /* NULL: MESSAGES_ZONE */
    size_t others;    /* so many zones besides that one: other0.example.net. and so on */
    size_t bytes, shards, marks;
    uint64_t key, settle_ms;
    void (*evicted)(void *arg, const uint8_t *name, struct mono now);
    void *evicted_arg;
};

/* Empty. False: no memory, or no zone. */
bool cache_open(struct cache *cache, const struct cache_options *options);
void cache_close(struct cache *cache);

/* Keeps an answer to the question for a name's address, as if fetched now; `ret_key` may be NULL. */
bool cache_put(struct cache *cache, const uint8_t *name, const uint8_t address[MESSAGES_ADDRESS],
               struct mono now, struct answer_key *ret_key);

/* The same for the name of change n, with that change's address. */
bool cache_fill(struct cache *cache, const struct messages *messages, uint64_t n, struct mono now);

/* Asks for the name of change n. `ret_address` is filled on STORE_HIT. */
enum store_result cache_ask(struct cache *cache, const struct messages *messages, uint64_t n,
                            struct mono now, uint8_t ret_address[MESSAGES_ADDRESS]);

#endif
