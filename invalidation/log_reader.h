/*
 * log_reader.h - reads partitions of a topic from where one wants on, and says where they begin and end.
 *
 * For those that read what is there: whoever looks for a snapshot, takes one, catches up with the feed, or shows what comes.
 * What is committed is read; a gap is an error, never passed over.
 *
 * Threads: one at a time.
 */
#ifndef FRESHET_INVALIDATION_LOG_READER_H
#define FRESHET_INVALIDATION_LOG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "invalidation/log_ends.h"

struct log_reader;

struct log_reader_options {
    const char *brokers;
    const char *topic;
    char *const *properties; /* "name=value", property_count of them */
    size_t property_count;
};

/* Does not wait for a connection. NULL with one line in `ret_error`. */
struct log_reader *log_reader_open(const struct log_reader_options *options,
                                   char ret_error[LOG_MAX_ERROR]);
/* NULL is fine. */
void log_reader_close(struct log_reader *reader);

/*
 * Connects anew, with nothing to read: for a topic that was made anew, which librdkafka may not see. Where that cannot be, as
 * files that it needs are not to be read any more, it stays as it is.
 */
void log_reader_renew(struct log_reader *reader);

/*
 * Whether there is such a topic, where asking for it would make it: of a broker for tries (kafka_expect_topic()). Waits up to twice
 * `timeout_ms`. ERR_NOT_FOUND with one line in `ret_error`.
 */
MUST_CHECK int log_reader_expect(struct log_reader *reader, int timeout_ms,
                                 char ret_error[LOG_MAX_ERROR]);

/*
 * Asks where the partitions end. Waits up to twice `timeout_ms`. ERR_NOT_FOUND (no such topic), ERR_TIMEOUT, ERR_KAFKA,
 * ERR_TOO_LARGE, with one line in `ret_error`.
 */
MUST_CHECK int log_reader_ends(struct log_reader *reader, int timeout_ms, struct log_ends *ret,
                               char ret_error[LOG_MAX_ERROR]);

/* The earliest offset of a partition that is still there, and its end. As log_reader_ends(). */
MUST_CHECK int log_reader_span(struct log_reader *reader, int32_t partition, int timeout_ms,
                               int64_t *ret_first, int64_t *ret_end, char ret_error[LOG_MAX_ERROR]);

/*
 * Lowers each of the offsets of partitions 0 to count - 1 to that of the first message of `since_ms` (1970 UTC) or later, if there is
 * one. ERR_TIMEOUT, ERR_KAFKA, ERR_MEMORY: they are as before.
 */
MUST_CHECK int log_reader_since(struct log_reader *reader, int64_t since_ms, int timeout_ms,
                                int64_t *offsets, size_t count);

/*
 * How long the brokers keep the topic, and how much of a partition (retention.h); RETENTION_UNKNOWN where they do not say, as
 * to those who may not ask.
 */
void log_reader_retention(struct log_reader *reader, int timeout_ms, int64_t *ret_ms,
                          int64_t *ret_bytes);

/* A place to read from. */
struct log_place {
    int32_t partition;
    int64_t offset; /* LOG_FROM_FIRST: from the earliest there is */
};
#define LOG_FROM_FIRST (-2)

/* Reads these partitions, and no others any more. ERR_KAFKA, ERR_MEMORY, with one line in `ret_error`. */
MUST_CHECK int log_reader_from(struct log_reader *reader, const struct log_place *places,
                               size_t count, char ret_error[LOG_MAX_ERROR]);

struct log_message {
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* Kafka's, since 1970; -1: none */
    bool end;        /* no message: all before `offset` was read, there is no more at the moment */
    const char *key; /* not NUL-terminated; NULL: none. Good until the next call, as is the value */
    size_t key_size;
    const uint8_t *value; /* NULL: none */
    size_t value_size;
};

/*
 * The next message, or end of a partition; waits up to `timeout_ms`. ERR_TIMEOUT; ERR_NOT_FOUND: what was to be read is not
 * there (a gap); ERR_KAFKA; with one line in `ret_error`.
 */
MUST_CHECK int log_reader_next(struct log_reader *reader, int timeout_ms, struct log_message *ret,
                               char ret_error[LOG_MAX_ERROR]);

#endif
