/*
 * primary.h - publishes changes as dynamic updates (RFC 2136) to a primary server, as an operator
 * of a zone with NOTIFY and IXFR does. The server's answer is the acknowledgement. Servers may wait
 * with their NOTIFY (Knot 3.2: about a second); so who is to be told can also be told from here, as
 * soon as the primary has answered.
 *
 * Threads: the loop's alone.
 */
#ifndef FRESHET_PROPAGATION_PRIMARY_H
#define FRESHET_PROPAGATION_PRIMARY_H

#include "bench/common/wire.h"
#include "bench/propagation/flight.h"

struct primary {
    const struct zone *zone;
    struct flights *flights;
    int fd, notify_fd;  /* notify_fd -1: nobody is told from here */
    uint32_t *versions; /* by message id */
    uint64_t sent, refused;
    uint32_t told; /* how many NOTIFYs */
};

/* The first two fields are set. 0, or -1 with errno. */
int primary_open(struct primary *primary, const struct options *options);
void primary_close(struct primary *primary);

void primary_publish(struct primary *primary, uint32_t version);

/* Reads the answers that have come. */
void primary_receive(struct primary *primary);

#endif
