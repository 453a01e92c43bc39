/* update.c - see update.h. */
#include "zone/update.h"

#include <stdlib.h>
#include <string.h>

#include "zone/differ.h"
#include "zone/record.h"

enum { TYPE_KEY = 25 };

struct judge {
    struct zone_edit *edit;
    const uint8_t *apex;
    const struct update *update;
    update_may may;
    void *arg;
    struct update_verdict *verdict;
};

/* False, with the reason. */
static bool refuse(struct judge *judge, uint16_t rcode, const struct record *record,
                   const char *why)
{
    *judge->verdict = (struct update_verdict){.rcode = rcode, .record = record, .why = why};
    return false;
}

/* -- what is there ----------------------------------------------------------------------------- */

static bool take_first(void *arg, const struct zone_rrset *rrset)
{
    *(struct zone_rrset *)arg = *rrset;
    return false;
}

/* Whether the name has a record; empty non-terminals are not in use (RFC 2136 2.4.4). */
static bool is_in_use(const struct zone_state *state, const uint8_t *name)
{
    struct zone_rrset first = {.owner = NULL};
    zone_each_after(state, name, 0, take_first, &first);
    return first.owner && name_equal(first.owner, name);
}

static bool is_there(const struct zone_state *state, const uint8_t *name, uint16_t type)
{
    struct zone_rrset rrset;
    return zone_find(state, name, type, &rrset);
}

static bool rrset_has(const struct zone_rrset *rrset, const struct record *record)
{
    for (size_t k = 0; k < rrset->count; k++) {
        struct rdata_view one = zone_rdata(rrset, k);
        if (rdata_compare(record->type, one.bytes, one.size, record->rdata, record->rdata_size) ==
            0)
            return true;
    }
    return false;
}

/* -- prerequisites (RFC 2136 3.2) -------------------------------------------------------------- */

static bool prerequisite_any(struct judge *judge, const struct zone_state *state,
                             const struct record *record)
{
    if (record->rdata_size != 0)
        return refuse(judge, RCODE_FORMERR, record, "prerequisite: RDATA in class ANY");
    if (record->type == TYPE_ANY)
        return is_in_use(state, record->owner) ||
               refuse(judge, RCODE_NXDOMAIN, record, "prerequisite: the name is not in use");
    if (type_is_meta(record->type))
        return refuse(judge, RCODE_FORMERR, record, "prerequisite: a type that no record has");
    return is_there(state, record->owner, record->type) ||
           refuse(judge, RCODE_NXRRSET, record, "prerequisite: the RRset does not exist");
}

static bool prerequisite_none(struct judge *judge, const struct zone_state *state,
                              const struct record *record)
{
    if (record->rdata_size != 0)
        return refuse(judge, RCODE_FORMERR, record, "prerequisite: RDATA in class NONE");
    if (record->type == TYPE_ANY)
        return !is_in_use(state, record->owner) ||
               refuse(judge, RCODE_YXDOMAIN, record, "prerequisite: the name is in use");
    if (type_is_meta(record->type))
        return refuse(judge, RCODE_FORMERR, record, "prerequisite: a type that no record has");
    return !is_there(state, record->owner, record->type) ||
           refuse(judge, RCODE_YXRRSET, record, "prerequisite: the RRset exists");
}

static bool prerequisite(struct judge *judge, const struct zone_state *state,
                         const struct record *record)
{
    if (record->ttl != 0)
        return refuse(judge, RCODE_FORMERR, record, "prerequisite: a TTL that is not 0");
    if (!name_is_within(record->owner, judge->apex))
        return refuse(judge, RCODE_NOTZONE, record, "prerequisite: a name outside the zone");
    if (record->class == CLASS_ANY)
        return prerequisite_any(judge, state, record);
    if (record->class == CLASS_NONE)
        return prerequisite_none(judge, state, record);
    if (record->class != judge->update->zone.class)
        return refuse(judge, RCODE_FORMERR, record, "prerequisite: another class than the zone's");
    if (type_is_meta(record->type))
        return refuse(judge, RCODE_FORMERR, record, "prerequisite: a type that no record has");
    return true; /* seen to with the others of its RRset */
}

