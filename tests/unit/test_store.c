#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/store.h"

enum { ONE_MIB = 1024 * 1024 };

/* Allocations that succeed before the one that fails; negative: all do. And how many maps are open. */
static _Thread_local int until_failure = -1;
static atomic_int maps;

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fails())
        return MAP_FAILED;
    maps++;
    return __real_mmap(at, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t size)
{
    maps--;
    return __real_munmap(at, size);
}

static const struct ttl_policy open_policy = {
    .max_ttl = 86400, .negative_ttl = 900, .client_ttl = 86400};

struct fixture {
    struct validity *validity;
    struct store *store;
};

static void open_store(struct fixture *f, size_t size, size_t shards)
{
    static uint8_t zone[NAME_MAX_SIZE];
    const uint8_t *zones[] = {zone};
    assert_true(name_from_text("example.com.", zone) > 0);
    f->validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 1, .marks = 1024, .key = 7});
    f->store = store_new(&(struct store_options){
        .size = size, .shards = shards, .policy = open_policy, .validity = f->validity});
    assert_non_null(f->store);
}

static void close_store(struct fixture *f)
{
    store_free(f->store);
    validity_free(f->validity);
}

static struct answer_key key_of(struct fixture *f, const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    struct answer_key key;
    assert_true(name_from_text(text, name) > 0);
    store_key(f->store, &(struct key_parts){.name = name, .type = TYPE_A, .class = CLASS_IN}, &key);
    return key;
}

/* What a change brings, made at `now`. */
static bool replace(struct store *store, const struct answer_key *key, const struct answer *answer,
                    struct stamp stamp, struct mono now)
{
    return store_replace(store, key, answer,
                         &(struct store_pushed){.stamp = stamp, .made = now, .now = now});
}

/* An answer of one A record whose address is `mark`. */
static bool put_by(__typeof__(store_put) *keep, struct fixture *f, const char *text, uint32_t mark,
                   uint32_t ttl, struct stamp stamp, struct mono now)
{
    static const uint16_t ttl_offsets[] = {6};
    uint8_t body[16] = {0xc0, 12, 0, TYPE_A, 0, CLASS_IN, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0};
    wire_put_u32(body + 6, ttl);
    wire_put_u32(body + 12, mark);
    struct answer answer = {
        .counts = {1, 0, 0},
        .ttl = ttl,
        .ede = EDE_NONE,
        .body = body,
        .body_size = sizeof body,
        .ttl_offsets = ttl_offsets,
        .ttl_count = 1,
    };
    uint8_t name[NAME_MAX_SIZE];
    int size = name_from_text(text, name);
    assert_true(size > 0);
    name_lower(name, (size_t)size, name);
    validity_depend_on_question(f->validity, name, false, &answer.dependencies);
    struct answer_key key = key_of(f, text);
    return keep(f->store, &key, &answer, stamp, now);
}

/* As a fetch would bring it. */
static bool put(struct fixture *f, const char *text, uint32_t mark, uint32_t ttl,
                struct stamp stamp, struct mono now)
{
    return put_by(store_put, f, text, mark, ttl, stamp, now);
}

static enum store_result look_up(struct fixture *f, const struct answer_key *key, struct mono now,
                                 uint8_t *buffer, size_t room, struct store_hit *hit)
{
    return store_get(f->store,
                     &(struct store_look){.key = key, .now = now, .buffer = buffer, .room = room},
                     hit);
}

struct got {
    enum store_result result;
    uint32_t mark;
    uint32_t ttl;
};

static struct got get(struct fixture *f, const char *text, struct mono now)
{
    struct answer_key key = key_of(f, text);
    struct store_hit hit;
    uint8_t body[64];
    store_expect(f->store, key.hash);
    struct got got = {.result = look_up(f, &key, now, body, sizeof body, &hit)};
    if (got.result == STORE_HIT) {
        assert_int_equal(hit.body_size, 16);
        got.ttl = wire_get_u32(body + 6);
        got.mark = wire_get_u32(body + 12);
    }
    return got;
}

static struct mono at(uint64_t ms)
{
    return (struct mono){1000000 + ms};
}

