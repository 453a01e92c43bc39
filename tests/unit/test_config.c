/*
 * test_config.c - the configuration: what loads, what is refused and in which words, what a reload
 * may change. Runs in the root of the repository, whose sample files it loads.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/options.h"
#include "config/units.h"
#include "tests/unit/config_texts.h"

#define TOP_KEYS                                                                                   \
    "workers, control, metrics, log, tcp_clients, tcp_idle, resolve_timeout, query_log, "          \
    "user, group, sandbox, experiment, keys, feed, tiers"
#define LABEL    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 63 bytes */
#define LABEL_62 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* ---- what loads ----------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
    (void)state;
    struct config *config = parse(TIER);
    assert_int_equal(config->workers, 1);
    assert_int_equal(config->tcp_clients, 1000);
    assert_int_equal(config->tcp_idle_ms, 10000);
    assert_int_equal(config->resolve_timeout_ms, 5000);
    assert_string_equal(config->log, "info");
    assert_null(config->control.path);
    assert_null(config->metrics);
    assert_null(config->feed);
    assert_int_equal(config->tier_count, 1);
    const struct config_cache *cache = &config->tiers[0].cache;
    assert_int_equal(cache->size, 64 << 20);
    assert_int_equal(cache->min_ttl, 0);
    assert_int_equal(cache->max_ttl, 86400);
    assert_int_equal(cache->negative_ttl, 900);
    assert_int_equal(cache->client_ttl, 5);
    config_free(config);
}

static void test_feed_defaults(void **state)
{
    (void)state;
    struct config *config = parse(TIER "feed: {brokers: \"b1:9092,b2\", zones: [a.example]}\n");
    assert_string_equal(config->feed->brokers, "b1:9092,b2");
    assert_string_equal(config->feed->updates, "dns.updates");
    assert_int_equal(config->feed->lease_ms, 3000);
    assert_int_equal(config->feed->marks, 1048576);
    assert_int_equal(config->feed->zone_count, 1);
    assert_string_equal(config->feed->zones[0], "a.example");
    assert_int_equal(config->feed->rdkafka_count, 0);
    config_free(config);
}

static void test_everything_written(void **state)
{
    (void)state;
    struct config *config = parse("workers: 256\n"
                                  "control: /run/c.sock\n"
                                  "metrics: \"[::1]:9153\"\n"
                                  "log: debug\n"
                                  "tcp_clients: 7\n"
                                  "tcp_idle: 500ms\n"
                                  "resolve_timeout: 1m\n"
                                  "feed:\n"
                                  "  brokers: b\n"
                                  "  updates: u\n"
                                  "  zones: [Example.COM., \"a\\\\.b.net\", \".\"]\n"
                                  "  lease: 250ms\n"
                                  "  marks: 1000\n"
                                  "  rdkafka: [security.protocol=ssl, \"a=b=c\"]\n"
                                  "tiers:\n"
                                  "- name: a-1_x\n"
                                  "  listen: [\"127.0.0.1:5300\", \"::1\"]\n"
                                  "  cache: {size: 100MB, min_ttl: 1m, max_ttl: 2h, hold: 0s,\n"
                                  "          negative_ttl: 0, client_ttl: 2w}\n"
                                  "  upstream: {forward: [\"[2001:db8::1]:853\"]}\n"
                                  "- name: b\n"
                                  "  listen: [192.0.2.9]\n"
                                  "  upstream: {forward: [\"127.0.0.1:5300\", 192.0.2.1]}\n");
    assert_int_equal(config->workers, 256);
    assert_string_equal(config->control.path, "/run/c.sock");
    assert_string_equal(config->metrics->text, "[::1]:9153");
    assert_string_equal(config->log, "debug");
    assert_int_equal(config->tcp_clients, 7);
    assert_int_equal(config->tcp_idle_ms, 500);
    assert_int_equal(config->resolve_timeout_ms, 60000);
    assert_string_equal(config->feed->updates, "u");
    assert_int_equal(config->feed->zone_count, 3);
    assert_string_equal(config->feed->zones[0], "Example.COM.");
    assert_string_equal(config->feed->zones[1], "a\\.b.net");
    assert_int_equal(config->feed->lease_ms, 250);
    assert_int_equal(config->feed->marks, 1000);
    assert_int_equal(config->feed->rdkafka_count, 2);
    assert_string_equal(config->feed->rdkafka[1], "a=b=c");
    assert_int_equal(config->tier_count, 2);
    assert_string_equal(config->tiers[0].name, "a-1_x");
    assert_int_equal(config->tiers[0].listen_count, 2);
    assert_int_equal(config->tiers[0].cache.size, 100000000);
    assert_int_equal(config->tiers[0].cache.min_ttl, 60);
    assert_int_equal(config->tiers[0].cache.max_ttl, 7200);
    assert_int_equal(config->tiers[0].cache.negative_ttl, 0);
    assert_int_equal(config->tiers[0].cache.client_ttl, 1209600);
    assert_int_equal(config->tiers[0].forward_count, 1);
    assert_int_equal(config->tiers[1].forward_count, 2);
    assert_string_equal(config->tiers[1].forward[1].text, "192.0.2.1");
    config_free(config);
}

/* The port an address has where none is written. */
static void test_default_port(void **state)
{
    (void)state;
    struct config *config = parse(TIER);
    const struct sockaddr_in *listen = (struct sockaddr_in *)&config->tiers[0].listen[0].addr;
    const struct sockaddr_in *forward = (struct sockaddr_in *)&config->tiers[0].forward[0].addr;
    assert_int_equal(listen->sin_port, htons(53));
    assert_int_equal(forward->sin_port, htons(53));
    assert_int_equal(forward->sin_addr.s_addr, inet_addr("192.0.2.1"));
    config_free(config);
}

