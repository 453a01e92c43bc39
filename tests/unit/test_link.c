/*
 * test_link.c - simulated distance on a real loop: every query ends once, never early, and never
 * while it is sent.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/build.h"
#include "resolver/net/clock.h"
#include "resolver/net/forward.h"
#include "resolver/net/link.h"

enum { QUERIES = 2000, TIMEOUT_MS = 3000, DEADLINE_S = 10, ROOM = 212992 };

struct asked {
    struct exchange_request request;
    uint64_t sent_us, done_us;
    unsigned done;
    int status;
    bool same; /* the response is the query's */
};

static struct bench {
    struct event_base *base;
    int fd;
    struct event *readable;
    struct exchange *forward;
    bool sending;
    size_t done, seen;
    struct asked asked[QUERIES];
} bench;

/* The server: sends each query back as a response. */
static void echo(evutil_socket_t fd, short what, void *arg)
{
    (void)what, (void)arg;
    uint8_t bytes[512];
    struct sockaddr_in from;
    socklen_t from_size = sizeof from;
    ssize_t size;
    while ((size = recvfrom(fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from,
                            &from_size)) > 0) {
        bench.seen++;
        bytes[2] |= 0x80; /* QR */
        (void)sendto(fd, bytes, (size_t)size, 0, (struct sockaddr *)&from, from_size);
    }
}

static void done(struct exchange_request *request, const struct exchange_response *response)
{
    struct asked *asked = (struct asked *)request;
    assert_false(bench.sending);
    asked->done++;
    asked->done_us = micro_now().us;
    asked->status = response->status;
    asked->same = response->status == ERR_OK && response->size == request->size &&
                  memcmp(response->bytes, request->bytes, 2) == 0 &&
                  memcmp(response->bytes + 12, request->bytes + 12, request->size - 12u) == 0;
    if (++bench.done == QUERIES)
        event_base_loopbreak(bench.base);
}

static void set_up(uint64_t delay_ms, uint64_t jitter_ms, uint32_t loss)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    memset(&bench, 0, sizeof bench);
    bench.base = event_base_new();
    bench.fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(bench.fd, SOL_SOCKET, SO_RCVBUF, &(int){ROOM}, sizeof(int));
    assert_int_equal(bind(bench.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(bench.fd, (struct sockaddr *)&address, &size), 0);
    bench.readable = event_new(bench.base, bench.fd, EV_READ | EV_PERSIST, echo, NULL);
    event_add(bench.readable, NULL);
    struct exchange *near = forward_new(bench.base, (struct sockaddr *)&address, NULL, NULL);
    assert_non_null(near);
    bench.forward = link_new(bench.base, near, &(struct link_options){delay_ms, jitter_ms, loss});
    assert_non_null(bench.forward);
}

static int teardown(void **state)
{
    (void)state;
    exchange_free(bench.forward);
    event_free(bench.readable);
    close(bench.fd);
    event_base_free(bench.base);
    return 0;
}

static void ask(size_t i)
{
    struct asked *asked = &bench.asked[i];
    struct question question = {.type = 1, .class = 1};
    const struct query_shape shape = {.id = (uint16_t)(i + 1)};
    char name[32];
    snprintf(name, sizeof name, "n%zu.example.", i);
    int size = name_from_text(name, question.name);
    assert_true(size > 0);
    question.name_size = (uint8_t)size;
    size = build_query(asked->request.bytes, EXCHANGE_MAX_QUERY, &question, &shape);
    assert_true(size > 0);
    asked->request.size = (uint16_t)size;
    asked->request.done = done;
    asked->sent_us = micro_now().us;
    asked->request.deadline = (struct mono){asked->sent_us / 1000 + TIMEOUT_MS};
    bench.sending = true;
    exchange_send(bench.forward, EXCHANGE_UDP, &asked->request);
    bench.sending = false;
}

static void ask_all(void)
{
    for (size_t i = 0; i < QUERIES; i++)
        ask(i);
}

static void run(uint64_t ms)
{
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000 * 1000)};
    event_base_loopexit(bench.base, &tv);
    event_base_dispatch(bench.base);
}

