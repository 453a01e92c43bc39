#include "bench/checker/judge.h"

#include "bench/common/clock.h"

enum {
    SLACK_US = 20 * US_PER_MS,
    LIVES_US = US_PER_S,    /* P4: what was fetched soon after an eviction */
    ROUNDING_US = US_PER_S, /* a TTL is whole seconds */
};

const int64_t ages_us[AGES] = {1 * US_PER_MS, 5 * US_PER_MS, 50 * US_PER_MS, 1 * US_PER_S,
                               5 * US_PER_S};
const char *const offence_texts[OFFENCE_COUNT] = {
    "none", "wrong", "mixed", "aborted", "P1", "P3", "P4", "P5", "P7", "regression", "bound"};
const char *const tier_state_texts[] = {"unknown", "live", "not live", "silent"};

/* The newest version of a name whose change set the tier said to have applied. */
static uint32_t newest_applied(const struct history *history, const struct tier *tier,
                               uint32_t name)
{
    uint32_t version = history->current[name];
    while (!tier_has_applied(tier, history_set(history, version)))
        version = history->changes[version].previous;
    return version;
}

/* INT64_MAX: it is not live. Who does not say is taken to be. */
static int64_t live_since(struct tier *tier)
{
    return tier->control[0] ? atomic_load(&tier->live_since_us) : 0;
}

void judge_prepare(struct judge *judge, struct question *question)
{
    struct tier *tier = question->tier;
    question->required =
        atomic_load(&tier->watched) ? newest_applied(judge->history, tier, question->name) : 0;
    question->seen = tier->seen[question->name];
    question->seen_us = tier->seen_us[question->name];
    question->live_since_us = live_since(tier);
}

/* What ended a version; NULL: nothing has. */
static struct change *end_of(const struct judge *judge, uint32_t version)
{
    const uint32_t next = judge->history->changes[version].next;
    return next ? history_set(judge->history, next) : NULL;
}

static int64_t age_of(const struct judge *judge, uint32_t version, int64_t sent_us)
{
    const struct change *end = end_of(judge, version);
    const int64_t since_us = end ? atomic_load(&end->readable_us) : 0;
    return since_us && sent_us > since_us ? sent_us - since_us : 0;
}

/* Whether a tier above may not yet have applied the change that ended `version` at `since_us`. */
static bool parent_may_lag(const struct judge *judge, const struct tier *tier, uint32_t version,
                           int64_t since_us)
{
    const struct change *end = end_of(judge, version);
    if (!end)
        return false;
    for (struct tier *above = tier->parent; above; above = above->parent) {
        const int64_t by_us = tier_window(above, end).by_us;
        if (by_us == 0 || by_us > since_us - SLACK_US)
            return true;
    }
    return false;
}

/* Older than required. `ret_excused` when it is permitted all the same. */
static enum offence older_than_applied(const struct judge *judge, const struct question *question,
                                       const struct wire_answer *answer, bool *ret_excused)
{
    struct tier *tier = question->tier;
    const int64_t applied_us =
        tier_window(tier, history_set(judge->history, question->required)).after_us;
    const struct change *given = &judge->history->changes[answer->version];
    const int64_t given_us = given->served_us + judge->forwarder_us;
    const bool lagged =
        given->served_us && given_us >= judge->history->changes[given->next].authority_us;
    const bool of_parent = parent_may_lag(judge, tier, answer->version, applied_us);
    if (of_parent && answer->ttl == 0) {
        *ret_excused = true;
        return OFFENCE_P3;
    }
    if (lagged && given_us >= applied_us - SLACK_US) {
        *ret_excused = question->sent_us <= given_us + tier->depth * (int64_t)LIVES_US + SLACK_US &&
                       (!judge->forwarder_us || answer->ttl <= 1);
        return OFFENCE_P4;
    }
    return of_parent ? OFFENCE_P3 : OFFENCE_P1;
}

