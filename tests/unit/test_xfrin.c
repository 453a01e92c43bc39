/*
 * test_xfrin.c - transfers as a primary sends them, and as none should (zone/xfrin.h).
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/build.h"
#include "dns/record.h"
#include "zone/xfrin.h"

/* -- helpers ----------------------------------------------------------------------------------- */

enum { ID = 77 };

/* What the sink was told: "whole +www.example.com. A 192.0.2.1; version 2; " */
static char told[4096];
static bool sink_fails;

static void tell(const char *text)
{
    size_t used = strlen(told);
    snprintf(told + used, sizeof told - used, "%s", text);
}

static int on_whole(void *arg)
{
    (void)arg;
    tell("whole; ");
    return 0;
}

static int on_record(void *arg, enum xfrin_part part, const struct record *record)
{
    char owner[NAME_MAX_TEXT], type[TYPE_MAX_TEXT], text[1300];
    (void)arg;
    snprintf(text, sizeof text, "%c%s %s; ", part == XFRIN_DELETED ? '-' : '+',
             name_to_text(record->owner, owner), type_to_text(record->type, type));
    tell(text);
    return sink_fails ? ERR_MEMORY : 0;
}

static int on_version(void *arg, const struct record *soa)
{
    struct soa_times times;
    char text[32];
    (void)arg;
    xfrin_soa(soa->rdata, soa->rdata_size, &times);
    snprintf(text, sizeof text, "version %u; ", times.serial);
    tell(text);
    return 0;
}

static const uint8_t *apex(void)
{
    static uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text("example.com.", name) > 0);
    return name;
}

static struct xfrin *begin(uint16_t type, uint32_t serial)
{
    told[0] = '\0';
    sink_fails = false;
    return xfrin_new(&(struct xfrin_options){.apex = apex(),
                                             .type = type,
                                             .id = ID,
                                             .serial = serial,
                                             .sink = {on_whole, on_record, on_version, NULL}});
}

/* A message of records, each a line of text; "SOA 7" is the zone's SOA of that serial. */
struct wire {
    uint8_t bytes[4096];
    size_t size;
};

static struct wire message(uint16_t type, uint16_t flags, const char *const *lines)
{
    static struct builder builder;
    struct wire wire;
    struct question question = {.type = type, .class = CLASS_IN};
    question.name_size = (uint8_t)name_size(apex());
    memcpy(question.name, apex(), question.name_size);
    build_start(&builder, wire.bytes, sizeof wire.bytes);
    if (type)
        build_question(&builder, &question);
    for (; *lines; lines++) {
        struct record_room room;
        struct record record;
        char text[200];
        unsigned serial;
        snprintf(text, sizeof text, "%s", *lines);
        if (sscanf(*lines, "SOA %u", &serial) == 1)
            snprintf(text, sizeof text,
                     "example.com. 3600 IN SOA ns.example.com. root.example.com. %u 10 5 100 60",
                     serial);
        assert_int_equal(record_from_text(text, 60, &room, &record), 0);
        build_record(&builder, SECTION_ANSWER, &record);
    }
    int size = build_finish(&builder, ID, flags);
    assert_true(size > 0);
    wire.size = (size_t)size;
    return wire;
}

#define LINES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define GOOD (FLAG_QR | FLAG_AA)

static enum xfrin_result take(struct xfrin *xfrin, uint16_t type, const char *const *lines)
{
    struct wire wire = message(type, GOOD, lines);
    return xfrin_take(xfrin, wire.bytes, wire.size);
}

/* All of a transfer in one message. */
static void one_message(uint16_t type, uint32_t serial, const char *const *lines,
                        enum xfrin_result result, const char *wanted)
{
    struct xfrin *xfrin = begin(type, serial);
    assert_int_equal(take(xfrin, type, lines), result);
    if (wanted)
        assert_string_equal(told, wanted);
    xfrin_free(xfrin);
}

#define WWW  "www.example.com. 60 IN A 192.0.2.1"
#define MAIL "mail.example.com. 60 IN A 192.0.2.2"

/* -- what is right ----------------------------------------------------------------------------- */

