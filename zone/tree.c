/* tree.c - see tree.h. */
#include "zone/tree.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct tree_branch) == 8, "two numbers before the twigs");
static_assert(KEY_MAX_PLACES < 1 << 15, "a place fits a branch's shape");

enum { SHAPE_WAYS = 17 };

static tree_twig twig_of_node(struct node *node)
{
    return (tree_twig)node + 1;
}

static size_t branch_size(unsigned count)
{
    return sizeof(struct tree_branch) + count * sizeof(tree_twig);
}

static bool has_way(const struct tree_branch *branch, unsigned way)
{
    return tree_ways(branch) >> way & 1;
}

/* How many twigs are before a way's. */
static unsigned twigs_before(const struct tree_branch *branch, unsigned way)
{
    return (unsigned)__builtin_popcount(tree_ways(branch) & ((1u << way) - 1));
}

const struct node *tree_first_of(tree_twig twig)
{
    while (!tree_is_node(twig))
        twig = tree_branch(twig)->twigs[0];
    return tree_node(twig);
}

static bool is_name_of(const struct node *node, const struct key *key)
{
    return node->name_size == key->name_size &&
           memcmp(node_name(node), key->name, key->name_size) == 0;
}

const struct node *tree_find(tree_twig root, const struct key *key)
{
    while (root && !tree_is_node(root)) {
        const struct tree_branch *branch = tree_branch(root);
        root = tree_twig_of(branch, key_way(key, tree_place(branch)));
    }
    return root && is_name_of(tree_node(root), key) ? tree_node(root) : NULL;
}

/* Where a node's name and the key part, or KEY_SAME; then how long the node's own key is, bytes. */
static unsigned differ(const struct node *node, const struct key *key, unsigned *ret_size)
{
    struct key other;
    if (is_name_of(node, key))
        return KEY_SAME;
    key_make(node_name(node), node->name_size, key->apex_size, &other);
    *ret_size = other.size;
    return key_differ(&other, key);
}

/* -- in order ---------------------------------------------------------------------------------- */

static void push(struct tree_cursor *cursor, const struct tree_branch *branch, unsigned twig)
{
    cursor->steps[cursor->depth].branch = branch;
    cursor->steps[cursor->depth++].twig = twig;
}

static void descend(struct tree_cursor *cursor, tree_twig twig, bool to_last)
{
    while (!tree_is_node(twig)) {
        const struct tree_branch *branch = tree_branch(twig);
        const unsigned at = to_last ? tree_count(branch) - 1 : 0;
        push(cursor, branch, at);
        twig = branch->twigs[at];
    }
    cursor->node = tree_node(twig);
}

void tree_first(tree_twig root, struct tree_cursor *ret)
{
    ret->depth = 0;
    ret->node = NULL;
    if (root)
        descend(ret, root, false);
}

void tree_last(tree_twig root, struct tree_cursor *ret)
{
    ret->depth = 0;
    ret->node = NULL;
    if (root)
        descend(ret, root, true);
}

void tree_next(struct tree_cursor *cursor)
{
    cursor->node = NULL;
    while (cursor->depth > 0) {
        const struct tree_branch *branch = cursor->steps[cursor->depth - 1].branch;
        const unsigned at = ++cursor->steps[cursor->depth - 1].twig;
        if (at < tree_count(branch)) {
            descend(cursor, branch->twigs[at], false);
            return;
        }
        cursor->depth--;
    }
}

void tree_previous(struct tree_cursor *cursor)
{
    cursor->node = NULL;
    while (cursor->depth > 0) {
        if (cursor->steps[cursor->depth - 1].twig > 0) {
            const unsigned at = --cursor->steps[cursor->depth - 1].twig;
            descend(cursor, cursor->steps[cursor->depth - 1].branch->twigs[at], true);
            return;
        }
        cursor->depth--;
    }
}

/* A node that goes with the key as far as any does. */
static const struct node *most_similar(tree_twig root, const struct key *key)
{
    while (!tree_is_node(root)) {
        const struct tree_branch *branch = tree_branch(root);
        const tree_twig next = tree_twig_of(branch, key_way(key, tree_place(branch)));
        root = next ? next : branch->twigs[0];
    }
    return tree_node(root);
}

/* From a subtree that does not have the key's name, which parts from all of it at a place: the last node before it. */
static void seek_beside(struct tree_cursor *cursor, tree_twig twig, const struct key *key,
                        const struct node *similar, unsigned parted)
{
    struct key other;
    const unsigned way = key_way(key, parted);
    if (!tree_is_node(twig) && tree_place(tree_branch(twig)) == parted) {
        const unsigned before = twigs_before(tree_branch(twig), way);
        push(cursor, tree_branch(twig), before);
        tree_previous(cursor); /* of its twigs the one before, if there is one */
        return;
    }
    key_make(node_name(similar), similar->name_size, key->apex_size, &other);
    if (key_way(&other, parted) < way)
        descend(cursor, twig, true);
    else
        tree_previous(cursor);
}

