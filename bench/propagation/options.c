#include "bench/propagation/options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/clock.h"
#include "bench/common/wire.h"

static const char usage[] =
    "Usage: probe --tier=... [--brokers=LIST --topic=TOPIC | --primary=IPV4:PORT] [OPTION]...\n"
    "Changes records, asks each tier for them, and notes when which answer came. JSON on stdout.\n"
    "\n"
    "  --tier=name=NAME,address=IPV4:PORT[,position]   in the order of the output\n"
    "  --control=PATH          of a freshetd, to ask when it had applied a change\n"
    "  --brokers=LIST, --topic=TOPIC, -X NAME=VALUE    publish to Kafka; properties: the "
    "consumer's\n"
    "  --primary=IPV4:PORT     publish as dynamic updates (RFC 2136) to this server;\n"
    "                          with neither, the authority changes and nobody is told\n"
    "  --notify=IPV4:PORT      who is sent a NOTIFY as soon as the primary has answered\n"
    "  --authority-port=PORT   be the zone's authority on 127.0.0.1 (0: another server is)\n"
    "  --zone=ZONE             check.example.\n"
    "  --names=N               1000\n"
    "  --ttl=S                 of the records (3600)\n"
    "  --changes=RATE          a second (200)\n"
    "  --watched=RATE          of these, looked for with probes (all)\n"
    "  --sweep=RATE            queries a second through all names, over all tiers (2000)\n"
    "  --clients=RATE          queries a second to the first tier, by Zipf's law (0)\n"
    "  --zipf=S                its exponent (1.0)\n"
    "  --settle=MS             changes are made, and not yet watched (3000)\n"
    "  --seconds=S             of changes after that (20)\n"
    "  --horizon=MS            a change is looked for so long (5000)\n"
    "  --first=US --fine=US --fine-for=US --coarse=US  when probes are sent; see flight.h\n"
    "  --rotate                most of them at one tier only, another each time\n"
    "  --flush                 the messages say FLUSH, not SET\n"
    "  --no-reader             no plain consumer beside the tiers\n"
    "  --seed=N\n";

__attribute__((noreturn)) static void fail(const char *what, const char *text)
{
    fprintf(stderr, "probe: %s: %s\n", what, text);
    exit(2);
}

static double number(const char *text, double least, double most)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most))
        fail("not a number, or out of range", text);
    return value;
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

static void read_tier(struct options *o, char *text)
{
    enum { NAME, ADDRESS, POSITION };
    static char *const keys[] = {"name", "address", "position", NULL};
    char *value;
    if (o->tier_count == TIERS_MAX)
        fail("too many tiers", text);
    struct tier_options *tier = &o->tiers[o->tier_count++];
    while (*text) {
        const int key = getsubopt(&text, keys, &value);
        if (key < 0 || (key != POSITION && !value))
            fail("--tier", value ? value : "a value is missing");
        if (key == NAME)
            snprintf(tier->name, sizeof tier->name, "%s", value);
        else if (key == ADDRESS)
            read_address(&tier->address, value);
        else
            tier->position = true;
    }
    if (!tier->name[0] || !tier->address.sin_port)
        fail("--tier", "name and address are needed");
}

enum {
    OPTION_TIER = 256,
    OPTION_CONTROL,
    OPTION_BROKERS,
    OPTION_TOPIC,
    OPTION_PRIMARY,
    OPTION_NOTIFY,
    OPTION_PORT,
    OPTION_ZONE,
    OPTION_NAMES,
    OPTION_TTL,
    OPTION_CHANGES,
    OPTION_WATCHED,
    OPTION_SWEEP,
    OPTION_CLIENTS,
    OPTION_ZIPF,
    OPTION_SECONDS,
    OPTION_HORIZON,
    OPTION_SETTLE,
    OPTION_FIRST,
    OPTION_FINE,
    OPTION_FINE_FOR,
    OPTION_COARSE,
    OPTION_ROTATE,
    OPTION_FLUSH,
    OPTION_NO_READER,
    OPTION_SEED,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"tier", 1, NULL, OPTION_TIER},           {"control", 1, NULL, OPTION_CONTROL},
    {"brokers", 1, NULL, OPTION_BROKERS},     {"topic", 1, NULL, OPTION_TOPIC},
    {"primary", 1, NULL, OPTION_PRIMARY},     {"notify", 1, NULL, OPTION_NOTIFY},
    {"authority-port", 1, NULL, OPTION_PORT}, {"zone", 1, NULL, OPTION_ZONE},
    {"names", 1, NULL, OPTION_NAMES},         {"ttl", 1, NULL, OPTION_TTL},
    {"changes", 1, NULL, OPTION_CHANGES},     {"watched", 1, NULL, OPTION_WATCHED},
    {"sweep", 1, NULL, OPTION_SWEEP},         {"clients", 1, NULL, OPTION_CLIENTS},
    {"zipf", 1, NULL, OPTION_ZIPF},           {"seconds", 1, NULL, OPTION_SECONDS},
    {"horizon", 1, NULL, OPTION_HORIZON},     {"settle", 1, NULL, OPTION_SETTLE},
    {"first", 1, NULL, OPTION_FIRST},         {"fine", 1, NULL, OPTION_FINE},
    {"fine-for", 1, NULL, OPTION_FINE_FOR},   {"coarse", 1, NULL, OPTION_COARSE},
    {"rotate", 0, NULL, OPTION_ROTATE},       {"flush", 0, NULL, OPTION_FLUSH},
    {"no-reader", 0, NULL, OPTION_NO_READER}, {"seed", 1, NULL, OPTION_SEED},
    {"help", 0, NULL, OPTION_HELP},           {NULL, 0, NULL, 0},
};

