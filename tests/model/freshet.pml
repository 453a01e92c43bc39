/*
 * freshet.pml - freshet's protocol as a model that Spin takes through every order of its steps.
 *
 *      publisher --commits--> primary ~~lags~~> secondary
 *          |                      \                /
 *          | publishes             \  either one  /
 *          v                        \ answers    /
 *    +--- log ---+                   v          v
 *    | 0 1 2 ... |--feed thread--> PARENT: clock, mark, one cached answer, fetches, clients
 *    | first..   |                       ^   |
 *    | length    |              question |   | answer + position
 *    +-----------+                       |   v
 *         '----------feed thread--> CHILD: the same
 *
 * How to read it. A `proctype` is a thread. Spin runs one step of some thread, then one step of any
 * thread, and so on, in every possible order. `::` lines are alternatives; where several are open,
 * all are tried. `d_step { ... }` is one step: nothing comes between its statements. So what must
 * be seen as a race is in steps of its own, one for each moment at which the code's threads may
 * change over: the marks before the clock, the clock before the marks at a hit, the stamp before
 * the query leaves, the position before the lookup. A PROMISE holds in every order, or Spin prints
 * one in which it does not. SAY() prints only when such an order is played back.
 *
 * What stands for what
 *
 *   here                         in the code
 *   log[], length, first         the topic of change sets; first: what retention has left
 *   tier[t].clock                validity.c, the change clock        validity_now, validity_commit
 *   tier[t].mark                 marks.c, the newest mark of x's scopes    validity_mark_name, ...
 *   HOLDS()                      validity_holds
 *   tier[t].held, stamp, ...     store.c, the entry of the question "x"
 *   store_get(), store_put()     the same there
 *   install()                    apply.c install -> store_replace
 *   apply_entry()                apply_change_set; advance of feed.c
 *   lose_place()                 feed.c reset, apply_invalidate
 *   take_position()              feed.c take_position, apply_invalidate
 *   applying, applied            position.c, the two offsets of a partition
 *   survey, use_survey, judge    survey.c; feed.c use_survey, seek_proof, judge
 *   tier[t].jobs[]               inflight.c, struct job, with fetch.c below it
 *   tier[t].waiters[]            inflight.c, struct waiter
 *   receive()                    query.c answer
 *   find_or_start()              inflight.c find_joinable, start_job
 *   fetched(), ask_again()       inflight.c fetched, take_waiters, ask_again
 *   claim                        the position in a parent's response     query.c take_position
 *   require, try_again()         what a child wants it to be             fetch.c is_behind_for
 *
 * Two positions. A tier's position and its change clock are two variables, and a fetch reads both.
 * The parent may claim a position only when the clock has moved there: `applied` follows the clock.
 * The child must ask for all that its stamp covers: `applying` precedes the clock. With one
 * variable for both, wherever it is written, one of the two is wrong for a moment and P3 breaks
 * (MUTATE_ONE_POSITION).
 *
 * What is small. Two names: x, asked for and cached, and y, which changes but is asked for by
 * nobody. Versions of x are numbers: the zone's serial at which x last changed, 0 before its first
 * change. A run has CHANGES commits, DUPLICATES entries that repeat an older one, DROPS entries
 * lost to retention, QUERIES_* queries by clients of each tier, JOBS fetches under way per tier. A
 * child asks a parent that is behind TRIES times more. run.sh has the numbers that are verified.
 *
 * What is left out
 *
 *   time            TTLs may end at any moment, timers fire at any moment; the lease alone is
 *                   counted, in ticks of the feed thread
 *   settle, hold    P4 and P6 are about time. A stale answer, a held one, a prefetched one passes
 *                   the same check as any
 *   other workers   a worker's table of fetches is its own, and the store has its lock: another
 *                   worker is like another fetch, which is here
 *   more levels     a parent tells no position with what it has from a parent that is behind
 *   publisher, seq  a set known by them does nothing at all. Here repeats come without, and mark
 *   partitions      one; a zone's sets are in one partition, and partitions compare one by one
 *   a topic anew    positions in different logs do not compare: "behind"
 *   scopes          x has one mark. Which scopes an answer has is for the unit tests; that it may
 *                   depend on more than its question is test_p2_a_chain_into_a_changed_name
 *   memory order    steps are sequentially consistent; release and acquire give the code as much
 *                   for the pairs that matter (marks.h)
 *   lost packets    one that is lost has not arrived yet
 *
 * P1 and P4, exactly. The secondary may say an old version after the primary has a newer one. So an
 * answer fetched after a change was applied may be old all the same. That is no breach of P1,
 * which speaks of when data was fetched; P4 bounds it in time. Here such an answer is `lagged`, and
 * that alone excuses its version. It excuses nothing else: for each read of a lagged answer Spin
 * also tries the same run with the primary's.
 *
 * What is checked. Each is a variable that must stay true, so that Spin can name it.
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
 *   P5_gap_invalidates        P1 and P2 for changes that the tier never read: they lay in a gap
 *   P5_live_within_lease      who is LIVE has applied all that was in the log a lease ago, and has
 *                             had its brokers within the lease
 *   P8_no_old_data_installed  what the feed installs is never older than what it has applied, or
 *                             skipped in a gap
 *   nobody_waits_forever      when nothing more can happen, every query has had its reply
 *
 * Mutations: the mistakes these rules prevent. In each Spin must find the breach; counterexamples/
 * has a shortest one in words, and says which test plays it against the code.
 *
 *   MUTATE_STAMP_ON_ARRIVAL       a fetch takes its stamp when the answer comes              P2
 *   MUTATE_POSITION_AFTER_LOOKUP  the parent reads its position when it replies              P3
 *   MUTATE_ONE_POSITION           the child asks for what it has applied, not for what its
 *                                 feed is applying                                           P3
 *   MUTATE_NO_GAP_RULE            reads on behind a gap, as auto.offset.reset=earliest does  P5
 *   MUTATE_INVALIDATE_FIRST       invalidates, then looks where the log ends                 P5
 *   MUTATE_LEDGER_ONLY            behind a gap, old is only what is older than a set seen    P8
 *   MUTATE_NO_LEASE               once proven, LIVE for good                                 P5
 */

