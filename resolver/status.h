/*
 * status.h - what the process knows about itself, as JSON for the control socket.
 */
#ifndef FRESHET_RESOLVER_STATUS_H
#define FRESHET_RESOLVER_STATUS_H

#include <jansson.h>

#include "resolver/daemon.h"

/* All return a new reference, or NULL without memory. */

/* The whole process: feed, zones, tiers, upstreams. */
json_t *status_report(struct daemon *daemon);

/* What each tier holds for a canonical name and type. */
json_t *status_lookup(struct daemon *daemon, const uint8_t *name, uint16_t type);

/* Calls `line` with one object per answer held; returns how many. `line` takes the reference. */
size_t status_dump(struct daemon *daemon, void (*line)(void *arg, json_t *object), void *arg);

/* The sum over all workers. */
void status_count(const struct daemon *daemon, size_t tier_index, struct desk_counters *ret);

#endif
