/*
 * authority.c - answers for the zone of names.h on a loopback port, as fast as one core can.
 *
 *     authority PORT
 *
 * Prints "ready" and runs until it is stopped by a signal. Counts the queries it gets, and says how many when
 * asked for the type NAMES_TYPE_COUNT; such queries are not counted.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bench/memory/names.h"

enum { BATCH = 64, SOCKET_BUFFER = 8 << 20, QUERY_MAX = 512, REPLY_MAX = 512 };

struct batch {
    uint8_t queries[BATCH][QUERY_MAX];
    uint8_t replies[BATCH][REPLY_MAX];
    struct sockaddr_in clients[BATCH];
    struct iovec in[BATCH], out[BATCH];
    struct mmsghdr received[BATCH], sent[BATCH];
};

static int open_socket(uint16_t port)
{
    const int size = SOCKET_BUFFER;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("authority");
        exit(EXIT_FAILURE);
    }
    /* The forced size is root's; without it the kernel's limit is what there is. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static void prepare(struct batch *batch)
{
    for (size_t i = 0; i < BATCH; i++) {
        batch->in[i] = (struct iovec){batch->queries[i], QUERY_MAX};
        batch->received[i].msg_hdr = (struct msghdr){.msg_name = &batch->clients[i],
                                                     .msg_namelen = sizeof batch->clients[i],
                                                     .msg_iov = &batch->in[i],
                                                     .msg_iovlen = 1};
    }
}

/* The reply to query `i`, if it has one, becomes the k-th to send. Whether it has. */
static bool answer(struct batch *batch, size_t i, size_t k, uint64_t *count)
{
    struct query query;
    if (query_parse(batch->queries[i], batch->received[i].msg_len, &query) != ERR_OK)
        return false;
    *count += query.question.type != NAMES_TYPE_COUNT;
    size_t size = names_reply(&query, *count, batch->replies[k], REPLY_MAX);
    batch->out[k] = (struct iovec){batch->replies[k], size};
    batch->sent[k].msg_hdr = (struct msghdr){.msg_name = &batch->clients[i],
                                             .msg_namelen = sizeof batch->clients[i],
                                             .msg_iov = &batch->out[k],
                                             .msg_iovlen = 1};
    return size > 0;
}

/* A reply that cannot be sent is skipped: its client is gone, or asks again. */
static void send_all(int fd, struct batch *batch, size_t count)
{
    for (size_t at = 0; at < count;) {
        int n = sendmmsg(fd, batch->sent + at, (unsigned)(count - at), 0);
        at += n > 0 ? (size_t)n : 1;
    }
}

int main(int argc, char **argv)
{
    static struct batch batch;
    uint64_t queries = 0;
    long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (port < 1 || port > UINT16_MAX) {
        fprintf(stderr, "usage: authority PORT\n");
        return EXIT_FAILURE;
    }
    int fd = open_socket((uint16_t)port);
    prepare(&batch);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int count = recvmmsg(fd, batch.received, BATCH, MSG_WAITFORONE, NULL);
        size_t replies = 0;
        for (int i = 0; i < count; i++)
            replies += answer(&batch, (size_t)i, replies, &queries);
        send_all(fd, &batch, replies);
    }
}
