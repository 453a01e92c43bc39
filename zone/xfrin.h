/*
 * xfrin.h - what a primary says of a zone, message by message: AXFR (RFC 5936) and IXFR (RFC 1995).
 *
 *      messages --- xfrin_take() ---> sink: begins whole | deletes, adds ... | a version | ...
 *
 * An answer to IXFR is one of three, and which one its first records tell:
 *
 *      SOA(mine)                                    up to date
 *      SOA(new) SOA(mine) - ... SOA(v) + ... SOA(new)    differences; several in a row, or one condensed
 *      SOA(new) www A ... SOA(new)                  the whole zone, as for AXFR
 *
 * It is a state machine that believes nothing: each record is checked as a foreign one, and one that should not be there
 * ends it with a reason. What the sink was told up to then is to be forgotten: a transfer counts when xfrin_take() says
 * XFRIN_DONE, and where messages are signed (dns/tsig.h), when the last signature held.
 *
 * Records of names outside the zone are left out and counted, as other secondaries do (RFC 5936 3.5 tells the primary not
 * to send them): the zone they came with is whole without them.
 */
#ifndef FRESHET_ZONE_XFRIN_H
#define FRESHET_ZONE_XFRIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/error.h"
#include "dns/message.h"

/* Why a transfer is of no use; each is counted by its name. */
#define XFRIN_FAULTS(X)                                                                            \
    X(XFRIN_MALFORMED, "malformed", "a message that cannot be read")                               \
    X(XFRIN_OTHER, "other", "a message that answers something else")                               \
    X(XFRIN_REFUSED, "refused", "the primary refused")                                             \
    X(XFRIN_NOTAUTH, "notauth", "the primary is not authoritative")                                \
    X(XFRIN_NOT_THERE, "notimp", "the primary does not know this kind of transfer")                \
    X(XFRIN_RCODE, "rcode", "the primary failed")                                                  \
    X(XFRIN_ORDER, "order", "records in an order that is none of a transfer")                      \
    X(XFRIN_SOA, "soa", "an SOA that does not belong there")                                       \
    X(XFRIN_CLASS, "class", "a record of another class, or of a type that is no record's")         \
    X(XFRIN_SERIAL, "serial", "versions that do not follow one another")                           \
    X(XFRIN_TRAILING, "trailing", "records behind the end")                                        \
    X(XFRIN_SINK, "difference", "differences that do not fit what is held")

enum xfrin_result {
    XFRIN_MORE,
    XFRIN_DONE,
#define X(name, word, text) name,
    XFRIN_FAULTS(X)
#undef X
        XFRIN_RESULTS
};

/* A static string: "notauth", and a sentence fragment. "" for what is no fault. */
const char *xfrin_fault_word(enum xfrin_result result);
const char *xfrin_fault_text(enum xfrin_result result);

enum xfrin_part { XFRIN_WHOLE, XFRIN_DELETED, XFRIN_ADDED };

/* Whoever takes the data. Each returns 0, or an error that ends the transfer as XFRIN_SINK. */
struct xfrin_sink {
    /* What comes is the whole zone; before its first record. */
    int (*begin_whole)(void *arg);
    /*
     * A record; owner canonical, good inside the call. The SOA of the whole zone is among them; of differences it is not:
     * transfer_version has it.
     */
    int (*record)(void *arg, enum xfrin_part part, const struct record *record);
    /* Between a difference and the next, and at the end: all of a version has been handed out. `soa`: its own. */
    int (*version)(void *arg, const struct record *soa);
    void *arg;
};

struct xfrin;

struct xfrin_options {
    const uint8_t *apex; /* canonical; copied */
    uint16_t type;       /* TYPE_AXFR, TYPE_IXFR, or TYPE_SOA: its serial alone */
    uint16_t id;         /* of the query */
    uint32_t serial;     /* IXFR: what is held */
    struct xfrin_sink sink;
};

/* NULL: no memory. */
struct xfrin *xfrin_new(const struct xfrin_options *options);
void xfrin_free(struct xfrin *xfrin); /* NULL is fine */

/*
 * Takes the next message, of which a TSIG was taken off or ignored: `size` ends before it. XFRIN_MORE, XFRIN_DONE,
 * or the fault.
 */
MUST_CHECK enum xfrin_result xfrin_take(struct xfrin *xfrin, const uint8_t *message, size_t size);

/* Once there was an SOA: the serial that the primary has. */
bool xfrin_serial(const struct xfrin *xfrin, uint32_t *ret_serial);

/* With XFRIN_DONE, whether it was more than "up to date". */
bool xfrin_has_data(const struct xfrin *xfrin);

/* What the last message's header said. */
uint16_t xfrin_rcode(const struct xfrin *xfrin);

/* Records of names outside the zone that were left out. */
size_t xfrin_outside(const struct xfrin *xfrin);

/* Of the SOA's RDATA, uncompressed and checked: serial, refresh, retry, expire, minimum (RFC 1035 3.3.13), in seconds. */
struct soa_times {
    uint32_t serial, refresh, retry, expire, minimum;
};
void xfrin_soa(const uint8_t *rdata, size_t size, struct soa_times *ret);

/* RFC 1982 3.2: -1 older, 0 the same, 1 newer. Half the circle away, where the RFC says nothing: newer. */
int xfrin_compare(uint32_t one, uint32_t other);

/*
 * Writes a query (RFC 1995 3, RFC 5936 2.1): `type` is TYPE_SOA, TYPE_AXFR or TYPE_IXFR, which has the SOA that is held
 * (`soa`: its RDATA) in its authority section. Returns the size, or ERR_SPACE.
 */
struct xfrin_query {
    const uint8_t *apex;
    uint16_t type;
    uint16_t id;
    const uint8_t *soa; /* NULL but for IXFR */
    uint16_t soa_size;
};
MUST_CHECK int xfrin_write_query(const struct xfrin_query *query, uint8_t *buffer, size_t room);

#endif
