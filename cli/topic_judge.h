/*
 * topic_judge.h - what freshet wants of its topics, and what of one that is there is otherwise.
 */
#ifndef FRESHET_CLI_TOPIC_JUDGE_H
#define FRESHET_CLI_TOPIC_JUDGE_H

#include <stdbool.h>
#include <stdio.h>

#include "invalidation/topic.h"

/* The settings that matter, in this order. */
enum topic_setting_index {
    TOPIC_CLEANUP,
    TOPIC_RETENTION,
    TOPIC_IN_SYNC,
    TOPIC_MESSAGE_BYTES,
    TOPIC_SETTINGS
};

/* Names without values. */
void topic_settings_names(struct topic_setting settings[TOPIC_SETTINGS]);

/*
 * Those that a topic is made with, snapshots or updates: `retention_ms` for updates, `replicas` for min.insync.replicas.
 * Returns how many of the first are to be set.
 */
size_t topic_settings_wanted(bool snapshots, uint64_t retention_ms, int replicas,
                             struct topic_setting settings[TOPIC_SETTINGS]);

/*
 * A line of `out` for each thing that is wrong, with the command that mends it where there is one. Returns how many. A
 * setting without a value is not judged.
 */
size_t topic_judge(const char *topic, bool snapshots, const struct topic_view *view,
                   const struct topic_setting settings[TOPIC_SETTINGS], FILE *out);

#endif
