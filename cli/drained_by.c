/*
 * drained_by.c - "freshet drained-by": from when on no client of a freshetd can hold what a name was before its last change.
 */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/control.h"
#include "cli/name.h"
#include "cli/table.h"

static bool is_drained(const json_t *tier)
{
    return json_is_string(json_object_get(tier, "drained_by")) &&
           json_number_value(json_object_get(tier, "seconds_left")) <= 0;
}

static void add_tier(struct table *table, const json_t *tier)
{
    const double left = json_number_value(json_object_get(tier, "seconds_left"));
    table_add(table, "%s", member_text(tier, "tier"));
    if (!member_true(tier, "subscribed")) {
        table_add(table, "not on the feed: by its TTLs");
        table_add(table, "-");
    } else if (!json_is_string(json_object_get(tier, "drained_by"))) {
        table_add(table, "no change of it is known");
        table_add(table, "-");
    } else {
        table_add(table, "%s", member_text(tier, "drained_by"));
        table_add(table, left > 0 ? "in %.1f s" : "drained", left);
    }
}

/* Whether all tiers that follow the feed are rid of it. */
static bool print_tiers(const json_t *answer, bool shown)
{
    bool drained = true;
    size_t k;
    json_t *tier;
    struct table table = table_new(3);
    table_add(&table, "tier");
    table_add(&table, "drained by");
    table_add(&table, " ");
    json_array_foreach(json_object_get(answer, "tiers"), k, tier)
    {
        add_tier(&table, tier);
        drained = drained && (!member_true(tier, "subscribed") || is_drained(tier));
    }
    if (shown)
        table_print(&table, "");
    return drained;
}

static int run_drained_by(const struct options *o)
{
    char name[NAME_MAX_TEXT];
    if (!name_operand(o, o->operands[0], name))
        return EXIT_USAGE;
    json_t *answer = control_answer(o, json_pack("{s:s, s:s}", "cmd", "drained_by", "name", name));
    if (!answer)
        return EXIT_FAILED;
    int code = EXIT_DONE;
    if (o->json)
        print_json_line(answer);
    if (!json_is_string(json_object_get(answer, "zone"))) {
        complain(o, "\"%s\" lies in no zone of the feed: its TTL alone says", name);
        code = EXIT_FAILED;
    } else if (!print_tiers(answer, !o->json)) {
        code = EXIT_UNHEALTHY;
    }
    json_decref(answer);
    return code;
}

const struct command drained_by_command = {
    .name = "drained-by",
    .operands = "NAME",
    .summary = "Say when no client can hold a name's old data any more",
    .details =
        "Exit status 0 when that is so of every tier that follows the feed, 5 when not yet, or "
        "when no\n"
        "change of the name is known.\n",
    .accepts = OPT_CONFIG | OPT_CONTROL | OPT_TIMEOUT | OPT_JSON,
    .least = 1,
    .most = 1,
    .run = run_drained_by,
};
