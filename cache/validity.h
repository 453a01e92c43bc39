/*
 * validity.h - where an answer is judged valid. The one mechanism of this resolver.
 *
 *       fetch sets out            change applied           query comes
 *            |                          |                       |
 *     stamp = validity_now()    mark scopes at c+1       validity_holds(answer's scopes,
 *            |                  clock := c+1                            answer's stamp)?
 *            v                          v                       v
 *     ---- stamp 41 ------------- clock 42 ------------- mark 42 > stamp 41: not valid
 *
 * An answer is as old as the question that fetched it: it carries the stamp taken *before* its
 * upstream query left, and is valid while no scope it depends on is marked later. Hence a fetch in
 * flight during a change brings back something that is invalid on arrival.
 *
 * Scopes exist only inside the zones of the subscription. A name's dependencies there are its NAME scope
 * and the SUBTREE scopes from itself up to the apex (of the topmost zone, where one subscribed zone lies
 * in another); a negative answer adds the EXISTENCE of its name. An apex always exists, so it has no
 * EXISTENCE scope. Names elsewhere depend on nothing: their answers live by TTL alone.
 *
 * Two more things are known here because they bear on how long an answer lives. The lease: until when the
 * feed is proven to be live and drained; an answer may outlive its TTL only while it lasts (P6). And when
 * recent stamps were made: what is fetched within `settle` of a change may come from a server that
 * has not had it yet, and must not live long (P4).
 *
 * Threads: one writer at a time (the applier's lock), readers anywhere without a lock. Marks are
 * written before the clock moves to their stamp, so whoever has read the clock sees them.
 */
#ifndef FRESHET_CACHE_VALIDITY_H
#define FRESHET_CACHE_VALIDITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/scope.h"
#include "cache/stamp.h"
#include "dns/error.h"
#include "dns/name.h"

enum {
    /* Scopes one answer may depend on: a chain of 12 names some 8 labels deep. An answer with more is
     * not cached. */
    DEPENDENCIES_MAX = 120,
};

struct dependencies {
    size_t count;
    struct scope scopes[DEPENDENCIES_MAX];
};

struct validity;

/*
 * Zones are canonical names, copied. `marks` is the capacity of the marks table in scopes. `key` is a
 * secret random number. Without zones, everything is valid for ever. NULL: no memory.
 */
struct validity_options {
    const uint8_t *const *zones;
    size_t zone_count;
    size_t marks;
    uint64_t key;
    uint64_t
        settle_ms; /* how long a change may take to reach every authoritative server; 0: no time */
};
struct validity *validity_new(const struct validity_options *options);
void validity_free(struct validity *validity);

/* The change clock. Take it before the upstream query leaves. */
struct stamp validity_now(const struct validity *validity);

/* The k-th zone (canonical), or NULL past the last. */
const uint8_t *validity_zone(const struct validity *validity, size_t k);

/* The longest subscribed zone that `canonical_name` lies in, or NULL; `ret_index` may be NULL. */
const uint8_t *validity_zone_of(const struct validity *validity, const uint8_t *canonical_name,
                                size_t *ret_index);

/*
 * Adds what an answer depends on by having `canonical_name` in it; `negative` for the name whose
 * absence it tells. Returns 0, or ERR_SPACE when there are too many: such an answer is not cached.
 */
MUST_CHECK int validity_depend(const struct validity *validity, const uint8_t *canonical_name,
                               bool negative, struct dependencies *dependencies);

/* Whether nothing that `scopes` name was touched after `stamp`. */
bool validity_holds(const struct validity *validity, const struct scope *scopes, size_t count,
                    struct stamp stamp);

/* The newest mark among `scopes`; 0 for none. */
struct stamp validity_newest_mark(const struct validity *validity, const struct scope *scopes,
                                  size_t count);

/*
 * Writer: marks at the stamp the clock will have next. Nothing counts as applied before
 * validity_commit() moves the clock there. Each returns the number of scopes marked.
 *
 *   name       the name itself, its existence, and that of its ancestors below the zone's apex
 *   subtree    the name and all below, and existence as above
 */
size_t validity_mark_name(struct validity *validity, const uint8_t *canonical_name);
size_t validity_mark_subtree(struct validity *validity, const uint8_t *canonical_name);
struct stamp validity_commit(struct validity *validity, struct mono now);

/* Whether the change at `mark` was applied less than `settle` ago. Old marks cannot be told from settled ones. */
bool validity_is_settling(const struct validity *validity, struct stamp mark, struct mono now);

/* The feed's thread: proven live and drained until then; {0} takes the lease away. */
void validity_set_lease(struct validity *validity, struct mono until);
bool validity_has_lease(const struct validity *validity, struct mono now);

#endif
