#include "resolver/inflight.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "resolver/clock.h"
#include "resolver/reply.h"

struct waiter {
    struct waiter *next;
    struct client client;
    struct reply_shape shape;
    struct stamp arrived;
    struct mono deadline;
    uint16_t question_size;
    uint8_t question[]; /* as spelled: name, type, class */
};

struct job {
    UT_hash_handle hh;
    struct inflight *inflight;
    struct job *prev, *next; /* all jobs, joinable or not */
    struct answer_key key;
    struct question question; /* canonical */
    struct dependencies scopes; /* of the question alone */
    struct stamp stamp;         /* taken before the first query left */
    struct fetch *fetch;
    struct waiter *waiters;
    bool joinable; /* in the table */
};

struct inflight {
    struct inflight_options options;
    struct job *table;
    struct job *all;
    size_t job_count, waiter_count;
    struct inflight_counters counters;
    uint8_t reply[DNS_MAX_MESSAGE];
};

struct inflight *inflight_new(const struct inflight_options *options)
{
    struct inflight *inflight = calloc(1, sizeof *inflight);
    if (!inflight)
        return NULL;
    inflight->options = *options;
    upstream_ref(options->upstream);
    return inflight;
}

static void waiter_free(struct inflight *inflight, struct waiter *waiter)
{
    waiter->client.transport->release(waiter->client.endpoint);
    inflight->waiter_count--;
    free(waiter);
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
    DL_DELETE(job->inflight->all, job);
    job->inflight->job_count--;
    free(job);
}

void inflight_free(struct inflight *inflight)
{
    if (!inflight)
        return;
    struct job *job, *next_job;
    DL_FOREACH_SAFE(inflight->all, job, next_job) {
        struct waiter *waiter, *next;
        LL_FOREACH_SAFE(job->waiters, waiter, next)
            waiter_free(inflight, waiter);
        fetch_cancel(job->fetch);
        job_free(job);
    }
    upstream_unref(inflight->options.upstream);
    free(inflight);
}

void inflight_set_upstream(struct inflight *inflight, struct upstream *upstream)
{
    struct upstream *old = inflight->options.upstream;
    inflight->options.upstream = upstream_ref(upstream);
    upstream_unref(old);
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
        .ede = answer->ede,
    };
    memcpy(reply + DNS_HEADER_SIZE, waiter->question, waiter->question_size);
    if (!content.truncated && answer->body_size)
        memcpy(reply + question_end, answer->body, answer->body_size);
    size_t size = reply_finish(reply, question_end, &waiter->shape, &content);
    waiter->client.transport->send(&waiter->client, reply, size);
}

static int start_job(struct inflight *inflight, const struct answer_key *key,
                     const struct question *question, struct mono deadline, struct job **ret_job);
static struct job *find_joinable(struct inflight *inflight, const struct answer_key *key);

/* Moves clients that asked after a change to a job that set out after it. */
static void ask_again(struct inflight *inflight, const struct job *old, struct waiter *waiters)
{
    struct mono deadline = waiters->deadline;
    struct waiter *waiter, *next;
    LL_FOREACH(waiters, waiter)
        if (waiter->deadline.ms < deadline.ms)
            deadline = waiter->deadline;
    counter_add(&inflight->counters.asked_again, 1);
    struct job *job = find_joinable(inflight, &old->key);
    if (job || start_job(inflight, &old->key, &old->question, deadline, &job) == ERR_OK) {
        LL_CONCAT(job->waiters, waiters);
        return;
    }
    struct answer failure = {.flags = RCODE_SERVFAIL, .ede = EDE_OTHER};
    LL_FOREACH_SAFE(waiters, waiter, next) {
        send_reply(inflight, waiter, &failure);
        waiter_free(inflight, waiter);
    }
}

/* Takes the clients off that may have an answer as old as `stamp`; the others stay. */
static struct waiter *take_waiters(struct job *job, bool fresh)
{
    struct waiter *taken = NULL, *waiter, *next;
    LL_FOREACH_SAFE(job->waiters, waiter, next) {
        if (!fresh && stamp_after(waiter->arrived, job->stamp))
            continue;
        LL_DELETE(job->waiters, waiter);
        LL_PREPEND(taken, waiter);
    }
    return taken;
}

/* What clients are told to live by: nothing when it is stale already, else no more than the policy says. */
static void cap_ttls(struct answer *answer, bool fresh, const struct ttl_policy *policy)
{
    if (!fresh || answer->dependencies.count > 0)
        body_age_ttls(answer->body, answer->ttl_offsets, answer->ttl_count, 0,
                      fresh ? policy->client_ttl : 0);
}

