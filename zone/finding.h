/*
 * finding.h - what a lookup has found so far and put into its message: shared by its parts, answer by answer.
 *
 *     lookup.c    what the question comes to           denial.c    what proves that nothing else is there
 *     finding.c   RRsets into sections, each once, with their signatures, and what the additional section gets
 */
#ifndef FRESHET_ZONE_FINDING_H
#define FRESHET_ZONE_FINDING_H

#include "dns/build.h"
#include "zone/state.h"

enum {
    FINDING_LINKS = 20,   /* of a chain, at most */
    FINDING_TARGETS = 32, /* names whose addresses are put into the additional section */
    FINDING_PUT = 128,    /* RRsets that are remembered, not to be put twice */
};

/* A name that the zone has no node for, or that one of a wildcard answers. */
struct finding_name {
    uint8_t size;
    uint8_t bytes[NAME_MAX_SIZE]; /* canonical */
};

struct finding {
    const struct zone_state *state;
    struct builder *builder;
    bool dnssec_ok;
    bool unprovable; /* a proof takes too many iterations (hash.h) */
    size_t put_count;
    struct finding_put {
        const uint8_t *owner; /* the state's, or the finding's */
        uint16_t type;
        struct zone_rrset rrset;
    } put[FINDING_PUT];
    size_t link_count; /* names the question has come to, the first is its own */
    struct finding_name links[FINDING_LINKS + 1];
    size_t target_count;
    struct finding_name targets[FINDING_TARGETS];
    size_t wildcard_count;
    struct finding_wildcard { /* links that a wildcard has answered */
        const struct finding_name *name;
        size_t encloser_labels; /* of the closest encloser */
    } wildcards[FINDING_LINKS + 1];
};

/*
 * Puts an RRset with its signatures into a section, under another owner if `owner` is not NULL, unless it is in the message
 * already.
 */
void finding_put(struct finding *finding, enum section section, const struct zone_rrset *rrset,
                 const uint8_t *owner);

/* The same with another TTL, for the SOA of a denial. */
void finding_put_with_ttl(struct finding *finding, enum section section,
                          const struct zone_rrset *rrset, uint32_t ttl);

/*
 * Puts addresses of the names in what has been put (RFC 1035 3.3.9, 3.3.11, RFC 2782): what does not fit is left out, but
 * not the glue of a referral to `cut` (RFC 9471); NULL: it is none.
 */
void finding_put_additional(struct finding *finding, const struct node *cut);

#endif
