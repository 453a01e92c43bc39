/*
 * test_delayed.c - messages of the feed on a simulated way, under a made-up clock: never early, never
 * out of order, none gone.
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "invalidation/delayed.h"

enum { MESSAGES = 5000 };

static rd_kafka_message_t messages[MESSAGES];

static int setup(void **state)
{
    (void)state;
    memset(messages, 0, sizeof messages);
    return 0;
}

static struct delayed *new_delayed(uint64_t delay_ms, uint64_t jitter_ms, uint32_t loss)
{
    struct delayed *delayed = delayed_new(&(struct delayed_options){delay_ms, jitter_ms, loss});
    assert_non_null(delayed);
    return delayed;
}

static void add(struct delayed *delayed, size_t i, uint64_t now_us)
{
    assert_true(delayed_has_room(delayed));
    assert_true(delayed_add(delayed, &messages[i], now_us));
}

static void test_delay(void **state)
{
    (void)state;
    struct delayed *delayed = new_delayed(300, 0, 0);
    assert_null(delayed_take(delayed, 0));
    assert_false(delayed_holds(delayed) || delayed_holds(NULL));
    assert_int_equal(delayed_wait_ms(delayed, 0, 100), 100);
    add(delayed, 0, 1000);
    assert_true(delayed_holds(delayed));
    add(delayed, 1, 1001);
    assert_int_equal(delayed_wait_ms(delayed, 1000, 1000), 300);
    assert_int_equal(delayed_wait_ms(delayed, 1001, 1000), 300); /* upwards */
    assert_int_equal(delayed_wait_ms(delayed, 2000, 1000), 299);
    assert_int_equal(delayed_wait_ms(delayed, 1000, 100), 100);
    assert_null(delayed_take(delayed, 300999));
    assert_int_equal(delayed_wait_ms(delayed, 301000, 100), 0);
    assert_ptr_equal(delayed_take(delayed, 301000), &messages[0]);
    assert_null(delayed_take(delayed, 301000));
    assert_ptr_equal(delayed_take(delayed, 301001), &messages[1]);
    assert_null(delayed_take(delayed, UINT64_MAX));
    delayed_free(delayed);
}

/* What each of those added 1 ms apart takes, looking every 100 us; all arrive, and in order. */
static void arrivals(struct delayed *delayed, uint64_t ret_us[MESSAGES])
{
    size_t next = 0, added = 0;
    for (uint64_t t = 0; next < MESSAGES && t < 20000000; t += 100) {
        if (added < MESSAGES && t % 1000 == 0)
            add(delayed, added++, t);
        for (rd_kafka_message_t *message; (message = delayed_take(delayed, t)); next++) {
            assert_ptr_equal(message, &messages[next]);
            ret_us[next] = t - next * 1000;
        }
    }
    assert_int_equal(next, MESSAGES);
}

static void test_jitter_keeps_order(void **state)
{
    (void)state;
    static uint64_t took_us[MESSAGES];
    struct delayed *delayed = new_delayed(50, 20, 0);
    uint64_t least = UINT64_MAX, most = 0;
    arrivals(delayed, took_us);
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_in_range(took_us[i], 30000, 70100);
        least = took_us[i] < least ? took_us[i] : least;
        most = took_us[i] > most ? took_us[i] : most;
    }
    assert_true(least < 60000 && most > 65000); /* a fifth is below, a third above */
    delayed_free(delayed);
}

/* One in a hundred is late, and with it what is behind it: nobody is 200 ms late alone. */
static void test_loss_holds_up_what_follows(void **state)
{
    (void)state;
    static uint64_t took_us[MESSAGES];
    struct delayed *delayed = new_delayed(10, 0, 10000);
    size_t late = 0;
    arrivals(delayed, took_us);
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_in_range(took_us[i], 10000, 210100);
        late += took_us[i] > 10100;
        if (i > 0 && took_us[i - 1] > 12000)
            assert_true(took_us[i] > 10100);
    }
    assert_in_range(late, 500, MESSAGES - 1);
    delayed_free(delayed);
    delayed = new_delayed(10, 0, DELAYED_SURE_LOSS);
    arrivals(delayed, took_us);
    for (size_t i = 0; i < MESSAGES; i++)
        assert_in_range(took_us[i], 210000, 210100);
    delayed_free(delayed);
}

/* The end of a partition waits behind what was read before it; errors do not wait. */
static void test_what_is_no_message(void **state)
{
    (void)state;
    struct delayed *delayed = new_delayed(10, 0, DELAYED_SURE_LOSS);
    messages[0].err = RD_KAFKA_RESP_ERR__PARTITION_EOF;
    messages[2].err = RD_KAFKA_RESP_ERR__PARTITION_EOF;
    messages[3].err = RD_KAFKA_RESP_ERR__TRANSPORT;
    add(delayed, 0, 0);
    add(delayed, 1, 0);
    add(delayed, 2, 0);
    assert_false(delayed_add(delayed, &messages[3], 0));
    assert_ptr_equal(delayed_take(delayed, 10000), &messages[0]);
    assert_null(delayed_take(delayed, 209999));
    assert_ptr_equal(delayed_take(delayed, 210000), &messages[1]);
    assert_ptr_equal(delayed_take(delayed, 210000), &messages[2]);
    delayed_free(delayed);
}

static void test_full(void **state)
{
    (void)state;
    struct delayed *delayed = new_delayed(1, 0, 0);
    for (size_t i = 0; i < DELAYED_MOST; i++)
        add(delayed, i % MESSAGES, i);
    assert_false(delayed_has_room(delayed));
    assert_ptr_equal(delayed_take(delayed, UINT64_MAX), &messages[0]);
    add(delayed, 7, DELAYED_MOST);
    for (size_t i = 1; i < DELAYED_MOST; i++)
        assert_ptr_equal(delayed_take(delayed, UINT64_MAX), &messages[i % MESSAGES]);
    assert_ptr_equal(delayed_take(delayed, UINT64_MAX), &messages[7]);
    delayed_free(delayed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_delay, setup),
        cmocka_unit_test_setup(test_jitter_keeps_order, setup),
        cmocka_unit_test_setup(test_loss_holds_up_what_follows, setup),
        cmocka_unit_test_setup(test_what_is_no_message, setup),
        cmocka_unit_test_setup(test_full, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
