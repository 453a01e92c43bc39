/*
 * test_turns.c - who has waited for what, and who is served when.
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "resolver/answer/turns.h"

enum { SIZE = 64 };

struct thing {
    struct turn turn; /* the first: a turn is its thing */
    uint64_t who;
    size_t number;
};

static struct turns *turns;
static struct thing things[SIZE];
static size_t put_count;

static int setup(void **state)
{
    (void)state;
    put_count = 0;
    turns = turns_new(SIZE);
    return turns ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    turns_free(turns);
    return 0;
}

static void put(uint64_t who)
{
    struct thing *thing = &things[put_count];
    *thing = (struct thing){.who = who, .number = put_count++};
    turns_put(turns, &thing->turn, who);
}

static const struct thing *take(void)
{
    return (const struct thing *)turns_take(turns);
}

/* What is taken next is that one's. */
static void assert_next(uint64_t who, size_t number)
{
    const struct thing *thing = take();
    assert_non_null(thing);
    assert_int_equal(thing->who, who);
    assert_int_equal(thing->number, number);
}

static void nothing_waits(void **state)
{
    (void)state;
    assert_int_equal(turns_count(turns), 0);
    assert_int_equal(turns_room(turns), SIZE);
    assert_null(take());
}

static void things_of_one_are_taken_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        put(7);
    assert_int_equal(turns_room(turns), 0);
    for (size_t i = 0; i < SIZE; i++)
        assert_next(7, i);
    assert_null(take());
}

/* Behind fifty things of one, whoever has one waits for no more than one of them. */
static void each_has_his_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < 50; i++)
        put(1);
    put(2); /* number 50 */
    put(3);
    put(2);
    assert_next(1, 0);
    assert_next(2, 50);
    assert_next(3, 51);
    assert_next(1, 1);
    assert_next(2, 52);
    for (size_t i = 2; i < 50; i++)
        assert_next(1, i);
    assert_int_equal(turns_count(turns), 0);
}

static void who_comes_while_others_are_served_comes_last(void **state)
{
    (void)state;
    put(1);
    put(1);
    put(2);
    assert_next(1, 0);
    put(3); /* 2 and 1 were there before */
    assert_next(2, 2);
    assert_next(1, 1);
    assert_next(3, 3);
    put(2); /* he has left, and is new */
    assert_next(2, 4);
    assert_null(take());
}

/* As many parties as things, again and again, with numbers that are alike. */
static void many_come_and_go(void **state)
{
    (void)state;
    for (size_t round = 0; round < 100; round++) {
        put_count = 0;
        for (size_t i = 0; i < SIZE; i++)
            put((uint64_t)(i % (round % SIZE + 1)) << 32 | i % (round % SIZE + 1));
        size_t seen[SIZE] = {0}, taken = 0;
        for (const struct thing *thing; (thing = take()); taken++) {
            const size_t party = (size_t)(thing->who & 0xffffffff);
            /* the k-th of each comes in the k-th round of turns */
            assert_int_equal(seen[party]++, taken / (round % SIZE + 1));
        }
        assert_int_equal(taken, SIZE);
        assert_int_equal(turns_room(turns), SIZE);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_waits),     TEST(things_of_one_are_taken_in_order),
        TEST(each_has_his_turn), TEST(who_comes_while_others_are_served_comes_last),
        TEST(many_come_and_go),
    };
    return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
