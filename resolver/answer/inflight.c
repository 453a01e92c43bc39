#include "resolver/answer/inflight.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "resolver/answer/pool.h"
#include "resolver/answer/reply.h"

struct waiter {
    struct waiter *next;
    struct client client;
    struct reply_shape shape;
    struct stamp arrived;
    struct mono deadline;
    uint8_t *option; /* a copy of that in `shape`; or NULL */
    uint16_t question_size;
    uint8_t question[NAME_MAX_SIZE + 4]; /* as spelled: name, type, class */
};

struct job {
    UT_hash_handle hh;
    struct inflight *inflight;
    struct job *prev, *next; /* all jobs, joinable or not */
    struct answer_key key;
    struct question question; /* canonical */
    struct dependent itself;  /* the question, as a change would touch it */
    struct stamp stamp;       /* taken before the first query left */
    struct mono started;      /* when that was */
    struct mono deadline;     /* the fetch's: that of the client who came first */
    struct fetch *fetch;
    struct waiter *waiters;
    struct wheel_timer stale_timer; /* with serve_stale: when clients get the stale answer */
    bool joinable;                  /* in the table */
};

/* How long clients wait while there is a stale answer they could have (RFC 8767 5: 1.8 s). */
enum { STALE_AFTER_MS = 1800 };

enum { KEPT = 2048 }; /* jobs, and waiters, whose memory waits for the next */

struct inflight {
    struct inflight_options options;
    struct job *table;
    struct job *all;
    size_t job_count, waiter_count;
    struct pool jobs, waiters;
    struct inflight_counters counters;
    uint8_t reply[DNS_MAX_MESSAGE];
};

struct inflight *inflight_new(const struct inflight_options *options)
{
    struct inflight *inflight = calloc(1, sizeof *inflight);
    if (!inflight) {
        routes_free(options->routes);
        return NULL;
    }
    inflight->options = *options;
    inflight->jobs = pool_of(sizeof(struct job), KEPT);
    inflight->waiters = pool_of(sizeof(struct waiter), KEPT);
    return inflight;
}

static void waiter_free(struct inflight *inflight, struct waiter *waiter)
{
    waiter->client.transport->release(waiter->client.endpoint);
    inflight->waiter_count--;
    free(waiter->option);
    pool_put(&inflight->waiters, waiter);
}

static void leave_table(struct job *job)
{
    if (job->joinable)
        HASH_DELETE(hh, job->inflight->table, job);
    job->joinable = false;
}

/* The waiters must have been taken off. */
static void job_free(struct job *job)
{
    leave_table(job);
    wheel_stop(fetcher_wheel(job->inflight->options.fetcher), &job->stale_timer);
    DL_DELETE(job->inflight->all, job);
    job->inflight->job_count--;
    pool_put(&job->inflight->jobs, job);
}

void inflight_free(struct inflight *inflight)
{
    if (!inflight)
        return;
    struct job *job, *next_job;
    DL_FOREACH_SAFE (inflight->all, job, next_job) {
        struct waiter *waiter, *next;
        LL_FOREACH_SAFE (job->waiters, waiter, next)
            waiter_free(inflight, waiter);
        fetch_cancel(job->fetch);
        job_free(job);
    }
    routes_free(inflight->options.routes);
    pool_drain(&inflight->jobs);
    pool_drain(&inflight->waiters);
    free(inflight);
}

void inflight_set_routes(struct inflight *inflight, struct routes *routes)
{
    routes_free(inflight->options.routes);
    inflight->options.routes = routes;
}

static struct source *choose_source(void *arg, const uint8_t *name, uint16_t type)
{
    const struct inflight *inflight = arg;
    return routes_find_for(inflight->options.routes, name, type);
}

size_t inflight_waiters(const struct inflight *inflight)
{
    return inflight->waiter_count;
}

const struct inflight_counters *inflight_counters(const struct inflight *inflight)
{
    return &inflight->counters;
}

