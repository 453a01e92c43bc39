/*
 * contents.h - what the tiers hold, as JSON for the control socket: one name, or all there is.
 *
 * A dump is written a few dozen lines at a time, when its client has taken those of before: it keeps no picture of
 * the cache, and no list of what is still to come (view.h says what it shows of a cache that changes meanwhile).
 */
#ifndef FRESHET_RESOLVER_DAEMON_CONTENTS_H
#define FRESHET_RESOLVER_DAEMON_CONTENTS_H

#include <event2/buffer.h>
#include <jansson.h>

#include "resolver/daemon/daemon.h"

/* What each tier holds for a canonical name and type: a new reference, or NULL without memory. */
json_t *contents_lookup(struct daemon *daemon, const uint8_t *name, uint16_t type);

struct contents_dump;

/* NULL: no memory. The daemon is borrowed. */
struct contents_dump *contents_dump_new(const struct daemon *daemon);
void contents_dump_free(struct contents_dump *dump);

/* Writes the next lines, one for each answer, and after the last one that with "ok". False: that was it. */
bool contents_dump_next(struct contents_dump *dump, struct evbuffer *out);

#endif
