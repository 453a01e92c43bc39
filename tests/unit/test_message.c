/*
 * test_message.c - messages taken apart: queries in place, responses into the arena
 * (dns/message.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "dns/message.h"

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/* -- messages by hand -------------------------------------------------------------------------- */

static struct wire_writer out;
static uint8_t wire[70000];

static void start(uint16_t flags, uint16_t qd, uint16_t an, uint16_t ns, uint16_t ar)
{
    out = wire_writer(wire, sizeof(wire));
    wire_write_u16(&out, 0xabcd);
    wire_write_u16(&out, flags);
    wire_write_u16(&out, qd);
    wire_write_u16(&out, an);
    wire_write_u16(&out, ns);
    wire_write_u16(&out, ar);
}

static void put(const uint8_t *bytes, size_t size)
{
    wire_write(&out, bytes, size);
}

/* wWw.example. A IN, 17 bytes; the name stands at 12, "example" at 16 */
static void put_question(void)
{
    put(BYTES("\3wWw\7example\0\0\1\0\1"));
}

static void put_record(const uint8_t *owner, size_t owner_size, uint16_t type, uint32_t ttl,
                       const uint8_t *rdata, size_t size)
{
    put(owner, owner_size);
    wire_write_u16(&out, type);
    wire_write_u16(&out, CLASS_IN);
    wire_write_u32(&out, ttl);
    wire_write_u16(&out, (uint16_t)size);
    put(rdata, size);
}

static void put_opt(uint16_t udp_size, uint32_t ttl, const uint8_t *options, size_t size)
{
    wire_write_u8(&out, 0);
    wire_write_u16(&out, TYPE_OPT);
    wire_write_u16(&out, udp_size);
    wire_write_u32(&out, ttl);
    wire_write_u16(&out, (uint16_t)size);
    put(options, size);
}

/* Parses a copy of exactly the message's size, so that a read behind it is seen. */
static int parse_query(struct query *query)
{
    static uint8_t *copy;

    free(copy); /* of the time before: options point into it */
    copy = malloc(out.at);
    assert_non_null(copy);
    memcpy(copy, wire, out.at);
    memset(query, 0xee, sizeof(*query));
    return query_parse(copy, out.at, query);
}

static struct message *message;

static int parse(void)
{
    static uint8_t *copy;

    free(copy);
    copy = malloc(out.at > 0 ? out.at : 1);
    assert_non_null(copy);
    memcpy(copy, wire, out.at);
    return message_parse(message, copy, out.at);
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
    message_free(NULL);
    return 0;
}

/* -- queries ----------------------------------------------------------------------------------- */

static void query_plain(void **state)
{
    struct query query;

    (void)state;
    start(FLAG_RD | FLAG_AD, 1, 0, 0, 0);
    put_question();
    assert_int_equal(parse_query(&query), 0);
    assert_int_equal(query.id, 0xabcd);
    assert_int_equal(query.flags, FLAG_RD | FLAG_AD);
    assert_int_equal(query.question.name_size, 13);
    assert_memory_equal(query.question.name, "\3wWw\7example", 13); /* 0x20: as spelled */
    assert_int_equal(query.question.type, TYPE_A);
    assert_int_equal(query.question.class, CLASS_IN);
    assert_int_equal(query.question_end, 29);
    assert_false(query.edns.present);
    assert_null(query.edns.options);
}