static int compare_records(const void *a, const void *b)
{
    const struct record *one = *(const struct record *const *)a;
    const struct record *other = *(const struct record *const *)b;
    int order = name_compare(one->owner, other->owner);
    if (order == 0)
        order = (one->type > other->type) - (one->type < other->type);
    if (order == 0)
        order =
            rdata_compare(one->type, one->rdata, one->rdata_size, other->rdata, other->rdata_size);
    return order;
}

static bool same_rrset(const struct record *a, const struct record *b)
{
    return a->type == b->type && name_equal(a->owner, b->owner);
}

/* `count` records of one RRset, in order: whether the zone has just these. Returns how many they are in `*ret_count`. */
static bool rrset_is(const struct zone_state *state, const struct record **sorted, size_t left,
                     size_t *ret_count)
{
    struct zone_rrset rrset;
    bool found = zone_find(state, sorted[0]->owner, sorted[0]->type, &rrset), all = found;
    size_t distinct = 0, i;
    for (i = 0; i < left && same_rrset(sorted[0], sorted[i]); i++) {
        if (i > 0 && compare_records(&sorted[i - 1], &sorted[i]) == 0)
            continue;
        distinct++;
        all = all && distinct <= rrset.count && rrset_has(&rrset, sorted[i]);
    }
    *ret_count = i;
    return all && distinct == rrset.count;
}

/* RRsets that have to be there with just these values (RFC 2136 2.4.2, 3.2.3). */
static int prerequisite_values(struct judge *judge, const struct zone_state *state, bool *ret_hold)
{
    const struct update *update = judge->update;
    const struct record *all = update_prerequisites(update);
    size_t count = 0, same;
    const struct record **sorted = malloc((update->prerequisite_count + 1) * sizeof *sorted);
    if (!sorted)
        return ERR_MEMORY;
    for (size_t i = 0; i < update->prerequisite_count; i++) {
        if (all[i].class == update->zone.class)
            sorted[count++] = &all[i];
    }
    if (count > 0)
        qsort(sorted, count, sizeof *sorted, compare_records);
    *ret_hold = true;
    for (size_t i = 0; i < count && *ret_hold; i += same) {
        *ret_hold =
            rrset_is(state, sorted + i, count - i, &same) ||
            refuse(judge, RCODE_NXRRSET, sorted[i], "prerequisite: the RRset has not these values");
    }
    free(sorted);
    return 0;
}

static int prerequisites(struct judge *judge, bool *ret_hold)
{
    const struct zone_state *state = zone_edit_state(judge->edit);
    const struct record *all = update_prerequisites(judge->update);
    *ret_hold = true;
    for (size_t i = 0; i < judge->update->prerequisite_count && *ret_hold; i++)
        *ret_hold = prerequisite(judge, state, &all[i]);
    return *ret_hold ? prerequisite_values(judge, state, ret_hold) : 0;
}

/* -- well formed, and permitted (RFC 2136 3.3, 3.4.1) ------------------------------------------ */

static bool is_formed(struct judge *judge, const struct record *record)
{
    bool all = record->class == CLASS_ANY && record->type == TYPE_ANY;
    if (!name_is_within(record->owner, judge->apex))
        return refuse(judge, RCODE_NOTZONE, record, "update: a name outside the zone");
    if (record->class != judge->update->zone.class && record->class != CLASS_ANY &&
        record->class != CLASS_NONE)
        return refuse(judge, RCODE_FORMERR, record, "update: another class than the zone's");
    if (type_is_meta(record->type) && !all)
        return refuse(judge, RCODE_FORMERR, record, "update: a type that no record has");
    if (record->class != judge->update->zone.class && record->ttl != 0)
        return refuse(judge, RCODE_FORMERR, record, "update: a TTL in what is to be deleted");
    if (record->class == CLASS_ANY && record->rdata_size != 0)
        return refuse(judge, RCODE_FORMERR, record, "update: RDATA in class ANY");
    return true;
}

/* The SOA and the NS of the apex stay when a name or an RRset is deleted (RFC 2136 3.4.2.3). */
static bool is_kept(const struct judge *judge, const uint8_t *name, uint16_t type)
{
    return (type == TYPE_SOA || type == TYPE_NS) && name_equal(name, judge->apex);
}

struct name_walk {
    struct judge *judge;
    const uint8_t *name;
    bool permitted;
};

static bool permit_one(void *arg, const struct zone_rrset *rrset)
{
    struct name_walk *walk = arg;
    struct judge *judge = walk->judge;
    if (!name_equal(rrset->owner, walk->name))
        return false;
    walk->permitted = is_kept(judge, rrset->owner, rrset->type) ||
                      judge->may(judge->arg, rrset->owner, rrset->type);
    return walk->permitted;
}

