/*
 * handout.h - a zone handed to one who asked for it by AXFR or IXFR: whether it is to be had, then message by message,
 * each signed as the query was.
 *
 *     handout_begin ---> handout_next, handout_next, ... ---> handout_end
 *                          | by TCP as fast as the client takes them; by UDP one message is all
 *
 * How many go on at a time by TCP is bounded by the places of the program: a slow client keeps the state that it is
 * given.
 *
 * Threads: that of the call; places are shared.
 */
#ifndef FRESHET_ZONE_HANDOUT_H
#define FRESHET_ZONE_HANDOUT_H

#include <stdatomic.h>

#include "dns/message.h"
#include "dns/signature.h"
#include "zone/transfer.h"

enum { HANDOUT_PLACES = 100 }; /* transfers of one program at a time */

struct handout_places {
    atomic_size_t taken;
    size_t most;
};

enum handout_result {
    HANDOUT_BEGUN,
    HANDOUT_REFUSED,   /* no right to it */
    HANDOUT_MALFORMED, /* IXFR without a serial, AXFR by UDP (RFC 5936 4.2) */
    HANDOUT_NOT_READY, /* the zone is not there, or no memory */
    HANDOUT_BUSY,      /* no place is free */
};

/* What to answer where it has not begun. */
uint16_t handout_rcode(enum handout_result result);

struct handout_request {
    const struct message *query; /* parsed; borrowed for the call */
    struct signature *signature; /* that holds, or is not there; taken over if it begins */
    bool tcp;
    bool may;                      /* whoever asks may have it */
    const struct zone *zone;       /* NULL: it is not ready */
    struct zone_history *history;  /* NULL: none is kept */
    struct handout_places *places; /* borrowed */
};

struct handout;

enum handout_result handout_begin(const struct handout_request *request,
                                  struct handout **ret_handout);

/* What it turned out to be; and whether IXFR was asked for. */
enum transfer_kind handout_kind(const struct handout *handout);
bool handout_is_incremental(const struct handout *handout);

bool handout_is_over(const struct handout *handout);

/*
 * Writes the next message, signed, into `buffer` of `room` bytes: as many as a message may have, of which by UDP no more than
 * the query allows are used. Where it cannot go on, that is SERVFAIL, so that nobody takes what came for all of it, and it
 * is over. `now`: seconds since 1970. Returns its size; 0: not even that.
 */
size_t handout_next(struct handout *handout, uint8_t *buffer, size_t room, uint64_t now);

/* It is over before its end. */
bool handout_is_cut(const struct handout *handout);

/* NULL is fine. */
void handout_end(struct handout *handout);

#endif
