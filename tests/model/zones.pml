/*
 * zones.pml - what a change touches: scopes, in a zone, the one that lies in it, and another.
 *
 *     level 0   example.            apex of the outer zone, subscribed
 *           1   b.example.          an empty non-terminal, or not there at all
 *           2   a.b.example.        apex of the inner zone, subscribed
 *           3   w.a.b.example.      apex of a zone below it that is not
 *           4   other.              apex of another zone, subscribed
 *
 * One answer is held, to one of all QUESTIONS; fetched again at any time. Change sets are applied, one of all CHANGES after
 * the other. What a change means for an answer is said twice: as DNS has it (CONCERNS), and by the scopes that are
 * marked and those that the answer depends on. The second must not miss what the first says.
 *
 *   here                        in the code
 *   mark_*()                    validity.c; which of them: apply.c mark_change, mark_set
 *   HOLDS                       validity_holds, with its short cut: a zone's newest mark
 *   depends on                  validity_depend_on_question, validity_depend
 *
 * An answer knows the topmost zone that it lies in, and its short cut is that zone's newest mark: whatever is marked in
 * a zone below counts there. Everything at once is one mark above all zones.
 *
 *   P1_evicted_means_gone       no answer holds that a change since it was fetched concerns
 *
 *   MUTATE_EXISTENCE_STOPS      existence marks go up to the nearest apex only
 *   MUTATE_SUBTREE_STOPS        answers depend on subtrees up to the nearest apex only
 *   MUTATE_CUT_IS_A_RECORD      NS, DS or DNSKEY touch their own name only
 *   MUTATE_BELOW_IGNORED        a set for a zone that is not subscribed itself does nothing
 *   MUTATE_SERIAL_IGNORED       a set with a serial leaves the SOA record
 *   MUTATE_ALL_IN_ONE_ZONE      everything at once is a mark of the first zone
 *   MUTATE_NEWEST_OF_INNER      a mark counts as the newest of the nearest zone only
 *   MUTATE_WHOLE_BY_QUESTION    an answer with too many scopes is judged by its question
 */
#include "common.pml"

#ifndef CHANGES
#define CHANGES 4
#endif
#define WHO(t) 'T'

#define LEVELS 5
#define OTHER 4
/* a is b, or lies above it */
#define ABOVE(a, b) (a == b || (b < OTHER && a < b))
/* the nearest zone that is subscribed, and the topmost */
#define NEAREST(n) (n == OTHER -> OTHER : (n >= 2 -> 2 : 0))
#define TOPMOST(n) (n == OTHER -> OTHER : 0)

bool P1_evicted_means_gone = true;

/* ---- marks: by level; 0 for none */

byte clock;
byte name_mark[LEVELS];
byte subtree_mark[LEVELS];
byte existence_mark[LEVELS];
byte soa_mark[LEVELS];
byte newest[LEVELS]; /* of a zone, by its apex */
byte all;

/* ---- the answer that is held */

#define NOTHING 0
#define DATA 1   /* at `name`, NODATA included */
#define ABSENT 2 /* NXDOMAIN of it */
#define SOA 3    /* of the zone there */
#define CHAIN 4  /* a CNAME at `name` to `target`, and what is there */
#define WHOLE 5  /* the same, of too many names to list */

byte told;
byte name;
byte target;
byte stamp;
bool concerned; /* ghost */
byte changes;

#ifdef MUTATE_SUBTREE_STOPS
#define DEPENDS_ON_SUBTREE(a, n) (ABOVE(a, n) && a >= NEAREST(n))
#else
#define DEPENDS_ON_SUBTREE(a, n) ABOVE(a, n)
#endif
#define SUBTREE_TOUCHED_AT(a, n) (DEPENDS_ON_SUBTREE(a, n) && subtree_mark[a] > stamp)
#define SUBTREE_TOUCHED(n)                                                                         \
    (SUBTREE_TOUCHED_AT(0, n) || SUBTREE_TOUCHED_AT(1, n) || SUBTREE_TOUCHED_AT(2, n) ||           \
     SUBTREE_TOUCHED_AT(3, n) || SUBTREE_TOUCHED_AT(4, n))
#define NAME_TOUCHED(n) (name_mark[n] > stamp || SUBTREE_TOUCHED(n))
#define SCOPE_TOUCHED                                                                              \
    (NAME_TOUCHED(name) || (told == ABSENT && existence_mark[name] > stamp) ||                     \
     (told == SOA && soa_mark[name] > stamp) || (told == CHAIN && NAME_TOUCHED(target)))
/* The short cut; of two zones, both. */
#ifdef MUTATE_NEWEST_OF_INNER
#define ZONE_TOUCHED (newest[TOPMOST(name)] > stamp || newest[TOPMOST(target)] > stamp)
#else
#define ZONE_TOUCHED (newest[TOPMOST(name)] > stamp || newest[TOPMOST(target)] > stamp)
#endif
#ifdef MUTATE_WHOLE_BY_QUESTION
#define TOUCHED (ZONE_TOUCHED && SCOPE_TOUCHED)
#else
#define TOUCHED (ZONE_TOUCHED && (told == WHOLE || SCOPE_TOUCHED))
#endif
#define HOLDS (clock == stamp || (all <= stamp && !TOUCHED))

/* ---- applying */

inline mark_zone(n)
{
#ifdef MUTATE_NEWEST_OF_INNER
    newest[NEAREST(n)] = clock + 1
#else
    newest[TOPMOST(n)] = clock + 1
#endif
}

