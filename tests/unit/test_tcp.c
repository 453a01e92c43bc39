/*
 * test_tcp.c - messages on a stream: however they come apart, however many come at once, whoever stays away.
 *
 * Over loopback sockets on a real loop; what is asked is refused at once, or waits for a made-up source.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/net/clock.h"
#include "resolver/net/tcp.h"
#include "tests/unit/fake/source.h"

enum { IDLE_MS = 600, PATIENT_MS = 600000, PLACES = 4, HELD = 1 << 16, LENGTH_SIZE = 2, RD_AT = 2 };

static struct fixture {
    struct world world;
    struct validity *validity;
    struct positions *positions;
    struct store *store;
    struct fetcher *fetcher;
    struct fake_source source;
    struct tier_worker tier;
    struct event_base *base;
    struct tcp_pool *pool;
    struct sockaddr_in address;
} f;

static void open_tier(void)
{
    f.validity = validity_new(&(struct validity_options){.marks = 64, .key = 1});
    f.positions = positions_new(f.validity, 4000, (struct mono){1});
    f.store = store_new(&(struct store_options){
        .size = 1 << 20, .shards = 1, .policy = {.max_ttl = 60}, .validity = f.validity});
    f.fetcher = fetcher_new(f.world.wheel, f.validity);
    fake_source_open(&f.source, &f.world);
    f.tier = (struct tier_worker){
        .store = f.store,
        .validity = f.validity,
        .positions = f.positions,
        .resolve_timeout_ms = 60000,
        .inflight = inflight_new(&(struct inflight_options){
            .fetcher = f.fetcher,
            .validity = f.validity,
            .store = f.store,
            .routes = routes_new(source_ref(&f.source.source)),
        }),
    };
}

static int setup_idle(uint64_t idle_ms)
{
    socklen_t size = sizeof f.address;
    memset(&f, 0, sizeof f);
    world_open(&f.world);
    open_tier();
    f.base = event_base_new();
    f.pool = tcp_pool_new(
        f.base, &(struct tcp_limits){.clients = PLACES, .idle_ms = idle_ms, .held = HELD});
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    f.address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&f.address, sizeof f.address), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&f.address, &size), 0);
    assert_true(tcp_pool_listen(f.pool, fd, &f.tier));
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_idle(IDLE_MS);
}

/* Nobody is sent away for being idle, on however busy a machine. */
static int setup_patient(void **state)
{
    (void)state;
    return setup_idle(PATIENT_MS);
}

static int teardown(void **state)
{
    (void)state;
    inflight_free(f.tier.inflight);
    tcp_pool_free(f.pool);
    event_base_loop(f.base, EVLOOP_NONBLOCK); /* that is when libevent frees what was closed */
    event_base_free(f.base);
    fake_source_close(&f.source);
    fetcher_free(f.fetcher);
    store_free(f.store);
    positions_free(f.positions);
    validity_free(f.validity);
    world_close(&f.world);
    return 0;
}

static void turn(uint64_t ms)
{
    event_base_loopexit(f.base, &(struct timeval){.tv_sec = (time_t)(ms / 1000),
                                                  .tv_usec = (long)(ms % 1000) * 1000});
    event_base_dispatch(f.base);
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&f.address, sizeof f.address), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    turn(5);
    return fd;
}

/* The source has something to say; here the time is the real one. */
static void answer(void)
{
    f.world.now = micro_now();
    fake_source_fail(&f.source, EDE_NETWORK_ERROR);
}

/* A query with its length in front. Without RD it is refused at once. */
static size_t write_query(uint8_t *at, uint16_t id, bool refused)
{
    struct question question = fake_question("www.example.org.", TYPE_A);
    int size = build_query(at + LENGTH_SIZE, 256, &question, &(struct query_shape){.id = id});
    assert_true(size > 0);
    if (refused)
        at[LENGTH_SIZE + RD_AT] &= 0xfe;
    wire_put_u16(at, (uint16_t)size);
    return LENGTH_SIZE + (size_t)size;
}

