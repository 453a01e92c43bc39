/*
 * test_config_spelling.c - the ways that people try first to write an option, in blocks and in flow, and what is wrong in them by
 * its line.
 */
#include "tests/unit/config_texts.h"

#define CARRIED "zones: [a]"

static void test_brokers_as_a_list(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "feed: {brokers: [\"b1:9092\", b2, \"[::1]:9092\"], " CARRIED "}\n" TIER,
        "feed:\n  brokers:\n  - b1:9092\n  - b2 # the other\n  - '[::1]:9092'\n  " CARRIED
        "\n" TIER,
        "feed:\n    brokers:\n        - b1:9092\n\n        - b2\n        - '[::1]:9092'\n   "
        " " CARRIED "\n" TIER,
        "feed:\n  " CARRIED "\n  brokers:\n  - b1:9092\n  - b2\n  - '[::1]:9092'\n" TIER,
        "feed:\n  " CARRIED "\n  brokers: [b1:9092, # one\n    b2,\n  '[::1]:9092']\n" TIER,
        "feed:\n  " CARRIED "\n  brokers: b1:9092,b2,[::1]:9092\n" TIER,
        TIER "feed:\n  " CARRIED "\n  brokers:\n  - b1:9092\n  - b2\n  - '[::1]:9092'",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct config *config = parse(texts[i]);
        assert_string_equal(config->feed->brokers, "b1:9092,b2,[::1]:9092");
        assert_string_equal(config->feed->zones[0], "a");
        assert_string_equal(config->note, "");
        config_free(config);
    }
}

static void test_properties_as_a_mapping(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "feed: {brokers: b, rdkafka: {security.protocol: ssl, client.id: \"a \\\"b\\\" \\\\ "
        "\xc3\xa9\"}, " CARRIED "}\n" TIER,
        "feed:\n  brokers: b\n  rdkafka:\n    security.protocol: ssl\n    # who we are\n"
        "    client.id: 'a \"b\" \\ \xc3\xa9'\n  " CARRIED "\n" TIER,
        "feed:\n  brokers: b\n  " CARRIED "\n  rdkafka:\n    security.protocol: ssl\n"
        "    client.id: 'a \"b\" \\ \xc3\xa9'\n" TIER,
        "feed:\n  brokers: b\n  rdkafka: [security.protocol=ssl, 'client.id=a \"b\" \\ "
        "\xc3\xa9']\n  " CARRIED "\n" TIER,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct config *config = parse(texts[i]);
        assert_int_equal(config->feed->rdkafka_count, 2);
        assert_string_equal(config->feed->rdkafka[0], "security.protocol=ssl");
        assert_string_equal(config->feed->rdkafka[1], "client.id=a \"b\" \\ \xc3\xa9");
        config_free(config);
    }
}

static void test_control(void **state)
{
    (void)state;
    struct config *config = parse("control: ./a.sock # by hand\nlog: debug\n" TIER);
    assert_string_equal(config->control.path, "./a.sock");
    assert_null(config->control.group);
    assert_string_equal(config->log, "debug");
    config_free(config);
    config = parse("control: {path: /run/a.sock, group: dns}\n" TIER);
    assert_string_equal(config->control.path, "/run/a.sock");
    assert_string_equal(config->control.group, "dns");
    config_free(config);
    config = parse("control:\n  >-\n  /run/a.sock\nlog: debug\n" TIER);
    assert_string_equal(config->control.path, "/run/a.sock");
    assert_string_equal(config->log, "debug");
    config_free(config);
}

static void test_former_name(void **state)
{
    (void)state;
    struct config *config =
        parse("log: info\ntiers:\n- name: os\n  listen: [\"::1\"]\n  " UPSTREAM "\n"
              "  \"zones\":\n  - {name: a, forward: [192.0.2.1]}\n");
    assert_string_equal(config->tiers[0].zones[0].name, "a");
    assert_string_equal(config->note,
                        "t.yaml:6: tiers[0].zones: is called routes now; expected that");
    config_free(config);
}

/* Each is said of its line, behind whatever was rewritten before it. */
static void test_wrong(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"feed:\n  brokers: [a,\n    'b c']\n  " CARRIED "\n" TIER,
         "feed.brokers: \"b c\" is no broker; expected host:port, or several: a list, or separated "
         "by commas"},
        {"feed:\n  brokers: []\n  " CARRIED "\n" TIER,
         "feed.brokers: \"\" is empty; expected a text"},
        {"feed:\n  brokers:\n  - a\n  - [b]\n  " CARRIED "\n" TIER,
         "4: feed.brokers[1]: is a list or a mapping; expected a value"},
        {"feed:\n  brokers: {a: b}\n  " CARRIED "\n" TIER,
         "2: feed.brokers: is a mapping; expected a value"},
        {"feed:\n  brokers: b\n  rdkafka:\n    ssl: {ca: x}\n  " CARRIED "\n" TIER,
         "4: feed.rdkafka.ssl: is a list or a mapping; expected a value"},
        {"feed:\n  brokers: b\n  rdkafka: ssl\n  " CARRIED "\n" TIER,
         "3: feed.rdkafka: is a value; expected a list"},
        {"feed:\n  brokers:\n  - a\n  rdkafka:\n    a: b\n    c: d\n  zone: [a]\n" TIER,
         "7: feed.zone: unknown key; known here: brokers, updates, snapshots, zones, catalogs, "
         "except, "
         "lease, "
         "settle, marks, rdkafka, link"},
        {"control: {group: dns}\n" TIER,
         "1: control.path: missing; expected in the mapping that starts here"},
        {"control: {path: a, mode: 1}\n" TIER,
         "1: control.mode: unknown key; known here: path, group"},
        {"control:\n" TIER, "1: control: is empty; expected a mapping"},
        {"tiers:\n- name: os\n  zones: []\n  routes: []\n",
         "4: tiers[0].routes: given twice, first in line 3; expected once"},
        {NULL, NULL}};
    refused_all(bad);
}

/* A property is known by its line, whichever way it is written. */
static void test_line_of_a_property(void **state)
{
    (void)state;
    static const char text[] = "feed:\n  brokers: b\n  rdkafka:\n    a: b\n\n    group.id: c\n"
                               "  " CARRIED "\n" TIER;
    char error[CONFIG_MAX_ERROR];
    assert_null(config_parse("t.yaml", text, sizeof text - 1, error));
    assert_string_equal(error,
                        "t.yaml:6: feed.rdkafka[1]: \"group.id\" is a property that freshet sets "
                        "itself and relies on; expected another");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_brokers_as_a_list),
        cmocka_unit_test(test_properties_as_a_mapping),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_former_name),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_line_of_a_property),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
