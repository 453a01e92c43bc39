#include "bench/common/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 64 };

void options_fail(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, text);
    exit(2);
}

static int choose(const char *what, const char *text, const char *const *words)
{
    for (int k = 0; words[k]; k++)
        if (strcmp(text, words[k]) == 0)
            return k;
    options_fail(what, text);
}

static double number(const struct option_row *row, const char *text)
{
    char *end;
    if (row->choices)
        return choose(row->name, text, row->choices);
    const double value = strtod(text, &end);
    if (end == text || *end || !(value >= row->least && value <= row->most))
        options_fail(row->name, text);
    return value * row->unit;
}

static void read_address(const char *name, struct sockaddr_in *address, const char *text)
{
    char host[INET_ADDRSTRLEN];
    uint16_t port;
    if (sscanf(text, "%15[0-9.]:%" SCNu16, host, &port) != 2 ||
        inet_pton(AF_INET, host, &address->sin_addr) != 1)
        options_fail(name, text);
    address->sin_family = AF_INET;
    address->sin_port = htons(port);
}

static void add(const char *name, struct option_list *list, const char *text)
{
    if (list->count == OPTION_LIST_MAX)
        options_fail(name, "too many");
    list->at[list->count++] = text;
}

static void take(const struct option_row *row, char *text)
{
    switch (row->type) {
    case OPTION_READ:
        row->read(row->at, text);
        return;
    case OPTION_U16:
        *(uint16_t *)row->at = (uint16_t)number(row, text);
        return;
    case OPTION_U32:
        *(uint32_t *)row->at = (uint32_t)number(row, text);
        return;
    case OPTION_U64:
        *(uint64_t *)row->at = (uint64_t)number(row, text);
        return;
    case OPTION_I64:
        *(int64_t *)row->at = (int64_t)number(row, text);
        return;
    case OPTION_DOUBLE:
        *(double *)row->at = number(row, text);
        return;
    case OPTION_BOOL:
        *(bool *)row->at = row->unit != 0;
        return;
    case OPTION_TEXT:
        *(const char **)row->at = text;
        return;
    case OPTION_LIST:
        add(row->name, row->at, text);
        return;
    case OPTION_ADDRESS:
        read_address(row->name, row->at, text);
        return;
    }
}

/* The row of "name" or "name=value"; `ret_value` is behind the '=', NULL where there is none. */
static size_t find(const struct option_table *table, char *text, char **ret_value)
{
    const size_t size = strcspn(text, "=");
    *ret_value = text[size] ? text + size + 1 : NULL;
    for (size_t k = 0; k < table->count; k++)
        if (strlen(table->rows[k].name) == size && strncmp(table->rows[k].name, text, size) == 0)
            return k;
    options_fail("no such option", text);
}

static void check_needed(const struct option_table *table, const bool *given)
{
    for (size_t k = 0; k < table->count; k++)
        if (table->rows[k].needed && !given[k])
            options_fail("needed", table->rows[k].name);
}

void options_read_fields(const struct option_table *table, char *text)
{
    bool given[ROWS_MAX] = {false};
    char *state = NULL, *value;
    for (char *field = strtok_r(text, ",", &state); field; field = strtok_r(NULL, ",", &state)) {
        const size_t k = find(table, field, &value);
        if (!value != !table->rows[k].value)
            options_fail("a value is missing, or too much", field);
        take(&table->rows[k], value);
        given[k] = true;
    }
    check_needed(table, given);
}

static void help(const struct option_table *table)
{
    printf("Usage: %s %s\n\n", program_invocation_short_name, table->about);
    for (size_t k = 0; k < table->count; k++) {
        const struct option_row *row = &table->rows[k];
        char text[80];
        const bool letter = !row->name[1];
        snprintf(text, sizeof text, "%s%s%s%s", letter ? "-" : "--", row->name,
                 !row->value ? ""
                 : letter    ? " "
                             : "=",
                 row->value ? row->value : "");
        printf("  %-26s %s\n", text, row->help);
    }
    exit(0);
}

int options_read(const struct option_table *table, int argc, char **argv)
{
    bool given[ROWS_MAX] = {false};
    int word = table->words ? -1 : 0;
    for (int i = 1; i < argc; i++) {
        char *text = argv[i], *value;
        if (strcmp(text, "--help") == 0)
            help(table);
        const size_t dashes = strspn(text, "-");
        if (dashes == 0 && word < 0) {
            word = choose("no such word", text, table->words);
            continue;
        }
        if (dashes == 0 || dashes > 2 || (dashes == 1) != (text[1] && !text[2]))
            options_fail("unexpected", text);
        const size_t k = find(table, text + dashes, &value);
        if (table->rows[k].value && !value && i + 1 < argc)
            value = argv[++i];
        if (!value != !table->rows[k].value)
            options_fail("a value is missing, or too much", text);
        take(&table->rows[k], value);
        given[k] = true;
    }
    if (word < 0)
        options_fail("needed, a word; see", "--help");
    check_needed(table, given);
    return word;
}
