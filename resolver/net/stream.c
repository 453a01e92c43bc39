#include "resolver/net/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "dns/error.h"
#include "dns/message.h"
#include "resolver/answer/pool.h"
#include "resolver/net/clock.h"
#include "daemon/net.h"

enum {
    LENGTH_SIZE = 2,              /* before each message (RFC 1035 4.2.2) */
    LOST_MOST = 3,                /* connections that may close on a query without any answer */
    STALL_MS = 1000,              /* without a response: takes no more queries */
    ONE_EACH_MS = 10 * 60 * 1000, /* how long it is remembered that a server answers no more */
    KEPT = 256,                   /* queries whose memory waits for the next */
    QUESTION_FIXED = 4,           /* type and class */
};

/* A query under way. */
struct carried {
    struct wheel_timer timer; /* its deadline */
    struct carried *prev, *next;
    struct stream *stream;
    struct connection *connection; /* NULL: it waits for one */
    struct exchange_request *request;
    struct mono sent;
    unsigned lost; /* connections that closed on it */
};

struct connection {
    struct connection *prev, *next;
    struct stream *stream;
    struct bufferevent *events;
    struct carried *carried; /* the oldest first */
    size_t outstanding, taken, answered;
    struct mono moved; /* when something came last */
    bool connected;
    bool stalled; /* a query has run out of time on it */
};

struct stream {
    struct event_base *base;
    struct wheel *wheel;
    struct net_peer peer;
    struct pool pool;
    struct connection *connections;
    size_t count;
    struct carried *waiting;          /* for a connection, the oldest first */
    struct exchange_request *refused; /* to be told from the loop */
    struct event *later;              /* for both */
    struct mono one_each;             /* until then: a connection for each query */
};

/* ---- the end of a query --------------------------------------------------------------------- */

static void take_off(struct carried *carried)
{
    if (!carried->connection) {
        DL_DELETE(carried->stream->waiting, carried);
        return;
    }
    DL_DELETE(carried->connection->carried, carried);
    carried->connection->outstanding--;
}

/* The request goes its own way. */
static struct exchange_request *carried_end(struct carried *carried)
{
    struct exchange_request *request = carried->request;
    wheel_stop(carried->stream->wheel, &carried->timer);
    pool_put(&carried->stream->pool, carried);
    return request;
}

static void tell(struct exchange_request *request, int status)
{
    request->done(request, &(struct exchange_response){.status = status, .now = micro_now()});
}

/* Fails it from the loop, not while it is sent. */
static void refuse(struct stream *stream, struct exchange_request *request)
{
    DL_APPEND(stream->refused, request);
    event_active(stream->later, EV_TIMEOUT, 0);
}

static void tell_refused(struct stream *stream)
{
    struct exchange_request *list = stream->refused, *request, *next;
    stream->refused = NULL;
    DL_FOREACH_SAFE (list, request, next)
        tell(request, ERR_SYSTEM);
}

/* ---- connections ---------------------------------------------------------------------------- */

static void readable(struct bufferevent *events, void *arg);
static void happened(struct bufferevent *events, short what, void *arg);

