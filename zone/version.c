/* version.c - see version.h. */
#include "zone/version.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "zone/differ.h"
#include "zone/record.h"

/*
 * A record as it is packed:  type 2 | TTL 4 | size of RDATA 2 | owner | RDATA
 */
enum { PACKED_FIXED = 8 };

/* Bytes that grow. */
struct pack {
    uint8_t *bytes;
    size_t size, room;
};

static uint8_t *pack_reserve(struct pack *pack, size_t size)
{
    if (pack->room - pack->size < size) {
        size_t room = pack->room * 2 + size + 256;
        uint8_t *bytes = realloc(pack->bytes, room);
        if (!bytes)
            return NULL;
        pack->bytes = bytes;
        pack->room = room;
    }
    pack->size += size;
    return pack->bytes + pack->size - size;
}

static bool pack_record(struct pack *pack, const struct record *record)
{
    size_t owner_size = name_size(record->owner);
    uint8_t *p = pack_reserve(pack, PACKED_FIXED + owner_size + record->rdata_size);
    if (!p)
        return false;
    wire_put_u16(p, record->type);
    wire_put_u32(p + 2, record->ttl);
    wire_put_u16(p + 6, record->rdata_size);
    memcpy(p + PACKED_FIXED, record->owner, owner_size);
    if (record->rdata_size > 0)
        memcpy(p + PACKED_FIXED + owner_size, record->rdata, record->rdata_size);
    return true;
}

/* The record packed at `p`. Returns its size there. */
static size_t unpack(const uint8_t *p, struct record *ret)
{
    size_t owner_size = name_size(p + PACKED_FIXED);
    *ret = (struct record){
        .owner = p + PACKED_FIXED,
        .rdata = p + PACKED_FIXED + owner_size,
        .ttl = wire_get_u32(p + 2),
        .rdata_size = wire_get_u16(p + 6),
        .type = wire_get_u16(p),
        .class = CLASS_IN,
    };
    return PACKED_FIXED + owner_size + ret->rdata_size;
}

static int version_of(const struct pack *removed, const struct pack *added, uint32_t from,
                      uint32_t to, struct zone_version **ret)
{
    struct zone_version *version = malloc(sizeof *version + removed->size + added->size);
    if (!version)
        return ERR_MEMORY;
    atomic_init(&version->references, 1);
    version->from = from;
    version->to = to;
    version->removed_size = removed->size;
    version->added_size = added->size;
    memcpy(version->bytes, removed->bytes, removed->size);
    memcpy(version->bytes + removed->size, added->bytes, added->size);
    *ret = version;
    return 0;
}

struct zone_version *zone_version_hold(struct zone_version *version)
{
    atomic_fetch_add_explicit(&version->references, 1, memory_order_relaxed);
    return version;
}

void zone_version_release(struct zone_version *version)
{
    if (version && atomic_fetch_sub_explicit(&version->references, 1, memory_order_acq_rel) == 1)
        free(version);
}

size_t zone_version_bytes(const struct zone_version *version)
{
    return sizeof *version + version->removed_size + version->added_size;
}

bool zone_version_next(const struct zone_version *version, size_t *at, struct record *ret_record)
{
    if (*at >= version->removed_size + version->added_size)
        return false;
    *at += unpack(version->bytes + *at, ret_record);
    return true;
}

/* -- what differs ------------------------------------------------------------------------------ */

struct comparison {
    const struct zone_state *before, *after;
    size_t max_bytes;
    struct pack removed, added;
};

static bool pack_soa(struct pack *pack, const struct zone_state *state)
{
    struct zone_rrset soa;
    if (!zone_soa(state, &soa))
        return false;
    struct record record = zone_record(&soa, 0);
    return pack_record(pack, &record);
}

static int put(const struct comparison *c, struct pack *pack, const struct record *record)
{
    if (c->removed.size + c->added.size > c->max_bytes)
        return ERR_TOO_LARGE;
    return pack_record(pack, record) ? 0 : ERR_MEMORY;
}

/*
 * Both have their records in one order: those that only one of them has are what differs. Were an order another, a
 * record would be removed and added again, which is true as well.
 */
static int compare_rrsets(struct comparison *c, const struct zone_rrset *before,
                          const struct zone_rrset *after)
{
    size_t i = 0, j = 0;
    int error = 0;
    while (error == 0 && (i < before->count || j < after->count)) {
        struct record old = {.owner = NULL}, new = {.owner = NULL};
        int order = i == before->count ? 1 : j == after->count ? -1 : 0;
        if (i < before->count)
            old = zone_record(before, i);
        if (j < after->count)
            new = zone_record(after, j);
        if (order == 0)
            order = rdata_compare(old.type, old.rdata, old.rdata_size, new.rdata, new.rdata_size);
        bool same =
            order == 0 && old.ttl == new.ttl &&old.rdata_size ==
                              new.rdata_size &&memcmp(old.rdata, new.rdata, old.rdata_size) == 0;
        if (order <= 0)
            i++;
        if (order >= 0)
            j++;
        if (order <= 0 && !same)
            error = put(c, &c->removed, &old);
        if (error == 0 && order >= 0 && !same)
            error = put(c, &c->added, &new);
    }
    return error;
}

