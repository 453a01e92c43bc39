/*
 * test_absent.c - an NXDOMAIN that is held answers other types of its name, for as long as it is valid (RFC 2308 5).
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "cache/store.h"
#include "cache/view.h"

static const struct ttl_policy policy = {
    .max_ttl = 86400, .negative_ttl = 900, .client_ttl = 86400, .hold = 100};

static struct fixture {
    struct validity *validity;
    struct store *store;
    uint8_t zone[NAME_MAX_SIZE];
} f;

static int setup(void **state)
{
    (void)state;
    const uint8_t *zones[] = {f.zone};
    assert_true(name_from_text("example.com.", f.zone) > 0);
    f.validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 1, .marks = 1024, .key = 7});
    f.store = store_new(
        &(struct store_options){.size = 1 << 20, .policy = policy, .validity = f.validity});
    return f.store ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    store_free(f.store);
    validity_free(f.validity);
    return 0;
}

static struct mono at(uint64_t seconds)
{
    return (struct mono){1000000 + 1000 * seconds};
}

static struct answer_key key_of(const char *text, uint16_t type, const struct key_parts *parts)
{
    uint8_t name[NAME_MAX_SIZE];
    struct answer_key key;
    struct key_parts all = *parts;
    assert_true(name_from_text(text, name) > 0);
    all.name = name;
    all.type = type;
    all.class = CLASS_IN;
    store_key(f.store, &all, &key);
    return key;
}

#define ANYBODY                                                                                    \
    &(struct key_parts)                                                                            \
    {                                                                                              \
        .client = 0                                                                                \
    }

/* An answer of one record of four bytes, in the section that goes with its code; `links`: behind a CNAME. */
static bool put_for(const struct key_parts *parts, const char *text, uint16_t type, uint16_t rcode,
                    bool links, struct mono now)
{
    static const uint16_t ttl_offsets[] = {6, 22};
    uint8_t name[NAME_MAX_SIZE];
    uint8_t body[32] = {0xc0, 12, 0, (uint8_t)type, 0, CLASS_IN, 0, 0, 0, 60, 0, 4, 1, 2, 3, 4};
    memcpy(body + 16, body, 16);
    const bool absent = rcode == RCODE_NXDOMAIN;
    struct answer answer = {
        .flags = rcode,
        .counts = {!absent || links, absent, 0},
        .negative = absent,
        .covered = true,
        .ttl = 60,
        .ede = EDE_NONE,
        .body = body,
        .body_size = absent && links ? 32 : 16,
        .ttl_offsets = ttl_offsets,
        .ttl_count = absent && links ? 2 : 1,
    };
    assert_true(name_from_text(text, name) > 0);
    validity_depend_on_question(f.validity, name, absent ? TOLD_ABSENCE : TOLD_DATA,
                                &answer.dependencies);
    struct answer_key key = key_of(text, type, parts);
    return store_put(f.store, &key, &answer, validity_now(f.validity), now);
}

static bool put(const char *text, uint16_t type, uint16_t rcode, struct mono now)
{
    return put_for(ANYBODY, text, type, rcode, false, now);
}

static enum store_result look_for(const struct key_parts *parts, const char *text, uint16_t type,
                                  struct mono now)
{
    struct store_hit hit;
    uint8_t body[64];
    struct answer_key key = key_of(text, type, parts);
    return store_get(
        f.store, &(struct store_look){.key = &key, .now = now, .buffer = body, .room = sizeof body},
        &hit);
}

static enum store_result look(const char *text, uint16_t type, struct mono now)
{
    return look_for(ANYBODY, text, type, now);
}

static void change(const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text(text, name) > 0);
    validity_mark_name(f.validity, name);
    validity_commit(f.validity, at(0));
}

