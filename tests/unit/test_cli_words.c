/*
 * test_cli_words.c - what people write to be published: operands, nsupdate's language, JSON objects, lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/json_sets.h"
#include "cli/lines.h"
#include "cli/nsupdate.h"
#include "cli/words.h"

/* -- helpers ----------------------------------------------------------------------------------- */

static const struct command command = {.name = "test"};
static char heard[MAX_COMPLAINT];
static const struct options plain = {.command = &command, .zone = "example.com", .heard = heard};

enum { MAX_WORDS = 20, MAX_TEXT = 2000 };

/* The changes of a set, a line each. */
static const char *set_text(const struct change_set *set)
{
    static char text[MAX_TEXT];
    size_t at = 0;
    text[0] = '\0';
    for (size_t k = 0; k < set->change_count; k++) {
        const int size = change_to_text(&set->changes[k], text + at, sizeof text - at - 1);
        assert_true(size > 0);
        at += (size_t)size;
        strcpy(text + at++, "\n");
    }
    return text;
}

/* Operands between "|"; what the set has, or what is wrong behind "!". */
static void words_are(enum change_op op, const char *line, const char *expected)
{
    char copy[MAX_TEXT], *operands[MAX_WORDS], *rest = copy, *word;
    struct options options = plain;
    struct draft draft = {.scratch = NULL};
    snprintf(copy, sizeof copy, "%s", line);
    heard[0] = '\0';
    while ((word = strsep(&rest, "|")))
        operands[options.operand_count++] = word;
    options.operands = operands;
    struct change_set *set =
        words_draft(&options, op, &draft) ? draft_finish(&options, &draft, NULL) : NULL;
    if (expected[0] == '!') {
        assert_null(set);
        if (!strstr(heard, expected + 1))
            fail_msg("%s: %s", line, heard);
    } else {
        if (!set)
            fail_msg("%s: %s", line, heard);
        assert_string_equal(set_text(set), expected);
    }
    changeset_free(set);
    draft_free(&draft);
}

/* -- zones of a configuration ------------------------------------------------------------------ */

static void zones_of_a_file_are_zones(void **state)
{
    (void)state;
    static char *names[] = {(char *)"example.com", (char *)"sub.example.com."};
    struct config_origin_zone zones[] = {
        {.name = (char *)"example.net"},
        {.name = (char *)"file:zones.txt", .names = names, .name_count = 2},
        {.catalog = (char *)"catalog.example."}};
    const struct config config = {.origin_zones = zones, .origin_zone_count = 3};
    static const char *const expected[][2] = {{"a.example.net.", "example.net."},
                                              {"A.example.com.", "example.com."},
                                              {"a.SUB.example.com.", "sub.example.com."},
                                              {"a.example.org.", NULL}};
    for (size_t k = 0; k < sizeof expected / sizeof expected[0]; k++) {
        uint8_t name[NAME_MAX_SIZE], zone[NAME_MAX_SIZE];
        char text[NAME_MAX_TEXT];
        int size = name_from_text(expected[k][0], name);
        assert_true(size > 0);
        name_lower(name, (size_t)size, name);
        assert_int_equal(draft_longest_zone(&config, name, zone), expected[k][1] != NULL);
        if (expected[k][1])
            assert_string_equal(name_to_text(zone, text), expected[k][1]);
    }
}

/* -- operands ---------------------------------------------------------------------------------- */

static void ttl_class_and_type_stand_as_in_zone_files(void **state)
{
    (void)state;
    static const char *const same[] = {
        "a.example.com.|3600|A|192.0.2.1", "a.example.com|A|3600|192.0.2.1",
        "a.example.com|1h|IN|A|192.0.2.1", "a.example.com|in|1h|a|192.0.2.1",
        "a.example.com|IN|A|1h|192.0.2.1"};
    for (size_t k = 0; k < sizeof same / sizeof same[0]; k++)
        words_are(CHANGE_SET, same[k], "SET a.example.com. 3600 A 192.0.2.1\n");
    words_are(CHANGE_DEL, "a.example.com|3600|IN|A|192.0.2.1", "DEL a.example.com. A 192.0.2.1\n");
    words_are(CHANGE_DEL, "a.example.com|A", "DEL a.example.com. A\n");
    words_are(CHANGE_DEL, "a.example.com", "DEL a.example.com.\n");
}

