/*
 * test_cli_args.c - command lines of the tool: numbers, options, operands, the zone, what reaches a
 * terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/draft.h"
#include "cli/text.h"

/* -- helpers ----------------------------------------------------------------------------------- */

static int run_nothing(const struct options *options)
{
    (void)options;
    return EXIT_DONE;
}

static const struct command command = {
    .name = "test",
    .operands = "NAME [TYPE]",
    .summary = "Tests",
    .accepts = OPT_CONFIG | OPT_KAFKA | OPT_TOPIC | OPT_CHANGE | OPT_TIMEOUT | OPT_JSON |
               OPT_SUBTREE | OPT_WATCH | OPT_BROKER | OPT_CONTROL | OPT_SENDS,
    .least = 1,
    .most = 2,
    .run = run_nothing,
};

static const struct command narrow = {
    .name = "narrow",
    .operands = "",
    .summary = "Accepts little",
    .accepts = OPT_JSON,
    .run = run_nothing,
};

enum { MAX_WORDS = 40 };

/* Parses a line of words between blanks. `said` gets what came out on stderr; free it. */
static bool parse(const struct command *which, const char *line, struct options *ret, char **said)
{
    static char words[1000]; /* the options point into it */
    char *argv[MAX_WORDS + 1] = {(char *)which->name};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word && argc < MAX_WORDS; word = strtok(NULL, " "))
        argv[argc++] = word;
    size_t size;
    FILE *before = stderr;
    stderr = open_memstream(said, &size);
    const bool parsed = options_parse(which, argc, argv, ret);
    fclose(stderr);
    stderr = before;
    ret->operands = NULL; /* argv ends here */
    return parsed;
}

static void refused(const struct command *which, const char *line, const char *expected)
{
    struct options options;
    char *said = NULL;
    assert_false(parse(which, line, &options, &said));
    if (strncmp(said, expected, strlen(expected)) != 0)
        fail_msg("\"%s\": %s", line, said);
    options_free(&options);
    free(said);
}

/* -- numbers ----------------------------------------------------------------------------------- */

static void numbers_are_digits_within_bounds(void **state)
{
    (void)state;
    uint64_t number = 7;
    assert_true(text_to_number("0", 0, &number));
    assert_int_equal(number, 0);
    assert_true(text_to_number("18446744073709551615", UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    assert_true(text_to_number("255", 255, &number));
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1.0",
                                      "256",
                                      "18446744073709551616",
                                      "99999999999999999999"};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
        if (text_to_number(bad[k], 255, &number))
            fail_msg("\"%s\" was read", bad[k]);
    assert_false(text_to_number("18446744073709551616", UINT64_MAX, &number));
    assert_false(text_to_number("1", 0, &number));
    assert_int_equal(number, 255);
}

static void ttls_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t ttl;
    } good[] = {{"0", 0},        {"3600", 3600},   {"5m", 300},
                {"1h30m", 5400}, {"1w1d", 691200}, {"2147483647", 2147483647},
                {"30s", 30},     {"0h", 0}};
    for (size_t k = 0; k < sizeof good / sizeof good[0]; k++) {
        uint32_t ttl = 1;
        assert_true(text_to_ttl(good[k].text, &ttl));
        assert_int_equal(ttl, good[k].ttl);
    }
    static const char *const bad[] = {"",           "h",     "-1",   "1x",
                                      "1h30",       "0h30",  "1 h",  "1ms",
                                      "2147483648", "3551w", "1.5h", "99999999999999999999s"};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        uint32_t ttl = 1;
        if (text_to_ttl(bad[k], &ttl))
            fail_msg("\"%s\" was read as %u", bad[k], ttl);
    }
}

static void durations_are_seconds_or_have_units(void **state)
{
    (void)state;
    uint64_t ms;
    assert_true(text_to_duration("5", &ms));
    assert_int_equal(ms, 5000);
    assert_true(text_to_duration("500ms", &ms));
    assert_int_equal(ms, 500);
    assert_true(text_to_duration("1m30s", &ms));
    assert_int_equal(ms, 90000);
    assert_false(text_to_duration("", &ms));
    assert_false(text_to_duration("ms", &ms));
    assert_false(text_to_duration("2147484", &ms)); /* an int of milliseconds ends before */
}

