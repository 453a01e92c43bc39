#include "config/programs.h"

#include <string.h>

enum { HELP_COLUMN = 20, HELP_WIDTH = 95 };

const struct exit_meaning exit_codes[] = {
    {EXIT_DONE, "", "done; a service: it was told to stop, or its configuration is fine (--check)"},
    {EXIT_FAILED, "", "failed; the last line on standard error says why"},
    {EXIT_FAILED, "freshet zone diff, zone verify", "they differ"},
    {EXIT_USAGE, "", "the command line, a file that it names or what it read is wrong"},
    {EXIT_NOT_CACHED, "freshet lookup", "no tier has a valid answer"},
    {EXIT_INTERRUPTED, "freshet move", "interrupted half way, and it said how to go on"},
    {EXIT_UNHEALTHY, "freshet status --check, drained-by, topic check",
     "something asks for attention, or not yet"},
    {0, NULL, NULL},
};

static const struct program_option options[] = {
    {'c', "config", "FILE", "the configuration (YAML; there is no default)"},
    {'n', "check", NULL,
     "check the configuration and exit: whether a start would go well. Left out is what passes by "
     "itself, such as an address in use"},
    {'h', "help", NULL, "print this help"},
    {'V', "version", NULL, "print the version"},
    {0, NULL, NULL, NULL},
};

const struct program_words program_freshetd = {
    .name = "freshetd",
    .usage = "-c FILE [-n]",
    .summary = "A caching DNS resolver that a Kafka topic of record changes keeps fresh",
    .details = "Runs in the foreground and logs to standard error. SIGHUP reads the configuration "
               "again and keeps the cache; SIGTERM answers what is under way, within two seconds, "
               "and exits.",
    .options = options,
    .config = "/etc/freshet/freshet.yaml",
};

const struct program_words program_origin = {
    .name = "freshet-origin",
    .usage = "-c FILE [-n]",
    .summary = "Captures what changes in DNS zones, and publishes it to a Kafka topic",
    .details = "Runs in the foreground and logs to standard error. SIGHUP reads the zones and keys "
               "again; SIGTERM ends what is under way, within two seconds, and exits.",
    .options = options,
    .config = "/etc/freshet/origin.yaml",
};

void exit_codes_print(FILE *out, bool all)
{
    for (const struct exit_meaning *one = exit_codes; one->text; one++)
        if (all || !one->whose[0])
            fprintf(out, "  %d  %s%s%s\n", one->code, one->whose, one->whose[0] ? ": " : "",
                    one->text);
}

/* Words, with a new line and an indent before each that would go past the right edge. */
static void print_words(FILE *out, const char *text, size_t indent)
{
    size_t column = indent;
    for (size_t length; *text; text += length + strspn(text + length, " ")) {
        length = strcspn(text, " ");
        const bool first = column == indent;
        if (!first && column + 1 + length > HELP_WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)length, text);
        column += length;
    }
    fputc('\n', out);
}

void program_help(const struct program_words *program, FILE *out)
{
    fprintf(out, "Usage: %s %s\n%s.\n\n", program->name, program->usage, program->summary);
    for (const struct program_option *one = program->options; one->name; one++) {
        char left[64];
        snprintf(left, sizeof left, "  -%c, --%s%s%s", one->letter, one->name,
                 one->value ? "=" : "", one->value ? one->value : "");
        fprintf(out, "%-*s ", HELP_COLUMN, left);
        print_words(out, one->help, HELP_COLUMN + 1);
    }
    fputc('\n', out);
    print_words(out, program->details, 0);
    fprintf(out, "\nExit status:\n");
    exit_codes_print(out, false);
}
