/*
 * feed.pml - what the feed believes: live or not, and from where it reads; with transactions in the log.
 *
 *      publishers                       one partition of the log
 *        plain messages,     --->   | 0  | 1  | 2  | 3  | 4  |
 *        transactions               plain  tx  plain mark  ..       first .. last stable offset .. high watermark
 *                                                                          |                        |
 *                                               all of a consumer that reads committed ends here    |
 *                                                                     what is in the log ends here -'
 *
 *   here                         in the code
 *   log[]                        a partition; `kind` of a transaction's message changes with its end
 *   survey, use_survey()         watermarks.c; feed.c use_watermarks, seek_proof
 *   judge()                      feed.c judge
 *   read_on()                    feed.c advance, for a message; at an end, PARTITION_EOF
 *   lose_place(), take_position  feed.c reset, take_position
 *   applied[]                    what was applied, which the code knows by its position alone
 *   next                         position.c, the offset that is claimed
 *
 * Time is counted here in ticks of the feed's thread; LEASE of them are the lease. Between ticks all orders are
 * tried. The brokers may go and come back, and retention may take the oldest entry.
 *
 * A consumer that reads committed is given nothing from the first message of an open transaction on, whosesoever:
 * a transaction that hangs hides what others publish behind it. So the feed is live only up to the high
 * watermark. But it starts to read at the last stable offset: what lies between may be given
 * when the transaction ends, and is not known to have been at the authority when all was invalidated.
 *
 * What is checked
 *
 *   P5_live_within_lease      who is LIVE has applied all that was in the log a lease ago, but for what a
 *                             transaction that is open says itself, and has had its brokers within the lease
 *   P5_nothing_skipped        what becomes visible after all was invalidated is applied, or all is again
 *   aborted_never_applied     what is applied was published: by itself, or in a transaction that has ended well
 *
 *   MUTATE_NO_LEASE           once proven, LIVE for good                                            P5
 *   MUTATE_STABLE_END         the last stable offset passes for the end of the log                  P5
 *   MUTATE_BASE_AT_END        starts to read at the high watermark                                  P5
 *   MUTATE_READ_UNCOMMITTED   reads what is not committed                         aborted_never_applied
 */
#include "common.pml"

#ifndef PLAIN_MESSAGES
#define PLAIN_MESSAGES 1
#endif
#ifndef TRANSACTIONS
#define TRANSACTIONS 1 /* of one message each */
#endif
#ifndef DROPS
#define DROPS 0
#endif
#ifndef LEASE
#define LEASE 3
#endif
#ifndef LOSSES
#define LOSSES 1 /* how often the brokers may go */
#endif
#ifndef COLD_START
#define COLD_START 0
#endif

#define ENTRIES (PLAIN_MESSAGES + 2 * TRANSACTIONS)
#define WHO(t) 'F'

bool P5_live_within_lease = true;
bool P5_nothing_skipped = true;
bool aborted_never_applied = true;

/* ---- the log */

#define PLAIN 1
#define OPEN 2
#define COMMITTED 3
#define ABORTED 4
#define MARKER 5 /* ends a transaction; no message */

byte log[ENTRIES];
bool applied[ENTRIES]; /* ghost: applied, or invalidated with all when it was there to be read */
byte length;           /* the high watermark */
byte first;            /* what is before it, retention has dropped */
byte plain;
byte transactions;
byte open_at = NONE;
bool up = true; /* the brokers */
byte losses;

#define STABLE (open_at == NONE -> length : open_at)

/* ---- the feed */

#define COLD 0
#define CATCHUP 1
#define LIVE 2
#define LOST 3

byte state = (COLD_START -> COLD : CATCHUP);
byte next;

/* Ages are in ticks, LEASE for "too old". */
#define NOT_ASKED 0
#define ON_ITS_WAY 1
#define ANSWERED 2
byte survey;
byte survey_age;
byte survey_end;
byte survey_stable;
bool proof_found;
byte proof_age = LEASE;
bool wanted;
byte wanted_end;
byte wanted_age = LEASE;
byte answered_age = LEASE; /* since a survey came back */
bool judged;               /* in this tick */
byte down_age;             /* ghost: since the brokers went */
byte length_ago[LEASE];    /* ghost: the log's length 1, 2, .. ticks ago */

#define IS_MESSAGE(e) (log[e] == PLAIN || log[e] == COMMITTED)

inline check_lease()
{
    e = 0;
    do
    :: e < length_ago[LEASE - 1] && (applied[e] || !IS_MESSAGE(e)) -> e++
    :: else -> break
    od;
    PROMISE(P5_live_within_lease,
            state != LIVE || (e == length_ago[LEASE - 1] && down_age < LEASE));
    e = 0
}

inline drop_survey()
{
    survey = NOT_ASKED;
    survey_age = 0;
    survey_end = 0;
    survey_stable = 0
}

inline want_nothing()
{
    wanted = false;
    wanted_end = 0;
    wanted_age = LEASE
}

inline drop_proof()
{
    proof_found = false;
    proof_age = LEASE;
    want_nothing();
    drop_survey()
}

/* Ends at or below our position, now or when it gets there, are a proof as of when they were asked for. */
inline use_survey()
{
    d_step {
        answered_age = 0;
        if
        :: state == LOST -> state = CATCHUP; SAY(0, "the brokers are back\n")
        :: else
        fi;
        if
        :: next >= survey_end -> proof_found = true; proof_age = survey_age; want_nothing()
        :: else ->
            if
            :: !wanted -> wanted = true; wanted_end = survey_end; wanted_age = survey_age
            :: else
            fi
        fi;
        SAY1(0, "hears that the log ends at %d\n", survey_end);
        drop_survey()
    }
}

