/*
 * kafka.h - the little of librdkafka that programs of bench/ ask for: a client, and a message sent.
 */
#ifndef FRESHET_COMMON_KAFKA_H
#define FRESHET_COMMON_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "bench/common/options.h"

enum { KAFKA_ERROR = 512 };

typedef const char *const kafka_setting[2]; /* name, value */

struct kafka_options {
    const char *brokers;
    kafka_setting *settings;        /* the last is {NULL, NULL} */
    const struct option_list *more; /* "name=value", these win; or NULL */
    void (*delivered)(rd_kafka_t *client, const rd_kafka_message_t *message, void *arg);
    void *arg; /* of `delivered`, which is a producer's */
};

/* NULL with a line in `ret_error`. */
rd_kafka_t *kafka_open(rd_kafka_type_t type, const struct kafka_options *options,
                       char ret_error[KAFKA_ERROR]);

struct kafka_message {
    const char *topic, *key, *value; /* copied; key NULL: none */
    size_t size;
    void *opaque; /* comes back when it is delivered */
    uint64_t id;  /* the event's; 0: it has none, nor a source or time */
    int64_t time_us;
};

/* Hands over one change set with its CloudEvents headers. */
rd_kafka_resp_err_t kafka_send(rd_kafka_t *client, const struct kafka_message *message);

#endif
