/*
 * test_changeset.c - change sets: what is read, what is refused and where, both text forms, times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "invalidation/changeset_scan.h"

#define TIME "\"time\": \"2026-11-22T03:00:00.123456Z\""
#define HEAD "{\"v\": 1, \"zone\": \"example.com.\", " TIME ", "

/* -- helpers ----------------------------------------------------------------------------------- */

static struct change_set *parse(const char *json)
{
    struct change_set *set = NULL;
    struct changeset_error error;
    int code = changeset_parse(json, strlen(json), &set, &error);
    if (code < 0)
        fail_msg("%s: %s", error_text(code), error.where);
    assert_int_equal(error.code, 0);
    return set;
}

/* A set of one change; the caller frees the set. */
static struct change_set *parse_one(const char *change)
{
    char json[4096];
    snprintf(json, sizeof json, HEAD "\"changes\": [%s]}", change);
    struct change_set *set = parse(json);
    assert_int_equal(set->change_count, 1);
    return set;
}

static void refused_n(const char *json, size_t size, int code, const char *where)
{
    struct change_set *set = NULL;
    struct changeset_error error;
    assert_int_equal(changeset_parse(json, size, &set, &error), code);
    assert_null(set);
    assert_int_equal(error.code, code);
    assert_string_equal(error.where, where);
}

static void refused(const char *json, int code, const char *where)
{
    refused_n(json, strlen(json), code, where);
}

static void change_refused(const char *change, int code, const char *where)
{
    char json[4096];
    snprintf(json, sizeof json, HEAD "\"changes\": [%s]}", change);
    refused(json, code, where);
}

