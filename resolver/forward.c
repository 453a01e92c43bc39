#include "resolver/forward.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "dns/message.h"

enum {
    CHANNEL_SOCKETS =
        4,         /* c-ares opens at most one UDP and one TCP socket per server and channel */
    TICK_MS = 100, /* how often c-ares looks for queries it must give up */
    ARCOUNT_OFFSET = 10,
};

struct channel_socket {
    ares_socket_t fd; /* ARES_SOCKET_BAD: free */
    struct event *event;
};

struct channel {
    struct channel *prev, *next;
    struct forward *forward;
    enum forward_way way;
    ares_channel ares;
    size_t outstanding;
    size_t used;  /* queries taken since the socket was last closed */
    bool spoiled; /* no more queries; destroyed once drained */
    struct channel_socket sockets[CHANNEL_SOCKETS];
};

struct forward {
    struct event_base *base;
    struct ares_addr_port_node address;
    struct channel *channels[FORWARD_WAYS]; /* lists; the first FORWARD_CHANNELS take turns */
    size_t channel_count[FORWARD_WAYS];
    size_t outstanding;
    struct forward_request *refused; /* failed inside forward_send(); told from the loop */
    struct event *refused_event;
    struct event *tick;
    bool sending;
};

static void channel_process(struct channel *channel, ares_socket_t readable,
                            ares_socket_t writable);

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

static int channel_flags(enum forward_way way)
{
    int flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    if (way == FORWARD_EDNS)
        flags |= ARES_FLAG_EDNS;
    if (way == FORWARD_TCP)
        flags |= ARES_FLAG_USEVC;
    return flags;
}

