/*
 * node.h - one name of a zone with all its RRsets, in one piece of memory that never changes.
 *
 *     generation  rrsets  name size | name | RRset | RRset ...          RRsets by node_order() of their types
 *
 *     RRset:  type 2 | count 2 | ttl 4 | size 2 | [end 2] * count | RDATA, `size` bytes
 *
 * The ends are there where there is more than one record: the k-th RDATA ends at the k-th of them. Numbers are in the
 * machine's order and lie where they fall. An RRset has at most 65,535 bytes of RDATA: more fits no answer.
 */
#ifndef FRESHET_ZONE_NODE_H
#define FRESHET_ZONE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dns/error.h"
#include "dns/type.h"
#include "zone/change.h"
#include "zone/rrset.h"

enum { NODE_MAX_RDATA = 65535 }; /* bytes of all RDATA of an RRset */

struct node {
    uint32_t generation; /* the edit that made it (tree.h); the writer's */
    uint16_t rrset_count;
    uint8_t name_size;
    uint8_t spare;
    uint8_t bytes[];
};

static inline const uint8_t *node_name(const struct node *node)
{
    return node->bytes;
}

/* RRsets of a name come by their types, but a SOA before all others. */
static inline unsigned node_order(uint16_t type)
{
    return type == TYPE_SOA ? 0 : type;
}

/* The first RRset of a node; node_next() the one behind it. False: there is none. */
bool node_first(const struct node *node, struct zone_rrset *ret);
bool node_next(const struct node *node, struct zone_rrset *rrset);

bool node_find(const struct node *node, uint16_t type, struct zone_rrset *ret);
bool node_has(const struct node *node, uint16_t type);

/* Has NSEC3, and nothing but its signatures beside it: then it is no name of the zone (RFC 5155 7.2.8). */
bool node_is_only_hash(const struct node *node);

/* Its size in memory, bytes. */
size_t node_size(const struct node *node);

/*
 * What a change (SET, ADD, DEL with a type) makes of a node; `node` NULL: of none. 1 and a new node, or NULL for one
 * that is empty; 0: nothing changes; ERR_MEMORY; ERR_TOO_LARGE.
 */
MUST_CHECK int node_change(const struct node *node, const struct change *change,
                           uint32_t generation, struct node **ret_node);

#endif
