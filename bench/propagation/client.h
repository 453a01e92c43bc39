/*
 * client.h - asks one tier as any client does: UDP, one datagram there, one back, no retries.
 *
 * A query never waits for an answer. A probe to a freshet tier also carries the position option of
 * a child tier, so the answer says how far the tier had applied the log before it looked the name
 * up; queries that stand for clients do not.
 *
 * Threads: the loop's alone.
 */
#ifndef FRESHET_PROPAGATION_CLIENT_H
#define FRESHET_PROPAGATION_CLIENT_H

#include "bench/common/histogram.h"
#include "bench/common/wire.h"
#include "bench/propagation/flight.h"

enum { CLIENT_SOCKETS = 4, CLIENT_IDS = 65536, CLIENT_PATIENCE_US = 3000000 };

struct client_counts {
    uint64_t sent, answered, failed; /* failed: SERVFAIL, truncated, not understood */
    uint64_t bytes;                  /* both ways, with the headers of UDP and IP */
};

struct client {
    const struct zone *zone;
    struct flights *flights;
    unsigned tier;
    uint64_t feed_id;  /* 0: the tier is not asked for its position */
    int32_t partition; /* of the zone */
    int fds[CLIENT_SOCKETS];
    struct {
        int64_t sent_us; /* 0: free */
        uint32_t name;
    } * asked; /* by id */
    uint16_t next;
    struct client_counts counts;
    struct histogram latency; /* of answers while changes are made */
    bool timed;
};

/* The first four fields are set. 0, or -1 with errno. */
int client_open(struct client *client);
void client_close(struct client *client);

void client_ask(struct client *client, uint32_t name, bool probe);

/* Reads what has come to one of the sockets. */
void client_receive(struct client *client, int fd);

#endif
