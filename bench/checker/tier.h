/*
 * tier.h - one cache under test, as far as the checker can know it from outside.
 *
 * A tier that has a control socket says how far it has applied each partition of the log. The watcher
 * asks it every few milliseconds, so for each message there is a window in which it was applied:
 *
 *       asked: "not yet"                     answer: "applied"
 *   ---------|-----------------(?)-----------------|----------->
 *        after_us                                by_us
 *
 * Only the right edge is used against a tier, only the left edge in its favour.
 *
 * Threads: the watcher of the tier writes `state`, `live_since_us` and the progress; the loop owns the
 * rest.
 */
#ifndef FRESHET_CHECKER_TIER_H
#define FRESHET_CHECKER_TIER_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/common/histogram.h"
#include "bench/common/history.h"

enum { TIERS_MAX = 8, PARTITIONS_MAX = 256 };

/* How old is old: an answer given to a query sent so long after the newer version was readable. */
enum { AGES = 5 };
extern const int64_t ages_us[AGES]; /* 1 ms, 5 ms, 50 ms, 1 s, 5 s */

enum tier_state { TIER_UNKNOWN, TIER_LIVE, TIER_NOT_LIVE, TIER_SILENT };
extern const char *const tier_state_texts[];

/* See judge.h. */
enum offence {
    OFFENCE_NONE,
    OFFENCE_WRONG,
    OFFENCE_MIXED,
    OFFENCE_ABORTED,
    OFFENCE_P1,
    OFFENCE_P3,
    OFFENCE_P4,
    OFFENCE_P5,
    OFFENCE_P7,
    OFFENCE_REGRESSION,
    OFFENCE_BOUND,
    OFFENCE_COUNT,
};
extern const char *const offence_texts[OFFENCE_COUNT];

struct window {
    int64_t after_us, by_us; /* 0: not known */
};

/* The tier said to be at `offset`, which was more than it had said before. */
struct advance {
    int64_t offset;
    struct window window;
};

/* How far a tier has applied a partition. */
struct progress {
    _Atomic int64_t applied;  /* the next offset; 0: not known */
    struct advance *advances; /* by offset */
    size_t count, room;
};

/* Whether the answers to queries sent so long after a change was readable had it. */
struct probe_tally {
    uint64_t asked, answered, old, skipped; /* skipped: the checker was too late itself to ask */
};

struct tally {
    uint64_t asked, answered, lost, failed; /* failed: SERVFAIL, truncated, not understood */
    uint64_t still;  /* asked for names that are never changed, by the steady queries */
    uint64_t stream; /* answers to the steady queries; only of these, as probes seek the old: */
    uint64_t older[AGES]; /* by age */
    uint64_t stale;       /* older than 0: a newer version was readable */
    uint64_t excused;     /* older than applied, but permitted; see judge.h */
    uint64_t offences[OFFENCE_COUNT];
    int64_t oldest_us;
};

struct tier {
    const char *name;
    const char *control; /* path of freshetd's control socket; "" for none */
    struct sockaddr_in address;
    struct tier *parent; /* NULL: it asks the authority */
    unsigned depth;      /* tiers between it and the authority, and itself: 1, 2... */
    int64_t bound_us;    /* the most an answer may be old while the feed is live */
    uint32_t ttl_limit;  /* seconds, that an answer may say (P7) */

    _Atomic bool watched; /* it has said how far it is */
    _Atomic int state;    /* enum tier_state */
    _Atomic int64_t live_since_us;
    struct progress progress[PARTITIONS_MAX];
    pthread_mutex_t lock; /* on all `advances` */

    uint32_t *seen; /* by name: the newest version that it has answered */
    int64_t *seen_us;
    struct tally all, second;
    struct probe_tally probes[AGES];
    struct histogram age;                        /* of stale answers */
    struct histogram latency;                    /* of all */
    uint64_t sweep_asked, sweep_old, sweep_lost; /* at the end: each name once */
};

void tier_init(struct tier *tier);
void tier_free(struct tier *tier);

/* Notes that the tier has applied a partition up to `offset`; see struct window. */
void tier_advance(struct tier *tier, int partition, int64_t offset, struct window window);

/* Whether the tier has said to have applied a change set. */
bool tier_has_applied(const struct tier *tier, const struct change *set);

/* When it has; zeros while that is not known. */
struct window tier_window(struct tier *tier, const struct change *set);

/* Messages applied since the tier was first asked. */
int64_t tier_applied(struct tier *tier);

#endif
