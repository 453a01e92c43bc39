/*
 * fanout.h - one topic and many caches that follow it: when has the last one applied a change?
 *
 *     publish                            subscribe (some processes, some instances in each)
 *        | publisher_send()                 feed -> applier -> store       instance 0
 *        v                                  feed -> applier -> store       instance 1
 *      Kafka  ------------------------>     ...
 *
 * An instance is what a freshetd with one tier has of its subscription, whole: a feed with its two
 * Kafka clients, a validity, an applier, positions and a store that holds an answer for every name
 * that changes. What it lacks is clients. So its processor time is the price of following alone.
 *
 * The change sets are those of bench/common/messages.h, one SET each: set k is of name k modulo
 * `names`. An instance knows which name must come next, so a set that is lost, comes twice or out
 * of order is seen. When each was applied goes to a file that all processes map: int64_t
 * microseconds of CLOCK_MONOTONIC by [instance][set], 0 for not yet. Publishing is timed by the
 * same clock.
 *
 * Both programs are led by lines on stdin, each answered by a line of JSON, and end with its end.
 */
#ifndef FRESHET_BENCH_FANOUT_FANOUT_H
#define FRESHET_BENCH_FANOUT_FANOUT_H

#include <stdio.h>

#include "bench/common/clock.h"
#include "bench/common/messages.h"
#include "bench/common/options.h"

struct fanout_options {
    const char *brokers, *topic;
    struct option_list properties; /* "name=value" for the consumers of feeds */
    const char *times;             /* the file of times */
    uint64_t first;                /* instance of the file that is this process's first */
    uint64_t count;                /* instances of this process */
    uint64_t sets;                 /* the file has room for so many per instance */
    uint64_t names;
    uint64_t lease_ms;
    uint64_t spacing_ms; /* between two starts of feeds */
};

enum { FANOUT_LINE = 256 };

/*
 * Starts the instances and says when all are live and filled, then:
 *
 *   status    how many are live, and what went wrong so far
 *   check S   S sets were published: asks every instance for every name, and says what it got
 *
 * False, with a line on stderr: they did not become live.
 */
bool subscribers_run(const struct fanout_options *options);

/*
 * Publishes, one after the other, each acknowledged before the next:
 *
 *   SETS RATE   so many sets, at most RATE per second; 0: no limit. Says when each was handed over
 *               and acknowledged.
 */
bool publisher_run(const struct fanout_options *options);

static inline struct messages fanout_messages(const struct fanout_options *options)
{
    return (struct messages){
        .prefix = "host", .publisher = "fanout", .names = options->names, .per_set = 1};
}

#endif
