/* test_zone_lookup.c - what a zone says to a question, case by case, and with too little room. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "dns/message.h"
#include "tests/unit/fake/zones.h"
#include "zone/hash.h"
#include "zone/lookup.h"

#define SOA "SET z. 60 SOA ns.z. h.z. 1 2 3 4 5\n"

static struct zone *zone_of(const char *changes)
{
    static const uint8_t apex[] = {1, 'z', 0};
    struct zone *zone;
    assert_int_equal(zone_new(apex, &zone), ERR_OK);
    zones_change(zone, changes);
    return zone;
}

/* -- a question, and what comes of it as text --------------------------------------------------- */

struct asked {
    enum zone_lookup_result result;
    int size;        /* of the message; ERR_SPACE: it did not fit */
    char text[4096]; /* "an NAME TYPE; ns ...; ad ...", without signatures */
};

static struct question question_of(const char *name, uint16_t type)
{
    struct question question = {.type = type, .class = CLASS_IN};
    const int size = name_from_text(name, question.name);
    assert_true(size > 0);
    question.name_size = (uint8_t)size;
    return question;
}

static void describe(const uint8_t *wire, struct asked *asked)
{
    static const char *const sections[] = {"an", "ns", "ad"};
    static struct message *message;
    size_t at = 0;
    if (!message)
        message = message_new();
    assert_int_equal(message_parse(message, wire, (size_t)asked->size), ERR_OK);
    const uint16_t counts[] = {message->answer_count, message->authority_count,
                               message->additional_count};
    const struct record *record = message->records;
    for (size_t section = 0; section < 3; section++)
        for (size_t i = 0; i < counts[section]; i++, record++) {
            char name[NAME_MAX_TEXT], type[TYPE_MAX_TEXT];
            if (record->type != TYPE_RRSIG)
                at += (size_t)snprintf(asked->text + at, sizeof asked->text - at, "%s%s %s %s",
                                       at ? "; " : "", sections[section],
                                       name_to_text(record->owner, name),
                                       type_to_text(record->type, type));
        }
}

static void ask(const struct zone *zone, const char *name, uint16_t type, bool dnssec_ok,
                size_t room, struct asked *ret)
{
    static struct builder builder;
    static uint8_t wire[DNS_MAX_MESSAGE];
    const struct question question = question_of(name, type);
    build_start(&builder, wire, room);
    build_question(&builder, &question);
    ret->text[0] = '\0';
    zone_read_begin();
    ret->result = zone_lookup(zone_state(zone), &question, zone_extras(dnssec_ok), &builder);
    zone_read_end();
    ret->size = build_finish(&builder, 1, FLAG_QR | zone_lookup_flags(ret->result, &builder));
    if (ret->size > 0)
        describe(wire, ret);
}

static void says(const struct zone *zone, const char *name, uint16_t type,
                 enum zone_lookup_result result, const char *text)
{
    struct asked asked;
    ask(zone, name, type, true, DNS_MAX_MESSAGE, &asked);
    assert_string_equal(asked.text, text);
    assert_int_equal(asked.result, result);
}

/* -- DNAME ------------------------------------------------------------------------------------- */

static void test_below_a_dname_nothing_is_seen(void **unused)
{
    (void)unused;
    struct zone *zone = zone_of(SOA "SET d.z. 60 DNAME e.z.\nSET a.d.z. 60 A 192.0.2.1\n"
                                    "SET b.d.z. 60 NS ns.b.d.z.\nSET *.d.z. 60 A 192.0.2.2\n"
                                    "SET a.e.z. 60 A 192.0.2.3\nSET mx.z. 60 MX 1 a.d.z.\n");
    says(zone, "a.d.z.", TYPE_A, ZONE_ANSWER, "an d.z. DNAME; an a.d.z. CNAME; an a.e.z. A");
    says(zone, "x.b.d.z.", TYPE_A, ZONE_NXDOMAIN, "an d.z. DNAME; an x.b.d.z. CNAME; ns z. SOA");
    says(zone, "y.d.z.", TYPE_A, ZONE_NXDOMAIN, "an d.z. DNAME; an y.d.z. CNAME; ns z. SOA");
    says(zone, "mx.z.", TYPE_MX, ZONE_ANSWER, "an mx.z. MX"); /* no address of what is not seen */
    zone_free(zone);
}

