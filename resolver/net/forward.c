#include "resolver/net/forward.h"

#define CARES_NO_DEPRECATED /* what Debian 12 has is what newer ones deprecate */
#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <utlist.h>

#include "dns/error.h"
#include "dns/message.h"
#include "resolver/answer/pool.h"
#include "resolver/net/clock.h"
#include "resolver/net/ports.h"

enum {
    CHANNEL_SOCKETS =
        4,         /* c-ares opens at most one UDP and one TCP socket per server and channel */
    TICK_MS = 100, /* how often c-ares looks for queries it must give up */
    NO_SOCKET = 1 << 30, /* the file descriptor of the socket that is none */
    KEPT = 2048,         /* sendings whose memory waits for the next */
};

/* A query under way. */
struct sending {
    struct udp_query udp_query; /* over the request's own bytes */
    struct forward *forward;
    struct channel *channel; /* by TCP */
    struct exchange_request *request;
    enum exchange_way way;
};

struct channel_socket {
    ares_socket_t fd; /* ARES_SOCKET_BAD: free */
    struct event *event;
};

/* One TCP connection. */
struct channel {
    struct channel *prev, *next;
    struct forward *forward;
    ares_channel ares;
    size_t outstanding;
    size_t used; /* queries taken since the connection was made */
    struct channel_socket sockets[CHANNEL_SOCKETS];
};

struct forward {
    struct exchange exchange;
    struct event_base *base;
    struct sockaddr_storage address;
    ares_channel udp;
    struct ports *ports;
    struct pool sendings;
    struct sending *leaving;  /* within ares_send() on the UDP channel */
    struct channel *channels; /* the first FORWARD_CONNECTIONS take turns */
    size_t channel_count;
    size_t outstanding;
    struct exchange_request *refused; /* failed while they were sent; told from the loop */
    struct event *refused_event;
    struct event *tick;
    bool ticking;
    bool sending;
};

/* -- c-ares ------------------------------------------------------------------------------------ */

static bool copy_address(const struct sockaddr_storage *address, struct ares_addr_port_node *ret)
{
    *ret = (struct ares_addr_port_node){.family = address->ss_family};
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        ret->addr.addr4 = in->sin_addr;
        ret->udp_port = ret->tcp_port = ntohs(in->sin_port);
        return true;
    }
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        memcpy(&ret->addr.addr6, &in6->sin6_addr, sizeof ret->addr.addr6);
        ret->udp_port = ret->tcp_port = ntohs(in6->sin6_port);
        return true;
    }
    return false;
}

