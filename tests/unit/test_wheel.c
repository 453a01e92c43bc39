#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "resolver/answer/wheel.h"

/* Under a made-up clock, turned only when the wheel has asked for it: what rings, in which order, never early. */
enum { TIMERS = 400 };

struct alarm {
    struct wheel_timer timer;
    struct mono rang; /* 0: not yet */
    size_t place;     /* how many rang before */
};

static struct bench {
    struct wheel *wheel;
    struct mono now;
    struct mono due; /* when it is to be turned; 0: no more */
    size_t turns;
    size_t rung;
    struct alarm alarms[TIMERS];
} bench;

static void ring(struct wheel_timer *timer, struct micro now_us)
{
    struct mono now = micro_ms(now_us);
    struct alarm *alarm = (struct alarm *)timer;
    assert_int_equal(alarm->rang.ms, 0);
    assert_true(now.ms >= timer->due.ms);
    alarm->rang = now;
    alarm->place = bench.rung++;
}

static void wake(void *arg, struct mono due, struct mono now)
{
    (void)arg;
    assert_int_equal(now.ms, bench.now.ms);
    assert_true(bench.due.ms == 0 || due.ms < bench.due.ms);
    bench.due = due;
}

static int setup(void **state)
{
    (void)state;
    memset(&bench, 0, sizeof bench);
    bench.now = (struct mono){5000};
    bench.wheel = wheel_new(&(struct wheel_driver){.wake = wake});
    for (size_t i = 0; i < TIMERS; i++)
        bench.alarms[i].timer.ring = ring;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wheel_free(bench.wheel);
    return 0;
}

static void start(size_t i, uint64_t ms)
{
    wheel_start(bench.wheel, &bench.alarms[i].timer, mono_add(bench.now, ms), bench.now);
}

static void turn(void)
{
    bench.due = (struct mono){0};
    bench.turns++;
    wheel_turn(bench.wheel, (struct micro){bench.now.ms * 1000 + 999});
}

/* Lets `ms` milliseconds pass. */
static void run(uint64_t ms)
{
    const struct mono end = mono_add(bench.now, ms);
    for (; bench.now.ms < end.ms; bench.now.ms++)
        while (bench.due.ms && mono_reached(bench.now, bench.due))
            turn();
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

static void ring_again(struct wheel_timer *timer, struct micro now_us)
{
    struct mono now = micro_ms(now_us);
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

/* Many that are due at once ring in turns, and what happens between these comes between them. */
static void a_turn_is_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3 * WHEEL_TURN; i++)
        start(i, i < WHEEL_TURN ? 10 : 11);
    bench.now.ms += 15;
    turn();
    assert_int_equal(bench.rung, WHEEL_TURN);
    assert_int_equal(bench.due.ms, bench.now.ms - 4);
    turn();
    assert_int_equal(bench.rung, 2 * WHEEL_TURN);
    wheel_stop(bench.wheel, &bench.alarms[2 * WHEEL_TURN].timer);
    start(2 * WHEEL_TURN, 0);
    turn();
    assert_int_equal(bench.rung, 3 * WHEEL_TURN);
    assert_int_equal(bench.alarms[2 * WHEEL_TURN].place, 3 * WHEEL_TURN - 1);
    assert_int_equal(bench.due.ms, 0);
}

/* Where turns come too seldom, deadlines do not fall further behind with each. */
static void a_late_turn_is_longer(void **state)
{
    (void)state;
    const size_t count = WHEEL_LATE_TURN + WHEEL_TURN;
    for (size_t i = 0; i < count; i++)
        start(i, 10);
    bench.now.ms += 10 + WHEEL_LATE;
    turn();
    assert_int_equal(bench.rung, WHEEL_LATE_TURN);
    turn();
    assert_int_equal(bench.rung, count);
}

/* As when the process was stopped: all of it, in order. */
static void what_was_missed_rings_late(void **state)
{
    (void)state;
    for (size_t i = 0; i < TIMERS; i++)
        start(i, i * 97 % (2 * WHEEL_SLOTS));
    bench.now.ms += 3 * WHEEL_SLOTS;
    do
        turn();
    while (bench.due.ms);
    assert_int_equal(bench.rung, TIMERS);
    assert_int_equal(wheel_count(bench.wheel), 0);
    assert_int_equal(bench.due.ms, 0);
}

/* A timer that is stopped costs a look at most. */
static void it_is_turned_only_when_it_is_worth_while(void **state)
{
    (void)state;
    start(0, 10);
    start(1, 1000);
    start(2, 2000);
    wheel_stop(bench.wheel, &bench.alarms[0].timer);
    run(5000);
    assert_int_equal(bench.rung, 2);
    assert_int_equal(bench.turns, 3);
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
        TEST(a_turn_is_short),
        TEST(a_late_turn_is_longer),
        TEST(what_was_missed_rings_late),
        TEST(it_is_turned_only_when_it_is_worth_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
