#include "daemon/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78 /* linux/in6.h; Linux 4.15 */
#endif

enum {
    BUFFER_BYTES = 4 * 1024 * 1024, /* a burst waits here while a batch is worked on */
    BACKLOG = 512,
};

static int set_on(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof on);
}

/* Bigger than net.core.rmem_max needs privileges; without them the system's limit has to do. */
static void enlarge_buffers(int fd)
{
    int bytes = BUFFER_BYTES;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

/*
 * Replies fit any path (DNS_EDNS_UDP), so they are sent with DF set, whatever somebody claims the path to be: nothing
 * to reassemble, nothing to forge the second half of (RFC 9715 3.1). It saves a twentieth of the time of a hit, too.
 */
static void forbid_fragments(int fd, sa_family_t family)
{
    int probe = family == AF_INET ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE;
    if (family == AF_INET)
        (void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe);
    else
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof probe);
}

static void tune(int fd, sa_family_t family)
{
    enlarge_buffers(fd);
    forbid_fragments(fd, family);
}

static bool want_packet_info(int fd, const struct sockaddr *address)
{
    if (!net_is_any(address))
        return true;
    if (address->sa_family == AF_INET)
        return set_on(fd, IPPROTO_IP, IP_PKTINFO) == 0;
    return set_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO) == 0;
}

/* Whose is a socket that is being made? */
enum purpose {
    PURPOSE_SERVE, /* one of several workers'; its address may come later */
    PURPOSE_ALONE, /* to see that it is nobody else's */
    PURPOSE_HERE,  /* likewise, and that the address is of this machine */
};

static bool bind_early(int fd, sa_family_t family)
{
    if (family == AF_INET)
        return set_on(fd, IPPROTO_IP, IP_FREEBIND) == 0;
    return set_on(fd, IPPROTO_IPV6, IPV6_FREEBIND) == 0;
}

static bool prepare(int fd, const struct sockaddr *address, socklen_t size, int type,
                    enum purpose purpose)
{
    if (purpose != PURPOSE_HERE)
        (void)bind_early(fd, address->sa_family); /* without it, what is not there says so */
    if (address->sa_family == AF_INET6 && set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0)
        return false;
    if (type == SOCK_STREAM && set_on(fd, SOL_SOCKET, SO_REUSEADDR) != 0)
        return false;
    if (purpose == PURPOSE_SERVE && set_on(fd, SOL_SOCKET, SO_REUSEPORT) != 0)
        return false;
    if (type == SOCK_DGRAM && !want_packet_info(fd, address))
        return false;
    if (bind(fd, address, size) != 0)
        return false;
    return type == SOCK_DGRAM || listen(fd, BACKLOG) == 0;
}

/* Whether it may be had one day. */
static int error_of(int why)
{
    switch (why) {
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EPFNOSUPPORT:
    case EPROTONOSUPPORT:
    case ENODEV:
        return ERR_NOT_FOUND;
    default:
        return ERR_SYSTEM;
    }
}

/* Link-local, of an interface that is not there; the kernel says no more than that it is invalid. */
static bool is_nowhere(const struct sockaddr *address)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) &&
           in6->sin6_scope_id == 0;
}

static int open_socket(const struct sockaddr *address, socklen_t size, int type,
                       enum purpose purpose, char ret_error[NET_MAX_ERROR])
{
    if (is_nowhere(address)) {
        snprintf(ret_error, NET_MAX_ERROR, "no such interface");
        errno = ENODEV;
        return ERR_NOT_FOUND;
    }
    int fd = socket(address->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && prepare(fd, address, size, type, purpose)) {
        if (type == SOCK_DGRAM)
            tune(fd, address->sa_family);
        return fd;
    }
    int why = errno;
    snprintf(ret_error, NET_MAX_ERROR, "%s", strerror(why));
    if (fd >= 0)
        close(fd);
    errno = why;
    return error_of(why);
}

int net_open(const struct sockaddr *address, socklen_t size, int type,
             char ret_error[NET_MAX_ERROR])
{
    return open_socket(address, size, type, PURPOSE_SERVE, ret_error);
}

