/*
 * arguments.h - the command line of a program that runs on: a configuration file, or only a look at it.
 */
#ifndef FRESHET_DAEMON_ARGUMENTS_H
#define FRESHET_DAEMON_ARGUMENTS_H

#include <stdbool.h>

struct arguments {
    const char *config_path; /* points into argv */
    bool check_only;
};

/*
 * Reads it. Returns -1 to go on with `ret`, else the status to exit with: what there was to say is said.
 *
 * program  its name
 * help     what --help prints
 */
int arguments_parse(const char *program, const char *help, int argc, char **argv,
                    struct arguments *ret);

#endif
