#include "bench/common/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bench/common/ended.h"
#include "bench/common/options.h"
#include "bench/common/udp.h"

enum { LOOK_MS = 200 /* between two looks at whether to end */ };

struct server {
    int fd;
    serve_reply *reply;
    uint64_t drop_every, seen;
    uint8_t messages[SERVE_BATCH][SERVE_MAX];
    struct sockaddr_in peers[SERVE_BATCH];
    struct iovec iovs[2][SERVE_BATCH];
    struct mmsghdr in[SERVE_BATCH], out[SERVE_BATCH];
};

/* Bound, and waited on: recvmmsg() itself is the loop. */
static int open_socket(uint16_t port)
{
    const struct timeval look = {.tv_usec = LOOK_MS * 1000};
    const int fd = udp_bind(port);
    if (fd >= 0) {
        fcntl(fd, F_SETFL, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof look);
    }
    return fd;
}

static struct msghdr header_of(struct sockaddr_in *peer, struct iovec *iov)
{
    return (struct msghdr){
        .msg_name = peer, .msg_namelen = sizeof *peer, .msg_iov = iov, .msg_iovlen = 1};
}

static void prepare(struct server *server)
{
    for (size_t i = 0; i < SERVE_BATCH; i++) {
        server->iovs[0][i] = (struct iovec){server->messages[i], SERVE_MAX};
        server->in[i].msg_hdr = header_of(&server->peers[i], &server->iovs[0][i]);
    }
}

/* Puts the reply to message `i` at `out[k]`; whether there is one. */
static size_t answer(struct server *server, size_t i, size_t k)
{
    if (server->drop_every && ++server->seen % server->drop_every == 0)
        return 0;
    const size_t size = server->reply(server->messages[i], server->in[i].msg_len);
    if (size == 0)
        return 0;
    server->iovs[1][k] = (struct iovec){server->messages[i], size};
    server->out[k].msg_hdr = header_of(&server->peers[i], &server->iovs[1][k]);
    return 1;
}

static void send_all(struct server *server, size_t count)
{
    for (size_t sent = 0; sent < count;) {
        const int n = sendmmsg(server->fd, server->out + sent, (unsigned)(count - sent), 0);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EINTR)
            sent++; /* that client is gone, or asks again */
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

int serve_main(int argc, char **argv, serve_reply *reply)
{
    struct server *server = calloc(1, sizeof *server);
    uint16_t port;
    if (!server)
        return 1;
    server->reply = reply;
    const struct option_row rows[] = {
        {"port", "PORT", "on 127.0.0.1", NUMBER(&port, 1, 65535), .needed = true},
        {"drop", "N", "no message", NUMBER(&server->drop_every, 1, 1e9)},
    };
    const struct option_table table = OPTION_TABLE(rows, .about = "--port=PORT [--drop=N]");
    options_read(&table, argc, argv);
    server->fd = open_socket(port);
    if (server->fd < 0)
        options_fail("--port", strerror(errno));
    prepare(server);
    ended_watch();
    printf("ready\n");
    fflush(stdout);
    while (!ended)
        serve_batch(server);
    close(server->fd);
    free(server);
    return 0;
}
