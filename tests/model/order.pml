/*
 * order.pml - in which order change sets may bring data: repeated, late, misplaced; of publishers that start over
 * or whose clock is wrong; of a zone and the one it lies in.
 *
 *     publisher A, its clock off ---.                     the authority of the inner zone
 *     publisher B, without a count -+- sets of the inner zone      | version of x
 *     the outer zone's publisher ----- glue for x; a zone cut      v
 *                 |  in any order, some twice               asks, arrives later
 *                 v                                                |
 *          one tier: order of each zone, x held or not  <----------'
 *
 * One tier applies sets in any order at all: that is what partitions, messages in the wrong one, retries and
 * delays amount to. (With LOG_ORDER, in that of each of two partitions.) Of an application only the marks and the
 * installing are steps of their own; more races are in freshet.pml.
 *
 *   here                    in the code
 *   take_up(), bring()      apply.c apply_change_set
 *   enter()                 order.c order_enter
 *   install()               apply.c install -> store_replace; overtaken() of shard.c
 *   gap()                   apply.c apply_invalidate
 *   born                    when the answer came, or when the change that brought it was made
 *   worker()                inflight.c; shard.c pushed_already, drop_overtaken
 *
 * Time is in ticks. The date of a set is by its publisher's clock, and several may have the same. B's clock is right, A's is
 * ahead by AHEAD or behind by BEHIND. TOLERANCE ticks are what clocks in step differ by. A clock that is ahead by
 * more shows when its set is applied soon; applied late enough it looks like any other, and no rule can
 * tell: that does not happen here (SHOWS). A publisher takes longer than a tick to start over.
 *
 * A set may bring data if something proves that it comes after all that was applied for its zone: its publisher's count
 * went up, or its date is newer, and neither went back; it is newer than what other publishers said, and than the last
 * gap, by more than clocks may differ; all sets of the zone came from one partition. And it may take the
 * place only of what no other change has touched, and what came before the change was made, by more than clocks may differ:
 * else the authority may be further than the set by now. What is not proven evicts. A fetch that
 * comes back late may have brought its client something newer than a set that was installed meanwhile: that goes.
 * Serials are left out: they only refuse more.
 *
 *   P1_evicted_means_gone     what is held and valid is of the newest version applied, or a later one
 *   P8_no_old_data_installed  what is installed is no older than what was applied, nor than what was held
 *   P8_never_back             what is held and valid is no older than what clients were given
 *
 *   MUTATE_REPEATED_IS_DROPPED    a seq that was seen does nothing, whatever its bytes           P1
 *   MUTATE_OVER_NEWER             installs whatever is held                                      P8
 *   MUTATE_OVER_EVICTED           installs where another change has evicted                      P8
 *   MUTATE_ASKED_NOT_ARRIVED      compares with when the held answer was asked for               P8
 *   MUTATE_NO_TOLERANCE           compares times of different clocks as they are                 P8
 *   MUTATE_EQUAL_IS_IN_ORDER      without a count, the same date passes for later                P8
 *   MUTATE_FUTURE_INSTALLS        a set from ahead of the clock is capped, and installs          P8
 *   MUTATE_GAP_FORGETS            behind a gap, old is only what is older than a set seen        P8
 *   MUTATE_OUTER_GLUE             the outer zone's set installs over what the inner zone has     P8
 *   MUTATE_ELSEWHERE_INSTALLS     sets of a zone install from two partitions                     P8
 *   MUTATE_LATE_FILL_LEAVES       a late fill leaves what was installed meanwhile                P8
 */
#include "common.pml"

#ifndef CHANGES
#define CHANGES 3
#endif
#ifndef REPEATS
#define REPEATS 1
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef GLUE
#define GLUE 0 /* sets of the outer zone with data for x */
#endif
#ifndef CUTS
#define CUTS 0 /* sets of the outer zone that change who answers for x */
#endif
#ifndef GAPS
#define GAPS 0
#endif
#ifndef AHEAD
#define AHEAD 0
#endif
#ifndef BEHIND
#define BEHIND 0
#endif
#ifndef LOG_ORDER
#define LOG_ORDER 0
#endif
#ifndef TICKS
#define TICKS 3
#endif
#ifndef FETCHES
#define FETCHES 1
#endif
#define TOLERANCE 1
#define SETS (CHANGES + GLUE + CUTS)
#define WHO(t) 'T'