unsigned tree_seek(tree_twig root, const struct key *key, struct tree_cursor *ret)
{
    ret->depth = 0;
    ret->node = NULL;
    if (!root)
        return 0;
    unsigned size;
    const struct node *similar = most_similar(root, key);
    const unsigned parted = differ(similar, key, &size);
    while (!tree_is_node(root) && tree_place(tree_branch(root)) < parted) {
        const struct tree_branch *branch = tree_branch(root);
        const unsigned at = twigs_before(branch, key_way(key, tree_place(branch)));
        push(ret, branch, at);
        root = branch->twigs[at];
    }
    if (parted == KEY_SAME)
        ret->node = tree_node(root);
    else
        seek_beside(ret, root, key, similar, parted);
    return parted;
}

void tree_trace(tree_twig root, const struct key *key, struct tree_trace *ret)
{
    unsigned places[sizeof ret->above / sizeof ret->above[0]];
    size_t count = 0;
    unsigned size = 0;
    ret->node = NULL;
    ret->parted = 0;
    ret->above_count = 0;
    if (!root)
        return;
    while (!tree_is_node(root)) {
        const struct tree_branch *branch = tree_branch(root);
        const unsigned way = key_way(key, tree_place(branch));
        if (has_way(branch, 0) && way > 0) {
            places[count] = tree_place(branch);
            ret->above[count++] = tree_node(branch->twigs[0]);
        }
        root = has_way(branch, way) ? tree_twig_of(branch, way) : branch->twigs[0];
    }
    const struct node *similar = tree_node(root);
    ret->parted = differ(similar, key, &size);
    ret->node = ret->parted == KEY_SAME ? similar : NULL;
    /* Above the name is what ends before they part. */
    while (count > 0 && places[count - 1] > ret->parted)
        count--;
    if (ret->parted == 2 * size && (count == 0 || ret->above[count - 1] != similar))
        ret->above[count++] = similar;
    ret->above_count = count;
}

/* -- the writer's ------------------------------------------------------------------------------ */

static struct tree_branch *branch_new(struct tree_edit *edit, unsigned count)
{
    struct tree_branch *branch = malloc(branch_size(count));
    if (!branch)
        return NULL;
    branch->generation = edit->generation;
    edit->branch_bytes += branch_size(count);
    return branch;
}

/* Whether there is room on the list for a branch that is about to be dropped. */
static bool can_drop(struct tree_edit *edit, const struct tree_branch *branch)
{
    return branch->generation == edit->generation || retired_reserve(&edit->retired, 1) == ERR_OK;
}

/* A branch of the tree is in it no more. */
static void drop(struct tree_edit *edit, struct tree_branch *branch)
{
    edit->branch_bytes -= branch_size(tree_count(branch));
    if (branch->generation == edit->generation)
        free(branch);
    else
        retired_add(edit->retired, branch);
}

/* The branch in a slot, which from here on may be changed; NULL: no memory. */
static struct tree_branch *thaw(struct tree_edit *edit, tree_twig *slot)
{
    struct tree_branch *old = tree_branch(*slot);
    if (old->generation == edit->generation)
        return old;
    const unsigned count = tree_count(old);
    struct tree_branch *branch = can_drop(edit, old) ? branch_new(edit, count) : NULL;
    if (!branch)
        return NULL;
    branch->shape = old->shape;
    memcpy(branch->twigs, old->twigs, count * sizeof(tree_twig));
    *slot = (tree_twig)branch;
    drop(edit, old);
    return branch;
}

/* One more way at the branch in a slot. */
static int widen(struct tree_edit *edit, tree_twig *slot, unsigned way, struct node *node)
{
    struct tree_branch *old = tree_branch(*slot);
    const unsigned count = tree_count(old), before = twigs_before(old, way);
    struct tree_branch *branch = can_drop(edit, old) ? branch_new(edit, count + 1) : NULL;
    if (!branch)
        return ERR_MEMORY;
    branch->shape = old->shape | 1u << way;
    memcpy(branch->twigs, old->twigs, before * sizeof(tree_twig));
    branch->twigs[before] = twig_of_node(node);
    memcpy(branch->twigs + before + 1, old->twigs + before, (count - before) * sizeof(tree_twig));
    *slot = (tree_twig)branch;
    drop(edit, old);
    return ERR_OK;
}

/* A branch before what is in a slot, all of which goes `other` at that place. */
static int split(struct tree_edit *edit, tree_twig *slot, unsigned place, unsigned other,
                 unsigned way, struct node *node)
{
    struct tree_branch *branch = branch_new(edit, 2);
    if (!branch)
        return ERR_MEMORY;
    branch->shape = place << SHAPE_WAYS | 1u << way | 1u << other;
    branch->twigs[way > other] = twig_of_node(node);
    branch->twigs[way < other] = *slot;
    *slot = (tree_twig)branch;
    return ERR_OK;
}