static void change(struct fixture *f, const char *text)
{
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text(text, name) > 0);
    validity_mark_name(f->validity, name);
    validity_commit(f->validity, (struct mono){1});
}

static void what_is_put_is_found_and_ages(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    assert_int_equal(get(&f, "www.example.com.", at(0)).result, STORE_MISS);
    assert_true(put(&f, "www.example.com.", 1, 10, validity_now(f.validity), at(0)));
    struct got got = get(&f, "WWW.Example.COM.", at(3999));
    assert_int_equal(got.result, STORE_HIT);
    assert_int_equal(got.mark, 1);
    assert_int_equal(got.ttl, 7);
    assert_int_equal(get(&f, "www.example.com.", at(9999)).result, STORE_HIT);
    assert_int_equal(get(&f, "www.example.com.", at(10000)).result, STORE_EXPIRED);
    close_store(&f);
}

static void nothing_without_a_lifetime_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    assert_false(put(&f, "www.example.com.", 1, 0, validity_now(f.validity), at(0)));
    assert_int_equal(get(&f, "www.example.com.", at(0)).result, STORE_MISS);
    close_store(&f);
}

static void test_p1_a_change_ends_an_answer(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    put(&f, "www.example.com.", 1, 3600, validity_now(f.validity), at(0));
    put(&f, "mail.example.com.", 2, 3600, validity_now(f.validity), at(0));
    put(&f, "www.example.org.", 3, 3600, validity_now(f.validity), at(0));
    change(&f, "www.example.com.");
    assert_int_equal(get(&f, "www.example.com.", at(1)).result, STORE_INVALID);
    assert_int_equal(get(&f, "mail.example.com.", at(1)).result, STORE_HIT);
    assert_int_equal(get(&f, "www.example.org.", at(1)).result, STORE_HIT);
    close_store(&f);
}

static void test_p2_a_late_fill_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    struct stamp before = validity_now(f.validity);
    change(&f, "www.example.com.");
    assert_false(put(&f, "www.example.com.", 1, 3600, before, at(0)));
    assert_int_equal(get(&f, "www.example.com.", at(0)).result, STORE_MISS);
    assert_true(put(&f, "www.example.com.", 2, 3600, validity_now(f.validity), at(0)));
    assert_int_equal(get(&f, "www.example.com.", at(0)).mark, 2);
    struct store_counters counters;
    store_count(f.store, &counters);
    assert_int_equal(counters.late, 1);
    close_store(&f);
}

/* A hit moves the stamp forward; it must not carry an answer over a change that came in between. */
static void moving_the_stamp_skips_no_change(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    put(&f, "www.example.com.", 1, 3600, validity_now(f.validity), at(0));
    for (int i = 0; i < 100; i++) {
        change(&f, "mail.example.com.");
        assert_int_equal(get(&f, "www.example.com.", at(1)).result, STORE_HIT);
    }
    change(&f, "www.example.com.");
    change(&f, "mail.example.com.");
    assert_int_equal(get(&f, "www.example.com.", at(1)).result, STORE_INVALID);
    close_store(&f);
}

/* What is fetched after a change was made may be further than the change; what came with a later one is. */
static void test_p8_a_change_that_was_overtaken_replaces_nothing(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    put(&f, "www.example.com.", 1, 3600, validity_now(f.validity), at(100));
    change(&f, "www.example.com.");
    struct stamp stamp = validity_now(f.validity);
    assert_false(put_by(replace, &f, "www.example.com.", 2, 3600, stamp, at(99)));
    assert_false(put_by(replace, &f, "www.example.com.", 2, 3600, stamp, at(100)));
    assert_int_equal(get(&f, "www.example.com.", at(101)).result, STORE_INVALID);
    assert_true(put_by(replace, &f, "www.example.com.", 3, 3600, stamp, at(101)));
    assert_false(put_by(replace, &f, "www.example.com.", 2, 3600, stamp, at(100)));
    assert_true(put_by(replace, &f, "www.example.com.", 4, 3600, stamp, at(101)));
    assert_int_equal(get(&f, "www.example.com.", at(102)).mark, 4);
    close_store(&f);
}

