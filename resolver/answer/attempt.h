/*
 * attempt.h - one query to one server: how it is written, and what its response says about the server.
 *
 * Spelling is random towards servers that keep it (draft-vixie-dnsext-dns0x20); a response in another spelling is
 * not believed but asked for again over TCP. A server that does not know EDNS is asked without. What was learned of the
 * server is remembered with it (servers.h), also when nobody waits for the attempt any more.
 *
 * Threads: everything on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_ATTEMPT_H
#define FRESHET_RESOLVER_ANSWER_ATTEMPT_H

#include "resolver/answer/servers.h"
#include "resolver/answer/source.h"

/* What the attempts of one worker share: memory, and a message, used inside one callback at a time. */
struct attempts;

/* NULL: no memory. `entropy` is borrowed. */
struct attempts *attempts_new(struct entropy *entropy);
/* No attempt may be under way any more. NULL is fine. */
void attempts_free(struct attempts *attempts);

enum attempt_end {
    ATTEMPT_USABLE,  /* `message` is NOERROR or NXDOMAIN */
    ATTEMPT_USELESS, /* another server may do better */
    ATTEMPT_SILENT,  /* there will be no response */
    ATTEMPT_AGAIN,   /* the same server should be asked in another way */
};

/* Good inside the call. */
struct attempt_result {
    enum attempt_end end;
    const struct message *message;
    int ede;               /* USELESS: the reason */
    enum exchange_way way; /* AGAIN */
    struct micro now;
};

struct attempt;
typedef void attempt_ended(void *arg, struct attempt *attempt, const struct attempt_result *result);

struct attempt_order {
    struct servers *servers; /* a reference is taken */
    size_t index;            /* of the one to be asked */
    enum exchange_way way;
    const struct question *question; /* in lower case */
    const struct inquiry_options *shape;
    /* Called once, unless it is abandoned; the attempt is gone after it. */
    attempt_ended *ended;
    void *arg;
};

/* Under way. It outlives whoever made it: the exchange has its memory until the end. */
struct attempt {
    struct exchange_request request;
    struct attempt *prev, *next; /* its owner's */
    struct attempts *attempts;
    struct servers *servers;
    size_t index;
    enum exchange_way way;
    bool edns;    /* the query had OPT */
    bool overdue; /* counted as a timeout already */
    struct micro sent;
    attempt_ended *ended; /* NULL: nobody waits for it */
    void *arg;
};

/* NULL: no memory. Never calls `ended` itself. */
struct attempt *attempt_send(struct attempts *attempts, const struct attempt_order *order,
                             struct micro now);

/* The server has had its time: that counts against it, once. */
void attempt_overdue(struct attempt *attempt, struct mono now);

/* Nobody waits for it any more. */
void attempt_abandon(struct attempt *attempt);

/* How a server is asked first. */
enum exchange_way attempt_first_way(const struct server *server, struct mono now);

#endif
