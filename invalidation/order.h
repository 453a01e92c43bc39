/*
 * order.h - whether a change set can be placed in order among those of its zone (P8).
 *
 * A set stands in order when something says that it comes after what was applied for its zone: its publisher's seq or its
 * serial (RFC 1982) went up, or its time is newer; and nothing says that it comes before. Times of different publishers, and
 * of a gap, are of different clocks: they differ when they are more than ORDER_TOLERANCE_US apart. What cannot be
 * placed in order may still evict, but brings no data: evicting twice, or for nothing, is only a miss.
 *
 *   repeated       the same publisher, seq and bytes: nothing is to be done
 *   went back      a seq not above the highest, with other bytes, or a serial that went back: evicts. A publisher that
 *                  has lost its counter looks like this too; if its time is newer, its count starts over from here
 *   late           not newer than what was applied, or than the last gap: evicts
 *   elsewhere      in another partition than the zone's sets before it, or soon after such a one: the order in which partitions
 *                  are read says nothing, and where they differ in it a clock that is wrong would not show. Publishers with
 *                  another partitioner, or without a key, lose by this that their sets install, and nothing else: evicts
 *   from ahead     by more than ORDER_TOLERANCE_US ahead of our clock: evicts, and counts as of now for those after it
 *
 * What no rule can see: a clock that is ahead by as much as its sets are late. They look on time.
 *
 * A history is kept for each zone of the subscription, and for zones below them that sets are named for.
 * Both memories are bounded: what they forget counts as not seen before, or evicts.
 *
 * Threads: the caller's lock.
 */
#ifndef FRESHET_INVALIDATION_ORDER_H
#define FRESHET_INVALIDATION_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/stamp.h"
#include "invalidation/changeset.h"

enum {
    ORDER_PUBLISHERS = 32, /* remembered per zone; the one not heard of for longest is forgotten */
    ORDER_WINDOW = 16,     /* seqs up to the highest whose bytes are remembered */
    ORDER_TOLERANCE_US = 100000, /* by which clocks that are kept in step may differ */
    ORDER_ELSEWHERE_MS = 60000, /* more than a partition is read later than another: than a lease */
};

struct order_publisher;

/* A zone's record of what was applied. Zero-initialise. */
struct order {
    bool has_serial;
    uint32_t serial;
    int64_t time_us;         /* the newest, no later than our clock was then; 0: none */
    uint64_t by;             /* whose that was: a hash of the publisher's name */
    int64_t other_us;        /* the newest of all others; 0: none */
    int64_t missed_until_us; /* sets committed before may have been missed */
    uint64_t gap;            /* the caller's count of gaps when publishers were last forgotten */
    uint64_t sets;           /* entered, but for repeated ones */
    uint64_t duplicates, jumps_back, stale, future, elsewhere;
    bool has_partition;
    int32_t partition;           /* of the newest set */
    struct mono elsewhere_until; /* sets came from two partitions a while ago */
    size_t publisher_count;
    struct order_publisher *publishers;
};

enum order_verdict {
    ORDER_PLACED,   /* it may bring data */
    ORDER_EVICTS,   /* it may only evict */
    ORDER_REPEATED, /* it was applied before */
};

/* When and where a set was read. */
struct order_read {
    struct mono now;
    int64_t wall_us; /* our time of day */
    int32_t partition;
};

/* Enters a set, counts, and tells how it stands to those before. */
enum order_verdict order_enter(struct order *order, const struct change_set *set,
                               const struct order_read *read);

/* The set's time as far as it can be believed: no later than `wall_us` when it is from ahead. */
int64_t order_time_us(const struct change_set *set, int64_t wall_us);

/* Sets up to a time may have been missed. */
void order_missed(struct order *order, int64_t until_us);

/* Forgets the publishers' counts, which may have started over in a gap, and the partition. */
void order_forget_publishers(struct order *order);

/* Frees what it holds. */
void order_clear(struct order *order);

#endif
