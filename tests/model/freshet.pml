/*
 * freshet.pml - changes, fetches and tiers as they race: what a tier may keep, and of whom.
 *
 *      publisher --commits--> primary ~~lags~~> secondary
 *          |                      \                /
 *          | publishes             \  either one  /
 *          v                        \ answers    /
 *    +--- log ---+                   v          v
 *    | 0 1 2 ... |--feed thread--> tier 0: clock, mark, one cached answer, fetches, clients
 *    | 0 1 ...   |                       ^   |
 *    | partitions|              question |   | answer + position + proof
 *    +-----------+                       |   v
 *         '----------feed thread--> tier 1: the same     (and tier 2 below it)
 *
 * What must be seen as a race is in steps of its own, one for each moment at which the code's threads
 * may change over: the checkpoint before the marks, the marks before the clock, the clock before the
 * marks at a hit, the stamp before the query leaves, the position before the lookup.
 *
 * What stands for what
 *
 *   here                         in the code
 *   log[p]                       a partition of the topic; first: what retention has left
 *   tier[t].clock                validity.c, the change clock        validity_now, validity_commit
 *   tier[t].mark                 marks.c, the newest mark of x's scopes    validity_mark_name, ...
 *   HOLDS()                      validity_holds
 *   tier[t].held, stamp, ...     store.c, the entry of the question "x"
 *   store_get(), store_put()     the same there
 *   renew(), install()           apply.c renew, install -> store_renew, store_replace
 *   apply_entry()                apply_change_set; advance of feed.c
 *   lose_place()                 feed.c reset, apply_invalidate
 *   take_position()              feed.c take_position, apply_invalidate
 *   applying, applied, before    position.c: the two offsets of a partition, and its checkpoints
 *   base, base_stamp             position.c: where, and as of what stamp, the position was taken
 *   proof                        position.c, the moment of the parent's proof, here by the clock that
 *                                its child had then: what the child makes of the moment
 *   bound_by_parent()            position.c positions_bound
 *   horizon, named               position.c positions_ask
 *   adrift                       `unplaced` of an answer, and flag 8 of the option
 *   tier[t].jobs[]               inflight.c, struct job, with fetch.c below it
 *   tier[t].waiters[]            inflight.c, struct waiter
 *   receive()                    query.c answer
 *   find_or_start()              inflight.c find_joinable, start_job
 *   fetched(), ask_again()       inflight.c fetched, take_waiters, ask_again
 *   claim                        the position in a parent's response, read before its lookup
 *
 * A parent's answer. Per partition in which the parent is behind us, it is as old as our clock was just
 * before we applied what the parent lacks: the checkpoint. The oldest of these, and of the stamp that
 * the fetch took, is the answer's stamp; then x's mark decides as for every other answer. Partitions
 * that were quiet since `horizon` are not named in the query; for these the parent's proof stands: at
 * some moment it had applied all of the log. The horizon may be anything here, so the model does not
 * depend on how long it is; nor on time at all.
 *
 * Which partition. Any message may lie in any partition. So a change that touches x may be of x's own
 * zone, of an outer one (a zone cut, a subtree), of nobody knows which (P9), or misplaced: the model
 * does not tell them apart, and no rule in it does.
 *
 * What is small. Two names: x, asked for and cached, and y, which changes but is asked for by
 * nobody. Versions of x are numbers: the serial at which x last changed, 0 before its first
 * change. A run has CHANGES commits, DUPLICATES entries that repeat an older one, DROPS entries
 * lost to retention, QUERIES_* queries by clients of the topmost and the lowest tier, JOBS fetches under way
 * per tier, ANEW new starts of the tier above the lowest, in whatever it does. A child asks a parent that is behind TRIES times more. run.sh has the numbers that are verified.
 *
 * What is left out
 *
 *   time            TTLs may end at any moment, timers fire at any moment. settle.pml has the time
 *   lease           feed.pml: how the proof is come by, transactions, losses
 *   order           order.pml: publishers, seq, wrong clocks, glue, what a late fill takes along. Here
 *                   repeats come without a seq, and mark
 *   scopes          zones.pml. Here x has one mark
 *   other workers   a worker's table of fetches is its own, and the store has its lock: another
 *                   worker is like another fetch, which is here
 *   a topic anew    offsets of before count for nothing until a later proof: as no position
 *   memory order    steps are sequentially consistent; release and acquire give the code as much
 *                   for the pairs that matter (marks.h)
 *   lost packets    one that is lost has not arrived yet
 *
 * P1 and P4, exactly. The secondary may say an old version after the primary has a newer one. So an
 * answer fetched after a change was applied may be old all the same. That is no breach of P1,
 * which speaks of when data was fetched; P4 bounds it in time. Here such an answer is `excused`, and
 * that alone excuses its version. It excuses nothing else: for each read of such an answer Spin
 * also tries the same run with the primary's. Excused as well is what a tier fetched from its parent while
 * it had no position itself: it is a plain TTL cache then, until it takes one and all is invalid (P5).
 *
 * What is checked
 *
 *   P1_evicted_means_gone     what a tier replies was fetched no earlier than the last change of x
 *                             that the tier had applied when the query came, and is of that
 *                             version or later. What a child hands on from a parent behind (TTL 0,
 *                             P3) was fetched in time; its version is the parent's.
 *   P2_no_late_fill           no hit on an answer that was in flight during a change and was kept
 *                             after it; no query joins a fetch that set out before what the tier
 *                             had applied
 *   P3_no_reimport            what a child keeps is of the version it had applied when it asked,
 *                             or later
 *   P5_gap_invalidates        P1 and P2 for changes that the tier never read: they lay in a gap, or
 *                             before its start
 *   P8_no_old_data_installed  what the feed installs is never older than what it has applied, or
 *                             skipped in a gap
 *   nobody_waits_forever      when nothing more can happen, every query has had its reply
 *
 * Mutations: the mistakes these rules prevent. In each Spin must find the breach; counterexamples/
 * has a shortest one in words, and says which test plays it against the code.
 *
 *   MUTATE_STAMP_ON_ARRIVAL        a fetch takes its stamp when the answer comes             P2
 *   MUTATE_POSITION_AFTER_LOOKUP   the parent reads its position when it replies             P3
 *   MUTATE_PROOF_AFTER_LOOKUP      the parent reads its proof when it replies                P3
 *   MUTATE_FLAG_NOT_STAMP          behind or not, by the partition of x's zone alone         P3
 *   MUTATE_CHECKPOINT_AFTER        as old as our clock after we applied what it lacks        P3
 *   MUTATE_CHECKPOINT_LATE         the checkpoint is made when the clock has moved           P3
 *   MUTATE_CHECKPOINT_ROUNDS_UP    of checkpoints thinned out, takes the next above          P3
 *   MUTATE_UNNAMED_IGNORED         an old proof does not bound the partitions not named      P3
 *   MUTATE_BASE_IGNORED            a parent below our base is no older than our base         P3
 *   MUTATE_BASE_NOT_NAMED          a position taken a moment ago does not count as a change  P3
 *   MUTATE_PASSED_ON_WITH_POSITION a parent tells its position with what its own parent,
 *                                  behind, made it pass on                                   P3
 *   MUTATE_NO_POSITION_BELIEVED    a parent without a position is believed as one that is as far  P3
 *   MUTATE_SINCE_NOT_YET           says since when it holds nothing older, before that is so  P3
 *   MUTATE_NO_GAP_RULE             reads on behind a gap, as auto.offset.reset=earliest does P5
 *   MUTATE_INVALIDATE_FIRST        invalidates, then looks where the log ends                P5
 *   MUTATE_HISTORY_ONLY            behind a gap, old is only what is older than a set seen   P8
 */