/* Provisional: no lower bound of its TTL, not held, not revived; and it is said. */
static void test_p4_a_provisional_answer_does_not_last(void **state)
{
    (void)state;
    struct fixture f;
    struct store_hit hit;
    open_store(&f, ONE_MIB, 0);
    struct ttl_policy policy = open_policy;
    policy.min_ttl = 60;
    policy.hold = 100;
    policy.serve_stale = 100;
    assert_int_equal(store_configure(f.store, &policy, ONE_MIB), ERR_OK);
    validity_set_lease(f.validity, at(1000000));
    uint8_t body[] = {1}, copy[16];
    struct answer answer = {.ttl = 3600, .body = body, .body_size = 1, .ede = EDE_NONE};
    struct answer_key key = key_of(&f, "www.example.com.");
    validity_depend_on_question(f.validity, answer_key_name(key.bytes), TOLD_DATA,
                                &answer.dependencies);
    struct stamp held;
    answer.covered = true;
    answer.elsewhere = 7201;
    answer_bound_ttls(&answer, &policy);
    answer_doubt(&answer);
    assert_int_equal(answer.ttl, 1);
    answer_bound_ttls(&answer, &policy);
    assert_int_equal(answer.ttl, 1);
    assert_int_equal(store_elsewhere(f.store, &key, &held), 0);
    assert_true(store_put(f.store, &key, &answer, validity_now(f.validity), at(0)));
    assert_int_equal(store_elsewhere(f.store, &key, &held), 7204);
    assert_int_equal(look_up(&f, &key, at(400), copy, sizeof copy, &hit), STORE_HIT);
    assert_true(hit.provisional);
    assert_false(hit.aging);
    assert_int_equal(look_up(&f, &key, at(500), copy, sizeof copy, &hit), STORE_HIT);
    assert_true(hit.aging); /* something better may be had */
    assert_int_equal(look_up(&f, &key, at(1000), copy, sizeof copy, &hit), STORE_EXPIRED);
    assert_false(store_revive(f.store, &key, at(1000)));
    /* What a change brings is not provisional, but what is cached elsewhere is there all the same. */
    assert_true(put_by(replace, &f, "www.example.com.", 2, 300, validity_now(f.validity), at(1)));
    assert_int_equal(look_up(&f, &key, at(1000), copy, sizeof copy, &hit), STORE_HIT);
    assert_false(hit.provisional);
    assert_int_equal(store_elsewhere(f.store, &key, &held), 7204);
    close_store(&f);
}

/* `negative_ttl` is for what says that there is nothing, not for the CNAME that leads there. */
static void a_negative_end_does_not_shorten_its_links(void **state)
{
    (void)state;
    static const uint16_t ttl_offsets[] = {0, 4};
    const struct ttl_policy policy = {.max_ttl = 86400, .negative_ttl = 30, .client_ttl = 86400};
    uint8_t body[8] = {0, 0, 1, 44, 0, 0, 1, 44}; /* 300 and 300 */
    struct answer answer = {.counts = {1, 1, 0},
                            .ttl = 300,
                            .negative = true,
                            .body = body,
                            .body_size = sizeof body,
                            .ttl_offsets = ttl_offsets,
                            .ttl_count = 2};
    assert_int_equal(answer_bound_ttls(&answer, &policy), 30);
    assert_int_equal(wire_get_u32(body), 300);
    assert_int_equal(wire_get_u32(body + 4), 30);
}

static void replace_wants_a_held_question(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    uint8_t body[] = {1};
    struct answer answer = {.ttl = 60, .body = body, .body_size = 1, .ede = EDE_NONE};
    struct answer_key key = key_of(&f, "www.example.com.");
    struct stamp now = validity_now(f.validity);
    assert_false(replace(f.store, &key, &answer, now, at(1)));
    put(&f, "www.example.com.", 1, 3600, now, at(0));
    change(&f, "www.example.com.");
    assert_true(replace(f.store, &key, &answer, validity_now(f.validity), at(1)));
    struct store_hit hit;
    uint8_t copy[8];
    assert_int_equal(look_up(&f, &key, at(1), copy, sizeof copy, &hit), STORE_HIT);
    assert_int_equal(hit.body_size, 1);
    close_store(&f);
}

