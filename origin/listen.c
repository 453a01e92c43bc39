#include "origin/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/accept.h"
#include "daemon/log.h"
#include "daemon/net.h"
#include "dns/wire.h"

enum { AT_ONCE = 64, MAX_DATAGRAM = 65535, LENGTH = 2 };

struct client {
    struct client *prev, *next; /* the one silent longest comes first */
    struct listen *listen;
    struct bufferevent *stream;
    struct sockaddr_storage peer;
    struct listen_call *calls;
    size_t call_count;
};

struct listen_call {
    struct listen_call *prev, *next; /* of its client */
    struct client *client;           /* NULL: by UDP, or gone */
    bool tcp;
    int fd; /* UDP: to answer by */
    struct sockaddr_storage peer;
    socklen_t peer_size;
    struct listen *listen;
    void (*room)(void *arg, struct listen_call *call);
    void *room_arg;
};

struct place {
    struct listen *listen;
    int fd;
    struct event *readable;
    struct acceptor *acceptor;
};

struct listen {
    struct event_base *base;
    listen_take_fn *take;
    void *arg;
    struct place *places;
    size_t count;
    struct client *clients;
    size_t client_count;
    struct listen_numbers numbers;
};

/* ---- calls ---- */

const struct sockaddr *listen_peer(const struct listen_call *call)
{
    return (const struct sockaddr *)&call->peer;
}

