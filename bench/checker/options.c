#include "bench/checker/options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/clock.h"

static const char usage[] =
    "Usage: checker --brokers=LIST --topic=TOPIC --authority-port=PORT --tier=... [OPTION]...\n"
    "Publishes versioned records, asks every tier for them, and judges each answer.\n"
    "It is the zone's authority itself. JSON on stdout, one object a second, the result last.\n"
    "\n"
    "  --tier=name=NAME,address=IPV4:PORT[,parent=NAME][,control=PATH][,ttl=S][,bound=MS]\n"
    "                          a cache under test; a parent comes before its children. ttl: the\n"
    "                          most it may tell clients. bound: how old an answer may be (5000)\n"
    "  --brokers=LIST, --topic=TOPIC, -X NAME=VALUE   Kafka; properties are the consumer's\n"
    "  --authority-port=PORT   on 127.0.0.1\n"
    "  --zone=ZONE             check.example.\n"
    "  --names=N               2000\n"
    "  --ttl=S                 of all records (3600)\n"
    "  --queries=RATE          a second, over all tiers together (3000)\n"
    "  --changes=RATE          a second (200)\n"
    "  --mix=KIND=SHARE,...    of set, flush, swap, del, and at the cuts of inner zones cut, "
    "subtree,\n"
    "                          uncut (set=80,flush=20); see history.h\n"
    "  --inner=N               zones in the zone, over which the names are spread (0)\n"
    "  --outer=SHARE           of the changes in inner zones: by a change set of the outermost "
    "(0)\n"
    "  --publishers=LIST|all   how they go about it (plain); see manner.h\n"
    "  --abort=SHARE           of the short transactions (0.2)\n"
    "  --hang=MS, --hang-rest=MS   how long one that hangs is open (8000), and from one to the "
    "next (0:\n"
    "                          only as told on stdin)\n"
    "  --garbage=S             between two messages that nobody can read (0: none)\n"
    "  --still=N               each Nth name is never changed (0)\n"
    "  --forwarder=S           so long a cache above the tiers, no freshet, keeps what it was told "
    "(0)\n"
    "  --zipf=S                exponent of the queries' names (1.0)\n"
    "  --change-zipf=S         exponent of the changes' names (0: all alike)\n"
    "  --no-probes             no queries aimed at 1 ms to 5 s after each change\n"
    "  --seconds=S             60; 0: until \"stop\" on stdin\n"
    "  --drain=MS              from the last change to the last look at all names (6000)\n"
    "  --poll=MS               between two looks at a control socket (5)\n"
    "  --lease=MS              the tiers' (3000)\n"
    "  --authority-lag=MS      the authority answers as it was so long ago\n"
    "  --authority-delay=MS    its answers take so long to come\n"
    "  --authority-down-at=S, --authority-up-at=S     it is silent from, until\n"
    "  --seed=N\n"
    "\n"
    "On stdin, any time: stop | mark TEXT | lag MS | delay MS | down | up | queries RATE | changes "
    "RATE | hang MS | hang-abort MS | garbage\n";

__attribute__((noreturn)) static void fail(const char *what, const char *text)
{
    fprintf(stderr, "checker: %s: %s\n", what, text);
    exit(2);
}

static double number(const char *name, const char *text, double least, double most)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most))
        fail(name, text);
    return value;
}

static int64_t milliseconds(const char *name, const char *text)
{
    return (int64_t)(number(name, text, 0, 1e9) * US_PER_MS);
}

static struct tier *find_tier(struct options *options, const char *name)
{
    for (unsigned k = 0; k < options->tier_count; k++)
        if (strcmp(options->tiers[k].name, name) == 0)
            return &options->tiers[k];
    fail("no such tier before", name);
}

static void read_address(struct sockaddr_in *address, const char *text)
{
    char host[INET_ADDRSTRLEN];
    uint16_t port;
    if (sscanf(text, "%15[0-9.]:%" SCNu16, host, &port) != 2 ||
        inet_pton(AF_INET, host, &address->sin_addr) != 1)
        fail("no IPv4 address with port", text);
    address->sin_family = AF_INET;
    address->sin_port = htons(port);
}

static void read_tier(struct options *options, char *text)
{
    enum { NAME, ADDRESS, PARENT, CONTROL, TTL, BOUND };
    static char *const keys[] = {"name", "address", "parent", "control", "ttl", "bound", NULL};
    char *value;
    if (options->tier_count == TIERS_MAX)
        fail("too many tiers", text);
    struct tier *tier = &options->tiers[options->tier_count];
    *tier = (struct tier){.depth = 1, .bound_us = 5 * US_PER_S, .ttl_limit = UINT32_MAX};
    while (*text) {
        const int key = getsubopt(&text, keys, &value);
        if (key < 0 || !value)
            fail("--tier", value ? value : "a value is missing");
        if (key == NAME)
            snprintf(tier->name, sizeof tier->name, "%s", value);
        else if (key == ADDRESS)
            read_address(&tier->address, value);
        else if (key == PARENT)
            tier->parent = find_tier(options, value);
        else if (key == CONTROL)
            snprintf(tier->control, sizeof tier->control, "%s", value);
        else if (key == TTL)
            tier->ttl_limit = (uint32_t)number("ttl", value, 0, UINT32_MAX);
        else
            tier->bound_us = milliseconds("bound", value);
    }
    if (!tier->name[0] || !tier->address.sin_port)
        fail("--tier", "name and address are needed");
    tier->depth = tier->parent ? tier->parent->depth + 1 : 1;
    options->tier_count++;
}

