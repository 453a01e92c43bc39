/*
 * group.h - which of several programs has a partition: a consumer group of Kafka says so.
 *
 *      thread: member of the group --> news: granted, revoked, ours --> caller
 *
 * It reads no messages. Partitions go from one member to another one by one (cooperative-sticky), at once when a member
 * leaves, and within the session's time-out when it is gone or cannot reach the brokers; then itself knows by its own clock.
 * What the group says comes late: a member that was stopped for a while may take for its own what is another's. That nobody
 * writes then is fenced.h's to see to.
 *
 * Threads: one of its own; all calls are the caller's.
 */
#ifndef FRESHET_INVALIDATION_GROUP_H
#define FRESHET_INVALIDATION_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "invalidation/log_ends.h"

struct group;

struct group_options {
    const char *brokers, *topic, *name; /* borrowed, as all below */
    char *const *properties;            /* property_count of them */
    size_t property_count;
    uint64_t session_ms;
    int fd; /* an eventfd, written to when group_next() has something, or group_partitions() may be another */
};

/* Joins it, for as long as it takes. NULL with one line in `ret_error`. */
struct group *group_join(const struct group_options *options, char ret_error[LOG_MAX_ERROR]);

/* Leaves: others have what it had at once, if the brokers can be reached. Within about two seconds. NULL is fine. */
void group_leave(struct group *group);

enum group_event {
    GROUP_GRANTED,
    GROUP_REVOKED, /* group_release() once nothing is done with it any more: another has it then */
    GROUP_OURS,    /* an answer to group_ask(): the brokers said so after the call */
};

struct group_news {
    enum group_event event;
    int32_t partition;
};
/* The next; false: there is none. */
bool group_next(struct group *group, struct group_news *ret);

void group_release(struct group *group, int32_t partition);

/* Whether a partition that was granted still is ours. Where it is not, there is no answer but what else comes. */
void group_ask(struct group *group, int32_t partition);

/* Partitions of the topic, 0 before the brokers have said so, which comes after the first grant; and what the client last complained about. */
size_t group_partitions(struct group *group);
void group_trouble(struct group *group, char *ret, size_t room);

#endif
