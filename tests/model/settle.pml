/*
 * settle.pml - how long an answer may live that can be older than it looks: what is provisional.
 *
 *     authority: primary ~~lags~~> secondary           everything happens at whole ticks;
 *                     \            /                   what happens at the same tick, in any order
 *                  [a caching forwarder]
 *                           |
 *     log ----------->   tier 0   clients
 *       '------------>   tier 1   clients              with min_ttl, hold and serve_stale in each
 *
 * A change reaches all authoritative servers within SETTLE ticks. What is asked for within SETTLE of having applied a
 * change may be old; it is provisional: it lives for LIFE, no min_ttl makes it live longer, it is not held past that, and
 * does not come back when the upstream is dead. A position that is taken counts as a change. What a
 * parent says is provisional is so for its children, with the TTL that it says.
 *
 * A forwarder that caches says the old answer until it has run out there: up to the longest TTL it can be cached with
 * after the last server has given it, so up to SETTLE later. What comes from it within that window after a change is
 * provisional as well. By TTL it cannot be told: what is left of it says nothing of what it was.
 *
 *   here                     in the code
 *   settling()               validity_is_settling, by when the question set out
 *   second_hand()            validity_changed_within
 *   keep()                   inflight.c bound_life; store_put
 *   look()                   life.c life_judge: TTL, hold, revived
 *   fail()                   inflight.c serve_stale, life_revive
 *   flagged                  position.c, flag 1 of the option
 *
 * A question is answered within DELAY ticks. A TTL that is not short may run out at any moment. P3 is in freshet.pml; here a
 * parent that has applied less is not believed at all.
 *
 *   P4_old_is_provisional   what a tier keeps that is older than what it has applied is provisional
 *   P4_old_is_gone          once all tiers above have applied a change and the servers have it, a tier gives
 *                           the old for LIFE + DELAY a tier at most
 *   P4_local_is_gone        what a parent has from a local record, its children give for its TTL at most
 *
 *   MUTATE_NO_SETTLE             nothing is provisional                                         P4
 *   MUTATE_BY_ARRIVAL            judges by when the answer came                                 P4
 *   MUTATE_COLD_IS_SETTLED       a position that is taken does not count as a change            P4
 *   MUTATE_NOT_CARRIED           a parent does not say that its answer is provisional           P4
 *   MUTATE_MIN_TTL               min_ttl lengthens what is provisional                          P4
 *   MUTATE_MIN_TTL_SECOND_HAND   min_ttl lengthens what a forwarder's cache says                P4
 *   MUTATE_HELD                  what is provisional is held                                    P4
 *   MUTATE_HELD_UNVOUCHED        what a forwarder's cache says is held                          P4
 *   MUTATE_REVIVED               what is provisional is served stale                            P4
 *   MUTATE_LOCAL_NOT_FLAGGED     a parent does not say that its answer is a local record        P4
 *   MUTATE_CACHE_BELIEVED        what a forwarder's cache says is as good as an authority       P4
 *   MUTATE_SECOND_HAND_LOST      a parent does not say that its answer is of a cache            P4
 *   MUTATE_WINDOW_BY_REST        the window is the TTL that was left of the answer held         P4
 *   MUTATE_WINDOW_NO_SETTLE      the window is the longest TTL alone                            P4
 */
#include "common.pml"

#ifndef TIERS
#define TIERS 2
#endif
#ifndef CHANGES
#define CHANGES 1
#endif
#ifndef COLD_START
#define COLD_START 0 /* tiers that start without a position: 1 for the topmost, plus 2 for the lowest */
#endif
#ifndef FORWARDER
#define FORWARDER 0
#endif
#ifndef LOCAL
#define LOCAL 0 /* whether the topmost tier has a local record of x, until it is taken away */
#endif
#ifndef SETTLE
#define SETTLE 3
#endif
#ifndef LIFE
#define LIFE 2
#endif
#ifndef DELAY
#define DELAY 1
#endif
#ifndef RRSET_TTL
#define RRSET_TTL 4 /* with a forwarder or a local record */
#endif
#define MIN_TTL (RRSET_TTL + 1)
#define LONG 100 /* a TTL that is not short */
#define STAND_IN 2 /* so long a stale answer is given before the upstream is tried again */

