/* node.c - see node.h. */
#include "zone/node.h"

#include <stdlib.h>

#include "dns/name.h"
#include "dns/rdata.h"
#include "dns/wire.h"

enum {
    AT_TYPE = 0,
    AT_COUNT = 2,
    AT_TTL = 4,
    AT_SIZE = 8,
    RRSET_HEADER = 10,
    FEW = 16, /* records of an RRset that need no memory to be sorted */
};

/* -- reading ----------------------------------------------------------------------------------- */

static uint16_t get_u16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void put_u16(uint8_t *at, size_t value)
{
    memcpy(at, &(uint16_t){(uint16_t)value}, sizeof(uint16_t));
}

static size_t ends_size(size_t count)
{
    return count > 1 ? count * sizeof(uint16_t) : 0;
}

/* Bytes of the RRset at a place. */
static size_t rrset_size(const uint8_t *at)
{
    return RRSET_HEADER + ends_size(get_u16(at + AT_COUNT)) + get_u16(at + AT_SIZE);
}

static const uint8_t *rrsets(const struct node *node)
{
    return node->bytes + node->name_size;
}

static void view(const struct node *node, const uint8_t *at, size_t index, struct zone_rrset *ret)
{
    *ret = (struct zone_rrset){.owner = node->bytes,
                               .type = get_u16(at + AT_TYPE),
                               .count = get_u16(at + AT_COUNT),
                               .place = at,
                               .node = node,
                               .index = (uint16_t)index};
    memcpy(&ret->ttl, at + AT_TTL, sizeof ret->ttl);
}

bool node_first(const struct node *node, struct zone_rrset *ret)
{
    if (node->rrset_count == 0)
        return false;
    view(node, rrsets(node), 0, ret);
    return true;
}

bool node_next(const struct node *node, struct zone_rrset *rrset)
{
    if (rrset->index + 1u >= node->rrset_count)
        return false;
    const uint8_t *at = rrset->place;
    view(node, at + rrset_size(at), rrset->index + 1u, rrset);
    return true;
}

/* The place of the RRset of a type, or of the first behind where it would be; how many are before it. */
static const uint8_t *seek(const struct node *node, uint16_t type, size_t *ret_before)
{
    const uint8_t *at = rrsets(node);
    size_t before = 0;
    while (before < node->rrset_count && node_order(get_u16(at)) < node_order(type)) {
        at += rrset_size(at);
        before++;
    }
    *ret_before = before;
    return at;
}

bool node_find(const struct node *node, uint16_t type, struct zone_rrset *ret)
{
    size_t before;
    const uint8_t *at = seek(node, type, &before);
    if (before == node->rrset_count || get_u16(at) != type)
        return false;
    view(node, at, before, ret);
    return true;
}

bool node_has(const struct node *node, uint16_t type)
{
    size_t before;
    const uint8_t *at = seek(node, type, &before);
    return before < node->rrset_count && get_u16(at) == type;
}

bool node_is_only_hash(const struct node *node)
{
    return node_has(node, TYPE_NSEC3) &&
           node->rrset_count == 1u + (node_has(node, TYPE_RRSIG) ? 1u : 0u);
}

size_t node_size(const struct node *node)
{
    const uint8_t *at = rrsets(node);
    for (size_t i = 0; i < node->rrset_count; i++)
        at += rrset_size(at);
    return (size_t)(at - (const uint8_t *)node);
}

struct rdata_view zone_rdata(const struct zone_rrset *rrset, size_t k)
{
    const uint8_t *at = rrset->place, *ends = at + RRSET_HEADER;
    const uint8_t *data = ends + ends_size(rrset->count);
    if (rrset->count == 1)
        return (struct rdata_view){data, get_u16(at + AT_SIZE)};
    const uint16_t start = k ? get_u16(ends + 2 * (k - 1)) : 0;
    return (struct rdata_view){data + start, (uint16_t)(get_u16(ends + 2 * k) - start)};
}

