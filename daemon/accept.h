/*
 * accept.h - a listening socket: takes whoever comes, and rests when there is nothing to take them with.
 *
 * Out of descriptors or memory, accept() fails and the socket stays readable: who tries again at once does nothing else.
 * So it rests for ACCEPT_REST_MS; who came meanwhile waits in the socket's queue. The same where accept() is forbidden, or
 * fails for another reason that closing somebody's connection does not mend.
 *
 * Threads: that of its loop.
 */
#ifndef FRESHET_DAEMON_ACCEPT_H
#define FRESHET_DAEMON_ACCEPT_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { ACCEPT_REST_MS = 100 };

struct acceptor;

struct acceptor_options {
    struct event_base *base;
    /* Takes over `fd`, a non-blocking socket. */
    void (*taken)(void *arg, int fd, const struct sockaddr *peer, socklen_t size);
    /* It rests now, for this errno. */
    void (*rests)(void *arg, int error);
    /* That is for want of descriptors or memory: who closes some finds them after the rest. NULL: nobody does. */
    void (*lacks)(void *arg);
    void *arg;
};

/* Takes over the listening, non-blocking `fd`; closes it in acceptor_free(), or when NULL is returned: no memory. */
struct acceptor *acceptor_new(const struct acceptor_options *options, int fd);

/* Takes those who are waiting, and no more: the socket is closed. */
void acceptor_stop(struct acceptor *acceptor);

/* NULL is fine. */
void acceptor_free(struct acceptor *acceptor);

#endif
