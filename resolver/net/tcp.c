#include "resolver/net/tcp.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/accept.h"
#include "resolver/net/clock.h"
#include "resolver/net/holders.h"
#include "daemon/net.h"

enum {
    LENGTH_SIZE = 2,
    KERNEL_BYTES =
        128 * 1024, /* of a connection, each way: what the kernel keeps for it is bounded too */
    LOOKS = 10,     /* in the idle time, for those that have reached it */
};

struct connection {
    struct held held;
    struct tcp_pool *pool;
    struct tier_worker *tier_worker;
    struct bufferevent *stream; /* NULL once closed */
    struct client client;
    struct client_wait *waits; /* for room */
    size_t waiting;            /* queries whose answer is still to come */
    size_t unsent;             /* as it is part of the pool's */
    bool in_use;               /* by a function further up the stack */
    bool partial;              /* a message is partly here */
    bool ended;                /* the client sends no more */
};

struct listener {
    struct listener *next;
    int fd; /* the acceptor's */
    struct tcp_pool *pool;
    struct tier_worker *tier_worker;
    struct acceptor *acceptor;
};

struct tcp_pool {
    struct event_base *base;
    struct tcp_limits limits;
    struct listener *listeners;
    struct holders *holders;
    size_t unsent;
    struct event *look; /* for idle ones; while there is a connection */
    struct tcp_pool_counters counters;
    uint8_t reply[DNS_MAX_MESSAGE];
};

static struct connection *connection_of(struct held *held)
{
    return (struct connection *)((char *)held - offsetof(struct connection, held));
}

static void free_if_unused(struct connection *connection)
{
    if (!connection->stream && connection->waiting == 0 && !connection->in_use)
        free(connection);
}

/* libevent would do it later, from the loop; but what is closed for its bytes gives them back now. */
static void drop_output(struct bufferevent *stream)
{
    struct evbuffer *output = bufferevent_get_output(stream);
    evbuffer_unfreeze(output, 1);
    evbuffer_drain(output, evbuffer_get_length(output));
}

/* Those who wait for room look again; whoever still finds none waits anew. */
static void ring_waits(struct connection *connection)
{
    struct client_wait *waits = connection->waits, *wait, *next;
    connection->waits = NULL;
    DL_FOREACH_SAFE (waits, wait, next)
        wait->ring(wait);
}

/*
 * Closes the stream; the struct stays while queries, or our callers, still point to it. libevent frees the input
 * from the loop, so a message that is being handled stays readable.
 */
static void connection_close(struct connection *connection)
{
    struct tcp_pool *pool = connection->pool;
    if (connection->stream) {
        net_finish(bufferevent_getfd(connection->stream));
        drop_output(connection->stream);
        bufferevent_free(connection->stream);
        connection->stream = NULL;
        pool->unsent -= connection->unsent;
        holders_leave(pool->holders, &connection->held);
        counter_add(&pool->counters.closed, 1);
        const bool in_use = connection->in_use;
        connection->in_use = true;
        ring_waits(connection);
        connection->in_use = in_use;
    }
    free_if_unused(connection);
}

static size_t unsent(const struct connection *connection)
{
    return evbuffer_get_length(bufferevent_get_output(connection->stream));
}

