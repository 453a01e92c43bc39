/*
 * parts.h - the parts of a snapshot, from the thread that makes them to the outlet of the loop: a way (snapshot_topic.h) that
 * the brokers close to who is not the writer of the zone any more.
 *
 *      thread: parts_way() ---a few at a time---> loop: outlet_send_bytes() ---> Kafka, behind the fence of the turn
 *
 * Between them change sets go on: of parts there are never more under way than PARTS_AT_ONCE.
 *
 * Threads: parts_begin(), parts_end() and the way are the thread's that writes; all else is the loop's.
 */
#ifndef FRESHET_ORIGIN_PARTS_H
#define FRESHET_ORIGIN_PARTS_H

#include <event2/event.h>

#include "invalidation/outlet.h"
#include "invalidation/snapshot_topic.h"

enum { PARTS_AT_ONCE = 2 };

struct parts;

/* `topic`: of snapshots, borrowed. NULL: no memory, or no descriptor. */
struct parts *parts_new(struct event_base *base, const char *topic);
/* Nobody waits any more. NULL is fine. */
void parts_free(struct parts *parts);

/* What is sent from now on goes by this outlet, until parts_cancel(); or parts_end(), which waits for what is under way after a failure. */
void parts_begin(struct parts *parts, struct outlet *outlet);
void parts_end(struct parts *parts);

/* The outlet is not to be used any more: what is under way is taken back, and who waits is told ERR_NOT_FOUND. */
void parts_cancel(struct parts *parts);

/* Its calls wait for Kafka, or for parts_cancel(). ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_MEMORY. */
struct snapshot_way parts_way(struct parts *parts);

#endif
