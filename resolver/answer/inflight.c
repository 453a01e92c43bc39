#include "resolver/answer/inflight.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1 /* what finds no memory is not in the table: its hh.tbl is NULL */
#include <uthash.h>
#include <utlist.h>

#include "resolver/answer/delivery.h"
#include "resolver/answer/pool.h"
#include "resolver/answer/quota.h"
#include "resolver/answer/silence.h"

/* By what the questions under way are told apart when some must go, the finest first. */
enum holding { BY_ZONE, BY_WIDER_ZONE, BY_CLIENT, BY_NETWORK, BY_UPSTREAM, HOLDINGS };

enum {
    ZONE_LABELS = 3, /* of a name stand for its zone; one less for the wider one */
    BY_ALL = 16,     /* questions under way, from any network, also where nobody answers */
};

struct job {
    UT_hash_handle hh;
    struct inflight *inflight;
    struct job *prev, *next; /* all jobs, joinable or not */
    struct quota_item charged[HOLDINGS];
    struct answer_key key;    /* everybody's, also where each client has a cache of its own */
    uint64_t own;             /* whose cache it is fetched for then; 0: everybody's */
    union address peer;       /* who asked first; AF_UNSPEC: nobody */
    struct question question; /* canonical */
    struct dependent itself;  /* the question, as a change would touch it */
    struct stamp stamp;       /* taken before the first query left */
    struct mono started;      /* when that was */
    struct mono deadline;     /* the fetch's: that of the client who came first */
    struct fetch *fetch;
    struct waiter_list waiters;
    struct wheel_timer stale_timer; /* with serve_stale: when clients get the stale answer */
    bool joinable;                  /* in the table */
};

/* How long clients wait while there is a stale answer they could have (RFC 8767 5: 1.8 s). */
enum { STALE_AFTER_MS = 1800 };

enum { KEPT = 512 }; /* jobs whose memory waits for the next */

struct inflight {
    struct inflight_options options;
    struct job *table;
    struct job *all;
    struct pool jobs;
    struct quota *quotas[HOLDINGS];
    struct silences *silences;
    struct waiters *waiters;
    struct deliveries *deliveries;
    struct inflight_counters counters;
};

/* What there is to say when nobody has anything. */
static struct answer failure_of(int ede)
{
    return (struct answer){
        .flags = RCODE_SERVFAIL, .ede = ede, .dependencies = {.zone = ZONE_NONE}};
}

static bool make_parts(struct inflight *inflight)
{
    for (size_t i = 0; i < HOLDINGS; i++) {
        inflight->quotas[i] = quota_new(INFLIGHT_MAX_JOBS);
        if (!inflight->quotas[i])
            return false;
    }
    inflight->silences = silences_new(INFLIGHT_MAX_JOBS);
    inflight->waiters = waiters_new(inflight->options.store, INFLIGHT_MAX_WAITERS);
    if (!inflight->silences || !inflight->waiters)
        return false;
    inflight->deliveries = deliveries_new(&(struct deliveries_options){
        .waiters = inflight->waiters,
        .wheel = fetcher_wheel(inflight->options.fetcher),
        .validity = inflight->options.validity,
        .store = inflight->options.store,
    });
    return inflight->deliveries != NULL;
}

struct inflight *inflight_new(const struct inflight_options *options)
{
    struct inflight *inflight = calloc(1, sizeof *inflight);
    if (!inflight) {
        routes_free(options->routes);
        return NULL;
    }
    inflight->options = *options;
    inflight->jobs = pool_of(sizeof(struct job), KEPT);
    if (!make_parts(inflight)) {
        inflight_free(inflight);
        return NULL;
    }
    return inflight;
}

static void leave_table(struct job *job)
{
    if (job->joinable)
        HASH_DELETE(hh, job->inflight->table, job);
    job->joinable = false;
}

/* From here on it is nobody's to be displaced. */
static void discharge(struct job *job)
{
    for (size_t i = 0; i < HOLDINGS; i++)
        quota_release(job->inflight->quotas[i], &job->charged[i]);
}

