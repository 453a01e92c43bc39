/*
 * test_config_tiers.c - the configuration of tiers on a feed: parents, who is told the position,
 * how long answers live and when they are fetched again.
 */
#include "tests/unit/config_texts.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "config/network.h"
#include "config/options.h"
#include "config/value.h"

#define FEED_LINE "feed: {brokers: b, zones: [a]}\n"

/* A tier with an upstream mapping, a parent, a list of networks; the last two on a feed. */
#define ASKING(text)   "tiers: [{name: os, listen: [127.0.0.1], upstream: {" text "}}]\n"
#define PARENT(text)   FEED_LINE ASKING("parent: [" text "]")
#define POSITION(text) POSITION_LIST("[" text "]")
#define POSITION_LIST(list)                                                                        \
    "tiers: [{name: os, listen: [127.0.0.1], position_for: " list ", " UPSTREAM "}]\n"

/* ---- what loads ----------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
    (void)state;
    struct config *config = parse(FEED_LINE TIER);
    const struct config_tier *tier = &config->tiers[0];
    assert_int_equal(config->feed->settle_ms, 2000);
    assert_int_equal(tier->cache.hold, 0);
    assert_int_equal(tier->cache.serve_stale, 0);
    assert_false(tier->cache.prefetch);
    assert_false(tier->cache.warm);
    assert_int_equal(tier->parent_count, 0);
    assert_null(tier->parent);
    assert_int_equal(tier->position_for_count, 0);
    assert_null(tier->position_for);
    config_free(config);
}

static const char everything[] =
    "feed: {brokers: b, zones: [a], settle: 250ms}\n"
    "tiers:\n"
    "- name: os\n"
    "  listen: [127.0.0.1]\n"
    "  cache: {hold: 52w, serve_stale: 7d, prefetch: true, warm: true}\n"
    "  upstream: {parent: [192.0.2.1, \"[2001:db8::1]:853\"]}\n"
    "  position_for: [127.0.0.0/8, \"::1\", 10.1.2.3]\n"
    "- name: b\n"
    "  listen: [127.0.0.2]\n"
    "  cache: {hold: 1h, warm: false, prefetch: false}\n"
    "  upstream: {forward: [192.0.2.9]}\n";

static void test_cache_written(void **state)
{
    (void)state;
    struct config *config = parse(everything);
    assert_int_equal(config->feed->settle_ms, 250);
    assert_int_equal(config->tiers[0].cache.hold, 52 * 7 * 86400);
    assert_int_equal(config->tiers[0].cache.serve_stale, 604800);
    assert_true(config->tiers[0].cache.prefetch);
    assert_true(config->tiers[0].cache.warm);
    assert_int_equal(config->tiers[1].cache.hold, 3600);
    assert_false(config->tiers[1].cache.prefetch);
    assert_false(config->tiers[1].cache.warm);
    config_free(config);
}

static void test_parent_written(void **state)
{
    (void)state;
    struct config *config = parse(everything);
    const struct config_tier *tier = &config->tiers[0];
    assert_int_equal(tier->forward_count, 0);
    assert_int_equal(tier->parent_count, 2);
    const struct sockaddr_in *first = (struct sockaddr_in *)&tier->parent[0].addr;
    assert_int_equal(first->sin_family, AF_INET);
    assert_int_equal(first->sin_port, htons(53));
    const struct sockaddr_in6 *second = (struct sockaddr_in6 *)&tier->parent[1].addr;
    assert_int_equal(second->sin6_family, AF_INET6);
    assert_int_equal(second->sin6_port, htons(853));
    assert_string_equal(tier->parent[1].text, "[2001:db8::1]:853");
    assert_int_equal(config->tiers[1].forward_count, 1);
    assert_int_equal(config->tiers[1].parent_count, 0);
    config_free(config);
}

static void test_position_for_written(void **state)
{
    (void)state;
    struct config *config = parse(everything);
    const struct config_tier *tier = &config->tiers[0];
    static const char *const shown[] = {"127.0.0.0/8", "::1/128", "10.1.2.3/32"};
    static const char *const written[] = {"127.0.0.0/8", "::1", "10.1.2.3"};
    assert_int_equal(tier->position_for_count, 3);
    for (size_t i = 0; i < 3; i++) {
        char text[NETWORK_MAX_TEXT];
        assert_string_equal(network_format(&tier->position_for[i], text), shown[i]);
        assert_string_equal(tier->position_for[i].text, written[i]);
    }
    assert_int_equal(config->tiers[1].position_for_count, 0);
    config_free(config);
}

/* ---- networks ------------------------------------------------------------------------------- */

static void shows_as(const char *text, const char *shown)
{
    struct config_network network;
    char formatted[NETWORK_MAX_TEXT];
    memset(&network, 0xff, sizeof(network));
    if (!config_parse_network(text, &network))
        fail_msg("refused: %s", text);
    assert_string_equal(network_format(&network, formatted), shown);
    assert_null(network.text);
}