static void a_whole_zone(void **state)
{
    (void)state;
    one_message(TYPE_AXFR, 0, LINES("SOA 5", WWW, MAIL, "SOA 5"), XFRIN_DONE,
                "whole; +example.com. SOA; +www.example.com. A; +mail.example.com. A; version 5; ");
    one_message(TYPE_AXFR, 0, LINES("SOA 5", "SOA 5"), XFRIN_DONE,
                "whole; +example.com. SOA; version 5; ");
}

static void one_in_many_messages(void **state)
{
    (void)state;
    struct xfrin *xfrin = begin(TYPE_AXFR, 0);
    assert_int_equal(take(xfrin, TYPE_AXFR, LINES("SOA 5")), XFRIN_MORE);
    assert_int_equal(take(xfrin, 0, LINES(WWW)), XFRIN_MORE);
    assert_int_equal(take(xfrin, 0, LINES(MAIL, MAIL)), XFRIN_MORE);
    assert_int_equal(take(xfrin, TYPE_AXFR, LINES("SOA 5")), XFRIN_DONE);
    assert_true(xfrin_has_data(xfrin));
    xfrin_free(xfrin);
}

static void differences_one_after_the_other(void **state)
{
    (void)state;
    one_message(TYPE_IXFR, 5,
                LINES("SOA 7", "SOA 5", WWW, "SOA 6", MAIL, "SOA 6", MAIL, "SOA 7", WWW, "SOA 7"),
                XFRIN_DONE,
                "-www.example.com. A; +mail.example.com. A; version 6; "
                "-mail.example.com. A; +www.example.com. A; version 7; ");
}

static void condensed_differences(void **state)
{
    (void)state;
    one_message(TYPE_IXFR, 5, LINES("SOA 7", "SOA 5", "SOA 7", WWW, "SOA 7"), XFRIN_DONE,
                "+www.example.com. A; version 7; ");
}

static void serials_wrap_around(void **state)
{
    (void)state;
    one_message(TYPE_IXFR, 4294967295u,
                LINES("SOA 1", "SOA 4294967295", "SOA 0", WWW, "SOA 0", WWW, "SOA 1", "SOA 1"),
                XFRIN_DONE, "+www.example.com. A; version 0; -www.example.com. A; version 1; ");
    assert_int_equal(xfrin_compare(0, 4294967295u), 1);
    assert_int_equal(xfrin_compare(4294967295u, 0), -1);
    assert_int_equal(xfrin_compare(7, 7), 0);
    assert_int_equal(xfrin_compare(0x7fffffff, 0), 1);
    assert_int_equal(xfrin_compare(0x80000001, 0), -1);
}

static void differences_in_many_messages(void **state)
{
    (void)state;
    static const char *const lines[] = {"SOA 7", "SOA 5", WWW,     "SOA 6", MAIL,
                                        "SOA 6", MAIL,    "SOA 7", WWW,     "SOA 7"};
    struct xfrin *xfrin = begin(TYPE_IXFR, 5);
    for (size_t k = 0; k < 10; k++)
        assert_int_equal(take(xfrin, k ? 0 : TYPE_IXFR, LINES(lines[k])),
                         k < 9 ? XFRIN_MORE : XFRIN_DONE);
    xfrin_free(xfrin);
}

static void up_to_date(void **state)
{
    (void)state;
    uint32_t serial = 0;
    struct xfrin *xfrin = begin(TYPE_IXFR, 5);
    assert_int_equal(take(xfrin, TYPE_IXFR, LINES("SOA 5")), XFRIN_DONE);
    assert_false(xfrin_has_data(xfrin));
    assert_true(xfrin_serial(xfrin, &serial) && serial == 5);
    xfrin_free(xfrin);
    one_message(TYPE_IXFR, 5, LINES("SOA 4"), XFRIN_DONE, ""); /* it is behind */
    one_message(TYPE_IXFR, 5, LINES("SOA 6"), XFRIN_MORE, ""); /* the rest follows */
    one_message(TYPE_SOA, 0, LINES("SOA 6"), XFRIN_DONE, "");
}

static void the_whole_zone_instead_of_differences(void **state)
{
    (void)state;
    one_message(TYPE_IXFR, 5, LINES("SOA 7", WWW, "SOA 7"), XFRIN_DONE,
                "whole; +example.com. SOA; +www.example.com. A; version 7; ");
    one_message(TYPE_IXFR, 5, LINES("SOA 7", "SOA 7"), XFRIN_DONE,
                "whole; +example.com. SOA; version 7; ");
}

