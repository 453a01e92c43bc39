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

static_assert(sizeof(struct set_memory) % _Alignof(struct change) == 0, "changes follow the set");
static_assert(sizeof(struct change) % VIEW_ALIGN == 0, "views may follow the changes");

struct set_memory *changeset_memory_new(size_t changes, size_t room)
{
    const size_t fixed = sizeof(struct set_memory) + changes * sizeof(struct change);
    struct set_memory *memory = malloc(fixed + room);
    if (!memory)
        return NULL;
    *memory = (struct set_memory){
        .set = {.changes = (struct change *)(memory + 1)},
        .size = room,
        .bytes = (uint8_t *)memory + fixed,
    };
    return memory;
}

void changeset_free(struct change_set *set)
{
    struct set_memory *memory = (struct set_memory *)set;
    if (!memory)
        return;
    while (memory->more) {
        struct memory_block *next = memory->more->next;
        free(memory->more);
        memory->more = next;
    }
    free(memory);
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

static uint8_t *take_from_block(struct set_memory *memory, size_t size, size_t align)
{
    struct memory_block *block = memory->more;
    uint8_t *place = block ? take(block->bytes, block->size, &block->used, size, align) : NULL;
    if (place)
        return place;
    const size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    block = malloc(sizeof *block + room);
    if (!block)
        return NULL;
    *block = (struct memory_block){.next = memory->more, .size = room, .used = size};
    memory->more = block;
    return block->bytes;
}

static uint8_t *take_anywhere(struct set_memory *memory, size_t size, size_t align)
{
    uint8_t *place = take(memory->bytes, memory->size, &memory->used, size, align);
    return place ? place : take_from_block(memory, size, align);
}

const uint8_t *changeset_memory_keep(struct set_memory *memory, const uint8_t *bytes, size_t size)
{
    uint8_t *place = take_anywhere(memory, size, 1);
    if (place && size > 0)
        memcpy(place, bytes, size);
    return place;
}

struct rdata_view *changeset_memory_views(struct set_memory *memory, size_t count)
{
    return (struct rdata_view *)(void *)take_anywhere(memory, count * sizeof(struct rdata_view),
                                                      VIEW_ALIGN);
}
