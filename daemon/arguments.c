/* arguments.c - see arguments.h. */
#include "daemon/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_OPTIONS = 8 };

static int point_at_help(const struct program_words *program)
{
    fprintf(stderr, "Try '%s --help'.\n", program->name);
    return EXIT_USAGE;
}

/* All options are read: what else has to be so. */
static int check(const struct program_words *program, int argc, char **argv,
                 const struct arguments *arguments)
{
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s'\n", program->name, argv[optind]);
        return point_at_help(program);
    }
    if (arguments->config_path)
        return -1;
    fprintf(stderr, "%s: no configuration: give one with -c FILE\n", program->name);
    return EXIT_USAGE;
}

/* What getopt_long() wants. */
static void make_getopt(const struct program_words *program, struct option longs[MAX_OPTIONS + 1],
                        char letters[2 * MAX_OPTIONS + 1])
{
    size_t count = 0, at = 0;
    for (const struct program_option *one = program->options; one->name && count < MAX_OPTIONS;
         one++) {
        longs[count++] = (struct option){.name = one->name,
                                         .has_arg = one->value ? required_argument : no_argument,
                                         .val = one->letter};
        letters[at++] = one->letter;
        if (one->value)
            letters[at++] = ':';
    }
    longs[count] = (struct option){.name = NULL};
    letters[at] = '\0';
}

int arguments_parse(const struct program_words *program, int argc, char **argv,
                    struct arguments *ret)
{
    struct option longs[MAX_OPTIONS + 1];
    char letters[2 * MAX_OPTIONS + 1];
    int c;
    make_getopt(program, longs, letters);
    *ret = (struct arguments){.config_path = NULL};
    while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            ret->config_path = optarg;
            break;
        case 'n':
            ret->check_only = true;
            break;
        case 'h':
            program_help(program, stdout);
            return EXIT_DONE;
        case 'V':
            printf("%s %s\n", program->name, FRESHET_VERSION);
            return EXIT_DONE;
        default:
            return point_at_help(program);
        }
    }
    return check(program, argc, argv, ret);
}