static void an_absent_name_has_no_other_type(void **state)
{
    (void)state;
    static const char *const names[] = {"gone.example.com.", "gone.example.net."};
    for (size_t i = 0; i < 2; i++) {
        assert_true(put(names[i], TYPE_MX, RCODE_NXDOMAIN, at(0)));
        assert_int_equal(look(names[i], TYPE_MX, at(1)), STORE_HIT);
        assert_int_equal(look(names[i], TYPE_A, at(1)), STORE_HIT);
        assert_int_equal(look(names[i], TYPE_SOA, at(1)), STORE_HIT);
        assert_int_equal(look(names[i], TYPE_A, at(61)), STORE_MISS); /* its time is over */
        assert_int_equal(look("x.gone.example.com.", TYPE_A, at(1)), STORE_MISS);
    }
    struct store_counters counters;
    store_count(f.store, &counters);
    assert_int_equal(counters.hits, 6);
    assert_int_equal(counters.misses, 4);
    assert_int_equal(counters.entries, 2);
    assert_int_equal(counters.absent, 1);
}

/* Where no change can bring data, it is kept once, and takes the place of whatever was held. */
static void outside_the_feed_it_is_kept_once(void **state)
{
    (void)state;
    struct store_counters counters;
    assert_true(put("a.example.net.", TYPE_A, RCODE_NOERROR, at(0)));
    assert_true(put("a.example.net.", TYPE_MX, RCODE_SERVFAIL, at(0)));
    assert_true(put("a.example.net.", TYPE_A, RCODE_NXDOMAIN, at(1)));
    assert_true(put("a.example.net.", TYPE_MX, RCODE_NXDOMAIN, at(2)));
    assert_int_equal(look("a.example.net.", TYPE_A, at(61)), STORE_HIT);
    assert_int_equal(look("a.example.net.", TYPE_TXT, at(61)), STORE_HIT);
    store_count(f.store, &counters);
    assert_int_equal(counters.entries, 1);
    assert_int_equal(counters.absent, 0);
    assert_int_equal(counters.inserted, 4);
    assert_true(put("a.example.net.", TYPE_A, RCODE_NOERROR, at(3)));
    store_count(f.store, &counters);
    assert_int_equal(counters.entries, 1);
    assert_int_equal(look("a.example.net.", TYPE_MX, at(4)), STORE_MISS);
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text("a.example.net.", name) > 0);
    assert_int_equal(store_drop(f.store, name, false), 1);
    store_count(f.store, &counters);
    assert_int_equal(counters.entries, 0);
}

/* What is not kept for want of room is still the newest there was. */
static void what_is_no_more_is_not_left(void **state)
{
    (void)state;
    struct ttl_policy stale = policy;
    stale.serve_stale = 3600;
    struct answer_key key = key_of("a.example.net.", TYPE_A, ANYBODY);
    assert_int_equal(store_configure(f.store, &stale, 1 << 20), ERR_OK);
    assert_true(put("a.example.net.", TYPE_A, RCODE_NOERROR, at(0)));
    assert_true(put("a.example.net.", TYPE_A, RCODE_NXDOMAIN, at(70)));
    store_outdate(f.store, &key, at(100), at(140));
    assert_false(store_revive(f.store, &key, at(140)));
}

/* Given once more by the same rules as others: an answer near its end has itself fetched again, whoever asks. */
static void it_ages(void **state)
{
    (void)state;
    struct ttl_policy eager = policy;
    eager.prefetch = true;
    struct store_hit hit;
    uint8_t body[64];
    struct answer_key key = key_of("a.example.net.", TYPE_TXT, ANYBODY);
    assert_int_equal(store_configure(f.store, &eager, 1 << 20), ERR_OK);
    assert_true(put("a.example.net.", TYPE_A, RCODE_NXDOMAIN, at(0)));
    for (uint64_t second = 50; second < 60; second += 5) {
        const struct store_look look = {
            .key = &key, .now = at(second), .buffer = body, .room = sizeof body};
        assert_int_equal(store_get(f.store, &look, &hit), STORE_HIT);
        assert_int_equal(hit.aging, second > 54);
    }
}

/* Whoever asks otherwise, or for themselves, has their own. */
static void it_is_for_those_who_ask_alike(void **state)
{
    (void)state;
    const struct key_parts signed_ = {.dnssec_ok = true}, one = {.client = 5},
                           other = {.client = 6};
    assert_true(put_for(&signed_, "a.example.com.", TYPE_A, RCODE_NXDOMAIN, false, at(0)));
    assert_int_equal(look("a.example.com.", TYPE_MX, at(1)), STORE_MISS);
    assert_int_equal(look_for(&signed_, "a.example.com.", TYPE_MX, at(1)), STORE_HIT);
    assert_true(put_for(&one, "b.example.com.", TYPE_A, RCODE_NXDOMAIN, false, at(0)));
    assert_int_equal(look_for(&other, "b.example.com.", TYPE_MX, at(1)), STORE_MISS);
    assert_int_equal(look_for(&one, "b.example.com.", TYPE_MX, at(1)), STORE_HIT);
}

