/*
 * query_log.h - what clients ask, and where their answers come from: lines in the log, for as long as `query_log` says so.
 *
 *     msg=query tier=os name=www.example.com. type=A from=cache rcode=NOERROR answers=1 us=21 client=192.0.2.9
 *
 * Who asked is left out unless it is asked for. A hundred lines a second at most, of the process; the next says with more=N how
 * many were left out. Off, it costs nothing: nobody is told (query.h).
 *
 * Threads: any.
 */
#ifndef FRESHET_RESOLVER_DAEMON_QUERY_LOG_H
#define FRESHET_RESOLVER_DAEMON_QUERY_LOG_H

#include "resolver/answer/query.h"

enum { QUERY_LOG_LINES = 100 }; /* a second */

/* "none", "questions" or "clients". */
void query_log_set(const char *what);

/* What a tier_worker is to tell: query_log_line, or NULL. */
told_fn *query_log_listener(void);

/* `arg` is the tier's name. */
void query_log_line(void *arg, const struct told *told);

/* The decision: whether a line may go out in this second, with how many were left out before it. Any thread. */
struct query_log_budget {
    _Atomic uint64_t second;
    _Atomic uint32_t lines;
    _Atomic uint64_t left_out;
};
bool query_log_may(struct query_log_budget *budget, uint64_t second, uint64_t *ret_more);

#endif
