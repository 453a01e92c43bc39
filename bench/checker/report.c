#include "bench/checker/report.h"

#include <jansson.h>
#include <stdio.h>

#include "bench/common/clock.h"

enum { CHAIN_MAX = 16 };

static void write_line(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    fflush(stdout);
    json_decref(object);
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

/* Milliseconds since the run began; null for what has not happened. */
static json_t *moment(const struct report *report, int64_t us)
{
    if (us <= 1)
        return json_null();
    return json_real((double)(us - report->began_us) / US_PER_MS);
}

static json_t *offences_json(const uint64_t offences[OFFENCE_COUNT])
{
    json_t *object = json_object();
    for (int k = 1; k < OFFENCE_COUNT; k++)
        if (offences[k])
            json_object_set_new(object, offence_texts[k], number(offences[k]));
    return object;
}

static json_t *older_json(const struct tally *tally)
{
    json_t *older = json_array();
    for (int k = 0; k < AGES; k++)
        json_array_append_new(older, number(tally->older[k]));
    return older;
}

void report_ready(struct report *report)
{
    json_t *ages = json_array();
    for (int k = 0; k < AGES; k++)
        json_array_append_new(ages, json_real((double)ages_us[k] / US_PER_MS));
    write_line(json_pack("{s:s, s:o, s:i}", "type", "ready", "ages_ms", ages, "partitions",
                         log_partitions(report->log)));
}

void report_mark(struct report *report, const char *text)
{
    write_line(json_pack("{s:s, s:o, s:s}", "type", "mark", "at_ms", moment(report, clock_us()),
                         "text", text));
}

/* ---- each second ---- */

static json_t *second_json(struct tier *tier)
{
    const struct tally *t = &tier->second;
    json_t *state =
        tier->control[0] ? json_string(tier_state_texts[atomic_load(&tier->state)]) : json_null();
    json_t *object = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f}", "name", tier->name, "asked",
        number(t->asked), "answered", number(t->answered), "lost", number(t->lost), "failed",
        number(t->failed), "stream", number(t->stream), "stale", number(t->stale), "older",
        older_json(t), "excused", number(t->excused), "violations", offences_json(t->offences),
        "state", state, "oldest_ms", (double)t->oldest_us / US_PER_MS);
    json_object_set_new(object, "still", number(t->still));
    if (atomic_load(&tier->watched))
        json_object_set_new(object, "applied", json_integer(tier_applied(tier)));
    tier->second = (struct tally){0};
    return object;
}

void report_second(struct report *report, unsigned second)
{
    const struct log_counters log = log_count(report->log);
    json_t *tiers = json_array();
    for (unsigned k = 0; k < report->options->tier_count; k++)
        json_array_append_new(tiers, second_json(&report->tiers[k]));
    write_line(json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "type", "second", "second",
                         (int)second, "published", number(log.published), "acknowledged",
                         number(log.acknowledged), "read", number(log.read), "authority_queries",
                         number(report->authority->queries), "tiers", tiers));
}

/* ---- violations ---- */

static json_t *tier_window_json(const struct report *report, struct tier *tier,
                                const struct change *set)
{
    const struct window window = tier_window(tier, set);
    if (!window.by_us)
        return json_null();
    return json_pack("[o, o]", moment(report, window.after_us), moment(report, window.by_us));
}

static json_t *change_json(const struct report *report, uint32_t version)
{
    const struct change *change = &report->history->changes[version];
    const struct change *set = history_set(report->history, version);
    const struct publisher *publisher = log_publisher(report->log, set->publisher);
    json_t *applied = json_object();
    for (unsigned k = 0; k < report->options->tier_count; k++)
        json_object_set_new(applied, report->tiers[k].name,
                            tier_window_json(report, &report->tiers[k], set));
    return json_pack("{s:i, s:s, s:s, s:b, s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
                     (int)version, "op", kind_texts[change->kind], "publisher",
                     publisher_manner(publisher)->name, "outer", change->outer, "partition",
                     atomic_load(&set->partition), "offset", (json_int_t)atomic_load(&set->offset),
                     "authority_ms", moment(report, change->authority_us), "published_ms",
                     moment(report, set->published_us), "logged_ms",
                     moment(report, atomic_load(&set->logged_us)), "readable_ms",
                     moment(report, atomic_load(&set->readable_us)), "served_ms",
                     moment(report, change->served_us), "applied_between_ms", applied);
}