static void has_text(const struct change *change, const char *expected)
{
    char text[1024];
    assert_int_equal(change_to_text(change, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
}

static void is_name(const uint8_t *name, const char *expected)
{
    char text[NAME_MAX_TEXT];
    assert_string_equal(name_to_text(name, text), expected);
}

/* -- what is read ------------------------------------------------------------------------------ */

static void the_example_of_the_header(void **state)
{
    (void)state;
    struct change_set *set = parse(
        "{ \"v\": 1, \"zone\": \"Example.COM.\", \"serial\": 2026112201, " TIME ","
        "  \"publisher\": \"ns1\", \"seq\": 42,"
        "  \"changes\": ["
        "    {\"op\": \"SET\", \"name\": \"WWW.example.com.\", \"type\": \"A\", \"ttl\": 3600,"
        "     \"rdata\": [\"192.0.2.1\", \"192.0.2.2\"]},"
        "    {\"op\": \"ADD\", \"name\": \"mx.example.com.\", \"type\": \"a\", \"ttl\": 0,"
        "     \"rdata\": [\"192.0.2.9\"]},"
        "    {\"op\": \"DEL\", \"name\": \"old.example.com.\", \"type\": \"A\", \"rdata\": "
        "[\"192.0.2.7\"]},"
        "    {\"op\": \"DEL\", \"name\": \"gone.example.com.\"},"
        "    {\"op\": \"DEL\", \"name\": \"txt.example.com.\", \"type\": \"TXT\"},"
        "    {\"op\": \"FLUSH\", \"name\": \"dyn.example.com.\", \"subtree\": true},"
        "    {\"op\": \"FLUSH\", \"name\": \"example.com.\"} ] }");
    is_name(set->zone, "example.com.");
    assert_true(set->has_serial);
    assert_int_equal(set->serial, 2026112201);
    assert_true(set->has_seq);
    assert_int_equal(set->seq, 42);
    assert_string_equal(set->publisher, "ns1");
    assert_true(set->time_us == INT64_C(1795316400123456));
    assert_int_equal(set->change_count, 7);
    has_text(&set->changes[0], "SET www.example.com. 3600 A 192.0.2.1, 192.0.2.2");
    has_text(&set->changes[1], "ADD mx.example.com. 0 A 192.0.2.9");
    has_text(&set->changes[2], "DEL old.example.com. A 192.0.2.7");
    has_text(&set->changes[3], "DEL gone.example.com.");
    has_text(&set->changes[4], "DEL txt.example.com. TXT");
    has_text(&set->changes[5], "FLUSH dyn.example.com. and all below");
    has_text(&set->changes[6], "FLUSH example.com.");
    assert_memory_equal(set->changes[0].rdata[1].bytes, "\xc0\0\2\2", 4);
    changeset_free(set);
}

/* Read in one pass or by the tree (which takes the unknown field), it is of the bytes and of nothing else. */
static void the_digest_tells_messages_apart(void **state)
{
    (void)state;
    static const char *const texts[] = {
        HEAD "\"seq\": 7, \"changes\": []}",
        HEAD "\"seq\": 8, \"changes\": []}",
        HEAD "\"seq\": 7, \"changes\": [] }",
        HEAD "\"seq\": 7, \"more\": 1, \"changes\": []}",
    };
    enum { COUNT = sizeof texts / sizeof texts[0] };
    uint64_t digests[COUNT];
    for (size_t k = 0; k < COUNT; k++) {
        struct change_set *once = parse(texts[k]), *again = parse(texts[k]);
        assert_true(once->digest == again->digest);
        digests[k] = once->digest;
        changeset_free(once);
        changeset_free(again);
        for (size_t j = 0; j < k; j++)
            assert_true(digests[j] != digests[k]);
    }
}

static void a_heartbeat_has_no_changes(void **state)
{
    (void)state;
    struct change_set *set = parse(HEAD "\"changes\": []}");
    assert_int_equal(set->change_count, 0);
    assert_false(set->has_serial);
    assert_false(set->has_seq);
    assert_string_equal(set->publisher, "");
    changeset_free(set);
}

static void unknown_fields_are_ignored(void **state)
{
    (void)state;
    struct change_set *set =
        parse(HEAD "\"future\": {\"a\": [1.5, null]}, \"changes\": [{\"op\": \"FLUSH\","
                   " \"name\": \"example.com.\", \"ttl\": \"x\", \"type\": 7, \"why\": null}]}");
    assert_int_equal(set->change_count, 1);
    assert_int_equal(set->changes[0].type, 0);
    changeset_free(set);
}

static void the_text_need_not_end_in_nul(void **state)
{
    (void)state;
    static const char json[] = HEAD "\"changes\": []}";
    const size_t size = sizeof json - 1;
    char *exact = malloc(size);
    memcpy(exact, json, size);
    struct change_set *set = NULL;
    struct changeset_error error;
    assert_int_equal(changeset_parse(exact, size, &set, &error), 0);
    changeset_free(set);
    free(exact);
}

static void the_root_is_a_zone(void **state)
{
    (void)state;
    struct change_set *set = parse("{\"v\":1,\"zone\":\".\"," TIME ",\"changes\":["
                                   "{\"op\":\"DEL\",\"name\":\"org.\"}]}");
    is_name(set->zone, ".");
    changeset_free(set);
}

static void an_escaped_dot_ends_no_name(void **state)
{
    (void)state;
    change_refused("{\"op\":\"DEL\",\"name\":\"example.com\\\\.\"}", ERR_RELATIVE,
                   "changes[0].name: \"example.com\\\\.\"");
    /* An escaped backslash before the dot, and the name lies outside. */
    change_refused("{\"op\":\"DEL\",\"name\":\"com\\\\\\\\.\"}", ERR_ZONE,
                   "changes[0].name: \"com\\\\\\\\.\"");
}

/* What people write and do not mean: it would be taken, and touch nothing. */
static void other_letters_are_no_names(void **state)
{
    (void)state;
    change_refused("{\"op\":\"DEL\",\"name\":\"b\xc3\xbc"
                   "cher.example.com.\"}",
                   ERR_NOT_ASCII, "changes[0].name: \"b\\xc3\\xbccher.example.com.\"");
    change_refused("{\"op\":\"FLUSH\",\"name\":\"b\\u00fccher.example.com.\"}", ERR_NOT_ASCII,
                   "changes[0].name: \"b\\xc3\\xbccher.example.com.\"");
    change_refused("{\"op\":\"SET\",\"name\":\"example.com.\",\"ttl\":1,\"type\":\"MX\","
                   "\"rdata\":[\"10 \xc3\xbc.example.com.\"]}",
                   ERR_NOT_ASCII, "changes[0].rdata[0]: \"10 \\xc3\\xbc.example.com.\"");
    refused("{\"v\":1,\"zone\":\"\xc3\xbc.example.\"," TIME ",\"changes\":[]}", ERR_NOT_ASCII,
            "zone: \"\\xc3\\xbc.example.\"");
    struct change_set *set = /* strings may have them */
        parse_one("{\"op\":\"SET\",\"name\":\"example.com.\",\"ttl\":1,\"type\":\"TXT\","
                  "\"rdata\":[\"gr\xc3\xbc\xc3\x9f"
                  "e\"]}");
    changeset_free(set);
    set = parse_one("{\"op\":\"DEL\",\"name\":\"b\\\\195\\\\188cher.example.com.\"}");
    changeset_free(set);
}

static void names_in_rdata_end_in_a_dot(void **state)
{
    (void)state;
    static const struct {
        const char *type, *rdata;
    } cases[] = {
        {"MX", "10 mail"},
        {"MX", "10 mail.example.com"},
        {"CNAME", "www"},
        {"NS", "ns.example.com"},
        {"SRV", "0 0 443 host"},
        {"PTR", "host"},
        {"DNAME", "other"},
        {"SOA", "ns. host 1 2 3 4 5"},
        {"SOA", "ns host. 1 2 3 4 5"},
        {"HTTPS", "1 svc alpn=h2"},
        {"NAPTR", "1 1 \\\"u\\\" \\\"s\\\" \\\"\\\" next"},
        {"RP", "mbox. txt"},
        {"NSEC", "next A"},
        {"CNAME", "a\\\\."},
    };
    char change[400];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(
            change, sizeof change,
            HEAD
            "\"changes\": [{\"op\":\"SET\",\"name\":\"example.com.\",\"ttl\":1,\"type\":\"%s\","
            "\"rdata\":[\"%s\"]}]}",
            cases[i].type, cases[i].rdata);
        struct change_set *set = NULL;
        struct changeset_error error;
        if (changeset_parse(change, strlen(change), &set, &error) != ERR_RELATIVE)
            fail_msg("%s %s: %s", cases[i].type, cases[i].rdata, error_text(error.code));
        assert_true(error.has_zone);
    }
}

static void duplicates_and_unknown_types_are_fine(void **state)
{
    (void)state;
    struct change_set *set =
        parse_one("{\"op\":\"SET\",\"name\":\"example.com.\",\"ttl\":2147483647,"
                  "\"type\":\"TYPE65280\",\"rdata\":[\"\\\\# 1 00\",\"\\\\# 1 00\",\"\\\\# 0\"]}");
    assert_int_equal(set->changes[0].rdata_count, 3);
    assert_int_equal(set->changes[0].rdata[2].size, 0);
    assert_int_equal(set->changes[0].ttl, INT32_MAX);
    assert_int_equal(set->changes[0].type, 65280);
    changeset_free(set);
}

/* More RDATA than the JSON is long, so that the set takes a second block. */
static void wire_form_may_be_longer_than_json(void **state)
{
    (void)state;
    enum { RECORDS = 20 };
    char *json = malloc(70000), *at = json;
    at +=
        sprintf(at, HEAD "\"changes\":[{\"op\":\"SET\",\"name\":\"example.com.\",\"type\":\"AAAA\","
                         "\"ttl\":1,\"rdata\":[");
    for (int k = 0; k < RECORDS; k++)
        at += sprintf(at, "%s\"::\"", k ? "," : "");
    sprintf(at, "]}]}");
    struct change_set *set = parse(json);
    static const uint8_t zeros[16];
    for (int k = 0; k < RECORDS; k++)
        assert_memory_equal(set->changes[0].rdata[k].bytes, zeros, 16);
    changeset_free(set);
    free(json);
}

/* -- in one pass ------------------------------------------------------------------------------- */

static void lines_are_equal(const struct change_set *a, const struct change_set *b)
{
    char left[1024], right[1024];
    assert_int_equal(a->change_count, b->change_count);
    for (size_t k = 0; k < a->change_count; k++) {
        assert_true(change_to_text(&a->changes[k], left, sizeof left) > 0);
        assert_true(change_to_text(&b->changes[k], right, sizeof right) > 0);
        assert_string_equal(left, right);
    }
}

/* Read without a tree, and the same as with one. */
static void is_scanned(const char *json)
{
    struct change_set *tree = NULL, *scanned = changeset_scan(json, strlen(json));
    struct changeset_error error;
    if (!scanned)
        fail_msg("left to the tree: %s", json);
    assert_int_equal(changeset_parse_tree(json, strlen(json), &tree, &error), 0);
    lines_are_equal(scanned, tree);
    assert_true(name_equal(scanned->zone, tree->zone));
    assert_int_equal(scanned->time_us, tree->time_us);
    assert_string_equal(scanned->publisher, tree->publisher);
    assert_true(scanned->has_seq == tree->has_seq && scanned->seq == tree->seq);
    assert_true(scanned->has_serial == tree->has_serial && scanned->serial == tree->serial);
    changeset_free(scanned);
    changeset_free(tree);
}

/* Good, but not for the one pass. */
static void is_left_to_the_tree(const char *change)
{
    char json[4096];
    snprintf(json, sizeof json, HEAD "\"changes\": [%s]}", change);
    assert_null(changeset_scan(json, strlen(json)));
    changeset_free(parse(json));
}

static void what_publishers_write_is_scanned(void **state)
{
    (void)state;
    is_scanned(
        HEAD
        "\"serial\": 7, \"publisher\": \"n\\/1\", \"seq\": 999999999999999999, \"changes\": []}");
    is_scanned(HEAD "\"changes\": ["
                    "{\"op\":\"SET\",\"name\":\"W.example.com.\",\"type\":\"A\",\"ttl\":2147483647,"
                    "\"rdata\":[\"192.0.2.1\",\"192.0.2.2\"]},"
                    "{\"op\":\"ADD\",\"name\":\"w.example.com.\",\"type\":\"AAAA\",\"ttl\":0,"
                    "\"rdata\":[\"2001:db8::1\"]},"
                    "{\"op\":\"DEL\",\"name\":\"w.example.com.\",\"type\":\"mx\","
                    "\"rdata\":[\"10 m.example.com.\"]},"
                    "{\"op\":\"DEL\",\"name\":\"w.example.com.\",\"type\":\"TYPE65280\"},"
                    "{\"op\":\"DEL\",\"name\":\"w.example.com.\"},"
                    "{\"op\":\"FLUSH\",\"name\":\"example.com.\",\"subtree\":true},"
                    "{\"op\":\"FLUSH\",\"name\":\"example.com.\",\"subtree\":false}]}");
    /* As encoders that sort members write it. */
    is_scanned(
        "\n{ \"changes\" : [ { \"name\" : \"t.example.com.\" , \"op\" : \"SET\" ,"
        " \"rdata\" : [ \"\\\"v=spf1 -all\\\"\" , \"a\\\\\\\"b\" ] , \"ttl\" : 60 , \"type\" : "
        "\"TXT\" } ] ,\r\n"
        " \"time\" : \"2026-11-22T03:00:00Z\" , \"v\" : 1 , \"zone\" : \"example.com.\" }\t\n");
}

static void what_we_write_is_scanned(void **state)
{
    (void)state;
    struct change_set *set =
        parse(HEAD "\"publisher\": \"n\", \"seq\": 1, \"changes\": ["
                   "{\"op\":\"SET\",\"name\":\"t.example.com.\",\"type\":\"TXT\",\"ttl\":1,"
                   "\"rdata\":[\"a b c\"]},"
                   "{\"op\":\"SET\",\"name\":\"t.example.com.\",\"type\":\"TYPE65280\",\"ttl\":1,"
                   "\"rdata\":[\"\\\\# 2 0001\"]},"
                   "{\"op\":\"FLUSH\",\"name\":\"t.example.com.\",\"subtree\":true}]}");
    char *json = changeset_format(set);
    assert_non_null(json);
    is_scanned(json);
    free(json);
    changeset_free(set);
}

static void the_rest_is_left_to_the_tree(void **state)
{
    (void)state;
    is_left_to_the_tree("{\"op\":\"DEL\",\"name\":\"w.example.com.\",\"comment\":\"?\"}");
    is_left_to_the_tree("{\"op\":\"DEL\",\"name\":\"\\u0077.example.com.\"}");
    is_left_to_the_tree("{\"op\":\"DEL\",\"name\":\"w\\\\.w.example.com.\"}");
    is_left_to_the_tree("{\"op\":\"DEL\",\"name\":\"example.com.\",\"note\":\"\xc3\xa9\"}");
    is_left_to_the_tree("{\"op\":\"FLUSH\",\"name\":\"w.example.com.\",\"type\":1}");
    is_left_to_the_tree("{\"op\":\"DEL\",\"name\":\"w.example.com.\",\"ttl\":1.5}");
}

/* Every byte at every place of a string, whose end is looked for eight bytes at a time. */
static void strings_end_where_they_end(void **state)
{
    enum { LENGTH = 19 };
    (void)state;
    for (int byte = 1; byte <= UINT8_MAX; byte++)
        for (size_t at = 0; at < LENGTH; at++) {
            char json[256], publisher[] = "abcdefghijklmnopqrs";
            const bool plain = byte >= ' ' && byte <= 0x7f && byte != '"' && byte != '\\';
            publisher[at] = (char)byte;
            snprintf(json, sizeof json, HEAD "\"publisher\": \"%s\", \"changes\": []}", publisher);
            if (plain) {
                is_scanned(json);
                continue;
            }
            struct change_set *scanned = changeset_scan(json, strlen(json));
            assert_null(scanned);
        }
}

/* -- what is refused, and where ---------------------------------------------------------------- */

/* The place is ours to check, the words are the parser's. */
static void json_refused_at(const char *json, size_t size, const char *place)
{
    struct change_set *set = NULL;
    struct changeset_error error;
    assert_int_equal(changeset_parse(json, size, &set, &error), ERR_JSON);
    assert_false(error.has_zone);
    assert_memory_equal(error.where, place, strlen(place));
    assert_true(strlen(error.where) > strlen(place) + 5);
}

static void json_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *place;
    } rows[] = {
        {"", "line 1, column 0: \""},
        {"{\"v\": 1,}", "line 1, column 9: \""},
        {"{\"v\": 1,\n\"zone\" 2}", "line 2, column 8: \""},
        {"{} x", "line 1, column 4: \""},
        {"{\"v\":1,\"v\":1}", "line 1, column 10: \""},         /* a key twice */
        {"{\"zone\":\"a\\u0000b.\"}", "line 1, column 19: \""}, /* NUL in a string */
        {"{\"zone\":\"\xff.\"}", "line 1, column 9: \""},       /* not UTF-8 */
        {"{\"seq\":9223372036854775808}", "line 1, column 26: \""},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        json_refused_at(rows[k].json, strlen(rows[k].json), rows[k].place);
    json_refused_at("{\"v\": 1}", 7, "line 1, column 7: \"");
}

