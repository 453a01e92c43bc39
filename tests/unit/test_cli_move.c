/*
 * test_cli_move.c - what "freshet move" goes by: its options, RRsets of addresses, and what a
 * tier's word is worth.
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/addresses.h"
#include "cli/commands.h"
#include "cli/followers.h"
#include "dns/build.h"

/* -- addresses --------------------------------------------------------------------------------- */

static void addresses_have_one_text(void **state)
{
    char text[INET6_ADDRSTRLEN];
    (void)state;
    assert_true(address_read(TYPE_A, "192.0.2.1", text));
    assert_string_equal(text, "192.0.2.1");
    assert_true(address_read(TYPE_AAAA, "2001:DB8:0:0::1", text));
    assert_string_equal(text, "2001:db8::1");
    assert_false(address_read(TYPE_A, "2001:db8::1", text));
    assert_false(address_read(TYPE_A, "192.0.2.300", text));
    assert_false(address_read(TYPE_A, "", text));
}

static void addresses_are_a_set(void **state)
{
    struct addresses one = {.type = TYPE_A}, two = {.type = TYPE_A};
    char text[ADDRESSES_MAX_TEXT];
    (void)state;
    assert_string_equal(addresses_text(&one, " ", text), "nothing");
    assert_true(addresses_add(&one, "192.0.2.1") && addresses_add(&one, "192.0.2.2") &&
                addresses_add(&one, "192.0.2.3"));
    assert_true(addresses_add(&one, "192.0.2.2"));
    assert_int_equal(one.count, 3);
    assert_true(addresses_add(&two, "192.0.2.3") && addresses_add(&two, "192.0.2.1"));
    assert_false(addresses_equal(&one, &two));
    addresses_remove(&one, "192.0.2.2");
    addresses_remove(&one, "192.0.2.9");
    assert_true(addresses_equal(&one, &two));
    assert_string_equal(addresses_text(&one, ", ", text), "192.0.2.1, 192.0.2.3");
    assert_true(addresses_add(&two, "192.0.2.4") && addresses_add(&one, "192.0.2.5"));
    assert_false(addresses_equal(&one, &two));
    for (int k = 0; k < ADDRESSES_MAX; k++) {
        snprintf(text, sizeof text, "198.51.100.%d", k);
        assert_int_equal(addresses_add(&two, text), k < ADDRESSES_MAX - 3);
    }
}

/* What is read from a response with an address of www.example.com and one more record. */
static int read_answer(uint16_t second_type, const char *second_owner, struct addresses *ret)
{
    static struct builder builder;
    uint8_t bytes[DNS_CLASSIC_UDP], name[NAME_MAX_SIZE], other[NAME_MAX_SIZE];
    static const uint8_t address[] = {192, 0, 2, 1}, root[] = {0};
    assert_true(name_from_text("www.example.com.", name) > 0);
    assert_true(name_from_text(second_owner, other) > 0);
    build_start(&builder, bytes, sizeof bytes);
    build_record(&builder, SECTION_ANSWER,
                 &(struct record){.owner = name,
                                  .type = TYPE_A,
                                  .class = CLASS_IN,
                                  .ttl = 60,
                                  .rdata = address,
                                  .rdata_size = sizeof address});
    build_record(&builder, SECTION_ANSWER,
                 &(struct record){.owner = other,
                                  .type = second_type,
                                  .class = CLASS_IN,
                                  .ttl = 30,
                                  .rdata = second_type == TYPE_A ? address : root,
                                  .rdata_size = second_type == TYPE_A ? sizeof address : 1});
    int size = build_finish(&builder, 1, FLAG_QR);
    struct message *message = message_new();
    assert_non_null(message);
    assert_true(size > 0);
    assert_int_equal(message_parse(message, bytes, (size_t)size), ERR_OK);
    int error = addresses_from_message(message, name, TYPE_A, ret);
    message_free(message);
    return error;
}

static void answers_are_read_for_their_name(void **state)
{
    struct addresses found;
    (void)state;
    assert_int_equal(read_answer(TYPE_A, "WWW.example.com.", &found), ERR_OK);
    assert_int_equal(found.count, 1); /* the same twice */
    assert_int_equal(found.ttl, 30);
    assert_string_equal(found.texts[0], "192.0.2.1");
    assert_int_equal(read_answer(TYPE_A, "other.example.com.", &found), ERR_OK);
    assert_int_equal(found.ttl, 60);
    assert_int_equal(read_answer(TYPE_CNAME, "www.example.com.", &found), ERR_FORMAT);
}

/* -- what a tier says -------------------------------------------------------------------------- */

#define LIVE                                                                                       \
    "\"feed\":{\"state\":\"live\",\"reason\":\"\",\"topic\":\"t\",\"partitions\":["                \
    "{\"partition\":0,\"offset\":9},{\"partition\":1,\"offset\":5}]}"

static void judged(const char *json, const char *expected)
{
    char trouble[MAX_COMPLAINT] = "";
    json_t *answer = json_loads(json, 0, NULL);
    assert_non_null(answer);
    const char *said = followers_judge(answer, "t", "example.com.", trouble);
    json_decref(answer);
    if (!expected)
        assert_null(said);
    else if (!said || !strstr(said, expected))
        fail_msg("%s: %s", json, said ? said : "fine");
}

