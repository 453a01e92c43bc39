#include "invalidation/relay.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_PAIRS = 64, BUFFER = 64 * 1024, BACKLOG = 16, PATIENCE_S = 1 };

/* What is polled: the order to stop, the door, and then both ends of each connection, next to each other. */
enum { AT_STOP, AT_DOOR, AT_PAIRS };

struct relay {
    pthread_t thread;
    uint16_t target;
    size_t count; /* of what is polled */
    struct pollfd polled[AT_PAIRS + 2 * MAX_PAIRS];
};

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int dial(uint16_t port)
{
    const struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Whoever takes nothing for so long must not hold up the others; and nothing that is small waits for what follows. */
static void bound_patience(int fd)
{
    const struct timeval t = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

static void let_in(struct relay *relay)
{
    int in = accept4(relay->polled[AT_DOOR].fd, NULL, NULL, SOCK_CLOEXEC);
    int out = in >= 0 && relay->count < AT_PAIRS + 2 * MAX_PAIRS ? dial(relay->target) : -1;
    if (out < 0) {
        if (in >= 0)
            close(in);
        return;
    }
    bound_patience(in);
    bound_patience(out);
    relay->polled[relay->count++] = (struct pollfd){.fd = in, .events = POLLIN};
    relay->polled[relay->count++] = (struct pollfd){.fd = out, .events = POLLIN};
}

static bool send_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Copies what there is from one end to the other. False: the connection is over. */
static bool copy(const struct pollfd *from, const struct pollfd *to)
{
    static _Thread_local uint8_t buffer[BUFFER];
    if (from->revents == 0)
        return true;
    ssize_t size = recv(from->fd, buffer, sizeof buffer, 0);
    return size > 0 && send_all(to->fd, buffer, (size_t)size);
}

/* The last pair takes the place of one that ends. */
static void end_pair(struct relay *relay, size_t at)
{
    close(relay->polled[at].fd);
    close(relay->polled[at + 1].fd);
    relay->count -= 2;
    relay->polled[at] = relay->polled[relay->count];
    relay->polled[at + 1] = relay->polled[relay->count + 1];
}

static void *run(void *arg)
{
    struct relay *relay = arg;
    while (relay->polled[AT_STOP].revents == 0) {
        if (poll(relay->polled, relay->count, -1) < 0)
            continue;
        for (size_t at = AT_PAIRS; at < relay->count;) {
            const struct pollfd *ends = &relay->polled[at];
            if (copy(&ends[0], &ends[1]) && copy(&ends[1], &ends[0]))
                at += 2;
            else
                end_pair(relay, at);
        }
        if (relay->polled[AT_DOOR].revents)
            let_in(relay);
    }
    return NULL;
}

static int open_door(const struct sockaddr_in *address)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static void free_relay(struct relay *relay)
{
    int saved = errno;
    for (size_t i = 0; i < relay->count; i++)
        if (relay->polled[i].fd >= 0)
            close(relay->polled[i].fd);
    free(relay);
    errno = saved;
}

struct relay *relay_start(const struct sockaddr_in *address, uint16_t target)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay)
        return NULL;
    relay->target = target;
    relay->count = AT_PAIRS;
    relay->polled[AT_STOP] = (struct pollfd){.fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN};
    relay->polled[AT_DOOR] = (struct pollfd){.fd = open_door(address), .events = POLLIN};
    if (relay->polled[AT_STOP].fd >= 0 && relay->polled[AT_DOOR].fd >= 0) {
        errno = pthread_create(&relay->thread, NULL, run, relay);
        if (errno == 0)
            return relay;
    }
    free_relay(relay);
    return NULL;
}

void relay_stop(struct relay *relay)
{
    if (!relay)
        return;
    eventfd_write(relay->polled[AT_STOP].fd, 1);
    pthread_join(relay->thread, NULL);
    free_relay(relay);
}