#define LOWEST (TIERS - 1)
#define WHO(t) (t == LOWEST && t > 0 -> 'C' : 'P')

bool P4_old_is_provisional = true;
bool P4_old_is_gone = true;
bool P4_local_is_gone = true;

/* ---- the world. There is no clock: what is remembered is how long ago something was, AGES for "long ago". */

#define LOCAL_VERSION 50
#if FORWARDER
#define OUTLIVED (SETTLE + RRSET_TTL) /* the old, so long after a change, what answers the topmost tier */
#else
#define OUTLIVED SETTLE
#endif
#define AGES (OUTLIVED + TIERS * (LIFE + DELAY))

byte version;        /* at the primary; as many entries are in the log */
byte secondary;      /* version there */
byte secondary_left; /* until it has to have the next */
bool dead;           /* nobody hears the authority */
bool has_local = LOCAL;
byte local_gone;     /* since it was taken away */
/* the forwarder's cache */
bool cached;
byte cached_version;
byte cached_left;

typedef Fetch {
    byte state;
    byte age;
    bool untouched; /* by changes since it set out */
    bool settling;  /* it set out within SETTLE of a change, */
    bool in_window; /* or within the window */
    /* the response */
    byte version;
    byte ttl;
    bool flagged;
    bool second_hand;
    bool believed; /* a parent as far as we are, or an authority */
};

#define FREE 0
#define SENT 1
#define ASKED 2 /* waits at the parent */
#define RETURNED 3
#define FAILED 4

typedef Tier {
    byte applied;
    bool cold;
    byte changed;        /* since a change was applied last, or the position was taken */
    byte window;         /* since a change was applied last */
    byte skipped;        /* ghost: versions from before the position */
    byte rest;           /* what was left of the TTL of the answer held then */
    byte since[CHANGES]; /* ghost: it and those above applied each version */
    bool held;
    bool valid;
    bool provisional;
    bool second_hand;
    byte version;
    byte left; /* of its TTL */
    byte standing_in;
    Fetch fetch;
};
Tier tier[TIERS];

#define T tier[t]
#define F tier[t].fetch
#define FRESH (T.left > 0)

/* ---- what is provisional */

#ifdef MUTATE_NO_SETTLE
#define SETTLING false
#else
#ifdef MUTATE_BY_ARRIVAL
#define SETTLING (T.changed < SETTLE)
#else
#define SETTLING F.settling
#endif
#endif

#ifdef MUTATE_WINDOW_BY_REST
#define WINDOW (T.rest + SETTLE)
#else
#ifdef MUTATE_WINDOW_NO_SETTLE
#define WINDOW RRSET_TTL
#else
#define WINDOW (RRSET_TTL + SETTLE)
#endif
#endif
#ifdef MUTATE_CACHE_BELIEVED
#define SECOND_HAND false
#else
#define SECOND_HAND (F.second_hand && F.in_window)
#endif

#ifdef MUTATE_MIN_TTL
#define LENGTHENED true
#else
#ifdef MUTATE_MIN_TTL_SECOND_HAND
#define LENGTHENED (!T.provisional)
#else
#define LENGTHENED (!T.provisional && !T.second_hand)
#endif
#endif
#ifdef MUTATE_HELD
#define HOLDABLE true
#else
#ifdef MUTATE_HELD_UNVOUCHED
#define HOLDABLE (!T.provisional)
#else
#define HOLDABLE (!T.provisional && !T.second_hand)
#endif
#endif
#ifdef MUTATE_REVIVED
#define REVIVABLE true
#else
#define REVIVABLE (!T.provisional)
#endif

/* What a cache said before there was a position, it may say after: it is not known to have changed. */
#define FROM_BEFORE (T.second_hand && T.applied == T.skipped)

