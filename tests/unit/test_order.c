#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "invalidation/order.h"

enum { SECOND = 1000000 };

/* Our time of day: a set that is made at a second comes at once, unless a test says otherwise. */
static const int64_t noon = INT64_C(1795316400) * SECOND;

struct made {
    int second;
    const char *publisher; /* NULL: none, and no seq */
    uint64_t seq;
    uint32_t serial; /* 0: none */
    uint64_t digest;
    int received; /* at this second; 0: as it is made */
    int32_t partition;
};

static enum order_verdict enter(struct order *order, struct made made)
{
    struct change_set set = {
        .time_us = noon + (int64_t)made.second * SECOND,
        .has_seq = made.publisher != NULL,
        .seq = made.seq,
        .has_serial = made.serial != 0,
        .serial = made.serial,
        .digest = made.digest,
    };
    if (made.publisher)
        snprintf(set.publisher, sizeof set.publisher, "%s", made.publisher);
    const int read_at = made.received ? made.received : made.second;
    const struct order_read read = {
        .now = {(uint64_t)(10000 + read_at) * 1000},
        .wall_us = noon + (int64_t)read_at * SECOND,
        .partition = made.partition,
    };
    return order_enter(order, &set, &read);
}

/* The whole set; read at a time of day. */
static enum order_verdict enter_at(struct order *order, const struct change_set *set,
                                   int64_t wall_us)
{
    return order_enter(order, set, &(struct order_read){.wall_us = wall_us});
}

#define ENTER(order, ...) enter(&(order), (struct made){__VA_ARGS__})

static void test_p8_late_by_time_evicts(void **state)
{
    (void)state;
    struct order o = {0};
    assert_int_equal(ENTER(o, .second = 10), ORDER_PLACED);
    assert_int_equal(ENTER(o, .second = 10), ORDER_EVICTS); /* the same time is no order */
    assert_int_equal(ENTER(o, .second = 9), ORDER_EVICTS);
    assert_int_equal(ENTER(o, .second = 11), ORDER_PLACED);
    order_missed(&o, noon + 20 * SECOND);
    assert_int_equal(ENTER(o, .second = 20), ORDER_EVICTS); /* clocks may differ */
    assert_int_equal(ENTER(o, .second = 21), ORDER_PLACED);
    assert_int_equal(o.stale, 3);
    assert_int_equal(o.sets, 6);
    order_clear(&o);
}

/* The same bytes say nothing new; other bytes do, whatever their number. */
static void test_p8_a_repeated_set_is_known_by_its_bytes(void **state)
{
    (void)state;
    struct order o = {0};
    for (uint64_t seq = 1; seq <= 20; seq++)
        assert_int_equal(ENTER(o, 1, "p", seq, .digest = seq), ORDER_PLACED);
    assert_int_equal(ENTER(o, 1, "p", 20, .digest = 20), ORDER_REPEATED);
    assert_int_equal(ENTER(o, 1, "p", 5, .digest = 5), ORDER_REPEATED);
    assert_int_equal(ENTER(o, 1, "p", 4, .digest = 4), ORDER_EVICTS); /* forgotten */
    assert_int_equal(ENTER(o, 1, "p", 20, .digest = 99), ORDER_EVICTS);
    assert_int_equal(ENTER(o, 2, "q", 20, .digest = 20), ORDER_PLACED); /* somebody else's count */
    assert_int_equal(o.duplicates, 2);
    assert_int_equal(o.jumps_back, 2);
    order_clear(&o);
}

