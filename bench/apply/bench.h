/*
 * bench.h - the three measurements of this folder's program; each prints lines of JSON.
 *
 *   inprocess    change sets through parse, check, mark and install, in this process
 *   collisions   valid answers dropped because marks collide, under a made-up clock
 *   flood        change sets into a Kafka topic, as fast as it takes them
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
    uint64_t asks_per_s[3]; /* one run for each that is not 0 */
    uint64_t seconds;
    uint64_t marks;
};
bool collisions_run(const struct collisions_options *options);

struct flood_options {
    const char *brokers, *topic;
    uint64_t first, sets; /* sets first..first+sets-1 */
    uint64_t per_set;
    uint64_t names;
    uint64_t rate; /* sets per second; 0: no limit */
};
bool flood_run(const struct flood_options *options);

#endif
