#include "cache/checkpoints.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHECKPOINTS_FIRST = 64, /* room at first, doubled as needed */
    GAP_SHARE = 64,         /* a gap is kept to this part of the distance from the head */
};

static bool grow(struct checkpoints *checkpoints)
{
    size_t capacity = checkpoints->capacity ? 2 * checkpoints->capacity : CHECKPOINTS_FIRST;
    if (capacity > CHECKPOINTS_MOST)
        return false;
    struct checkpoint *items = realloc(checkpoints->items, capacity * sizeof *items);
    if (!items)
        return false;
    checkpoints->items = items;
    checkpoints->capacity = capacity;
    return true;
}

/* Leaves out those between whose neighbours the gap is less than a `share`-th of the distance from the head. */
static void thin(struct checkpoints *checkpoints, uint64_t share)
{
    struct checkpoint *items = checkpoints->items;
    const uint64_t head = items[checkpoints->count - 1].key;
    size_t to = checkpoints->count - 1;
    for (size_t i = checkpoints->count - 1; i-- > 0;)
        if (i == 0 || items[to].key - items[i - 1].key > (head - items[to].key) / share)
            items[--to] = items[i];
    checkpoints->count -= to;
    memmove(items, items + to, checkpoints->count * sizeof *items);
}

static void make_room(struct checkpoints *checkpoints)
{
    if (grow(checkpoints))
        return;
    for (uint64_t share = GAP_SHARE; checkpoints->count > checkpoints->capacity / 4 * 3 && share;
         share /= 2)
        thin(checkpoints, share);
    /* Keys so dense that every gap is wide enough: each second one goes. */
    if (checkpoints->count > checkpoints->capacity / 4 * 3) {
        size_t to = 1;
        for (size_t i = 2; i < checkpoints->count; i += 2)
            checkpoints->items[to++] = checkpoints->items[i];
        checkpoints->count = to;
    }
}

void checkpoints_add(struct checkpoints *checkpoints, uint64_t key, struct stamp stamp)
{
    if (checkpoints->count > 0 && key <= checkpoints->items[checkpoints->count - 1].key)
        return;
    if (checkpoints->count == checkpoints->capacity)
        make_room(checkpoints);
    if (checkpoints->count == checkpoints->capacity)
        return; /* no memory for the first ones: what is asked about is older then */
    checkpoints->items[checkpoints->count++] = (struct checkpoint){key, stamp};
}

void checkpoints_move(struct checkpoints *checkpoints, uint64_t key, struct stamp stamp)
{
    if (checkpoints->count > 0 && key == checkpoints->items[checkpoints->count - 1].key)
        checkpoints->items[checkpoints->count - 1].stamp = stamp;
    else
        checkpoints_add(checkpoints, key, stamp);
}

struct stamp checkpoints_at(const struct checkpoints *checkpoints, uint64_t key)
{
    size_t low = 0, high = checkpoints->count; /* the answer is before `high`, not before `low` */
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (checkpoints->items[middle].key <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? checkpoints->items[low - 1].stamp : (struct stamp){0};
}

void checkpoints_clear(struct checkpoints *checkpoints)
{
    free(checkpoints->items);
    *checkpoints = (struct checkpoints){0};
}