/* -- the command line -------------------------------------------------------------------------- */

static void options_are_read(void **state)
{
    (void)state;
    struct options o;
    char *said = NULL;
    assert_true(
        parse(&command,
              "--brokers b:1 a.b --topic=t -X client.id=1 -Xacks=1 A --zone z --serial 4294967295 "
              "--publisher p --seq 0 --timeout 250ms --json --subtree --count 3",
              &o, &said));
    assert_string_equal(said, "");
    assert_string_equal(o.brokers, "b:1");
    assert_string_equal(o.topic, "t");
    assert_int_equal(o.property_count, 2);
    assert_string_equal(o.properties[0], "client.id=1");
    assert_string_equal(o.properties[1], "acks=1");
    assert_int_equal(o.operand_count, 2);
    assert_string_equal(o.zone, "z");
    assert_true(o.has_serial);
    assert_int_equal(o.serial, UINT32_MAX);
    assert_string_equal(o.publisher, "p");
    assert_true(o.has_seq);
    assert_int_equal(o.timeout_ms, 250);
    assert_true(o.json && o.subtree && !o.from_beginning);
    assert_int_equal(o.count, 3);
    options_free(&o);
    free(said);
}

static void what_is_not_said_has_a_default(void **state)
{
    (void)state;
    struct options o;
    char *said = NULL;
    assert_true(parse(&command, "--brokers b a", &o, &said));
    assert_string_equal(o.topic, "dns.updates");
    assert_string_equal(o.control, "/run/freshet/control.sock");
    assert_int_equal(o.partitions, 0);
    assert_false(o.listens);
    assert_false(o.has_serial || o.has_seq || o.json || o.zone || o.publisher);
    assert_int_equal(o.timeout_ms, 0);
    options_free(&o);
    free(said);
}

static void help_needs_nothing_else(void **state)
{
    (void)state;
    struct options o;
    char *said = NULL;
    assert_true(parse(&command, "--help", &o, &said));
    assert_true(o.help);
    options_free(&o);
    free(said);
}

static void wrong_lines_are_refused_by_name(void **state)
{
    static const char *const no_listen[] = {"9092",         "127.0.0.1",  "127.0.0.1:0",
                                            "0.0.0.0:9092", "[::1]:9092", "192.0.2.1:9092"};
    (void)state;
    refused(&command, "--brokers b", "freshet test: missing operand: freshet test NAME [TYPE]\n");
    refused(&command, "--brokers b x y z", "freshet test: \"z\" is one operand too many\n");
    refused(&command, "a", "freshet test: which brokers?");
    refused(&command, "--nope",
            "freshet test: unrecognized option '--nope'\nTry 'freshet test --help'");
    refused(&command, "--brokers", "freshet test: option '--brokers' requires an argument\n");
    refused(&command, "--serial -1", "freshet test: --serial \"-1\" is not a number up to");
    refused(&command, "--serial 4294967296", "freshet test: --serial \"4294967296\" is not");
    refused(&command, "--seq 9223372036854775808", "freshet test: --seq ");
    refused(&command, "--count 0", "freshet test: --count \"0\" is not a number from 1\n");
    refused(&command, "--partitions 1025", "freshet test: --partitions \"1025\" is not");
    refused(&command, "--timeout 0", "freshet test: --timeout \"0\" is not a time");
    for (size_t i = 0; i < sizeof no_listen / sizeof *no_listen; i++) {
        char line[64];
        snprintf(line, sizeof line, "--listen %s", no_listen[i]);
        refused(&command, line, "freshet test: --listen ");
    }
    refused(&command, "-X acks", "freshet test: --property \"...\" is not NAME=VALUE\n");
    refused(&command, "--brokers b a -X acks=1 -X foo=bar",
            "freshet test: --property number 2: No such configuration property\n");
    refused(&command, "--brokers b a -X no.such=1",
            "freshet test: --property number 1: No such configuration property: \"no.such\"\n");
    refused(&command, "--brokers b a -X acks=maybe", "freshet test: --property number 1: ");
    refused(&command, "-c /nonexistent/f.yaml a", "freshet test: /nonexistent/f.yaml: ");
}

