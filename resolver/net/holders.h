/*
 * holders.h - who holds the connections of a pool, and which goes when another is wanted.
 *
 *     peer --network--> holder --+-- its idle ones  (quietest first)         all idle ones, likewise
 *                                `-- its busy ones  (longest stuck first)
 *
 * A holder is a network as one client has it: an IPv4 address, or an IPv6 /56. Nobody has a quota: as long as there is
 * room anyone may have all of it. When there is none, the one who holds most gives something up, so that a client with
 * a thousand connections cannot keep out one that has none:
 *
 *   - a place: an idle connection of the biggest holder, else the one of its busy ones that has got no answer for
 *     longest. While nobody holds more than a few, the quietest of all idle ones goes first.
 *   - bytes: of the holder for whom most wait, the one that has taken nothing for longest. Who takes nothing and comes
 *     again at once is kept out for HOLDERS_OUT_MS from then: to take a connection and fill it is work, and others wait.
 *
 * "Biggest" is found without a search, and right to a factor of two: holders lie in lists by the logarithm of what they hold.
 *
 * Pure: no sockets, no clock. Threads: one.
 */
#ifndef FRESHET_RESOLVER_NET_HOLDERS_H
#define FRESHET_RESOLVER_NET_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>

#include "cache/stamp.h"
#include "resolver/answer/client.h"

enum { HOLDERS_OUT_MS = 1000 };

struct holders;

/* A connection as its holder has it; embedded, private but for `since` and `busy`. */
struct held {
    struct held *prev, *next;         /* of all in this state */
    struct held *own_prev, *own_next; /* of the holder's in this state */
    struct holder *holder;
    struct mono since; /* idle or stuck since then */
    size_t bytes;      /* that wait in memory, in or out */
    bool busy;         /* something is expected of us: an answer, or that it is sent */
};

/* NULL: no memory. */
struct holders *holders_new(void);
/* Everybody must have left. NULL is fine. */
void holders_free(struct holders *holders);

/* Enters it, idle. False: no memory. */
bool holders_enter(struct holders *holders, struct held *held, const union address *peer,
                   struct mono now);
void holders_leave(struct holders *holders, struct held *held);

/* It is idle or busy from `now` on: last to go of these, also if it was so before. */
void holders_touch(struct holders *holders, struct held *held, bool busy, struct mono now);
void holders_set_bytes(struct holders *holders, struct held *held, size_t bytes);

size_t holders_count(const struct holders *holders); /* connections */
size_t holders_bytes(const struct holders *holders); /* that wait, over all */

/* Idle for longest; NULL: none is. */
struct held *holders_quietest(const struct holders *holders);

/* Which goes for one more; NULL: there is none. */
struct held *holders_for_room(const struct holders *holders);

/* Which goes for bytes; NULL: none are waiting. Its holder is kept out from `now` on. */
struct held *holders_for_bytes(struct holders *holders, struct mono now);

/* Whether whoever comes is kept out. */
bool holders_keep_out(const struct holders *holders, const union address *peer, struct mono now);

#endif
