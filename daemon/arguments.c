/* arguments.c - see arguments.h. */
#include "daemon/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static int point_at_help(const char *program)
{
    fprintf(stderr, "Try '%s --help'.\n", program);
    return EXIT_FAILURE;
}

/* All options are read: what else has to be so. */
static int check(const char *program, int argc, char **argv, const struct arguments *arguments)
{
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s'\n", program, argv[optind]);
        return point_at_help(program);
    }
    if (arguments->config_path)
        return -1;
    fprintf(stderr, "%s: no configuration: give one with -c FILE\n", program);
    return EXIT_FAILURE;
}

int arguments_parse(const char *program, const char *help, int argc, char **argv,
                    struct arguments *ret)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int c;
    *ret = (struct arguments){.config_path = NULL};
    while ((c = getopt_long(argc, argv, "c:nhV", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            ret->config_path = optarg;
            break;
        case 'n':
            ret->check_only = true;
            break;
        case 'h':
            puts(help);
            return EXIT_SUCCESS;
        case 'V':
            printf("%s %s\n", program, FRESHET_VERSION);
            return EXIT_SUCCESS;
        default:
            return point_at_help(program);
        }
    }
    return check(program, argc, argv, ret);
}
