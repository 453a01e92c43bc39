/*
 * test_build.c - messages written: compression, TTL places, OPT, what does not fit
 * (dns/build.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "dns/build.h"

/* -- helpers ----------------------------------------------------------------------------------- */

static uint8_t wire[DNS_MAX_MESSAGE];
static struct builder builder;
static struct message *message;

static struct question question_of(const char *name, uint16_t type)
{
    struct question question = {.type = type, .class = CLASS_IN};
    int size = name_from_text(name, question.name);

    assert_true(size > 0);
    question.name_size = (uint8_t)size;
    return question;
}

/* A record from text; its bytes are good until sixteen more were made. */
static struct record record_of(const char *owner, uint16_t type, const char *rdata)
{
    static struct {
        uint8_t owner[NAME_MAX_SIZE];
        uint8_t rdata[2048];
    } pool[16];
    static size_t next;
    size_t i = next++ % 16;
    int size = rdata_from_text(type, rdata, pool[i].rdata, sizeof(pool[i].rdata));

    assert_true(size >= 0);
    assert_true(name_from_text(owner, pool[i].owner) > 0);
    return (struct record){.owner = pool[i].owner,
                           .rdata = pool[i].rdata,
                           .ttl = 300,
                           .rdata_size = (uint16_t)size,
                           .type = type,
                           .class = CLASS_IN};
}

static void add(enum section section, const char *owner, uint16_t type, const char *rdata)
{
    struct record record = record_of(owner, type, rdata);

    build_record(&builder, section, &record);
}

static void begin(size_t size)
{
    memset(wire, 0xee, sizeof(wire));
    build_start(&builder, wire, size);
}

/* Whether a parsed record is what the text says; names compare without case. */
static void expect_record(const struct record *got, const char *owner, uint16_t type,
                          const char *rdata)
{
    struct record want = record_of(owner, type, rdata);

    assert_true(name_equal(got->owner, want.owner));
    assert_int_equal(got->type, type);
    assert_int_equal(got->class, CLASS_IN);
    assert_int_equal(got->ttl, 300);
    assert_int_equal(got->rdata_size, want.rdata_size);
    assert_memory_equal(got->rdata, want.rdata, want.rdata_size);
}

/* Every TTL offset holds 300, they ascend, and there are `count`. */
static void expect_ttls(size_t count)
{
    size_t last = 0;

    assert_int_equal(builder.ttl_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(builder.ttl_offsets[i] > last);
        last = builder.ttl_offsets[i];
        assert_int_equal(wire_get_u32(wire + last), 300);
    }
}

static int setup(void **state)
{
    (void)state;
    message = message_new();
    return message ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    message_free(message);
    return 0;
}

/* -- tests ------------------------------------------------------------------------------------- */

static const struct {
    enum section section;
    const char *owner;
    uint16_t type;
    const char *rdata;
} records[] = {
    {SECTION_ANSWER, "www.example.com.", TYPE_CNAME, "web.example.com."},
    {SECTION_ANSWER, "web.example.com.", TYPE_A, "192.0.2.1"},
    {SECTION_ANSWER, "web.example.com.", TYPE_MX, "10 mail.example.com."},
    {SECTION_ANSWER, "web.example.com.", TYPE_SRV, "1 2 3 web.example.com."},
    {SECTION_ANSWER, "web.example.com.", TYPE_TXT, "\"www.example.com\""},
    {SECTION_AUTHORITY, "example.com.", TYPE_SOA, "ns.example.com. host.example.com. 1 2 3 4 5"},
    {SECTION_AUTHORITY, "example.com.", TYPE_NS, "example.com."},
    {SECTION_AUTHORITY, ".", TYPE_NS, "."},
    {SECTION_ADDITIONAL, "ns.example.com.", TYPE_AAAA, "2001:db8::1"},
    {SECTION_ADDITIONAL, "com.", 65280, "\\# 17 03777777076578616d706c6503636f6d00"},
};

enum { RECORDS = sizeof(records) / sizeof(records[0]) };

