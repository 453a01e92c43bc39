#include "tests/unit/cmocka_all.h"

#include "invalidation/apply_log.h"

static struct apply_log recent_of(uint64_t count)
{
    struct apply_log apply_log = {.count = 0};
    for (uint64_t i = 1; i <= count; i++)
        apply_log_add(&apply_log, (int64_t)i, (int64_t)(2 * i));
    return apply_log;
}

/* Asks for what comes after `after`, and expects the sets with numbers `first` to `last`. */
static void expect(const struct apply_log *apply_log, uint64_t after, uint64_t first, uint64_t last)
{
    struct applied_set sets[APPLY_LOG_MOST];
    uint64_t number;
    size_t count = apply_log_after(apply_log, after, sets, &number);
    assert_int_equal(number, first);
    assert_int_equal(count, last + 1 - first);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sets[i].age_us, first + i);
        assert_int_equal(sets[i].took_us, 2 * (first + i));
    }
}

static void what_is_asked_for_is_what_was_added(void **state)
{
    (void)state;
    struct apply_log apply_log = recent_of(10);
    expect(&apply_log, 0, 1, 10);
    expect(&apply_log, 7, 8, 10);
    expect(&apply_log, 10, 11, 10);
    expect(&apply_log, UINT64_MAX, 11, 10);
    apply_log = recent_of(0);
    expect(&apply_log, 0, 1, 0);
}

static void the_newest_are_remembered(void **state)
{
    (void)state;
    struct apply_log apply_log = recent_of(APPLY_LOG_MOST);
    expect(&apply_log, 0, 1, APPLY_LOG_MOST);
    apply_log = recent_of(3 * APPLY_LOG_MOST + 5);
    expect(&apply_log, 0, 2 * APPLY_LOG_MOST + 6, 3 * APPLY_LOG_MOST + 5);
    expect(&apply_log, 3 * APPLY_LOG_MOST, 3 * APPLY_LOG_MOST + 1, 3 * APPLY_LOG_MOST + 5);
}

static void what_does_not_fit_is_bounded(void **state)
{
    (void)state;
    struct apply_log apply_log = {.count = 0};
    struct applied_set sets[APPLY_LOG_MOST];
    uint64_t first;
    apply_log_add(&apply_log, -5, INT64_MAX);
    assert_int_equal(apply_log_after(&apply_log, 0, sets, &first), 1);
    assert_int_equal(sets[0].age_us, 0);
    assert_int_equal(sets[0].took_us, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for_is_what_was_added),
        cmocka_unit_test(the_newest_are_remembered),
        cmocka_unit_test(what_does_not_fit_is_bounded),
    };
    return cmocka_run_group_tests_name("apply_log", tests, NULL, NULL);
}