/* Every option that c-ares would otherwise look for in resolv.conf is set. */
static int channel_init(struct channel *channel)
{
    struct in_addr placeholder = {htonl(INADDR_LOOPBACK)};
    struct ares_options options = {
        .flags = channel_flags(channel->way),
        .timeout = FORWARD_TIMEOUT_MS,
        .tries = 1,
        .ndots = 1,
        .servers = &placeholder,
        .nservers = 1,
        .lookups = (char *)"b",
        .sock_state_cb = socket_state,
        .sock_state_cb_data = channel,
        .ednspsz = DNS_EDNS_UDP,
        .resolvconf_path = (char *)"/dev/null",
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST |
               ARES_OPT_SOCK_STATE_CB | ARES_OPT_EDNSPSZ | ARES_OPT_NOROTATE | ARES_OPT_RESOLVCONF;
#ifdef ARES_OPT_QUERY_CACHE
    options.qcache_max_ttl = 0; /* it would serve what a change has invalidated */
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    if (ares_init_options(&channel->ares, &options, mask) != ARES_SUCCESS)
        return ERR_MEMORY;
    if (ares_set_servers_ports(channel->ares, &channel->forward->address) != ARES_SUCCESS) {
        ares_destroy(channel->ares);
        return ERR_SYSTEM;
    }
    return ERR_OK;
}

static struct channel *channel_new(struct forward *forward, enum forward_way way)
{
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return NULL;
    channel->forward = forward;
    channel->way = way;
    for (size_t i = 0; i < CHANNEL_SOCKETS; i++)
        channel->sockets[i].fd = ARES_SOCKET_BAD;
    if (channel_init(channel) != ERR_OK) {
        free(channel);
        return NULL;
    }
    DL_PREPEND(forward->channels[way], channel);
    forward->channel_count[way]++;
    return channel;
}

/* Ends its queries through their callbacks. */
static void channel_free(struct channel *channel)
{
    struct forward *forward = channel->forward;
    DL_DELETE(forward->channels[channel->way], channel);
    forward->channel_count[channel->way]--;
    ares_destroy(channel->ares);
    for (size_t i = 0; i < CHANNEL_SOCKETS; i++)
        if (channel->sockets[i].event)
            event_free(channel->sockets[i].event);
    free(channel);
}

/* Back from c-ares: with nothing outstanding it has closed the socket, so the next port is new. */
static void channel_settle(struct channel *channel)
{
    if (channel->outstanding > 0)
        return;
    if (channel->spoiled)
        channel_free(channel);
    else
        channel->used = 0;
}

static void channel_process(struct channel *channel, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(channel->ares, readable, writable);
    channel_settle(channel);
}

static void tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct forward *forward = arg;
    for (int way = 0; way < FORWARD_WAYS; way++) {
        struct channel *channel, *next;
        DL_FOREACH_SAFE (forward->channels[way], channel, next)
            channel_process(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    if (forward->outstanding == 0)
        event_del(forward->tick);
}

static void tell_refused(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct forward *forward = arg;
    struct forward_request *requests = forward->refused, *request, *next;
    forward->refused = NULL;
    DL_FOREACH_SAFE (requests, request, next)
        request->done(request, ERR_SYSTEM, NULL, 0);
}

/* Fails a request from the loop instead of from within forward_send(). */
static void refuse(struct forward *forward, struct forward_request *request)
{
    DL_APPEND(forward->refused, request);
    event_active(forward->refused_event, EV_TIMEOUT, 0);
}

static bool copy_address(const struct sockaddr *address, struct ares_addr_port_node *ret)
{
    *ret = (struct ares_addr_port_node){.family = address->sa_family};
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        ret->addr.addr4 = in->sin_addr;
        ret->udp_port = ret->tcp_port = ntohs(in->sin_port);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        memcpy(&ret->addr.addr6, &in6->sin6_addr, sizeof ret->addr.addr6);
        ret->udp_port = ret->tcp_port = ntohs(in6->sin6_port);
        return true;
    }
    return false;
}

struct forward *forward_new(struct event_base *base, const struct sockaddr *address)
{
    struct forward *forward = calloc(1, sizeof *forward);
    if (!forward)
        return NULL;
    forward->base = base;
    forward->tick = event_new(base, -1, EV_PERSIST, tick, forward);
    forward->refused_event = event_new(base, -1, 0, tell_refused, forward);
    if (!copy_address(address, &forward->address) || !forward->tick || !forward->refused_event) {
        forward_free(forward);
        return NULL;
    }
    return forward;
}

void forward_free(struct forward *forward)
{
    if (!forward)
        return;
    for (int way = 0; way < FORWARD_WAYS; way++)
        while (forward->channels[way])
            channel_free(forward->channels[way]);
    if (forward->refused)
        tell_refused(-1, 0, forward);
    if (forward->tick)
        event_free(forward->tick);
    if (forward->refused_event)
        event_free(forward->refused_event);
    free(forward);
}

/* An EDNS query answered without any additional record: c-ares may have changed the channel's mode. */
static bool spoils(const struct channel *channel, const uint8_t *response, int size)
{
    return channel->way == FORWARD_EDNS && size >= DNS_HEADER_SIZE &&
           wire_get_u16(response + ARCOUNT_OFFSET) == 0;
}

static void answered(void *arg, int status, int timeouts, unsigned char *response, int size)
{
    (void)timeouts;
    struct forward_request *request = arg;
    struct channel *channel = request->channel;
    struct forward *forward = channel->forward;
    channel->outstanding--;
    forward->outstanding--;
    if (status != ARES_SUCCESS && forward->sending) {
        refuse(forward, request);
    } else if (status == ARES_SUCCESS) {
        channel->spoiled |= spoils(channel, response, size);
        request->done(request, ERR_OK, response, (size_t)size);
    } else {
        bool late = status == ARES_ETIMEOUT || status == ARES_EDESTRUCTION;
        request->done(request, late ? ERR_TIMEOUT : ERR_SYSTEM, NULL, 0);
    }
}

static bool channel_takes(const struct channel *channel)
{
    return !channel->spoiled && channel->used < FORWARD_QUERIES_PER_CHANNEL;
}

/*
 * One of the first few channels that still take queries, at random; a new one while there are fewer. At
 * the limit the ports are used longer rather than queries refused.
 */
static struct channel *channel_pick(struct forward *forward, enum forward_way way)
{
    struct channel *open[FORWARD_CHANNELS];
    size_t count = 0;
    struct channel *channel, *least = NULL;
    DL_FOREACH (forward->channels[way], channel) {
        if (channel_takes(channel))
            open[count++] = channel;
        if (count == FORWARD_CHANNELS)
            break;
        if (!channel->spoiled && (!least || channel->used < least->used))
            least = channel;
    }
    if (count < FORWARD_CHANNELS && forward->channel_count[way] < FORWARD_MAX_CHANNELS) {
        channel = channel_new(forward, way);
        if (channel)
            open[count++] = channel;
    }
    return count ? open[arc4random_uniform((uint32_t)count)] : least;
}

void forward_send(struct forward *forward, enum forward_way way, const uint8_t *query, size_t size,
                  struct forward_request *request)
{
    struct channel *channel = channel_pick(forward, way);
    request->channel = channel;
    if (!channel) {
        refuse(forward, request);
        return;
    }
    if (forward->outstanding == 0)
        event_add(forward->tick, &(struct timeval){.tv_usec = TICK_MS * 1000});
    channel->used++;
    channel->outstanding++;
    forward->outstanding++;
    forward->sending = true;
    ares_send(channel->ares, query, (int)size, answered, request);
    forward->sending = false;
}