static bool read_rate(struct options *o, int option, const char *text)
{
    double *const rates[] = {[OPTION_CHANGES - OPTION_CHANGES] = &o->changes,
                             [OPTION_WATCHED - OPTION_CHANGES] = &o->watched,
                             [OPTION_SWEEP - OPTION_CHANGES] = &o->sweep,
                             [OPTION_CLIENTS - OPTION_CHANGES] = &o->clients,
                             [OPTION_ZIPF - OPTION_CHANGES] = &o->zipf};
    if (option < OPTION_CHANGES || option > OPTION_ZIPF)
        return false;
    *rates[option - OPTION_CHANGES] = number(text, 0, 1e6);
    return true;
}

static bool read_time(struct options *o, int option, const char *text)
{
    int64_t *const times[] = {[OPTION_FIRST - OPTION_FIRST] = &o->first_us,
                              [OPTION_FINE - OPTION_FIRST] = &o->fine_us,
                              [OPTION_FINE_FOR - OPTION_FIRST] = &o->fine_for_us,
                              [OPTION_COARSE - OPTION_FIRST] = &o->coarse_us};
    if (option == OPTION_HORIZON) {
        o->horizon_us = (int64_t)number(text, 1, 1e9) * US_PER_MS;
        return true;
    }
    if (option == OPTION_SETTLE) {
        o->settle_us = (int64_t)number(text, 0, 1e9) * US_PER_MS;
        return true;
    }
    if (option < OPTION_FIRST || option > OPTION_COARSE)
        return false;
    *times[option - OPTION_FIRST] = (int64_t)number(text, 1, 1e9);
    return true;
}

static bool read_count(struct options *o, int option, const char *text)
{
    switch (option) {
    case OPTION_PORT:
        o->authority_port = (uint16_t)number(text, 0, 65535);
        return true;
    case OPTION_NAMES:
        o->names = (uint32_t)number(text, 1, NAMES_MAX);
        return true;
    case OPTION_TTL:
        o->ttl = (uint32_t)number(text, 0, 604800);
        return true;
    case OPTION_SECONDS:
        o->seconds = (int64_t)number(text, 1, 1e6);
        return true;
    case OPTION_SEED:
        o->seed = (uint64_t)number(text, 0, 1e15);
        return true;
    }
    return false;
}

static bool read_word(struct options *o, int option, char *text)
{
    switch (option) {
    case OPTION_TIER:
        read_tier(o, text);
        return true;
    case OPTION_CONTROL:
        if (o->control_count == TIERS_MAX)
            fail("too many control sockets", text);
        o->controls[o->control_count++] = text;
        return true;
    case OPTION_BROKERS:
        o->brokers = text;
        return true;
    case OPTION_TOPIC:
        o->topic = text;
        return true;
    case OPTION_PRIMARY:
        read_address(&o->primary, text);
        return true;
    case OPTION_NOTIFY:
        read_address(&o->notify, text);
        return true;
    case OPTION_ZONE:
        o->zone = text;
        return true;
    case 'X':
        if (o->property_count == PROPERTIES_MAX)
            fail("too many properties", text);
        o->properties[o->property_count++] = text;
        return true;
    }
    return false;
}

static void read_option(struct options *o, int option, char *text)
{
    if (read_rate(o, option, text) || read_time(o, option, text) || read_count(o, option, text) ||
        read_word(o, option, text))
        return;
    if (option == OPTION_ROTATE)
        o->rotate = true;
    else if (option == OPTION_FLUSH)
        o->flush = true;
    else if (option == OPTION_NO_READER)
        o->reader = false;
    else if (option == OPTION_HELP && fputs(usage, stdout) >= 0)
        exit(0);
    else
        exit(2);
}

void options_read(struct options *ret_options, int argc, char **argv)
{
    *ret_options = (struct options){
        .zone = "check.example.",
        .names = 1000,
        .ttl = 3600,
        .changes = 200,
        .watched = 1e6,
        .sweep = 2000,
        .zipf = 1,
        .settle_us = 3 * US_PER_S,
        .seconds = 20,
        .horizon_us = 5 * US_PER_S,
        .first_us = 50,
        .fine_us = 100,
        .fine_for_us = 10 * US_PER_MS,
        .coarse_us = 500 * US_PER_MS,
        .reader = true,
        .seed = 1,
    };
    int option;
    while ((option = getopt_long(argc, argv, "X:", long_options, NULL)) != -1)
        read_option(ret_options, option, optarg);
    if (optind < argc)
        fail("unexpected", argv[optind]);
    if (ret_options->tier_count == 0 || !ret_options->brokers != !ret_options->topic)
        fail("needed", "a --tier; and --brokers and --topic, or neither");
    if (ret_options->topic ? ret_options->primary.sin_port != 0
                           : !ret_options->primary.sin_port && !ret_options->authority_port)
        fail("one way to publish is needed", "--topic, --primary, or the --authority-port alone");
}
