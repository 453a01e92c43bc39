/*
 * status_origin.c - "freshet status" of a freshet-origin: its zones, and all that has happened.
 */
#include <stdio.h>

#include "cli/control.h"
#include "cli/status_catalogs.h"
#include "cli/status_origin.h"
#include "cli/table.h"

static void add_serial(struct table *table, const json_t *zone)
{
    const json_t *serial = json_object_get(zone, "serial");
    if (json_is_integer(serial))
        table_add(table, "%lld", (long long)json_integer_value(serial));
    else
        table_add(table, "-");
}

/* When a primary last said what the newest version is; before one has, the start. */
static void add_refreshed(struct table *table, const json_t *zone)
{
    const json_t *age = json_object_get(zone, "refreshed_s");
    if (json_is_real(age))
        table_add(table, "%.0f s ago", json_real_value(age));
    else
        table_add(table, "never");
}

/* Whether this instance writes the zone, where there are several. */
static void add_turn(struct table *table, const json_t *zone)
{
    const char *turn = member_text(zone, "turn");
    table_add(table, "%s", turn[0] ? turn : "-");
}

static void add_captured(struct table *table, const json_t *zone)
{
    const char *snapshot = member_text(json_object_get(zone, "snapshot"), "verdict");
    table_add(table, "%s", member_text(zone, "name"));
    add_serial(table, zone);
    table_add(table, "%lld", member_number(zone, "records"));
    table_add(table, "%lld", member_number(zone, "versions"));
    table_add(table, "%lld", member_number(zone, "transfers"));
    table_add(table, "%s", member_true(zone, "expired") ? "expired" : member_text(zone, "state"));
    table_add(table, "%lld", member_number(zone, "failures"));
    add_refreshed(table, zone);
    table_add(table, "%s", snapshot[0] ? snapshot : "-");
    add_turn(table, zone);
}

static void add_primary(struct table *table, const json_t *zone)
{
    const char *reason = member_text(zone, "reason");
    table_add(table, "%s", member_text(zone, "name"));
    add_serial(table, zone);
    table_add(table, "%lld", member_number(zone, "versions"));
    table_add(table, "%lld", member_number(zone, "transfers"));
    table_add(table, "%lld", member_number(zone, "waiting"));
    add_turn(table, zone);
    table_add(table, "%s%s%s", member_true(zone, "ready") ? "served" : "not served",
              reason[0] ? ": " : "", reason);
}

/* A table of zones, by its heads and what adds the row of a zone. */
struct zone_table {
    const char *const *heads;
    size_t columns;
    void (*add)(struct table *table, const json_t *zone);
};

static const char *const heads_of_captured[] = {"captured zone", "serial", "records",  "versions",
                                                "transfers",     "state",  "failures", "refreshed",
                                                "snapshot",      "turn"};
static const char *const heads_of_primaries[] = {"zone of the log",
                                                 "serial",
                                                 "versions for IXFR",
                                                 "transfers out",
                                                 "UPDATEs waiting",
                                                 "turn",
                                                 "state"};
#define ZONE_TABLE(heads_, add_)                                                                   \
    {                                                                                              \
        .heads = (heads_), .columns = sizeof(heads_) / sizeof *(heads_), .add = (add_),            \
    }
static const struct zone_table captured = ZONE_TABLE(heads_of_captured, add_captured);
static const struct zone_table primaries = ZONE_TABLE(heads_of_primaries, add_primary);

static void print_zones(const struct zone_table *shape, const json_t *zones)
{
    struct table table = table_new(shape->columns);
    size_t k;
    json_t *zone;
    if (json_array_size(zones) == 0)
        return;
    for (k = 0; k < shape->columns; k++)
        table_add(&table, "%s", shape->heads[k]);
    json_array_foreach(zones, k, zone) shape->add(&table, zone);
    printf("\n");
    table_print(&table, "");
}

/* What is not 0; what each one means is said at /metrics, and in docs/limits.md. */
static void print_counts(json_t *answer)
{
    struct table table = table_new(2);
    const char *name;
    json_t *value;
    json_object_foreach(answer, name, value)
    {
        if (!json_is_integer(value) || json_integer_value(value) == 0)
            continue;
        table_add(&table, "%s", name);
        table_add(&table, "%lld", (long long)json_integer_value(value));
    }
    json_object_foreach(json_object_get(answer, "faults"), name, value)
    {
        table_add(&table, "faults: %s", name);
        table_add(&table, "%lld", (long long)json_integer_value(value));
    }
    printf("\nsince the start\n");
    table_print(&table, "  ");
}

static void print_kafka(const json_t *answer)
{
    static const char *const members[] = {"brokers", "topic", "trouble"};
    struct table table = table_new(2);
    for (size_t k = 0; k < sizeof members / sizeof members[0]; k++) {
        const char *text = member_text(answer, members[k]);
        table_add(&table, "%s", members[k]);
        table_add(&table, "%s", text[0] ? text : "none");
    }
    printf("\nkafka\n");
    table_print(&table, "  ");
}

void status_print_origin(json_t *answer)
{
    print_kafka(answer);
    print_zones(&captured, json_object_get(answer, "zone_list"));
    print_zones(&primaries, json_object_get(answer, "primary_list"));
    status_print_catalogs(json_object_get(answer, "catalogs"));
    json_object_del(answer, "pid"); /* no count */
    print_counts(answer);
}