/* The servers of the zone above are asked for DS, and others for the rest. */
static void ds_is_another_matter(void **state)
{
    (void)state;
    assert_true(put("a.example.com.", TYPE_DS, RCODE_NXDOMAIN, at(0)));
    assert_int_equal(look("a.example.com.", TYPE_A, at(1)), STORE_MISS);
    assert_true(put("b.example.com.", TYPE_A, RCODE_NXDOMAIN, at(0)));
    assert_int_equal(look("b.example.com.", TYPE_DS, at(1)), STORE_MISS);
    assert_int_equal(look("b.example.com.", TYPE_MX, at(1)), STORE_HIT);
}

/* NXDOMAIN behind a CNAME is about another name; NXDOMAIN with data says that there is something. */
static void only_of_the_name_itself(void **state)
{
    (void)state;
    assert_true(put_for(ANYBODY, "a.example.com.", TYPE_A, RCODE_NXDOMAIN, true, at(0)));
    assert_int_equal(look("a.example.com.", TYPE_MX, at(1)), STORE_MISS);
    assert_true(put("b.example.com.", TYPE_A, RCODE_NOERROR, at(0)));
    assert_int_equal(look("b.example.com.", TYPE_MX, at(1)), STORE_MISS);
}

static void test_p1_a_change_ends_it_for_all_types(void **state)
{
    (void)state;
    static const char *const changes[] = {"a.example.com.", "x.a.example.com."};
    for (size_t i = 0; i < 2; i++) {
        assert_true(put("a.example.com.", TYPE_A, RCODE_NXDOMAIN, at(0)));
        assert_int_equal(look("a.example.com.", TYPE_MX, at(1)), STORE_HIT);
        change("b.example.com.");
        assert_int_equal(look("a.example.com.", TYPE_MX, at(1)), STORE_HIT);
        change(changes[i]); /* or of a name below: it exists then */
        assert_int_equal(look("a.example.com.", TYPE_MX, at(1)), STORE_MISS);
        assert_int_equal(look("a.example.com.", TYPE_A, at(1)), STORE_INVALID);
    }
}

static void what_is_there_after_all_ends_it(void **state)
{
    (void)state;
    assert_true(put("a.example.com.", TYPE_A, RCODE_NXDOMAIN, at(0)));
    assert_true(put("a.example.com.", TYPE_A, RCODE_NOERROR, at(1)));
    assert_int_equal(look("a.example.com.", TYPE_MX, at(2)), STORE_MISS);
    assert_int_equal(look("a.example.com.", TYPE_A, at(2)), STORE_HIT);
}

/* As with the question's own answer: see store_outdate(). */
static void test_p6_what_an_unkept_answer_followed_is_not_held_again(void **state)
{
    (void)state;
    struct answer_key key = key_of("a.example.com.", TYPE_A, ANYBODY);
    validity_set_lease(f.validity, at(1000));
    assert_true(put("a.example.com.", TYPE_A, RCODE_NXDOMAIN, at(0)));
    assert_int_equal(look("a.example.com.", TYPE_MX, at(70)), STORE_HIT); /* held */
    validity_set_lease(f.validity, at(0));
    assert_int_equal(look("a.example.com.", TYPE_MX, at(70)), STORE_MISS);
    store_outdate(f.store, &key, at(0), at(70));
    validity_set_lease(f.validity, at(1000));
    assert_int_equal(look("a.example.com.", TYPE_MX, at(70)), STORE_MISS);
}

