/*
 * parent.h - a source of answers that are another cache's, which may have applied less of the log than we have (P3).
 *
 * Its queries ask for the parent's position, by an EDNS option, and its responses are as old as that says
 * (invalidation/position.h). All that is about positions on the asking side is in parent.c.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_PARENT_H
#define FRESHET_RESOLVER_ANSWER_PARENT_H

#include "invalidation/position.h"
#include "resolver/answer/source.h"

/*
 * Those who are asked through `near` (its reference is taken over, also on failure) are parents. With one reference
 * held. NULL: no memory.
 */
struct source *parent_new(struct source *near, struct positions *positions);

#endif