static void records_outside_are_left_out(void **state)
{
    (void)state;
    struct xfrin *xfrin = begin(TYPE_AXFR, 0);
    assert_int_equal(take(xfrin, TYPE_AXFR,
                          LINES("SOA 5", "www.example.org. 60 IN A 192.0.2.1",
                                "xexample.com. 60 IN A 192.0.2.1", WWW, "SOA 5")),
                     XFRIN_DONE);
    assert_int_equal(xfrin_outside(xfrin), 2);
    assert_string_equal(told, "whole; +example.com. SOA; +www.example.com. A; version 5; ");
    xfrin_free(xfrin);
}

/* -- what is wrong ----------------------------------------------------------------------------- */

static void records_in_no_order(void **state)
{
    (void)state;
    one_message(TYPE_AXFR, 0, LINES(WWW, "SOA 5", "SOA 5"), XFRIN_ORDER, "");
    one_message(TYPE_AXFR, 0, LINES("SOA 5", WWW, "SOA 6"), XFRIN_SOA, NULL);
    one_message(TYPE_AXFR, 0, LINES("SOA 5", "SOA 4", "SOA 5"), XFRIN_SOA, NULL);
    one_message(TYPE_AXFR, 0, LINES("SOA 5", "sub.example.com. 60 IN SOA a. b. 5 1 1 1 1", "SOA 5"),
                XFRIN_SOA, NULL);
    one_message(TYPE_AXFR, 0, LINES("SOA 5", WWW, "SOA 5", WWW), XFRIN_TRAILING, NULL);
    one_message(TYPE_IXFR, 5, LINES("SOA 5", WWW, "SOA 5", WWW), XFRIN_TRAILING, NULL);
}

static void versions_that_do_not_follow(void **state)
{
    (void)state;
    one_message(TYPE_IXFR, 5, LINES("SOA 7", "SOA 4", "SOA 7", "SOA 7"), XFRIN_SERIAL, "");
    one_message(TYPE_IXFR, 5, LINES("SOA 7", "SOA 5", "SOA 6", "SOA 5", "SOA 7", "SOA 7"),
                XFRIN_SERIAL, NULL);
    one_message(TYPE_IXFR, 5, LINES("SOA 7", "SOA 5", "SOA 5", "SOA 7"), XFRIN_SERIAL, NULL);
    one_message(TYPE_IXFR, 5, LINES("SOA 7", "SOA 5", WWW, "SOA 6", "SOA 7"), XFRIN_SERIAL, NULL);
}

static void a_header(uint16_t flags, uint16_t id, enum xfrin_result result)
{
    struct xfrin *xfrin = begin(TYPE_IXFR, 5);
    struct wire wire = message(TYPE_IXFR, flags, LINES("SOA 5"));
    wire_put_u16(wire.bytes, id);
    assert_int_equal(xfrin_take(xfrin, wire.bytes, wire.size), result);
    xfrin_free(xfrin);
}

static void headers(void **state)
{
    (void)state;
    a_header(GOOD, ID, XFRIN_DONE);
    a_header(GOOD, ID + 1, XFRIN_OTHER);
    a_header(FLAG_AA, ID, XFRIN_OTHER);
    a_header(GOOD | 4 << 11, ID, XFRIN_OTHER);
    a_header(GOOD | RCODE_FORMERR, ID, XFRIN_NOT_THERE);
    a_header(GOOD | RCODE_NOTIMP, ID, XFRIN_NOT_THERE);
    a_header(GOOD | RCODE_REFUSED, ID, XFRIN_REFUSED);
    a_header(GOOD | 9, ID, XFRIN_NOTAUTH);
    a_header(GOOD | RCODE_SERVFAIL, ID, XFRIN_RCODE);
}

static void an_soa_of_somebody_without_authority(void **state)
{
    (void)state;
    struct xfrin *xfrin = begin(TYPE_SOA, 0);
    struct wire wire = message(TYPE_SOA, FLAG_QR, LINES("SOA 5"));
    assert_int_equal(xfrin_take(xfrin, wire.bytes, wire.size), XFRIN_NOTAUTH);
    xfrin_free(xfrin);
}

