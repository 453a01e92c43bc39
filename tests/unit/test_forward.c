/*
 * test_forward.c - a query travels as it was asked, and only its response comes back, whatever c-ares has in mind.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/net/clock.h"
#include "resolver/net/forward.h"

enum { TIMEOUT_MS = 1000, ID_SIZE = 2, FLAGS_AT = 2, FEW = 8, MANY = 1200, CROWD = 9000 };

struct asked {
    struct exchange_request request;
    uint8_t bytes[EXCHANGE_MAX_QUERY]; /* as it was asked */
    unsigned done;
    int status;
    size_t size; /* of the response */
};

static struct fixture {
    struct event_base *base;
    int fd; /* the server */
    struct exchange *forward;
    bool sending;
    struct ports_budget budget;
    uint64_t timeout_ms;
    struct asked asked[CROWD];
} f;

static int setup(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    memset(&f, 0, sizeof f);
    f.timeout_ms = TIMEOUT_MS;
    f.base = event_base_new();
    f.fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(f.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(f.fd, (struct sockaddr *)&address, &size), 0);
    f.forward = forward_new(f.base, (struct sockaddr *)&address, NULL, &f.budget);
    assert_non_null(f.forward);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    exchange_free(f.forward);
    event_base_free(f.base);
    close(f.fd);
    return 0;
}

static void turn(uint64_t ms)
{
    event_base_loopexit(f.base, &(struct timeval){.tv_usec = (long)ms * 1000});
    event_base_dispatch(f.base);
}

static void done(struct exchange_request *request, const struct exchange_response *response)
{
    struct asked *asked = (struct asked *)request;
    assert_false(f.sending);
    asked->done++;
    asked->status = response->status;
    asked->size = response->size;
}

/* A question for the A records of "a." in a class, with what follows it. */
static void ask(struct asked *asked, uint16_t class, const uint8_t *additional, size_t size)
{
    static const uint8_t question[] = {0x12, 0x34, 1, 0x10, 0, 1, 0, 0, 0, 0,
                                       0,    0,    1, 'a',  0, 0, 1, 0, 0};
    struct exchange_request *request = &asked->request;
    memcpy(request->bytes, question, sizeof question);
    wire_put_u16(request->bytes, (uint16_t)(asked - f.asked + 1));
    request->bytes[sizeof question - 2] = (uint8_t)(class >> 8);
    request->bytes[sizeof question - 1] = (uint8_t) class;
    request->bytes[11] = size > 0;
    memcpy(request->bytes + sizeof question, additional, size);
    request->size = (uint16_t)(sizeof question + size);
    request->done = done;
    request->deadline = mono_add(micro_ms(micro_now()), f.timeout_ms);
    memcpy(asked->bytes, request->bytes, request->size);
    f.sending = true;
    exchange_send(f.forward, EXCHANGE_UDP, request);
    f.sending = false;
}