/* A query between the mark and the install sends a fetch, and its server may still have the old. */
static void a_fetch_does_not_undo_what_a_change_brought(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    put(&f, "www.example.com.", 1, 3600, validity_now(f.validity), at(0));
    change(&f, "www.example.com.");
    struct stamp stamp = validity_now(f.validity);
    assert_true(put_by(replace, &f, "www.example.com.", 2, 3600, stamp, at(1)));
    assert_false(put(&f, "www.example.com.", 1, 3600, stamp, at(1)));
    assert_int_equal(get(&f, "www.example.com.", at(1)).mark, 2);
    assert_true(put_by(replace, &f, "www.example.com.", 3, 3600, stamp, at(1)));
    change(&f, "www.example.com.");
    assert_true(put(&f, "www.example.com.", 4, 1, validity_now(f.validity), at(2)));
    assert_true(put(&f, "www.example.com.", 5, 1, validity_now(f.validity), at(2)));
    assert_int_equal(get(&f, "www.example.com.", at(2)).mark, 5);
    assert_true(put_by(replace, &f, "www.example.com.", 6, 1, validity_now(f.validity), at(3)));
    assert_true(put(&f, "www.example.com.", 7, 1, validity_now(f.validity), at(1003)));
    close_store(&f);
}

static void test_p7_clients_of_subscribed_zones_get_short_ttls(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    struct ttl_policy policy = open_policy;
    policy.client_ttl = 5;
    assert_int_equal(store_configure(f.store, &policy, ONE_MIB), ERR_OK);
    put(&f, "www.example.com.", 1, 3600, validity_now(f.validity), at(0));
    put(&f, "www.example.org.", 2, 3600, validity_now(f.validity), at(0));
    assert_int_equal(get(&f, "www.example.com.", at(0)).ttl, 5);
    assert_int_equal(get(&f, "www.example.org.", at(0)).ttl, 3600);
    close_store(&f);
}

static void a_body_too_long_is_truncated(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    put(&f, "www.example.com.", 1, 60, validity_now(f.validity), at(0));
    struct answer_key key = key_of(&f, "www.example.com.");
    struct store_hit hit;
    uint8_t body[15];
    assert_int_equal(look_up(&f, &key, at(0), body, sizeof body, &hit), STORE_TRUNCATED);
    close_store(&f);
}

/* Bytes stay bounded, and what is asked for survives a flood of what is asked once. */
static void eviction_keeps_what_is_used(void **state)
{
    (void)state;
    enum { HOT = 50, COLD = 20000 };
    struct fixture f;
    open_store(&f, ONE_MIB / 4, 1);
    char text[64];
    for (int i = 0; i < HOT; i++) {
        snprintf(text, sizeof text, "hot%d.example.org.", i);
        put(&f, text, 1, 3600, validity_now(f.validity), at(0));
    }
    size_t lost = 0;
    for (int i = 0; i < COLD; i++) {
        snprintf(text, sizeof text, "cold%d.example.org.", i);
        put(&f, text, 1, 3600, validity_now(f.validity), at(0));
        snprintf(text, sizeof text, "hot%d.example.org.", i % HOT);
        lost += get(&f, text, at(1)).result != STORE_HIT;
    }
    struct store_counters counters;
    store_count(f.store, &counters);
    assert_true(counters.bytes <= ONE_MIB / 4);
    assert_true(counters.evicted > COLD / 2);
    assert_int_equal(lost, 0);
    close_store(&f);
}

static void a_smaller_size_evicts_at_once(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 4);
    char text[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "n%d.example.org.", i);
        put(&f, text, 1, 3600, validity_now(f.validity), at(0));
    }
    assert_int_equal(store_configure(f.store, &open_policy, 64 * 1024), ERR_OK);
    struct store_counters counters;
    store_count(f.store, &counters);
    assert_true(counters.bytes <= 64 * 1024);
    assert_true(counters.entries > 0);
    close_store(&f);
}

