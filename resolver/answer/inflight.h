/*
 * inflight.h - questions being fetched, and the clients that wait for them; one table per worker and tier.
 *
 * Identical questions share a fetch, with one exception that the promises rest on: a query that comes
 * after a change never waits on a fetch that set out before it (P2). So a job is joined only while the
 * scopes of its question are unmarked since its stamp; otherwise a new job takes its place in the table, and
 * the old one finishes for the clients it has.
 *
 * When a fetch comes back, the answer may depend on more than the question did: a CNAME into a name that
 * changed meanwhile. Then it is not cached, clients who asked before the change get it with TTL 0, and for the rest the
 * question is asked again.
 *
 * With serve_stale set, clients of a fetch that fails, or that takes longer than they should wait, get what is
 * held past its TTL, unless a change has touched it (RFC 8767).
 *
 * Threads: all on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_INFLIGHT_H
#define FRESHET_RESOLVER_ANSWER_INFLIGHT_H

#include "cache/store.h"
#include "resolver/answer/client.h"
#include "resolver/answer/fetch.h"
#include "resolver/answer/route.h"

enum {
    INFLIGHT_MAX_JOBS = 16384,    /* per worker and tier; bounds sockets and memory */
    INFLIGHT_MAX_WAITERS = 65536, /* likewise */
};

struct inflight;

struct inflight_options {
    struct fetcher *fetcher; /* borrowed, as are all */
    const struct validity *validity;
    struct store *store;
    struct routes *routes; /* taken over, also on failure */
    /* Told of a name (canonical) of the feed's zones that somebody else's cache has answered for. NULL: nobody is. */
    void (*second_hand)(void *arg, const uint8_t *name);
    void *second_hand_arg;
};

struct inflight_counters {
    struct counter jobs, joined, superseded, asked_again, overloaded, failed, prefetched;
    struct counter provisional; /* answers that may be from before a change */
    struct fetch_counters fetch;
};

/* NULL: no memory. */
struct inflight *inflight_new(const struct inflight_options *options);

/* Drops all jobs; their clients get no answer. NULL is fine. */
void inflight_free(struct inflight *inflight);

/* Questions from here on are asked along `routes`, which is taken over. */
void inflight_set_routes(struct inflight *inflight, struct routes *routes);

/* A client's question as it must be answered. */
struct inflight_wait {
    const struct answer_key *key;
    const struct question *question; /* as spelled */
    const struct client *client;
    const struct reply_shape *shape;
    struct stamp arrived;
    struct micro now;
    struct mono deadline; /* answered by then, if with SERVFAIL */
};

/*
 * Joins or starts the fetch for a question; the reply goes out by the client's transport later. Returns
 * 0, or ERR_SPACE when too much is under way already: the caller answers SERVFAIL.
 */
MUST_CHECK int inflight_wait(struct inflight *inflight, const struct inflight_wait *wait);

/*
 * Fetches a question that is held but near its end, for no client and until `timeout_ms` from now; nothing happens when
 * it is under way already or too much is.
 */
void inflight_prefetch(struct inflight *inflight, const struct answer_key *key,
                       const struct question *question, struct micro now, uint64_t timeout_ms);

/* Answers all who wait, with what is held past its TTL or with SERVFAIL: there is no time left. */
void inflight_give_up(struct inflight *inflight, struct mono now);

/* Clients waiting. */
size_t inflight_waiters(const struct inflight *inflight);

const struct inflight_counters *inflight_counters(const struct inflight *inflight);

#endif
