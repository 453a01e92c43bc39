/*
 * changeset_scan.h - reads the change sets that publishers write in one pass, without a tree. Private.
 *
 * A cache that has fallen behind reads its topic as fast as it can, and building a tree of objects for each
 * message, to take it down again, was most of that work. This reader knows the schema of changeset.h and nothing
 * else: members in any order, white space, integers, strings of ASCII with the escapes that quoted RDATA needs.
 *
 * It never refuses. What it does not take, for whatever reason (an unknown member, one given twice, \u0041, a value
 * out of range, half a message), it leaves to changeset_parse_tree(), which decides what is good and says what
 * is not. So all that has to hold here is one direction: a set that is read here is one that the tree's way
 * accepts, with the same content. The fuzz target of change sets checks that for everything it makes up.
 */
#ifndef FRESHET_INVALIDATION_CHANGESET_SCAN_H
#define FRESHET_INVALIDATION_CHANGESET_SCAN_H

#include "invalidation/changeset.h"

/* A set to be freed by changeset_free(), or NULL: not read here. */
struct change_set *changeset_scan(const char *json, size_t size);

/* The other way, by jansson: as changeset_parse(), whatever the message. */
MUST_CHECK int changeset_parse_tree(const char *json, size_t size, struct change_set **ret_set,
                                    struct changeset_error *ret_error);

/* Whether a name has one record of this type at most: RFC 1034 3.6.2, RFC 6672 2.4, RFC 1035 3.3.13. */
static inline bool changeset_is_singleton(uint16_t type)
{
    return type == TYPE_CNAME || type == TYPE_DNAME || type == TYPE_SOA;
}

/*
 * Canonical form of a fully qualified name, which ends in the dot of a label. Returns its size or ERR_NAME.
 */
MUST_CHECK int changeset_name(const char *text, size_t length, uint8_t name[NAME_MAX_SIZE]);

#endif
