/*
 * inprocess.c - change sets per second through parse, check, mark and install, without Kafka.
 *
 *     cached   changed    what it shows
 *     0        strangers  an empty cache
 *     N        strangers  a full one that holds none of the changed names; how many answers that did not
 *                         change were dropped all the same
 *     N        held       a full one that holds them all: each change replaces an answer
 *
 * each with single changes and with sets of many. The messages are made beforehand. The first pass over
 * them parses only, the second one parses and applies; times are this thread's CPU time.
 */
#include "bench/apply/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/common/freshet_cache.h"

struct texts {
    size_t count;
    size_t *starts; /* count + 1 of them */
    char *bytes;
};

struct round {
    const struct inprocess_options *options;
    uint64_t cached, per_set;
    bool held; /* the cached names are the changed ones */
    struct messages messages;
    struct texts texts;
    struct cache cache;
    double parse_s, all_s;
    uint64_t installed, marked, dropped, wrong;
};

static const struct mono start = {10000};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool make_texts(struct round *round)
{
    struct texts *texts = &round->texts;
    const size_t most = MESSAGES_HEAD + round->per_set * MESSAGES_CHANGE;
    texts->count = round->options->changes / round->per_set;
    texts->starts = calloc(texts->count + 1, sizeof *texts->starts);
    texts->bytes = malloc(texts->count * most);
    for (size_t k = 0; texts->starts && texts->bytes && k < texts->count; k++)
        texts->starts[k + 1] =
            texts->starts[k] +
            messages_write(&round->messages, k, texts->bytes + texts->starts[k], most);
    return texts->starts && texts->bytes;
}

static struct change_set *parse(const struct texts *texts, size_t k)
{
    struct changeset_error error;
    struct change_set *set = NULL;
    int code = changeset_parse(texts->bytes + texts->starts[k],
                               texts->starts[k + 1] - texts->starts[k], &set, &error);
    if (code < 0)
        fprintf(stderr, "apply: set %zu: %s: %s\n", k, error_text(code), error.where);
    return code < 0 ? NULL : set;
}

static bool parse_all(struct round *round)
{
    const double began = cpu_s();
    for (size_t k = 0; k < round->texts.count; k++) {
        struct change_set *set = parse(&round->texts, k);
        if (!set)
            return false;
        changeset_free(set);
    }
    round->parse_s = cpu_s() - began;
    return true;
}

static bool apply_all(struct round *round)
{
    const double began = cpu_s();
    for (size_t k = 0; k < round->texts.count; k++) {
        struct apply_result result;
        struct change_set *set = parse(&round->texts, k);
        const struct apply_at at = {.now = mono_add(start, 1), .wall_us = set ? set->time_us : 0};
        if (!set || apply_change_set(round->cache.applier, set, at, &result) < 0)
            return false;
        round->installed += result.installed;
        round->marked += result.marked;
        changeset_free(set);
    }
    round->all_s = cpu_s() - began;
    return true;
}

/* The names that are cached beforehand: those that change, or others. */
static struct messages cached_names(const struct round *round)
{
    struct messages names = round->messages;
    if (!round->held)
        names.prefix = "still";
    names.names = round->cached;
    return names;
}

static bool fill(struct round *round)
{
    const struct messages names = cached_names(round);
    for (uint64_t n = 0; n < round->cached; n++)
        if (!cache_fill(&round->cache, &names, n, start))
            return false;
    return true;
}

/*
 * Every cached name is asked for. What changed was installed with the change, so an answer that is invalid
 * was dropped for the sake of another name.
 */
static void check(struct round *round)
{
    const struct messages names = cached_names(round);
    const uint64_t changes = round->texts.count * round->per_set;
    for (uint64_t n = 0; n < round->cached; n++) {
        uint8_t address[MESSAGES_ADDRESS], wanted[MESSAGES_ADDRESS];
        const bool changed = round->held && n < changes;
        messages_address(changed ? messages_last(&round->messages, n, changes) : n, wanted);
        enum store_result result = cache_ask(&round->cache, &names, n, start, address);
        if (result == STORE_INVALID)
            round->dropped++;
        else if (result != STORE_HIT || memcmp(address, wanted, sizeof wanted) != 0)
            round->wrong++;
    }
    /* As many sets as were made have been applied, each once; and brought their data but where another name's mark was in the way. */
    const uint64_t due = round->held ? changes : 0;
    struct apply_zone_status status;
    if (!applier_zone_status(round->cache.applier, 0, &status) ||
        status.sets != round->texts.count || status.duplicates > 0 || status.stale > 0 ||
        round->installed > due || round->installed + round->dropped < due)
        round->wrong++;
}

static void print(const struct round *round)
{
    const double sets = (double)round->texts.count, changes = sets * (double)round->per_set;
    printf("{\"cached\":%" PRIu64 ",\"changed\":\"%s\",\"per_set\":%" PRIu64 ",\"sets\":%.0f,"
           "\"changes\":%.0f,\"sets_per_s\":%.0f,\"changes_per_s\":%.0f,\"parse_ns\":%.0f,"
           "\"apply_ns\":%.0f,\"installed\":%" PRIu64 ",\"marked\":%" PRIu64
           ",\"falsely_dropped\":%" PRIu64 ",\"wrong\":%" PRIu64 "}\n",
           round->cached, round->held ? "held" : "strangers", round->per_set, sets, changes,
           sets / round->all_s, changes / round->all_s, round->parse_s / changes * 1e9,
           (round->all_s - round->parse_s) / changes * 1e9, round->installed, round->marked,
           round->dropped, round->wrong);
    fflush(stdout);
}

/* One line of the result. False when something went wrong, with the line all the same if there is one. */
static bool run(const struct inprocess_options *options, uint64_t cached, bool held,
                uint64_t per_set)
{
    struct round round = {
        .options = options,
        .cached = cached,
        .held = held,
        .per_set = per_set,
        .messages = {.prefix = "host",
                     .publisher = "bench",
                     .names = held ? cached : options->changes,
                     .per_set = per_set,
                     .time_us = INT64_C(1795000000000000)},
    };
    bool good = cache_open(&round.cache, APPLY_CACHE(cached, options->marks));
    if (good) {
        good = make_texts(&round) && fill(&round) && parse_all(&round) && apply_all(&round);
        if (good) {
            check(&round);
            print(&round);
        }
        cache_close(&round.cache);
    }
    free(round.texts.starts);
    free(round.texts.bytes);
    return good && round.wrong == 0;
}

bool inprocess_run(const struct inprocess_options *options)
{
    const uint64_t per_set[] = {1, options->per_set};
    bool good = true;
    for (size_t i = 0; i < 2; i++) {
        good &= run(options, 0, false, per_set[i]);
        if (options->cached > 0) {
            good &= run(options, options->cached, false, per_set[i]);
            good &= run(options, options->cached, true, per_set[i]);
        }
    }
    return good;
}
