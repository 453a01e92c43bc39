/*
 * inquiry.h - one question to a primary, and what comes of it: its SOA, the differences to what is held, or the whole zone;
 * signed where there is a key (dns/tsig.h).
 *
 *      inquiry_ask() ---> primary ---> inquiry_take() ... XFRIN_MORE ... XFRIN_DONE: `edit`, `differences`, or only a serial
 *
 * Nothing of it is to be believed before XFRIN_DONE; then also the last signature held. Until somebody commits `edit` or makes versions of
 * `differences`, the zone is as it was.
 *
 * No I/O; the time is an argument.
 */
#ifndef FRESHET_ZONE_INQUIRY_H
#define FRESHET_ZONE_INQUIRY_H

#include "dns/tsig.h"
#include "zone/differences.h"
#include "zone/xfrin.h"

enum {
    INQUIRY_MAX_QUERY = DNS_CLASSIC_UDP + TSIG_ROOM,
    INQUIRY_MAX_DIFFERENCES = 64 << 20, /* bytes of one IXFR; more is XFRIN_SINK */
};

/* To be begun with its first two members, all else zero; ended with inquiry_drop(). */
struct inquiry {
    struct zone *zone;          /* borrowed; what is held */
    const struct tsig_key *key; /* borrowed; NULL: none */
    uint16_t id, type;          /* of the question, as the next two */
    struct tsig_chain chain;
    struct xfrin *xfrin;            /* NULL: nothing is asked */
    struct zone_edit *edit;         /* a whole zone; NULL: there is none, or it was taken over */
    struct differences differences; /* versions */
};

/* The SOA of what is held; false: there is none. */
bool inquiry_held(const struct inquiry *inquiry, struct soa_times *ret);

/*
 * Writes a question of this type (SOA, IXFR, AXFR), and waits for what answers it; what was there before is dropped. IXFR of
 * a zone of which nothing is held is AXFR. `now`: seconds since 1970. Returns the size; ERR_MEMORY, ERR_SPACE, ERR_SYSTEM.
 */
MUST_CHECK int inquiry_ask(struct inquiry *inquiry, uint16_t type, uint16_t id, uint64_t now,
                           uint8_t ret_query[INQUIRY_MAX_QUERY]);

struct inquiry_heard {
    enum xfrin_result result; /* if the signature holds */
    int fault;     /* TSIG_OK; or what is wrong with the signature, as tsig_verify() says */
    uint16_t said; /* then, what the other side says is wrong with ours; 0: nothing */
};

/* Takes the next message that came, of something that was asked. */
struct inquiry_heard inquiry_take(struct inquiry *inquiry, const uint8_t *message, size_t size,
                                  uint64_t now);

/* All of it is here, and nothing more is taken; `edit` and `differences` stay. */
void inquiry_finish(struct inquiry *inquiry);

/* Forgets all. */
void inquiry_drop(struct inquiry *inquiry);

#endif
