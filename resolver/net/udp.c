#include "resolver/net/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/answer/reply.h"
#include "resolver/answer/turns.h"
#include "resolver/answer/waiters.h"
#include "resolver/net/clock.h"

enum {
    BATCHES_PER_WAKE = 8, /* then other sockets get their turn, */
    WAKE_US = 500,        /* and after so long */
    ASK_US = 50,          /* or when questions have set out for so long */
    CONTROL_SIZE = CMSG_SPACE(sizeof(struct in6_pktinfo)),
    CACHE_LINE = 64,
};

/* A query of a batch, and where its reply goes. */
struct slot {
    struct client client; /* the kernel writes its peer */
    struct iovec in, out;
    struct query_read read;
    uint8_t control[CONTROL_SIZE] __attribute__((aligned(8)));
    uint8_t reply_control[CONTROL_SIZE] __attribute__((aligned(8)));
};

/* A query whose turn to be asked for is still to come. */
struct held_back {
    struct turn turn; /* the first */
    struct client client;
    size_t size;
    uint8_t bytes[];
};

/* A reply that had to wait. */
struct late {
    uint8_t reply[DNS_EDNS_UDP];
    struct client client;
    uint8_t control[CONTROL_SIZE] __attribute__((aligned(8)));
    struct iovec iov;
    bool at_once; /* it was not waited for, but for its turn */
};

/*
 * The buffers of a batch. Queries lie a little more than a power of two apart, or they would fall into the same
 * few places of the processor's cache; replies lie one behind the other.
 */
struct udp_listener {
    int fd;
    struct event *readable;
    struct tier_worker *tier_worker;
    size_t waiting; /* clients whose answer is still to come */
    bool retired;   /* freed with the last of them */
    struct turns *turns;
    struct event *go_on; /* with these, in the loop's next iteration */
    size_t asks;         /* questions that may still set out in this one, */
    struct micro asking; /* and since when they do */
    struct mmsghdr in[UDP_BATCH];
    struct mmsghdr out[UDP_BATCH];
    struct slot slots[UDP_BATCH];
    uint8_t queries[UDP_BATCH][UDP_MAX_QUERY + CACHE_LINE];
    uint8_t replies[UDP_BATCH * DNS_EDNS_UDP];
    struct event *flush;
    size_t late_count;
    struct late late[UDP_BATCH];
    struct mmsghdr late_out[UDP_BATCH];
};

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

/* More than the interface takes at a time, and fragments are not sent: it goes out cut short (RFC 9715 3.1). */
static bool cut_message(struct udp_listener *listener, struct msghdr *header)
{
    size_t size = reply_cut(header->msg_iov->iov_base, header->msg_iov->iov_len);
    if (size == 0)
        return false;
    header->msg_iov->iov_len = size;
    counter_add(&listener->tier_worker->counters.truncated, 1);
    return true;
}

static void send_batch(struct udp_listener *listener, struct mmsghdr *out, size_t count)
{
    size_t sent = 0;
    while (sent < count) {
        int n = sendmmsg(listener->fd, out + sent, (unsigned)(count - sent), MSG_DONTWAIT);
        if (n > 0) {
            sent += (size_t)n;
        } else if (errno == EMSGSIZE && cut_message(listener, &out[sent].msg_hdr)) {
            continue;
        } else if (errno != EINTR) {
            /* The first one cannot be sent (no route, buffer full): the others still may. */
            counter_add(&listener->tier_worker->counters.dropped, 1);
            sent++;
        }
    }
}

static void count_late(struct udp_listener *listener)
{
    const struct micro now = micro_now();
    for (size_t i = 0; i < listener->late_count; i++) {
        const struct late *late = &listener->late[i];
        histogram_add(late->at_once ? &listener->tier_worker->at_once
                                    : &listener->tier_worker->waited,
                      micro_between(late->client.asked, now), 1);
    }
}

/* The end of the loop's iteration: event_active() put it behind all that was ready then. */
static void flush(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct udp_listener *listener = arg;
    if (listener->late_count == 0)
        return;
    send_batch(listener, listener->late_out, listener->late_count);
    count_late(listener);
    listener->late_count = 0;
}

static void queue(const struct client *client, const uint8_t *bytes, size_t size, bool at_once)
{
    struct udp_listener *listener = client->endpoint;
    if (size > DNS_EDNS_UDP)
        return; /* past the limit of every shape */
    if (listener->late_count == UDP_BATCH)
        flush(-1, 0, listener);
    if (listener->late_count == 0)
        event_active(listener->flush, EV_TIMEOUT, 0);
    struct late *late = &listener->late[listener->late_count];
    struct msghdr *header = &listener->late_out[listener->late_count++].msg_hdr;
    memcpy(late->reply, bytes, size);
    late->client = *client;
    late->at_once = at_once;
    late->iov = (struct iovec){late->reply, size};
    *header = (struct msghdr){.msg_iov = &late->iov, .msg_iovlen = 1};
    address_reply(header, &late->client, late->control);
}