#include "common.pml"

#ifndef TIERS
#define TIERS 2
#endif
#ifndef PARTITIONS
#define PARTITIONS 1 /* 1 or 2 */
#endif
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef SETS
#define SETS 1 /* kinds of changes */
#endif
#ifndef EVICTIONS
#define EVICTIONS 1
#endif
#ifndef OTHERS
#define OTHERS 1
#endif
#ifndef DUPLICATES
#define DUPLICATES 0
#endif
#ifndef DROPS
#define DROPS 0
#endif
#ifndef COLD_START
#define COLD_START 0 /* whether the lowest tier starts without a position */
#endif
#ifndef ANEW
#define ANEW 0 /* how often the tier above the lowest starts anew */
#endif
#ifndef QUERIES_PARENT
#define QUERIES_PARENT 1
#endif
#ifndef QUERIES_CHILD
#define QUERIES_CHILD 2
#endif
#ifndef JOBS
#define JOBS 2
#endif
#ifndef CLIENTS
#define CLIENTS 2 /* that may wait at once, per tier: 2 or 3 */
#endif
#ifndef TRIES
#define TRIES 1
#endif
#ifndef LAG
#define LAG 0 /* whether there is a secondary that lags */
#endif
#ifndef EXPIRY
#define EXPIRY 0 /* whether a TTL may end */
#endif
#ifndef SLOW_PUBLISHER
#define SLOW_PUBLISHER 0 /* whether the log may be read between a commit and its entry */
#endif
#ifndef HORIZON
#define HORIZON 0 /* whether quiet partitions go unnamed in a query; 0: all are named */
#endif
#ifndef THIN
#define THIN 1 /* of so many checkpoints one is remembered */
#endif

#define ENTRIES (CHANGES + DUPLICATES)
#define WAITERS (JOBS + CLIENTS) /* at a parent the first JOBS are the child's fetches */
#define COLD_POSSIBLE (DROPS || COLD_START || ANEW)

#define LOWEST (TIERS - 1)
#define WHO(t) (t == LOWEST && t > 0 -> 'C' : (t == 0 -> 'P' : 'M'))
/*
 * A rule may be broken without harm, where what was fetched too early happens to be new all the
 * same. With HARM_ONLY only an old version in a reply counts: such counterexamples tell more.
 */
#ifdef HARM_ONLY
#define HARMLESS (answer_version >= WAITER.need)
#else
#define HARMLESS false
#endif

bool P1_evicted_means_gone = true;
bool P2_no_late_fill = true;
bool P3_no_reimport = true;
bool P5_gap_invalidates = true;
bool P8_no_old_data_installed = true;
bool nobody_waits_forever = true;

/* ---- the zone and its log */

#define SET_X 1   /* carries x's new record: evicts, and installs where x is held */
#define EVICT_X 2 /* part of a record, a flush, a zone cut above: evicts */
#define OTHER 3   /* a change of y */

typedef Entry {
    byte op;
    byte serial; /* the commit's number, also its time */
};

typedef Partition {
    Entry entry[ENTRIES];
    byte length;
    byte first; /* what is before it, retention has dropped */
};