/* The existence of all above, up to the topmost apex. */
inline mark_existence(n)
{
    k = 0;
    do
    :: k < LEVELS ->
        if
#ifdef MUTATE_EXISTENCE_STOPS
        :: ABOVE(k, n) && k != n && k >= NEAREST(n) -> existence_mark[k] = clock + 1
#else
        :: ABOVE(k, n) && k != n -> existence_mark[k] = clock + 1
#endif
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0
}

inline mark_name(n)
{
    name_mark[n] = clock + 1;
    mark_existence(n);
    mark_zone(n)
}

inline mark_subtree(n)
{
    mark_name(n);
    subtree_mark[n] = clock + 1
}

#define RECORD 1  /* a record at a name */
#define CUT 2     /* NS below the apex of the set's zone, DS, DNSKEY, a DNAME */
#define FLUSH 3   /* a subtree; of an apex, that is P9: a set that cannot be applied */
#define GARBAGE 4 /* of nobody knows which zone; a gap */

/* A negative answer of a name is wrong when something is there or below; all else by its names. */
#define CONCERNS_NAME(n, what, at)                                                                 \
    (what == GARBAGE || (what == RECORD && n == at) || (what != RECORD && ABOVE(at, n)))
#define CONCERNS(what, at, zone, serial)                                                           \
    (CONCERNS_NAME(name, what, at) || (told == ABSENT && ABOVE(name, at)) ||                       \
     (told == SOA && serial && name == zone) ||                                                    \
     (told >= CHAIN && CONCERNS_NAME(target, what, at)))

#ifdef MUTATE_BELOW_IGNORED
#define IS_OURS(zone) (zone == NEAREST(zone))
#else
#define IS_OURS(zone) true
#endif

inline apply(what, at, zone, serial)
{
    concerned = concerned || (told != NOTHING && CONCERNS(what, at, zone, serial));
    if
    :: what == GARBAGE ->
#ifdef MUTATE_ALL_IN_ONE_ZONE
        newest[0] = clock + 1;
        subtree_mark[0] = clock + 1
#else
        all = clock + 1
#endif
    :: what == RECORD && IS_OURS(zone) -> mark_name(at)
#ifdef MUTATE_CUT_IS_A_RECORD
    :: what == CUT && IS_OURS(zone) -> mark_name(at)
#else
    :: what == CUT && IS_OURS(zone) -> mark_subtree(at)
#endif
    :: what == FLUSH && IS_OURS(zone) -> mark_subtree(at)
    :: else
    fi;
#ifndef MUTATE_SERIAL_IGNORED
    if
    :: serial && what != GARBAGE && IS_OURS(zone) -> soa_mark[zone] = clock + 1; mark_zone(zone)
    :: else
    fi;
#endif
    clock++;
    SITUATION((told != NOTHING && !concerned && HOLDS && clock > stamp -> 1 : 99));
    PROMISE(P1_evicted_means_gone, told == NOTHING || !concerned || !HOLDS)
}

/* Any name in the zone: at its apex or below. */
inline choose_place()
{
    if
    :: its_zone = 0
    :: its_zone = 2
    :: its_zone = 3
    :: its_zone = OTHER
    fi;
    place = its_zone;
    do
    :: place < 3 -> place++
    :: break
    od
}

inline fetch(kind, from, to)
{
    told = kind;
    name = from;
    target = to;
    stamp = clock;
    concerned = false;
    printf("T holds: kind %d (1 data, 2 absence, 3 SOA, 4 chain, 5 long chain) of level %d, to %d\n", told, name, target)
}

proctype run_of()
{
    byte its_zone, place, k, which;
    bool with_serial;
    do
    :: atomic {
        changes < CHANGES ->
        changes++;
        choose_place();
        if
        :: with_serial = false
        :: with_serial = true
        fi;
        if
        :: printf("- a record at %d, set of zone %d, serial %d\n", place, its_zone, with_serial);
            apply(RECORD, place, its_zone, with_serial)
        :: place != its_zone ->
            printf("- a zone cut at %d, set of zone %d, serial %d\n", place, its_zone, with_serial);
            apply(CUT, place, its_zone, with_serial)
        :: printf("- a flush of %d and below, set of zone %d, serial %d\n", place, its_zone, with_serial);
            apply(FLUSH, place, its_zone, with_serial)
        :: printf("- a message that cannot be read\n"); apply(GARBAGE, 0, 0, false)
        fi;
        its_zone = 0;
        place = 0;
        with_serial = false
    }
    :: atomic {
        told == NOTHING || stamp < clock ->
        do
        :: which < OTHER -> which++
        :: break
        od;
        if
        :: fetch(DATA, which, which)
        :: which != 0 && which != OTHER -> fetch(ABSENT, which, which)
        :: which == 0 || which == 2 || which == 3 || which == OTHER -> fetch(SOA, which, which)
        :: which != OTHER -> fetch(CHAIN, which, OTHER)
        :: which != OTHER -> fetch(WHOLE, which, OTHER)
        :: which == 3 -> fetch(CHAIN, 3, 1)
        :: which == 3 -> fetch(WHOLE, 3, 1)
        :: which == OTHER -> fetch(CHAIN, OTHER, 3)
        :: which == OTHER -> fetch(WHOLE, OTHER, 3)
        fi;
        which = 0
    }
    :: atomic { changes == CHANGES -> break }
    od
}

init
{
    run run_of()
}
