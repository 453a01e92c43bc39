/*
 * test_reply.c - header and OPT around a body: what a client is told, in what shape, and how it is cut.
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "resolver/answer/cookie.h"
#include "resolver/answer/reply.h"
#include "tests/unit/fake/world.h"

static const uint8_t body[] = {0xc0, 12, 0, TYPE_A, 0, CLASS_IN, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
static const uint8_t option[] = {0xff, 0x25, 0, 4, 1, 2, 3, 4};

static struct fixture {
    struct question question;
    uint8_t query[512];
    struct query parsed;
    uint8_t reply[DNS_MAX_MESSAGE];
    struct message *message;
} f;

static int setup(void **state)
{
    (void)state;
    f.message = message_new();
    return f.message ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    message_free(f.message);
    return 0;
}

/* A query of this shape; `udp_size` 0: as freshet itself sends it. */
static struct reply_shape shape_for(const struct query_shape *shape, uint16_t udp_size, bool stream)
{
    enum { UDP_SIZE_FROM_END = 8 };
    f.question = fake_question("www.Example.com.", TYPE_A);
    int size = build_query(f.query, sizeof f.query, &f.question, shape);
    assert_true(size > 0);
    if (udp_size > 0)
        wire_put_u16(f.query + size - UDP_SIZE_FROM_END, udp_size);
    assert_int_equal(query_parse(f.query, (size_t)size, &f.parsed), ERR_OK);
    return reply_shape_of(&f.parsed, stream);
}

/* Makes the reply and reads it again. */
static size_t finish(const struct reply_shape *shape, const struct reply_content *content)
{
    size_t end = f.parsed.question_end;
    memcpy(f.reply + DNS_HEADER_SIZE, f.query + DNS_HEADER_SIZE, end - DNS_HEADER_SIZE);
    memcpy(f.reply + end, body, sizeof body);
    size_t size = reply_finish(f.reply, end, shape, content);
    assert_true(size <= shape->limit);
    assert_int_equal(message_parse(f.message, f.reply, size), ERR_OK);
    return size;
}

static const struct reply_content one_record = {
    .counts = {1, 0, 0}, .body_size = sizeof body, .ede = EDE_NONE};

static void a_reply_repeats_what_was_asked(void **state)
{
    (void)state;
    struct reply_shape shape =
        shape_for(&(struct query_shape){.id = 0xabcd, .checking_disabled = true}, 0, false);
    finish(&shape, &one_record);
    assert_int_equal(f.message->id, 0xabcd);
    assert_int_equal(f.message->flags & ~FLAG_RCODE, FLAG_QR | FLAG_RD | FLAG_RA | FLAG_CD);
    assert_memory_equal(f.message->question.name, f.question.name, f.question.name_size);
    assert_int_equal(f.message->answer_count, 1);
    assert_false(f.message->edns.present);
}

/* RFC 6891 6.1.1: whoever sends OPT gets OPT, and nobody else. */
static void edns_answers_edns(void **state)
{
    (void)state;
    struct reply_shape shape =
        shape_for(&(struct query_shape){.edns = true, .dnssec_ok = true}, 0, false);
    finish(&shape, &one_record);
    assert_true(f.message->edns.present && f.message->edns.dnssec_ok);
    assert_int_equal(f.message->edns.udp_size, DNS_EDNS_UDP);
    assert_int_equal(f.message->edns.options_size, 0);
}