static void control_characters_do_not_reach_the_place(void **state)
{
    (void)state;
    change_refused("{\"op\":\"\\u001b[31m\\u00e4\",\"name\":\"example.com.\"}", ERR_OP,
                   "changes[0].op: \"\\x1b[31m\\xc3\\xa4\"");
}

static void a_long_value_is_cut(void **state)
{
    (void)state;
    char name[400], change[500];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(change, sizeof change, "{\"op\":\"DEL\",\"name\":\"%s\"}", name);
    struct change_set *set = NULL;
    struct changeset_error error;
    char json[1000];
    snprintf(json, sizeof json, HEAD "\"changes\": [%s]}", change);
    assert_int_equal(changeset_parse(json, strlen(json), &set, &error), ERR_NAME);
    assert_true(strlen(error.where) < CHANGESET_MAX_WHERE);
    assert_string_equal(error.where + strlen(error.where) - 5, "a...\"");
}

static void versions_are_refused(void **state)
{
    (void)state;
    refused("[]", ERR_SCHEMA, "the message: an array");
    refused("{\"zone\":\"a.\"}", ERR_SCHEMA, "v: missing");
    refused("{\"v\":\"1\",\"zone\":\"a.\"}", ERR_SCHEMA, "v: \"1\"");
    refused("{\"v\":1.0,\"zone\":\"a.\"}", ERR_SCHEMA, "v: not an integer");
    refused("{\"v\":2,\"zone\":\"a.\"}", ERR_SCHEMA_VERSION, "v: 2");
    refused("{\"v\":0,\"zone\":3}", ERR_SCHEMA_VERSION, "v: 0");
}