/* The waiters must have been taken off. */
static void job_free(struct job *job)
{
    leave_table(job);
    discharge(job);
    wheel_stop(fetcher_wheel(job->inflight->options.fetcher), &job->stale_timer);
    DL_DELETE(job->inflight->all, job);
    counter_add(&job->inflight->counters.under_way, UINT64_MAX);
    pool_put(&job->inflight->jobs, job);
}

void inflight_free(struct inflight *inflight)
{
    if (!inflight)
        return;
    struct job *job, *next_job;
    DL_FOREACH_SAFE (inflight->all, job, next_job) {
        while (job->waiters.first)
            waiter_drop(inflight->waiters, job->waiters.first);
        fetch_cancel(job->fetch);
        job_free(job);
    }
    deliveries_free(inflight->deliveries);
    waiters_free(inflight->waiters);
    for (size_t i = 0; i < HOLDINGS; i++)
        quota_free(inflight->quotas[i]);
    silences_free(inflight->silences);
    routes_free(inflight->options.routes);
    pool_drain(&inflight->jobs);
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
    return waiters_count(inflight->waiters);
}

const struct inflight_counters *inflight_counters(const struct inflight *inflight)
{
    return &inflight->counters;
}

static bool is_full(const struct inflight *inflight)
{
    return counter_get(&inflight->counters.under_way) >= INFLIGHT_MAX_JOBS;
}

/* The key by which what a job brings is kept for whoever it was started for. */
static const struct answer_key *key_to_keep(const struct job *job, struct answer_key *scratch)
{
    if (job->own == 0)
        return &job->key;
    answer_key_for_client(&job->key, job->own, scratch);
    return scratch;
}

/* Answers all who wait for a job with what is held past its TTL, or with a failure. */
static void refuse_all(struct job *job, int ede, struct mono now)
{
    const struct answer failure = failure_of(ede);
    deliver(job->inflight->deliveries,
            &(struct delivery_terms){.key = &job->key, .answer = &failure, .stale_first = true},
            &job->waiters, now);
}

/* What a job is to find out. */
struct task {
    const struct answer_key *key; /* everybody's */
    uint64_t own;                 /* for whose cache; 0: everybody's */
    const union address *peer;    /* for whom; NULL: for nobody */
    const struct question *question;
    struct micro now;
    struct mono deadline;
};

/* NULL: no memory, or too much is under way. */
static struct job *start_job(struct inflight *inflight, const struct task *task);
static struct job *find_joinable(struct inflight *inflight, const struct answer_key *key);

/* Moves clients to a job that sets out now: they asked after a change, or have more time than those before them. */
static void ask_again(struct inflight *inflight, const struct job *old, struct waiter_list *list,
                      struct micro now)
{
    const struct waiter *first = list->first, *waiter;
    struct mono deadline = first->deadline;
    DL_FOREACH (list->first, waiter)
        if (waiter->deadline.ms < deadline.ms)
            deadline = waiter->deadline;
    counter_add(&inflight->counters.asked_again, 1);
    struct job *job = find_joinable(inflight, &old->key);
    if (job && job->deadline.ms > deadline.ms) {
        leave_table(job); /* it would answer too late for one of these */
        job = NULL;
    }
    if (!job)
        job = start_job(inflight, &(struct task){&old->key, first->own, &first->client.peer,
                                                 &old->question, now, deadline});
    if (job) {
        waiters_move_all(list, &job->waiters);
        return;
    }
    const struct answer failure = failure_of(EDE_OTHER);
    deliver(inflight->deliveries,
            &(struct delivery_terms){.key = &old->key, .answer = &failure, .stale_first = true},
            list, micro_ms(now));
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
    struct waiter *waiter, *next;
    struct waiter_list moved = {NULL};
    DL_FOREACH_SAFE (job->waiters.first, waiter, next)
        if (has_time(waiter, micro_ms(now)))
            waiter_move(waiter, &moved);
    if (!moved.first)
        return false;
    ask_again(job->inflight, job, &moved, now);
    return true;
}

