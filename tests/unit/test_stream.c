/*
 * test_stream.c - queries over TCP, on a real loop, to servers that answer some of them, or close, or do nothing.
 */
#include "tests/unit/cmocka_all.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/build.h"
#include "resolver/net/clock.h"
#include "resolver/net/clockwork.h"
#include "resolver/net/stream.h"

enum { QUERIES = 400, TIMEOUT_MS = 3000, LENGTH_SIZE = 2, FOR_EVER = 1 << 30 };

struct asked {
    struct exchange_request request;
    unsigned done;
    int status;
    bool same; /* the response is the query's */
};

static struct fixture {
    struct event_base *base;
    struct clockwork *clockwork;
    struct evconnlistener *listener;
    struct sockaddr_storage address;
    struct stream *stream;
    size_t answers; /* on one connection: then it is closed */
    bool last_first, without_question, deaf;
    size_t connections, open, most_open, done, wanted;
    bool sending;
    struct asked asked[QUERIES];
} f;

/* ---- the server ----------------------------------------------------------------------------- */

static void gone(struct bufferevent *events, short what, void *left)
{
    (void)what;
    free(left);
    bufferevent_free(events);
    f.open--;
}

/* At once and past the buffer: what was answered is on its way when the connection is closed. */
static void answer(struct bufferevent *events, uint8_t *message, size_t size)
{
    message[LENGTH_SIZE + 2] |= 0x80; /* QR */
    if (f.without_question) {
        static const uint8_t rest[] = {0x80, RCODE_FORMERR, 0, 0, 0, 0, 0, 0, 0, 0};
        memcpy(message + LENGTH_SIZE + 2, rest, sizeof rest);
        wire_put_u16(message, DNS_HEADER_SIZE);
        size = DNS_HEADER_SIZE;
    }
    assert_int_equal(send(bufferevent_getfd(events), message, LENGTH_SIZE + size, MSG_NOSIGNAL),
                     (ssize_t)(LENGTH_SIZE + size));
}

/* The next query, or 0: there is none. */
static size_t take(struct evbuffer *in, uint8_t message[LENGTH_SIZE + EXCHANGE_MAX_QUERY])
{
    if (f.deaf || evbuffer_copyout(in, message, LENGTH_SIZE) != LENGTH_SIZE ||
        evbuffer_get_length(in) < (size_t)LENGTH_SIZE + wire_get_u16(message))
        return 0;
    evbuffer_remove(in, message, (size_t)LENGTH_SIZE + wire_get_u16(message));
    return wire_get_u16(message);
}

static void asked_of_server(struct bufferevent *events, void *arg)
{
    size_t *left = arg, size, before = 0;
    uint8_t message[LENGTH_SIZE + EXCHANGE_MAX_QUERY], last[LENGTH_SIZE + EXCHANGE_MAX_QUERY];
    while (*left > 0 && (size = take(bufferevent_get_input(events), message)) > 0) {
        if (f.last_first && before == 0) {
            memcpy(last, message, LENGTH_SIZE + size);
            before = size;
            continue;
        }
        answer(events, message, size);
        --*left;
    }
    if (before > 0)
        answer(events, last, before);
    if (*left == 0)
        gone(events, 0, arg);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                     int size, void *arg)
{
    (void)listener, (void)from, (void)size, (void)arg;
    size_t *left = malloc(sizeof *left);
    struct bufferevent *events = bufferevent_socket_new(f.base, fd, BEV_OPT_CLOSE_ON_FREE);
    *left = f.answers;
    f.connections++;
    f.open++;
    f.most_open = f.open > f.most_open ? f.open : f.most_open;
    bufferevent_setcb(events, asked_of_server, NULL, gone, left);
    bufferevent_enable(events, EV_READ | EV_WRITE);
}

static int setup(void **state)
{
    (void)state;
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memset(&f, 0, sizeof f);
    f.answers = FOR_EVER;
    f.base = event_base_new();
    f.clockwork = clockwork_new(f.base);
    f.listener = evconnlistener_new_bind(f.base, accepted, NULL, LEV_OPT_CLOSE_ON_FREE, 512,
                                         (const struct sockaddr *)&any, sizeof any);
    if (!f.listener)
        return -1;
    socklen_t length = sizeof f.address;
    getsockname(evconnlistener_get_fd(f.listener), (struct sockaddr *)&f.address, &length);
    f.stream =
        stream_new(f.base, clockwork_wheel(f.clockwork), (struct sockaddr *)&f.address, NULL);
    return f.stream ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    stream_free(f.stream);
    for (int i = 0; i < 20 && f.open > 0; i++) /* the server's connections are closed */
        event_base_loop(f.base, EVLOOP_ONCE);
    if (f.listener)
        evconnlistener_free(f.listener);
    clockwork_free(f.clockwork);
    event_base_free(f.base);
    return 0;
}

/* ---- asking --------------------------------------------------------------------------------- */