static void query_with_edns(void **state)
{
    struct query query;

    (void)state;
    start(FLAG_RD, 1, 0, 0, 1);
    put_question();
    put_opt(1232, 0x8000, BYTES("\0\12\0\2ab\0\14\0\0"));
    assert_int_equal(parse_query(&query), 0);
    assert_true(query.edns.present);
    assert_true(query.edns.dnssec_ok);
    assert_int_equal(query.edns.version, 0);
    assert_int_equal(query.edns.udp_size, 1232);
    assert_int_equal(query.edns.options_size, 10);
    assert_memory_equal(query.edns.options, "\0\12\0\2ab\0\14\0\0", 10);
    start(FLAG_RD, 1, 0, 0, 1);
    put_question();
    put_opt(100, 0, BYTES(""));
    assert_int_equal(parse_query(&query), 0);
    assert_int_equal(query.edns.udp_size, 512); /* RFC 6891 6.2.3 */
    assert_false(query.edns.dnssec_ok);
    assert_null(query.edns.options);
    assert_int_equal(query.edns.options_size, 0);
}

static void query_ignores_other_additionals(void **state)
{
    struct query query;

    (void)state;
    start(FLAG_RD, 1, 0, 0, 3);
    put_question();
    put_record(BYTES("\300\14"), TYPE_A, 0, BYTES("not an address"));
    put_opt(1232, 0, BYTES(""));
    put_record(BYTES("\3key\0"), TYPE_TSIG, 0, BYTES("whatever"));
    assert_int_equal(parse_query(&query), 0);
    assert_true(query.edns.present);
}

static void query_too_short(void **state)
{
    struct query query;

    (void)state;
    start(FLAG_RD, 1, 0, 0, 0);
    for (size_t size = 1; size < DNS_HEADER_SIZE; size++) {
        out.at = size;
        assert_int_equal(parse_query(&query), ERR_SHORT);
    }
}

static void query_is_no_response(void **state)
{
    struct query query;

    (void)state;
    start(FLAG_QR | FLAG_RD, 1, 0, 0, 0);
    put_question();
    assert_int_equal(parse_query(&query), ERR_NOT_QUERY);
    start(FLAG_QR | FLAG_OPCODE, 0, 0, 0, 0); /* whatever else is wrong */
    assert_int_equal(parse_query(&query), ERR_NOT_QUERY);
}

static void query_of_other_opcode(void **state)
{
    struct query query;

    (void)state;
    for (uint16_t opcode = 1; opcode < 16; opcode++) {
        start((uint16_t)(opcode << 11), 1, 0, 0, 0);
        put_question();
        assert_int_equal(parse_query(&query), ERR_OPCODE);
        assert_int_equal(query.id, 0xabcd);
        assert_int_equal(query.flags, opcode << 11);
        assert_int_equal(query.question.name_size, 0);
        assert_int_equal(query.question_end, DNS_HEADER_SIZE);
    }
}

static void query_malformed_question(void **state)
{
    struct query query;

    (void)state;
    for (uint16_t count = 0; count < 3; count++) {
        start(0, count, 0, 0, 0);
        for (uint16_t i = 0; i < count; i++)
            put_question();
        assert_int_equal(parse_query(&query), count == 1 ? 0 : ERR_FORMAT);
    }
    start(0, 1, 0, 0, 0);
    put_question();
    for (size_t full = out.at; out.at > DNS_HEADER_SIZE;) {
        out.at--;
        assert_true(out.at < full);
        assert_int_equal(parse_query(&query), ERR_FORMAT);
        assert_int_equal(query.id, 0xabcd);
        assert_int_equal(query.question.name_size, 0);
    }
}

static void query_name_is_not_compressed(void **state)
{
    struct query query;

    (void)state;
    start(0, 1, 0, 0, 0);
    put(BYTES("\300\0\0\1\0\1")); /* into the header */
    assert_int_equal(parse_query(&query), ERR_FORMAT);
    start(0, 1, 0, 0, 0);
    put(BYTES("\300\14\0\1\0\1")); /* itself */
    assert_int_equal(parse_query(&query), ERR_FORMAT);
    start(0, 1, 0, 0, 0);
    put(BYTES("\1a\300\4\0\1\0\1"));
    assert_int_equal(parse_query(&query), ERR_FORMAT);
}