static size_t unread(const struct connection *connection)
{
    return evbuffer_get_length(bufferevent_get_input(connection->stream));
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

static void note_unsent(struct connection *connection, size_t bytes)
{
    connection->pool->unsent += bytes - connection->unsent;
    connection->unsent = bytes;
}

/* Closes it without waiting for the client to take what the kernel has for it. */
static void connection_abort(struct connection *connection)
{
    const struct linger none = {.l_onoff = 1};
    (void)setsockopt(bufferevent_getfd(connection->stream), SOL_SOCKET, SO_LINGER, &none,
                     sizeof none);
    connection_close(connection);
}

/* Notes what waits for this client. Past the limit, those go for whom most does; it may be this one. */
static void account(struct connection *connection)
{
    struct tcp_pool *pool = connection->pool;
    struct held *held;
    note_unsent(connection, unsent(connection));
    holders_set_bytes(pool->holders, &connection->held, connection->unsent + unread(connection));
    while (holders_bytes(pool->holders) > pool->limits.held &&
           (held = holders_for_bytes(pool->holders, mono_now())) != NULL) {
        counter_add(&pool->counters.for_bytes, 1);
        connection_abort(connection_of(held));
    }
}

static void write_message(struct connection *connection, const uint8_t *bytes, size_t size)
{
    uint8_t length[LENGTH_SIZE];
    wire_put_u16(length, (uint16_t)size);
    bufferevent_write(connection->stream, length, sizeof length);
    bufferevent_write(connection->stream, bytes, size);
    if (!connection->held.busy)
        holders_touch(connection->pool->holders, &connection->held, true, mono_now());
    account(connection);
}

static void send_reply(const struct client *client, const uint8_t *bytes, size_t size)
{
    struct connection *connection = client->endpoint;
    if (!connection->stream)
        return;
    write_message(connection, bytes, size);
    if (client->asked.us == 0)
        return; /* of a transfer */
    query_tell_waited(connection->tier_worker, client, bytes, size);
    histogram_add(&connection->tier_worker->waited, micro_between(client->asked, micro_now()), 1);
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
    else
        free_if_unused(connection);
}

static enum client_room room(void *endpoint, struct client_wait *wait)
{
    struct connection *connection = endpoint;
    if (!connection->stream)
        return CLIENT_GONE;
    if (unsent(connection) < TCP_MAX_OUTPUT)
        return CLIENT_ROOM;
    DL_APPEND(connection->waits, wait);
    return CLIENT_FULL;
}

static const struct transport tcp_transport = {
    .send = send_reply, .hold = hold, .release = release, .room = room};

/*
 * The next whole message, removed from the input only after it was handled. NULL: not all there yet, or no memory to have
 * it in one piece: that is tried again with what comes next, for as long as half a message may last.
 */
static const uint8_t *next_message(struct evbuffer *input, size_t *ret_size)
{
    uint8_t length[LENGTH_SIZE];
    if (evbuffer_copyout(input, length, sizeof length) < LENGTH_SIZE)
        return NULL;
    const size_t size = LENGTH_SIZE + wire_get_u16(length);
    const uint8_t *bytes =
        evbuffer_get_length(input) < size ? NULL : evbuffer_pullup(input, (ev_ssize_t)size);
    *ret_size = size - LENGTH_SIZE;
    return bytes ? bytes + LENGTH_SIZE : NULL;
}

/* How long one may be idle: all of the time until half of the places are taken, then less and less (RFC 7766 6.2.3). */
static uint64_t patience_ms(const struct tcp_pool *pool)
{
    uint64_t all = pool->limits.idle_ms, places = pool->limits.clients;
    uint64_t taken = holders_count(pool->holders), least = all / LOOKS;
    if (taken * 2 <= places)
        return all;
    uint64_t ms = taken < places ? all * 2 * (places - taken) / places : 0;
    return ms > least ? ms : least;
}

/* In the units of RFC 7828 3.1; the least is 1, as 0 asks the client to close. */
static uint16_t keepalive_of(uint64_t ms)
{
    uint64_t tenths = ms / 100;
    if (tenths > UINT16_MAX)
        return UINT16_MAX;
    return tenths > 0 ? (uint16_t)tenths : 1;
}

static void handle_message(struct connection *connection, const uint8_t *bytes, size_t size)
{
    struct tcp_pool *pool = connection->pool;
    struct query_input input = {
        .bytes = bytes,
        .size = size,
        .client = &connection->client,
        .stream = true,
        .keepalive = keepalive_of(patience_ms(pool)),
        .now = micro_now(),
    };
    counter_add(&pool->counters.queries, 1);
    connection->partial = false;
    connection->client.asked = input.now;
    size_t reply = query_handle(connection->tier_worker, &input, pool->reply);
    if (reply == 0 || !connection->stream)
        return;
    write_message(connection, pool->reply, reply);
    histogram_add(&connection->tier_worker->at_once, micro_between(input.now, micro_now()), 1);
}

/* Handles what has arrived, as far as there is room for the answers. */
static void read_queries(struct connection *connection)
{
    const uint8_t *message;
    size_t size;
    while (connection->stream && !is_full(connection) &&
           (message = next_message(bufferevent_get_input(connection->stream), &size)) != NULL) {
        handle_message(connection, message, size);
        if (connection->stream)
            evbuffer_drain(bufferevent_get_input(connection->stream), LENGTH_SIZE + size);
    }
    if (!connection->stream)
        return;
    if (is_full(connection))
        bufferevent_disable(connection->stream, EV_READ);
    else if (!connection->ended)
        bufferevent_enable(connection->stream, EV_READ);
}

/*
 * Enters it among the idle or the busy ones. A message has the idle time from its first byte on: bytes that trickle in
 * do not make it longer. A busy one is stuck from the last time that all its answers were taken.
 */
static void settle(struct connection *connection, bool taken)
{
    struct held *held = &connection->held;
    bool partial = unread(connection) > 0;
    bool busy = connection->waiting > 0 || unsent(connection) > 0 || is_full(connection);
    bool begins = partial && !connection->partial;
    connection->partial = partial;
    if (busy != held->busy || (!busy && begins) || (busy && taken))
        holders_touch(connection->pool->holders, held, busy, mono_now());
    account(connection);
}

static void advance(struct connection *connection, bool taken)
{
    connection->in_use = true;
    read_queries(connection);
    if (connection->stream && is_over(connection))
        connection_close(connection);
    if (connection->stream)
        settle(connection, taken);
    connection->in_use = false;
    free_if_unused(connection);
}

static void on_read(struct bufferevent *stream, void *arg)
{
    (void)stream;
    advance(arg, false);
}

static void on_written(struct bufferevent *stream, void *arg)
{
    (void)stream;
    struct connection *connection = arg;
    connection->in_use = true;
    ring_waits(connection);
    connection->in_use = false;
    if (connection->stream)
        advance(connection, true);
    else
        free_if_unused(connection);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    struct connection *connection = arg;
    if (what & BEV_EVENT_EOF) {
        connection->ended = true;
        advance(connection, false);
        return;
    }
    if (what & BEV_EVENT_TIMEOUT)
        counter_add(&connection->pool->counters.slow, 1);
    connection_close(connection);
}

/* ---- room */

static struct timeval timeval_of(uint64_t ms)
{
    return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000) * 1000};
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct tcp_pool *pool = arg;
    struct mono now = mono_now();
    struct held *held;
    while ((held = holders_quietest(pool->holders)) != NULL &&
           mono_reached(now, mono_add(held->since, patience_ms(pool)))) {
        struct connection *connection = connection_of(held);
        counter_add(&pool->counters.slow, connection->partial);
        connection_close(connection);
    }
    if (holders_count(pool->holders) == 0)
        event_del(pool->look);
}

