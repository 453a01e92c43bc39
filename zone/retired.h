/*
 * retired.h - memory that no new reader can see, given back once no old one can: the one place that knows of liburcu.
 *
 * Whoever changes a tree puts what it replaces here, and gives it all away when the change is made known; an own
 * thread of liburcu frees it after each reader of that moment has come to its end. If nothing is made known, the
 * replaced is still in use, and only the list is thrown away.
 */
#ifndef FRESHET_ZONE_RETIRED_H
#define FRESHET_ZONE_RETIRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"

struct retired;

/* ERR_MEMORY. */
MUST_CHECK int retired_new(struct retired **ret_retired);

/* Room for `count` more pieces, and for one behind all of them. ERR_MEMORY; the list may have moved all the same. */
MUST_CHECK int retired_reserve(struct retired **retired, size_t count);

/* Adds a piece of malloc(), for which there is room. */
void retired_add(struct retired *retired, void *piece);

/* Takes a piece off the list again. */
void retired_take_back(struct retired *retired, const void *piece);

/* In the end `work` is called too, on another thread; it may take its time. At most once. */
void retired_at_end(struct retired *retired, void (*work)(uintptr_t names, uintptr_t hashes),
                    uintptr_t names, uintptr_t hashes);

/* Frees the pieces and the list when no reader of now is left. Returns at once; any thread. */
void retired_give(struct retired *retired);

/* Frees the list only. NULL is fine. */
void retired_forget(struct retired *retired);

/* ---- readers' side; see zone.h. False: the thread was registered before. */

bool retired_reader_register(void);
void retired_reader_unregister(void);
void retired_read_begin(void);
void retired_read_end(void);

#endif