static void test_samples(void **state)
{
    (void)state;
    char error[CONFIG_MAX_ERROR] = "";
    struct config *stub = config_load("config/stub.yaml", error);
    assert_string_equal(error, "");
    struct config *regional = config_load("config/regional.yaml", error);
    assert_string_equal(error, "");
    assert_non_null(stub->feed);
    assert_string_equal(stub->tiers[0].name, "os");
    assert_int_equal(stub->tiers[0].cache.client_ttl, 5);
    assert_string_equal(regional->tiers[0].name, "regional");
    assert_int_equal(regional->tiers[0].cache.client_ttl, 5);
    assert_int_equal(regional->tiers[0].position_for_count, 2);
    config_free(stub);
    config_free(regional);
}

static void test_byte_order_mark(void **state)
{
    (void)state;
    config_free(parse("\xef\xbb\xbf%YAML 1.1\n---\n" TIER "...\n"));
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void test_file_unreadable(void **state)
{
    (void)state;
    char error[CONFIG_MAX_ERROR];
    config_free(config_load("config/no-such.yaml", error)); /* NULL is fine to free */
    assert_string_equal(error, "config/no-such.yaml: No such file or directory");
    assert_null(config_load("config", error));
    assert_string_equal(error, "config: is a directory");
}

/* One byte beyond the limit is too large; the limit itself is not. */
static void test_file_size(void **state)
{
    (void)state;
    enum { LIMIT = 1 << 20 };
    char *text = malloc(LIMIT + 1);
    assert_non_null(text);
    memset(text, '\n', LIMIT + 1);
    memcpy(text, TIER, strlen(TIER));
    char error[CONFIG_MAX_ERROR];
    struct config *config = config_parse("t.yaml", text, LIMIT, error);
    assert_non_null(config);
    config_free(config);
    refused_bytes(text, LIMIT + 1, "t.yaml: is larger than 1 MiB; expected a configuration");
    free(text);
}

static void test_large_file_on_disk(void **state)
{
    (void)state;
    char path[] = "/tmp/freshet-test-XXXXXX", error[CONFIG_MAX_ERROR], expected[CONFIG_MAX_ERROR];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 3 << 20), 0);
    close(fd);
    struct config *config = config_load(path, error);
    unlink(path);
    assert_null(config);
    snprintf(expected, sizeof(expected), "%s: is larger than 1 MiB; expected a configuration",
             path);
    assert_string_equal(error, expected);
}