static void look_on(struct tcp_pool *pool)
{
    struct timeval pause = timeval_of(pool->limits.idle_ms / LOOKS);
    if (!event_pending(pool->look, EV_TIMEOUT, NULL))
        event_add(pool->look, &pause);
}

static void set_timeouts(struct connection *connection)
{
    struct timeval tv = timeval_of(connection->pool->limits.idle_ms);
    bufferevent_set_timeouts(connection->stream, NULL, &tv);
}

/* Closes one for another. False: there is none. */
static bool make_room(struct tcp_pool *pool)
{
    struct held *held = holders_for_room(pool->holders);
    if (!held)
        return false;
    counter_add(held->busy ? &pool->counters.busy_for_room : &pool->counters.idle_for_room, 1);
    connection_close(connection_of(held));
    return true;
}

static bool has_room(struct tcp_pool *pool)
{
    while (holders_count(pool->holders) >= pool->limits.clients)
        if (!make_room(pool))
            return false;
    return true;
}

/* ---- who comes */

static struct connection *connection_new(struct listener *listener, int fd,
                                         const struct sockaddr *peer, socklen_t size)
{
    struct tcp_pool *pool = listener->pool;
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    connection->pool = pool;
    connection->tier_worker = listener->tier_worker;
    connection->client.transport = &tcp_transport;
    connection->client.endpoint = connection;
    memcpy(&connection->client.peer, peer,
           size < sizeof(union address) ? size : sizeof(union address));
    connection->stream = bufferevent_socket_new(pool->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!connection->stream) {
        free(connection);
        return NULL;
    }
    if (!holders_enter(pool->holders, &connection->held, &connection->client.peer, mono_now())) {
        bufferevent_setfd(connection->stream, -1);
        bufferevent_free(connection->stream);
        free(connection);
        return NULL;
    }
    return connection;
}

