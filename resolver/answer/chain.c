#include "resolver/answer/chain.h"

#include <stdlib.h>
#include <string.h>

enum {
    SOA_MINIMUM_FROM_END = 4,
    RRSIG_SIGNER = 18, /* bytes before the signer's name (RFC 4034 3.1) */
    PROOFS_MAX = 64,   /* NSEC and NSEC3 records taken: three for each step of a chain */
};

void chain_start(struct chain *chain, const struct question *question, bool dnssec_ok)
{
    chain->type = question->type;
    chain->class = question->class;
    chain->dnssec_ok = dnssec_ok;
    chain->authentic = true;
    chain->links = 0;
    chain->has_soa = false;
    chain->leaves = NULL;
    memcpy(chain->name, question->name, question->name_size);
    chain->rcode = RCODE_NOERROR;
    selection_start(&chain->selection);
}

void chain_free(struct chain *chain)
{
    selection_free(&chain->selection);
}

int chain_keep(struct chain *chain)
{
    return selection_keep(&chain->selection);
}

static void select_record(struct chain *chain, enum section section, const struct record *record)
{
    selection_add(&chain->selection, section, record);
}

/* Whether somebody else speaks for a name. */
static bool is_others(const struct chain *chain, const uint8_t *name)
{
    return chain->leaves && chain->leaves(chain->leaves_arg, name);
}

static size_t count_all(const struct message *m)
{
    return (size_t)m->answer_count + m->authority_count + m->additional_count;
}

static bool is_at(const struct chain *chain, const struct record *record, uint16_t type)
{
    return record->type == type && record->class == chain->class &&
           name_equal(record->owner, chain->name);
}

static bool covers(const struct record *record, const struct chain *chain, const uint8_t *owner,
                   uint16_t type)
{
    return record->type == TYPE_RRSIG && record->class == chain->class &&
           record->rdata_size > RRSIG_SIGNER && wire_get_u16(record->rdata) == type &&
           name_equal(record->owner, owner);
}

/* Wherever in the message they stand. */
static void select_signatures(struct chain *chain, enum section section, const struct message *m,
                              const uint8_t *owner, uint16_t type)
{
    if (!chain->dnssec_ok || type == TYPE_RRSIG)
        return;
    for (size_t i = 0; i < count_all(m); i++)
        if (covers(&m->records[i], chain, owner, type))
            select_record(chain, section, &m->records[i]);
}

/* All records of (name, type), at the lowest TTL among them (RFC 2181 5.2). Returns how many. */
static size_t select_rrset(struct chain *chain, const struct message *m, uint16_t type)
{
    size_t found = 0, first = chain->selection.count;
    uint32_t ttl = UINT32_MAX;
    for (size_t i = 0; i < m->answer_count; i++) {
        if (!is_at(chain, &m->records[i], type))
            continue;
        found++;
        if (m->records[i].ttl < ttl)
            ttl = m->records[i].ttl;
        select_record(chain, SECTION_ANSWER, &m->records[i]);
    }
    for (size_t i = first; i < chain->selection.count; i++)
        chain->selection.items[i].record.ttl = ttl;
    if (found)
        select_signatures(chain, SECTION_ANSWER, m, chain->name, type);
    return found;
}

static const struct record *find_cname(const struct chain *chain, const struct message *m)
{
    for (size_t i = 0; i < m->answer_count; i++)
        if (is_at(chain, &m->records[i], TYPE_CNAME))
            return &m->records[i];
    return NULL;
}

/* A DNAME whose owner is a proper ancestor of where the chain stands, and the server's to speak of. */
static const struct record *find_dname(const struct chain *chain, const struct message *m)
{
    for (size_t i = 0; i < m->answer_count; i++) {
        const struct record *record = &m->records[i];
        if (record->type == TYPE_DNAME && record->class == chain->class &&
            name_is_within(chain->name, record->owner) && !name_equal(chain->name, record->owner) &&
            !is_others(chain, record->owner))
            return record;
    }
    return NULL;
}