static void several_rrsets_are_one_set(void **state)
{
    (void)state;
    words_are(
        CHANGE_SET, "a.example.com|60|A|192.0.2.1|192.0.2.2|+|example.com|MX|5|10 a.example.com.",
        "SET a.example.com. 60 A 192.0.2.1, 192.0.2.2\nSET example.com. 5 MX 10 a.example.com.\n");
    words_are(CHANGE_DEL, "a.example.com|+|b.example.com|A",
              "DEL a.example.com.\nDEL b.example.com. A\n");
    words_are(CHANGE_FLUSH, "a.example.com|b.example.com|+|c.example.com",
              "FLUSH a.example.com.\nFLUSH b.example.com.\nFLUSH c.example.com.\n");
    words_are(CHANGE_SET, "a.example.com|60|A|192.0.2.1|+", "!no NAME behind \"+\"");
    words_are(CHANGE_SET, "+|a.example.com|60|A|192.0.2.1", "!no NAME before \"+\"");
    words_are(CHANGE_SET, "a.example.com|60|A|192.0.2.1|+|a.example.org|60|A|192.0.2.1",
              "!\"a.example.org.\" does not lie in the zone");
}

static void records_are_not_strings_of_one(void **state)
{
    (void)state;
    words_are(CHANGE_SET, "a.example.com|60|TXT|\"a\" \"b\"",
              "SET a.example.com. 60 TXT \"a\" \"b\"\n");
    words_are(CHANGE_SET, "a.example.com|60|TXT|\"a\"|\"b\"",
              "SET a.example.com. 60 TXT \"a\", \"b\"\n");
}

static void a_mistake_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *line, *expected;
    } cases[] = {
        {"a.example.com", "!no TYPE behind NAME \"a.example.com\""},
        {"a.example.com|60", "!no TYPE behind"},
        {"a.example.com|A", "!no TTL for NAME"},
        {"a.example.com|60|A", "!no RDATA for NAME"},
        {"a.example.com|192.0.2.1", "!a.example.com 3600 A 192.0.2.1"},
        {"a.example.com|A|192.0.2.1", "!is an address where TTL or TYPE belongs"},
        {"a.example.com|2001:db8::1", "!a.example.com 3600 AAAA 2001:db8::1"},
        {"A|a.example.com|60|192.0.2.1",
         "!TYPE \"a.example.com\" is not a type of records; the order"},
        {"a.example.com|1x|A|192.0.2.1", "!TTL \"1x\" is not"},
        {"example.com|60|MX|10|mx.example.com.", "!quote it: \"10 mx.example.com.\""},
        {"example.com|60|SRV|0|5|5060|mx.example.com.", "!quote it: \"0 5 5060 mx.example.com.\""},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        words_are(CHANGE_SET, cases[k].line, cases[k].expected);
    words_are(CHANGE_FLUSH, "a.example.com|A", "!\"a.\" does not lie in the zone");
}

/* -- nsupdate ---------------------------------------------------------------------------------- */

/* The sets of a text, "--" between two; what is wrong behind "!". */
static void text_is(bool json, const char *text, const char *expected)
{
    char *said = NULL, *line = NULL, copy[MAX_TEXT];
    size_t size;
    FILE *out = open_memstream(&said, &size);
    struct nsupdate nsupdate = {.options = &plain};
    struct json_sets sets = {.options = &plain};
    char *rest = copy;
    int got = 0;
    snprintf(copy, sizeof copy, "%s", text);
    heard[0] = '\0';
    while (got >= 0 && !nsupdate.quits && (line = strsep(&rest, "\n"))) {
        struct change_set *set = NULL;
        if (!rest && line[0] == '\0')
            break; /* behind the last line */
        got = json ? json_sets_line(&sets, line, &set) : nsupdate_line(&nsupdate, line, &set);
        assert_true((got == 1) == (set != NULL));
        if (set)
            fprintf(out, "%s--\n", set_text(set));
        changeset_free(set);
    }
    if (got < 0 || !json_sets_end(&sets) || !nsupdate_end(&nsupdate))
        fprintf(out, "!%s", heard);
    fclose(out);
    const char *wrong = strchr(expected, '!');
    if (wrong ? !strstr(said, wrong + 1) : strcmp(said, expected) != 0)
        fail_msg("%s\ngives\n%s", text, said);
    free(said);
    nsupdate_free(&nsupdate);
    json_sets_free(&sets);
}