int net_check_free(const struct sockaddr *address, socklen_t size, int type,
                   char ret_error[NET_MAX_ERROR])
{
    int fd = open_socket(address, size, type, PURPOSE_HERE, ret_error);
    if (fd == ERR_NOT_FOUND && errno == EADDRNOTAVAIL)
        fd = open_socket(address, size, type, PURPOSE_ALONE, ret_error);
    if (fd < 0)
        return fd;
    close(fd);
    return ERR_OK;
}

bool net_is_here(const struct sockaddr *address, socklen_t size)
{
    struct sockaddr_storage any_port = {0};
    memcpy(&any_port, address, size);
    ((struct sockaddr_in *)&any_port)->sin_port = 0; /* sin6_port lies in the same place */
    int fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool here = fd >= 0 && bind(fd, (const struct sockaddr *)&any_port, size) == 0;
    if (fd >= 0)
        close(fd);
    return here;
}

/* Its flags belong to the open file: a descriptor made by dup() has them too. */
static bool adopt(int fd, const struct sockaddr *address, int type)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return false;
    if (type == SOCK_STREAM)
        return listen(fd, BACKLOG) == 0;
    tune(fd, address->sa_family);
    return want_packet_info(fd, address);
}

int net_adopt(int fd, const struct sockaddr *address, int type, char ret_error[NET_MAX_ERROR])
{
    if (adopt(fd, address, type))
        return ERR_OK;
    snprintf(ret_error, NET_MAX_ERROR, "%s", strerror(errno));
    return ERR_SYSTEM;
}

static _Atomic uint64_t sockets_missed;

int net_socket(sa_family_t family, int type)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        sockets_missed++;
    return fd;
}

void net_interface_named(const char *text, char ret_name[IF_NAMESIZE])
{
    const char *zone = strchr(text, '%');
    const int size = zone ? (int)strcspn(zone + 1, "]") : 0;
    const bool number = size == 0 || (int)strspn(zone + 1, "0123456789") == size;
    snprintf(ret_name, IF_NAMESIZE, "%.*s", size, number ? "" : zone + 1);
}

bool net_find_interface(const char *text, struct sockaddr_storage *address)
{
    char name[IF_NAMESIZE];
    net_interface_named(text, name);
    if (address->ss_family != AF_INET6 || !name[0])
        return true;
    const unsigned number = if_nametoindex(name);
    ((struct sockaddr_in6 *)address)->sin6_scope_id = number;
    return number != 0;
}

struct net_peer net_peer(const struct sockaddr *address, const char *interface)
{
    struct net_peer peer = {.size = 0};
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    if (address->sa_family == AF_INET)
        peer.size = sizeof(struct sockaddr_in);
    else if (address->sa_family == AF_INET6)
        peer.size = sizeof *in6;
    memcpy(&peer.address, address, peer.size);
    if (interface && interface[0])
        snprintf(peer.interface, sizeof peer.interface, "%s", interface);
    else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
        (void)if_indextoname(in6->sin6_scope_id, peer.interface);
    return peer;
}

int net_connect(const struct net_peer *peer, int type)
{
    struct sockaddr_storage address = peer->address;
    int fd = net_socket(address.ss_family, type);
    if (fd < 0)
        return -1;
    if (peer->interface[0])
        ((struct sockaddr_in6 *)&address)->sin6_scope_id = if_nametoindex(peer->interface);
    if (connect(fd, (const struct sockaddr *)&address, peer->size) == 0 ||
        (type == SOCK_STREAM && errno == EINPROGRESS))
        return fd;
    close(fd);
    return -1;
}

uint64_t net_sockets_missed(void)
{
    return sockets_missed;
}

void net_finish(int fd)
{
    enum { PIECES = 16 };
    uint8_t bytes[4096];
    (void)shutdown(fd, SHUT_WR);
    for (int i = 0; i < PIECES && recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0; i++)
        continue;
}

bool net_is_any(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}