static void builds_what_parses_back(void **state)
{
    struct question question = question_of("www.example.com.", TYPE_A);

    (void)state;
    begin(sizeof(wire));
    build_question(&builder, &question);
    for (size_t i = 0; i < RECORDS; i++)
        add(records[i].section, records[i].owner, records[i].type, records[i].rdata);
    build_opt(&builder, 1232, 1, true, EDE_STALE_ANSWER);
    int size = build_finish(&builder, 0x1234, FLAG_QR | FLAG_RD | RCODE_SERVFAIL);
    assert_true(size > 0);
    assert_int_equal(message_parse(message, wire, (size_t)size), 0);
    assert_int_equal(message->id, 0x1234);
    assert_int_equal(message->flags, FLAG_QR | FLAG_RD | RCODE_SERVFAIL);
    assert_int_equal(message->rcode, 16 + RCODE_SERVFAIL);
    assert_memory_equal(message->question.name, question.name, question.name_size);
    assert_int_equal(message->question.type, TYPE_A);
    assert_int_equal(message->answer_count, 5);
    assert_int_equal(message->authority_count, 3);
    assert_int_equal(message->additional_count, 2);
    for (size_t i = 0; i < RECORDS; i++)
        expect_record(&message->records[i], records[i].owner, records[i].type, records[i].rdata);
    assert_true(message->edns.dnssec_ok);
    assert_int_equal(message->edns.udp_size, 1232);
    assert_int_equal(message->edns.options_size, 6);
    assert_memory_equal(message->edns.options, "\0\17\0\2\0\3", 6);
    expect_ttls(RECORDS); /* the OPT's TTL field is not a TTL */
}

/* Byte for byte: the owner is a pointer to the question, RDATA names share suffixes. */
static void compresses(void **state)
{
    static const uint8_t want[] = "\0\1\200\0\0\1\0\3\0\0\0\0"
                                  "\3www\7example\3com\0\0\1\0\1"
                                  "\300\14\0\5\0\1\0\0\1\54\0\6\3web\300\20"
                                  "\300\55\0\17\0\1\0\0\1\54\0\4\0\12\300\14"
                                  "\3foo\300\55\0\41\0\1\0\0\1\54\0\27"
                                  "\0\1\0\2\0\3\3web\7example\3com";
    struct question question = question_of("www.example.com.", TYPE_A);

    (void)state;
    begin(sizeof(wire));
    build_question(&builder, &question);
    add(SECTION_ANSWER, "www.example.com.", TYPE_CNAME, "web.example.com.");
    add(SECTION_ANSWER, "web.example.com.", TYPE_MX, "10 www.example.com.");
    add(SECTION_ANSWER, "foo.web.example.com.", TYPE_SRV, "1 2 3 web.example.com.");
    assert_int_equal(build_finish(&builder, 1, FLAG_QR), sizeof(want));
    assert_memory_equal(wire, want, sizeof(want));
}

static void compresses_without_case(void **state)
{
    struct question question = question_of("wWw.eXample.", TYPE_A);

    (void)state;
    begin(sizeof(wire));
    build_question(&builder, &question);
    add(SECTION_ANSWER, "www.example.", TYPE_A, "192.0.2.1");
    assert_int_equal(build_finish(&builder, 1, FLAG_QR), 29 + 2 + 10 + 4);
    assert_int_equal(wire_get_u16(wire + 29), 0xc00c);
    assert_memory_equal(wire + 12, "\3wWw\7eXample", 13);
}

/* Records that will change places point to the question's suffixes, and nothing points into them. */
static void movable_records_point_to_the_question(void **state)
{
    static const uint8_t want[] = "\0\1\200\0\0\1\0\3\0\0\0\0"
                                  "\3www\7example\3com\0\0\17\0\1"
                                  "\300\14\0\17\0\1\0\0\1\54\0\7\0\12\2mx\300\20"
                                  "\300\14\0\17\0\1\0\0\1\54\0\7\0\12\2mx\300\20"
                                  "\2mx\300\20\0\1\0\1\0\0\1\54\0\4\1\2\3"
                                  "\4";
    struct question question = question_of("www.example.com.", TYPE_MX);
    struct record record = record_of("www.example.com.", TYPE_MX, "10 mx.example.com.");

    (void)state;
    begin(sizeof(wire));
    build_question(&builder, &question);
    build_movable(&builder, SECTION_ANSWER, &record);
    build_movable(&builder, SECTION_ANSWER, &record);
    add(SECTION_ANSWER, "mx.example.com.", TYPE_A, "1.2.3.4");
    assert_int_equal(build_finish(&builder, 1, FLAG_QR), sizeof(want) - 1);
    assert_memory_equal(wire, want, sizeof(want) - 1);
    assert_true(build_stands_alone(&builder, 33, 71));
}