static int open_socket(const struct stream *stream)
{
    int fd = net_connect(&stream->peer, SOCK_STREAM);
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

static void connection_free(struct connection *connection)
{
    struct stream *stream = connection->stream;
    DL_DELETE(stream->connections, connection);
    stream->count--;
    if (stream->waiting)
        event_active(stream->later, EV_TIMEOUT, 0);
    if (connection->events)
        bufferevent_free(connection->events);
    free(connection);
}

static struct connection *connection_new(struct stream *stream)
{
    int fd = open_socket(stream);
    struct connection *connection = fd < 0 ? NULL : calloc(1, sizeof *connection);
    if (!connection) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    connection->stream = stream;
    DL_APPEND(stream->connections, connection);
    stream->count++;
    connection->events = bufferevent_socket_new(stream->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!connection->events) {
        close(fd);
        connection_free(connection);
        return NULL;
    }
    bufferevent_setcb(connection->events, readable, NULL, happened, connection);
    if (bufferevent_enable(connection->events, EV_READ | EV_WRITE) != 0) {
        connection_free(connection);
        return NULL;
    }
    return connection;
}

/* Whether it has kept its oldest query waiting, and nothing else has come either. */
static bool is_stalled(const struct connection *connection, struct mono now)
{
    const struct carried *oldest = connection->carried;
    return connection->stalled || (oldest && mono_reached(now, mono_add(oldest->sent, STALL_MS)) &&
                                   mono_reached(now, mono_add(connection->moved, STALL_MS)));
}

/*
 * The one with the fewest queries outstanding; a new one while there are few, or when all have many. NULL: there is none,
 * and none can be made now.
 */
static struct connection *pick(struct stream *stream, struct mono now)
{
    const bool one_each = !mono_reached(now, stream->one_each);
    struct connection *connection, *least = NULL;
    size_t usable = 0;
    DL_FOREACH (stream->connections, connection) {
        if (is_stalled(connection, now) || (one_each && connection->taken > 0))
            continue;
        usable++;
        if (!least || connection->outstanding < least->outstanding)
            least = connection;
    }
    if (least && (least->outstanding == 0 || (usable >= STREAM_CONNECTIONS &&
                                              least->outstanding < STREAM_QUERIES_PER_CONNECTION)))
        return least;
    connection = stream->count < STREAM_MAX_CONNECTIONS ? connection_new(stream) : NULL;
    return connection ? connection : least;
}

/* Puts a query on a connection; refuses it when there is none. */
static void put(struct stream *stream, struct carried *carried, struct connection *connection,
                struct mono now)
{
    const struct exchange_request *request = carried->request;
    uint8_t length[LENGTH_SIZE];
    struct evbuffer *out = connection ? bufferevent_get_output(connection->events) : NULL;
    wire_put_u16(length, request->size);
    if (!out || evbuffer_expand(out, LENGTH_SIZE + request->size) != 0) {
        refuse(stream, carried_end(carried));
        return;
    }
    (void)evbuffer_add(out, length, sizeof length); /* there is room */
    (void)evbuffer_add(out, request->bytes, request->size);
    carried->connection = connection;
    carried->sent = now;
    DL_APPEND(connection->carried, carried);
    connection->outstanding++;
    connection->taken++;
}

/* On a connection; or it waits for one of those there are to end. */
static void place(struct stream *stream, struct carried *carried, struct mono now)
{
    struct connection *connection = pick(stream, now);
    if (connection || stream->count == 0) {
        put(stream, carried, connection, now);
        return;
    }
    carried->connection = NULL;
    DL_APPEND(stream->waiting, carried);
}

/* Queries that wait, as far as there are connections for them; and those that are refused. */
static void look_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct stream *stream = arg;
    const struct mono now = micro_ms(micro_now());
    struct carried *carried;
    struct connection *connection;
    while ((carried = stream->waiting) &&
           ((connection = pick(stream, now)) || stream->count == 0)) {
        DL_DELETE(stream->waiting, carried);
        put(stream, carried, connection, now);
    }
    tell_refused(stream);
}

/* ---- responses ------------------------------------------------------------------------------ */

/* Whether a message has the ID and the question of a query, in whatever spelling; or no question, and says why not. */
static bool is_response_to(const uint8_t *bytes, size_t size, const struct exchange_request *query)
{
    enum { FLAGS_AT = 2, COUNT_AT = 4 };
    if (size < DNS_HEADER_SIZE || wire_get_u16(bytes) != wire_get_u16(query->bytes) ||
        (wire_get_u16(bytes + FLAGS_AT) & (FLAG_QR | FLAG_OPCODE)) != FLAG_QR)
        return false;
    if (wire_get_u16(bytes + COUNT_AT) == 0)
        return wire_get_u16(bytes + FLAGS_AT) & FLAG_RCODE;
    const uint8_t *question = query->bytes + DNS_HEADER_SIZE, *other = bytes + DNS_HEADER_SIZE;
    size_t name = name_size(question);
    return size >= DNS_HEADER_SIZE + name + QUESTION_FIXED && name_equal(question, other) &&
           memcmp(other + name, question + name, QUESTION_FIXED) == 0;
}

