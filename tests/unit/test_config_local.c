/*
 * test_config_local.c - the configuration of a machine's stub: zones asked elsewhere, hosts files,
 * records, special-use names.
 */
#include "tests/unit/config_texts.h"

#include <netinet/in.h>
#include <stdlib.h>

#define WITH(text)  "tiers: [{name: os, listen: [127.0.0.1], " UPSTREAM ", " text "}]\n"
#define ZONE(text)  WITH("routes: [{" text "}]")
#define FEED_LINE   "feed: {brokers: b, zones: [a]}\n"
#define TO          "forward: [10.0.0.1]"
#define ENTRY(text) "feed: {brokers: b, catalogs: [c]}\n" ZONE(text)
#define CORP(ways)  ZONE("name: corp.example, " ways)

static void test_defaults(void **state)
{
    (void)state;
    struct config *config = parse(TIER);
    const struct config_tier *tier = &config->tiers[0];
    assert_true(tier->special_use);
    assert_int_equal(tier->host_count, 0);
    assert_int_equal(tier->local_count, 0);
    assert_int_equal(tier->zone_count, 0);
    assert_null(tier->zones);
    config_free(config);
}

static void test_written(void **state)
{
    (void)state;
    struct config *config =
        parse(FEED_LINE WITH("special_use: false, hosts: [/etc/hosts, other], "
                             "local: [\"a.lan. A 192.0.2.1\", \"b TXT x\"], routes: ["
                             "{name: corp.example., forward: [10.0.0.53, \"[::1]:54\"]}, "
                             "{name: \".\", parent: [\"10.0.0.54:55\"]}]"));
    const struct config_tier *tier = &config->tiers[0];
    assert_false(tier->special_use);
    assert_int_equal(tier->host_count, 2);
    assert_string_equal(tier->hosts[0], "/etc/hosts");
    assert_int_equal(tier->local_count, 2);
    assert_string_equal(tier->local[0], "a.lan. A 192.0.2.1");
    assert_int_equal(tier->zone_count, 2);
    assert_string_equal(tier->zones[0].name, "corp.example.");
    assert_int_equal(tier->zones[0].forward_count, 2);
    assert_int_equal(tier->zones[0].parent_count, 0);
    assert_string_equal(tier->zones[0].forward[1].text, "[::1]:54");
    assert_int_equal(tier->zones[1].parent_count, 1);
    const struct sockaddr_in *parent = (const struct sockaddr_in *)&tier->zones[1].parent[0].addr;
    assert_int_equal(parent->sin_port, htons(55));
    config_free(config);
}

static void test_members_have_entries(void **state)
{
    (void)state;
    struct config *config = parse(ENTRY("catalog: c, group: g, stream: true}, {catalog: c, " TO));
    const struct config_tier *tier = &config->tiers[0];
    assert_null(tier->zones[0].name);
    assert_string_equal(tier->zones[0].catalog, "c");
    assert_string_equal(tier->zones[0].group, "g");
    assert_true(tier->zones[0].stream);
    assert_null(tier->zones[1].group);
    config_free(config);
}