/* No pointer to the root: it is no longer by itself. */
static void writes_the_root_as_it_is(void **state)
{
    struct question question = question_of(".", TYPE_NS);

    (void)state;
    begin(sizeof(wire));
    build_question(&builder, &question);
    add(SECTION_ANSWER, ".", TYPE_NS, "ns.");
    assert_int_equal(build_finish(&builder, 1, FLAG_QR), DNS_HEADER_SIZE + 5 + 1 + 10 + 4);
    assert_int_equal(wire[DNS_HEADER_SIZE + 5], 0);
}

/* An answer to one spelling serves another once the question is replaced in place. */
static void question_can_be_replaced(void **state)
{
    struct question question = question_of("www.example.", TYPE_A);
    char text[NAME_MAX_TEXT];

    (void)state;
    begin(sizeof(wire));
    build_question(&builder, &question);
    add(SECTION_ANSWER, "www.example.", TYPE_A, "192.0.2.1");
    int size = build_finish(&builder, 1, FLAG_QR);
    assert_true(size > 0);
    memcpy(wire + DNS_HEADER_SIZE, "\3WWW\7EXAMPLE", 13);
    assert_int_equal(message_parse(message, wire, (size_t)size), 0);
    assert_string_equal(name_to_text(message->records[0].owner, text), "WWW.EXAMPLE.");
}

/* Names past offset 16383 are whole: no pointer can reach them, and none is cut short. */
static void points_only_where_it_can(void **state)
{
    char text[1000], owner[64];

    (void)state;
    begin(sizeof(wire));
    memset(text, 'a', sizeof(text));
    for (size_t i = 200; i < sizeof(text) - 1; i += 200)
        text[i] = ' ';
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 60; i++) {
        snprintf(owner, sizeof(owner), "n%d.example.", i / 2);
        add(SECTION_ANSWER, owner, TYPE_TXT, text);
    }
    int size = build_finish(&builder, 1, FLAG_QR);
    assert_true(size > 0x4000);
    assert_int_equal(message_parse(message, wire, (size_t)size), 0);
    assert_int_equal(message->answer_count, 60);
    for (int i = 0; i < 60; i++) {
        snprintf(owner, sizeof(owner), "n%d.example.", i / 2);
        expect_record(&message->records[i], owner, TYPE_TXT, text);
    }
    for (size_t i = 0; i < builder.suffix_count; i++)
        assert_true(builder.suffixes[i] < 0x4000);
}

/* More names than the table keeps: the rest is written out, and right. */
static void outgrows_its_table(void **state)
{
    char owner[64];

    (void)state;
    begin(sizeof(wire));
    for (int i = 0; i < 2 * BUILD_MAX_SUFFIXES; i++) {
        snprintf(owner, sizeof(owner), "h%d.z%d.", i, i);
        add(SECTION_ANSWER, owner, TYPE_NS, owner);
    }
    int size = build_finish(&builder, 1, FLAG_QR);
    assert_true(size > 0);
    assert_int_equal(builder.suffix_count, BUILD_MAX_SUFFIXES);
    assert_int_equal(message_parse(message, wire, (size_t)size), 0);
    assert_int_equal(message->answer_count, 2 * BUILD_MAX_SUFFIXES);
    for (int i = 0; i < 2 * BUILD_MAX_SUFFIXES; i++) {
        snprintf(owner, sizeof(owner), "h%d.z%d.", i, i);
        expect_record(&message->records[i], owner, TYPE_NS, owner);
    }
    expect_ttls(2 * BUILD_MAX_SUFFIXES);
}