/* Without memory for one shard no shard is of another size, and the policy is as before. */
static void a_resize_is_for_all_shards_or_none(void **state)
{
    (void)state;
    enum { NAMES = 500 };
    struct fixture f;
    struct store_counters counters;
    struct ttl_policy other = open_policy;
    other.client_ttl = 7;
    open_store(&f, ONE_MIB, 4);
    char text[64];
    for (int i = 0; i < NAMES; i++) {
        snprintf(text, sizeof text, "n%d.example.org.", i);
        put(&f, text, 1, 3600, validity_now(f.validity), at(0));
    }
    int maps_before = maps;
    for (int n = 0;; n++) {
        until_failure = n;
        int error = store_configure(f.store, &other, 2 * ONE_MIB);
        until_failure = -1;
        store_count(f.store, &counters);
        assert_int_equal(counters.entries, NAMES);
        assert_int_equal(maps, maps_before);
        assert_int_equal(counters.size, error ? ONE_MIB : 2 * ONE_MIB);
        assert_int_equal(store_policy(f.store).client_ttl, error ? open_policy.client_ttl : 7);
        if (!error) {
            assert_int_equal(n, 4 * 2 + 1);
            break;
        }
        assert_int_equal(error, ERR_MEMORY);
    }
    close_store(&f);
}

static void a_store_without_memory_is_none(void **state)
{
    (void)state;
    struct validity *validity = validity_new(&(struct validity_options){.marks = 64, .key = 7});
    struct store_options options = {
        .size = ONE_MIB, .shards = 2, .policy = open_policy, .validity = validity};
    int maps_before = maps, failures = 0;
    struct store *store;
    do {
        until_failure = failures;
        store = store_new(&options);
        until_failure = -1;
        assert_true(store || maps == maps_before);
    } while (!store && failures++ < 100);
    assert_int_equal(failures, 2 + 2 * 2 + 1);
    store_free(store);
    validity_free(validity);
}

static void drop_takes_a_name_or_a_subtree(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    struct stamp now = validity_now(f.validity);
    put(&f, "a.example.org.", 1, 60, now, at(0));
    put(&f, "b.a.example.org.", 1, 60, now, at(0));
    put(&f, "c.example.org.", 1, 60, now, at(0));
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text("a.example.org.", name) > 0);
    assert_int_equal(store_drop(f.store, name, false), 1);
    assert_int_equal(get(&f, "b.a.example.org.", at(0)).result, STORE_HIT);
    assert_int_equal(store_drop(f.store, name, true), 1);
    assert_int_equal(get(&f, "c.example.org.", at(0)).result, STORE_HIT);
    close_store(&f);
}

static void key_bits_keep_answers_apart(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    struct answer_key keys[5];
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text("www.example.org.", name) > 0);
    for (int i = 0; i < 5; i++)
        store_key(f.store,
                  &(struct key_parts){.name = name,
                                      .type = i == 4 ? TYPE_AAAA : TYPE_A,
                                      .class = CLASS_IN,
                                      .dnssec_ok = i & 1,
                                      .checking_disabled = i >> 1 & 1},
                  &keys[i]);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++)
            assert_false(keys[i].size == keys[k].size &&
                         memcmp(keys[i].bytes, keys[k].bytes, keys[i].size) == 0);
    close_store(&f);
}

static void set_policy(struct fixture *f, struct ttl_policy policy)
{
    assert_int_equal(store_configure(f->store, &policy, ONE_MIB), ERR_OK);
}

/* As put(), of an answer whose names all lie in zones of the feed. */
static bool put_covered(struct fixture *f, const char *text, uint32_t ttl)
{
    uint8_t body[] = {0}, name[NAME_MAX_SIZE];
    struct answer answer = {
        .ttl = ttl, .ede = EDE_NONE, .body = body, .body_size = 1, .covered = true};
    assert_true(name_from_text(text, name) > 0);
    validity_depend_on_question(f->validity, name, false, &answer.dependencies);
    struct answer_key key = key_of(f, text);
    return store_put(f->store, &key, &answer, validity_now(f->validity), at(0));
}

static enum store_result look(struct fixture *f, const char *text, struct mono now,
                              struct store_hit *hit)
{
    uint8_t body[64];
    struct answer_key key = key_of(f, text);
    return look_up(f, &key, now, body, sizeof body, hit);
}

