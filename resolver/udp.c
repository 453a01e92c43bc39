#include "resolver/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/clock.h"

enum {
    BATCHES_PER_WAKE = 8, /* then other sockets get their turn */
    CONTROL_SIZE = CMSG_SPACE(sizeof(struct in6_pktinfo)),
};

struct slot {
    uint8_t query[UDP_MAX_QUERY];
    uint8_t reply[DNS_EDNS_UDP];
    union address peer;
    uint8_t control[CONTROL_SIZE] __attribute__((aligned(8)));
    uint8_t reply_control[CONTROL_SIZE] __attribute__((aligned(8)));
    struct iovec in, out;
};

struct udp_listener {
    int fd;
    struct event *readable;
    struct desk *desk;
    struct slot slots[UDP_BATCH];
    struct mmsghdr in[UDP_BATCH];
    struct mmsghdr out[UDP_BATCH];
};

static void prepare_slot(struct udp_listener *listener, size_t i)
{
    struct slot *slot = &listener->slots[i];
    slot->in = (struct iovec){slot->query, sizeof slot->query};
    listener->in[i].msg_hdr = (struct msghdr){
        .msg_name = &slot->peer,
        .msg_namelen = sizeof slot->peer,
        .msg_iov = &slot->in,
        .msg_iovlen = 1,
        .msg_control = slot->control,
        .msg_controllen = sizeof slot->control,
    };
}

/* The address of ours the query was sent to, where the kernel tells. */
static struct local_address local_of(struct msghdr *header)
{
    struct local_address local = {.family = AF_UNSPEC};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            local.family = AF_INET;
            memcpy(&local.in, CMSG_DATA(c), sizeof local.in);
            local.in.ipi_ifindex = 0; /* routing decides which way the reply goes */
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            local.family = AF_INET6;
            memcpy(&local.in6, CMSG_DATA(c), sizeof local.in6);
        }
    }
    return local;
}

/* Addresses `header` to the client; `control` has CONTROL_SIZE bytes. */
static void address_reply(struct msghdr *header, const struct client *client, uint8_t *control)
{
    header->msg_name = (void *)&client->peer;
    header->msg_namelen =
        client->peer.family == AF_INET ? sizeof client->peer.in : sizeof client->peer.in6;
    if (client->local.family == AF_UNSPEC)
        return;
    bool v4 = client->local.family == AF_INET;
    size_t size = v4 ? sizeof client->local.in : sizeof client->local.in6;
    header->msg_control = control;
    header->msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *c = CMSG_FIRSTHDR(header);
    c->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    c->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), &client->local.in, size);
}

static void send_later(const struct client *client, const uint8_t *bytes, size_t size)
{
    struct udp_listener *listener = client->endpoint;
    uint8_t control[CONTROL_SIZE] __attribute__((aligned(8))) = {0};
    struct iovec iov = {(void *)bytes, size};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    address_reply(&header, client, control);
    if (sendmsg(listener->fd, &header, MSG_DONTWAIT) < 0)
        counter_add(&listener->desk->counters.dropped, 1);
}

static void no_hold(void *endpoint)
{
    (void)endpoint;
}

static const struct transport udp_transport = {
    .send = send_later, .hold = no_hold, .release = no_hold};

/* Handles query `i` of the batch. Whether there is a reply to send now, put at `out[k]`. */
static bool handle_one(struct udp_listener *listener, size_t i, size_t k, struct mono now)
{
    struct slot *slot = &listener->slots[i];
    struct msghdr *header = &listener->in[i].msg_hdr;
    struct client client = {
        .transport = &udp_transport,
        .endpoint = listener,
        .peer = slot->peer,
        .local = local_of(header),
    };
    struct query_input input = {
        .bytes = slot->query, .size = listener->in[i].msg_len, .client = &client, .now = now};
    bool cut_off = header->msg_flags & MSG_TRUNC;
    bool portless =
        slot->peer.family == AF_INET ? slot->peer.in.sin_port == 0 : slot->peer.in6.sin6_port == 0;
    size_t size = cut_off || portless ? 0 : query_handle(listener->desk, &input, slot->reply);
    if (size == 0)
        return false;
    slot->out = (struct iovec){slot->reply, size};
    struct msghdr *reply = &listener->out[k].msg_hdr;
    *reply = (struct msghdr){.msg_iov = &slot->out, .msg_iovlen = 1};
    address_reply(reply, &client, slot->reply_control);
    reply->msg_name = &slot->peer; /* `client` is gone when it is sent */
    return true;
}

static void send_batch(struct udp_listener *listener, size_t count)
{
    size_t sent = 0;
    while (sent < count) {
        int n =
            sendmmsg(listener->fd, listener->out + sent, (unsigned)(count - sent), MSG_DONTWAIT);
        if (n > 0) {
            sent += (size_t)n;
        } else if (errno != EINTR) {
            /* The first one cannot be sent (no route, buffer full): the others still may. */
            counter_add(&listener->desk->counters.dropped, 1);
            sent++;
        }
    }
}

static bool read_batch(struct udp_listener *listener)
{
    for (size_t i = 0; i < UDP_BATCH; i++) {
        listener->in[i].msg_hdr.msg_namelen = sizeof(union address);
        listener->in[i].msg_hdr.msg_controllen = CONTROL_SIZE;
    }
    int count = recvmmsg(listener->fd, listener->in, UDP_BATCH, MSG_DONTWAIT, NULL);
    if (count <= 0)
        return false;
    struct mono now = mono_now();
    size_t replies = 0;
    for (size_t i = 0; i < (size_t)count; i++)
        replies += handle_one(listener, i, replies, now);
    send_batch(listener, replies);
    return count == UDP_BATCH;
}

static void readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    for (int i = 0; i < BATCHES_PER_WAKE && read_batch(arg); i++)
        continue;
}

struct udp_listener *udp_new(struct event_base *base, int fd, struct desk *desk)
{
    struct udp_listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        close(fd);
        return NULL;
    }
    listener->fd = fd;
    listener->desk = desk;
    for (size_t i = 0; i < UDP_BATCH; i++)
        prepare_slot(listener, i);
    listener->readable = event_new(base, fd, EV_READ | EV_PERSIST, readable, listener);
    if (!listener->readable || event_add(listener->readable, NULL) != 0) {
        udp_free(listener);
        return NULL;
    }
    return listener;
}

void udp_stop_reading(struct udp_listener *listener)
{
    event_del(listener->readable);
}

void udp_free(struct udp_listener *listener)
{
    if (!listener)
        return;
    if (listener->readable)
        event_free(listener->readable);
    close(listener->fd);
    free(listener);
}
