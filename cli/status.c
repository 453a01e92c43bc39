/*
 * status.c - "freshet status": what a freshetd is doing, or a freshet-origin.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/color.h"
#include "cli/control.h"
#include "cli/health.h"
#include "cli/quantity.h"
#include "cli/status_catalogs.h"
#include "cli/status_origin.h"
#include "cli/table.h"
#include "cli/text.h"

static void add_number(struct table *table, const json_t *object, const char *name)
{
    table_add(table, "%s", name);
    table_add(table, "%lld", member_number(object, name));
}

static void print_process(const json_t *answer, bool verbose)
{
    struct table table = table_new(2);
    char uptime[QUANTITY_MAX_TEXT];
    if (json_object_get(answer, "program")) {
        table_add(&table, "program");
        table_add(&table, "%s", member_text(answer, "program"));
    }
    table_add(&table, "version");
    table_add(&table, "%s", member_text(answer, "version"));
    add_number(&table, answer, "pid");
    table_add(&table, "uptime");
    table_add(&table, "%s",
              quantity_seconds(json_number_value(json_object_get(answer, "uptime_s")), uptime));
    if (verbose && json_object_get(answer, "stamp"))
        add_number(&table, answer, "stamp");
    if (json_object_get(answer, "sandbox")) {
        table_add(&table, "sandbox");
        table_add(&table, "%s", member_text(answer, "sandbox"));
    }
    table_print(&table, "");
}

/* Times of -1 stand for: none yet. */
static void add_time(struct table *table, const json_t *object, const char *member,
                     const char *name)
{
    const long long us = member_number(object, member);
    char text[QUANTITY_MAX_TEXT];
    table_add(table, "%s", name);
    table_add(table, "%s", us < 0 ? "-" : quantity_us((uint64_t)us, text));
}

static void print_feed_head(const json_t *feed)
{
    struct table table = table_new(2);
    const char *reason = member_text(feed, "reason");
    table_add(&table, "state");
    table_add(&table, "%s%s%s", member_text(feed, "state"), reason[0] ? ": " : "", reason);
    table_add(&table, "brokers");
    table_add(&table, "%s", member_text(feed, "brokers"));
    table_add(&table, "topic");
    table_add(&table, "%s", member_text(feed, "topic"));
    static const char *const counts[] = {"applied", "ignored", "installed",
                                         "marked",  "resets",  "renewed"};
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
        add_number(&table, feed, counts[k]);
    add_time(&table, feed, "last_apply_us", "last apply took");
    add_time(&table, feed, "last_delay_us", "commit to apply");
    const char *refusal;
    json_t *count;
    json_object_foreach(json_object_get(feed, "refused"), refusal, count)
    {
        table_add(&table, "refused");
        table_add(&table, "%lld: %s", (long long)json_integer_value(count), refusal);
    }
    table_print(&table, "  ");
}

static void print_partitions(const json_t *feed)
{
    struct table table = table_new(3);
    table_add(&table, "partition");
    table_add(&table, "next offset");
    table_add(&table, "lag");
    size_t k;
    json_t *partition;
    json_array_foreach(json_object_get(feed, "partitions"), k, partition)
    {
        table_add(&table, "%lld", member_number(partition, "partition"));
        table_add(&table, "%lld", member_number(partition, "offset"));
        table_add(&table, "%lld", member_number(partition, "lag"));
    }
    printf("\n");
    table_print(&table, "  ");
}

static void add_zone(struct table *table, const json_t *zone)
{
    const json_t *serial = json_object_get(zone, "serial");
    const char *time = member_text(zone, "time");
    table_add(table, "%s", member_text(zone, "zone"));
    if (json_is_integer(serial))
        table_add(table, "%lld", (long long)json_integer_value(serial));
    else
        table_add(table, "-");
    table_add(table, "%lld", member_number(zone, "sets"));
    table_add(table, "%lld", member_number(zone, "invalidated"));
    table_add(table, "%s", time[0] ? time : "-");
}

static void print_zones(const json_t *feed)
{
    static const char *const heads[] = {"zone", "serial", "sets", "invalidated", "newest commit"};
    enum { COLUMNS = sizeof heads / sizeof heads[0] };
    struct table table = table_new(COLUMNS);
    for (size_t k = 0; k < COLUMNS; k++)
        table_add(&table, "%s", heads[k]);
    size_t k;
    json_t *zone;
    json_array_foreach(json_object_get(feed, "zones"), k, zone) add_zone(&table, zone);
    printf("\n");
    table_print(&table, "  ");
}