static void test_p6_held_only_while_the_lease_lasts(void **state)
{
    (void)state;
    struct fixture f;
    struct store_hit hit;
    open_store(&f, ONE_MIB, 0);
    struct ttl_policy policy = open_policy;
    policy.hold = 100;
    set_policy(&f, policy);
    assert_true(put_covered(&f, "www.example.com.", 10));
    assert_int_equal(look(&f, "www.example.com.", at(20000), &hit), STORE_EXPIRED);
    validity_set_lease(f.validity, at(50000));
    assert_int_equal(look(&f, "www.example.com.", at(20000), &hit), STORE_HIT);
    assert_int_equal(look(&f, "www.example.com.", at(49999), &hit), STORE_HIT);
    assert_int_equal(look(&f, "www.example.com.", at(50000), &hit), STORE_EXPIRED);
    validity_set_lease(f.validity, at(1000000));
    assert_int_equal(look(&f, "www.example.com.", at(109999), &hit), STORE_HIT);
    assert_int_equal(look(&f, "www.example.com.", at(110000), &hit), STORE_EXPIRED);
    close_store(&f);
}

static void test_p6_what_an_unkept_answer_followed_is_not_held_again(void **state)
{
    (void)state;
    struct fixture f;
    struct store_hit hit;
    open_store(&f, ONE_MIB, 0);
    struct ttl_policy policy = open_policy;
    policy.hold = 100;
    set_policy(&f, policy);
    struct answer_key key = key_of(&f, "www.example.com.");
    validity_set_lease(f.validity, at(1000000));
    /* Put at 0, and held at 20; what was asked for before that is no reason to drop it. */
    assert_true(put_covered(&f, "www.example.com.", 10));
    store_outdate(f.store, &key, at(0), at(20000));
    assert_int_equal(look(&f, "www.example.com.", at(20000), &hit), STORE_HIT);
    /* The lease is back before the answer is. */
    store_outdate(f.store, &key, at(19000), at(20000));
    assert_int_equal(look(&f, "www.example.com.", at(20000), &hit), STORE_MISS);
    /* Or after it. */
    assert_true(put_covered(&f, "www.example.com.", 10));
    validity_set_lease(f.validity, at(0));
    store_outdate(f.store, &key, at(0), at(21000));
    validity_set_lease(f.validity, at(1000000));
    assert_int_equal(look(&f, "www.example.com.", at(22000), &hit), STORE_MISS);
    close_store(&f);
}

static void test_p6_a_change_ends_what_is_held(void **state)
{
    (void)state;
    struct fixture f;
    struct store_hit hit;
    open_store(&f, ONE_MIB, 0);
    struct ttl_policy policy = open_policy;
    policy.hold = 100;
    set_policy(&f, policy);
    assert_true(put_covered(&f, "www.example.com.", 10));
    validity_set_lease(f.validity, at(1000000));
    change(&f, "www.example.com.");
    assert_int_equal(look(&f, "www.example.com.", at(20000), &hit), STORE_INVALID);
    close_store(&f);
}

static void test_p6_names_outside_the_feed_are_not_held(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    struct ttl_policy policy = open_policy;
    policy.hold = 100;
    set_policy(&f, policy);
    validity_set_lease(f.validity, at(1000000));
    put(&f, "www.example.com.", 1, 10, validity_now(f.validity), at(0));
    assert_int_equal(get(&f, "www.example.com.", at(20000)).result, STORE_EXPIRED);
    close_store(&f);
}

static void test_p1_stale_answers_yield_to_a_change(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    struct ttl_policy policy = open_policy;
    policy.serve_stale = 60;
    set_policy(&f, policy);
    struct answer_key key = key_of(&f, "www.example.com.");
    assert_false(store_revive(f.store, &key, at(0)));
    put(&f, "www.example.com.", 1, 10, validity_now(f.validity), at(0));
    assert_int_equal(get(&f, "www.example.com.", at(20000)).result, STORE_EXPIRED);
    assert_true(store_revive(f.store, &key, at(20000)));
    struct got got = get(&f, "www.example.com.", at(20001));
    assert_int_equal(got.result, STORE_HIT);
    assert_true(got.ttl <= 30 && got.ttl > 0);
    assert_int_equal(get(&f, "www.example.com.", at(26000)).result, STORE_EXPIRED);
    assert_false(store_revive(f.store, &key, at(70000)));
    assert_true(store_revive(f.store, &key, at(30000)));
    change(&f, "www.example.com.");
    assert_int_equal(get(&f, "www.example.com.", at(30001)).result, STORE_INVALID);
    assert_false(store_revive(f.store, &key, at(30001)));
    close_store(&f);
}