/* At every size below the needed one: ERR_SPACE, and not a byte behind the buffer. */
static void says_when_it_does_not_fit(void **state)
{
    struct question question = question_of("www.example.com.", TYPE_A);
    int needed = 0;

    (void)state;
    for (size_t size = 0; needed <= 0; size++) {
        uint8_t *exact = malloc(size + 1); /* the sanitizer watches its end */
        assert_non_null(exact);
        exact[size] = 0xa5;
        build_start(&builder, exact, size);
        build_question(&builder, &question);
        for (size_t i = 0; i < RECORDS; i++)
            add(records[i].section, records[i].owner, records[i].type, records[i].rdata);
        build_opt(&builder, 1232, 0, false, EDE_NONE);
        needed = build_finish(&builder, 1, FLAG_QR);
        assert_int_equal(exact[size], 0xa5);
        assert_true(needed == ERR_SPACE || needed == (int)size);
        free(exact);
    }
    assert_true(needed > 200);
}

static void refuses_sections_out_of_order(void **state)
{
    (void)state;
    begin(sizeof(wire));
    add(SECTION_AUTHORITY, "a.", TYPE_A, "192.0.2.1");
    add(SECTION_ANSWER, "a.", TYPE_A, "192.0.2.1");
    assert_int_equal(build_finish(&builder, 1, FLAG_QR), ERR_SPACE);
    begin(sizeof(wire));
    build_opt(&builder, 1232, 0, false, EDE_NONE);
    add(SECTION_AUTHORITY, "a.", TYPE_A, "192.0.2.1");
    assert_int_equal(build_finish(&builder, 1, FLAG_QR), ERR_SPACE);
}

static void bounds_records(void **state)
{
    struct record record = record_of(".", 65280, "\\# 0");

    (void)state;
    begin(sizeof(wire));
    for (int i = 0; i < BUILD_MAX_RECORDS; i++)
        build_record(&builder, SECTION_ANSWER, &record);
    assert_int_equal(build_finish(&builder, 1, FLAG_QR), 12 + 11 * BUILD_MAX_RECORDS);
    build_record(&builder, SECTION_ANSWER, &record);
    assert_int_equal(build_finish(&builder, 1, FLAG_QR), ERR_SPACE);
}

static void writes_opt(void **state)
{
    (void)state;
    begin(sizeof(wire));
    build_opt(&builder, 0x04d0, 1, true, EDE_NONE);
    assert_int_equal(build_finish(&builder, 1, FLAG_QR), DNS_HEADER_SIZE + DNS_OPT_SIZE);
    assert_memory_equal(wire + 12, "\0\0\51\4\320\1\0\200\0\0\0", 11);
    assert_int_equal(wire_get_u16(wire + 10), 1);
    begin(sizeof(wire));
    build_opt(&builder, 0x04d0, 0, false, EDE_OTHER);
    assert_int_equal(build_finish(&builder, 1, FLAG_QR), DNS_HEADER_SIZE + DNS_OPT_SIZE + 6);
    assert_memory_equal(wire + 12, "\0\0\51\4\320\0\0\0\0\0\6\0\17\0\2\0\0", 17);
}

static void writes_queries(void **state)
{
    struct question question = question_of("wWw.example.", TYPE_AAAA);
    struct query_shape shape = {.id = 0xbeef, .edns = true, .dnssec_ok = true};
    struct query query;
    int size;

    (void)state;
    size = build_query(wire, sizeof(wire), &question, &shape);
    assert_int_equal(size, 12 + 13 + 4 + 11);
    assert_int_equal(query_parse(wire, (size_t)size, &query), 0);
    assert_int_equal(query.id, 0xbeef);
    assert_int_equal(query.flags, FLAG_RD);
    assert_memory_equal(query.question.name, question.name, 13);
    assert_int_equal(query.question.type, TYPE_AAAA);
    assert_true(query.edns.present);
    assert_true(query.edns.dnssec_ok);
    assert_int_equal(query.edns.udp_size, DNS_EDNS_UDP);
    shape = (struct query_shape){.id = 1, .checking_disabled = true};
    size = build_query(wire, sizeof(wire), &question, &shape);
    assert_int_equal(query_parse(wire, (size_t)size, &query), 0);
    assert_int_equal(query.flags, FLAG_RD | FLAG_CD);
    assert_false(query.edns.present);
    assert_int_equal(build_query(wire, (size_t)size - 1, &question, &shape), ERR_SPACE);
}

