/*
 * log.h - the topic: changes go out, and the moment is taken at which each can be read.
 *
 *     loop     log_publish()      ---> broker
 *     acks     offset, readable   <---/  \---> readable   reader
 *
 * Readable is the earlier of the acknowledgement and the message in the hands of a plain consumer
 * on a connection of its own. Both are seen a little late by this process, so the time is never
 * before the true one: tiers are not blamed for what no one could have known.
 *
 * All changes are of one zone, so they lie in one partition, in the order of their versions. The
 * checker is the topic's only publisher.
 *
 * Threads: log_open() starts two, for the acknowledgements and the reader.
 */
#ifndef FRESHET_CHECKER_LOG_H
#define FRESHET_CHECKER_LOG_H

#include <stddef.h>

#include "bench/common/history.h"
#include "bench/common/wire.h"

enum { LOG_ERROR = 512, LOG_PROPERTIES_MAX = 32 };

struct log_options {
    const char *brokers, *topic;
    const char *properties[LOG_PROPERTIES_MAX]; /* "name=value" for the reader */
    size_t property_count;
    const struct zone *zone;
    struct history *history;
};

struct log;

/* Publishes a heartbeat to learn the zone's partition. NULL with one line in `ret_error`. */
struct log *log_open(const struct log_options *options, char ret_error[LOG_ERROR]);
void log_close(struct log *log);

int log_partition(const struct log *log);

/* The offset of the first change. */
int64_t log_base(const struct log *log);

/* Publishes a version. False: librdkafka does not take it now. */
bool log_publish(struct log *log, uint32_t version);

struct log_counters {
    uint64_t published, acknowledged, read, failed;
};
struct log_counters log_count(const struct log *log);

#endif
