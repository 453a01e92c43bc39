/*
 * test_servers.c - whom to ask next, and what is remembered of whom, under a made-up clock.
 */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake/world.h"

enum { SERVERS = 4, ROUNDS = 6400 };

static struct fixture {
    struct world world;
    struct fake_server fakes[SERVERS];
    struct servers *servers;
} f;

static struct servers *set_of(const size_t *which, size_t count)
{
    struct server_address addresses[SERVERS];
    for (size_t i = 0; i < count; i++) {
        fake_server_open(&f.fakes[which[i]], &f.world, (uint8_t)(which[i] + 1));
        addresses[i] = fake_server_address(&f.fakes[which[i]]);
    }
    return servers_new(f.world.known, addresses, count);
}

static int setup(void **state)
{
    (void)state;
    world_open(&f.world);
    f.servers = set_of((size_t[]){0, 1, 2, 3}, SERVERS);
    return f.servers ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    servers_unref(f.servers);
    world_close(&f.world);
    for (size_t i = 0; i < SERVERS; i++)
        assert_false(f.fakes[i].open);
    return 0;
}

static struct server *server(size_t i)
{
    return f.servers->items[i].server;
}

static void answers_in(size_t i, uint64_t us)
{
    for (int n = 0; n < 50; n++)
        server_answered(server(i), us, world_ms(&f.world));
}

/* Which of them are to be asked something of our own now, a bit each. */
static uint32_t to_probe(void)
{
    uint32_t found = 0;
    size_t index;
    while (servers_to_probe(f.servers, world_ms(&f.world), &index))
        found |= UINT32_C(1) << index;
    return found;
}

static void leaves_names_unanswered(size_t i, uint64_t count)
{
    for (uint64_t name = 1; name <= count; name++)
        server_timed_out(server(i), name);
}

/* It answers nothing of our own either. */
static void falls_silent(size_t i)
{
    leaves_names_unanswered(i, 4);
    assert_true(to_probe() >> i & 1);
    assert_false(server(i)->down);
    world_pass(&f.world, 3000);
    (void)to_probe();
    assert_true(server(i)->down);
}

/* How often each is the first choice. */
static void first_choices(size_t ret[SERVERS])
{
    memset(ret, 0, SERVERS * sizeof *ret);
    for (size_t i = 0; i < ROUNDS; i++)
        ret[servers_pick(f.servers, 0, world_ms(&f.world))]++;
}

static void the_fastest_is_asked_and_now_and_then_another(void **state)
{
    (void)state;
    size_t chosen[SERVERS];
    for (size_t i = 0; i < SERVERS; i++)
        answers_in(i, i == 2 ? 5000 : 20000 * (i + 1));
    first_choices(chosen);
    assert_in_range(chosen[2], ROUNDS * 97 / 100, ROUNDS - 1);
    for (size_t i = 0; i < SERVERS; i++)
        assert_in_range(chosen[i], ROUNDS / 64 / 4 / 3, ROUNDS);
}

static void a_new_one_is_tried_before_a_slow_one(void **state)
{
    (void)state;
    size_t chosen[SERVERS];
    for (size_t i = 0; i < SERVERS; i++)
        if (i != 1)
            answers_in(i, 11000);
    first_choices(chosen);
    assert_true(chosen[1] > ROUNDS * 97 / 100);
    answers_in(1, 12000);
    answers_in(0, 9000);
    first_choices(chosen);
    assert_true(chosen[0] > ROUNDS * 97 / 100);
}

static void those_asked_already_come_last(void **state)
{
    (void)state;
    for (size_t i = 0; i < SERVERS; i++)
        answers_in(i, 1000 * (i + 1));
    assert_int_equal(servers_pick(f.servers, 1u << 0, world_ms(&f.world)), 1);
    assert_int_equal(servers_pick(f.servers, 1u << 0 | 1u << 1, world_ms(&f.world)), 2);
    assert_int_equal(servers_pick(f.servers, 0xf, world_ms(&f.world)), 0);
    falls_silent(2);
    assert_int_equal(servers_pick(f.servers, 1u << 0 | 1u << 1, world_ms(&f.world)), 3);
    /* Down, but not asked yet: before those that were. */
    assert_int_equal(servers_pick(f.servers, 1u << 0 | 1u << 1 | 1u << 3, world_ms(&f.world)), 2);
}