static bool is_permitted(struct judge *judge, const struct record *record)
{
    struct name_walk walk = {.judge = judge, .name = record->owner, .permitted = true};
    if (!judge->may)
        return true;
    if (record->type == TYPE_ANY)
        zone_each_after(zone_edit_state(judge->edit), record->owner, 0, permit_one, &walk);
    else
        walk.permitted = judge->may(judge->arg, record->owner, record->type);
    return walk.permitted || refuse(judge, RCODE_REFUSED, record, "update: the policy forbids it");
}

/* All are looked at before any is made. */
static bool scan(struct judge *judge)
{
    const struct record *all = update_changes(judge->update);
    for (size_t i = 0; i < judge->update->update_count; i++) {
        if (!is_formed(judge, &all[i]))
            return false;
    }
    for (size_t i = 0; i < judge->update->update_count; i++) {
        if (!is_permitted(judge, &all[i]))
            return false;
    }
    return true;
}

/* -- made (RFC 2136 3.4.2) --------------------------------------------------------------------- */

static int change_record(struct judge *judge, enum change_op op, const struct record *record)
{
    struct rdata_view rdata = {.bytes = record->rdata, .size = record->rdata_size};
    const struct change change = {
        .op = op,
        .type = record->type,
        .ttl = record->ttl,
        .name = record->owner,
        .rdata = &rdata,
        .rdata_count = 1,
    };
    return zone_edit_change(judge->edit, &change);
}

static int delete_rrset(struct judge *judge, const uint8_t *name, uint16_t type)
{
    const struct change change = {.op = CHANGE_DEL, .type = type, .name = name};
    return zone_edit_change(judge->edit, &change);
}

/* Types that may stand beside a CNAME: those of its own proof (RFC 4034 2.5), and KEY (RFC 3007). */
static bool goes_with_cname(uint16_t type)
{
    return type == TYPE_CNAME || type == TYPE_RRSIG || type == TYPE_NSEC || type == TYPE_KEY;
}

static bool find_other(void *arg, const struct zone_rrset *rrset)
{
    struct name_walk *walk = arg;
    if (!name_equal(rrset->owner, walk->name))
        return false;
    walk->permitted = goes_with_cname(rrset->type);
    return walk->permitted;
}

/* Whether a CNAME would come to stand beside other data (RFC 2136 3.4.2.2). */
static bool collides_with_cname(const struct zone_state *state, const struct record *record)
{
    struct name_walk walk = {.name = record->owner, .permitted = true};
    if (record->type != TYPE_CNAME)
        return !goes_with_cname(record->type) && is_there(state, record->owner, TYPE_CNAME);
    zone_each_after(state, record->owner, 0, find_other, &walk);
    return !walk.permitted;
}

static uint32_t soa_serial(struct rdata_view soa)
{
    return wire_get_u32(soa.bytes + soa.size -
                        20); /* before four other numbers (RFC 1035 3.3.13) */
}

/* A SOA replaces that of the apex, if it is not an older one (RFC 2136 3.4.2.2). */
static int add_soa(struct judge *judge, const struct record *record)
{
    struct zone_rrset soa;
    if (!zone_find(zone_edit_state(judge->edit), record->owner, TYPE_SOA, &soa))
        return 0;
    uint32_t serial = soa_serial(zone_rdata(&soa, 0));
    uint32_t wanted =
        soa_serial((struct rdata_view){.bytes = record->rdata, .size = record->rdata_size});
    if (wanted != serial && !serial_is_newer(wanted, serial))
        return 0;
    return change_record(judge, CHANGE_SET, record);
}

static int add(struct judge *judge, const struct record *record)
{
    if (record->type == TYPE_SOA)
        return add_soa(judge, record);
    if (collides_with_cname(zone_edit_state(judge->edit), record))
        return 0;
    bool single = record->type == TYPE_CNAME || record->type == TYPE_DNAME;
    return change_record(judge, single ? CHANGE_SET : CHANGE_ADD, record);
}

