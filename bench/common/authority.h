/*
 * authority.h - the zone's authoritative server, in the measuring process: what it answers is known
 * exactly.
 *
 * One UDP socket on loopback. It answers with the version that is current, or was `lag_us` ago (a
 * slow secondary), or not at all while it is down. An answer may take `delay_us` to leave, as if the
 * server were far away: what it says was true when the query came. That is where a cache can fail
 * that is told of a change while it waits. The last time each version was given out is written into
 * the history: until then a cache may have learned it anew.
 *
 * Threads: the loop's alone.
 */
#ifndef FRESHET_COMMON_AUTHORITY_H
#define FRESHET_COMMON_AUTHORITY_H

#include <netinet/in.h>

#include "bench/common/history.h"
#include "bench/common/wire.h"

enum { AUTHORITY_WAITING = 16384, AUTHORITY_REPLY_MAX = 512 };

/* On its way; in the order of leaving. */
struct departure {
    int64_t due_us;
    struct sockaddr_in client;
    size_t size;
    uint8_t bytes[AUTHORITY_REPLY_MAX];
};

struct authority {
    int fd;
    const struct zone *zone;
    struct history *history;
    int64_t lag_us, delay_us;
    bool down;
    struct departure *departures; /* a ring of AUTHORITY_WAITING */
    uint64_t first, last;         /* those waiting: first up to but not last */
    uint64_t queries, answered,
        stale; /* stale: answered with a version that was no longer current */
};

/* Binds 127.0.0.1:`port`. 0, or -1 with errno. */
int authority_open(struct authority *authority, uint16_t port);

void authority_close(struct authority *authority);

/* Sends what is due. */
void authority_send(struct authority *authority, int64_t now_us);

/* Answers all that has come. */
void authority_serve(struct authority *authority);

#endif
