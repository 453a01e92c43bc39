/*
 * judge.h - may this tier still give this answer? The criteria, and nothing else, are here.
 *
 * Known of each answer: when its query was sent and the answer came, the version in it, its TTL.
 * Known at the moment the query was sent, from before it:
 *
 *   required   the newest version of the name whose change the tier had said to have applied
 *   seen       the newest version of the name that the tier had answered
 *
 * The violations, of which an answer commits the first that fits:
 *
 *   mixed       several addresses: parts of two versions at once
 *   aborted     the version was published in a transaction that was aborted
 *   wrong       the version was never one of this name
 *   P1          older than required, and none of the explanations below fits: evicted is not gone
 *   P3          older than required, but explained by a parent tier: not known to have applied the
 *               change before the child did, it may have given old data to the child. With TTL 0,
 *               by which a child says that its parent lags, it is permitted (`excused`). So it is
 *               while the tier is not live, as a plain TTL cache promises nothing of its parent.
 *   P4          older than required, and the authority itself (which lags on purpose) gave out the
 *               old version after the tier had applied the change, but longer ago than the 1 s that
 *               such an answer may live per tier. Before that it is permitted (`excused`). Where a
 *               cache of somebody else's lies between, it is that cache which gives it out, until
 *               its TTL has run out there; then the answer must say a TTL of 1 s at most as well.
 *               (Such a cache puts negative answers together from parts: what serial they have does
 *               not tell the version. Any version in which the name is gone will do.)
 *   regression  older than seen: the tier went back
 *   bound       older than the tier's bound: so long after the next version was in the log, and the
 *               tier has said to be live ever since (a tier without a control socket: always)
 *   P5          outdated at the authority for longer than its TTL and the lease, counted from when
 *               its own change was readable at the latest: a plain TTL cache keeps that too
 *               (a tier that is live may hold it for as long as the log does not have the next)
 *
 * and beside these, of any answer:
 *
 *   P7          a TTL above the tier's limit towards clients
 *
 * For a tier without a control socket nothing is required, so P1, P3 and P4 cannot be found.
 *
 * A change is in the log once it is acknowledged: a message of its own at once, one in a transaction
 * when that is committed. It is readable later where another transaction before it hangs: then a tier
 * that still says to be live is wrong, and the bound finds it.
 *
 * Misplaced messages, several publishers, wrong clocks: nothing of that is an excuse. What a tier has
 * said to have applied it must have evicted, and what comes in an odd order must bring nothing back.
 *
 * The age of an answer is how long before its query was sent the next version had become readable
 * in Kafka; 0 when it had not. An answer is consistent within x when its age is at most x. Ages
 * are counted for the steady queries alone. A probe asks one thing: does the answer to a query
 * sent so long after a change was readable have it?
 *
 * Times are used so that a doubt speaks for the tier: `required` and `seen` were known before the
 * query left; ages begin at the latest moment at which the change can have been readable. That the
 * windows of two tiers are compared needs some room for preemption, SLACK_US.
 */
#ifndef FRESHET_CHECKER_JUDGE_H
#define FRESHET_CHECKER_JUDGE_H

#include "bench/checker/tier.h"
#include "bench/common/wire.h"

/* Charges that wait for a moment, whether the tier was about to say that it is not live. */
enum { PENDING_MAX = 1024, PENDING_US = 100000 };

enum purpose {
    FOR_WARMTH, /* before the run: judged, not counted */
    FOR_STREAM, /* the steady queries */
    FOR_PROBE,  /* so long after a change was readable */
    FOR_SWEEP,  /* after the run */
};

struct question {
    struct tier *tier;
    uint32_t name;
    enum purpose purpose;
    bool still;      /* the name is never changed */
    int probe;       /* which age */
    uint32_t probed; /* the change */
    int64_t sent_us;
    uint32_t required, seen;
    int64_t seen_us;       /* when `seen` was first answered */
    int64_t live_since_us; /* INT64_MAX: not live */
};

struct trace {
    enum offence offence;
    struct question question;
    struct wire_answer answer;
    int64_t answered_us;
    int64_t age_us;
};

struct judge {
    struct history *history;
    uint32_t ttl; /* of the records */
    int64_t lease_us;
    int64_t
        forwarder_us; /* so long a cache that is no freshet keeps what the authority said; 0: none */
    /* Each violation; NULL: not wanted. */
    void (*report)(void *arg, const struct trace *trace);
    void *report_arg;
    struct trace pending[PENDING_MAX]; /* a ring */
    uint64_t first_pending, last_pending;
};

/* Fills what is known before a query leaves. */
void judge_prepare(struct judge *judge, struct question *question);

/* Judges and counts the answer to a question, and remembers its version as seen. */
void judge_answer(struct judge *judge, const struct question *question,
                  const struct wire_answer *answer, int64_t now_us);

/* Makes the charges that have waited for long enough; with `now_us` INT64_MAX, all. */
void judge_settle(struct judge *judge, int64_t now_us);

/* A query that was not answered in time, or not with an answer. */
void judge_loss(const struct question *question, bool failed);

#endif
