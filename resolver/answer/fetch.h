/*
 * fetch.h - one question taken to those who know until there is an answer, or none can be had in time.
 *
 *      question --> inquiry --> reply --> chain follows --> answer
 *                    ^           |  |
 *                    |           |  +-- stops half way: ask for where it stands, maybe somebody else
 *                    +-----------+----- not to be believed yet: from the beginning, after a pause
 *
 * A question that nobody has answered in time is not asked again for a second (RFC 9520 3.2): who asks for it waits for that
 * and then for the answer, since a silence may be over by then.
 *
 * A fetch always ends: with an answer, or at its deadline with SERVFAIL and the reason (RFC 8914). What asking takes is
 * the source's business (source.h); what of a response is an answer, that of the chain (chain.h); how it becomes one, of
 * compose.h.
 *
 * Where a parent lacks a change that touches something in the answer (P3), and we applied it a moment ago, it is asked
 * again, with growing pauses; else, and past a bound, its answer is handed on with TTL 0, for nobody to keep. An answer that
 * no such change touches is kept, as old as the parent's position says.
 *
 * Threads: all on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_FETCH_H
#define FRESHET_RESOLVER_ANSWER_FETCH_H

#include "cache/answer.h"
#include "cache/validity.h"
#include "resolver/answer/counter.h"
#include "resolver/answer/source.h"
#include "resolver/answer/wheel.h"

struct fetch;

/* What became of questions to parent tiers (P3). */
struct fetch_counters {
    struct counter behind;      /* answers of a parent that lacked a change of something in them */
    struct counter no_position; /* answers without a usable position: those of any cache */
    struct counter uncached;    /* answers handed on with TTL 0 because of either */
    struct counter unheeded;    /* the same, as they may lack the DNSSEC records that were wanted */
};

/* What the fetches of one worker share: scratch memory, used inside one callback at a time. */
struct fetcher;

/* NULL: no memory. Both are borrowed. */
struct fetcher *fetcher_new(struct wheel *wheel, const struct validity *validity);
void fetcher_free(struct fetcher *fetcher);

/* The timers of the worker. */
struct wheel *fetcher_wheel(struct fetcher *fetcher);

struct fetch_request {
    const struct question
        *question; /* canonical; borrowed until `done`, or the fetch is cancelled */
    bool dnssec_ok;
    bool checking_disabled;
    struct stamp stamp;    /* taken before this */
    struct source *source; /* a reference is taken */
    /* Whom to ask for a name, when a chain leads to another's; borrowed. NULL: `source` for all. */
    struct source *(*choose)(void *arg, const uint8_t *name, uint16_t type);
    void *choose_arg;
    struct fetch_counters *counters; /* borrowed */
    struct mono deadline;
    /*
     * Called once, from the loop; the fetch is gone after it. `answer` is always there: a failure is a SERVFAIL with
     * TTL_FAILURE_SECONDS to live; or none, when time has run out. Its bytes are good inside the call. TTLs are as received.
     */
    void (*done)(void *arg, struct answer *answer, struct micro now);
    void *arg;
};

/*
 * The answer to a question in any case, as `done` would have it, from a source that needs no inquiry for it; good until the fetcher's
 * next. `stamp` was taken before. NULL: that takes a fetch.
 */
struct answer *fetch_at_once(struct fetcher *fetcher, struct source *source,
                             const struct question *question, bool dnssec_ok, struct stamp stamp);

/* NULL: no memory; `done` is not called then. Never calls `done` itself. */
struct fetch *fetch_start(struct fetcher *fetcher, const struct fetch_request *request,
                          struct micro now);

/* Ends a fetch without calling `done`. NULL is fine. */
void fetch_cancel(struct fetch *fetch);

#endif
