#include "origin/dial.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/net.h"
#include "dns/wire.h"

enum { LENGTH = 2, MAX_QUERY = 2048, MAX_DATAGRAM = 65535 };

struct dial {
    struct event_base *base;
    const struct config_address *primaries;
    struct dial_callbacks callbacks;
    size_t asked_by_udp;
    int fd; /* UDP; -1: none */
    struct event *readable;
    struct bufferevent *stream; /* NULL: none */
    size_t connected_to;
    bool asking;   /* and not all is here yet */
    bool answered; /* but something is */
    bool used;     /* the connection has served before: it may have ended unseen */
    size_t query_size;
    uint8_t query[LENGTH + MAX_QUERY];
};

struct dial *dial_new(struct event_base *base, const struct config_address *primaries,
                      const struct dial_callbacks *callbacks)
{
    struct dial *dial = calloc(1, sizeof *dial);
    if (!dial)
        return NULL;
    dial->base = base;
    dial->primaries = primaries;
    dial->callbacks = *callbacks;
    dial->fd = -1;
    return dial;
}

/* ---- UDP ---- */

static void end_datagrams(struct dial *dial)
{
    if (dial->readable)
        event_free(dial->readable);
    if (dial->fd >= 0)
        close(dial->fd);
    dial->readable = NULL;
    dial->fd = -1;
}

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
    static uint8_t bytes[MAX_DATAGRAM]; /* one thread */
    (void)what;
    struct dial *dial = arg;
    ssize_t size = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size >= 0)
        dial->callbacks.datagram(dial->callbacks.arg, dial->asked_by_udp, bytes, (size_t)size);
}

void dial_send(struct dial *dial, size_t primary, const uint8_t *bytes, size_t size)
{
    const struct config_address *to = &dial->primaries[primary];
    struct sockaddr_storage addr = to->addr;
    (void)net_find_interface(to->text, &addr);
    end_datagrams(dial);
    dial->asked_by_udp = primary;
    dial->fd = net_socket(to->addr.ss_family, SOCK_DGRAM);
    if (dial->fd < 0 || connect(dial->fd, (const struct sockaddr *)&addr, to->addr_size) != 0)
        return; /* as if nothing came back */
    dial->readable = event_new(dial->base, dial->fd, EV_READ | EV_PERSIST, on_datagram, dial);
    if (dial->readable && event_add(dial->readable, NULL) == 0)
        (void)!send(dial->fd, bytes, size, MSG_DONTWAIT);
}

/* ---- TCP ---- */

static void close_stream(struct dial *dial)
{
    if (!dial->stream)
        return;
    if (bufferevent_getfd(dial->stream) >= 0)
        net_finish(bufferevent_getfd(dial->stream));
    bufferevent_free(dial->stream);
    dial->stream = NULL;
}

/* Hands one message out. False: there is none whole, or the connection is another now. */
static bool take_message(struct dial *dial, struct bufferevent *stream)
{
    struct evbuffer *in = bufferevent_get_input(stream);
    uint8_t length[LENGTH];
    if (evbuffer_copyout(in, length, sizeof length) < LENGTH)
        return false;
    const size_t size = wire_get_u16(length);
    if (evbuffer_get_length(in) < LENGTH + size)
        return false;
    uint8_t *bytes = malloc(size + 1); /* the buffer may be gone inside of the call */
    if (!bytes)
        return false;
    evbuffer_drain(in, LENGTH);
    evbuffer_remove(in, bytes, size);
    dial->answered = true;
    if (dial->asking)
        dial->callbacks.message(dial->callbacks.arg, bytes, size);
    free(bytes);
    return dial->stream == stream;
}

static void on_read(struct bufferevent *stream, void *arg)
{
    struct dial *dial = arg;
    while (take_message(dial, stream))
        continue;
}

static void connect_stream(struct dial *dial);

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    struct dial *dial = arg;
    char why[DIAL_MAX_WHY];
    const int error = EVUTIL_SOCKET_ERROR();
    (void)stream;
    if (what & BEV_EVENT_CONNECTED)
        return;
    if (what & BEV_EVENT_TIMEOUT && dial->asking) { /* whoever asks has a time of his own */
        bufferevent_enable(stream, EV_READ);
        return;
    }
    const bool again = dial->asking && dial->used && !dial->answered;
    close_stream(dial);
    if (again) {
        connect_stream(dial);
        return;
    }
    if (!dial->asking)
        return;
    dial->asking = false;
    snprintf(why, sizeof why, "%s",
             what & BEV_EVENT_EOF ? "the primary closed the connection" : strerror(error));
    dial->callbacks.closed(dial->callbacks.arg, why);
}

static void write_query(struct dial *dial)
{
    evbuffer_add(bufferevent_get_output(dial->stream), dial->query, dial->query_size);
}

static bool open_stream(struct dial *dial, const struct config_address *to)
{
    const int on = 1;
    const struct timeval idle = {.tv_sec = DIAL_IDLE_SECONDS};
    struct sockaddr_storage addr = to->addr;
    (void)net_find_interface(to->text, &addr);
    int fd = net_socket(addr.ss_family, SOCK_STREAM);
    if (fd < 0)
        return false;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    dial->stream = bufferevent_socket_new(dial->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!dial->stream) {
        close(fd);
        return false;
    }
    bufferevent_setcb(dial->stream, on_read, NULL, on_event, dial);
    bufferevent_set_timeouts(dial->stream, &idle, NULL);
    bufferevent_enable(dial->stream, EV_READ | EV_WRITE);
    return bufferevent_socket_connect(dial->stream, (const struct sockaddr *)&addr,
                                      (int)to->addr_size) == 0;
}

/* A connection for the query. One that cannot even begin ends like one that gives nothing: by the asker's time. */
static void connect_stream(struct dial *dial)
{
    dial->used = false;
    if (open_stream(dial, &dial->primaries[dial->connected_to]))
        write_query(dial);
    else
        close_stream(dial);
}

void dial_ask(struct dial *dial, size_t primary, const uint8_t *bytes, size_t size)
{
    end_datagrams(dial);
    if (size > MAX_QUERY)
        return;
    wire_put_u16(dial->query, (uint16_t)size);
    memcpy(dial->query + LENGTH, bytes, size);
    dial->query_size = LENGTH + size;
    dial->asking = true;
    dial->answered = false;
    if (dial->stream && dial->connected_to != primary)
        close_stream(dial);
    dial->connected_to = primary;
    dial->used = dial->stream != NULL;
    if (dial->stream)
        write_query(dial);
    else
        connect_stream(dial);
}

void dial_rest(struct dial *dial)
{
    end_datagrams(dial);
    dial->asking = false;
}

void dial_hang_up(struct dial *dial)
{
    dial_rest(dial);
    close_stream(dial);
}

void dial_free(struct dial *dial)
{
    if (!dial)
        return;
    dial_hang_up(dial);
    free(dial);
}