static bool past_bound(const struct judge *judge, const struct question *question, uint32_t version)
{
    const struct change *end = end_of(judge, version);
    const int64_t logged_us = end ? atomic_load(&end->logged_us) : 0;
    const int64_t live_us = question->live_since_us;
    if (logged_us == 0 || live_us == INT64_MAX)
        return false;
    const int64_t since_us = logged_us > live_us ? logged_us : live_us;
    return question->sent_us - since_us > question->tier->bound_us;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* When the version can have been the newest last, by all that the tier could know; INT64_MAX: it can be still. */
static int64_t outdated_us(const struct judge *judge, const struct question *question,
                           uint32_t version)
{
    const struct change *change = &judge->history->changes[version];
    if (!change->next)
        return INT64_MAX;
    const int64_t readable_us = atomic_load(&history_set(judge->history, version)->readable_us);
    const int64_t ended_us = judge->history->changes[change->next].authority_us;
    const int64_t since_us = later(later(ended_us, change->served_us), readable_us);
    if (question->live_since_us == INT64_MAX)
        return since_us;
    const struct change *end = end_of(judge, version);
    const int64_t logged_us = end ? atomic_load(&end->logged_us) : 0;
    return logged_us ? later(since_us, logged_us) : INT64_MAX;
}

static bool past_ttl(const struct judge *judge, const struct question *question, uint32_t version)
{
    const int64_t since_us = outdated_us(judge, question, version);
    if (since_us == INT64_MAX)
        return false;
    return question->sent_us - since_us >
           judge->ttl * (int64_t)US_PER_S + judge->forwarder_us + judge->lease_us + ROUNDING_US;
}

static enum offence find_offence(const struct judge *judge, const struct question *question,
                                 const struct wire_answer *answer, bool *ret_excused)
{
    const uint32_t version = answer->version;
    if (answer->mixed)
        return OFFENCE_MIXED;
    if (version <= judge->history->count && judge->history->changes[version].kind == KIND_ABORTED)
        return OFFENCE_ABORTED;
    if (!history_owns(judge->history, version, question->name) ||
        judge->history->changes[version].gone != answer->gone)
        return OFFENCE_WRONG;
    if (version < question->required)
        return older_than_applied(judge, question, answer, ret_excused);
    if (version < question->seen) {
        if (!parent_may_lag(judge, question->tier, version, question->seen_us))
            return OFFENCE_REGRESSION;
        *ret_excused = answer->ttl == 0;
        return OFFENCE_P3;
    }
    if (past_bound(judge, question, version))
        return OFFENCE_BOUND;
    return past_ttl(judge, question, version) ? OFFENCE_P5 : OFFENCE_NONE;
}

/*
 * A negative answer that somebody else's cache has put together: whatever version it may be of, the one that fits
 * best counts; it becomes the answer's.
 */
static enum offence find_offence_of_gone(const struct judge *judge, const struct question *question,
                                         struct wire_answer *answer, bool *ret_excused)
{
    const struct change *changes = judge->history->changes;
    uint32_t version = judge->history->current[question->name], newest = 0;
    for (; version; version = changes[version].previous) {
        if (!changes[version].gone)
            continue;
        answer->version = version;
        newest = newest ? newest : version;
        const enum offence offence = find_offence(judge, question, answer, ret_excused);
        if (offence == OFFENCE_NONE || *ret_excused)
            return offence;
    }
    answer->version = newest;
    return newest ? find_offence(judge, question, answer, ret_excused) : OFFENCE_WRONG;
}

/* ---- counting ---- */

static void count_age(struct tally *tally, int64_t age_us)
{
    tally->stream++;
    tally->stale += age_us > 0;
    for (int k = 0; k < AGES; k++)
        tally->older[k] += age_us > ages_us[k];
    if (age_us > tally->oldest_us)
        tally->oldest_us = age_us;
}

static void count_probe(struct tier *tier, const struct question *question, uint32_t version)
{
    struct probe_tally *tally = &tier->probes[question->probe];
    tally->answered++;
    tally->old += version < question->probed;
}

static void count(struct tier *tier, const struct question *question,
                  const struct wire_answer *answer, int64_t age_us, int64_t now_us)
{
    if (question->purpose == FOR_WARMTH || question->purpose == FOR_SWEEP)
        return;
    tier->all.answered++;
    tier->second.answered++;
    histogram_add(&tier->latency, now_us - question->sent_us);
    if (question->purpose == FOR_PROBE) {
        count_probe(tier, question, answer->version);
        return;
    }
    count_age(&tier->all, age_us);
    count_age(&tier->second, age_us);
    if (age_us > 0)
        histogram_add(&tier->age, age_us);
}

static void charge(const struct judge *judge, struct trace *trace, enum offence offence)
{
    struct tier *tier = trace->question.tier;
    tier->all.offences[offence]++;
    tier->second.offences[offence]++;
    trace->offence = offence;
    if (judge->report)
        judge->report(judge->report_arg, trace);
}

static void excuse(struct tier *tier)
{
    tier->all.excused++;
    tier->second.excused++;
}

/* A tier says to be live for a little longer than it is, by the time between two looks at it. */
static bool was_live(const struct trace *trace)
{
    const int64_t since_us = trace->question.live_since_us;
    return since_us <= trace->question.sent_us - PENDING_US &&
           since_us == live_since(trace->question.tier);
}

void judge_settle(struct judge *judge, int64_t now_us)
{
    for (; judge->first_pending < judge->last_pending; judge->first_pending++) {
        struct trace *trace = &judge->pending[judge->first_pending % PENDING_MAX];
        if (trace->answered_us > now_us - PENDING_US)
            return;
        if (was_live(trace))
            charge(judge, trace, OFFENCE_P3);
        else
            excuse(trace->question.tier);
    }
}

static void hold(struct judge *judge, const struct trace *trace)
{
    if (judge->last_pending - judge->first_pending == PENDING_MAX)
        judge_settle(judge, INT64_MAX);
    judge->pending[judge->last_pending++ % PENDING_MAX] = *trace;
}

static void remember(struct tier *tier, uint32_t name, uint32_t version, int64_t now_us)
{
    if (version <= tier->seen[name])
        return;
    tier->seen[name] = version;
    tier->seen_us[name] = now_us;
}

void judge_answer(struct judge *judge, const struct question *question,
                  const struct wire_answer *given, int64_t now_us)
{
    struct tier *tier = question->tier;
    struct wire_answer told = *given, *answer = &told;
    bool excused = false;
    const enum offence offence = judge->forwarder_us && answer->gone
                                     ? find_offence_of_gone(judge, question, answer, &excused)
                                     : find_offence(judge, question, answer, &excused);
    const bool known =
        offence != OFFENCE_WRONG && offence != OFFENCE_MIXED && offence != OFFENCE_ABORTED;
    struct trace trace = {.question = *question, .answer = *answer, .answered_us = now_us};
    if (known)
        trace.age_us = age_of(judge, answer->version, question->sent_us);
    count(tier, question, answer, trace.age_us, now_us);
    if (excused)
        excuse(tier);
    else if (offence == OFFENCE_P3)
        hold(judge, &trace);
    else if (offence != OFFENCE_NONE)
        charge(judge, &trace, offence);
    if (answer->ttl > tier->ttl_limit)
        charge(judge, &trace, OFFENCE_P7);
    if (known)
        remember(tier, question->name, answer->version, now_us);
    if (question->purpose == FOR_SWEEP)
        tier->sweep_old += answer->version < judge->history->current[question->name];
}

void judge_loss(const struct question *question, bool failed)
{
    struct tier *tier = question->tier;
    if (question->purpose == FOR_SWEEP)
        tier->sweep_lost++;
    if (question->purpose == FOR_WARMTH || question->purpose == FOR_SWEEP)
        return;
    tier->all.lost += !failed;
    tier->all.failed += failed;
    tier->second.lost += !failed;
    tier->second.failed += failed;
}