static void send_query(int fd, uint16_t id, bool refused)
{
    uint8_t bytes[512];
    size_t size = write_query(bytes, id, refused);
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
    turn(5);
}

/* What has come: whole replies, whose IDs count up from `first`. Returns how many; -1: and then the end. */
static int read_replies(int fd, uint16_t first)
{
    static uint8_t bytes[1 << 16];
    size_t size = 0;
    ssize_t n;
    turn(5);
    while ((n = read(fd, bytes + size, sizeof bytes - size)) > 0)
        size += (size_t)n;
    int count = 0;
    for (size_t at = 0; at < size; count++) {
        assert_true(at + LENGTH_SIZE + DNS_HEADER_SIZE <= size);
        assert_int_equal(wire_get_u16(bytes + at + LENGTH_SIZE), first + count);
        at += LENGTH_SIZE + wire_get_u16(bytes + at);
        assert_true(at <= size);
    }
    return n == 0 && count == 0 ? -1 : count;
}

static bool is_closed(int fd)
{
    uint8_t byte;
    turn(5);
    ssize_t n = read(fd, &byte, 1);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* Within a second, on however busy a machine. */
static bool ends(int fd)
{
    for (int i = 0; i < 200; i++)
        if (is_closed(fd))
            return true;
    return false;
}

/* Asks what is answered at once, and takes the answer. */
static void ask(int fd, uint16_t id)
{
    int got = 0;
    send_query(fd, id, true);
    for (int i = 0; i < 200 && got == 0; i++)
        got = read_replies(fd, id);
    assert_int_equal(got, 1);
}

static void many_messages_in_one_piece(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    size_t size = 0;
    int fd = dial();
    for (uint16_t id = 1; id <= 50; id++)
        size += write_query(bytes + size, id, true);
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
    turn(5);
    assert_int_equal(read_replies(fd, 1), 50);
    assert_int_equal(counter_get(&tcp_pool_counters(f.pool)->queries), 50);
    close(fd);
}

static void one_message_in_many_pieces(void **state)
{
    (void)state;
    uint8_t bytes[512];
    int fd = dial();
    size_t size = write_query(bytes, 1, true);
    size += write_query(bytes + size, 2, true);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(write(fd, bytes + i, 1), 1);
        turn(1);
    }
    assert_int_equal(read_replies(fd, 1), 2);
    close(fd);
}

/* What libevent asks for that is larger than this fails; 0: nothing does. */
static size_t most_memory;

static void *some_memory(size_t size)
{
    return most_memory > 0 && size > most_memory ? NULL : malloc(size);
}

/* There is no memory to have it in one piece: it waits for some. */
static void a_message_in_pieces_without_memory(void **state)
{
    (void)state;
    enum { LARGE = 30000, PIECE = 3000 };
    static uint8_t bytes[LENGTH_SIZE + LARGE];
    int fd = dial();
    wire_put_u16(bytes, LARGE);
    bytes[LENGTH_SIZE + 2] = 0x80; /* a response, which nobody answers */
    most_memory = LARGE - 1;
    for (size_t at = 0; at < sizeof bytes; at += PIECE) {
        size_t left = sizeof bytes - at;
        assert_true(write(fd, bytes + at, left < PIECE ? left : PIECE) > 0);
        turn(2);
    }
    assert_int_equal(counter_get(&tcp_pool_counters(f.pool)->queries), 0);
    most_memory = 0;
    send_query(fd, 9, true);
    assert_int_equal(read_replies(fd, 9), 1);
    assert_int_equal(counter_get(&tcp_pool_counters(f.pool)->queries), 2);
    close(fd);
}

/* Its length is 0 or less than a header: there is nothing to answer, but the next message is. */
static void short_messages_are_dropped(void **state)
{
    (void)state;
    static const uint8_t empty[] = {0, 0, 0, 3, 1, 2, 3};
    int fd = dial();
    assert_int_equal(write(fd, empty, sizeof empty), sizeof empty);
    send_query(fd, 9, true);
    assert_int_equal(read_replies(fd, 9), 1);
    assert_int_equal(counter_get(&f.tier.counters.dropped), 2);
    close(fd);
}

