#include "resolver/net/forward.h"

#define CARES_NO_DEPRECATED /* what Debian 12 has is what newer ones deprecate */
#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <utlist.h>
#include <xxhash.h>

#include "dns/error.h"
#include "dns/message.h"
#include "dns/name.h"
#include "dns/type.h"
#include "resolver/answer/pool.h"
#include "resolver/net/clock.h"
#include "resolver/net/clockwork.h"
#include "resolver/net/ports.h"
#include "resolver/net/stream.h"

enum {
    NEVER_MS = 24 * 60 * 60 * 1000, /* when c-ares would give a query up by itself */
    NO_SOCKET = 1 << 30,            /* the file descriptor of the socket that is none */
    KEPT = 2048,                    /* sendings whose memory waits for the next */
    LABEL_MAX = 63,
    FLAGS_AT = 2, /* in a message */
    COUNTS_AT = 4,
    TYPE_CLASS_SIZE = 4,
    QUESTION_MAX = NAME_MAX_SIZE + TYPE_CLASS_SIZE,
    DIGITS = 16, /* of a hash */
    STUB_SIZE = DNS_HEADER_SIZE + 1 + DIGITS + 1 + TYPE_CLASS_SIZE,
    CHANNELS = 32,
    CHANNEL_QUERIES = 4096, /* under way; then another is opened */
};

/*
 * c-ares finds a query by walking through those under way whose ID has the same low bits: behind a silent server that is
 * most of the work. So with many of them there are several channels.
 */
struct channel {
    ares_channel ares;
    size_t count; /* queries under way */
};

/* A query under way by UDP. */
struct sending {
    struct wheel_timer timer;   /* its deadline */
    struct udp_query udp_query; /* over the request's own bytes */
    struct forward *forward;
    struct channel *channel;
    struct exchange_request *request;
    bool overdue;
    bool stays; /* there is no port for it */
};

