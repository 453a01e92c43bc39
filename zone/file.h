/*
 * file.h - zone files (RFC 1035 5), read by a library (libzscanner), and written so that named-checkzone takes them.
 */
#ifndef FRESHET_ZONE_FILE_H
#define FRESHET_ZONE_FILE_H

#include <stdio.h>

#include "zone/zone.h"

struct zone_file_error {
    char where[256]; /* "db.example:17: unknown record type", for people */
};

/*
 * Reads a zone file into an edit (begun empty). The origin to begin with is the zone. What is wrong is said with its line;
 * what lies outside the zone is an error, as are two SOAs or none. ERR_SYSTEM, ERR_FORMAT, ERR_ZONE, ERR_TOO_LARGE, ERR_MEMORY:
 * the edit is good for zone_edit_abort() then.
 */
MUST_CHECK int zone_file_read(const char *path, struct zone_edit *edit,
                              struct zone_file_error *ret_error);

/* Writes all records, one on a line, SOA first. ERR_SYSTEM, ERR_MEMORY. */
MUST_CHECK int zone_file_write(FILE *out, const struct zone_state *state);

#endif