static void options_of_other_commands_are_unknown(void **state)
{
    (void)state;
    refused(&narrow, "--brokers b", "freshet narrow: unrecognized option '--brokers'\n");
    refused(&narrow, "-c f", "freshet narrow: invalid option -- 'c'\n");
}

/* -- the zone ---------------------------------------------------------------------------------- */

static void zone_is(const struct options *o, const char *name_text, const char *expected)
{
    uint8_t name[NAME_MAX_SIZE], zone[NAME_MAX_SIZE];
    char text[NAME_MAX_TEXT], *said = NULL;
    size_t size;
    assert_true(name_from_text(name_text, name) > 0);
    FILE *before = stderr;
    stderr = open_memstream(&said, &size);
    const bool found = change_zone(o, name, zone);
    fclose(stderr);
    stderr = before;
    if (expected[0] == '!') {
        assert_false(found);
        assert_non_null(strstr(said, expected + 1));
    } else {
        assert_true(found);
        assert_string_equal(name_to_text(zone, text), expected);
    }
    free(said);
}

static void the_longest_configured_zone_is_taken(void **state)
{
    (void)state;
    char *zones[] = {"example.com", "Sub.Example.COM.", "org."};
    struct config_feed feed = {.zones = zones, .zone_count = 3};
    struct config config = {.feed = &feed};
    struct options o = {.command = &command, .config = &config, .config_path = "f.yaml"};
    zone_is(&o, "www.example.com", "example.com.");
    zone_is(&o, "www.sub.example.com", "sub.example.com.");
    zone_is(&o, "sub.example.com", "sub.example.com.");
    zone_is(&o, "aexample.com", "!lies in no zone of f.yaml");
    zone_is(&o, "org", "org.");
    o.zone = "COM";
    zone_is(&o, "www.sub.example.com", "com.");
    zone_is(&o, "www.example.org", "!does not lie in the zone \"COM\"");
    o.zone = "a..b";
    zone_is(&o, "www.example.com", "!--zone \"a..b\" is not a domain name");
}

static void without_a_config_the_zone_must_be_said(void **state)
{
    (void)state;
    struct config config = {.feed = NULL};
    struct options o = {.command = &command};
    zone_is(&o, "www.example.com", "!which zone?");
    o.config = &config;
    zone_is(&o, "www.example.com", "!which zone?");
}

/* -- terminals --------------------------------------------------------------------------------- */

static void nothing_but_printable_ascii_is_printed(void **state)
{
    (void)state;
    char *said = NULL;
    size_t size;
    FILE *file = open_memstream(&said, &size);
    static const char text[] = "a\x1b[31m\r\n\t\x7f\xc3\xa4~ ";
    assert_int_equal(text_print(file, text), text_width(text));
    fclose(file);
    assert_string_equal(said, "a\\x1b[31m\\x0d\\x0a\\x09\\x7f\\xc3\\xa4~ ");
    assert_int_equal(text_width(text), strlen(said));
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_digits_within_bounds),
        cmocka_unit_test(ttls_have_units),
        cmocka_unit_test(durations_are_seconds_or_have_units),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(what_is_not_said_has_a_default),
        cmocka_unit_test(help_needs_nothing_else),
        cmocka_unit_test(wrong_lines_are_refused_by_name),
        cmocka_unit_test(options_of_other_commands_are_unknown),
        cmocka_unit_test(the_longest_configured_zone_is_taken),
        cmocka_unit_test(without_a_config_the_zone_must_be_said),
        cmocka_unit_test(nothing_but_printable_ascii_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
