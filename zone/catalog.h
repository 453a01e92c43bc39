/*
 * catalog.h - what a catalog zone says (RFC 9432): which zones there are, told as records of a zone.
 *
 *     version.catalog.               TXT "2"            one, or it is no catalog
 *     4711.zones.catalog.            PTR example.com.   a member; the label is the producer's, and unique
 *     group.4711.zones.catalog.      TXT "signed"       what its consumers may tell members apart by
 *     coo.4711.zones.catalog.        PTR other.         another catalog that may take it over (change of ownership)
 *
 * A catalog that breaks the rules of RFC 9432 5.1 is read as a whole or not at all: whoever has read it before keeps what it said then.
 * Names elsewhere in it mean nothing (4.2).
 *
 * Threads: it does not change once it is read.
 */
#ifndef FRESHET_ZONE_CATALOG_H
#define FRESHET_ZONE_CATALOG_H

#include "zone/zone.h"

enum { CATALOG_MAX_WHY = 1024 };

struct catalog;

/*
 * Reads a state, which is not needed any more then. ERR_MEMORY; ERR_FORMAT: it is broken, or has more than `most` members, and
 * `ret_why` says how, in a line for people.
 */
MUST_CHECK int catalog_read(const struct zone_state *state, size_t most,
                            struct catalog **ret_catalog, char ret_why[CATALOG_MAX_WHY]);
void catalog_free(struct catalog *catalog); /* NULL is fine */

/* Its own name, canonical. */
const uint8_t *catalog_apex(const struct catalog *catalog);

/*
 * Its members, each once, in an order of their names. A member is its name, canonical, at the place where the catalog has it: that
 * pointer is what the functions below take.
 */
const uint8_t *const *catalog_members(const struct catalog *catalog);
size_t catalog_count(const struct catalog *catalog);

/* The member of this name, in any case; NULL: it is none. */
const uint8_t *catalog_find(const struct catalog *catalog, const uint8_t *name);

/* The unique label of a member: its length, and so many bytes. */
const uint8_t *catalog_label(const uint8_t *member);

/* Whether a member has this one among its groups; their case counts. */
bool catalog_is_of_group(const uint8_t *member, const char *group);

/* The catalog that may take the member over, canonical; NULL: none. */
const uint8_t *catalog_new_owner(const uint8_t *member);

/* Whether what is written for a catalog, and for one group of it or (NULL) all, is for this member of it. */
bool catalog_is_for(const struct catalog *catalog, const uint8_t *member, const char *text,
                    const char *group);

enum { CATALOG_MAX_MANY = 64 };

/* Catalogs in the order in which they count; NULL: one that has not been read. */
struct catalog_view {
    size_t count;
    const struct catalog *each[CATALOG_MAX_MANY];
};

/*
 * Which of them a zone belongs to that some have: the first that has it; or the one that this hands it over to (coo), if that has
 * it. That is known from the catalogs as they are, so that all who read them agree; RFC 9432 5.3 would go by who had it before.
 */
const struct catalog *catalog_owner(const struct catalog_view *view, const uint8_t *name);

#endif
