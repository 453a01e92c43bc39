#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "resolver/daemon/descriptors.h"

/* What a limit of open files leaves for TCP clients. */
static void all_that_are_wanted_where_they_fit(void **state)
{
    (void)state;
    struct descriptors_need need = {.limit = 524288, .workers = 8, .listeners = 4, .clients = 1000};
    assert_int_equal(descriptors_clients(&need), 1000);
    need.limit = (size_t)-1 / 4;
    need.clients = 1000000;
    assert_int_equal(descriptors_clients(&need), 1000000);
}

static void a_quarter_is_kept_for_the_others(void **state)
{
    (void)state;
    struct descriptors_need need = {.limit = 1024, .workers = 2, .listeners = 1, .clients = 1000};
    size_t clients = descriptors_clients(&need);
    assert_in_range(clients, 200, 320);
    assert_true(need.workers * clients <= need.limit * 3 / 4);
}

static void there_is_always_one(void **state)
{
    (void)state;
    struct descriptors_need need = {.limit = 64, .workers = 16, .listeners = 3, .clients = 1000};
    assert_int_equal(descriptors_clients(&need), 1);
}

/* The limit that a warning names is enough, and hardly more. */
static void what_is_said_to_be_wanted_is_enough(void **state)
{
    (void)state;
    struct descriptors_need need = {.limit = 256, .workers = 3, .listeners = 2, .clients = 777};
    need.limit = descriptors_wanted(&need);
    assert_int_equal(descriptors_clients(&need), 777);
    need.limit -= 8;
    assert_true(descriptors_clients(&need) < 777);
}

/* The kernel's table, as it says. */
static size_t table_size(void)
{
    char line[128];
    size_t size = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        (void)sscanf(line, "FDSize: %zu", &size);
    fclose(file);
    return size;
}

static void room_is_made_and_left_empty(void **state)
{
    (void)state;
    const struct rlimit limit = {2000, 2000};
    const int before = dup(0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(table_size() < 1000);
    descriptors_make_room(0);
    assert_true(table_size() < 1000);
    descriptors_make_room(1000);
    assert_in_range(table_size(), 1000, 1999);
    descriptors_make_room(1000000); /* past the limit */
    assert_in_range(table_size(), 2000, 4096);
    close(before);
    assert_int_equal(dup(0), before);
    close(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_are_wanted_where_they_fit),
        cmocka_unit_test(a_quarter_is_kept_for_the_others),
        cmocka_unit_test(there_is_always_one),
        cmocka_unit_test(what_is_said_to_be_wanted_is_enough),
        cmocka_unit_test(room_is_made_and_left_empty),
    };
    return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
