/*
 * changeset_memory.h - where a parsed change set lives. Private to the parsers.
 *
 *    +-------------------+---------+----------------------------------+
 *    | struct set_memory | changes | names, RDATA and views, as kept  |
 *    +-------------------+---------+----------------------------------+
 *
 * One allocation for most messages. When the guess for what is kept was too small, further blocks are
 * chained. changeset_free() frees it all.
 */
#ifndef FRESHET_INVALIDATION_CHANGESET_MEMORY_H
#define FRESHET_INVALIDATION_CHANGESET_MEMORY_H

#include "invalidation/changeset.h"

struct memory_block;

struct set_memory {
    struct change_set set; /* first: changeset_free() goes from here to the whole */
    struct memory_block *more;
    size_t size, used; /* of bytes */
    uint8_t *bytes;
};

/*
 * With room for `changes` changes, none of them set, and `room` bytes: a guess. Everything else in the set is 0.
 * NULL: no memory.
 */
struct set_memory *changeset_memory_new(size_t changes, size_t room);

/* A copy that lives as long as the set; NULL: no memory. Empty is not NULL. */
const uint8_t *changeset_memory_keep(struct set_memory *memory, const uint8_t *bytes, size_t size);

/* Room for `count` views that lives as long as the set; NULL: no memory. */
struct rdata_view *changeset_memory_views(struct set_memory *memory, size_t count);

#endif
