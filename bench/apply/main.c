/*
 * main.c - options of the apply bench: one subcommand for each measurement of bench.h.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/apply/bench.h"

struct options {
    struct inprocess_options inprocess;
    struct collisions_options collisions;
    struct flood_options flood;
};

static const char usage[] =
    "Usage: bench inprocess  [--cached=N] [--changes=N] [--per-set=N] [--marks=N]\n"
    "       bench collisions [--names=N] [--rate=N] [--asks=N] [--seconds=N] [--marks=N]\n"
    "       bench flood --brokers=LIST --topic=TOPIC [--first=K] [--sets=N] [--per-set=N]\n"
    "                   [--names=N] [--rate=N]\n"
    "Measures how change sets are applied; see bench/apply/bench.h. Prints lines of JSON.\n";

static const struct option long_options[] = {
    {"cached", required_argument, NULL, 'c'},  {"changes", required_argument, NULL, 'n'},
    {"per-set", required_argument, NULL, 'p'}, {"marks", required_argument, NULL, 'm'},
    {"names", required_argument, NULL, 'N'},   {"rate", required_argument, NULL, 'r'},
    {"asks", required_argument, NULL, 'a'},    {"seconds", required_argument, NULL, 's'},
    {"brokers", required_argument, NULL, 'b'}, {"topic", required_argument, NULL, 't'},
    {"first", required_argument, NULL, 'f'},   {"sets", required_argument, NULL, 'S'},
    {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
};

static const struct options defaults = {
    .inprocess = {.cached = 1000000, .changes = 500000, .per_set = 1000, .marks = 1048576},
    .collisions = {.names = 10000,
                   .changes_per_s = 10000,
                   .asks_per_s = {100, 1000, 10000},
                   .seconds = 60,
                   .marks = 1048576},
    .flood = {.sets = 1000, .per_set = 1, .names = 10000000},
};

static void take_number(struct options *options, int code, uint64_t n)
{
    switch (code) {
    case 'c':
        options->inprocess.cached = n;
        break;
    case 'n':
        options->inprocess.changes = n;
        break;
    case 'p':
        options->inprocess.per_set = options->flood.per_set = n;
        break;
    case 'm':
        options->inprocess.marks = options->collisions.marks = n;
        break;
    case 'N':
        options->collisions.names = options->flood.names = n;
        break;
    case 'r':
        options->collisions.changes_per_s = options->flood.rate = n;
        break;
    case 'a':
        memset(options->collisions.asks_per_s, 0, sizeof options->collisions.asks_per_s);
        options->collisions.asks_per_s[0] = n;
        break;
    case 's':
        options->collisions.seconds = n;
        break;
    case 'f':
        options->flood.first = n;
        break;
    default:
        options->flood.sets = n;
    }
}

static bool take_option(struct options *options, int code)
{
    char *end;
    if (code == 'h' || code == '?')
        return false;
    if (code == 'b') {
        options->flood.brokers = optarg;
        return true;
    }
    if (code == 't') {
        options->flood.topic = optarg;
        return true;
    }
    const uint64_t n = strtoull(optarg, &end, 10);
    if (end == optarg || *end != '\0' || (n == 0 && !strchr("cfr", code)))
        return false;
    take_number(options, code, n);
    return true;
}

static bool run(const char *what, const struct options *options)
{
    if (strcmp(what, "inprocess") == 0)
        return inprocess_run(&options->inprocess);
    if (strcmp(what, "collisions") == 0)
        return collisions_run(&options->collisions);
    return flood_run(&options->flood);
}

int main(int argc, char **argv)
{
    struct options options = defaults;
    int code;
    bool good = true;
    while (good && (code = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
        good = take_option(&options, code);
    const char *what = good && optind == argc - 1 ? argv[optind] : "";
    const bool floods = strcmp(what, "flood") == 0;
    if ((strcmp(what, "inprocess") != 0 && strcmp(what, "collisions") != 0 && !floods) ||
        (floods && (!options.flood.brokers || !options.flood.topic))) {
        fputs(usage, stderr);
        return 2;
    }
    return run(what, &options) ? EXIT_SUCCESS : EXIT_FAILURE;
}
