#include "bench/checker/judge.h"

#include "bench/common/clock.h"

enum {
    SLACK_US = 20 * US_PER_MS,
    LIVES_US = US_PER_S,    /* P4: what was fetched soon after an eviction */
    ROUNDING_US = US_PER_S, /* a TTL is whole seconds */
};

const int64_t ages_us[AGES] = {1 * US_PER_MS, 5 * US_PER_MS, 50 * US_PER_MS, 1 * US_PER_S,
                               5 * US_PER_S};
const char *const offence_texts[OFFENCE_COUNT] = {"none", "wrong", "mixed", "P1",         "P3",
                                                  "P4",   "P5",    "P7",    "regression", "bound"};
const char *const tier_state_texts[] = {"unknown", "live", "not live", "silent"};

void judge_prepare(const struct judge *judge, struct question *question)
{
    struct tier *tier = question->tier;
    const int64_t applied = atomic_load(&tier->applied);
    question->required = applied ? history_before(judge->history, question->name, applied) : 0;
    question->seen = tier->seen[question->name];
    question->seen_us = tier->seen_us[question->name];
    question->live_since_us = tier->control[0] ? atomic_load(&tier->live_since_us) : 0;
}

/* When the version after this one was readable; 0: there is none, or nobody could read it yet. */
static int64_t outdated_us(const struct judge *judge, uint32_t version)
{
    const uint32_t next = judge->history->changes[version].next;
    return next ? atomic_load(&judge->history->changes[next].readable_us) : 0;
}

static int64_t age_of(const struct judge *judge, uint32_t version, int64_t sent_us)
{
    const int64_t since_us = outdated_us(judge, version);
    return since_us && sent_us > since_us ? sent_us - since_us : 0;
}

/* Whether a tier above may not yet have applied the change that ended `version` at `since_us`. */
static bool parent_may_lag(const struct judge *judge, const struct tier *tier, uint32_t version,
                           int64_t since_us)
{
    const uint32_t next = judge->history->changes[version].next;
    if (!next)
        return false;
    for (const struct tier *above = tier->parent; above; above = above->parent) {
        const struct window *window = tier_window(above, &judge->history->changes[next]);
        const int64_t by_us = window ? atomic_load(&window->by_us) : 0;
        if (by_us == 0 || by_us > since_us - SLACK_US)
            return true;
    }
    return false;
}

/* The earliest moment at which the tier can have applied a version. */
static int64_t applied_after_us(const struct judge *judge, const struct tier *tier,
                                uint32_t version)
{
    const struct window *window = tier_window(tier, &judge->history->changes[version]);
    return window ? atomic_load(&window->after_us) : 0;
}

/* Older than required. `ret_excused` when it is permitted all the same. */
static enum offence older_than_applied(const struct judge *judge, const struct question *question,
                                       const struct wire_answer *answer, bool *ret_excused)
{
    const struct tier *tier = question->tier;
    const int64_t applied_us = applied_after_us(judge, tier, question->required);
    const struct change *given = &judge->history->changes[answer->version];
    const int64_t served_us = given->served_us;
    const bool lagged = served_us >= judge->history->changes[given->next].authority_us;
    if (lagged && served_us >= applied_us - SLACK_US) {
        *ret_excused = question->sent_us <= served_us + tier->depth * (int64_t)LIVES_US + SLACK_US;
        return OFFENCE_P4;
    }
    if (parent_may_lag(judge, tier, answer->version, applied_us)) {
        *ret_excused = answer->ttl == 0;
        return OFFENCE_P3;
    }
    return OFFENCE_P1;
}

static bool past_bound(const struct judge *judge, const struct question *question, uint32_t version)
{
    const int64_t readable_us = outdated_us(judge, version);
    const int64_t live_us = question->live_since_us;
    if (readable_us == 0 || live_us == INT64_MAX)
        return false;
    const int64_t since_us = readable_us > live_us ? readable_us : live_us;
    return question->sent_us - since_us > question->tier->bound_us;
}

static bool past_ttl(const struct judge *judge, const struct question *question, uint32_t version)
{
    const struct change *change = &judge->history->changes[version];
    if (!change->next)
        return false;
    const int64_t ended_us = judge->history->changes[change->next].authority_us;
    const int64_t served_us = change->served_us;
    const int64_t readable_us = atomic_load(&change->readable_us);
    int64_t since_us = ended_us > served_us ? ended_us : served_us;
    if (readable_us > since_us)
        since_us = readable_us;
    return question->sent_us - since_us >
           judge->ttl * (int64_t)US_PER_S + judge->lease_us + ROUNDING_US;
}

static enum offence find_offence(const struct judge *judge, const struct question *question,
                                 const struct wire_answer *answer, bool *ret_excused)
{
    const uint32_t version = answer->version;
    if (answer->mixed)
        return OFFENCE_MIXED;
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

static void remember(struct tier *tier, uint32_t name, uint32_t version, int64_t now_us)
{
    if (version <= tier->seen[name])
        return;
    tier->seen[name] = version;
    tier->seen_us[name] = now_us;
}

void judge_answer(const struct judge *judge, const struct question *question,
                  const struct wire_answer *answer, int64_t now_us)
{
    struct tier *tier = question->tier;
    bool excused = false;
    const enum offence offence = find_offence(judge, question, answer, &excused);
    const bool known = offence != OFFENCE_WRONG && offence != OFFENCE_MIXED;
    struct trace trace = {.question = *question, .answer = *answer, .answered_us = now_us};
    if (known)
        trace.age_us = age_of(judge, answer->version, question->sent_us);
    count(tier, question, answer, trace.age_us, now_us);
    if (offence != OFFENCE_NONE && !excused)
        charge(judge, &trace, offence);
    if (excused) {
        tier->all.excused++;
        tier->second.excused++;
    }
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