struct forward {
    struct exchange exchange;
    struct sockaddr_storage address;
    struct channel channels[CHANNELS]; /* those open come first */
    size_t open;
    struct channel *reading;  /* it may read what has come for it */
    struct udp_response next; /* what has come and is not read yet; no query: nothing */
    struct ports *ports;
    struct stream *stream;
    struct clockwork *clockwork;
    struct pool sendings;
    struct sending *leaving;          /* within ares_send() */
    struct sending *overdue;          /* c-ares is about to hear that its time is over */
    struct exchange_request *refused; /* failed while they were sent; told from the loop */
    struct event *refused_event;
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
static int make_ares(const struct sockaddr_storage *address, ares_channel *ret)
{
    struct in_addr placeholder = {htonl(INADDR_LOOPBACK)};
    struct ares_addr_port_node server;
    ares_channel ares;
    struct ares_options options = {
        .flags = ARES_FLAG_IGNTC | ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = NEVER_MS,
        .tries = 1,
        .ndots = 1,
        .servers = &placeholder,
        .nservers = 1,
        .lookups = (char *)"b",
        .ednspsz = DNS_EDNS_UDP,
        .resolvconf_path = (char *)"/dev/null",
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST |
               ARES_OPT_EDNSPSZ | ARES_OPT_NOROTATE | ARES_OPT_RESOLVCONF;
#ifdef ARES_OPT_QUERY_CACHE
    options.qcache_max_ttl = 0; /* it would serve what a change has invalidated */
    mask |= ARES_OPT_QUERY_CACHE;
#endif
#ifdef ARES_OPT_MAXTIMEOUTMS
    options.maxtimeout = NEVER_MS;
    mask |= ARES_OPT_MAXTIMEOUTMS;
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
    sending->channel->count--;
    wheel_stop(clockwork_wheel(sending->forward->clockwork), &sending->timer);
    pool_put(&sending->forward->sendings, sending);
    return request;
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

/*
 * c-ares sends what it was shown of the request that is leaving: with its ID the request itself leaves. That it cannot leave is not
 * for c-ares to know: newer ones fail all that is under way then.
 */
static ares_ssize_t write_message(ares_socket_t fd, const struct iovec *pieces, int count,
                                  void *arg)
{
    (void)fd;
    struct forward *forward = arg;
    struct sending *leaving = forward->leaving;
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += pieces[i].iov_len;
    if (leaving && !leaving->udp_query.port && pieces[0].iov_len >= sizeof(uint16_t)) {
        memcpy(leaving->udp_query.bytes, pieces[0].iov_base, sizeof(uint16_t));
        leaving->stays = ports_send(forward->ports, &leaving->udp_query) != ERR_OK;
    }
    return (ares_ssize_t)size;
}

/* The question of a message, its name in lower case. Returns its size; 0: it has none that could be read. */
static size_t read_question(const uint8_t *bytes, size_t size, uint8_t question[QUESTION_MAX])
{
    size_t at = DNS_HEADER_SIZE;
    if (wire_get_u16(bytes + COUNTS_AT) != 1)
        return 0;
    while (at < size && bytes[at] > 0 && bytes[at] <= LABEL_MAX)
        at += 1u + bytes[at];
    const size_t name_size = at + 1 - DNS_HEADER_SIZE;
    if (name_size > NAME_MAX_SIZE || at + 1 + TYPE_CLASS_SIZE > size || bytes[at] != 0)
        return 0;
    name_lower(bytes + DNS_HEADER_SIZE, name_size, question);
    memcpy(question + name_size, bytes + at + 1, TYPE_CLASS_SIZE);
    return name_size + TYPE_CLASS_SIZE;
}

/*
 * A message as c-ares is shown it: its ID, and in place of the question a name made of that one's hash. Of anything else it would
 * make something of its own: a cookie for an OPT record, a refusal of names with odd bytes and of classes that it does not know.
 */
static void write_stub(const uint8_t *bytes, uint16_t flags, const uint8_t *question,
                       size_t question_size, uint8_t stub[STUB_SIZE])
{
    static const uint8_t rest[] = {0, 1, 0, 0, 0, 0, 0, 0, DIGITS},
                         type_class[] = {0, 0, TYPE_A, 0, CLASS_IN};
    uint64_t hash = XXH3_64bits(question, question_size);
    memcpy(stub, bytes, FLAGS_AT);
    wire_put_u16(stub + FLAGS_AT, flags);
    memcpy(stub + COUNTS_AT, rest, sizeof rest);
    for (size_t i = 0; i < DIGITS; i++, hash >>= 4)
        stub[DNS_HEADER_SIZE + 1 + i] = (uint8_t)('a' + (hash & 15));
    memcpy(stub + DNS_HEADER_SIZE + 1 + DIGITS, type_class, sizeof type_class);
}

/*
 * What c-ares is shown of a response, if it is one: whose it is, and that it has failed, of which it makes nothing. One without any
 * question is an error of somebody who could not read it: that of the query stands for it. Returns the size, or 0.
 */
static size_t write_response(const uint8_t *bytes, size_t size, const struct udp_query *udp_query,
                             uint8_t *buffer, size_t room)
{
    uint8_t asked[QUESTION_MAX], question[QUESTION_MAX];
    const uint16_t flags = wire_get_u16(bytes + FLAGS_AT);
    const bool has_none = wire_get_u16(bytes + COUNTS_AT) == 0 && flags & FLAG_RCODE;
    const size_t asked_size = read_question(udp_query->bytes, udp_query->size, asked);
    if ((flags & (FLAG_QR | FLAG_OPCODE)) != FLAG_QR || asked_size == 0 || room < STUB_SIZE)
        return 0;
    if (!has_none && (read_question(bytes, size, question) != asked_size ||
                      memcmp(question, asked, asked_size) != 0))
        return 0;
    write_stub(bytes, FLAG_QR | FLAG_RD | FLAG_RA | RCODE_SERVFAIL, asked, asked_size, buffer);
    return STUB_SIZE;
}

/* The channel of a response that has come and is not read yet. NULL: none has. */
static struct channel *channel_of_next(struct forward *forward)
{
    if (!forward->next.query && !ports_next(forward->ports, &forward->next))
        return NULL;
    const struct sending *sending =
        (struct sending *)((char *)forward->next.query - offsetof(struct sending, udp_query));
    return sending->channel;
}

/* The next response that is for the channel that reads, as if it were read from the socket. */
static ares_ssize_t read_message(ares_socket_t fd, void *buffer, size_t room, int flags,
                                 struct sockaddr *from, ares_socklen_t *from_size, void *arg)
{
    (void)fd, (void)flags;
    struct forward *forward = arg;
    size_t size = 0;
    if (from)
        memcpy(from, &forward->address, *from_size);
    if (forward->overdue) {
        const struct udp_query *udp_query = &forward->overdue->udp_query;
        forward->overdue = NULL;
        udp_query->bytes[FLAGS_AT] |= FLAG_QR >> 8;
        size = write_response(udp_query->bytes, udp_query->size, udp_query, buffer, room);
    }
    while (size == 0 && forward->reading && channel_of_next(forward) == forward->reading) {
        const struct udp_response *next = &forward->next;
        size = write_response(next->bytes, next->size, next->query, buffer, room);
        forward->next.query = NULL;
    }
    if (size == 0) {
        errno = EAGAIN;
        return -1;
    }
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
    while ((forward->reading = channel_of_next(forward))) {
        const struct udp_query *query = forward->next.query;
        const size_t left = ports_left(forward->ports);
        ares_process_fd(forward->reading->ares, NO_SOCKET, ARES_SOCKET_BAD);
        if (forward->next.query == query && ports_left(forward->ports) == left)
            forward->next.query = NULL; /* it has not been read: that would go on for ever */
    }
}

/* Its time is over: c-ares hears that as a response, and nothing else remains of it. */
static void overdue(struct wheel_timer *timer, struct micro now)
{
    (void)now;
    struct sending *sending = (struct sending *)timer;
    struct forward *forward = sending->forward;
    sending->overdue = true;
    forward->overdue = sending;
    ares_process_fd(sending->channel->ares, NO_SOCKET, ARES_SOCKET_BAD);
    forward->overdue = NULL;
}

static void answered_by_udp(void *arg, int status, int timeouts, unsigned char *response, int size)
{
    (void)timeouts, (void)response, (void)size;
    struct sending *sending = arg;
    struct forward *forward = sending->forward;
    struct udp_query *udp_query = &sending->udp_query;
    /* None for a response that came in by another port: c-ares does not look at ports. */
    const struct udp_response *found = ports_response(forward->ports, udp_query);
    const struct udp_response udp_response = found ? *found : (struct udp_response){.size = 0};
    const bool late = (sending->overdue && !sending->stays) || status == ARES_ETIMEOUT ||
                      status == ARES_EDESTRUCTION;
    const bool refused = status != ARES_SUCCESS || !found || udp_query->refused;
    ports_done(forward->ports, udp_query);
    const bool leaving = forward->leaving != NULL;
    if (forward->leaving == sending)
        forward->leaving = NULL;
    struct exchange_request *request = sending_end(sending);
    if (leaving)
        refuse(forward, request);
    else if (late || refused)
        tell(request, late ? ERR_TIMEOUT : ERR_SYSTEM, NULL, 0);
    else
        tell(request, ERR_OK, udp_response.bytes, udp_response.size);
}

static bool open_channel(struct forward *forward)
{
    struct channel *channel = &forward->channels[forward->open];
    if (forward->open == CHANNELS || make_ares(&forward->address, &channel->ares) != ERR_OK)
        return false;
    ares_set_socket_functions(channel->ares, &none, forward);
    forward->open++;
    return true;
}

/* The first that has room, so that the others rest; or else a new one, or the one with fewest under way. */
static struct channel *pick_channel(struct forward *forward)
{
    struct channel *least = &forward->channels[0];
    for (size_t i = 0; i < forward->open; i++) {
        if (forward->channels[i].count < CHANNEL_QUERIES)
            return &forward->channels[i];
        if (forward->channels[i].count < least->count)
            least = &forward->channels[i];
    }
    return open_channel(forward) ? &forward->channels[forward->open - 1] : least;
}

static void send_by_udp(struct forward *forward, struct exchange_request *request)
{
    uint8_t stub[STUB_SIZE], question[QUESTION_MAX];
    const size_t size = read_question(request->bytes, request->size, question);
    struct sending *sending = size > 0 ? pool_get(&forward->sendings) : NULL;
    if (!sending) {
        refuse(forward, request);
        return;
    }
    *sending = (struct sending){
        .timer = {.ring = overdue},
        .forward = forward,
        .channel = pick_channel(forward),
        .request = request,
        .udp_query = {.bytes = request->bytes, .size = request->size},
    };
    sending->channel->count++;
    wheel_start(clockwork_wheel(forward->clockwork), &sending->timer, request->deadline,
                micro_ms(micro_now()));
    write_stub(request->bytes, FLAG_RD, question, size, stub);
    forward->leaving = sending;
    ares_send(sending->channel->ares, stub, STUB_SIZE, answered_by_udp, sending);
    if (forward->leaving && sending->stays) /* its time is over now, and told from the loop */
        wheel_start(clockwork_wheel(forward->clockwork), &sending->timer, micro_ms(micro_now()),
                    micro_ms(micro_now()));
    forward->leaving = NULL;
}

/* -- all --------------------------------------------------------------------------------------- */

static bool build(struct forward *forward, struct event_base *base, const char *interface,
                  struct ports_budget *budget)
{
    const struct sockaddr *address = (const struct sockaddr *)&forward->address;
    forward->clockwork = clockwork_new(base);
    forward->refused_event = event_new(base, -1, 0, tell_refused, forward);
    forward->ports = ports_new(&(struct ports_options){.budget = budget,
                                                       .base = base,
                                                       .address = address,
                                                       .interface = interface,
                                                       .arrived = arrived,
                                                       .arg = forward});
    if (!forward->clockwork || !forward->refused_event || !forward->ports)
        return false;
    forward->stream = stream_new(base, clockwork_wheel(forward->clockwork), address, interface);
    return forward->stream && open_channel(forward);
}

static void free_forward(struct exchange *exchange)
{
    struct forward *forward = (struct forward *)exchange;
    while (forward->open > 0)
        ares_destroy(forward->channels[--forward->open].ares);
    stream_free(forward->stream);
    if (forward->refused)
        tell_refused(-1, 0, forward);
    ports_free(forward->ports);
    if (forward->refused_event)
        event_free(forward->refused_event);
    clockwork_free(forward->clockwork);
    pool_drain(&forward->sendings);
    free(forward);
}

static void send_request(struct exchange *exchange, enum exchange_way way,
                         struct exchange_request *request)
{
    struct forward *forward = (struct forward *)exchange;
    if (way == EXCHANGE_TCP)
        stream_send(forward->stream, request);
    else
        send_by_udp(forward, request);
}

static const struct exchange_kind kind = {.send = send_request, .free = free_forward};

struct exchange *forward_new(struct event_base *base, const struct sockaddr *address,
                             const char *interface, struct ports_budget *budget)
{
    struct forward *forward = calloc(1, sizeof *forward);
    if (!forward)
        return NULL;
    forward->exchange.kind = &kind;
    forward->sendings = pool_of(sizeof(struct sending), KEPT);
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
        memcpy(&forward->address, address,
               address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                             : sizeof(struct sockaddr_in6));
    if (!build(forward, base, interface, budget)) {
        free_forward(&forward->exchange);
        return NULL;
    }
    return &forward->exchange;
}