static void only_a_live_feed_on_the_topic_will_do(void **state)
{
    (void)state;
    judged("{\"zone\":\"example.com.\"," LIVE "}", NULL);
    judged("{\"zone\":\"com.\"," LIVE "}", "it follows the zone com., not the zone example.com.");
    judged("{\"zone\":null," LIVE "}", "it follows no zone");
    judged("{\"zone\":\"example.com.\",\"feed\":null}", "it has no feed");
    judged("{\"zone\":\"example.com.\",\"feed\":{\"state\":\"live\",\"topic\":\"u\"}}",
           "it follows the topic u, not t");
    judged("{\"zone\":\"example.com.\",\"feed\":{\"state\":\"lost\",\"reason\":\"brokers\","
           "\"topic\":\"t\"}}",
           "its feed is not live but lost: brokers");
    judged("{}", "it has no feed");
}

static void applied(long long offset, long long stamp, long long pid, const char *expected)
{
    const struct publish_receipt receipt = {.partition = 1, .offset = offset};
    const struct follower before = {.stamp = stamp, .pid = pid};
    char trouble[MAX_COMPLAINT] = "";
    json_t *answer = json_loads("{\"pid\":7,\"stamp\":3," LIVE "}", 0, NULL);
    assert_non_null(answer);
    const bool has = followers_has_applied(answer, &before, &receipt, trouble);
    json_decref(answer);
    assert_int_equal(has, !expected);
    if (expected)
        assert_non_null(strstr(trouble, expected));
}

static void a_change_is_applied_when_its_place_and_its_name_show_it(void **state)
{
    (void)state;
    applied(4, 2, 7, NULL);
    applied(5, 2, 7, "offset 5 of partition 1, not past 5");
    applied(8, 2, 7, "offset 5 of partition 1, not past 8"); /* partition 0 does not count */
    applied(4, 3, 7, "is that another Kafka?");
    applied(4, 3, 6, NULL); /* started anew, and past it: its cache began after it */
}

/* -- options ----------------------------------------------------------------------------------- */

enum { MAX_WORDS = 40 };

static bool parse(const char *line, struct options *ret, char **said)
{
    static char words[1000]; /* the options point into it */
    char *argv[MAX_WORDS + 1] = {"move"};
    int argc = 1;
    size_t size;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word && argc < MAX_WORDS; word = strtok(NULL, " "))
        argv[argc++] = word;
    FILE *before = stderr;
    stderr = open_memstream(said, &size);
    const bool parsed = options_parse(&move_command, argc, argv, ret);
    fclose(stderr);
    stderr = before;
    ret->operands = NULL; /* argv ends here */
    return parsed;
}

static void options_of_move_are_read(void **state)
{
    struct options o;
    char *said = NULL;
    (void)state;
    assert_true(parse("--brokers b n A --from 1 --to 2 --tier x --tier y --authority z --ttl 1m "
                      "--outside-ttl 0 --margin 250ms --wait-at-most 2m --before-both c "
                      "--before-new d --resume new --dry-run --zone q",
                      &o, &said));
    assert_string_equal(said, "");
    assert_string_equal(o.move.from, "1");
    assert_string_equal(o.move.to, "2");
    assert_int_equal(o.move.tier_count, 2);
    assert_string_equal(o.move.tiers[1], "y");
    assert_int_equal(o.move.authority_count, 1);
    assert_true(o.move.has_ttl && o.move.ttl == 60);
    assert_true(o.move.has_outside_ttl && o.move.outside_ttl == 0);
    assert_int_equal(o.move.margin_ms, 250);
    assert_int_equal(o.move.wait_ms, 120000);
    assert_string_equal(o.move.before_both, "c");
    assert_string_equal(o.move.before_new, "d");
    assert_true(o.move.resume_new && o.dry_run);
    assert_string_equal(o.zone, "q");
    options_free(&o);
    free(said);
}

static void what_is_not_said_is_safe(void **state)
{
    struct options o;
    char *said = NULL;
    (void)state;
    assert_true(parse("--brokers b n A", &o, &said));
    assert_int_equal(o.move.margin_ms, 1000);
    assert_int_equal(o.move.wait_ms, 60000);
    assert_false(o.move.has_outside_ttl || o.move.resume_new || o.dry_run);
    options_free(&o);
    free(said);
}

static void refused(const char *line, const char *expected)
{
    struct options o;
    char *said = NULL;
    assert_false(parse(line, &o, &said));
    if (!strstr(said, expected))
        fail_msg("\"%s\": %s", line, said);
    options_free(&o);
    free(said);
}

static void wrong_lines_are_refused(void **state)
{
    (void)state;
    refused("--brokers b n A --ttl -1", "--ttl \"-1\" is not 0..2147483647 seconds");
    refused("--brokers b n A --margin x", "--margin \"x\" is not a time such as");
    refused("--brokers b n A --resume old", "--resume \"old\" is not one of: both, new");
    refused("--brokers b n A --serial 1", "unrecognized option '--serial'");
    refused("--brokers b n A --json", "unrecognized option '--json'");
}

static void what_is_heard_is_not_printed(void **state)
{
    char heard[MAX_COMPLAINT] = "", *said = NULL;
    size_t size;
    const struct options quiet = {.command = &move_command, .heard = heard};
    (void)state;
    FILE *before = stderr;
    stderr = open_memstream(&said, &size);
    complain(&quiet, "%s is %d", "that", 3);
    fclose(stderr);
    stderr = before;
    assert_string_equal(said, "");
    assert_string_equal(heard, "that is 3");
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_one_text),
        cmocka_unit_test(addresses_are_a_set),
        cmocka_unit_test(answers_are_read_for_their_name),
        cmocka_unit_test(only_a_live_feed_on_the_topic_will_do),
        cmocka_unit_test(a_change_is_applied_when_its_place_and_its_name_show_it),
        cmocka_unit_test(options_of_move_are_read),
        cmocka_unit_test(what_is_not_said_is_safe),
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(what_is_heard_is_not_printed),
    };
    return cmocka_run_group_tests_name("cli_move", tests, NULL, NULL);
}
