#include "tests/unit/cmocka_all.h"

#include "cache/checkpoints.h"

static void at_and_between(void **state)
{
    (void)state;
    struct checkpoints c = {0};
    assert_int_equal(checkpoints_at(&c, 100).n, 0);
    checkpoints_add(&c, 10, (struct stamp){1});
    checkpoints_add(&c, 20, (struct stamp){5});
    checkpoints_add(&c, 20, (struct stamp){6}); /* not above the newest: nothing */
    assert_int_equal(checkpoints_at(&c, 20).n, 5);
    checkpoints_move(&c, 20, (struct stamp){6}); /* the last word on it */
    checkpoints_add(&c, 15, (struct stamp){7});  /* below the newest: nothing */
    assert_int_equal(checkpoints_at(&c, 9).n, 0);
    assert_int_equal(checkpoints_at(&c, 10).n, 1);
    assert_int_equal(checkpoints_at(&c, 19).n, 1);
    assert_int_equal(checkpoints_at(&c, 20).n, 6);
    assert_int_equal(checkpoints_at(&c, UINT64_MAX).n, 6);
    checkpoints_clear(&c);
    assert_int_equal(checkpoints_at(&c, 20).n, 0);
}

/* Whatever is thinned out: never newer than the truth, and older by about a 64th of the distance at most. */
static void bounded_and_never_too_new(void **state)
{
    (void)state;
    static const uint64_t steps[] = {1, 7, 1000, 123456};
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        struct checkpoints c = {0};
        const uint64_t step = steps[s], most = 1000000;
        for (uint64_t n = 1; n <= most; n++)
            checkpoints_add(&c, n * step, (struct stamp){n});
        assert_true(c.count <= CHECKPOINTS_MOST);
        for (uint64_t back = 0; back < most; back = back * 2 + 1) {
            const uint64_t n = most - back, found = checkpoints_at(&c, n * step).n;
            assert_true(found <= n);
            assert_true(n - found <= back / 16 + 2);
        }
        assert_int_equal(checkpoints_at(&c, step).n, 1);
        checkpoints_clear(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_and_between),
        cmocka_unit_test(bounded_and_never_too_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
