#include "bench/common/udp.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 4 << 20 };

struct sockaddr_in udp_loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void set_buffer(int fd, int forced, int asked)
{
    const int bytes = BUFFER_BYTES;
    if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0)
        (void)setsockopt(fd, SOL_SOCKET, asked, &bytes, sizeof bytes);
}

void udp_set_buffers(int fd)
{
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
}

typedef int attach_call(int, const struct sockaddr *, socklen_t);

static int open_socket(attach_call *attach, const struct sockaddr_in *address)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    udp_set_buffers(fd);
    if (attach(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return fd;
    close(fd);
    return -1;
}

int udp_connect(const struct sockaddr_in *address)
{
    return open_socket(connect, address);
}

int udp_bind(uint16_t port)
{
    const struct sockaddr_in address = udp_loopback(port);
    return open_socket(bind, &address);
}