byte commits;   /* serial at the primary */
byte primary;   /* version of x there */
byte secondary; /* version of x at the server that lags */
Partition log[PARTITIONS];
byte unpublished; /* op of a commit that is not in the log yet, or 0 */
byte repeats;
byte drops;
byte anew;

/* ---- tiers */

#define FREE 0
#define SENT 1     /* the query is on its way */
#define ASKED 2    /* at the parent */
#define RETURNED 3 /* the response is on its way */

/* What a parent says of itself. */
typedef Claim {
    byte position[PARTITIONS]; /* as applied, below; 0: it has none */
    byte proof; /* without a position: when it had dropped all it had */
};

typedef Job {
    byte state;
    bool joinable; /* in the table */
    byte stamp;
    bool positioned; /* child: it had a position when it asked */
    byte horizon;    /* partitions in which nothing was applied after this stamp .. */
    byte unnamed;    /* .. are not named: a bit each */
    byte tries;
    /* the response */
    byte version;
    bool excused;
    bool adrift; /* the parent has it from its own, having compared it with nothing */
    Claim claim;
    /* ghost: the version of x that the tier had applied when the query left */
    byte asked;
};

typedef Waiter {
    byte job; /* it waits for, or NONE */
    byte arrived;
    Claim claim; /* parent: its position before it looked */
    byte need;   /* ghost: the version of x that the tier had applied when the query came */
};

#define COLD 0
#define RUNNING 1

/* position.c: offsets here are plus 1; 0 for none. */
typedef Place {
    byte next; /* the entry to be read next */
    byte applying;
    byte applied;
    byte base;
    byte before[ENTRIES]; /* the clock before each entry was applied */
};

typedef Tier {
    byte clock;
    byte mark;
    /* the store's entry for x */
    bool locked;
    bool held;
    byte stamp;
    byte version;
    bool excused;
    bool adrift; /* compared with nothing: there was no position when it was asked for */
    byte asked; /* ghost: as in the job that brought it */
    bool late;  /* ghost: kept though a change of x was applied while it was fetched */
    /* the feed */
    byte state;
    Place place[PARTITIONS];
    byte base_stamp; /* at which all was invalid as the position was taken */
    byte proof;   /* the clock of the tier below when all of the log was applied here */
    byte history; /* newest serial applied */
    byte floor;   /* sets as old as this bring no data */
    /* ghost: the newest version of x that was applied, and what of it no entry told us but a gap */
    byte known;
    byte gap;

    Job jobs[JOBS];
    Waiter waiters[WAITERS];
    byte queries; /* that clients will still ask */
};
Tier tier[TIERS];

#define T tier[t]
#define BELOW tier[t + 1]
#define AT(entry) (entry + 1) /* as a position */
#define JOB T.jobs[j]
#define WAITER T.waiters[w]
#define PLACE T.place[p]

/* ---- the store and validity.c */

/*
 * validity_holds: the clock at the stamp is enough, else the mark decides. Two reads there; a mark
 * that comes between them can only turn a yes into a no, so one step will do.
 */
#define HOLDS(at) (T.clock == (at) || T.mark <= (at))

/*
 * Sets `ok` on a hit; then answer_* is the answer. The shard's lock is held, and the clock was
 * `seen` before the marks are looked at here (life_judge).
 */
inline store_get()
{
    if
    :: d_step {
        T.held && HOLDS(T.stamp) ->
        ok = true;
        T.stamp = MAX(T.stamp, seen);
        answer_version = T.version;
        answer_excused = T.excused;
        answer_adrift = T.adrift;
        answer_asked = T.asked;
        answer_late = T.late;
        SAY1(t, "  finds version %d cached\n", answer_version);
        seen = 0;
        T.locked = false
    }
    :: d_step {
        T.held && !HOLDS(T.stamp) ->
        SAY1(t, "  finds version %d cached, not valid any more\n", T.version);
        seen = 0;
        T.locked = false
    }
    :: d_step { !T.held -> SAY(t, "  finds nothing cached\n"); seen = 0; T.locked = false }
#if EXPIRY
    :: d_step {
        T.held ->
        SAY1(t, "  finds version %d cached, its TTL over\n", T.version);
        empty_store();
        seen = 0;
        T.locked = false
    }
#endif
    fi
}

inline empty_store()
{
    T.held = false;
    T.stamp = 0;
    T.version = 0;
    T.excused = false;
    T.adrift = false;
    T.asked = 0;
    T.late = false
}

/*
 * No step of its own: under the lock nobody sees the entry before it is whole, and a mark that
 * comes between the check and the insertion is as if it came after both. The lock is free: the
 * worker alone holds it for longer.
 */
inline store_put(stamp_of_it)
{
    T.held = true;
    T.stamp = stamp_of_it;
    T.version = answer_version;
    T.excused = answer_excused;
    T.adrift = answer_adrift;
    T.asked = answer_asked;
    T.late = (answer_asked < T.known);
    SAY2(t, "  caches version %d as of stamp %d\n", answer_version, stamp_of_it);
    SITUATION((t > 0 && JOB.claim.position[PARTITIONS - 1] < T.place[PARTITIONS - 1].applying -> 8 : 99));
    PROMISE(P3_no_reimport, t == 0 || answer_excused || answer_version >= answer_asked)
}

/* ---- the feed's thread */

/* store_renew, before the marks: what no other change has touched is known valid as of now. */
inline renew()
{
    d_step {
        !T.locked ->
        renewed = (T.held && HOLDS(T.stamp));
        T.stamp = (renewed -> T.clock : T.stamp)
    }
}