static void send_reply(struct inflight *inflight, const struct waiter *waiter,
                       const struct answer *answer)
{
    uint8_t *reply = inflight->reply;
    size_t question_end = DNS_HEADER_SIZE + waiter->question_size;
    struct reply_content content = {
        .flags = answer->flags,
        .counts = {answer->counts[0], answer->counts[1], answer->counts[2]},
        .body_size = answer->body_size,
        .truncated = answer->body_size > reply_room(&waiter->shape, question_end),
        .provisional = answer->provisional,
        .vouched = answer->covered,
        .outside = answer->outside,
        .behind = answer->behind,
        .ede = answer->ede,
    };
    memcpy(reply + DNS_HEADER_SIZE, waiter->question, waiter->question_size);
    if (!content.truncated && answer->body_size)
        memcpy(reply + question_end, answer->body, answer->body_size);
    size_t size = reply_finish(reply, question_end, &waiter->shape, &content);
    waiter->client.transport->send(&waiter->client, reply, size);
}

/* What a job is to find out. */
struct task {
    const struct answer_key *key;
    const struct question *question;
    struct micro now;
    struct mono deadline;
};

/* NULL: no memory, or too much is under way. */
static struct job *start_job(struct inflight *inflight, const struct task *task);
static struct job *find_joinable(struct inflight *inflight, const struct answer_key *key);

/* Moves clients that asked after a change to a job that set out after it. */
static void ask_again(struct inflight *inflight, const struct job *old, struct waiter *waiters,
                      struct micro now)
{
    struct mono deadline = waiters->deadline;
    struct waiter *waiter, *next;
    LL_FOREACH (waiters, waiter)
        if (waiter->deadline.ms < deadline.ms)
            deadline = waiter->deadline;
    counter_add(&inflight->counters.asked_again, 1);
    struct job *job = find_joinable(inflight, &old->key);
    if (!job)
        job = start_job(inflight, &(struct task){&old->key, &old->question, now, deadline});
    if (job) {
        LL_CONCAT(job->waiters, waiters);
        return;
    }
    struct answer failure = {.flags = RCODE_SERVFAIL, .ede = EDE_OTHER};
    LL_FOREACH_SAFE (waiters, waiter, next) {
        send_reply(inflight, waiter, &failure);
        waiter_free(inflight, waiter);
    }
}

/* Whether a client came so much later than the first that a fetch which took too long need not fail for him as well. */
static bool has_time(const struct waiter *waiter, struct mono now)
{
    enum { WORTH_WHILE_MS = 20 };
    return !mono_reached(mono_add(now, WORTH_WHILE_MS), waiter->deadline);
}

/* Moves those clients of a fetch that took too long to another one. Whether there are any. */
static bool give_more_time(struct job *job, struct micro now)
{
    struct waiter *moved = NULL, *waiter, *next;
    LL_FOREACH_SAFE (job->waiters, waiter, next)
        if (has_time(waiter, micro_ms(now))) {
            LL_DELETE(job->waiters, waiter);
            LL_PREPEND(moved, waiter);
        }
    if (moved)
        ask_again(job->inflight, job, moved, now);
    return moved != NULL;
}

/* Takes the clients off that may have an answer as old as `stamp`; the others stay. */
static struct waiter *take_waiters(struct job *job, bool fresh)
{
    struct waiter *taken = NULL, *waiter, *next;
    LL_FOREACH_SAFE (job->waiters, waiter, next) {
        if (!fresh && stamp_after(waiter->arrived, job->stamp))
            continue;
        LL_DELETE(job->waiters, waiter);
        LL_PREPEND(taken, waiter);
    }
    return taken;
}

static void cap_ttls(struct answer *answer, uint32_t cap)
{
    body_age_ttls(answer->body, answer->ttl_offsets, answer->ttl_count, 0, cap);
}

static bool is_child(const struct waiter *waiter)
{
    return waiter->shape.option_size > 0;
}

/* Answers clients and frees them. */
static void serve(struct inflight *inflight, struct waiter *taken, const struct answer *answer)
{
    struct waiter *waiter, *next;
    LL_FOREACH_SAFE (taken, waiter, next) {
        send_reply(inflight, waiter, answer);
        waiter_free(inflight, waiter);
    }
}

/*
 * What a client is told to live by: nothing when the answer is stale already; else no more than the policy
 * says, unless it is a child tier, which hears of changes by itself.
 */
