/*
 * dump.c - "freshet dump": all answers a freshetd holds, as they come over the socket.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/control.h"
#include "cli/name.h"
#include "cli/text.h"

/*
 * Rows are printed as they come, so the columns have fixed widths; a long cell pushes the rest
 * aside.
 */
enum { TIER_WIDTH = 13, NAME_WIDTH = 40, TYPE_WIDTH = 9, RCODE_WIDTH = 9 };

static void print_cell(const char *text, size_t width)
{
    const size_t printed = text_print(stdout, text);
    printf("%*s ", printed < width ? (int)(width - printed) : 0, "");
}

static void print_head(bool verbose)
{
    printf("%-*s %-*s %-*s %7s %-*s ", TIER_WIDTH, "tier", NAME_WIDTH, "name", TYPE_WIDTH, "type",
           "ttl", RCODE_WIDTH, "rcode");
    if (verbose)
        printf("%9s ", "stamp");
    printf("valid from\n");
}

/* Why an answer is not given any more. */
static const char *why_not(const json_t *row)
{
    return member_number(row, "ttl") > 0 ? ", a change came after it" : ", its TTL is over";
}

static void print_row(const json_t *row, bool verbose)
{
    print_cell(member_text(row, "tier"), TIER_WIDTH);
    print_cell(member_text(row, "name"), NAME_WIDTH);
    print_cell(member_text(row, "type"), TYPE_WIDTH);
    printf("%7lld ", member_number(row, "ttl"));
    print_cell(member_text(row, "rcode"), RCODE_WIDTH);
    const bool valid = member_true(row, "valid");
    if (verbose)
        printf("%9lld ", member_number(row, "stamp"));
    printf("%-5s ", valid ? "yes" : "no");
    text_print(stdout, member_text(row, "from"));
    printf("%s\n", valid ? "" : why_not(row));
}

struct filter {
    const char *tier; /* NULL: all */
    bool has_name;
    uint8_t name[NAME_MAX_SIZE]; /* canonical; it and all below */
};

static bool wants(const struct filter *filter, const json_t *row)
{
    uint8_t name[NAME_MAX_SIZE];
    if (filter->tier && strcmp(filter->tier, member_text(row, "tier")) != 0)
        return false;
    return !filter->has_name || (name_from_text(member_text(row, "name"), name) > 0 &&
                                 name_is_within(name, filter->name));
}

/* Up to the line with "ok", which is the last; nobody reading any more ends it too. */
static int print_rows(const struct options *o, const struct filter *filter, struct control *control)
{
    if (!o->json)
        print_head(o->verbose);
    for (;;) {
        json_t *row = control_next(control);
        if (!row)
            return EXIT_FAILED;
        const bool last = json_object_get(row, "ok") != NULL;
        const bool wanted = last || wants(filter, row);
        if (o->json && wanted)
            print_json_line(row);
        else if (!last && wanted)
            print_row(row, o->verbose);
        json_decref(row);
        if (last || ferror(stdout))
            return EXIT_DONE;
    }
}

static int run_dump(const struct options *o)
{
    struct filter filter = {.tier = o->tier, .has_name = o->name};
    if (o->name && !name_word(o, "--name", o->name, filter.name))
        return EXIT_USAGE;
    struct control *control = control_ask(o, json_pack("{s:s}", "cmd", "dump"));
    if (!control)
        return EXIT_FAILED;
    int code = print_rows(o, &filter, control);
    control_end(control);
    return code;
}

const struct command dump_command = {
    .name = "dump",
    .operands = "",
    .summary = "Print all answers a freshetd holds",
    .details = "With --json one object per answer, and {\"ok\":true,\"count\":N} at the end.\n",
    .accepts = OPT_CONFIG | OPT_CONTROL | OPT_DUMP | OPT_VERBOSE | OPT_TIMEOUT | OPT_JSON,
    .run = run_dump,
};