/* store_replace: where x is held, and no other change has touched it. */
inline install(its_version)
{
    d_step {
        !T.locked ->
        if
        :: renewed && T.held && T.stamp + 1 >= T.clock && HOLDS(T.clock) ->
            T.stamp = T.clock;
            T.version = its_version;
            T.excused = false;
            T.adrift = false;
            T.asked = T.known;
            T.late = false;
            SAY1(t, "feed: installs version %d\n", its_version);
            SITUATION(5);
            PROMISE(P8_no_old_data_installed, its_version >= T.known)
        :: else
        fi;
        renewed = false
    }
}

#define ENTRY log[p].entry[PLACE.next]
#define TOUCHES_X (ENTRY.op != OTHER)
#define MAY_BRING (ENTRY.op == SET_X && ENTRY.serial >= T.history && ENTRY.serial > T.floor)

/* positions_applying: the topmost tier asks no parent, and needs no checkpoints. */
inline make_checkpoint()
{
    PLACE.applying = AT(PLACE.next + 1);
    PLACE.before[PLACE.next] = (t > 0 -> T.clock : 0)
}

inline apply_entry(partition)
{
    p = partition;
    if
    :: MAY_BRING -> renew()
    :: else
    fi;
    d_step {
#ifndef MUTATE_CHECKPOINT_LATE
        make_checkpoint();
#endif
        if
        :: TOUCHES_X -> T.mark = T.clock + 1
        :: else
        fi;
        SAY3(t, "feed: takes up %d:%d, serial %d: marks\n", p, PLACE.next, ENTRY.serial)
    }
    d_step {
        T.clock++;
        if
        :: TOUCHES_X -> T.known = MAX(T.known, ENTRY.serial)
        :: else
        fi;
        SAY3(t, "feed: %d:%d is applied: the clock is %d\n", p, PLACE.next, T.clock)
    }
    if
    :: renewed -> install(ENTRY.serial)
    :: else
    fi;
    d_step {
#ifdef MUTATE_CHECKPOINT_LATE
        make_checkpoint();
        PLACE.before[PLACE.next] = (t > 0 -> T.clock - 1 : 0);
#endif
        T.history = MAX(T.history, ENTRY.serial);
        PLACE.next++;
        PLACE.applied = AT(PLACE.next);
        SAY2(t, "feed: the position in %d is %d\n", p, PLACE.next);
        p = 0
    }
}

/* Ghost: all before the position that was taken counts as applied, seen or not. */
inline count_skipped()
{
    p = 0;
    do
    :: p < PARTITIONS ->
        k = 0;
        do
        :: k < PLACE.next ->
            if
            :: log[p].entry[k].op != OTHER && log[p].entry[k].serial > T.known ->
                T.known = log[p].entry[k].serial;
                T.gap = T.known
            :: else
            fi;
            k++
        :: else -> break
        od;
        p++
    :: else -> break
    od;
    p = 0;
    k = 0
}

/* The offset is out of range: what is wanted next is not there any more. */
inline lose_place(partition)
{
#ifdef MUTATE_NO_GAP_RULE
    d_step {
        p = partition;
        PLACE.next = log[p].first;
        PLACE.applying = AT(PLACE.next);
        PLACE.applied = AT(PLACE.next);
        count_skipped();
        SAY1(t, "feed: the log starts later: reads on at %d\n", log[partition].first)
    }
#else
    d_step {
        p = 0;
        do
        :: p < PARTITIONS -> forget_place(); p++
        :: else -> break
        od;
        p = 0;
        T.proof = 0;
        T.base_stamp = 0;
        asked_at = (t < LOWEST -> BELOW.clock : 0);
#ifdef MUTATE_SINCE_NOT_YET
        T.proof = asked_at;
#endif
        T.mark = T.clock + 1
    }
    d_step {
        T.clock++;
        T.state = COLD;
        SAY1(t, "feed: a gap: all is invalid, the clock is %d\n", T.clock)
    }
    d_step { T.proof = asked_at; asked_at = 0 } /* positions_claim */
#endif
}

inline forget_place()
{
    PLACE.applying = 0;
    PLACE.applied = 0;
    PLACE.base = 0;
    k = 0;
    do
    :: k < ENTRIES -> PLACE.before[k] = 0; k++
    :: else -> break
    od;
    k = 0
}

/* watermarks: the ends, one partition after the other. The moment of asking is a proof, once all is invalid. */
inline look_for_ends()
{
    d_step {
        T.place[0].next = log[0].length;
        asked_at = (t < LOWEST -> BELOW.clock : 0);
        SAY1(t, "feed: partition 0 ends at %d\n", log[0].length)
    }
#if PARTITIONS == 2
    d_step {
        T.place[1].next = log[1].length;
        SAY1(t, "feed: partition 1 ends at %d\n", log[1].length)
    }
#endif
}

/* positions_take */
inline hold_from()
{
    p = 0;
    do
    :: p < PARTITIONS -> PLACE.applying = AT(PLACE.next); PLACE.base = PLACE.applying; p++
    :: else -> break
    od;
    p = 0;
    T.base_stamp = T.clock + 1
}

