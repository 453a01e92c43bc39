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
 * Scopes exist only inside the zones of the subscription, but for those below them that are excepted. A name's
 * dependencies there are its NAME scope and the SUBTREE scopes from itself up to the apex (of the topmost zone,
 * where one subscribed zone lies in another); a negative answer adds the EXISTENCE of its name, and an SOA record its
 * SOA scope. Names elsewhere depend on nothing: their answers live by TTL alone. A change of everything (a gap in the
 * log) is one mark above all scopes.
 *
 * Almost every answer depends on its question's name alone, so those scopes are not stored: they follow from
 * the name, whose hash a lookup has at hand. Those of further names (CNAME targets, zone cuts) are listed. And
 * each zone knows its newest mark: while that is not after an answer's stamp, one compare is the whole check.
 *
 * Two more things are known here because they bear on how long an answer lives. The lease: until when the
 * feed is proven to be live and drained; an answer may outlive its TTL only while it lasts (P6). And when
 * stamps were made: what is fetched within `settle` of a change may come from a server that has not had it
 * yet, and must not live long (P4). How far the clock was at a moment is remembered by checkpoints (checkpoints.h).
 *
 * Zones come and go while answers are in flight and in stores (validity_regroup()). A zone keeps its number for ever, so that
 * what is named by it is judged by marks as ever: all at and below the apex is marked, as by a change, and so is each zone
 * below that comes to lie in another topmost one. Answers of names in no zone have no scopes: for them each zone remembers
 * when it came or went. Until the clock has moved there, readers may see the zones of before or of after; what they make of
 * them carries an older stamp, and holds no more.
 *
 * The clock has 44 bits, 5 years at 100,000 change sets a second. At its end it starts over (validity_restart()): a stamp
 * later than the clock is of the time before, and nothing that carries it is valid.
 *
 * Threads: one writer at a time (the applier's lock), readers anywhere without a lock, but for a short one around
 * the checkpoints. Marks are written before the clock moves to their stamp, so whoever has read the clock sees them.
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
    /* Scopes of further names one answer may depend on: a chain of 20 names some 8 labels deep. An
     * answer with more depends on all of its zones, and is not cached. */
    DEPENDENCIES_MAX = 200,
    VALIDITY_MAX_ZONES = (1 << 20) - 2, /* names that ever were zones, or excepted */
    ZONE_NONE = 0,                      /* no name lies in a zone of the subscription */
    ZONE_MANY = (1 << 20) - 1,          /* names lie in several of them */
    VALIDITY_EVICTIONS = 64, /* of names in no zone, that fetches under way are judged by */
};

/* Stamps are below it; the clock starts over before. */
#define VALIDITY_LAST_STAMP ((UINT64_C(1) << 44) - 1)

/* What an answer depends on by its question. */
enum own_scopes {
    OWN_NONE,    /* nothing: the name lies in no zone */
    OWN_NAME,    /* what is at the name */
    OWN_ABSENCE, /* that, and that nothing is below it */
    OWN_SOA,     /* that too, and the zone's SOA record */
    OWN_WHOLE,   /* whatever changes in its zones: it has too many scopes. Not stored */
};

/* What is told of a name. */
enum told_of { TOLD_DATA, TOLD_ABSENCE, TOLD_SOA };

/* An answer's dependencies, as they are collected. */
struct dependencies {
    uint32_t
        zone; /* the topmost one that all names lie in, counted from 1; or ZONE_NONE, ZONE_MANY */
    enum own_scopes own;
    bool outside; /* some name that neither is the question's nor lies above it is in no zone */
    const uint8_t *question; /* borrowed, canonical; NULL: it depends on no name */
    size_t count;
    struct scope scopes[DEPENDENCIES_MAX]; /* of further names */
};

/* An answer, or a question under way, as it is judged. Borrows all. */
struct dependent {
    const uint8_t *question; /* canonical; NULL: no name */
    uint64_t question_hash;  /* validity_hash() of it */
    uint32_t zone;
    enum own_scopes own;
    bool outside; /* as of dependencies: then it does not outlive that zones come or go */
    size_t count;
    const struct scope *scopes;
};

