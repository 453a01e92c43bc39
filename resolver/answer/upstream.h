/*
 * upstream.h - a tier's forwarders: which one is asked next, and what each has been like.
 *
 * The choice goes by smoothed round-trip time (RFC 6298's estimator). A forwarder that lets several
 * queries in a row time out is down: it gets one query per growing interval to show that it is back. Now
 * and then a query goes to another than the best, so that estimates stay fresh. A name that never gets an
 * answer says nothing about its forwarder while other names are answered.
 *
 * Threads: a struct upstream belongs to one worker; struct upstream_stats are shared by all.
 */
#ifndef FRESHET_RESOLVER_ANSWER_UPSTREAM_H
#define FRESHET_RESOLVER_ANSWER_UPSTREAM_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "cache/stamp.h"
#include "resolver/answer/counter.h"
#include "resolver/answer/entropy.h"
#include "resolver/net/forward.h"
#include "resolver/net/link.h"

enum { UPSTREAM_MAX_SERVERS = 32, ADDRESS_MAX_TEXT = 64 };

/* What is known of one address by all workers, for people. Lives as long as its tier. */
struct upstream_stats {
    char address[ADDRESS_MAX_TEXT]; /* "127.0.0.1:53" */
    uint8_t origin;                 /* number of this address in its tier, from 1 */
    struct counter sent, answered, timeouts, failures;
    struct counter srtt_us; /* newest estimate of any worker; 0 for none */
};

struct upstream_server {
    struct forward *forward;
    struct upstream_stats *stats;
    bool inside;      /* a tier of this process: it answers in any case, and is waited for */
    uint32_t srtt_us; /* 0: never measured */
    uint32_t rttvar_us;
    uint32_t timeouts_in_row;
    struct mono retry_at;    /* when down: not before this */
    struct mono plain_until; /* does not speak EDNS */
    struct mono case_until;  /* does not keep the spelling of questions */
};

struct upstream {
    struct upstream *prev, *next; /* in its owner's list */
    struct upstream **list;
    size_t count;
    size_t references;
    bool parents; /* the servers are tiers on our feed: they are asked for their position */
    struct event *release;
    struct entropy entropy;
    struct upstream_server servers[UPSTREAM_MAX_SERVERS];
};

struct upstream_address {
    struct sockaddr_storage address;
    struct tier_worker *tier_worker; /* of a tier of this process, instead of an address; or NULL */
    struct upstream_stats *stats;    /* borrowed */
    const struct link_options *link; /* the distance to it; borrowed. NULL: none is simulated */
};

/* With one reference held; `parents` is to be set by the caller. NULL: no memory. */
struct upstream *upstream_new(struct event_base *base, const struct upstream_address *addresses,
                              size_t count);
/* Puts it into `list`, where it stays until it is freed: the end of the last reference may be long after. */
void upstream_enlist(struct upstream *upstream, struct upstream **list);
struct upstream *upstream_ref(struct upstream *upstream);
/* The last one frees it, from the loop. NULL is fine. */
void upstream_unref(struct upstream *upstream);
/* Frees at once, ending every query; when the loop will not run again. */
void upstream_destroy(struct upstream *upstream);

/*
 * The server to ask next, by index. `tried` is a bit per server asked already for this question: those come last.
 */
size_t upstream_pick(struct upstream *upstream, uint32_t tried, struct mono now);

/* How long to wait for this server before asking another one, in milliseconds. */
uint32_t upstream_retransmit_ms(const struct upstream_server *server);

/* An answer came after `rtt_us`; or none came in time; or the address refused. */
void upstream_answered(struct upstream_server *server, uint32_t rtt_us);
void upstream_timed_out(struct upstream_server *server, struct mono now);
void upstream_refused(struct upstream_server *server, struct mono now);

#endif
