#include "cli/commands.h"

const struct command *const commands[] = {
    &set_command,
    &add_command,
    &del_command,
    &flush_command,
    &publish_command,
    &watch_command,
    &broker_command,
    &topic_command,
    &status_command,
    &lookup_command,
    &evict_command,
    &dump_command,
    &drained_by_command,
    &move_command,
    &snapshot_command,
    &zone_command,
    NULL,
};
