#include "resolver/answer/waiters.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "resolver/answer/counter.h"
#include "resolver/answer/pool.h"
#include "resolver/answer/reply.h"

enum { KEPT = 512 }; /* waiters whose memory waits for the next */

struct waiters {
    struct store *store;
    size_t size;
    struct counter count;
    struct pool pool;
    struct quota *quotas[WAITERS_QUOTAS];
    uint8_t reply[DNS_MAX_MESSAGE];
};

struct waiters *waiters_new(struct store *store, size_t size)
{
    struct waiters *waiters = calloc(1, sizeof *waiters);
    if (!waiters)
        return NULL;
    waiters->store = store;
    waiters->size = size;
    waiters->pool = pool_of(sizeof(struct waiter), KEPT);
    for (size_t i = 0; i < WAITERS_QUOTAS; i++) {
        waiters->quotas[i] = quota_new(size);
        if (!waiters->quotas[i]) {
            waiters_free(waiters);
            return NULL;
        }
    }
    return waiters;
}

void waiters_free(struct waiters *waiters)
{
    if (!waiters)
        return;
    for (size_t i = 0; i < WAITERS_QUOTAS; i++)
        quota_free(waiters->quotas[i]);
    pool_drain(&waiters->pool);
    free(waiters);
}

size_t waiters_count(const struct waiters *waiters)
{
    return counter_get(&waiters->count);
}

bool waiters_are_full(const struct waiters *waiters)
{
    return waiters_count(waiters) >= waiters->size;
}

uint64_t waiters_who(const union address *peer, bool network)
{
    uint64_t high;
    if (peer->family != AF_INET6)
        return ntohl(peer->in.sin_addr.s_addr) >> (network ? 8 : 0);
    memcpy(&high, &peer->in6.sin6_addr, sizeof high);
    high = be64toh(high);
    return ~(network ? high >> 8 : high);
}

/* Appends those from `first` on, which are in no list. */
static void append(struct waiter_list *list, struct waiter *first)
{
    DL_CONCAT(list->first, first);
    list->first->list = list;
    list->first->prev->list = list;
}

static void append_alone(struct waiter_list *list, struct waiter *waiter)
{
    waiter->prev = waiter;
    waiter->next = NULL;
    append(list, waiter);
}

static void leave(struct waiter *waiter)
{
    struct waiter *before = waiter->prev, *after = waiter->next;
    const bool is_first = !before->next, is_last = !after;
    struct waiter_list *list = is_first || is_last ? waiter->list : NULL;
    if (is_first)
        list->first = after;
    else
        before->next = after;
    if (!is_last)
        after->prev = before;
    else if (!is_first)
        list->first->prev = before;
    if (list && list->first)
        list->first->list = list->first->prev->list = list;
}

/* False: no memory. */
static bool copy_options(struct waiter *waiter)
{
    waiter->option = NULL;
    if (waiter->shape.cookie) {
        memcpy(waiter->cookie, waiter->shape.cookie, sizeof waiter->cookie);
        waiter->shape.cookie = waiter->cookie;
    }
    if (waiter->shape.option_size == 0)
        return true;
    waiter->option = malloc(waiter->shape.option_size);
    if (!waiter->option)
        return false;
    memcpy(waiter->option, waiter->shape.option, waiter->shape.option_size);
    waiter->shape.option = waiter->option;
    return true;
}

static void write_question(struct waiter *waiter, const struct question *question)
{
    waiter->question_size = (uint16_t)(question->name_size + 4u);
    memcpy(waiter->question, question->name, question->name_size);
    wire_put_u16(waiter->question + question->name_size, question->type);
    wire_put_u16(waiter->question + question->name_size + 2, question->class);
}

struct waiter *waiters_add(struct waiters *waiters, const struct waiter_terms *terms,
                           struct waiter_list *list)
{
    struct waiter *waiter = waiters_are_full(waiters) ? NULL : pool_get(&waiters->pool);
    if (!waiter)
        return NULL;
    waiter->client = *terms->client;
    waiter->shape = *terms->shape;
    waiter->arrived = terms->arrived;
    waiter->deadline = terms->deadline;
    waiter->own = answer_key_client(terms->key);
    write_question(waiter, terms->question);
    if (!copy_options(waiter)) {
        pool_put(&waiters->pool, waiter);
        return NULL;
    }
    for (size_t i = 0; i < WAITERS_QUOTAS; i++)
        quota_charge(waiters->quotas[i], &waiter->charged[i],
                     waiters_who(&waiter->client.peer, i > 0));
    waiter->client.transport->hold(waiter->client.endpoint);
    append_alone(list, waiter);
    counter_add(&waiters->count, 1);
    return waiter;
}

