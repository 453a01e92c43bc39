/*
 * apply.h - turns change sets into marks, and full RRsets into fresh answers.
 *
 * For each change set, in this order:
 *
 *   1. every scope that any of its changes touches is marked with a new stamp
 *   2. the change clock moves to that stamp: whoever fetches from here on is newer than the change
 *   3. answers that a SET carries whole are installed at that stamp where a store holds the question
 *
 * so nobody sees half of a set, and a fetch that was in flight is older than the mark. What a change
 * touches:
 *
 *   any change at N                         N; the existence of N and of its ancestors up to the topmost apex,
 *                                           but for apexes at and above the set's zone
 *   at a wildcard *.P                       P and all below (what it synthesised has other names)
 *   NS (not at the apex), DNAME, DS or DNSKEY at N
 *                                           N and all below (who answers there, or what is believed there)
 *   DEL of a whole name N                   N and all below (a wildcard above may now cover them)
 *   FLUSH with subtree                      N and all below
 *   the set, where it has a serial          the SOA record of its zone
 *
 * A set for a zone below one of the subscription counts for that one, unless it is excepted there.
 *
 * A SET is installed only when its set can be placed in order (order.h), over what no other change has touched (of the order
 * among zones, and of publishers' clocks, too little is known) and what was fetched before the change's time (an authority
 * may be further by now), and for names that lie in no zone below the set's own that is known of, nor below a delegation in the
 * same set: there the outer zone has glue at most. Nor for names of a zone whose delegation was taken away. An installed answer is as old as the change.
 *
 * Calls may come from any thread; they take turns on one lock.
 */
#ifndef FRESHET_INVALIDATION_APPLY_H
#define FRESHET_INVALIDATION_APPLY_H

#include "cache/stamp.h"
#include "cache/store.h"
#include "cache/validity.h"
#include "invalidation/changeset.h"
#include "invalidation/position.h"

struct applier;

struct applier_options {
    struct validity *validity; /* borrowed: marks and zones */
    struct store **stores;     /* borrowed: where SETs are installed, one per tier */
    size_t store_count;
    struct positions *positions; /* borrowed: dropped when the clock starts over; NULL: none */
    /* Told of each changed name after its set was applied, on the caller's thread; NULL: nobody is. */
    void (*evicted)(void *arg, const uint8_t *name, struct mono now);
    void *evicted_arg;
};

struct apply_result {
    struct stamp stamp; /* the change clock after it */
    size_t marked;      /* scopes marked */
    size_t installed;   /* answers replaced in place, over all stores */
    bool duplicate;     /* applied before: nothing was done */
    bool
        restarted; /* the change clock started over: all was dropped, the position must be taken anew */
};

/* A moment by both clocks, and the partition of the log that is read then. */
struct apply_at {
    struct mono now;
    unsigned us;     /* microseconds of that millisecond that are over */
    int64_t wall_us; /* microseconds since 1970 UTC */
    bool settled;    /* apply_invalidate() of everything: that is no change which has to settle */
    int32_t partition;
};

/* What has been applied for one zone. */
struct apply_zone_status {
    uint8_t zone[NAME_MAX_SIZE];
    bool has_serial;
    uint32_t serial;      /* newest applied */
    int64_t time_us;      /* newest commit time applied; 0 for none */
    uint64_t sets;        /* change sets applied */
    uint64_t invalidated; /* times the whole zone was invalidated (P9, gaps) */
    uint64_t duplicates;  /* sets that had been applied before, by publisher and seq */
    uint64_t jumps_back;  /* sets whose seq or serial went back */
    uint64_t future;      /* sets from ahead of our clock */
    uint64_t elsewhere;   /* sets while they came from several partitions */
    uint64_t stale; /* sets that only evicted, for one of these reasons or as they came late */
};

/* NULL: no memory. */
struct applier *applier_new(const struct applier_options *options);
void applier_free(struct applier *applier);

/*
 * Applies a checked change set. Returns 0, or ERR_NOT_FOUND when its zone is neither one of ours nor below one (nothing
 * is touched then). Installed answers have aged since the change's time.
 */
MUST_CHECK int apply_change_set(struct applier *applier, const struct change_set *set,
                                struct apply_at at, struct apply_result *ret_result);

/*
 * Invalidates everything of one zone, of the subscription or below; with `zone` NULL, everything. Sets committed before
 * may have been missed: from here on, sets as old mark but do not install, since what came after them may not have
 * been seen (P8). With `zone` NULL, publishers' seqs are forgotten as well. Returns 0 or ERR_NOT_FOUND.
 */
MUST_CHECK int apply_invalidate(struct applier *applier, const uint8_t *zone, struct apply_at at,
                                struct apply_result *ret_result);

/*
 * Evicts a name (canonical), or it and all below, in this process alone: by marks what lies in subscribed zones; of
 * names elsewhere what is being fetched, and the stores must be searched for what is held.
 */
void apply_evict(struct applier *applier, const uint8_t *name, bool subtree, struct mono now,
                 struct apply_result *ret_result);

/* The zone of the subscription that a name (canonical) lies in; NULL: it is none of ours. */
const uint8_t *applier_zone_of(const struct applier *applier, const uint8_t *name);

/* The feed is proven live and drained until then; {0} takes the lease away (P6). */
void applier_set_lease(struct applier *applier, struct mono until);

/*
 * Zones come to the subscription, or go: all at and below them is marked. What was sent for them before brings no data from
 * here on. ERR_SPACE, ERR_MEMORY: all is as before. (cache/validity.h)
 */
MUST_CHECK int apply_regroup(struct applier *applier, const struct zone_change *changes,
                             size_t count, struct apply_at at, struct apply_result *ret_result);

/* How many names ever were zones. */
size_t applier_zones(const struct applier *applier);

/* Fills `ret` for the k-th of them; false: it is no zone now. */
bool applier_zone_status(struct applier *applier, size_t k, struct apply_zone_status *ret);

#endif
