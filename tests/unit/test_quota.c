/*
 * test_quota.c - the biggest holder of a table, against a count of everything.
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "resolver/answer/quota.h"

enum { SIZE = 64, HOLDERS = 7, STEPS = 20000 };

static void the_oldest_of_the_biggest_goes(void **state)
{
    (void)state;
    struct quota *quota = quota_new(SIZE);
    struct quota_item items[5] = {{NULL}};
    assert_null(quota_oldest(quota));
    assert_int_equal(quota_most(quota), 0);
    for (size_t i = 0; i < 5; i++)
        quota_charge(quota, &items[i], i == 0 || i == 3 ? 1 : 2);
    assert_int_equal(quota_most(quota), 3);
    assert_ptr_equal(quota_oldest(quota), &items[1]);
    quota_release(quota, &items[1]);
    quota_release(quota, &items[2]);
    assert_int_equal(quota_most(quota), 2);
    assert_ptr_equal(quota_oldest(quota), &items[0]);
    quota_release(quota, &items[2]); /* nobody is charged: nothing happens */
    for (size_t i = 0; i < 5; i++)
        quota_release(quota, &items[i]);
    assert_int_equal(quota_most(quota), 0);
    quota_free(quota);
}

/* Whatever comes and goes. */
static void the_most_is_the_most(void **state)
{
    (void)state;
    struct quota *quota = quota_new(SIZE);
    struct quota_item items[SIZE];
    size_t counts[HOLDERS] = {0}, who[SIZE] = {0};
    uint32_t random = 1;
    memset(items, 0, sizeof items);
    for (size_t step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        size_t i = random >> 8 & (SIZE - 1), holder = (random >> 16) % HOLDERS;
        if (items[i].holder) {
            quota_release(quota, &items[i]);
            counts[who[i]]--;
        } else {
            who[i] = holder * (holder > 3); /* some hold more than others */
            quota_charge(quota, &items[i], UINT64_C(1) << (who[i] * 9));
            counts[who[i]]++;
        }
        size_t most = 0;
        for (size_t k = 0; k < HOLDERS; k++)
            most = counts[k] > most ? counts[k] : most;
        assert_int_equal(quota_most(quota), most);
        if (most > 0)
            assert_int_equal(counts[who[quota_oldest(quota) - items]], most);
    }
    for (size_t i = 0; i < SIZE; i++)
        quota_release(quota, &items[i]);
    quota_free(quota);
}

static void the_finest_that_says_something_is_blamed(void **state)
{
    (void)state;
    struct quota *quotas[] = {quota_new(SIZE), quota_new(SIZE), quota_new(SIZE)};
    struct quota_item items[3][SIZE];
    memset(items, 0, sizeof items);
    for (size_t i = 0; i < SIZE; i++) {
        quota_charge(quotas[0], &items[0][i], i);     /* all different */
        quota_charge(quotas[1], &items[1][i], i % 4); /* a quarter each */
        quota_charge(quotas[2], &items[2][i], 0);     /* all the same */
    }
    assert_int_equal(quota_blame(quotas, 3), 1);
    assert_int_equal(quota_blame(quotas, 1), 0);
    quota_release(quotas[1], &items[1][0]); /* still the other quarters */
    assert_int_equal(quota_blame(quotas, 3), 1);
    for (size_t i = 0; i < SIZE; i++)
        quota_release(quotas[1], &items[1][i]);
    assert_int_equal(quota_blame(quotas, 3), 2);
    for (size_t i = 0; i < SIZE; i++) {
        quota_release(quotas[0], &items[0][i]);
        quota_release(quotas[2], &items[2][i]);
    }
    for (size_t i = 0; i < 3; i++)
        quota_free(quotas[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_of_the_biggest_goes),
        cmocka_unit_test(the_most_is_the_most),
        cmocka_unit_test(the_finest_that_says_something_is_blamed),
    };
    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