/* Every option that c-ares would otherwise look for in resolv.conf is set. */
static int make_ares(const struct sockaddr_storage *address, int flags, ares_sock_state_cb state,
                     void *arg, ares_channel *ret)
{
    struct in_addr placeholder = {htonl(INADDR_LOOPBACK)};
    struct ares_addr_port_node server;
    ares_channel ares;
    struct ares_options options = {
        .flags = flags | ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = FORWARD_TIMEOUT_MS,
        .tries = 1,
        .ndots = 1,
        .servers = &placeholder,
        .nservers = 1,
        .lookups = (char *)"b",
        .sock_state_cb = state,
        .sock_state_cb_data = arg,
        .ednspsz = DNS_EDNS_UDP,
        .resolvconf_path = (char *)"/dev/null",
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST |
               ARES_OPT_EDNSPSZ | ARES_OPT_NOROTATE | ARES_OPT_RESOLVCONF;
    if (state)
        mask |= ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE
    options.qcache_max_ttl = 0; /* it would serve what a change has invalidated */
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    if (!copy_address(address, &server) || ares_init_options(&ares, &options, mask) != ARES_SUCCESS)
        return ERR_MEMORY;
    if (ares_set_servers_ports(ares, &server) != ARES_SUCCESS) {
        ares_destroy(ares);
        return ERR_SYSTEM;
    }
    *ret = ares;
    return ERR_OK;
}

/* -- the end of a request ---------------------------------------------------------------------- */

static void tell(struct exchange_request *request, int status, const uint8_t *bytes, size_t size)
{
    request->done(request, &(struct exchange_response){
                               .status = status, .bytes = bytes, .size = size, .now = micro_now()});
}

/* Fails a request from the loop instead of while it is sent. */
static void refuse(struct forward *forward, struct exchange_request *request)
{
    DL_APPEND(forward->refused, request);
    event_active(forward->refused_event, EV_TIMEOUT, 0);
}

static void tell_refused(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct forward *forward = arg;
    struct exchange_request *requests = forward->refused, *request, *next;
    forward->refused = NULL;
    DL_FOREACH_SAFE (requests, request, next)
        tell(request, ERR_SYSTEM, NULL, 0);
}

/* The request goes its own way. */
static struct exchange_request *sending_end(struct sending *sending)
{
    struct exchange_request *request = sending->request;
    pool_put(&sending->forward->sendings, sending);
    return request;
}

static void succeed(struct sending *sending, const uint8_t *bytes, size_t size)
{
    tell(sending_end(sending), ERR_OK, bytes, size);
}

/* c-ares has no response. */
static void fail(struct sending *sending, int status)
{
    bool late = status == ARES_ETIMEOUT || status == ARES_EDESTRUCTION;
    struct forward *forward = sending->forward;
    struct exchange_request *request = sending_end(sending);
    if (forward->sending)
        refuse(forward, request);
    else
        tell(request, late ? ERR_TIMEOUT : ERR_SYSTEM, NULL, 0);
}

/* -- TCP --------------------------------------------------------------------------------------- */

/* Back from c-ares: with nothing outstanding it has closed the connection. */
static void channel_process(struct channel *channel, ares_socket_t in, ares_socket_t out)
{
    ares_process_fd(channel->ares, in, out);
    if (channel->outstanding == 0)
        channel->used = 0;
}

static void socket_ready(evutil_socket_t fd, short what, void *arg)
{
    channel_process(arg, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

static struct channel_socket *socket_slot(struct channel *channel, ares_socket_t fd)
{
    for (size_t i = 0; i < CHANNEL_SOCKETS; i++)
        if (channel->sockets[i].fd == fd)
            return &channel->sockets[i];
    return NULL;
}

/* c-ares tells which of its sockets wait for what; both false: it is about to close it. */
static void socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct channel *channel = arg;
    struct channel_socket *slot = socket_slot(channel, fd);
    if (slot) {
        event_free(slot->event);
        *slot = (struct channel_socket){.fd = ARES_SOCKET_BAD};
    }
    if (!readable && !writable)
        return;
    slot = slot ? slot : socket_slot(channel, ARES_SOCKET_BAD);
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);
    struct event *event =
        slot ? event_new(channel->forward->base, fd, what, socket_ready, channel) : NULL;
    if (!event)
        return; /* out of memory: the query times out */
    *slot = (struct channel_socket){.fd = fd, .event = event};
    event_add(event, NULL);
}

static struct channel *channel_new(struct forward *forward)
{
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return NULL;
    channel->forward = forward;
    for (size_t i = 0; i < CHANNEL_SOCKETS; i++)
        channel->sockets[i].fd = ARES_SOCKET_BAD;
    if (make_ares(&forward->address, ARES_FLAG_USEVC, socket_state, channel, &channel->ares) !=
        ERR_OK) {
        free(channel);
        return NULL;
    }
    DL_PREPEND(forward->channels, channel);
    forward->channel_count++;
    return channel;
}

/* Ends its queries through their callbacks. */
static void channel_free(struct channel *channel)
{
    struct forward *forward = channel->forward;
    DL_DELETE(forward->channels, channel);
    forward->channel_count--;
    ares_destroy(channel->ares);
    for (size_t i = 0; i < CHANNEL_SOCKETS; i++)
        if (channel->sockets[i].event)
            event_free(channel->sockets[i].event);
    free(channel);
}

/* The first that takes more queries; at the limit, the one that has taken the fewest. */
static struct channel *channel_pick(struct forward *forward)
{
    struct channel *channel, *least = NULL;
    size_t taking = 0;
    DL_FOREACH (forward->channels, channel) {
        taking += channel->used < FORWARD_QUERIES_PER_CONNECTION;
        if (!least || channel->used < least->used)
            least = channel;
        if (taking == FORWARD_CONNECTIONS)
            return least;
    }
    channel = forward->channel_count < FORWARD_MAX_CONNECTIONS ? channel_new(forward) : NULL;
    return channel ? channel : least;
}

static void answered_by_tcp(void *arg, int status, int timeouts, unsigned char *response, int size)
{
    (void)timeouts;
    struct sending *sending = arg;
    sending->channel->outstanding--;
    sending->forward->outstanding--;
    if (status == ARES_SUCCESS)
        succeed(sending, response, (size_t)size);
    else
        fail(sending, status);
}

static void send_by_tcp(struct forward *forward, struct sending *sending)
{
    const struct exchange_request *request = sending->request;
    struct channel *channel = channel_pick(forward);
    if (!channel) {
        refuse(forward, sending_end(sending));
        return;
    }
    sending->channel = channel;
    channel->used++;
    channel->outstanding++;
    forward->outstanding++;
    forward->sending = true;
    ares_send(channel->ares, request->bytes, request->size, answered_by_tcp, sending);
    forward->sending = false;
}

/* -- UDP --------------------------------------------------------------------------------------- */

static ares_socket_t open_none(int family, int type, int protocol, void *arg)
{
    (void)family, (void)protocol, (void)arg;
    if (type == SOCK_DGRAM)
        return NO_SOCKET;
    errno = EPROTONOSUPPORT;
    return ARES_SOCKET_BAD;
}

static int close_none(ares_socket_t fd, void *arg)
{
    (void)fd, (void)arg;
    return 0;
}

static int connect_none(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t size,
                        void *arg)
{
    (void)fd, (void)address, (void)size, (void)arg;
    return 0;
}

/* One message from c-ares: of the request that is leaving, or again of one under way (newer c-ares). */
static ares_ssize_t write_message(ares_socket_t fd, const struct iovec *pieces, int count,
                                  void *arg)
{
    (void)fd;
    struct forward *forward = arg;
    uint8_t bytes[EXCHANGE_MAX_QUERY];
    size_t size = 0;
    for (int i = 0; i < count && size + pieces[i].iov_len <= sizeof bytes; i++) {
        memcpy(bytes + size, pieces[i].iov_base, pieces[i].iov_len);
        size += pieces[i].iov_len;
    }
    struct udp_query *udp_query = forward->leaving
                                      ? &forward->leaving->udp_query
                                      : ports_find(forward->ports, wire_get_u16(bytes));
    if (!udp_query) {
        errno = ECONNREFUSED;
        return -1;
    }
    memcpy(udp_query->bytes, bytes, size);
    udp_query->size = (uint16_t)size;
    if (udp_query->port) {
        ports_send_again(forward->ports, udp_query);
    } else if (ports_send(forward->ports, udp_query) != ERR_OK) {
        errno = ECONNREFUSED;
        return -1;
    }
    return (ares_ssize_t)size;
}

/* The next response, as if it were read from the socket. */
static ares_ssize_t read_message(ares_socket_t fd, void *buffer, size_t room, int flags,
                                 struct sockaddr *from, ares_socklen_t *from_size, void *arg)
{
    (void)fd, (void)flags;
    struct forward *forward = arg;
    struct udp_response udp_response;
    if (!ports_next(forward->ports, &udp_response)) {
        errno = EAGAIN;
        return -1;
    }
    if (from) {
        memcpy(from, &forward->address, *from_size);
    }
    size_t size = udp_response.size < room ? udp_response.size : room;
    memcpy(buffer, udp_response.bytes, size);
    return (ares_ssize_t)size;
}

static const struct ares_socket_functions none = {
    .asocket = open_none,
    .aclose = close_none,
    .aconnect = connect_none,
    .arecvfrom = read_message,
    .asendv = write_message,
};

/* Called by `ports`. c-ares reads until there is no more; newer ones read one, and are called again. */
static void arrived(void *arg)
{
    struct forward *forward = arg;
    size_t before;
    do {
        before = ports_left(forward->ports);
        ares_process_fd(forward->udp, NO_SOCKET, ARES_SOCKET_BAD);
    } while (ports_left(forward->ports) > 0 && ports_left(forward->ports) < before);
}

/* More than it was told we take, or more than it could send: TCP has all of it (RFC 7766 5). */
static bool is_truncated(const struct udp_response *udp_response, enum exchange_way way)
{
    enum { FLAGS_AT = 2 };
    size_t limit = way == EXCHANGE_EDNS ? DNS_EDNS_UDP : DNS_CLASSIC_UDP;
    return wire_get_u16(udp_response->bytes + FLAGS_AT) & FLAG_TC || udp_response->size > limit ||
           udp_response->cut_off;
}

/* c-ares hands over at most 512 bytes of what it was given, or what it makes of it: the udp_response has all. */
static void answered_by_udp(void *arg, int status, int timeouts, unsigned char *response, int size)
{
    (void)timeouts, (void)response, (void)size;
    struct sending *sending = arg;
    struct forward *forward = sending->forward;
    struct udp_query *udp_query = &sending->udp_query;
    /* None for a response that came in by another port: c-ares does not look at ports. */
    const struct udp_response *udp_response = ports_response(forward->ports, udp_query);
    ports_done(forward->ports, udp_query);
    forward->outstanding--;
    if (status != ARES_SUCCESS) {
        fail(sending, status);
    } else if (!udp_response || udp_query->refused) {
        fail(sending, ARES_ECONNREFUSED);
    } else if (is_truncated(udp_response, sending->way)) {
        sending->request->fell_back = true;
        send_by_tcp(forward, sending);
    } else {
        succeed(sending, udp_response->bytes, udp_response->size);
    }
}

static void send_by_udp(struct forward *forward, struct sending *sending)
{
    const struct exchange_request *request = sending->request;
    forward->outstanding++;
    forward->sending = true;
    forward->leaving = sending;
    ares_send(forward->udp, request->bytes, request->size, answered_by_udp, sending);
    forward->leaving = NULL;
    forward->sending = false;
}

/* -- all --------------------------------------------------------------------------------------- */

static void tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct forward *forward = arg;
    struct channel *channel;
    ares_process_fd(forward->udp, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    DL_FOREACH (forward->channels, channel)
        channel_process(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (forward->outstanding == 0) {
        event_del(forward->tick);
        forward->ticking = false;
    }
}

static bool build(struct forward *forward)
{
    forward->tick = event_new(forward->base, -1, EV_PERSIST, tick, forward);
    forward->refused_event = event_new(forward->base, -1, 0, tell_refused, forward);
    forward->ports = ports_new(&(struct ports_options){
        .base = forward->base,
        .address = (const struct sockaddr *)&forward->address,
        .arrived = arrived,
        .arg = forward,
    });
    if (!forward->tick || !forward->refused_event || !forward->ports ||
        make_ares(&forward->address, ARES_FLAG_IGNTC, NULL, NULL, &forward->udp) != ERR_OK)
        return false;
    ares_set_socket_functions(forward->udp, &none, forward);
    return true;
}

static void free_forward(struct exchange *exchange)
{
    struct forward *forward = (struct forward *)exchange;
    if (forward->udp)
        ares_destroy(forward->udp);
    while (forward->channels)
        channel_free(forward->channels);
    if (forward->refused)
        tell_refused(-1, 0, forward);
    ports_free(forward->ports);
    if (forward->tick)
        event_free(forward->tick);
    if (forward->refused_event)
        event_free(forward->refused_event);
    pool_drain(&forward->sendings);
    free(forward);
}

static void send_request(struct exchange *exchange, enum exchange_way way,
                         struct exchange_request *request)
{
    struct forward *forward = (struct forward *)exchange;
    struct sending *sending = pool_get(&forward->sendings);
    if (!sending) {
        refuse(forward, request);
        return;
    }
    sending->forward = forward;
    sending->request = request;
    sending->way = way;
    sending->udp_query.port = NULL;
    sending->udp_query.batch = 0;
    sending->udp_query.bytes = request->bytes;
    sending->udp_query.size = request->size;
    if (!forward->ticking)
        forward->ticking =
            event_add(forward->tick, &(struct timeval){.tv_usec = TICK_MS * 1000}) == 0;
    if (way == EXCHANGE_TCP)
        send_by_tcp(forward, sending);
    else
        send_by_udp(forward, sending);
}

static const struct exchange_kind kind = {.send = send_request, .free = free_forward};

struct exchange *forward_new(struct event_base *base, const struct sockaddr *address)
{
    struct forward *forward = calloc(1, sizeof *forward);
    if (!forward)
        return NULL;
    forward->exchange.kind = &kind;
    forward->base = base;
    forward->sendings = pool_of(sizeof(struct sending), KEPT);
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
        memcpy(&forward->address, address,
               address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                             : sizeof(struct sockaddr_in6));
    if (!build(forward)) {
        free_forward(&forward->exchange);
        return NULL;
    }
    return &forward->exchange;
}