/* So widely spread that a machine which stands still for a moment loses nothing by itself. */
static void thousands_come_back_in_their_time(void **state)
{
    (void)state;
    set_up(700, 690, 0);
    ask_all();
    run(DEADLINE_S * 1000);
    assert_int_equal(bench.done, QUERIES);
    uint64_t least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < QUERIES; i++) {
        const struct asked *asked = &bench.asked[i];
        const uint64_t us = asked->done_us - asked->sent_us;
        assert_int_equal(asked->done, 1);
        assert_int_equal(asked->status, ERR_OK);
        assert_true(asked->same);
        assert_true(us >= 20000);
        least = us < least ? us : least;
        most = us > most ? us : most;
    }
    assert_true(least < 1400000 && most > 1400000);
}

static void what_is_lost_ends_with_silence(void **state)
{
    (void)state;
    set_up(10, 0, LINK_SURE_LOSS);
    ask_all();
    run(TIMEOUT_MS - 500);
    assert_int_equal(bench.done, 0);
    assert_int_equal(bench.seen, 0);
    run(DEADLINE_S * 1000);
    assert_int_equal(bench.done, QUERIES);
    for (size_t i = 0; i < QUERIES; i++) {
        assert_int_equal(bench.asked[i].status, ERR_TIMEOUT);
        assert_true(bench.asked[i].done_us - bench.asked[i].sent_us >= (TIMEOUT_MS - 1) * 1000);
    }
}

/* Of 2,000 queries with 20 % loss each way, 64 % come back: 1,280, give or take. A few at a time. */
static void each_way_loses_its_share(void **state)
{
    (void)state;
    size_t answered = 0;
    enum { AT_A_TIME = 50 };
    set_up(1, 1, LINK_SURE_LOSS / 5);
    for (size_t i = 0; i < QUERIES; i++) {
        ask(i);
        if (i % AT_A_TIME == AT_A_TIME - 1)
            run(10);
    }
    run(100);
    for (size_t i = 0; i < QUERIES; i++)
        answered += bench.asked[i].done == 1 && bench.asked[i].status == ERR_OK;
    assert_in_range(bench.seen, 1450, 1750);
    assert_in_range(answered, 1130, 1430);
}

/* Some have not left, some are at the server's side, some are on their way back. */
static void all_end_when_it_is_freed(void **state)
{
    (void)state;
    set_up(30, 30, 0);
    event_del(bench.readable);
    ask_all();
    run(25);
    event_add(bench.readable, NULL);
    run(10);
    assert_in_range(bench.seen, 100, QUERIES - 100);
    assert_in_range(bench.done, 0, QUERIES - 1);
    const size_t before = bench.done;
    exchange_free(bench.forward);
    bench.forward = NULL;
    assert_int_equal(bench.done, QUERIES);
    size_t timeouts = 0;
    for (size_t i = 0; i < QUERIES; i++) {
        assert_int_equal(bench.asked[i].done, 1);
        timeouts += bench.asked[i].status == ERR_TIMEOUT;
    }
    assert_int_equal(timeouts, QUERIES - before);
}

/* A response that takes longer than any is waited for is none, though it comes. */
static void too_far_is_out_of_reach(void **state)
{
    (void)state;
    set_up(TIMEOUT_MS * 2 / 3, 0, 0);
    ask(0);
    run(TIMEOUT_MS + 200);
    assert_int_equal(bench.seen, 1);
    assert_int_equal(bench.asked[0].done, 1);
    assert_int_equal(bench.asked[0].status, ERR_TIMEOUT);
    run(TIMEOUT_MS);
    assert_int_equal(bench.asked[0].done, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(thousands_come_back_in_their_time, teardown),
        cmocka_unit_test_teardown(what_is_lost_ends_with_silence, teardown),
        cmocka_unit_test_teardown(each_way_loses_its_share, teardown),
        cmocka_unit_test_teardown(all_end_when_it_is_freed, teardown),
        cmocka_unit_test_teardown(too_far_is_out_of_reach, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
