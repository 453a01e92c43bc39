/*
 * test_cli_quantity.c - numbers with units, at the ends of each.
 */
#include "cli/quantity.h"
#include "tests/unit/cmocka_all.h"

static void test_bytes(void **state)
{
    (void)state;
    char text[QUANTITY_MAX_TEXT];
    assert_string_equal(quantity_bytes(0, text), "0 B");
    assert_string_equal(quantity_bytes(1023, text), "1023 B");
    assert_string_equal(quantity_bytes(1024, text), "1.0 KiB");
    assert_string_equal(quantity_bytes((1 << 20) - 1, text), "1.0 MiB");
    assert_string_equal(quantity_bytes(64 << 20, text), "64.0 MiB");
    assert_string_equal(quantity_bytes(UINT64_C(3) << 41, text), "6.0 TiB");
}

static void test_times(void **state)
{
    (void)state;
    char text[QUANTITY_MAX_TEXT];
    assert_string_equal(quantity_us(0, text), "0 us");
    assert_string_equal(quantity_us(999, text), "999 us");
    assert_string_equal(quantity_us(2500, text), "2.5 ms");
    assert_string_equal(quantity_us(250000, text), "250 ms");
    assert_string_equal(quantity_us(10000000, text), "10 s");
    assert_string_equal(quantity_seconds(0.25, text), "0.2 s");
    assert_string_equal(quantity_seconds(125, text), "2 min 5 s");
    assert_string_equal(quantity_seconds(7260, text), "2 h 1 min");
    assert_string_equal(quantity_seconds(3 * 86400 + 7200, text), "3 d 2 h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
