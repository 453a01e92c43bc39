/*
 * log_ends.h - how long the log is: what one look at the topic finds. Plain data.
 *
 * It is what the reader of watermarks hands to the feed, and all that the feed's states (liveness.h)
 * are told of the brokers, so neither needs to know how it was asked for.
 */
#ifndef FRESHET_INVALIDATION_LOG_ENDS_H
#define FRESHET_INVALIDATION_LOG_ENDS_H

#include <stddef.h>
#include <stdint.h>

#include "cache/stamp.h"

enum { LOG_MAX_PARTITIONS = 1024, LOG_MAX_ERROR = 512, LOG_MAX_HOSTS = 1024 };

struct log_ends {
    size_t count;                       /* partitions, numbered 0.. */
    int64_t offset[LOG_MAX_PARTITIONS]; /* where the next message of each will go */
    uint64_t log_id;    /* hash of the cluster's id and the topic: which log this is */
    uint64_t made_anew; /* how often it was seen to be another one under the same name */
};

struct log_reading {
    struct mono asked; /* before the first request left */
    int code; /* 0; or ERR_NOT_FOUND (no such topic), ERR_TIMEOUT, ... with a line in `error` */
    char error[LOG_MAX_ERROR];
    char hosts
        [LOG_MAX_HOSTS]; /* what the brokers call themselves, separated by commas; "" when not told */
    uint64_t renewed;    /* how often the reader has taken a new client */
    struct log_ends ends; /* with code 0 */
};

#endif
