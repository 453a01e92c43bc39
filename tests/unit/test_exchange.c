/*
 * test_exchange.c - which message is the response to which query.
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "dns/build.h"
#include "resolver/answer/exchange.h"

enum { ID = 0x1234, FLAGS_AT = 2, COUNT_AT = 4, CLASS_SIZE = 2, MOST = 512 };

static struct exchange_request request;
static uint8_t response[MOST];

static int setup(void **state)
{
    (void)state;
    struct question question = {.type = TYPE_A, .class = 32}; /* an unknown class is one */
    int size = name_from_text("Www.example.com.", question.name);
    assert_true(size > 0);
    question.name_size = (uint8_t)size;
    size =
        build_query(request.bytes, EXCHANGE_MAX_QUERY, &question, &(struct query_shape){.id = ID});
    assert_true(size > 0);
    request.size = (uint16_t)size;
    memset(response, 0xff, sizeof response);
    memcpy(response, request.bytes, request.size);
    response[FLAGS_AT] |= FLAG_QR >> 8;
    return 0;
}

static void it_has_its_id_and_question(void **state)
{
    (void)state;
    assert_true(exchange_answers(&request, response, request.size));
    assert_true(exchange_answers(&request, response, MOST)); /* whatever follows */
    response[1] ^= 1;
    assert_false(exchange_answers(&request, response, request.size));
    response[1] ^= 1;
    response[DNS_HEADER_SIZE + 1] ^= 0x20; /* another spelling */
    assert_true(exchange_answers(&request, response, request.size));
    response[DNS_HEADER_SIZE + 1] = 'v';
    assert_false(exchange_answers(&request, response, request.size));
    response[DNS_HEADER_SIZE + 1] = 'W';
    response[request.size - CLASS_SIZE - 1] ^= 1; /* the type */
    assert_false(exchange_answers(&request, response, request.size));
}

static void it_is_a_response(void **state)
{
    (void)state;
    assert_false(exchange_answers(&request, request.bytes, request.size));
    response[FLAGS_AT] |= 0x20; /* NOTIFY */
    assert_false(exchange_answers(&request, response, request.size));
}

static void none_is_read_past_its_end(void **state)
{
    (void)state;
    for (size_t size = 0; size < request.size; size++)
        assert_false(exchange_answers(&request, response, size));
}

static void an_error_may_lack_the_question(void **state)
{
    (void)state;
    wire_put_u16(response + COUNT_AT, 0);
    assert_false(exchange_answers(&request, response, DNS_HEADER_SIZE));
    response[FLAGS_AT + 1] |= RCODE_FORMERR;
    assert_true(exchange_answers(&request, response, DNS_HEADER_SIZE));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(it_has_its_id_and_question),
        TEST(it_is_a_response),
        TEST(none_is_read_past_its_end),
        TEST(an_error_may_lack_the_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
