/* change_list.c - see change_list.h. */
#include "zone/change_list.h"

#include <stdlib.h>
#include <string.h>

#include "dns/name.h"

/* One change's views, name and RDATA, in this order. */
struct change_block {
    struct change_block *next;
    struct rdata_view views[];
};

static size_t bytes_of(const struct change *change)
{
    size_t bytes = name_size(change->name);
    for (size_t i = 0; i < change->rdata_count; i++)
        bytes += change->rdata[i].size;
    return bytes;
}

static bool make_room(struct change_list *list)
{
    if (list->count < list->room)
        return true;
    size_t room = list->room * 2 + 16;
    struct change *changes = realloc(list->changes, room * sizeof *changes);
    if (!changes)
        return false;
    list->changes = changes;
    list->room = room;
    return true;
}

/* Points the copy to its own bytes, which are `block`'s. */
static void copy_into(struct change_block *block, const struct change *from, struct change *to)
{
    uint8_t *at = (uint8_t *)&block->views[from->rdata_count];
    *to = *from;
    to->name = at;
    to->rdata = block->views;
    memcpy(at, from->name, name_size(from->name));
    at += name_size(from->name);
    for (size_t i = 0; i < from->rdata_count; i++) {
        block->views[i] = (struct rdata_view){.bytes = at, .size = from->rdata[i].size};
        if (from->rdata[i].size > 0)
            memcpy(at, from->rdata[i].bytes, from->rdata[i].size);
        at += from->rdata[i].size;
    }
}

int change_list_add(struct change_list *list, const struct change *change)
{
    size_t bytes = bytes_of(change);
    struct change_block *block =
        malloc(sizeof *block + change->rdata_count * sizeof *block->views + bytes);
    if (!block || !make_room(list)) {
        free(block);
        return ERR_MEMORY;
    }
    copy_into(block, change, &list->changes[list->count++]);
    list->bytes += bytes;
    block->next = list->blocks;
    list->blocks = block;
    return 0;
}

void change_list_clear(struct change_list *list)
{
    while (list->blocks) {
        struct change_block *block = list->blocks;
        list->blocks = block->next;
        free(block);
    }
    free(list->changes);
    *list = (struct change_list){.count = 0};
}