#ifndef TIERS
#define TIERS 2
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
#ifndef LEASE
#define LEASE 0 /* in ticks of the feed thread; 0: states of the feed are not modelled */
#endif

#define ENTRIES (CHANGES + DUPLICATES)
#define WAITERS (JOBS + CLIENTS) /* at the parent the first JOBS are the child's fetches */
#define NONE 255

#define PARENT 0
#define CHILD 1
#define WHO(t) (t == PARENT -> 'P' : 'C')
#define MAX(a, b) (a > b -> a : b)
/*
 * A rule may be broken without harm, where what was fetched too early happens to be new all the
 * same. With HARM_ONLY only an old version in a reply counts: such counterexamples tell more.
 */
#ifdef HARM_ONLY
#define HARMLESS (answer_version >= WAITER.need)
#else
#define HARMLESS false
#endif

/* run.sh proves by REACH=n that situation n occurs, lest promises hold because nothing happens. */
#ifndef REACH
#define REACH 0
#endif
#define SITUATION(n) assert(REACH != n)

#define SAY(t, text) printf("%c ", WHO(t)); printf(text)
#define SAY1(t, text, a) printf("%c ", WHO(t)); printf(text, a)
#define SAY2(t, text, a, b) printf("%c ", WHO(t)); printf(text, a, b)
#define SAY3(t, text, a, b, c) printf("%c ", WHO(t)); printf(text, a, b, c)

/* ---- promises: true, or Spin stops here. The names are what it prints. */

