#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/number.h"
#include "daemon/log.h"

/* Who may write a line when, and what of it reaches stderr. */
enum { THREADS = 4, TRIES = 10000, TEXT_SIZE = 4096 };

static void test_one_line_a_second_that_counts_the_others(void **state)
{
    (void)state;
    struct log_place place = {0};
    uint64_t more = 99;
    assert_true(log_place_may(&place, 5000, &more));
    assert_int_equal(more, 0);
    for (uint64_t ms = 5000; ms < 5000 + LOG_PLACE_MS; ms += 100)
        assert_false(log_place_may(&place, ms, &more));
    assert_true(log_place_may(&place, 5000 + LOG_PLACE_MS, &more));
    assert_int_equal(more, 10);
    assert_true(log_place_may(&place, 5000 + 2 * LOG_PLACE_MS, &more));
    assert_int_equal(more, 0);
}

static void test_places_do_not_share(void **state)
{
    (void)state;
    struct log_place one = {0}, other = {0};
    uint64_t more;
    assert_true(log_place_may(&one, 5000, &more));
    assert_true(log_place_may(&other, 5000, &more));
}

struct crowd {
    struct log_place place;
    _Atomic uint64_t allowed, more;
};

static void *try_often(void *arg)
{
    struct crowd *crowd = arg;
    for (uint64_t i = 0; i < TRIES; i++) {
        uint64_t more;
        if (!log_place_may(&crowd->place, 5000 + i, &more))
            continue;
        crowd->allowed++;
        crowd->more += more;
    }
    return NULL;
}

/* Each try is a line or is counted, once. */
static void test_threads(void **state)
{
    (void)state;
    struct crowd crowd = {.place = {0}};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, try_often, &crowd), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(crowd.allowed, 1, TRIES / LOG_PLACE_MS);
    assert_int_equal(crowd.allowed + crowd.more + crowd.place.left_out, THREADS * TRIES);
}

/* What `write_lines` writes to stderr. */
static void captured(void (*write_lines)(void), char text[TEXT_SIZE])
{
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    write_lines();
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t size = read(ends[0], text, TEXT_SIZE - 1);
    close(ends[0]);
    text[size > 0 ? size : 0] = '\0';
}

static void write_three(void)
{
    for (int i = 0; i < 3; i++)
        log_limited(LOG_LEVEL_WARNING, "msg=\"turned away\" i=%d", i);
    log_limited(LOG_LEVEL_DEBUG, "msg=unheard");
}

static void test_lines(void **state)
{
    (void)state;
    char text[TEXT_SIZE];
    captured(write_three, text);
    assert_non_null(strstr(text, "Z warning msg=\"turned away\" i=0\n"));
    assert_null(strstr(text, "i=1"));
    assert_null(strstr(text, "unheard"));
}

static void write_long(void)
{
    static struct log_place place = {.left_out = 7};
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_at(&place, LOG_LEVEL_ERROR, "msg=%s", text);
}

static void test_a_long_line_keeps_its_count(void **state)
{
    (void)state;
    char text[TEXT_SIZE];
    captured(write_long, text);
    assert_non_null(strstr(text, "xxx more=7\n"));
    assert_true(strlen(text) <= 2048);
}

struct row {
    uint64_t refused, asked;
};
static const struct number list[] = {
    {"refused", "refused_total", "Refused.", .offset = offsetof(struct row, refused),
     "queries are refused"},
    {"asked", "asked_total", "Asked.", .offset = offsetof(struct row, asked)},
};
static const struct numbers numbers = {list, 2};
static struct row before = {.refused = 2};

static void look_three_times(void)
{
    struct row now = {.refused = 5, .asked = 9};
    numbers_tell(&numbers, (struct number_owner){"tier", "os"}, &now, &before, sizeof now);
    numbers_tell(&numbers, (struct number_owner){"tier", "os"}, &now, &before, sizeof now);
    now.refused++;
    numbers_tell(&numbers, (struct number_owner){0}, &now, &before, sizeof now);
}

/* Only what is a limit, only when it has grown, and by how much. */
static void test_what_was_refused_is_told(void **state)
{
    (void)state;
    char text[TEXT_SIZE], *line = text;
    captured(look_three_times, text);
    line = strstr(line, "warning msg=\"queries are refused\" tier=os count=3 "
                        "counter=freshet_refused_total\n");
    assert_non_null(line);
    line = strchr(line, '\n');
    assert_non_null(strstr(line, "warning msg=\"queries are refused\" count=1 counter="));
    assert_null(strstr(text, "asked"));
    assert_int_equal(before.refused, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line_a_second_that_counts_the_others),
        cmocka_unit_test(test_places_do_not_share),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_a_long_line_keeps_its_count),
        cmocka_unit_test(test_what_was_refused_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
