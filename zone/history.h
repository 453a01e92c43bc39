/*
 * history.h - the last versions of a zone, for those who ask what is new since theirs (IXFR, RFC 1995).
 *
 * The writer notes each version before it commits it, so that whoever sees a state finds the way to it here. What does
 * not fit any more is forgotten from the old end: whoever is further behind gets the whole zone. Records that changed
 * under a serial that did not (a change published by hand) go with the next version that has another one; where some of
 * them did not fit, that version is left out, as it would not be all that is new.
 *
 * One writer, readers of any thread; a lock is held for as long as it takes to copy the pointers.
 */
#ifndef FRESHET_ZONE_HISTORY_H
#define FRESHET_ZONE_HISTORY_H

#include "zone/version.h"
#include "zone/zone.h"

struct zone_history;

/* `max_bytes`: of memory for all versions. ERR_MEMORY. To be freed with zone_history_free(). */
MUST_CHECK int zone_history_new(size_t max_bytes, struct zone_history **ret_history);

/* Another measure of memory. */
void zone_history_resize(struct zone_history *history, size_t max_bytes);

/* NULL is fine. Versions that are held stay. */
void zone_history_free(struct zone_history *history);

/*
 * Notes what an edit is about to make of a zone: call with zone_state() and zone_edit_state() before the commit. A zone that
 * begins, or whose serial goes back (RFC 1982) or is gone, begins a new history. ERR_MEMORY: as if it were forgotten.
 */
MUST_CHECK int zone_history_note(struct zone_history *history, const struct zone_state *before,
                                 const struct zone_state *after);

/* The zone was made anew in another way than by versions. */
void zone_history_forget(struct zone_history *history);

/* Versions in order, each held. */
struct zone_versions {
    struct zone_version **each;
    size_t count;
    size_t bytes;
};

/*
 * All that lies between two serials. ERR_NOT_FOUND: it does not go back that far, or there is no way from one to the
 * other; ERR_MEMORY. To be freed with zone_versions_release().
 */
MUST_CHECK int zone_history_hold(struct zone_history *history, uint32_t from, uint32_t to,
                                 struct zone_versions *ret_versions);
void zone_versions_release(struct zone_versions *versions);

struct zone_history_size {
    size_t versions;
    size_t bytes;
};
void zone_history_size(struct zone_history *history, struct zone_history_size *ret_size);

#endif
