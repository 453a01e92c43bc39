/*
 * del.c - "freshet del": a record, an RRset or a name is gone.
 */
#include "cli/change.h"
#include "cli/commands.h"

static int run_del(const struct options *o)
{
    struct change_words words = {.op = CHANGE_DEL, .name = o->operands[0]};
    if (o->operand_count > 1)
        words.type = o->operands[1];
    if (o->operand_count > 2) {
        words.rdata = o->operands + 2;
        words.rdata_count = o->operand_count - 2;
    }
    return change_publish(o, &words);
}

const struct command del_command = {
    .name = "del",
    .operands = "NAME [TYPE [RDATA...]]",
    .summary = "Publish that records, an RRset or a whole name are gone",
    .details = "NAME alone: all types. With TYPE: that RRset. With RDATA: these records of it.\n",
    .accepts = OPT_CONFIG | OPT_KAFKA | OPT_TOPIC | OPT_CHANGE | OPT_TIMEOUT | OPT_JSON,
    .least = 1,
    .most = 10000,
    .run = run_del,
};
