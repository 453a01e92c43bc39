/*
 * waiters.h - clients whose answer is still to come: what a reply to each needs, and whom to send away when there are
 * too many.
 *
 *     query --waiters_add()--> a list (a question's, an answer's on its way) --waiter_reply()--> the client's transport
 *                                      \--waiters_oldest(): of the client, or network, with most of them
 *
 * Threads: one.
 */
#ifndef FRESHET_RESOLVER_ANSWER_WAITERS_H
#define FRESHET_RESOLVER_ANSWER_WAITERS_H

#include "cache/store.h"
#include "resolver/answer/client.h"
#include "resolver/answer/cookie.h"
#include "resolver/answer/micro.h"
#include "resolver/answer/quota.h"

enum { WAITERS_QUOTAS = 2 }; /* by address; by network */

/* In one list, oldest first. Only its first and its last know which it is: all of them change lists at once. */
struct waiter_list {
    struct waiter *first;
};

struct waiter {
    struct waiter *prev, *next;
    struct waiter_list *list;
    struct quota_item charged[WAITERS_QUOTAS];
    struct client client;
    struct reply_shape shape;
    struct stamp arrived;
    struct mono deadline;
    uint64_t own;    /* whose cache the answer goes to, where each client has one; 0: everybody's */
    uint8_t *option; /* a copy of that in `shape`; or NULL */
    uint8_t cookie[COOKIE_OPTION_SIZE]; /* likewise, if it has one */
    uint16_t question_size;
    uint8_t question[NAME_MAX_SIZE + 4]; /* as spelled: name, type, class */
};

/* A client's question as it must be answered. */
struct waiter_terms {
    const struct answer_key *key;
    const struct question *question; /* as spelled */
    const struct client *client;
    const struct reply_shape *shape;
    struct stamp arrived;
    struct micro now;
    struct mono deadline; /* answered by then, if with SERVFAIL */
};

struct waiters;

/* Room for `size` of them; `store` is borrowed. NULL: no memory. */
struct waiters *waiters_new(struct store *store, size_t size);
/* There must be none left. NULL is fine. */
void waiters_free(struct waiters *waiters);

/* Any thread. */
size_t waiters_count(const struct waiters *waiters);
bool waiters_are_full(const struct waiters *waiters);

/* Appends one to the list. NULL: no memory, or no room. */
struct waiter *waiters_add(struct waiters *waiters, const struct waiter_terms *terms,
                           struct waiter_list *list);

/* The oldest of whoever has most waiting; NULL: nobody waits. */
struct waiter *waiters_oldest(const struct waiters *waiters);

/* Into another list, at its end. */
void waiter_move(struct waiter *waiter, struct waiter_list *list);
void waiters_move_all(struct waiter_list *from, struct waiter_list *to);

/* Forgets it; it gets no answer. */
void waiter_drop(struct waiters *waiters, struct waiter *waiter);

/* Whether it is a child tier, which hears of changes by itself. */
static inline bool waiter_is_child(const struct waiter *waiter)
{
    return waiter->shape.option_size > 0;
}

/* Sends the answer, with no TTL above `cap`, and forgets it. */
void waiter_reply(struct waiters *waiters, struct waiter *waiter, const struct answer *answer,
                  uint32_t cap);

/*
 * Sends what the store holds past its TTL, once more if the policy allows it and no change has touched it, to the first
 * `most` of a list for whom there is such an answer, and forgets them. `key` is everybody's. Returns how many they were.
 */
size_t waiters_reply_stale(struct waiters *waiters, struct waiter_list *list,
                           const struct answer_key *key, size_t most, struct mono now);

/* A number that is the same for all of a client's network (IPv4 /24, IPv6 /56), or of its address alone (/32, /64). */
uint64_t waiters_who(const union address *peer, bool network);

#endif