static void test_p8_a_publisher_that_lost_count_starts_over(void **state)
{
    (void)state;
    struct order o = {0};
    assert_int_equal(ENTER(o, 1, "p", 1000000, .digest = 1), ORDER_PLACED);
    /* Not newer: something old comes late. The count stays. */
    assert_int_equal(ENTER(o, 1, "p", 1, .digest = 2), ORDER_EVICTS);
    assert_int_equal(ENTER(o, 1, "p", 2, .digest = 3), ORDER_EVICTS);
    /* Newer: it has started over, and only that first set cannot be placed. */
    assert_int_equal(ENTER(o, 2, "p", 1, .digest = 4), ORDER_EVICTS);
    assert_int_equal(ENTER(o, 3, "p", 2, .digest = 5), ORDER_PLACED);
    assert_int_equal(ENTER(o, 3, "p", 2, .digest = 5), ORDER_REPEATED);
    /* And again, with the very same number. */
    assert_int_equal(ENTER(o, 4, "p", 2, .digest = 6), ORDER_EVICTS);
    assert_int_equal(ENTER(o, 4, "p", 2, .digest = 6), ORDER_REPEATED);
    /* What it said before it lost count is late by its time. */
    assert_int_equal(ENTER(o, 1, "p", 1000001, .digest = 7), ORDER_EVICTS);
    order_clear(&o);
}

static void test_p8_a_serial_that_goes_back(void **state)
{
    (void)state;
    struct order o = {0};
    assert_int_equal(ENTER(o, 1, .serial = 4294967290), ORDER_PLACED);
    assert_int_equal(ENTER(o, 2, .serial = 5), ORDER_PLACED); /* RFC 1982 */
    assert_int_equal(ENTER(o, 2, .serial = 4294967290), ORDER_EVICTS);
    assert_int_equal(o.serial, 5);
    assert_int_equal(ENTER(o, 3, .serial = 1), ORDER_EVICTS); /* newer: it starts over there */
    assert_int_equal(ENTER(o, 3, .serial = 2), ORDER_PLACED);
    order_clear(&o);
}

/* A clock that is ahead ends nothing but its own sets' data. */
static void test_p8_a_set_from_the_future(void **state)
{
    (void)state;
    struct order o = {0};
    const int year_9999 = 2000000000;
    assert_int_equal(ENTER(o, .second = year_9999, .received = 10), ORDER_EVICTS);
    assert_int_equal(o.future, 1);
    assert_int_equal(ENTER(o, .second = 11, .received = 11), ORDER_PLACED);
    assert_int_equal(ENTER(o, .second = 9, .received = 11), ORDER_EVICTS);
    assert_int_equal(ENTER(o, .second = 3611, .received = 12), ORDER_EVICTS);
    assert_int_equal(ENTER(o, .second = 13, .received = 13), ORDER_PLACED);
    assert_int_equal(o.future, 2);
    struct change_set near = {.time_us = noon + 14 * SECOND + ORDER_TOLERANCE_US};
    assert_int_equal(enter_at(&o, &near, noon + 14 * SECOND), ORDER_PLACED);
    near.time_us++;
    assert_int_equal(enter_at(&o, &near, noon + 14 * SECOND), ORDER_EVICTS);
    struct change_set far = {.time_us = INT64_MAX};
    assert_int_equal(enter_at(&o, &far, noon), ORDER_EVICTS);
    far.time_us = INT64_MIN;
    assert_int_equal(enter_at(&o, &far, noon), ORDER_EVICTS);
    order_clear(&o);
}

/* The partitions of a log are read in any order: what is older may come later, and claim to be newer. */
static void test_p8_sets_from_two_partitions_evict(void **state)
{
    (void)state;
    struct order o = {0};
    assert_int_equal(ENTER(o, .second = 1, .partition = 3), ORDER_PLACED);
    assert_int_equal(ENTER(o, .second = 2, .partition = 3), ORDER_PLACED);
    assert_int_equal(ENTER(o, .second = 3, .partition = 0), ORDER_EVICTS);
    assert_int_equal(ENTER(o, .second = 4, .partition = 0), ORDER_EVICTS);
    assert_int_equal(ENTER(o, .second = 62, .partition = 0), ORDER_EVICTS);
    assert_int_equal(ENTER(o, .second = 63, .partition = 0), ORDER_PLACED);
    assert_int_equal(ENTER(o, .second = 64, .partition = 3), ORDER_EVICTS);
    assert_int_equal(o.elsewhere, 4);
    assert_int_equal(o.stale, 4);
    order_clear(&o);
}