bool P1_evicted_means_gone = true;
bool P2_no_late_fill = true;
bool P3_no_reimport = true;
bool P5_gap_invalidates = true;
bool P5_live_within_lease = true;
bool P8_no_old_data_installed = true;
bool nobody_waits_forever = true;

#define PROMISE(name, condition) name = (condition); assert(name)

/* ---- the zone and its log */

#define SET_X 1   /* carries x's new record: evicts, and installs where x is held */
#define EVICT_X 2 /* part of a record, a flush: evicts */
#define OTHER 3   /* a change of y */

typedef Entry {
    byte op;
    byte serial; /* the zone's, also the commit's time */
};

byte commits;   /* serial of the zone at the primary */
byte primary;   /* version of x there */
byte secondary; /* version of x at the server that lags */
Entry log[ENTRIES];
byte length;
byte first;    /* what is before it, retention has dropped */
byte unpublished; /* op of a commit that is not in the log yet, or 0 */
byte repeats;

/* ---- tiers */

#define FREE 0
#define SENT 1     /* the query is on its way */
#define ASKED 2    /* at the parent */
#define RETURNED 3 /* the response is on its way */

typedef Job {
    byte state;
    bool joinable; /* in the table */
    byte stamp;
    byte require; /* child: what the parent must have applied */
    byte tries;
    /* the response */
    byte version;
    bool lagged;
    byte claim;
    /* ghost: the version of x that the tier had applied when the query left */
    byte asked;
};

typedef Waiter {
    byte job; /* it waits for, or NONE */
    byte arrived;
    byte claim; /* parent: its position before it looked */
    byte need;  /* ghost: the version of x that the tier had applied when the query came */
};

#define COLD 0
#define CATCHUP 1
#define LIVE 2
#define LOST 3

typedef Tier {
    byte clock;
    byte mark;
    /* the store's entry for x */
    bool locked;
    bool held;
    byte stamp;
    byte version;
    bool lagged;
    byte asked; /* ghost: as in the job that brought it */
    bool late;  /* ghost: kept though a change of x was applied while it was fetched */
    /* the feed */
    byte state;
    byte next; /* the entry to be read next */
    /* position.h: the same, plus 1; 0 for none */
    byte applying;
    byte applied;
    byte ledger; /* newest serial applied */
    byte floor;  /* sets as old as this bring no data */
    /* ghost: the newest version of x that was applied, and what of it no entry told us but a gap */
    byte known;
    byte gap;

    Job jobs[JOBS];
    Waiter waiters[WAITERS];
    byte queries; /* that clients will still ask */
};
Tier tier[TIERS];

#define T tier[t]
#define AT(entry) (entry + 1) /* as a position */
#define JOB T.jobs[j]
#define WAITER T.waiters[w]

/* ---- the store and validity.c */

/*
 * validity_holds: the clock at the stamp is enough, else the mark decides. Two reads there; a mark
 * that comes between them can only turn a yes into a no, so one step will do.
 */
#define HOLDS(at) (T.clock == (at) || T.mark <= (at))

/*
 * Sets `ok` on a hit; then answer_* is the answer. The shard's lock is held, and the clock was
 * `seen` before the marks are looked at here (entry_judge).
 */
