/*
 * dump.c - "freshet dump": all answers a freshetd holds, as they come over the socket.
 */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/control.h"
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

static void print_head(void)
{
    printf("%-*s %-*s %-*s %7s %-*s %9s valid from\n", TIER_WIDTH, "tier", NAME_WIDTH, "name",
           TYPE_WIDTH, "type", "ttl", RCODE_WIDTH, "rcode", "stamp");
}

static void print_row(const json_t *row)
{
    print_cell(member_text(row, "tier"), TIER_WIDTH);
    print_cell(member_text(row, "name"), NAME_WIDTH);
    print_cell(member_text(row, "type"), TYPE_WIDTH);
    printf("%7lld ", member_number(row, "ttl"));
    print_cell(member_text(row, "rcode"), RCODE_WIDTH);
    printf("%9lld %-5s ", member_number(row, "stamp"), member_true(row, "valid") ? "yes" : "no");
    text_print(stdout, member_text(row, "from"));
    printf("\n");
}

/* Up to the line with "ok", which is the last; nobody reading any more ends it too. */
static int print_rows(const struct options *o, struct control *control)
{
    if (!o->json)
        print_head();
    for (;;) {
        json_t *row = control_next(control);
        if (!row)
            return EXIT_FAILED;
        const bool last = json_object_get(row, "ok") != NULL;
        if (o->json)
            print_json_line(row);
        else if (!last)
            print_row(row);
        json_decref(row);
        if (last || ferror(stdout))
            return EXIT_DONE;
    }
}

static int run_dump(const struct options *o)
{
    struct control *control = control_ask(o, json_pack("{s:s}", "cmd", "dump"));
    if (!control)
        return EXIT_FAILED;
    int code = print_rows(o, control);
    control_end(control);
    return code;
}

const struct command dump_command = {
    .name = "dump",
    .operands = "",
    .summary = "Print all answers a freshetd holds",
    .details = "With --json one object per answer, and {\"ok\":true,\"count\":N} at the end.\n",
    .accepts = OPT_CONFIG | OPT_CONTROL | OPT_TIMEOUT | OPT_JSON,
    .run = run_dump,
};
