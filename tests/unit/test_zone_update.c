/* test_zone_update.c - UPDATEs judged and made, rule by rule of RFC 2136 (dns/update.h, zone/update.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka_all.h"
#include "tests/unit/fake/updates.h"
#include "zone/update.h"

static const char BASE[] = "example. 3600 SOA ns.example. root.example. 10 2 3 4 5\n"
                           "example. 3600 NS ns.example.\n"
                           "example. 3600 NS ns2.example.\n"
                           "example. 60 TXT top\n"
                           "a.b.example. 300 A 192.0.2.7\n"
                           "alias.example. 300 CNAME www.example.\n"
                           "ns.example. 3600 A 192.0.2.53\n"
                           "www.example. 300 A 192.0.2.1\n"
                           "www.example. 300 A 192.0.2.2\n"
                           "www.example. 300 AAAA 2001:db8::1\n";

static struct update *update;

struct outcome {
    int error;
    uint16_t rcode;
    size_t changes;
    uint32_t serial;
    char *text; /* of the zone afterwards */
};

static bool no_ns(void *arg, const uint8_t *name, uint16_t type)
{
    (void)arg;
    (void)name;
    return type != TYPE_NS && type != TYPE_AAAA;
}

static struct outcome run(const char *lines, update_may may)
{
    static uint8_t wire[DNS_MAX_MESSAGE];
    struct outcome ret = {.error = 0};
    struct update_verdict verdict;
    struct change_list list = {.count = 0};
    struct zone *zone = fake_zone("example.", BASE);
    struct zone_edit *edit = fake_edit(zone, "");
    size_t size = fake_update("Example.", lines, wire, sizeof wire);
    ret.error = update_parse(update, wire, size);
    if (ret.error == 0) {
        assert_int_equal(zone_update(edit, fake_name("example."), update, may, NULL, &verdict), 0);
        ret.rcode = verdict.rcode;
        assert_true((verdict.why == NULL) == (verdict.rcode == RCODE_NOERROR));
        assert_int_equal(
            zone_update_finish(edit, zone_state(zone), SERIAL_INCREMENT, 0, &list, &ret.serial), 0);
        ret.changes = list.count;
    }
    zone_edit_commit(edit);
    ret.text = fake_text(zone_state(zone));
    change_list_clear(&list);
    zone_free(zone);
    return ret;
}

/* The zone afterwards is BASE with these lines gone ("-...") and these there ("+..."), and another serial. */
static char *expected(const char *lines)
{
    struct zone *zone = fake_zone("example.", BASE);
    struct zone_edit *edit = fake_edit(zone, lines);
    zone_edit_commit(edit);
    char *text = fake_text(zone_state(zone));
    zone_free(zone);
    return text;
}

#define SOA(serial)                                                                                \
    "-example. 3600 SOA ns.example. root.example. 10 2 3 4 5\n"                                    \
    "+example. 3600 SOA ns.example. root.example. " #serial " 2 3 4 5\n"

static void makes(const char *lines, const char *difference)
{
    struct outcome outcome = run(lines, NULL);
    char *wanted = expected(difference);
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.rcode, RCODE_NOERROR);
    assert_string_equal(outcome.text, wanted);
    assert_true((outcome.changes > 0) == (*difference != '\0'));
    free(outcome.text);
    free(wanted);
}

static void refuses(const char *lines, uint16_t rcode)
{
    struct outcome outcome = run(lines, NULL);
    char *wanted = expected("");
    assert_int_equal(outcome.error, 0);
    if (outcome.rcode != rcode)
        fail_msg("%s: rcode %u, not %u", lines, outcome.rcode, rcode);
    assert_int_equal(outcome.changes, 0);
    assert_string_equal(outcome.text, wanted);
    free(outcome.text);
    free(wanted);
}

static void malformed(const char *lines)
{
    struct outcome outcome = run(lines, NULL);
    assert_int_equal(outcome.error, ERR_FORMAT);
    free(outcome.text);
}

/* Prerequisites, each of the five forms, both ways. An update goes with each, that must not be made. */
#define DO  "\nadd new.example. 60 A 192.0.2.99"
#define DID SOA(11) "+new.example. 60 A 192.0.2.99"

