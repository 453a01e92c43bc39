/*
 * delivery.h - one answer on its way to all who waited for it, some at a time.
 *
 *     answer, waiters --> the first DELIVERY_SLICE at once, the rest by as many a millisecond, from the wheel
 *
 * Tens of thousands may wait for one name. To answer them in one go would make everybody else wait for that; so the answer
 * is copied, and others have their turn in between. Whether a change has touched the answer is looked at before each slice:
 * whoever asked before the change may have it, with TTL 0.
 *
 * Threads: one.
 */
#ifndef FRESHET_RESOLVER_ANSWER_DELIVERY_H
#define FRESHET_RESOLVER_ANSWER_DELIVERY_H

#include "resolver/answer/waiters.h"
#include "resolver/answer/wheel.h"

enum { DELIVERY_SLICE = 128 };

/* Those under way. */
struct deliveries;

struct deliveries_options {
    struct waiters *waiters; /* borrowed, as are all */
    struct wheel *wheel;
    const struct validity *validity;
    struct store *store;
};

/* NULL: no memory. */
struct deliveries *deliveries_new(const struct deliveries_options *options);
/* Whoever has not been answered yet is forgotten. NULL is fine. */
void deliveries_free(struct deliveries *deliveries);

struct delivery_terms {
    const struct answer_key *key; /* everybody's */
    const struct answer *answer;  /* copied; its TTLs are those to be told, but for caps */
    struct stamp asked;           /* when its question set out */
    struct mono started;          /* the same, by the clock */
    uint64_t
        kept_for; /* whose own cache has it; each other client who waits gets it, too. 0: nobody's */
    bool unseen;  /* nobody waits: no client is given it */
    bool stale_first; /* what is held past its TTL comes before it */
};

/* Answers all of a list, which is empty afterwards. */
void deliver(struct deliveries *deliveries, const struct delivery_terms *terms,
             struct waiter_list *list, struct mono now);

/* Answers a slice of those that are left, if there are any: room for others. */
void deliveries_step(struct deliveries *deliveries, struct mono now);

/* Answers all that are left, at once. */
void deliveries_hurry(struct deliveries *deliveries, struct mono now);

/* Keeps an answer that set out at `asked`; what is not kept ends what was held before. */
void delivery_keep(struct store *store, const struct answer_key *key,
                   const struct delivery_terms *terms, struct mono now);

/* The TTL that a client is told at most: that of the policy, unless it is a child tier, which hears of changes by itself. */
uint32_t delivery_cap(const struct answer *answer, const struct ttl_policy *policy, bool child);

#endif