/* Four in a row, and then what is our own; after that it is asked like that at growing intervals up to half a minute. */
static void one_that_is_down_is_left_alone_and_looked_after(void **state)
{
    (void)state;
    size_t chosen[SERVERS];
    for (size_t i = 0; i < SERVERS; i++)
        answers_in(i, i == 0 ? 1000 : 50000);
    leaves_names_unanswered(0, 4);
    assert_int_equal(to_probe(), 1);
    first_choices(chosen);
    assert_true(chosen[0] > ROUNDS * 97 / 100);
    world_pass(&f.world, 399);
    assert_int_equal(to_probe(), 0);
    assert_false(server(0)->down);
    uint64_t pauses[10];
    for (size_t i = 0; i < 10; i++) {
        world_pass(&f.world, 1);
        assert_int_equal(to_probe(), 0); /* that it has failed */
        assert_true(server(0)->down);
        first_choices(chosen);
        assert_int_equal(chosen[0], 0);
        for (pauses[i] = 0; to_probe() == 0; pauses[i]++)
            world_pass(&f.world, 1);
        world_pass(&f.world, 399);
    }
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(pauses[i], i < 6 ? UINT64_C(500) << i : 30000);
    server_answered(server(0), 1000, world_ms(&f.world));
    first_choices(chosen);
    assert_true(chosen[0] > ROUNDS * 97 / 100);
}

/* Anybody can ask for names that are never answered. */
static void silent_names_turn_nobody_away(void **state)
{
    (void)state;
    size_t chosen[SERVERS], probes = 0;
    for (size_t i = 0; i < SERVERS; i++)
        answers_in(i, i == 0 ? 2000 : 150000);
    for (uint64_t name = 1; name < 5000; name++) {
        server_timed_out(server(0), name);
        world_pass(&f.world, 1);
        if (to_probe() & 1) {
            probes++;
            server_answered(server(0), 2000, world_ms(&f.world));
        }
        assert_false(server(0)->down);
    }
    assert_in_range(probes, 5, 20);
    first_choices(chosen);
    assert_true(chosen[0] > ROUNDS * 97 / 100);
    /* One name alone is not even a reason to ask. */
    for (int n = 0; n < 100; n++)
        server_timed_out(server(1), 7);
    world_pass(&f.world, 1000);
    assert_int_equal(to_probe() >> 1, 0);
}

/* Or for names that are answered late. */
static void slow_names_turn_nobody_away(void **state)
{
    (void)state;
    size_t chosen[SERVERS];
    for (size_t i = 1; i < SERVERS; i++)
        answers_in(i, 150000);
    for (int round = 0; round < 30; round++) {
        server_answered(server(0), 2000, world_ms(&f.world));
        answers_in(0, 3000000);
        world_pass(&f.world, 1000);
    }
    first_choices(chosen);
    assert_true(chosen[0] > ROUNDS * 97 / 100);
    /* When it is slow for all, it is slow. */
    for (int round = 0; round < 15; round++) {
        answers_in(0, 3000000);
        world_pass(&f.world, 1000);
    }
    first_choices(chosen);
    assert_in_range(chosen[0], 1, ROUNDS * 3 / 100);
}

