/*
 * test_http_query.c - fields behind a question mark: which is meant, and how they are decoded.
 */
#include "daemon/http_query.h"
#include "tests/unit/cmocka_all.h"

static void test_found(void **state)
{
    (void)state;
    char value[16];
    assert_true(http_query_find("name=a.b.&type=A", "name", value, sizeof value));
    assert_string_equal(value, "a.b.");
    assert_true(http_query_find("name=a.b.&type=A", "type", value, sizeof value));
    assert_string_equal(value, "A");
    assert_true(http_query_find("names=x&&name=%5c032%2Ea+b", "name", value, sizeof value));
    assert_string_equal(value, "\\032.a b");
    assert_true(http_query_find("name=", "name", value, sizeof value));
    assert_string_equal(value, "");
    assert_true(http_query_find("name=123456789012345", "name", value, sizeof value));
}

static void test_none(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "",         "name",   "nam=x",      "type=name", "name=%0",
        "name=%g0", "name=%", "name=a%00b", "xname=a",   "name=1234567890123456"};
    char value[16];
    for (size_t k = 0; k < sizeof queries / sizeof *queries; k++)
        assert_false(http_query_find(queries[k], "name", value, sizeof value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