/* COLD to RUNNING: the ends first, then all is invalidated, then reading starts. */
inline take_position()
{
#ifndef MUTATE_INVALIDATE_FIRST
    look_for_ends();
#endif
    d_step {
#ifndef MUTATE_INVALIDATE_FIRST
        hold_from();
#endif
        T.mark = T.clock + 1
    }
    d_step {
        T.clock++;
#ifndef MUTATE_HISTORY_ONLY
        T.floor = commits; /* the wall clock: whatever is older was committed before now */
#endif
        SAY1(t, "feed: all is invalid, the clock is %d\n", T.clock);
#ifndef MUTATE_INVALIDATE_FIRST
        count_skipped()
#endif
    }
#ifdef MUTATE_INVALIDATE_FIRST
    look_for_ends();
    d_step { hold_from(); count_skipped() }
#endif
    d_step {
        p = 0;
        do /* positions_claim */
        :: p < PARTITIONS -> PLACE.applied = AT(PLACE.next); p++
        :: else -> break
        od;
        p = 0;
        T.proof = asked_at;
        asked_at = 0;
        T.state = RUNNING;
        SAY(t, "feed: reads from there\n");
        SITUATION((T.held && t == LOWEST -> 7 : 99))
    }
}

#define AT_END(n) (T.place[n].next == log[n].length)
#define DRAINED (AT_END(0) && AT_END(PARTITIONS - 1))
#define READABLE(n) (T.place[n].next < log[n].length && T.place[n].next >= log[n].first)
#define CUT_OFF(n) (T.place[n].next < log[n].first)

proctype feed(byte t)
{
    byte p, k, asked_at;
    bool renewed;
end_idle:
    do
    :: T.state != COLD && READABLE(0) -> apply_entry(0)
#if PARTITIONS == 2
    :: T.state != COLD && READABLE(1) -> apply_entry(1)
#endif
#if DROPS
    :: T.state != COLD && CUT_OFF(0) -> lose_place(0)
#if PARTITIONS == 2
    :: T.state != COLD && CUT_OFF(1) -> lose_place(1)
#endif
#endif
#if ANEW
    :: d_step {
        t == LOWEST - 1 && T.state != COLD && anew < ANEW ->
        anew++;
        SAY(t, "feed: starts anew\n")
    }
    lose_place(0)
#endif
#if COLD_POSSIBLE
    :: T.state == COLD -> take_position()
#endif
#if HORIZON
    :: d_step {
        t < LOWEST && T.state != COLD && DRAINED && T.proof != BELOW.clock ->
        T.proof = BELOW.clock;
        SAY(t, "feed: all that is in the log is applied\n")
    }
#endif
    od
}

/* ---- a tier's worker: one event at a time, as its loop does */

#define COPY_CLAIM(from, to)                                                                       \
    to.position[0] = from.position[0];                                                             \
    to.position[PARTITIONS - 1] = from.position[PARTITIONS - 1];                                   \
    to.proof = from.proof
#define CLEAR_CLAIM(which)                                                                         \
    which.position[0] = 0;                                                                         \
    which.position[PARTITIONS - 1] = 0;                                                            \
    which.proof = 0
/* positions_claim_for, before the lookup. */
#define CLAIM_PLACE(which)                                                                         \
    which.position[0] = T.place[0].applied;                                                        \
    which.position[PARTITIONS - 1] = T.place[PARTITIONS - 1].applied

/* A reply leaves for waiter `w`: a client, or the child's fetch of that number. */
inline reply(passed_on)
{
#ifdef MUTATE_POSITION_AFTER_LOOKUP
    CLAIM_PLACE(WAITER.claim);
#endif
#ifdef MUTATE_PROOF_AFTER_LOOKUP
    WAITER.claim.proof = T.proof;
#endif
    SAY2(t, "  answers waiter %d with version %d\n", w, answer_version);
    PROMISE(P5_gap_invalidates, HARMLESS || answer_asked >= WAITER.need || WAITER.need > T.gap);
    PROMISE(P2_no_late_fill, HARMLESS || answer_asked >= WAITER.need || !answer_late);
    PROMISE(P1_evicted_means_gone, (HARMLESS || answer_asked >= WAITER.need) &&
            (answer_version >= WAITER.need || answer_excused || passed_on));
#if TIERS > 1
    if
    :: t < LOWEST && w < JOBS ->
        BELOW.jobs[w].state = RETURNED;
        BELOW.jobs[w].version = answer_version;
        BELOW.jobs[w].excused = answer_excused && !answer_adrift;
        BELOW.jobs[w].adrift = answer_adrift;
#ifndef MUTATE_PASSED_ON_WITH_POSITION
        if
        :: passed_on -> SAY(t, "  and says no position\n")
        :: else ->
#endif
            COPY_CLAIM(WAITER.claim, BELOW.jobs[w].claim);
            SAY2(t, "  and says position %d, %d\n", WAITER.claim.position[0] - 1,
                 WAITER.claim.position[PARTITIONS - 1] - 1)
#ifndef MUTATE_PASSED_ON_WITH_POSITION
        fi
#endif
    :: else
    fi;
#endif
    WAITER.job = NONE;
    WAITER.arrived = 0;
    CLEAR_CLAIM(WAITER.claim);
    WAITER.need = 0
}

/* Nothing was applied in partition `n` after the horizon, nor was its position taken. */
#ifdef MUTATE_BASE_NOT_NAMED
#define QUIET(n, horizon) LAST_QUIET(n, horizon)
#else
#define QUIET(n, horizon) (LAST_QUIET(n, horizon) && T.base_stamp <= horizon)
#endif
#define LAST_QUIET(n, horizon)                                                                     \
    (T.place[n].applying <= T.place[n].base ||                                                     \
     T.place[n].before[T.place[n].applying - 2] < horizon)