static void prerequisites(void **state)
{
    (void)state;
    makes("yxdomain www.example." DO, DID);
    refuses("yxdomain none.example." DO, RCODE_NXDOMAIN);
    refuses("yxdomain b.example." DO, RCODE_NXDOMAIN); /* an empty non-terminal is not in use */
    makes("nxdomain none.example." DO, DID);
    makes("nxdomain b.example." DO, DID);
    refuses("nxdomain WWW.example." DO, RCODE_YXDOMAIN);
    makes("yxrrset www.example. A" DO, DID);
    refuses("yxrrset www.example. TXT" DO, RCODE_NXRRSET);
    makes("nxrrset www.example. TXT" DO, DID);
    refuses("nxrrset www.example. AAAA" DO, RCODE_YXRRSET);
}

static void prerequisites_by_value(void **state)
{
    (void)state;
    makes("yxrrset www.example. A 192.0.2.1\nyxrrset www.example. A 192.0.2.2" DO, DID);
    makes("yxrrset www.example. A 192.0.2.2\nyxrrset example. NS ns.example.\n"
          "yxrrset www.example. A 192.0.2.1\nyxrrset example. NS NS2.example." DO,
          DID);
    makes("yxrrset www.example. A 192.0.2.2\nyxrrset www.example. A 192.0.2.1\n"
          "yxrrset www.example. A 192.0.2.2" DO,
          DID);
    refuses("yxrrset www.example. A 192.0.2.1" DO, RCODE_NXRRSET);
    refuses("yxrrset www.example. A 192.0.2.1\nyxrrset www.example. A 192.0.2.2\n"
            "yxrrset www.example. A 192.0.2.3" DO,
            RCODE_NXRRSET);
    refuses("yxrrset www.example. A 192.0.2.1\nyxrrset www.example. A 192.0.2.1" DO, RCODE_NXRRSET);
    refuses("yxrrset none.example. A 192.0.2.1" DO, RCODE_NXRRSET);
}

static void prerequisites_that_are_none(void **state)
{
    (void)state;
    refuses("yxdomain www.elsewhere." DO, RCODE_NOTZONE);
    refuses("yxrrset www.elsewhere. A 192.0.2.1" DO, RCODE_NOTZONE);
    refuses("raw pre www.example. ANY A 1 -" DO, RCODE_FORMERR);
    refuses("raw pre www.example. IN A 1 c0000201" DO, RCODE_FORMERR);
    refuses("raw pre www.example. ANY A 0 c0000201" DO, RCODE_FORMERR);
    refuses("raw pre www.example. NONE A 0 c0000201" DO, RCODE_FORMERR);
    refuses("raw pre www.example. CH A 0 c0000201" DO, RCODE_FORMERR);
    refuses("raw pre www.example. IN ANY 0 -" DO, RCODE_FORMERR);
    refuses("raw pre www.example. ANY AXFR 0 -" DO, RCODE_FORMERR);
    refuses("raw pre www.example. NONE TSIG 0 -" DO, RCODE_FORMERR);
    malformed("raw pre www.example. IN A 0 c00002" DO);
}

static void additions(void **state)
{
    (void)state;
    makes("add new.example. 60 A 192.0.2.9\nadd NEW.example. 60 A 192.0.2.8",
          SOA(11) "+new.example. 60 A 192.0.2.9\n+new.example. 60 A 192.0.2.8");
    makes("add www.example. 300 A 192.0.2.1", ""); /* is there */
    makes("add www.example. 60 A 192.0.2.1",       /* one TTL for all (RFC 2181 5.2) */
          SOA(11) "+www.example. 60 A 192.0.2.1");
    makes("add example. 300 TYPE65300 \\# 2 abcd", SOA(11) "+example. 300 TYPE65300 \\# 2 abcd");
    makes("add *.example. 300 A 192.0.2.6", SOA(11) "+*.example. 300 A 192.0.2.6");
}

static void a_cname_is_alone(void **state)
{
    (void)state;
    makes("add www.example. 300 CNAME a.b.example.", "");
    makes("add example. 300 CNAME a.b.example.", "");
    makes("add alias.example. 300 A 192.0.2.3", "");
    makes("add alias.example. 300 CNAME a.b.example.",
          SOA(11) "-alias.example. 300 CNAME www.example.\n"
                  "+alias.example. 300 CNAME a.b.example.");
    makes("del alias.example. CNAME\nadd alias.example. 300 A 192.0.2.3",
          SOA(11) "-alias.example. 300 CNAME www.example.\n+alias.example. 300 A 192.0.2.3");
    makes("add alias.example. 300 NSEC www.example. CNAME",
          SOA(11) "+alias.example. 300 NSEC www.example. CNAME");
    makes("add b.example. 300 CNAME www.example.", SOA(11) "+b.example. 300 CNAME www.example.");
    makes("add d.example. 5 DNAME a.\nadd d.example. 5 DNAME b.", SOA(11) "+d.example. 5 DNAME b.");
}

