/*
 * set.c - "freshet set" replaces an RRset, "freshet add" creates records.
 */
#include "cli/change.h"
#include "cli/commands.h"

static int publish(const struct options *o, enum change_op op)
{
    const struct change_words words = {.op = op,
                                       .name = o->operands[0],
                                       .type = o->operands[1],
                                       .ttl = o->operands[2],
                                       .rdata = o->operands + 3,
                                       .rdata_count = o->operand_count - 3};
    return change_publish(o, &words);
}

static int run_set(const struct options *options)
{
    return publish(options, CHANGE_SET);
}

static int run_add(const struct options *options)
{
    return publish(options, CHANGE_ADD);
}

static const char details[] =
    "Each RDATA is one record in presentation form, quoted as one word: \"10 mx.example.com.\"\n"
    "TTL is in seconds, or such as 5m or 1h30m. Words that begin with a dash go behind \"--\".\n";

enum { ACCEPTS = OPT_CONFIG | OPT_KAFKA | OPT_TOPIC | OPT_CHANGE | OPT_TIMEOUT | OPT_JSON };

const struct command set_command = {
    .name = "set",
    .operands = "NAME TYPE TTL RDATA...",
    .summary = "Publish that an RRset now is exactly this",
    .details = details,
    .accepts = ACCEPTS,
    .least = 4,
    .most = 10000,
    .run = run_set,
};

const struct command add_command = {
    .name = "add",
    .operands = "NAME TYPE TTL RDATA...",
    .summary = "Publish records that were created",
    .details = details,
    .accepts = ACCEPTS,
    .least = 4,
    .most = 10000,
    .run = run_add,
};