inline store_get()
{
    if
    :: d_step {
        T.held && HOLDS(T.stamp) ->
        ok = true;
        T.stamp = MAX(T.stamp, seen);
        answer_version = T.version;
        answer_lagged = T.lagged;
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
    T.lagged = false;
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
    if
    :: HOLDS(stamp_of_it) ->
        T.held = true;
        T.stamp = stamp_of_it;
        T.version = answer_version;
        T.lagged = answer_lagged;
        T.asked = answer_asked;
        T.late = (answer_asked < T.known);
        SAY2(t, "  caches version %d as of stamp %d\n", answer_version, stamp_of_it);
        PROMISE(P3_no_reimport, t == PARENT || answer_lagged || answer_version >= answer_asked)
    :: else -> SAY1(t, "  does not cache version %d: a change came first\n", answer_version);
        SITUATION(3)
    fi
}

/* ---- the lease: survey.c and the judge of feed.c */

#if LEASE
/* One tier, so these are not in struct Tier. Ages are in ticks, LEASE for "too old". */
#define NOT_ASKED 0
#define ON_ITS_WAY 1
#define ANSWERED 2
byte survey;
byte survey_age;
byte survey_end;
bool proof_found;
byte proof_age = LEASE;
bool wanted;
byte wanted_end;
byte wanted_age = LEASE;
byte answered_age = LEASE; /* since a survey came back */
bool judged;               /* in this tick */
bool up = true;            /* the brokers */
byte losses = 1;           /* to come */
byte down_age;             /* ghost: since the brokers went */
byte length_ago[LEASE];    /* ghost: the log's length 1, 2, .. ticks ago */

inline check_lease()
{
    PROMISE(P5_live_within_lease, tier[PARENT].state != LIVE ||
            (tier[PARENT].next >= length_ago[LEASE - 1] && down_age < LEASE))
}

inline drop_proof()
{
    proof_found = false;
    proof_age = LEASE;
    wanted = false;
    wanted_end = 0;
    wanted_age = LEASE;
    drop_survey()
}

inline drop_survey()
{
    survey = NOT_ASKED;
    survey_age = 0;
    survey_end = 0
}

/* take_survey, seek_proof; with no position yet it is take_position that a survey leads to. */
inline use_survey()
{
    d_step {
        answered_age = 0;
        if
        :: T.state == LOST -> T.state = CATCHUP; SAY(t, "feed: the brokers are back\n")
        :: else
        fi;
        if
        :: T.next >= survey_end ->
            proof_found = true;
            proof_age = survey_age;
            wanted = false;
            wanted_end = 0;
            wanted_age = LEASE
        :: else ->
            if
            :: !wanted -> wanted = true; wanted_end = survey_end; wanted_age = survey_age
            :: else
            fi
        fi;
        SAY1(t, "feed: hears that the log ends at %d\n", survey_end);
        drop_survey()
    }
}

inline judge()
{
    d_step {
        judged = true;
        if
        :: wanted && T.next >= wanted_end ->
            proof_found = true;
            proof_age = wanted_age;
            wanted = false;
            wanted_end = 0;
            wanted_age = LEASE
        :: else
        fi;
        if
        :: T.state == COLD || T.state == LOST
#ifdef MUTATE_NO_LEASE
        :: else -> T.state = (proof_found -> LIVE : (answered_age < LEASE - 1 -> CATCHUP : LOST))
#else
        :: else ->
            T.state = (proof_found && proof_age < LEASE - 1 -> LIVE :
                       (answered_age < LEASE - 1 -> CATCHUP : LOST))
#endif
        fi;
        if
        :: T.state == LOST -> drop_proof()
        :: else
        fi;
        SAY1(t, "feed: is in state %d (0 cold, 1 catchup, 2 live, 3 lost)\n", T.state);
        SITUATION((T.state == LIVE && losses == 0 && up -> 6 : 99));
        check_lease()
    }
}

/* A tick passes when the feed thread has had its turn in it (TICK_MS, TICK_SHARE). */
proctype ticks()
{
    byte k;
end:
    do
    :: d_step {
        judged && (survey || tier[PARENT].state != COLD || down_age) ->
        judged = false;
        k = LEASE - 1;
        do
        :: k > 0 -> length_ago[k] = length_ago[k - 1]; k--
        :: else -> break
        od;
        length_ago[0] = length;
        survey_age = (survey && survey_age < LEASE -> survey_age + 1 : survey_age);
        proof_age = (proof_age < LEASE -> proof_age + 1 : LEASE);
        wanted_age = (wanted_age < LEASE -> wanted_age + 1 : LEASE);
        answered_age = (answered_age < LEASE -> answered_age + 1 : LEASE);
        down_age = (!up && down_age < LEASE -> down_age + 1 : down_age);
        printf("- a tick passes\n");
        check_lease()
    }
    :: d_step { up && losses > 0 -> up = false; losses--; printf("- the brokers are gone\n") }
    :: d_step { !up -> up = true; down_age = 0; printf("- the brokers are back\n") }
    :: d_step {
        up && survey == ON_ITS_WAY ->
        survey = ANSWERED;
        survey_end = length;
        printf("- the brokers say that the log ends at %d\n", length)
    }
    od
}
#define BROKERS_UP up
#else
#define BROKERS_UP true
#endif

/* ---- the feed's thread */

/* store_replace: where x is held, in whatever state. */
inline install(its_version)
{
    d_step {
        !T.locked ->
        if
        :: T.held && HOLDS(T.clock) ->
            T.stamp = T.clock;
            T.version = its_version;
            T.lagged = false;
            T.asked = T.known;
            T.late = false;
            SAY1(t, "feed: installs version %d\n", its_version);
            SITUATION(5);
            PROMISE(P8_no_old_data_installed, its_version >= T.known)
        :: else
        fi
    }
}

#define ENTRY log[T.next]
#define TOUCHES_X (ENTRY.op != OTHER)
#define IS_STALE (ENTRY.serial < T.ledger || ENTRY.serial <= T.floor)

inline apply_entry()
{
    d_step {
        T.applying = AT(T.next + 1);
        if
        :: TOUCHES_X -> T.mark = T.clock + 1
        :: else
        fi;
        SAY2(t, "feed: takes up entry %d, serial %d: marks\n", T.next, ENTRY.serial)
    }
    d_step {
        T.clock++;
        if
        :: TOUCHES_X -> T.known = MAX(T.known, ENTRY.serial)
        :: else
        fi;
        SAY2(t, "feed: entry %d is applied: the clock is %d\n", T.next, T.clock)
    }
    if
    :: ENTRY.op == SET_X && !IS_STALE -> install(ENTRY.serial)
    :: else
    fi;
    d_step {
        T.ledger = MAX(T.ledger, ENTRY.serial);
        T.next++;
        T.applied = AT(T.next);
        SAY1(t, "feed: the position is %d\n", T.next)
    }
}

/* Ghost: all before entry `end` counts as applied, seen or not. */
inline skip_to(end)
{
    k = 0;
    do
    :: k < end ->
        if
        :: log[k].op != OTHER && log[k].serial > T.known ->
            T.known = log[k].serial;
            T.gap = log[k].serial
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0
}

/* The offset is out of range: what is wanted next is not there any more. */
inline lose_place()
{
#ifdef MUTATE_NO_GAP_RULE
    d_step {
        skip_to(first);
        T.next = first;
        T.applying = AT(T.next);
        T.applied = AT(T.next);
        SAY1(t, "feed: the log starts later: reads on at %d\n", first)
    }
#else
    d_step { T.applying = 0; T.applied = 0; T.mark = T.clock + 1 }
    d_step {
        T.clock++;
        T.state = COLD;
        SAY1(t, "feed: a gap: all is invalid, the clock is %d\n", T.clock);
#if LEASE
        drop_proof(); /* and no survey asked before proves anything */
#endif
    }
#endif
}

/* COLD to CATCHUP: the end first, then all is invalidated, then reading starts. */
inline take_position()
{
#ifndef MUTATE_INVALIDATE_FIRST
    d_step { end = length; SAY1(t, "feed: the log ends at %d\n", end) }
#endif
    d_step {
#ifndef MUTATE_INVALIDATE_FIRST
        T.applying = AT(end); /* positions_take */
#endif
        T.mark = T.clock + 1
    }
    d_step {
        T.clock++;
#ifndef MUTATE_LEDGER_ONLY
        T.floor = commits; /* the wall clock: whatever is older was committed before now */
#endif
        SAY1(t, "feed: all is invalid, the clock is %d\n", T.clock);
#ifndef MUTATE_INVALIDATE_FIRST
        skip_to(end);
#endif
    }
    d_step {
#ifdef MUTATE_INVALIDATE_FIRST
        end = length;
        T.applying = AT(end);
        skip_to(end);
#endif
        T.applied = AT(end); /* positions_claim */
        T.next = end;
        T.state = CATCHUP;
        end = 0;
        SAY1(t, "feed: reads from %d\n", T.next);
        SITUATION((T.held && t == TIERS - 1 -> 7 : 99))
    }
}

proctype feed(byte t)
{
    byte k, end;
end_idle:
    do
    :: T.state != COLD && BROKERS_UP && T.next < length && T.next >= first -> apply_entry()
#if DROPS
    :: T.state != COLD && BROKERS_UP && T.next < first -> lose_place()
    :: T.state == COLD && BROKERS_UP -> take_position()
#endif
#if LEASE
    :: d_step {
        survey == NOT_ASKED ->
        survey = ON_ITS_WAY;
        survey_age = 0;
        SAY(t, "feed: asks where the log ends\n")
    }
    :: T.state != COLD && survey == ANSWERED -> use_survey()
    :: !judged -> judge()
#endif
    od
}

/* ---- a tier's worker: one event at a time, as its loop does */

/* A reply leaves for waiter `w`: a client, or the child's fetch of that number. */
inline reply(passed_on)
{
#ifdef MUTATE_POSITION_AFTER_LOOKUP
    WAITER.claim = T.applied;
#endif
    SAY2(t, "  answers waiter %d with version %d\n", w, answer_version);
    PROMISE(P5_gap_invalidates, HARMLESS || answer_asked >= WAITER.need || WAITER.need > T.gap);
    PROMISE(P2_no_late_fill, HARMLESS || answer_asked >= WAITER.need || !answer_late);
    PROMISE(P1_evicted_means_gone, (HARMLESS || answer_asked >= WAITER.need) &&
            (answer_version >= WAITER.need || answer_lagged || passed_on));
#if TIERS == 2
    if
    :: t == PARENT && w < JOBS ->
        tier[CHILD].jobs[w].state = RETURNED;
        tier[CHILD].jobs[w].version = answer_version;
        tier[CHILD].jobs[w].lagged = answer_lagged;
        tier[CHILD].jobs[w].claim = WAITER.claim;
        SAY1(t, "  and says position %d\n", WAITER.claim - 1)
    :: else
    fi;
#endif
    WAITER.job = NONE;
    WAITER.arrived = 0;
    WAITER.claim = 0;
    WAITER.need = 0
}

/*
 * Leaves the job that waiter `w` may wait for in `j`, found or made. A job that is made takes its
 * stamp first; then it learns what the parent must have applied, and the query leaves.
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
    :: d_step {
        !ok ->
#if TIERS == 2
#ifdef MUTATE_ONE_POSITION
        JOB.require = (t == CHILD -> T.applied : 0);
#else
        JOB.require = (t == CHILD -> T.applying : 0);
#endif
#endif
        JOB.joinable = true;
        JOB.asked = T.known;
        JOB.state = SENT;
        SAY1(t, "  fetch %d leaves\n", j)
    }
    fi
}

/*
 * query.c: a query has come for waiter `w`. What it reads first are lower bounds, so one step will
 * do for them; the lookup comes after them.
 */
inline arrive(place)
{
    w = place;
    WAITER.arrived = T.clock;
    WAITER.need = T.known;
#ifndef MUTATE_POSITION_AFTER_LOOKUP
    WAITER.claim = (t == PARENT && w < JOBS -> T.applied : 0);
#endif
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
    answer_version = 0;
    answer_lagged = false;
    answer_asked = 0;
    answer_late = false;
    stamp = 0
}

#define FREE_JOB (tier[t].jobs[0].state == FREE || tier[t].jobs[JOBS - 1].state == FREE)
#define PLACE(n) (tier[t].waiters[JOBS + n].job == NONE)
#define SOME_PLACE (PLACE(0) || PLACE(1) || PLACE(CLIENTS - 1))

inline client_asks()
{
    d_step {
        !T.locked ->
        T.queries--;
        arrive((PLACE(0) -> JOBS : (PLACE(1) -> JOBS + 1 : JOBS + 2)));
        SAY3(t, "client %d asks, clock %d; x was applied up to version %d\n", w, T.clock, T.known)
    }
}

inline child_asks(which)
{
    d_step {
        !T.locked ->
        tier[CHILD].jobs[which].state = ASKED;
        arrive(which);
        SAY3(t, "the child's fetch %d asks, clock %d, position %d\n", w, T.clock, T.applied - 1)
    }
}

/* A response has come for job `j`: inflight.c fetched(). */
inline fetched()
{
    d_step {
        SAY2(t, "fetch %d brings version %d\n", j, JOB.version);
        answer_version = JOB.version;
        answer_lagged = JOB.lagged;
        answer_asked = JOB.asked;
        JOB.joinable = false;
        stamp = JOB.stamp;
#ifdef MUTATE_STAMP_ON_ARRIVAL
        stamp = T.clock;
#endif
        fresh = HOLDS(stamp)
    }
    d_step {
        if
        :: JOB.claim >= JOB.require -> store_put(stamp)
        :: else ->
            SAY(t, "  the parent is still behind: caches nothing\n");
            SITUATION(4)
        fi;
        reply_to_waiters();
        free_job();
        old = j;
        find_waiter()
    }
    if
    :: d_step { w == WAITERS -> old = 0; forget() }
    :: w < WAITERS ->
        find_or_start();
        d_step { ask_again(); old = 0; forget() }
    fi
}

/* take_waiters: whoever asked before the change, or all if there was none. */
inline reply_to_waiters()
{
    w = 0;
    do
    :: w < WAITERS ->
        if
        :: WAITER.job == j && (fresh || WAITER.arrived <= stamp) ->
            reply(JOB.claim < JOB.require)
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
    JOB.require = 0;
    JOB.tries = 0;
    JOB.version = 0;
    JOB.lagged = false;
    JOB.claim = 0;
    JOB.asked = 0
}

#define IS_BEHIND(n)                                                                               \
    (tier[t].jobs[n].claim < tier[t].jobs[n].require && tier[t].jobs[n].tries < TRIES)

/* The parent is behind: the same question again, after a while. */
inline try_again(n)
{
    d_step {
        SAY3(t, "fetch %d: the parent is at %d, behind %d: asks again\n", n, T.jobs[n].claim - 1,
             T.jobs[n].require - 1);
        T.jobs[n].tries++;
        T.jobs[n].version = 0;
        T.jobs[n].lagged = false;
        T.jobs[n].claim = 0;
        T.jobs[n].state = SENT
    }
}

proctype worker(byte t)
{
    byte w, j, seen, stamp, old;
    bool ok, fresh;
    byte answer_version, answer_asked;
    bool answer_lagged, answer_late;
end_idle:
    do
    :: T.queries > 0 && SOME_PLACE && FREE_JOB -> client_asks(); receive()
#if TIERS == 2
    :: t == PARENT && FREE_JOB && tier[CHILD].jobs[0].state == SENT -> child_asks(0); receive()
    :: t == CHILD && T.jobs[0].state == RETURNED && IS_BEHIND(0) -> try_again(0)
#if JOBS == 2
    :: t == PARENT && FREE_JOB && tier[CHILD].jobs[1].state == SENT -> child_asks(1); receive()
    :: t == CHILD && T.jobs[1].state == RETURNED && IS_BEHIND(1) -> try_again(1)
#endif
#endif
    :: T.jobs[0].state == RETURNED && !IS_BEHIND(0) -> j = 0; fetched()
#if JOBS == 2
    :: T.jobs[1].state == RETURNED && !IS_BEHIND(1) -> j = 1; fetched()
#endif
    od
}

/* ---- the world: the publisher, the authority, retention */

inline commit(kind)
{
    d_step {
        commits++;
        primary = (kind == OTHER -> primary : commits);
        unpublished = kind;
        printf("- serial %d is committed, x is version %d\n", commits, primary);
#if !SLOW_PUBLISHER
        publish()
#endif
    }
}

inline publish()
{
    log[length].op = unpublished;
    log[length].serial = commits;
    printf("- serial %d is published as entry %d\n", commits, length);
    unpublished = 0;
    length++
}

/* The primary answers, or the secondary with what it has. */
inline authority_answers(n)
{
    if
    :: d_step {
        tier[PARENT].jobs[n].version = primary;
        tier[PARENT].jobs[n].state = RETURNED;
        printf("- the authority answers fetch %d: version %d\n", n, primary)
    }
#if LAG
    :: d_step {
        secondary < primary ->
        tier[PARENT].jobs[n].version = secondary;
        tier[PARENT].jobs[n].lagged = true;
        tier[PARENT].jobs[n].state = RETURNED;
        printf("- the secondary answers fetch %d: version %d\n", n, secondary)
    }
#endif
    fi
}

/* Whether entry `first` is of any use: only then it matters that it goes. */
#if TIERS == 2
#define WANTED (tier[PARENT].next <= first || tier[CHILD].next <= first)
#else
#define WANTED (tier[PARENT].next <= first)
#endif

proctype world()
{
    byte k, t, w;
end_idle:
    do
#if SETS
    :: commits < CHANGES && !unpublished -> commit(SET_X)
#endif
#if EVICTIONS
    :: commits < CHANGES && !unpublished -> commit(EVICT_X)
#endif
#if OTHERS
    :: commits < CHANGES && !unpublished -> commit(OTHER)
#endif
#if SLOW_PUBLISHER
    :: d_step { unpublished -> publish() }
#endif
#if DUPLICATES
    :: repeats < DUPLICATES && length > 0 ->
        /* Any SET again, twice or late. A repeated eviction does no more than that. */
        k = 0;
        do
        :: k + 1 < length -> k++
        :: break
        od;
        if
        :: d_step {
            log[k].op == SET_X ->
            log[length].op = log[k].op;
            log[length].serial = log[k].serial;
            printf("- serial %d is published again as entry %d\n", log[k].serial, length);
            length++;
            repeats++;
            k = 0
        }
        :: else -> k = 0
        fi
#endif
#if DROPS
    :: d_step {
        first < DROPS && first < length && WANTED ->
        first++;
        printf("- the log starts at %d now\n", first)
    }
#endif
#if LAG
    :: d_step { secondary < primary -> secondary = primary; printf("- the secondary catches up\n") }
#endif
    :: tier[PARENT].jobs[0].state == SENT -> authority_answers(0)
#if JOBS == 2
    :: tier[PARENT].jobs[1].state == SENT -> authority_answers(1)
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
    byte t, w;
    d_step {
        do
        :: t < TIERS ->
            w = 0;
            do
            :: w < WAITERS -> WAITER.job = NONE; w++
            :: else -> break
            od;
            T.state = CATCHUP;
            T.applying = AT(0);
            T.applied = AT(0);
            T.queries = (t == PARENT -> QUERIES_PARENT : QUERIES_CHILD);
            t++
        :: else -> break
        od;
        t = 0;
        w = 0
    }
    atomic {
        run world();
        run feed(PARENT);
        run worker(PARENT);
#if TIERS == 2
        run feed(CHILD);
        run worker(CHILD);
#endif
#if LEASE
        run ticks();
#endif
    }
}