static void heads_are_refused(void **state)
{
    (void)state;
    refused("{\"v\":1," TIME ",\"changes\":[]}", ERR_SCHEMA, "zone: missing");
    refused("{\"v\":1,\"zone\":1," TIME ",\"changes\":[]}", ERR_SCHEMA, "zone: 1");
    refused("{\"v\":1,\"zone\":\"example.com\"," TIME ",\"changes\":[]}", ERR_RELATIVE,
            "zone: \"example.com\"");
    refused("{\"v\":1,\"zone\":\"a..b.\"," TIME ",\"changes\":[]}", ERR_NAME, "zone: \"a..b.\"");
    refused(HEAD "\"serial\":-1,\"changes\":[]}", ERR_SCHEMA, "serial: -1");
    refused(HEAD "\"serial\":4294967296,\"changes\":[]}", ERR_SCHEMA, "serial: 4294967296");
    refused(HEAD "\"serial\":null,\"changes\":[]}", ERR_SCHEMA, "serial: null");
    refused(HEAD "\"seq\":-1,\"changes\":[]}", ERR_SCHEMA, "seq: -1");
    refused(HEAD "\"seq\":true,\"changes\":[]}", ERR_SCHEMA, "seq: true");
    refused(HEAD "\"publisher\":{},\"changes\":[]}", ERR_SCHEMA, "publisher: an object");
    refused(HEAD "\"changes\":{}}", ERR_SCHEMA, "changes: an object");
    refused("{\"v\":1,\"zone\":\"a.\"," TIME "}", ERR_SCHEMA, "changes: missing");
    refused("{\"v\":1,\"zone\":\"a.\",\"changes\":[]}", ERR_SCHEMA, "time: missing");
    refused("{\"v\":1,\"zone\":\"a.\",\"time\":\"now\",\"changes\":[]}", ERR_SCHEMA,
            "time: \"now\"");
}

