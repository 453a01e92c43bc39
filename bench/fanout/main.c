/*
 * main.c - options of the two programs of fanout.h.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench/fanout/fanout.h"

enum { MAX_PROPERTIES = 16 };

static const char usage[] =
    "Usage: fanout subscribe --brokers=LIST --topic=TOPIC --times=FILE [--first=I] [--count=N]\n"
    "                        [--sets=N] [--names=N] [--lease=MS] [--spacing=MS] "
    "[--set=NAME=VALUE]...\n"
    "       fanout publish --brokers=LIST --topic=TOPIC [--names=N]\n"
    "Many caches on one topic, and a publisher; see bench/fanout/fanout.h. Prints lines of JSON.\n";

static const struct option long_options[] = {
    {"brokers", required_argument, NULL, 'b'}, {"topic", required_argument, NULL, 't'},
    {"times", required_argument, NULL, 'T'},   {"set", required_argument, NULL, 'p'},
    {"first", required_argument, NULL, 'f'},   {"count", required_argument, NULL, 'c'},
    {"sets", required_argument, NULL, 's'},    {"names", required_argument, NULL, 'n'},
    {"lease", required_argument, NULL, 'l'},   {"spacing", required_argument, NULL, 'S'},
    {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
};

struct taken {
    struct fanout_options options;
    char *properties[MAX_PROPERTIES];
};

static uint64_t *number_field(struct fanout_options *options, int code)
{
    switch (code) {
    case 'f':
        return &options->first;
    case 'c':
        return &options->count;
    case 's':
        return &options->sets;
    case 'n':
        return &options->names;
    case 'l':
        return &options->lease_ms;
    case 'S':
        return &options->spacing_ms;
    default:
        return NULL;
    }
}

static bool take_number(struct fanout_options *options, int code)
{
    char *end;
    uint64_t *field = number_field(options, code);
    if (!field)
        return false;
    *field = strtoull(optarg, &end, 10);
    return end != optarg && *end == '\0' && (*field > 0 || strchr("fS", code));
}

static bool take_option(struct taken *taken, int code)
{
    struct fanout_options *options = &taken->options;
    switch (code) {
    case 'b':
        options->brokers = optarg;
        return true;
    case 't':
        options->topic = optarg;
        return true;
    case 'T':
        options->times = optarg;
        return true;
    case 'p':
        if (options->property_count == MAX_PROPERTIES)
            return false;
        taken->properties[options->property_count++] = optarg;
        return true;
    default:
        return take_number(options, code);
    }
}

int main(int argc, char **argv)
{
    struct taken taken = {
        .options = {.count = 1, .sets = 1000, .names = 16, .lease_ms = 3000, .spacing_ms = 10}};
    int code;
    bool good = true;
    while (good && (code = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
        good = take_option(&taken, code);
    taken.options.properties = taken.properties;
    const char *what = good && optind == argc - 1 ? argv[optind] : "";
    const bool subscribes = strcmp(what, "subscribe") == 0;
    if ((!subscribes && strcmp(what, "publish") != 0) || !taken.options.brokers ||
        !taken.options.topic || (subscribes && !taken.options.times)) {
        fputs(usage, stderr);
        return 2;
    }
    good = subscribes ? subscribers_run(&taken.options) : publisher_run(&taken.options);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