/* What a name is to the subscription. */
enum zone_standing { STANDING_NONE, STANDING_ZONE, STANDING_EXCEPTED };

struct zone_change {
    const uint8_t *name; /* canonical, copied */
    enum zone_standing standing;
};

struct validity;

/*
 * Zones are canonical names, copied; names at or below one of `except` lie in none of them, unless in a longer one. `room` is
 * for those and all that come later; address space alone until then.
 * `marks` is the capacity of the marks table in scopes. `key` is a secret random number. Without zones, everything is
 * valid for ever. NULL: no memory.
 */
struct validity_options {
    const uint8_t *const *zones;
    size_t zone_count;
    const uint8_t *const *except;
    size_t except_count;
    const struct zone_change *changes; /* the same, with what each is; besides those */
    size_t change_count;
    size_t room;
    size_t marks;
    uint64_t key;
    uint64_t
        settle_ms;  /* how long a change may take to reach every authoritative server; 0: no time */
    uint64_t clock; /* where it starts; 0 but in tests */
};
struct validity *validity_new(const struct validity_options *options);
void validity_free(struct validity *validity);

/* The change clock. Take it before the upstream query leaves. */
struct stamp validity_now(const struct validity *validity);

/* How many names ever were zones, or excepted; and how many there may come to be. */
size_t validity_zones(const struct validity *validity);
size_t validity_zone_room(const struct validity *validity);

/* The k-th of them (canonical), if it is a zone now; NULL: it is not. */
const uint8_t *validity_zone(const struct validity *validity, size_t k);

/* The longest subscribed zone that `canonical_name` lies in, or NULL; `ret_index` (its k) may be NULL. */
const uint8_t *validity_zone_of(const struct validity *validity, const uint8_t *canonical_name,
                                size_t *ret_index);

/* Whether other zones of the subscription, or what is excepted, lie below the k-th zone, or did. */
bool validity_is_parted(const struct validity *validity, size_t k);

/* The hash of a canonical name under this process's secret. */
uint64_t validity_hash(const struct validity *validity, const uint8_t *canonical_name, size_t size);
struct hashed_name validity_hashed(const struct validity *validity, const uint8_t *canonical_name);

/*
 * Starts over with what the answer to a question depends on by its name, which stays borrowed.
 */
void validity_depend_on_question(const struct validity *validity, const uint8_t *canonical_name,
                                 enum told_of told, struct dependencies *ret);

/* The same for a name that lies in the k-th zone, or in one below. */
void validity_depend_in(const struct validity *validity, size_t k, const uint8_t *canonical_name,
                        enum told_of told, struct dependencies *ret);

/*
 * Adds what an answer depends on by having `canonical_name` in it, besides its question. Returns 0, or ERR_SPACE when
 * there are too many: such an answer depends on the whole of its zones, and is not cached.
 */
MUST_CHECK int validity_depend(const struct validity *validity, const uint8_t *canonical_name,
                               enum told_of told, struct dependencies *dependencies);

/* The collected dependencies as they are judged; borrows them. */
struct dependent validity_dependent(const struct validity *validity,
                                    const struct dependencies *dependencies);

/* A question by itself, whatever the answer will be; `soa` when it asks for that type. */
struct dependent validity_question(const struct validity *validity, const uint8_t *canonical_name,
                                   bool soa);

/* Whether nothing that it depends on was touched after `stamp`. */
bool validity_holds(const struct validity *validity, const struct dependent *dependent,
                    struct stamp stamp);

/* The newest mark among what it depends on; 0 for none. */
struct stamp validity_newest_mark(const struct validity *validity,
                                  const struct dependent *dependent);

