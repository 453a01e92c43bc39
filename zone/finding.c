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

static bool put(struct finding *finding, enum section section, const struct zone_rrset *rrset,
                const uint8_t *owner, const uint32_t *ttl)
{
    if (is_put(finding, owner, rrset->type))
        return false;
    remember(finding, rrset, owner);
    for (size_t k = 0; k < rrset->count; k++)
        put_one(finding, section, rrset, k, owner, ttl ? *ttl : zone_ttl(rrset, k));
    if (rrset->type != TYPE_RRSIG)
        put_signatures(finding, section, rrset, owner, ttl ? *ttl : rrset->ttl);
    return true;
}

bool finding_put(struct finding *finding, enum section section, const struct zone_rrset *rrset,
                 const uint8_t *owner)
{
    return put(finding, section, rrset, owner ? owner : rrset->owner, NULL);
}

bool finding_put_with_ttl(struct finding *finding, enum section section,
                          const struct zone_rrset *rrset, uint32_t ttl)
{
    return put(finding, section, rrset, rrset->owner, &ttl);
}

/* -- the additional section -------------------------------------------------------------------- */

/* What a builder goes back to when something does not fit. */
struct mark {
    struct wire_writer out;
    uint16_t counts[3], suffix_count, ttl_count;
    bool lone_question;
};

static struct mark mark_of(const struct builder *builder)
{
    struct mark mark = {.out = builder->out,
                        .suffix_count = builder->suffix_count,
                        .ttl_count = builder->ttl_count,
                        .lone_question = builder->lone_question};
    memcpy(mark.counts, builder->counts, sizeof mark.counts);
    return mark;
}

static void go_back(struct builder *builder, const struct mark *mark)
{
    builder->out = mark->out;
    builder->suffix_count = mark->suffix_count;
    builder->ttl_count = mark->ttl_count;
    builder->lone_question = mark->lone_question;
    memcpy(builder->counts, mark->counts, sizeof mark->counts);
}

static void put_addresses(struct finding *finding, const struct node *node, const uint8_t *owner,
                          bool must_fit)
{
    static const uint16_t types[] = {TYPE_A, TYPE_AAAA};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct zone_rrset rrset;
        const struct mark mark = mark_of(finding->builder);
        if (mark.out.failed || !node_find(node, types[i], &rrset))
            continue;
        finding_put(finding, SECTION_ADDITIONAL, &rrset, owner);
        if (finding->builder->out.failed && !must_fit)
            go_back(finding->builder, &mark);
    }
}

static bool has_additional(uint16_t type)
{
    return type == TYPE_NS || type == TYPE_MX || type == TYPE_SRV;
}

/* The addresses of a name: glue too, below a cut, and what a wildcard makes. */
static void put_target(struct finding *finding, const uint8_t *target, const struct node *cut)
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
    put_addresses(finding, node, name->bytes, cut && name_is_within(name->bytes, node_name(cut)));
}

void finding_put_additional(struct finding *finding, const struct node *cut)
{
    const size_t count = finding->put_count; /* addresses lead no further */
    for (size_t i = 0; i < count; i++) {
        const struct zone_rrset *rrset = &finding->put[i].rrset;
        if (!has_additional(rrset->type))
            continue;
        for (size_t k = 0; k < rrset->count; k++) {
            const struct rdata_view rdata = zone_rdata(rrset, k);
            size_t offset;
            bool compressible;
            if (rdata_name_at(rrset->type, rdata.bytes, rdata.size, 0, &offset, &compressible))
                put_target(finding, rdata.bytes + offset, cut);
        }
    }
}
