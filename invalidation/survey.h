/*
 * survey.h - a thread that keeps asking how long the log is.
 *
 *   ask (partitions, then the end of each) -> hand over -> wait until taken -> wait for the pace
 *    ^-----------------------------------------------------------------------------------------
 *
 * It has a client of its own: on the feed's connection a question would stand in line behind a
 * fetch that the broker holds open, and a blocking call would keep the feed from applying. What it
 * finds is three things at once: where to start, whether partitions came or went, and, as an end
 * that the feed has reached, the proof that at the moment of asking nothing had been missed.
 *
 * The moment is taken before the first request leaves. No survey is asked for before the one before
 * was taken, so ends and positions known at the taking are lower bounds for the next.
 *
 * Private to feed.c. The calls are the feed thread's, and all callbacks are made from
 * surveyor_poll().
 */
#ifndef FRESHET_INVALIDATION_SURVEY_H
#define FRESHET_INVALIDATION_SURVEY_H

#include <stdbool.h>

#include "cache/stamp.h"
#include "invalidation/kafka.h"

struct surveyor;

struct survey {
    struct mono asked;
    int code; /* of kafka_topic_ends(): 0, or what is wrong with a line in `error` */
    char error[KAFKA_MAX_ERROR];
    struct kafka_ends ends;
};

struct surveyor_options {
    const char *topic;
    rd_kafka_conf_t *conf; /* taken over, on failure too; with the callbacks and the opaque set */
    void (*ready)(void *arg); /* a survey can be taken; called from the surveyor's thread */
    void *ready_arg;
};

/* NULL with one line in `ret_error`. */
struct surveyor *surveyor_start(const struct surveyor_options *options,
                                char ret_error[KAFKA_MAX_ERROR]);

/* Ends the thread within about a second; NULL is fine. */
void surveyor_stop(struct surveyor *surveyor);

/*
 * From now on the next survey starts `first_ms` (not 0) after one was taken, and each after that twice as long
 * after the one before it, up to `last_ms`. A failure is followed by another try within a second, whatever the pace.
 */
void surveyor_pace(struct surveyor *surveyor, uint64_t first_ms, uint64_t last_ms);

/* The survey that is ready, if there is one. It stays valid until the next call; NULL: none. */
const struct survey *surveyor_take(struct surveyor *surveyor);

/* Serves the client's log and errors in the caller's thread. */
void surveyor_poll(struct surveyor *surveyor);

#endif