/*
 * Makes the branches before a place on the key's way changeable. Returns the slot of what comes then, or NULL: no memory.
 */
static tree_twig *open_way(struct tree_edit *edit, tree_twig *slot, const struct key *key,
                           unsigned until)
{
    while (!tree_is_node(*slot) && tree_place(tree_branch(*slot)) < until) {
        struct tree_branch *branch = thaw(edit, slot);
        if (!branch)
            return NULL;
        slot = &branch->twigs[twigs_before(branch, key_way(key, tree_place(branch)))];
    }
    return slot;
}

int tree_put(struct tree_edit *edit, tree_twig *root, const struct key *key, struct node *node)
{
    struct key other;
    unsigned size;
    if (!*root) {
        *root = twig_of_node(node);
        return ERR_OK;
    }
    const struct node *similar = most_similar(*root, key);
    const unsigned parted = differ(similar, key, &size);
    tree_twig *slot = open_way(edit, root, key, parted);
    if (!slot)
        return ERR_MEMORY;
    if (parted == KEY_SAME) {
        *slot = twig_of_node(node);
        return ERR_OK;
    }
    if (!tree_is_node(*slot) && tree_place(tree_branch(*slot)) == parted)
        return widen(edit, slot, key_way(key, parted), node);
    key_make(node_name(similar), similar->name_size, key->apex_size, &other);
    return split(edit, slot, parted, key_way(&other, parted), key_way(key, parted), node);
}

/* Takes a way out of a branch that may be changed; its memory stays as it is. */
static void narrow(struct tree_edit *edit, struct tree_branch *branch, unsigned way)
{
    const unsigned count = tree_count(branch), before = twigs_before(branch, way);
    memmove(branch->twigs + before, branch->twigs + before + 1,
            (count - before - 1) * sizeof(tree_twig));
    branch->shape &= ~(1u << way);
    edit->branch_bytes -= sizeof(tree_twig);
}

int tree_open(struct tree_edit *edit, tree_twig *root, const struct key *key)
{
    return open_way(edit, root, key, KEY_SAME) ? ERR_OK : ERR_MEMORY;
}

int tree_take(struct tree_edit *edit, tree_twig *root, const struct key *key)
{
    if (tree_is_node(*root)) {
        *root = 0;
        return ERR_OK;
    }
    /* The last branch on the way is the node's. */
    unsigned last = 0;
    for (tree_twig twig = *root; !tree_is_node(twig);) {
        last = tree_place(tree_branch(twig));
        twig = tree_twig_of(tree_branch(twig), key_way(key, last));
    }
    tree_twig *slot = open_way(edit, root, key, last);
    if (!slot)
        return ERR_MEMORY;
    struct tree_branch *branch = tree_branch(*slot);
    const unsigned way = key_way(key, last);
    if (tree_count(branch) == 2) {
        if (!can_drop(edit, branch))
            return ERR_MEMORY;
        *slot = branch->twigs[twigs_before(branch, way) == 0];
        drop(edit, branch);
        return ERR_OK;
    }
    branch = thaw(edit, slot);
    if (!branch)
        return ERR_MEMORY;
    narrow(edit, branch, way);
    return ERR_OK;
}

/* -- all of it --------------------------------------------------------------------------------- */

static bool is_of(tree_twig twig, uint32_t generation)
{
    if (generation == 0)
        return true;
    return generation ==
           (tree_is_node(twig) ? tree_node(twig)->generation : tree_branch(twig)->generation);
}

void tree_free(tree_twig root, uint32_t generation, bool (*owns)(const struct node *node))
{
    tree_twig above[TREE_MAX_DEPTH + 1];
    unsigned next[TREE_MAX_DEPTH + 1], depth = 0;
    if (!root)
        return;
    above[0] = root;
    next[0] = 0;
    for (;;) {
        const tree_twig twig = above[depth];
        const bool enters = !tree_is_node(twig) && is_of(twig, generation);
        if (enters && next[depth] < tree_count(tree_branch(twig))) {
            const tree_twig below = tree_branch(twig)->twigs[next[depth]++];
            above[++depth] = below;
            next[depth] = 0;
            continue;
        }
        if (enters)
            free(tree_branch(twig));
        else if (tree_is_node(twig) && is_of(twig, generation) && owns(tree_node(twig)))
            free(tree_node(twig));
        if (depth-- == 0)
            return;
    }
}

void tree_age(tree_twig root)
{
    struct tree_cursor cursor;
    for (tree_first(root, &cursor); cursor.node; tree_next(&cursor)) {
        ((struct node *)cursor.node)->generation = 1;
        for (unsigned i = 0; i < cursor.depth; i++)
            ((struct tree_branch *)cursor.steps[i].branch)->generation = 1;
    }
}
