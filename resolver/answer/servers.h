/*
 * servers.h - what is known of the servers that a worker asks, and which of several is asked next.
 *
 * Anybody can make a server look bad by asking for names of his own that are never answered, or slowly, or oddly. So
 * nothing is believed of a server for one name's sake, nothing for ever, and nothing that other names speak against:
 *
 *   - Who is asked: the one that can be the quickest, by the best of its recent round trips, not by their mean. Now and
 *     then a query goes to another, so that estimates stay fresh.
 *   - How long it is given: by smoothed round-trip time (RFC 6298's estimator).
 *   - Whether it is down: queries for several names in a row without an answer are a reason to ask it something of our
 *     own, a name that it has answered before and the root. If that is answered, the fault is with the names. If not, it
 *     is down, and asked like that again at growing intervals until it is back: nobody's query waits for it.
 *   - What it lacks, EDNS or the sense for spelling: when several names say so, for ten minutes (struct lack).
 *
 *      struct known_servers     by address, for as long as the worker lives
 *           |     |
 *           |   struct server   one address: RTT, what it lacks, whether it is down
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

#include "dns/message.h"
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

/* Something that a server seems to lack; zero-initialise. */
struct lack {
    uint64_t name;     /* of the one that said so first */
    struct mono since; /* when that was */
    struct mono until; /* believed, for more than one name has said so */
};

/* A name says so; by its hash. */
void lack_note(struct lack *lack, uint64_t name, struct mono now);
static inline bool lack_is_believed(const struct lack *lack, struct mono now)
{
    return !mono_reached(now, lack->until);
}

/* What one worker knows of one address, as one tier asks it. */
struct server {
    struct server *prev, *next;
    union address address; /* zero for a tier of this process */
    struct server_stats *stats;
    size_t references; /* by sets */
    uint32_t srtt_us;  /* 0: never measured */
    uint32_t rttvar_us;
    uint32_t lowest_us[2]; /* the best round trip of this window, and of the one before; 0: none */
    struct mono window;    /* when this one began */
    struct mono answered;  /* when anything came last */
    uint32_t timeouts_in_row;
    uint64_t silent_name; /* hash of one that it has not answered since */
    bool silent_names;    /* nor another */
    bool down;
    bool probing;           /* asked something of our own, which may come until `probe` */
    uint32_t probes_failed; /* in a row */
    struct mono probe;      /* the end of this one; otherwise, not before this */
    struct mono edns; /* until then it is known to speak it: whoever says otherwise is wrong */
    struct lack no_edns, no_spelling;
    struct question canary; /* a question that it has answered; name_size 0: none */
    struct mono canary_since;
};

/* For comparing names, whatever their case; not kept from anybody. */
uint64_t server_hash_name(const uint8_t *name);

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
    /* Told when a server that had been silent for all answers again, which a good deal may wait for. NULL: nobody is. */
    void (*returned)(void *arg, size_t index, struct micro now);
    void *returned_arg;
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

/* How long to wait for this server before asking another one, in milliseconds; UINT32_MAX: it is sure to answer. */
uint32_t servers_retransmit_ms(const struct servers *servers, size_t index);

/* The best it can do, in milliseconds; 0: nothing is known. */
uint32_t server_lowest_ms(const struct server *server);

/*
 * Whether a server should be asked something of our own now, to find out whether it is there. It is told once of each that
 * is due; the caller asks it.
 */
bool servers_to_probe(struct servers *servers, struct mono now, size_t *ret_index);

/* An answer came after `rtt_us`; true: after a silence for all. */
bool server_answered(struct server *server, uint64_t rtt_us, struct mono now);
/* None came in time, to a question for the name with this hash. */
void server_timed_out(struct server *server, uint64_t name);
/* The address refused. */
void server_refused(struct server *server, struct mono now);
/* It has a good answer to this: something to ask it for when it looks as if it were not there. */
void server_worked(struct server *server, const struct question *question, struct mono now);
/* Whether it has answered lately, so that it may be back in a moment when it is not there. */
bool server_is_hopeful(const struct server *server, struct mono now);

#endif
