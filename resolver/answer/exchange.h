/*
 * exchange.h - how a message travels to one server, and its response back: a table, and those who fill it are in net/.
 *
 *      attempt --- exchange_send() ---> by UDP and TCP (forward.h), by a call within the process (inside.h),
 *              <------ done() --------  after a simulated distance (link.h); in tests, along a script
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_EXCHANGE_H
#define FRESHET_RESOLVER_ANSWER_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/answer/micro.h"

enum { EXCHANGE_MAX_QUERY = 512 }; /* bytes of a query */

/* One message of its own, which may get lost and may be truncated; or by a stream, where all of it fits. */
enum exchange_way { EXCHANGE_UDP, EXCHANGE_TCP };

/* What came of a query. */
struct exchange_response {
    int status; /* 0; ERR_TIMEOUT: none by its deadline; ERR_SYSTEM: refused, unreachable, connection lost */
    const uint8_t *bytes; /* with status 0; good inside the call */
    size_t size;
    struct micro now;
};

/*
 * A query under way; the caller's memory, in place until `done` was called, which happens exactly once and never from
 * within exchange_send().
 */
struct exchange_request {
    void (*done)(struct exchange_request *request, const struct exchange_response *response);
    struct exchange_request *prev, *next; /* private to the exchange until then */
    struct mono deadline;                 /* nobody waits for a response any longer than that */
    uint16_t size;
    uint8_t bytes[EXCHANGE_MAX_QUERY]; /* a whole message, with a random ID */
};

struct exchange;

struct exchange_kind {
    void (*send)(struct exchange *exchange, enum exchange_way way,
                 struct exchange_request *request);
    /* Ends every query under way with ERR_TIMEOUT first. Not from within a `done`. */
    void (*free)(struct exchange *exchange);
};

/* The beginning of each kind's own struct. */
struct exchange {
    const struct exchange_kind *kind;
    bool
        sure; /* a response comes, however long it takes: nothing gets lost, nobody else need be asked */
};

static inline void exchange_send(struct exchange *exchange, enum exchange_way way,
                                 struct exchange_request *request)
{
    exchange->kind->send(exchange, way, request);
}

/* NULL is fine. */
static inline void exchange_free(struct exchange *exchange)
{
    if (exchange)
        exchange->kind->free(exchange);
}

#endif
