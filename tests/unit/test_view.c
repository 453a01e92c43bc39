#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/store.h"
#include "cache/view.h"

enum { STAYING = 3000, SIZE = 2 * 1024 * 1024, LARGE = 60000 };

static const struct ttl_policy policy = {
    .max_ttl = 86400, .negative_ttl = 900, .client_ttl = 86400};

struct fixture {
    struct validity *validity;
    struct store *store;
    int seen[STAYING]; /* how often each of those that stay was shown */
    size_t others, bytes;
};

static struct answer_key key_of(const struct fixture *f, const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    struct answer_key key;
    assert_true(name_from_text(text, name) > 0);
    store_key(f->store, &(struct key_parts){.name = name, .type = TYPE_A, .class = CLASS_IN}, &key);
    return key;
}

/* An answer without records but of some size, which the store does not look at. */
static void put(struct fixture *f, const char *text, size_t body_size)
{
    static uint8_t body[LARGE];
    struct answer_key key = key_of(f, text);
    struct answer answer = {.ttl = 3600, .ede = EDE_NONE, .body = body, .body_size = body_size};
    assert_true(store_put(f->store, &key, &answer, validity_now(f->validity), (struct mono){0}));
}

static enum store_result get(struct fixture *f, const char *text)
{
    uint8_t buffer[512];
    struct store_hit hit;
    struct answer_key key = key_of(f, text);
    struct store_look look = {.key = &key, .buffer = buffer, .room = sizeof buffer};
    return store_get(f->store, &look, &hit);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->validity = validity_new(&(struct validity_options){.marks = 64, .key = 7});
    f->store = store_new(&(struct store_options){
        .size = SIZE, .shards = 2, .policy = policy, .validity = f->validity});
    assert_non_null(f->store);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_free(f->store);
    validity_free(f->validity);
    free(f);
    return 0;
}

static void note(void *arg, const struct view *view)
{
    struct fixture *f = arg;
    char text[NAME_MAX_TEXT];
    int i;
    name_to_text(answer_key_name(view->key), text);
    if (sscanf(text, "stays%d.", &i) == 1)
        f->seen[i]++;
    else
        f->others++;
    f->bytes += view->body_size;
    /* no lock is held meanwhile */
    assert_int_not_equal(get(f, text), STORE_EXPIRED);
}

static void put_those_that_stay(struct fixture *f)
{
    char text[64];
    for (int i = 0; i < STAYING; i++) {
        snprintf(text, sizeof text, "stays%d.example.org.", i);
        put(f, text, 16);
        assert_int_equal(get(f, text), STORE_HIT);
        /* the ring moves few to its head in a row */
        snprintf(text, sizeof text, "goes%d.example.org.", i);
        put(f, text, 16);
    }
}

/* What is new pushes the oldest out of the ring, or to its head if it is used; some find another place for a larger answer. */
static void churn(struct fixture *f, int step)
{
    char text[64];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "comes%d.example.org.", step * 100 + i);
        put(f, text, 16);
        int stays = (step * 100 + i) % STAYING;
        snprintf(text, sizeof text, "stays%d.example.org.", stays);
        if (stays % 7 == 0)
            put(f, text, 16 + (size_t)(step % 3) * 64);
        assert_int_equal(get(f, text), STORE_HIT);
    }
    if (step % 10 == 9)
        assert_int_equal(
            store_configure(f->store, &policy, SIZE + (step % 20 == 9 ? SIZE / 32 : 0)), 0);
}

static void a_walk_shows_once_what_stays(void **state)
{
    struct fixture *f = *state;
    put_those_that_stay(f);
    struct view_walk *walk = view_walk_new(f->store);
    for (int step = 0; view_walk_next(walk, (struct mono){0}, note, f); step++)
        churn(f, step);
    struct store_counters counters;
    store_count(f->store, &counters);
    assert_true(counters.evicted > 1000);
    for (int i = 0; i < STAYING; i++)
        assert_int_equal(f->seen[i], 1);
    view_walk_free(walk);
}

static void overlook(void *arg, const struct view *view)
{
    (void)arg, (void)view;
}

/* Several walks at a time do not know of one another, and one may begin anew. */
static void walks_are_apart(void **state)
{
    enum { WALKS = 8 };
    struct fixture *f = *state;
    struct view_walk *walks[WALKS];
    put_those_that_stay(f);
    for (int k = 0; k < WALKS; k++) {
        walks[k] = view_walk_new(f->store);
        for (int step = 0; step < 5 * k; step++)
            view_walk_next(walks[k], (struct mono){0}, note, f);
    }
    memset(f->seen, 0, sizeof f->seen);
    view_walk_start(walks[WALKS - 1], f->store);
    while (view_walk_next(walks[WALKS - 1], (struct mono){0}, note, f))
        view_walk_next(walks[3], (struct mono){0}, overlook, NULL);
    for (int i = 0; i < STAYING; i++)
        assert_int_equal(f->seen[i], 1);
    for (int k = 0; k < WALKS; k++)
        view_walk_free(walks[k]);
}

static void large_answers_are_shown_whole(void **state)
{
    enum { COUNT = 20 };
    struct fixture *f = *state;
    char text[64];
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "large%d.example.org.", i);
        put(f, text, LARGE);
    }
    struct view_walk *walk = view_walk_new(f->store);
    while (view_walk_next(walk, (struct mono){0}, note, f))
        ;
    struct store_counters counters;
    store_count(f->store, &counters);
    assert_int_equal(f->others, counters.entries);
    assert_int_equal(f->bytes, counters.entries * LARGE);
    view_walk_free(walk);
}

static void one_is_shown_without_a_lock(void **state)
{
    struct fixture *f = *state;
    put(f, "stays0.example.org.", 16);
    struct answer_key key = key_of(f, "stays0.example.org.");
    assert_true(view_entry(f->store, &key, (struct mono){0}, note, f));
    assert_int_equal(f->seen[0], 1);
    key = key_of(f, "stays1.example.org.");
    assert_false(view_entry(f->store, &key, (struct mono){0}, note, f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_walk_shows_once_what_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(walks_are_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_answers_are_shown_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_is_shown_without_a_lock, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
