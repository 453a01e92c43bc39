/* finding.c - see finding.h. */
#include "zone/finding.h"

#include "dns/rdata.h"
#include "zone/spot.h"

static bool is_put(const struct finding *finding, const uint8_t *owner, uint16_t type)
{
    for (size_t i = 0; i < finding->put_count; i++)
        if (finding->put[i].type == type && name_equal(finding->put[i].owner, owner))
            return true;
    return false;
}

static void remember(struct finding *finding, const struct zone_rrset *rrset, const uint8_t *owner)
{
    if (finding->put_count < FINDING_PUT)
        finding->put[finding->put_count++] =
            (struct finding_put){.owner = owner, .type = rrset->type, .rrset = *rrset};
}

static void put_one(struct finding *finding, enum section section, const struct zone_rrset *rrset,
                    size_t k, const uint8_t *owner, uint32_t ttl)
{
    const struct rdata_view rdata = zone_rdata(rrset, k);
    build_record(finding->builder, section,
                 &(struct record){.owner = owner,
                                  .rdata = rdata.bytes,
                                  .rdata_size = rdata.size,
                                  .ttl = ttl,
                                  .type = rrset->type,
                                  .class = CLASS_IN});
}

/* The signatures over an RRset (RFC 4034 3: the first two bytes say of which type). */
static void put_signatures(struct finding *finding, enum section section,
                           const struct zone_rrset *rrset, const uint8_t *owner, uint32_t ttl)
{
    struct zone_rrset signatures;
    if (!finding->dnssec_ok || !node_find(rrset->node, TYPE_RRSIG, &signatures))
        return;
    for (size_t k = 0; k < signatures.count; k++) {
        const struct rdata_view rdata = zone_rdata(&signatures, k);
        if (rdata.size >= 2 && wire_get_u16(rdata.bytes) == rrset->type)
            put_one(finding, section, &signatures, k, owner, ttl);
    }
}

static void put(struct finding *finding, enum section section, const struct zone_rrset *rrset,
                const uint8_t *owner, const uint32_t *ttl)
{
    if (is_put(finding, owner, rrset->type))
        return;
    remember(finding, rrset, owner);
    for (size_t k = 0; k < rrset->count; k++)
        put_one(finding, section, rrset, k, owner, ttl ? *ttl : zone_ttl(rrset, k));
    if (rrset->type != TYPE_RRSIG)
        put_signatures(finding, section, rrset, owner, ttl ? *ttl : rrset->ttl);
}

void finding_put(struct finding *finding, enum section section, const struct zone_rrset *rrset,
                 const uint8_t *owner)
{
    put(finding, section, rrset, owner ? owner : rrset->owner, NULL);
}

void finding_put_with_ttl(struct finding *finding, enum section section,
                          const struct zone_rrset *rrset, uint32_t ttl)
{
    put(finding, section, rrset, rrset->owner, &ttl);
}

/* -- the additional section -------------------------------------------------------------------- */

static void put_addresses(struct finding *finding, const struct node *node, const uint8_t *owner,
                          bool must_fit)
{
    static const uint16_t types[] = {TYPE_A, TYPE_AAAA};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct zone_rrset rrset;
        const struct build_mark mark = build_mark(finding->builder);
        if (finding->builder->out.failed || !node_find(node, types[i], &rrset))
            continue;
        finding_put(finding, SECTION_ADDITIONAL, &rrset, owner);
        if (finding->builder->out.failed && !must_fit)
            build_back(finding->builder, &mark);
    }
}

static bool has_additional(uint16_t type)
{
    return type == TYPE_NS || type == TYPE_MX || type == TYPE_SRV;
}

/* The addresses of a name: glue too, below a cut, and what a wildcard makes. */
static void put_target(struct finding *finding, const uint8_t *target, bool must_fit)
{
    struct finding_name *name = &finding->targets[finding->target_count];
    struct spot spot;
    const struct node *node = NULL;
    if (finding->target_count == FINDING_TARGETS || !name_is_within(target, finding->state->apex))
        return;
    name->size = (uint8_t)name_size(target);
    name_lower(target, name->size, name->bytes);
    spot_find(finding->state, name->bytes, &spot);
    if (spot.kind == SPOT_NODE)
        node = spot.node;
    else if (spot.kind == SPOT_CUT)
        node = state_node(finding->state, name->bytes);
    if (!node)
        return;
    finding->target_count++;
    put_addresses(finding, node, name->bytes, must_fit);
}

/* Those of the names in an RRset that are within the cut, or those that are not. */
static void put_targets(struct finding *finding, const struct zone_rrset *rrset,
                        const struct node *cut, bool within)
{
    if (!has_additional(rrset->type))
        return;
    for (size_t k = 0; k < rrset->count; k++) {
        const struct rdata_view rdata = zone_rdata(rrset, k);
        size_t offset;
        bool compressible;
        if (!rdata_name_at(rrset->type, rdata.bytes, rdata.size, 0, &offset, &compressible))
            continue;
        const uint8_t *target = rdata.bytes + offset;
        if ((cut && name_is_within(target, node_name(cut))) == within)
            put_target(finding, target, within);
    }
}

void finding_put_additional(struct finding *finding, const struct node *cut)
{
    const size_t count = finding->put_count; /* addresses lead no further */
    if (cut)                                 /* what must fit before what may be left out */
        for (size_t i = 0; i < count; i++)
            put_targets(finding, &finding->put[i].rrset, cut, true);
    for (size_t i = 0; i < count; i++)
        put_targets(finding, &finding->put[i].rrset, cut, false);
}