static void test_networks(void **state)
{
    (void)state;
    shows_as("10.1.2.3", "10.1.2.3/32");
    shows_as("10.1.2.3/32", "10.1.2.3/32");
    shows_as("10.1.2.2/31", "10.1.2.2/31");
    shows_as("10.1.2.0/23", "10.1.2.0/23");
    shows_as("128.0.0.0/1", "128.0.0.0/1");
    shows_as("0.0.0.0/0", "0.0.0.0/0");
    shows_as("::/0", "::/0");
    shows_as("::", "::/128");
    shows_as("2001:db8::/32", "2001:db8::/32");
    shows_as("2001:db8:8000::/033", "2001:db8:8000::/33");
    shows_as("1111:2222:3333:4444:5555:6666:7777:8888",
             "1111:2222:3333:4444:5555:6666:7777:8888/128");
}

/* All bytes are in network order, and those beyond the prefix zero. */
static void test_network_bytes(void **state)
{
    (void)state;
    struct config_network network;
    static const uint8_t expected[16] = {192, 0, 2};
    memset(&network, 0xff, sizeof(network));
    assert_true(config_parse_network("192.0.2.0/24", &network));
    assert_int_equal(network.family, AF_INET);
    assert_int_equal(network.bits, 24);
    assert_memory_equal(network.bytes, expected, sizeof(expected));
}

static void test_no_networks(void **state)
{
    (void)state;
    char texts[] = "|/|/8|10.0.0.0/|10.0.0.0/33|10.0.0.0/-1|10.0.0.0/+8|10.0.0.0/ 8|10.0.0.0/8 |"
                   "10.0.0.0/0008|10.0.0.0/8/8|10.0.0.0/255.0.0.0|10/8|10.0/16|0x0a000000/8|"
                   "10.0.0.0:53|[::1]|[::1]/128|::1/129|::1/256|::/0x0|fe80::1%lo|:::|"
                   "localhost|localhost/8|1:2:3:4:5:6:7:8:9|::1 |10.0.0.1/8|::1/127|"
                   "1111:2222:3333:4444:5555:6666:7777:8888:1111:2222:3333:4444";
    char *rest = texts;
    while (rest) {
        struct config_network network = {.family = 77, .bits = 77};
        const char *text = strsep(&rest, "|");
        if (config_parse_network(text, &network))
            fail_msg("taken: %s", text);
        assert_int_equal(network.family, 77); /* outputs stay as they were */
        assert_int_equal(network.bits, 77);
    }
}

#define NETWORK_WORDS                                                                              \
    " is not a network; expected one such as 192.0.2.0/24, 2001:db8::/32 or ::1, no host name"

static void test_bad_network(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {POSITION("10.1.2.3/8"), "tiers[0].position_for[0]: \"10.1.2.3/8\" has bits set beyond its "
                                 "prefix; expected 10.0.0.0/8"},
        {POSITION("10.1.2.3/31"), "tiers[0].position_for[0]: \"10.1.2.3/31\" has bits set beyond "
                                  "its prefix; expected 10.1.2.2/31"},
        {POSITION("10.0.0.1, 0.0.0.1/0"),
         "tiers[0].position_for[1]: \"0.0.0.1/0\" has bits set beyond "
         "its prefix; expected 0.0.0.0/0"},
        {POSITION("\"2001:db8:ffff::1/33\""),
         "tiers[0].position_for[0]: \"2001:db8:ffff::1/33\" has bits set beyond its prefix; "
         "expected 2001:db8:8000::/33"},
        {POSITION("localhost"), "tiers[0].position_for[0]: \"localhost\"" NETWORK_WORDS},
        {POSITION("127.0.0.1:53"), "tiers[0].position_for[0]: \"127.0.0.1:53\"" NETWORK_WORDS},
        {POSITION("127.0.0.0/8, ~"), "tiers[0].position_for[1]: \"~\"" NETWORK_WORDS},
        {POSITION("10.0.0.0/33"), "tiers[0].position_for[0]: \"10.0.0.0/33\"" NETWORK_WORDS},
        {POSITION_LIST("10.0.0.0/8"), "1: tiers[0].position_for: is a value; expected a list"},
        {POSITION(""), "1: tiers[0].position_for: too few entries; expected 1 to 256 entries"},
        {NULL, NULL}};
    refused_all(bad);
}

/* Writes a list of `count` entries between `before` and `after`. */
static void write_list(char *ret_text, size_t room, const char *before, unsigned count,
                       const char *after)
{
    size_t used = (size_t)snprintf(ret_text, room, "%s", before);
    for (unsigned i = 0; i < count; i++)
        used += (size_t)snprintf(ret_text + used, room - used, "192.0.2.%u,", i % 250 + 1);
    snprintf(ret_text + used, room - used, "%s", after);
}

