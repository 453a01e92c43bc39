/*
 * change_list.h - changes with all that they point to, in one place: what a difference is collected in.
 */
#ifndef FRESHET_ZONE_CHANGE_LIST_H
#define FRESHET_ZONE_CHANGE_LIST_H

#include "dns/error.h"
#include "zone/change.h"

struct change_block;

/* Begun as all zeros. `changes` moves when one is added; what each points to does not. */
struct change_list {
    struct change *changes;
    size_t count, room;
    size_t bytes; /* of names and RDATA */
    struct change_block *blocks;
};

/* Appends a copy. ERR_MEMORY. */
MUST_CHECK int change_list_add(struct change_list *list, const struct change *change);

/* Frees what it holds; it is as begun again. */
void change_list_clear(struct change_list *list);

#endif
