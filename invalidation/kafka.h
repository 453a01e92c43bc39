/*
 * kafka.h - librdkafka set up in one place: the traps, the client, one look at the topic.
 *
 * Private to this folder, and with the files that include it the only place that sees rdkafka.h. A
 * client's properties come in three layers, each over the one before:
 *
 *   defaults    what suits an update stream; an operator may know better
 *   properties  what the operator wrote
 *   required    what the code relies on: a feed that skips silently is not a feed
 *
 * A consumer reads what is committed: a set of a transaction that was aborted must never be
 * applied, and one of a transaction under way not yet. Its end of a partition is the last stable
 * offset then, below everything that a transaction hides; so whoever wants to know how long the log
 * is asks with kafka_read_uncommitted().
 *
 * What a message may take. A fetch brings 16 MiB, and the first batch in it whatever its size, up
 * to the 64 MiB of receive.message.max.bytes. A compressed batch is inflated by librdkafka before
 * anybody is asked: with zstd to that limit at most, and to a third of it for sure; more is an
 * error of the partition, so a gap: all is invalidated and the batch is passed over. With gzip, lz4
 * and snappy to whatever it inflates to, about 1,000, 255 and 20 times its size. No property of a
 * consumer bounds that; the broker's max.message.bytes, by default 1 MiB of compressed bytes, does:
 * 1 GiB for the worst of gzip.
 *
 * Nothing here writes to stderr: a client starts with its log thrown away until its owner sets a
 * callback.
 */
#ifndef FRESHET_INVALIDATION_KAFKA_H
#define FRESHET_INVALIDATION_KAFKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "dns/error.h"
#include "invalidation/log_ends.h"

enum { KAFKA_MAX_ERROR = LOG_MAX_ERROR };

struct kafka_settings {
    const char *brokers;     /* "host:port,host:port" */
    char *const *properties; /* "name=value", property_count of them */
    size_t property_count;
    /*
     * How long a broker may hold a fetch that finds nothing, unless the operator says otherwise; 0:
     * as librdkafka does. The end of a partition shows only then, where the last of it is no
     * message.
     */
    uint64_t fetch_wait_ms;
};

/*
 * The configuration of a consumer that assigns its partitions itself, or of the idempotent producer
 * whose sends fail after `timeout_ms`. To be handed to kafka_client_new() or freed with
 * rd_kafka_conf_destroy(). NULL with one line in `ret_error`, which names the property that
 * librdkafka refused.
 */
rd_kafka_conf_t *kafka_consumer_conf(const struct kafka_settings *settings,
                                     char ret_error[KAFKA_MAX_ERROR]);
rd_kafka_conf_t *kafka_producer_conf(const struct kafka_settings *settings, int timeout_ms,
                                     char ret_error[KAFKA_MAX_ERROR]);

/*
 * Index of the first property that librdkafka refuses, with a line as kafka_check() has; `property_count` if there is none.
 */
size_t kafka_find_refused(const struct kafka_settings *settings, char ret_error[KAFKA_MAX_ERROR]);

/*
 * Whether a consumer could be made of these: each property by itself, then all of them, with the files that they name.
 * Nobody is connected to. ERR_OK; ERR_CONFIG, ERR_KAFKA with one line in `ret_error`, and in `ret_property` the index of
 * the property that is refused, or `property_count` when it is none alone. No value that is secret is in the line.
 */
MUST_CHECK int kafka_check(const struct kafka_settings *settings, size_t *ret_property,
                           char ret_error[KAFKA_MAX_ERROR]);

/* Whether the value of a property, "name=value" or the name alone, is for nobody's eyes, by the name. */
bool kafka_is_secret(const char *property);

/* For a client that reads no messages: its ends of the log are those of what is written, committed or not. */
void kafka_read_uncommitted(rd_kafka_conf_t *consumer);

/* Takes `conf` over, on failure too. NULL with one line in `ret_error`. */
rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf,
                             char ret_error[KAFKA_MAX_ERROR]);

