/*
 * worker.h - a thread with its own event loop, sockets, upstream channels and buffers.
 *
 * Workers share the tiers (stores, statistics) and nothing else. The daemon talks to a worker by leaving
 * settings or an order to stop, and waking it by an eventfd.
 */
#ifndef FRESHET_RESOLVER_DAEMON_WORKER_H
#define FRESHET_RESOLVER_DAEMON_WORKER_H

#include "resolver/answer/query.h"
#include "resolver/net/tcp.h"
#include "resolver/daemon/tier.h"

struct worker;

/* What a reload may change. */
struct worker_settings {
    struct tcp_limits tcp;
    size_t ports; /* towards upstreams, open at a time */
    uint64_t resolve_timeout_ms;
};

/* What tiers know of changes: those that subscribe to the feed, and those that do not, to whom nothing changes. */
struct following {
    const struct validity *validity;
    struct positions *positions;
};

struct worker_options {
    struct tier *const *tiers; /* borrowed, tier_count of them */
    size_t tier_count;
    struct following follows; /* borrowed, as what is in it */
    struct following follows_not;
    struct handout_places *places; /* borrowed */
    struct worker_settings settings;
};

/* Built, not running. NULL: no memory. */
struct worker *worker_new(const struct worker_options *options);

/* Where a tier is served. Two sockets of a worker with the same `place` follow one another: the old one is closed. */
struct worker_place {
    size_t tier_index;
    size_t place;
    int udp, tcp; /* bound; listening */
};

/* Serves there; takes both sockets over. While it runs, too. */
bool worker_listen(struct worker *worker, const struct worker_place *place);

/* Starts the thread. Returns 0 or ERR_SYSTEM. */
MUST_CHECK int worker_start(struct worker *worker);

/* Takes over settings, and the tiers' forwarders as they are now. */
void worker_reload(struct worker *worker, const struct worker_settings *settings);

/* Any thread: has the question of `key` fetched again in a moment, for no client. Dropped when there are too many. */
void worker_warm(struct worker *worker, size_t tier_index, const struct answer_key *key);

/* Wakes it. Whether it has been awake since the last call, if there was one. One thread calls this. */
bool worker_ping(struct worker *worker);

/* Has it look at the clock: the machine has slept. */
void worker_look_at_clock(struct worker *worker);

/*
 * Ends as soon as nobody waits. After `grace_ms` those who still do get what is held past its TTL, or SERVFAIL; until
 * then it answers as ever. worker_join() waits for that.
 */
void worker_stop(struct worker *worker, uint64_t grace_ms);
void worker_join(struct worker *worker);

/* After worker_join(), or if never started. NULL is fine. */
void worker_free(struct worker *worker);

/* Numbers of one tier on this worker; any thread. */
struct tier_counters {
    uint64_t queries, malformed, refused, dropped, truncated, local, authoritative;
    uint64_t jobs, joined, superseded, asked_again, overloaded, failed, prefetched, at_once;
    uint64_t displaced, displaced_clients, in_vain;
    uint64_t under_way, waiting; /* now */
    uint64_t clients_refused, clients_dropped, limited, slipped, bad_cookies;
    uint64_t axfr, ixfr, ixfr_whole, transfers_refused, transfers_malformed, transfers_not_ready;
    uint64_t transfers_busy, transfers_cut, bad_signatures;
    uint64_t provisional;
    uint64_t position_asked, position_ignored;
    uint64_t parent_behind, parent_no_position, parent_uncached, without_edns;
};
void worker_count(const struct worker *worker, size_t tier_index, struct tier_counters *ret);
/* How long its answers took is added to two sums (query.h). */
void worker_times(const struct worker *worker, size_t tier_index, struct histogram_sum *at_once,
                  struct histogram_sum *waited);
const struct tcp_pool_counters *worker_tcp_counters(const struct worker *worker);
/* Queries to upstreams that had to share a port, as there may be no more. */
uint64_t worker_ports_shared(const struct worker *worker);

#endif
