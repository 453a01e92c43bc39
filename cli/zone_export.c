/*
 * zone_export.c - "freshet zone export NAME": the zone as a zone file.
 */
#include <stdio.h>

#include "cli/name.h"
#include "cli/zone.h"
#include "cli/zone_log.h"
#include "zone/file.h"

int zone_export_run(const struct options *options, const char *name)
{
    uint8_t apex[NAME_MAX_SIZE];
    struct zone *zone;
    struct zone_log_stand stand;
    if (!name_word(options, "NAME", name, apex))
        return EXIT_USAGE;
    if (!zone_log_load(options, apex, false, &zone, &stand))
        return EXIT_FAILED;
    int error = zone_file_write(stdout, zone_state(zone));
    if (error < 0)
        complain(options, "%s", error_text(error));
    zone_free(zone);
    return error < 0 ? EXIT_FAILED : EXIT_DONE;
}
