/*
 * descriptors.h - how many files the process may have open, and what that leaves for TCP clients.
 *
 * Everything is a descriptor: a listener, a TCP client, a port towards an upstream, a connection to a broker. Clients decide
 * how many of them there are, so they have a bound that leaves the others theirs: without a port no miss is answered.
 */
#ifndef FRESHET_RESOLVER_DAEMON_DESCRIPTORS_H
#define FRESHET_RESOLVER_DAEMON_DESCRIPTORS_H

#include <stddef.h>

/* Raises the limit as far as it goes without privileges. Returns what it is then; any number if there is none. */
size_t descriptors_raise(void);

/*
 * Has the kernel make its table of them large enough for `count`, or as many as the limit has. Otherwise it grows when it is full
 * (256, 512, 1,024 and so on), and with more than one thread whoever opens the file that does not fit stands still for about
 * 10 ms: a worker, with all its clients. So this comes before the threads do.
 */
void descriptors_make_room(size_t count);

struct descriptors_need {
    size_t limit;     /* of descriptors_raise() */
    size_t workers;   /* threads */
    size_t listeners; /* addresses, of all tiers */
    size_t clients;   /* wanted, per worker */
};

/*
 * How many TCP clients a worker may have, at most `clients` and at least one: a quarter of the limit is kept for ports
 * and all that is not counted here. Pure.
 */
size_t descriptors_clients(const struct descriptors_need *need);

/* How many ports towards upstreams a worker may have open, four at least: half of what is kept. Pure. */
size_t descriptors_ports(const struct descriptors_need *need);

/* The limit at which all that are wanted fit. Pure. */
size_t descriptors_wanted(const struct descriptors_need *need);

#endif