static void serve_all(struct inflight *inflight, struct waiter *taken, struct answer *answer,
                      bool fresh, const struct ttl_policy *policy)
{
    struct waiter *children = NULL, *waiter, *next;
    LL_FOREACH_SAFE (taken, waiter, next)
        if (is_child(waiter)) {
            LL_DELETE(taken, waiter);
            LL_PREPEND(children, waiter);
        }
    if (!fresh || answer->behind)
        cap_ttls(answer, 0);
    serve(inflight, children, answer);
    if (answer->dependencies.zone != ZONE_NONE)
        cap_ttls(answer, policy->client_ttl);
    serve(inflight, taken, answer);
}

/* Sends what the store holds, a stale answer that was revived, to a client; false when it is gone again. */
static bool send_held(struct inflight *inflight, const struct job *job, const struct waiter *waiter,
                      struct mono now)
{
    struct store_hit hit;
    uint8_t *reply = inflight->reply;
    size_t question_end = DNS_HEADER_SIZE + waiter->question_size;
    enum store_result result = store_get(inflight->options.store,
                                         &(struct store_look){
                                             .key = &job->key,
                                             .now = now,
                                             .buffer = reply + question_end,
                                             .room = reply_room(&waiter->shape, question_end),
                                             .child = is_child(waiter),
                                         },
                                         &hit);
    if (result != STORE_HIT && result != STORE_TRUNCATED)
        return false;
    struct reply_content content = {
        .flags = hit.flags,
        .counts = {hit.counts[0], hit.counts[1], hit.counts[2]},
        .body_size = hit.body_size,
        .truncated = result == STORE_TRUNCATED,
        .behind = true,
        .ede = hit.ede,
    };
    memcpy(reply + DNS_HEADER_SIZE, waiter->question, waiter->question_size);
    size_t size = reply_finish(reply, question_end, &waiter->shape, &content);
    waiter->client.transport->send(&waiter->client, reply, size);
    return true;
}

/* Gives the clients of a job the stale answer, if there is one. Those that got it are gone after it. */
static void serve_stale(struct job *job, struct mono now)
{
    struct inflight *inflight = job->inflight;
    struct waiter *waiter, *next;
    if (!store_revive(inflight->options.store, &job->key, now))
        return;
    LL_FOREACH_SAFE (job->waiters, waiter, next)
        if (send_held(inflight, job, waiter, now)) {
            LL_DELETE(job->waiters, waiter);
            waiter_free(inflight, waiter);
        }
}

void inflight_give_up(struct inflight *inflight, struct mono now)
{
    const struct answer failure = {.flags = RCODE_SERVFAIL, .ede = EDE_OTHER};
    struct job *job;
    DL_FOREACH (inflight->all, job) {
        serve_stale(job, now);
        struct waiter *waiters = job->waiters;
        job->waiters = NULL;
        serve(inflight, waiters, &failure);
    }
}

static void start_stale_timer(struct job *job, struct mono now)
{
    wheel_start(fetcher_wheel(job->inflight->options.fetcher), &job->stale_timer,
                mono_add(now, STALE_AFTER_MS), now);
}

/* It rings again for those who join later. */
static void stale_due(struct wheel_timer *timer, struct micro now)
{
    struct job *job = (struct job *)((char *)timer - offsetof(struct job, stale_timer));
    start_stale_timer(job, micro_ms(now));
    serve_stale(job, micro_ms(now));
}

static bool is_failure(const struct answer *answer)
{
    return (answer->flags & FLAG_RCODE) == RCODE_SERVFAIL;
}

/*
 * Whether an answer of somebody else's cache may be from before a change: until all it can have been cached with has run
 * out since. How long that is is known where an older answer is held; it is remembered with the new one.
 */
static bool may_be_old(const struct job *job, struct answer *answer, struct stamp mark,
                       const struct ttl_policy *policy)
{
    const struct inflight *inflight = job->inflight;
    uint32_t elsewhere = store_elsewhere(inflight->options.store, &job->key);
    if (elsewhere == 0)
        elsewhere = policy->max_ttl;
    if (elsewhere < answer->ttl)
        elsewhere = answer->ttl; /* so long at least it can be cached there */
    if (!validity_may_be_cached(inflight->options.validity, mark, UINT64_C(1000) * elsewhere,
                                job->started))
        return false;
    answer->elsewhere = elsewhere;
    return true;
}