/* Takes the clients off that may have an answer as old as the job; the others stay. */
static void take_waiters(struct job *job, bool fresh, struct waiter_list *ret)
{
    struct waiter *waiter, *next;
    if (fresh) {
        waiters_move_all(&job->waiters, ret);
        return;
    }
    DL_FOREACH_SAFE (job->waiters.first, waiter, next)
        if (!stamp_after(waiter->arrived, job->stamp))
            waiter_move(waiter, ret);
}

void inflight_give_up(struct inflight *inflight, struct mono now)
{
    struct job *job;
    DL_FOREACH (inflight->all, job)
        refuse_all(job, EDE_OTHER, now);
    deliveries_hurry(inflight->deliveries, now);
}

static void start_stale_timer(struct job *job, struct mono now, uint64_t after_ms)
{
    wheel_start(fetcher_wheel(job->inflight->options.fetcher), &job->stale_timer,
                mono_add(now, after_ms), now);
}

/* It rings again for those who join later; and soon, for those who are left of many. */
static void stale_due(struct wheel_timer *timer, struct micro now)
{
    struct job *job = (struct job *)((char *)timer - offsetof(struct job, stale_timer));
    size_t served = waiters_reply_stale(job->inflight->waiters, &job->waiters, &job->key,
                                        DELIVERY_SLICE, micro_ms(now));
    start_stale_timer(job, micro_ms(now), served == DELIVERY_SLICE ? 1 : STALE_AFTER_MS);
}

/*
 * Seconds that answers to a job's question may be in somebody else's cache. What we are told may be the rest of that: where no
 * answer is held, or one from before the change that was told less, this one may have been there since before the change.
 */
static uint32_t cached_elsewhere(const struct job *job, const struct answer *answer,
                                 struct stamp mark, const struct ttl_policy *policy)
{
    enum { A_DAY = 86400 };
    const struct inflight *inflight = job->inflight;
    const uint32_t told = answer->elsewhere;
    const uint32_t most = policy->max_ttl > A_DAY ? policy->max_ttl : A_DAY;
    uint64_t whole = most;
    struct answer_key own;
    struct stamp held;
    struct mono changed;
    const uint32_t known = store_elsewhere(inflight->options.store, key_to_keep(job, &own), &held);
    if (known > 0 && (known >= told || !stamp_after(mark, held)))
        return known > told ? known : told;
    if (validity_moment(inflight->options.validity, mark, &changed))
        whole = UINT64_C(1) + told + mono_seconds(changed, job->started);
    if (known == 0 && whole < policy->max_ttl)
        whole = policy->max_ttl;
    whole = whole < most ? whole : most;
    return whole > told ? (uint32_t)whole : told;
}

/*
 * Whether an answer of somebody else's cache may be from before a change: until all it can have been cached with has run
 * out since. How long that is is remembered with it.
 */
static bool may_be_old(const struct job *job, struct answer *answer, struct stamp mark,
                       const struct ttl_policy *policy)
{
    const uint32_t elsewhere = cached_elsewhere(job, answer, mark, policy);
    if (!validity_may_be_cached(job->inflight->options.validity, mark, UINT64_C(1000) * elsewhere,
                                job->started))
        return false;
    answer->elsewhere = elsewhere;
    return true;
}

/*
 * Bounds the answer's life: by the policy; and to next to nothing if a change of something in it still settled
 * when it was asked for, since the server that gave it may not have had the change (P4), or if it may have been in a
 * cache since before the change. Where that is another tier's, to nothing at all (P3).
 */