/* A response is here, and may be kept. */
inline keep()
{
    T.held = true;
    T.valid = true;
    T.version = F.version;
    T.second_hand = F.second_hand;
    T.provisional = (F.flagged || SETTLING || SECOND_HAND);
    T.left = (SETTLING || SECOND_HAND -> MIN(F.ttl, LIFE) : F.ttl);
    if
    :: LENGTHENED -> T.left = MAX(T.left, MIN_TTL)
    :: else
    fi;
    T.standing_in = 0;
    SAY3(t, "keeps version %d for %d ticks, provisional: %d\n", F.version, T.left, T.provisional);
    SITUATION((t == LOWEST && t > 0 && F.flagged && !SETTLING && F.version < T.applied -> 1 : 99));
    SITUATION((t == LOWEST && F.second_hand && F.version < T.applied && !SETTLING -> 2 : 99));
    PROMISE(P4_old_is_provisional, T.version >= T.applied || T.provisional || FROM_BEFORE)
}

/* ---- answering */

/* The old may be given until then: everybody above has applied the change, and all servers have it. */
#define OLD_IS_LATE(v)                                                                             \
    (v < T.applied && T.since[v] >= OUTLIVED + (t + 1) * (LIFE + DELAY))


/* Whether there is an answer to be given. With `hold`, what is not provisional outlives its TTL. */
#define GIVES (T.held && T.valid && (FRESH || T.standing_in > 0 || HOLDABLE))

inline hit()
{
    SAY1(t, "gives version %d\n", T.version);
    PROMISE(P4_local_is_gone, t == 0 || T.version != LOCAL_VERSION || has_local ||
            local_gone < RRSET_TTL + DELAY);
    PROMISE(P4_old_is_gone, T.version == LOCAL_VERSION || !OLD_IS_LATE(T.version) ||
            (FROM_BEFORE && T.standing_in > 0))
}

inline set_out()
{
    F.state = SENT;
    F.untouched = true;
    F.settling = (T.changed < SETTLE);
    F.in_window = (T.window < WINDOW);
    SAY(t, "asks\n")
}

inline client_asks()
{
    if
    :: GIVES && !(t == 0 && has_local) -> hit()
    :: else ->
        if
        :: F.state == FREE && !(t == 0 && has_local) -> set_out()
        :: else
        fi
    fi
}

#ifdef MUTATE_SECOND_HAND_LOST
#define CARRIED false
#else
#define CARRIED (!has_local && second_hand_said)
#endif

/* What the parent says, is in `version_said` and so on. */
inline respond()
{
    tier[LOWEST].fetch.state = RETURNED;
    tier[LOWEST].fetch.version = version_said;
    tier[LOWEST].fetch.ttl = ttl_said;
#ifdef MUTATE_NOT_CARRIED
    tier[LOWEST].fetch.flagged = false;
#else
    tier[LOWEST].fetch.flagged = flag_said;
#endif
    tier[LOWEST].fetch.second_hand = CARRIED;
    tier[LOWEST].fetch.believed = is_believed;
    version_said = 0;
    ttl_said = 0;
    flag_said = false;
    second_hand_said = false;
    is_believed = false
}

inline say_provisional()
{
    if
    :: T.provisional -> ttl_said = LIFE; flag_said = true /* whole seconds: as from now */
    :: else
    fi
}

/* The child's question is here. A parent that has applied less is not believed. */
#define AS_FAR (tier[1].cold || tier[0].applied >= tier[1].applied)

inline child_asks()
{
    if
    :: has_local ->
        printf("P says its local record\n");
        version_said = LOCAL_VERSION;
        ttl_said = RRSET_TTL;
#ifndef MUTATE_LOCAL_NOT_FLAGGED
        flag_said = true;
#endif
        is_believed = AS_FAR;
        respond()
    :: !has_local && GIVES ->
        hit();
        /* What is past its TTL goes without a position where it only stands in. */
        version_said = T.version;
        second_hand_said = T.second_hand;
        ttl_said = MAX(T.left, 1);
        say_provisional();
        is_believed = (AS_FAR && (FRESH || T.standing_in == 0));
        respond()
    :: else ->
        tier[1].fetch.state = ASKED;
        tier[1].fetch.believed = AS_FAR;
        if
        :: F.state == FREE -> set_out()
        :: else
        fi
    fi
}