/*
 * Asks the brokers for the partitions of `topic` and the end of each. The client knows their
 * leaders then; an assignment to a topic it has not met would wait for them about a second. Blocks
 * for up to twice `timeout_ms` (two requests). Returns 0; ERR_NOT_FOUND when the brokers say that
 * there is no such topic; ERR_TIMEOUT; ERR_TOO_LARGE for too many partitions; ERR_KAFKA,
 * ERR_MEMORY; with one line in `ret_error`.
 */
MUST_CHECK int kafka_topic_ends(rd_kafka_t *client, const char *topic, int timeout_ms,
                                struct log_ends *ret_ends, char ret_error[KAFKA_MAX_ERROR]);

/*
 * Asks for the first message of `partition` with a time stamp of `time_ms` (since 1970) or later;
 * `ret_offset` is -1 when there is none. Blocks for up to `timeout_ms`. Returns as
 * kafka_topic_ends().
 */
MUST_CHECK int kafka_first_since(rd_kafka_t *client, const char *topic, int32_t partition,
                                 int64_t time_ms, int timeout_ms, int64_t *ret_offset,
                                 char ret_error[KAFKA_MAX_ERROR]);

/*
 * Lowers each of the `count` offsets, ends of partitions, to that of the first message whose
 * timestamp is `since_ms` (1970 UTC) or later, if there is one. Blocks for up to `timeout_ms`.
 * Returns 0; ERR_TIMEOUT, ERR_KAFKA, ERR_MEMORY: nothing is known then, and the offsets are as
 * before.
 */
MUST_CHECK int kafka_offsets_since(rd_kafka_t *client, const char *topic, int64_t since_ms,
                                   int timeout_ms, int64_t *offsets, size_t count);

/* Whoever wants to know what the brokers call themselves: `hosts` of LOG_MAX_HOSTS bytes, separated by commas. */
void kafka_broker_hosts(rd_kafka_t *client, int timeout_ms, char *hosts);

/*
 * Whether `topic` is there, where asking for it would create it: librdkafka's mock cluster (the dev broker) does so
 * whatever a client allows. Of any other this says nothing, but takes a question. Blocks for up to twice `timeout_ms`.
 * Returns 0; ERR_NOT_FOUND with one line in `ret_error`.
 */
MUST_CHECK int kafka_expect_topic(rd_kafka_t *client, const char *topic, int timeout_ms,
                                  char ret_error[KAFKA_MAX_ERROR]);

/*
 * A topic whose messages a producer compresses: as the operator wants it, else as well as it can. It is so for those sent by the
 * topic's name as long as what is returned is not destroyed, before the client is. NULL: no memory.
 */
rd_kafka_topic_t *kafka_compressed_topic(rd_kafka_t *client, const char *topic,
                                         const struct kafka_settings *settings);

/* Makes `client` learn the leaders of `topic` now, for up to `timeout_ms`. In vain is no failure. */
void kafka_learn_topic(rd_kafka_t *client, const char *topic, int timeout_ms);

/*
 * Assigns partitions 0..count-1 of `topic` to a consumer, each from its offset on (or from a
 * logical offset such as RD_KAFKA_OFFSET_BEGINNING). Returns 0 or ERR_KAFKA, ERR_MEMORY with one
 * line in `ret_error`.
 */
MUST_CHECK int kafka_assign(rd_kafka_t *consumer, const char *topic, const int64_t *offsets,
                            size_t count, char ret_error[KAFKA_MAX_ERROR]);

/* The partition of a zone (canonical) among `count`: murmur2 of its text form, as Java clients compute it. */
int32_t kafka_partition_of(const uint8_t *zone, size_t count);

/*
 * For error callbacks: keeps what a client complains about in `trouble`, so that a time-out can be
 * explained. Leaves out what changes from one time to the next, and "all brokers down" where the
 * error before it said better.
 */
enum { KAFKA_MAX_TROUBLE = 256 };
void kafka_note_trouble(char trouble[KAFKA_MAX_TROUBLE], int code, const char *reason);

#endif
