#include "resolver/answer/chain.h"

#include <stdlib.h>
#include <string.h>

enum { SOA_MINIMUM_FROM_END = 4, RRSIG_COVERED_SIZE = 2 };

/* What it holds is not its own, or gone already. */
static void selection_clear(struct selection *selection)
{
    selection->items = NULL;
    selection->count = selection->capacity = 0;
    selection->failed = false;
}

static void selection_free(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        if (selection->items[i].owned)
            free((void *)selection->items[i].record.owner);
    if (selection->items != selection->few)
        free(selection->items);
    selection_clear(selection);
}

/* Room for one more. */
static bool selection_grow(struct selection *selection)
{
    if (!selection->items) {
        selection->items = selection->few;
        selection->capacity = SELECTION_FEW;
        return true;
    }
    bool few = selection->items == selection->few;
    size_t capacity = 4 * selection->capacity;
    struct selected *items =
        realloc(few ? NULL : selection->items, capacity * sizeof *selection->items);
    if (!items) {
        selection->failed = true;
        return false;
    }
    if (few)
        memcpy(items, selection->few, sizeof selection->few);
    selection->items = items;
    selection->capacity = capacity;
    return true;
}

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
    selection_clear(&chain->selection);
}

void chain_free(struct chain *chain)
{
    selection_free(&chain->selection);
}

static struct record *select_record(struct chain *chain, enum section section,
                                    const struct record *record)
{
    struct selection *selection = &chain->selection;
    if (selection->count == selection->capacity && !selection_grow(selection))
        return NULL;
    struct selected *item = &selection->items[selection->count++];
    *item = (struct selected){.section = section, .record = *record};
    return &item->record;
}

/* One block per record: owner, then RDATA. */
static int keep(struct selected *item)
{
    struct record *record = &item->record;
    size_t owner_size = name_size(record->owner);
    if (item->owned)
        return ERR_OK;
    uint8_t *copy = malloc(owner_size + record->rdata_size);
    if (!copy)
        return ERR_MEMORY;
    memcpy(copy, record->owner, owner_size);
    if (record->rdata_size)
        memcpy(copy + owner_size, record->rdata, record->rdata_size);
    record->owner = copy;
    record->rdata = copy + owner_size;
    item->owned = true;
    return ERR_OK;
}

int chain_keep(struct chain *chain)
{
    struct selection *selection = &chain->selection;
    for (size_t i = 0; i < selection->count; i++)
        if (keep(&selection->items[i]) != ERR_OK)
            return ERR_MEMORY;
    return ERR_OK;
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
           record->rdata_size >= RRSIG_COVERED_SIZE && wire_get_u16(record->rdata) == type &&
           name_equal(record->owner, owner);
}

static void select_signatures(struct chain *chain, enum section section,
                              const struct record *records, size_t count, const uint8_t *owner,
                              uint16_t type)
{
    if (!chain->dnssec_ok || type == TYPE_RRSIG)
        return;
    for (size_t i = 0; i < count; i++)
        if (covers(&records[i], chain, owner, type))
            select_record(chain, section, &records[i]);
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
        select_signatures(chain, SECTION_ANSWER, m->records, m->answer_count, chain->name, type);
    return found;
}

static const struct record *find_cname(const struct chain *chain, const struct message *m)
{
    for (size_t i = 0; i < m->answer_count; i++)
        if (is_at(chain, &m->records[i], TYPE_CNAME))
            return &m->records[i];
    return NULL;
}

/* A DNAME whose owner is a proper ancestor of where the chain stands. */
static const struct record *find_dname(const struct chain *chain, const struct message *m)
{
    for (size_t i = 0; i < m->answer_count; i++) {
        const struct record *record = &m->records[i];
        if (record->type == TYPE_DNAME && record->class == chain->class &&
            name_is_within(chain->name, record->owner) && !name_equal(chain->name, record->owner))
            return record;
    }
    return NULL;
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
    select_signatures(chain, SECTION_ANSWER, m->records, m->answer_count, chain->name, TYPE_CNAME);
    move_to(chain, cname->rdata);
}

/* The CNAME that a DNAME implies for the name where the chain stands (RFC 6672 3.1). */
static void select_implied(struct chain *chain, const struct record *dname, const uint8_t *target)
{
    struct selection *selection = &chain->selection;
    struct record cname = {
        .owner = chain->name,
        .rdata = target,
        .ttl = dname->ttl,
        .rdata_size = (uint16_t)name_size(target),
        .type = TYPE_CNAME,
        .class = chain->class,
    };
    if (!select_record(chain, SECTION_ANSWER, &cname) ||
        keep(&selection->items[selection->count - 1]) == ERR_OK)
        return;
    selection->count--;
    selection->failed = true;
}

