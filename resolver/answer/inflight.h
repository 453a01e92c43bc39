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
 * What may be under way, and how many may wait, is bounded. Nobody is refused for it but whoever has most: the oldest
 * question of the zone, the client, the client's network or the upstream with most of them makes room (quota.h), and its
 * clients get what is held past its TTL, or SERVFAIL. A zone is what the last three labels of a name say, or the last two.
 * No list of public suffixes is needed for that: x.co.uk and y.co.uk are zones of their own, and co.uk is blamed only when
 * names below it have nothing else in common.
 *
 * Where nobody answers for a zone or an upstream (silence.h), its questions are refused before they set out, from those
 * networks that have some under way already.
 *
 * Where each client has a cache of its own, a fetch is shared all the same, and each keeps what it brings.
 *
 * Threads: all on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_INFLIGHT_H
#define FRESHET_RESOLVER_ANSWER_INFLIGHT_H

#include "cache/store.h"
#include "resolver/answer/client.h"
#include "resolver/answer/fetch.h"
#include "resolver/answer/route.h"
#include "resolver/answer/waiters.h"

enum {
    INFLIGHT_MAX_JOBS = 16384,    /* per worker and tier; bounds sockets and memory */
    INFLIGHT_MAX_WAITERS = 65536, /* likewise */
};

struct inflight;

/* Who has most under way, or waiting, when there is no room. */
struct inflight_holder {
    size_t count;        /* questions; 0: it is too many clients that wait */
    bool silent;         /* there is room; but nobody answers, and its questions are refused */
    const uint8_t *zone; /* of the names; or NULL */
    const union address *client; /* or its network; or NULL */
};

struct inflight_options {
    struct fetcher *fetcher; /* borrowed, as are all */
    const struct validity *validity;
    struct store *store;
    struct routes *routes; /* taken over, also on failure */
    /* Told of a name (canonical) of the feed's zones that somebody else's cache has answered for. NULL: nobody is. */
    void (*second_hand)(void *arg, const uint8_t *name, enum hand hand);
    void *second_hand_arg;
    /* Told whenever somebody has to make room. NULL: nobody is. */
    void (*full)(void *arg, const struct inflight_holder *holder);
    void *full_arg;
};

struct inflight_counters {
    struct counter jobs, joined, superseded, asked_again, overloaded, failed, prefetched;
    struct counter displaced, displaced_clients; /* questions, and clients, that made room */
    struct counter under_way;                    /* questions, now */
    struct counter in_vain;                      /* questions refused, since nobody answers */
    struct counter provisional;                  /* answers that may be from before a change */
    struct counter at_once;                      /* answers without a fetch */
    struct fetch_counters fetch;
};

/* NULL: no memory. */
struct inflight *inflight_new(const struct inflight_options *options);

/* Drops all jobs; their clients get no answer. NULL is fine. */
void inflight_free(struct inflight *inflight);

/* Questions from here on are asked along `routes`, which is taken over. */
void inflight_set_routes(struct inflight *inflight, struct routes *routes);

/*
 * The answer of a source that needs no fetch for it, a streamed zone: kept, its TTLs those that the client is told, good until the
 * next call. NULL: wait for it.
 */
const struct answer *inflight_at_once(struct inflight *inflight, const struct waiter_terms *terms);

/*
 * Joins or starts the fetch for a question; the reply goes out by the client's transport later. Returns
 * 0; ERR_TIMEOUT: nobody answers for its zone; ERR_SPACE: too much is under way already. Then the caller answers, with what
 * is held past its TTL or SERVFAIL.
 */
MUST_CHECK int inflight_wait(struct inflight *inflight, const struct waiter_terms *terms);

/*
 * Fetches a question that is held but near its end, for no client and until `timeout_ms` from now; nothing happens when
 * it is under way already or too much is.
 */
void inflight_prefetch(struct inflight *inflight, const struct answer_key *key,
                       const struct question *question, struct micro now, uint64_t timeout_ms);

/* Answers all who wait, with what is held past its TTL or with SERVFAIL: there is no time left. */
void inflight_give_up(struct inflight *inflight, struct mono now);

/* Clients waiting. Any thread. */
size_t inflight_waiters(const struct inflight *inflight);

const struct inflight_counters *inflight_counters(const struct inflight *inflight);

#endif
