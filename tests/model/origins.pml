/*
 * origins.pml - two origins of one zone, of which Kafka lets one write; and its snapshots.
 *
 *      the group: it is A's turn --.              one partition of the log
 *                                  v
 *      A: fence up, read all, write, commit --->  | 0  | 1  | 2  |
 *      B: takes itself for the one that writes,
 *         as it was stopped for a while     --->  refused: its epoch is an old one
 *
 *      reader: a snapshot, and the log from where it stands on
 *
 *   here                         in the code
 *   told[]                       turns.c `granted`: what the group has said, which may be long ago
 *   open_fence()                 fenced.c become_writer: init_transactions
 *   read_all()                   captures.c recall_unready; primary.c primary_turn, primary_caught_up
 *   write(), commit()            fenced.c transact
 *   epoch                        the transaction coordinator's
 *   look()                       captures.c guard; snapshots.c look
 *   first_part(), last_part()    snapshots.c write_job; parts.c
 *   held[], log_base[]           what a state is made of: a bit for each entry of the log
 *
 * The group may give the turn to anyone at any time, and who had it may hear of that at any later time, or never. Either may
 * die and come back. An entry is a version made of what its writer held.
 *
 * What is checked
 *
 *   P12_no_fork              a version that is committed was made of all that was committed before it, and of nothing else
 *   P12_none_lost            what was acknowledged is committed
 *   P11_snapshot_and_rest    a snapshot and what is committed from where it stands on, is all that is committed
 *   P11_snapshot_whole       nobody writes a part into the middle of another's
 *
 *   MUTATE_NO_FENCE           the brokers let everybody write                                    P12
 *   MUTATE_READ_FIRST         reads, and raises the fence then                                   P12
 *   MUTATE_OPEN_COMMITS       a transaction of the one before may still be committed             P12
 *   MUTATE_EARLY_ANSWER       acknowledges what is written, and not committed                    P12_none_lost
 *   MUTATE_SNAPSHOT_NO_FENCE  the brokers let everybody write snapshots                          P11_snapshot_and_rest
 *   MUTATE_PART_NO_FENCE      the fence is asked for the first part only                         P11_snapshot_whole
 */
#include "common.pml"

#ifndef VERSIONS
#define VERSIONS 2
#endif
#ifndef GRANTS
#define GRANTS 2 /* how often the turn changes */
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef SNAPSHOTS
#define SNAPSHOTS 1
#endif

#define WHO(t) ((t) == 2 -> '-' : 'A' + (t))

bool P12_no_fork = true;
bool P12_none_lost = true;
bool P11_snapshot_and_rest = true;
bool P11_snapshot_whole = true;

/* ---- the log, and what the coordinator knows */

#define OPEN 1
#define COMMITTED 2
#define ABORTED 3

byte log[VERSIONS];
byte log_base[VERSIONS];  /* what its writer held */
byte log_epoch[VERSIONS]; /* by which it was written */
bool answered[VERSIONS];  /* its writer was told that it is there */
byte length;
byte epoch;
byte e, all; /* scratch of a step */

/* All that is committed from one place to another. */
inline committed(from, to)
{
    all = 0;
    e = from;
    do
    :: e < to -> all = all | (log[e] == COMMITTED -> 1 << e : 0); e++
    :: else -> break
    od;
    e = 0
}

/* ---- who writes */

bool told[2];
byte mine[2]; /* epoch; 0: no fence of ours */
bool ready[2];
byte held[2];
byte stands[2];      /* the first entry that is not in it */
byte under_way[2] = NONE;
byte seen_end[2];
byte grants, deaths, snapshots;

/* ---- the snapshot there is */

bool has_snapshot;
byte snapshot_of, snapshot_at;
byte first_by;        /* epoch of who wrote the first part that lies there */
byte part_of[2], part_at[2] = NONE; /* what is being written; NONE: nothing */

inline stop(t)
{
    mine[t] = 0;
    ready[t] = false;
    held[t] = 0;
    stands[t] = 0;
    under_way[t] = NONE;
    seen_end[t] = 0;
    part_of[t] = 0;
    part_at[t] = NONE
}

/* Whoever had it before has nothing left under way. */
inline open_fence(t)
{
    d_step {
        epoch++;
        mine[t] = epoch;
        e = 0;
        do
        :: e < length ->
#ifndef MUTATE_OPEN_COMMITS
            if
            :: log[e] == OPEN ->
                log[e] = ABORTED;
                PROMISE(P12_none_lost, !answered[e])
            :: else
            fi;
#endif
            e++
        :: else -> break
        od;
        e = 0;
        SAY1(t, "may write, epoch %d\n", epoch)
    }
}

/* Whoever reads what is committed is given nothing behind a transaction that is open. */
inline read_all(t)
{
    d_step {
        e = 0;
        do
        :: e < length && log[e] != OPEN -> e++
        :: else -> break
        od;
        stands[t] = e;
        committed(0, stands[t]);
        held[t] = all;
        all = 0;
        SAY1(t, "has read up to %d\n", stands[t])
    }
}

#ifdef MUTATE_NO_FENCE
#define LET(t) true
#else
#define LET(t) (mine[t] == epoch)
#endif
#ifdef MUTATE_OPEN_COMMITS
#define LET_COMMIT(t) true
#else
#define LET_COMMIT(t) LET(t)
#endif

