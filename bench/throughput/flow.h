/*
 * flow.h - one socket of the generator, UDP or TCP, and the queries it waits for.
 *
 *      id (16 bit):  | turn 4 | slot 12 |
 *
 * A slot per query under way; the one freed last is used first, so that few are in use and stay in
 * the processor's cache. The turn tells a late reply from that to the slot's next query. A reply is
 * good when its id, its question, QR and RCODE are right and it has an answer; each query ends in
 * exactly one of: good, bad, lost (no reply in time), unsent (no slot, or the socket took it not).
 */
#ifndef FRESHET_THROUGHPUT_FLOW_H
#define FRESHET_THROUGHPUT_FLOW_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "bench/common/clock.h"
#include "bench/common/histogram.h"
#include "bench/throughput/questions.h"

enum { FLOW_BATCH = 64, FLOW_SLOTS = 4096, FLOW_RCODES = 16, FLOW_SLICES = 600 };

/* Times are nanoseconds of the monotonic clock. The histograms count nanoseconds too. */
struct tally {
    uint64_t asked, good, good_in_time, bad, lost, unsent;
    uint64_t reconnects; /* of streams that the server closed */
    uint64_t stray;      /* replies to nothing under way: late, or not ours */
    uint64_t rcodes[FLOW_RCODES];
    struct histogram *slices;  /* latency of good replies, by when the query was due; FLOW_SLICES */
    struct histogram lateness; /* from when a query was due until it was sent; when paced */
};

/* What all flows of a run have in common. */
struct run {
    struct sockaddr_in server;
    struct sockaddr_in source; /* all zeros: as the kernel chooses */
    bool stream;               /* TCP */
    bool accept_any;           /* an echo: its replies have no answer */
    bool paced;                /* queries are due at times set beforehand */
    bool stamped;   /* from sending to when the kernel got the reply, not from due to reading it */
    int64_t offset; /* of the kernel's stamps: added, they are monotonic time */
    int64_t begins; /* a reply belongs to the slice of time in which its query was due */
    int64_t slice;  /* how long that is */
    int64_t ends;   /* good replies after that are not counted as in time */
    struct questions *questions;
    struct tally *tally;
};

struct flow;

/* Connects. NULL: errno says why. */
struct flow *flow_new(const struct run *run);
void flow_free(struct flow *flow);
int flow_fd(const struct flow *flow);

/* Queries under way. */
uint32_t flow_waiting(const struct flow *flow);

/* Sends `count` queries, at most FLOW_BATCH, that were due at `due`. Returns how many it took on:
 * fewer than `count` only when a stream is congested; those are to be asked again. */
size_t flow_ask(struct flow *flow, const int64_t *due, size_t count);

/* Takes the replies that are there; how many. */
size_t flow_hear(struct flow *flow);

/* Gives up on queries that were due before `before`. */
void flow_expire(struct flow *flow, int64_t before);

#endif
