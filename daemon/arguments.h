/*
 * arguments.h - the command line of a program that runs on: a configuration file, or only a look at it.
 */
#ifndef FRESHET_DAEMON_ARGUMENTS_H
#define FRESHET_DAEMON_ARGUMENTS_H

#include <stdbool.h>

#include "config/programs.h"

struct arguments {
    const char *config_path; /* points into argv */
    bool check_only;
};

/*
 * Reads it. Returns -1 to go on with `ret`, else the status to exit with: what there was to say is said.
 */
int arguments_parse(const struct program_words *program, int argc, char **argv,
                    struct arguments *ret);

#endif