/* Whether the chain has come by a name already. */
static bool was_at(const struct chain *chain, const uint8_t *name)
{
    for (size_t i = 0; i < chain->selection.count; i++) {
        const struct record *record = &chain->selection.items[i].record;
        if (record->type == TYPE_CNAME && name_equal(record->owner, name))
            return true;
    }
    return false;
}

static void move_to(struct chain *chain, const uint8_t *target)
{
    uint8_t copy[NAME_MAX_SIZE];
    size_t size = name_size(target);
    memcpy(copy, target, size);
    memcpy(chain->name, copy, size);
    chain->links++;
}

static void follow_cname(struct chain *chain, const struct message *m, const struct record *cname)
{
    select_record(chain, SECTION_ANSWER, cname);
    select_signatures(chain, SECTION_ANSWER, m, chain->name, TYPE_CNAME);
    move_to(chain, cname->rdata);
}

/* The CNAME that a DNAME implies for the name where the chain stands (RFC 6672 3.1). */
static void select_implied(struct chain *chain, const struct record *dname, const uint8_t *target)
{
    const struct record cname = {
        .owner = chain->name,
        .rdata = target,
        .ttl = dname->ttl,
        .rdata_size = (uint16_t)name_size(target),
        .type = TYPE_CNAME,
        .class = chain->class,
    };
    if (selection_add(&chain->selection, SECTION_ANSWER, &cname))
        selection_keep_last(&chain->selection);
}

enum link { LINK_NONE, LINK_FOLLOWED, LINK_TOO_LONG };

/*
 * A DNAME link is the DNAME and the CNAME it implies, with its TTL, whatever the server says: one of RFC 2672 gives it TTL 0,
 * others leave it out. A name that would be too long ends the chain (RFC 6672 2.2).
 */
static enum link follow_dname(struct chain *chain, const struct message *m,
                              const struct record *dname)
{
    uint8_t target[NAME_MAX_SIZE];
    select_record(chain, SECTION_ANSWER, dname);
    select_signatures(chain, SECTION_ANSWER, m, dname->owner, TYPE_DNAME);
    if (name_substitute(chain->name, dname->owner, dname->rdata, target) < 0)
        return LINK_TOO_LONG;
    select_implied(chain, dname, target);
    move_to(chain, target);
    return LINK_FOLLOWED;
}

/* One link further, if there is one. */
static enum link follow_link(struct chain *chain, const struct message *m)
{
    const struct record *dname = find_dname(chain, m);
    if (dname)
        return follow_dname(chain, m, dname);
    const struct record *cname = find_cname(chain, m);
    if (!cname)
        return LINK_NONE;
    follow_cname(chain, m, cname);
    return LINK_FOLLOWED;
}

static bool is_proof(uint16_t type)
{
    return type == TYPE_NSEC || type == TYPE_NSEC3;
}

/* Whether a name on the chain lies in a zone. */
static bool comes_by(const struct chain *chain, const uint8_t *zone)
{
    if (name_is_within(chain->name, zone))
        return true;
    for (size_t i = 0; i < chain->selection.count; i++)
        if (name_is_within(chain->selection.items[i].record.owner, zone))
            return true;
    return false;
}

/* A proof speaks for the zone that has signed it: one that the chain comes by, and the server's to speak of. */
static bool is_to_the_point(const struct chain *chain, const struct message *m,
                            const struct record *proof)
{
    if (is_others(chain, proof->owner))
        return false;
    for (size_t i = 0; i < count_all(m); i++) {
        if (!covers(&m->records[i], chain, proof->owner, proof->type))
            continue;
        const uint8_t *signer = m->records[i].rdata + RRSIG_SIGNER;
        return name_is_within(proof->owner, signer) && comes_by(chain, signer);
    }
    return false; /* unsigned, it proves nothing */
}

/* NSEC and NSEC3 with their signatures: for negative answers and for wildcards (RFC 4035 3.1.3). */
static void select_proofs(struct chain *chain, const struct message *m)
{
    const struct record *records = message_authorities(m);
    size_t proofs = 0;
    for (size_t i = 0; chain->dnssec_ok && i < m->authority_count && proofs < PROOFS_MAX; i++) {
        if (!is_proof(records[i].type) || records[i].class != chain->class ||
            !is_to_the_point(chain, m, &records[i]))
            continue;
        proofs++;
        select_record(chain, SECTION_AUTHORITY, &records[i]);
        select_signatures(chain, SECTION_AUTHORITY, m, records[i].owner, records[i].type);
    }
}

