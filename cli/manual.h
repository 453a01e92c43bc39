/*
 * manual.h - manual pages and completions, from the tables that parse.
 *
 *     commands.h, options.h   subcommands and their options     config/programs.h   the services, exit statuses
 *     config/options.h        the configuration                 changeset.schema.json   the message format
 *
 * Each writes one page.
 */
#ifndef FRESHET_CLI_MANUAL_H
#define FRESHET_CLI_MANUAL_H

#include <jansson.h>

#include "cli/options.h"
#include "config/programs.h"

void manual_tool(FILE *out);                                   /* freshet(1) */
void manual_command(FILE *out, const struct command *command); /* freshet-SUB(1) */
void manual_service(FILE *out,
                    const struct program_words *words); /* freshetd(8), freshet-origin(8) */
void manual_configuration(FILE *out);                   /* freshet.yaml(5) */
void manual_changeset(FILE *out, const json_t *schema); /* freshet-changeset(5) */

/* Completions for a shell: of the tool, or of a service. */
struct shell {
    const char *name; /* "bash", "zsh", "fish" */
    void (*tool)(FILE *out);
    void (*service)(FILE *out, const struct program_words *words);
};
extern const struct shell shells[3];

#endif