static void nsupdate_has_its_own_words(void **state)
{
    (void)state;
    text_is(false,
            "server 192.0.2.53\n; a comment\nzone example.com\nttl 60\n"
            "update delete www.example.com. A\nupdate add www.example.com 3600 IN A 192.0.2.1\n"
            "add www.example.com TXT \"two words\" more\nsend\n"
            "del a.example.com\nUPDATE DELETE b.example.com 0 IN MX 10 mx\n\n\nquit\nnonsense\n",
            "DEL www.example.com. A\nADD www.example.com. 3600 A 192.0.2.1\n"
            "ADD www.example.com. 60 TXT \"two words\" \"more\"\n--\n"
            "DEL a.example.com.\nDEL b.example.com. MX 10 mx.\n--\n");
}

static void what_nsupdate_could_and_a_log_cannot_is_refused(void **state)
{
    (void)state;
    text_is(false, "prereq nxdomain a.example.com\n", "!send this to freshet-origin");
    text_is(false, "update add a.example.com A 192.0.2.1\n", "!no TTL");
    text_is(false, "update add a.example.com 60 A\n", "!no RDATA");
    text_is(false, "update add\n", "!no NAME");
    text_is(false, "update\n", "!neither a JSON object nor");
    text_is(false, "update send\n", "!neither a JSON object nor");
    text_is(false, "hello\n", "!\"hello\" is neither");
    text_is(false, "class CH\n", "!class \"CH\"");
    text_is(false, "ttl x\n", "!ttl \"x\"");
    text_is(false, "zone\n", "!zone without a name");
    text_is(false, "del a.example.com\nzone example.net\n", "!say send before it");
    text_is(false, "del a.example.com\n", "!1 change and no send");
    text_is(false, "zone example.net\ndel a.example.com\nsend\n", "!does not lie in the zone");
}

/* -- JSON -------------------------------------------------------------------------------------- */

static void objects_fill_a_line_or_many(void **state)
{
    (void)state;
    text_is(
        true,
        "{\"zone\":\"example.com.\",\"changes\":[{\"op\":\"DEL\",\"name\":\"a.example.com.\"}]}\n\n"
        "  {\"zone\": \"example.com.\",\n \"x\": \"}]\\\"\",\n\"changes\": [\n"
        "{\"op\":\"FLUSH\",\"name\":\"b.example.com.\"}]\n}\n",
        "DEL a.example.com.\n--\nFLUSH b.example.com.\n--\n");
    text_is(true, "[]\n", "!a change set is a JSON object");
    text_is(true, "{]\n", "!no JSON");
    text_is(true, "{}]\n", "!no JSON");
    text_is(true, "{}\n", "!zone");
    text_is(true, "{\"zone\":\"example.com.\"\n", "!text ends within");
    text_is(true, "{\"zone\":\"example.com.\",\"changes\":[]} {}\n", "!no JSON");
    text_is(true, "{\"v\":1,\"v\":1,\"zone\":\"example.com.\",\"changes\":[]}\n", "!duplicate");
}

/* -- lines ------------------------------------------------------------------------------------- */

static void lines_come_when_they_are_whole(void **state)
{
    (void)state;
    int ends[2];
    char *line;
    assert_int_equal(pipe(ends), 0);
    struct lines lines = lines_new(ends[0]);
    assert_true(lines_wait(&lines));
    assert_int_equal(write(ends[1], "one\r\n\ntw", 8), 8);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_string_equal(line, "one");
    assert_false(lines_wait(&lines));
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_string_equal(line, "");
    assert_true(lines_wait(&lines));
    assert_int_equal(write(ends[1], "o\n\0\nlast", 8), 8);
    close(ends[1]);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_string_equal(line, "two");
    assert_int_equal(lines_next(&lines, &line), ERR_FORMAT);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_string_equal(line, "last");
    assert_int_equal(lines.number, 5);
    assert_int_equal(lines_next(&lines, &line), 0);
    lines_free(&lines);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_of_a_file_are_zones),
        cmocka_unit_test(ttl_class_and_type_stand_as_in_zone_files),
        cmocka_unit_test(several_rrsets_are_one_set),
        cmocka_unit_test(records_are_not_strings_of_one),
        cmocka_unit_test(a_mistake_is_named),
        cmocka_unit_test(nsupdate_has_its_own_words),
        cmocka_unit_test(what_nsupdate_could_and_a_log_cannot_is_refused),
        cmocka_unit_test(objects_fill_a_line_or_many),
        cmocka_unit_test(lines_come_when_they_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
