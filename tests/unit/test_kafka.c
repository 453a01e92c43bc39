/*
 * test_kafka.c - the traps of librdkafka: each property the code relies on is set, whoever says
 * otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "invalidation/kafka.h"

struct property {
    const char *name, *value;
};

static char *const contrary[] = {"auto.offset.reset=latest",
                                 "enable.partition.eof=false",
                                 "enable.auto.commit=true",
                                 "enable.auto.offset.store=true",
                                 "socket.nagle.disable=false",
                                 "allow.auto.create.topics=true",
                                 "bootstrap.servers=192.0.2.1:1",
                                 "log.queue=false",
                                 "group.id=other",
                                 "isolation.level=read_uncommitted",
                                 "reconnect.backoff.max.ms=7000",
                                 "fetch.wait.max.ms=7"};

static char *const contrary_producer[] = {"enable.idempotence=false", "acks=1",
                                          "partitioner=random",       "socket.nagle.disable=false",
                                          "message.timeout.ms=1",     "linger.ms=9"};

/* The properties of the topic are kept apart from the client's. */
static void has(rd_kafka_conf_t *conf, const struct property *expected)
{
    char value[128];
    size_t size = sizeof value;
    if (rd_kafka_conf_get(conf, expected->name, value, &size) != RD_KAFKA_CONF_OK) {
        rd_kafka_topic_conf_t *topic = rd_kafka_conf_get_default_topic_conf(conf);
        assert_non_null(topic);
        size = sizeof value;
        assert_int_equal(rd_kafka_topic_conf_get(topic, expected->name, value, &size),
                         RD_KAFKA_CONF_OK);
    }
    if (strcmp(value, expected->value) != 0)
        fail_msg("%s is %s", expected->name, value);
}

/* Telemetry (KIP-714) is off where the library has it. */
static void tells_nothing_of_itself(rd_kafka_conf_t *conf)
{
    char value[16];
    size_t size = sizeof value;
    if (rd_kafka_conf_get(conf, "enable.metrics.push", value, &size) == RD_KAFKA_CONF_OK)
        assert_string_equal(value, "false");
}

/* What it knows of a topic by its id is gone before the topic can be made anew, where that would spoil its memory. */
static void forgets_topics_with_ids(rd_kafka_conf_t *conf)
{
    if (rd_kafka_version() >= 0x02040000)
        has(conf, &(struct property){"metadata.max.age.ms", "20"});
}

static void check_consumer(const struct kafka_settings *settings, const struct property *more)
{
    static const struct property required[] = {
        {"bootstrap.servers", "broker:9092"},
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", "true"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"socket.nagle.disable", "true"},
        {"allow.auto.create.topics", "false"},
        {"log.queue", "true"},
        {"group.id", "freshet"},
        {"isolation.level", "read_committed"},
    };
    char error[KAFKA_MAX_ERROR] = "";
    rd_kafka_conf_t *conf = kafka_consumer_conf(settings, error);
    assert_non_null(conf);
    for (size_t k = 0; k < sizeof required / sizeof required[0]; k++)
        has(conf, &required[k]);
    for (; more->name; more++)
        has(conf, more);
    tells_nothing_of_itself(conf);
    forgets_topics_with_ids(conf);
    rd_kafka_conf_destroy(conf);
}

static void a_consumer_never_skips_nor_commits(void **state)
{
    (void)state;
    static const struct property defaults[] = {{"reconnect.backoff.ms", "100"},
                                               {"reconnect.backoff.max.ms", "1000"},
                                               {"check.crcs", "true"},
                                               {"queued.min.messages", "300000"},
                                               {"queued.max.messages.kbytes", "131072"},
                                               {"fetch.wait.max.ms", "500"}, /* of librdkafka */
                                               {NULL, NULL}};
    const struct kafka_settings settings = {.brokers = "broker:9092"};
    check_consumer(&settings, defaults);
}

static void a_short_lease_wants_short_fetches(void **state)
{
    (void)state;
    static const struct property wait[] = {{"fetch.wait.max.ms", "123"}, {NULL, NULL}};
    struct kafka_settings settings = {.brokers = "broker:9092", .fetch_wait_ms = 123};
    check_consumer(&settings, wait);
    static const struct property said[] = {{"fetch.wait.max.ms", "7"}, {NULL, NULL}};
    settings.properties = contrary;
    settings.property_count = sizeof contrary / sizeof contrary[0];
    check_consumer(&settings, said);
}

static void operators_change_defaults_but_not_what_is_relied_on(void **state)
{
    (void)state;
    static const struct property said[] = {
        {"reconnect.backoff.max.ms", "7000"}, {"fetch.wait.max.ms", "7"}, {NULL, NULL}};
    const struct kafka_settings settings = {.brokers = "broker:9092",
                                            .properties = contrary,
                                            .property_count = sizeof contrary / sizeof contrary[0]};
    check_consumer(&settings, said);
}

