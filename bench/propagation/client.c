#include "bench/propagation/client.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/common/clock.h"
#include "bench/common/cursor.h"
#include "bench/common/udp.h"

enum {
    BATCH = 64,
    POSITION_OPTION = 65317, /* invalidation/position.h */
    POSITION_VERSION = 1,
    POSITION_HEAD = 9, /* the version and the feed id */
    POSITION_ENTRY = 12,
    FRAME = 20 + 8, /* as the loopback interface counts a datagram: without Ethernet */
};

static int open_socket(const struct sockaddr_in *address)
{
    const int on = 1, fd = udp_connect(address);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    return fd;
}

int client_open(struct client *client)
{
    client->asked = calloc(CLIENT_IDS, sizeof *client->asked);
    if (!client->asked)
        return -1;
    for (int k = 0; k < CLIENT_SOCKETS; k++) {
        client->fds[k] = open_socket(&client->flights->options->tiers[client->tier].address);
        if (client->fds[k] < 0)
            return -1;
    }
    return 0;
}

void client_close(struct client *client)
{
    for (int k = 0; k < CLIENT_SOCKETS; k++)
        close(client->fds[k]);
    free(client->asked);
}

/* An OPT record with the position option (RFC 6891 6.1.2); the query's new size. */
static size_t add_position(const struct client *client, uint8_t *query, size_t size)
{
    uint8_t *at = put(put(query + size, 0, 1), TYPE_OPT, 2);
    at = put(put(put(at, WIRE_MAX, 2), 0, 4), 4 + POSITION_HEAD, 2);
    at = put(put(at, POSITION_OPTION, 2), POSITION_HEAD, 2);
    at = put(put(at, POSITION_VERSION, 1), client->feed_id, 8);
    query[11] = 1;
    return (size_t)(at - query);
}

void client_ask(struct client *client, uint32_t name, bool probe)
{
    uint8_t bytes[WIRE_MAX];
    const uint16_t id = client->next++;
    size_t size = wire_query(client->zone, id, name, bytes);
    if (probe && client->feed_id)
        size = add_position(client, bytes, size);
    client->asked[id].name = name;
    client->asked[id].sent_us = clock_us();
    client->counts.sent++;
    client->counts.bytes += size + FRAME;
    /* What is refused or does not fit is a lost query, as it is to any client. */
    if (send(client->fds[id % CLIENT_SOCKETS], bytes, size, 0) < 0)
        return;
}

/* The offset that a position option has for the zone's partition; -1 when it has none. */
static int64_t offset_in(const struct client *client, struct cursor option)
{
    if (take(&option, 1) != POSITION_VERSION || take(&option, 8) != client->feed_id)
        return -1;
    while (option.size - option.at >= POSITION_ENTRY && !option.bad) {
        const int32_t partition = (int32_t)take(&option, 4);
        const int64_t offset = (int64_t)take(&option, 8);
        if (partition == client->partition)
            return offset;
    }
    return -1;
}

static int64_t offset_among(const struct client *client, const struct record *opt)
{
    struct cursor options = {.bytes = opt->rdata, .size = opt->size};
    while (!options.bad && options.at < options.size) {
        const uint64_t code = take(&options, 2), size = take(&options, 2);
        const struct cursor option = {.bytes = options.bytes + options.at, .size = size};
        skip(&options, size);
        if (code == POSITION_OPTION && !options.bad)
            return offset_in(client, option);
    }
    return -1;
}

/* What the answer says of how far the tier is; -1: nothing. */
static int64_t offset_of(const struct client *client, const uint8_t *bytes, size_t size)
{
    struct cursor cursor = {.bytes = bytes, .size = size, .at = 6};
    const uint64_t records = take(&cursor, 2) + take(&cursor, 2) + take(&cursor, 2);
    skip_name(&cursor);
    skip(&cursor, 4);
    for (uint64_t k = 0; k < records && !cursor.bad; k++) {
        const struct record record = take_record(&cursor);
        if (record.type == TYPE_OPT && !cursor.bad)
            return offset_among(client, &record);
    }
    return -1;
}

static void take_answer(struct client *client, const uint8_t *bytes, size_t size,
                        struct receipt receipt)
{
    const int64_t now_us = receipt.now_us;
    const uint16_t id = wire_id(bytes);
    const int64_t sent_us = client->asked[id].sent_us;
    if (!sent_us || now_us - sent_us > CLIENT_PATIENCE_US)
        return;
    const struct wire_answer answer = wire_read(client->zone, bytes, size);
    client->asked[id].sent_us = 0;
    const struct history *history = client->flights->history;
    if (!answer.readable || answer.mixed || answer.name != client->asked[id].name ||
        !history_owns(history, answer.version, answer.name)) {
        client->counts.failed++;
        return;
    }
    client->counts.answered++;
    client->counts.bytes += size + FRAME;
    if (client->timed)
        histogram_add(&client->latency, now_us - sent_us);
    flights_answer(client->flights, client->tier, answer.version, sent_us, receipt);
    const int64_t offset = client->feed_id ? offset_of(client, bytes, size) : -1;
    if (offset >= 0)
        flights_applied(client->flights, client->tier, offset, now_us);
}

/* When the kernel had the datagram, by its stamp; as it is now without one. */
static struct receipt receipt_of(struct msghdr *message)
{
    struct timespec stamp, now;
    /* This clock first: a pause between the two makes it late, never early. */
    clock_gettime(CLOCK_REALTIME, &now);
    struct receipt receipt = {.now_us = clock_us()};
    receipt.arrived_us = receipt.now_us;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            receipt.arrived_us -= (int64_t)(now.tv_sec - stamp.tv_sec) * US_PER_S +
                                  (now.tv_nsec - stamp.tv_nsec) / 1000;
        }
    return receipt;
}

void client_receive(struct client *client, int fd)
{
    uint8_t bytes[WIRE_MAX];
    alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
    for (int k = 0; k < BATCH; k++) {
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        const ssize_t size = recvmsg(fd, &message, 0);
        if (size < 0)
            return;
        if (size >= HEADER_SIZE)
            take_answer(client, bytes, (size_t)size, receipt_of(&message));
    }
}
