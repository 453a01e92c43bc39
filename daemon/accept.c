#include "daemon/accept.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    AT_ONCE = 8,    /* then others get their turn */
    AT_LAST = 1024, /* more than wait in any queue of ours */
};

struct acceptor {
    struct acceptor_options options;
    int fd; /* -1: stopped */
    struct event *readable;
    struct event *rested;
};

/* Takes the next. False: there is none, or it cannot be had. */
static bool take_one(struct acceptor *acceptor)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    int fd = accept4(acceptor->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return errno == EINTR || errno == ECONNABORTED;
    acceptor->options.taken(acceptor->options.arg, fd, (const struct sockaddr *)&peer, size);
    return true;
}

/* Whether a connection that is closed makes accept() succeed. */
static bool is_lack(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct acceptor *acceptor = arg;
    for (int i = 0; i < AT_ONCE; i++) {
        if (take_one(acceptor))
            continue;
        int error = errno;
        if (error == EAGAIN || error == EWOULDBLOCK)
            return;
        event_del(acceptor->readable);
        event_add(acceptor->rested, &(struct timeval){.tv_usec = ACCEPT_REST_MS * 1000});
        if (is_lack(error) && acceptor->options.lacks)
            acceptor->options.lacks(acceptor->options.arg);
        acceptor->options.rests(acceptor->options.arg, error);
        return;
    }
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct acceptor *acceptor = arg;
    event_add(acceptor->readable, NULL);
}

struct acceptor *acceptor_new(const struct acceptor_options *options, int fd)
{
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (!acceptor) {
        close(fd);
        return NULL;
    }
    acceptor->options = *options;
    acceptor->fd = fd;
    acceptor->readable = event_new(options->base, fd, EV_READ | EV_PERSIST, on_readable, acceptor);
    acceptor->rested = evtimer_new(options->base, on_rested, acceptor);
    if (acceptor->readable && acceptor->rested && event_add(acceptor->readable, NULL) == 0)
        return acceptor;
    acceptor_free(acceptor);
    return NULL;
}

void acceptor_stop(struct acceptor *acceptor)
{
    if (acceptor->fd < 0)
        return;
    for (int i = 0; i < AT_LAST && take_one(acceptor); i++)
        continue;
    event_del(acceptor->readable);
    event_del(acceptor->rested);
    close(acceptor->fd);
    acceptor->fd = -1;
}

void acceptor_free(struct acceptor *acceptor)
{
    if (!acceptor)
        return;
    if (acceptor->readable)
        event_free(acceptor->readable);
    if (acceptor->rested)
        event_free(acceptor->rested);
    if (acceptor->fd >= 0)
        close(acceptor->fd);
    free(acceptor);
}
