/*
 * log.h - the topic: changes go out, and the moment is taken at which each can be read.
 *
 *     loop     log_publish()  ---> publishers ---> broker
 *                 logged, readable   <---/             \---> readable   reader
 *
 * Readable is the earlier of the acknowledgement and the message in the hands of a plain consumer
 * on a connection of its own. Both are seen a little late by this process, so the time is never
 * before the true one: tiers are not blamed for what no one could have known. Where transactions are
 * about, an acknowledged message may lie behind an open one, and only the consumer tells.
 *
 * The checker is the topic's only publisher; it is several, see manner.h.
 *
 * Threads: log_open() starts one for the reader, and each publisher has one.
 */
#ifndef FRESHET_CHECKER_LOG_H
#define FRESHET_CHECKER_LOG_H

#include <stddef.h>

#include "bench/checker/publisher.h"

enum { PUBLISHERS_MAX = 16 };

struct log_options {
    const char *brokers, *topic;
    struct option_list properties;                /* "name=value", of the reader */
    const struct manner *manners[PUBLISHERS_MAX]; /* one publisher each */
    unsigned publisher_count;
    int64_t hang_us, hang_rest_us; /* see publisher.h */
    const struct zone *zone;
    struct history *history;
};

struct log;

/* NULL with one line in `ret_error`. */
struct log *log_open(const struct log_options *options, char ret_error[KAFKA_ERROR]);
void log_close(struct log *log);

int log_partitions(const struct log *log);

/* Publisher number `k`. */
struct publisher *log_publisher(struct log *log, unsigned k);

/* Publishes a version, by the publisher that its change names. False: it is not taken now. */
bool log_publish(struct log *log, uint32_t version);

struct log_counters {
    uint64_t published, acknowledged, read, failed, committed, aborted;
};
struct log_counters log_count(const struct log *log);

#endif