/* The question was readable: it stays, for the FORMERR. */
static void expect_format(void)
{
    struct query query;

    assert_int_equal(parse_query(&query), ERR_FORMAT);
    assert_int_equal(query.question.name_size, 13);
    assert_int_equal(query.question_end, 29);
}

static void query_malformed_rest(void **state)
{
    (void)state;
    start(0, 1, 1, 0, 0);
    put_question();
    put_record(BYTES("\0"), TYPE_A, 0, BYTES("\1\2\3\4"));
    expect_format();
    start(0, 1, 0, 1, 0);
    put_question();
    put_record(BYTES("\0"), TYPE_A, 0, BYTES("\1\2\3\4"));
    expect_format();
    start(0, 1, 0, 0, 1); /* counted, not there */
    put_question();
    expect_format();
    start(0, 1, 0, 0, 2); /* two OPTs */
    put_question();
    put_opt(1232, 0, BYTES(""));
    put_opt(1232, 0, BYTES(""));
    expect_format();
    start(0, 1, 0, 0, 1); /* OPT not at the root */
    put_question();
    put_record(BYTES("\1a\0"), TYPE_OPT, 0, BYTES(""));
    expect_format();
    start(0, 1, 0, 0, 1); /* half an option */
    put_question();
    put_opt(1232, 0, BYTES("\0\12\0\3ab"));
    expect_format();
    start(0, 1, 0, 0, 1);
    put_question();
    put_opt(1232, 0, BYTES("\0\12\0"));
    expect_format();
    start(0, 1, 0, 0, 1); /* RDATA longer than the message */
    put_question();
    put_opt(1232, 0, BYTES("\0\12\0\2ab"));
    out.at--;
    expect_format();
    start(0, 1, 0, 0, 1); /* an owner that loops */
    put_question();
    put_record(BYTES("\300\35"), TYPE_A, 0, BYTES(""));
    expect_format();
}

/* Bytes behind a query are ignored, as BIND, Unbound and dnsmasq do. */
static void query_with_junk_behind(void **state)
{
    struct query query;

    (void)state;
    start(0, 1, 0, 0, 0);
    put_question();
    put(BYTES("x"));
    assert_int_equal(parse_query(&query), 0);
    assert_int_equal(query.question_end, 29);
    start(0, 1, 0, 0, 1);
    put_question();
    put_opt(1232, 0x8000, BYTES(""));
    put(BYTES("junk"));
    assert_int_equal(parse_query(&query), 0);
    assert_true(query.edns.dnssec_ok);
}

static void query_bad_version(void **state)
{
    struct query query;

    (void)state;
    start(FLAG_RD, 1, 0, 0, 1);
    put_question();
    put_opt(4096, 0x00018000, BYTES("?")); /* options of a version that is yet to come */
    assert_int_equal(parse_query(&query), ERR_VERSION);
    assert_int_equal(query.question.name_size, 13);
    assert_true(query.edns.present);
    assert_true(query.edns.dnssec_ok);
    assert_int_equal(query.edns.version, 1);
    assert_int_equal(query.edns.udp_size, 4096);
}

/* -- responses --------------------------------------------------------------------------------- */

static void expect_record(const struct record *record, const char *owner, uint16_t type,
                          uint32_t ttl, const uint8_t *rdata, size_t size)
{
    char text[NAME_MAX_TEXT];

    assert_string_equal(name_to_text(record->owner, text), owner);
    assert_int_equal(record->type, type);
    assert_int_equal(record->class, CLASS_IN);
    assert_int_equal(record->ttl, ttl);
    assert_int_equal(record->rdata_size, size);
    assert_memory_equal(record->rdata, rdata, size);
}

