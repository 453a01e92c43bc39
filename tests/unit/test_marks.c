#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cache/marks.h"

static struct scope scope(uint64_t hash)
{
    return (struct scope){hash};
}

static struct stamp stamp(uint64_t n)
{
    return (struct stamp){n};
}

static uint64_t mixed(uint64_t n)
{
    n = (n ^ n >> 31) * 0x7fb5d329728ea185u;
    n = (n ^ n >> 27) * 0x81dadef4bc2dd44du;
    return n ^ n >> 33;
}

static void unmarked_scopes_are_at_zero(void **state)
{
    (void)state;
    struct marks *marks = marks_new(100);
    assert_int_equal(marks_get(marks, scope(mixed(1))).n, 0);
    marks_free(marks);
}

static void the_newest_mark_counts(void **state)
{
    (void)state;
    struct marks *marks = marks_new(100);
    marks_set(marks, scope(mixed(1)), stamp(5));
    marks_set(marks, scope(mixed(2)), stamp(6));
    marks_set(marks, scope(mixed(1)), stamp(9));
    assert_int_equal(marks_get(marks, scope(mixed(1))).n, 9);
    assert_int_equal(marks_get(marks, scope(mixed(2))).n, 6);
    marks_free(marks);
}

/* However many marks are pressed into it, no scope's mark is ever lost, only made later. */
static void forgetting_is_towards_marked(void **state)
{
    (void)state;
    enum { SCOPES = 20000 };
    struct marks *marks = marks_new(64);
    for (uint64_t i = 1; i <= SCOPES; i++)
        marks_set(marks, scope(mixed(i)), stamp(i));
    for (uint64_t i = 1; i <= SCOPES; i++)
        assert_true(marks_get(marks, scope(mixed(i))).n >= i);
    marks_free(marks);
}

/* With room for what is marked, hardly any other scope looks marked. */
static void few_scopes_look_marked_in_error(void **state)
{
    (void)state;
    enum { SCOPES = 10000, OTHERS = 100000 };
    struct marks *marks = marks_new(65536);
    for (uint64_t i = 1; i <= SCOPES; i++)
        marks_set(marks, scope(mixed(i)), stamp(i));
    size_t wrong = 0;
    for (uint64_t i = 1; i <= OTHERS; i++)
        wrong += marks_get(marks, scope(mixed(SCOPES + i))).n != 0;
    assert_true(wrong < OTHERS / 1000);
    marks_free(marks);
}

/* A reader that has seen the clock at n finds every mark up to n, while a writer presses on. */
struct race {
    struct marks *marks;
    _Atomic uint64_t clock;
    _Atomic bool done;
    bool missed;
};

enum { RACE_SCOPES = 500, RACE_MARKS = 200000 };

static void *watch(void *arg)
{
    struct race *race = arg;
    uint64_t look = 0;
    while (!atomic_load(&race->done)) {
        uint64_t clock = atomic_load_explicit(&race->clock, memory_order_acquire);
        if (clock == 0)
            continue;
        /* The scope marked at stamp s is s modulo RACE_SCOPES. */
        uint64_t s = clock - look++ % (clock < RACE_SCOPES ? clock : RACE_SCOPES);
        if (s > 0 && marks_get(race->marks, scope(mixed(s % RACE_SCOPES))).n < s)
            race->missed = true;
    }
    return NULL;
}

static void readers_miss_no_mark(void **state)
{
    (void)state;
    struct race race = {.marks = marks_new(32)};
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, watch, &race), 0);
    for (uint64_t s = 1; s <= RACE_MARKS; s++) {
        marks_set(race.marks, scope(mixed(s % RACE_SCOPES)), stamp(s));
        atomic_store_explicit(&race.clock, s, memory_order_release);
    }
    atomic_store(&race.done, true);
    pthread_join(reader, NULL);
    assert_false(race.missed);
    marks_free(race.marks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unmarked_scopes_are_at_zero),
        cmocka_unit_test(the_newest_mark_counts),
        cmocka_unit_test(forgetting_is_towards_marked),
        cmocka_unit_test(few_scopes_look_marked_in_error),
        cmocka_unit_test(readers_miss_no_mark),
    };
    return cmocka_run_group_tests_name("marks", tests, NULL, NULL);
}
