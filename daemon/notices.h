/*
 * notices.h - NOTIFY (RFC 1996) to those who follow a zone: said when there is a new version, and again until it is answered.
 *
 * By UDP, at once, then after 1, 2, 4, 8 and 16 seconds; who has not answered by then asks by the SOA's refresh. One notice to
 * a follower is under way at a time. Versions that come meanwhile are told of as one, the newest, when it is answered, or a fifth
 * of a second later: a zone that changes a thousand times a second costs a follower no more than he answers.
 *
 * Threads: that of its loop.
 */
#ifndef FRESHET_DAEMON_NOTICES_H
#define FRESHET_DAEMON_NOTICES_H

#include <event2/event.h>

#include "config/config.h"
#include "dns/tsig.h"
#include "zone/zone.h"

enum { NOTICES_TRIES = 6 };

struct notices;

struct notices_counts {
    uint64_t sent, answered, given_up, unsent;
};

/* NULL: no memory. */
struct notices *notices_new(struct event_base *base, struct notices_counts *counts);
void notices_free(struct notices *notices); /* NULL is fine */

/* Somebody to be told of a zone; all borrowed. `key` NULL: unsigned. ERR_MEMORY. */
MUST_CHECK int notices_add(struct notices *notices, const struct zone *zone,
                           const struct config_address *follower, const struct tsig_key *key);

/* What is under way in others goes on here, from the start; those end with notices_free(). */
void notices_go_on(struct notices *notices, const struct notices *others);

/* The zone has a new version: all its followers are told. */
void notices_send(struct notices *notices, const struct zone *zone);

#endif
