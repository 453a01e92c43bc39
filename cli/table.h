/*
 * table.h - aligned columns: cells are added one by one, a row ends when it is full.
 *
 * Cells are printed through text_print(), so they may hold anything.
 */
#ifndef FRESHET_CLI_TABLE_H
#define FRESHET_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum { TABLE_MAX_COLUMNS = 12 };

struct table {
    size_t columns;
    size_t cell_count, cell_room;
    char **cells; /* row by row */
};

/* An empty table; it allocates with the first cell. */
struct table table_new(size_t columns);

/* Adds a cell, printf style. Without memory the program ends. */
__attribute__((format(printf, 2, 3))) void table_add(struct table *table, const char *format, ...);

/* Prints on stdout, each line behind `indent`, and empties the table. */
void table_print(struct table *table, const char *indent);

#endif
