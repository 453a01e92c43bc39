/*
 * lookup.h - what a zone says to a question: RFC 1034 4.3.2 with CNAME, DNAME (RFC 6672), wildcards (RFC 4592), empty
 * non-terminals, delegations with their glue, DS at the cut (RFC 4035 3.1.4.1), ANY, and for signed zones the RRSIGs
 * and the NSEC or NSEC3 records of each denial (RFC 4035 3.1.3, RFC 5155 7.2).
 */
#ifndef FRESHET_ZONE_LOOKUP_H
#define FRESHET_ZONE_LOOKUP_H

#include "dns/build.h"
#include "zone/zone.h"

enum zone_lookup_result {
    ZONE_ANSWER,    /* NOERROR with data, at the end of a chain maybe */
    ZONE_NODATA,    /* NOERROR, the SOA in the authority section; behind a chain maybe */
    ZONE_NXDOMAIN,  /* the same with NXDOMAIN (RFC 6604: of the last name of the chain) */
    ZONE_REFERRAL,  /* NS in the authority section, no AA but for the chain before it */
    ZONE_ELSEWHERE, /* a chain that leaves the zone: whoever wants its end asks elsewhere */
    ZONE_TOO_LONG, /* a DNAME makes too long a name of it: YXDOMAIN (RFC 6672 2.2), the DNAME in the answer section */
    ZONE_UNPROVABLE, /* a proof would take more iterations of NSEC3 than HASH_MAX_ITERATIONS: nothing is appended */
    ZONE_OUTSIDE, /* the question is not of this zone, or it has no SOA yet */
};

/* What a message gets besides its answer, as bits. */
enum {
    ZONE_PROOFS = 1,    /* signatures, and proofs of denial, where the zone is signed */
    ZONE_ADDRESSES = 2, /* an additional section: glue, and what NS, MX and SRV lead to */
};

/* As an authoritative server has them. */
static inline unsigned zone_extras(bool dnssec_ok)
{
    return ZONE_ADDRESSES | (dnssec_ok ? ZONE_PROOFS : 0);
}

/*
 * Looks `question` up (any case) and appends the sections to `builder`, which has the question already; `extras`: ZONE_ bits.
 * A chain is followed within the zone, 20 links at most. What does not fit is the builder's sticky error.
 */
enum zone_lookup_result zone_lookup(const struct zone_state *state, const struct question *question,
                                    unsigned extras, struct builder *builder);

/* What such a message has for its RCODE, with FLAG_AA where the zone speaks for itself. SERVFAIL: UNPROVABLE, OUTSIDE. */
uint16_t zone_lookup_flags(enum zone_lookup_result result, const struct builder *builder);

#endif