static void test_counts(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
        unsigned limit;
        const char *expected;
    } lists[] = {
        {"tiers: [{name: os, listen: [\"::1\"], " UPSTREAM ", position_for: [", "]}]\n", 256,
         "t.yaml:1: tiers[0].position_for: too many entries; expected 1 to 256 entries"},
        {"tiers: [{name: os, listen: [\"::1\"], upstream: {forward: [", "]}}]\n", 32,
         "t.yaml:1: tiers[0].upstream.forward: too many entries; expected 1 to 32 entries"},
        {FEED_LINE "tiers: [{name: os, listen: [\"::1\"], upstream: {parent: [", "]}}]\n", 32,
         "t.yaml:2: tiers[0].upstream.parent: too many entries; expected 1 to 32 entries"},
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        char text[8192];
        write_list(text, sizeof(text), lists[i].before, lists[i].limit, lists[i].after);
        config_free(parse(text));
        write_list(text, sizeof(text), lists[i].before, lists[i].limit + 1, lists[i].after);
        refused_bytes(text, strlen(text), lists[i].expected);
    }
}

/* ---- values --------------------------------------------------------------------------------- */

static void test_bad_bool(void **state)
{
    (void)state;
#define BOOLEANS " is not a boolean; expected true or false"
    static const struct bad bad[] = {
        {CACHE("prefetch: yes"), "tiers[0].cache.prefetch: \"yes\"" BOOLEANS},
        {CACHE("prefetch: True"), "tiers[0].cache.prefetch: \"True\"" BOOLEANS},
        {CACHE("prefetch: 1"), "tiers[0].cache.prefetch: \"1\"" BOOLEANS},
        {CACHE("prefetch: truer"), "tiers[0].cache.prefetch: \"truer\"" BOOLEANS},
        {CACHE("warm: \"\""), "tiers[0].cache.warm: \"\"" BOOLEANS},
        {CACHE("warm: off"), "tiers[0].cache.warm: \"off\"" BOOLEANS},
        {CACHE("warm: [true]"), "1: tiers[0].cache.warm: is a list; expected a value"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_bad_duration(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {CACHE("hold: 53w"), "tiers[0].cache.hold: \"53w\" is out of range; expected 0s to 52w"},
        {CACHE("hold: 1500ms"), "tiers[0].cache.hold: \"1500ms\" is not a whole number of seconds; "
                                "expected a number with s, m, h, d or w"},
        {CACHE("serve_stale: 8d"),
         "tiers[0].cache.serve_stale: \"8d\" is out of range; expected 0s to 1w"},
        {CACHE("serve_stale: 60"), "tiers[0].cache.serve_stale: \"60\" has no unit; expected a "
                                   "number with ms, s, m, h, d or w"},
        {FEED("settle: 61s"), "feed.settle: \"61s\" is out of range; expected 0s to 1m"},
        {FEED("settle: soon"),
         "feed.settle: \"soon\" is not a duration; expected a number with ms, s, m, h, d or w"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_settle_ends(void **state)
{
    (void)state;
    struct config *none = parse(FEED("settle: 0"));
    struct config *most = parse(FEED("settle: 60s"));
    assert_int_equal(none->feed->settle_ms, 0);
    assert_int_equal(most->feed->settle_ms, 60000);
    config_free(none);
    config_free(most);
}

/* ---- combinations --------------------------------------------------------------------------- */

static void test_bad_upstream(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {ASKING(""), "tiers[0].upstream: neither tier, forward nor parent; expected one of them"},
        {FEED_LINE ASKING("forward: [192.0.2.1], parent: [192.0.2.2]"),
         "tiers[0].upstream: both forward and parent; expected one of them"},
        {PARENT(""), "2: tiers[0].upstream.parent: too few entries; expected 1 to 32 entries"},
        {PARENT("192.0.2.1, 127.0.0.1:53"),
         "tiers[0].upstream.parent[1]: \"127.0.0.1:53\" is where this tier listens, a loop; "
         "expected another server"},
        {FEED_LINE "tiers: [{name: a, listen: [\"[::]:5\"], upstream: {parent: [\"[::1]:5\"]}}]\n",
         "tiers[0].upstream.parent[0]: \"[::1]:5\" is where this tier listens, a loop; expected "
         "another server"},
        {PARENT("regional.example"),
         "tiers[0].upstream.parent[0]: \"regional.example\" is not an address; expected one such "
         "as 192.0.2.1:53 or [2001:db8::1]:53, no host name"},
        {PARENT("0.0.0.0"), "tiers[0].upstream.parent[0]: \"0.0.0.0\" is no server's address; "
                            "expected one such as 192.0.2.1:53 or [2001:db8::1]:53"},
        {NULL, NULL}};
    refused_all(bad);
}

#define NO_FEED " needs a feed, and none is configured; expected "

static void test_needs_feed(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {CACHE("hold: 1s"), "tiers[0].cache.hold:" NO_FEED "0s or a feed"},
        {CACHE("warm: true"), "tiers[0].cache.warm:" NO_FEED "false or a feed"},
        {ASKING("parent: [192.0.2.1]"), "tiers[0].upstream.parent:" NO_FEED "forward or a feed"},
        {"tiers: [{name: a, listen: [127.0.0.1], " UPSTREAM "}, {name: b, listen: [127.0.0.2], "
         "cache: {warm: true}, " UPSTREAM "}]\n",
         "tiers[1].cache.warm:" NO_FEED "false or a feed"},
        {NULL, NULL}};
    refused_all(bad);
    for (const struct bad *each = bad; each->text; each++) {
        char text[512];
        snprintf(text, sizeof(text), FEED_LINE "%s", each->text);
        config_free(parse(text)); /* with a feed each is fine */
    }
}

static void test_needs_no_feed(void **state)
{
    (void)state;
    config_free(parse(CACHE("hold: 0s, warm: false")));
    config_free(parse(CACHE("serve_stale: 1d, prefetch: true")));
    config_free(parse(POSITION("127.0.0.1")));
}

/* ---- comparing and reloading ---------------------------------------------------------------- */

static bool equal(enum option_scope scope, const char *key, const void *one, const void *two)
{
    return value_equal(options_find(scope, key, strlen(key)), one, two);
}

static bool same_networks(const char *one_text, const char *two_text)
{
    struct config *one = parse(one_text), *two = parse(two_text);
    bool same = equal(SCOPE_TIER, "position_for", &one->tiers[0], &two->tiers[0]);
    config_free(one);
    config_free(two);
    return same;
}

static void test_networks_equal(void **state)
{
    (void)state;
    assert_true(same_networks(TIER, TIER));
    assert_true(same_networks(POSITION("10.0.0.1"), POSITION("10.0.0.1/32")));
    assert_true(same_networks(POSITION("\"2001:DB8::\""), POSITION("\"2001:db8:0::\"")));
    assert_false(same_networks(TIER, POSITION("10.0.0.1")));
    assert_false(same_networks(POSITION("10.0.0.0/8"), POSITION("10.0.0.0/9")));
    assert_false(same_networks(POSITION("10.0.0.0/8"), POSITION("11.0.0.0/8")));
    assert_false(same_networks(POSITION("0.0.0.0/0"), POSITION("\"::/0\"")));
    assert_false(same_networks(POSITION("10.0.0.1"), POSITION("10.0.0.1, 10.0.0.2")));
}

static void test_bools_equal(void **state)
{
    (void)state;
    struct config *off = parse(CACHE("prefetch: false")), *on = parse(CACHE("prefetch: true"));
    assert_true(equal(SCOPE_CACHE, "prefetch", &on->tiers[0].cache, &on->tiers[0].cache));
    assert_false(equal(SCOPE_CACHE, "prefetch", &on->tiers[0].cache, &off->tiers[0].cache));
    assert_true(equal(SCOPE_CACHE, "warm", &on->tiers[0].cache, &off->tiers[0].cache));
    config_free(off);
    config_free(on);
}

static void test_reload(void **state)
{
    (void)state;
    static const char one[] = FEED_LINE TIER;
    reloads(one, FEED_LINE CACHE("hold: 1h, serve_stale: 1d, prefetch: true, warm: true"), NULL);
    reloads(one, FEED_LINE POSITION("10.0.0.0/8, \"::1\""), NULL);
    reloads(one, PARENT("192.0.2.1"), NULL);
    reloads(PARENT("192.0.2.1"), one, NULL);
    reloads(PARENT("192.0.2.1"), PARENT("192.0.2.2, 192.0.2.3"), NULL);
    reloads(one, FEED("settle: 2000ms"), NULL);
    reloads(one, FEED("settle: 3s"), "feed.settle");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_cache_written),
        cmocka_unit_test(test_parent_written), cmocka_unit_test(test_position_for_written),
        cmocka_unit_test(test_networks),       cmocka_unit_test(test_network_bytes),
        cmocka_unit_test(test_no_networks),    cmocka_unit_test(test_bad_network),
        cmocka_unit_test(test_counts),         cmocka_unit_test(test_bad_bool),
        cmocka_unit_test(test_bad_duration),   cmocka_unit_test(test_settle_ends),
        cmocka_unit_test(test_bad_upstream),   cmocka_unit_test(test_needs_feed),
        cmocka_unit_test(test_needs_no_feed),  cmocka_unit_test(test_networks_equal),
        cmocka_unit_test(test_bools_equal),    cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