static void response_with_all_sections(void **state)
{
    (void)state;
    start(FLAG_QR | FLAG_AA | RCODE_NXDOMAIN, 1, 2, 1, 3);
    put_question();
    put_record(BYTES("\300\14"), TYPE_CNAME, 300, BYTES("\1x\300\20"));
    put_record(BYTES("\1X\300\20"), TYPE_A, 0x7fffffff, BYTES("\300\0\2\1"));
    put_record(BYTES("\300\20"), TYPE_NS, 0x80000000, BYTES("\2ns\300\20"));
    put_record(BYTES("\0"), TYPE_TXT, 0xffffffff, BYTES("\1t"));
    put_opt(1400, 0x01008000, BYTES("\0\17\0\3\0\26x"));
    put_record(BYTES("\1k\0"), 65280, 5, BYTES("\300\14")); /* unknown: no names in it (RFC 3597) */
    assert_int_equal(parse(), 0);
    assert_int_equal(message->id, 0xabcd);
    assert_int_equal(message->flags, FLAG_QR | FLAG_AA | RCODE_NXDOMAIN);
    assert_int_equal(message->rcode, 16 + RCODE_NXDOMAIN);
    assert_int_equal(message->question.name_size, 13);
    assert_int_equal(message->answer_count, 2);
    assert_int_equal(message->authority_count, 1);
    assert_int_equal(message->additional_count, 2);
    expect_record(message_answers(message), "wWw.example.", TYPE_CNAME, 300,
                  BYTES("\1x\7example\0"));
    expect_record(message_answers(message) + 1, "X.example.", TYPE_A, 0x7fffffff,
                  BYTES("\300\0\2\1"));
    expect_record(message_authorities(message), "example.", TYPE_NS, 0, BYTES("\2ns\7example\0"));
    expect_record(message->records + 3, ".", TYPE_TXT, 0, BYTES("\1t")); /* RFC 2181 8 */
    expect_record(message->records + 4, "k.", 65280, 5, BYTES("\300\14"));
    assert_true(message->edns.present);
    assert_int_equal(message->edns.udp_size, 1400);
    assert_int_equal(message->edns.extended_rcode, 1);
    assert_int_equal(message->edns.options_size, 7);
    assert_memory_equal(message->edns.options, "\0\17\0\3\0\26x", 7);
}

static void response_parses_again_from_scratch(void **state)
{
    (void)state;
    response_with_all_sections(state);
    start(FLAG_QR, 0, 0, 0, 0);
    assert_int_equal(parse(), 0);
    assert_int_equal(message->question.name_size, 0);
    assert_int_equal(message->answer_count + message->authority_count + message->additional_count,
                     0);
    assert_false(message->edns.present);
    assert_null(message->edns.options);
    assert_int_equal(message->rcode, 0);
}

/* Cut anywhere before the additional section, it is refused: with ERR_SHORT where only bytes are missing. */
static void response_truncated(void **state)
{
    (void)state;
    start(FLAG_QR, 1, 1, 0, 1);
    put_question();
    put_record(BYTES("\300\14"), TYPE_MX, 1, BYTES("\0\1\1m\300\20"));
    size_t answers_end = out.at;
    put_opt(1232, 0, BYTES("\0\17\0\2\0\26"));
    assert_int_equal(parse(), 0);
    assert_true(message->edns.present);
    while (out.at > answers_end) {
        out.at--;
        assert_int_equal(parse(), 0);
        assert_int_equal(message->answer_count, 1);
        assert_false(message->edns.present);
    }
    while (out.at > 0) {
        out.at--;
        assert_int_equal(parse(), ERR_SHORT);
    }
}

