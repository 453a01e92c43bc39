/*
 * state.h - what a state of a zone is, for zone/ itself.
 *
 * All names are in one tree, but those that only NSEC3 gives (RFC 5155 7.2.8: they are no names of the zone): these are in
 * a second one with all others that have NSEC3, so that the predecessor of a hash is one step away.
 */
#ifndef FRESHET_ZONE_STATE_H
#define FRESHET_ZONE_STATE_H

#include <stdatomic.h>

#include "zone/tree.h"

struct zone_state {
    const uint8_t *apex; /* the zone's */
    uint8_t apex_size;
    tree_twig names;
    tree_twig hashes;
    struct state_count {
        size_t names, rrsets, records, bytes;
    } count;
    /* Of zone.c: how long it lives. */
    atomic_size_t holders;
    struct zone_state *later;
    struct retired *retired;
};

/* A place in the canonical order of all names, those of NSEC3 included. */
struct state_cursor {
    const struct node *node; /* NULL: behind the last */
    struct tree_cursor names, hashes;
    uint8_t apex_size;
};

void state_first(const struct zone_state *state, struct state_cursor *ret);
void state_next(struct state_cursor *cursor);

/* The first node that is `owner` (canonical, within the zone) or behind it. */
void state_seek(const struct zone_state *state, const uint8_t *owner, struct state_cursor *ret);

/* Canonical order (RFC 4034 6.1) of two names of a zone: less than 0, 0, more than 0. */
int state_compare(const struct zone_state *state, const uint8_t *a, const uint8_t *b);

/* An RRset of the apex. */
bool state_apex_find(const struct zone_state *state, uint16_t type, struct zone_rrset *ret);

/* All of a name, or NULL; whether it is a name of the zone or one of NSEC3. */
const struct node *state_node(const struct zone_state *state, const uint8_t *owner);

#endif