static void a_failure_does_not_displace_an_answer(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    struct answer failure = {.flags = RCODE_SERVFAIL, .ttl = 5, .ede = EDE_NONE};
    struct answer_key key = key_of(&f, "www.example.com.");
    put(&f, "www.example.com.", 1, 10, validity_now(f.validity), at(0));
    assert_false(store_put(f.store, &key, &failure, validity_now(f.validity), at(9000)));
    assert_int_equal(get(&f, "www.example.com.", at(9000)).result, STORE_HIT);
    assert_true(store_put(f.store, &key, &failure, validity_now(f.validity), at(11000)));
    close_store(&f);
}

static void answers_near_their_end_say_so(void **state)
{
    (void)state;
    struct fixture f;
    struct store_hit hit;
    open_store(&f, ONE_MIB, 0);
    put(&f, "www.example.com.", 1, 100, validity_now(f.validity), at(0));
    assert_int_equal(look(&f, "www.example.com.", at(95000), &hit), STORE_HIT);
    assert_false(hit.aging);
    struct ttl_policy policy = open_policy;
    policy.prefetch = true;
    set_policy(&f, policy);
    assert_int_equal(look(&f, "www.example.com.", at(89999), &hit), STORE_HIT);
    assert_false(hit.aging);
    assert_int_equal(look(&f, "www.example.com.", at(90000), &hit), STORE_HIT);
    assert_true(hit.aging);
    close_store(&f);
}

static void test_p7_children_are_not_bound_by_client_ttl(void **state)
{
    (void)state;
    struct fixture f;
    struct store_hit hit;
    uint8_t body[64];
    open_store(&f, ONE_MIB, 0);
    struct ttl_policy policy = open_policy;
    policy.client_ttl = 5;
    set_policy(&f, policy);
    put(&f, "www.example.com.", 1, 3600, validity_now(f.validity), at(0));
    struct answer_key key = key_of(&f, "www.example.com.");
    for (int child = 0; child <= 1; child++) {
        struct store_look ask = {
            .key = &key, .now = at(0), .buffer = body, .room = sizeof body, .child = child};
        assert_int_equal(store_get(f.store, &ask, &hit), STORE_HIT);
        assert_int_equal(wire_get_u32(body + 6), child ? 3600 : 5);
    }
    close_store(&f);
}

/*
 * P1 under load: one thread changes a name and puts its new version, with fetches that come late on purpose;
 * readers never see a version older than the newest change they knew of.
 */
struct race {
    struct fixture f;
    _Atomic uint32_t applied; /* versions up to this one are superseded by it */
    _Atomic bool done;
    _Atomic uint32_t violations, hits;
};

enum { ROUNDS = 20000 };

static void *read_on(void *arg)
{
    struct race *race = arg;
    while (!atomic_load(&race->done)) {
        uint32_t oldest = atomic_load(&race->applied);
        struct got got = get(&race->f, "www.example.com.", at(0));
        if (got.result != STORE_HIT)
            continue;
        atomic_fetch_add(&race->hits, 1);
        if (got.mark < oldest)
            atomic_fetch_add(&race->violations, 1);
    }
    return NULL;
}

static void test_p1_p2_no_reader_sees_the_past(void **state)
{
    (void)state;
    struct race race = {0};
    open_store(&race.f, ONE_MIB, 0);
    pthread_t readers[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &race), 0);
    for (uint32_t version = 1; version <= ROUNDS; version++) {
        struct stamp late = validity_now(race.f.validity);
        change(&race.f, "www.example.com.");
        atomic_store(&race.applied, version);
        put(&race.f, "www.example.com.", version - 1, 3600, late, at(0));
        put(&race.f, "www.example.com.", version, 3600, validity_now(race.f.validity), at(0));
        for (int spin = 0; spin < 200; spin++)
            atomic_load(&race.applied);
    }
    atomic_store(&race.done, true);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(race.violations, 0);
    assert_true(race.hits > 0);
    close_store(&race.f);
}

