/*
 * zone.h - the state of one zone: all its RRsets, as the log stands at one offset.
 *
 *      changes ---> edit (one writer) --- commit ---> state ---> readers, who never wait
 *
 * A state is what a commit made of it, and never changes: a reader that began before a commit goes on with the state
 * it began with, whole. A commit shares what it did not touch with the state before, so that a change costs what it
 * touches, and what no reader can see any more is given back (RCU, liburcu).
 *
 * RRsets are kept in the canonical order of their owners (RFC 4034 6.1), the records of one in canonical order of
 * their RDATA (6.3), each once (RFC 2181 5). An RRset has one TTL (RFC 2181 5.2): the last that came. The RRSIGs of a
 * name are one RRset here; the TTL of each is that of the RRset it covers (RFC 4034 3), whatever came with it.
 *
 * Threads: edits are one thread's at a time. Whoever reads is registered once (zone_reader_register) and reads between
 * zone_read_begin() and zone_read_end(), within which a state and all that was found in it are good. What takes longer than
 * a lookup, a transfer to a slow peer or a snapshot, would keep from being given back whatever any zone drops meanwhile:
 * it holds the one state instead.
 */
#ifndef FRESHET_ZONE_ZONE_H
#define FRESHET_ZONE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "dns/name.h"
#include "zone/change.h"
#include "zone/rrset.h"

struct zone;
struct zone_state;
struct zone_edit;

/* An empty zone (no SOA yet) of `apex`, canonical, copied. ERR_MEMORY. To be freed with zone_free(). */
MUST_CHECK int zone_new(const uint8_t *apex, struct zone **ret_zone);

/* Who reads goes on with the state they have, and so do holders. NULL is fine. */
void zone_free(struct zone *zone);

const uint8_t *zone_apex(const struct zone *zone);

/* ---- the writer's */

/* What will be the next state, the current one to begin with; `empty`: nothing at all. ERR_MEMORY. */
MUST_CHECK int zone_edit_begin(struct zone *zone, bool empty, struct zone_edit **ret_edit);

/*
 * Makes one change, exactly as it says: SET replaces an RRset, ADD adds records, DEL takes a record, an RRset or all
 * of a name; what is there already, or is not there, makes no difference. FLUSH has no data and does nothing. The data
 * is copied. ERR_ZONE (a name outside the zone), ERR_TOO_LARGE (an RRset with more than 65,535 bytes of RDATA
 * could be in no answer), ERR_MEMORY: the edit is as it was before.
 */
MUST_CHECK int zone_edit_change(struct zone_edit *edit, const struct change *change);

/* The state that a commit would make, for the writer itself: to look into before it decides. Good until the next call. */
const struct zone_state *zone_edit_state(const struct zone_edit *edit);

const uint8_t *zone_edit_apex(const struct zone_edit *edit);

/* Readers that begin from now on see it. Frees the edit. */
void zone_edit_commit(struct zone_edit *edit);

/* Forgets it. NULL is fine. */
void zone_edit_abort(struct zone_edit *edit);

/* ---- readers' */

/* Once for each thread that reads, and before it ends. */
void zone_reader_register(void);
void zone_reader_unregister(void);

void zone_read_begin(void);
void zone_read_end(void);

/* The state now, never NULL; inside of zone_read_begin(), or the writer's while it commits nothing. */
const struct zone_state *zone_state(const struct zone *zone);

/*
 * The state now, good until it is released, by any thread, outside of zone_read_begin() too. Costs no copy; what later
 * commits drop of it stays that long. zone_free() may come before the release.
 */
const struct zone_state *zone_state_hold(const struct zone *zone);
void zone_state_release(const struct zone_state *state); /* NULL is fine */

/* ---- a state */

/* The SOA's serial; false: there is no SOA, and the zone is none yet. */
bool zone_serial(const struct zone_state *state, uint32_t *ret_serial);

/* How many there are, and about how many bytes of memory they take. */
struct zone_size {
    size_t names;
    size_t rrsets;
    size_t records;
    size_t bytes;
};
void zone_size(const struct zone_state *state, struct zone_size *ret_size);

/* The RRset of an owner (canonical) and a type as it stands there, no wildcards, no cuts. False: there is none. */
bool zone_find(const struct zone_state *state, const uint8_t *owner, uint16_t type,
               struct zone_rrset *ret_rrset);

/*
 * Walks all RRsets in canonical order of owners, of a name by type, the apex with its SOA first. `each` returns false
 * to end it. Returns whether it came to the end.
 */
bool zone_each(const struct zone_state *state,
               bool (*each)(void *arg, const struct zone_rrset *rrset), void *arg);

/* The same from a place on: those behind (owner, type), which need not be there. NULL: from the beginning. */
bool zone_each_after(const struct zone_state *state, const uint8_t *owner, uint16_t type,
                     bool (*each)(void *arg, const struct zone_rrset *rrset), void *arg);

#endif
