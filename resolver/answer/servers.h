/*
 * servers.h - what is known of the servers that a worker asks, and which of several is asked next.
 *
 * The choice goes by smoothed round-trip time (RFC 6298's estimator). A server that lets several
 * queries in a row time out is down: it gets one query per growing interval to show that it is back. Now
 * and then a query goes to another than the best, so that estimates stay fresh. A name that never gets an
 * answer says nothing about its server while other names are answered.
 *
 *      struct known_servers     by address, for as long as the worker lives
 *           |     |
 *           |   struct server   one address: RTT, EDNS, spelling, whether it is down
 *           |     |
 *      struct servers           several to choose from, and the ways to them; made anew when the configuration
 *                               is read again, while what is known of each address stays
 *
 * Queries under way keep a set and its ways alive. Its end may come from within a response, when the ways cannot be
 * freed: so it waits until the owner sweeps.
 *
 * Threads: all on the worker's; struct server_stats are shared by all.
 */
#ifndef FRESHET_RESOLVER_ANSWER_SERVERS_H
#define FRESHET_RESOLVER_ANSWER_SERVERS_H

#include "resolver/answer/client.h"
#include "resolver/answer/counter.h"
#include "resolver/answer/entropy.h"
#include "resolver/answer/exchange.h"

enum {
    SERVERS_MAX = 32, /* in a set */
    SERVERS_KEPT =
        256, /* addresses that nobody asks any more and that are remembered all the same */
    ADDRESS_MAX_TEXT = 64,
};

/* What is known of one address by all workers, for people. Lives as long as its tier. */
struct server_stats {
    char address[ADDRESS_MAX_TEXT]; /* "127.0.0.1:53" */
    uint8_t origin;                 /* number of this address in its tier, from 1 */
    struct counter sent, answered, timeouts, failures;
    struct counter srtt_us; /* newest estimate of any worker; 0 for none */
};

/* What one worker knows of one address, as one tier asks it. */
struct server {
    struct server *prev, *next;
    union address address; /* zero for a tier of this process */
    struct server_stats *stats;
    size_t references; /* by sets */
    uint32_t srtt_us;  /* 0: never measured */
    uint32_t rttvar_us;
    uint32_t timeouts_in_row;
    struct mono retry_at;    /* when down: not before this */
    struct mono plain_until; /* does not speak EDNS */
    struct mono case_until;  /* does not keep the spelling of questions */
};

/* All that a worker knows, and all sets, in use or not. */
struct known_servers;

/* `sweep` is called when there is something for known_servers_sweep() to do. NULL: no memory. */
struct known_servers *known_servers_new(struct entropy *entropy, void (*sweep)(void *arg),
                                        void *arg);

/* Frees the sets that nobody uses any more. From the loop, not from within a response. */
void known_servers_sweep(struct known_servers *known);

/* Frees all sets at once, ending every query; when the loop will not run again. NULL is fine. */
void known_servers_free(struct known_servers *known);

/* Servers to choose from. */
struct servers {
    struct servers *prev, *next;
    struct known_servers *known;
    size_t references;
    size_t count;
    struct {
        struct server *server;
        struct exchange *exchange; /* owned */
    } items[SERVERS_MAX];
};

struct server_address {
    union address address;      /* zero for a tier of this process */
    struct server_stats *stats; /* borrowed */
    struct exchange *exchange;  /* the way to it; taken over, also on failure */
};

/* With one reference held. No more than SERVERS_MAX are taken. NULL: no memory. */
struct servers *servers_new(struct known_servers *known, const struct server_address *addresses,
                            size_t count);
struct servers *servers_ref(struct servers *servers);
/* NULL is fine. */
void servers_unref(struct servers *servers);

/*
 * The server to ask next, by index. `tried` is a bit per server asked already for this question: those come last.
 */
size_t servers_pick(struct servers *servers, uint32_t tried, struct mono now);

/* How long to wait for this server before asking another one, in milliseconds. */
uint32_t servers_retransmit_ms(const struct servers *servers, size_t index);

/* An answer came after `rtt_us`; or none came in time; or the address refused. */
void server_answered(struct server *server, uint64_t rtt_us);
void server_timed_out(struct server *server, struct mono now);
void server_refused(struct server *server, struct mono now);

#endif
