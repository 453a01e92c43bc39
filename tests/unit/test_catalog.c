/* test_catalog.c - what a catalog zone says, and what makes one broken (RFC 9432 5.1). */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/fake/zones.h"
#include "zone/catalog.h"

enum { MOST = 5 };

#define HEAD                                                                                       \
    "SET cat. 0 SOA ns. h. 1 2 3 4 5\nSET cat. 0 NS invalid.\n"                                    \
    "SET version.cat. 0 TXT \"2\"\n"

static struct zone *zone;
static struct catalog *catalog;
static char why[CATALOG_MAX_WHY];

/* Reads a catalog that these lines make. */
static int read(const char *lines)
{
    static const uint8_t apex[] = {3, 'c', 'a', 't', 0};
    catalog_free(catalog);
    catalog = NULL;
    zone_free(zone);
    assert_int_equal(zone_new(apex, &zone), ERR_OK);
    zones_change(zone, lines);
    return catalog_read(zone_state(zone), MOST, &catalog, why);
}

static int teardown(void **arg)
{
    (void)arg;
    catalog_free(catalog);
    zone_free(zone);
    catalog = NULL;
    zone = NULL;
    return 0;
}

static const uint8_t *member(const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text(text, name) > 0);
    return catalog_find(catalog, name);
}

static void broken(const char *lines, const char *part)
{
    assert_int_equal(read(lines), ERR_FORMAT);
    if (!strstr(why, part))
        fail_msg("\"%s\" is not in \"%s\"", part, why);
}

static void members_are_the_ptrs_one_label_below_zones(void **arg)
{
    (void)arg;
    char text[NAME_MAX_TEXT];
    assert_int_equal(read(HEAD "SET 1.zones.cat. 0 PTR example.com.\n"
                               "SET two.zones.cat. 0 PTR Example.NET.\n"
                               "SET ext.1.zones.cat. 0 PTR not.this.\n"
                               "SET a.ext.1.zones.cat. 0 PTR not.this.either.\n"
                               "SET zones.cat. 0 PTR nor.this.\n"
                               "SET 3.ext.cat. 0 PTR nor.that.\n"
                               "SET ext.cat. 0 TXT \"1\"\n"),
                     ERR_OK);
    assert_int_equal(catalog_count(catalog), 2);
    assert_non_null(member("EXAMPLE.com."));
    assert_string_equal(name_to_text(member("example.net."), text), "example.net.");
    assert_memory_equal(catalog_label(member("example.net.")), "\3two", 4);
    assert_null(member("not.this."));
    assert_null(catalog_new_owner(member("example.com.")));
}

static void a_catalog_may_be_empty(void **arg)
{
    (void)arg;
    assert_int_equal(read(HEAD), ERR_OK);
    assert_int_equal(catalog_count(catalog), 0);
    assert_null(member("example.com."));
}

static void members_have_groups_and_a_new_owner(void **arg)
{
    (void)arg;
    char text[NAME_MAX_TEXT];
    assert_int_equal(read(HEAD "SET group.0.zones.cat. 0 TXT \"of nobody\"\n"
                               "SET 1.zones.cat. 0 PTR example.com.\n"
                               "SET group.1.zones.cat. 0 TXT \"signed\"\n"
                               "ADD group.1.zones.cat. 0 TXT \"x-one\" \"x-two\"\n"
                               "SET coo.1.zones.cat. 0 PTR other.\n"
                               "SET 2.zones.cat. 0 PTR example.net.\n"),
                     ERR_OK);
    const uint8_t *one = member("example.com."), *two = member("example.net.");
    assert_true(catalog_is_of_group(one, "signed"));
    assert_true(catalog_is_of_group(one, "x-two"));
    assert_false(catalog_is_of_group(one, "Signed"));
    assert_false(catalog_is_of_group(one, "sign"));
    assert_false(catalog_is_of_group(two, "signed"));
    assert_string_equal(name_to_text(catalog_new_owner(one), text), "other.");
}

static struct catalog *other(const char *apex_text, const char *lines)
{
    uint8_t apex[NAME_MAX_SIZE];
    struct zone *made;
    struct catalog *ret = NULL;
    char text[1024];
    assert_true(name_from_text(apex_text, apex) > 0);
    assert_int_equal(zone_new(apex, &made), ERR_OK);
    snprintf(text, sizeof text, "SET %s 0 SOA ns. h. 1 2 3 4 5\nSET version.%s 0 TXT \"2\"\n%s",
             apex_text, apex_text, lines);
    zones_change(made, text);
    assert_int_equal(catalog_read(zone_state(made), MOST, &ret, why), ERR_OK);
    zone_free(made); /* what was read does not need it */
    return ret;
}

