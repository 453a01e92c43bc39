/*
 * test_udp.c - queries over loopback sockets: what is answered at once, what sets out when, and whose turn it is.
 */
#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "resolver/answer/query.h"
#include "resolver/net/clock.h"
#include "resolver/net/udp.h"
#include "tests/unit/fake/source.h"

enum {
    FLOODER = 0x7f010001, /* 127.1.0.1 */
    OTHER = 0x7f020001,   /* 127.2.0.1 */
    MANY = 3000,
    ROOM = 1 << 24, /* bytes, for what has not been read */
};

static struct fixture {
    struct world world;
    struct validity *validity;
    struct positions *positions;
    struct store *store;
    struct fetcher *fetcher;
    struct fake_source source;
    struct tier_worker tier;
    struct event_base *base;
    struct sockaddr_in address;
    struct udp_listener *listener;
    int flooder, other; /* sockets */
} f;

/* ---- the tier, and those who ask it --------------------------------------------------------- */

static const struct ttl_policy policy = {.max_ttl = 86400, .negative_ttl = 900, .client_ttl = 3600};

static void open_tier(void)
{
    uint8_t zone[NAME_MAX_SIZE];
    const uint8_t *zones[] = {zone};
    assert_true(name_from_text("example.com.", zone) > 0);
    world_open(&f.world);
    f.world.now = micro_now(); /* what a listener goes by */
    f.validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 1, .marks = 1024, .key = 1});
    f.positions = positions_new(f.validity, 4000, (struct mono){1});
    f.store = store_new(&(struct store_options){
        .size = 1 << 20, .shards = 1, .policy = policy, .validity = f.validity});
    f.fetcher = fetcher_new(f.world.wheel, f.validity);
    fake_source_open(&f.source, &f.world);
    f.tier = (struct tier_worker){.store = f.store,
                                  .validity = f.validity,
                                  .positions = f.positions,
                                  .resolve_timeout_ms = 5000};
    f.tier.inflight = inflight_new(
        &(struct inflight_options){.fetcher = f.fetcher,
                                   .validity = f.validity,
                                   .store = f.store,
                                   .routes = routes_new(source_ref(&f.source.source))});
    assert_non_null(f.tier.inflight);
}

/* At any port of an address of the loopback network. */
static int open_socket(uint32_t address, struct sockaddr_in *ret)
{
    socklen_t size = sizeof *ret;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ROOM}, sizeof(int));
    assert_int_equal(bind(fd, (struct sockaddr *)ret, sizeof *ret), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &size), 0);
    return fd;
}

static int setup(void **state)
{
    (void)state;
    struct sockaddr_in unused;
    memset(&f, 0, sizeof f);
    open_tier();
    f.base = event_base_new();
    f.listener = udp_new(f.base, open_socket(INADDR_LOOPBACK, &f.address), &f.tier);
    f.flooder = open_socket(FLOODER, &unused);
    f.other = open_socket(OTHER, &unused);
    return f.listener ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    inflight_free(f.tier.inflight);
    udp_free(f.listener);
    event_base_free(f.base);
    close(f.flooder);
    close(f.other);
    fake_source_close(&f.source);
    fetcher_free(f.fetcher);
    store_free(f.store);
    positions_free(f.positions);
    validity_free(f.validity);
    world_close(&f.world);
    return 0;
}

static void ask(int fd, const char *name)
{
    uint8_t query[512];
    struct question question = fake_question(name, TYPE_A);
    int size = build_query(query, sizeof query, &question, &(struct query_shape){.edns = true});
    assert_int_equal(
        sendto(fd, query, (size_t)size, 0, (struct sockaddr *)&f.address, sizeof f.address), size);
}

static void flood(size_t count)
{
    static size_t number;
    char name[64];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "r%zu.silent.example.", number++);
        ask(f.flooder, name);
    }
}

