/*
 * liveness.h - whether the feed misses nothing: its states, and the proof that it is live.
 *
 *            a reading: take a position            drained, and proven within the lease
 *     COLD ----------------------------> CATCHUP <------------------------------------> LIVE
 *      ^                                  ^   |                                          |
 *      |          a reading: read on      |   |  brokers gone, or silent for a lease     |
 *      |                                 LOST <------------------------------------------+
 *      +--- a gap, from any other state
 *
 * A pure machine: it is told what happens (readings of the log's ends, how far messages were
 * applied, errors, and what time it is) and says what is to be done. No Kafka, no clock, no thread;
 * the caller does it, in order, before it tells the next thing.
 *
 * The proof: all positions have passed ends that were asked for at a moment t. So whatever was in
 * the log at t is applied, and the lease runs from t on, however long it took to get there. Each
 * partition has to show as well that it is read at all, by a message or by the end of it, since the
 * position was assigned.
 *
 * A gap is whatever makes the position worth nothing: partitions came or went, the topic is gone,
 * the cluster is another one, the topic was made anew, the log ends before what was read from it,
 * or an error of a fetch that does not pass by itself.
 *
 * The ends are those of all that is written. What a transaction under way hides is not read, so a
 * partition in which one hangs for longer than the lease is not LIVE, and the reason says so.
 */
#ifndef FRESHET_INVALIDATION_LIVENESS_H
#define FRESHET_INVALIDATION_LIVENESS_H

#include <stdbool.h>

#include "cache/stamp.h"
#include "invalidation/feed_state.h"
#include "invalidation/log_ends.h"

enum liveness_action {
    LIVENESS_GO_ON, /* nothing to be done */
    LIVENESS_TAKE, /* ask where to start, liveness_take(), invalidate everything, read from `next` on */
    LIVENESS_RESUME, /* read on from `next` */
    LIVENESS_DROP,   /* stop reading, forget the position, invalidate everything */
};

struct liveness_options {
    uint64_t lease_ms;
    uint64_t
        tick_ms; /* liveness_tick() comes about as often: a lapse may be noticed that much later */
};

/* Positions past `wanted` prove that what was in the log at `wanted_asked` is applied. */
struct liveness_proof {
    bool found;
    struct mono asked;
    bool pending; /* `wanted` has not been reached yet */
    struct mono wanted_asked;
    int64_t wanted[LOG_MAX_PARTITIONS];
};

/* For its owner to read the first part of. */
struct liveness {
    enum feed_state state;
    char reason[FEED_MAX_ERROR]; /* why it is not LIVE; "" when it is */
    bool assigned;               /* there is a position */
    uint64_t takes;              /* positions taken */
    size_t count;                /* partitions */
    int64_t next
        [LOG_MAX_PARTITIONS]; /* offset to be applied next; never moves back but by LIVENESS_TAKE */

    struct liveness_options options;
    struct mono stale_before; /* readings asked for before are worth nothing */
    struct mono answered;     /* when a reading last came back good */
    struct mono assigned_at;
    struct mono not_before; /* no new position before: gaps that repeat must not spin */
    uint64_t log_id;
    uint64_t made_anew; /* the reading's count when the position was taken */
    bool at_end
        [LOG_MAX_PARTITIONS]; /* nothing more was to be read, the last time it was asked for */
    size_t drained_count;     /* partitions read, or found empty, since they were assigned */
    bool drained[LOG_MAX_PARTITIONS];
    int64_t floor[LOG_MAX_PARTITIONS]; /* an end below means that the log is not the one we read */
    struct liveness_proof proof;
    bool heard;           /* the last reading came back good */
    uint64_t moves;       /* how often a position moved */
    uint64_t moves_seen;  /* by liveness_tick(), */
    struct mono moved_at; /* when it last saw more, or that it was LIVE */
};

void liveness_init(struct liveness *liveness, const struct liveness_options *options);

/*
 * A reading of the log's ends came. `trouble` is what the client last complained about ("" when
 * nothing), which says more than that time ran out.
 */
enum liveness_action liveness_read(struct liveness *liveness, const struct log_reading *reading,
                                   const char *trouble, struct mono now);

/*
 * After a LIVENESS_TAKE: the position is `start`, of the same partitions as the reading and asked for
 * after it. That is below the reading's ends where a transaction is under way: what it hides will
 * be read once it is committed.
 */
void liveness_take(struct liveness *liveness, const struct log_reading *reading,
                   const int64_t *start, struct mono now);

/* After a LIVENESS_TAKE: it is not known where to start. */
void liveness_take_failed(struct liveness *liveness, const char *reason, struct mono now);

/* All before `next` is applied. */
void liveness_reached(struct liveness *liveness, int32_t partition, int64_t next);

/* The same, and there is no more to be read: the partition ends there, for now. */
void liveness_drained(struct liveness *liveness, int32_t partition, int64_t end);

/* The brokers are gone. The position is kept; only readings asked for from now on prove anything. */
void liveness_lose(struct liveness *liveness, const char *reason, struct mono now);

/* A gap. Returns LIVENESS_DROP. */
enum liveness_action liveness_gap(struct liveness *liveness, const char *reason, struct mono now);

/* Time has passed: it may be LIVE now, or the lease may have run out. */
void liveness_tick(struct liveness *liveness, const char *trouble, struct mono now);

/*
 * Whether the client that reads gets nowhere, and nobody else is to blame: the reader of ends has good answers, it is not LIVE, and
 * nothing is read. A transaction that hides what comes is to blame for a minute.
 */
bool liveness_is_stalled(const struct liveness *liveness, struct mono now);

/* Until when nothing is missed, as proven; {0} when it is not LIVE. */
struct mono liveness_lease(const struct liveness *liveness);

/* Whether it is LIVE and the lease lasts, even when liveness_tick() did not come in time. */
bool liveness_is_live(const struct liveness *liveness, struct mono now);

#endif
