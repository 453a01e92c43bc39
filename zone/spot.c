/* spot.c - see spot.h. */
#include "zone/spot.h"

static bool is_cut(const struct zone_state *state, const struct node *node)
{
    return node->name_size != state->apex_size && node_has(node, TYPE_NS);
}

/* The topmost node above a name that says who answers for all below it. */
static bool find_above(const struct zone_state *state, const struct tree_trace *trace,
                       struct spot *ret)
{
    for (size_t i = 0; i < trace->above_count; i++) {
        const struct node *node = trace->above[i];
        const bool cut = is_cut(state, node);
        if (cut || node_has(node, TYPE_DNAME)) {
            *ret = (struct spot){.kind = cut ? SPOT_CUT : SPOT_DNAME, .node = node};
            return true;
        }
    }
    return false;
}

/* The wildcard right below a name's closest encloser, if it exists (RFC 4592 3.3.1). */
static void find_wildcard(const struct zone_state *state, const uint8_t *name, struct spot *ret)
{
    uint8_t wildcard[NAME_MAX_SIZE] = {1, '*'};
    struct tree_trace trace;
    struct key key;
    const uint8_t *encloser = name;
    for (size_t labels = name_labels(name); labels > ret->encloser_labels; labels--)
        encloser = name_parent(encloser);
    const size_t size = name_size(encloser); /* at least a label is missing: there is room */
    memcpy(wildcard + 2, encloser, size);
    key_make(wildcard, size + 2, state->apex_size, &key);
    tree_trace(state->names, &key, &trace);
    ret->is_wildcard = trace.node || trace.parted == 2u * key.size;
    ret->node = trace.node;
    ret->kind = trace.node ? SPOT_NODE : ret->is_wildcard ? SPOT_EMPTY : SPOT_NOTHING;
}

void spot_find(const struct zone_state *state, const uint8_t *name, struct spot *ret)
{
    struct tree_trace trace;
    struct key key;
    key_make(name, name_size(name), state->apex_size, &key);
    tree_trace(state->names, &key, &trace);
    if (find_above(state, &trace, ret))
        return;
    *ret = (struct spot){.node = trace.node};
    if (trace.node)
        ret->kind = is_cut(state, trace.node) ? SPOT_CUT : SPOT_NODE;
    else if (trace.parted == 2u * key.size)
        ret->kind = SPOT_EMPTY;
    else {
        ret->encloser_labels = name_labels(state->apex) + key_labels(&key, trace.parted);
        find_wildcard(state, name, ret);
    }
}
