#include "tests/unit/cmocka_all.h"

#include "invalidation/retention.h"

static const int64_t second_us = 1000000;

/* A log kept for a minute, of which nothing has gone; a snapshot of a second ago, ten messages behind. */
static struct retention_view usual(void)
{
    return (struct retention_view){.first = 0,
                                   .end = 110,
                                   .retention_ms = 60000,
                                   .retention_bytes = -1,
                                   .has_snapshot = true,
                                   .offset = 100,
                                   .made_us = 999 * second_us,
                                   .records = 50,
                                   .now_us = 1000 * second_us};
}

static void a_new_one_is_fine(void **arg)
{
    (void)arg;
    const struct retention_view view = usual();
    const struct retention_margin margin = retention_judge(&view);
    assert_int_equal(margin.verdict, RETENTION_FINE);
    assert_int_equal(margin.ms, 59000);
    assert_int_equal(margin.messages, 100);
    assert_int_equal(margin.behind, 10);
}

static void after_half_of_the_retention_one_is_due(void **arg)
{
    (void)arg;
    struct retention_view view = usual();
    view.now_us = view.made_us + 30 * second_us;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_FINE);
    view.now_us = view.made_us + 31 * second_us;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_DUE);
    view.now_us = view.made_us + 61 * second_us;
    assert_true(retention_judge(&view).ms < 0);
    assert_int_equal(retention_judge(&view).verdict, RETENTION_DUE); /* it is still there */
}

static void what_nothing_came_after_does_for_ever(void **arg)
{
    (void)arg;
    struct retention_view view = usual();
    view.offset = view.first = view.end;
    view.now_us = view.made_us + 3600 * second_us;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_FINE);
    assert_int_equal(retention_judge(&view).ms, RETENTION_UNBOUNDED);
}

static void a_log_that_begins_after_it_is_a_gap(void **arg)
{
    (void)arg;
    struct retention_view view = usual();
    view.first = 100;
    assert_int_not_equal(retention_judge(&view).verdict, RETENTION_GAPPED);
    view.first = 101;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_GAPPED);
    view = usual();
    view.has_snapshot = false;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_GAPPED);
}

static void a_log_bounded_by_size_is_watched_by_what_is_left(void **arg)
{
    (void)arg;
    struct retention_view view = usual();
    view.retention_ms = -1;
    view.retention_bytes = 1 << 20;
    view.first = 80; /* it has begun to go: 20 are left, 10 came after */
    assert_int_equal(retention_judge(&view).verdict, RETENTION_FINE);
    view.end = 121;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_DUE);
    view.retention_bytes = -1;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_FINE);
}

static void what_cannot_be_looked_up_is_taken_for_bounded(void **arg)
{
    (void)arg;
    struct retention_view view = usual();
    view.retention_ms = view.retention_bytes = RETENTION_UNKNOWN;
    view.first = 95;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_DUE);
    view.first = 50;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_FINE);
}

static void much_to_read_makes_one_due(void **arg)
{
    (void)arg;
    struct retention_view view = usual();
    view.retention_ms = -1;
    view.end = view.offset + 1012;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_FINE);
    view.end++;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_DUE);
    view.records = 1000000;
    assert_int_equal(retention_judge(&view).verdict, RETENTION_FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_one_is_fine),
        cmocka_unit_test(after_half_of_the_retention_one_is_due),
        cmocka_unit_test(what_nothing_came_after_does_for_ever),
        cmocka_unit_test(a_log_that_begins_after_it_is_a_gap),
        cmocka_unit_test(a_log_bounded_by_size_is_watched_by_what_is_left),
        cmocka_unit_test(what_cannot_be_looked_up_is_taken_for_bounded),
        cmocka_unit_test(much_to_read_makes_one_due),
    };
    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