#ifdef MUTATE_NO_TOLERANCE
#define SLACK 0
#else
#define SLACK TOLERANCE
#endif

bool P1_evicted_means_gone = true;
bool P8_no_old_data_installed = true;
bool P8_never_back = true;

/* ---- the world */

byte now = 4; /* so that no time is below 0 */
byte ticks;
byte version; /* of x at its authority */

#define INNER 0
#define OUTER 1
#define A 0
#define B 1

typedef Set {
    byte zone;
    byte by;
    byte seq;
    byte time;
    byte version;
    bool brings; /* x's new record; else it only evicts */
    bool other_partition;
    bool done; /* applied at least once, or skipped */
};
Set set[SETS];
byte sets;
byte changes;
byte glued;
byte cuts;
byte seq;    /* of publisher A; B has none */
byte latest; /* A's newest date */
byte repeats;
byte restarts;
byte gaps;

/* ---- the tier */

typedef Publisher {
    byte highest;
    byte time;
    byte digest[2]; /* by seq modulo 2: a set, counted from 1 */
};
typedef Order {
    Publisher by[2];
};
Order order[2]; /* by zone */
byte missed;    /* sets committed before may have been missed */
byte partitions_seen; /* of the inner zone's sets: a bit each */

bool held;
bool valid;
bool pushed;
byte born;
byte held_version;
/* a fetch under way */
bool fetching;
bool untouched; /* nothing of x was marked since it set out */
bool read;
byte read_version;
byte asked_at;
byte fetches;
byte known; /* ghost: the newest version applied or skipped */
byte given; /* ghost: the newest version a client may have seen */

inline check_hit()
{
    PROMISE(P1_evicted_means_gone, !(held && valid) || held_version >= known);
    PROMISE(P8_never_back, !(held && valid) || held_version >= given);
    if
    :: held && valid -> given = MAX(given, held_version)
    :: else
    fi
}

inline drop()
{
    held = false;
    valid = false;
    pushed = false;
    born = 0;
    held_version = 0
}

/* ---- order.c */

#define SET set[n]
#define PUBLISHER order[SET.zone].by[SET.by]
#define OTHERS_TIME order[SET.zone].by[1 - SET.by].time
#define DIGEST PUBLISHER.digest[SET.seq % 2]

inline forget_digests()
{
    PUBLISHER.digest[0] = 0;
    PUBLISHER.digest[1] = 0
}

/* By seq. Leaves `placed`, `repeated`. */
inline enter_seq()
{
    if
    :: SET.by == B ->
#ifdef MUTATE_EQUAL_IS_IN_ORDER
        placed = (time >= PUBLISHER.time)
#else
        placed = (time > PUBLISHER.time)
#endif
    :: SET.by == A && SET.seq > PUBLISHER.highest ->
        if
        :: SET.seq - PUBLISHER.highest > 1 -> forget_digests()
        :: else
        fi;
        PUBLISHER.highest = SET.seq;
        DIGEST = n + 1;
        placed = (time >= PUBLISHER.time)
    :: else ->
        placed = false;
        if
#ifdef MUTATE_REPEATED_IS_DROPPED
        :: PUBLISHER.highest - SET.seq < 2 && DIGEST != 0 -> repeated = true
#else
        :: PUBLISHER.highest - SET.seq < 2 && DIGEST == n + 1 -> repeated = true
#endif
        :: else ->
            if
            :: time > PUBLISHER.time -> /* it has lost count, and starts over */
                forget_digests();
                PUBLISHER.highest = SET.seq;
                SITUATION(1)
            :: else
            fi;
            if
            :: PUBLISHER.highest - SET.seq < 2 -> DIGEST = n + 1
            :: else
            fi
        fi
    fi
}

