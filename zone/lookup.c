/* lookup.c - see lookup.h. */
#include "zone/lookup.h"

#include "zone/denial.h"
#include "zone/finding.h"
#include "zone/spot.h"

enum { GO_ON = -1 }; /* a chain has another link */

/* -- chains ------------------------------------------------------------------------------------ */

/* The next link; false: there have been enough, or it has been there. */
static bool add_link(struct finding *finding, const uint8_t *target, size_t size)
{
    if (finding->link_count > FINDING_LINKS)
        return false;
    for (size_t i = 0; i < finding->link_count; i++)
        if (name_equal(finding->links[i].bytes, target))
            return false;
    struct finding_name *link = &finding->links[finding->link_count++];
    link->size = (uint8_t)size;
    name_lower(target, size, link->bytes);
    return true;
}

/* Where a chain goes on. */
static int follow(struct finding *finding, const uint8_t *target, size_t size)
{
    if (!add_link(finding, target, size))
        return ZONE_ANSWER; /* a loop: what is there of it */
    return name_is_within(target, finding->state->apex) ? GO_ON : ZONE_ELSEWHERE;
}

static int follow_cname(struct finding *finding, const struct finding_name *name,
                        const struct zone_rrset *cname)
{
    const struct rdata_view target = zone_rdata(cname, 0);
    finding_put(finding, SECTION_ANSWER, cname, name->bytes);
    return follow(finding, target.bytes, target.size);
}

/* RFC 6672 3.1: the DNAME, and a CNAME made of it with its TTL. */
static int follow_dname(struct finding *finding, const struct finding_name *name, uint16_t type,
                        const struct node *node)
{
    struct zone_rrset dname;
    uint8_t target[NAME_MAX_SIZE];
    if (!node_find(node, TYPE_DNAME, &dname))
        return ZONE_ANSWER;
    finding_put(finding, SECTION_ANSWER, &dname, NULL);
    const int size =
        name_substitute(name->bytes, node_name(node), zone_rdata(&dname, 0).bytes, target);
    if (size < 0)
        return ZONE_TOO_LONG;
    build_record(finding->builder, SECTION_ANSWER,
                 &(struct record){.owner = name->bytes,
                                  .rdata = target,
                                  .rdata_size = (uint16_t)size,
                                  .ttl = dname.ttl,
                                  .type = TYPE_CNAME,
                                  .class = CLASS_IN});
    if (type == TYPE_CNAME)
        return ZONE_ANSWER; /* this is what was asked for */
    return follow(finding, target, (size_t)size);
}

/* -- a node's answer --------------------------------------------------------------------------- */

static bool is_proof(uint16_t type)
{
    return type == TYPE_RRSIG || type == TYPE_NSEC || type == TYPE_NSEC3;
}

/*
 * RFC 8482 4.1: one RRset stands for all, the one of the lowest type. Here and below it may be in the answer already: a DNAME that
 * led to its own owner is what was asked for, too.
 */
static bool put_any(struct finding *finding, const struct node *node, const uint8_t *owner)
{
    struct zone_rrset rrset, lowest = {.type = UINT16_MAX};
    for (bool more = node_first(node, &rrset); more; more = node_next(node, &rrset))
        if (!is_proof(rrset.type) && rrset.type < lowest.type)
            lowest = rrset;
    if (lowest.node)
        finding_put(finding, SECTION_ANSWER, &lowest, owner);
    return lowest.node;
}

static bool put_asked(struct finding *finding, const struct node *node, uint16_t type,
                      const uint8_t *owner)
{
    struct zone_rrset rrset;
    if (type == TYPE_ANY)
        return put_any(finding, node, owner);
    if (!node_find(node, type, &rrset))
        return false;
    finding_put(finding, SECTION_ANSWER, &rrset, owner);
    return true;
}

/* Types that are asked of a CNAME's own name (RFC 4035 2.5). */
static bool is_of_alias(uint16_t type)
{
    return type == TYPE_CNAME || type == TYPE_ANY || type == TYPE_RRSIG || type == TYPE_NSEC;
}

static int answer_node(struct finding *finding, const struct finding_name *name, uint16_t type,
                       const struct spot *spot)
{
    struct zone_rrset cname;
    if (spot->is_wildcard)
        finding->wildcards[finding->wildcard_count++] =
            (struct finding_wildcard){name, spot->encloser_labels};
    if (!is_of_alias(type) && node_find(spot->node, TYPE_CNAME, &cname))
        return follow_cname(finding, name, &cname);
    return put_asked(finding, spot->node, type, name->bytes) ? ZONE_ANSWER : ZONE_NODATA;
}

static int look_up_link(struct finding *finding, const struct finding_name *name, uint16_t type,
                        struct spot *spot)
{
    spot_find(finding->state, name->bytes, spot);
    switch (spot->kind) {
    case SPOT_NODE:
        return answer_node(finding, name, type, spot);
    case SPOT_CUT:
        /* RFC 4035 3.1.4.1: the DS of a cut is this side's. */
        if (type == TYPE_DS && spot->node->name_size == name->size)
            return answer_node(finding, name, type, spot);
        return ZONE_REFERRAL;
    case SPOT_DNAME:
        return follow_dname(finding, name, type, spot->node);
    case SPOT_EMPTY:
        return ZONE_NODATA;
    case SPOT_NOTHING:
        break;
    }
    return ZONE_NXDOMAIN;
}

