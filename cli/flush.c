/*
 * flush.c - "freshet flush": every cache forgets names, whatever they are now.
 */
#include "cli/change.h"
#include "cli/commands.h"

static int run_flush(const struct options *o)
{
    return change_publish(o, CHANGE_FLUSH);
}

const struct command flush_command = {
    .name = "flush",
    .operands = "NAME...",
    .summary = "Publish that every cache must forget a name",
    .accepts = OPT_PUBLISHING | OPT_SUBTREE,
    .least = 1,
    .most = 10000,
    .run = run_flush,
};
