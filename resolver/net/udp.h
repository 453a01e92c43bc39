/*
 * udp.h - one UDP socket of one worker: batches in, batches out.
 *
 * Up to UDP_BATCH queries are read in one system call into buffers made once, each is handled with its reply
 * written where it is sent from, and the replies that are ready leave in one call. Replies that had to wait
 * are copied, and leave together at the end of the loop's iteration that brought them.
 *
 *     socket --> held --> reply                          the whole batch, at once
 *           \--> not held --> UDP_ASKED in an iteration --> asked for
 *                        \--> turns, by client network --> asked for in later iterations
 *
 * To ask for something takes many times longer than to answer with what is held. So no more than a few questions set out in
 * one iteration, then responses and other sockets have theirs; and who floods us with names waits behind himself: the
 * socket is read on meanwhile, and each network has its turn (turns.h). Only with UDP_TURNS waiting is it left to the kernel what
 * becomes of the rest.
 */
#ifndef FRESHET_RESOLVER_NET_UDP_H
#define FRESHET_RESOLVER_NET_UDP_H

#include <event2/event.h>

#include "resolver/answer/query.h"

enum {
    UDP_BATCH = 64,
    UDP_MAX_QUERY = 2048, /* longer ones are no queries */
    UDP_ASKED = 16,       /* questions that set out before others have their turn */
    UDP_TURNS = 4096,     /* those that wait to set out; bounds memory */
};

struct udp_listener;

/*
 * Takes over `fd`; closes it in udp_free() or when NULL is returned. Answers that are still to leave do so in udp_free(), and are
 * counted: `tier_worker` lasts until then.
 */
struct udp_listener *udp_new(struct event_base *base, int fd, struct tier_worker *tier_worker);
void udp_free(struct udp_listener *listener);

/* Frees it once nobody waits at it any more; until then no query is read, and replies go out. */
void udp_retire(struct udp_listener *listener);

/* Whether somebody's query was read, and its turn is still to come. */
bool udp_holds_back(const struct udp_listener *listener);

/* Reads no more queries; replies still go out. */
void udp_stop_reading(struct udp_listener *listener);

#endif
