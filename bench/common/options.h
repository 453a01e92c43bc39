/*
 * options.h - a program's command line as a table: name, place, bounds and help in one row each.
 *
 *     const struct option_row rows[] = {
 *         {"names", "N", "2000", NUMBER(&o->names, 1, NAMES_MAX)},
 *         {"lease", "MS", "the tiers' (3000)", SCALED(&o->lease_us, 0, 1e9, US_PER_MS)},
 *         {"zone", "ZONE", "check.example.", PLACE(&o->zone)},
 *         {"no-probes", NULL, "no queries aimed at changes", FLAG(&o->probes, false)},
 *         {"tier", "...", "a cache under test", .read = read_tier, .at = o, .needed = true},
 *     };
 *
 * What is not given keeps its value. Written --name=value or --name value, or -X value where the
 * name is one letter. A mistake ends the program with a line on stderr; so does --help, with the
 * table's text on stdout.
 *
 * Values point into argv.
 */
#ifndef FRESHET_COMMON_OPTIONS_H
#define FRESHET_COMMON_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTION_LIST_MAX = 32 };

/* What may be given several times. */
struct option_list {
    const char *at[OPTION_LIST_MAX];
    size_t count;
};

enum option_type {
    OPTION_READ, /* by the row's own function */
    OPTION_U16,
    OPTION_U32,
    OPTION_U64,
    OPTION_I64,
    OPTION_DOUBLE,
    OPTION_BOOL, /* takes no value: becomes `unit` */
    OPTION_TEXT,
    OPTION_LIST,
    OPTION_ADDRESS, /* IPV4:PORT */
};

struct option_row {
    const char *name, *value, *help; /* `value` as the help has it; NULL: it takes none */
    enum option_type type;
    void *at;
    double least, most, unit;   /* of a number as it is written; times `unit` as it is kept */
    const char *const *choices; /* the words that stand for 0, 1, ...; ends with NULL */
    void (*read)(void *at, char *text);
    bool needed;
};

#define OPTION_TYPE(p)                                                                             \
    _Generic((p),                                                                                  \
        uint16_t *: OPTION_U16,                                                                    \
        uint32_t *: OPTION_U32,                                                                    \
        uint64_t *: OPTION_U64,                                                                    \
        int64_t *: OPTION_I64,                                                                     \
        double *: OPTION_DOUBLE,                                                                   \
        bool *: OPTION_BOOL,                                                                       \
        const char **: OPTION_TEXT,                                                                \
        struct option_list *: OPTION_LIST,                                                         \
        struct sockaddr_in *: OPTION_ADDRESS)
#define PLACE(p)                    .at = (p), .type = OPTION_TYPE(p)
#define SCALED(p, low, high, times) PLACE(p), .least = (low), .most = (high), .unit = (times)
#define NUMBER(p, low, high)        SCALED(p, low, high, 1)
#define FLAG(p, becomes)            PLACE(p), .unit = (becomes)
#define CHOICE(p, words)            PLACE(p), .unit = 1, .choices = (words)

struct option_table {
    const char *about; /* the help's first lines */
    const struct option_row *rows;
    size_t count;
    const char *const *words; /* one of them is needed; ends with NULL */
};
#define OPTION_TABLE(rows_, ...)                                                                   \
    {                                                                                              \
        .rows = rows_, .count = sizeof rows_ / sizeof *rows_, __VA_ARGS__                          \
    }

/* Reads the command line; which of the table's words was there, 0 without any. */
int options_read(const struct option_table *table, int argc, char **argv);

/* Reads "name=value,name,..." by a table; `text` is cut up. */
void options_read_fields(const struct option_table *table, char *text);

__attribute__((noreturn)) void options_fail(const char *what, const char *text);

#endif
