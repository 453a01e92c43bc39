#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "resolver/net/holders.h"

/* Who goes when there is no room: never one of those who hold little while somebody holds much. */
enum { MANY = 100 };

/* Allocations that succeed before the one that fails; negative: all do. */
static int until_failure = -1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

static struct holders *holders;
static struct held many[MANY], few[MANY];
static uint64_t now_ms;

static struct mono tick(void)
{
    return (struct mono){++now_ms};
}

static union address v4(uint32_t n)
{
    return (union address){.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + n)}};
}

static union address v6(const char *text)
{
    union address address = {.in6 = {.sin6_family = AF_INET6}};
    assert_int_equal(inet_pton(AF_INET6, text, &address.in6.sin6_addr), 1);
    return address;
}

static int setup(void **state)
{
    (void)state;
    holders = holders_new();
    now_ms = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    struct held *held;
    while ((held = holders_for_room(holders)) != NULL)
        holders_leave(holders, held);
    assert_int_equal(holders_count(holders), 0);
    assert_int_equal(holders_bytes(holders), 0);
    holders_free(holders);
    return 0;
}

static void enter(struct held *held, union address peer, bool busy)
{
    assert_true(holders_enter(holders, held, &peer, tick()));
    if (busy)
        holders_touch(holders, held, true, tick());
}

static void leave(struct held *held)
{
    assert_ptr_equal(holders_for_room(holders), held);
    holders_leave(holders, held);
}

static void the_biggest_gives(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20; i++) /* came first, are idle: and stay */
        enter(&few[i], v4(i), false);
    for (uint32_t i = 0; i < MANY; i++)
        enter(&many[i], v4(1000), i != 50 && i != 60);
    leave(&many[50]); /* its idle ones */
    leave(&many[60]);
    leave(&many[0]); /* then those that are stuck longest */
    holders_touch(holders, &many[1], true, tick());
    leave(&many[2]);
}

static void while_all_hold_little_the_quietest_goes(void **state)
{
    (void)state;
    enter(&many[0], v4(1), true);
    enter(&many[1], v4(1), true);
    enter(&few[0], v4(2), false);
    enter(&few[1], v4(3), false);
    holders_touch(holders, &few[0], false, tick());
    assert_ptr_equal(holders_quietest(holders), &few[1]);
    leave(&few[1]);
    leave(&few[0]);
    leave(&many[0]);
    leave(&many[1]);
    assert_null(holders_quietest(holders));
}

/* An IPv6 client is a /56, whichever of its addresses it takes. */
static void a_client_is_a_network(void **state)
{
    (void)state;
    char text[64];
    for (uint32_t i = 0; i < 20; i++)
        enter(&few[i], v4(i), true);
    for (uint32_t i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "2001:db8:0:ab%02x::%x", i, i + 1);
        enter(&many[i], v6(text), true);
    }
    leave(&many[0]);
    snprintf(text, sizeof text, "2001:db8:0:ac00::1");
    enter(&many[0], v6(text), true); /* the neighbours hold little */
    leave(&many[1]);
}

static void bytes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        enter(&few[i], v4(i), true);
        holders_set_bytes(holders, &few[i], 100);
        enter(&many[i], v4(1000), true);
        holders_set_bytes(holders, &many[i], i == 0 ? 0 : 90);
    }
    assert_int_equal(holders_bytes(holders), 10 * 100 + 9 * 90);
    assert_ptr_equal(holders_for_bytes(holders, tick()), &many[1]);
    for (uint32_t i = 0; i < 10; i++)
        holders_set_bytes(holders, &many[i], 0);
    holders_set_bytes(holders, &few[3], 1000);
    holders_touch(holders, &few[3], false, tick()); /* half a message of an idle one */
    assert_ptr_equal(holders_for_bytes(holders, tick()), &few[3]);
    for (uint32_t i = 0; i < 10; i++)
        holders_set_bytes(holders, &few[i], 0);
    assert_null(holders_for_bytes(holders, tick()));
}

static void who_takes_nothing_is_kept_out(void **state)
{
    (void)state;
    union address one = v4(1000), other = v4(1001);
    enter(&many[0], v4(1000), true);
    enter(&many[1], v4(1000), true);
    enter(&few[0], v4(1001), true);
    holders_set_bytes(holders, &many[0], 1000);
    struct mono now = tick();
    assert_false(holders_keep_out(holders, &one, now));
    assert_ptr_equal(holders_for_bytes(holders, now), &many[0]);
    assert_true(holders_keep_out(holders, &one, now));
    assert_false(holders_keep_out(holders, &other, now));
    assert_false(holders_keep_out(holders, &one, mono_add(now, HOLDERS_OUT_MS)));
}

/* Who cannot be entered is turned away; nobody else notices. */
static void without_memory_one_is_turned_away(void **state)
{
    (void)state;
    size_t turned_away = 0;
    for (int n = 0; n < 2 * MANY; n++) {
        size_t entered = 0;
        until_failure = n;
        for (size_t i = 0; i < MANY; i++) {
            union address peer = v4((uint32_t)i);
            entered += holders_enter(holders, &many[entered], &peer, tick());
        }
        until_failure = -1;
        turned_away += MANY - entered;
        assert_int_equal(holders_count(holders), entered);
        for (size_t i = 0; i < entered; i++)
            holders_leave(holders, &many[i]);
    }
    assert_true(turned_away > MANY); /* one each time, until there are so many that none failed */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_biggest_gives),
        TEST(while_all_hold_little_the_quietest_goes),
        TEST(a_client_is_a_network),
        TEST(bytes),
        TEST(who_takes_nothing_is_kept_out),
        TEST(without_memory_one_is_turned_away),
    };
    return cmocka_run_group_tests_name("holders", tests, NULL, NULL);
}
