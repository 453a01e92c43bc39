/*
 * manual_pages.c - the manual pages of the programs and of the subcommands.
 */
#include <string.h>

#include "cli/commands.h"
#include "cli/manual.h"
#include "cli/roff.h"

enum { MAX_TERM = 128, MAX_SEE = 1024 };

static void write_option(FILE *out, const struct program_option *option)
{
    char term[MAX_TERM], letter[8] = "";
    if (option->letter)
        snprintf(letter, sizeof letter, "`-%c`, ", option->letter);
    snprintf(term, sizeof term, "%s`--%s`%s%s", letter, option->name, option->value ? "=" : "",
             option->value ? option->value : "");
    roff_term(out, term);
    roff_text(out, option->help);
}

/* Those of everybody, and those of `whose` begins with. */
static void write_exit_codes(FILE *out, const char *whose)
{
    roff_heading(out, "EXIT STATUS");
    for (const struct exit_meaning *one = exit_codes; one->text; one++) {
        char term[MAX_TERM];
        if (one->whose[0] && (!whose || !strstr(one->whose, whose)))
            continue;
        snprintf(term, sizeof term, "%d", one->code);
        roff_term(out, term);
        roff_text(out, one->text);
    }
}

void manual_tool(FILE *out)
{
    char see[MAX_SEE] = "";
    roff_begin(out, "freshet", 1,
               "Publishes and watches DNS changes, and looks into running caches");
    roff_heading(out, "SYNOPSIS");
    roff_text(out, "`freshet` COMMAND [OPTION]... [OPERAND]...");
    roff_heading(out, "COMMANDS");
    for (size_t k = 0; commands[k]; k++) {
        char term[MAX_TERM];
        const size_t used = strlen(see);
        snprintf(term, sizeof term, "`%s` %s", commands[k]->name, commands[k]->operands);
        roff_term(out, term);
        roff_text(out, commands[k]->summary);
        snprintf(see + used, sizeof see - used, "freshet-%s(1) ", commands[k]->name);
    }
    roff_heading(out, "OPTIONS");
    roff_term(out, "`-h`, `--help`");
    roff_text(out, "print the list of commands; `freshet help` COMMAND for a command's own");
    roff_term(out, "`-V`, `--version`");
    roff_text(out, "print the version");
    roff_heading(out, "EXIT STATUS");
    for (const struct exit_meaning *one = exit_codes; one->text; one++) {
        char term[MAX_TERM];
        snprintf(term, sizeof term, "%d%s%s", one->code, one->whose[0] ? ", " : "", one->whose);
        roff_term(out, term);
        roff_text(out, one->text);
    }
    const size_t used = strlen(see);
    snprintf(see + used, sizeof see - used,
             "freshetd(8) freshet-origin(8) freshet.yaml(5) freshet-changeset(5)");
    roff_see_also(out, see);
}

void manual_command(FILE *out, const struct command *command)
{
    char page[MAX_TERM], synopsis[MAX_TERM];
    struct program_option option;
    snprintf(page, sizeof page, "freshet-%s", command->name);
    snprintf(synopsis, sizeof synopsis, "`freshet %s` [OPTION]... %s", command->name,
             command->operands);
    roff_begin(out, page, 1, command->summary);
    roff_heading(out, "SYNOPSIS");
    roff_text(out, synopsis);
    if (command->details) {
        roff_heading(out, "DESCRIPTION");
        roff_lines(out, command->details);
    }
    roff_heading(out, "OPTIONS");
    for (size_t k = 0; options_nth(command, k, &option); k++)
        write_option(out, &option);
    write_exit_codes(out, command->name);
    roff_see_also(out, "freshet(1) freshet.yaml(5)");
}

void manual_service(FILE *out, const struct program_words *words)
{
    char text[MAX_TERM];
    roff_begin(out, words->name, 8, words->summary);
    roff_heading(out, "SYNOPSIS");
    snprintf(text, sizeof text, "`%s` %s", words->name, words->usage);
    roff_text(out, text);
    roff_heading(out, "DESCRIPTION");
    roff_text(out, words->details);
    roff_heading(out, "OPTIONS");
    for (const struct program_option *one = words->options; one->name; one++)
        write_option(out, one);
    write_exit_codes(out, NULL);
    roff_heading(out, "FILES");
    roff_term(out, words->config);
    roff_text(out, "the configuration that the service takes");
    roff_see_also(out, "freshet(1) freshet.yaml(5) freshet-changeset(5)");
}
