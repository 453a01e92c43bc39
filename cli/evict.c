/*
 * evict.c - "freshet evict": one freshetd forgets a name; nothing is published.
 */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/control.h"
#include "cli/name.h"

static int run_evict(const struct options *o)
{
    char name[NAME_MAX_TEXT];
    if (!name_operand(o, o->operands[0], name))
        return EXIT_USAGE;
    json_t *answer = control_answer(
        o, json_pack("{s:s, s:s, s:b}", "cmd", "evict", "name", name, "subtree", (int)o->subtree));
    if (!answer)
        return EXIT_FAILED;
    if (o->json)
        print_json_line(answer);
    else
        printf("evicted %s%s: %lld at stamp %lld\n", name, o->subtree ? " and all below" : "",
               member_number(answer, "evicted"), member_number(answer, "stamp"));
    json_decref(answer);
    return EXIT_DONE;
}

const struct command evict_command = {
    .name = "evict",
    .operands = "NAME",
    .summary = "Make one freshetd forget a name, and nobody else",
    .accepts = OPT_CONFIG | OPT_CONTROL | OPT_SUBTREE | OPT_TIMEOUT | OPT_JSON,
    .least = 1,
    .most = 1,
    .run = run_evict,
};
