/*
 * test_query_log.c - the lines of a second: so many, and then how many were left out.
 */
#include "resolver/daemon/query_log.h"
#include "tests/unit/cmocka_all.h"

static void test_budget(void **state)
{
    (void)state;
    struct query_log_budget budget = {.lines = 0};
    uint64_t more = 99;
    for (size_t i = 0; i < QUERY_LOG_LINES; i++) {
        assert_true(query_log_may(&budget, 7, &more));
        assert_int_equal(more, 0);
    }
    for (size_t i = 0; i < 5; i++)
        assert_false(query_log_may(&budget, 7, &more));
    assert_true(query_log_may(&budget, 8, &more));
    assert_int_equal(more, 5);
    assert_true(query_log_may(&budget, 8, &more));
    assert_int_equal(more, 0);
}

static void test_who_listens(void **state)
{
    (void)state;
    assert_null(query_log_listener());
    query_log_set("questions");
    assert_non_null(query_log_listener());
    query_log_set("none");
    assert_null(query_log_listener());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_who_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