const char *listen_peer_text(const struct listen_call *call, char ret_text[LISTEN_MAX_PEER])
{
    const struct sockaddr *peer = listen_peer(call);
    const void *address = peer->sa_family == AF_INET6
                              ? (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr
                              : (const void *)&((const struct sockaddr_in *)peer)->sin_addr;
    return inet_ntop(peer->sa_family, address, ret_text, LISTEN_MAX_PEER) ? ret_text : "?";
}

bool listen_is_tcp(const struct listen_call *call)
{
    return call->tcp;
}

bool listen_is_gone(const struct listen_call *call)
{
    return call->tcp && !call->client;
}

void listen_answer(struct listen_call *call, const uint8_t *bytes, size_t size)
{
    uint8_t length[LENGTH];
    if (!call->tcp) {
        if (sendto(call->fd, bytes, size, MSG_DONTWAIT, listen_peer(call), call->peer_size) < 0)
            call->listen->numbers.unsent++;
        return;
    }
    if (!call->client)
        return;
    wire_put_u16(length, (uint16_t)size);
    struct evbuffer *out = bufferevent_get_output(call->client->stream);
    evbuffer_add(out, length, sizeof length);
    evbuffer_add(out, bytes, size);
}

bool listen_has_room(struct listen_call *call, void (*room)(void *arg, struct listen_call *call),
                     void *arg)
{
    if (!call->client ||
        evbuffer_get_length(bufferevent_get_output(call->client->stream)) < LISTEN_AHEAD)
        return true;
    call->room = room;
    call->room_arg = arg;
    return false;
}

static void tell_of_room(struct listen_call *call)
{
    void (*room)(void *, struct listen_call *) = call->room;
    call->room = NULL;
    if (room)
        room(call->room_arg, call);
}

static void read_on(struct client *client)
{
    if (client->call_count < LISTEN_CALLS)
        bufferevent_enable(client->stream, EV_READ);
    else
        bufferevent_disable(client->stream, EV_READ);
}

void listen_end(struct listen_call *call)
{
    struct client *client = call->client;
    if (client) {
        DL_DELETE(client->calls, call);
        client->call_count--;
        read_on(client);
    }
    free(call);
}

/* ---- TCP ---- */

static void client_free(struct client *client)
{
    struct listen *listen = client->listen;
    DL_DELETE(listen->clients, client);
    listen->client_count--;
    while (client->calls) {
        struct listen_call *call = client->calls;
        DL_DELETE(client->calls, call);
        call->client = NULL;
        tell_of_room(call);
    }
    net_finish(bufferevent_getfd(client->stream));
    bufferevent_free(client->stream);
    free(client);
}

static struct listen_call *call_of(struct client *client)
{
    struct listen_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->client = client;
    call->tcp = true;
    call->peer = client->peer;
    call->listen = client->listen;
    DL_APPEND(client->calls, call);
    client->call_count++;
    return call;
}

/* The next message, if all of it is there. */
static bool take_message(struct client *client)
{
    struct evbuffer *in = bufferevent_get_input(client->stream);
    uint8_t length[LENGTH];
    if (client->call_count >= LISTEN_CALLS || evbuffer_copyout(in, length, sizeof length) < LENGTH)
        return false;
    const size_t size = wire_get_u16(length);
    if (evbuffer_get_length(in) < LENGTH + size)
        return false;
    evbuffer_drain(in, LENGTH);
    uint8_t *bytes = malloc(size + 1);
    struct listen_call *call = bytes ? call_of(client) : NULL;
    if (bytes)
        evbuffer_remove(in, bytes, size);
    else
        evbuffer_drain(in, size);
    client->listen->numbers.messages++;
    if (call)
        client->listen->take(client->listen->arg, call, bytes, size);
    free(bytes);
    return true;
}

static void on_read(struct bufferevent *stream, void *arg)
{
    (void)stream;
    struct client *client = arg;
    DL_DELETE(client->listen->clients, client);
    DL_APPEND(client->listen->clients, client);
    while (take_message(client))
        continue;
    read_on(client);
}

static void on_written(struct bufferevent *stream, void *arg)
{
    struct client *client = arg;
    struct listen_call *call, *next;
    DL_FOREACH_SAFE (client->calls, call, next)
        tell_of_room(call);
    on_read(stream, arg);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    struct client *client = arg;
    /* silent, but an answer of ours is still to come */
    if (what & BEV_EVENT_TIMEOUT && what & BEV_EVENT_READING && client->call_count > 0)
        bufferevent_enable(stream, EV_READ);
    else
        client_free(client);
}

static void on_taken(void *arg, int fd, const struct sockaddr *peer, socklen_t size)
{
    struct place *place = arg;
    struct listen *listen = place->listen;
    const int on = 1;
    if (listen->client_count >= LISTEN_CLIENTS) {
        listen->numbers.turned_away++;
        client_free(listen->clients);
    }
    struct client *client = calloc(1, sizeof *client);
    struct bufferevent *stream =
        client ? bufferevent_socket_new(listen->base, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
    if (!stream) {
        free(client);
        close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->listen = listen;
    client->stream = stream;
    memcpy(&client->peer, peer, size);
    DL_APPEND(listen->clients, client);
    listen->client_count++;
    listen->numbers.clients++;
    const struct timeval idle = {.tv_sec = LISTEN_IDLE_SECONDS};
    bufferevent_setcb(stream, on_read, on_written, on_event, client);
    bufferevent_set_timeouts(stream, &idle, &idle);
    bufferevent_setwatermark(stream, EV_WRITE, LISTEN_AHEAD / 2, 0);
    bufferevent_enable(stream, EV_READ | EV_WRITE);
}

static void on_rests(void *arg, int error)
{
    (void)arg;
    log_limited(LOG_LEVEL_WARNING, "msg=\"a listener rests for 100 ms\" error=\"%s\"",
                strerror(error));
}

/* ---- UDP ---- */

/* False: there is none. */
static bool take_datagram(struct place *place)
{
    static uint8_t bytes[MAX_DATAGRAM]; /* one thread */
    struct sockaddr_storage peer = {0};
    socklen_t peer_size = sizeof peer;
    ssize_t size = recvfrom(place->fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&peer,
                            &peer_size);
    if (size < 0)
        return errno == EINTR;
    struct listen_call *call = calloc(1, sizeof *call);
    place->listen->numbers.datagrams++;
    if (!call)
        return true;
    call->fd = place->fd;
    call->peer = peer;
    call->peer_size = peer_size;
    call->listen = place->listen;
    place->listen->take(place->listen->arg, call, bytes, (size_t)size);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    for (int k = 0; k < AT_ONCE && take_datagram(arg); k++)
        continue;
}

/* ---- the whole of it ---- */

static int open_socket(const struct config_address *address, int type, char error[LISTEN_MAX_ERROR])
{
    char why[NET_MAX_ERROR];
    const struct sockaddr *where = (const struct sockaddr *)&address->addr;
    int fd = net_check_free(where, address->addr_size, type, why);
    if (fd == 0)
        fd = net_open(where, address->addr_size, type, why);
    if (fd < 0)
        snprintf(error, LISTEN_MAX_ERROR, "%s: %s", address->text, why);
    return fd;
}

static bool open_udp(struct listen *listen, const struct config_address *address,
                     struct place *place, char error[LISTEN_MAX_ERROR])
{
    place->fd = open_socket(address, SOCK_DGRAM, error);
    if (place->fd < 0)
        return false;
    place->readable = event_new(listen->base, place->fd, EV_READ | EV_PERSIST, on_readable, place);
    return place->readable && event_add(place->readable, NULL) == 0;
}

static bool open_tcp(struct listen *listen, const struct config_address *address,
                     struct place *place, char error[LISTEN_MAX_ERROR])
{
    int fd = open_socket(address, SOCK_STREAM, error);
    if (fd < 0)
        return false;
    place->acceptor = acceptor_new(
        &(struct acceptor_options){
            .base = listen->base, .taken = on_taken, .rests = on_rests, .arg = place},
        fd);
    return place->acceptor != NULL;
}

static void tell(const struct config_address *address)
{
    if (net_is_here((const struct sockaddr *)&address->addr, address->addr_size))
        log_line(LOG_LEVEL_INFO, "msg=listening address=%s", address->text);
    else
        log_line(LOG_LEVEL_WARNING,
                 "msg=\"an address is not there yet: it is answered on once it is\" address=%s",
                 address->text);
}

struct listen *listen_open(struct event_base *base, const struct config_address *addresses,
                           size_t count, listen_take_fn *take, void *arg,
                           char ret_error[LISTEN_MAX_ERROR])
{
    struct listen *listen = calloc(1, sizeof *listen);
    snprintf(ret_error, LISTEN_MAX_ERROR, "%s", error_text(ERR_MEMORY));
    if (!listen)
        return NULL;
    listen->base = base;
    listen->take = take;
    listen->arg = arg;
    listen->places = calloc(count, sizeof *listen->places);
    for (; listen->places && listen->count < count; listen->count++) {
        listen->places[listen->count].listen = listen;
        listen->places[listen->count].fd = -1;
    }
    bool good = listen->places != NULL;
    for (size_t k = 0; good && k < count; k++)
        good = open_udp(listen, &addresses[k], &listen->places[k], ret_error) &&
               open_tcp(listen, &addresses[k], &listen->places[k], ret_error);
    for (size_t k = 0; good && k < count; k++)
        tell(&addresses[k]);
    if (good)
        return listen;
    listen_close(listen);
    return NULL;
}

void listen_close(struct listen *listen)
{
    if (!listen)
        return;
    while (listen->clients)
        client_free(listen->clients);
    for (size_t k = 0; k < listen->count; k++) {
        struct place *place = &listen->places[k];
        if (place->readable)
            event_free(place->readable);
        acceptor_free(place->acceptor);
        if (place->fd >= 0)
            close(place->fd);
    }
    free(listen->places);
    free(listen);
}

void listen_numbers(const struct listen *listen, struct listen_numbers *ret)
{
    *ret = listen->numbers;
}
