#include "cli/color.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/text.h"

enum { MAX_LINE = 70000 };

static bool wanted;
static bool begun;

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0];
}

static bool is_for_colors(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !is_set("NO_COLOR") && terminal &&
           strcmp(terminal, "dumb") != 0;
}

bool color_choose(const char *when)
{
    if (!when || strcmp(when, "auto") == 0)
        wanted = is_for_colors();
    else if (strcmp(when, "always") == 0)
        wanted = true;
    else if (strcmp(when, "never") == 0)
        wanted = false;
    else
        return false;
    return true;
}

void color_begin(enum color color)
{
    static const char *const codes[] = {"", "\033[32m", "\033[31m", "\033[33m"};
    begun = wanted && color != COLOR_PLAIN;
    if (begun)
        fputs(codes[color], stdout);
}

void color_end(void)
{
    if (begun)
        fputs("\033[0m", stdout);
    begun = false;
}

void color_print_change(const struct change *change)
{
    static char line[MAX_LINE];
    char name[NAME_MAX_TEXT], type[TYPE_MAX_TEXT];
    if (change_to_text(change, line, sizeof line) < 0)
        snprintf(line, sizeof line, "%s %s %s (%zu long records)", change_op_text(change->op),
                 name_to_text(change->name, name), type_to_text(change->type, type),
                 change->rdata_count);
    color_begin(change->op == CHANGE_DEL     ? COLOR_BAD
                : change->op == CHANGE_FLUSH ? COLOR_NOTE
                                             : COLOR_GOOD);
    text_print(stdout, line);
    color_end();
}
