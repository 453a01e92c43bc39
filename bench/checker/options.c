#include "bench/checker/options.h"

#include <string.h>

#include "bench/common/clock.h"
#include "bench/common/options.h"

/* What the rows of one --tier are read into. */
struct tier_reading {
    struct options *options;
    struct tier *tier;
};

static void read_parent(void *at, char *text)
{
    struct tier_reading *reading = at;
    struct options *o = reading->options;
    for (unsigned k = 0; k < o->tier_count; k++)
        if (strcmp(o->tiers[k].name, text) == 0)
            reading->tier->parent = &o->tiers[k];
    if (!reading->tier->parent)
        options_fail("no such tier before", text);
}

static void read_tier(void *at, char *text)
{
    struct options *o = at;
    if (o->tier_count == TIERS_MAX)
        options_fail("too many tiers", text);
    struct tier_reading reading = {o, &o->tiers[o->tier_count]};
    struct tier *tier = reading.tier;
    *tier = (struct tier){.control = "", .bound_us = 5 * US_PER_S, .ttl_limit = UINT32_MAX};
    const struct option_row rows[] = {
        {"name", "NAME", "", PLACE(&tier->name), .needed = true},
        {"address", "IPV4:PORT", "", PLACE(&tier->address), .needed = true},
        {"parent", "NAME", "", .read = read_parent, .at = &reading},
        {"control", "PATH", "", PLACE(&tier->control)},
        {"ttl", "S", "", NUMBER(&tier->ttl_limit, 0, UINT32_MAX)},
        {"bound", "MS", "", SCALED(&tier->bound_us, 0, 1e9, US_PER_MS)},
    };
    const struct option_table table = OPTION_TABLE(rows);
    options_read_fields(&table, text);
    tier->depth = tier->parent ? tier->parent->depth + 1 : 1;
    o->tier_count++;
}

static void read_mix(void *at, char *text)
{
    double *mix = at;
    memset(mix, 0, KIND_COUNT * sizeof *mix);
    const struct option_row rows[] = {
        {"set", "SHARE", "", NUMBER(&mix[KIND_SET], 0, 1e6)},
        {"flush", "SHARE", "", NUMBER(&mix[KIND_FLUSH], 0, 1e6)},
        {"swap", "SHARE", "", NUMBER(&mix[KIND_SWAP], 0, 1e6)},
        {"del", "SHARE", "", NUMBER(&mix[KIND_DEL], 0, 1e6)},
        {"cut", "SHARE", "", NUMBER(&mix[KIND_CUT], 0, 1e6)},
        {"subtree", "SHARE", "", NUMBER(&mix[KIND_SUBTREE], 0, 1e6)},
        {"uncut", "SHARE", "", NUMBER(&mix[KIND_UNCUT], 0, 1e6)},
    };
    const struct option_table table = OPTION_TABLE(rows);
    options_read_fields(&table, text);
}

static void read_publishers(void *at, char *text)
{
    struct log_options *log = at;
    char *state = NULL;
    log->publisher_count = 0;
    if (strcmp(text, "all") == 0) {
        for (unsigned k = 0; manner_at(k) && k < PUBLISHERS_MAX; k++)
            log->manners[log->publisher_count++] = manner_at(k);
        return;
    }
    for (char *name = strtok_r(text, ",", &state); name; name = strtok_r(NULL, ",", &state)) {
        if (!manner_find(name) || log->publisher_count == PUBLISHERS_MAX)
            options_fail("--publishers", name);
        log->manners[log->publisher_count++] = manner_find(name);
    }
    if (log->publisher_count == 0)
        options_fail("--publishers", "none");
}

static void check(const struct options *o)
{
    if (o->names <= o->inner || o->changer.still == 1)
        options_fail("--names", "too few that change, or for a zone each");
}

static const char about[] =
    "Usage: checker --brokers=LIST --topic=TOPIC --authority-port=PORT --tier=... [OPTION]...\n"
    "Publishes versioned records, asks every tier for them, and judges each answer.\n"
    "It is the zone's authority itself. JSON on stdout, one object a second, the result last.\n"
    "\n"
    "On stdin, any time: stop | mark TEXT | lag MS | delay MS | down | up | queries RATE |\n"
    "changes RATE | hang MS | hang-abort MS | garbage\n";

