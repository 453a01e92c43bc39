/*
 * collisions.c - valid answers that are dropped since their marks collide with those of other names.
 *
 * Under a made-up clock: a number of cached names is asked for at random, so and so often a second, while
 * names never seen before change at a steady rate. None of the changes touches a cached name, so every
 * answer found invalid is one dropped for nothing. It is put back as if fetched anew, as a resolver does.
 * Counted once from an empty table of marks, and once more after it has filled: what it forgets it
 * forgets from then on.
 */
#include "bench/apply/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/common/freshet_cache.h"
#include "bench/common/chance.h"
#include "invalidation/changeset.h"

struct run {
    const struct collisions_options *options;
    struct cache cache;
    struct messages cached, strangers;
    struct chance chance;
    uint64_t changes; /* made so far */
    uint64_t hits, dropped, wrong;
    char json[MESSAGES_HEAD + MESSAGES_CHANGE];
};

static bool change(struct run *run, struct mono now)
{
    struct change_set *set = NULL;
    struct changeset_error error;
    struct apply_result result;
    size_t length = messages_write(&run->strangers, run->changes++, run->json, sizeof run->json);
    bool good =
        changeset_parse(run->json, length, &set, &error) == 0 &&
        apply_change_set(run->cache.applier, set,
                         (struct apply_at){.now = now, .wall_us = set->time_us}, &result) == 0;
    changeset_free(set);
    return good;
}

static void ask(struct run *run, struct mono now)
{
    const uint64_t n = chance_below(&run->chance, run->cached.names);
    uint8_t address[MESSAGES_ADDRESS], wanted[MESSAGES_ADDRESS];
    messages_address(n, wanted);
    switch (cache_ask(&run->cache, &run->cached, n, now, address)) {
    case STORE_HIT:
        run->hits++;
        run->wrong += memcmp(address, wanted, sizeof wanted) != 0;
        return;
    case STORE_INVALID:
        run->dropped++;
        break;
    case STORE_EXPIRED: /* its TTL is over: no matter of marks */
        break;
    default:
        run->wrong++;
    }
    run->wrong += !cache_fill(&run->cache, &run->cached, n, now);
}

/* Some seconds of made-up time, from `from_ms` on: each millisecond its share of changes and of questions. */
static bool pass(struct run *run, uint64_t from_ms, uint64_t seconds, uint64_t asks_per_s)
{
    for (uint64_t ms = 0; ms < seconds * 1000; ms++) {
        const struct mono now = {from_ms + ms};
        const uint64_t rate = run->options->changes_per_s;
        for (uint64_t i = ms * rate / 1000; i < (ms + 1) * rate / 1000; i++)
            if (!change(run, now))
                return false;
        for (uint64_t i = ms * asks_per_s / 1000; i < (ms + 1) * asks_per_s / 1000; i++)
            ask(run, now);
    }
    return true;
}

static void print(const struct run *run, const char *table, uint64_t asks_per_s)
{
    const uint64_t asked = run->hits + run->dropped;
    printf("{\"table\":\"%s\",\"marks\":%" PRIu64 ",\"names\":%" PRIu64
           ",\"changes_per_s\":%" PRIu64 ",\"asks_per_s\":%" PRIu64 ",\"seconds\":%" PRIu64
           ",\"hits\":%" PRIu64 ",\"falsely_dropped\":%" PRIu64 ",\"share\":%.8f,\"wrong\":%" PRIu64
           "}\n",
           table, run->options->marks, run->options->names, run->options->changes_per_s, asks_per_s,
           run->options->seconds, run->hits, run->dropped,
           asked ? (double)run->dropped / (double)asked : 0, run->wrong);
    fflush(stdout);
}

static bool run_at(const struct collisions_options *options, uint64_t asks_per_s)
{
    struct run run = {
        .options = options,
        .cached = {.prefix = "still", .names = options->names},
        .strangers = {.prefix = "host",
                      .publisher = "bench",
                      .names = UINT64_MAX,
                      .per_set = 1,
                      .time_us = INT64_C(1795000000000000)},
        .chance = chance_of(1),
    };
    const uint64_t seconds = options->seconds;
    /* One mark at least is made by each change; the table may have up to twice the room asked for. */
    const uint64_t filling = options->marks * 2 / options->changes_per_s + 1;
    if (!cache_open(&run.cache, APPLY_CACHE(options->names, options->marks)))
        return false;
    uint64_t from_ms = 1000;
    bool good = true;
    for (uint64_t n = 0; good && n < options->names; n++)
        good = cache_fill(&run.cache, &run.cached, n, (struct mono){from_ms});
    good = good && pass(&run, from_ms, seconds, asks_per_s);
    if (good)
        print(&run, "empty", asks_per_s);
    from_ms += seconds * 1000;
    good = good && run.wrong == 0 && pass(&run, from_ms, filling, asks_per_s);
    run.hits = run.dropped = 0;
    good = good && pass(&run, from_ms + filling * 1000, seconds, asks_per_s);
    if (good)
        print(&run, "full", asks_per_s);
    cache_close(&run.cache);
    return good && run.wrong == 0;
}

bool collisions_run(const struct collisions_options *options)
{
    return run_at(options, 100) && run_at(options, 1000) && run_at(options, 10000);
}