uint32_t zone_ttl(const struct zone_rrset *rrset, size_t k)
{
    struct zone_rrset covered;
    if (rrset->type != TYPE_RRSIG)
        return rrset->ttl;
    const struct rdata_view signature = zone_rdata(rrset, k);
    if (signature.size < 2 || !node_find(rrset->node, wire_get_u16(signature.bytes), &covered))
        return rrset->ttl;
    return covered.ttl;
}

/* -- changing ---------------------------------------------------------------------------------- */

/* The records that an RRset will have, in order, each once; the bytes are elsewhere. */
struct records {
    uint32_t ttl;
    size_t count;
    struct rdata_view *all; /* `few`, or of malloc() */
    struct rdata_view few[FEW];
};

static int compare(const void *a, const void *b, void *type)
{
    const struct rdata_view *one = a, *other = b;
    return rdata_compare(*(const uint16_t *)type, one->bytes, one->size, other->bytes, other->size);
}

static int open_records(struct records *records, size_t capacity)
{
    records->count = 0;
    records->all = capacity <= FEW ? records->few : malloc(capacity * sizeof *records->all);
    return records->all ? ERR_OK : ERR_MEMORY;
}

static void close_records(struct records *records)
{
    if (records->all != records->few)
        free(records->all);
}

/* What a change names, in order; of those that are the same, one. */
static int sort_change(const struct change *change, struct records *ret)
{
    uint16_t type = change->type;
    size_t kept = 0;
    if (open_records(ret, change->rdata_count) != ERR_OK)
        return ERR_MEMORY;
    memcpy(ret->all, change->rdata, change->rdata_count * sizeof *ret->all);
    if (change->rdata_count > 1)
        qsort_r(ret->all, change->rdata_count, sizeof *ret->all, compare, &type);
    for (size_t i = 0; i < change->rdata_count; i++) {
        if (kept > 0 && compare(&ret->all[kept - 1], &ret->all[i], &type) == 0)
            kept--;
        ret->all[kept++] = ret->all[i];
    }
    ret->count = kept;
    return ERR_OK;
}

/*
 * Both in order: the RRset's records with those named (ADD), or without them (DEL). What is there already stays as it is
 * spelled.
 */
static int merge(const struct zone_rrset *rrset, const struct records *named, bool adds,
                 struct records *ret)
{
    uint16_t type = rrset->type;
    size_t i = 0, k = 0;
    if (open_records(ret, rrset->count + named->count) != ERR_OK)
        return ERR_MEMORY;
    while (i < rrset->count || k < named->count) {
        const struct rdata_view old =
            i < rrset->count ? zone_rdata(rrset, i) : (struct rdata_view){0};
        const int order = i == rrset->count   ? 1
                          : k == named->count ? -1
                                              : compare(&old, &named->all[k], &type);
        if (order <= 0 && (adds || order < 0))
            ret->all[ret->count++] = old;
        else if (order > 0 && adds)
            ret->all[ret->count++] = named->all[k];
        i += order <= 0;
        k += order >= 0;
    }
    return ERR_OK;
}

/* What the RRset of the change's type will be; `old` NULL: there is none. */
static int plan(const struct zone_rrset *old, const struct change *change, struct records *ret)
{
    struct records named;
    ret->ttl = change->ttl;
    if (change->op == CHANGE_DEL && change->rdata_count == 0)
        return open_records(ret, 0);
    if (change->op == CHANGE_SET || (change->op == CHANGE_ADD && !old))
        return sort_change(change, ret);
    if (sort_change(change, &named) != ERR_OK)
        return ERR_MEMORY;
    if (change->op == CHANGE_DEL)
        ret->ttl = old->ttl;
    const int result = merge(old, &named, change->op == CHANGE_ADD, ret);
    close_records(&named);
    return result;
}

/* Whether the RRset is that already. */
static bool is_same(const struct zone_rrset *old, const struct records *records)
{
    if (old->count != records->count || old->ttl != records->ttl)
        return false;
    for (size_t k = 0; k < old->count; k++) {
        const struct rdata_view data = zone_rdata(old, k), other = records->all[k];
        if (data.size != other.size || memcmp(data.bytes, other.bytes, data.size) != 0)
            return false;
    }
    return true;
}