void checker_options_read(struct options *o, int argc, char **argv)
{
    *o = (struct options){
        .log = {.manners = {manner_find("plain")}, .publisher_count = 1, .hang_us = 8 * US_PER_S},
        .zone = "check.example.",
        .names = 2000,
        .ttl = 3600,
        .queries = 3000,
        .changes = 200,
        .zipf = 1,
        .changer = {.mix = {[KIND_SET] = 80, [KIND_FLUSH] = 20}, .abort = 0.2},
        .probes = true,
        .seconds = 60,
        .drain_us = 6 * US_PER_S,
        .poll_us = 5 * US_PER_MS,
        .lease_us = 3 * US_PER_S,
        .seed = 1,
    };
    const struct option_row rows[] = {
        {"tier", "name=NAME,address=IPV4:PORT[,parent=NAME][,control=PATH][,ttl=S][,bound=MS]",
         "a cache under test; a parent comes before its children. ttl: the most it may tell "
         "clients. bound: how old an answer may be (5000)",
         .read = read_tier, .at = o, .needed = true},
        {"brokers", "LIST", "", PLACE(&o->log.brokers), .needed = true},
        {"topic", "TOPIC", "", PLACE(&o->log.topic), .needed = true},
        {"X", "NAME=VALUE", "a property of the consumer", PLACE(&o->log.properties)},
        {"authority-port", "PORT", "on 127.0.0.1", NUMBER(&o->authority_port, 1, 65535),
         .needed = true},
        {"zone", "ZONE", "check.example.", PLACE(&o->zone)},
        {"inner", "N", "zones in the zone, over which the names are spread (0)",
         NUMBER(&o->inner, 0, INNER_MAX)},
        {"names", "N", "2000", NUMBER(&o->names, 1, NAMES_MAX)},
        {"still", "N", "each Nth name is never changed (0: all are)",
         NUMBER(&o->changer.still, 0, NAMES_MAX)},
        {"ttl", "S", "of all records (3600)", NUMBER(&o->ttl, 0, 604800)},
        {"queries", "RATE", "a second, over all tiers together (3000)",
         NUMBER(&o->queries, 0, 1e6)},
        {"changes", "RATE", "a second (200)", NUMBER(&o->changes, 0, 1e6)},
        {"mix", "KIND=SHARE,...",
         "of set, flush, swap, del, and at the cuts of inner zones cut, subtree, uncut "
         "(set=80,flush=20)",
         .read = read_mix, .at = o->changer.mix},
        {"outer", "SHARE", "of the changes in inner zones: the outermost publishes them (0)",
         NUMBER(&o->changer.outer, 0, 1)},
        {"zipf", "S", "exponent of the queries' names (1.0)", NUMBER(&o->zipf, 0, 10)},
        {"change-zipf", "S", "exponent of the changes' names (0: all alike)",
         NUMBER(&o->changer.exponent, 0, 10)},
        {"publishers", "LIST", "how they go about it, or \"all\"; see manner.h (plain)",
         .read = read_publishers, .at = &o->log},
        {"abort", "SHARE", "of the short transactions (0.2)", NUMBER(&o->changer.abort, 0, 1)},
        {"hang", "MS", "how long a transaction that hangs is open (8000)",
         SCALED(&o->log.hang_us, 0, 1e9, US_PER_MS)},
        {"hang-rest", "MS", "from one of those to the next (0: only as told on stdin)",
         SCALED(&o->log.hang_rest_us, 0, 1e9, US_PER_MS)},
        {"garbage", "S", "between two messages that nobody can read (0: none)",
         NUMBER(&o->changer.garbage_s, 0, 1e6)},
        {"no-probes", NULL, "no queries aimed at 1 ms to 5 s after each change",
         FLAG(&o->probes, false)},
        {"seconds", "S", "60; 0: until \"stop\" on stdin", NUMBER(&o->seconds, 0, 1e7)},
        {"drain", "MS", "from the last change to the last look at all names (6000)",
         SCALED(&o->drain_us, 0, 1e9, US_PER_MS)},
        {"poll", "MS", "between two looks at a control socket (5)",
         SCALED(&o->poll_us, 0, 1e9, US_PER_MS)},
        {"lease", "MS", "the tiers' (3000)", SCALED(&o->lease_us, 0, 1e9, US_PER_MS)},
        {"forwarder", "S", "so long a cache above the tiers, no freshet, keeps what it is told (0)",
         SCALED(&o->forwarder_us, 0, 1e6, US_PER_S)},
        {"authority-lag", "MS", "the authority answers as it was so long ago",
         SCALED(&o->authority_lag_us, 0, 1e9, US_PER_MS)},
        {"authority-delay", "MS", "its answers take so long to come",
         SCALED(&o->authority_delay_us, 0, 1e9, US_PER_MS)},
        {"authority-down-at", "S", "it is silent from",
         SCALED(&o->authority_down_at_us, 0, 1e6, US_PER_S)},
        {"authority-up-at", "S", "until", SCALED(&o->authority_up_at_us, 0, 1e6, US_PER_S)},
        {"seed", "N", "1", NUMBER(&o->seed, 0, 1e15)},
    };
    const struct option_table table = OPTION_TABLE(rows, .about = about);
    options_read(&table, argc, argv);
    check(o);
}