/* The other way for who asks how long the log is: what a transaction hides is there. */
static void ends_are_those_of_all_that_is_written(void **state)
{
    (void)state;
    const struct kafka_settings settings = {.brokers = "broker:9092"};
    char error[KAFKA_MAX_ERROR] = "";
    rd_kafka_conf_t *conf = kafka_consumer_conf(&settings, error);
    assert_non_null(conf);
    kafka_read_uncommitted(conf);
    has(conf, &(struct property){"isolation.level", "read_uncommitted"});
    rd_kafka_conf_destroy(conf);
}

static void check_producer(const struct kafka_settings *settings, const char *linger)
{
    const struct property expected[] = {
        {"enable.idempotence", "true"},    {"acks", "-1"}, /* all */
        {"partitioner", "murmur2_random"}, {"socket.nagle.disable", "true"},
        {"message.timeout.ms", "1234"},    {"linger.ms", linger},
    };
    char error[KAFKA_MAX_ERROR] = "";
    rd_kafka_conf_t *conf = kafka_producer_conf(settings, 1234, error);
    assert_non_null(conf);
    for (size_t k = 0; k < sizeof expected / sizeof expected[0]; k++)
        has(conf, &expected[k]);
    tells_nothing_of_itself(conf);
    rd_kafka_conf_destroy(conf);
}

static void a_producer_is_idempotent_and_waits_for_all(void **state)
{
    (void)state;
    const struct kafka_settings plain = {.brokers = "broker:9092"};
    check_producer(&plain, "0");
    const struct kafka_settings said = {.brokers = "broker:9092",
                                        .properties = contrary_producer,
                                        .property_count =
                                            sizeof contrary_producer / sizeof contrary_producer[0]};
    check_producer(&said, "9");
}

static void refused(char *property, const char *expected)
{
    char *const properties[] = {property};
    const struct kafka_settings settings = {
        .brokers = "broker:9092", .properties = properties, .property_count = 1};
    char error[KAFKA_MAX_ERROR] = "";
    assert_null(kafka_consumer_conf(&settings, error));
    if (!strstr(error, expected))
        fail_msg("%s", error);
    assert_null(kafka_producer_conf(&settings, 1000, error));
}

static void bad_properties_are_named(void **state)
{
    (void)state;
    refused("no.such.property=1", "no.such.property");
    refused("socket.timeout.ms=soon", "socket.timeout.ms");
    refused("nothing", "not name=value");
    refused("=1", "not name=value");
}

/* What is refused may be a secret, or stand next to one. */
static void secrets_are_not_shown(void **state)
{
    (void)state;
    static const char *const texts[] = {"hunter2", "=hunter2", "hunter2=", "hunter2=1",
                                        "HUNTER.hunter2=1"};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        char error[KAFKA_MAX_ERROR] = "", *text = (char *)texts[k];
        const struct kafka_settings settings = {
            .brokers = "127.0.0.1:1", .properties = &text, .property_count = 1};
        size_t property;
        assert_true(kafka_check(&settings, &property, error) < 0);
        if (strstr(error, "hunter2"))
            fail_msg("%s: %s", text, error);
    }
    assert_true(kafka_is_secret("sasl.password=x"));
    assert_true(kafka_is_secret("ssl.key.pem"));
    assert_true(kafka_is_secret("sasl.oauthbearer.client.secret=x"));
    assert_false(kafka_is_secret("ssl.key.location=/password"));
    assert_false(kafka_is_secret("client.id=password"));
}

static void trouble_keeps_what_does_not_vary(void **state)
{
    (void)state;
    char trouble[KAFKA_MAX_TROUBLE] = "";
    kafka_note_trouble(trouble, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down");
    assert_string_equal(trouble, "1/1 brokers are down");
    kafka_note_trouble(trouble, RD_KAFKA_RESP_ERR__TRANSPORT,
                       "a:1: Connect failed: Connection refused (after 0ms in state CONNECT)");
    assert_string_equal(trouble, "a:1: Connect failed: Connection refused");
    kafka_note_trouble(trouble, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down");
    assert_string_equal(trouble, "a:1: Connect failed: Connection refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_consumer_never_skips_nor_commits),
        cmocka_unit_test(a_short_lease_wants_short_fetches),
        cmocka_unit_test(operators_change_defaults_but_not_what_is_relied_on),
        cmocka_unit_test(ends_are_those_of_all_that_is_written),
        cmocka_unit_test(a_producer_is_idempotent_and_waits_for_all),
        cmocka_unit_test(bad_properties_are_named),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(trouble_keeps_what_does_not_vary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