static void response_malformed(void **state)
{
    (void)state;
    start(FLAG_QR, 2, 0, 0, 0);
    put_question();
    put_question();
    assert_int_equal(parse(), ERR_FORMAT);
    start(FLAG_QR, 1, 1, 0, 0);
    put_question();
    put_record(BYTES("\300\14"), TYPE_A, 0, BYTES("\1\2\3"));
    assert_int_equal(parse(), ERR_RDATA);
    start(FLAG_QR, 1, 1, 0, 0);
    put_question();
    put_record(BYTES("\300\35"), TYPE_A, 0, BYTES("\1\2\3\4"));
    assert_int_equal(parse(), ERR_POINTER);
    start(FLAG_QR, 1, 1, 0, 0);
    put_question();
    put_record(BYTES("\100a\0"), TYPE_A, 0, BYTES("\1\2\3\4"));
    assert_int_equal(parse(), ERR_NAME);
    start(FLAG_QR, 1, 0, 0, 0);
    put(BYTES("\300\14\0\1\0\1"));
    assert_int_equal(parse(), ERR_POINTER);
    start(FLAG_QR, 1, 1, 0, 0); /* RDATA whose name runs on into the next record */
    put_question();
    put_record(BYTES("\300\14"), TYPE_CNAME, 0, BYTES("\5a"));
    put(BYTES("bcde\0\0\0\0\0\0"));
    assert_int_equal(parse(), ERR_RDATA);
}

/* An OPT that stands where none may is no OPT; of two the first counts; broken options are none. */
static void response_odd_opt(void **state)
{
    (void)state;
    for (int section = 0; section < 2; section++) {
        start(FLAG_QR | FLAG_AA | RCODE_NXDOMAIN, 1, section == 0, section == 1, 0);
        put_question();
        put_opt(1232, 0, BYTES(""));
        assert_int_equal(parse(), 0);
        assert_false(message->edns.present);
        assert_int_equal(message->answer_count + message->authority_count, 0);
    }
    start(FLAG_QR, 1, 0, 0, 2);
    put_question();
    put_opt(1232, 0x8000, BYTES(""));
    put_opt(4096, 0x01000000, BYTES(""));
    assert_int_equal(parse(), 0);
    assert_true(message->edns.present && message->edns.dnssec_ok);
    assert_int_equal(message->edns.udp_size, 1232);
    assert_int_equal(message->rcode, 0);
    start(FLAG_QR, 1, 0, 0, 1);
    put_question();
    put_record(BYTES("\300\14"), TYPE_OPT, 0, BYTES(""));
    assert_int_equal(parse(), 0);
    assert_false(message->edns.present);
    start(FLAG_QR, 1, 0, 0, 1);
    put_question();
    put_opt(1232, 0x8000, BYTES("\0\17\0"));
    assert_int_equal(parse(), 0);
    assert_true(message->edns.present && message->edns.dnssec_ok);
    assert_null(message->edns.options);
}

/* -- what nobody needs ------------------------------------------------------------------------- */

/* The question's A, and what else `then` puts; counts of what is there and what is said to be. */
static void answer_with(unsigned extra_answers, unsigned authorities, unsigned additionals)
{
    start(FLAG_QR, 1, (uint16_t)(1 + extra_answers), (uint16_t)authorities, (uint16_t)additionals);
    put_question();
    put_record(BYTES("\300\14"), TYPE_A, 60, BYTES("\300\0\2\1"));
}

static void expect_counts(unsigned answers, unsigned authorities, unsigned additionals)
{
    assert_int_equal(parse(), 0);
    assert_int_equal(message->answer_count, answers);
    assert_int_equal(message->authority_count, authorities);
    assert_int_equal(message->additional_count, additionals);
}