static void bound_life(struct job *job, struct answer *answer, const struct ttl_policy *policy)
{
    struct inflight *inflight = job->inflight;
    const struct validity *validity = inflight->options.validity;
    const struct dependent dependent = validity_dependent(validity, &answer->dependencies);
    const struct stamp mark = validity_newest_mark(validity, &dependent);
    if (answer->hand != FIRST_HAND && inflight->options.second_hand)
        inflight->options.second_hand(inflight->options.second_hand_arg, job->question.name,
                                      answer->hand);
    const bool old = answer->hand != FIRST_HAND && may_be_old(job, answer, mark, policy);
    if (old && answer->unplaced && !answer->behind) {
        answer_disown(answer);
        counter_add(&inflight->counters.fetch.uncached, 1);
    }
    if (old || (!answer->exact && validity_is_settling(validity, mark, job->started)))
        answer_doubt(answer);
    if (!answer_is_failure(answer)) /* in doubt, what nobody is to keep is not made to last */
        answer_bound_ttls(answer, policy);
    counter_add(&inflight->counters.provisional, answer->provisional);
}

/* The clients of a fetch that failed: some get what is held, some another fetch. The others stay. */
static void failed(struct job *job, struct answer *answer, struct micro now)
{
    counter_add(&job->inflight->counters.failed, 1);
    size_t served = waiters_reply_stale(job->inflight->waiters, &job->waiters, &job->key,
                                        DELIVERY_SLICE, micro_ms(now));
    if (served == DELIVERY_SLICE)
        refuse_all(job, answer->ede, micro_ms(now));
    else if (mono_reached(micro_ms(now), job->deadline) && give_more_time(job, now))
        answer->ttl = 0; /* nobody knows yet whether it can be had */
}

/* By what it may be told that nobody answers. */
static bool may_be_silent(enum holding holding)
{
    return holding == BY_ZONE || holding == BY_WIDER_ZONE || holding == BY_UPSTREAM;
}

static void note_end(const struct job *job, bool answered, struct mono now)
{
    struct silences *silences = job->inflight->silences;
    for (int i = 0; i < HOLDINGS; i++) {
        if (!may_be_silent(i) || !job->charged[i].holder)
            continue;
        if (answered)
            silence_heard(silences, quota_who(&job->charged[i]), now);
        else
            silence_failed(silences, quota_who(&job->charged[i]), now);
    }
}

/* What the biggest of the finer ones has is no sign that a coarser one is silent. */
static void note_asked(const struct job *job)
{
    const struct inflight *inflight = job->inflight;
    const bool full = is_full(inflight);
    size_t finer = 0;
    for (int i = 0; i < HOLDINGS; i++) {
        if (!may_be_silent(i) || !job->charged[i].holder)
            continue;
        const size_t count = quota_shares(&job->charged[i]);
        silence_asked(inflight->silences, quota_who(&job->charged[i]),
                      count > finer ? count - finer : 0, full, job->started);
        finer = quota_most(inflight->quotas[i]);
    }
}

static void fetched(void *arg, struct answer *answer, struct micro now)
{
    struct job *job = arg;
    struct inflight *inflight = job->inflight;
    const struct validity *validity = inflight->options.validity;
    struct dependent dependent = validity_dependent(validity, &answer->dependencies);
    struct ttl_policy policy = store_policy(inflight->options.store);
    struct delivery_terms terms = {.key = &job->key,
                                   .answer = answer,
                                   .asked = job->stamp,
                                   .started = job->started,
                                   .kept_for = job->own,
                                   .unseen = !job->waiters.first};
    struct waiter_list taken = {NULL};
    struct answer_key own;
    job->fetch = NULL;
    leave_table(job);
    note_end(job, !answer_is_failure(answer), micro_ms(now));
    discharge(job);
    if (answer_is_failure(answer))
        failed(job, answer, now);
    /* Whoever answered may have done so right after the question set out, however late it got here. */
    bound_life(job, answer, &policy);
    bool fresh = validity_holds(validity, &dependent, job->stamp);
    delivery_keep(inflight->options.store, key_to_keep(job, &own), &terms, micro_ms(now));
    take_waiters(job, fresh, &taken);
    deliver(inflight->deliveries, &terms, &taken, micro_ms(now));
    if (job->waiters.first)
        ask_again(inflight, job, &job->waiters, now);
    job_free(job);
}

