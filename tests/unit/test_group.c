/*
 * test_group.c - a member of a consumer group, at an embedded Kafka.
 */
#include "tests/unit/cmocka_all.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "invalidation/dev_broker.h"
#include "invalidation/group.h"
#include "invalidation/kafka.h"

enum { PARTITIONS = 3, TRIES = 600, TRY_MS = 100 };

static int refusals; /* of kafka_topic_ends() that are left */

int __real_kafka_topic_ends(rd_kafka_t *client, const char *topic, int timeout_ms,
                            struct log_ends *ret_ends, char ret_error[KAFKA_MAX_ERROR]);
int __wrap_kafka_topic_ends(rd_kafka_t *client, const char *topic, int timeout_ms,
                            struct log_ends *ret_ends, char ret_error[KAFKA_MAX_ERROR]);

int __wrap_kafka_topic_ends(rd_kafka_t *client, const char *topic, int timeout_ms,
                            struct log_ends *ret_ends, char ret_error[KAFKA_MAX_ERROR])
{
    if (refusals > 0) {
        refusals--;
        return ERR_KAFKA;
    }
    return __real_kafka_topic_ends(client, topic, timeout_ms, ret_ends, ret_error);
}

/* What it is woken for, until it has been granted all and knows how many there are. */
static void is_granted_all(struct group *group, int fd)
{
    struct pollfd woken = {.fd = fd, .events = POLLIN};
    struct group_news news;
    uint64_t signals;
    size_t granted = 0, partitions = 0;
    for (int i = 0; i < TRIES && (granted < PARTITIONS || partitions == 0); i++) {
        if (poll(&woken, 1, TRY_MS) <= 0)
            continue;
        assert_int_equal(read(fd, &signals, sizeof signals), sizeof signals);
        partitions = group_partitions(group);
        while (group_next(group, &news))
            granted += news.event == GROUP_GRANTED;
    }
    assert_int_equal(granted, PARTITIONS);
    assert_int_equal(partitions, PARTITIONS);
}

/* Brokers that do not say at once how many partitions there are: it asks again, and says so. */
static void how_many_there_are_is_asked_again(void **state)
{
    (void)state;
    char error[LOG_MAX_ERROR];
    struct dev_broker *broker = dev_broker_start("dns.updates", PARTITIONS, NULL, error);
    assert_non_null(broker);
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    refusals = 3;
    struct group *group = group_join(&(struct group_options){.brokers = dev_broker_address(broker),
                                                             .topic = "dns.updates",
                                                             .name = "origins",
                                                             .session_ms = 6000,
                                                             .fd = fd},
                                     error);
    assert_non_null(group);
    is_granted_all(group, fd);
    group_leave(group);
    dev_broker_stop(broker);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(how_many_there_are_is_asked_again)};
    return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
