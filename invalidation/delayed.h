/*
 * held.h - messages of the feed on a simulated way, for experiments: read, and not applied yet.
 *
 *      held_add()  ->  due at t + delay, +- jitter; + 200 ms when lost  ->  held_take()
 *
 * One queue in the order of reading, as a TCP connection keeps it: what is behind a late message
 * is late too. The queue grows as needed; when it cannot, held_has_room() says so, and whoever
 * reads stops reading. What librdkafka makes itself, the end of a partition, takes its place in the
 * queue, but is no packet and cannot be lost.
 *
 * Threads: one.
 */
#ifndef FRESHET_INVALIDATION_HELD_H
#define FRESHET_INVALIDATION_HELD_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HELD_MOST = 1 << 20,      /* messages */
    HELD_RETRANSMIT_MS = 200, /* the least that Linux waits before it sends again (TCP_RTO_MIN) */
    HELD_SURE_LOSS = 1000000,
};

struct held_options {
    uint64_t delay_ms;
    uint64_t jitter_ms; /* at most delay_ms */
    uint32_t loss;      /* so many of HELD_SURE_LOSS are lost */
};

struct held;

/* NULL: no memory. */
struct held *held_new(const struct held_options *options);

/* Destroys what is held. NULL is fine. */
void held_free(struct held *held);

/* Whether held_add() may be called; makes room. */
bool held_has_room(struct held *held);

/*
 * Takes over the message, which was read at `now_us`. There must be room. False, and it stays the
 * caller's, for an error: that is not something that was sent.
 */
bool held_add(struct held *held, rd_kafka_message_t *message, uint64_t now_us);

/* The next message that has arrived by `now_us`, now the caller's; NULL: none has. */
rd_kafka_message_t *held_take(struct held *held, uint64_t now_us);

/* How long until the next one arrives, in whole milliseconds upwards, and `most_ms` at most. */
uint64_t held_wait_ms(const struct held *held, uint64_t now_us, uint64_t most_ms);

/* Destroys all: they will be read again. NULL is fine. */
void held_drop(struct held *held);

#endif