struct waiter *waiters_oldest(const struct waiters *waiters)
{
    size_t i = quota_blame(waiters->quotas, WAITERS_QUOTAS);
    struct quota_item *item = quota_oldest(waiters->quotas[i]);
    return item ? (struct waiter *)((char *)(item - i) - offsetof(struct waiter, charged)) : NULL;
}

void waiter_move(struct waiter *waiter, struct waiter_list *list)
{
    leave(waiter);
    append_alone(list, waiter);
}

void waiters_move_all(struct waiter_list *from, struct waiter_list *to)
{
    if (from->first)
        append(to, from->first);
    from->first = NULL;
}

void waiter_drop(struct waiters *waiters, struct waiter *waiter)
{
    leave(waiter);
    for (size_t i = 0; i < WAITERS_QUOTAS; i++)
        quota_release(waiters->quotas[i], &waiter->charged[i]);
    waiter->client.transport->release(waiter->client.endpoint);
    counter_add(&waiters->count, UINT64_MAX);
    free(waiter->option);
    pool_put(&waiters->pool, waiter);
}

static size_t question_end(const struct waiter *waiter)
{
    return DNS_HEADER_SIZE + waiter->question_size;
}

/* The body is in place. */
static void send_and_drop(struct waiters *waiters, struct waiter *waiter,
                          const struct reply_content *content)
{
    uint8_t *reply = waiters->reply;
    memcpy(reply + DNS_HEADER_SIZE, waiter->question, waiter->question_size);
    size_t size = reply_finish(reply, question_end(waiter), &waiter->shape, content);
    waiter->client.transport->send(&waiter->client, reply, size);
    waiter_drop(waiters, waiter);
}

void waiter_reply(struct waiters *waiters, struct waiter *waiter, const struct answer *answer,
                  uint32_t cap)
{
    uint8_t *body = waiters->reply + question_end(waiter);
    struct reply_content content;
    reply_take(answer, body, reply_room(&waiter->shape, question_end(waiter)), &content);
    if (!content.truncated)
        body_age_ttls(body, answer->ttl_offsets, answer->ttl_count, 0, cap);
    send_and_drop(waiters, waiter, &content);
}

/* Sends what the store holds for `key`, a stale answer that was revived. False: it is gone again. */
static bool reply_held(struct waiters *waiters, struct waiter *waiter, const struct answer_key *key,
                       struct mono now)
{
    struct store_hit hit;
    enum store_result result =
        store_get(waiters->store,
                  &(struct store_look){
                      .key = key,
                      .now = now,
                      .buffer = waiters->reply + question_end(waiter),
                      .room = reply_room(&waiter->shape, question_end(waiter)),
                      .child = waiter_is_child(waiter),
                  },
                  &hit);
    if (result != STORE_HIT && result != STORE_TRUNCATED)
        return false;
    send_and_drop(waiters, waiter,
                  &(struct reply_content){
                      .flags = hit.flags,
                      .counts = {hit.counts[0], hit.counts[1], hit.counts[2]},
                      .body_size = hit.body_size,
                      .truncated = result == STORE_TRUNCATED,
                      .provisional = hit.provisional,
                      .vouched = hit.vouched,
                      .outside = hit.outside,
                      .ede = hit.ede,
                  });
    return true;
}

size_t waiters_reply_stale(struct waiters *waiters, struct waiter_list *list,
                           const struct answer_key *key, size_t most, struct mono now)
{
    struct waiter *waiter, *next;
    bool revived = false;
    size_t served = 0;
    DL_FOREACH_SAFE (list->first, waiter, next) {
        struct answer_key own;
        if (served == most)
            break;
        if (waiter->own) {
            answer_key_for_client(key, waiter->own, &own);
            served +=
                store_revive(waiters->store, &own, now) && reply_held(waiters, waiter, &own, now);
            continue;
        }
        revived = revived || store_revive(waiters->store, key, now);
        if (!revived)
            break;
        served += reply_held(waiters, waiter, key, now);
    }
    return served;
}