static void what_a_server_lacks_is_said_by_several_names_and_not_for_ever(void **state)
{
    (void)state;
    struct lack lack = {.name = 0};
    for (int n = 0; n < 100; n++)
        lack_note(&lack, 7, world_ms(&f.world));
    assert_false(lack_is_believed(&lack, world_ms(&f.world)));
    lack_note(&lack, 8, world_ms(&f.world));
    assert_true(lack_is_believed(&lack, world_ms(&f.world)));
    world_pass(&f.world, 10 * 60 * 1000 - 1);
    assert_true(lack_is_believed(&lack, world_ms(&f.world)));
    world_pass(&f.world, 1);
    assert_false(lack_is_believed(&lack, world_ms(&f.world)));
    /* What was said long ago is not said any more. */
    lack_note(&lack, 9, world_ms(&f.world));
    assert_false(lack_is_believed(&lack, world_ms(&f.world)));
    uint8_t lower[NAME_MAX_SIZE], upper[NAME_MAX_SIZE];
    assert_true(name_from_text("www.example.com.", lower) > 0);
    assert_true(name_from_text("WWW.example.COM.", upper) > 0);
    assert_int_equal(server_hash_name(lower), server_hash_name(upper));
}

static void it_is_told_that_a_silence_for_all_is_over(void **state)
{
    (void)state;
    assert_false(server_answered(server(0), 2000, world_ms(&f.world)));
    world_pass(&f.world, 5000);
    assert_false(server_answered(server(0), 2000, world_ms(&f.world))); /* nobody had asked */
    leaves_names_unanswered(0, 1);
    world_pass(&f.world, 99);
    assert_false(server_answered(server(0), 2000, world_ms(&f.world))); /* others were answered */
    leaves_names_unanswered(0, 1);
    world_pass(&f.world, 100);
    assert_true(server_answered(server(0), 2000, world_ms(&f.world)));
    assert_false(server_answered(server(0), 2000, world_ms(&f.world)));
}

static void when_all_are_down_the_best_is_asked_all_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < SERVERS; i++) {
        answers_in(i, 1000 * (SERVERS - i));
        falls_silent(i);
    }
    assert_int_equal(servers_pick(f.servers, 0, world_ms(&f.world)), SERVERS - 1);
}

static void what_the_network_refuses_counts_as_well(void **state)
{
    (void)state;
    size_t chosen[SERVERS];
    answers_in(0, 1000);
    for (int n = 0; n < 4; n++)
        server_refused(server(0), world_ms(&f.world));
    first_choices(chosen);
    assert_int_equal(chosen[0], 0);
    assert_int_equal(counter_get(&f.fakes[0].stats.failures), 4);
    assert_int_equal(counter_get(&f.fakes[0].stats.timeouts), 0);
}

static void the_patience_follows_what_a_server_is_like(void **state)
{
    (void)state;
    assert_int_equal(servers_retransmit_ms(f.servers, 0), 400);
    answers_in(0, 100);
    assert_int_equal(servers_retransmit_ms(f.servers, 0), 60);
    answers_in(1, 100000);
    assert_in_range(servers_retransmit_ms(f.servers, 1), 200, 210);
    for (int n = 0; n < 50; n++)
        server_answered(server(2), n % 2 ? 20000 : 180000,
                        world_ms(&f.world)); /* the same mean, but it varies */
    assert_in_range(servers_retransmit_ms(f.servers, 2), 600, 1000);
    answers_in(3, 5000000);
    assert_int_equal(servers_retransmit_ms(f.servers, 3), 1500);
    f.fakes[3].exchange.sure = true;
    assert_int_equal(servers_retransmit_ms(f.servers, 3), UINT32_MAX);
}

/* A configuration that is read again makes new sets and new ways; what is known of an address stays. */
static void what_is_known_outlives_the_set(void **state)
{
    (void)state;
    answers_in(1, 7000);
    answers_in(2, 9000);
    server(1)->no_edns.until = (struct mono){77};
    server(2)->no_spelling.until = (struct mono){88};
    falls_silent(3);
    const struct server *second = server(1), *third = server(2);
    servers_unref(f.servers);
    world_pass(&f.world, 1);
    for (size_t i = 0; i < SERVERS; i++)
        assert_false(f.fakes[i].open);
    f.servers = set_of((size_t[]){3, 1, 2}, 3);
    assert_ptr_equal(server(1), second);
    assert_ptr_equal(server(2), third);
    assert_in_range(server(1)->srtt_us, 6900, 7100);
    assert_int_equal(server(1)->no_edns.until.ms, 77);
    assert_int_equal(server(2)->no_spelling.until.ms, 88);
    assert_int_equal(server(0)->timeouts_in_row, 4);
    assert_int_equal(servers_pick(f.servers, 1, world_ms(&f.world)), 1);
}

