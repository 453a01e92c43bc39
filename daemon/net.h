/*
 * net.h - opens the sockets a tier listens on, and those towards upstreams.
 */
#ifndef FRESHET_DAEMON_NET_H
#define FRESHET_DAEMON_NET_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dns/error.h"

enum { NET_MAX_ERROR = 256 };

/*
 * Whether nobody has a socket of `type` at `address` yet. SO_REUSEPORT, by which our workers share a port, would
 * let a second freshetd share it as well; so this is asked first, without it. ERR_OK, with a line in `ret_error` if the
 * address is not one of this machine yet: a socket may wait for it there. ERR_NOT_FOUND with a line: its family or
 * interface is not there. ERR_SYSTEM with a line, errno says why.
 */
MUST_CHECK int net_check_free(const struct sockaddr *address, socklen_t size, int type,
                              char ret_error[NET_MAX_ERROR]);

/*
 * A bound, non-blocking socket of `type` (SOCK_DGRAM, or SOCK_STREAM and listening), also at an address that this
 * machine does not have yet; or ERR_NOT_FOUND, ERR_SYSTEM with a line.
 */
MUST_CHECK int net_open(const struct sockaddr *address, socklen_t size, int type,
                        char ret_error[NET_MAX_ERROR]);

/*
 * Makes a socket that somebody else has bound to `address` like one of net_open(). 0, or ERR_SYSTEM with a line.
 */
MUST_CHECK int net_adopt(int fd, const struct sockaddr *address, int type,
                         char ret_error[NET_MAX_ERROR]);

/* The interface that an address names as it is written, such as "[fe80::1%eth0]:53"; "": none, or one by its number. */
void net_interface_named(const char *text, char ret_name[IF_NAMESIZE]);

/* Has the address's interface be the one that its text names, as it is now. False: it is not there. */
bool net_find_interface(const char *text, struct sockaddr_storage *address);

/*
 * Where to connect to. A link-local address is one of an interface, which may go and come back with another number: it is
 * known by its name.
 */
struct net_peer {
    struct sockaddr_storage address;
    socklen_t size;
    char interface[IF_NAMESIZE]; /* "": it is not link-local */
};

/*
 * Of AF_INET or AF_INET6; with another family its size is 0. `interface`: what a link-local address has, which may come later; NULL
 * or "": the one that the address says, by its number.
 */
struct net_peer net_peer(const struct sockaddr *address, const char *interface);

/* As net_socket(), connected; or about to be, if it is of SOCK_STREAM. */
int net_connect(const struct net_peer *peer, int type);

/*
 * A non-blocking socket towards an upstream, not connected; -1 with errno. Those that could not be had are counted, over
 * all threads: out of descriptors, whoever asks upstream sees no more than an upstream that fails.
 */
int net_socket(sa_family_t family, int type);
uint64_t net_sockets_missed(void);

/*
 * Before a TCP socket is closed: ends our side and reads what is there. If it were closed with that unread, the kernel
 * would reset the connection, and take from the peer what is on its way to it.
 */
void net_finish(int fd);

/* Whether this machine has the address now, whoever uses which port there. */
bool net_is_here(const struct sockaddr *address, socklen_t size);

/* Whether the address is 0.0.0.0 or ::, so that replies must say which of ours they come from. */
bool net_is_any(const struct sockaddr *address);

#endif
