/*
 * watermarks.h - a thread that keeps asking how long the log is.
 *
 *   ask (partitions, the end of each, a witness) -> hand over -> wait until taken -> wait for the pace
 *    ^------------------------------------------------------------------------------------------------
 *
 * It has a client of its own: on the feed's connection a question would stand in line behind a
 * fetch that the broker holds open, and a blocking call would keep the feed from applying. What it
 * finds is three things at once: where to start, whether partitions came or went, and, as an end
 * that the feed has reached, the proof that at the moment of asking nothing had been missed. Ends
 * are high watermarks, so what a transaction hides from the feed is not taken for the end. The
 * witness (witness.h) tells whether it is still the log it was.
 *
 * The moment is taken before the first request leaves. None are asked for before the ones before
 * were taken, so ends and positions known at the taking are lower bounds for the next.
 *
 * While it gets no good answer, it tries a new client now and then (renewal.h, client.h).
 *
 * Private to feed.c. The calls are the feed thread's, and all callbacks are made from
 * watermarks_poll().
 */
#ifndef FRESHET_INVALIDATION_WATERMARKS_H
#define FRESHET_INVALIDATION_WATERMARKS_H

#include "invalidation/kafka.h"

struct watermarks;

struct watermarks_options {
    const char *topic;
    rd_kafka_conf_t *conf; /* taken over, on failure too; with the callbacks and the opaque set */
    void (*ready)(void *arg); /* a reading can be taken; called from the reader's thread */
    void *ready_arg;
};

/* NULL with one line in `ret_error`. */
struct watermarks *watermarks_start(const struct watermarks_options *options,
                                    char ret_error[KAFKA_MAX_ERROR]);

/* Ends the thread within about a second; NULL is fine. */
void watermarks_stop(struct watermarks *reader);

/*
 * From now on the next reading starts `first_ms` (not 0) after one was taken, and each after that
 * twice as long after the one before it, up to `last_ms`. A failure is followed by another try
 * within a second, whatever the pace.
 */
void watermarks_pace(struct watermarks *reader, uint64_t first_ms, uint64_t last_ms);

/* The reading that is ready, if one is. It stays valid until the next call; NULL: none. */
const struct log_reading *watermarks_take(struct watermarks *reader);

/* Serves the client's log and errors in the caller's thread. */
void watermarks_poll(struct watermarks *reader);

#endif