/* -- authority --------------------------------------------------------------------------------- */

/* RFC 2308 3: with the lesser of its TTL and its minimum. */
static void put_soa(struct finding *finding)
{
    struct zone_rrset soa;
    if (!state_apex_find(finding->state, TYPE_SOA, &soa))
        return;
    const struct rdata_view rdata = zone_rdata(&soa, 0);
    const uint32_t minimum = rdata.size >= 4 ? wire_get_u32(rdata.bytes + rdata.size - 4) : 0;
    finding_put_with_ttl(finding, SECTION_AUTHORITY, &soa, minimum < soa.ttl ? minimum : soa.ttl);
}

static void deny_type(struct finding *finding, const struct finding_name *name,
                      const struct spot *spot)
{
    if (spot->is_wildcard)
        denial_of_wildcard_type(finding, name, spot->encloser_labels, spot->node);
    else
        denial_of_type(finding, name, spot->node);
    if (spot->is_wildcard && !spot->node)
        denial_of_better(finding, name, spot->encloser_labels);
}

/* The cut's NS, and its DS or that there is none (RFC 4035 3.1.4). */
static void refer(struct finding *finding, const struct node *cut)
{
    struct zone_rrset rrset;
    struct finding_name name = {.size = cut->name_size};
    if (node_find(cut, TYPE_NS, &rrset))
        finding_put(finding, SECTION_AUTHORITY, &rrset, NULL);
    if (!finding->dnssec_ok)
        return;
    memcpy(name.bytes, node_name(cut), cut->name_size);
    if (node_find(cut, TYPE_DS, &rrset))
        finding_put(finding, SECTION_AUTHORITY, &rrset, NULL);
    else
        denial_of_type(finding, &name, cut);
}

static void put_authority(struct finding *finding, int result, const struct spot *spot)
{
    const struct finding_name *name = &finding->links[finding->link_count - 1];
    if (result == ZONE_NODATA || result == ZONE_NXDOMAIN)
        put_soa(finding);
    if (result == ZONE_REFERRAL)
        refer(finding, spot->node);
    if (!finding->dnssec_ok)
        return;
    if (result == ZONE_NXDOMAIN)
        denial_of_name(finding, name, spot->encloser_labels);
    if (result == ZONE_NODATA)
        deny_type(finding, name, spot);
    for (size_t i = 0; i < finding->wildcard_count; i++)
        denial_of_better(finding, finding->wildcards[i].name,
                         finding->wildcards[i].encloser_labels);
}

uint16_t zone_lookup_flags(enum zone_lookup_result result, const struct builder *builder)
{
    switch (result) {
    case ZONE_ANSWER:
    case ZONE_NODATA:
    case ZONE_ELSEWHERE:
        return FLAG_AA | RCODE_NOERROR;
    case ZONE_NXDOMAIN:
        return FLAG_AA | RCODE_NXDOMAIN;
    case ZONE_TOO_LONG:
        return FLAG_AA | RCODE_YXDOMAIN;
    case ZONE_REFERRAL: /* AA is of the first name of a chain (RFC 1035 4.1.1) */
        return builder->counts[SECTION_ANSWER] > 0 ? FLAG_AA | RCODE_NOERROR : RCODE_NOERROR;
    case ZONE_OUTSIDE:
    case ZONE_UNPROVABLE:
        break;
    }
    return RCODE_SERVFAIL;
}

enum zone_lookup_result zone_lookup(const struct zone_state *state, const struct question *question,
                                    unsigned extras, struct builder *builder)
{
    const struct build_mark start = build_mark(builder);
    struct finding finding;
    struct spot spot;
    struct zone_rrset soa;
    int result;
    finding.state = state;
    finding.builder = builder;
    finding.dnssec_ok =
        extras & ZONE_PROOFS && state_apex_find(state, TYPE_RRSIG, &soa); /* it is signed */
    finding.unprovable = false;
    finding.put_count = finding.link_count = finding.target_count = finding.wildcard_count = 0;
    if (!name_is_within(question->name, state->apex) || !state_apex_find(state, TYPE_SOA, &soa) ||
        !add_link(&finding, question->name, question->name_size))
        return ZONE_OUTSIDE;
    do
        result =
            look_up_link(&finding, &finding.links[finding.link_count - 1], question->type, &spot);
    while (result == GO_ON);
    put_authority(&finding, result, &spot);
    if (finding.unprovable) {
        build_back(builder, &start);
        return ZONE_UNPROVABLE;
    }
    if (extras & ZONE_ADDRESSES)
        finding_put_additional(&finding, result == ZONE_REFERRAL ? spot.node : NULL);
    return (enum zone_lookup_result)result;
}
