#include "invalidation/delayed.h"

#include <stdlib.h>

enum { FIRST_ROOM = 1024 }; /* a power of two, as all that follow */

struct slot {
    rd_kafka_message_t *message;
    uint64_t due_us;
};

/* A ring: `count` slots from `first` on. */
struct delayed {
    struct delayed_options options;
    struct slot *slots;
    size_t room;
    size_t first, count;
    uint64_t last_due_us; /* nothing may overtake what was added last */
};

static struct slot *slot_at(const struct delayed *delayed, size_t index)
{
    return &delayed->slots[(delayed->first + index) & (delayed->room - 1)];
}

struct delayed *delayed_new(const struct delayed_options *options)
{
    struct delayed *delayed = calloc(1, sizeof *delayed);
    if (!delayed)
        return NULL;
    delayed->options = *options;
    delayed->room = FIRST_ROOM;
    delayed->slots = calloc(FIRST_ROOM, sizeof *delayed->slots);
    if (!delayed->slots) {
        free(delayed);
        return NULL;
    }
    return delayed;
}

void delayed_drop(struct delayed *delayed)
{
    if (!delayed)
        return;
    for (size_t i = 0; i < delayed->count; i++)
        rd_kafka_message_destroy(slot_at(delayed, i)->message);
    delayed->first = delayed->count = 0;
    delayed->last_due_us = 0;
}

void delayed_free(struct delayed *delayed)
{
    if (!delayed)
        return;
    delayed_drop(delayed);
    free(delayed->slots);
    free(delayed);
}

bool delayed_holds(const struct delayed *delayed)
{
    return delayed && delayed->count > 0;
}

bool delayed_has_room(struct delayed *delayed)
{
    if (delayed->count < delayed->room)
        return true;
    struct slot *slots =
        delayed->room < DELAYED_MOST ? calloc(2 * delayed->room, sizeof *delayed->slots) : NULL;
    if (!slots)
        return false;
    for (size_t i = 0; i < delayed->count; i++)
        slots[i] = *slot_at(delayed, i);
    free(delayed->slots);
    delayed->slots = slots;
    delayed->room *= 2;
    delayed->first = 0;
    return true;
}

static uint64_t transit_us(const struct delayed_options *options, bool is_packet)
{
    const uint64_t jitter_us = options->jitter_ms * 1000;
    uint64_t us = options->delay_ms * 1000 - jitter_us;
    us += arc4random_uniform((uint32_t)(2 * jitter_us + 1));
    if (is_packet && arc4random_uniform(DELAYED_SURE_LOSS) < options->loss)
        us += DELAYED_RETRANSMIT_MS * 1000;
    return us;
}

bool delayed_add(struct delayed *delayed, rd_kafka_message_t *message, uint64_t now_us)
{
    if (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return false;
    uint64_t due_us = now_us + transit_us(&delayed->options, message->err == 0);
    if (due_us < delayed->last_due_us)
        due_us = delayed->last_due_us;
    delayed->last_due_us = due_us;
    *slot_at(delayed, delayed->count++) = (struct slot){message, due_us};
    return true;
}

rd_kafka_message_t *delayed_take(struct delayed *delayed, uint64_t now_us)
{
    if (delayed->count == 0 || slot_at(delayed, 0)->due_us > now_us)
        return NULL;
    rd_kafka_message_t *message = slot_at(delayed, 0)->message;
    delayed->first = (delayed->first + 1) & (delayed->room - 1);
    delayed->count--;
    return message;
}

uint64_t delayed_wait_ms(const struct delayed *delayed, uint64_t now_us, uint64_t most_ms)
{
    if (delayed->count == 0)
        return most_ms;
    uint64_t due_us = slot_at(delayed, 0)->due_us;
    uint64_t ms = due_us > now_us ? (due_us - now_us + 999) / 1000 : 0;
    return ms < most_ms ? ms : most_ms;
}
