#include "resolver/net/tcp.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "resolver/net/clock.h"

enum { LENGTH_SIZE = 2 };

struct connection {
    struct connection *prev, *next; /* quietest first */
    struct tcp_pool *pool;
    struct tier_worker *tier_worker;
    struct bufferevent *stream; /* NULL once closed */
    struct client client;
    size_t waiting;            /* queries whose answer is still to come */
    struct mono partial_since; /* when the message that is partly here began */
    bool partial;              /* there is one */
    bool ended;                /* the client sends no more */
};

struct listener {
    struct listener *next;
    struct tcp_pool *pool;
    struct tier_worker *tier_worker;
    struct evconnlistener *accepting;
};

struct tcp_pool {
    struct event_base *base;
    struct tcp_limits limits;
    struct listener *listeners;
    struct connection *connections;
    size_t count;
    bool stopped;
    struct tcp_pool_counters counters;
    uint8_t reply[DNS_MAX_MESSAGE];
};

/* Closes the stream; the struct stays while queries still point to it. */
static void connection_close(struct connection *connection)
{
    if (connection->stream) {
        bufferevent_free(connection->stream);
        connection->stream = NULL;
        DL_DELETE(connection->pool->connections, connection);
        connection->pool->count--;
    }
    if (connection->waiting == 0)
        free(connection);
}

static size_t unsent(const struct connection *connection)
{
    return evbuffer_get_length(bufferevent_get_output(connection->stream));
}

/* Nothing to come, nothing to send, nothing to expect. */
static bool is_over(const struct connection *connection)
{
    return connection->ended && connection->waiting == 0 && unsent(connection) == 0;
}

static bool is_full(const struct connection *connection)
{
    return connection->waiting >= TCP_MAX_PIPELINE || unsent(connection) > TCP_MAX_OUTPUT;
}

static void write_message(struct connection *connection, const uint8_t *bytes, size_t size)
{
    uint8_t length[LENGTH_SIZE];
    wire_put_u16(length, (uint16_t)size);
    bufferevent_write(connection->stream, length, sizeof length);
    bufferevent_write(connection->stream, bytes, size);
}

static void send_reply(const struct client *client, const uint8_t *bytes, size_t size)
{
    struct connection *connection = client->endpoint;
    if (connection->stream)
        write_message(connection, bytes, size);
}

static void hold(void *endpoint)
{
    struct connection *connection = endpoint;
    connection->waiting++;
}

/* The connection is looked at again from the loop: it may be over, or have room for more queries. */
static void release(void *endpoint)
{
    struct connection *connection = endpoint;
    connection->waiting--;
    if (connection->stream)
        bufferevent_trigger(connection->stream, EV_READ,
                            BEV_TRIG_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
    else if (connection->waiting == 0)
        free(connection);
}

static const struct transport tcp_transport = {
    .send = send_reply, .hold = hold, .release = release};

/* The next whole message, removed from the input only after it was handled. NULL: not all there yet. */
static const uint8_t *next_message(struct evbuffer *input, size_t *ret_size)
{
    size_t length = evbuffer_get_length(input);
    if (length < LENGTH_SIZE)
        return NULL;
    size_t size = wire_get_u16(evbuffer_pullup(input, LENGTH_SIZE));
    if (length < LENGTH_SIZE + size)
        return NULL;
    *ret_size = size;
    return evbuffer_pullup(input, (ev_ssize_t)(LENGTH_SIZE + size)) + LENGTH_SIZE;
}

static void touch(struct connection *connection)
{
    connection->partial = false;
    DL_DELETE(connection->pool->connections, connection);
    DL_APPEND(connection->pool->connections, connection);
}

static void handle_message(struct connection *connection, const uint8_t *bytes, size_t size)
{
    struct tcp_pool *pool = connection->pool;
    struct query_input input = {
        .bytes = bytes,
        .size = size,
        .client = &connection->client,
        .stream = true,
        .now = micro_now(),
    };
    counter_add(&pool->counters.queries, 1);
    touch(connection);
    size_t reply = query_handle(connection->tier_worker, &input, pool->reply);
    if (reply > 0)
        write_message(connection, pool->reply, reply);
}

/* Handles what has arrived, as far as there is room for the answers. */
static void read_queries(struct connection *connection)
{
    struct evbuffer *input = bufferevent_get_input(connection->stream);
    const uint8_t *message;
    size_t size;
    if (connection->pool->stopped)
        return;
    while (!is_full(connection) && (message = next_message(input, &size)) != NULL) {
        handle_message(connection, message, size);
        evbuffer_drain(input, LENGTH_SIZE + size);
    }
    if (is_full(connection))
        bufferevent_disable(connection->stream, EV_READ);
    else if (!connection->ended)
        bufferevent_enable(connection->stream, EV_READ);
}

/* Bytes trickling in keep the idle timer quiet, but a message must be complete in that time. */
static bool message_is_late(struct connection *connection)
{
    struct mono now = mono_now();
    bool partial =
        evbuffer_get_length(bufferevent_get_input(connection->stream)) > 0 && !is_full(connection);
    if (partial && !connection->partial)
        connection->partial_since = now;
    connection->partial = partial;
    return partial &&
           mono_reached(now, mono_add(connection->partial_since, connection->pool->limits.idle_ms));
}

static void advance(struct connection *connection)
{
    read_queries(connection);
    if (is_over(connection) || message_is_late(connection))
        connection_close(connection);
}

static void on_read(struct bufferevent *stream, void *arg)
{
    (void)stream;
    advance(arg);
}

static void on_written(struct bufferevent *stream, void *arg)
{
    (void)stream;
    advance(arg);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    struct connection *connection = arg;
    bool quiet = (what & BEV_EVENT_TIMEOUT) && (what & BEV_EVENT_READING);
    if (what & BEV_EVENT_EOF) {
        connection->ended = true;
        advance(connection);
    } else if (quiet && (connection->waiting > 0 || unsent(connection) > 0)) {
        bufferevent_enable(stream, EV_READ);
    } else {
        connection_close(connection);
    }
}

static void set_timeouts(struct connection *connection)
{
    uint64_t ms = connection->pool->limits.idle_ms;
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000) * 1000};
    bufferevent_set_timeouts(connection->stream, &tv, &tv);
}

