/*
 * update.h - what UPDATEs (RFC 2136) make of a zone: judged, and made in an edit.
 *
 *     judge:  prerequisites hold (3.2) -> each update is well formed (3.4.1) and permitted -> each is made (3.4.2)
 *
 * Several in a row, each seeing what those before it made, are one edit, one difference, one new serial and one change
 * set. An UPDATE that is refused leaves no trace, but for one that fails midway (ERR_MEMORY, ERR_TOO_LARGE): that edit is to
 * be thrown away. What an UPDATE asks for in vain - a record that is there, the last NS of the apex gone, a CNAME beside
 * other data - is passed over as the RFC says, and publishes nothing.
 */
#ifndef FRESHET_ZONE_UPDATE_H
#define FRESHET_ZONE_UPDATE_H

#include "dns/update.h"
#include "zone/change_list.h"
#include "zone/serial.h"
#include "zone/zone.h"

/* Whether the records of this type at this name (canonical, in the zone) may be changed by whoever asks. */
typedef bool (*update_may)(void *arg, const uint8_t *name, uint16_t type);

struct update_verdict {
    uint16_t rcode;
    const char *why;             /* "prerequisite: the name is in use", static; NULL for NOERROR */
    const struct record *record; /* the one that is at fault; NULL: none */
};

/*
 * Judges one UPDATE for `apex` and makes its changes in the edit; `may` NULL: anything is permitted. Returns 0 with
 * the verdict, and the edit as it was unless it is NOERROR; ERR_TOO_LARGE (an RRset that fits no answer: answer REFUSED),
 * ERR_MEMORY: the edit is half made.
 */
MUST_CHECK int zone_update(struct zone_edit *edit, const uint8_t *apex, const struct update *update,
                           update_may may, void *arg, struct update_verdict *ret_verdict);

/*
 * What the edit is to be published as: the difference to `before`, and, if there is any, an SOA with a newer serial, which
 * is put into the edit as well, unless an UPDATE brought one. `list` is begun by the caller; no changes in it: nothing
 * is to be published. ERR_MEMORY, ERR_NOT_FOUND (the zone has no SOA).
 */
MUST_CHECK int zone_update_finish(struct zone_edit *edit, const struct zone_state *before,
                                  enum serial_policy policy, uint64_t now, struct change_list *list,
                                  uint32_t *ret_serial);

#endif