/* What led there is what was asked for, too; it used to be taken for no data. */
static void test_a_dname_that_leads_to_itself(void **unused)
{
    (void)unused;
    struct zone *zone = zone_of(SOA "SET x.n.z. 60 DNAME n.z.\n");
    says(zone, "x.x.n.z.", TYPE_DNAME, ZONE_ANSWER, "an x.n.z. DNAME; an x.x.n.z. CNAME");
    says(zone, "x.x.n.z.", TYPE_ANY, ZONE_ANSWER, "an x.n.z. DNAME; an x.x.n.z. CNAME");
    says(zone, "x.x.n.z.", TYPE_A, ZONE_NODATA, "an x.n.z. DNAME; an x.x.n.z. CNAME; ns z. SOA");
    zone_free(zone);
}

static void test_too_long_a_name(void **unused)
{
    (void)unused;
    char change[512], name[512], label[64];
    memset(label, 'l', 63);
    label[63] = '\0';
    snprintf(change, sizeof change, SOA "SET d.z. 60 DNAME %s.%s.%s.z.\n", label, label, label);
    snprintf(name, sizeof name, "%s.d.z.", label);
    struct zone *zone = zone_of(change);
    struct builder builder = {.counts = {1, 0, 0}};
    says(zone, name, TYPE_A, ZONE_TOO_LONG, "an d.z. DNAME");
    assert_int_equal(zone_lookup_flags(ZONE_TOO_LONG, &builder), FLAG_AA | RCODE_YXDOMAIN);
    zone_free(zone);
}

/* -- names ------------------------------------------------------------------------------------- */

static void test_escapes_are_spelling(void **unused)
{
    (void)unused;
    struct zone *zone = zone_of(SOA "SET \\097.z. 60 A 192.0.2.1\nADD a.z. 60 A 192.0.2.2\n"
                                    "SET c.z. 60 CNAME \\065.\\122.\n");
    says(zone, "a.z.", TYPE_A, ZONE_ANSWER, "an a.z. A; an a.z. A");
    says(zone, "\\097.\\090.", TYPE_A, ZONE_ANSWER, "an a.Z. A; an a.Z. A");
    says(zone, "c.z.", TYPE_A, ZONE_ANSWER, "an c.z. CNAME; an A.z. A; an A.z. A");
    zones_change(zone, "DEL \\097.z.\n");
    says(zone, "a.z.", TYPE_A, ZONE_NXDOMAIN, "ns z. SOA");
    zone_free(zone);
}

/* Labels that are another one and bytes of 0: names of their own, neither above nor below it. */
static void test_labels_of_zeros(void **unused)
{
    (void)unused;
    struct zone *zone =
        zone_of(SOA "SET a.z. 60 A 192.0.2.1\nSET a\\000.z. 60 TXT x\nSET \\000.a.z. 60 MX 1 z.\n"
                    "SET \\000\\000.z. 60 NS ns.\\000\\000.z.\nSET \\000.z. 60 DNAME a.z.\n"
                    "SET *.\\001.z. 60 A 192.0.2.2\n");
    says(zone, "a\\000.z.", TYPE_A, ZONE_NODATA, "ns z. SOA");
    says(zone, "\\000.a.z.", TYPE_MX, ZONE_ANSWER, "an \\000.a.z. MX");
    says(zone, "b.a\\000.z.", TYPE_A, ZONE_NXDOMAIN, "ns z. SOA");
    says(zone, "x.\\000\\000.z.", TYPE_A, ZONE_REFERRAL, "ns \\000\\000.z. NS");
    says(zone, "\\000.\\000.z.", TYPE_MX, ZONE_ANSWER,
         "an \\000.z. DNAME; an \\000.\\000.z. CNAME; an \\000.a.z. MX");
    says(zone, "\\000.\\001.z.", TYPE_A, ZONE_ANSWER, "an \\000.\\001.z. A");
    says(zone, "x.\\000\\001.z.", TYPE_A, ZONE_NXDOMAIN, "ns z. SOA");
    zone_free(zone);
}

/* -- wildcards and cuts ------------------------------------------------------------------------- */

