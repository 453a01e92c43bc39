/* test_zone_file.c - zone files: what is wrong is named with its line; what is written reads back; RFC 8976's examples. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake/zones.h"
#include "zone/digest.h"
#include "zone/file.h"

static char path[] = "/tmp/freshet-zone-XXXXXX";

static void write_text(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static struct zone *new_zone(const char *apex, struct zone_edit **ret_edit)
{
    uint8_t name[NAME_MAX_SIZE];
    struct zone *zone;
    assert_true(name_from_text(apex, name) > 0);
    assert_int_equal(zone_new(name, &zone), ERR_OK);
    assert_int_equal(zone_edit_begin(zone, true, ret_edit), ERR_OK);
    return zone;
}

static struct zone *read_text(const char *apex, const char *text)
{
    struct zone_file_error error;
    struct zone_edit *edit;
    struct zone *zone = new_zone(apex, &edit);
    write_text(text);
    if (zone_file_read(path, edit, &error) != ERR_OK)
        fail_msg("%s", error.where);
    zone_edit_commit(edit);
    return zone;
}

static void refuses(const char *text, int expected, const char *line, const char *what)
{
    struct zone_file_error error = {"untouched"};
    struct zone_edit *edit;
    struct zone *zone = new_zone("z.", &edit);
    char start[128];
    write_text(text);
    assert_int_equal(zone_file_read(path, edit, &error), expected);
    snprintf(start, sizeof start, "%s:%s: ", path, line);
    if (strncmp(error.where, start, strlen(start)) != 0 || !strstr(error.where, what))
        fail_msg("\"%s\" instead of \"%s... %s\"", error.where, start, what);
    zone_edit_abort(edit);
    zone_free(zone);
}

#define SOA "@ 60 SOA ns h 1 2 3 4 5\n"

static void test_names_what_is_wrong(void **unused)
{
    (void)unused;
    refuses(SOA "a A 192.0.2.256\n", ERR_FORMAT, "2", "");
    refuses(SOA "\na BOGUS x\n", ERR_FORMAT, "3", "");
    refuses(SOA "a.elsewhere. 60 A 192.0.2.1\n", ERR_ZONE, "2", "outside the zone");
    refuses(SOA "a SOA ns h 1 2 3 4 5\n", ERR_FORMAT, "2", "SOA elsewhere");
    refuses(SOA "a 60 A 192.0.2.1\n@ 60 SOA ns h 2 2 3 4 5\n", ERR_FORMAT, "3", "second SOA");
    refuses("a 60 A 192.0.2.1\n\n", ERR_FORMAT, "1", "no SOA");
    refuses("", ERR_FORMAT, "1", "no SOA");
    refuses(SOA "a 60 CH TXT x\n", ERR_FORMAT, "2", ""); /* the scanner takes it for a type */
    refuses(SOA "a 60 TYPE251 \\# 0\n", ERR_FORMAT, "2", "type");
    refuses(SOA "a 4294967295 A 192.0.2.1\n", ERR_FORMAT, "2", "TTL");
    refuses(SOA "$INCLUDE /nonexistent/file\n", ERR_SYSTEM, "2", "");
}

static void test_no_file(void **unused)
{
    (void)unused;
    struct zone_file_error error;
    struct zone_edit *edit;
    struct zone *zone = new_zone("z.", &edit);
    assert_int_equal(zone_file_read("/nonexistent/file", edit, &error), ERR_SYSTEM);
    assert_non_null(strstr(error.where, "/nonexistent/file: "));
    zone_edit_abort(edit);
    zone_free(zone);
}

static void test_too_large(void **unused)
{
    (void)unused;
    static char text[400 * 300];
    size_t at = (size_t)snprintf(text, sizeof text, SOA);
    for (int i = 0; i < 300; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "a 60 TXT \"%250d\"\n", i);
    at += (size_t)snprintf(text + at, sizeof text - at, "b 60 A 192.0.2.1\n");
    refuses(text, ERR_TOO_LARGE, "263", "too large"); /* 261 fit: the first that does not */
}