/*
 * Bounds the answer's life: by the policy; and to next to nothing if a change of something in it still settled
 * when it was asked for, since the server that gave it may not have had the change (P4), or if it may have been in a
 * cache since before the change.
 */
static void bound_life(struct job *job, struct answer *answer, const struct ttl_policy *policy)
{
    struct inflight *inflight = job->inflight;
    const struct validity *validity = inflight->options.validity;
    const struct dependent dependent = validity_dependent(validity, &answer->dependencies);
    const struct stamp mark = validity_newest_mark(validity, &dependent);
    if (!is_failure(answer))
        answer_bound_ttls(answer, policy);
    if (answer->secondhand && inflight->options.second_hand)
        inflight->options.second_hand(inflight->options.second_hand_arg, job->question.name);
    if (validity_is_settling(validity, mark, job->started) ||
        (answer->secondhand && may_be_old(job, answer, mark, policy)))
        answer_doubt(answer);
    counter_add(&inflight->counters.provisional, answer->provisional);
}

static void fetched(void *arg, struct answer *answer, struct micro now)
{
    struct job *job = arg;
    struct inflight *inflight = job->inflight;
    const struct validity *validity = inflight->options.validity;
    struct dependent dependent = validity_dependent(validity, &answer->dependencies);
    struct ttl_policy policy = store_policy(inflight->options.store);
    job->fetch = NULL;
    leave_table(job);
    if (is_failure(answer)) {
        counter_add(&inflight->counters.failed, 1);
        serve_stale(job, micro_ms(now));
        if (mono_reached(micro_ms(now), job->deadline) && give_more_time(job, now))
            answer->ttl = 0; /* nobody knows yet whether it can be had */
    }
    /* Whoever answered may have done so right after the question set out, however late it got here. */
    bound_life(job, answer, &policy);
    bool fresh = validity_holds(validity, &dependent, job->stamp);
    /* The store checks again by itself: a change may come between. */
    struct stamp stamp =
        stamp_after(job->stamp, answer->as_old_as) ? answer->as_old_as : job->stamp;
    if (!store_put(inflight->options.store, &job->key, answer, stamp, micro_ms(now)) &&
        !is_failure(answer))
        store_outdate(inflight->options.store, &job->key,
                      answer->ttl == 0 ? job->started : (struct mono){0}, micro_ms(now));
    serve_all(inflight, take_waiters(job, fresh), answer, fresh, &policy);
    if (job->waiters)
        ask_again(inflight, job, job->waiters, now);
    job_free(job);
}

/* A job whose question nothing has happened to since it set out. */
static struct job *find_joinable(struct inflight *inflight, const struct answer_key *key)
{
    struct job *job;
    HASH_FIND_BYHASHVALUE(hh, inflight->table, key->bytes, key->size, (uint32_t)key->hash, job);
    if (!job)
        return NULL;
    if (validity_holds(inflight->options.validity, &job->itself, job->stamp))
        return job;
    leave_table(job);
    counter_add(&inflight->counters.superseded, 1);
    return NULL;
}

static struct job *job_new(struct inflight *inflight, const struct answer_key *key,
                           const struct question *question)
{
    if (inflight->job_count >= INFLIGHT_MAX_JOBS)
        return NULL;
    struct job *job = pool_get(&inflight->jobs);
    if (!job)
        return NULL;
    job->inflight = inflight;
    memcpy(&job->key, key, offsetof(struct answer_key, bytes) + key->size);
    job->question.name_size = question->name_size;
    job->question.type = question->type;
    job->question.class = question->class;
    name_lower(question->name, question->name_size, job->question.name);
    job->fetch = NULL;
    job->waiters = NULL;
    job->stale_timer = (struct wheel_timer){.ring = stale_due};
    job->joinable = false;
    return job;
}

