#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/text.h"

enum { GAP = 2 };

struct table table_new(size_t columns)
{
    return (struct table){.columns = columns < TABLE_MAX_COLUMNS ? columns : TABLE_MAX_COLUMNS};
}

static void no_memory(void)
{
    fputs("freshet: out of memory\n", stderr);
    exit(1);
}

static void grow(struct table *table)
{
    const size_t room = table->cell_room ? table->cell_room * 2 : 64;
    char **cells = realloc(table->cells, room * sizeof *cells);
    if (!cells)
        no_memory();
    table->cells = cells;
    table->cell_room = room;
}

void table_add(struct table *table, const char *format, ...)
{
    if (table->cell_count == table->cell_room)
        grow(table);
    va_list args;
    va_start(args, format);
    int length = vasprintf(&table->cells[table->cell_count], format, args);
    va_end(args);
    if (length < 0)
        no_memory();
    table->cell_count++;
}

static void measure(const struct table *table, size_t widths[TABLE_MAX_COLUMNS])
{
    for (size_t k = 0; k < table->cell_count; k++) {
        const size_t width = text_width(table->cells[k]);
        if (width > widths[k % table->columns])
            widths[k % table->columns] = width;
    }
}

void table_print(struct table *table, const char *indent)
{
    size_t widths[TABLE_MAX_COLUMNS] = {0};
    measure(table, widths);
    for (size_t k = 0; k < table->cell_count; k++) {
        const size_t column = k % table->columns;
        if (column == 0)
            printf("%s", indent);
        const size_t width = text_print(stdout, table->cells[k]);
        const bool last = column + 1 == table->columns || k + 1 == table->cell_count;
        printf("%*s", last ? 0 : (int)(widths[column] - width + GAP), "");
        if (last)
            printf("\n");
        free(table->cells[k]);
    }
    free(table->cells);
    *table = table_new(table->columns);
}
