/* test_name.c - domain names: both gates, text, comparison (dns/name.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/name.h"

/* -- helpers ----------------------------------------------------------------------------------- */

static const uint8_t *name_of(const char *text, uint8_t buffer[NAME_MAX_SIZE])
{
    assert_true(name_from_text(text, buffer) > 0);
    return buffer;
}

/* Reads the name at `at` of a message; a failed read must fail the reader too. */
static int read_at(const void *bytes, size_t size, size_t at, uint8_t buffer[NAME_MAX_SIZE],
                   size_t *ret_behind)
{
    struct wire_reader reader = wire_reader(bytes, size);

    reader.at = at;
    int got = name_read(&reader, buffer);
    assert_int_equal(reader.failed, got < 0);
    if (ret_behind)
        *ret_behind = reader.at;
    return got;
}

/* Appends one label of `length` bytes to `wire`; returns the new size. */
static size_t put_label(uint8_t *wire, size_t at, uint8_t length)
{
    wire[at] = length;
    memset(wire + at + 1, 'a', length);
    return at + 1 + length;
}

/* A wire name with labels of 63, 63, 63 and `last` bytes: 194 + last bytes in all. */
static size_t long_name(uint8_t *wire, uint8_t last)
{
    size_t at = 0;

    for (int i = 0; i < 3; i++)
        at = put_label(wire, at, 63);
    at = put_label(wire, at, last);
    wire[at++] = 0;
    return at;
}

/* -- name_read --------------------------------------------------------------------------------- */

static void read_plain(void **state)
{
    static const uint8_t wire[] = "\3www\7ExAmple\3com\0rest";
    uint8_t name[NAME_MAX_SIZE];
    size_t behind;

    (void)state;
    assert_int_equal(read_at(wire, sizeof(wire), 0, name, &behind), 17);
    assert_int_equal(behind, 17);
    assert_memory_equal(name, wire, 17); /* case kept */
    assert_int_equal(read_at(wire, sizeof(wire), 16, name, &behind), 1);
    assert_int_equal(behind, 17);
}

static void read_follows_pointers(void **state)
{
    /* 0: com.  5: example.com. by pointer  15: www.example.com. by pointer to a pointer */
    static const uint8_t wire[] = "\3com\0\7example\300\0\3www\300\5!";
    uint8_t name[NAME_MAX_SIZE];
    size_t behind;

    (void)state;
    assert_int_equal(read_at(wire, sizeof(wire) - 1, 15, name, &behind), 17);
    assert_int_equal(behind, 21);
    assert_memory_equal(name, "\3www\7example\3com", 17);
    /* a pointer to a pointer without labels between is legal too */
    assert_int_equal(read_at("\1a\0\300\0\300\3", 7, 5, name, &behind), 3);
    assert_int_equal(behind, 7);
}

static void read_refuses_bad_pointers(void **state)
{
    uint8_t name[NAME_MAX_SIZE];

    (void)state;
    assert_int_equal(read_at("\300\0", 2, 0, name, NULL), ERR_POINTER);       /* itself */
    assert_int_equal(read_at("\300\2\0", 3, 0, name, NULL), ERR_POINTER);     /* forward */
    assert_int_equal(read_at("\1a\300\0", 4, 0, name, NULL), ERR_POINTER);    /* own labels */
    assert_int_equal(read_at("\300\2\300\0", 4, 2, name, NULL), ERR_POINTER); /* a ring of two */
    assert_int_equal(read_at("\1a\1b\300\2\300\0", 8, 6, name, NULL), ERR_POINTER);
    assert_int_equal(read_at("\0\300", 2, 1, name, NULL), ERR_SHORT); /* half a pointer */
}

static void read_bounds_pointer_chains(void **state)
{
    static uint8_t wire[16384];
    uint8_t name[NAME_MAX_SIZE];

    (void)state;
    wire[0] = 0;
    for (size_t at = 2; at < sizeof(wire); at += 2)
        wire_put_u16(wire + at, (uint16_t)(0xc000 | (at == 2 ? 0 : at - 2)));
    assert_int_equal(read_at(wire, sizeof(wire), 2 * 128, name, NULL), 1);
    assert_int_equal(read_at(wire, sizeof(wire), 2 * 129, name, NULL), ERR_POINTER);
    assert_int_equal(read_at(wire, sizeof(wire), 16382, name, NULL), ERR_POINTER);
}

