/* read.c - what can be read of a state: that part of zone.h. */
#include "dns/wire.h"
#include "zone/state.h"
#include "zone/zone.h"

bool zone_find(const struct zone_state *state, const uint8_t *owner, uint16_t type,
               struct zone_rrset *ret_rrset)
{
    const struct node *node = state_node(state, owner);
    return node && node_find(node, type, ret_rrset);
}

bool zone_serial(const struct zone_state *state, uint32_t *ret_serial)
{
    enum { BEHIND_SERIAL = 16 }; /* refresh, retry, expire, minimum (RFC 1035 3.3.13) */
    struct zone_rrset soa;
    if (!zone_find(state, state->apex, TYPE_SOA, &soa))
        return false;
    const struct rdata_view rdata = zone_rdata(&soa, 0);
    if (rdata.size < BEHIND_SERIAL + 4)
        return false;
    *ret_serial = wire_get_u32(rdata.bytes + rdata.size - BEHIND_SERIAL - 4);
    return true;
}

void zone_size(const struct zone_state *state, struct zone_size *ret_size)
{
    const struct state_count *count = &state->count;
    *ret_size = (struct zone_size){count->names, count->rrsets, count->records, count->bytes};
}

typedef bool (*each_rrset)(void *arg, const struct zone_rrset *rrset);

/* The RRsets from one on. */
static bool each_from(struct zone_rrset *rrset, each_rrset each, void *arg)
{
    do {
        if (!each(arg, rrset))
            return false;
    } while (node_next(rrset->node, rrset));
    return true;
}

static bool each_node(struct state_cursor *cursor, each_rrset each, void *arg)
{
    struct zone_rrset rrset;
    for (; cursor->node; state_next(cursor))
        if (node_first(cursor->node, &rrset) && !each_from(&rrset, each, arg))
            return false;
    return true;
}

bool zone_each(const struct zone_state *state, each_rrset each, void *arg)
{
    struct state_cursor cursor;
    state_first(state, &cursor);
    return each_node(&cursor, each, arg);
}

/* The RRsets of a name that come behind a type. */
static bool each_behind(const struct node *node, uint16_t type, each_rrset each, void *arg)
{
    struct zone_rrset rrset;
    bool more = node_first(node, &rrset);
    while (more && node_order(rrset.type) <= node_order(type))
        more = node_next(node, &rrset);
    return !more || each_from(&rrset, each, arg);
}

bool zone_each_after(const struct zone_state *state, const uint8_t *owner, uint16_t type,
                     each_rrset each, void *arg)
{
    struct state_cursor cursor;
    if (!owner || !name_is_within(owner, state->apex))
        return zone_each(state, each, arg);
    state_seek(state, owner, &cursor);
    if (cursor.node && name_equal(node_name(cursor.node), owner)) {
        if (!each_behind(cursor.node, type, each, arg))
            return false;
        state_next(&cursor);
    }
    return each_node(&cursor, each, arg);
}
