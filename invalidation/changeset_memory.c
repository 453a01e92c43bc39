#include "invalidation/changeset_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 65535 /* at least */, VIEW_ALIGN = _Alignof(struct rdata_view) };

struct memory_block {
    struct memory_block *next;
    size_t size, used;
    _Alignas(VIEW_ALIGN) uint8_t bytes[];
};

static_assert(sizeof(struct held_set) % _Alignof(struct change) == 0, "changes follow the set");
static_assert(sizeof(struct change) % VIEW_ALIGN == 0, "views may follow the changes");

struct held_set *changeset_memory_new(size_t changes, size_t room)
{
    const size_t fixed = sizeof(struct held_set) + changes * sizeof(struct change);
    struct held_set *held = malloc(fixed + room);
    if (!held)
        return NULL;
    *held = (struct held_set){
        .set = {.changes = (struct change *)(held + 1)},
        .size = room,
        .bytes = (uint8_t *)held + fixed,
    };
    return held;
}

void changeset_free(struct change_set *set)
{
    struct held_set *held = (struct held_set *)set;
    if (!held)
        return;
    while (held->more) {
        struct memory_block *next = held->more->next;
        free(held->more);
        held->more = next;
    }
    free(held);
}

static size_t aligned(size_t at, size_t align)
{
    return (at + align - 1) / align * align;
}

/* `size` bytes of the part that has `*used` of `room` in use; NULL: they do not fit. */
static uint8_t *take(uint8_t *bytes, size_t room, size_t *used, size_t size, size_t align)
{
    const size_t at = aligned(*used, align);
    if (at > room || room - at < size)
        return NULL;
    *used = at + size;
    return bytes + at;
}

static uint8_t *take_from_block(struct held_set *held, size_t size, size_t align)
{
    struct memory_block *block = held->more;
    uint8_t *place = block ? take(block->bytes, block->size, &block->used, size, align) : NULL;
    if (place)
        return place;
    const size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    block = malloc(sizeof *block + room);
    if (!block)
        return NULL;
    *block = (struct memory_block){.next = held->more, .size = room, .used = size};
    held->more = block;
    return block->bytes;
}

static uint8_t *take_anywhere(struct held_set *held, size_t size, size_t align)
{
    uint8_t *place = take(held->bytes, held->size, &held->used, size, align);
    return place ? place : take_from_block(held, size, align);
}

const uint8_t *changeset_memory_keep(struct held_set *held, const uint8_t *bytes, size_t size)
{
    uint8_t *place = take_anywhere(held, size, 1);
    if (place && size > 0)
        memcpy(place, bytes, size);
    return place;
}

struct rdata_view *changeset_memory_views(struct held_set *held, size_t count)
{
    return (struct rdata_view *)(void *)take_anywhere(held, count * sizeof(struct rdata_view),
                                                      VIEW_ALIGN);
}
