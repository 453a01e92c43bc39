#include "bench/fanout/instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    MARKS_PER_NAME = 16,
    STORE_BYTES = 1 << 20, /* far more than the names take */
    SETTLE_MS = 2000,
};

/* The number in "host0000012.bench...": what follows the digits is the next label's length. */
static uint64_t number_of(const struct messages *messages, const uint8_t *name)
{
    return strtoull((const char *)name + 1 + strlen(messages->prefix), NULL, 10);
}

/* Called by the feed's thread: a set was applied, its answer is in the store. */
static void on_applied(void *arg, const uint8_t *name, struct mono now)
{
    (void)now;
    struct instance *instance = arg;
    const struct messages messages = fanout_messages(instance->options);
    const int64_t at_us = clock_us();
    uint64_t k = atomic_load(&instance->next);
    const uint64_t skipped =
        (number_of(&messages, name) + messages.names - k % messages.names) % messages.names;
    if (skipped > 0)
        atomic_fetch_add(&instance->wrong, 1);
    k += skipped;
    if (k < instance->options->sets)
        instance->applied_us[k] = at_us;
    atomic_store(&instance->next, k + 1);
}

/* The state is asked for; of what feeds report only how often they became live is kept. */
static void on_report(void *arg, enum feed_severity severity, const char *text)
{
    struct instance *instance = arg;
    (void)severity;
    if (strncmp(text, "msg=\"feed is live\"", 18) == 0)
        atomic_fetch_add(&instance->lives, 1);
}

static bool open_cache(struct instance *instance)
{
    struct cache_options options = {.bytes = STORE_BYTES,
                                    .shards = 1,
                                    .marks = instance->options->names * MARKS_PER_NAME,
                                    .settle_ms = SETTLE_MS,
                                    .evicted = on_applied,
                                    .evicted_arg = instance};
    return getrandom(&options.key, sizeof options.key, 0) == sizeof options.key &&
           cache_open(&instance->cache, &options);
}

bool instance_start(struct instance *instance, const struct fanout_options *options,
                    int64_t *applied_us)
{
    char why[FEED_MAX_ERROR] = "out of memory";
    *instance = (struct instance){.options = options, .applied_us = applied_us};
    if (open_cache(instance))
        instance->positions =
            positions_new(instance->cache.validity, options->lease_ms + 1000, (struct mono){1});
    if (instance->positions)
        instance->feed = feed_start(
            &(struct feed_options){
                .brokers = options->brokers,
                .topic = options->topic,
                .properties = (char *const *)(uintptr_t)options->properties.at,
                .property_count = options->properties.count,
                .lease_ms = options->lease_ms,
                .applier = instance->cache.applier,
                .positions = instance->positions,
                .report = on_report,
                .report_arg = instance,
            },
            why);
    if (!instance->feed)
        fprintf(stderr, "fanout: instance not started: %s\n", why);
    return instance->feed != NULL;
}

bool instance_is_live(struct instance *instance, struct feed_status *ret_status)
{
    struct feed_status status;
    feed_status(instance->feed, &status);
    if (ret_status)
        *ret_status = status;
    return status.state == FEED_LIVE;
}

bool instance_fill(struct instance *instance, struct mono now)
{
    const struct messages messages = fanout_messages(instance->options);
    for (uint64_t n = 0; n < messages.names; n++)
        if (!cache_fill(&instance->cache, &messages, n, now))
            return false;
    return true;
}

void instance_check(struct instance *instance, uint64_t published, struct mono now,
                    struct instance_check *ret)
{
    const struct messages messages = fanout_messages(instance->options);
    for (uint64_t n = 0; n < messages.names && n < published; n++) {
        uint8_t got[MESSAGES_ADDRESS], want[MESSAGES_ADDRESS];
        messages_address(messages_last(&messages, n, published), want);
        if (cache_ask(&instance->cache, &messages, n, now, got) != STORE_HIT)
            ret->evicted++;
        else if (memcmp(got, want, sizeof want) == 0)
            ret->newest++;
        else
            ret->old++;
    }
}