/*
 * Names made so that every suffix has to be looked for among many that nearly match. The worst
 * message 64 KiB can hold is built in a fraction of a second, under sanitizers too.
 */
static void hostile_names_take_no_time(void **state)
{
    uint8_t owner[NAME_MAX_SIZE];
    struct record record = record_of(".", 65280, "\\# 0");
    struct timespec before, after;

    (void)state;
    record.owner = owner;
    begin(sizeof(wire));
    for (size_t at = 0; at < 254; at += 2)
        memcpy(owner + at, "\1a", 2);
    owner[254] = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (int i = 0; i < 4000; i++) {
        owner[1] = (uint8_t)i;
        owner[3] = (uint8_t)(i >> 8);
        build_record(&builder, SECTION_ANSWER, &record);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_true(build_finish(&builder, 1, FLAG_QR) > 0);
    assert_true((double)(after.tv_sec - before.tv_sec) +
                    (double)(after.tv_nsec - before.tv_nsec) / 1e9 <
                1.0);
}

static void names_errors(void **state)
{
    (void)state;
    assert_string_equal(error_text(0), "no error");
    assert_string_equal(error_text(ERR_SPACE), "does not fit the buffer");
    assert_string_equal(error_text(ERR_NOT_FOUND), "not found");
    assert_string_equal(error_text(1), "unknown error");
    assert_string_equal(error_text(-1000), "unknown error");
}

/* Names that each add a label to the one before: readers give up where pointers lead on and on (BIND: 16). */
static void pointers_lead_on_a_few_times_only(void **state)
{
    (void)state;
    static struct builder deep;
    static uint8_t owner[NAME_MAX_SIZE], back[NAME_MAX_SIZE];
    struct question question = {.name = {0}, .name_size = 1, .type = TYPE_A, .class = CLASS_IN};
    build_start(&deep, wire, sizeof wire);
    build_question(&deep, &question);
    size_t starts[100], size = 1;
    for (size_t i = 0; i < 100; i++, size += 2) {
        memmove(owner + 2, owner, size);
        owner[0] = 1;
        owner[1] = 'a';
        starts[i] = deep.out.at;
        build_record(&deep, SECTION_ANSWER,
                     &(struct record){.owner = owner, .type = 65280, .class = CLASS_IN});
    }
    const int whole = build_finish(&deep, 1, 0);
    assert_true(whole > 0);
    for (size_t i = 0; i < 100; i++) {
        unsigned pointers = 0;
        for (size_t at = starts[i]; wire[at] != 0;) {
            const bool points = wire[at] >= 0xc0;
            pointers += points;
            at = points ? wire_get_u16(wire + at) & 0x3fffu : at + 1u + wire[at];
        }
        assert_true(pointers <= 8);
        struct wire_reader reader = {.base = wire, .size = (size_t)whole, .at = starts[i]};
        assert_int_equal(name_read(&reader, back), 2 * (i + 1) + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_what_parses_back),
        cmocka_unit_test(compresses),
        cmocka_unit_test(compresses_without_case),
        cmocka_unit_test(movable_records_point_to_the_question),
        cmocka_unit_test(writes_the_root_as_it_is),
        cmocka_unit_test(question_can_be_replaced),
        cmocka_unit_test(points_only_where_it_can),
        cmocka_unit_test(outgrows_its_table),
        cmocka_unit_test(says_when_it_does_not_fit),
        cmocka_unit_test(refuses_sections_out_of_order),
        cmocka_unit_test(bounds_records),
        cmocka_unit_test(writes_opt),
        cmocka_unit_test(writes_queries),
        cmocka_unit_test(pointers_lead_on_a_few_times_only),
        cmocka_unit_test(hostile_names_take_no_time),
        cmocka_unit_test(names_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
