/*
 * test_fenced.c - messages in transactions, on a cluster of librdkafka's that refuses what it is told to (invalidation/fenced.h).
 */
#include "tests/unit/cmocka_all.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "invalidation/fenced.h"

#include <librdkafka/rdkafka_mock.h>

enum { PRODUCE = 0, MESSAGES = 5, PATIENCE_MS = 20000 };

static rd_kafka_t *lender;
static rd_kafka_mock_cluster_t *cluster;
static struct fenced *fenced;
static struct envelope envelopes[MESSAGES];
static int fd;
/* What has come back, in order, by what came of it. */
static size_t done[MESSAGES], done_count, again[MESSAGES], again_count;
static int64_t offsets[MESSAGES];

static void open_fenced(void)
{
    char error[KAFKA_MAX_ERROR];
    fenced = fenced_open(
        &(struct fenced_options){.kafka = {.brokers = rd_kafka_mock_cluster_bootstraps(cluster)},
                                 .topic = "log",
                                 .id = "tests/log/0",
                                 .timeout_ms = 10000,
                                 .fd = fd},
        error);
    assert_non_null(fenced);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (fenced_state(fenced) == FENCED_OPENING)
        assert_true(poll(&ready, 1, PATIENCE_MS) > 0);
    assert_int_equal(fenced_state(fenced), FENCED_OPEN);
}

static int open_world(void **state)
{
    (void)state;
    char error[KAFKA_MAX_ERROR];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    lender = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    assert_non_null(lender);
    cluster = rd_kafka_mock_cluster_new(lender, 1);
    assert_non_null(cluster);
    assert_int_equal(rd_kafka_mock_topic_create(cluster, "log", 1, 1), 0);
    struct change_set set = {.has_serial = true};
    int size = name_from_text("example.com.", set.zone);
    assert_true(size > 0);
    for (uint32_t k = 0; k < MESSAGES; k++) {
        set.serial = k;
        assert_int_equal(envelope_make(&set, &envelopes[k]), 0);
    }
    done_count = again_count = 0;
    fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    open_fenced();
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    fenced_close(fenced);
    for (size_t k = 0; k < MESSAGES; k++)
        envelope_free(&envelopes[k]);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(lender);
    close(fd);
    return 0;
}

static void put(size_t k)
{
    assert_int_equal(fenced_put(fenced, &envelopes[k], &envelopes[k]), 0);
}

static void take_results(void)
{
    struct fenced_result result;
    while (fenced_get(fenced, &result)) {
        const size_t k = (size_t)((struct envelope *)result.opaque - envelopes);
        offsets[k] = result.offset;
        if (result.code == RD_KAFKA_RESP_ERR__RETRY)
            again[again_count++] = k;
        else
            done[done_count++] = k;
    }
}

/* Until all are done; what is to be sent again is, once all that was put has come back. */
static void finish(void)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    uint64_t signals;
    for (take_results(); done_count < MESSAGES; take_results()) {
        for (size_t k = 0; k < again_count; k++)
            put(again[k]);
        again_count = 0;
        assert_true(poll(&ready, 1, PATIENCE_MS) > 0);
        (void)!read(fd, &signals, sizeof signals);
    }
    for (size_t k = 0; k < MESSAGES; k++)
        assert_int_equal(done[k], k);
}

static void they_come_back_in_order(void **state)
{
    (void)state;
    for (size_t k = 0; k < MESSAGES; k++)
        put(k);
    finish();
}

/* The brokers refuse one of several: none of them is in the log, and none behind them goes before them. */
static void p12_one_that_is_refused_keeps_those_behind_it_back(void **state)
{
    (void)state;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    rd_kafka_mock_push_request_errors(cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    put(0);
    put(1);
    put(2);
    assert_true(poll(&ready, 1, PATIENCE_MS) > 0);
    put(3); /* the first ones are back, but nobody has heard of it yet */
    put(4);
    finish();
}

/* Parts of a snapshot: another topic, the same transaction, and behind what was put before. */
static void what_is_for_another_topic_goes_behind_the_same_fence(void **state)
{
    (void)state;
    static const uint8_t part[] = {'f', 'r', 's', 'n', 0, 1};
    assert_int_equal(rd_kafka_mock_topic_create(cluster, "snapshots", 2, 1), 0);
    struct envelope *envelope = &envelopes[2];
    envelope_free(envelope);
    assert_int_equal(envelope_make_bytes(&(struct envelope_bytes){.topic = "snapshots",
                                                                  .partition = 1,
                                                                  .key = "example.com. a 0",
                                                                  .key_size = 16,
                                                                  .value = part,
                                                                  .value_size = sizeof part},
                                         envelope),
                     0);
    for (size_t k = 0; k < MESSAGES; k++)
        put(k);
    finish();
    assert_int_equal(offsets[2], 0);
    assert_int_equal(offsets[4], 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_come_back_in_order),
        TEST(what_is_for_another_topic_goes_behind_the_same_fence),
        TEST(p12_one_that_is_refused_keeps_those_behind_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