/* COLD to CATCHUP: with the ends of a survey, all is invalidated, then reading starts. */
inline take_position()
{
    d_step {
        answered_age = 0;
#ifdef MUTATE_BASE_AT_END
        next = survey_end;
#else
        next = survey_stable;
#endif
        e = 0;
        do
        :: e < length -> applied[e] = applied[e] || (e < next && IS_MESSAGE(e)); e++
        :: else -> break
        od;
        e = 0;
        SAY1(0, "all is invalid; reads from %d\n", next);
        state = CATCHUP;
        proof_found = (next >= survey_end);
        proof_age = (proof_found -> survey_age : LEASE);
        want_nothing();
        drop_survey()
    }
}

inline judge()
{
    d_step {
        judged = true;
        if
        :: wanted && next >= wanted_end ->
            proof_found = true;
            proof_age = wanted_age;
            want_nothing()
        :: else
        fi;
        if
        :: state == COLD || state == LOST
#ifdef MUTATE_NO_LEASE
        :: else -> state = (proof_found -> LIVE : (answered_age < LEASE - 1 -> CATCHUP : LOST))
#else
        :: else ->
            state = (proof_found && proof_age < LEASE - 1 -> LIVE :
                     (answered_age < LEASE - 1 -> CATCHUP : LOST))
#endif
        fi;
        if
        :: state == LOST -> drop_proof()
        :: else
        fi;
        SAY1(0, "is in state %d (0 cold, 1 catchup, 2 live, 3 lost)\n", state);
        SITUATION((state == LIVE && losses == LOSSES && up -> 1 : 99));
        SITUATION((state == LIVE && length > 0 && log[length - 1] == MARKER -> 2 : 99));
        SITUATION((state == LIVE && length > 1 && log[0] == ABORTED && applied[length - 1] -> 3 : 99));
        check_lease()
    }
}

/* What the consumer is given next. At the end that it sees, PARTITION_EOF says so, and the position moves there. */
#ifdef MUTATE_READ_UNCOMMITTED
#define VISIBLE length
#define IS_GIVEN(e) (log[e] != MARKER)
#else
#define VISIBLE STABLE
#define IS_GIVEN(e) IS_MESSAGE(e)
#endif

inline read_on()
{
    d_step {
        e = next;
        do
        :: e < VISIBLE && !IS_GIVEN(e) -> e++
        :: else -> break
        od;
        if
        :: e < VISIBLE ->
            next = e + 1;
            applied[e] = true;
            SAY1(0, "applies %d\n", e);
            PROMISE(aborted_never_applied, IS_MESSAGE(e))
        :: else -> next = e; SAY1(0, "is at the end, %d\n", e)
        fi;
        e = 0
    }
}

proctype feed()
{
    byte e;
end_idle:
    do
    :: state != COLD && up && next < VISIBLE && next >= first -> read_on()
#if DROPS
    :: d_step {
        state != COLD && up && next < first ->
        state = COLD;
        drop_proof();
        e = 0;
        do
        :: e < length -> applied[e] = applied[e] || IS_MESSAGE(e); e++
        :: else -> break
        od;
        e = 0;
        SAY(0, "a gap: all is invalid\n")
    }
#endif
    :: d_step {
        survey == NOT_ASKED ->
        survey = ON_ITS_WAY;
        survey_age = 0;
        SAY(0, "asks where the log ends\n")
    }
    :: survey == ANSWERED && state == COLD -> take_position()
    :: survey == ANSWERED && state != COLD -> use_survey()
    :: !judged -> judge()
    od
}

/* ---- the world */

/* A tick passes when the feed thread has had its turn in it (TICK_MS, TICK_SHARE). */
proctype ticks()
{
    byte k, e;
end:
    do
    :: d_step {
        judged && (survey || state != COLD || down_age) ->
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
    :: d_step {
        up && losses < LOSSES ->
        up = false;
        losses++;
        printf("- the brokers are gone\n")
    }
    :: d_step { !up -> up = true; down_age = 0; printf("- the brokers are back\n") }
    :: d_step {
        up && survey == ON_ITS_WAY ->
        survey = ANSWERED;
        survey_stable = STABLE;
#ifdef MUTATE_STABLE_END
        survey_end = STABLE;
#else
        survey_end = length;
#endif
        printf("- the brokers say that the log ends at %d, and is stable up to %d\n", length, STABLE)
    }
    od
}

/* A transaction's message becomes visible: whoever has a position before it will read it. */
inline end_transaction(how)
{
    log[open_at] = how;
    if
    :: how == COMMITTED ->
        PROMISE(P5_nothing_skipped, state == COLD || next <= open_at || applied[open_at])
    :: else
    fi;
    open_at = NONE;
    log[length] = MARKER;
    length++
}

proctype publishers()
{
end_idle:
    do
    :: d_step {
        plain < PLAIN_MESSAGES ->
        plain++;
        log[length] = PLAIN;
        printf("- %d is published\n", length);
        length++
    }
    :: d_step {
        open_at == NONE && transactions < TRANSACTIONS ->
        transactions++;
        log[length] = OPEN;
        open_at = length;
        printf("- %d is published in a transaction\n", length);
        length++
    }
    :: d_step {
        open_at != NONE ->
        printf("- the transaction of %d is committed, marker %d\n", open_at, length);
        end_transaction(COMMITTED)
    }
    :: d_step {
        open_at != NONE ->
        printf("- the transaction of %d is aborted, marker %d\n", open_at, length);
        end_transaction(ABORTED)
    }
#if DROPS
    :: d_step {
        first < DROPS && first < STABLE && next <= first ->
        first++;
        printf("- the log starts at %d now\n", first)
    }
#endif
    od
}

init
{
    atomic {
        run publishers();
        run feed();
        run ticks()
    }
}
