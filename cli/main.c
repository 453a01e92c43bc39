/*
 * main.c - freshet, the operator's tool: picks the subcommand and hands over.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/nearest.h"
#include "cli/text.h"
#include "config/streams.h"

#ifndef FRESHET_VERSION
#define FRESHET_VERSION "0.1.0"
#endif

static void print_help(void)
{
    printf("Usage: freshet COMMAND [OPTION]... [OPERAND]...\n"
           "Publishes and watches DNS changes, and looks into running programs.\n\n");
    for (size_t k = 0; commands[k]; k++)
        printf("  %-10s %s\n", commands[k]->name, commands[k]->summary);
    printf("\n  -h, --help     print this help; 'freshet help COMMAND' for a command's own\n"
           "  -V, --version  print the version\n\n"
           "'freshet help exit-codes' says what an exit status means, of all programs.\n");
}

static const struct command *find_command(const char *name)
{
    for (size_t k = 0; commands[k]; k++)
        if (strcmp(commands[k]->name, name) == 0)
            return commands[k];
    return NULL;
}

/* Output that could not be written is a failure, not something to keep quiet about. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    perror("freshet: standard output");
    return code == EXIT_DONE ? EXIT_FAILED : code;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct options options;
    int code = EXIT_USAGE;
    if (options_parse(command, argc, argv, &options)) {
        code = EXIT_DONE;
        if (options.help)
            options_help(command);
        else
            code = command->run(&options);
    }
    options_free(&options);
    return finish(code);
}

static int misused(const char *word)
{
    if (word) {
        struct nearest nearest = nearest_to(word);
        for (size_t k = 0; commands[k]; k++)
            nearest_try(&nearest, commands[k]->name);
        fprintf(stderr, "freshet: there is no command \"");
        text_print(stderr, word);
        fprintf(stderr, "\"%s%s%s\n", nearest.found ? "; did you mean \"" : "",
                nearest.found ? nearest.found : "", nearest.found ? "\"?" : "");
    } else {
        fprintf(stderr, "freshet: which command?\n");
    }
    fprintf(stderr, "Try 'freshet --help'.\n");
    return EXIT_USAGE;
}

/* "freshet help COMMAND", "freshet help exit-codes" */
static int help(const char *word)
{
    const struct command *command = word ? find_command(word) : NULL;
    if (word && strcmp(word, "exit-codes") == 0) {
        exit_codes_print(stdout, true);
        return finish(EXIT_DONE);
    }
    if (word && !command)
        return misused(word);
    if (command)
        options_help(command);
    else
        print_help();
    return finish(EXIT_DONE);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    streams_hold();
    if (!word)
        return misused(NULL);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help(NULL);
    if (strcmp(word, "help") == 0)
        return help(argc > 2 ? argv[2] : NULL);
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("freshet %s\n", FRESHET_VERSION);
        return finish(EXIT_DONE);
    }
    const struct command *command = find_command(word);
    return command ? run_command(command, argc - 1, argv + 1) : misused(word);
}
