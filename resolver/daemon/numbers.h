/*
 * numbers.h - what is counted, each number once: its name in the status, that of its metric, and what it means.
 *
 *     workers, stores, feed ... --numbers_take_*()--> a row of uint64_t --+-- names --> status (JSON)
 *                                                                          `-- metrics --> /metrics
 *
 * Whoever counts something new adds a line to a list in numbers.c; it is then in both. What a tier's worker counts needs its
 * counter too: where it happens (query.h, inflight.h, fetch.h), in struct tier_counters, and in worker_count() (worker.c). What
 * counts refusals, drops and limits has a `limit` as well, and so is told in the log once a second (limits.h);
 * and a row in docs/limits.md (tests/limits.py looks).
 */
#ifndef FRESHET_RESOLVER_DAEMON_NUMBERS_H
#define FRESHET_RESOLVER_DAEMON_NUMBERS_H

#include "daemon/number.h"
#include "resolver/daemon/daemon.h"

/* A tier, over all workers. */
struct tier_numbers {
    struct tier_counters worker;
    struct store_counters store;
};
extern const struct numbers numbers_of_tier;
void numbers_take_tier(const struct daemon *daemon, size_t tier_index, struct tier_numbers *ret);

/* How long the tier's answers took, over all workers (query.h). */
struct tier_times {
    struct histogram_sum at_once, waited;
};
void numbers_take_times(const struct daemon *daemon, size_t tier_index, struct tier_times *ret);

/* An address that a tier asks. */
struct upstream_numbers {
    uint64_t sent, answered, timeouts, failures;
};
extern const struct numbers numbers_of_upstream;
void numbers_take_upstream(const struct server_stats *stats, struct upstream_numbers *ret);

/* The feed: struct feed_status itself. */
extern const struct numbers numbers_of_feed;

/* A zone of the feed: struct apply_zone_status itself. No metrics: there may be tens of thousands. */
extern const struct numbers numbers_of_zone;

/* A streamed zone: struct streamed_status itself. */
extern const struct numbers numbers_of_streamed;

/* A catalog: struct catalog_status itself. */
extern const struct numbers numbers_of_catalog;

/* TCP listeners, of all workers; the sockets that were not there for a query upstream; NOTIFYs to secondaries. */
struct tcp_numbers {
    uint64_t accepted, connections, queries, turned_away;
    uint64_t idle_for_room, busy_for_room, for_bytes, kept_out, slow, rests;
    uint64_t no_socket;
    uint64_t notices, notices_answered, notices_given_up, notices_unsent;
    uint64_t ports_shared; /* not of listeners, but of what is left for the ways out */
};
extern const struct numbers numbers_of_tcp;
void numbers_take_tcp(const struct daemon *daemon, struct tcp_numbers *ret);

#endif
