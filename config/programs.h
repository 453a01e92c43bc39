/*
 * programs.h - what the programs are called, what they take, and what their exit status says: one table for all three.
 *
 * --help, the manual pages and the completions are made of it, as the command lines of freshetd and freshet-origin are
 * read by it. The subcommands of freshet are cli/'s.
 */
#ifndef FRESHET_CONFIG_PROGRAMS_H
#define FRESHET_CONFIG_PROGRAMS_H

#include <stdbool.h>
#include <stdio.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_CACHED = 3,
    EXIT_INTERRUPTED = 4,
    EXIT_UNHEALTHY = 5,
};

/* What an exit status means, of every program; ends with a NULL text. */
struct exit_meaning {
    int code;
    const char *whose; /* "" for those of all programs, or the command that has it */
    const char *text;
};
extern const struct exit_meaning exit_codes[];

struct program_option {
    char letter;
    const char *name;
    const char *value; /* its name in the help; NULL when it takes none */
    const char *help;
};

/* A program that runs on. */
struct program_words {
    const char *name;
    const char *usage;                    /* behind the name */
    const char *summary;                  /* what it is, without a full stop */
    const char *details;                  /* sentences, a paragraph */
    const struct program_option *options; /* ends with a NULL name */
    const char *config;                   /* its configuration, where the packages have it */
};
extern const struct program_words program_freshetd;
extern const struct program_words program_origin;

/* Its --help. */
void program_help(const struct program_words *program, FILE *out);

/* "  0  done", one line each; with `all` those of single commands as well. */
void exit_codes_print(FILE *out, bool all);

#endif
