#include "bench/common/freshet_cache.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/message.h"

/* As a reload, or a catalog, brings them. */
static bool add_others(struct cache *cache, size_t count)
{
    uint8_t *names = calloc(count + 1, NAME_MAX_SIZE / 4);
    struct zone_change *changes = calloc(count + 1, sizeof *changes);
    struct apply_result result;
    bool good = names && changes;
    for (size_t k = 0; good && k < count; k++) {
        char text[NAME_MAX_SIZE / 4];
        uint8_t *name = names + k * (NAME_MAX_SIZE / 4);
        snprintf(text, sizeof text, "other%zu.example.net.", k);
        good = name_from_text(text, name) > 0;
        changes[k] = (struct zone_change){name, STANDING_ZONE};
    }
    if (good && count > 0)
        good = apply_regroup(cache->applier, changes, count, (struct apply_at){.now = {1}},
                             &result) == 0;
    free(changes);
    free(names);
    return good;
}

bool cache_open(struct cache *cache, const struct cache_options *options)
{
    uint8_t zone[NAME_MAX_SIZE];
    const uint8_t *zones[] = {zone};
    *cache = (struct cache){.validity = NULL};
    if (name_from_text(options->zone ? options->zone : MESSAGES_ZONE, zone) < 0)
        return false;
    cache->validity = validity_new(&(struct validity_options){.zones = zones,
                                                              .zone_count = 1,
                                                              .room = options->others + 1,
                                                              .marks = options->marks,
                                                              .key = options->key,
                                                              .settle_ms = options->settle_ms});
    if (cache->validity)
        cache->store = store_new(&(struct store_options){
            .size = options->bytes,
            .shards = options->shards,
            .policy = {.max_ttl = 86400, .negative_ttl = 900, .client_ttl = 5},
            .validity = cache->validity,
        });
    if (cache->store)
        cache->applier =
            applier_new(&(struct applier_options){.validity = cache->validity,
                                                  .stores = &cache->store,
                                                  .store_count = 1,
                                                  .evicted = options->evicted,
                                                  .evicted_arg = options->evicted_arg});
    if (cache->applier && add_others(cache, options->others))
        return true;
    cache_close(cache);
    return false;
}

void cache_close(struct cache *cache)
{
    applier_free(cache->applier);
    store_free(cache->store);
    validity_free(cache->validity);
}

/* The name of change n, canonical. */
static void make_name(const struct messages *messages, uint64_t n, uint8_t name[NAME_MAX_SIZE])
{
    char text[MESSAGES_OWNER];
    messages_owner(messages, n, text);
    const int size = name_from_text(text, name);
    assert(size > 0);
    name_lower(name, (size_t)size, name);
}

static void make_key(struct cache *cache, const uint8_t *name, struct answer_key *ret)
{
    store_key(cache->store, &(struct key_parts){.name = name, .type = TYPE_A, .class = CLASS_IN},
              ret);
}

bool cache_put(struct cache *cache, const uint8_t *name, const uint8_t address[MESSAGES_ADDRESS],
               struct mono now, struct answer_key *ret_key)
{
    enum { TTL_AT = 6, ADDRESS_AT = 12 };
    static const uint16_t ttl_offsets[] = {TTL_AT};
    uint8_t body[] = {0xc0, 12, 0, TYPE_A, 0, CLASS_IN, 0, 0, 0x0e, 0x10, 0, 4, 0, 0, 0, 0};
    const struct stamp stamp = validity_now(cache->validity);
    struct answer_key key;
    struct answer answer = {
        .counts = {1, 0, 0},
        .ttl = 3600,
        .ede = EDE_NONE,
        .body = body,
        .body_size = sizeof body,
        .ttl_offsets = ttl_offsets,
        .ttl_count = 1,
    };
    memcpy(body + ADDRESS_AT, address, MESSAGES_ADDRESS);
    validity_depend_on_question(cache->validity, name, false, &answer.dependencies);
    make_key(cache, name, &key);
    if (ret_key)
        *ret_key = key;
    return store_put(cache->store, &key, &answer, stamp, now);
}

bool cache_fill(struct cache *cache, const struct messages *messages, uint64_t n, struct mono now)
{
    uint8_t name[NAME_MAX_SIZE], address[MESSAGES_ADDRESS];
    make_name(messages, n, name);
    messages_address(n, address);
    return cache_put(cache, name, address, now, NULL);
}

enum store_result cache_ask(struct cache *cache, const struct messages *messages, uint64_t n,
                            struct mono now, uint8_t ret_address[MESSAGES_ADDRESS])
{
    struct answer_key key;
    struct store_hit hit;
    uint8_t name[NAME_MAX_SIZE], body[512];
    make_name(messages, n, name);
    make_key(cache, name, &key);
    enum store_result result = store_get(
        cache->store,
        &(struct store_look){.key = &key, .now = now, .buffer = body, .room = sizeof body}, &hit);
    if (result == STORE_HIT)
        memcpy(ret_address, body + hit.body_size - MESSAGES_ADDRESS, MESSAGES_ADDRESS);
    return result;
}
