#include "resolver/net/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "resolver/answer/entropy.h"
#include "daemon/net.h"

enum {
    FLAGS_AT = 2, /* in a message */
};

struct port {
    struct ports *ports;
    struct port *next; /* in the list of those to look at */
    int fd;
    struct event *readable;
    uint16_t used;   /* queries taken */
    uint16_t count;  /* outstanding */
    uint16_t index;  /* among all */
    uint16_t queued; /* in the queue */
    bool dirty;      /* in that list: somebody looks at it at the end of the iteration */
    bool refused;    /* sending failed: nobody there */
    struct udp_query *queue[PORTS_BATCH];
    uint16_t ids[PORTS_MOST_ON];
    struct udp_query *udp_queries[PORTS_MOST_ON];
};

struct ports {
    struct ports_options options;
    struct net_peer peer;
    struct event *flush;
    struct port *dirty;
    struct port *all[PORTS_MOST];
    size_t count;
    struct port *taking[PORTS_TAKING];
    size_t taking_count;
    struct port *shared[PORTS_TAKING]; /* of this iteration; each may be there twice */
    size_t shared_count;
    struct entropy entropy;
    struct port *reading; /* the one whose batch is handed out */
    uint64_t batch;       /* its number, from 1 */
    size_t next, arrived; /* of its batch */
    size_t refusing;      /* its udp_queries still to be told that they were refused */
    struct iovec out_iov[PORTS_BATCH], in_iov[PORTS_BATCH];
    struct mmsghdr out[PORTS_BATCH], in[PORTS_BATCH];
    uint8_t (*responses)[PORTS_MAX_RESPONSE];
};

/* -- ports ------------------------------------------------------------------------------------- */

static void readable(evutil_socket_t fd, short what, void *arg);

static bool may_open(const struct ports *ports)
{
    const struct ports_budget *budget = ports->options.budget;
    return ports->count < PORTS_MOST &&
           (!budget || ports->count < PORTS_TAKING || budget->open < budget->most);
}

static struct port *port_open(struct ports *ports)
{
    /* Connected, the kernel hears nobody else and tells of refusals; and it picks the port, at random. */
    int fd = may_open(ports) ? net_connect(&ports->peer, SOCK_DGRAM) : -1;
    if (fd < 0)
        return NULL;
    struct port *port = malloc(sizeof *port);
    struct event *event =
        port ? event_new(ports->options.base, fd, EV_READ | EV_PERSIST, readable, port) : NULL;
    if (!event || event_add(event, NULL) != 0) {
        if (event)
            event_free(event);
        free(port);
        close(fd);
        return NULL;
    }
    port->ports = ports;
    port->fd = fd;
    port->readable = event;
    port->used = port->count = port->queued = 0;
    port->dirty = port->refused = false;
    port->index = (uint16_t)ports->count;
    ports->all[ports->count++] = port;
    if (ports->options.budget)
        ports->options.budget->open++;
    return port;
}

static void port_retire(struct port *port)
{
    struct ports *ports = port->ports;
    for (size_t i = 0; i < ports->taking_count; i++)
        if (ports->taking[i] == port) {
            ports->taking[i] = ports->taking[--ports->taking_count];
            return;
        }
}

static void port_close(struct port *port)
{
    struct ports *ports = port->ports;
    port_retire(port);
    ports->shared_count = 0;
    ports->all[port->index] = ports->all[--ports->count];
    ports->all[port->index]->index = port->index;
    if (ports->options.budget)
        ports->options.budget->open--;
    event_free(port->readable);
    close(port->fd);
    free(port);
}

/* With nothing outstanding it is closed, unless somebody up the stack works on it. */
static void port_settle(struct port *port)
{
    if (port->count == 0 && !port->dirty && port->ports->reading != port)
        port_close(port);
}

/* -- out --------------------------------------------------------------------------------------- */