static void test_a_wildcard_below_a_cut_is_no_glue(void **unused)
{
    (void)unused;
    struct zone *zone = zone_of(SOA "SET c.z. 60 NS ns.c.z.\nADD c.z. 60 NS a.w.z.\n"
                                    "SET *.c.z. 60 A 192.0.2.1\nSET *.w.z. 60 A 192.0.2.2\n");
    says(zone, "x.c.z.", TYPE_A, ZONE_REFERRAL, "ns c.z. NS; ns c.z. NS; ad a.w.z. A");
    says(zone, "*.c.z.", TYPE_A, ZONE_REFERRAL, "ns c.z. NS; ns c.z. NS; ad a.w.z. A");
    says(zone, "*.b.w.z.", TYPE_A, ZONE_ANSWER, "an *.b.w.z. A"); /* an asterisk as any label */
    zone_free(zone);
}

/* -- NSEC, NSEC3 -------------------------------------------------------------------------------- */

#define NSEC_ZONE                                                                                  \
    SOA "ADD z. 60 RRSIG SOA 8 1 60 20300101000000 20200101000000 1 z. AAAA\n"                     \
        "SET z. 60 NSEC *.w.z. SOA RRSIG NSEC\nSET *.w.z. 60 NSEC z. A RRSIG NSEC\n"               \
        "SET *.w.z. 60 A 192.0.2.1\nADD *.w.z. 60 RRSIG A 8 2 60 20300101000000 20200101000000 "   \
        "1 z. AAAA\n"

/* RFC 4035 3.1.3.3: the one that is expanded, and the one that proves, are the same and are not. */
static void test_the_nsec_of_a_wildcard_proves_too(void **unused)
{
    (void)unused;
    struct zone *zone = zone_of(NSEC_ZONE);
    says(zone, "x.w.z.", TYPE_NSEC, ZONE_ANSWER, "an x.w.z. NSEC; ns *.w.z. NSEC");
    says(zone, "x.w.z.", TYPE_A, ZONE_ANSWER, "an x.w.z. A; ns *.w.z. NSEC");
    says(zone, "x.w.z.", TYPE_TXT, ZONE_NODATA, "ns z. SOA; ns *.w.z. NSEC");
    zone_free(zone);
}

static size_t add_hash(char *text, size_t room, const char *name, unsigned iterations)
{
    static const uint8_t apex[] = {1, 'z', 0};
    const struct hash_parameters parameters = {.iterations = (uint16_t)iterations};
    uint8_t wire[NAME_MAX_SIZE], owner[NAME_MAX_SIZE];
    char owner_text[NAME_MAX_TEXT];
    assert_true(name_from_text(name, wire) > 0);
    assert_true(hash_owner(&parameters, wire, apex, owner) > 0);
    return (size_t)snprintf(text, room, "ADD %s 60 NSEC3 1 0 %u - %.32s A\n",
                            name_to_text(owner, owner_text), iterations, owner_text);
}

/* A zone of z. and a.z. with a chain for each number of iterations; NSEC3PARAM is of the first. */
static struct zone *hashed_zone(unsigned iterations, unsigned other)
{
    char text[4096];
    size_t at =
        (size_t)snprintf(text, sizeof text,
                         SOA "SET a.z. 60 A 192.0.2.1\nSET z. 60 NSEC3PARAM 1 0 %u -\n"
                             "ADD z. 60 RRSIG SOA 8 1 60 20300101000000 20200101000000 1 z. AAAA\n",
                         iterations);
    const unsigned chains[] = {iterations, other};
    for (size_t i = 0; i < 2; i++) {
        at += add_hash(text + at, sizeof text - at, "z.", chains[i]);
        at += add_hash(text + at, sizeof text - at, "a.z.", chains[i]);
    }
    return zone_of(text);
}

/* While a zone goes from one chain to the next, a proof is of one: that of NSEC3PARAM (RFC 5155 7.3). */
static void test_two_chains(void **unused)
{
    (void)unused;
    for (unsigned iterations = 0; iterations < 12; iterations++) {
        struct zone *zone = hashed_zone(iterations, 12),
                    *alone = hashed_zone(iterations, iterations);
        static const char *const names[] = {"b.z.", "c.z.", "x.a.z.", "a.z.", "q.w.e.r.z."};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            struct asked with, without;
            ask(zone, names[i], TYPE_TXT, true, DNS_MAX_MESSAGE, &with);
            ask(alone, names[i], TYPE_TXT, true, DNS_MAX_MESSAGE, &without);
            assert_string_equal(with.text, without.text);
            assert_non_null(strstr(with.text, "NSEC3"));
        }
        zone_free(zone);
        zone_free(alone);
    }
}