/* Two zones may have servers in common. */
static void sets_share_what_is_known(void **state)
{
    (void)state;
    struct fake_server way;
    fake_server_open(&way, &f.world, 2);
    struct server_address address = fake_server_address(&way);
    address.stats = &f.fakes[1].stats;
    struct servers *other = servers_new(f.world.known, &address, 1);
    assert_ptr_equal(other->items[0].server, server(1));
    servers_unref(other);
    world_pass(&f.world, 1);
    assert_false(way.open);
    assert_true(f.fakes[1].open);
    assert_int_equal(server(1)->references, 1);
}

static void another_port_is_another_server(void **state)
{
    (void)state;
    struct fake_server way;
    fake_server_open(&way, &f.world, 2);
    struct server_address address = fake_server_address(&way);
    address.stats = &f.fakes[1].stats;
    address.address.in.sin_port = htons(5353);
    struct servers *other = servers_new(f.world.known, &address, 1);
    assert_ptr_not_equal(other->items[0].server, server(1));
    servers_unref(other);
    world_pass(&f.world, 1);
    assert_false(way.open);
}

/* Of those that nobody asks any more, the ones left longest ago are forgotten. */
static void not_everything_is_remembered_for_ever(void **state)
{
    (void)state;
    static struct fake_server ways[SERVERS_KEPT + 2];
    for (size_t i = 0; i < SERVERS_KEPT + 2; i++) {
        fake_server_open(&ways[i], &f.world, 9);
        struct server_address address = fake_server_address(&ways[i]);
        address.stats = &ways[0].stats;
        address.address.in.sin_port = htons((uint16_t)(1000 + i));
        struct servers *set = servers_new(f.world.known, &address, 1);
        server_answered(set->items[0].server, 5000, world_ms(&f.world));
        servers_unref(set);
        world_pass(&f.world, 1);
    }
    for (size_t i = SERVERS_KEPT + 2; i-- > 0;) {
        fake_server_open(&ways[i], &f.world, 9);
        struct server_address address = fake_server_address(&ways[i]);
        address.stats = &ways[0].stats;
        address.address.in.sin_port = htons((uint16_t)(1000 + i));
        struct servers *set = servers_new(f.world.known, &address, 1);
        assert_int_equal(set->items[0].server->srtt_us > 0, i >= 2);
        servers_unref(set);
        world_pass(&f.world, 1);
    }
}

/* The last to leave may be in the middle of a response of that very server. */
static void ways_are_freed_only_by_the_sweep(void **state)
{
    (void)state;
    servers_ref(f.servers);
    servers_unref(f.servers);
    assert_false(f.world.to_sweep);
    servers_unref(f.servers);
    assert_true(f.world.to_sweep && f.fakes[0].open);
    world_pass(&f.world, 1);
    assert_false(f.fakes[0].open);
    f.servers = NULL;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_fastest_is_asked_and_now_and_then_another),
        TEST(a_new_one_is_tried_before_a_slow_one),
        TEST(those_asked_already_come_last),
        TEST(one_that_is_down_is_left_alone_and_looked_after),
        TEST(silent_names_turn_nobody_away),
        TEST(slow_names_turn_nobody_away),
        TEST(what_a_server_lacks_is_said_by_several_names_and_not_for_ever),
        TEST(it_is_told_that_a_silence_for_all_is_over),
        TEST(when_all_are_down_the_best_is_asked_all_the_same),
        TEST(what_the_network_refuses_counts_as_well),
        TEST(the_patience_follows_what_a_server_is_like),
        TEST(what_is_known_outlives_the_set),
        TEST(sets_share_what_is_known),
        TEST(another_port_is_another_server),
        TEST(not_everything_is_remembered_for_ever),
        TEST(ways_are_freed_only_by_the_sweep),
    };
    return cmocka_run_group_tests_name("servers", tests, NULL, NULL);
}