static void read_refuses_other_label_types(void **state)
{
    uint8_t name[NAME_MAX_SIZE];
    uint8_t wire[80];

    (void)state;
    for (unsigned kind = 0x40; kind < 0xc0; kind++) { /* 0x40 is a label of 64 bytes, too */
        memset(wire, 'a', sizeof(wire));
        wire[0] = (uint8_t)kind;
        wire[kind < 79 ? kind + 1 : 79] = 0;
        assert_int_equal(read_at(wire, sizeof(wire), 0, name, NULL), ERR_NAME);
    }
    wire[0] = 63;
    wire[64] = 0;
    assert_int_equal(read_at(wire, sizeof(wire), 0, name, NULL), 65);
}

static void read_bounds_size(void **state)
{
    uint8_t wire[300], name[NAME_MAX_SIZE];
    size_t size = long_name(wire, 61);

    (void)state;
    assert_int_equal(size, 255);
    assert_int_equal(read_at(wire, size, 0, name, NULL), 255);
    size = long_name(wire, 62);
    assert_int_equal(size, 256);
    assert_int_equal(read_at(wire, size, 0, name, NULL), ERR_NAME);
    /* 255 bytes behind a pointer, and one label before it */
    size = long_name(wire, 61);
    memcpy(wire + size, "\1x\300\0", 4);
    assert_int_equal(read_at(wire, size + 4, size, name, NULL), ERR_NAME);
}

static void read_stops_at_the_end(void **state)
{
    static const uint8_t wire[] = "\3www\7example\3com";
    uint8_t name[NAME_MAX_SIZE];

    (void)state;
    for (size_t size = 0; size < sizeof(wire); size++)
        assert_int_equal(read_at(wire, size, 0, name, NULL), ERR_SHORT);
    assert_int_equal(read_at(wire, sizeof(wire), 0, name, NULL), 17);
}

static void read_allows_127_labels(void **state)
{
    uint8_t wire[300], name[NAME_MAX_SIZE];
    size_t at = 0;

    (void)state;
    for (int i = 0; i < 127; i++)
        at = put_label(wire, at, 1);
    wire[at] = 0;
    assert_int_equal(read_at(wire, at + 1, 0, name, NULL), 255);
    assert_int_equal(name_labels(name), NAME_MAX_LABELS);
}

/* -- text -------------------------------------------------------------------------------------- */

static void text_reads(void **state)
{
    static const struct {
        const char *text;
        int size;
        const char *wire;
    } cases[] = {
        {".", 1, ""},           {"com", 5, "\3com"},
        {"com.", 5, "\3com"},   {"Www.Example.", 13, "\3Www\7Example"},
        {"a\\.b.", 5, "\3a.b"}, {"a\\046b.", 5, "\3a.b"},
        {"\\000.", 3, "\1\0"},  {"\\255.", 3, "\1\377"},
        {"\\\\.", 3, "\1\\"},   {"\\ \\;.", 4, "\2 ;"},
        {"*.x", 5, "\1*\1x"},   {"_dmarc.x.", 10, "\6_dmarc\1x"},
    };
    uint8_t name[NAME_MAX_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(name_from_text(cases[i].text, name), cases[i].size);
        assert_memory_equal(name, cases[i].wire, (size_t)cases[i].size);
    }
    assert_int_equal(name_from_text_n("com.rest", 4, name), 5);
}