static void the_soa(void **state)
{
    (void)state;
    makes("add example. 3600 SOA ns.example. new.example. 20 2 3 4 5",
          "-example. 3600 SOA ns.example. root.example. 10 2 3 4 5\n"
          "+example. 3600 SOA ns.example. new.example. 20 2 3 4 5");
    makes("add example. 3600 SOA ns.example. new.example. 9 2 3 4 5", "");
    makes("add example. 3600 SOA ns.example. new.example. 2147483658 2 3 4 5", ""); /* neither */
    makes("add example. 3600 SOA ns.example. new.example. 10 2 3 4 5", /* other, so newer */
          "-example. 3600 SOA ns.example. root.example. 10 2 3 4 5\n"
          "+example. 3600 SOA ns.example. new.example. 11 2 3 4 5");
    makes("add www.example. 3600 SOA ns.example. new.example. 20 2 3 4 5", "");
    makes("del example. SOA", "");
    makes("del example. SOA ns.example. root.example. 10 2 3 4 5", "");
}

static void deletions(void **state)
{
    (void)state;
    makes("del www.example. A 192.0.2.1", SOA(11) "-www.example. 300 A 192.0.2.1");
    makes("del www.example. A 192.0.2.9", "");
    makes("del WWW.example. A", SOA(11) "-www.example. 300 A 192.0.2.1\n"
                                        "-www.example. 300 A 192.0.2.2");
    makes("del www.example. TXT", "");
    makes("del www.example.", SOA(11) "-www.example. 300 A 192.0.2.1\n"
                                      "-www.example. 300 A 192.0.2.2\n"
                                      "-www.example. 300 AAAA 2001:db8::1");
    makes("del none.example.", "");
    makes("del b.example.", ""); /* what is below it stays */
    makes("del www.example. A 192.0.2.1\nadd www.example. 300 A 192.0.2.1", "");
}

static void the_apex_keeps_its_ns(void **state)
{
    (void)state;
    makes("del example. NS", "");
    makes("del example.", SOA(11) "-example. 60 TXT top");
    makes("del example. NS ns.example.", SOA(11) "-example. 3600 NS ns.example.");
    makes("del example. NS ns.example.\ndel example. NS ns2.example.",
          SOA(11) "-example. 3600 NS ns.example.");
    makes("add sub.example. 60 NS ns.example.\ndel sub.example. NS ns.example.", "");
}

static void updates_that_are_none(void **state)
{
    (void)state;
    refuses("add www.elsewhere. 60 A 192.0.2.1", RCODE_NOTZONE);
    refuses("add new.example. 60 A 192.0.2.1\ndel www.elsewhere.", RCODE_NOTZONE);
    refuses("raw upd www.example. ANY A 1 -", RCODE_FORMERR);
    refuses("raw upd www.example. NONE A 1 c0000201", RCODE_FORMERR);
    refuses("raw upd www.example. ANY A 0 c0000201", RCODE_FORMERR);
    refuses("raw upd www.example. ANY AXFR 0 -", RCODE_FORMERR);
    refuses("raw upd www.example. ANY MAILB 0 -", RCODE_FORMERR);
    refuses("raw upd www.example. IN ANY 0 -", RCODE_FORMERR);
    refuses("raw upd www.example. NONE ANY 0 -", RCODE_FORMERR);
    refuses("raw upd www.example. NONE AXFR 0 -", RCODE_FORMERR);
    refuses("raw upd www.example. CH A 0 c0000201", RCODE_FORMERR);
    malformed("raw upd www.example. IN A 0 c00002");
    malformed("raw upd www.example. IN A 0 -");
    malformed("raw upd www.example. IN TXT 0 -");
    malformed("raw upd www.example. NONE MX 0 0001");
}

