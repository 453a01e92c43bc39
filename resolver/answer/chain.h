/*
 * chain.h - what of a response is an answer to the question, and what is not.
 *
 * Starting at the question's name it follows CNAME and DNAME links (RFC 1034 3.6.2, RFC 6672) through
 * the answer section and selects just the records on that path, the final RRset, and for a negative end
 * the SOA (RFC 2308), with the DNSSEC records that belong to them when asked for. Everything else a
 * forwarder sent is left behind: it was not asked for, so there is no reason to believe it. A signature is taken
 * wherever it stands, as some servers put it into the additional section. No I/O.
 */
#ifndef FRESHET_RESOLVER_ANSWER_CHAIN_H
#define FRESHET_RESOLVER_ANSWER_CHAIN_H

#include "resolver/answer/selection.h"

enum { CHAIN_MAX_LINKS = 20 };

enum chain_end {
    CHAIN_DATA,      /* the RRset asked for, or a DNAME that makes the name too long: see `rcode` */
    CHAIN_NODATA,    /* the name exists, the type does not */
    CHAIN_NXDOMAIN,  /* the name does not exist */
    CHAIN_CONTINUES, /* the response stops at `name`: ask for that */
    CHAIN_REFERRAL,  /* it only says who else to ask (RFC 2308 2.2) */
    CHAIN_BROKEN,    /* a loop, too long, or contradictory */
};

struct chain {
    uint16_t type, class;
    bool dnssec_ok;
    bool authentic; /* every response followed so far had AD */
    uint8_t links;
    bool has_soa;                /* the negative end is backed by an SOA: it may be cached */
    uint32_t soa_ttl;            /* for so long, in seconds (RFC 2308 5) */
    uint16_t rcode;              /* at its end: NOERROR, NXDOMAIN, YXDOMAIN */
    uint8_t name[NAME_MAX_SIZE]; /* where the chain stands */
    struct selection selection;
    /*
     * Whether another is asked for a name: then the response is not believed past it, nor what it says of zones above.
     * NULL: never.
     */
    bool (*leaves)(const void *arg, const uint8_t *name);
    const void *leaves_arg;
};

/* At the question. `leaves` is the caller's to set afterwards. */
void chain_start(struct chain *chain, const struct question *question, bool dnssec_ok);

/*
 * Follows `response` from where the chain stands and selects records. Call chain_keep() before the message
 * is parsed into again when the chain CONTINUES.
 */
enum chain_end chain_follow(struct chain *chain, const struct message *response);

/* Makes the selection independent of the message. Returns 0; ERR_MEMORY, and part of it may not be. */
MUST_CHECK int chain_keep(struct chain *chain);

/* Frees what the chain holds; it may be started again. */
void chain_free(struct chain *chain);

#endif