/* The query leaves; which partitions it names is settled after the stamp was taken (positions_ask). */
inline leave(its_horizon)
{
    JOB.positioned = (t > 0 && T.place[0].applying > 0);
#if HORIZON
    JOB.horizon = its_horizon;
    if
    :: JOB.positioned ->
        JOB.unnamed = (QUIET(0, its_horizon) -> 1 : 0) +
                      (PARTITIONS == 2 && QUIET(PARTITIONS - 1, its_horizon) -> 2 : 0)
    :: else
    fi;
#endif
    JOB.joinable = true;
    JOB.asked = T.known;
    JOB.state = SENT;
    SAY1(t, "  fetch %d leaves\n", j)
}

/*
 * Leaves the job that waiter `w` may wait for in `j`, found or made. A job that is made takes its
 * stamp first; then the query leaves.
 */
inline find_or_start()
{
    d_step {
        j = 0;
        do
        :: j < JOBS && !JOB.joinable -> j++
        :: else -> break
        od;
        if
        :: j < JOBS && HOLDS(JOB.stamp) ->
            ok = true;
            answer_version = NONE; /* none yet */
            SAY1(t, "  joins fetch %d\n", j);
            PROMISE(P5_gap_invalidates, HARMLESS || JOB.asked >= WAITER.need ||
                    WAITER.need > T.gap);
            PROMISE(P2_no_late_fill, HARMLESS || JOB.asked >= WAITER.need)
        :: else ->
            if
            :: j < JOBS ->
                JOB.joinable = false;
                SAY1(t, "  supersedes fetch %d\n", j);
                SITUATION(1)
            :: else
            fi;
            j = 0;
            do
            :: JOB.state != FREE -> j++
            :: else -> break
            od;
            JOB.stamp = T.clock;
            SAY2(t, "  fetch %d takes stamp %d\n", j, JOB.stamp)
        fi
    }
    if
    :: ok -> skip
    :: d_step { !ok -> leave(0) }
#if HORIZON
    :: d_step { !ok && t > 0 && T.clock >= 1 -> leave(1) }
    :: d_step { !ok && t > 0 && T.clock >= 2 -> leave(2) }
    :: d_step { !ok && t > 0 && T.clock >= 3 -> leave(3) }
#endif
    fi
}

/*
 * query.c: a query has come for waiter `w`. What it reads first are lower bounds, so one step will
 * do for them; the lookup comes after them.
 */
inline arrive(who)
{
    w = who;
    WAITER.arrived = T.clock;
    WAITER.need = T.known;
    if
    :: t < LOWEST && w < JOBS ->
#ifndef MUTATE_POSITION_AFTER_LOOKUP
        CLAIM_PLACE(WAITER.claim);
#endif
        WAITER.claim.proof = T.proof
    :: else
    fi;
    T.locked = true;
    seen = T.clock
}

inline receive()
{
    store_get();
    if
    :: d_step { ok -> reply(false); forget() }
    :: !ok ->
        find_or_start();
        d_step { WAITER.job = j; forget() }
    fi
}

/* All locals are zero between events, so that states which differ in nothing else are one. */
inline forget()
{
    w = 0;
    j = 0;
    ok = false;
    fresh = false;
    sure = false;
    answer_version = 0;
    answer_excused = false;
    answer_adrift = false;
    answer_asked = 0;
    answer_late = false;
    stamp = 0;
    bound = 0
}

#define FREE_JOB (tier[t].jobs[0].state == FREE || tier[t].jobs[JOBS - 1].state == FREE)
#define CHAIR(n) (tier[t].waiters[JOBS + n].job == NONE)
#define SOME_CHAIR (CHAIR(0) || CHAIR(1) || CHAIR(CLIENTS - 1))

inline client_asks()
{
    d_step {
        !T.locked ->
        T.queries--;
        arrive((CHAIR(0) -> JOBS : (CHAIR(1) -> JOBS + 1 : JOBS + 2)));
        SAY3(t, "client %d asks, clock %d; x was applied up to version %d\n", w, T.clock, T.known)
    }
}

inline child_asks(which)
{
    d_step {
        !T.locked ->
        BELOW.jobs[which].state = ASKED;
        arrive(which);
        SAY2(t, "the child's fetch %d asks, clock %d\n", w, T.clock)
    }
}

/* ---- what a parent's answer is worth */

/* The checkpoint at or below `k`; the first is never left out. */
#ifdef MUTATE_CHECKPOINT_ROUNDS_UP
#define NEXT_CHECKPOINT k++
#else
#define NEXT_CHECKPOINT k--
#endif
#define IS_CHECKPOINT (k % THIN == 0 || AT(k) == PLACE.base || AT(k) >= PLACE.applying)

/* Our clock just before we applied what the parent lacks in partition `p`. */
inline clock_before(its_position)
{
    if
#ifdef MUTATE_BASE_IGNORED
    :: its_position < PLACE.base -> before = T.base_stamp
#else
    :: its_position < PLACE.base -> before = 0
#endif
    :: else ->
        k = its_position - 1;
        do
        :: IS_CHECKPOINT -> break
        :: else -> NEXT_CHECKPOINT
        od;
        before = (AT(k) >= PLACE.applying -> stamp : PLACE.before[k]);
#ifdef MUTATE_CHECKPOINT_AFTER
        before++;
#endif
        k = 0
    fi
}