static void test_not_yaml(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"", "is empty; expected a mapping"},
        {"# only words\n", "is empty; expected a mapping"},
        {"---\n", "is empty; expected a mapping"},
        {"tiers:\n\t- name: a\n", "2: column 1: a tab while scanning for the next token; "
                                  "expected YAML, indented with spaces"},
        {"tiers: [\n", "2: column 1: did not find expected node content while parsing a "
                       "flow node; expected YAML"},
        {"log: \"x\n", "2: column 1: found unexpected end of stream while scanning a quoted "
                       "scalar; expected YAML"},
        {"a: b: c\n", "1: column 5: mapping values are not allowed in this context; expected YAML"},
        {"\xff\xfe" TIER, "invalid leading UTF-8 octet (byte 0); expected printable text in UTF-8"},
        {"log: \xc3(", "invalid trailing UTF-8 octet (byte 6); expected printable text in UTF-8"},
        {"log: \x1b[1m", "control characters are not allowed (byte 5); expected printable text in "
                         "UTF-8"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_yaml_we_do_not_take(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"log: &a info\n" TIER, "1: log: an anchor or alias; expected the value itself"},
        {"tiers: &a []\n", "1: tiers: an anchor or alias; expected the value itself"},
        {"feed: &a {}\n", "1: feed: an anchor or alias; expected the value itself"},
        {"workers: 1\nlog: *a\n", "2: log: an anchor or alias; expected the value itself"},
        {TIER "---\n" TIER, "2: a second document; expected one"},
        {"%TAG !a! b\n---\n" TIER, "1: a %TAG directive; expected none"},
        {"? [a]\n: b\n", "1: a key that is a list; expected a plain word"},
        {"feed:\n  ? {a: b}\n  : c\n", "2: feed: a key that is a mapping; expected a plain word"},
        {"a: [[[[[[[[1]]]]]]]]\n",
         "1: a[0][0][0][0][0][0][0]: nested too deeply; expected at most 8 levels"},
        {"\"wor\\0kers\": 1\n", "1: a NUL character; expected text"},
        {"log: \"in\\0fo\"\n", "1: log: a NUL character; expected text"},
        {LABEL "x: 1\n", "1: a key of 64 bytes; expected at most 63"},
        {"workers: 1\nlog: info\nworkers: 2\n" TIER,
         "3: workers: given twice, first in line 1; expected once"},
        {"tiers:\n- name: a\n  cache:\n    size: 1MiB\n    size: 1MiB\n",
         "5: tiers[0].cache.size: given twice, first in line 4; expected once"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_too_many_keys(void **state)
{
    (void)state;
    char text[65 * 8 + 1];
    size_t used = 0;
    for (unsigned i = 0; i < 65; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "k%u: 1\n", i);
    refused_bytes(text, used, "t.yaml:65: too many keys; expected at most 64");
}

static void test_unknown_key(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"worker: 1\n" TIER, "1: worker: unknown key; known here: " TOP_KEYS},
        {"Workers: 1\n" TIER, "1: Workers: unknown key; known here: " TOP_KEYS},
        {"<<: 1\n" TIER, "1: <<: unknown key; known here: " TOP_KEYS},
        {"? \"a\\nb\"\n: 1\n", "1: a\\x0ab: unknown key; known here: " TOP_KEYS},
        {"feed:\n  brokers: a\n  zone: [a]\n",
         "3: feed.zone: unknown key; known here: brokers, "
         "updates, snapshots, zones, catalogs, except, lease, "
         "settle, marks, rdkafka, link"},
        {"tiers:\n- name: a\n  listen: [\"::1\"]\n  cahce: {}\n",
         "4: tiers[0].cahce: unknown key; known here: name, listen, subscribe, per_client, "
         "trust_ad, clients, cache, upstream, "
         "position_for, routes, special_use, hosts, local"},
        {"tiers:\n- name: a\n  listen:\n  - ::1\n  " UPSTREAM "\n- name: b\n  cache:\n"
         "    sise: 1\n",
         "8: tiers[1].cache.sise: unknown key; known here: size, min_ttl, max_ttl, "
         "negative_ttl, client_ttl, hold, serve_stale, prefetch, warm"},
        {"tiers: [{upstream: {forwards: []}}]\n", "1: tiers[0].upstream.forwards: unknown key; "
                                                  "known here: tier, forward, parent, link"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_missing_key(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"\n\nworkers: 1\n", "3: tiers: missing; expected in the mapping that starts here"},
        {"{}\n", "1: tiers: missing; expected in the mapping that starts here"},
        {"feed: {}\n" TIER, "1: feed.brokers: missing; expected in the mapping that starts here"},
        {TIER "feed:\n  brokers: b\n", "2: feed.zones: missing; expected it, or feed.catalogs"},
        {"tiers:\n- {}\n", "2: tiers[0].name: missing; expected in the mapping that starts here"},
        {"tiers:\n- name: a\n  " UPSTREAM "\n",
         "tiers[0].listen: missing, and no tier has this one as its upstream; expected addresses"},
        {"tiers:\n- name: a\n  listen: [\"::1\"]\n",
         "2: tiers[0].upstream: missing; expected in the mapping that starts here"},
        {"tiers:\n- name: a\n  listen: [\"::1\"]\n  upstream: {}\n",
         "tiers[0].upstream: neither tier, forward nor parent; expected one of them"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_wrong_shape(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"[a]\n", "1: is a list; expected a mapping"},
        {"\na\n", "2: is a value; expected a mapping"},
        {"workers: [1]\n" TIER, "1: workers: is a list; expected a value"},
        {"feed:\n" TIER, "1: feed: is empty; expected a mapping"},
        {"tiers: 3\n", "1: tiers: is a value; expected a list"},
        {"tiers: {a: b}\n", "1: tiers: is a mapping; expected a list"},
        {"tiers:\n- os\n", "2: tiers[0]: is a value; expected a mapping"},
        {"tiers: []\n", "1: tiers: too few entries; expected 1 to 64 entries"},
        {LISTEN(""), "1: tiers[0].listen: too few entries; expected 1 to 64 entries"},
        {LISTEN("[]"), "1: tiers[0].listen[0]: is a list; expected a value"},
        {LISTEN("\"::1\", {}"), "1: tiers[0].listen[1]: is a mapping; expected a value"},
        {"tiers: [{name: a, listen: \"::1\"}]\n",
         "1: tiers[0].listen: is a value; expected a list"},
        {"tiers: [{name: a, cache: 64MiB}]\n", "1: tiers[0].cache: is a value; expected a mapping"},
        {FORWARD(""), "1: tiers[0].upstream.forward: too few entries; expected 1 to 32 entries"},
        {ZONES(""), "2: feed.zones: too few entries; expected 1 to 65536 entries"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_too_many_entries(void **state)
{
    (void)state;
    char text[2048] = "tiers: [{name: a, listen: [";
    for (unsigned i = 0; i < 65; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "127.0.0.%u,", i);
    strcat(text, "]}]\n");
    refused_bytes(text, strlen(text),
                  "t.yaml:1: tiers[0].listen: too many entries; expected 1 to 64 entries");
}

static void test_bad_number(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"workers: 0\n" TIER, "workers: \"0\" is out of range; expected 1 to 256"},
        {"workers: 257\n" TIER, "workers: \"257\" is out of range; expected 1 to 256"},
        {"workers: 18446744073709551617\n" TIER,
         "workers: \"18446744073709551617\" is out of range; expected 1 to 256"},
        {"workers: -1\n" TIER, "workers: \"-1\" is not a number; expected 1 to 256"},
        {"workers: 0x10\n" TIER, "workers: \"0x10\" is not a number; expected 1 to 256"},
        {"workers:\n" TIER, "workers: \"\" is not a number; expected 1 to 256"},
        {"workers: \"1\\n2\"\n" TIER, "workers: \"1\\x0a2\" is not a number; expected 1 to 256"},
        {"workers: \xc3\xbc\n" TIER, "workers: \"\\xc3\\xbc\" is not a number; expected 1 to 256"},
        {FEED("marks: 1"), "feed.marks: \"1\" is out of range; expected 16 to 268435456"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_bad_duration(void **state)
{
    (void)state;
#define DURATIONS "; expected a number with ms, s, m, h, d or w"
    static const struct bad bad[] = {
        {"tcp_idle: 5\n" TIER, "tcp_idle: \"5\" has no unit" DURATIONS},
        {"tcp_idle: 5 y\n" TIER, "tcp_idle: \"5 y\" is not a duration" DURATIONS},
        {"tcp_idle: s\n" TIER, "tcp_idle: \"s\" is not a duration" DURATIONS},
        {"tcp_idle: 1w\n" TIER, "tcp_idle: \"1w\" is out of range; expected 100ms to 1h"},
        {"tcp_idle: 0\n" TIER, "tcp_idle: \"0\" is out of range; expected 100ms to 1h"},
        {"resolve_timeout: 2h\n" TIER,
         "resolve_timeout: \"2h\" is out of range; expected 10ms to 1m"},
        {FEED("lease: 1ms"), "feed.lease: \"1ms\" is out of range; expected 100ms to 1h"},
        {FEED("lease: 30500568904944w"),
         "feed.lease: \"30500568904944w\" is out of range; expected 100ms to 1h"},
        {CACHE("min_ttl: 500ms"), "tiers[0].cache.min_ttl: \"500ms\" is not a whole number of "
                                  "seconds; expected a number with s, m, h, d or w"},
        {CACHE("max_ttl: 53w"),
         "tiers[0].cache.max_ttl: \"53w\" is out of range; expected 0s to 52w"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_bad_size(void **state)
{
    (void)state;
#define SIZES "; expected a number with B, KiB, MiB or GiB"
    static const struct bad bad[] = {
        {CACHE("size: 64 parsecs"), "tiers[0].cache.size: \"64 parsecs\" is not a size" SIZES},
        {CACHE("size: 64mib"), "tiers[0].cache.size: \"64mib\" is not a size" SIZES},
        {CACHE("size: 65536"), "tiers[0].cache.size: \"65536\" has no unit" SIZES},
        {CACHE("size: 63KiB"),
         "tiers[0].cache.size: \"63KiB\" is out of range; expected 64KiB to 1024GiB"},
        {CACHE("size: 17179869185GiB"),
         "tiers[0].cache.size: \"17179869185GiB\" is out of range; expected 64KiB to 1024GiB"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_bad_text(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"log: loud\n" TIER,
         "log: \"loud\" is not a log level; expected error, warning, info or debug"},
        {"query_log: all\n" TIER,
         "query_log: \"all\" is not known; expected none, questions or clients"},
        {"control: \"\"\n" TIER, "control.path: \"\" is empty; expected a text"},
        {"control: /" LABEL "/" LABEL "\n" TIER,
         "control.path: \"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/"
         "aaaaaaaaa...\" is out of range; expected 1 to 107 bytes: a unix socket's path"},
        {TIER "feed: {brokers: \"\", zones: [a]}\n",
         "feed.brokers: \"\" is empty; expected a text"},
        {FEED("updates: a b"),
         "feed.updates: \"a b\" is not a Kafka topic; expected 1 to 249 of a-z, A-Z, 0-9, ., _ "
         "and -"},
        {FEED("updates: .."), "feed.updates: \"..\" is not a Kafka topic; expected 1 to 249 of "
                              "a-z, A-Z, 0-9, ., _ and -"},
        {"tiers: [{name: \"\", listen: [\"::1\"], " UPSTREAM "}]\n",
         "tiers[0].name: \"\" is not a tier's name; expected 1 to 63 of a-z, 0-9, _ and -"},
        {"tiers: [{name: Os, listen: [\"::1\"], " UPSTREAM "}]\n",
         "tiers[0].name: \"Os\" is not a tier's name; expected 1 to 63 of a-z, 0-9, _ and -"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_bad_address(void **state)
{
    (void)state;
#define ADDRESS_WORDS                                                                              \
    " is not an address; expected one such as 192.0.2.1:53 or [2001:db8::1]:53, no host name"
    static const struct bad bad[] = {
        {LISTEN("localhost"), "tiers[0].listen[0]: \"localhost\"" ADDRESS_WORDS},
        {LISTEN("\"::1\", ~"), "tiers[0].listen[1]: \"~\"" ADDRESS_WORDS},
        {LISTEN("53"), "tiers[0].listen[0]: \"53\"" ADDRESS_WORDS},
        {FORWARD("ns1.example:53"),
         "tiers[0].upstream.forward[0]: \"ns1.example:53\"" ADDRESS_WORDS},
        {FORWARD("0.0.0.0"), "tiers[0].upstream.forward[0]: \"0.0.0.0\" is no server's address; "
                             "expected one such as 192.0.2.1:53 or [2001:db8::1]:53"},
        {FORWARD("\"::\""), "tiers[0].upstream.forward[0]: \"::\" is no server's address; "
                            "expected one such as 192.0.2.1:53 or [2001:db8::1]:53"},
        {"metrics: 127.0.0.1\n" TIER, "metrics: \"127.0.0.1\" has no port; expected one such as "
                                      "127.0.0.1:9153 or [::1]:9153"},
        {"metrics: 9153\n" TIER, "metrics: \"9153\"" ADDRESS_WORDS},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_bad_zone(void **state)
{
    (void)state;
#define ZONE_WORDS                                                                                 \
    " is not a domain name; expected labels of 1 to 63 ASCII characters, 253 in all, such as "     \
    "example.com."
#define WILDCARD_WORDS                                                                             \
    " is a wildcard, and no zone; expected the zone itself, such as example.com.; what is below "  \
    "it is meant with it"
    char names[] = "|b..c|.a|a..|a b|a\\|a\\25|a\\256|a" LABEL, *rest = names;
    while (rest) {
        char text[512], expected[CONFIG_MAX_ERROR];
        const char *name = strsep(&rest, "|");
        snprintf(text, sizeof(text), ZONES("a, '%s'"), name);
        snprintf(expected, sizeof(expected), "t.yaml: feed.zones[1]: \"%s\"" ZONE_WORDS, name);
        refused_bytes(text, strlen(text), expected);
    }
    static const struct bad bad[] = {
        {ZONES("a, b.example, A."),
         "feed.zones[2]: \"A.\" is feed.zones[0] again; expected each zone once"},
        {ZONES("a, '\\097.'"),
         "feed.zones[1]: \"\\097.\" is feed.zones[0] again; expected each zone once"},
        {ZONES("a.b, '\\065.\\b'"),
         "feed.zones[1]: \"\\065.\\b\" is feed.zones[0] again; expected each zone once"},
        {ZONES("'a\\.', 'a\\046.'"),
         "feed.zones[1]: \"a\\046.\" is feed.zones[0] again; expected each zone once"},
        {ZONES("\xc3\xbc"), "feed.zones[0]: \"\\xc3\\xbc\"" ZONE_WORDS},
        {ZONES("'*.example.com'"), "feed.zones[0]: \"*.example.com\"" WILDCARD_WORDS},
        {ZONES("a, '*'"), "feed.zones[1]: \"*\"" WILDCARD_WORDS},
        {ZONES("'\\*.a'"), "feed.zones[0]: \"\\*.a\"" WILDCARD_WORDS},
        {ZONES("'\\042.a'"), "feed.zones[0]: \"\\042.a\"" WILDCARD_WORDS},
        {EXCEPT("a", "'*.a'"), "feed.except[0]: \"*.a\"" WILDCARD_WORDS},
        {"tiers: [{name: os, listen: [127.0.0.1], " UPSTREAM
         ", routes: [{name: '*.a', forward: [\"::1\"]}]}]\n",
         "tiers[0].routes[0].name: \"*.a\"" WILDCARD_WORDS},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_except(void **state)
{
    (void)state;
    struct config *config =
        parse(EXCEPT("a.example, d.c.b.a.example, '.'", "B.a.example., 'x\\.y.a.example'"));
    assert_int_equal(config->feed->except_count, 2);
    assert_string_equal(config->feed->except[0], "B.a.example.");
    config_free(config);
    config = parse(ZONES("a"));
    assert_int_equal(config->feed->except_count, 0);
    config_free(config);
    /* one and the same name, however it is written; and two that only look alike */
    config_free(parse(EXCEPT("'\\097.example'", "'b.a.ex\\097mple'")));
    config_free(parse(ZONES("'a.', 'a\\.', 'a\\.\\.'")));
    /* only the root is around it */
    config_free(parse(EXCEPT("'.'", "a")));
    static const struct bad bad[] = {
        {EXCEPT("a.example", "b.example"),
         "feed.except[0]: \"b.example\" lies below no zone of feed.zones; expected one that does"},
        {EXCEPT("a.example", "c.a.example, ba.example"),
         "feed.except[1]: \"ba.example\" lies below no zone of feed.zones; expected one that does"},
        {EXCEPT("a.example", "'b\\.a.example'"), "feed.except[0]: \"b\\.a.example\" lies below no "
                                                 "zone of feed.zones; expected one that does"},
        {EXCEPT("b, a.b", "A.B."),
         "feed.except[0]: \"A.B.\" is feed.zones[1] too; expected it in one of the two"},
        {EXCEPT("a", "b.a, c.a, B.a"),
         "feed.except[2]: \"B.a\" is feed.except[0] again; expected each zone once"},
        {EXCEPT("a", "."),
         "feed.except[0]: \".\" lies below no zone of feed.zones; expected one that does"},
        {EXCEPT("a", ""), "2: feed.except: too few entries; expected 1 to 65536 entries"},
        {NULL, NULL}};
    refused_all(bad);
}

/* A name of 255 bytes on the wire is 253 characters; one more does not fit. */
#define THREE_LABELS LABEL "." LABEL "." LABEL "."
#define LAST_LABEL   "0123456789012345678901234567890123456789012345678901234567890"

static void test_zone_length(void **state)
{
    (void)state;
    char error[CONFIG_MAX_ERROR];
    static const char longer[] = ZONES(THREE_LABELS LAST_LABEL "x");
    config_free(parse(ZONES(THREE_LABELS LAST_LABEL)));
    config_free(parse(ZONES(THREE_LABELS LAST_LABEL ".")));
    config_free(parse(ZONES("\\046" LABEL_62))); /* an escape is one character of its label */
    assert_null(config_parse("t.yaml", longer, strlen(longer), error));
    assert_non_null(strstr(error, ZONE_WORDS));
}

static void test_bad_property(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {FEED("rdkafka: [x]"), "feed.rdkafka[0]: is not a property; expected property=value"},
        {FEED("rdkafka: [a=b, =x]"), "feed.rdkafka[1]: is not a property; expected property=value"},
        {FEED("rdkafka: [group.id=x]"), "feed.rdkafka[0]: \"group.id\" is a property that freshet "
                                        "sets itself and relies on; expected another"},
        {NULL, NULL}};
    refused_all(bad);
}

/* Each of freshet's own properties is refused; one that only starts like it is not. */
static void test_own_properties(void **state)
{
    (void)state;
    for (size_t i = 0; option_own_properties[i]; i++) {
        char text[512], error[CONFIG_MAX_ERROR];
        snprintf(text, sizeof(text), FEED("rdkafka: [%s=1]"), option_own_properties[i]);
        assert_null(config_parse("t.yaml", text, strlen(text), error));
        assert_non_null(strstr(error, "sets itself"));
        snprintf(text, sizeof(text), FEED("rdkafka: [%sx=1]"), option_own_properties[i]);
        config_free(parse(text));
    }
}

#define TWO_TIERS(first, second)                                                                   \
    "tiers: [{name: a, listen: [" first "], " UPSTREAM "}, {name: b, listen: [" second             \
    "], " UPSTREAM "}]\n"

static void test_bad_combination(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {"tiers: [{name: a, listen: [\"::1\"], " UPSTREAM
         "}, {name: a, listen: [127.0.0.1], " UPSTREAM "}]\n",
         "tiers[1].name: \"a\" is the name of tiers[0]; expected another"},
        {TWO_TIERS("127.0.0.1, \"[::1]:53\"", "127.0.0.2, \"::1\""),
         "tiers[1].listen[1]: \"::1\" is taken by tiers[0].listen[1]; expected another"},
        {LISTEN("127.0.0.1, 127.0.0.1:53"),
         "tiers[0].listen[1]: \"127.0.0.1:53\" is taken by tiers[0].listen[0]; expected another"},
        {"metrics: 127.0.0.1:53\n" TIER,
         "metrics: \"127.0.0.1:53\" is taken by tiers[0].listen[0]; expected another"},
        {FORWARD("192.0.2.1, 127.0.0.1:53"),
         "tiers[0].upstream.forward[1]: \"127.0.0.1:53\" is where this tier listens, a loop; "
         "expected another server"},
        {"tiers: [{name: a, listen: [0.0.0.0], upstream: {forward: [127.0.0.53]}}]\n",
         "tiers[0].upstream.forward[0]: \"127.0.0.53\" is where this tier listens, a loop; "
         "expected another server"},
        {"tiers: [{name: a, listen: [\"[::]:5\"], upstream: {forward: [\"[::1]:5\"]}}]\n",
         "tiers[0].upstream.forward[0]: \"[::1]:5\" is where this tier listens, a loop; "
         "expected another server"},
        {CACHE("min_ttl: 2h, max_ttl: 1h"),
         "tiers[0].cache.min_ttl: 7200s is above max_ttl, 3600s; expected at most that"},
        {NULL, NULL}};
    refused_all(bad);
}

/* Neighbours of the combinations above that are fine. */
static void test_good_combination(void **state)
{
    (void)state;
    config_free(parse(TWO_TIERS("127.0.0.1", "\"127.0.0.1:54\"")));
    config_free(parse(CACHE("min_ttl: 1h, max_ttl: 1h")));
    config_free(parse(FORWARD("127.0.0.1:54")));
    config_free(parse("metrics: 127.0.0.1:54\n" TIER));
    config_free(parse("tiers: [{name: a, listen: [0.0.0.0], upstream: {forward: [192.0.2.1]}}]\n"));
    config_free(parse(ZONES("a, a.a, aa")));
}

/* However long the path, the line keeps its reason. */
static void test_long_path(void **state)
{
    (void)state;
    char path[1001], error[CONFIG_MAX_ERROR];
    memset(path, 'x', sizeof(path) - 1);
    path[10] = '\n';
    path[sizeof(path) - 1] = '\0';
    assert_null(config_parse(path, "[a]", 3, error));
    assert_non_null(strstr(error, "xxx:1: is a list; expected a mapping"));
    assert_null(strchr(error, '\n'));
    assert_null(config_parse("a\nb", "[a]", 3, error));
    assert_string_equal(error, "a\\x0ab:1: is a list; expected a mapping");
}

/* ---- addresses ------------------------------------------------------------------------------ */

static void parses_to(const char *text, const char *host, uint16_t port)
{
    struct sockaddr_storage addr;
    socklen_t size;
    char shown[INET6_ADDRSTRLEN];
    assert_true(config_parse_address(text, 53, &addr, &size));
    const struct sockaddr_in *v4 = (struct sockaddr_in *)&addr;
    const struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;
    bool is_v4 = addr.ss_family == AF_INET;
    assert_int_equal(size, is_v4 ? sizeof(*v4) : sizeof(*v6));
    inet_ntop(addr.ss_family, is_v4 ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr, shown,
              sizeof(shown));
    assert_string_equal(shown, host);
    assert_int_equal(ntohs(is_v4 ? v4->sin_port : v6->sin6_port), port);
}

static void test_addresses(void **state)
{
    (void)state;
    parses_to("127.0.0.1", "127.0.0.1", 53);
    parses_to("127.0.0.1:5353", "127.0.0.1", 5353);
    parses_to("0.0.0.0:65535", "0.0.0.0", 65535);
    parses_to("::1", "::1", 53);
    parses_to("[::1]", "::1", 53);
    parses_to("[::1]:1", "::1", 1);
    parses_to("[2001:db8::53]:05300", "2001:db8::53", 5300);
    parses_to("::ffff:192.0.2.1", "::ffff:192.0.2.1", 53);
}

/* The loopback interface is there on any machine that runs this, and has index 1 or another. */
static void test_zone_id(void **state)
{
    (void)state;
    struct sockaddr_storage addr;
    socklen_t size;
    assert_true(config_parse_address("[fe80::1%lo]:54", 53, &addr, &size));
    const struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;
    assert_int_not_equal(v6->sin6_scope_id, 0);
    assert_int_equal(v6->sin6_port, htons(54));
    assert_true(config_parse_address("fe80::1%no-such-interface", 53, &addr, &size));
    assert_int_equal(v6->sin6_scope_id, 0);
    assert_false(config_parse_address("2001:db8::1%no-such-interface", 53, &addr, &size));
    assert_false(config_parse_address("fe80::1%", 53, &addr, &size));
}

static void test_no_addresses(void **state)
{
    (void)state;
    char texts[] = "|:53|localhost|127.0.0.1:|127.0.0.1:0|127.0.0.1:65536|127.0.0.1:100053|"
                   "127.0.0.1:-1|127.0.0.1:+1|127.0.0.1: 1|127.0.0.1:1x|127.1|0x7f000001|1|"
                   "127.0.0.256|127.0.0.1 |[127.0.0.1]:53|[::1|[::1]53|[::1]:|[]:53|::g|"
                   "[::1]]:53|[[::1]]:53|[localhost]:53|1:2:3:4:5:6:7:8:9|[::" LABEL LABEL "]";
    char *rest = texts;
    while (rest) {
        struct sockaddr_storage addr = {.ss_family = 77};
        socklen_t size = 77;
        const char *text = strsep(&rest, "|");
        if (config_parse_address(text, 53, &addr, &size))
            fail_msg("taken: %s", text);
        assert_int_equal(addr.ss_family, 77); /* outputs stay as they were */
        assert_int_equal(size, 77);
    }
}

/* ---- units ---------------------------------------------------------------------------------- */

static void test_units(void **state)
{
    (void)state;
    static const struct {
        const struct units *units;
        const char *text;
        uint64_t value;
        enum units_result result;
    } cases[] = {
        {&units_durations, "1ms", 1, UNITS_OK},
        {&units_durations, "2 s", 2000, UNITS_OK},
        {&units_durations, "3m", 180000, UNITS_OK},
        {&units_durations, "4h", 14400000, UNITS_OK},
        {&units_durations, "5d", 432000000, UNITS_OK},
        {&units_durations, "6w", 3628800000, UNITS_OK},
        {&units_durations, "0", 0, UNITS_OK},
        {&units_durations, "7", 0, UNITS_MISSING},
        {&units_durations, "7 ", 0, UNITS_WRONG},
        {&units_durations, "7s ", 0, UNITS_WRONG},
        {&units_durations, " 7s", 0, UNITS_WRONG},
        {&units_durations, "7S", 0, UNITS_WRONG},
        {&units_sizes, "8B", 8, UNITS_OK},
        {&units_sizes, "8KiB", 8192, UNITS_OK},
        {&units_sizes, "8MiB", 8 << 20, UNITS_OK},
        {&units_sizes, "8GiB", UINT64_C(8) << 30, UNITS_OK},
        {&units_sizes, "8KB", 8000, UNITS_OK},
        {&units_sizes, "8MB", 8000000, UNITS_OK},
        {&units_sizes, "8GB", 8000000000, UNITS_OK},
        {&units_sizes, "0", 0, UNITS_MISSING},
        {&units_sizes, "18446744073709551615B", UINT64_MAX, UNITS_OK},
        {&units_sizes, "18446744073709551616B", 0, UNITS_OVERFLOW},
        {&units_sizes, "99999999999999999999999B", 0, UNITS_OVERFLOW},
        {&units_sizes, "17179869183GiB", UINT64_C(17179869183) << 30, UNITS_OK},
        {&units_sizes, "17179869184GiB", 0, UNITS_OVERFLOW},
        {&units_none, "42", 42, UNITS_OK},
        {&units_none, "", 0, UNITS_WRONG},
        {&units_none, "42x", 0, UNITS_WRONG},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 77;
        assert_int_equal(units_parse(cases[i].units, cases[i].text, &value), cases[i].result);
        assert_int_equal(value, cases[i].result == UNITS_OK ? cases[i].value : 77);
    }
}

/* What is printed parses again, to the same value. */
static void test_units_round_trip(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 999, 1000, 60000, 86400000, 604800000, 65536, 1 << 20};
    const struct units *const all[] = {&units_none, &units_durations, &units_sizes, &units_shares};
    for (size_t u = 0; u < 4; u++)
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            char text[UNITS_MAX_TEXT];
            uint64_t value;
            units_format(all[u], values[i], text);
            assert_int_equal(units_parse(all[u], text, &value), UNITS_OK);
            assert_int_equal(value, values[i]);
        }
    char text[UNITS_MAX_TEXT];
    assert_string_equal(units_format(&units_durations, 5400000, text), "90m");
    assert_string_equal(units_format(&units_sizes, 3 << 20, text), "3MiB");
}

/* ---- the table ------------------------------------------------------------------------------ */

static void check_row(const struct option *option)
{
    uint64_t value;
    const struct units *units = option_units(option->kind);
    assert_true(option->min <= option->max);
    assert_true(strlen(option->text) > 10);
    assert_int_equal(option->text[strlen(option->text) - 1], '.');
    if (option->kind == OPTION_BOOL) {
        assert_int_equal(option->width, sizeof(bool));
        assert_true(strcmp(option->preset, "false") == 0 || strcmp(option->preset, "true") == 0);
    }
    if (!units)
        return;
    if (option->width == 4) /* seconds are stored from milliseconds */
        assert_true(option->max / (option->kind == OPTION_SECONDS ? 1000 : 1) <= UINT32_MAX);
    else
        assert_int_equal(option->width, 8);
    assert_int_equal(units_parse(units, option->preset, &value), UNITS_OK);
    assert_in_range(value, option->min, option->max);
}

static void test_table(void **state)
{
    (void)state;
    size_t all = 0;
    for (enum option_scope scope = 0; scope < SCOPE_COUNT; scope++) {
        size_t count;
        const struct option *rows = options_of(scope, &count);
        assert_in_range(count, 1, OPTION_MAX_PER_SCOPE);
        for (size_t i = 0; i < count; i++) {
            check_row(&rows[i]);
            /* also says that no key is there twice */
            assert_ptr_equal(options_find(scope, rows[i].key, strlen(rows[i].key)), &rows[i]);
        }
        all += count;
    }
    assert_int_equal(all, options_count()); /* the rows of each scope stand together */
}

/* The committed reference is the printed one. */
static void test_reference(void **state)
{
    (void)state;
    char *printed = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&printed, &size);
    assert_non_null(out);
    options_write_markdown(out);
    fclose(out);
    FILE *in = fopen("config/OPTIONS.md", "r");
    assert_non_null(in);
    char *committed = calloc(1, size + 2);
    assert_non_null(committed);
    size_t read = fread(committed, 1, size + 1, in);
    fclose(in);
    assert_int_equal(read, size);
    assert_string_equal(committed, printed);
    free(committed);
    free(printed);
}

/* ---- reload --------------------------------------------------------------------------------- */

static void test_reload_applies(void **state)
{
    (void)state;
    reloads(TIER, TIER, NULL);
    reloads(TIER, "log: debug\ntcp_clients: 5\ntcp_idle: 1s\nresolve_timeout: 1s\n" TIER, NULL);
    reloads(TIER,
            CACHE("size: 1MiB, min_ttl: 1s, max_ttl: 1h, negative_ttl: 1s, client_ttl: 1s, "
                  "hold: 0s"),
            NULL);
    reloads(TIER, FORWARD("192.0.2.2, 192.0.2.3"), NULL);
    reloads(TIER, LISTEN("127.0.0.1:53"), NULL); /* the same address, written out */
    reloads(FEED("lease: 3s"), FEED("lease: 3000ms"), NULL);
    reloads(FEED(""), ZONES("a, b"), NULL);
    reloads(FEED(""), ZONES("b"), NULL);
    reloads(ZONES("a"), EXCEPT("a", "b.a"), NULL);
}

static void test_reload_needs_restart(void **state)
{
    (void)state;
    static const char one[] = TIER;
    reloads(one, "workers: 2\n" TIER, "workers");
    reloads(one, "control: /c\n" TIER, "control.path");
    reloads("control: /c\n" TIER, "control: /d\n" TIER, "control.path");
    reloads(one, "metrics: 127.0.0.1:1\n" TIER, "metrics");
    reloads("metrics: 127.0.0.1:2\n" TIER, "metrics: 127.0.0.1:1\n" TIER, "metrics");
    reloads(one, FEED(""), "feed");
    reloads(FEED(""), one, "feed");
    reloads(FEED(""), TIER "feed: {brokers: c, zones: [a]}\n", "feed.brokers");
    reloads(FEED(""), FEED("updates: b"), "feed.updates");
    reloads(FEED(""), FEED("lease: 4s"), "feed.lease");
    reloads(FEED(""), FEED("marks: 16"), "feed.marks");
    reloads(FEED(""), FEED("rdkafka: [a=b]"), "feed.rdkafka");
    reloads(FEED(""), FEED("snapshots: s"), "feed.snapshots");
    reloads(STREAM("true"), STREAM("false, forward: [192.0.2.1]"), "tiers[os].routes[a].stream");
    reloads(STREAM("false, forward: [192.0.2.1]"), STREAM("true"), "tiers[os].routes[a].stream");
    reloads(STREAM("true"), STREAM("true, authoritative: true, fallback: upstream"), NULL);
    reloads(one, LISTEN("127.0.0.2"), "tiers[os].listen");
    reloads(one, LISTEN("127.0.0.1, 127.0.0.2"), "tiers[os].listen");
    reloads(one, "tiers: [{name: b, listen: [127.0.0.1], " UPSTREAM "}]\n", "tiers[os].name");
    reloads(one, TWO_TIERS("127.0.0.1", "127.0.0.2"), "tiers");
    reloads(TWO_TIERS("127.0.0.1", "127.0.0.2"),
            "tiers: [{name: b, listen: [127.0.0.2], " UPSTREAM
            "}, {name: a, listen: [127.0.0.1], " UPSTREAM "}]\n",
            "tiers[a].name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_feed_defaults),
        cmocka_unit_test(test_everything_written),
        cmocka_unit_test(test_default_port),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_file_unreadable),
        cmocka_unit_test(test_file_size),
        cmocka_unit_test(test_large_file_on_disk),
        cmocka_unit_test(test_not_yaml),
        cmocka_unit_test(test_yaml_we_do_not_take),
        cmocka_unit_test(test_too_many_keys),
        cmocka_unit_test(test_unknown_key),
        cmocka_unit_test(test_missing_key),
        cmocka_unit_test(test_wrong_shape),
        cmocka_unit_test(test_too_many_entries),
        cmocka_unit_test(test_bad_number),
        cmocka_unit_test(test_bad_duration),
        cmocka_unit_test(test_bad_size),
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_bad_address),
        cmocka_unit_test(test_bad_zone),
        cmocka_unit_test(test_except),
        cmocka_unit_test(test_zone_length),
        cmocka_unit_test(test_bad_property),
        cmocka_unit_test(test_own_properties),
        cmocka_unit_test(test_bad_combination),
        cmocka_unit_test(test_good_combination),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_zone_id),
        cmocka_unit_test(test_no_addresses),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_units_round_trip),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_reload_applies),
        cmocka_unit_test(test_reload_needs_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
