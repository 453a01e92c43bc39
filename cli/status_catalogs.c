/*
 * status_catalogs.c - "freshet status": the catalogs of either program.
 */
#include "cli/status_catalogs.h"

#include <stdio.h>

#include "cli/control.h"
#include "cli/table.h"

void status_print_catalogs(const json_t *catalogs)
{
    static const char *const heads[] = {"catalog", "serial", "members", "state"};
    enum { COLUMNS = sizeof heads / sizeof heads[0] };
    struct table table = table_new(COLUMNS);
    size_t k;
    json_t *catalog;
    if (json_array_size(catalogs) == 0)
        return;
    for (size_t c = 0; c < COLUMNS; c++)
        table_add(&table, "%s", heads[c]);
    json_array_foreach(catalogs, k, catalog)
    {
        const char *wrong = member_text(catalog, "wrong");
        const bool taken = json_is_integer(json_object_get(catalog, "serial"));
        table_add(&table, "%s", member_text(catalog, "zone"));
        table_add(&table, "%lld", member_number(catalog, "serial"));
        table_add(&table, "%lld", member_number(catalog, "members"));
        table_add(&table, "%s%s",
                  wrong[0] ? "broken since: "
                  : taken  ? "taken over"
                           : "awaited",
                  wrong);
    }
    printf("\n");
    table_print(&table, "");
}
