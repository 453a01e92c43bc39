/*
 * test_dev_broker.c - what an embedded Kafka does about librdkafka's mock cluster.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "invalidation/dev_broker.h"

enum { MOST_DESCRIPTORS = 256, TRIES = 500, PAUSE_US = 10000 };

static int connect_to(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* The other end of `fd`, which this process has as well; -1 until it is accepted. */
static int other_end(int fd)
{
    struct sockaddr_in own, peer;
    socklen_t size = sizeof own;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    for (int other = 0; other < MOST_DESCRIPTORS; other++) {
        size = sizeof peer;
        if (getpeername(other, (struct sockaddr *)&peer, &size) == 0 &&
            peer.sin_family == AF_INET && peer.sin_port == own.sin_port)
            return other;
    }
    return -1;
}

static void check_sends_at_once(const char *address)
{
    const int fd = connect_to(address);
    int other = -1, at_once = 0;
    for (int i = 0; i < TRIES && (other = other_end(fd)) < 0; i++)
        usleep(PAUSE_US);
    assert_true(other >= 0);
    /* The thread that accepts it may be about to say so. */
    for (int i = 0; i < TRIES && !at_once; i++) {
        socklen_t size = sizeof at_once;
        assert_int_equal(getsockopt(other, IPPROTO_TCP, TCP_NODELAY, &at_once, &size), 0);
        if (!at_once)
            usleep(PAUSE_US);
    }
    assert_true(at_once);
    close(fd);
}

/* Otherwise the second of two responses waits 40 ms for the client's delayed acknowledgement of the first. */
static void responses_leave_at_once(void **state)
{
    (void)state;
    char error[DEV_BROKER_MAX_ERROR] = "";
    struct dev_broker *broker = dev_broker_start("dns.updates", 1, NULL, error);
    assert_non_null(broker);
    check_sends_at_once(dev_broker_address(broker));
    dev_broker_stop(broker);
}

static void those_of_a_port_that_was_chosen_too(void **state)
{
    (void)state;
    char error[DEV_BROKER_MAX_ERROR] = "";
    struct sockaddr_in listen = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof listen;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&listen, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&listen, &size), 0);
    close(fd);
    struct dev_broker *broker = dev_broker_start("dns.updates", 1, &listen, error);
    assert_non_null(broker);
    check_sends_at_once(dev_broker_address(broker));
    dev_broker_stop(broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_leave_at_once),
        cmocka_unit_test(those_of_a_port_that_was_chosen_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