static void print_feed(const json_t *feed)
{
    if (!json_is_object(feed)) {
        printf("\nfeed: none\n");
        return;
    }
    printf("\nfeed\n");
    print_feed_head(feed);
    print_partitions(feed);
    print_zones(feed);
}

/* How far it is, or why it is not whole. */
static void add_streamed_state(struct table *table, const json_t *zone)
{
    const char *state = member_text(zone, "state"), *reason = member_text(zone, "reason");
    const long long parts = member_number(zone, "parts"), behind = member_number(zone, "behind");
    if (parts > 0)
        table_add(table, "%s: part %lld of %lld", state, member_number(zone, "part"), parts);
    else if (behind >= 0)
        table_add(table, "%s: %lld change sets to go", state, behind);
    else
        table_add(table, "%s%s%s", state, reason[0] ? ": " : "", reason);
}

static void print_streamed(const json_t *zones)
{
    static const char *const heads[] = {"streamed zone", "serial", "offset", "records", "state"};
    enum { COLUMNS = sizeof heads / sizeof heads[0] };
    struct table table = table_new(COLUMNS);
    size_t k;
    json_t *zone;
    if (json_array_size(zones) == 0)
        return;
    for (size_t c = 0; c < COLUMNS; c++)
        table_add(&table, "%s", heads[c]);
    json_array_foreach(zones, k, zone)
    {
        table_add(&table, "%s", member_text(zone, "zone"));
        table_add(&table, "%lld", member_number(zone, "serial"));
        table_add(&table, "%lld:%lld", member_number(zone, "partition"),
                  member_number(zone, "offset"));
        table_add(&table, "%lld", member_number(zone, "records"));
        add_streamed_state(&table, zone);
    }
    printf("\n");
    table_print(&table, "");
}

static const char *const tier_counts[] = {"queries", "hits",    "misses", "invalid",
                                          "expired", "evicted", "answers"};
static const char *const tier_sizes[] = {"bytes", "size"};
enum {
    TIER_COUNTS = sizeof tier_counts / sizeof tier_counts[0],
    TIER_SIZES = sizeof tier_sizes / sizeof tier_sizes[0],
};

static void add_tier(struct table *table, const json_t *tier)
{
    char text[QUANTITY_MAX_TEXT];
    table_add(table, "%s", member_text(tier, "name"));
    for (size_t k = 0; k < TIER_COUNTS; k++)
        table_add(table, "%lld", member_number(tier, tier_counts[k]));
    for (size_t k = 0; k < TIER_SIZES; k++)
        table_add(table, "%s", quantity_bytes((uint64_t)member_number(tier, tier_sizes[k]), text));
}

static void print_tiers(const json_t *tiers)
{
    struct table table = table_new(1 + TIER_COUNTS + TIER_SIZES);
    table_add(&table, "tier");
    for (size_t k = 0; k < TIER_COUNTS; k++)
        table_add(&table, "%s", tier_counts[k]);
    for (size_t k = 0; k < TIER_SIZES; k++)
        table_add(&table, "%s", tier_sizes[k]);
    size_t t;
    json_t *tier;
    json_array_foreach(tiers, t, tier) add_tier(&table, tier);
    printf("\n");
    table_print(&table, "");
}

/* Half of them, and 99 of a hundred, took no longer than this. */
static void add_within(struct table *table, const json_t *times, const char *member)
{
    const json_t *us = json_object_get(times, member);
    char text[QUANTITY_MAX_TEXT];
    if (json_is_integer(us))
        table_add(table, "%s", quantity_us((uint64_t)json_integer_value(us), text));
    else
        table_add(table, "%s", member_number(times, "count") > 0 ? "more" : "-");
}

static void add_times(struct table *table, const json_t *tier, const char *way, const char *member)
{
    const json_t *times = json_object_get(tier, member);
    table_add(table, "%s", member_text(tier, "name"));
    table_add(table, "%s", way);
    table_add(table, "%lld", member_number(times, "count"));
    add_within(table, times, "p50_us");
    add_within(table, times, "p99_us");
}

static void print_times(const json_t *tiers)
{
    static const char *const heads[] = {"tier", "answered", "clients", "half within",
                                        "99 % within"};
    enum { COLUMNS = sizeof heads / sizeof heads[0] };
    struct table table = table_new(COLUMNS);
    for (size_t k = 0; k < COLUMNS; k++)
        table_add(&table, "%s", heads[k]);
    size_t t;
    json_t *tier;
    json_array_foreach(tiers, t, tier)
    {
        add_times(&table, tier, "at once", "at_once_times");
        add_times(&table, tier, "after waiting", "waited_times");
    }
    printf("\n");
    table_print(&table, "");
}

