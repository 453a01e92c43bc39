/*
 * bench.h - the two measurements of this folder's program; each prints lines of JSON.
 *
 *   inprocess    change sets through parse, check, mark and install, in this process
 *   collisions   valid answers dropped because marks collide, under a made-up clock
 *
 * Each returns whether all went as it must, and says on stderr what did not.
 */
#ifndef FRESHET_BENCH_APPLY_BENCH_H
#define FRESHET_BENCH_APPLY_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inprocess_options {
    uint64_t cached;  /* names in the full cache; 0: only the empty one */
    uint64_t changes; /* per line */
    uint64_t per_set; /* of the large sets */
    uint64_t marks;
};
bool inprocess_run(const struct inprocess_options *options);

struct collisions_options {
    uint64_t names;
    uint64_t changes_per_s;
    uint64_t seconds;
    uint64_t marks;
};
bool collisions_run(const struct collisions_options *options);

/* The store of a measurement, with room for so many names. */
enum { STORE_PER_NAME = 640, STORE_SPARE = 64000000, SETTLE_MS = 2000 };
#define APPLY_CACHE(names, marks_)                                                                 \
    &(struct cache_options)                                                                        \
    {                                                                                              \
        .bytes = (names)*STORE_PER_NAME + STORE_SPARE, .marks = (marks_), .key = 1,                \
        .settle_ms = SETTLE_MS                                                                     \
    }

#endif
