/*
 * tree.h - an ordered map from names to nodes that readers walk while one writer makes the next version of it: a
 * qp-trie (as in Knot, NSD and BIND 9.20) whose branches are copied before they are changed.
 *
 *      branch: at place 6, ways {end, 'a' high}                   a place and its ways are those of key.h
 *        |-- end:  node example.
 *        `-- 'a':  branch: at place 9, ways {...}
 *                    |-- node a.example.   `-- ...
 *
 * All below a branch go the same ways up to its place, and each goes another way there; what lies between two branches
 * is left out, and is found again in any name below. A version is its root. A branch or node of an older generation than
 * the edit's is of older versions as well, and is copied or replaced; what the edit made itself it changes in place.
 * Replaced ones are put on the edit's list (retired.h).
 */
#ifndef FRESHET_ZONE_TREE_H
#define FRESHET_ZONE_TREE_H

#include "zone/key.h"
#include "zone/node.h"
#include "zone/retired.h"

/* A branch, a node, or 0 for nothing. */
typedef uintptr_t tree_twig;

enum { TREE_MAX_DEPTH = KEY_MAX_PLACES + 1 };

struct tree_branch {
    uint32_t generation; /* the writer's */
    uint32_t shape;      /* place << 17 | ways, a bit each */
    tree_twig twigs[];   /* as many as ways, in order */
};

static inline bool tree_is_node(tree_twig twig)
{
    return twig & 1;
}

static inline struct node *tree_node(tree_twig twig)
{
    return (struct node *)(twig - 1);
}

static inline struct tree_branch *tree_branch(tree_twig twig)
{
    return (struct tree_branch *)twig;
}

static inline unsigned tree_place(const struct tree_branch *branch)
{
    return branch->shape >> 17;
}

static inline unsigned tree_ways(const struct tree_branch *branch)
{
    return branch->shape & 0x1ffff;
}

static inline unsigned tree_count(const struct tree_branch *branch)
{
    return (unsigned)__builtin_popcount(tree_ways(branch));
}

/* The twig of a way; 0: none. */
static inline tree_twig tree_twig_of(const struct tree_branch *branch, unsigned way)
{
    const unsigned ways = tree_ways(branch), bit = 1u << way;
    return ways & bit ? branch->twigs[__builtin_popcount(ways & (bit - 1))] : 0;
}

/* The first node of what is not empty. */
const struct node *tree_first_of(tree_twig twig);

/* The node of a key's name, or NULL. */
const struct node *tree_find(tree_twig root, const struct key *key);

/* ---- in order */

/* A place in the order: a node, and the way to it. */
struct tree_cursor {
    const struct node *node; /* NULL: before the first or behind the last */
    unsigned depth;
    struct {
        const struct tree_branch *branch;
        unsigned twig;
    } steps[TREE_MAX_DEPTH];
};

void tree_first(tree_twig root, struct tree_cursor *ret);
void tree_last(tree_twig root, struct tree_cursor *ret);
void tree_next(struct tree_cursor *cursor);
void tree_previous(struct tree_cursor *cursor);

/*
 * The last node that is not behind the key's name; `node` NULL: all are. Returns the place where that name and the most
 * similar one there is part, or KEY_SAME when it is there.
 */
unsigned tree_seek(tree_twig root, const struct key *key, struct tree_cursor *ret);

/* The nodes strictly above a name, and the closest one that exists; see tree_trace(). */
struct tree_trace {
    const struct node *node; /* of the name itself, or NULL */
    unsigned parted;         /* where it and the most similar name part, or KEY_SAME */
    size_t above_count;
    const struct node *above[128]; /* from the apex's side */
};

/* Looks a name up with all that stands above it, in one descent. */
void tree_trace(tree_twig root, const struct key *key, struct tree_trace *ret);

/* ---- the writer's */

struct tree_edit {
    uint32_t generation;
    struct retired *retired;
    size_t branch_bytes; /* of the tree's branches, kept up to date */
};

/*
 * Puts a node where its key (of its name) says, in the place of one of the same name, which stays the caller's. An error
 * (ERR_MEMORY) leaves the tree as it was. Putting the old one back, or taking a new one out at once, cannot fail.
 */
MUST_CHECK int tree_put(struct tree_edit *edit, tree_twig *root, const struct key *key,
                        struct node *node);

/* Takes the node of a name out, which must be there and stays the caller's. */
MUST_CHECK int tree_take(struct tree_edit *edit, tree_twig *root, const struct key *key);

/* Makes ready for a tree_take() that cannot fail. ERR_MEMORY. */
MUST_CHECK int tree_open(struct tree_edit *edit, tree_twig *root, const struct key *key);

/*
 * Frees the branches of a tree, and the nodes that `owns` says yes to; only what is of `generation`, unless it is 0.
 * Nothing of another generation lies above of what is.
 */
void tree_free(tree_twig root, uint32_t generation, bool (*owns)(const struct node *node));

/* Sets all generations to 1. */
void tree_age(tree_twig root);

#endif