static void done(struct exchange_request *request, const struct exchange_response *response)
{
    struct asked *asked = (struct asked *)request;
    assert_false(f.sending);
    asked->done++;
    asked->status = response->status;
    asked->same = response->status == ERR_OK && response->size == request->size &&
                  memcmp(response->bytes + DNS_HEADER_SIZE, request->bytes + DNS_HEADER_SIZE,
                         request->size - (size_t)DNS_HEADER_SIZE) == 0;
    if (++f.done == f.wanted)
        event_base_loopbreak(f.base);
}

static void ask(size_t i, uint64_t timeout_ms)
{
    struct asked *asked = &f.asked[i];
    struct question question = {.type = TYPE_A, .class = CLASS_IN};
    char name[32];
    snprintf(name, sizeof name, "n%zu.example.", i);
    question.name_size = (uint8_t)name_from_text(name, question.name);
    int size = build_query(asked->request.bytes, EXCHANGE_MAX_QUERY, &question,
                           &(struct query_shape){.id = (uint16_t)(i % 7)}); /* IDs are not unique */
    assert_true(size > 0);
    asked->request.size = (uint16_t)size;
    asked->request.done = done;
    asked->request.deadline = mono_add(micro_ms(micro_now()), timeout_ms);
    f.sending = true;
    stream_send(f.stream, &asked->request);
    f.sending = false;
}

static void ask_all(size_t count)
{
    f.done = 0;
    f.wanted = count;
    memset(f.asked, 0, sizeof f.asked);
    for (size_t i = 0; i < count; i++)
        ask(i, TIMEOUT_MS);
    event_base_loopexit(f.base, &(struct timeval){.tv_sec = 10});
    event_base_dispatch(f.base);
}

static void expect(size_t count, int status)
{
    assert_int_equal(f.done, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(f.asked[i].done, 1);
        assert_int_equal(f.asked[i].status, status);
        assert_int_equal(f.asked[i].same, status == ERR_OK);
    }
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void many_share_a_few_connections(void **state)
{
    (void)state;
    ask_all(QUERIES);
    expect(QUERIES, ERR_OK);
    assert_in_range(f.connections, STREAM_CONNECTIONS, QUERIES / STREAM_QUERIES_PER_CONNECTION + 4);
}

static void answers_come_in_any_order(void **state)
{
    (void)state;
    f.last_first = true;
    ask_all(60);
    expect(60, ERR_OK);
}

/* What it has not answered is asked for by another connection; and before long each query has its own. */
static void a_server_may_close_after_some_answers(void **state)
{
    (void)state;
    static const size_t answers[] = {1, 2, 10};
    for (size_t i = 0; i < 3; i++) {
        if (i > 0)
            assert_int_equal(teardown(NULL) + setup(NULL), 0);
        f.answers = answers[i];
        ask_all(QUERIES);
        expect(QUERIES, ERR_OK);
        assert_true(f.most_open > 1);
        ask_all(QUERIES);
        expect(QUERIES, ERR_OK);
    }
}

static void who_closes_without_an_answer_is_given_up(void **state)
{
    (void)state;
    f.answers = 0;
    ask_all(10);
    expect(10, ERR_SYSTEM);
    assert_in_range(f.connections, 2, 30);
}

static void nobody_there_is_told_at_once(void **state)
{
    (void)state;
    evconnlistener_free(f.listener);
    f.listener = NULL;
    uint64_t began = micro_now().us;
    ask_all(10);
    expect(10, ERR_SYSTEM);
    assert_true(micro_now().us - began < 1000000);
}

/* Each query ends at its deadline; the next ones go elsewhere. */
static void silence_ends_at_the_deadline(void **state)
{
    (void)state;
    f.deaf = true;
    f.wanted = 2;
    ask(0, 200);
    ask(1, 300);
    uint64_t began = micro_now().us;
    event_base_dispatch(f.base);
    expect(2, ERR_TIMEOUT);
    assert_in_range(micro_now().us - began, 290000, 2000000);
    f.deaf = false;
    ask_all(10);
    expect(10, ERR_OK);
}

static void an_error_needs_no_question(void **state)
{
    (void)state;
    f.without_question = true;
    f.wanted = 1;
    ask(0, TIMEOUT_MS);
    event_base_loopexit(f.base, &(struct timeval){.tv_sec = 5});
    event_base_dispatch(f.base);
    assert_true(f.done == 1 && f.asked[0].status == ERR_OK && !f.asked[0].same);
}

static void what_is_under_way_ends_with_the_stream(void **state)
{
    (void)state;
    f.deaf = true;
    f.wanted = FOR_EVER;
    for (size_t i = 0; i < 100; i++)
        ask(i, TIMEOUT_MS);
    event_base_loop(f.base, EVLOOP_NONBLOCK);
    stream_free(f.stream);
    f.stream = NULL;
    expect(100, ERR_TIMEOUT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(many_share_a_few_connections),
        TEST(answers_come_in_any_order),
        TEST(a_server_may_close_after_some_answers),
        TEST(who_closes_without_an_answer_is_given_up),
        TEST(nobody_there_is_told_at_once),
        TEST(silence_ends_at_the_deadline),
        TEST(an_error_needs_no_question),
        TEST(what_is_under_way_ends_with_the_stream),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