/* One iteration of the loop. */
static void turn(void)
{
    event_base_loop(f.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* How many replies there are for him, which are read. */
static size_t replies(int fd)
{
    uint8_t reply[DNS_EDNS_UDP];
    size_t count = 0;
    while (recv(fd, reply, sizeof reply, 0) > 0)
        count++;
    return count;
}

/* How many questions set out before that one; SIZE_MAX: it has not. */
static size_t before(const char *name)
{
    char text[NAME_MAX_TEXT];
    for (const struct fake_inquiry *i = f.source.inquiries; i; i = i->next)
        if (i->question && strcmp(name_to_text(i->question->name, text), name) == 0)
            return i->order;
    return SIZE_MAX;
}

/* From here on it is held. */
static void have_held(const char *name)
{
    static const struct fake_reply reply = {.answer = {"www.example.net. 60 A 192.0.2.1"}};
    ask(f.other, name);
    turn();
    fake_source_reply(&f.source, &reply);
    turn();
    assert_int_equal(replies(f.other), 1);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void what_is_held_is_answered_at_once(void **state)
{
    (void)state;
    have_held("www.example.net.");
    flood(UDP_BATCH - 1);
    ask(f.other, "www.example.net.");
    turn();
    assert_int_equal(replies(f.other), 1);
    assert_in_range(f.source.asked - 1, 1, UDP_ASKED);
}

static void no_more_than_a_few_set_out_in_an_iteration(void **state)
{
    (void)state;
    flood(UDP_BATCH);
    for (size_t asked = 0, turns = 0; asked < UDP_BATCH; turns++) {
        assert_true(turns < UDP_BATCH);
        turn();
        assert_in_range(f.source.asked - asked, 1, 2 * UDP_ASKED);
        asked = f.source.asked;
        assert_int_equal(udp_holds_back(f.listener), asked < UDP_BATCH);
    }
    for (size_t i = 0; i < 5; i++)
        turn();
    assert_int_equal(f.source.asked, UDP_BATCH);
    assert_int_equal(fake_source_waiting(&f.source), UDP_BATCH);
}

/* He has sent all of his before; those that have set out by then are ahead, and one more. */
static void who_floods_waits_behind_himself(void **state)
{
    (void)state;
    flood(UDP_BATCH - 1);
    ask(f.other, "www.example.net.");
    while (f.source.asked < UDP_BATCH)
        turn();
    assert_in_range(before("www.example.net."), 0, UDP_ASKED + 1);
}

/* However many wait, none is lost, and none sets out twice. */
static void all_set_out_at_last(void **state)
{
    (void)state;
    flood(MANY);
    for (size_t i = 0; i < MANY && f.source.asked < MANY; i++)
        turn();
    turn();
    assert_int_equal(f.source.asked, MANY);
    assert_int_equal(counter_get(&f.tier.counters.queries), MANY);
    assert_int_equal(counter_get(&f.tier.counters.dropped), 0);
}

/* It has its answer by the time its turn has come. */
static void what_somebody_else_has_fetched_meanwhile(void **state)
{
    (void)state;
    static const struct fake_reply reply = {.answer = {"www.example.net. 60 A 192.0.2.1"}};
    ask(f.other, "www.example.net.");
    turn();
    flood(UDP_BATCH / 2 - 1);
    ask(f.other, "www.example.net.");
    turn();
    fake_source_reply(&f.source, &reply);
    for (size_t i = 0; i < UDP_BATCH; i++)
        turn();
    assert_int_equal(replies(f.other), 2);
    assert_int_equal(f.source.asked, UDP_BATCH / 2);
}

/* Who waits is not forgotten when no more is read. */
static void the_last_set_out_when_reading_ends(void **state)
{
    (void)state;
    flood(UDP_BATCH);
    turn();
    assert_true(f.source.asked < UDP_BATCH);
    udp_stop_reading(f.listener);
    assert_int_equal(f.source.asked, UDP_BATCH);
}

static void it_may_end_with_some_waiting(void **state)
{
    (void)state;
    flood(UDP_BATCH);
    turn();
    assert_true(f.source.asked < UDP_BATCH);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_held_is_answered_at_once),
        TEST(no_more_than_a_few_set_out_in_an_iteration),
        TEST(who_floods_waits_behind_himself),
        TEST(all_set_out_at_last),
        TEST(what_somebody_else_has_fetched_meanwhile),
        TEST(the_last_set_out_when_reading_ends),
        TEST(it_may_end_with_some_waiting),
    };
    return cmocka_run_group_tests_name("udp", tests, NULL, NULL);
}
