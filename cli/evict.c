/*
 * evict.c - "freshet evict": one freshetd forgets a name; nothing is published.
 */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/control.h"
#include "cli/name.h"

static void print_evicted(const struct options *o, const char *name, const json_t *answer)
{
    size_t k;
    json_t *tier;
    printf("evicted %s%s: %lld", name, o->subtree ? " and all below" : "",
           member_number(answer, "evicted"));
    json_array_foreach(json_object_get(answer, "tiers"), k, tier)
    {
        printf("%s%s %lld", k == 0 ? " (" : ", ", member_text(tier, "tier"),
               member_number(tier, "evicted"));
    }
    printf(k > 0 ? ")" : "");
    if (o->verbose)
        printf(" at stamp %lld", member_number(answer, "stamp"));
    printf("\n");
}

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
        print_evicted(o, name, answer);
    json_decref(answer);
    return EXIT_DONE;
}

const struct command evict_command = {
    .name = "evict",
    .operands = "NAME",
    .summary = "Make one freshetd forget a name, and nobody else",
    .accepts = OPT_CONFIG | OPT_CONTROL | OPT_SUBTREE | OPT_VERBOSE | OPT_TIMEOUT | OPT_JSON,
    .least = 1,
    .most = 1,
    .run = run_evict,
};
