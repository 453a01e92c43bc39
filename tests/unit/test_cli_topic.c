/*
 * test_cli_topic.c - what is wrong with a topic, and what a word that is none may have meant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/nearest.h"
#include "cli/topic_judge.h"

static const struct topic_view three = {.partitions = 6, .replicas = 3, .in_sync = 3};

/* `values` of the settings in their order; what is said must have `expected`, or be nothing when that is NULL. */
static void judged(bool snapshots, struct topic_view view, const char *const values[TOPIC_SETTINGS],
                   const char *expected)
{
    struct topic_setting settings[TOPIC_SETTINGS];
    char *said = NULL;
    size_t size;
    FILE *out = open_memstream(&said, &size);
    topic_settings_names(settings);
    for (size_t k = 0; k < TOPIC_SETTINGS; k++)
        strcpy(settings[k].value, values[k]);
    const size_t wrong = topic_judge("t", snapshots, &view, settings, out);
    fclose(out);
    assert_int_equal(wrong, expected ? 1 : 0);
    if (expected && !strstr(said, expected))
        fail_msg("%s", said);
    free(said);
}

static void a_topic_as_it_is_made_is_well(void **state)
{
    (void)state;
    for (int snapshots = 0; snapshots < 2; snapshots++) {
        struct topic_setting made[TOPIC_SETTINGS];
        const char *values[TOPIC_SETTINGS] = {"", "", "", "1048588"};
        const size_t count = topic_settings_wanted(snapshots, 604800000, 3, made);
        struct topic_setting names[TOPIC_SETTINGS];
        topic_settings_names(names);
        for (size_t k = 0; k < count; k++)
            for (size_t n = 0; n < TOPIC_SETTINGS; n++)
                if (strcmp(made[k].name, names[n].name) == 0)
                    values[n] = made[k].value;
        judged(snapshots, three, values, NULL);
    }
}

static void what_is_wrong_is_said_with_what_mends_it(void **state)
{
    (void)state;
    const char *const good[] = {"delete", "604800000", "2", "1048588"};
    const struct {
        enum topic_setting_index index;
        const char *value, *expected;
    } cases[] = {
        {TOPIC_CLEANUP, "compact", "--entity-name t --add-config cleanup.policy=delete"},
        {TOPIC_RETENTION, "3600000", "retention.ms=604800000"},
        {TOPIC_RETENTION, "-1", NULL},
        {TOPIC_RETENTION, "", NULL},
        {TOPIC_IN_SYNC, "1", "min.insync.replicas=2"},
        {TOPIC_IN_SYNC, "3", "nothing is published while one broker is away"},
        {TOPIC_MESSAGE_BYTES, "104857600", "max.message.bytes=1048588"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const char *values[TOPIC_SETTINGS];
        memcpy(values, good, sizeof values);
        values[cases[k].index] = cases[k].value;
        judged(false, three, values, cases[k].expected);
    }
    judged(true, three, good, "cleanup.policy=compact");
    const char *const one[] = {"delete", "604800000", "1", "1048588"};
    judged(false, (struct topic_view){.partitions = 1, .replicas = 1, .in_sync = 1}, one,
           "one replica");
    judged(false, (struct topic_view){.partitions = 1, .replicas = 3, .in_sync = 2}, good,
           "2 of 3 replicas are in sync");
    judged(false, (struct topic_view){.partitions = 5000, .replicas = 3, .in_sync = 3}, good,
           "at most 1024");
}

static void the_nearest_word_is_found(void **state)
{
    (void)state;
    static const char *const words[] = {"set", "status", "snapshot", "watch", "drained-by"};
    static const char *const cases[][2] = {{"stauts", "status"},
                                           {"sett", "set"},
                                           {"wach", "watch"},
                                           {"drainedby", "drained-by"},
                                           {"x", NULL},
                                           {"reboot", NULL},
                                           {"", NULL},
                                           {"snapshots", "snapshot"},
                                           {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct nearest nearest = nearest_to(cases[k][0]);
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
            nearest_try(&nearest, words[w]);
        if (cases[k][1])
            assert_string_equal(nearest.found, cases[k][1]);
        else
            assert_null(nearest.found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_as_it_is_made_is_well),
        cmocka_unit_test(what_is_wrong_is_said_with_what_mends_it),
        cmocka_unit_test(the_nearest_word_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
