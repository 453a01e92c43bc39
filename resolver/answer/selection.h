/*
 * selection.h - the records picked from responses, in the order in which they will be sent. No I/O.
 *
 * What is picked borrows from the message until selection_keep() copies it.
 */
#ifndef FRESHET_RESOLVER_ANSWER_SELECTION_H
#define FRESHET_RESOLVER_ANSWER_SELECTION_H

#include "dns/build.h"
#include "dns/message.h"

struct selected {
    enum section section;
    bool owned;           /* the record's names and RDATA are the selection's own */
    bool again;           /* the same as an earlier one: on its way out */
    struct record record; /* borrows from the message otherwise */
};

enum { SELECTION_FEW = 4 }; /* what most answers need */

/* Grows as needed. `items` is NULL, or `few`, or allocated. */
struct selection {
    struct selected *items;
    size_t count, capacity;
    bool failed; /* for want of memory something is missing */
    struct selected few[SELECTION_FEW];
};

/* Empty, whatever was there before. */
void selection_start(struct selection *selection);

/* Frees what it holds; it is empty then. */
void selection_free(struct selection *selection);

/* The place of a copy of `record`, good until the next is added; NULL, and failed: no memory. */
struct record *selection_add(struct selection *selection, enum section section,
                             const struct record *record);

/* Makes a copy of what the last item borrows, or takes it away again and is failed. */
void selection_keep_last(struct selection *selection);

/* Copies all that is borrowed. Returns 0; ERR_MEMORY, and part of it may still be borrowed. */
MUST_CHECK int selection_keep(struct selection *selection);

/* Leaves of each record the first alone (RFC 2181 5: a set has no duplicates). */
void selection_fold(struct selection *selection);

#endif
