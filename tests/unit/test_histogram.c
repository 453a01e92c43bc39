/*
 * test_histogram.c - how long things took: the range each falls into, sums over several, and what so many of a hundred stay within.
 */
#include "cache/histogram.h"
#include "tests/unit/cmocka_all.h"

static void test_ranges(void **state)
{
    (void)state;
    struct histogram histogram = {.sum_us = 0};
    for (size_t k = 0; k < HISTOGRAM_ENDS; k++) {
        histogram_add(&histogram, histogram_ends_us[k], 1);
        histogram_add(&histogram, histogram_ends_us[k] + 1, 10);
    }
    struct histogram_sum sum = {.sum_us = 0};
    histogram_read(&histogram, &sum);
    assert_int_equal(sum.counts[0], 1);
    for (size_t k = 1; k < HISTOGRAM_ENDS; k++)
        assert_int_equal(sum.counts[k], 11);
    assert_int_equal(sum.counts[HISTOGRAM_ENDS], 10);
    assert_int_equal(histogram_count(&sum), 11 * HISTOGRAM_ENDS);
    for (size_t k = 1; k < HISTOGRAM_ENDS; k++)
        assert_true(histogram_ends_us[k] > histogram_ends_us[k - 1]);
}

static void test_sum_of_two(void **state)
{
    (void)state;
    struct histogram one = {.sum_us = 0}, two = {.sum_us = 0};
    struct histogram_sum sum = {.sum_us = 0};
    histogram_add(&one, 7, 3);
    histogram_add(&two, 0, 2);
    histogram_add(&two, 60, 1);
    histogram_read(&one, &sum);
    histogram_read(&two, &sum);
    assert_int_equal(sum.sum_us, 3 * 7 + 60);
    assert_int_equal(sum.counts[0], 5);
    assert_int_equal(sum.counts[3], 1);
}

static void test_within(void **state)
{
    (void)state;
    struct histogram histogram = {.sum_us = 0};
    struct histogram_sum none = {.sum_us = 0}, sum = {.sum_us = 0}, more = {.sum_us = 0};
    assert_int_equal(histogram_within_us(&none, 99), 0);
    histogram_add(&histogram, 9, 99);
    histogram_add(&histogram, 3000, 1);
    histogram_read(&histogram, &sum);
    assert_int_equal(histogram_within_us(&sum, 50), 10);
    assert_int_equal(histogram_within_us(&sum, 99), 10);
    assert_int_equal(histogram_within_us(&sum, 100), 5000);
    histogram_add(&histogram, UINT64_C(20000000), 1);
    histogram_read(&histogram, &more);
    assert_int_equal(histogram_within_us(&more, 99), 5000);
    assert_true(histogram_within_us(&more, 100) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_sum_of_two),
        cmocka_unit_test(test_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