/* From the version answered (or, if that is none of the name's, its current one) to the newest. */
static json_t *chain_json(const struct report *report, const struct trace *trace)
{
    const uint32_t name = trace->question.name;
    uint32_t version = trace->answer.version;
    if (!history_owns(report->history, version, name))
        version = report->history->current[name];
    json_t *chain = json_array();
    for (int k = 0; version && k < CHAIN_MAX; k++) {
        json_array_append_new(chain, change_json(report, version));
        version = report->history->changes[version].next;
    }
    return chain;
}

void report_violation(void *arg, const struct trace *trace)
{
    struct report *report = arg;
    const struct question *question = &trace->question;
    char name[WIRE_MAX_TEXT];
    const size_t tier = (size_t)(question->tier - report->tiers);
    if (report->traced[tier][trace->offence]++ >= TRACES_MAX)
        return;
    static const char *const purposes[] = {"warmth", "stream", "probe", "sweep"};
    zone_name_text(report->zone, question->name, name);
    write_line(json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:i, s:i, s:i, s:b, s:I, s:f, s:o}",
                         "type", "violation", "class", offence_texts[trace->offence], "tier",
                         question->tier->name, "name", name, "for", purposes[question->purpose],
                         "sent_ms", moment(report, question->sent_us), "answered_ms",
                         moment(report, trace->answered_us), "version", (int)trace->answer.version,
                         "required", (int)question->required, "seen", (int)question->seen, "gone",
                         trace->answer.gone, "ttl", (json_int_t)trace->answer.ttl, "age_ms",
                         (double)trace->age_us / US_PER_MS, "changes", chain_json(report, trace)));
}

/* ---- the result ---- */

static json_t *quantiles_json(const struct histogram *histogram)
{
    static const struct {
        const char *name;
        double share;
    } wanted[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}};
    json_t *object = json_pack("{s:o, s:f}", "count", number(histogram->count), "max",
                               (double)histogram->max_us / US_PER_MS);
    for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++)
        json_object_set_new(
            object, wanted[k].name,
            json_real((double)histogram_quantile(histogram, wanted[k].share) / US_PER_MS));
    return object;
}

/* [[milliseconds, count], ...] of the buckets that are not empty. */
static json_t *buckets_json(const struct histogram *histogram)
{
    json_t *buckets = json_array();
    for (unsigned k = 0; k < HISTOGRAM_BUCKETS; k++)
        if (histogram->buckets[k])
            json_array_append_new(buckets,
                                  json_pack("[f, i]", (double)histogram_value(k) / US_PER_MS,
                                            (int)histogram->buckets[k]));
    return buckets;
}

static json_t *probes_json(const struct tier *tier)
{
    json_t *probes = json_array();
    for (int k = 0; k < AGES; k++) {
        const struct probe_tally *probe = &tier->probes[k];
        json_array_append_new(probes, json_pack("{s:f, s:o, s:o, s:o, s:o}", "after_ms",
                                                (double)ages_us[k] / US_PER_MS, "asked",
                                                number(probe->asked), "answered",
                                                number(probe->answered), "old", number(probe->old),
                                                "skipped", number(probe->skipped)));
    }
    return probes;
}

/* From readable to applied, as far as the windows say; the later edge. */
static json_t *applied_json(const struct report *report, struct tier *tier)
{
    static struct histogram delay;
    if (!atomic_load(&tier->watched))
        return json_null();
    delay = (struct histogram){0};
    for (uint32_t version = 1; version <= report->history->count; version++) {
        const struct change *change = &report->history->changes[version];
        const int64_t by_us = change->set == version ? tier_window(tier, change).by_us : 0;
        if (by_us && atomic_load(&change->readable_us))
            histogram_add(&delay, by_us - atomic_load(&change->readable_us));
    }
    return quantiles_json(&delay);
}

