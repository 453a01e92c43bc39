/*
 * feed_zones.h - the zones of the feed, and those excepted: read from the files that the lists name, and checked.
 *
 *     zones: [example.com., "file:/etc/freshet/zones"]      a name on each line of the file; `#` and `;` begin a comment
 */
#ifndef FRESHET_CONFIG_FEED_ZONES_H
#define FRESHET_CONFIG_FEED_ZONES_H

#include "config/config.h"
#include "config/fault.h"

enum { FEED_ZONES_MAX = 1000000 }; /* of each list */

/* Whether an entry of a list names a file: then its path. NULL: it is a name. */
const char *feed_zones_file(const char *entry);

/*
 * The names of the file that an option names, `key` as it is called: each once. False, with the line in `fault`. NULL without a file.
 */
bool feed_zones_read_file(const char *key, char *entry, char ***ret_names, size_t *ret_count,
                          struct fault *fault);
void feed_zones_free(char **names, size_t count);

/* Puts the names in the place of the files. False, with the line in `fault`: a file, or a name, is of no use. */
bool feed_zones_read(struct config_feed *feed, struct fault *fault);

#endif
