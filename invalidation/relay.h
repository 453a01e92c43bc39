/*
 * relay.h - a door with a number of our choosing in front of a server whose port we cannot choose.
 *
 *     client <--> ADDRESS:PORT  relay  127.0.0.1:TARGET <--> server
 *
 * For development: one thread, a few connections at a time, bytes copied as they come.
 */
#ifndef FRESHET_INVALIDATION_RELAY_H
#define FRESHET_INVALIDATION_RELAY_H

#include <netinet/in.h>
#include <stdint.h>

struct relay;

/* Listens, and passes every connection on to `target`, a loopback port. NULL with errno. */
struct relay *relay_start(const struct sockaddr_in *address, uint16_t target);

/* Closes all connections, and the door. NULL is fine. */
void relay_stop(struct relay *relay);

#endif
