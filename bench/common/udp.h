/*
 * udp.h - sockets for datagrams on IPv4, not blocking, with receive buffers that outlast a stall.
 */
#ifndef FRESHET_COMMON_UDP_H
#define FRESHET_COMMON_UDP_H

#include <netinet/in.h>

struct sockaddr_in udp_loopback(uint16_t port);

/* Both: -1 with errno. */
int udp_connect(const struct sockaddr_in *address);
int udp_bind(uint16_t port); /* on 127.0.0.1 */

/* As large as is permitted: the forced size is root's, without it the kernel's limit is what there is. */
void udp_set_buffers(int fd);

#endif