static void what_must_be_understood_is_known(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "[]", "[\"subtree\"]", "[\"serial\",\"serial\"]", "[\"must\"]",
        "[\"v\",\"zone\",\"serial\",\"time\",\"publisher\",\"seq\",\"changes\",\"op\",\"name\","
        "\"type\",\"ttl\",\"rdata\",\"subtree\",\"must\"]"};
    for (size_t k = 0; k < sizeof fine / sizeof fine[0]; k++) {
        char json[1024];
        snprintf(json, sizeof json, HEAD "\"must\":%s,\"changes\":[]}", fine[k]);
        changeset_free(parse(json));
    }
}

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    refused(HEAD "\"must\":[\"variant\"],\"changes\":[]}", ERR_MUST, "must[0]: \"variant\"");
    refused(HEAD "\"must\":[\"op\",\"\"],\"changes\":[]}", ERR_MUST, "must[1]: \"\"");
    refused(HEAD "\"must\":[\"TTL\"],\"changes\":[]}", ERR_MUST, "must[0]: \"TTL\"");
    refused(HEAD "\"must\":\"op\",\"changes\":[]}", ERR_SCHEMA, "must: \"op\"");
    refused(HEAD "\"must\":{\"op\":1},\"changes\":[]}", ERR_SCHEMA, "must: an object");
    refused(HEAD "\"must\":null,\"changes\":[]}", ERR_SCHEMA, "must: null");
    refused(HEAD "\"must\":[\"op\",7],\"changes\":[]}", ERR_SCHEMA, "must[1]: 7");
    refused(HEAD "\"must\":[[\"op\"]],\"changes\":[]}", ERR_SCHEMA, "must[0]: an array");
    /* Whatever else is wrong with what it would say; but not with a version that may mean other things by it. */
    refused(HEAD "\"changes\":[7],\"must\":[\"variant\"]}", ERR_MUST, "must[0]: \"variant\"");
    refused("{\"v\":2,\"zone\":\"a.\",\"must\":[\"variant\"]}", ERR_SCHEMA_VERSION, "v: 2");
}

static void publishers_are_bounded(void **state)
{
    (void)state;
    char json[300], name[65];
    memset(name, 'p', 64);
    name[64] = '\0';
    snprintf(json, sizeof json, HEAD "\"publisher\":\"%s\",\"changes\":[]}", name + 1);
    struct change_set *set = parse(json);
    assert_string_equal(set->publisher, name + 1);
    changeset_free(set);
    snprintf(json, sizeof json, HEAD "\"publisher\":\"%s\",\"changes\":[]}", name);
    struct changeset_error error;
    assert_int_equal(changeset_parse(json, strlen(json), &set, &error), ERR_SCHEMA);
}