static void response_with_a_broken_end(void **state)
{
    (void)state;
    answer_with(0, 0, 1); /* counted, and not there */
    expect_counts(1, 0, 0);
    answer_with(0, 1, 0);
    expect_counts(1, 0, 0);
    answer_with(0, 0, 0); /* behind the message */
    put(BYTES("\0\1\2"));
    expect_counts(1, 0, 0);
    answer_with(0, 0, 3); /* broken RDATA, and the next */
    put_record(BYTES("\300\20"), TYPE_A, 1, BYTES("\1\2\3"));
    put_record(BYTES("\300\20"), TYPE_A, 1, BYTES("\300\0\2\2"));
    put_opt(1232, 0, BYTES(""));
    expect_counts(1, 0, 1);
    assert_true(message->edns.present);
    answer_with(0, 0, 1); /* an owner that cannot be read */
    put_record(BYTES("\300\377"), TYPE_A, 1, BYTES("\1\2\3\4"));
    expect_counts(1, 0, 0);
    answer_with(0, 2, 0);
    put_record(BYTES("\300\20"), TYPE_NS, 1, BYTES("\377\377"));
    put_record(BYTES("\300\20"), TYPE_NS, 1, BYTES("\300\20"));
    expect_counts(1, 1, 0);
    assert_false(message->authority_whole);
    answer_with(0, 1, 1);
    put_record(BYTES("\300\20"), TYPE_NS, 1, BYTES("\300\20"));
    put_record(BYTES("\300\20"), TYPE_A, 1, BYTES("\1\2\3"));
    expect_counts(1, 1, 0);
    assert_true(message->authority_whole);
}

