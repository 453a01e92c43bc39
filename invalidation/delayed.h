/*
 * delayed.h - messages of the feed on a simulated way, for experiments: read, and not applied yet.
 *
 *      delayed_add()  ->  due at t + delay, +- jitter; + 200 ms when lost  ->  delayed_take()
 *
 * One queue in the order of reading, as a TCP connection keeps it: what is behind a late message
 * is late too. The queue grows as needed; when it cannot, delayed_has_room() says so, and whoever
 * reads stops reading. What librdkafka makes itself, the end of a partition, takes its place in the
 * queue, but is no packet and cannot be lost.
 *
 * Threads: one.
 */
#ifndef FRESHET_INVALIDATION_DELAYED_H
#define FRESHET_INVALIDATION_DELAYED_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DELAYED_MOST = 1 << 20, /* messages */
    DELAYED_RETRANSMIT_MS =
        200, /* the least that Linux waits before it sends again (TCP_RTO_MIN) */
    DELAYED_SURE_LOSS = 1000000,
};

struct delayed_options {
    uint64_t delay_ms;
    uint64_t jitter_ms; /* at most delay_ms */
    uint32_t loss;      /* so many of DELAYED_SURE_LOSS are lost */
};

struct delayed;

/* NULL: no memory. */
struct delayed *delayed_new(const struct delayed_options *options);

/* Destroys what is delayed. NULL is fine. */
void delayed_free(struct delayed *delayed);

/* Whether delayed_add() may be called; makes room. */
bool delayed_has_room(struct delayed *delayed);

/*
 * Takes over the message, which was read at `now_us`. There must be room. False, and it stays the
 * caller's, for an error: that is not something that was sent.
 */
bool delayed_add(struct delayed *delayed, rd_kafka_message_t *message, uint64_t now_us);

/* The next message that has arrived by `now_us`, now the caller's; NULL: none has. */
rd_kafka_message_t *delayed_take(struct delayed *delayed, uint64_t now_us);

/* How long until the next one arrives, in whole milliseconds upwards, and `most_ms` at most. */
uint64_t delayed_wait_ms(const struct delayed *delayed, uint64_t now_us, uint64_t most_ms);

/* Whether something is on its way. NULL: nothing. */
bool delayed_holds(const struct delayed *delayed);

/* Destroys all: they will be read again. NULL is fine. */
void delayed_drop(struct delayed *delayed);

#endif
