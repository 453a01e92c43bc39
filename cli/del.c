/*
 * del.c - "freshet del": a record, an RRset or a name is gone.
 */
#include "cli/change.h"
#include "cli/commands.h"

static int run_del(const struct options *o)
{
    return change_publish(o, CHANGE_DEL);
}

const struct command del_command = {
    .name = "del",
    .operands = "NAME [TYPE [RDATA...]] [+ NAME [TYPE [RDATA...]]]...",
    .summary = "Publish that records, an RRset or a whole name are gone",
    .details =
        "NAME alone: all types. With TYPE: that RRset. With RDATA: these records of it. What "
        "stands\n"
        "behind a \"+\" is gone with the same change set: all or nothing.\n",
    .accepts = OPT_PUBLISHING,
    .least = 1,
    .most = 10000,
    .run = run_del,
};
