/*
 * test_waiters.c - clients that wait are in one list each, whatever they and the lists go through.
 */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>

#include "resolver/answer/waiters.h"

enum { LISTS = 4, WAITERS = 60, STEPS = 20000 };

static size_t held;

static void hold(void *endpoint)
{
    (void)endpoint;
    held++;
}

static void release(void *endpoint)
{
    (void)endpoint;
    held--;
}

static const struct transport transport = {.hold = hold, .release = release};

/* The same lists, kept another way. */
static struct model {
    struct waiter *of[LISTS][WAITERS];
    size_t counts[LISTS];
} model;

static void model_append(size_t list, struct waiter *waiter)
{
    model.of[list][model.counts[list]++] = waiter;
}

static struct waiter *model_take(size_t list, size_t place)
{
    struct waiter *waiter = model.of[list][place];
    model.counts[list]--;
    for (size_t i = place; i < model.counts[list]; i++)
        model.of[list][i] = model.of[list][i + 1];
    return waiter;
}

static void check(const struct waiter_list *lists)
{
    for (size_t i = 0; i < LISTS; i++) {
        const struct waiter *waiter = lists[i].first, *last = NULL;
        for (size_t k = 0; k < model.counts[i]; k++, last = waiter, waiter = waiter->next)
            assert_ptr_equal(waiter, model.of[i][k]);
        assert_null(waiter);
        if (last)
            assert_ptr_equal(lists[i].first->prev, last);
    }
}

static struct waiter *add(struct waiters *waiters, struct waiter_list *list)
{
    static const struct question question = {.name_size = 1, .type = TYPE_A, .class = CLASS_IN};
    static const struct answer_key key = {.size = 0};
    static const struct client client = {.peer = {.family = AF_INET}, .transport = &transport};
    static const struct reply_shape shape = {.option_size = 0};
    return waiters_add(waiters,
                       &(struct waiter_terms){
                           .key = &key, .question = &question, .client = &client, .shape = &shape},
                       list);
}

/* One thing that happens to a list or to one in it, at random. */
static void step(struct waiters *waiters, struct waiter_list *lists)
{
    const size_t from = (size_t)rand() % LISTS, to = (size_t)rand() % LISTS;
    const size_t count = model.counts[from], place = count ? (size_t)rand() % count : 0;
    switch (rand() % 4) {
    case 0:
        if (waiters_count(waiters) < WAITERS)
            model_append(to, add(waiters, &lists[to]));
        break;
    case 1:
        if (count > 0)
            waiter_drop(waiters, model_take(from, place));
        break;
    case 2:
        if (count > 0) {
            struct waiter *waiter = model_take(from, place);
            waiter_move(waiter, &lists[to]);
            model_append(to, waiter);
        }
        break;
    default:
        if (from == to)
            break;
        waiters_move_all(&lists[from], &lists[to]);
        while (model.counts[from] > 0)
            model_append(to, model_take(from, 0));
    }
}

static void lists_are_as_they_should_be(void **state)
{
    (void)state;
    struct waiters *waiters = waiters_new(NULL, WAITERS);
    struct waiter_list lists[LISTS] = {{NULL}};
    assert_non_null(waiters);
    srand(1);
    for (int i = 0; i < STEPS; i++) {
        step(waiters, lists);
        check(lists);
        assert_int_equal(held, waiters_count(waiters));
    }
    for (size_t i = 0; i < LISTS; i++)
        while (lists[i].first)
            waiter_drop(waiters, lists[i].first);
    assert_int_equal(held, 0);
    waiters_free(waiters);
}

/* A list that was on a stack that is gone: nobody in it looks there any more. */
static void a_list_that_is_gone(void **state)
{
    (void)state;
    struct waiters *waiters = waiters_new(NULL, WAITERS);
    struct waiter_list *gone = calloc(1, sizeof *gone), kept = {NULL};
    struct waiter *some[5];
    for (size_t i = 0; i < 5; i++)
        some[i] = add(waiters, gone);
    waiters_move_all(gone, &kept);
    free(gone);
    static const size_t order[] = {2, 0, 4, 1, 3};
    for (size_t i = 0; i < 5; i++)
        waiter_drop(waiters, some[order[i]]);
    assert_null(kept.first);
    waiters_free(waiters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_as_they_should_be),
        cmocka_unit_test(a_list_that_is_gone),
    };
    return cmocka_run_group_tests_name("waiters", tests, NULL, NULL);
}