/*
 * The SOA of a zone the name lies in; its TTL becomes the time the negative answer may live (RFC 2308 5). That of a zone
 * above what the server is asked for tells as much, but is not handed on.
 */
static bool select_soa(struct chain *chain, const struct message *m)
{
    const struct record *records = message_authorities(m);
    for (size_t i = 0; i < m->authority_count; i++) {
        struct record soa = records[i];
        if (soa.type != TYPE_SOA || soa.class != chain->class ||
            !name_is_within(chain->name, soa.owner))
            continue;
        uint32_t minimum = wire_get_u32(soa.rdata + soa.rdata_size - SOA_MINIMUM_FROM_END);
        if (minimum < soa.ttl)
            soa.ttl = minimum;
        chain->soa_ttl = soa.ttl;
        if (is_others(chain, soa.owner))
            return true;
        select_record(chain, SECTION_AUTHORITY, &soa);
        select_signatures(chain, SECTION_AUTHORITY, m, soa.owner, TYPE_SOA);
        return true;
    }
    return false;
}

/* NS records and no SOA; where the server speaks for the zone (AA), it only tells who else does. */
static bool refers(const struct message *m)
{
    const struct record *records = message_authorities(m);
    for (size_t i = 0; i < m->authority_count; i++)
        if (records[i].type == TYPE_NS)
            return m->rcode == RCODE_NOERROR && !(m->flags & FLAG_AA);
    return false;
}

/* No data at the end of the links: is that an answer, or only as far as this response goes? */
static enum chain_end negative_end(struct chain *chain, const struct message *m, bool linked)
{
    bool soa = select_soa(chain, m);
    if (!soa && linked && m->rcode != RCODE_NXDOMAIN)
        return CHAIN_CONTINUES;
    if (!soa && refers(m))
        return CHAIN_REFERRAL;
    if (!soa && m->rcode == RCODE_NOERROR && m->answer_count > 0 && !linked)
        return CHAIN_BROKEN; /* it has an answer to something, and not to this */
    chain->has_soa = soa;
    select_proofs(chain, m);
    chain->rcode = m->rcode;
    /* YXDOMAIN without the DNAME that it comes of: to be told, and not to be kept. */
    if (m->rcode == RCODE_YXDOMAIN)
        return CHAIN_DATA;
    return m->rcode == RCODE_NXDOMAIN ? CHAIN_NXDOMAIN : CHAIN_NODATA;
}

/* The chain ends with data, under whatever code they came: some servers say NXDOMAIN and give them all the same. */
static enum chain_end end_with_data(struct chain *chain, const struct message *m, uint16_t rcode)
{
    chain->rcode = rcode;
    select_proofs(chain, m);
    return CHAIN_DATA;
}

static enum chain_end follow(struct chain *chain, const struct message *m)
{
    bool linked = false;
    while (!select_rrset(chain, m, chain->type)) {
        enum link link = follow_link(chain, m);
        if (link == LINK_NONE)
            return negative_end(chain, m, linked);
        if (link == LINK_TOO_LONG)
            return end_with_data(chain, m, RCODE_YXDOMAIN);
        if (chain->links > CHAIN_MAX_LINKS || was_at(chain, chain->name))
            return CHAIN_BROKEN;
        if (chain->type == TYPE_CNAME) /* the one that a DNAME implies is what was asked for */
            return end_with_data(chain, m, RCODE_NOERROR);
        if (is_others(chain, chain->name))
            return CHAIN_CONTINUES;
        linked = true;
    }
    return end_with_data(chain, m, m->rcode);
}

enum chain_end chain_follow(struct chain *chain, const struct message *m)
{
    chain->authentic = chain->authentic && m->flags & FLAG_AD;
    enum chain_end end = follow(chain, m);
    selection_fold(&chain->selection);
    return chain->selection.failed ? CHAIN_BROKEN : end;
}