static void test_bad_zones(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {ZONE("forward: [10.0.0.1]"),
         "tiers[0].routes[0]: neither name nor catalog; expected one of them"},
        {CORP("x: 1"),
         "1: tiers[0].routes[0].x: unknown key; known here: name, catalog, group, forward, "
         "parent, stream, fallback, authoritative, "
         "transfer_keys, transfer_from, notify, history, key"},
        {ZONE("name: a..b, forward: [10.0.0.1]"),
         "tiers[0].routes[0].name: \"a..b\" is not a domain name; expected labels of 1 to 63 ASCII "
         "characters, 253 in all, such as example.com."},
        {ZONE("name: a"), "tiers[0].routes[0]: neither forward nor parent; expected one of them"},
        {FEED_LINE CORP("forward: [10.0.0.1], parent: [10.0.0.2]"),
         "tiers[0].routes[0]: both forward and parent; expected one of them"},
        {CORP("forward: []"),
         "1: tiers[0].routes[0].forward: too few entries; expected 1 to 32 entries"},
        {CORP("forward: [ns.corp.example]"),
         "tiers[0].routes[0].forward[0]: \"ns.corp.example\" is not an address; expected one such "
         "as 192.0.2.1:53 or [2001:db8::1]:53, no host name"},
        {CORP("forward: [10.0.0.1, 127.0.0.1]"), "tiers[0].routes[0].forward[1]: \"127.0.0.1\" is "
                                                 "where this tier listens, a loop; expected "
                                                 "another server"},
        {CORP("parent: [10.0.0.1]"), "tiers[0].routes[0].parent: needs a feed, and none is "
                                     "configured; expected forward or a feed"},
        {WITH("routes: [{name: a, forward: [10.0.0.1]}, {name: b, forward: [10.0.0.1]}, "
              "{name: A., forward: [10.0.0.2]}]"),
         "tiers[0].routes[2]: \"A.\" is tiers[0].routes[0] again; expected each zone once"},
        {ENTRY("name: a, catalog: c, " TO),
         "tiers[0].routes[0]: both name and catalog; expected one of them"},
        {ENTRY("catalog: other, " TO),
         "tiers[0].routes[0].catalog: \"other\" is not in feed.catalogs; expected it there"},
        {ZONE("catalog: c, " TO),
         "tiers[0].routes[0].catalog: \"c\" is not in feed.catalogs; expected it there"},
        {ENTRY("name: a, group: g, " TO),
         "tiers[0].routes[0].group: is for members of a catalog; expected it beside one"},
        {ENTRY("catalog: c, " TO "}, {catalog: C., group: g, " TO),
         "tiers[0].routes[1].catalog: has no members left after tiers[0].routes[0]; expected it "
         "before that"},
        {ENTRY("catalog: c, group: g, " TO "}, {catalog: c, group: g, " TO),
         "tiers[0].routes[1].catalog: has no members left after tiers[0].routes[0]; expected it "
         "before that"},
        {"feed: {brokers: b, catalogs: [a, A.]}\n" TIER,
         "feed.catalogs[1]: \"A.\" is feed.catalogs[0] again; expected each zone once"},
        {WITH("routes: [a]"), "1: tiers[0].routes[0]: is a value; expected a mapping"},
        {WITH("routes: {name: a}"), "1: tiers[0].routes: is a mapping; expected a list"},
        {WITH("routes: []"), "1: tiers[0].routes: too few entries; expected 1 to 1024 entries"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_bad_lists(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {WITH("hosts: /etc/hosts"), "1: tiers[0].hosts: is a value; expected a list"},
        {WITH("hosts: []"), "1: tiers[0].hosts: too few entries; expected 1 to 64 entries"},
        {WITH("hosts: [\"\"]"), "tiers[0].hosts[0]: \"\" is empty; expected 1 to 4096 bytes"},
        {WITH("local: [a, \"\"]"), "tiers[0].local[1]: \"\" is empty; expected 1 to 4096 bytes"},
        {WITH("local: [{a: b}]"), "1: tiers[0].local[0]: is a mapping; expected a value"},
        {WITH("special_use: no"),
         "tiers[0].special_use: \"no\" is not a boolean; expected true or false"},
        {NULL, NULL}};
    refused_all(bad);
}

static void test_long_entries(void **state)
{
    (void)state;
    enum { LIMIT = 4096 };
    static char entry[LIMIT + 2], text[LIMIT + 256];
    memset(entry, 'x', LIMIT);
    snprintf(text, sizeof text, WITH("hosts: [%s]"), entry);
    config_free(parse(text));
    entry[LIMIT] = 'x';
    snprintf(text, sizeof text, WITH("hosts: [%s]"), entry);
    char error[CONFIG_MAX_ERROR] = "";
    assert_null(config_parse("t.yaml", text, strlen(text), error));
    assert_non_null(strstr(error, "is too long; expected 1 to 4096 bytes"));
}

/* Zones of different tiers have nothing to do with each other. */
static void test_zones_of_two_tiers(void **state)
{
    (void)state;
    config_free(parse("tiers: [{name: a, listen: [127.0.0.1], " UPSTREAM
                      ", routes: [{name: z, forward: [127.0.0.2]}]}, "
                      "{name: b, listen: [127.0.0.2], " UPSTREAM
                      ", routes: [{name: z, forward: [127.0.0.1]}]}]\n"));
}

static void test_a_reload_takes_all_of_it(void **state)
{
    (void)state;
    reloads(TIER, WITH("special_use: false"), NULL);
    reloads(TIER, WITH("hosts: [a]"), NULL);
    reloads(WITH("local: [a]"), WITH("local: [b, c]"), NULL);
    reloads(TIER, CORP("forward: [10.0.0.1]"), NULL);
    reloads(CORP("forward: [10.0.0.1]"), TIER, NULL);
    reloads(CORP("forward: [10.0.0.1]"), CORP("forward: [10.0.0.2]"), NULL);
    reloads(FEED_LINE CORP("forward: [10.0.0.1]"), FEED_LINE CORP("parent: [10.0.0.1]"), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_members_have_entries),
        cmocka_unit_test(test_bad_zones),
        cmocka_unit_test(test_bad_lists),
        cmocka_unit_test(test_long_entries),
        cmocka_unit_test(test_zones_of_two_tiers),
        cmocka_unit_test(test_a_reload_takes_all_of_it),
    };
    return cmocka_run_group_tests_name("config: local", tests, NULL, NULL);
}
