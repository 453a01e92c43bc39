/*
 * test_outlet.c - what comes of a message that librdkafka does not take.
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>
#include <unistd.h>

#include "invalidation/envelope.h"
#include "invalidation/outlet.h"

enum { TRIES = 1000, PAUSE_US = 10000 };

static rd_kafka_resp_err_t said; /* to each send */

rd_kafka_resp_err_t __wrap_envelope_send(const struct envelope *envelope, rd_kafka_t *client,
                                         const char *topic, void *opaque);

rd_kafka_resp_err_t __wrap_envelope_send(const struct envelope *envelope, rd_kafka_t *client,
                                         const char *topic, void *opaque)
{
    (void)envelope, (void)client, (void)topic, (void)opaque;
    return said;
}

static void on_done(void *arg, int result, const struct publish_receipt *receipt)
{
    assert_null(receipt);
    *(int *)arg = result;
}

/* Found out at once, or once there is room in the queue: nobody waits for it for ever. */
static void what_is_too_large_is_told_at_a_later_try_too(void **state)
{
    (void)state;
    char error[PUBLISH_MAX_ERROR];
    int result = 1;
    struct outlet_message *message;
    struct outlet *outlet = outlet_open(
        &(struct publisher_options){.brokers = "127.0.0.1:1", .topic = "dns.updates"}, error);
    const struct change_set set = {.zone = "\1z"};
    const struct outlet_send send = {.set = &set, .done = on_done, .arg = &result};
    assert_non_null(outlet);
    said = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    assert_int_equal(outlet_send(outlet, &send, &message), ERR_TOO_LARGE);
    said = RD_KAFKA_RESP_ERR__QUEUE_FULL;
    assert_int_equal(outlet_send(outlet, &send, &message), 0);
    said = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    for (int i = 0; i < TRIES && result == 1; i++) {
        outlet_poll(outlet);
        usleep(PAUSE_US);
    }
    assert_int_equal(result, ERR_TOO_LARGE);
    outlet_close(outlet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_too_large_is_told_at_a_later_try_too)};
    return cmocka_run_group_tests_name("outlet", tests, NULL, NULL);
}