static void add_upstreams(struct table *table, const json_t *tier)
{
    size_t k;
    json_t *upstream;
    json_array_foreach(json_object_get(tier, "upstreams"), k, upstream)
    {
        table_add(table, "%s", member_text(tier, "name"));
        table_add(table, "%s", member_text(upstream, "address"));
        table_add(table, "%.1f ms", json_number_value(json_object_get(upstream, "srtt_ms")));
        table_add(table, "%lld", member_number(upstream, "sent"));
        table_add(table, "%lld", member_number(upstream, "failed"));
    }
}

static void print_upstreams(const json_t *tiers)
{
    static const char *const heads[] = {"tier", "upstream", "srtt", "sent", "failed"};
    enum { COLUMNS = sizeof heads / sizeof heads[0] };
    struct table table = table_new(COLUMNS);
    for (size_t k = 0; k < COLUMNS; k++)
        table_add(&table, "%s", heads[k]);
    size_t t;
    json_t *tier;
    json_array_foreach(tiers, t, tier) add_upstreams(&table, tier);
    printf("\n");
    table_print(&table, "");
}

static bool has_text(const json_t *list, const char *text)
{
    size_t k;
    json_t *one;
    json_array_foreach(list, k, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), text) == 0)
            return true;
    }
    return false;
}

static void print_listeners(const json_t *tiers)
{
    struct table table = table_new(3);
    table_add(&table, "tier");
    table_add(&table, "listens");
    table_add(&table, "address");
    size_t t, k;
    json_t *tier, *address;
    json_array_foreach(tiers, t, tier)
        json_array_foreach(json_object_get(tier, "listen"), k, address)
    {
        const char *text = json_is_string(address) ? json_string_value(address) : "";
        table_add(&table, "%s", member_text(tier, "name"));
        table_add(&table, "%s", text);
        const char *why = member_text(json_object_get(tier, "refused_addresses"), text);
        if (has_text(json_object_get(tier, "awaited"), text))
            table_add(&table, "not there yet");
        else
            table_add(&table, "%s%s", why[0] ? "not to be had: " : "there", why);
    }
    printf("\n");
    table_print(&table, "");
}

/* What asks for attention comes first. */
static void print_warnings(const json_t *warnings)
{
    size_t k;
    json_t *one;
    json_array_foreach(warnings, k, one)
    {
        color_begin(COLOR_NOTE);
        printf("warning: ");
        text_print(stdout, json_is_string(one) ? json_string_value(one) : "");
        color_end();
        printf("\n");
    }
    if (k > 0)
        printf("\n");
}

static void print_daemon(const struct options *o, const json_t *answer)
{
    const json_t *tiers = json_object_get(answer, "tiers");
    print_process(answer, o->verbose);
    print_feed(json_object_get(answer, "feed"));
    print_streamed(json_object_get(answer, "streamed"));
    status_print_catalogs(json_object_get(answer, "catalogs"));
    print_listeners(tiers);
    print_tiers(tiers);
    print_times(tiers);
    print_upstreams(tiers);
}

static void print_status(const struct options *o, json_t *answer, const json_t *warnings)
{
    const bool is_origin = json_object_get(answer, "zone_list");
    print_warnings(warnings);
    if (!o->check && is_origin) {
        print_process(answer, o->verbose);
        status_print_origin(answer);
    } else if (!o->check) {
        print_daemon(o, answer);
    } else if (json_array_size(warnings) == 0) {
        color_begin(COLOR_GOOD);
        printf(is_origin ? "well: the primaries answer and the log takes what they change"
                         : "well: the feed is live and all tiers answer");
        color_end();
        printf("\n");
    }
}

static int run_status(const struct options *o)
{
    json_t *answer = control_answer(o, json_pack("{s:s}", "cmd", "status"));
    if (!answer)
        return EXIT_FAILED;
    json_t *warnings = health_warnings(answer);
    const bool healthy = json_array_size(warnings) == 0;
    if (o->json)
        print_json_line(answer);
    else
        print_status(o, answer, warnings);
    json_decref(warnings);
    json_decref(answer);
    return o->check && !healthy ? EXIT_UNHEALTHY : EXIT_DONE;
}

const struct command status_command = {
    .name = "status",
    .operands = "",
    .summary = "Show what a running freshetd or freshet-origin is doing",
    .details =
        "What asks for attention stands on top. What the lines mean: docs/status.md.\n"
        "With --check that alone is printed, and the exit status is 5 if there is anything.\n",
    .accepts =
        OPT_ORIGIN | OPT_CONTROL | OPT_STATUS | OPT_VERBOSE | OPT_COLOR | OPT_TIMEOUT | OPT_JSON,
    .run = run_status,
};
