/*
 * marks.h - for each scope, the stamp of the newest change that touched it; bounded in size.
 *
 * A table of buckets, one cache line each:
 *
 *    +----------------+----------+----------+-- ... --+----------+
 *    | floor   64 bit | slot 0   | slot 1   |         | slot 6   |     slot: tag 20 bit | stamp 44 bit
 *    +----------------+----------+----------+-- ... --+----------+
 *
 * A scope's hash picks the bucket and the tag. Marking writes one slot: its own if there, else an empty
 * one, else the one with the oldest stamp, after raising the floor to that stamp. A scope that has no slot
 * counts as marked at the floor. So what the table forgets it forgets towards "marked": answers may be
 * dropped for nothing, never kept in error.
 *
 * Threads: any number of readers without a lock; one writer at a time (the applier's lock). A reader
 * that runs while a mark is written sees it or not, as if it had come before; it never misses a mark
 * whose stamp the change clock has already reached.
 */
#ifndef FRESHET_CACHE_MARKS_H
#define FRESHET_CACHE_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include "cache/scope.h"
#include "cache/stamp.h"

enum { MARKS_SLOTS = 7, MARKS_TAG_BITS = 20 };

struct marks;

/* Room for about `scopes` marks before old ones are forgotten. NULL: no memory. */
struct marks *marks_new(size_t scopes);
void marks_free(struct marks *marks);

/* Writer: forgets all marks, as if none had been set. */
void marks_clear(struct marks *marks);

/* Writer: `scope` was touched by the change at `stamp`, which is never older than the last one. */
void marks_set(struct marks *marks, struct scope scope, struct stamp stamp);

/* Hints that the scope will be marked or asked for soon. */
void marks_expect(const struct marks *marks, struct scope scope);

/* Reader: a stamp at or after the newest change that touched `scope`; 0 when there was none. */
struct stamp marks_get(const struct marks *marks, struct scope scope);

#endif