/* RFC 7766 6.2.3: it has sent its last query, and gets the answer all the same; then the connection ends. */
static void half_closed_it_still_gets_its_answers(void **state)
{
    (void)state;
    int fd = dial();
    send_query(fd, 1, false);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    turn(2 * IDLE_MS);
    assert_int_equal(read_replies(fd, 1), 0);
    answer();
    assert_int_equal(read_replies(fd, 1), 1);
    assert_true(is_closed(fd));
    close(fd);
}

static void gone_before_its_answer(void **state)
{
    (void)state;
    int fd = dial();
    send_query(fd, 1, false);
    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)), 0);
    close(fd);
    turn(10);
    answer();
    turn(10);
    assert_int_equal(inflight_waiters(f.tier.inflight), 0);
}

static void the_idle_are_sent_away(void **state)
{
    (void)state;
    int fd = dial();
    send_query(fd, 1, true);
    assert_int_equal(read_replies(fd, 1), 1);
    turn(IDLE_MS / 2);
    assert_false(is_closed(fd));
    turn(IDLE_MS);
    assert_true(is_closed(fd));
    close(fd);
}

/* A byte now and then is not enough: a message must be whole in that time. */
static void a_message_must_come_to_its_end(void **state)
{
    (void)state;
    uint8_t bytes[512];
    int fd = dial();
    (void)write_query(bytes, 1, true);
    size_t sent = 0;
    for (; sent < 30 && !is_closed(fd); sent++) {
        (void)!send(fd, bytes + sent, 1, MSG_NOSIGNAL);
        turn(IDLE_MS / 5);
    }
    assert_in_range(sent, 1, 12);
    close(fd);
}

/* When all places are taken, the quietest that waits for nothing makes room. */
static void the_quietest_makes_room(void **state)
{
    (void)state;
    int fds[PLACES + 1];
    /* On a machine that has other things to do none is to be closed for its idleness alone. */
    tcp_pool_configure(
        f.pool, &(struct tcp_limits){.clients = PLACES, .idle_ms = 100 * IDLE_MS, .held = HELD});
    for (size_t i = 0; i < PLACES; i++) {
        fds[i] = dial();
        ask(fds[i], 1);
    }
    ask(fds[0], 2); /* now fds[1] is the quietest */
    fds[PLACES] = dial();
    ask(fds[PLACES], 3);
    assert_true(ends(fds[1]));
    assert_int_equal(counter_get(&tcp_pool_counters(f.pool)->idle_for_room), 1);
    for (size_t i = 0; i <= PLACES; i++)
        close(fds[i]);
}

/* If all wait for an answer, the one that has done so for longest. Its query, answered later, finds it gone. */
static void the_longest_stuck_makes_room(void **state)
{
    (void)state;
    int fds[PLACES + 1];
    for (size_t i = 0; i <= PLACES; i++) {
        fds[i] = dial();
        send_query(fds[i], 4, i == PLACES);
        for (int k = 0; k < 200 && i < PLACES && inflight_waiters(f.tier.inflight) <= i; k++)
            turn(5);
    }
    assert_true(ends(fds[0]));
    assert_int_equal(counter_get(&tcp_pool_counters(f.pool)->busy_for_room), 1);
    answer();
    for (size_t i = 1; i < PLACES; i++)
        assert_int_equal(read_replies(fds[i], 4), 1);
    for (size_t i = 0; i <= PLACES; i++)
        close(fds[i]);
}

/* Asks and asks, and takes no answer. Past what may wait it is closed, and another is not. */
static void who_takes_nothing_is_closed(void **state)
{
    (void)state;
    static uint8_t bytes[400 * 64];
    size_t size = 0;
    int fd = dial(), other = dial(), small = 4096;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (uint16_t id = 0; id < 400; id++)
        size += write_query(bytes + size, id, true);
    for (int i = 0; i < 200 && counter_get(&tcp_pool_counters(f.pool)->for_bytes) == 0; i++) {
        (void)!send(fd, bytes, size, MSG_NOSIGNAL);
        turn(2);
    }
    assert_int_equal(counter_get(&tcp_pool_counters(f.pool)->for_bytes), 1);
    send_query(other, 3, true);
    assert_int_equal(read_replies(other, 3), 1);
    close(fd);
    close(other);
}

