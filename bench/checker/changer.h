/*
 * changer.h - makes the changes: what changes next, of which kind, and who publishes it.
 *
 * First the authority has it, which is to say the history; then the log. A change at a cut is one of all
 * names below. While a zone is not delegated (UNCUT) nothing in it changes but its delegation.
 *
 * Threads: the loop's alone.
 */
#ifndef FRESHET_CHECKER_CHANGER_H
#define FRESHET_CHECKER_CHANGER_H

#include "bench/common/chance.h"
#include "bench/checker/log.h"

struct changer_options {
    double mix[KIND_COUNT]; /* shares, any sum */
    double exponent;        /* of the names' shares; 0: all alike */
    double outer;     /* of the changes of an inner zone's names: the outermost publishes them */
    double abort;     /* of the transactions that are not open for long */
    uint32_t still;   /* each name whose number this divides is never changed; 0: none */
    double garbage_s; /* between two messages that nobody can read; 0: none */
};

struct changer {
    const struct changer_options *options;
    const struct zone *zone;
    struct history *history;
    struct log *log;
    struct chance *chance;
    unsigned publishers;
    struct lottery names;
    bool undelegated[INNER_MAX + 1]; /* by zone */
    bool abort_next;                 /* of a hanging transaction: every other one is aborted */
    int64_t garbage_at_us;
    bool full; /* the history has no room left */
};

/* All but `names` and what comes after it is set. False: no memory. */
bool changer_init(struct changer *changer);
void changer_free(struct changer *changer);

/* A name is never changed. */
bool changer_is_still(const struct changer_options *options, uint32_t name);

/* Makes one change. */
void changer_step(struct changer *changer, int64_t now_us);

/* Makes one in a transaction that is open for so long, and ends as is said. False: nobody hangs. */
bool changer_hang(struct changer *changer, int64_t hang_us, bool abort);

#endif