/* ---- making room ---------------------------------------------------------------------------- */

/* The last `labels` of a name, or all of it. */
static const uint8_t *suffix_of(const uint8_t *name, size_t labels)
{
    for (size_t count = name_labels(name); count > labels; count--)
        name = name_parent(name);
    return name;
}

/* `name` is canonical. */
static uint64_t zone_number(const struct inflight *inflight, const uint8_t *name, size_t labels)
{
    const uint8_t *zone = suffix_of(name, labels);
    return validity_hash(inflight->options.validity, zone, name_size(zone));
}

static void charge(struct job *job, const struct source *source)
{
    struct inflight *inflight = job->inflight;
    for (size_t i = BY_ZONE; i <= BY_WIDER_ZONE; i++)
        quota_charge(inflight->quotas[i], &job->charged[i],
                     zone_number(inflight, job->question.name, ZONE_LABELS - i));
    for (int i = BY_CLIENT; i <= BY_NETWORK && job->peer.family != AF_UNSPEC; i++)
        quota_charge(inflight->quotas[i], &job->charged[i],
                     waiters_who(&job->peer, i == BY_NETWORK));
    if (routes_differ(inflight->options.routes))
        quota_charge(inflight->quotas[BY_UPSTREAM], &job->charged[BY_UPSTREAM], (uintptr_t)source);
}

/* Tells that somebody has more under way than anybody else. */
static void tell(const struct inflight *inflight, const struct inflight_holder *holder)
{
    if (inflight->options.full)
        inflight->options.full(inflight->options.full_arg, holder);
}

/* The oldest question of the biggest holder goes. False: there is none. */
static bool displace_job(struct inflight *inflight, struct mono now)
{
    size_t by = quota_blame(inflight->quotas, HOLDINGS);
    struct quota_item *item = quota_oldest(inflight->quotas[by]);
    if (!item)
        return false;
    struct job *job = (struct job *)((char *)(item - by) - offsetof(struct job, charged));
    bool by_zone = by == BY_ZONE || by == BY_WIDER_ZONE;
    tell(inflight, &(struct inflight_holder){
                       .count = quota_most(inflight->quotas[by]),
                       .zone = by_zone ? suffix_of(job->question.name, ZONE_LABELS - by) : NULL,
                       .client = by == BY_CLIENT || by == BY_NETWORK ? &job->peer : NULL,
                   });
    counter_add(&inflight->counters.displaced, 1);
    leave_table(job);
    discharge(job);
    fetch_cancel(job->fetch);
    refuse_all(job, EDE_NETWORK_ERROR, now);
    job_free(job);
    return true;
}

/* The oldest of the client who has most waiting goes. False: nobody waits. */
static bool displace_waiter(struct inflight *inflight, struct mono now)
{
    struct waiter *waiter = waiters_oldest(inflight->waiters);
    if (!waiter)
        return false;
    struct answer_key key;
    struct waiter_list alone = {NULL};
    const uint8_t *type = waiter->question + waiter->question_size - 4;
    const struct answer failure = failure_of(EDE_NETWORK_ERROR);
    tell(inflight, &(struct inflight_holder){.client = &waiter->client.peer});
    counter_add(&inflight->counters.displaced_clients, 1);
    store_key(inflight->options.store,
              &(struct key_parts){
                  .name = waiter->question,
                  .type = wire_get_u16(type),
                  .class = wire_get_u16(type + 2),
                  .dnssec_ok = waiter->shape.dnssec_ok,
                  .checking_disabled = waiter->shape.flags & FLAG_CD,
              },
              &key);
    waiter_move(waiter, &alone);
    deliver(inflight->deliveries,
            &(struct delivery_terms){.key = &key, .answer = &failure, .stale_first = true}, &alone,
            now);
    return true;
}

/* ---- jobs ----------------------------------------------------------------------------------- */

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