static uint8_t *write_rrset(uint8_t *at, uint16_t type, const struct records *records, size_t size)
{
    put_u16(at + AT_TYPE, type);
    put_u16(at + AT_COUNT, records->count);
    memcpy(at + AT_TTL, &records->ttl, sizeof records->ttl);
    put_u16(at + AT_SIZE, size);
    uint8_t *ends = at + RRSET_HEADER, *data = ends + ends_size(records->count), *to = data;
    for (size_t k = 0; k < records->count; k++) {
        if (records->all[k].size > 0)
            memcpy(to, records->all[k].bytes, records->all[k].size);
        to += records->all[k].size;
        if (records->count > 1)
            put_u16(ends + 2 * k, (size_t)(to - data));
    }
    return to;
}

/* Where the RRset of a type goes in a node: what is before it, what is there, what is behind. */
struct cut {
    const uint8_t *before, *behind; /* in `node`; the former from its first RRset on */
    size_t before_size, behind_size;
    size_t others; /* RRsets of other types */
};

static struct cut cut_node(const struct node *node, uint16_t type, bool there)
{
    size_t before;
    if (!node)
        return (struct cut){0};
    const uint8_t *at = seek(node, type, &before), *start = rrsets(node);
    const uint8_t *behind = there ? at + rrset_size(at) : at;
    return (struct cut){.before = start,
                        .before_size = (size_t)(at - start),
                        .behind = behind,
                        .behind_size = (size_t)((const uint8_t *)node + node_size(node) - behind),
                        .others = node->rrset_count - (there ? 1u : 0u)};
}

static uint8_t *copy(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size > 0)
        memcpy(to, from, size);
    return to + size;
}

/* The node with the RRset as planned. NULL: no memory. */
static struct node *assemble(const struct cut *cut, const struct change *change,
                             const struct records *records, size_t size, uint32_t generation)
{
    const size_t named = name_size(change->name);
    const size_t own = records->count ? RRSET_HEADER + ends_size(records->count) + size : 0;
    struct node *node = malloc(sizeof *node + named + cut->before_size + own + cut->behind_size);
    if (!node)
        return NULL;
    *node = (struct node){.generation = generation,
                          .rrset_count = (uint16_t)(cut->others + (records->count > 0)),
                          .name_size = (uint8_t)named};
    uint8_t *at = copy(node->bytes, change->name, named);
    at = copy(at, cut->before, cut->before_size);
    if (records->count > 0)
        at = write_rrset(at, change->type, records, size);
    copy(at, cut->behind, cut->behind_size);
    return node;
}

static int make(const struct node *node, const struct change *change, bool there,
                const struct records *records, uint32_t generation, struct node **ret_node)
{
    const struct cut cut = cut_node(node, change->type, there);
    size_t size = 0;
    for (size_t k = 0; k < records->count; k++)
        size += records->all[k].size;
    if (size > NODE_MAX_RDATA || records->count > UINT16_MAX)
        return ERR_TOO_LARGE;
    struct node *made = NULL;
    if (cut.others > 0 || records->count > 0) {
        made = assemble(&cut, change, records, size, generation);
        if (!made)
            return ERR_MEMORY;
    }
    *ret_node = made;
    return 1;
}

int node_change(const struct node *node, const struct change *change, uint32_t generation,
                struct node **ret_node)
{
    struct zone_rrset old;
    const bool there = node && node_find(node, change->type, &old);
    struct records records;
    if (change->op == CHANGE_DEL && !there)
        return 0;
    if (plan(there ? &old : NULL, change, &records) != ERR_OK)
        return ERR_MEMORY;
    int result = there && is_same(&old, &records)
                     ? 0
                     : make(node, change, there, &records, generation, ret_node);
    close_records(&records);
    return result;
}
