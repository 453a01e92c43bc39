/*
 * test_cli_name.c - names as people write them on the command line of the tool.
 */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "cli/name.h"

static char heard[MAX_COMPLAINT];
static const struct options options = {.heard = heard};

static const char *reads_as(const char *word)
{
    static char text[NAME_MAX_TEXT];
    uint8_t name[NAME_MAX_SIZE];
    heard[0] = '\0';
    return name_word(&options, "NAME", word, name) ? name_to_text(name, text) : heard;
}

static void other_letters_become_a_labels(void **state)
{
    static const struct {
        const char *word, *name;
    } cases[] = {
        {"bücher.z.example.", "xn--bcher-kva.z.example."},
        {"BÜCHER.Z.example", "xn--bcher-kva.z.example."},
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example."},             /* u and a diaeresis */
        {"faß.example", "xn--fa-hia.example."}, /* not fass: non-transitional */
        {"日本語。jp", "xn--wgv71a119e.jp."},
        {"*.bücher.example", "*.xn--bcher-kva.example."},
        {"_dmarc.bücher.example", "_dmarc.xn--bcher-kva.example."},
        {"a\\.b.ü.example", "a\\.b.xn--tda.example."},
        {"ＷＷＷ.example", "www.example."},
        {"xn--bcher-kva.example", "xn--bcher-kva.example."},
        {"Www.Example", "www.example."},
        {"\\052.example",
         "4.example."}, /* decimal (RFC 1035 5.1); Route 53's octal * is elsewhere */
        {".", "."},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(reads_as(cases[i].word), cases[i].name);
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    assert_non_null(strstr(reads_as("ü..example"), "NAME \"ü..example\" is not a domain name"));
    assert_non_null(strstr(reads_as("\xfc.example"), "is not a domain name: ")); /* Latin-1 */
    assert_non_null(strstr(reads_as("a\xe2\x80\x8f.example"), "is not a domain name: "));
    assert_non_null(strstr(reads_as(""), "is not a domain name"));
}

static const char *rdata_reads_as(uint16_t type, const char *word)
{
    static char text[2000];
    uint8_t rdata[1000];
    heard[0] = '\0';
    const int size = rdata_operand(&options, 1, type, word, rdata, sizeof rdata);
    if (size < 0)
        return heard;
    assert_true(rdata_to_text(type, rdata, (size_t)size, text, sizeof text) > 0);
    return text;
}

static void rdata_has_whole_names(void **state)
{
    (void)state;
    assert_string_equal(rdata_reads_as(15, "10 bücher.example."), "10 xn--bcher-kva.example.");
    assert_string_equal(rdata_reads_as(33, "0 0\t443 bücher.example."),
                        "0 0 443 xn--bcher-kva.example.");
    assert_string_equal(rdata_reads_as(16, "\"grüße\""), "\"gr\\195\\188\\195\\159e\"");
    assert_string_equal(
        rdata_reads_as(15, "10 mail"),
        "RDATA 1 \"10 mail\": \"mail\" has no final dot; say \"mail.\", or the whole "
        "name with its zone and a dot");
    assert_non_null(strstr(rdata_reads_as(6, "ns.a. host 1 2 3 4 5"), "\"host\" has no final dot"));
    assert_non_null(strstr(rdata_reads_as(5, "bücher.example"), "has no final dot"));
    assert_non_null(strstr(rdata_reads_as(5, "ü..example."), "not valid for CNAME"));
    assert_non_null(strstr(rdata_reads_as(1, "mail"), "RDATA 1 \"mail\" is not valid for A"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_letters_become_a_labels),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(rdata_has_whole_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