static void test_reads_and_writes(void **unused)
{
    (void)unused;
    struct zone *zone = read_text("z.", "$TTL 60\n" SOA "  NS Ns\nNS A 192.0.2.1\nb TXT \"x;y\"\n"
                                        "ns 90 A 192.0.2.0\n; nothing\n*.b TYPE65280 \\# 1 ff\n");
    static const char expected[] = "z. 60 IN SOA ns.z. h.z. 1 2 3 4 5\nz. 60 IN NS Ns.z.\n"
                                   "b.z. 60 IN TXT \"x;y\"\n*.b.z. 60 IN TYPE65280 \\# 1 ff\n"
                                   "ns.z. 90 IN A 192.0.2.0\nns.z. 90 IN A 192.0.2.1\n";
    char back[1024] = "";
    FILE *out = fopen(path, "w+");
    assert_non_null(out);
    assert_int_equal(zone_file_write(out, zone_state(zone)), ERR_OK);
    rewind(out);
    back[fread(back, 1, sizeof back - 1, out)] = '\0';
    fclose(out);
    assert_string_equal(back, expected);
    zone_free(zone);
    out = fopen("/dev/full", "w");
    zone = read_text("z.", back);
    assert_int_equal(zone_file_write(out, zone_state(zone)), ERR_SYSTEM);
    fclose(out);
    zone_free(zone);
}

/* The one of fuzz_zone_file that found '#', which the scanner takes only with a backslash before it; and every other byte. */
static void test_any_name_reads_back(void **unused)
{
    (void)unused;
    char text[256 * 96] = "$TTL 60\n" SOA, *to = text + strlen(text);
    for (unsigned byte = 0; byte < 256; byte++)
        to += sprintf(to, "x\\%03u A 192.0.2.1\nc%u CNAME y\\%03u\n", byte, byte, byte);
    struct zone *zone = read_text("z.", text), *again;
    uint8_t digest[ZONE_DIGEST_SIZE], other[ZONE_DIGEST_SIZE];
    char *back = NULL;
    size_t size;
    FILE *out = open_memstream(&back, &size);
    assert_int_equal(zone_file_write(out, zone_state(zone)), ERR_OK);
    fclose(out);
    again = read_text("z.", back);
    assert_int_equal(zone_digest(zone_state(zone), digest), ERR_OK);
    assert_int_equal(zone_digest(zone_state(again), other), ERR_OK);
    assert_memory_equal(digest, other, sizeof digest);
    zone_free(zone);
    zone_free(again);
    free(back);
}

/* RFC 8976 A.1, A.2: a simple zone, and one with occluded data, mixed case and what is left out. */
static void test_digests_of_the_rfc(void **unused)
{
    (void)unused;
    struct zone *zone = read_text(
        "example.",
        "example. 86400 IN SOA ns1 admin 2018031900 1800 900 604800 86400\n"
        " 86400 IN NS ns1\n 86400 IN NS ns2\n"
        " 86400 IN ZONEMD 2018031900 1 1 c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a8"
        "7153b9a9713b3c9ae5cc27777f98b8e730044c\n"
        "ns1 3600 IN A 203.0.113.63\nns2 3600 IN AAAA 2001:db8::63\n");
    assert_int_equal(zone_digest_check(zone_state(zone)), ERR_OK);
    zones_change(zone, "SET ns1.example. 3601 A 203.0.113.63\n");
    assert_int_equal(zone_digest_check(zone_state(zone)), ERR_RDATA);
    zones_change(zone, "SET ns1.example. 3600 A 203.0.113.63\n");
    assert_int_equal(zone_digest_check(zone_state(zone)), ERR_OK);
    zones_change(zone, "DEL example. 0 ZONEMD\n");
    assert_int_equal(zone_digest_check(zone_state(zone)), ERR_NOT_FOUND);
    zone_free(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_what_is_wrong), cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_too_large),           cmocka_unit_test(test_reads_and_writes),
        cmocka_unit_test(test_any_name_reads_back), cmocka_unit_test(test_digests_of_the_rfc),
    };
    const int fd = mkstemp(path);
    close(fd);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
