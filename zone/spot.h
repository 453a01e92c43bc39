/*
 * spot.h - what stands at a name in a zone: the steps of RFC 1034 4.3.2 that are about names alone.
 */
#ifndef FRESHET_ZONE_SPOT_H
#define FRESHET_ZONE_SPOT_H

#include "dns/name.h"
#include "zone/state.h"

enum spot_kind {
    SPOT_NODE,    /* a node of its own, or that of a wildcard */
    SPOT_EMPTY,   /* an empty non-terminal, or a wildcard that is one (RFC 4592 2.2.2) */
    SPOT_CUT,     /* a delegation at or above it */
    SPOT_DNAME,   /* a DNAME above it */
    SPOT_NOTHING, /* it does not exist */
};

struct spot {
    enum spot_kind kind;
    const struct node *node; /* NODE, CUT, DNAME */
    bool is_wildcard;        /* NODE, EMPTY: reached by synthesis (RFC 4592) */
    size_t
        encloser_labels; /* of the closest encloser, root's side; if a wildcard answers, or nothing */
};

/* Finds a canonical name within the zone. */
void spot_find(const struct zone_state *state, const uint8_t *name, struct spot *ret);

#endif