static void a_client_gets_no_more_than_it_takes(void **state)
{
    (void)state;
    static const struct {
        bool edns, stream;
        uint16_t says, limit;
    } cases[] = {
        {false, false, 0, DNS_CLASSIC_UDP},
        {true, false, 100, DNS_CLASSIC_UDP}, /* RFC 6891 6.2.3 */
        {true, false, 1000, 1000},
        {true, false, 4096, DNS_EDNS_UDP},
        {true, true, 600, DNS_MAX_MESSAGE},
        {false, true, 0, DNS_MAX_MESSAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply_shape shape =
            shape_for(&(struct query_shape){.edns = cases[i].edns}, cases[i].says, cases[i].stream);
        size_t taken = f.parsed.question_end + (cases[i].edns ? DNS_OPT_SIZE : 0);
        assert_int_equal(shape.limit, cases[i].limit);
        assert_int_equal(reply_room(&shape, f.parsed.question_end), cases[i].limit - taken);
    }
}

static void what_does_not_fit_is_left_out_and_said(void **state)
{
    (void)state;
    struct reply_shape shape = shape_for(&(struct query_shape){.edns = true}, 0, false);
    struct reply_content content = one_record;
    content.truncated = true;
    content.body_size = 5000;
    size_t size = finish(&shape, &content);
    assert_true(f.message->flags & FLAG_TC);
    assert_int_equal(f.message->answer_count, 0);
    assert_true(f.message->edns.present);
    assert_int_equal(size, f.parsed.question_end + DNS_OPT_SIZE);
}

/* "Validated" is for those who show that they know the word (RFC 6840 5.8). */
static void validated_is_said_to_those_who_understand(void **state)
{
    (void)state;
    struct reply_content content = one_record;
    content.flags = FLAG_AD;
    struct reply_shape shape = shape_for(&(struct query_shape){.edns = true}, 0, false);
    finish(&shape, &content);
    assert_false(f.message->flags & FLAG_AD);
    f.parsed.flags |= FLAG_AD;
    shape = reply_shape_of(&f.parsed, false);
    finish(&shape, &content);
    assert_true(f.message->flags & FLAG_AD);
    shape.trust_ad = false; /* the upstream is not trusted with it */
    finish(&shape, &content);
    assert_false(f.message->flags & FLAG_AD);
    shape = shape_for(&(struct query_shape){.edns = true, .dnssec_ok = true}, 0, false);
    finish(&shape, &content);
    assert_true(f.message->flags & FLAG_AD);
}

/* A body in the place of the one that finish() puts, as the answer to a question for a CNAME; asked is ANY. */
static void finish_any(const struct reply_content *content, const uint8_t *bytes)
{
    struct reply_shape shape = shape_for(&(struct query_shape){.edns = true}, 0, false);
    size_t end = f.parsed.question_end;
    f.parsed.question.type = TYPE_ANY;
    shape = reply_shape_of(&f.parsed, false);
    assert_true(shape.any);
    memcpy(f.reply + DNS_HEADER_SIZE, f.query + DNS_HEADER_SIZE, end - DNS_HEADER_SIZE);
    wire_put_u16(f.reply + end - 4, TYPE_CNAME);
    if (bytes)
        memcpy(f.reply + end, bytes, content->body_size);
    size_t size = reply_finish(f.reply, end, &shape, content);
    assert_int_equal(message_parse(f.message, f.reply, size), ERR_OK);
    assert_int_equal(f.message->question.type, TYPE_ANY);
    assert_true(f.message->edns.present);
}

static void expect_hinfo(uint32_t ttl)
{
    assert_int_equal(f.message->rcode, RCODE_NOERROR);
    assert_int_equal(f.message->flags & FLAG_AD, 0);
    assert_int_equal(f.message->answer_count, 1);
    assert_int_equal(f.message->authority_count, 0);
    assert_int_equal(f.message->records[0].type, TYPE_HINFO);
    assert_int_equal(f.message->records[0].ttl, ttl);
    assert_memory_equal(f.message->records[0].rdata, "\7RFC8482", 9);
    assert_true(name_equal(f.message->records[0].owner, f.question.name));
}

/* RFC 8482 4.2: HINFO where the name is there and no alias, and nowhere else. */
static void any_is_one_small_record(void **state)
{
    (void)state;
    static const uint8_t cname[] = {0xc0, 12, 0,  TYPE_CNAME, 0, CLASS_IN, 0,
                                    0,    0,  60, 0,          2, 0xc0,     16};
    static const uint8_t soa[] = {
        7, 'E', 'x', 'a', 'm', 'p', 'l', 'e', 0xc0, 24, 0, TYPE_SOA, 0, 1, 0, 0, 0, 9, 0, 22, 0,
        0, 0,   0,   0,   1,   0,   0,   0,   2,    0,  0, 0,        3, 0, 0, 0, 4, 0, 0, 0,  5};
    struct reply_content none = {
        .flags = FLAG_AD, .counts = {0, 1, 0}, .body_size = sizeof soa, .ede = EDE_NONE};
    finish_any(&none, soa);
    expect_hinfo(9); /* no longer than the SOA says, where a change may come */
    none.outside = true;
    finish_any(&none, soa);
    expect_hinfo(3600);
    none.truncated = true;
    finish_any(&none, NULL);
    expect_hinfo(3600);
    finish_any(&(struct reply_content){.ede = EDE_NONE}, NULL);
    expect_hinfo(0);
    none = (struct reply_content){
        .flags = RCODE_NXDOMAIN, .counts = {0, 1, 0}, .body_size = sizeof soa, .ede = EDE_NONE};
    finish_any(&none, soa);
    assert_int_equal(f.message->rcode, RCODE_NXDOMAIN);
    assert_int_equal(f.message->authority_count, 1);
    finish_any(
        &(struct reply_content){.counts = {1, 0, 0}, .body_size = sizeof cname, .ede = EDE_NONE},
        cname);
    assert_int_equal(f.message->answer_count, 1);
    assert_int_equal(f.message->records[0].type, TYPE_CNAME);
    finish_any(&(struct reply_content){.flags = RCODE_SERVFAIL, .ede = EDE_NONE}, NULL);
    assert_int_equal(f.message->rcode, RCODE_SERVFAIL);
    assert_int_equal(f.message->answer_count, 0);
}

static void an_error_comes_with_its_reason(void **state)
{
    (void)state;
    struct reply_shape shape = shape_for(&(struct query_shape){.edns = true}, 0, false);
    finish(&shape, &(struct reply_content){.flags = RCODE_SERVFAIL, .ede = EDE_NETWORK_ERROR});
    assert_int_equal(f.message->rcode, RCODE_SERVFAIL);
    assert_int_equal(f.message->edns.options_size, 6);
    assert_memory_equal(f.message->edns.options, ((uint8_t[]){0, 15, 0, 2, 0, 23}), 6);
    finish(&shape, &(struct reply_content){.rcode_high = 1, .ede = EDE_NONE});
    assert_int_equal(f.message->rcode, RCODE_BADVERS);
    /* Without EDNS there is no place for it. */
    shape = shape_for(&(struct query_shape){.edns = false}, 0, false);
    finish(&shape, &(struct reply_content){.flags = RCODE_SERVFAIL, .ede = EDE_NETWORK_ERROR});
    assert_int_equal(f.message->rcode, RCODE_SERVFAIL);
}

static void a_child_is_told_our_position(void **state)
{
    (void)state;
    struct reply_shape shape = shape_for(&(struct query_shape){.edns = true}, 0, false);
    shape.option = option;
    shape.option_size = sizeof option;
    shape.options = true;
    struct reply_content content = one_record;
    content.ede = EDE_STALE_ANSWER;
    finish(&shape, &content);
    assert_int_equal(f.message->edns.options_size, sizeof option + 6);
    assert_memory_equal(f.message->edns.options, option, sizeof option);
    /* Unless the data may be older than that. */
    content.behind = true;
    finish(&shape, &content);
    assert_int_equal(f.message->edns.options_size, 6);
}

/* The position has its room from the start; the reason for an error comes along if there is still some. */
static void options_never_pass_the_limit(void **state)
{
    (void)state;
    struct reply_shape shape = shape_for(&(struct query_shape){.edns = true}, 0, false);
    struct reply_content content = one_record;
    content.ede = EDE_STALE_ANSWER;
    shape.option = option;
    shape.option_size = sizeof option;
    shape.options = true;
    size_t least = f.parsed.question_end + sizeof body + DNS_OPT_SIZE + sizeof option;
    for (size_t room = 0; room <= 6; room++) {
        shape.limit = (uint16_t)(least + room);
        assert_int_equal(finish(&shape, &content), least + (room == 6 ? 6 : 0));
    }
    shape.limit = (uint16_t)(least - 1);
    assert_int_equal(reply_room(&shape, f.parsed.question_end), sizeof body - 1);
    shape.limit = 20;
    assert_int_equal(reply_room(&shape, f.parsed.question_end), 0);
}

static void a_reply_may_have_no_question(void **state)
{
    (void)state;
    struct reply_shape shape = {.id = 7, .flags = FLAG_RD, .limit = DNS_CLASSIC_UDP};
    size_t size = reply_finish(f.reply, DNS_HEADER_SIZE, &shape,
                               &(struct reply_content){.flags = RCODE_FORMERR, .ede = EDE_NONE});
    assert_int_equal(size, DNS_HEADER_SIZE);
    assert_int_equal(wire_get_u16(f.reply + 4), 0);
    assert_int_equal(wire_get_u16(f.reply + 2) & FLAG_RCODE, RCODE_FORMERR);
}

/* For a way that takes less than the client does. */
static void a_reply_can_be_cut_afterwards(void **state)
{
    (void)state;
    static const uint8_t cookie[COOKIE_OPTION_SIZE] = {0, EDNS_OPTION_COOKIE, 0, 24, 1};
    for (int edns = 0; edns < 2; edns++) {
        struct reply_shape shape =
            shape_for(&(struct query_shape){.id = 9, .edns = edns}, 0, false);
        shape.cookie = edns ? cookie : NULL;
        shape.options = edns;
        size_t size = finish(&shape, &(struct reply_content){.counts = {1, 0, 0},
                                                             .body_size = sizeof body,
                                                             .ede = edns ? EDE_OTHER : EDE_NONE});
        size_t cut = reply_cut(f.reply, size);
        assert_int_equal(cut, size - sizeof body);
        assert_int_equal(message_parse(f.message, f.reply, cut), ERR_OK);
        assert_true(f.message->flags & FLAG_TC);
        assert_int_equal(f.message->answer_count, 0);
        assert_int_equal(f.message->edns.present, edns);
        assert_int_equal(f.message->edns.options_size, edns ? sizeof cookie + 6 : 0);
        assert_int_equal(reply_cut(f.reply, cut), 0); /* it can only be cut once */
    }
    for (size_t size = 0; size < DNS_HEADER_SIZE + 20; size++) {
        f.reply[2] &= (uint8_t) ~(FLAG_TC >> 8);
        assert_true(reply_cut(f.reply, size) <= size); /* whatever it is */
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_reply_repeats_what_was_asked),
        TEST(edns_answers_edns),
        TEST(a_client_gets_no_more_than_it_takes),
        TEST(what_does_not_fit_is_left_out_and_said),
        TEST(validated_is_said_to_those_who_understand),
        TEST(any_is_one_small_record),
        TEST(an_error_comes_with_its_reason),
        TEST(a_child_is_told_our_position),
        TEST(options_never_pass_the_limit),
        TEST(a_reply_may_have_no_question),
        TEST(a_reply_can_be_cut_afterwards),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
