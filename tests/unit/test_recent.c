#include "tests/unit/cmocka_all.h"

#include "invalidation/recent.h"

static struct recent recent_of(uint64_t count)
{
    struct recent recent = {.count = 0};
    for (uint64_t i = 1; i <= count; i++)
        recent_add(&recent, (int64_t)i, (int64_t)(2 * i));
    return recent;
}

/* Asks for what comes after `after`, and expects the sets with numbers `first` to `last`. */
static void expect(const struct recent *recent, uint64_t after, uint64_t first, uint64_t last)
{
    struct recent_set sets[RECENT_MOST];
    uint64_t number;
    size_t count = recent_after(recent, after, sets, &number);
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
    struct recent recent = recent_of(10);
    expect(&recent, 0, 1, 10);
    expect(&recent, 7, 8, 10);
    expect(&recent, 10, 11, 10);
    expect(&recent, UINT64_MAX, 11, 10);
    recent = recent_of(0);
    expect(&recent, 0, 1, 0);
}

static void the_newest_are_remembered(void **state)
{
    (void)state;
    struct recent recent = recent_of(RECENT_MOST);
    expect(&recent, 0, 1, RECENT_MOST);
    recent = recent_of(3 * RECENT_MOST + 5);
    expect(&recent, 0, 2 * RECENT_MOST + 6, 3 * RECENT_MOST + 5);
    expect(&recent, 3 * RECENT_MOST, 3 * RECENT_MOST + 1, 3 * RECENT_MOST + 5);
}

static void what_does_not_fit_is_bounded(void **state)
{
    (void)state;
    struct recent recent = {.count = 0};
    struct recent_set sets[RECENT_MOST];
    uint64_t first;
    recent_add(&recent, -5, INT64_MAX);
    assert_int_equal(recent_after(&recent, 0, sets, &first), 1);
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
    return cmocka_run_group_tests_name("recent", tests, NULL, NULL);
}
