/*
 * test_clockwork.c - the wheel on a real loop: timers ring by themselves, and never before their time.
 */
#include "tests/unit/cmocka_all.h"

#include "resolver/net/clock.h"
#include "resolver/net/clockwork.h"

enum { TIMERS = 100 };

static struct bench {
    struct event_base *base;
    size_t rung;
    struct wheel_timer timers[TIMERS];
} bench;

static void ring(struct wheel_timer *timer, struct micro now)
{
    assert_true(mono_reached(micro_ms(now), timer->due));
    assert_true(mono_reached(mono_now(), micro_ms(now)));
    if (++bench.rung == TIMERS)
        event_base_loopbreak(bench.base);
}

static void timers_ring(void **state)
{
    (void)state;
    bench.base = event_base_new();
    struct clockwork *clockwork = clockwork_new(bench.base);
    struct mono now = mono_now();
    assert_non_null(clockwork);
    for (size_t i = 0; i < TIMERS; i++) {
        bench.timers[i].ring = ring;
        wheel_start(clockwork_wheel(clockwork), &bench.timers[i], mono_add(now, i * 37 % 200), now);
    }
    event_base_loopexit(bench.base, &(struct timeval){.tv_sec = 10});
    event_base_dispatch(bench.base);
    assert_int_equal(bench.rung, TIMERS);
    clockwork_free(clockwork);
    event_base_free(bench.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(timers_ring)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