static void text_refuses(void **state)
{
    static const char *const cases[] = {
        "",    "..",   ".a",    "a..b",   "a..",   "a b",  "a\tb", " a",  "a ",  "\\",    "a\\",
        "\\1", "\\12", "\\256", "\\999.", "\\1a2", "a\nb", "a;b",  "a(b", "a)b", "\"a\"", "a\x7f",
    };
    uint8_t name[NAME_MAX_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(name_from_text(cases[i], name), ERR_NAME);
    assert_int_equal(name_from_text_n("\\1234", 3, name), ERR_NAME);
}

/* A U-label in UTF-8 or Latin-1 is no name; the same bytes escaped are one, as DNS-SD has it. */
static void text_is_ascii(void **state)
{
    static const char *const cases[] = {"b\xc3\xbc"
                                        "cher.example.",
                                        "a.\xfc",
                                        "a\xe3\x80\x82"
                                        "b."};
    uint8_t name[NAME_MAX_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(name_from_text(cases[i], name), ERR_NOT_ASCII);
    assert_int_equal(name_from_text("b\\195\\188cher.", name), 9);
    assert_int_equal(name_from_text("b\\\xc3.", name), 4);
}

/* Every byte at every place of a label: it stands for itself, or does not stand there. */
static void text_holds_what_may_stand_there(void **state)
{
    (void)state;
    for (int byte = 1; byte <= UINT8_MAX; byte++)
        for (size_t at = 0; at < 5; at++) {
            char text[] = "abcde.x.";
            uint8_t name[NAME_MAX_SIZE];
            const bool special = byte <= ' ' || byte >= 0x7f || strchr("\"();\\.", byte);
            text[at] = (char)byte;
            const int size = name_from_text(text, name);
            if (!special) {
                assert_int_equal(size, 9);
                assert_int_equal(name[1 + at], byte);
            } else if (byte > 0x7f) {
                assert_int_equal(size, ERR_NOT_ASCII);
            } else if (byte != '.' && byte != '\\') {
                assert_int_equal(size, ERR_NAME);
            }
        }
}

static void text_may_lack_the_final_dot(void **state)
{
    static const struct {
        const char *text;
        bool whole;
    } cases[] = {{".", true},       {"a.", true},     {"a", false},        {"", false},
                 {"a\\.", false},   {"a\\\\.", true}, {"a\\\\\\.", false}, {"a.b", false},
                 {"a\\046", false}, {"\\.", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(name_text_is_whole(cases[i].text, strlen(cases[i].text)), cases[i].whole);
}

static void text_bounds(void **state)
{
    uint8_t wire[300], name[NAME_MAX_SIZE];
    char text[NAME_MAX_TEXT];

    (void)state;
    long_name(wire, 61);
    assert_int_equal(name_from_text(name_to_text(wire, text), name), 255);
    assert_memory_equal(wire, name, 255);
    text[254] = 'a'; /* where the last dot was: one byte more */
    text[255] = '\0';
    assert_int_equal(name_from_text(text, name), ERR_NAME);
    memset(text, 'a', 64);
    text[63] = '\0';
    assert_int_equal(name_from_text(text, name), 65);
    text[63] = 'a';
    text[64] = '\0';
    assert_int_equal(name_from_text(text, name), ERR_NAME);
}

static void text_writes(void **state)
{
    char text[NAME_MAX_TEXT];

    (void)state;
    assert_string_equal(name_to_text((const uint8_t *)"", text), ".");
    assert_string_equal(name_to_text((const uint8_t *)"\3wWw\1x", text), "wWw.x.");
    assert_string_equal(name_to_text((const uint8_t *)"\4a.b\\\1\"", text), "a\\.b\\\\.\\\".");
    assert_string_equal(name_to_text((const uint8_t *)"\5 \t\177\200\377", text),
                        "\\032\\009\\127\\128\\255.");
    assert_string_equal(name_to_text((const uint8_t *)"\5$@();", text), "\\$\\@\\(\\)\\;.");
}

/* Every byte in a label comes back, and the longest text fits. */
static void text_round_trips(void **state)
{
    uint8_t wire[300], name[NAME_MAX_SIZE];
    char text[NAME_MAX_TEXT];

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        size_t size = long_name(wire, 61);
        for (size_t at = 0; at < 255; at++)
            wire[at] = wire[at] == 'a' ? (uint8_t)byte : wire[at];
        assert_int_equal(name_from_text(name_to_text(wire, text), name), (int)size);
        assert_memory_equal(wire, name, size);
    }
    assert_int_equal(strlen(text), 4 * 250 + 4);
}

/* -- comparing --------------------------------------------------------------------------------- */

static void measures(void **state)
{
    uint8_t name[NAME_MAX_SIZE];

    (void)state;
    assert_int_equal(name_size(name_of(".", name)), 1);
    assert_int_equal(name_labels(name), 0);
    assert_null(name_parent(name));
    assert_int_equal(name_size(name_of("a.bc.", name)), 6);
    assert_int_equal(name_labels(name), 2);
    assert_ptr_equal(name_parent(name), name + 2);
    assert_true(name_is_wildcard(name_of("*.bc.", name)));
    assert_false(name_is_wildcard(name_of("**.bc.", name)));
    assert_false(name_is_wildcard(name_of("a.*.bc.", name)));
}

/* Against the byte-wise definition, at every length and alignment the word loop can meet. */
static void lower_folds_ascii_only(void **state)
{
    uint8_t all[256], folded[256 + 8];

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    for (size_t start = 0; start < 256; start++) {
        memset(folded, 0xee, sizeof(folded));
        name_lower(all + start, 256 - start, folded);
        for (size_t i = 0; i + start < 256; i++) {
            uint8_t c = all[start + i];
            assert_int_equal(folded[i], c >= 'A' && c <= 'Z' ? c + 32 : c);
            assert_int_equal(name_fold(c), folded[i]);
        }
        assert_int_equal(folded[256 - start], 0xee);
    }
    name_lower(all, 256, all); /* in place */
    assert_int_equal(all['Q'], 'q');
}

static void equal_ignores_case(void **state)
{
    uint8_t a[NAME_MAX_SIZE], b[NAME_MAX_SIZE];

    (void)state;
    assert_true(name_equal(name_of("wWw.eXample.", a), name_of("WwW.ExAMPLE.", b)));
    assert_true(name_equal(name_of(".", a), name_of(".", b)));
    assert_false(name_equal(name_of("a.b.", a), name_of("a.", b)));
    assert_false(name_equal(name_of("a.", a), name_of("a.b.", b)));
    assert_false(name_equal(name_of("a\\.b.", a), name_of("a.b.", b)));
    assert_false(name_equal(name_of("\\193.", a), name_of("\\225.", b))); /* not ASCII: no case */
    assert_false(name_equal(name_of("[.", a), name_of("{.", b)));
    assert_false(name_equal(name_of("\\@.", a), name_of("`.", b)));
}

static void within(void **state)
{
    uint8_t a[NAME_MAX_SIZE], b[NAME_MAX_SIZE];

    (void)state;
    assert_true(name_is_within(name_of("www.Example.com.", a), name_of("eXample.com.", b)));
    assert_true(name_is_within(name_of("example.com.", a), name_of("example.com.", b)));
    assert_true(name_is_within(name_of("example.com.", a), name_of(".", b)));
    assert_true(name_is_within(name_of(".", a), name_of(".", b)));
    assert_false(name_is_within(name_of(".", a), name_of("com.", b)));
    assert_false(name_is_within(name_of("com.", a), name_of("example.com.", b)));
    assert_false(name_is_within(name_of("badexample.com.", a), name_of("example.com.", b)));
    assert_false(name_is_within(name_of("www\\.example.com.", a), name_of("example.com.", b)));
}

static void substitute(void **state)
{
    uint8_t name[NAME_MAX_SIZE], from[NAME_MAX_SIZE], to[NAME_MAX_SIZE], got[NAME_MAX_SIZE];
    char text[NAME_MAX_TEXT];
    uint8_t wire[300];

    (void)state;
    name_of("A.b.old.example.", name);
    assert_int_equal(name_substitute(name, name_of("Old.example.", from), name_of("new.", to), got),
                     9);
    assert_string_equal(name_to_text(got, text), "A.b.new.");
    assert_int_equal(name_substitute(name, from, name_of(".", to), got), 5);
    assert_string_equal(name_to_text(got, text), "A.b.");
    /* YXDOMAIN: 4 bytes of prefix before 251 fit, before 252 they do not (RFC 6672 2.2) */
    assert_int_equal(long_name(wire, 57), 251);
    assert_int_equal(name_substitute(name, from, wire, got), 255);
    assert_int_equal(long_name(wire, 58), 252);
    assert_int_equal(name_substitute(name, from, wire, got), ERR_NAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_plain),
        cmocka_unit_test(read_follows_pointers),
        cmocka_unit_test(read_refuses_bad_pointers),
        cmocka_unit_test(read_bounds_pointer_chains),
        cmocka_unit_test(read_refuses_other_label_types),
        cmocka_unit_test(read_bounds_size),
        cmocka_unit_test(read_stops_at_the_end),
        cmocka_unit_test(read_allows_127_labels),
        cmocka_unit_test(text_reads),
        cmocka_unit_test(text_refuses),
        cmocka_unit_test(text_is_ascii),
        cmocka_unit_test(text_holds_what_may_stand_there),
        cmocka_unit_test(text_may_lack_the_final_dot),
        cmocka_unit_test(text_bounds),
        cmocka_unit_test(text_writes),
        cmocka_unit_test(text_round_trips),
        cmocka_unit_test(measures),
        cmocka_unit_test(lower_folds_ascii_only),
        cmocka_unit_test(equal_ignores_case),
        cmocka_unit_test(within),
        cmocka_unit_test(substitute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