static void on_taken(void *arg, int fd, const struct sockaddr *peer, socklen_t size)
{
    struct listener *listener = arg;
    struct tcp_pool *pool = listener->pool;
    if (query_is_dropped(listener->tier_worker, (const union address *)peer)) {
        counter_add(&listener->tier_worker->counters.clients_dropped, 1);
        close(fd);
        return;
    }
    if (holders_keep_out(pool->holders, (const union address *)peer, mono_now())) {
        counter_add(&pool->counters.kept_out, 1);
        close(fd);
        return;
    }
    struct connection *connection =
        has_room(pool) ? connection_new(listener, fd, peer, size) : NULL;
    if (!connection) {
        counter_add(&pool->counters.turned_away, 1);
        close(fd);
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    counter_add(&pool->counters.accepted, 1);
    bufferevent_setcb(connection->stream, on_read, on_written, on_event, connection);
    set_timeouts(connection);
    look_on(pool);
    bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
}

static void on_rests(void *arg, int error)
{
    (void)error;
    struct listener *listener = arg;
    counter_add(&listener->pool->counters.rests, 1);
}

/* Out of descriptors: those who come next shall find some. */
static void on_lack(void *arg)
{
    struct listener *listener = arg;
    struct tcp_pool *pool = listener->pool;
    size_t some = holders_count(pool->holders) / 4;
    while (make_room(pool) && some-- > 0)
        continue;
}

/* ---- the pool */

struct tcp_pool *tcp_pool_new(struct event_base *base, const struct tcp_limits *limits)
{
    struct tcp_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->base = base;
    pool->limits = *limits;
    pool->holders = holders_new();
    pool->look = event_new(base, -1, EV_PERSIST, on_look, pool);
    if (pool->holders && pool->look)
        return pool;
    tcp_pool_free(pool);
    return NULL;
}

/* What is connected keeps the time in which it has to take an answer. */
void tcp_pool_configure(struct tcp_pool *pool, const struct tcp_limits *limits)
{
    pool->limits = *limits;
    event_del(pool->look);
    look_on(pool);
}

const struct tcp_pool_counters *tcp_pool_counters(const struct tcp_pool *pool)
{
    return &pool->counters;
}

/* Those it accepts have them too. */
static void bound_buffers(int fd)
{
    int bytes = KERNEL_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

bool tcp_pool_listen(struct tcp_pool *pool, int fd, struct tier_worker *tier_worker)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        close(fd);
        return false;
    }
    listener->fd = fd;
    listener->pool = pool;
    listener->tier_worker = tier_worker;
    bound_buffers(fd);
    listener->acceptor = acceptor_new(&(struct acceptor_options){.base = pool->base,
                                                                 .taken = on_taken,
                                                                 .rests = on_rests,
                                                                 .lacks = on_lack,
                                                                 .arg = listener},
                                      fd);
    if (!listener->acceptor) {
        free(listener);
        return false;
    }
    LL_PREPEND(pool->listeners, listener);
    return true;
}

void tcp_pool_leave(struct tcp_pool *pool, int fd)
{
    struct listener *listener, *next;
    LL_FOREACH_SAFE (pool->listeners, listener, next) {
        if (listener->fd != fd)
            continue;
        LL_DELETE(pool->listeners, listener);
        acceptor_free(listener->acceptor);
        free(listener);
    }
}

void tcp_pool_stop_accepting(struct tcp_pool *pool)
{
    struct listener *listener;
    LL_FOREACH (pool->listeners, listener)
        acceptor_stop(listener->acceptor);
}

bool tcp_pool_busy(const struct tcp_pool *pool)
{
    return pool->unsent > 0;
}

void tcp_pool_free(struct tcp_pool *pool)
{
    if (!pool)
        return;
    struct held *held;
    while (pool->holders && (held = holders_for_room(pool->holders)) != NULL)
        connection_close(connection_of(held));
    struct listener *listener, *next;
    LL_FOREACH_SAFE (pool->listeners, listener, next) {
        acceptor_free(listener->acceptor);
        free(listener);
    }
    if (pool->look)
        event_free(pool->look);
    holders_free(pool->holders);
    free(pool);
}