#define A_CHANGE(op, rest) "{\"op\":\"" op "\",\"name\":\"a.example.com.\"" rest "}"

static void changes_are_refused(void **state)
{
    (void)state;
    change_refused("7", ERR_SCHEMA, "changes[0]: 7");
    change_refused("{\"name\":\"a.example.com.\"}", ERR_SCHEMA, "changes[0].op: missing");
    change_refused(A_CHANGE("set", ""), ERR_OP, "changes[0].op: \"set\"");
    change_refused("{\"op\":\"DEL\"}", ERR_SCHEMA, "changes[0].name: missing");
    change_refused("{\"op\":\"DEL\",\"name\":\"a.example.com\"}", ERR_RELATIVE,
                   "changes[0].name: \"a.example.com\"");
    change_refused("{\"op\":\"DEL\",\"name\":\"example.org.\"}", ERR_ZONE,
                   "changes[0].name: \"example.org.\"");
    change_refused("{\"op\":\"DEL\",\"name\":\"com.\"}", ERR_ZONE, "changes[0].name: \"com.\"");
    /* The same text, but another label. */
    change_refused("{\"op\":\"DEL\",\"name\":\"aexample.com.\"}", ERR_ZONE,
                   "changes[0].name: \"aexample.com.\"");
    change_refused(A_CHANGE("DEL", "},{\"op\":\"DEL\",\"name\":\"b.\""), ERR_ZONE,
                   "changes[1].name: \"b.\"");
}

static void types_and_ttls_are_refused(void **state)
{
    (void)state;
    change_refused(A_CHANGE("SET", ",\"ttl\":1,\"rdata\":[\"x\"]"), ERR_SCHEMA,
                   "changes[0].type: missing");
    change_refused(A_CHANGE("DEL", ",\"type\":1"), ERR_SCHEMA, "changes[0].type: 1");
    change_refused(A_CHANGE("DEL", ",\"type\":\"NOPE\""), ERR_TYPE, "changes[0].type: \"NOPE\"");
    change_refused(A_CHANGE("DEL", ",\"type\":\"ANY\""), ERR_TYPE, "changes[0].type: \"ANY\"");
    change_refused(A_CHANGE("DEL", ",\"type\":\"TYPE41\""), ERR_TYPE,
                   "changes[0].type: \"TYPE41\"");
    change_refused(A_CHANGE("SET", ",\"type\":\"A\",\"rdata\":[\"192.0.2.1\"]"), ERR_TTL,
                   "changes[0].ttl: missing");
    change_refused(A_CHANGE("ADD", ",\"type\":\"A\",\"ttl\":-1,\"rdata\":[\"192.0.2.1\"]"), ERR_TTL,
                   "changes[0].ttl: -1");
    change_refused(A_CHANGE("ADD", ",\"type\":\"A\",\"ttl\":2147483648,\"rdata\":[\"192.0.2.1\"]"),
                   ERR_TTL, "changes[0].ttl: 2147483648");
    change_refused(A_CHANGE("ADD", ",\"type\":\"A\",\"ttl\":1.5,\"rdata\":[\"192.0.2.1\"]"),
                   ERR_TTL, "changes[0].ttl: not an integer");
}

static void subtrees_are_for_flush(void **state)
{
    (void)state;
    change_refused(A_CHANGE("DEL", ",\"subtree\":true"), ERR_SCHEMA, "changes[0].subtree: true");
    change_refused(A_CHANGE("FLUSH", ",\"subtree\":1"), ERR_SCHEMA, "changes[0].subtree: 1");
}

#define SET_OF(type, rdata) A_CHANGE("SET", ",\"ttl\":1,\"type\":\"" type "\",\"rdata\":" rdata)

static void rdata_is_refused(void **state)
{
    (void)state;
    change_refused(SET_OF("A", "[\"192.0.2.1\",\"192.0.2.300\"]"), ERR_RDATA,
                   "changes[0].rdata[1]: \"192.0.2.300\"");
    change_refused(SET_OF("A", "[\"192.0.2.1\",7]"), ERR_SCHEMA, "changes[0].rdata[1]: 7");
    change_refused(SET_OF("A", "[]"), ERR_SCHEMA, "changes[0].rdata is empty");
    change_refused(SET_OF("A", "\"192.0.2.1\""), ERR_SCHEMA, "changes[0].rdata: \"192.0.2.1\"");
    change_refused(A_CHANGE("SET", ",\"ttl\":1,\"type\":\"A\""), ERR_SCHEMA,
                   "changes[0].rdata: missing");
    change_refused(A_CHANGE("DEL", ",\"rdata\":[\"192.0.2.1\"]"), ERR_SCHEMA,
                   "changes[0].rdata: an array");
    change_refused(A_CHANGE("DEL", ",\"type\":\"A\",\"rdata\":[]"), ERR_SCHEMA,
                   "changes[0].rdata is empty");
    change_refused(A_CHANGE("FLUSH", ",\"rdata\":[\"192.0.2.1\"]"), ERR_SCHEMA,
                   "changes[0].rdata: an array");
}