/* A record of the answer section that is not on the way from the question may be broken; others may not. */
static void response_with_a_broken_answer(void **state)
{
    static const struct {
        const uint8_t *owner;
        size_t owner_size;
        uint16_t type;
        bool cname; /* the question's name is an alias of x.example */
        int want;
    } cases[] = {
        {BYTES("\1x\300\20"), TYPE_A, false, 0},
        {BYTES("\300\14"), TYPE_AAAA, false, 0},
        {BYTES("\300\14"), TYPE_A, false, ERR_RDATA},
        {BYTES("\1x\300\20"), TYPE_A, true, ERR_RDATA},
        {BYTES("\1y\300\20"), TYPE_A, true, 0},
        {BYTES("\300\14"), TYPE_CNAME, false, ERR_RDATA},
        {BYTES("\1x\300\20"), TYPE_CNAME, true, ERR_RDATA},
        {BYTES("\300\20"), TYPE_DNAME, false, ERR_RDATA},
        {BYTES("\1x\300\20"), TYPE_DNAME, false, 0},
        {BYTES("\300\14"), TYPE_RRSIG, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(FLAG_QR, 1, 2, 0, 0);
        put_question();
        put_record(cases[i].owner, cases[i].owner_size, cases[i].type, 60, BYTES("\300"));
        if (cases[i].cname)
            put_record(BYTES("\300\14"), TYPE_CNAME, 60, BYTES("\1x\300\20"));
        else
            put_record(BYTES("\300\14"), TYPE_A, 60, BYTES("\300\0\2\1"));
        int got = parse();
        if (got != cases[i].want)
            print_error("case %zu: %d\n", i, got);
        assert_int_equal(got, cases[i].want);
    }
    start(FLAG_QR, 1, 2, 0, 1); /* who asked with DO needs the signatures */
    put_question();
    put_record(BYTES("\300\14"), TYPE_A, 60, BYTES("\300\0\2\1"));
    put_record(BYTES("\300\14"), TYPE_RRSIG, 60, BYTES("\0\1"));
    put_opt(1232, 0x8000, BYTES(""));
    assert_int_equal(parse(), ERR_RDATA);
}

/* Without an answer, the authority section tells whether there is none. */
static void response_without_answer_and_authority(void **state)
{
    static const uint8_t soa[] = "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";
    (void)state;
    start(FLAG_QR, 1, 0, 1, 0);
    put_question();
    put_record(BYTES("\300\20"), TYPE_SOA, 60, BYTES("\0\0"));
    assert_int_equal(parse(), ERR_RDATA);
    wire_put_u16(wire + 2, FLAG_QR | RCODE_NXDOMAIN); /* the RCODE does, too */
    expect_counts(0, 0, 0);
    start(FLAG_QR, 1, 0, 2, 0);
    put_question();
    put_record(BYTES("\300\20"), TYPE_SOA, 60, soa, sizeof soa - 1);
    put_record(BYTES("\300\20"), TYPE_NS, 60, BYTES("\377"));
    expect_counts(0, 1, 0);
}

/* As many records as 64 KiB can hold: all are kept. */
static void response_full_of_records(void **state)
{
    uint16_t count = 0;

    (void)state;
    start(FLAG_QR, 0, 0, 0, 0);
    while (out.at + 11 <= DNS_MAX_MESSAGE) {
        put_record(BYTES("\0"), 65280, 1, BYTES(""));
        count++;
    }
    wire_put_u16(wire + 6, count);
    assert_int_equal(parse(), 0);
    assert_int_equal(message->answer_count, count);
    assert_true(count > 5900);
}

/* Writes names of 255 bytes and then records that name them by pointer: 20 times their size. */
static void response_bomb_is_bounded(void **state)
{
    uint16_t count = 1;

    (void)state;
    start(FLAG_QR, 0, 0, 0, 0);
    for (int i = 0; i < 127; i++)
        put(BYTES("\1a"));
    put_record(BYTES("\0"), TYPE_A, 1, BYTES("\1\2\3\4"));
    for (; out.at + 14 <= DNS_MAX_MESSAGE; count++)
        put_record(BYTES("\300\14"), TYPE_NS, 1, BYTES("\300\14"));
    wire_put_u16(wire + 6, count);
    assert_int_equal(parse(), ERR_SPACE);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/*
 * 8 KiB of pointers, each to the one before, then records whose names start as far down the chain
 * as is allowed: what a name costs is bounded, and so is the message. Generous for sanitizer
 * builds.
 */
static void response_of_pointers_takes_no_time(void **state)
{
    uint16_t count = 1;

    (void)state;
    start(FLAG_QR, 0, 0, 0, 0);
    put_record(BYTES("\0"), 65280, 1, BYTES(""));
    size_t size_at = out.at - 2, first = out.at;
    wire_write_u16(&out, 0xc00c);
    for (int i = 1; i < 4000; i++)
        wire_write_u16(&out, (uint16_t)(0xc000 | (out.at - 2)));
    wire_put_u16(wire + size_at, (uint16_t)(out.at - first));
    size_t records_at = out.at;
    for (int i = 0; i < 2; i++) { /* at the bound, then past it */
        uint8_t pointer[2];
        out.at = records_at;
        wire_put_u16(pointer, (uint16_t)(0xc000 | (first + 2 * (size_t)(126 + i))));
        for (count = 1; out.at + 14 <= DNS_MAX_MESSAGE; count++)
            put_record(pointer, 2, TYPE_NS, 1, pointer, 2);
        wire_put_u16(wire + 6, count);
        double before = seconds();
        assert_int_equal(parse(), i == 0 ? 0 : ERR_POINTER);
        assert_true(seconds() - before < 0.25);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_plain),
        cmocka_unit_test(query_with_edns),
        cmocka_unit_test(query_ignores_other_additionals),
        cmocka_unit_test(query_too_short),
        cmocka_unit_test(query_is_no_response),
        cmocka_unit_test(query_of_other_opcode),
        cmocka_unit_test(query_malformed_question),
        cmocka_unit_test(query_name_is_not_compressed),
        cmocka_unit_test(query_malformed_rest),
        cmocka_unit_test(query_with_junk_behind),
        cmocka_unit_test(query_bad_version),
        cmocka_unit_test(response_with_all_sections),
        cmocka_unit_test(response_parses_again_from_scratch),
        cmocka_unit_test(response_truncated),
        cmocka_unit_test(response_malformed),
        cmocka_unit_test(response_odd_opt),
        cmocka_unit_test(response_with_a_broken_end),
        cmocka_unit_test(response_with_a_broken_answer),
        cmocka_unit_test(response_without_answer_and_authority),
        cmocka_unit_test(response_full_of_records),
        cmocka_unit_test(response_bomb_is_bounded),
        cmocka_unit_test(response_of_pointers_takes_no_time),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