/* The next message that the server has, and who sent it. Returns its size. */
static size_t serve(uint8_t bytes[EXCHANGE_MAX_QUERY], struct sockaddr_in *from)
{
    socklen_t from_size = sizeof *from;
    struct timeval wait = {.tv_sec = 5};
    setsockopt(f.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (recv(f.fd, bytes, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
        turn(5);
    ssize_t size =
        recvfrom(f.fd, bytes, EXCHANGE_MAX_QUERY, 0, (struct sockaddr *)from, &from_size);
    assert_true(size > 0);
    return (size_t)size;
}

static void reply(uint8_t *bytes, size_t size, const struct sockaddr_in *to)
{
    bytes[FLAGS_AT] |= 0x80; /* QR */
    assert_int_equal(sendto(f.fd, bytes, size, 0, (const struct sockaddr *)to, sizeof *to), size);
}

static void wait_done(const struct asked *asked)
{
    for (int i = 0; i < 2000 && asked->done == 0; i++)
        turn(5);
    assert_int_equal(asked->done, 1);
}

/* DO and an empty OPT; one with an option; a record that is none of c-ares' business. */
static const uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0};
static const uint8_t opt_option[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 6, 0xfd, 0xe9, 0, 2, 7, 7};
static const uint8_t unknown[] = {0, 0xff, 0x01, 0, 32, 0, 0, 0, 9, 0, 1, 5};

static void what_leaves_is_what_was_asked(void **state)
{
    (void)state;
    static const uint16_t classes[] = {1, 2, 3, 4, 32, 65280};
    const struct {
        const uint8_t *bytes;
        size_t size;
    } tails[] = {
        {opt, 0}, {opt, sizeof opt}, {opt_option, sizeof opt_option}, {unknown, sizeof unknown}};
    for (size_t i = 0; i < 6 * 4; i++) {
        struct asked *asked = &f.asked[0];
        uint8_t bytes[EXCHANGE_MAX_QUERY];
        struct sockaddr_in from;
        asked->done = 0;
        ask(asked, classes[i % 6], tails[i / 6].bytes, tails[i / 6].size);
        size_t size = serve(bytes, &from);
        assert_int_equal(size, asked->request.size);
        assert_memory_equal(bytes + ID_SIZE, asked->bytes + ID_SIZE, size - ID_SIZE);
        reply(bytes, size, &from);
        wait_done(asked);
        assert_int_equal(asked->status, ERR_OK);
        assert_int_equal(asked->size, size);
    }
}

/* A name with a dot, a space, a zero and bytes above 127 in it; in a response it may be in another case. */
static void any_name_will_do(void **state)
{
    (void)state;
    static const uint8_t query[] = {0x12, 0x34, 1,   0,   0,   1,   0, 0,   0, 0,    0,
                                    0,    9,    'a', '.', 'b', ' ', 0, 255, 1, '\\', 'z',
                                    3,    'o',  'r', 'g', 0,   0,   1, 0,   1};
    uint8_t bytes[EXCHANGE_MAX_QUERY];
    struct sockaddr_in from;
    struct asked *asked = &f.asked[0];
    memcpy(asked->request.bytes, query, sizeof query);
    asked->request.size = sizeof query;
    asked->request.done = done;
    asked->request.deadline = mono_add(micro_ms(micro_now()), TIMEOUT_MS);
    exchange_send(f.forward, EXCHANGE_UDP, &asked->request);
    size_t size = serve(bytes, &from);
    assert_int_equal(size, sizeof query);
    assert_memory_equal(bytes + ID_SIZE, query + ID_SIZE, size - ID_SIZE);
    bytes[13] = 'A';
    reply(bytes, size, &from);
    wait_done(asked);
    assert_int_equal(asked->status, ERR_OK);
}

/* Of another class, or with another name: no response to this, and the right one still counts. */
static void only_its_response_comes_back(void **state)
{
    (void)state;
    uint8_t bytes[EXCHANGE_MAX_QUERY];
    struct sockaddr_in from;
    ask(&f.asked[0], 1, opt, sizeof opt);
    size_t size = serve(bytes, &from);
    enum { LABEL_AT = 13, CLASS_AT = 18 };
    bytes[CLASS_AT] = 3;
    reply(bytes, size, &from);
    bytes[CLASS_AT] = 1;
    bytes[LABEL_AT] = 'b';
    reply(bytes, size, &from);
    turn(50);
    assert_int_equal(f.asked[0].done, 0);
    bytes[LABEL_AT] = 'a';
    reply(bytes, size, &from);
    wait_done(&f.asked[0]);
    assert_int_equal(f.asked[0].status, ERR_OK);
}

/* A message that nobody can read takes nobody with it. */
static void rubbish_fails_nothing(void **state)
{
    (void)state;
    uint8_t bytes[FEW][EXCHANGE_MAX_QUERY];
    struct sockaddr_in from[FEW];
    size_t sizes[FEW];
    for (size_t i = 0; i < FEW; i++) {
        ask(&f.asked[i], (uint16_t)(1 + i), opt, sizeof opt);
        sizes[i] = serve(bytes[i], &from[i]);
    }
    for (size_t i = 0; i < FEW; i++) {
        uint8_t rubbish[EXCHANGE_MAX_QUERY];
        memset(rubbish, 0xc0, sizeof rubbish);
        memcpy(rubbish, bytes[i], 12);
        rubbish[7] = 9; /* so many answers */
        reply(rubbish, sizeof rubbish, &from[i]);
        reply(rubbish, 13, &from[i]);
        reply(rubbish, 5, &from[i]);
    }
    turn(50);
    for (size_t i = 0; i < FEW; i++) {
        assert_int_equal(f.asked[i].done, 0);
        reply(bytes[i], sizes[i], &from[i]);
        wait_done(&f.asked[i]);
        assert_int_equal(f.asked[i].status, ERR_OK);
    }
}

static void silence_ends_at_its_deadline(void **state)
{
    (void)state;
    ask(&f.asked[0], 32, opt, sizeof opt);
    wait_done(&f.asked[0]);
    assert_int_equal(f.asked[0].status, ERR_TIMEOUT);
}

/* Whoever finds no port is told so, from the loop; and nobody else is. */
static void no_port_is_its_own_trouble(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t i = 0; i < MANY; i++)
        ask(&f.asked[i], 1, opt, sizeof opt);
    turn(TIMEOUT_MS / 4);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(f.asked[i].status, f.asked[i].done ? ERR_SYSTEM : 0);
        refused += f.asked[i].done;
    }
    assert_in_range(refused, MANY - PORTS_TAKING * PORTS_MOST_ON, MANY / 2);
    for (size_t i = 0; i < MANY; i++)
        wait_done(&f.asked[i]);
}

/* The server's copies of what a crowd has asked, and where they came from. */
static struct heard {
    uint8_t bytes[EXCHANGE_MAX_QUERY];
    size_t size;
    struct sockaddr_in from;
} heard[CROWD];

/* More than one channel of c-ares takes: each has its own response, whichever comes first; the silent ones their end. */
static void a_crowd_under_way(void **state)
{
    (void)state;
    enum { BATCH = 100 };
    f.timeout_ms = 5 * TIMEOUT_MS;
    f.budget.most = PORTS_MOST;
    for (size_t i = 0; i < CROWD; i++) {
        ask(&f.asked[i], 1, opt, sizeof opt);
        if (i % BATCH == BATCH - 1)
            for (size_t k = i + 1 - BATCH; k <= i; k++)
                heard[k].size = serve(heard[k].bytes, &heard[k].from);
    }
    for (size_t i = CROWD; i-- > 0;) {
        if (i % BATCH == 0)
            turn(1);
        if (i % 3 > 0)
            reply(heard[i].bytes, heard[i].size, &heard[i].from);
    }
    size_t answered = 0;
    for (size_t i = 0; i < CROWD; i++) {
        wait_done(&f.asked[i]);
        assert_true(f.asked[i].status == ERR_OK || f.asked[i].status == ERR_TIMEOUT);
        answered += f.asked[i].status == ERR_OK;
    }
    assert_int_equal(answered, CROWD / 3 * 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_leaves_is_what_was_asked),
        TEST(only_its_response_comes_back),
        TEST(any_name_will_do),
        TEST(rubbish_fails_nothing),
        TEST(no_port_is_its_own_trouble),
        TEST(silence_ends_at_its_deadline),
        TEST(a_crowd_under_way),
    };
    return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