/*
 * Writer: marks at the stamp the clock will have next. Nothing counts as applied before
 * validity_commit() moves the clock there. Each returns the number of scopes marked.
 *
 *   name       the name itself, and the existence of its ancestors up to the apex of the topmost zone
 *   subtree    the name and all below, and existence as above
 *   soa        the SOA record of a zone, by its apex
 *   all        everything in every zone; `settles`: as a change does. False: what changed is told name by name
 *
 * An absent name's answer depends on the name itself too, so a change there needs no existence mark.
 */
struct stamp validity_commit(struct validity *validity, struct mono now);
size_t validity_mark_name(struct validity *validity, const uint8_t *canonical_name);
size_t validity_mark_subtree(struct validity *validity, const uint8_t *canonical_name);
size_t validity_mark_soa(struct validity *validity, const uint8_t *canonical_apex);
size_t validity_mark_all(struct validity *validity, bool settles);

/*
 * Writer: as these, for one name of many of which is known that they lie in the k-th zone, or in one below: SCOPE_NAME,
 * SCOPE_SUBTREE or SCOPE_SOA. Who speaks for the k-th zone of a name in one below may have taken away its cut: that apex
 * exists no more by itself. validity_expect() hints some time before that the name will be marked.
 */
size_t validity_mark_in(struct validity *validity, size_t k, enum scope_kind kind,
                        const struct hashed_name *name);
void validity_expect(const struct validity *validity, const struct hashed_name *name);

/*
 * Writer: moves the clock, for a name that lies in no zone, or it and all below: fetches of it that are under way hold no
 * more. What is cached carries no scopes for it; the stores have to be searched.
 */
struct stamp validity_evict_outside(struct validity *validity, const uint8_t *canonical_name,
                                    bool subtree, struct mono now);

/*
 * Writer: gives each name its standing, at the stamp the clock will have next; validity_commit() follows where `ret_changed`,
 * the number of those that had another one, is not 0. All that was known of names at or below them holds no more. One look at
 * all zones, if any may lie below. ERR_SPACE (more than there is room for), ERR_MEMORY: all is as before.
 */
MUST_CHECK int validity_regroup(struct validity *validity, const struct zone_change *changes,
                                size_t count, size_t *ret_changed);

/* The stamp at which zones last came or went; 0: never. And whether that touched a name, after `stamp`. */
struct stamp validity_grouped(const struct validity *validity);
bool validity_is_grouped(const struct validity *validity, const uint8_t *canonical_name,
                         struct stamp stamp);

/* Writer: the clock starts over, all marks are forgotten, and no stamp of before holds any more. The caller drops all
 * answers then, and takes all stamps anew that are kept elsewhere. */
void validity_restart(struct validity *validity, struct mono now);

/*
 * When the change at `mark` was applied, which is a stamp the clock has reached. False when that is not remembered
 * any more: `ret_moment` is then that of the oldest change that is, which came later.
 */
bool validity_moment(const struct validity *validity, struct stamp mark, struct mono *ret_moment);

/* Whether a mark is that of the first time that everything was marked, when nothing can have been held. */
bool validity_is_first(const struct validity *validity, struct stamp mark);

/* A stamp that the clock had reached at a moment: the newest that is remembered. */
struct stamp validity_at(const struct validity *validity, struct mono moment);

/* Whether the change at `mark` was applied less than `settle` ago, or so little more that it cannot be told. */
bool validity_is_settling(const struct validity *validity, struct stamp mark, struct mono now);

/*
 * Whether what was fetched until the change at `mark` had settled may still be cached elsewhere, where it is for at most
 * `life_ms`; or for so little longer that it cannot be told. The first time that everything was marked is no change: what
 * was cached elsewhere before it is not known to be old.
 */
bool validity_may_be_cached(const struct validity *validity, struct stamp mark, uint64_t life_ms,
                            struct mono now);

/* The feed's thread: proven live and drained until then; {0} takes the lease away. */
void validity_set_lease(struct validity *validity, struct mono until);
bool validity_has_lease(const struct validity *validity, struct mono now);

#endif
