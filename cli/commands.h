/*
 * commands.h - the subcommands; each is defined in the file of its name (add in set.c).
 */
#ifndef FRESHET_CLI_COMMANDS_H
#define FRESHET_CLI_COMMANDS_H

#include "cli/options.h"

extern const struct command set_command;
extern const struct command add_command;
extern const struct command del_command;
extern const struct command flush_command;
extern const struct command publish_command;
extern const struct command watch_command;
extern const struct command broker_command;
extern const struct command topic_command;
extern const struct command status_command;
extern const struct command lookup_command;
extern const struct command evict_command;
extern const struct command dump_command;
extern const struct command drained_by_command;
extern const struct command move_command;
extern const struct command snapshot_command;
extern const struct command zone_command;

/* All of them; NULL ends them. */
extern const struct command *const commands[];

#endif