inline fetch_done()
{
    F.state = FREE;
    F.age = 0;
    F.untouched = false;
    F.settling = false;
    F.in_window = false;
    F.version = 0;
    F.ttl = 0;
    F.flagged = false;
    F.second_hand = false;
    F.believed = false
}

inline fetched()
{
    if
    :: F.untouched && F.believed -> keep()
    :: else -> SAY1(t, "does not keep version %d\n", F.version)
    fi;
    if
    :: TIERS == 2 && t == 0 && tier[LOWEST].fetch.state == ASKED ->
        is_believed = (tier[LOWEST].fetch.believed && F.untouched);
        version_said = F.version;
        second_hand_said = F.second_hand;
        ttl_said = T.left;
        say_provisional();
        respond()
    :: else
    fi;
    fetch_done()
}

/* The upstream is dead: what is held may stand in for it. */
inline fail()
{
    SAY(t, "gets no answer\n");
    if
    :: T.held && T.valid && !FRESH && REVIVABLE ->
        T.standing_in = STAND_IN;
        SAY1(t, "lets version %d stand in\n", T.version);
        hit()
    :: else
    fi;
    if
    :: TIERS == 2 && t == 0 && tier[LOWEST].fetch.state == ASKED -> tier[LOWEST].fetch.state = FAILED
    :: else
    fi;
    fetch_done()
}

/* ---- the feed */

inline all_is_invalid()
{
    T.changed = 0;
#if FORWARDER
    T.rest = (T.held -> T.left : RRSET_TTL);
#endif
    /* An answer that is not valid is no answer, and what it was is of no use. */
    T.held = false;
    T.valid = false;
    T.provisional = false;
    T.second_hand = false;
    T.version = 0;
    T.left = 0;
    T.standing_in = 0;
    F.untouched = false
}

inline apply()
{
    T.since[T.applied] = 0;
    tier[LOWEST].since[T.applied] = 0;
    T.applied++;
    all_is_invalid();
    T.window = 0;
    SAY1(t, "applies version %d\n", T.applied)
}

/* All that was in the log is skipped, and all is invalid. */
inline take_position()
{
    do
    :: T.applied < version -> T.since[T.applied] = 0; T.applied++
    :: else -> break
    od;
    T.skipped = T.applied;
    all_is_invalid();
#ifdef MUTATE_COLD_IS_SETTLED
    T.changed = AGES;
#endif
    T.cold = false;
    SAY(t, "takes its position: all is invalid\n")
}

/* ---- the authority, or a forwarder in front of it */

inline authority_says(its_version)
{
    tier[0].fetch.state = RETURNED;
    tier[0].fetch.version = its_version;
    tier[0].fetch.ttl = LONG;
    tier[0].fetch.believed = true;
    printf("- the authority says version %d\n", its_version)
}

inline forwarder_says()
{
    tier[0].fetch.state = RETURNED;
    tier[0].fetch.version = cached_version;
    tier[0].fetch.ttl = cached_left;
    tier[0].fetch.second_hand = true;
    tier[0].fetch.believed = true;
    printf("- the forwarder says version %d, TTL %d\n", cached_version, cached_left)
}

inline forwarder_caches(its_version)
{
    cached = true;
    cached_version = its_version;
    cached_left = RRSET_TTL;
    printf("- the forwarder caches version %d for %d ticks\n", its_version, RRSET_TTL)
}

/* ---- time */

#define OLDER(age) age = (age < AGES -> age + 1 : AGES)
#define LESS(left) left = (left > 0 && left < LONG -> left - 1 : left)

#if defined(MUTATE_HELD) || defined(MUTATE_REVIVED)
#define GONE_WHEN_OVER false
#else
#define GONE_WHEN_OVER true
#endif

