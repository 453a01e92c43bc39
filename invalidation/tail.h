/*
 * tail.h - follows the topic and hands out each message as it comes; applies nothing.
 */
#ifndef FRESHET_INVALIDATION_TAIL_H
#define FRESHET_INVALIDATION_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "invalidation/log_reader.h"

enum { TAIL_MAX_ERROR = 512 };

struct tail;

struct tail_options {
    const char *brokers;
    const char *topic;
    char *const *properties;
    size_t property_count;
    /* From where on: one of these, or from the end of the log as it is now. */
    bool from_beginning;
    uint64_t last;    /* so many messages of each partition; 0: not said */
    int64_t since_ms; /* messages with this time stamp or later, since 1970; 0: not said */
    int timeout_ms;   /* to find the topic */
};

/* Finds the topic and takes its positions before it returns. NULL with one line in `ret_error`. */
struct tail *tail_open(const struct tail_options *options, char ret_error[TAIL_MAX_ERROR]);
void tail_close(struct tail *tail);

/* How many partitions the topic has. */
size_t tail_partitions(const struct tail *tail);

/* Whether each partition was read to its end once. */
bool tail_at_end(const struct tail *tail);

/*
 * The next message, waiting up to `timeout_ms`. Returns 0; ERR_TIMEOUT; ERR_NOT_FOUND (what comes next is gone), ERR_KAFKA with a
 * line in `ret_error`.
 */
MUST_CHECK int tail_next(struct tail *tail, int timeout_ms, struct log_message *ret_message,
                         char ret_error[TAIL_MAX_ERROR]);

#endif