/* Makes a place by closing the quietest connection that waits for nothing. */
static bool make_room(struct tcp_pool *pool)
{
    struct connection *connection;
    DL_FOREACH (pool->connections, connection) {
        if (connection->waiting == 0 && unsent(connection) == 0) {
            connection_close(connection);
            return true;
        }
    }
    return false;
}

static struct connection *connection_new(struct listener *listener, evutil_socket_t fd,
                                         const struct sockaddr *peer, int peer_size)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    connection->pool = listener->pool;
    connection->tier_worker = listener->tier_worker;
    connection->client.transport = &tcp_transport;
    connection->client.endpoint = connection;
    memcpy(&connection->client.peer, peer,
           (size_t)peer_size < sizeof(union address) ? (size_t)peer_size : sizeof(union address));
    connection->stream = bufferevent_socket_new(listener->pool->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!connection->stream) {
        free(connection);
        return NULL;
    }
    return connection;
}

static void on_accept(struct evconnlistener *accepting, evutil_socket_t fd, struct sockaddr *peer,
                      int peer_size, void *arg)
{
    (void)accepting;
    struct listener *listener = arg;
    struct tcp_pool *pool = listener->pool;
    struct connection *connection = NULL;
    if (pool->count < pool->limits.clients || make_room(pool))
        connection = connection_new(listener, fd, peer, peer_size);
    if (!connection) {
        counter_add(&pool->counters.turned_away, 1);
        close(fd);
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    DL_APPEND(pool->connections, connection);
    pool->count++;
    counter_add(&pool->counters.accepted, 1);
    bufferevent_setcb(connection->stream, on_read, on_written, on_event, connection);
    set_timeouts(connection);
    bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
}

struct tcp_pool *tcp_pool_new(struct event_base *base, const struct tcp_limits *limits)
{
    struct tcp_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->base = base;
    pool->limits = *limits;
    return pool;
}

void tcp_pool_configure(struct tcp_pool *pool, const struct tcp_limits *limits)
{
    struct connection *connection;
    pool->limits = *limits;
    DL_FOREACH (pool->connections, connection)
        set_timeouts(connection);
}

const struct tcp_pool_counters *tcp_pool_counters(const struct tcp_pool *pool)
{
    return &pool->counters;
}

bool tcp_pool_listen(struct tcp_pool *pool, int fd, struct tier_worker *tier_worker)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener) {
        listener->pool = pool;
        listener->tier_worker = tier_worker;
        /* Backlog 0: it listens already. */
        listener->accepting = evconnlistener_new(
            pool->base, on_accept, listener, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    }
    if (!listener || !listener->accepting) {
        free(listener);
        close(fd);
        return false;
    }
    LL_PREPEND(pool->listeners, listener);
    return true;
}

void tcp_pool_stop_reading(struct tcp_pool *pool)
{
    struct listener *listener;
    struct connection *connection;
    pool->stopped = true;
    LL_FOREACH (pool->listeners, listener)
        evconnlistener_disable(listener->accepting);
    DL_FOREACH (pool->connections, connection)
        bufferevent_disable(connection->stream, EV_READ);
}

bool tcp_pool_busy(const struct tcp_pool *pool)
{
    struct connection *connection;
    DL_FOREACH (pool->connections, connection)
        if (unsent(connection) > 0)
            return true;
    return false;
}

void tcp_pool_free(struct tcp_pool *pool)
{
    if (!pool)
        return;
    while (pool->connections)
        connection_close(pool->connections);
    struct listener *listener, *next;
    LL_FOREACH_SAFE (pool->listeners, listener, next) {
        evconnlistener_free(listener->accepting);
        free(listener);
    }
    free(pool);
}
