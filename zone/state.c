/* state.c - see state.h. */
#include "zone/state.h"

#include "dns/name.h"

/* -- names ------------------------------------------------------------------------------------- */

static void make_key(const struct zone_state *state, const uint8_t *name, struct key *ret)
{
    key_make(name, name_size(name), state->apex_size, ret);
}

int state_compare(const struct zone_state *state, const uint8_t *a, const uint8_t *b)
{
    struct key one, other;
    make_key(state, a, &one);
    make_key(state, b, &other);
    const unsigned place = key_differ(&one, &other);
    return place == KEY_SAME ? 0 : (int)key_way(&one, place) - (int)key_way(&other, place);
}

const struct node *state_node(const struct zone_state *state, const uint8_t *owner)
{
    struct key key;
    if (!name_is_within(owner, state->apex))
        return NULL;
    make_key(state, owner, &key);
    const struct node *node = tree_find(state->names, &key);
    return node ? node : tree_find(state->hashes, &key);
}

/* The apex comes first of all. */
bool state_apex_find(const struct zone_state *state, uint16_t type, struct zone_rrset *ret)
{
    if (!state->names)
        return false;
    const struct node *node = tree_first_of(state->names);
    return node->name_size == state->apex_size && node_find(node, type, ret);
}

/* -- in order ---------------------------------------------------------------------------------- */

/* Of the two places the first; a node that is in both trees is passed once. */
static void choose(struct state_cursor *cursor, size_t apex_size)
{
    const struct node *name = cursor->names.node, *hash = cursor->hashes.node;
    if (!name || !hash) {
        cursor->node = name ? name : hash;
        return;
    }
    const struct zone_state state = {.apex_size = (uint8_t)apex_size};
    cursor->node = state_compare(&state, node_name(name), node_name(hash)) <= 0 ? name : hash;
}

void state_first(const struct zone_state *state, struct state_cursor *ret)
{
    tree_first(state->names, &ret->names);
    tree_first(state->hashes, &ret->hashes);
    ret->apex_size = state->apex_size;
    choose(ret, ret->apex_size);
}

void state_next(struct state_cursor *cursor)
{
    const struct node *node = cursor->node;
    if (cursor->names.node == node)
        tree_next(&cursor->names);
    if (cursor->hashes.node == node)
        tree_next(&cursor->hashes);
    choose(cursor, cursor->apex_size);
}

static void seek_tree(tree_twig root, const struct key *key, struct tree_cursor *ret)
{
    if (tree_seek(root, key, ret) == KEY_SAME)
        return;
    if (ret->node)
        tree_next(ret);
    else
        tree_first(root, ret);
}

void state_seek(const struct zone_state *state, const uint8_t *owner, struct state_cursor *ret)
{
    struct key key;
    make_key(state, owner, &key);
    seek_tree(state->names, &key, &ret->names);
    seek_tree(state->hashes, &key, &ret->hashes);
    ret->apex_size = state->apex_size;
    choose(ret, ret->apex_size);
}
