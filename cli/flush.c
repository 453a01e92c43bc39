/*
 * flush.c - "freshet flush": every cache forgets a name, whatever it is now.
 */
#include "cli/change.h"
#include "cli/commands.h"

static int run_flush(const struct options *o)
{
    const struct change_words words = {.op = CHANGE_FLUSH, .name = o->operands[0]};
    return change_publish(o, &words);
}

const struct command flush_command = {
    .name = "flush",
    .operands = "NAME",
    .summary = "Publish that every cache must forget a name",
    .accepts =
        OPT_CONFIG | OPT_KAFKA | OPT_TOPIC | OPT_CHANGE | OPT_SUBTREE | OPT_TIMEOUT | OPT_JSON,
    .least = 1,
    .most = 1,
    .run = run_flush,
};