/*
 * positions_bound: `bound` is as of when the answer holds. A parent without a position is as one that had all of
 * the log when it dropped what it had; what it has from its own parent is of any age. Without a position of our own everything will do: all of it is invalidated when one is taken.
 */
inline bound_by_parent()
{
    bound = stamp;
    if
    :: JOB.positioned && JOB.adrift -> bound = 0
    :: JOB.positioned && !JOB.adrift && !JOB.claim.position[0] ->
#ifndef MUTATE_NO_POSITION_BELIEVED
        bound = MIN(stamp, JOB.claim.proof);
#endif
        SITUATION((JOB.claim.proof > 0 && T.clock > 0 -> 6 : 99))
    :: JOB.positioned && !JOB.adrift && JOB.claim.position[0] && T.place[0].applying > 0 ->
        p = 0;
        do
#ifdef MUTATE_FLAG_NOT_STAMP
        :: p < 1 ->
            bound = (JOB.claim.position[0] >= PLACE.applying -> bound : 0);
#else
        :: p < PARTITIONS ->
            if
            :: JOB.unnamed & (p + 1) ->
#ifndef MUTATE_UNNAMED_IGNORED
                if
                :: JOB.claim.proof < JOB.horizon -> bound = MIN(bound, JOB.claim.proof)
                :: else
                fi;
#endif
                skip
            :: else ->
                if
                :: JOB.claim.position[p] < PLACE.applying ->
                    clock_before(JOB.claim.position[p]);
                    bound = MIN(bound, MAX(before, JOB.claim.proof))
                :: else
                fi
            fi;
#endif
            p++
        :: else -> break
        od;
        p = 0;
        before = 0
    :: else
    fi;
    sure = HOLDS(bound)
}

/* A response has come for job `j`: inflight.c fetched(). */
inline fetched()
{
    d_step {
        SAY2(t, "fetch %d brings version %d\n", j, JOB.version);
        answer_version = JOB.version;
        answer_excused = JOB.excused || (t > 0 && !JOB.positioned);
        answer_adrift = (t > 0 && !JOB.positioned);
        answer_asked = JOB.asked;
        JOB.joinable = false;
        stamp = JOB.stamp;
#ifdef MUTATE_STAMP_ON_ARRIVAL
        stamp = T.clock;
#endif
        fresh = HOLDS(stamp)
    }
    if
    :: d_step {
        t == 0 || JOB.tries == TRIES || !fresh ->
        finish()
    }
#if TIERS > 1
    /* Behind in what matters: the same question again, after a while; or not, when it is far behind. */
    :: d_step {
        t > 0 && JOB.tries < TRIES && fresh ->
        bound_by_parent();
        if
        :: sure -> finish()
        :: else ->
            SAY1(t, "  the parent is behind: fetch %d asks again\n", j);
            JOB.tries++;
            JOB.version = 0;
            JOB.excused = false;
            JOB.adrift = false;
            JOB.joinable = true;
            CLEAR_CLAIM(JOB.claim);
            JOB.state = SENT;
            again = true
        fi
    }
#endif
    fi;
    if
    :: d_step { again -> again = false; old = 0; forget() }
    :: d_step { !again && w == WAITERS -> old = 0; forget() }
    :: !again && w < WAITERS ->
        find_or_start();
        d_step { ask_again(); old = 0; forget() }
    fi
}

/* Keeps the answer or not, and replies; `w` is the first waiter left over. */
inline finish()
{
    bound_by_parent();
    if
    :: sure -> store_put(bound)
    :: else ->
        if
        :: fresh -> SAY(t, "  the parent is still behind: caches nothing\n"); SITUATION(4)
        :: else -> SAY1(t, "  does not cache version %d: a change came first\n", answer_version);
            SITUATION(3)
        fi
    fi;
    reply_to_waiters();
    free_job();
    old = j;
    find_waiter();
    fresh = false
}

/* take_waiters: whoever asked before the change, or all if there was none. */
inline reply_to_waiters()
{
    w = 0;
    do
    :: w < WAITERS ->
        if
        :: WAITER.job == j && (fresh || WAITER.arrived <= stamp) -> reply(t > 0 && !sure)
        :: else
        fi;
        w++
    :: else -> break
    od
}

/* The first of those left over. */
inline find_waiter()
{
    w = 0;
    do
    :: w < WAITERS && WAITER.job != old -> w++
    :: else -> break
    od
}

/* Who asked after a change that the answer is older than gets a fetch that set out after it. */
inline ask_again()
{
    w = 0;
    do
    :: w < WAITERS ->
        if
        :: WAITER.job == old ->
            WAITER.job = j;
            SAY2(t, "  waiter %d waits on, for fetch %d\n", w, j);
            SITUATION(2)
        :: else
        fi;
        w++
    :: else -> break
    od
}

inline free_job()
{
    JOB.state = FREE;
    JOB.stamp = 0;
    JOB.positioned = false;
    JOB.horizon = 0;
    JOB.unnamed = 0;
    JOB.tries = 0;
    JOB.version = 0;
    JOB.excused = false;
    JOB.adrift = false;
    CLEAR_CLAIM(JOB.claim);
    JOB.asked = 0
}

