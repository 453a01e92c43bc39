/* pairs.c - see pairs.h. */
#include "zone/pairs.h"

/* One of the two: the subtree that comes next, and the way to it. */
struct side {
    tree_twig at; /* 0: none is left */
    unsigned depth;
    struct {
        const struct tree_branch *branch;
        unsigned twig;
    } steps[TREE_MAX_DEPTH];
};

static void start(struct side *side, tree_twig root)
{
    side->at = root;
    side->depth = 0;
}

/* Goes to the first part of the subtree, which is a branch. */
static void enter(struct side *side)
{
    const struct tree_branch *branch = tree_branch(side->at);
    side->steps[side->depth].branch = branch;
    side->steps[side->depth++].twig = 0;
    side->at = branch->twigs[0];
}

/* Goes past the subtree. */
static void pass(struct side *side)
{
    for (; side->depth > 0; side->depth--) {
        const struct tree_branch *branch = side->steps[side->depth - 1].branch;
        const unsigned twig = ++side->steps[side->depth - 1].twig;
        if (twig < tree_count(branch)) {
            side->at = branch->twigs[twig];
            return;
        }
    }
    side->at = 0;
}

static bool is_branch(const struct side *side)
{
    return side->at && !tree_is_node(side->at);
}

/* Which of the next names comes first: less than 0, 0 for the same name, more than 0. */
static int compare(const struct side *before, const struct side *after, size_t apex_size)
{
    struct key one, other;
    if (!before->at || !after->at)
        return before->at ? -1 : 1;
    const struct node *a = tree_first_of(before->at), *b = tree_first_of(after->at);
    if (a == b)
        return 0;
    key_make(node_name(a), a->name_size, apex_size, &one);
    key_make(node_name(b), b->name_size, apex_size, &other);
    const unsigned place = key_differ(&one, &other);
    return place == KEY_SAME ? 0 : (int)key_way(&one, place) - (int)key_way(&other, place);
}

/* Both begin with the same name: goes into the one that has its branch higher up, or into both. */
static void enter_together(struct side *before, struct side *after)
{
    const unsigned last = KEY_SAME;
    const unsigned a = is_branch(before) ? tree_place(tree_branch(before->at)) : last;
    const unsigned b = is_branch(after) ? tree_place(tree_branch(after->at)) : last;
    if (a <= b)
        enter(before);
    if (b <= a)
        enter(after);
}

int pairs_walk(tree_twig root_before, tree_twig root_after, size_t apex_size,
               int (*each)(void *arg, const struct node *before, const struct node *after),
               void *arg)
{
    struct side before, after;
    start(&before, root_before);
    start(&after, root_after);
    while (before.at || after.at) {
        if (before.at == after.at) {
            pass(&before);
            pass(&after);
            continue;
        }
        const int order = compare(&before, &after, apex_size);
        if (order == 0 && (is_branch(&before) || is_branch(&after))) {
            enter_together(&before, &after);
        } else if (order < 0 && is_branch(&before)) {
            enter(&before);
        } else if (order > 0 && is_branch(&after)) {
            enter(&after);
        } else {
            const int result = each(arg, order <= 0 ? tree_node(before.at) : NULL,
                                    order >= 0 ? tree_node(after.at) : NULL);
            if (result != ERR_OK)
                return result;
            if (order <= 0)
                pass(&before);
            if (order >= 0)
                pass(&after);
        }
    }
    return ERR_OK;
}