/*
 * A DNAME link is the DNAME and the CNAME it implies. The server's own CNAME is taken when it says the same; where
 * there is none, or another, one is made. False: it leads to a name that is too long.
 */
static bool follow_dname(struct chain *chain, const struct message *m, const struct record *dname)
{
    uint8_t target[NAME_MAX_SIZE];
    if (name_substitute(chain->name, dname->owner, dname->rdata, target) < 0)
        return false;
    const struct record *cname = find_cname(chain, m);
    select_record(chain, SECTION_ANSWER, dname);
    select_signatures(chain, SECTION_ANSWER, m->records, m->answer_count, dname->owner, TYPE_DNAME);
    if (cname && name_equal(cname->rdata, target))
        select_record(chain, SECTION_ANSWER, cname);
    else
        select_implied(chain, dname, target);
    move_to(chain, target);
    return true;
}

enum link { LINK_NONE, LINK_FOLLOWED, LINK_BROKEN };

/* One link further, if there is one. */
static enum link follow_link(struct chain *chain, const struct message *m)
{
    const struct record *dname = find_dname(chain, m);
    if (dname)
        return follow_dname(chain, m, dname) ? LINK_FOLLOWED : LINK_BROKEN;
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

/* NSEC and NSEC3 with their signatures: for negative answers and for wildcards (RFC 4035 3.1.3). */
static void select_proofs(struct chain *chain, const struct message *m)
{
    const struct record *records = message_authorities(m);
    for (size_t i = 0; chain->dnssec_ok && i < m->authority_count; i++) {
        if (!is_proof(records[i].type) || records[i].class != chain->class)
            continue;
        select_record(chain, SECTION_AUTHORITY, &records[i]);
        select_signatures(chain, SECTION_AUTHORITY, records, m->authority_count, records[i].owner,
                          records[i].type);
    }
}

/* The SOA of a zone the name lies in; its TTL becomes the time the negative answer may live (RFC 2308 5). */
static bool select_soa(struct chain *chain, const struct message *m)
{
    const struct record *records = message_authorities(m);
    for (size_t i = 0; i < m->authority_count; i++) {
        const struct record *soa = &records[i];
        if (soa->type != TYPE_SOA || soa->class != chain->class ||
            !name_is_within(chain->name, soa->owner))
            continue;
        struct record *kept = select_record(chain, SECTION_AUTHORITY, soa);
        uint32_t minimum = wire_get_u32(soa->rdata + soa->rdata_size - SOA_MINIMUM_FROM_END);
        if (kept && minimum < kept->ttl)
            kept->ttl = minimum;
        select_signatures(chain, SECTION_AUTHORITY, records, m->authority_count, soa->owner,
                          TYPE_SOA);
        return true;
    }
    return false;
}

/* No data at the end of the links: is that an answer, or only as far as this response goes? */
static enum chain_end negative_end(struct chain *chain, const struct message *m, bool linked)
{
    bool soa = select_soa(chain, m);
    if (!soa && linked && m->rcode == RCODE_NOERROR)
        return CHAIN_CONTINUES;
    chain->has_soa = soa;
    select_proofs(chain, m);
    return m->rcode == RCODE_NXDOMAIN ? CHAIN_NXDOMAIN : CHAIN_NODATA;
}

enum chain_end chain_follow(struct chain *chain, const struct message *m)
{
    bool linked = false;
    chain->authentic = chain->authentic && m->flags & FLAG_AD;
    while (!select_rrset(chain, m, chain->type)) {
        if (chain->selection.failed)
            return CHAIN_BROKEN;
        enum link link = follow_link(chain, m);
        if (link == LINK_NONE)
            return negative_end(chain, m, linked);
        if (link == LINK_BROKEN || chain->links > CHAIN_MAX_LINKS)
            return CHAIN_BROKEN;
        if (chain->leaves && chain->leaves(chain->leaves_arg, chain->name))
            return chain->selection.failed ? CHAIN_BROKEN : CHAIN_CONTINUES;
        linked = true;
    }
    if (chain->selection.failed || m->rcode != RCODE_NOERROR)
        return CHAIN_BROKEN;
    select_proofs(chain, m);
    return CHAIN_DATA;
}
