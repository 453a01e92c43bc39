#include "bench/throughput/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 4 * 1024 * 1024,
    LOOK_MS = 200, /* between two looks at whether to end */
};

struct server {
    int fd;
    serve_reply *reply;
    uint8_t messages[SERVE_BATCH][SERVE_MAX];
    struct sockaddr_in peers[SERVE_BATCH];
    struct iovec iovs[2][SERVE_BATCH];
    struct mmsghdr in[SERVE_BATCH];
    struct mmsghdr out[SERVE_BATCH];
};

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

static void set_buffer(int fd, int forced, int asked)
{
    const int bytes = BUFFER_BYTES;
    if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0)
        (void)setsockopt(fd, SOL_SOCKET, asked, &bytes, sizeof bytes);
}

static int open_socket(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return -1;
    const struct timeval look = {.tv_usec = LOOK_MS * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof look);
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    return fd;
}

static void prepare(struct server *server)
{
    for (size_t i = 0; i < SERVE_BATCH; i++) {
        server->iovs[0][i] = (struct iovec){server->messages[i], SERVE_MAX};
        server->in[i].msg_hdr = (struct msghdr){
            .msg_name = &server->peers[i],
            .msg_namelen = sizeof server->peers[i],
            .msg_iov = &server->iovs[0][i],
            .msg_iovlen = 1,
        };
    }
}

/* Puts the reply to message `i` at `out[k]`; whether there is one. */
static size_t answer(struct server *server, size_t i, size_t k)
{
    const size_t size = server->reply(server->messages[i], server->in[i].msg_len);
    if (size == 0)
        return 0;
    server->iovs[1][k] = (struct iovec){server->messages[i], size};
    server->out[k].msg_hdr = (struct msghdr){
        .msg_name = &server->peers[i],
        .msg_namelen = sizeof server->peers[i],
        .msg_iov = &server->iovs[1][k],
        .msg_iovlen = 1,
    };
    return 1;
}

static void send_all(struct server *server, size_t count)
{
    for (size_t sent = 0; sent < count;) {
        const int n = sendmmsg(server->fd, server->out + sent, (unsigned)(count - sent), 0);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EINTR)
            sent++; /* that client is gone */
    }
}

static void serve_batch(struct server *server)
{
    const int count = recvmmsg(server->fd, server->in, SERVE_BATCH, MSG_WAITFORONE, NULL);
    size_t replies = 0;
    for (int i = 0; i < count; i++)
        replies += answer(server, (size_t)i, replies);
    send_all(server, replies);
}

int serve(const char *port, serve_reply *reply)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server || (server->fd = open_socket(port)) < 0) {
        perror("cannot serve");
        return 1;
    }
    server->reply = reply;
    prepare(server);
    signal(SIGTERM, end);
    signal(SIGINT, end);
    printf("ready\n");
    fflush(stdout);
    while (!ended)
        serve_batch(server);
    close(server->fd);
    free(server);
    return 0;
}
