#include "invalidation/held.h"

#include <stdlib.h>

enum { FIRST_ROOM = 1024 }; /* a power of two, as all that follow */

struct slot {
    rd_kafka_message_t *message;
    uint64_t due_us;
};

/* A ring: `count` slots from `first` on. */
struct held {
    struct held_options options;
    struct slot *slots;
    size_t room;
    size_t first, count;
    uint64_t last_due_us; /* nothing may overtake what was added last */
};

static struct slot *slot_at(const struct held *held, size_t index)
{
    return &held->slots[(held->first + index) & (held->room - 1)];
}

struct held *held_new(const struct held_options *options)
{
    struct held *held = calloc(1, sizeof *held);
    if (!held)
        return NULL;
    held->options = *options;
    held->room = FIRST_ROOM;
    held->slots = calloc(FIRST_ROOM, sizeof *held->slots);
    if (!held->slots) {
        free(held);
        return NULL;
    }
    return held;
}

void held_drop(struct held *held)
{
    if (!held)
        return;
    for (size_t i = 0; i < held->count; i++)
        rd_kafka_message_destroy(slot_at(held, i)->message);
    held->first = held->count = 0;
    held->last_due_us = 0;
}

void held_free(struct held *held)
{
    if (!held)
        return;
    held_drop(held);
    free(held->slots);
    free(held);
}

bool held_has_room(struct held *held)
{
    if (held->count < held->room)
        return true;
    struct slot *slots =
        held->room < HELD_MOST ? calloc(2 * held->room, sizeof *held->slots) : NULL;
    if (!slots)
        return false;
    for (size_t i = 0; i < held->count; i++)
        slots[i] = *slot_at(held, i);
    free(held->slots);
    held->slots = slots;
    held->room *= 2;
    held->first = 0;
    return true;
}

static uint64_t transit_us(const struct held_options *options, bool is_packet)
{
    const uint64_t jitter_us = options->jitter_ms * 1000;
    uint64_t us = options->delay_ms * 1000 - jitter_us;
    us += arc4random_uniform((uint32_t)(2 * jitter_us + 1));
    if (is_packet && arc4random_uniform(HELD_SURE_LOSS) < options->loss)
        us += HELD_RETRANSMIT_MS * 1000;
    return us;
}

bool held_add(struct held *held, rd_kafka_message_t *message, uint64_t now_us)
{
    if (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return false;
    uint64_t due_us = now_us + transit_us(&held->options, message->err == 0);
    if (due_us < held->last_due_us)
        due_us = held->last_due_us;
    held->last_due_us = due_us;
    *slot_at(held, held->count++) = (struct slot){message, due_us};
    return true;
}

rd_kafka_message_t *held_take(struct held *held, uint64_t now_us)
{
    if (held->count == 0 || slot_at(held, 0)->due_us > now_us)
        return NULL;
    rd_kafka_message_t *message = slot_at(held, 0)->message;
    held->first = (held->first + 1) & (held->room - 1);
    held->count--;
    return message;
}

uint64_t held_wait_ms(const struct held *held, uint64_t now_us, uint64_t most_ms)
{
    if (held->count == 0)
        return most_ms;
    uint64_t due_us = slot_at(held, 0)->due_us;
    uint64_t ms = due_us > now_us ? (due_us - now_us + 999) / 1000 : 0;
    return ms < most_ms ? ms : most_ms;
}
