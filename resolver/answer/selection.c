#include "resolver/answer/selection.h"

#include <stdlib.h>
#include <string.h>

void selection_start(struct selection *selection)
{
    selection->items = NULL;
    selection->count = selection->capacity = 0;
    selection->failed = false;
}

static void release(struct selected *item)
{
    if (item->owned)
        free((void *)item->record.owner);
}

void selection_free(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        release(&selection->items[i]);
    if (selection->items != selection->few)
        free(selection->items);
    selection_start(selection);
}

/* Room for one more. */
static bool grow(struct selection *selection)
{
    if (!selection->items) {
        selection->items = selection->few;
        selection->capacity = SELECTION_FEW;
        return true;
    }
    bool few = selection->items == selection->few;
    size_t capacity = 4 * selection->capacity;
    struct selected *items =
        realloc(few ? NULL : selection->items, capacity * sizeof *selection->items);
    if (!items) {
        selection->failed = true;
        return false;
    }
    if (few)
        memcpy(items, selection->few, sizeof selection->few);
    selection->items = items;
    selection->capacity = capacity;
    return true;
}

struct record *selection_add(struct selection *selection, enum section section,
                             const struct record *record)
{
    if (selection->count == selection->capacity && !grow(selection))
        return NULL;
    struct selected *item = &selection->items[selection->count++];
    *item = (struct selected){.section = section, .record = *record};
    return &item->record;
}

/* One block per record: owner, then RDATA. */
static int keep(struct selected *item)
{
    struct record *record = &item->record;
    size_t owner_size = name_size(record->owner);
    if (item->owned)
        return ERR_OK;
    uint8_t *copy = malloc(owner_size + record->rdata_size);
    if (!copy)
        return ERR_MEMORY;
    memcpy(copy, record->owner, owner_size);
    if (record->rdata_size)
        memcpy(copy + owner_size, record->rdata, record->rdata_size);
    record->owner = copy;
    record->rdata = copy + owner_size;
    item->owned = true;
    return ERR_OK;
}

void selection_keep_last(struct selection *selection)
{
    if (keep(&selection->items[selection->count - 1]) == ERR_OK)
        return;
    selection->count--;
    selection->failed = true;
}

int selection_keep(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        if (keep(&selection->items[i]) != ERR_OK)
            return ERR_MEMORY;
    return ERR_OK;
}

/* ---- duplicates ---- */

/* An order in which equal records are neighbours. */
static int compare(const struct record *a, const struct record *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    int rdata = rdata_compare(a->type, a->rdata, a->rdata_size, b->rdata, b->rdata_size);
    return rdata != 0 ? rdata : name_compare(a->owner, b->owner);
}

/* Equal ones in the order in which they were picked. */
static int compare_items(const void *a, const void *b)
{
    const struct selected *one = *(const struct selected *const *)a;
    const struct selected *other = *(const struct selected *const *)b;
    if (one->section != other->section)
        return one->section < other->section ? -1 : 1;
    int order = compare(&one->record, &other->record);
    return order != 0 ? order : (one > other) - (one < other);
}

static bool same(const struct selected *a, const struct selected *b)
{
    return a->section == b->section && compare(&a->record, &b->record) == 0;
}

/* Takes out what is there once more. */
static void compact(struct selection *selection)
{
    size_t kept = 0;
    for (size_t i = 0; i < selection->count; i++)
        if (selection->items[i].again)
            release(&selection->items[i]);
        else
            selection->items[kept++] = selection->items[i];
    selection->count = kept;
}

void selection_fold(struct selection *selection)
{
    struct selected *few[SELECTION_FEW];
    const size_t count = selection->count;
    if (count < 2)
        return;
    struct selected **order = count <= SELECTION_FEW ? few : malloc(count * sizeof *order);
    if (!order) {
        selection->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        order[i] = &selection->items[i];
    qsort(order, count, sizeof *order, compare_items);
    bool found = false;
    for (size_t i = 1, first = 0; i < count; i++)
        if (same(order[first], order[i])) {
            order[i]->again = found = true;
        } else {
            first = i;
        }
    if (found)
        compact(selection);
    if (order != few)
        free(order);
}
