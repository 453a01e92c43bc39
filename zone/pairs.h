/*
 * pairs.h - two versions of a tree side by side: the names that they do not share, in order.
 */
#ifndef FRESHET_ZONE_PAIRS_H
#define FRESHET_ZONE_PAIRS_H

#include "zone/tree.h"

/*
 * Calls `each` for every name whose node is not the very same in both, with NULL for the one that has none. Subtrees that both
 * share are passed over. `each` returns 0, or an error that ends it; returns that.
 */
MUST_CHECK int
pairs_walk(tree_twig before, tree_twig after, size_t apex_size,
           int (*each)(void *arg, const struct node *before, const struct node *after), void *arg);

#endif
