#include "config/zone_list.h"

#include <stdlib.h>
#include <string.h>

struct listed {
    size_t at; /* in the bytes */
    uint32_t index;
    uint32_t size;
};

struct zone_list {
    struct listed *items;
    size_t count;
    uint8_t *bytes;
};

static int compare_names(const uint8_t *one, size_t one_size, const uint8_t *two, size_t two_size)
{
    if (one_size != two_size)
        return one_size < two_size ? -1 : 1;
    return memcmp(one, two, one_size);
}

/* Orders by name, equal names by their place in the file. */
static int compare_items(const void *left, const void *right, void *arg)
{
    const struct listed *one = left, *two = right;
    const uint8_t *bytes = arg;
    int order = compare_names(bytes + one->at, one->size, bytes + two->at, two->size);
    return order ? order : one->index < two->index ? -1 : 1;
}

/* Bytes that the names take, which are no more than those of their texts, and two. */
static size_t bytes_of(char *const *names, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += strlen(names[i]) + 2;
    return bytes + ZONE_NAME_MAX;
}

struct zone_list *zone_list_new(char *const *names, size_t count)
{
    struct zone_list *list = calloc(1, sizeof *list);
    size_t at = 0;
    if (!list)
        return NULL;
    list->items = malloc((count + 1) * sizeof *list->items);
    list->bytes = malloc(bytes_of(names, count));
    if (!list->items || !list->bytes) {
        zone_list_free(list);
        return NULL;
    }
    for (; list->count < count; list->count++) {
        const size_t size = zone_name_read(names[list->count], list->bytes + at);
        list->items[list->count] =
            (struct listed){.at = at, .index = (uint32_t)list->count, .size = (uint32_t)size};
        at += size;
    }
    qsort_r(list->items, count, sizeof *list->items, compare_items, list->bytes);
    return list;
}

void zone_list_free(struct zone_list *list)
{
    if (!list)
        return;
    free(list->items);
    free(list->bytes);
    free(list);
}

static int compare_at(const struct zone_list *list, size_t k, const uint8_t *wire, size_t size)
{
    return compare_names(list->bytes + list->items[k].at, list->items[k].size, wire, size);
}

bool zone_list_has(const struct zone_list *list, const uint8_t *wire, size_t size,
                   size_t *ret_index)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_at(list, middle, wire, size) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || compare_at(list, low - 1, wire, size) != 0)
        return false;
    *ret_index = list->items[low - 1].index;
    return true;
}

bool zone_list_twice(const struct zone_list *list, size_t *ret_first, size_t *ret_second)
{
    for (size_t i = 1; i < list->count; i++) {
        const struct listed *two = &list->items[i];
        if (compare_at(list, i - 1, list->bytes + two->at, two->size) != 0)
            continue;
        *ret_first = list->items[i - 1].index;
        *ret_second = two->index;
        return true;
    }
    return false;
}