static void who_has_a_zone_that_several_have(void **arg)
{
    (void)arg;
    uint8_t name[NAME_MAX_SIZE];
    struct catalog *one = other("one.", "SET 1.zones.one. 0 PTR a.\nSET 2.zones.one. 0 PTR b.\n"
                                        "SET coo.2.zones.one. 0 PTR TWO.\n"
                                        "SET 3.zones.one. 0 PTR c.\n"
                                        "SET coo.3.zones.one. 0 PTR two.\n"
                                        "SET group.3.zones.one. 0 TXT \"g\"\n");
    struct catalog *two = other("two.", "SET 1.zones.two. 0 PTR a.\nSET 2.zones.two. 0 PTR b.\n"
                                        "SET 4.zones.two. 0 PTR d.\n");
    const struct catalog_view view = {.count = 3, .each = {NULL, one, two}};
    static const struct {
        const char *name;
        int owner;
    } cases[] = {{"a.", 1}, {"b.", 2}, {"c.", 1}, {"d.", 2}, {"e.", 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_true(name_from_text(cases[k].name, name) > 0);
        assert_ptr_equal(catalog_owner(&view, name), view.each[cases[k].owner]);
    }
    assert_true(name_from_text("c.", name) > 0);
    assert_true(catalog_is_for(one, catalog_find(one, name), "ONE", NULL));
    assert_true(catalog_is_for(one, catalog_find(one, name), "one.", "g"));
    assert_false(catalog_is_for(one, catalog_find(one, name), "one.", "h"));
    assert_false(catalog_is_for(one, catalog_find(one, name), "two.", NULL));
    catalog_free(one);
    catalog_free(two);
}

static void a_broken_catalog_says_how(void **arg)
{
    (void)arg;
    broken("SET version.cat. 0 TXT \"2\"\n", "no SOA");
    broken("SET cat. 0 SOA ns. h. 1 2 3 4 5\nSET 1.zones.cat. 0 PTR example.com.\n", "no version");
    broken("SET cat. 0 SOA ns. h. 1 2 3 4 5\nSET version.cat. 0 TXT \"1\"\n", "not \"2\"");
    broken("SET cat. 0 SOA ns. h. 1 2 3 4 5\nSET version.cat. 0 TXT \"2\" \"2\"\n", "not \"2\"");
    broken(HEAD "ADD version.cat. 0 TXT \"1\"\n", "version.cat. has 2 TXT records");
    broken(HEAD "SET 1.zones.cat. 0 PTR a.\nADD 1.zones.cat. 0 PTR b.\n",
           "1.zones.cat. has 2 PTR records");
    broken(HEAD "SET 1.zones.cat. 0 PTR a.\nSET coo.1.zones.cat. 0 PTR b.\n"
                "ADD coo.1.zones.cat. 0 PTR c.\n",
           "coo.1.zones.cat. has 2 PTR records");
    broken(HEAD "SET 1.zones.cat. 0 PTR a.\nSET 2.zones.cat. 0 PTR A.\n",
           "a. is a member twice, at ");
}

static void there_is_a_limit_to_members(void **arg)
{
    (void)arg;
    char lines[1024] = HEAD;
    for (int k = 0; k < MOST; k++)
        snprintf(lines + strlen(lines), sizeof lines - strlen(lines),
                 "SET %d.zones.cat. 0 PTR z%d.\n", k, k);
    assert_int_equal(read(lines), ERR_OK);
    assert_int_equal(catalog_count(catalog), MOST);
    strcat(lines, "SET more.zones.cat. 0 PTR more.\n");
    broken(lines, "more than 5 members");
}

/* Every name as long as it can be, and each byte to be escaped: what is said of it is cut, and fits. */
static void long_names_fit_the_line(void **arg)
{
    (void)arg;
    char label[64 * 4] = "", lines[4096], name[1024];
    for (int k = 0; k < 63; k++)
        strcat(label, "\\001");
    snprintf(name, sizeof name, "%s.%s.%s.%s.", label, label, label, label + 8);
    snprintf(lines, sizeof lines,
             HEAD "SET %s.zones.cat. 0 PTR %s\nSET \\002.zones.cat. 0 PTR %s\n", label + 12, name,
             name); /* of a line the owner may have 255 bytes */
    broken(lines, "... is a member twice, at ");
    assert_non_null(strstr(why, "\\002. "));
    assert_non_null(strstr(why, "(RFC 9432 5.1)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(members_are_the_ptrs_one_label_below_zones, teardown),
        cmocka_unit_test_teardown(a_catalog_may_be_empty, teardown),
        cmocka_unit_test_teardown(members_have_groups_and_a_new_owner, teardown),
        cmocka_unit_test_teardown(who_has_a_zone_that_several_have, teardown),
        cmocka_unit_test_teardown(a_broken_catalog_says_how, teardown),
        cmocka_unit_test_teardown(there_is_a_limit_to_members, teardown),
        cmocka_unit_test_teardown(long_names_fit_the_line, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