proctype worker(byte t)
{
    byte w, j, p, k, seen, stamp, bound, before, old;
    bool ok, fresh, sure, again;
    byte answer_version, answer_asked;
    bool answer_excused, answer_adrift, answer_late;
end_idle:
    do
    :: T.queries > 0 && SOME_CHAIR && FREE_JOB -> client_asks(); receive()
#if TIERS > 1
    :: t < LOWEST && FREE_JOB && BELOW.jobs[0].state == SENT ->
        child_asks(0);
        receive()
#if JOBS == 2
    :: t < LOWEST && FREE_JOB && BELOW.jobs[1].state == SENT ->
        child_asks(1);
        receive()
#endif
#endif
    :: T.jobs[0].state == RETURNED -> j = 0; fetched()
#if JOBS == 2
    :: T.jobs[1].state == RETURNED -> j = 1; fetched()
#endif
    od
}

/* ---- the world: the publisher, the authority, retention */

inline publish_in(partition)
{
    log[partition].entry[log[partition].length].op = unpublished;
    log[partition].entry[log[partition].length].serial = commits;
    printf("- serial %d is published as %d:%d\n", commits, partition, log[partition].length);
    unpublished = 0;
    log[partition].length++
}

inline publish()
{
    if
    :: d_step { unpublished -> publish_in(0) }
#if PARTITIONS == 2
    :: d_step { unpublished -> publish_in(1) }
#endif
    fi
}

/* A commit and its entry are one step, but for a slow publisher. */
inline commit(kind)
{
    d_step {
        commits++;
        primary = (kind == OTHER -> primary : commits);
        unpublished = kind;
        printf("- serial %d is committed, x is version %d\n", commits, primary)
    }
#if !SLOW_PUBLISHER
    publish()
#endif
}

/* The primary answers, or the secondary with what it has. */
inline authority_answers(n)
{
    if
    :: d_step {
        tier[0].jobs[n].version = primary;
        tier[0].jobs[n].state = RETURNED;
        printf("- the authority answers fetch %d: version %d\n", n, primary)
    }
#if LAG
    :: d_step {
        secondary < primary ->
        tier[0].jobs[n].version = secondary;
        tier[0].jobs[n].excused = true;
        tier[0].jobs[n].state = RETURNED;
        printf("- the secondary answers fetch %d: version %d\n", n, secondary)
    }
#endif
    fi
}

/* Whether the first entry of partition `n` is of any use: only then it matters that it goes. */
#define WANTED_BY(who, n) (tier[who].place[n].next <= log[n].first)
#define WANTED(n) (WANTED_BY(0, n) || WANTED_BY(LOWEST, n))

inline drop(n)
{
    log[n].first++;
    drops++;
    printf("- partition %d starts at %d now\n", n, log[n].first)
}

proctype world()
{
    byte k, t, w;
end_idle:
    do
#if SETS
    :: atomic { commits < CHANGES && !unpublished -> commit(SET_X) }
#endif
#if EVICTIONS
    :: atomic { commits < CHANGES && !unpublished -> commit(EVICT_X) }
#endif
#if OTHERS
    :: atomic { commits < CHANGES && !unpublished -> commit(OTHER) }
#endif
#if SLOW_PUBLISHER
    :: unpublished -> publish()
#endif
#if DUPLICATES
    :: repeats < DUPLICATES && log[0].length > 0 ->
        /* Any SET again, twice or late. A repeated eviction does no more than that. */
        k = 0;
        do
        :: k + 1 < log[0].length -> k++
        :: break
        od;
        if
        :: d_step {
            log[0].entry[k].op == SET_X ->
            log[0].entry[log[0].length].op = log[0].entry[k].op;
            log[0].entry[log[0].length].serial = log[0].entry[k].serial;
            printf("- serial %d is published again as 0:%d\n", log[0].entry[k].serial,
                   log[0].length);
            log[0].length++;
            repeats++;
            k = 0
        }
        :: else -> k = 0
        fi
#endif
#if DROPS
    :: d_step { drops < DROPS && log[0].first < log[0].length && WANTED(0) -> drop(0) }
#if PARTITIONS == 2
    :: d_step { drops < DROPS && log[1].first < log[1].length && WANTED(1) -> drop(1) }
#endif
#endif
#if LAG
    :: d_step { secondary < primary -> secondary = primary; printf("- the secondary catches up\n") }
#endif
    :: tier[0].jobs[0].state == SENT -> authority_answers(0)
#if JOBS == 2
    :: tier[0].jobs[1].state == SENT -> authority_answers(1)
#endif
    :: timeout -> /* nothing else can happen any more */
        d_step {
            t = 0;
            w = 0;
            do
            :: t < TIERS && w < WAITERS -> PROMISE(nobody_waits_forever, WAITER.job == NONE); w++
            :: t < TIERS && w == WAITERS -> t++; w = 0
            :: t == TIERS -> break
            od
        }
        break
    od
}

init
{
    byte t, w, p;
    d_step {
        do
        :: t < TIERS ->
            w = 0;
            do
            :: w < WAITERS -> WAITER.job = NONE; w++
            :: else -> break
            od;
            T.queries = (t == 0 -> QUERIES_PARENT : (t == LOWEST -> QUERIES_CHILD : 0));
            p = 0;
            do
            :: p < PARTITIONS && (!COLD_START || t < LOWEST) ->
                T.state = RUNNING;
                PLACE.base = AT(0);
                PLACE.applying = AT(0);
                PLACE.applied = AT(0);
                p++
            :: else -> break
            od;
            t++
        :: else -> break
        od;
        t = 0;
        w = 0;
        p = 0
    }
    atomic {
        run world();
        run feed(0);
        run worker(0);
#if TIERS > 1
        run feed(1);
        run worker(1);
#endif
#if TIERS > 2
        run feed(2);
        run worker(2);
#endif
    }
}