/* Makes room, but for nobody's question. NULL: no memory, or no room. */
static struct job *job_new(struct inflight *inflight, const struct task *task)
{
    const struct answer_key *key = task->key;
    const struct question *question = task->question;
    if (is_full(inflight) && (!task->peer || !displace_job(inflight, micro_ms(task->now))))
        return NULL;
    struct job *job = pool_get(&inflight->jobs);
    if (!job)
        return NULL;
    job->inflight = inflight;
    for (size_t i = 0; i < HOLDINGS; i++)
        job->charged[i].holder = NULL;
    memcpy(&job->key, key, offsetof(struct answer_key, bytes) + key->size);
    job->own = task->own;
    job->peer = task->peer ? *task->peer : (union address){.family = AF_UNSPEC};
    job->question.name_size = question->name_size;
    job->question.type = question->type;
    job->question.class = question->class;
    name_lower(question->name, question->name_size, job->question.name);
    job->fetch = NULL;
    job->waiters.first = NULL;
    job->stale_timer = (struct wheel_timer){.ring = stale_due};
    job->joinable = false;
    return job;
}

static struct job *start_job(struct inflight *inflight, const struct task *task)
{
    const struct routes *routes = inflight->options.routes;
    const struct answer_key *key = task->key;
    struct job *job = job_new(inflight, task);
    if (!job)
        return NULL;
    struct source *source = routes_find_for(routes, job->question.name, job->question.type);
    /* The stamp comes first: what leaves after it can only be newer. */
    job->stamp = validity_now(inflight->options.validity);
    job->started = micro_ms(task->now);
    job->deadline = task->deadline;
    job->itself = validity_question(inflight->options.validity, job->question.name,
                                    job->question.type == TYPE_SOA);
    job->fetch = fetch_start(inflight->options.fetcher,
                             &(struct fetch_request){
                                 .question = &job->question,
                                 .stamp = job->stamp,
                                 .dnssec_ok = key->bytes[4] & KEY_DNSSEC_OK,
                                 .checking_disabled = key->bytes[4] & KEY_CHECKING_DISABLED,
                                 .source = source,
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
    job->joinable = job->hh.tbl != NULL;
    charge(job, source);
    counter_add(&inflight->counters.under_way, 1);
    note_asked(job);
    if (store_policy(inflight->options.store).serve_stale > 0)
        start_stale_timer(job, job->started, STALE_AFTER_MS);
    DL_APPEND(inflight->all, job);
    counter_add(&inflight->counters.jobs, 1);
    return job;
}

/* Whether who asks has few questions under way, and so does whoever is silent. */
static bool is_modest(const struct inflight *inflight, const struct task *task,
                      enum holding holding, uint64_t who)
{
    return quota_held(inflight->quotas[BY_NETWORK], waiters_who(task->peer, true)) < BY_ALL &&
           quota_held(inflight->quotas[holding], who) < SILENCE_FEW;
}

static void tell_silent(const struct inflight *inflight, enum holding holding, uint64_t who,
                        const uint8_t *zone)
{
    tell(inflight, &(struct inflight_holder){
                       .count = quota_held(inflight->quotas[holding], who),
                       .silent = true,
                       .zone = zone,
                   });
}

/* Whether nobody would answer a question. Where its own zone is heard, the wider one's and the upstream's silence is others'. */
static bool is_in_vain(const struct inflight *inflight, const struct task *task)
{
    struct silences *silences = inflight->silences;
    const struct mono now = micro_ms(task->now);
    const uint8_t *name = answer_key_name(task->key->bytes);
    for (int i = 0; i < HOLDINGS && silences_any(silences); i++) {
        if (!may_be_silent(i))
            continue;
        const bool by_zone = i != BY_UPSTREAM;
        const uint64_t who = by_zone ? zone_number(inflight, name, ZONE_LABELS - (size_t)i)
                                     : (uintptr_t)routes_find_for(inflight->options.routes, name,
                                                                  task->question->type);
        const enum silence silence = silence_of(silences, who, now);
        if (silence == SILENCE_HEARD)
            return false;
        if (silence == SILENCE_UNKNOWN)
            continue;
        if (is_modest(inflight, task, i, who))
            return false;
        const bool probes = silence_probes(silences, who, now);
        if (probes)
            tell_silent(inflight, i, who,
                        by_zone ? suffix_of(name, ZONE_LABELS - (size_t)i) : NULL);
        return !probes;
    }
    return false;
}

/* The key that jobs have: everybody's. */
static const struct answer_key *shared_key(const struct answer_key *key, struct answer_key *scratch)
{
    if (!answer_key_is_of_client(key))
        return key;
    answer_key_shared(key, scratch);
    return scratch;
}

void inflight_prefetch(struct inflight *inflight, const struct answer_key *key,
                       const struct question *question, struct micro now, uint64_t timeout_ms)
{
    struct answer_key scratch;
    struct task task = {
        .key = shared_key(key, &scratch),
        .own = answer_key_client(key),
        .question = question,
        .now = now,
        .deadline = mono_add(micro_ms(now), timeout_ms),
    };
    if (!find_joinable(inflight, task.key) && start_job(inflight, &task))
        counter_add(&inflight->counters.prefetched, 1);
}

/* Joins a job, or starts one. NULL: no memory, or too much is under way. */
static struct job *job_for(struct inflight *inflight, const struct task *task)
{
    struct job *job = find_joinable(inflight, task->key);
    if (!job)
        return start_job(inflight, task);
    counter_add(&inflight->counters.joined, 1);
    return job;
}

const struct answer *inflight_at_once(struct inflight *inflight, const struct waiter_terms *terms)
{
    const struct question *question = terms->question;
    struct store *store = inflight->options.store;
    struct source *source =
        routes_find_for(inflight->options.routes, question->name, question->type);
    struct answer *answer = fetch_at_once(inflight->options.fetcher, source, question,
                                          terms->shape->dnssec_ok, terms->arrived);
    if (!answer)
        return NULL;
    const struct ttl_policy policy = store_policy(store);
    const bool child = terms->shape->option_size > 0;
    answer_bound_ttls(answer, &policy);
    delivery_keep(store, terms->key,
                  &(struct delivery_terms){
                      .answer = answer, .asked = terms->arrived, .started = micro_ms(terms->now)},
                  micro_ms(terms->now));
    body_age_ttls(answer->body, answer->ttl_offsets, answer->ttl_count, 0,
                  delivery_cap(answer, &policy, child));
    counter_add(&inflight->counters.at_once, 1);
    return answer;
}

int inflight_wait(struct inflight *inflight, const struct waiter_terms *terms)
{
    struct waiter_list list = {NULL};
    struct answer_key scratch;
    const struct task task = {
        .key = shared_key(terms->key, &scratch),
        .own = answer_key_client(terms->key),
        .peer = &terms->client->peer,
        .question = terms->question,
        .now = terms->now,
        .deadline = terms->deadline,
    };
    if (silences_any(inflight->silences) && !find_joinable(inflight, task.key) &&
        is_in_vain(inflight, &task)) {
        counter_add(&inflight->counters.in_vain, 1);
        return ERR_TIMEOUT;
    }
    if (waiters_are_full(inflight->waiters))
        deliveries_step(inflight->deliveries, micro_ms(terms->now));
    if (waiters_are_full(inflight->waiters))
        displace_waiter(inflight, micro_ms(terms->now));
    struct waiter *waiter = waiters_add(inflight->waiters, terms, &list);
    struct job *job = waiter ? job_for(inflight, &task) : NULL;
    if (!job) {
        counter_add(&inflight->counters.overloaded, 1);
        if (waiter)
            waiter_drop(inflight->waiters, waiter);
        return ERR_SPACE;
    }
    waiters_move_all(&list, &job->waiters);
    return ERR_OK;
}