static int compare_type(struct comparison *c, const uint8_t *owner, uint16_t type)
{
    struct zone_rrset before = {.count = 0}, after = {.count = 0};
    if (!zone_find(c->before, owner, type, &before))
        before.count = 0;
    if (!zone_find(c->after, owner, type, &after))
        after.count = 0;
    return compare_rrsets(c, &before, &after);
}

struct name_walk {
    struct comparison *comparison;
    const uint8_t *owner;
    int error;
};

static bool remove_one(void *arg, const struct zone_rrset *rrset)
{
    static const struct zone_rrset none = {.count = 0};
    struct name_walk *walk = arg;
    if (!name_equal(rrset->owner, walk->owner))
        return false;
    if (rrset->type != TYPE_SOA)
        walk->error = compare_rrsets(walk->comparison, rrset, &none);
    return walk->error == 0;
}

static int compare_change(void *arg, const struct change *change)
{
    struct comparison *c = arg;
    if (change->op == CHANGE_FLUSH || change->type == TYPE_SOA)
        return 0;
    if (change->type != 0)
        return compare_type(c, change->name, change->type);
    struct name_walk walk = {.comparison = c, .owner = change->name};
    zone_each_after(c->before, change->name, 0, remove_one, &walk);
    return walk.error;
}

static bool same_soa(const struct pack *a, const struct pack *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

int zone_version_between(const struct zone_state *before, const struct zone_state *after,
                         size_t max_bytes, struct zone_version **ret_version)
{
    struct comparison c = {.before = before, .after = after, .max_bytes = max_bytes};
    uint32_t from, to;
    int error = ERR_NOT_FOUND;
    if (!zone_serial(before, &from) || !zone_serial(after, &to))
        return ERR_NOT_FOUND;
    if (!pack_soa(&c.removed, before) || !pack_soa(&c.added, after)) {
        error = ERR_MEMORY;
        goto done;
    }
    bool same = same_soa(&c.removed, &c.added);
    size_t only_soa = c.removed.size + c.added.size;
    error = zone_differ(before, after, compare_change, &c);
    if (error == 0 && same && c.removed.size + c.added.size == only_soa)
        error = ERR_NOT_FOUND;
    if (error == 0)
        error = version_of(&c.removed, &c.added, from, to, ret_version);
done:
    free(c.removed.bytes);
    free(c.added.bytes);
    return error;
}

/* -- many as one ------------------------------------------------------------------------------- */

struct net {
    const uint8_t *bytes; /* packed, in a version */
    size_t size;
    bool added;
    UT_hash_handle hh;
};

struct merge {
    struct net *table, *rooms;
    size_t used;
};

/* Removes it if the other way round is there, else takes it. */
static void take(struct merge *merge, const uint8_t *bytes, size_t size, bool added)
{
    struct net *net;
    HASH_FIND(hh, merge->table, bytes, size, net);
    if (net && net->added != added) {
        HASH_DEL(merge->table, net);
        return;
    }
    if (net)
        return;
    net = &merge->rooms[merge->used++];
    *net = (struct net){.bytes = bytes, .size = size, .added = added};
    HASH_ADD_KEYPTR(hh, merge->table, net->bytes, size, net);
}

static void take_version(struct merge *merge, const struct zone_version *version)
{
    struct record record;
    for (size_t at = 0, before = 0; zone_version_next(version, &at, &record); before = at) {
        if (record.type != TYPE_SOA)
            take(merge, version->bytes + before, at - before, before >= version->removed_size);
    }
}

static size_t records_of(const struct zone_version *version)
{
    struct record record;
    size_t count = 0;
    for (size_t at = 0; zone_version_next(version, &at, &record);)
        count++;
    return count;
}

static bool pack_bytes(struct pack *pack, const uint8_t *bytes, size_t size)
{
    uint8_t *p = pack_reserve(pack, size);
    if (p)
        memcpy(p, bytes, size);
    return p != NULL;
}

/* The SOA that a part begins with. */
static bool pack_first(struct pack *pack, const uint8_t *part)
{
    struct record soa;
    return pack_bytes(pack, part, unpack(part, &soa));
}

static int pack_merge(const struct merge *merge, const struct zone_version *first,
                      const struct zone_version *last, struct zone_version **ret)
{
    struct pack removed = {.size = 0}, added = {.size = 0};
    bool fits =
        pack_first(&removed, first->bytes) && pack_first(&added, last->bytes + last->removed_size);
    for (const struct net *net = merge->table; fits && net; net = net->hh.next)
        fits = pack_bytes(net->added ? &added : &removed, net->bytes, net->size);
    int error = fits ? version_of(&removed, &added, first->from, last->to, ret) : ERR_MEMORY;
    free(removed.bytes);
    free(added.bytes);
    return error;
}

int zone_version_merge(struct zone_version *const *each, size_t count,
                       struct zone_version **ret_version)
{
    size_t records = 0;
    for (size_t i = 0; i < count; i++)
        records += records_of(each[i]);
    struct merge merge = {.rooms = calloc(records, sizeof *merge.rooms)};
    if (!merge.rooms)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        take_version(&merge, each[i]);
    int error = pack_merge(&merge, each[0], each[count - 1], ret_version);
    HASH_CLEAR(hh, merge.table);
    free(merge.rooms);
    return error;
}