static void take_response(struct connection *connection, const uint8_t *bytes, size_t size)
{
    struct carried *carried, *next;
    connection->moved = micro_ms(micro_now());
    DL_FOREACH_SAFE (connection->carried, carried, next) {
        if (!is_response_to(bytes, size, carried->request))
            continue;
        connection->answered++;
        take_off(carried);
        struct exchange_request *request = carried_end(carried);
        request->done(request,
                      &(struct exchange_response){
                          .status = ERR_OK, .bytes = bytes, .size = size, .now = micro_now()});
        return;
    }
}

/* Each whole message that has come. */
static void readable(struct bufferevent *events, void *arg)
{
    struct connection *connection = arg;
    struct evbuffer *in = bufferevent_get_input(events);
    uint8_t length[LENGTH_SIZE];
    connection->connected = true;
    while (evbuffer_copyout(in, length, sizeof length) == sizeof length) {
        size_t size = wire_get_u16(length);
        if (evbuffer_get_length(in) < LENGTH_SIZE + size)
            break;
        const uint8_t *bytes = evbuffer_pullup(in, (ev_ssize_t)(LENGTH_SIZE + size));
        if (bytes)
            take_response(connection, bytes + LENGTH_SIZE, size);
        evbuffer_drain(in, LENGTH_SIZE + size);
    }
    if (connection->outstanding == 0)
        connection_free(connection);
}

/* ---- the end of a connection ---------------------------------------------------------------- */

/* What it has not answered goes to another, unless there is nobody who answers. */
static void lose(struct connection *connection)
{
    struct stream *stream = connection->stream;
    struct carried *list = connection->carried, *carried, *next;
    const struct micro now = micro_now();
    const bool connected = connection->connected, answered = connection->answered > 0;
    if (connected && connection->taken > 1 && list)
        stream->one_each = mono_add(micro_ms(now), ONE_EACH_MS);
    connection_free(connection);
    DL_FOREACH_SAFE (list, carried, next) {
        carried->lost += !answered;
        if (connected && carried->lost < LOST_MOST)
            place(stream, carried, micro_ms(now));
        else
            tell(carried_end(carried), ERR_SYSTEM);
    }
}

static void happened(struct bufferevent *events, short what, void *arg)
{
    (void)events;
    struct connection *connection = arg;
    const int error = errno;
    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    connection->connected |= what & BEV_EVENT_EOF || error == ECONNRESET || error == EPIPE;
    lose(connection);
}

/* Its time is over. */
static void overdue(struct wheel_timer *timer, struct micro now)
{
    (void)now;
    struct carried *carried = (struct carried *)timer;
    struct connection *connection = carried->connection;
    take_off(carried);
    if (connection)
        connection->stalled |= !mono_reached(connection->moved, carried->sent);
    if (connection && connection->outstanding == 0)
        connection_free(connection);
    tell(carried_end(carried), ERR_TIMEOUT);
}

/* ---- all ------------------------------------------------------------------------------------ */

void stream_send(struct stream *stream, struct exchange_request *request)
{
    const struct mono now = micro_ms(micro_now());
    struct carried *carried = pool_get(&stream->pool);
    if (!carried) {
        refuse(stream, request);
        return;
    }
    *carried = (struct carried){.timer = {.ring = overdue}, .stream = stream, .request = request};
    wheel_start(stream->wheel, &carried->timer, request->deadline, now);
    place(stream, carried, now);
}

struct stream *stream_new(struct event_base *base, struct wheel *wheel,
                          const struct sockaddr *address, const char *interface)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->base = base;
    stream->wheel = wheel;
    stream->peer = net_peer(address, interface);
    stream->pool = pool_of(sizeof(struct carried), KEPT);
    stream->later = event_new(base, -1, 0, look_again, stream);
    if (!stream->later) {
        free(stream);
        return NULL;
    }
    return stream;
}

void stream_free(struct stream *stream)
{
    struct connection *connection;
    struct carried *carried;
    if (!stream)
        return;
    while ((connection = stream->connections)) {
        while ((carried = connection->carried)) {
            take_off(carried);
            tell(carried_end(carried), ERR_TIMEOUT);
        }
        connection_free(connection);
    }
    while ((carried = stream->waiting)) {
        take_off(carried);
        tell(carried_end(carried), ERR_TIMEOUT);
    }
    tell_refused(stream);
    event_free(stream->later);
    pool_drain(&stream->pool);
    free(stream);
}
