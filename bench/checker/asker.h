/*
 * asker.h - asks the tiers as any client does: UDP, one datagram there, one back, no retries.
 *
 * Each tier has a few sockets, as clients are many and a server spreads its load by them. Messages
 * ids are given in turn; a query that is not answered within PATIENCE is lost.
 *
 * Threads: the loop's alone.
 */
#ifndef FRESHET_CHECKER_ASKER_H
#define FRESHET_CHECKER_ASKER_H

#include "bench/checker/judge.h"

enum { ASKER_SOCKETS = 4, ASKER_IDS = 65536, ASKER_PATIENCE_US = 3000000 };

struct asker {
    const struct zone *zone;
    struct judge *judge;
    struct tier *tier;
    int fds[ASKER_SOCKETS];
    struct question *questions; /* by id; sent_us 0: free */
    uint16_t next, oldest;      /* ids; what is out lies between them */
};

/* `zone`, `judge` and `tier` are set. 0, or -1 with errno. */
int asker_open(struct asker *asker);

/* Sends one query. Everything but the name and the purpose of `question` is filled in. */
void asker_ask(struct asker *asker, struct question question);

/* Reads the answers that have come to one of the sockets, and judges them. */
void asker_receive(struct asker *asker, int fd);

/* Gives up what has been out for too long. */
void asker_expire(struct asker *asker, int64_t now_us);

/* How many are out. */
unsigned asker_waiting(const struct asker *asker);

#endif