/* RFC 9276 3.2 */
static void test_too_many_iterations(void **unused)
{
    (void)unused;
    struct builder builder;
    struct asked asked;
    struct zone *zone = hashed_zone(HASH_MAX_ITERATIONS, 0);
    ask(zone, "b.z.", TYPE_A, true, DNS_MAX_MESSAGE, &asked);
    assert_int_equal(asked.result, ZONE_NXDOMAIN);
    zone_free(zone);
    zone = hashed_zone(HASH_MAX_ITERATIONS + 1, 0);
    says(zone, "b.z.", TYPE_A, ZONE_UNPROVABLE, "");
    says(zone, "a.z.", TYPE_TXT, ZONE_UNPROVABLE, "");
    says(zone, "a.z.", TYPE_A, ZONE_ANSWER, "an a.z. A"); /* takes no proof */
    ask(zone, "b.z.", TYPE_A, false, DNS_MAX_MESSAGE, &asked);
    assert_string_equal(asked.text, "ns z. SOA");
    assert_int_equal(zone_lookup_flags(ZONE_UNPROVABLE, &builder), RCODE_SERVFAIL);
    zone_free(zone);
}

/* -- room -------------------------------------------------------------------------------------- */

/* At every size: the whole answer, or what may be left out is left out, or it does not fit; never half an RRset. */
static void at_every_size(const struct zone *zone, const char *name, uint16_t type,
                          const char *least)
{
    struct asked whole, asked;
    ask(zone, name, type, true, DNS_MAX_MESSAGE, &whole);
    assert_true(whole.size > 0);
    bool fitted = false;
    for (int room = DNS_HEADER_SIZE; room <= whole.size; room++) {
        ask(zone, name, type, true, (size_t)room, &asked);
        if (asked.size < 0) {
            assert_int_equal(asked.size, ERR_SPACE);
            assert_false(fitted); /* more room is never worse */
            continue;
        }
        if (!fitted)
            assert_string_equal(asked.text, least);
        fitted = true;
        assert_true(asked.size <= room);
        assert_int_equal(strncmp(asked.text, least, strlen(least)), 0);
    }
    assert_string_equal(asked.text, whole.text);
}

static void test_small_buffers(void **unused)
{
    (void)unused;
    struct zone *zone = zone_of(
        SOA "SET mx.z. 60 MX 1 m.z.\nSET m.z. 60 A 192.0.2.1\nADD m.z. 60 A 192.0.2.2\n"
            "SET m.z. 60 AAAA 2001:db8::1\nSET c.z. 60 CNAME d.z.\nSET d.z. 60 TXT long-enough\n"
            "SET in.z. 60 NS ns.in.z.\nADD in.z. 60 NS m.z.\nSET ns.in.z. 60 A 192.0.2.3\n"
            "SET ns.in.z. 60 AAAA 2001:db8::3\n");
    at_every_size(zone, "mx.z.", TYPE_MX, "an mx.z. MX"); /* addresses as there is room for */
    at_every_size(zone, "c.z.", TYPE_TXT, "an c.z. CNAME; an d.z. TXT");
    at_every_size(zone, "no.z.", TYPE_A, "ns z. SOA");
    /* RFC 9471: without the glue it is truncated; the address of another name is no glue. */
    at_every_size(zone, "x.in.z.", TYPE_A,
                  "ns in.z. NS; ns in.z. NS; ad ns.in.z. A; ad ns.in.z. AAAA");
    zone_free(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_below_a_dname_nothing_is_seen),
        cmocka_unit_test(test_a_dname_that_leads_to_itself),
        cmocka_unit_test(test_too_long_a_name),
        cmocka_unit_test(test_escapes_are_spelling),
        cmocka_unit_test(test_labels_of_zeros),
        cmocka_unit_test(test_a_wildcard_below_a_cut_is_no_glue),
        cmocka_unit_test(test_the_nsec_of_a_wildcard_proves_too),
        cmocka_unit_test(test_two_chains),
        cmocka_unit_test(test_too_many_iterations),
        cmocka_unit_test(test_small_buffers),
    };
    zone_reader_register();
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    zone_reader_unregister();
    return failed;
}