static void a_name_has_one_cname(void **state)
{
    (void)state;
    static const char where[] = "changes[0].rdata: 2 records of a type that allows one";
    change_refused(SET_OF("CNAME", "[\"a.\",\"b.\"]"), ERR_RDATA, where);
    change_refused(SET_OF("DNAME", "[\"a.\",\"a.\"]"), ERR_RDATA, where);
    change_refused(SET_OF("SOA", "[\"a. b. 1 2 3 4 5\",\"a. b. 2 2 3 4 5\"]"), ERR_RDATA, where);
    changeset_free(parse_one(SET_OF("CNAME", "[\"a.\"]")));
    changeset_free(parse_one(A_CHANGE("DEL", ",\"type\":\"CNAME\",\"rdata\":[\"a.\",\"b.\"]")));
}

static void size_is_bounded(void **state)
{
    (void)state;
    char *json = malloc(CHANGESET_MAX_BYTES + 1);
    const int head = sprintf(json, HEAD "\"changes\": []}");
    memset(json + head, ' ', (size_t)(CHANGESET_MAX_BYTES + 1 - head));
    refused_n(json, CHANGESET_MAX_BYTES + 1, ERR_TOO_LARGE, "4194305 bytes");
    struct change_set *set = NULL;
    struct changeset_error error;
    assert_int_equal(changeset_parse(json, CHANGESET_MAX_BYTES, &set, &error), 0);
    changeset_free(set);
    free(json);
}

static void the_number_of_changes_is_bounded(void **state)
{
    (void)state;
    enum { COUNT = CHANGESET_MAX_CHANGES + 1 };
    char *json = malloc(200 + COUNT * 3), *at = json;
    at += sprintf(at, HEAD "\"changes\":[");
    for (int k = 0; k < COUNT; k++)
        at += sprintf(at, "%s{}", k ? "," : "");
    sprintf(at, "]}");
    refused(json, ERR_TOO_LARGE, "changes: 100001 of them");
    free(json);
}

static void a_refusal_still_names_the_zone(void **state)
{
    (void)state;
    static const char *const jsons[] = {
        "{\"zone\":\"Example.com.\"}",
        "{\"v\":9,\"zone\":\"example.com.\"}",
        HEAD "\"changes\":[{\"op\":\"NOPE\"}]}",
    };
    struct change_set *set = NULL;
    struct changeset_error error;
    for (size_t k = 0; k < sizeof jsons / sizeof jsons[0]; k++) {
        assert_true(changeset_parse(jsons[k], strlen(jsons[k]), &set, &error) < 0);
        assert_true(error.has_zone);
        is_name(error.zone, "example.com.");
    }
    assert_true(changeset_parse("{\"v\":1,\"zone\":\"example.com\"}", 28, &set, &error) < 0);
    assert_false(error.has_zone);
}

/* -- text forms -------------------------------------------------------------------------------- */

static void json_form_parses_back(void **state)
{
    (void)state;
    static const char json[] =
        "{\"v\":1,\"zone\":\"example.com.\",\"serial\":0,\"time\":\"2026-11-22T03:00:00.000000Z\","
        "\"publisher\":\"n\\\"\xc3\xa4\",\"seq\":9223372036854775807,\"changes\":["
        "{\"op\":\"SET\",\"name\":\"a\\\\.b.example.com.\",\"type\":\"TXT\",\"ttl\":5,"
        "\"rdata\":[\"\\\"x\\\\\\\"y\\\" \\\"\\\\000\\\"\"]},"
        "{\"op\":\"DEL\",\"name\":\"c.example.com.\",\"type\":\"TYPE65280\",\"rdata\":[\"\\\\# 2 "
        "0a0b\"]},"
        "{\"op\":\"FLUSH\",\"name\":\"*.example.com.\",\"subtree\":true}]}";
    struct change_set *set = parse(json);
    char *formatted = changeset_format(set);
    assert_string_equal(formatted, json);
    free(formatted);
    changeset_free(set);
}

/* RDATA that the form of its type cannot say still travels, in that of RFC 3597. */
static void rdata_of_a_wrong_form_is_generic(void **state)
{
    (void)state;
    uint8_t bytes[] = {1, 2, 3};
    struct rdata_view rdata = {.bytes = bytes, .size = sizeof bytes};
    const struct change change = {.op = CHANGE_DEL,
                                  .type = TYPE_A,
                                  .name = (const uint8_t *)"\1a",
                                  .rdata = &rdata,
                                  .rdata_count = 1};
    has_text(&change, "DEL a. A \\# 3 010203");
}

static void a_line_that_does_not_fit_says_so(void **state)
{
    (void)state;
    struct change_set *set = parse_one(SET_OF("A", "[\"192.0.2.1\",\"192.0.2.2\"]"));
    static const char line[] = "SET a.example.com. 1 A 192.0.2.1, 192.0.2.2";
    char text[sizeof line];
    assert_int_equal(change_to_text(&set->changes[0], text, sizeof text), sizeof line - 1);
    assert_string_equal(text, line);
    for (size_t size = 0; size < sizeof line; size++)
        assert_int_equal(change_to_text(&set->changes[0], text, size), ERR_SPACE);
    changeset_free(set);
}