static void the_policy(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        uint16_t rcode;
    } cases[] = {
        {"add www.example. 300 A 192.0.2.3", RCODE_NOERROR},
        {"add www.example. 300 AAAA ::1", RCODE_REFUSED},
        {"add www.example. 300 A 192.0.2.3\nadd sub.example. 60 NS ns.example.", RCODE_REFUSED},
        {"del www.example. A", RCODE_NOERROR},
        {"del www.example. AAAA", RCODE_REFUSED},
        {"del www.example.", RCODE_REFUSED}, /* it has an AAAA */
        {"del a.b.example.", RCODE_NOERROR},
        {"del example.", RCODE_NOERROR}, /* whose NS stays */
        {"add www.example. 1 AAAA ::1\nadd x.elsewhere. 1 A 192.0.2.1", RCODE_NOTZONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome outcome = run(cases[i].lines, no_ns);
        if (outcome.rcode != cases[i].rcode)
            fail_msg("%s: rcode %u", cases[i].lines, outcome.rcode);
        assert_true((outcome.changes > 0) == (outcome.rcode == RCODE_NOERROR));
        free(outcome.text);
    }
}

static void messages_that_are_none(void **state)
{
    static uint8_t wire[512], bad[512];
    (void)state;
    size_t size = fake_update("example.", "add new.example. 60 A 192.0.2.1", wire, sizeof wire);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(update_parse(update, wire, cut),
                         cut < DNS_HEADER_SIZE ? ERR_SHORT : ERR_FORMAT);
    assert_int_equal(update_parse(update, wire, size + 1), ERR_FORMAT);
    memcpy(bad, wire, size);
    bad[2] |= 0x80;
    assert_int_equal(update_parse(update, bad, size), ERR_NOT_QUERY);
    bad[2] = 0;
    assert_int_equal(update_parse(update, bad, size), ERR_OPCODE);
    memcpy(bad, wire, size);
    bad[5] = 2; /* zones */
    assert_int_equal(update_parse(update, bad, size), ERR_FORMAT);
    bad[5] = 0;
    assert_int_equal(update_parse(update, bad, size), ERR_FORMAT);
    memcpy(bad, wire, size);
    bad[12 + 9 + 1] = TYPE_A; /* asks for another type than SOA */
    assert_int_equal(update_parse(update, bad, size), ERR_FORMAT);
    assert_int_equal(update->zone.name_size, 9);
    assert_int_equal(update_parse(update, wire, size), 0);
    assert_int_equal(update->id, 4711);
    assert_int_equal(update->zone_end, 12 + 9 + 4);
}

static void serials(void **state)
{
    (void)state;
    assert_int_equal(serial_next(1, SERIAL_INCREMENT, 0), 2);
    assert_int_equal(serial_next(UINT32_MAX, SERIAL_INCREMENT, 0), 1); /* never 0 */
    assert_int_equal(serial_next(1, SERIAL_UNIXTIME, 1700000000), 1700000000);
    assert_int_equal(serial_next(1700000000, SERIAL_UNIXTIME, 1700000000), 1700000001);
    assert_int_equal(serial_next(1700000009, SERIAL_UNIXTIME, 1700000000), 1700000010);
    assert_int_equal(serial_next(5, SERIAL_DATE, 1700000000), 2023111400);
    assert_int_equal(serial_next(2023111400, SERIAL_DATE, 1700000000), 2023111401);
    assert_int_equal(serial_next(4000000000, SERIAL_UNIXTIME, 1700000000), 1700000000);
    assert_true(serial_is_newer(0, UINT32_MAX));
    assert_false(serial_is_newer(UINT32_MAX, 0));
    assert_false(serial_is_newer(0, 0x80000000));
    assert_false(serial_is_newer(0x80000000, 0));
}

static int set_up(void **state)
{
    (void)state;
    update = update_new();
    return update ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    update_free(update);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prerequisites),
        cmocka_unit_test(prerequisites_by_value),
        cmocka_unit_test(prerequisites_that_are_none),
        cmocka_unit_test(additions),
        cmocka_unit_test(a_cname_is_alone),
        cmocka_unit_test(the_soa),
        cmocka_unit_test(deletions),
        cmocka_unit_test(the_apex_keeps_its_ns),
        cmocka_unit_test(updates_that_are_none),
        cmocka_unit_test(the_policy),
        cmocka_unit_test(messages_that_are_none),
        cmocka_unit_test(serials),
    };
    return cmocka_run_group_tests_name("zone update", tests, set_up, tear_down);
}
