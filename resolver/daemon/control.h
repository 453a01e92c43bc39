/*
 * control.h - the unix socket by which an operator asks and orders. One JSON object per line, both ways.
 *
 *     {"cmd":"status"}                                            -> {"ok":true, ...}
 *     {"cmd":"lookup","name":"www.example.com.","type":"A"}       -> {"ok":true,"tiers":[...]}
 *     {"cmd":"drained_by","name":"www.example.com."}              -> {"ok":true,"tiers":[...]}, see status.h
 *     {"cmd":"applied","after":41}                                -> {"ok":true,"first":42,"age_us":[...],...}, likewise
 *     {"cmd":"evict","name":"www.example.com.","subtree":false}   -> {"ok":true,"stamp":7,"evicted":1,"tiers":[...]}
 *     {"cmd":"dump"}                                              -> one line per answer, then {"ok":true,"count":n}
 *     anything else                                               -> {"ok":false,"error":"..."}
 *
 * A client is answered as fast as it takes the answers: what waits for it is bounded. One that takes nothing for 30 s, or
 * asks nothing, is dropped, and so is one whose request is not whole by then. Of 64 the quietest makes room for another.
 *
 * Whoever may open the socket may do all of it: it is made with mode 0600.
 *
 * Threads: all on the main thread.
 */
#ifndef FRESHET_RESOLVER_DAEMON_CONTROL_H
#define FRESHET_RESOLVER_DAEMON_CONTROL_H

#include <event2/event.h>

#include "resolver/daemon/daemon.h"

enum { CONTROL_MAX_ERROR = 256 };

struct control;

/*
 * Listens at `path`, replacing a socket that nobody serves any more. NULL with one line in `ret_error`: a live
 * instance serves it, no permission, path too long, ...
 */
struct control *control_open(struct event_base *base, struct daemon *daemon, const char *path,
                             char ret_error[CONTROL_MAX_ERROR]);

/* Closes it and removes the socket. NULL is fine. */
void control_close(struct control *control);

#endif