/* The kernel has no room for it now: as good as lost on the way, and asked again like that. */
static bool is_loss(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

/* Sends what is queued; `refused` is set when the kernel says that nobody can be reached. */
static void port_flush(struct port *port)
{
    struct ports *ports = port->ports;
    for (size_t i = 0; i < port->queued; i++) {
        port->queue[i]->queued = false;
        ports->out_iov[i] = (struct iovec){port->queue[i]->bytes, port->queue[i]->size};
    }
    for (size_t sent = 0; sent < port->queued;) {
        int n = sendmmsg(port->fd, ports->out + sent, (unsigned)(port->queued - sent), 0);
        if (n > 0) {
            sent += (size_t)n;
        } else if (errno != EINTR) {
            port->refused |= !is_loss(errno);
            sent++;
        }
    }
    port->queued = 0;
}

static void refuse_all(struct port *port);

/* The end of the loop's iteration: event_active() put it behind all that was ready then. */
static void flush(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct ports *ports = arg;
    struct port *dirty = ports->dirty, *port;
    ports->dirty = NULL;
    ports->shared_count = 0;
    while ((port = dirty)) {
        dirty = port->next;
        port_flush(port);
        port->dirty = false; /* what is queued from here on puts it into the new list */
        if (port->refused)
            refuse_all(port);
        port_settle(port);
    }
}

/* To be flushed, and closed when drained, at the end of the loop's iteration. */
static void look_later(struct port *port)
{
    struct ports *ports = port->ports;
    if (port->dirty)
        return;
    if (!ports->dirty)
        event_active(ports->flush, EV_TIMEOUT, 0);
    port->dirty = true;
    LL_PREPEND(ports->dirty, port);
}

static void queue(struct port *port, struct udp_query *udp_query)
{
    if (port->queued == PORTS_BATCH)
        port_flush(port);
    port->queue[port->queued++] = udp_query;
    udp_query->queued = true;
    look_later(port);
}

static void unqueue(struct port *port, const struct udp_query *udp_query)
{
    for (size_t i = 0; i < port->queued; i++)
        if (port->queue[i] == udp_query) {
            port->queue[i] = port->queue[--port->queued];
            return;
        }
}

static struct port *any_port(struct ports *ports)
{
    return ports->all[entropy_below(&ports->entropy, (uint32_t)ports->count)];
}

/*
 * Too many are open, or no more can be had: one of a few that are drawn anew in every iteration. So they leave by the batch also
 * then; by one of all there are, each would take a system call.
 */
static struct port *port_reuse(struct ports *ports)
{
    if (ports->count == 0)
        return NULL;
    while (ports->shared_count < PORTS_TAKING)
        ports->shared[ports->shared_count++] = any_port(ports);
    struct port *port = ports->shared[entropy_below(&ports->entropy, PORTS_TAKING)];
    if (port->count == PORTS_MOST_ON)
        port = any_port(ports);
    if (ports->options.budget)
        counter_add(&ports->options.budget->shared, 1);
    return port->count < PORTS_MOST_ON ? port : NULL;
}

static struct port *port_pick(struct ports *ports)
{
    if (ports->taking_count < PORTS_TAKING) {
        struct port *port = port_open(ports);
        if (port)
            ports->taking[ports->taking_count++] = port;
    }
    if (ports->taking_count == 0)
        return port_reuse(ports);
    return ports->taking[entropy_below(&ports->entropy, (uint32_t)ports->taking_count)];
}

int ports_send(struct ports *ports, struct udp_query *udp_query)
{
    struct port *port = port_pick(ports);
    if (!port)
        return ERR_SYSTEM;
    udp_query->port = port;
    udp_query->id = wire_get_u16(udp_query->bytes);
    udp_query->place = port->count;
    udp_query->refused = false;
    udp_query->batch = 0;
    port->ids[port->count] = udp_query->id;
    port->udp_queries[port->count++] = udp_query;
    if (++port->used == PORTS_QUERIES)
        port_retire(port);
    queue(port, udp_query);
    return ERR_OK;
}

void ports_done(struct ports *ports, struct udp_query *udp_query)
{
    (void)ports;
    struct port *port = udp_query->port;
    if (!port)
        return;
    if (udp_query->queued)
        unqueue(port, udp_query);
    struct udp_query *last = port->udp_queries[--port->count];
    last->place = udp_query->place;
    port->udp_queries[last->place] = last;
    port->ids[last->place] = last->id;
    udp_query->port = NULL;
    udp_query->queued = false;
    port_settle(port);
}

/* -- in ---------------------------------------------------------------------------------------- */

/* Gives it to every query with its ID that has left by this port; one of them is noted in it. False: there is none. */
static bool deliver(struct port *port, struct udp_response *udp_response)
{
    uint16_t id = wire_get_u16(udp_response->bytes);
    for (size_t i = 0; i < port->count; i++) {
        if (port->ids[i] != id || port->udp_queries[i]->queued)
            continue;
        udp_response->query = port->udp_queries[i];
        port->udp_queries[i]->udp_response = *udp_response;
        port->udp_queries[i]->batch = port->ports->batch;
    }
    return udp_response->query != NULL;
}

static bool next_response(struct ports *ports, struct udp_response *ret)
{
    while (ports->next < ports->arrived) {
        size_t i = ports->next++;
        struct udp_response udp_response = {
            .bytes = ports->responses[i],
            .size = ports->in[i].msg_len,
        };
        if (udp_response.size < DNS_HEADER_SIZE || !deliver(ports->reading, &udp_response))
            continue;
        *ret = udp_response;
        return true;
    }
    return false;
}

/* From the last to the first: what is done meanwhile moves only what has been looked at. */
static bool next_refused(struct ports *ports, struct udp_response *ret)
{
    while (ports->refusing > 0) {
        size_t i = --ports->refusing;
        struct udp_query *udp_query =
            i < ports->reading->count ? ports->reading->udp_queries[i] : NULL;
        if (!udp_query || udp_query->queued)
            continue;
        wire_put_u16(udp_query->bytes + FLAGS_AT, FLAG_QR | FLAG_RD | RCODE_SERVFAIL);
        udp_query->refused = true;
        *ret = (struct udp_response){
            .bytes = udp_query->bytes, .size = udp_query->size, .query = udp_query};
        udp_query->udp_response = *ret;
        udp_query->batch = ports->batch;
        return true;
    }
    return false;
}

bool ports_next(struct ports *ports, struct udp_response *ret)
{
    return ports->reading && (next_response(ports, ret) || next_refused(ports, ret));
}

size_t ports_left(const struct ports *ports)
{
    return ports->arrived - ports->next + ports->refusing;
}

const struct udp_response *ports_response(const struct ports *ports,
                                          const struct udp_query *udp_query)
{
    bool has = ports->reading && udp_query->batch == ports->batch;
    return has ? &udp_query->udp_response : NULL;
}

static void hand_out(struct port *port)
{
    struct ports *ports = port->ports;
    ports->reading = port;
    ports->batch++;
    ports->options.arrived(ports->options.arg);
    ports->reading = NULL;
}

/* Whatever is outstanding here is refused: which of it, the kernel does not say. */
static void refuse_all(struct port *port)
{
    port->refused = false;
    port->ports->next = port->ports->arrived = 0;
    port->ports->refusing = port->count;
    port_retire(port);
    hand_out(port);
}

static void readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct port *port = arg;
    struct ports *ports = port->ports;
    int count = recvmmsg(fd, ports->in, PORTS_BATCH, MSG_DONTWAIT, NULL);
    if (count > 0) {
        ports->next = 0;
        ports->arrived = (size_t)count;
        ports->refusing = 0;
        hand_out(port);
    } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
        refuse_all(port);
    }
    if (port->count == 0)
        look_later(port); /* clients' replies leave first, then it is closed */
}