static void a_dead_upstream_revives_it(void **state)
{
    (void)state;
    struct ttl_policy stale = policy;
    stale.serve_stale = 3600;
    assert_int_equal(store_configure(f.store, &stale, 1 << 20), ERR_OK);
    assert_true(put("a.example.com.", TYPE_A, RCODE_NXDOMAIN, at(0)));
    assert_int_equal(look("a.example.com.", TYPE_MX, at(70)), STORE_MISS);
    struct answer_key key = key_of("a.example.com.", TYPE_MX, ANYBODY);
    assert_true(store_revive(f.store, &key, at(70)));
    assert_int_equal(look("a.example.com.", TYPE_MX, at(71)), STORE_HIT);
}

/* A failure is about a server; what is known of the name is known. */
static void a_failure_does_not_hide_it(void **state)
{
    (void)state;
    assert_true(put("a.example.com.", TYPE_MX, RCODE_NXDOMAIN, at(0)));
    assert_false(put("a.example.com.", TYPE_A, RCODE_SERVFAIL, at(1)));
    assert_int_equal(look("a.example.com.", TYPE_A, at(1)), STORE_HIT);
    assert_true(put("b.example.com.", TYPE_A, RCODE_SERVFAIL, at(1)));
}

/* What clients were told after it is not followed by what had been there before. */
static void it_ends_what_had_expired(void **state)
{
    (void)state;
    struct ttl_policy stale = policy;
    stale.serve_stale = 3600;
    struct answer_key key = key_of("a.example.com.", TYPE_A, ANYBODY);
    assert_int_equal(store_configure(f.store, &stale, 1 << 20), ERR_OK);
    for (int told = 0; told < 2; told++) {
        uint8_t name[NAME_MAX_SIZE];
        assert_true(name_from_text("a.example.com.", name) > 0);
        store_drop(f.store, name, false);
        assert_true(put("a.example.com.", TYPE_A, RCODE_NOERROR, at(0)));
        assert_true(put("a.example.com.", TYPE_MX, RCODE_NXDOMAIN, at(50)));
        if (told)
            assert_int_equal(look("a.example.com.", TYPE_A, at(70)), STORE_HIT);
        assert_int_equal(look("a.example.com.", TYPE_A, at(120)),
                         told ? STORE_MISS : STORE_EXPIRED);
        assert_true(store_revive(f.store, &key, at(120)));
        struct store_counters counters;
        store_count(f.store, &counters);
        assert_int_equal(counters.entries, told ? 1 : 2);
    }
}

static void count_view(void *arg, const struct view *view)
{
    (void)view;
    ++*(size_t *)arg;
}

static void people_see_it_once(void **state)
{
    (void)state;
    size_t seen = 0;
    assert_true(put("a.example.com.", TYPE_A, RCODE_NXDOMAIN, at(0)));
    assert_true(put("a.example.net.", TYPE_A, RCODE_NXDOMAIN, at(0)));
    struct view_walk *walk = view_walk_new(f.store);
    while (view_walk_next(walk, at(1), count_view, &seen))
        continue;
    view_walk_free(walk);
    assert_int_equal(seen, 2);
    seen = 1;
    struct answer_key key = key_of("a.example.com.", TYPE_MX, ANYBODY);
    assert_true(view_entry(f.store, &key, at(1), count_view, &seen));
    key = key_of("a.example.com.", TYPE_DS, ANYBODY);
    assert_false(view_entry(f.store, &key, at(1), count_view, &seen));
    assert_int_equal(seen, 2);
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text("a.example.com.", name) > 0);
    assert_int_equal(store_drop(f.store, name, false), 2);
    assert_int_equal(look("a.example.com.", TYPE_MX, at(1)), STORE_MISS);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_absent_name_has_no_other_type),
        TEST(outside_the_feed_it_is_kept_once),
        TEST(what_is_no_more_is_not_left),
        TEST(it_ages),
        TEST(it_is_for_those_who_ask_alike),
        TEST(ds_is_another_matter),
        TEST(only_of_the_name_itself),
        TEST(test_p1_a_change_ends_it_for_all_types),
        TEST(what_is_there_after_all_ends_it),
        TEST(test_p6_what_an_unkept_answer_followed_is_not_held_again),
        TEST(a_dead_upstream_revives_it),
        TEST(a_failure_does_not_hide_it),
        TEST(it_ends_what_had_expired),
        TEST(people_see_it_once),
    };
    return cmocka_run_group_tests_name("absent", tests, NULL, NULL);
}