/* Half messages count as well. */
static void half_messages_are_bounded(void **state)
{
    (void)state;
    static const uint8_t part[40000] = {0xff, 0xff};
    int fds[PLACES];
    for (size_t i = 0; i < PLACES; i++) {
        fds[i] = dial();
        assert_int_equal(send(fds[i], part, sizeof part, MSG_NOSIGNAL), sizeof part);
        turn(10);
    }
    assert_in_range(counter_get(&tcp_pool_counters(f.pool)->for_bytes), 1, PLACES);
    for (size_t i = 0; i < PLACES; i++)
        close(fds[i]);
}

/* With three of four places taken, half of the time is left to the idle. */
static void patience_shrinks(void **state)
{
    (void)state;
    int fds[PLACES - 1];
    for (size_t i = 0; i < PLACES - 1; i++)
        fds[i] = dial();
    turn(IDLE_MS * 3 / 4);
    assert_true(is_closed(fds[0]));
    assert_false(is_closed(fds[2])); /* there are two places again, and with them all of the time */
    for (size_t i = 0; i < PLACES - 1; i++)
        close(fds[i]);
}

/* Whoever asks more at a time than it may is not read until there are answers. */
static void a_pipeline_is_bounded(void **state)
{
    (void)state;
    enum { ASKED = TCP_MAX_PIPELINE + 40 };
    static uint8_t bytes[ASKED * 64];
    size_t size = 0;
    int fd = dial();
    for (uint16_t id = 0; id < ASKED; id++)
        size += write_query(bytes + size, id, false);
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
    turn(20);
    assert_int_equal(inflight_waiters(f.tier.inflight), TCP_MAX_PIPELINE);
    answer();
    turn(20);
    /* The failure is kept: the rest is answered from it. In what order, nobody promises. */
    int got = 0;
    ssize_t n;
    static uint8_t replies[1 << 16];
    while ((n = read(fd, replies + got, sizeof replies - (size_t)got)) > 0)
        got += (int)n;
    assert_int_equal(got, size);
    close(fd);
}

/* Who is connected, or waits to be, is served to the end; others find nobody. */
static void stopped_it_takes_nobody(void **state)
{
    (void)state;
    int fd = dial(), late = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    send_query(fd, 1, false);
    (void)connect(late, (struct sockaddr *)&f.address, sizeof f.address);
    tcp_pool_stop_accepting(f.pool);
    send_query(late, 2, true);
    assert_int_equal(read_replies(late, 2), 1);
    answer();
    assert_int_equal(read_replies(fd, 1), 1);
    assert_false(tcp_pool_busy(f.pool));
    int refused = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(refused, (struct sockaddr *)&f.address, sizeof f.address), -1);
    close(refused);
    close(late);
    close(fd);
}

int main(void)
{
#define TEST(f)      cmocka_unit_test_setup_teardown(f, setup_patient, teardown)
#define IDLE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(many_messages_in_one_piece),
        TEST(one_message_in_many_pieces),
        TEST(a_message_in_pieces_without_memory),
        TEST(short_messages_are_dropped),
        IDLE_TEST(half_closed_it_still_gets_its_answers),
        TEST(gone_before_its_answer),
        IDLE_TEST(the_idle_are_sent_away),
        IDLE_TEST(a_message_must_come_to_its_end),
        TEST(the_quietest_makes_room),
        TEST(the_longest_stuck_makes_room),
        TEST(who_takes_nothing_is_closed),
        TEST(half_messages_are_bounded),
        IDLE_TEST(patience_shrinks),
        TEST(a_pipeline_is_bounded),
        TEST(stopped_it_takes_nobody),
    };
    event_set_mem_functions(some_memory, realloc, free);
    return cmocka_run_group_tests_name("tcp", tests, NULL, NULL);
}
