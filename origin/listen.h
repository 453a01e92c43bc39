/*
 * listen.h - the sockets of the origin: messages in by UDP and TCP, and their answers out, now or later.
 *
 *      message ---> take(call) ---> listen_answer(call), any number of times over TCP ---> listen_end(call)
 *
 * A call is the message's and whoever takes it has it until listen_end(): an answer may wait for Kafka, and one to a transfer
 * is many messages. A client that has gone by then makes no difference: what is answered to it goes nowhere.
 *
 * Bounded: so many connections, of which the one that has been silent longest makes room; so many calls of one; so long
 * without a whole message or with one that takes nothing.
 *
 * Threads: that of its loop.
 */
#ifndef FRESHET_ORIGIN_LISTEN_H
#define FRESHET_ORIGIN_LISTEN_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config/config.h"
#include "dns/error.h"

enum {
    LISTEN_MAX_PEER = 64, /* bytes of its text */
    LISTEN_MAX_ERROR = 300,
    LISTEN_CLIENTS = 200,      /* by TCP */
    LISTEN_IDLE_SECONDS = 30,  /* they may be silent, */
    LISTEN_CALLS = 16,         /* and have so many messages unanswered; then no more is read */
    LISTEN_AHEAD = 256 * 1024, /* bytes that wait for a client before it is answered no further */
};

struct listen;
struct listen_call;

struct listen_numbers {
    uint64_t datagrams, messages, clients, turned_away, short_messages, unsent;
};

/* A message came; the bytes are good inside the call of this. */
typedef void listen_take_fn(void *arg, struct listen_call *call, const uint8_t *bytes, size_t size);

/* Opens all addresses. NULL with one line in `ret_error`. */
struct listen *listen_open(struct event_base *base, const struct config_address *addresses,
                           size_t count, listen_take_fn *take, void *arg,
                           char ret_error[LISTEN_MAX_ERROR]);
void listen_close(struct listen *listen); /* NULL is fine. No call may be left */

void listen_numbers(const struct listen *listen, struct listen_numbers *ret);

/* Who asks, and how. */
const struct sockaddr *listen_peer(const struct listen_call *call);
const char *listen_peer_text(const struct listen_call *call, char ret_text[LISTEN_MAX_PEER]);
bool listen_is_tcp(const struct listen_call *call);

/* Sends a message as an answer; more may follow over TCP. */
void listen_answer(struct listen_call *call, const uint8_t *bytes, size_t size);

/*
 * Over TCP, whether there is room for more answers now. If not, `room` is called once there is, or once the client has gone: then
 * listen_is_gone().
 */
bool listen_has_room(struct listen_call *call, void (*room)(void *arg, struct listen_call *call),
                     void *arg);
bool listen_is_gone(const struct listen_call *call);

/* No answer follows. */
void listen_end(struct listen_call *call);

#endif