static void fetched(void *arg, struct answer *answer)
{
    struct job *job = arg;
    struct inflight *inflight = job->inflight;
    const struct dependencies *scopes = &answer->dependencies;
    struct ttl_policy policy = store_policy(inflight->options.store);
    job->fetch = NULL;
    leave_table(job);
    if ((answer->flags & FLAG_RCODE) == RCODE_SERVFAIL)
        counter_add(&inflight->counters.failed, 1);
    else
        answer_bound_ttls(answer, &policy);
    bool fresh =
        validity_holds(inflight->options.validity, scopes->scopes, scopes->count, job->stamp);
    /* The store checks again by itself: a change may come between. */
    store_put(inflight->options.store, &job->key, answer, job->stamp, mono_now());
    cap_ttls(answer, fresh, &policy);
    struct waiter *served = take_waiters(job, fresh), *waiter, *next;
    LL_FOREACH_SAFE(served, waiter, next) {
        send_reply(inflight, waiter, answer);
        waiter_free(inflight, waiter);
    }
    if (job->waiters)
        ask_again(inflight, job, job->waiters);
    job_free(job);
}

/* A job whose question nothing has happened to since it set out. */
static struct job *find_joinable(struct inflight *inflight, const struct answer_key *key)
{
    struct job *job;
    HASH_FIND_BYHASHVALUE(hh, inflight->table, key->bytes, key->size, (uint32_t)key->hash, job);
    if (!job)
        return NULL;
    if (validity_holds(inflight->options.validity, job->scopes.scopes, job->scopes.count,
                       job->stamp))
        return job;
    leave_table(job);
    counter_add(&inflight->counters.superseded, 1);
    return NULL;
}

static int start_job(struct inflight *inflight, const struct answer_key *key,
                     const struct question *question, struct mono deadline, struct job **ret_job)
{
    if (inflight->job_count >= INFLIGHT_MAX_JOBS)
        return ERR_SPACE;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return ERR_SPACE;
    job->inflight = inflight;
    job->key = *key;
    job->question = *question;
    name_lower(question->name, question->name_size, job->question.name);
    /* The stamp comes first: what leaves after it can only be newer. */
    job->stamp = validity_now(inflight->options.validity);
    if (validity_depend(inflight->options.validity, job->question.name, true, &job->scopes) !=
        ERR_OK) {
        free(job);
        return ERR_SPACE;
    }
    job->fetch = fetch_start(inflight->options.fetcher,
                             &(struct fetch_request){
                                 .question = &job->question,
                                 .dnssec_ok = key->bytes[4] & KEY_DNSSEC_OK,
                                 .checking_disabled = key->bytes[4] & KEY_CHECKING_DISABLED,
                                 .upstream = inflight->options.upstream,
                                 .deadline = deadline,
                                 .done = fetched,
                                 .arg = job,
                             });
    if (!job->fetch) {
        free(job);
        return ERR_SPACE;
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, inflight->table, job->key.bytes, job->key.size,
                                (uint32_t)job->key.hash, job);
    job->joinable = true;
    DL_APPEND(inflight->all, job);
    inflight->job_count++;
    counter_add(&inflight->counters.jobs, 1);
    *ret_job = job;
    return ERR_OK;
}

static struct waiter *waiter_new(struct inflight *inflight, const struct inflight_wait *wait)
{
    size_t question_size = wait->question->name_size + 4u;
    struct waiter *waiter = malloc(sizeof *waiter + question_size);
    if (!waiter)
        return NULL;
    *waiter = (struct waiter){
        .client = *wait->client,
        .shape = *wait->shape,
        .arrived = wait->arrived,
        .deadline = wait->deadline,
        .question_size = (uint16_t)question_size,
    };
    memcpy(waiter->question, wait->question->name, wait->question->name_size);
    wire_put_u16(waiter->question + wait->question->name_size, wait->question->type);
    wire_put_u16(waiter->question + wait->question->name_size + 2, wait->question->class);
    waiter->client.transport->hold(waiter->client.endpoint);
    inflight->waiter_count++;
    return waiter;
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
    if (job) {
        counter_add(&inflight->counters.joined, 1);
    } else if (start_job(inflight, wait->key, wait->question, wait->deadline, &job) != ERR_OK) {
        counter_add(&inflight->counters.overloaded, 1);
        waiter_free(inflight, waiter);
        return ERR_SPACE;
    }
    LL_PREPEND(job->waiters, waiter);
    return ERR_OK;
}