static json_t *tier_json(const struct report *report, struct tier *tier)
{
    const struct tally *t = &tier->all;
    json_t *object =
        json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                  tier->name, "parent", tier->parent ? tier->parent->name : "", "watched",
                  tier->control[0] != '\0', "asked", number(t->asked), "answered",
                  number(t->answered), "lost", number(t->lost), "failed", number(t->failed),
                  "stream", number(t->stream), "stale", number(t->stale), "older", older_json(t),
                  "excused", number(t->excused), "violations", offences_json(t->offences));
    json_object_set_new(object, "still", number(t->still));
    json_object_set_new(object, "age_ms", quantiles_json(&tier->age));
    json_object_set_new(object, "age_buckets", buckets_json(&tier->age));
    json_object_set_new(object, "latency_ms", quantiles_json(&tier->latency));
    json_object_set_new(object, "probes", probes_json(tier));
    json_object_set_new(object, "applied_ms", applied_json(report, tier));
    json_object_set_new(object, "bound_ms", json_integer(tier->bound_us / US_PER_MS));
    json_object_set_new(object, "sweep",
                        json_pack("{s:o, s:o, s:o}", "asked", number(tier->sweep_asked), "old",
                                  number(tier->sweep_old), "lost", number(tier->sweep_lost)));
    return object;
}

static void measure_readable(struct report *report)
{
    for (uint32_t version = 1; version <= report->history->count; version++) {
        const struct change *change = &report->history->changes[version];
        if (change->published_us && atomic_load(&change->readable_us))
            histogram_add(&report->acked, atomic_load(&change->readable_us) - change->published_us);
    }
}

/* Each with its manner, and how long it took until what it published was in the log. */
static json_t *publishers_json(const struct report *report)
{
    static struct histogram logged[PUBLISHERS_MAX];
    json_t *publishers = json_array();
    for (uint32_t version = 1; version <= report->history->count; version++) {
        const struct change *change = &report->history->changes[version];
        const int64_t logged_us = atomic_load(&change->logged_us);
        if (change->published_us && logged_us)
            histogram_add(&logged[change->publisher], logged_us - change->published_us);
    }
    for (unsigned k = 0; k < report->options->log.publisher_count; k++)
        json_array_append_new(publishers,
                              json_pack("{s:s, s:o}", "manner",
                                        publisher_manner(log_publisher(report->log, k))->name,
                                        "logged_ms", quantiles_json(&logged[k])));
    return publishers;
}

void report_result(struct report *report)
{
    const struct log_counters log = log_count(report->log);
    const struct authority *authority = report->authority;
    json_t *tiers = json_array(), *kinds = json_object();
    uint64_t made[KIND_COUNT] = {0};
    for (uint32_t version = 1; version <= report->history->count; version++)
        made[report->history->changes[version].kind] +=
            report->history->changes[version].set == version;
    for (int k = KIND_SET; k < KIND_COUNT; k++)
        json_object_set_new(kinds, kind_texts[k], number(made[k]));
    for (unsigned k = 0; k < report->options->tier_count; k++)
        json_array_append_new(tiers, tier_json(report, &report->tiers[k]));
    measure_readable(report);
    json_t *object =
        json_pack("{s:s, s:f, s:o, s:o}", "type", "result", "seconds",
                  (double)report->measured_us / US_PER_S, "tiers", tiers, "changes", kinds);
    json_object_set_new(object, "log",
                        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "published",
                                  number(log.published), "acknowledged", number(log.acknowledged),
                                  "read", number(log.read), "failed", number(log.failed),
                                  "committed", number(log.committed), "aborted",
                                  number(log.aborted)));
    json_object_set_new(object, "authority",
                        json_pack("{s:o, s:o, s:o}", "queries", number(report->authority_queries),
                                  "answered", number(authority->answered), "stale",
                                  number(authority->stale)));
    json_object_set_new(object, "publishers", publishers_json(report));
    json_object_set_new(object, "readable_ms", quantiles_json(&report->acked));
    json_object_set_new(object, "checker_late_ms", quantiles_json(&report->late));
    write_line(object);
}