inline tick_of(n)
{
    OLDER(tier[n].changed);
    OLDER(tier[n].window);
    k = 0;
    do
    :: k < tier[n].applied -> OLDER(tier[n].since[k]); k++
    :: else -> break
    od;
    k = 0;
    LESS(tier[n].left);
    LESS(tier[n].standing_in);
    tier[n].fetch.age = (tier[n].fetch.state == FREE -> 0 : tier[n].fetch.age + 1);
    if /* what can be given no more is no answer */
    :: tier[n].provisional && tier[n].left == 0 && GONE_WHEN_OVER ->
        tier[n].held = false;
        tier[n].valid = false;
        tier[n].provisional = false;
        tier[n].second_hand = false;
        tier[n].version = 0
    :: else
    fi
}

/* A tick waits for who has to be done by then. */
#define IS_DUE(n) (tier[n].fetch.state != FREE && tier[n].fetch.age >= DELAY)
#define SECONDARY_IS_DUE (secondary < version && secondary_left == 1)

inline tick()
{
    printf("- a tick\n");
    tick_of(0);
#if TIERS == 2
    tick_of(1);
#endif
    LESS(secondary_left);
    if
    :: cached -> cached_left--
    :: else
    fi;
    if
    :: cached && cached_left == 0 -> cached = false; cached_version = 0
    :: else
    fi;
    if
    :: LOCAL && !has_local -> OLDER(local_gone)
    :: else
    fi
}

#define EACH(n)                                                                                    \
    :: atomic { !tier[n].cold && tier[n].applied < version -> t = n; apply(); t = 0 }              \
    :: atomic { tier[n].fetch.state == FREE -> t = n; client_asks(); t = 0 }                       \
    :: atomic { tier[n].fetch.state == RETURNED -> t = n; fetched(); t = 0 }                       \
    :: atomic { tier[n].fetch.state == FAILED -> t = n; fail(); t = 0 }                            \
    :: atomic {                                                                                    \
        tier[n].held && tier[n].left == LONG ->                                                    \
        tier[n].left = 0;                                                                          \
        printf("- a TTL runs out\n")                                                               \
    }

proctype run_of()
{
    byte t, k, version_said, ttl_said;
    bool flag_said, second_hand_said, is_believed;
end:
    do
    EACH(0)
#if TIERS == 2
    EACH(1)
    :: atomic { tier[1].fetch.state == SENT -> child_asks() }
    :: atomic {
        dead && tier[1].fetch.state == SENT -> /* the parent is, too */
        tier[1].fetch.state = FAILED
    }
#endif
#if COLD_START
    :: atomic { tier[0].cold -> take_position() }
    :: atomic { tier[LOWEST].cold -> t = LOWEST; take_position(); t = 0 }
#endif
#if FORWARDER
    :: atomic { tier[0].fetch.state == SENT && !dead && cached -> forwarder_says() }
    :: atomic { !cached -> forwarder_caches(version) } /* for somebody, or us */
    :: atomic { !cached && secondary < version -> forwarder_caches(secondary) }
#else
    :: atomic { tier[0].fetch.state == SENT && !dead -> authority_says(version) }
    :: atomic {
        tier[0].fetch.state == SENT && !dead && secondary < version ->
        authority_says(secondary)
    }
#endif
    :: atomic { tier[0].fetch.state == SENT && dead -> tier[0].fetch.state = FAILED }
    :: atomic { !dead -> dead = true; printf("- the upstream is dead\n") }
    :: atomic {
        version < CHANGES && secondary == version ->
        version++;
        secondary_left = SETTLE;
        printf("- version %d is committed\n", version)
    }
    :: atomic {
        secondary < version ->
        secondary++;
        secondary_left = 0;
        printf("- the secondary has version %d\n", secondary)
    }
#if LOCAL
    :: atomic {
        has_local ->
        has_local = false;
        printf("- the local record is gone\n")
    }
#endif
    :: atomic { !IS_DUE(0) && !IS_DUE(LOWEST) && !SECONDARY_IS_DUE -> tick() }
    od
}

init
{
    byte t;
    d_step {
        do
        :: t < TIERS -> T.changed = AGES; T.window = AGES; t++
        :: else -> break
        od;
        tier[0].cold = COLD_START & 1;
        tier[LOWEST].cold = (TIERS == 2 -> (COLD_START & 2) > 0 : COLD_START & 1);
        t = 0
    }
    run run_of()
}
