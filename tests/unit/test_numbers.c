#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "resolver/daemon/numbers.h"

static const struct numbers *const all[] = {&numbers_of_tier, &numbers_of_upstream,
                                            &numbers_of_feed, &numbers_of_zone, &numbers_of_tcp};

static void assert_none_twice(const char *one, const char *two)
{
    if (one && two)
        assert_string_not_equal(one, two);
}

static void each_is_there_once(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof all / sizeof *all; t++)
        for (size_t i = 0; i < all[t]->count; i++)
            for (size_t k = i + 1; k < all[t]->count; k++) {
                const struct number *one = &all[t]->list[i], *two = &all[t]->list[k];
                assert_none_twice(one->name, two->name);
                assert_none_twice(one->metric, two->metric);
                assert_int_not_equal(one->offset, two->offset);
            }
}

static void each_is_shown_and_told(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof all / sizeof *all; t++)
        for (size_t i = 0; i < all[t]->count; i++) {
            const struct number *number = &all[t]->list[i];
            assert_true(number->name || number->metric);
            assert_int_equal(number->help[strlen(number->help) - 1], '.');
            assert_int_equal(number->offset % sizeof(uint64_t), 0);
            assert_true(!number->limit || number->metric); /* the line in the log names it */
        }
}

/* A worker counts nothing that is not shown. */
static void all_of_a_worker_are_listed(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof(struct tier_counters); at += sizeof(uint64_t)) {
        size_t found = 0;
        for (size_t i = 0; i < numbers_of_tier.count; i++)
            found += numbers_of_tier.list[i].offset == offsetof(struct tier_numbers, worker) + at;
        assert_int_equal(found, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_there_once),
        cmocka_unit_test(each_is_shown_and_told),
        cmocka_unit_test(all_of_a_worker_are_listed),
    };
    return cmocka_run_group_tests_name("numbers", tests, NULL, NULL);
}