/* A store that is made larger and smaller while it is asked and filled: no thread touches what another frees. */
static void *ask_and_fill(void *arg)
{
    enum { NAMES = 500 };
    struct race *race = arg;
    char text[64];
    for (uint32_t i = 0; !atomic_load(&race->done); i++) {
        snprintf(text, sizeof text, "n%u.example.org.", i % NAMES);
        struct got got = get(&race->f, text, at(0));
        if (got.result == STORE_HIT)
            atomic_fetch_add(&race->violations, got.mark != i % NAMES);
        else
            put(&race->f, text, i % NAMES, 60, validity_now(race->f.validity), at(0));
    }
    return NULL;
}

static void a_resize_disturbs_nobody(void **state)
{
    (void)state;
    struct race race = {0};
    open_store(&race.f, ONE_MIB, 2);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_and_fill, &race), 0);
    for (int i = 0; i < 300; i++)
        assert_int_equal(store_configure(race.f.store, &open_policy, ONE_MIB >> (i % 6)), ERR_OK);
    atomic_store(&race.done, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(race.violations, 0);
    close_store(&race.f);
}

static void a_key_of_a_hashed_name_is_the_same(void **state)
{
    (void)state;
    struct fixture f;
    open_store(&f, ONE_MIB, 0);
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text("www.example.com.", name) > 0);
    const struct hashed_name hashed = validity_hashed(f.validity, name);
    struct answer_key one, other;
    answer_key_of(&hashed, TYPE_AAAA, &other);
    for (int bits = 0; bits < KEY_VARIANTS; bits++) {
        store_key_variant(f.store, name, TYPE_AAAA, bits, &one);
        answer_key_set_bits(&other, bits);
        assert_int_equal(one.size, other.size);
        assert_memory_equal(one.bytes, other.bytes, one.size);
        assert_int_equal(one.name_size, other.name_size);
        assert_int_equal(one.name_hash, other.name_hash);
        assert_int_equal(one.hash, other.hash);
        assert_int_equal(one.hash, answer_key_hash_of(&hashed, TYPE_AAAA, bits));
    }
    close_store(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_found_and_ages),
        cmocka_unit_test(nothing_without_a_lifetime_is_kept),
        cmocka_unit_test(test_p1_a_change_ends_an_answer),
        cmocka_unit_test(test_p2_a_late_fill_is_refused),
        cmocka_unit_test(moving_the_stamp_skips_no_change),
        cmocka_unit_test(a_negative_end_does_not_shorten_its_links),
        cmocka_unit_test(replace_wants_a_held_question),
        cmocka_unit_test(test_p8_a_change_that_was_overtaken_replaces_nothing),
        cmocka_unit_test(test_p4_a_provisional_answer_does_not_last),
        cmocka_unit_test(a_fetch_does_not_undo_what_a_change_brought),
        cmocka_unit_test(test_p7_clients_of_subscribed_zones_get_short_ttls),
        cmocka_unit_test(a_body_too_long_is_truncated),
        cmocka_unit_test(eviction_keeps_what_is_used),
        cmocka_unit_test(a_smaller_size_evicts_at_once),
        cmocka_unit_test(a_resize_is_for_all_shards_or_none),
        cmocka_unit_test(a_store_without_memory_is_none),
        cmocka_unit_test(drop_takes_a_name_or_a_subtree),
        cmocka_unit_test(key_bits_keep_answers_apart),
        cmocka_unit_test(test_p6_held_only_while_the_lease_lasts),
        cmocka_unit_test(test_p6_what_an_unkept_answer_followed_is_not_held_again),
        cmocka_unit_test(test_p6_a_change_ends_what_is_held),
        cmocka_unit_test(test_p6_names_outside_the_feed_are_not_held),
        cmocka_unit_test(test_p1_stale_answers_yield_to_a_change),
        cmocka_unit_test(a_failure_does_not_displace_an_answer),
        cmocka_unit_test(answers_near_their_end_say_so),
        cmocka_unit_test(test_p7_children_are_not_bound_by_client_ttl),
        cmocka_unit_test(test_p1_p2_no_reader_sees_the_past),
        cmocka_unit_test(a_resize_disturbs_nobody),
        cmocka_unit_test(a_key_of_a_hashed_name_is_the_same),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