static void read_mix(struct options *options, char *text)
{
    static char *const keys[] = {"-",   "set",     "flush", "swap", "del",
                                 "cut", "subtree", "uncut", NULL};
    double *mix = options->changer.mix;
    char *value;
    memset(options->changer.mix, 0, sizeof options->changer.mix);
    while (*text) {
        const int key = getsubopt(&text, keys, &value);
        if (key < KIND_SET || !value)
            fail("--mix", value ? value : "a share is missing");
        mix[key] = number("--mix", value, 0, 1e6);
    }
}

static void read_publishers(struct log_options *log, char *text)
{
    char *state = NULL;
    log->publisher_count = 0;
    if (strcmp(text, "all") == 0) {
        for (unsigned k = 0; manner_at(k) && k < PUBLISHERS_MAX; k++)
            log->manners[log->publisher_count++] = manner_at(k);
        return;
    }
    for (char *name = strtok_r(text, ",", &state); name; name = strtok_r(NULL, ",", &state)) {
        if (!manner_find(name) || log->publisher_count == PUBLISHERS_MAX)
            fail("--publishers", name);
        log->manners[log->publisher_count++] = manner_find(name);
    }
    if (log->publisher_count == 0)
        fail("--publishers", "none");
}

enum {
    OPTION_TIER = 256,
    OPTION_BROKERS,
    OPTION_TOPIC,
    OPTION_PORT,
    OPTION_ZONE,
    OPTION_NAMES,
    OPTION_TTL,
    OPTION_QUERIES,
    OPTION_CHANGES,
    OPTION_MIX,
    OPTION_INNER,
    OPTION_OUTER,
    OPTION_PUBLISHERS,
    OPTION_ABORT,
    OPTION_HANG,
    OPTION_HANG_REST,
    OPTION_GARBAGE,
    OPTION_STILL,
    OPTION_FORWARDER,
    OPTION_ZIPF,
    OPTION_CHANGE_ZIPF,
    OPTION_NO_PROBES,
    OPTION_SECONDS,
    OPTION_DRAIN,
    OPTION_POLL,
    OPTION_LEASE,
    OPTION_LAG,
    OPTION_DELAY,
    OPTION_DOWN_AT,
    OPTION_UP_AT,
    OPTION_SEED,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"tier", 1, NULL, OPTION_TIER},
    {"brokers", 1, NULL, OPTION_BROKERS},
    {"topic", 1, NULL, OPTION_TOPIC},
    {"authority-port", 1, NULL, OPTION_PORT},
    {"zone", 1, NULL, OPTION_ZONE},
    {"names", 1, NULL, OPTION_NAMES},
    {"ttl", 1, NULL, OPTION_TTL},
    {"queries", 1, NULL, OPTION_QUERIES},
    {"changes", 1, NULL, OPTION_CHANGES},
    {"mix", 1, NULL, OPTION_MIX},
    {"inner", 1, NULL, OPTION_INNER},
    {"outer", 1, NULL, OPTION_OUTER},
    {"publishers", 1, NULL, OPTION_PUBLISHERS},
    {"abort", 1, NULL, OPTION_ABORT},
    {"hang", 1, NULL, OPTION_HANG},
    {"hang-rest", 1, NULL, OPTION_HANG_REST},
    {"garbage", 1, NULL, OPTION_GARBAGE},
    {"still", 1, NULL, OPTION_STILL},
    {"forwarder", 1, NULL, OPTION_FORWARDER},
    {"zipf", 1, NULL, OPTION_ZIPF},
    {"change-zipf", 1, NULL, OPTION_CHANGE_ZIPF},
    {"no-probes", 0, NULL, OPTION_NO_PROBES},
    {"seconds", 1, NULL, OPTION_SECONDS},
    {"drain", 1, NULL, OPTION_DRAIN},
    {"poll", 1, NULL, OPTION_POLL},
    {"lease", 1, NULL, OPTION_LEASE},
    {"authority-lag", 1, NULL, OPTION_LAG},
    {"authority-delay", 1, NULL, OPTION_DELAY},
    {"authority-down-at", 1, NULL, OPTION_DOWN_AT},
    {"authority-up-at", 1, NULL, OPTION_UP_AT},
    {"seed", 1, NULL, OPTION_SEED},
    {"help", 0, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* What is a number, or a time. */
static bool read_number(struct options *o, int option, const char *text)
{
    switch (option) {
    case OPTION_PORT:
        o->authority_port = (uint16_t)number("--authority-port", text, 1, 65535);
        return true;
    case OPTION_NAMES:
        o->names = (uint32_t)number("--names", text, 1, NAMES_MAX);
        return true;
    case OPTION_TTL:
        o->ttl = (uint32_t)number("--ttl", text, 0, 604800);
        return true;
    case OPTION_QUERIES:
        o->queries = number("--queries", text, 0, 1e6);
        return true;
    case OPTION_CHANGES:
        o->changes = number("--changes", text, 0, 1e6);
        return true;
    case OPTION_ZIPF:
        o->zipf = number("--zipf", text, 0, 10);
        return true;
    case OPTION_CHANGE_ZIPF:
        o->changer.exponent = number("--change-zipf", text, 0, 10);
        return true;
    case OPTION_INNER:
        o->inner = (uint32_t)number("--inner", text, 0, INNER_MAX);
        return true;
    case OPTION_OUTER:
        o->changer.outer = number("--outer", text, 0, 1);
        return true;
    case OPTION_ABORT:
        o->changer.abort = number("--abort", text, 0, 1);
        return true;
    case OPTION_GARBAGE:
        o->changer.garbage_s = number("--garbage", text, 0, 1e6);
        return true;
    case OPTION_STILL:
        o->changer.still = (uint32_t)number("--still", text, 0, NAMES_MAX);
        return true;
    case OPTION_SECONDS:
        o->seconds = (int64_t)number("--seconds", text, 0, 1e7);
        return true;
    case OPTION_SEED:
        o->seed = (uint64_t)number("--seed", text, 0, 1e15);
        return true;
    }
    return false;
}

static bool read_time(struct options *o, int option, const char *text)
{
    switch (option) {
    case OPTION_DRAIN:
        o->drain_us = milliseconds("--drain", text);
        return true;
    case OPTION_POLL:
        o->poll_us = milliseconds("--poll", text);
        return true;
    case OPTION_LEASE:
        o->lease_us = milliseconds("--lease", text);
        return true;
    case OPTION_HANG:
        o->log.hang_us = milliseconds("--hang", text);
        return true;
    case OPTION_HANG_REST:
        o->log.hang_rest_us = milliseconds("--hang-rest", text);
        return true;
    case OPTION_FORWARDER:
        o->forwarder_us = milliseconds("--forwarder", text) * 1000;
        return true;
    case OPTION_LAG:
        o->authority_lag_us = milliseconds("--authority-lag", text);
        return true;
    case OPTION_DELAY:
        o->authority_delay_us = milliseconds("--authority-delay", text);
        return true;
    case OPTION_DOWN_AT:
        o->authority_down_at_us = milliseconds("--authority-down-at", text) * 1000;
        return true;
    case OPTION_UP_AT:
        o->authority_up_at_us = milliseconds("--authority-up-at", text) * 1000;
        return true;
    }
    return false;
}

static void read_option(struct options *o, int option, char *text)
{
    if (read_number(o, option, text) || read_time(o, option, text))
        return;
    if (option == OPTION_TIER)
        read_tier(o, text);
    else if (option == OPTION_BROKERS)
        o->log.brokers = text;
    else if (option == OPTION_TOPIC)
        o->log.topic = text;
    else if (option == OPTION_ZONE)
        o->zone = text;
    else if (option == OPTION_MIX)
        read_mix(o, text);
    else if (option == OPTION_PUBLISHERS)
        read_publishers(&o->log, text);
    else if (option == OPTION_NO_PROBES)
        o->probes = false;
    else if (option == 'X' && o->log.property_count < LOG_PROPERTIES_MAX)
        o->log.properties[o->log.property_count++] = text;
    else if (option == OPTION_HELP && fputs(usage, stdout) >= 0)
        exit(0);
    else
        exit(2);
}

void options_read(struct options *ret_options, int argc, char **argv)
{
    *ret_options = (struct options){
        .zone = "check.example.",
        .names = 2000,
        .ttl = 3600,
        .queries = 3000,
        .changes = 200,
        .zipf = 1,
        .changer = {.mix = {[KIND_SET] = 80, [KIND_FLUSH] = 20}, .abort = 0.2},
        .log = {.manners = {manner_find("plain")}, .publisher_count = 1, .hang_us = 8 * US_PER_S},
        .probes = true,
        .seconds = 60,
        .drain_us = 6 * US_PER_S,
        .poll_us = 5 * US_PER_MS,
        .lease_us = 3 * US_PER_S,
        .seed = 1,
    };
    int option;
    while ((option = getopt_long(argc, argv, "X:", long_options, NULL)) != -1)
        read_option(ret_options, option, optarg);
    if (optind < argc)
        fail("unexpected", argv[optind]);
    if (!ret_options->log.brokers || !ret_options->log.topic || !ret_options->authority_port ||
        ret_options->tier_count == 0)
        fail("needed", "--brokers, --topic, --authority-port and a --tier");
    if (ret_options->names <= ret_options->inner || ret_options->changer.still == 1)
        fail("--names", "too few that change, or for a zone each");
}
