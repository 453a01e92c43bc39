#include "resolver/answer/delivery.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { PAUSE_MS = 1 };

struct delivery {
    struct delivery *prev, *next;
    struct delivery_terms terms;
    struct waiter_list list;
    struct answer_key key; /* what `terms` points to when it has to last */
    struct answer answer;
};

struct deliveries {
    struct deliveries_options options;
    struct wheel_timer timer;
    struct delivery *all; /* oldest first */
};

/* ---- one ------------------------------------------------------------------------------------ */

void delivery_keep(struct store *store, const struct answer_key *key,
                   const struct delivery_terms *terms, struct mono now)
{
    const struct answer *answer = terms->answer;
    /* The store checks again by itself: a change may come between. */
    struct stamp stamp =
        stamp_after(terms->asked, answer->as_old_as) ? answer->as_old_as : terms->asked;
    if (!store_put(store, key, answer, stamp, now) && !answer_is_failure(answer) && !terms->unseen)
        store_outdate(store, key, answer->ttl == 0 ? terms->started : (struct mono){0}, now);
}

uint32_t delivery_cap(const struct answer *answer, const struct ttl_policy *policy, bool child)
{
    return answer->dependencies.zone == ZONE_NONE || child ? UINT32_MAX : policy->client_ttl;
}

/* What a client is told to live by: nothing when the answer is stale already. */
static uint32_t cap_for(const struct deliveries *deliveries, const struct delivery *delivery,
                        const struct waiter *waiter, bool fresh)
{
    const struct answer *answer = delivery->terms.answer;
    const struct ttl_policy policy = store_policy(deliveries->options.store);
    return fresh && !answer->behind ? delivery_cap(answer, &policy, waiter_is_child(waiter)) : 0;
}

static void answer_one(struct deliveries *deliveries, const struct delivery *delivery,
                       struct waiter *waiter, bool fresh, struct mono now)
{
    struct answer_key own;
    if (waiter->own && delivery->terms.kept_for && waiter->own != delivery->terms.kept_for) {
        answer_key_for_client(delivery->terms.key, waiter->own, &own);
        delivery_keep(deliveries->options.store, &own, &delivery->terms, now);
    }
    waiter_reply(deliveries->options.waiters, waiter, delivery->terms.answer,
                 cap_for(deliveries, delivery, waiter, fresh));
}

/* Answers `most` of them. */
static void answer_some(struct deliveries *deliveries, struct delivery *delivery, size_t most,
                        struct mono now)
{
    struct waiter *waiter, *next;
    if (delivery->terms.stale_first) {
        most -= waiters_reply_stale(deliveries->options.waiters, &delivery->list,
                                    delivery->terms.key, most, now);
        if (most == 0)
            return;
        delivery->terms.stale_first = false; /* the rest has none */
    }
    const struct validity *validity = deliveries->options.validity;
    struct dependent dependent =
        validity_dependent(validity, &delivery->terms.answer->dependencies);
    bool fresh = validity_holds(validity, &dependent, delivery->terms.asked);
    DL_FOREACH_SAFE (delivery->list.first, waiter, next) {
        if (most-- == 0)
            break;
        answer_one(deliveries, delivery, waiter, fresh, now);
    }
}

static void delivery_free(struct delivery *delivery)
{
    free(delivery->answer.body);
    free((void *)delivery->answer.ttl_offsets);
    free(delivery);
}

/* `size` bytes of their own; also for none. NULL: no memory. */
static void *copy(const void *bytes, size_t size)
{
    void *copied = malloc(size + 1);
    if (copied && size > 0)
        memcpy(copied, bytes, size);
    return copied;
}

/* Of what lasts no longer than the call, one that does. NULL: no memory. */
static struct delivery *delivery_copy(const struct delivery_terms *terms)
{
    const struct answer *answer = terms->answer;
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery)
        return NULL;
    delivery->terms = *terms;
    delivery->key = *terms->key;
    delivery->terms.key = &delivery->key;
    delivery->answer = *answer;
    delivery->answer.body = copy(answer->body, answer->body_size);
    delivery->answer.ttl_offsets =
        copy(answer->ttl_offsets, answer->ttl_count * sizeof *answer->ttl_offsets);
    delivery->answer.dependencies.question = answer_key_name(delivery->key.bytes);
    delivery->terms.answer = &delivery->answer;
    if (!delivery->answer.body || !delivery->answer.ttl_offsets) {
        delivery_free(delivery);
        return NULL;
    }
    return delivery;
}

/* ---- all ------------------------------------------------------------------------------------ */

/* Of the oldest, which goes to the end: a short one does not wait for a long one. */
void deliveries_step(struct deliveries *deliveries, struct mono now)
{
    struct delivery *delivery = deliveries->all;
    if (!delivery)
        return;
    answer_some(deliveries, delivery, DELIVERY_SLICE, now);
    DL_DELETE(deliveries->all, delivery);
    if (delivery->list.first)
        DL_APPEND(deliveries->all, delivery);
    else
        delivery_free(delivery);
}

static void turn(struct wheel_timer *timer, struct micro now)
{
    struct deliveries *deliveries =
        (struct deliveries *)((char *)timer - offsetof(struct deliveries, timer));
    deliveries_step(deliveries, micro_ms(now));
    if (deliveries->all)
        wheel_start(deliveries->options.wheel, timer, mono_add(micro_ms(now), PAUSE_MS),
                    micro_ms(now));
}

struct deliveries *deliveries_new(const struct deliveries_options *options)
{
    struct deliveries *deliveries = calloc(1, sizeof *deliveries);
    if (!deliveries)
        return NULL;
    deliveries->options = *options;
    deliveries->timer = (struct wheel_timer){.ring = turn};
    return deliveries;
}

static void drop_all(struct deliveries *deliveries, struct waiter_list *list)
{
    while (list->first)
        waiter_drop(deliveries->options.waiters, list->first);
}

void deliveries_free(struct deliveries *deliveries)
{
    struct delivery *delivery, *next;
    if (!deliveries)
        return;
    wheel_stop(deliveries->options.wheel, &deliveries->timer);
    DL_FOREACH_SAFE (deliveries->all, delivery, next) {
        drop_all(deliveries, &delivery->list);
        delivery_free(delivery);
    }
    free(deliveries);
}

void deliveries_hurry(struct deliveries *deliveries, struct mono now)
{
    struct delivery *delivery, *next;
    wheel_stop(deliveries->options.wheel, &deliveries->timer);
    DL_FOREACH_SAFE (deliveries->all, delivery, next) {
        answer_some(deliveries, delivery, SIZE_MAX, now);
        delivery_free(delivery);
    }
    deliveries->all = NULL;
}

void deliver(struct deliveries *deliveries, const struct delivery_terms *terms,
             struct waiter_list *list, struct mono now)
{
    struct delivery here = {.terms = *terms};
    waiters_move_all(list, &here.list);
    answer_some(deliveries, &here, DELIVERY_SLICE, now);
    if (!here.list.first)
        return;
    struct delivery *delivery = delivery_copy(&here.terms);
    if (!delivery) {
        answer_some(deliveries, &here, SIZE_MAX, now);
        return;
    }
    waiters_move_all(&here.list, &delivery->list);
    DL_APPEND(deliveries->all, delivery);
    if (!deliveries->timer.running)
        wheel_start(deliveries->options.wheel, &deliveries->timer, mono_add(now, PAUSE_MS), now);
}