#define AFTER_OTHERS (OTHERS_TIME == 0 || time > OTHERS_TIME + SLACK)
#ifdef MUTATE_GAP_FORGETS
#define AFTER_GAP true
#else
#define AFTER_GAP (missed == 0 || time > missed + SLACK)
#endif
#ifdef MUTATE_FUTURE_INSTALLS
#define NOT_FUTURE true
#else
#define NOT_FUTURE (SET.time <= now + TOLERANCE)
#endif
#ifdef MUTATE_ELSEWHERE_INSTALLS
#define ONE_PARTITION true
#else
#define ONE_PARTITION (partitions_seen != 3)
#endif

inline enter()
{
    time = (SET.time > now + TOLERANCE -> now : SET.time);
    if
    :: SET.zone == INNER -> partitions_seen = partitions_seen | (SET.other_partition -> 2 : 1)
    :: else
    fi;
    enter_seq();
    placed = (placed && AFTER_OTHERS && AFTER_GAP && NOT_FUTURE && ONE_PARTITION);
    if
    :: !repeated -> PUBLISHER.time = MAX(PUBLISHER.time, time)
    :: else
    fi
}

/* ---- apply.c */

#ifdef MUTATE_OVER_NEWER
#define OVERTAKEN false
#else
#define OVERTAKEN (pushed -> born > time : born + SLACK >= time)
#endif
#ifdef MUTATE_OVER_EVICTED
#define RENEWED held
#else
#define RENEWED (held && valid) /* before the marks */
#endif
#ifdef MUTATE_OUTER_GLUE
#define MAY_BRING SET.brings
#else
#define MAY_BRING (SET.brings && SET.zone == INNER)
#endif

inline install()
{
    if
    :: held && !valid && !OVERTAKEN ->
        SAY2(0, "  installs version %d over version %d\n", SET.version, held_version);
        PROMISE(P8_no_old_data_installed, SET.version >= known && SET.version >= held_version);
        held_version = SET.version;
        valid = true;
        pushed = true;
        born = time;
        check_hit();
        SITUATION((AHEAD > 0 && SET.by == B -> 3 : 99));
        SITUATION((restarts > 0 && SET.by == A && SET.seq == 2 -> 2 : 99))
    :: else -> SAY(0, "  does not install: what is held may be newer\n")
    fi
}

/* Glue is of some version that was, and tells of no change of x. */
#define TELLS (SET.zone == INNER || !SET.brings)

/* The marks. */
inline take_up(which)
{
    n = which;
    SAY3(0, "applies set %d: version %d, dated %d", n, SET.version, SET.time);
    printf(" (now %d)\n", now);
    enter();
    renewed = RENEWED;
    if
    :: repeated -> SAY(0, "  which it has had\n")
    :: else -> valid = false; untouched = false
    fi;
    if
    :: TELLS -> known = MAX(known, SET.version)
    :: else
    fi;
    SET.done = true;
    check_hit()
}

inline bring()
{
    d_step {
        if
        :: !repeated && placed && MAY_BRING && renewed -> install()
        :: else -> SAY(0, "  brings nothing\n")
        fi;
        time = 0;
        placed = false;
        repeated = false;
        renewed = false;
        n = 0
    }
}

#define APPLY(n)                                                                                   \
    :: d_step { APPLICABLE(n) -> take_up(n) } bring()                                              \
    :: d_step { REPEATABLE(n) -> repeats++; take_up(n) } bring()

/* Sets in the log may be skipped; which, no one knows. */
inline gap()
{
    d_step {
        gaps++;
        valid = false;
        untouched = false;
        missed = now;
        partitions_seen = 0;
        SAY1(0, "a gap: all is invalid (now %d)\n", now);
        n = 0;
        do
        :: n < 2 ->
            order[n].by[A].highest = 0;
            order[n].by[A].time = 0;
            order[n].by[A].digest[0] = 0;
            order[n].by[A].digest[1] = 0;
            order[n].by[B].time = 0;
            n++
        :: else -> break
        od;
        n = 0
    }
    do
    :: n < sets && !SET.done ->
        SET.done = true;
        if
        :: TELLS -> known = MAX(known, SET.version)
        :: else
        fi;
        SAY1(0, "  set %d lay in it\n", n);
        n++
    :: n < sets -> n++
    :: n == sets -> n = 0; break
    od
}