inline write(t)
{
    d_step {
        if
        :: LET(t) ->
            log[length] = OPEN;
            log_base[length] = held[t];
            log_epoch[length] = mine[t];
            under_way[t] = length;
#ifdef MUTATE_EARLY_ANSWER
            answered[length] = true;
#endif
            SAY1(t, "writes %d\n", length);
            length++
        :: else -> SAY(t, "is refused\n"); SITUATION(1); stop(t)
        fi
    }
}

inline commit(t)
{
    d_step {
        if
        :: LET_COMMIT(t) && log[under_way[t]] == OPEN ->
            committed(0, under_way[t]);
            log[under_way[t]] = COMMITTED;
            answered[under_way[t]] = true;
            SAY1(t, "commits %d\n", under_way[t]);
            PROMISE(P12_no_fork, log_base[under_way[t]] == all);
            SITUATION((grants > 1 && all != 0 && log_epoch[under_way[t]] > 1 -> 2 : 99));
            all = 0;
            held[t] = held[t] | (1 << under_way[t]);
            stands[t] = under_way[t] + 1;
            under_way[t] = NONE
        :: else -> SAY(t, "is refused the commit\n"); SITUATION(3); stop(t)
        fi
    }
}

/* Another thread, now and then. */
inline look(t)
{
    d_step { seen_end[t] = length; SAY1(t, "sees that the log ends at %d\n", length) }
}

#ifdef MUTATE_SNAPSHOT_NO_FENCE
#define LET_FIRST(t) true
#define LET_LAST(t) true
#else
#define LET_FIRST(t) LET(t)
#ifdef MUTATE_PART_NO_FENCE
#define LET_LAST(t) true
#else
#define LET_LAST(t) LET(t)
#endif
#endif

/* It stands at the end of the log as it was seen: who may still write then has written all of what lies there. */
inline first_part(t)
{
    d_step {
        if
        :: LET_FIRST(t) ->
            snapshots++;
            first_by = mine[t];
            part_of[t] = held[t];
            part_at[t] = MAX(stands[t], seen_end[t]);
            SAY1(t, "writes the first part of a snapshot that stands at %d\n", part_at[t])
        :: else -> SAY(t, "is refused the first part\n"); stop(t)
        fi
    }
}

inline last_part(t)
{
    d_step {
        if
        :: LET_LAST(t) ->
            PROMISE(P11_snapshot_whole, first_by == mine[t]);
            SAY(t, "writes the last part\n");
            has_snapshot = true;
            snapshot_of = part_of[t];
            snapshot_at = part_at[t];
            part_of[t] = 0;
            part_at[t] = NONE
        :: else -> SAY(t, "is refused the last part\n"); SITUATION(5); stop(t)
        fi
    }
}

#ifdef MUTATE_READ_FIRST
#define first_step(t) read_all(t); mine[t] = NONE
#define second_step(t) open_fence(t)
#else
#define first_step(t) open_fence(t)
#define second_step(t) read_all(t)
#endif

proctype origin(byte t)
{
end:
    do
    :: atomic { told[t] && mine[t] == 0 && epoch < GRANTS + 1 -> first_step(t) };
       atomic { if :: mine[t] != 0 -> second_step(t); ready[t] = true :: else fi }
    :: atomic { ready[t] && under_way[t] == NONE && length < VERSIONS -> write(t) }
    :: atomic { ready[t] && under_way[t] != NONE -> commit(t) }
    :: atomic { ready[t] && seen_end[t] != length && snapshots < SNAPSHOTS -> look(t) }
    :: atomic { ready[t] && under_way[t] == NONE && part_at[t] == NONE && snapshots < SNAPSHOTS -> first_part(t) }
    :: atomic { ready[t] && part_at[t] != NONE -> last_part(t) }
    :: atomic { !told[t] && mine[t] != 0 -> SAY(t, "hears that it is not its turn\n"); stop(t) }
    od
}

/* The group, deaths, and one who reads. */
proctype world()
{
    byte who;
end:
    do
    :: atomic { grants < GRANTS ->
        if
        :: who = 0
        :: who = 1
        fi;
        grants++;
        told[who] = true;
        SAY1(2, "it is the turn of %d (0 A, 1 B)\n", who);
        who = 0 }
    :: atomic { told[0] && told[1] ->
        if
        :: told[0] = false; SAY(2, "A is told that it is not its turn\n")
        :: told[1] = false; SAY(2, "B is told that it is not its turn\n")
        fi }
    :: atomic { deaths < DEATHS && (mine[0] != 0 || mine[1] != 0) ->
        if
        :: mine[0] != 0 -> who = 0
        :: mine[1] != 0 -> who = 1
        fi;
        deaths++;
        told[who] = false;
        stop(who);
        SAY1(2, "%d dies and comes back (0 A, 1 B)\n", who);
        who = 0 }
    :: atomic { has_snapshot ->
        d_step {
            committed(snapshot_at, length);
            who = snapshot_of | all;
            committed(0, length);
            PROMISE(P11_snapshot_and_rest, who == all);
            SITUATION((snapshot_of != 0 && who != snapshot_of -> 4 : 99));
            all = 0;
            who = 0;
            has_snapshot = false
        } }
    od
}

init
{
    atomic { run origin(0); run origin(1); run world() }
}
