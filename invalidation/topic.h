/*
 * topic.h - a topic as the brokers have it: made as freshet wants it, and looked at.
 */
#ifndef FRESHET_INVALIDATION_TOPIC_H
#define FRESHET_INVALIDATION_TOPIC_H

#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"

enum { TOPIC_MAX_ERROR = 512, TOPIC_MAX_VALUE = 64 };

struct topic_options {
    const char *brokers;
    char *const *properties; /* "name=value", property_count of them */
    size_t property_count;
    int timeout_ms; /* for each question; 0: 10 s */
};

struct topic_setting {
    const char *name; /* Kafka's: "cleanup.policy" */
    char value[TOPIC_MAX_VALUE];
};

struct topic_view {
    int partitions;
    int replicas; /* of the partition that has the fewest */
    int in_sync;  /* likewise, of those that have all of it now */
};

struct topic_admin;

/* NULL with one line in `ret_error`. Does not wait for a connection. */
struct topic_admin *topic_admin_new(const struct topic_options *options,
                                    char ret_error[TOPIC_MAX_ERROR]);
void topic_admin_free(struct topic_admin *admin);

/* How many brokers there are; ERR_TIMEOUT, ERR_KAFKA with one line in `ret_error`. */
MUST_CHECK int topic_brokers(struct topic_admin *admin, char ret_error[TOPIC_MAX_ERROR]);

/*
 * Makes a topic of so many partitions and replicas with `count` settings. Returns 0; 1 when it is there already;
 * ERR_TIMEOUT, ERR_KAFKA; with one line in `ret_error`.
 */
MUST_CHECK int topic_create(struct topic_admin *admin, const char *topic, int partitions,
                            int replicas, const struct topic_setting *settings, size_t count,
                            char ret_error[TOPIC_MAX_ERROR]);

/*
 * Looks at a topic, and reads the values of `count` settings by their names; "" where the brokers do not tell. Returns 0;
 * ERR_NOT_FOUND, ERR_TIMEOUT, ERR_KAFKA with one line in `ret_error`.
 */
MUST_CHECK int topic_look(struct topic_admin *admin, const char *topic, struct topic_view *ret_view,
                          struct topic_setting *settings, size_t count,
                          char ret_error[TOPIC_MAX_ERROR]);

#endif
