/*
 * install.h - puts what a change set carries in the place of what stores hold.
 *
 *     install_look()     before the marks: which answers that the set carries are held, untouched by any other change
 *     .. marks are set, the clock moves
 *     install_put()      those are built, and take the places of what is held
 *
 * Of several changes of one RRset in a set, the last one counts. Most changes are of names that no store holds: these
 * cost no more than the look.
 *
 * Threads: the applier's lock.
 */
#ifndef FRESHET_INVALIDATION_INSTALL_H
#define FRESHET_INVALIDATION_INSTALL_H

#include "cache/store.h"
#include "cache/validity.h"
#include "invalidation/changeset.h"

struct installer;

/* A change as it is applied. Borrows. */
struct touch {
    const struct change *change;
    struct hashed_name name;
    bool subtree;  /* what it says holds for all below its name, too */
    bool installs; /* it carries the answer to its own question whole, and may bring it */
    uint32_t held; /* where stores hold that answer: a mask */
};

/* Stores of one validity, borrowed as it is. NULL: no memory. */
struct installer *installer_new(struct validity *validity, struct store *const *stores,
                                size_t store_count);
void installer_free(struct installer *installer);

/* Fills in `held` of those that install. Returns whether any is. */
bool install_look(struct installer *installer, struct touch *touches, size_t count);

/* All lie in the k-th zone of the subscription, or below it. Returns how many answers were replaced, over all stores. */
size_t install_put(struct installer *installer, size_t k, const struct touch *touches, size_t count,
                   const struct store_pushed *pushed);

#endif
