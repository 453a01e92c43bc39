#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "resolver/daemon/clock.h"
#include "resolver/net/wheel.h"

/* On a real loop: what rings, in which order, and never before its time. */
enum { TIMERS = 400 };

struct alarm {
    struct wheel_timer timer;
    struct mono rang; /* 0: not yet */
    size_t place;     /* how many rang before */
};

static struct bench {
    struct event_base *base;
    struct wheel *wheel;
    size_t rung;
    struct alarm alarms[TIMERS];
} bench;

static void ring(struct wheel_timer *timer, struct mono now)
{
    struct alarm *alarm = (struct alarm *)timer;
    assert_int_equal(alarm->rang.ms, 0);
    assert_true(now.ms >= timer->due.ms);
    alarm->rang = now;
    alarm->place = bench.rung++;
}

static int setup(void **state)
{
    (void)state;
    memset(&bench, 0, sizeof bench);
    bench.base = event_base_new();
    bench.wheel = wheel_new(bench.base);
    for (size_t i = 0; i < TIMERS; i++)
        bench.alarms[i].timer.ring = ring;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wheel_free(bench.wheel);
    event_base_free(bench.base);
    return 0;
}

static void start(size_t i, uint64_t ms)
{
    struct mono now = mono_now();
    wheel_start(bench.wheel, &bench.alarms[i].timer, mono_add(now, ms), now);
}

/* Runs the loop for a while, or until it has nothing to wait for. */
static void run(uint64_t ms)
{
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000 * 1000)};
    event_base_loopexit(bench.base, &tv);
    event_base_dispatch(bench.base);
}

static void all_ring_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < TIMERS; i++)
        start(i, i * 7 % TIMERS / 4);
    run(300);
    assert_int_equal(bench.rung, TIMERS);
    for (size_t i = 0; i < TIMERS; i++)
        for (size_t k = 0; k < TIMERS; k++)
            if (bench.alarms[i].timer.due.ms < bench.alarms[k].timer.due.ms)
                assert_true(bench.alarms[i].place < bench.alarms[k].place);
}

static void what_is_stopped_does_not_ring(void **state)
{
    (void)state;
    for (size_t i = 0; i < TIMERS; i++)
        start(i, 5 + i % 50);
    for (size_t i = 0; i < TIMERS; i += 2)
        wheel_stop(bench.wheel, &bench.alarms[i].timer);
    wheel_stop(bench.wheel, &bench.alarms[0].timer);
    run(200);
    for (size_t i = 0; i < TIMERS; i++)
        assert_int_equal(bench.alarms[i].rang.ms > 0, i % 2);
}

static void an_earlier_one_does_not_wait_for_a_later_one(void **state)
{
    (void)state;
    start(0, 3000);
    start(1, 10);
    run(100);
    assert_int_equal(bench.alarms[0].rang.ms, 0);
    assert_true(bench.alarms[1].rang.ms > 0);
}

/* Same slot, another turn. */
static void a_turn_later_is_not_now(void **state)
{
    (void)state;
    start(0, 20 + WHEEL_SLOTS);
    start(1, 20);
    start(2, 60);
    run(150);
    assert_int_equal(bench.alarms[0].rang.ms, 0);
    assert_int_equal(bench.rung, 2);
}

static void to_start_again_is_to_set_anew(void **state)
{
    (void)state;
    start(0, 10);
    start(0, 50);
    start(1, 3000);
    start(1, 20);
    run(200);
    assert_int_equal(bench.rung, 2);
    assert_int_equal(bench.alarms[1].place, 0);
}

/* Rings as long as it is started from its own ring, and others are stopped from it. */
static size_t left;

static void ring_again(struct wheel_timer *timer, struct mono now)
{
    wheel_stop(bench.wheel, &bench.alarms[1 + left % 10].timer);
    if (left-- > 0)
        wheel_start(bench.wheel, timer, now, now);
}

static void a_ring_may_start_and_stop(void **state)
{
    (void)state;
    left = 40;
    bench.alarms[0].timer.ring = ring_again;
    start(0, 0);
    for (size_t i = 1; i <= 10; i++)
        start(i, 500);
    run(250);
    assert_int_equal(left, SIZE_MAX);
    assert_int_equal(bench.rung, 0);
    run(700);
    assert_int_equal(bench.rung, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_ring_in_order),
        TEST(what_is_stopped_does_not_ring),
        TEST(an_earlier_one_does_not_wait_for_a_later_one),
        TEST(a_turn_later_is_not_now),
        TEST(to_start_again_is_to_set_anew),
        TEST(a_ring_may_start_and_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
