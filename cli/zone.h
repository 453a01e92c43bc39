/*
 * zone.h - what the words of "freshet zone" share: one file each, zone_WORD.c.
 */
#ifndef FRESHET_CLI_ZONE_H
#define FRESHET_CLI_ZONE_H

#include "cli/options.h"
#include "zone/change_list.h"
#include "zone/zone.h"

/* Each is given the operands behind its word, and returns an exit_code. */
int zone_export_run(const struct options *options, const char *name);
int zone_import_run(const struct options *options, const char *file);
int zone_diff_run(const struct options *options, const char *file);
int zone_verify_run(const struct options *options, const char *name);
int zone_history_run(const struct options *options, const char *name);

/* What makes `after` of `before`, added to `list`. False after a complaint. */
bool zone_changes(const struct options *options, const struct zone_state *before,
                  const struct zone_state *after, struct change_list *list);

/*
 * Prints records that are in one alone: "-" and "+" before each, RRset by RRset, at most `most` lines and how many more there
 * are. Returns how many records differ. FLUSHes of the list are not shown.
 */
size_t zone_print_difference(const struct zone_state *before, const struct zone_state *after,
                             const struct change_list *list, size_t most);

/*
 * Reads a zone file for a zone whose name is `apex` (canonical); freed with zone_free(). False after a complaint, that has the
 * line. No SOA at the apex is one.
 */
bool zone_read_file(const struct options *options, const char *path, const uint8_t *apex,
                    struct zone **ret_zone);

/* The zone that `import` and `diff` are about: --zone, or the only one of the configuration. False after a complaint. */
bool zone_of_options(const struct options *options, uint8_t ret_apex[NAME_MAX_SIZE]);

#endif