/* -- all --------------------------------------------------------------------------------------- */

struct ports *ports_new(const struct ports_options *options)
{
    const struct net_peer peer = net_peer(options->address, options->interface);
    struct ports *ports = peer.size > 0 ? calloc(1, sizeof *ports) : NULL;
    if (!ports)
        return NULL;
    ports->options = *options;
    ports->peer = peer;
    ports->responses = malloc(PORTS_BATCH * sizeof *ports->responses);
    for (size_t i = 0; i < PORTS_BATCH; i++) {
        ports->in_iov[i] = (struct iovec){ports->responses[i], PORTS_MAX_RESPONSE};
        ports->in[i].msg_hdr = (struct msghdr){.msg_iov = &ports->in_iov[i], .msg_iovlen = 1};
        ports->out[i].msg_hdr = (struct msghdr){.msg_iov = &ports->out_iov[i], .msg_iovlen = 1};
    }
    ports->flush = event_new(options->base, -1, 0, flush, ports);
    if (!ports->flush || !ports->responses) {
        ports_free(ports);
        return NULL;
    }
    return ports;
}

void ports_free(struct ports *ports)
{
    if (!ports)
        return;
    while (ports->count > 0)
        port_close(ports->all[0]);
    if (ports->flush)
        event_free(ports->flush);
    free(ports->responses);
    free(ports);
}
