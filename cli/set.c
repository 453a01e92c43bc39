/*
 * set.c - "freshet set" replaces RRsets, "freshet add" creates records.
 */
#include "cli/change.h"
#include "cli/commands.h"

static int run_set(const struct options *options)
{
    return change_publish(options, CHANGE_SET);
}

static int run_add(const struct options *options)
{
    return change_publish(options, CHANGE_ADD);
}

static const char details[] =
    "Each RDATA is one record in presentation form, quoted as one word: \"10 mx.example.com.\"\n"
    "TTL is in seconds, or such as 5m or 1h30m; it may stand behind TYPE, too, and the class IN\n"
    "before it. With \"+\" and the next RRset behind one, both are one change set: all or "
    "nothing.\n"
    "Words that begin with a dash go behind \"--\".\n";

const struct command set_command = {
    .name = "set",
    .operands = "NAME TTL TYPE RDATA... [+ NAME TTL TYPE RDATA...]...",
    .summary = "Publish that an RRset now is exactly this",
    .details = details,
    .accepts = OPT_PUBLISHING,
    .least = 1,
    .most = 10000,
    .run = run_set,
};

const struct command add_command = {
    .name = "add",
    .operands = "NAME TTL TYPE RDATA... [+ NAME TTL TYPE RDATA...]...",
    .summary = "Publish records that were created",
    .details = details,
    .accepts = OPT_PUBLISHING,
    .least = 1,
    .most = 10000,
    .run = run_add,
};
