/*
 * test_renewal.c - when a client of Kafka is given up for a new one, under a made-up clock.
 */
#include "tests/unit/cmocka_all.h"

#include "invalidation/renewal.h"

enum { START_MS = 70000 };

static struct mono at(uint64_t ms)
{
    return (struct mono){START_MS + ms};
}

static void one_that_gets_nowhere_is_given_up(void **state)
{
    (void)state;
    struct renewal renewal = {.stalled = false};
    assert_false(renewal_due(&renewal, false, at(0)));
    assert_false(renewal_due(&renewal, true, at(1000)));
    assert_false(renewal_due(&renewal, true, at(1000 + RENEWAL_FIRST_MS - 1)));
    assert_true(renewal_due(&renewal, true, at(1000 + RENEWAL_FIRST_MS)));
    assert_false(renewal_due(&renewal, true, at(1000 + RENEWAL_FIRST_MS)));
}

static void one_that_gets_somewhere_is_kept(void **state)
{
    (void)state;
    struct renewal renewal = {.stalled = false};
    for (uint64_t ms = 0; ms < 100 * RENEWAL_FIRST_MS; ms += RENEWAL_FIRST_MS) {
        assert_false(renewal_due(&renewal, true, at(ms)));
        assert_false(renewal_due(&renewal, true, at(ms + RENEWAL_FIRST_MS - 1)));
        assert_false(renewal_due(&renewal, false, at(ms + RENEWAL_FIRST_MS - 1)));
    }
}

/* Each in vain is followed by twice the patience, within bounds. */
static size_t renewals_within(struct renewal *renewal, uint64_t from_ms, uint64_t span_ms)
{
    size_t count = 0;
    for (uint64_t ms = from_ms; ms < from_ms + span_ms; ms += 100)
        count += renewal_due(renewal, true, at(ms));
    return count;
}

static void in_vain_it_is_tried_ever_less_often(void **state)
{
    (void)state;
    struct renewal renewal = {.stalled = false};
    assert_int_equal(renewals_within(&renewal, 0, 36000), 3); /* after 5, 15 and 35 s */
    renewals_within(&renewal, 36000, 3600000);
    assert_int_equal(renewals_within(&renewal, 3636000, 3600000), 3600000 / RENEWAL_LAST_MS);
}

static void patience_is_short_again_once_all_is_well(void **state)
{
    (void)state;
    struct renewal renewal = {.stalled = false};
    renewals_within(&renewal, 0, 3600000);
    assert_false(renewal_due(&renewal, false, at(3600000)));
    assert_int_equal(renewals_within(&renewal, 3700000, RENEWAL_FIRST_MS + 100), 0);
    renewal_rest(&renewal);
    assert_int_equal(renewals_within(&renewal, 3800000, RENEWAL_FIRST_MS + 100), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_gets_nowhere_is_given_up),
        cmocka_unit_test(one_that_gets_somewhere_is_kept),
        cmocka_unit_test(in_vain_it_is_tried_ever_less_often),
        cmocka_unit_test(patience_is_short_again_once_all_is_well),
    };
    return cmocka_run_group_tests_name("renewal", tests, NULL, NULL);
}