/* With a gap, partitions may have been added, and the zone moved to another. */
static void a_gap_forgets_the_partition(void **state)
{
    (void)state;
    struct order o = {0};
    assert_int_equal(ENTER(o, .second = 1, .partition = 3), ORDER_PLACED);
    assert_int_equal(ENTER(o, .second = 2, .partition = 4), ORDER_EVICTS);
    order_forget_publishers(&o);
    assert_int_equal(ENTER(o, .second = 3, .partition = 7), ORDER_PLACED);
    order_clear(&o);
}

/* Two clocks are not one: what another publisher dates a moment later may be earlier. */
static void test_p8_times_of_two_publishers(void **state)
{
    (void)state;
    struct order o = {0};
    struct change_set a = {.time_us = noon, .has_seq = true, .seq = 1, .publisher = "a"};
    struct change_set b = {
        .time_us = noon + ORDER_TOLERANCE_US - 1, .has_seq = true, .seq = 1, .publisher = "b"};
    assert_int_equal(enter_at(&o, &a, noon + SECOND), ORDER_PLACED);
    a.seq = 2; /* at the same time: its own count is an order */
    assert_int_equal(enter_at(&o, &a, noon + SECOND), ORDER_PLACED);
    assert_int_equal(enter_at(&o, &b, noon + SECOND), ORDER_EVICTS);
    b.seq = 2;
    b.time_us = noon + SECOND;
    assert_int_equal(enter_at(&o, &b, noon + SECOND), ORDER_PLACED);
    a.seq = 3;
    a.time_us = noon + SECOND + 1;
    assert_int_equal(enter_at(&o, &a, noon + SECOND + 1), ORDER_EVICTS);
    a.seq = 4; /* its own newest is no longer in doubt, but b's may be later all the same */
    a.time_us = noon + SECOND + ORDER_TOLERANCE_US - 1;
    assert_int_equal(enter_at(&o, &a, a.time_us), ORDER_EVICTS);
    a.seq = 5;
    a.time_us = noon + SECOND + ORDER_TOLERANCE_US;
    assert_int_equal(enter_at(&o, &a, a.time_us), ORDER_PLACED);
    order_clear(&o);
}

/* A producer's retry without a seq, in whole seconds: nothing says what came last. */
static void test_p8_equal_times_are_no_order(void **state)
{
    (void)state;
    struct order o = {0};
    assert_int_equal(ENTER(o, .second = 1, .digest = 1), ORDER_PLACED);
    assert_int_equal(ENTER(o, .second = 1, .digest = 2), ORDER_EVICTS);
    assert_int_equal(ENTER(o, .second = 1, .digest = 1), ORDER_EVICTS);
    assert_int_equal(ENTER(o, .second = 2, .serial = 7), ORDER_PLACED);
    assert_int_equal(ENTER(o, .second = 2, .serial = 8), ORDER_PLACED);
    assert_int_equal(ENTER(o, .second = 2, .serial = 8), ORDER_EVICTS);
    order_clear(&o);
}

static void publishers_are_bounded(void **state)
{
    (void)state;
    struct order o = {0};
    char name[32];
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "p%d", i);
        ENTER(o, 1, name, 9, .digest = 9);
    }
    assert_int_equal(o.publisher_count, ORDER_PUBLISHERS);
    order_forget_publishers(&o);
    assert_int_equal(ENTER(o, 2, "p499", 1, .digest = 9), ORDER_PLACED);
    order_clear(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_p8_late_by_time_evicts),
        cmocka_unit_test(test_p8_a_repeated_set_is_known_by_its_bytes),
        cmocka_unit_test(test_p8_a_publisher_that_lost_count_starts_over),
        cmocka_unit_test(test_p8_a_serial_that_goes_back),
        cmocka_unit_test(test_p8_a_set_from_the_future),
        cmocka_unit_test(test_p8_sets_from_two_partitions_evict),
        cmocka_unit_test(a_gap_forgets_the_partition),
        cmocka_unit_test(test_p8_times_of_two_publishers),
        cmocka_unit_test(test_p8_equal_times_are_no_order),
        cmocka_unit_test(publishers_are_bounded),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
