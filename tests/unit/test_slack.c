/*
 * test_slack.c - when memory is given back: after a flood, and not in everyday life.
 */
#include "tests/unit/cmocka_all.h"

#include <malloc.h>
#include <stdlib.h>

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

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* How much of small chunks that are freed stays apart: each would have to be joined with what is beside it, one day. */
static size_t kept_apart(void)
{
    enum { CHUNKS = 100, SIZE = 48 };
    void *chunks[CHUNKS];
    for (size_t i = 0; i < CHUNKS; i++)
        chunks[i] = malloc(SIZE);
    for (size_t i = 0; i < CHUNKS; i++)
        free(chunks[i]);
    return mallinfo2().fsmblks;
}

/* Or the first large chunk after a flood takes 15 ms. */
static void small_chunks_are_joined_as_they_are_freed(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    assert_true(kept_apart() > 0); /* as malloc has it */
    (void)malloc_trim(0);
    struct slack *slack = slack_new(base, NULL);
    assert_non_null(slack);
    assert_int_equal(kept_apart(), 0);
    slack_free(slack);
    event_base_free(base);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_flood_once),
        cmocka_unit_test(not_in_everyday_life),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(small_chunks_are_joined_as_they_are_freed),
#endif
    };
    return cmocka_run_group_tests_name("slack", tests, NULL, NULL);
}
