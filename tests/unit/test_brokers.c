/*
 * test_brokers.c - which names a list of brokers has.
 */
#include <stdio.h>
#include <string.h>

#include "resolver/daemon/brokers.h"
#include "tests/unit/cmocka_all.h"

static void note(void *arg, const uint8_t *name)
{
    char text[NAME_MAX_TEXT], *all = arg;
    snprintf(all + strlen(all), 512 - strlen(all), "%s ", name_to_text(name, text));
}

static void has(const char *list, const char *expected)
{
    char all[512] = "";
    brokers_names(list, note, all);
    assert_string_equal(all, expected);
}

static void test_names(void **state)
{
    (void)state;
    has("kafka.example.com:9092", "kafka.example.com. ");
    has("Kafka.Example.COM", "kafka.example.com. ");
    has("a:1,b:2, c:3", "a. b. c. ");
    has("ssl://k.example:9093,k2.example", "k.example. k2.example. ");
    has("192.0.2.1:9092,[2001:db8::1]:9092,[::1]", "");
    has("192.0.2.1,k.example.:1,", "k.example. ");
    has("", "");
    has(",,:1,a..b:1", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
