/*
 * parent.h - a source of answers that are another cache's, which may have applied less of the log than we have (P3).
 *
 * A parent tier must show that it has applied as much as we had when the inquiry was opened: its queries ask for the
 * parent's position, by an EDNS option (invalidation/position.h), and what its responses say of names in the feed's
 * zones is judged by it. All that is about positions on the asking side is in parent.c.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_PARENT_H
#define FRESHET_RESOLVER_ANSWER_PARENT_H

#include "cache/validity.h"
#include "invalidation/position.h"
#include "resolver/answer/source.h"

/*
 * Those who are asked through `near` (its reference is taken over, also on failure) are parents. With one reference
 * held. NULL: no memory.
 */
struct source *parent_new(struct source *near, const struct validity *validity,
                          struct positions *positions);

#endif
