/*
 * kin.h - what is amiss between a tier and those above and below it, so that answers are kept for less than they could
 * be: what to write where, logged once and shown by status for as long as it goes on.
 *
 *      above   answers come from a cache that hears of no changes, or does not tell what it has heard   (by zone)
 *      below   a freshet asks as a child tier, and cannot be told how far the log is applied           (the last one)
 *
 * Whoever can send a query can pose as a child: it is a line a minute at most.
 *
 * Threads: any.
 */
#ifndef FRESHET_RESOLVER_DAEMON_KIN_H
#define FRESHET_RESOLVER_DAEMON_KIN_H

#include <jansson.h>

#include "cache/answer.h"
#include "resolver/answer/query.h"

struct kin;

/* `tier` is its name; both are borrowed. `validity` has the zones that it subscribes to. NULL: no memory. */
struct kin *kin_new(const char *tier, const struct validity *validity);
void kin_free(struct kin *kin); /* NULL is fine */

/* An answer for a name (canonical) of the feed's zones was second-hand. As inflight_options.second_hand. */
void kin_second_hand(void *kin, const uint8_t *name, enum hand hand);

/* As tier_worker.misfit. */
void kin_misfit(void *kin, enum misfit misfit, const union address *child, const uint8_t *name);

/* A list of sentences: what was amiss within the last minute. */
json_t *kin_to_json(struct kin *kin);

#endif