static struct job *start_job(struct inflight *inflight, const struct task *task)
{
    const struct routes *routes = inflight->options.routes;
    const struct answer_key *key = task->key;
    struct job *job = job_new(inflight, key, task->question);
    if (!job)
        return NULL;
    /* The stamp comes first: what leaves after it can only be newer. */
    job->stamp = validity_now(inflight->options.validity);
    job->started = micro_ms(task->now);
    job->deadline = task->deadline;
    job->itself = validity_question(inflight->options.validity, job->question.name,
                                    job->question.type == TYPE_SOA);
    job->fetch =
        fetch_start(inflight->options.fetcher,
                    &(struct fetch_request){
                        .question = &job->question,
                        .stamp = job->stamp,
                        .dnssec_ok = key->bytes[4] & KEY_DNSSEC_OK,
                        .checking_disabled = key->bytes[4] & KEY_CHECKING_DISABLED,
                        .source = routes_find_for(routes, job->question.name, job->question.type),
                        .choose = routes_differ(routes) ? choose_source : NULL,
                        .choose_arg = inflight,
                        .counters = &inflight->counters.fetch,
                        .deadline = task->deadline,
                        .done = fetched,
                        .arg = job,
                    },
                    task->now);
    if (!job->fetch) {
        pool_put(&inflight->jobs, job);
        return NULL;
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, inflight->table, job->key.bytes, job->key.size,
                                (uint32_t)job->key.hash, job);
    job->joinable = true;
    if (store_policy(inflight->options.store).serve_stale > 0)
        start_stale_timer(job, job->started);
    DL_APPEND(inflight->all, job);
    inflight->job_count++;
    counter_add(&inflight->counters.jobs, 1);
    return job;
}

/* False: no memory. */
static bool copy_option(struct waiter *waiter)
{
    waiter->option = NULL;
    if (waiter->shape.option_size == 0)
        return true;
    waiter->option = malloc(waiter->shape.option_size);
    if (!waiter->option)
        return false;
    memcpy(waiter->option, waiter->shape.option, waiter->shape.option_size);
    waiter->shape.option = waiter->option;
    return true;
}

static struct waiter *waiter_new(struct inflight *inflight, const struct inflight_wait *wait)
{
    const struct question *question = wait->question;
    struct waiter *waiter = pool_get(&inflight->waiters);
    if (!waiter)
        return NULL;
    waiter->client = *wait->client;
    waiter->shape = *wait->shape;
    waiter->arrived = wait->arrived;
    waiter->deadline = wait->deadline;
    waiter->question_size = (uint16_t)(question->name_size + 4u);
    memcpy(waiter->question, question->name, question->name_size);
    wire_put_u16(waiter->question + question->name_size, question->type);
    wire_put_u16(waiter->question + question->name_size + 2, question->class);
    if (!copy_option(waiter)) {
        pool_put(&inflight->waiters, waiter);
        return NULL;
    }
    waiter->client.transport->hold(waiter->client.endpoint);
    inflight->waiter_count++;
    return waiter;
}

void inflight_prefetch(struct inflight *inflight, const struct answer_key *key,
                       const struct question *question, struct micro now, uint64_t timeout_ms)
{
    struct task task = {key, question, now, mono_add(micro_ms(now), timeout_ms)};
    if (!find_joinable(inflight, key) && start_job(inflight, &task))
        counter_add(&inflight->counters.prefetched, 1);
}

int inflight_wait(struct inflight *inflight, const struct inflight_wait *wait)
{
    struct waiter *waiter = NULL;
    if (inflight->waiter_count < INFLIGHT_MAX_WAITERS)
        waiter = waiter_new(inflight, wait);
    if (!waiter) {
        counter_add(&inflight->counters.overloaded, 1);
        return ERR_SPACE;
    }
    struct job *job = find_joinable(inflight, wait->key);
    if (job)
        counter_add(&inflight->counters.joined, 1);
    else
        job = start_job(inflight,
                        &(struct task){wait->key, wait->question, wait->now, wait->deadline});
    if (!job) {
        counter_add(&inflight->counters.overloaded, 1);
        waiter_free(inflight, waiter);
        return ERR_SPACE;
    }
    LL_PREPEND(job->waiters, waiter);
    return ERR_OK;
}
