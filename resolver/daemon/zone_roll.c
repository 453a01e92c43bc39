#include "resolver/daemon/zone_roll.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 1 << 12, FIRST_ITEMS = 64 };

/* Names, one behind the other. */
struct block {
    struct block *older;
    size_t used, size;
    uint8_t bytes[];
};

struct zone_roll {
    struct zone_change *items;
    size_t count, room;
    struct block *names;
};

struct zone_roll *zone_roll_new(void)
{
    return calloc(1, sizeof(struct zone_roll));
}

void zone_roll_free(struct zone_roll *roll)
{
    if (!roll)
        return;
    for (struct block *block = roll->names, *older; block; block = older) {
        older = block->older;
        free(block);
    }
    free(roll->items);
    free(roll);
}

/* The name as it is kept. NULL: no memory. */
static const uint8_t *keep_name(struct zone_roll *roll, const uint8_t *name)
{
    const size_t size = name_size(name);
    struct block *block = roll->names;
    if (!block || block->size - block->used < size) {
        const size_t bytes = block ? 2 * block->size : FIRST_BLOCK;
        block = malloc(sizeof *block + bytes);
        if (!block)
            return NULL;
        *block = (struct block){.older = roll->names, .size = bytes};
        roll->names = block;
    }
    uint8_t *kept = memcpy(block->bytes + block->used, name, size);
    block->used += size;
    return kept;
}

int zone_roll_add(struct zone_roll *roll, const uint8_t *name, enum zone_standing standing)
{
    if (roll->count == roll->room) {
        const size_t room = roll->room ? 2 * roll->room : FIRST_ITEMS;
        struct zone_change *items = realloc(roll->items, room * sizeof *items);
        if (!items)
            return ERR_MEMORY;
        roll->items = items;
        roll->room = room;
    }
    const uint8_t *kept = keep_name(roll, name);
    if (!kept)
        return ERR_MEMORY;
    roll->items[roll->count++] = (struct zone_change){kept, standing};
    return ERR_OK;
}

static int compare(const struct zone_change *one, const struct zone_change *two)
{
    const size_t one_size = name_size(one->name), two_size = name_size(two->name);
    if (one_size != two_size)
        return one_size < two_size ? -1 : 1;
    return memcmp(one->name, two->name, one_size);
}

/* Of equal names, those that are excepted first. */
static int compare_items(const void *left, const void *right)
{
    const struct zone_change *one = left, *two = right;
    const int order = compare(one, two);
    return order ? order : (int)two->standing - (int)one->standing;
}

void zone_roll_sort(struct zone_roll *roll)
{
    size_t kept = 0;
    if (roll->count > 0)
        qsort(roll->items, roll->count, sizeof *roll->items, compare_items);
    for (size_t i = 0; i < roll->count; i++)
        if (i == 0 || compare(&roll->items[kept - 1], &roll->items[i]) != 0)
            roll->items[kept++] = roll->items[i];
    roll->count = kept;
}

const struct zone_change *zone_roll_items(const struct zone_roll *roll)
{
    return roll->items;
}

size_t zone_roll_count(const struct zone_roll *roll)
{
    return roll->count;
}

int zone_roll_differ(const struct zone_roll *before, const struct zone_roll *after,
                     struct zone_change **ret_changes, size_t *ret_count)
{
    struct zone_change *changes = malloc((before->count + after->count + 1) * sizeof *changes);
    size_t i = 0, k = 0, count = 0;
    if (!changes)
        return ERR_MEMORY;
    while (i < before->count || k < after->count) {
        const struct zone_change *old = i < before->count ? &before->items[i] : NULL;
        const struct zone_change *new = k < after->count ? &after->items[k] : NULL;
        const int order = !old ? 1 : !new ? -1 : compare(old, new);
        if (order < 0)
            changes[count++] = (struct zone_change){old->name, STANDING_NONE};
        else if (order > 0 || old->standing != new->standing)
            changes[count++] = *new;
        i += order <= 0;
        k += order >= 0;
    }
    *ret_changes = changes;
    *ret_count = count;
    return ERR_OK;
}