/* All RRsets of a name, but for the two that an apex has to keep. */
static int delete_name(struct judge *judge, const uint8_t *name)
{
    struct zone_rrset rrset = {.type = 0};
    if (!name_equal(name, judge->apex))
        return delete_rrset(judge, name, 0);
    for (uint16_t last = 0;; last = rrset.type) {
        rrset.owner = NULL;
        zone_each_after(zone_edit_state(judge->edit), name, last, take_first, &rrset);
        if (!rrset.owner || !name_equal(rrset.owner, name))
            return 0;
        if (is_kept(judge, name, rrset.type))
            continue;
        int error = delete_rrset(judge, name, rrset.type);
        if (error < 0)
            return error;
    }
}

static int delete_record(struct judge *judge, const struct record *record)
{
    struct zone_rrset ns;
    if (record->type == TYPE_SOA)
        return 0;
    if (is_kept(judge, record->owner, record->type) &&
        zone_find(zone_edit_state(judge->edit), record->owner, TYPE_NS, &ns) && ns.count == 1)
        return 0; /* the last one (RFC 2136 3.4.2.4) */
    return change_record(judge, CHANGE_DEL, record);
}

static int make(struct judge *judge, const struct record *record)
{
    if (record->class == CLASS_NONE)
        return delete_record(judge, record);
    if (record->class != CLASS_ANY)
        return add(judge, record);
    if (record->type == TYPE_ANY)
        return delete_name(judge, record->owner);
    return is_kept(judge, record->owner, record->type)
               ? 0
               : delete_rrset(judge, record->owner, record->type);
}

int zone_update(struct zone_edit *edit, const uint8_t *apex, const struct update *update,
                update_may may, void *arg, struct update_verdict *ret_verdict)
{
    struct update_verdict verdict = {.rcode = RCODE_NOERROR};
    struct judge judge = {edit, apex, update, may, arg, &verdict};
    bool hold = false;
    int error = prerequisites(&judge, &hold);
    if (error < 0)
        return error;
    if (hold && scan(&judge)) {
        const struct record *all = update_changes(update);
        for (size_t i = 0; i < update->update_count && error == 0; i++)
            error = make(&judge, &all[i]);
        if (error < 0)
            return error;
    }
    *ret_verdict = verdict;
    return 0;
}

/* -- published --------------------------------------------------------------------------------- */

static int collect(void *arg, const struct change *change)
{
    return change->type == TYPE_SOA ? 0 : change_list_add(arg, change);
}

static bool same_soa(const struct zone_rrset *a, const struct zone_rrset *b)
{
    struct rdata_view one = zone_rdata(a, 0), other = zone_rdata(b, 0);
    return a->ttl == b->ttl && one.size == other.size &&
           memcmp(one.bytes, other.bytes, one.size) == 0;
}

/* Puts a SOA with this serial into the edit, and behind the other changes. */
static int set_serial(struct zone_edit *edit, const struct zone_rrset *soa, uint32_t serial,
                      struct change_list *list)
{
    uint8_t owner[NAME_MAX_SIZE], bytes[2 * NAME_MAX_SIZE + 20];
    struct rdata_view old = zone_rdata(soa, 0), rdata = {.bytes = bytes, .size = old.size};
    const struct change change = {
        .op = CHANGE_SET,
        .type = TYPE_SOA,
        .ttl = soa->ttl,
        .name = owner,
        .rdata = &rdata,
        .rdata_count = 1,
    };
    memcpy(owner, soa->owner, name_size(soa->owner));
    memcpy(bytes, old.bytes, old.size);
    wire_put_u32(bytes + old.size - 20, serial);
    int error = zone_edit_change(edit, &change);
    return error < 0 ? error : change_list_add(list, &change);
}

int zone_update_finish(struct zone_edit *edit, const struct zone_state *before,
                       enum serial_policy policy, uint64_t now, struct change_list *list,
                       uint32_t *ret_serial)
{
    struct zone_rrset old, new;
    if (!zone_soa(before, &old) || !zone_soa(zone_edit_state(edit), &new))
        return ERR_NOT_FOUND;
    int error = zone_differ(before, zone_edit_state(edit), collect, list);
    if (error < 0)
        return error;
    uint32_t serial = soa_serial(zone_rdata(&old, 0)), next = soa_serial(zone_rdata(&new, 0));
    if (list->count > 0 || !same_soa(&old, &new)) {
        if (!serial_is_newer(next, serial))
            next = serial_next(serial, policy, now);
        error = set_serial(edit, &new, next, list);
    }
    if (error == 0)
        *ret_serial = next;
    return error;
}