static void send_later(const struct client *client, const uint8_t *bytes, size_t size)
{
    const struct udp_listener *listener = client->endpoint;
    query_tell_waited(listener->tier_worker, client, bytes, size);
    queue(client, bytes, size, false);
}

static void hold(void *endpoint)
{
    struct udp_listener *listener = endpoint;
    listener->waiting++;
}

static void release(void *endpoint)
{
    struct udp_listener *listener = endpoint;
    if (--listener->waiting == 0 && listener->retired)
        udp_free(listener);
}

static const struct transport udp_transport = {
    .send = send_later, .hold = hold, .release = release};

static void prepare_slot(struct udp_listener *listener, size_t i)
{
    struct slot *slot = &listener->slots[i];
    slot->client.transport = &udp_transport;
    slot->client.endpoint = listener;
    slot->in = (struct iovec){listener->queries[i], UDP_MAX_QUERY};
    listener->in[i].msg_hdr = (struct msghdr){
        .msg_name = &slot->client.peer,
        .msg_namelen = sizeof slot->client.peer,
        .msg_iov = &slot->in,
        .msg_iovlen = 1,
        .msg_control = slot->control,
        .msg_controllen = sizeof slot->control,
    };
}

/* Where a query came from cannot be answered, or not all of it came. */
static bool is_unfit(const struct slot *slot, const struct msghdr *header)
{
    const union address *peer = &slot->client.peer;
    bool portless = peer->family == AF_INET ? peer->in.sin_port == 0 : peer->in6.sin6_port == 0;
    return portless || header->msg_flags & MSG_TRUNC;
}

static struct query_input input_of(const struct udp_listener *listener, size_t i, struct micro now)
{
    return (struct query_input){
        .bytes = listener->queries[i],
        .size = listener->in[i].msg_len,
        .client = &listener->slots[i].client,
        .patient = true,
        .now = now,
    };
}

static void read_one(struct udp_listener *listener, size_t i, struct micro now)
{
    struct slot *slot = &listener->slots[i];
    struct query_input input = input_of(listener, i, now);
    slot->client.local = local_of(&listener->in[i].msg_hdr);
    slot->client.asked = now;
    query_read(listener->tier_worker, &input, &slot->read);
}

/* Answers query `i` of the batch at `reply`, as message `k` to be sent. Returns the reply's size; 0; QUERY_LATER. */
static size_t answer_one(struct udp_listener *listener, size_t i, size_t k, uint8_t *reply,
                         struct micro now)
{
    struct slot *slot = &listener->slots[i];
    struct query_input input = input_of(listener, i, now);
    size_t size = is_unfit(slot, &listener->in[i].msg_hdr)
                      ? 0
                      : query_answer(listener->tier_worker, &input, &slot->read, reply);
    if (size == 0 || size == QUERY_LATER)
        return size;
    slot->out = (struct iovec){reply, size};
    struct msghdr *out = &listener->out[k].msg_hdr;
    *out = (struct msghdr){.msg_iov = &slot->out, .msg_iovlen = 1};
    address_reply(out, &slot->client, slot->reply_control);
    return size;
}

/* The kernel has written to these. */
static void renew_slots(struct udp_listener *listener, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        listener->in[i].msg_hdr.msg_namelen = sizeof(union address);
        listener->in[i].msg_hdr.msg_controllen = CONTROL_SIZE;
    }
}

/* Asks for what is not held. */
static void ask(struct udp_listener *listener, const struct query_input *input,
                const struct query_read *read)
{
    uint8_t reply[DNS_EDNS_UDP];
    const size_t size = query_ask(listener->tier_worker, input, read, reply);
    if (size > 0)
        queue(input->client, reply, size, true);
}

static void ask_held_back(struct udp_listener *listener, struct held_back *query)
{
    const struct query_input input = {.bytes = query->bytes,
                                      .size = query->size,
                                      .client = &query->client,
                                      .again = true,
                                      .now = micro_now()};
    struct query_read read;
    query_read(listener->tier_worker, &input, &read);
    ask(listener, &input, &read);
    free(query);
}

/* An iteration of the loop begins. */
static void may_ask(struct udp_listener *listener)
{
    listener->asks = UDP_ASKED;
    listener->asking = micro_now();
}

/* Whether one more question may set out. */
static bool take_ask(struct udp_listener *listener)
{
    if (listener->asks == 0)
        return false;
    const bool late = micro_between(listener->asking, micro_now()) > ASK_US;
    listener->asks = late ? 0 : listener->asks - 1;
    return true;
}

