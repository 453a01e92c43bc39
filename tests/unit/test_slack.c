/*
 * test_slack.c - when memory is given back: after a flood, and not in everyday life.
 */
#include "tests/unit/cmocka_all.h"

#include "resolver/daemon/slack.h"

static void after_a_flood_once(void **state)
{
    (void)state;
    size_t most = 0, given_back = 0;
    for (size_t under_way = 0; under_way < 20000; under_way += 500)
        given_back += slack_is_due(under_way, &most);
    assert_int_equal(given_back, 0);
    for (size_t under_way = 20000; under_way > 0; under_way -= 500)
        given_back += slack_is_due(under_way, &most);
    for (size_t i = 0; i < 1000; i++)
        given_back += slack_is_due(i % 3 * 40, &most);
    assert_int_equal(given_back, 2); /* when an eighth is left, and the rest of it */
}

static void not_in_everyday_life(void **state)
{
    (void)state;
    size_t most = 0;
    for (size_t i = 0; i < 1000; i++)
        assert_false(slack_is_due(i * 7919 % 250, &most));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_flood_once),
        cmocka_unit_test(not_in_everyday_life),
    };
    return cmocka_run_group_tests_name("slack", tests, NULL, NULL);
}
