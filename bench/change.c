/*
 * change.c - the cost of applying a change set, in instructions for each change.
 *
 * Meant for callgrind, as hit.c is. Each part takes CHANGES changes, one in a message or many, of names that are
 * held or of others, and counts either what reading the messages takes or what applying them does:
 *
 *     read, read_many          a message's bytes to its set
 *     mark, mark_many          a set to its marks, where nothing is held of it
 *     replace, replace_many    the same where an answer is held for each of its changes: that is replaced
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#include "bench/common/freshet_cache.h"
#include "invalidation/changeset.h"

enum { CHANGES = 4000, MANY = 1000 };

struct part {
    const char *name;
    uint64_t per_set;
    bool reads; /* else it applies what was read */
    bool held;
};

static const struct mono start = {10000}, later = {10001};

/* Counts while it is read, or while it is applied. The number of answers that were replaced; -1: it was refused. */
static int64_t take(struct cache *cache, const struct part *part, const char *json, size_t size)
{
    struct change_set *set = NULL;
    struct changeset_error error;
    struct apply_result result = {.installed = 0};
    if (part->reads)
        CALLGRIND_TOGGLE_COLLECT;
    int code = changeset_parse(json, size, &set, &error);
    CALLGRIND_TOGGLE_COLLECT;
    if (code == 0 && !part->reads) {
        code = apply_change_set(cache->applier, set,
                                (struct apply_at){.now = later, .wall_us = set->time_us}, &result);
        CALLGRIND_TOGGLE_COLLECT;
    }
    changeset_free(set);
    return code < 0 ? -1 : (int64_t)result.installed;
}

static bool run(const struct part *part)
{
    const struct messages changed = {.prefix = "host",
                                     .publisher = "bench",
                                     .names = CHANGES,
                                     .per_set = part->per_set,
                                     .time_us = INT64_C(1795000000000000)};
    struct messages held = changed;
    struct cache cache;
    const size_t room = MESSAGES_HEAD + part->per_set * MESSAGES_CHANGE;
    char *json = malloc(room);
    bool good =
        cache_open(&cache, &(struct cache_options){.bytes = 16 << 20, .marks = 65536, .key = 1});
    held.prefix = part->held ? changed.prefix : "still";
    for (uint64_t n = 0; good && n < CHANGES; n++)
        good = cache_fill(&cache, &held, n, start);
    const int64_t due = part->held && !part->reads ? (int64_t)part->per_set : 0;
    CALLGRIND_ZERO_STATS;
    for (uint64_t k = 0; good && json && k < CHANGES / part->per_set; k++)
        good = take(&cache, part, json, messages_write(&changed, k, json, room)) == due;
    CALLGRIND_DUMP_STATS_AT(part->name);
    cache_close(&cache);
    free(json);
    return good && json;
}

int main(void)
{
    static const struct part parts[] = {
        {.name = "read", .per_set = 1, .reads = true},
        {.name = "mark", .per_set = 1},
        {.name = "replace", .per_set = 1, .held = true},
        {.name = "read_many", .per_set = MANY, .reads = true},
        {.name = "mark_many", .per_set = MANY},
        {.name = "replace_many", .per_set = MANY, .held = true},
    };
    bool good = true;
    for (size_t i = 0; good && i < sizeof parts / sizeof parts[0]; i++) {
        good = run(&parts[i]);
        printf("%s %d\n", parts[i].name, CHANGES);
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
