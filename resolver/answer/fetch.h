/*
 * fetch.h - one question taken to the upstream until there is an answer, or none can be had in time.
 *
 *      question --> ask --> response --> chain follows --> answer
 *                    ^         |  |
 *       next server, |         |  +-- stops half way: ask for where it stands
 *       TCP, plain   +---------+----- useless (SERVFAIL, bad RDATA, wrong spelling, silence)
 *
 * Each step asks one server, waits as long as that server usually takes, then asks another while the first
 * may still answer. A fetch always ends: with an answer, or at its deadline with SERVFAIL and the reason
 * (RFC 8914). Spelling is random towards upstreams that keep it (draft-vixie-dnsext-dns0x20); a response in
 * another spelling is not believed but asked for again over TCP.
 *
 * A parent tier must show that it has applied as much of the log as we had when the fetch set out (P3). One
 * that is behind is asked again, with growing pauses; past a bound its answer is handed on with TTL 0, for
 * nobody to keep.
 *
 * Threads: all on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_FETCH_H
#define FRESHET_RESOLVER_ANSWER_FETCH_H

#include <event2/event.h>

#include "cache/answer.h"
#include "cache/validity.h"
#include "invalidation/position.h"
#include "resolver/answer/upstream.h"
#include "resolver/net/wheel.h"

struct fetch;

/* What became of questions to parent tiers (P3). */
struct fetch_counters {
    struct counter behind;      /* responses from a parent that had applied less than we had */
    struct counter no_position; /* responses without a usable position */
    struct counter uncached;    /* answers handed on with TTL 0 because of either */
};

/* What the fetches of one worker share: scratch memory, used inside one callback at a time. */
struct fetcher;

/* NULL: no memory. */
struct fetcher *fetcher_new(struct event_base *base, const struct validity *validity,
                            struct positions *positions);
void fetcher_free(struct fetcher *fetcher);

/* The timers of the worker. */
struct wheel *fetcher_wheel(struct fetcher *fetcher);

struct fetch_request {
    const struct question *question; /* canonical; copied */
    bool dnssec_ok;
    bool checking_disabled;
    struct upstream *upstream; /* a reference is taken */
    /* Whom to ask for a name, when a chain leads to another's; borrowed. NULL: `upstream` for all. */
    struct upstream *(*choose)(void *arg, const uint8_t *name);
    void *choose_arg;
    struct fetch_counters *counters; /* borrowed */
    struct mono deadline;
    /*
     * Called once, from the loop; the fetch is gone after it. `answer` is always there: a failure is a SERVFAIL
     * with TTL_FAILURE_SECONDS to live. Its bytes are good inside the call. TTLs are as received.
     */
    void (*done)(void *arg, struct answer *answer);
    void *arg;
};

/* NULL: no memory; `done` is not called then. Never calls `done` itself. */
struct fetch *fetch_start(struct fetcher *fetcher, const struct fetch_request *request);

/* Ends a fetch without calling `done`. NULL is fine. */
void fetch_cancel(struct fetch *fetch);

#endif