/* -- time -------------------------------------------------------------------------------------- */

static void is_time(const char *text, int64_t expected)
{
    int64_t time_us = 0;
    assert_int_equal(time_from_text(text, &time_us), 0);
    if (time_us != expected)
        fail_msg("%s is %lld", text, (long long)time_us);
}

static void times_are_read(void **state)
{
    (void)state;
    is_time("1970-01-01T00:00:00Z", 0);
    is_time("1969-12-31T23:59:59.999999Z", -1);
    is_time("2026-11-22T03:00:00.123456Z", INT64_C(1795316400123456));
    is_time("2026-11-22t03:00:00.1z", INT64_C(1795316400100000));
    is_time("2026-11-22T03:00:00.123456999Z", INT64_C(1795316400123456));
    is_time("2026-11-22T05:30:00+02:30", INT64_C(1795316400000000));
    is_time("2026-11-21T22:00:00-05:00", INT64_C(1795316400000000));
    is_time("2024-02-29T00:00:00Z", INT64_C(1709164800000000));
    is_time("2016-12-31T23:59:60Z", INT64_C(1483228800000000)); /* a leap second */
    is_time("0000-01-01T00:00:00Z", INT64_C(-62167219200000000));
    is_time("9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999));
}

static void times_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "2026",
        "2026-11-22",
        "2026-11-22 03:00:00Z",
        "2026-11-22T03:00:00",
        "2026-11-22T03:00Z",
        "2026-13-22T03:00:00Z",
        "2026-00-22T03:00:00Z",
        "2026-11-31T03:00:00Z",
        "2026-11-00T03:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T03:60:00Z",
        "2026-11-22T03:00:61Z",
        "2026-11-22T03:00:00.Z",
        "2026-11-22T03:00:00Zx",
        "2026-11-22T03:00:00+2:30",
        "2026-11-22T03:00:00+24:00",
        "2026-11-22T03:00:00+02:60",
        "26-11-22T03:00:00Z",
        "+026-11-22T03:00:00Z",
        "9999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00+00:01",
    };
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        int64_t time_us = 77;
        if (time_from_text(texts[k], &time_us) != ERR_SCHEMA)
            fail_msg("%s was read", texts[k]);
        assert_true(time_us == 77);
    }
}

static void times_are_written(void **state)
{
    (void)state;
    char text[TIME_MAX_TEXT];
    assert_string_equal(time_to_text(INT64_C(1795316400123456), text),
                        "2026-11-22T03:00:00.123456Z");
    assert_string_equal(time_to_text(-1, text), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(time_to_text(INT64_MIN, text), "0000-01-01T00:00:00.000000Z");
    assert_string_equal(time_to_text(INT64_MAX, text), "9999-12-31T23:59:59.999999Z");
}

/* Every day of four centuries and more, so every leap rule. */
static void days_go_both_ways(void **state)
{
    (void)state;
    char text[TIME_MAX_TEXT];
    for (int64_t day = -200000; day < 200000; day++)
        is_time(time_to_text(day * INT64_C(86400000000) + day + 200000, text),
                day * INT64_C(86400000000) + day + 200000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_header),
        cmocka_unit_test(the_digest_tells_messages_apart),
        cmocka_unit_test(a_heartbeat_has_no_changes),
        cmocka_unit_test(unknown_fields_are_ignored),
        cmocka_unit_test(the_text_need_not_end_in_nul),
        cmocka_unit_test(the_root_is_a_zone),
        cmocka_unit_test(an_escaped_dot_ends_no_name),
        cmocka_unit_test(other_letters_are_no_names),
        cmocka_unit_test(names_in_rdata_end_in_a_dot),
        cmocka_unit_test(duplicates_and_unknown_types_are_fine),
        cmocka_unit_test(wire_form_may_be_longer_than_json),
        cmocka_unit_test(what_publishers_write_is_scanned),
        cmocka_unit_test(what_we_write_is_scanned),
        cmocka_unit_test(the_rest_is_left_to_the_tree),
        cmocka_unit_test(strings_end_where_they_end),
        cmocka_unit_test(json_is_refused),
        cmocka_unit_test(control_characters_do_not_reach_the_place),
        cmocka_unit_test(a_long_value_is_cut),
        cmocka_unit_test(versions_are_refused),
        cmocka_unit_test(heads_are_refused),
        cmocka_unit_test(what_must_be_understood_is_known),
        cmocka_unit_test(what_is_not_understood_is_refused),
        cmocka_unit_test(publishers_are_bounded),
        cmocka_unit_test(changes_are_refused),
        cmocka_unit_test(types_and_ttls_are_refused),
        cmocka_unit_test(subtrees_are_for_flush),
        cmocka_unit_test(rdata_is_refused),
        cmocka_unit_test(a_name_has_one_cname),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(the_number_of_changes_is_bounded),
        cmocka_unit_test(a_refusal_still_names_the_zone),
        cmocka_unit_test(json_form_parses_back),
        cmocka_unit_test(rdata_of_a_wrong_form_is_generic),
        cmocka_unit_test(a_line_that_does_not_fit_says_so),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(times_are_refused),
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(days_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