static void another_question(void **state)
{
    (void)state;
    struct xfrin *xfrin = begin(TYPE_IXFR, 5);
    struct wire wire = message(TYPE_AXFR, GOOD, LINES("SOA 5"));
    assert_int_equal(xfrin_take(xfrin, wire.bytes, wire.size), XFRIN_OTHER);
    xfrin_free(xfrin);
}

static void records_of_no_zone(void **state)
{
    (void)state;
    struct wire wire = message(TYPE_AXFR, GOOD, LINES("SOA 5", WWW, "SOA 5"));
    struct xfrin *xfrin = begin(TYPE_AXFR, 0);
    /* the class of the second record: behind the SOA, and a compressed owner */
    for (size_t k = DNS_HEADER_SIZE; k + 4 < wire.size; k++)
        if (memcmp(wire.bytes + k, "\003www", 4) == 0)
            wire_put_u16(wire.bytes + k + 8, CLASS_CH);
    assert_int_equal(xfrin_take(xfrin, wire.bytes, wire.size), XFRIN_CLASS);
    xfrin_free(xfrin);
}

static void cut_anywhere_it_is_no_transfer(void **state)
{
    (void)state;
    struct wire wire =
        message(TYPE_IXFR, GOOD, LINES("SOA 7", "SOA 5", WWW, "SOA 7", MAIL, "SOA 7"));
    for (size_t cut = 0; cut < wire.size; cut++) {
        struct xfrin *xfrin = begin(TYPE_IXFR, 5);
        assert_int_equal(xfrin_take(xfrin, wire.bytes, cut), XFRIN_MALFORMED);
        xfrin_free(xfrin);
    }
}

static void an_empty_first_message(void **state)
{
    (void)state;
    struct xfrin *xfrin = begin(TYPE_AXFR, 0);
    struct wire wire = message(TYPE_AXFR, GOOD, (const char *const[]){NULL});
    assert_int_equal(xfrin_take(xfrin, wire.bytes, wire.size), XFRIN_ORDER);
    xfrin_free(xfrin);
}

static void a_sink_that_fails(void **state)
{
    (void)state;
    struct xfrin *xfrin = begin(TYPE_AXFR, 0);
    sink_fails = true;
    assert_int_equal(take(xfrin, TYPE_AXFR, LINES("SOA 5", WWW, "SOA 5")), XFRIN_SINK);
    xfrin_free(xfrin);
}

static void a_query_with_what_is_held(void **state)
{
    (void)state;
    uint8_t soa[] = {0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
    uint8_t query[200];
    int size = xfrin_write_query(
        &(struct xfrin_query){
            .apex = apex(), .type = TYPE_IXFR, .id = ID, .soa = soa, .soa_size = sizeof soa},
        query, sizeof query);
    struct message *parsed = message_new();
    assert_true(size > 0);
    assert_int_equal(message_parse(parsed, query, (size_t)size), 0);
    assert_int_equal(parsed->question.type, TYPE_IXFR);
    assert_int_equal(parsed->flags, 0);
    assert_int_equal(parsed->authority_count, 1);
    assert_memory_equal(message_authorities(parsed)->rdata, soa, sizeof soa);
    message_free(parsed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_zone),
        cmocka_unit_test(one_in_many_messages),
        cmocka_unit_test(differences_one_after_the_other),
        cmocka_unit_test(condensed_differences),
        cmocka_unit_test(serials_wrap_around),
        cmocka_unit_test(differences_in_many_messages),
        cmocka_unit_test(up_to_date),
        cmocka_unit_test(the_whole_zone_instead_of_differences),
        cmocka_unit_test(records_outside_are_left_out),
        cmocka_unit_test(records_in_no_order),
        cmocka_unit_test(versions_that_do_not_follow),
        cmocka_unit_test(headers),
        cmocka_unit_test(an_soa_of_somebody_without_authority),
        cmocka_unit_test(another_question),
        cmocka_unit_test(records_of_no_zone),
        cmocka_unit_test(cut_anywhere_it_is_no_transfer),
        cmocka_unit_test(an_empty_first_message),
        cmocka_unit_test(a_sink_that_fails),
        cmocka_unit_test(a_query_with_what_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