#define SHOWS(k) (AHEAD <= TOLERANCE || set[k].by == B || set[k].time > now + TOLERANCE)
#define BEFORE(j, k) (j >= k || set[j].done || set[j].other_partition != set[k].other_partition)
#if LOG_ORDER
#define IN_ORDER(k) (BEFORE(0, k) && BEFORE(1, k) && BEFORE(2, k))
#else
#define IN_ORDER(k) true
#endif
#define APPLICABLE(k) (k < sets && !set[k].done && SHOWS(k) && IN_ORDER(k))
#define REPEATABLE(k) (k < sets && set[k].done && repeats < REPEATS && SHOWS(k))

proctype feed()
{
    byte n, time;
    bool placed, repeated, renewed;
end_idle:
    do
    APPLY(0)
#if SETS > 1
    APPLY(1)
#endif
#if SETS > 2
    APPLY(2)
#endif
#if SETS > 3
    APPLY(3)
#endif
#if GAPS
    :: atomic { gaps < GAPS -> gap() }
#endif
    od
}

/* An answer is asked for when none is held, and at times when one is: it ages, or its TTL is over. */
proctype worker()
{
end_idle:
    do
    :: d_step {
        !fetching && fetches < FETCHES ->
        fetches++;
        fetching = true;
        untouched = true;
        asked_at = now;
        SAY1(0, "asks for x (now %d)\n", now)
    }
    :: d_step {
        fetching && read ->
        if
        :: untouched && !(held && valid && pushed) ->
            held = true;
            valid = true;
            pushed = false;
#ifdef MUTATE_ASKED_NOT_ARRIVED
            born = asked_at;
#else
            born = now;
#endif
            held_version = read_version;
            SAY2(0, "keeps version %d (now %d)\n", read_version, now)
        :: else ->
            SAY1(0, "gives its client version %d, and does not keep it\n", read_version);
            given = MAX(given, read_version);
#ifndef MUTATE_LATE_FILL_LEAVES
            if
            :: held && (pushed || !valid) -> drop() /* also what is about to be replaced */
            :: else
            fi
#endif
        fi;
        check_hit();
        fetching = false;
        untouched = false;
        read = false;
        read_version = 0;
        asked_at = 0
    }
    od
}

/* ---- publishers, the authority, time */

inline publish(its_zone, who, date, its_version, with_data)
{
    set[sets].zone = its_zone;
    set[sets].by = who;
    set[sets].seq = (who == A -> seq : 0);
    set[sets].time = date;
    set[sets].version = its_version;
    set[sets].brings = with_data;
    printf("- set %d: version %d, dated %d, is committed (now %d)\n", sets, its_version, date, now);
    if
    :: set[sets].other_partition = false
    :: LOG_ORDER -> set[sets].other_partition = true; printf("- .. in the other partition\n")
    fi;
    sets++
}

proctype world()
{
    byte k;
end_idle:
    do
    :: atomic {
        changes < CHANGES ->
        changes++;
        version++;
        seq++;
        latest = now + AHEAD - BEHIND;
        printf("- A, count %d:\n", seq);
        publish(INNER, A, latest, version, true)
    }
    :: atomic {
        changes < CHANGES ->
        changes++;
        version++;
        printf("- B:\n");
        publish(INNER, B, now, version, true)
    }
#if GLUE
    :: atomic {
        glued < GLUE ->
        do
        :: k < version -> k++
        :: break
        od;
        glued++;
        printf("- outer zone, glue:\n");
        publish(OUTER, B, now, k, true);
        k = 0
    }
#endif
#if CUTS
    :: atomic {
        cuts < CUTS ->
        cuts++;
        version++;
        printf("- outer zone, a zone cut:\n");
        publish(OUTER, B, now, version, false)
    }
#endif
    :: d_step {
        restarts < RESTARTS && seq > 0 && now + AHEAD > latest + BEHIND ->
        restarts++;
        seq = 0;
        printf("- A starts over\n")
    }
    :: d_step { ticks < TICKS -> ticks++; now++; printf("- tick: now %d\n", now) }
    :: d_step {
        fetching && !read ->
        read = true;
        read_version = version;
        printf("- the authority says version %d\n", version)
    }
    od
}

init
{
    atomic {
        run world();
        run feed();
        run worker()
    }
}