static bool take_turn(struct udp_listener *listener)
{
    struct turn *turn = turns_take(listener->turns);
    if (turn)
        ask_held_back(listener, (struct held_back *)turn);
    return turn;
}

static void go_on(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct udp_listener *listener = arg;
    may_ask(listener);
    while (take_ask(listener) && take_turn(listener))
        continue;
    if (turns_count(listener->turns) > 0)
        event_add(listener->go_on, &(struct timeval){0});
}

/* False: no memory. */
static bool hold_back(struct udp_listener *listener, const struct query_input *input)
{
    struct held_back *query = malloc(sizeof *query + input->size);
    if (!query)
        return false;
    query->client = *input->client;
    query->size = input->size;
    memcpy(query->bytes, input->bytes, input->size);
    turns_put(listener->turns, &query->turn, waiters_who(&input->client->peer, true));
    if (!event_pending(listener->go_on, EV_TIMEOUT, NULL))
        event_add(listener->go_on, &(struct timeval){0});
    return true;
}

/* Asks for query `i` of the batch, now if nobody waits to, or else when its turn has come. */
static void ask_in_turn(struct udp_listener *listener, size_t i, struct micro now)
{
    struct query_input input = input_of(listener, i, now);
    input.patient = false;
    input.again = true;
    const bool wait = turns_count(listener->turns) > 0 || !take_ask(listener);
    if (wait && hold_back(listener, &input))
        return;
    ask(listener, &input, &listener->slots[i].read);
}

/* Whether there may be more. What it took is added to `us`. */
static bool read_batch(struct udp_listener *listener, uint64_t *us)
{
    int received = recvmmsg(listener->fd, listener->in, UDP_BATCH, MSG_DONTWAIT, NULL);
    if (received <= 0)
        return false;
    size_t count = (size_t)received, replies = 0, used = 0, misses = 0;
    uint8_t missed[UDP_BATCH];
    struct micro now = micro_now();
    for (size_t i = 0; i < count; i++)
        read_one(listener, i, now);
    for (size_t i = 0; i < count; i++) {
        size_t size = answer_one(listener, i, replies, listener->replies + used, now);
        if (size == QUERY_LATER) {
            missed[misses++] = (uint8_t)i;
            continue;
        }
        used += size;
        replies += size > 0;
    }
    send_batch(listener, listener->out, replies);
    struct micro then = micro_now();
    histogram_add(&listener->tier_worker->at_once, micro_between(now, then), replies); /* as one */
    for (size_t k = 0; k < misses; k++)
        ask_in_turn(listener, missed[k], now);
    renew_slots(listener, count);
    if (misses > 0)
        then = micro_now();
    *us += micro_between(now, then);
    return count == UDP_BATCH;
}

static void readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct udp_listener *listener = arg;
    uint64_t us = 0;
    may_ask(listener);
    for (int i = 0; i < BATCHES_PER_WAKE && us < WAKE_US; i++)
        if (turns_room(listener->turns) < UDP_BATCH || !read_batch(listener, &us))
            break;
}

struct udp_listener *udp_new(struct event_base *base, int fd, struct tier_worker *tier_worker)
{
    struct udp_listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        close(fd);
        return NULL;
    }
    listener->fd = fd;
    listener->tier_worker = tier_worker;
    listener->turns = turns_new(UDP_TURNS);
    for (size_t i = 0; i < UDP_BATCH; i++)
        prepare_slot(listener, i);
    listener->readable = event_new(base, fd, EV_READ | EV_PERSIST, readable, listener);
    listener->flush = event_new(base, -1, 0, flush, listener);
    listener->go_on = event_new(base, -1, 0, go_on, listener);
    if (!listener->turns || !listener->readable || !listener->flush || !listener->go_on ||
        event_add(listener->readable, NULL) != 0) {
        udp_free(listener);
        return NULL;
    }
    return listener;
}

bool udp_holds_back(const struct udp_listener *listener)
{
    return turns_count(listener->turns) > 0;
}

void udp_stop_reading(struct udp_listener *listener)
{
    event_del(listener->readable);
    while (take_turn(listener))
        continue;
}

void udp_retire(struct udp_listener *listener)
{
    udp_stop_reading(listener);
    listener->retired = true;
    if (listener->waiting == 0)
        udp_free(listener);
}

void udp_free(struct udp_listener *listener)
{
    if (!listener)
        return;
    if (listener->readable)
        event_free(listener->readable);
    if (listener->go_on)
        event_free(listener->go_on);
    for (struct turn *turn; listener->turns && (turn = turns_take(listener->turns));)
        free(turn);
    turns_free(listener->turns);
    flush(-1, 0, listener);
    if (listener->flush)
        event_free(listener->flush);
    close(listener->fd);
    free(listener);
}
