/*
 * query.h - what happens to one query: parsed, refused, answered from the cache, or made to wait.
 *
 *     query_read       bytes -> query_parse -> may we? -> key
 *     query_answer     -> store_get --hit--> reply in the caller's buffer
 *                             \---miss--> a streamed zone says it at once: reply in the caller's buffer
 *                              \          \--> inflight, reply later by the transport
 *     query_ask                 \--patient--> QUERY_LATER: the same again when its turn has come
 *
 * Threads: all on the worker's.
 */
#ifndef FRESHET_RESOLVER_ANSWER_QUERY_H
#define FRESHET_RESOLVER_ANSWER_QUERY_H

#include "cache/histogram.h"
#include "cache/store.h"
#include "resolver/answer/client.h"
#include "invalidation/position.h"
#include "resolver/answer/admission.h"
#include "resolver/answer/authority.h"
#include "resolver/answer/handouts.h"
#include "resolver/answer/inflight.h"
#include "resolver/answer/local.h"
#include "resolver/answer/network.h"

/* Why a freshet that asks as a child tier is not told our position, or nothing by it. */
enum misfit {
    MISFIT_STRANGER, /* its address is not in position_for */
    MISFIT_LOG,      /* it follows another log */
    MISFIT_ZONE,     /* it follows a zone that our feed does not have */
    MISFITS
};

/* Where an answer that a client is given comes from. */
enum told_from {
    TOLD_CACHE,
    TOLD_LOCAL,    /* hosts files, local records, special use */
    TOLD_ZONE,     /* a streamed zone */
    TOLD_UPSTREAM, /* it was waited for: fetched, or what takes its place */
    TOLD_SELF,     /* a refusal, of this server's own */
};

/* An answer on its way; all is borrowed. */
struct told {
    enum told_from from;
    const struct client *client;
    const uint8_t *reply;
    size_t size;
};
typedef void told_fn(void *arg, const struct told *told);

/* A tier as one worker serves it. */
struct tier_worker {
    struct store *store;
    const struct validity *validity;
    struct positions *positions;
    struct inflight *inflight;
    uint64_t resolve_timeout_ms;
    bool per_client;                  /* each client has answers of its own */
    bool trust_ad;                    /* clients are told what the upstream has validated */
    struct admission *admission;      /* what clients must pass; a reference. NULL: all may ask */
    struct network_list position_for; /* who is told our position */
    /* Told of each; `name` is canonical. NULL: nobody is. */
    void (*misfit)(void *arg, enum misfit misfit, const union address *child, const uint8_t *name);
    void *misfit_arg;
    told_fn *told; /* of each answer to a client; NULL: nobody is */
    void *told_arg;
    struct authority *authority; /* zones that queries without RD are answered from; NULL: none */
    struct handouts *handouts;   /* of those; of the worker */
    struct local *local;         /* answered before the cache is asked; NULL: nothing is */
    struct {
        struct counter queries, malformed, refused, dropped, truncated, local, authoritative;
        /* By the access list; past the rate; of those, cut short; without the cookie that is required. */
        struct counter clients_refused, clients_dropped, limited, slipped, bad_cookies;
        struct counter position_asked, position_ignored; /* by children; by others, or malformed */
        struct handout_counters handouts;
    } counters;
    /* From reading a client's query to handing the reply to the kernel: of those that waited for nothing, and others. */
    struct histogram at_once, waited;
};

struct query_input {
    const uint8_t *bytes;
    size_t size;
    const struct client *client;
    bool stream;        /* over TCP */
    bool patient;       /* what is not held may wait for query_ask() */
    bool again;         /* for that: what its options ask for was counted before */
    uint16_t keepalive; /* how long its connection may be idle, in 100 ms; 0: it has none */
    struct micro now;
};

/* A query between its two steps. */
struct query_read {
    struct query query;
    struct answer_key key; /* where the query goes on to the cache */
    int error;             /* of query_parse() */
    int rcode, ede;        /* why it is refused, or NOERROR */
    struct cookie_view cookie;
};

/*
 * Handles one message from a client, in two steps: a batch takes the first step for each message, then the
 * second, so that the memory the second will touch is on its way meanwhile. The message stays where it is.
 *
 * query_answer(): `reply` has room for DNS_EDNS_UDP bytes, or DNS_MAX_MESSAGE for a stream. Returns the
 * size of a reply to send now; 0 when it comes later, or never (not a query). Where the input is patient, QUERY_LATER: it
 * takes somebody's answer, or a zone's, and nothing has happened yet but that it was counted. query_ask() goes on from there,
 * with a read of the same message.
 */
#define QUERY_LATER SIZE_MAX
void query_read(struct tier_worker *tier_worker, const struct query_input *input,
                struct query_read *ret);
size_t query_answer(struct tier_worker *tier_worker, const struct query_input *input,
                    const struct query_read *read, uint8_t *reply);

size_t query_ask(struct tier_worker *tier_worker, const struct query_input *input,
                 const struct query_read *read, uint8_t *reply);

/* Whether nothing that comes from there is answered. */
static inline bool query_is_dropped(const struct tier_worker *tier_worker,
                                    const union address *peer)
{
    return tier_worker->admission && admission_access(tier_worker->admission, peer) == ACCESS_DROP;
}

/* Tells of an answer that a client has waited for, if anybody is told. */
static inline void query_tell_waited(const struct tier_worker *tier_worker,
                                     const struct client *client, const uint8_t *reply, size_t size)
{
    if (tier_worker->told)
        tier_worker->told(tier_worker->told_arg,
                          &(struct told){TOLD_UPSTREAM, client, reply, size});
}

/* Both steps. */
static inline size_t query_handle(struct tier_worker *tier_worker, const struct query_input *input,
                                  uint8_t *reply)
{
    struct query_read read;
    query_read(tier_worker, input, &read);
    return query_answer(tier_worker, input, &read, reply);
}

#endif
