#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/view.h"
#include "invalidation/apply.h"

static bool starved; /* there is no memory */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return starved ? NULL : __real_malloc(size);
}

struct fixture {
    struct validity *validity;
    struct store *store;
    struct applier *applier;
};

static const struct mono start = {1000000};

static int setup(void **state)
{
    static struct fixture f;
    static uint8_t com[NAME_MAX_SIZE], net[NAME_MAX_SIZE];
    const uint8_t *zones[] = {com, net};
    assert_true(name_from_text("example.com.", com) > 0);
    assert_true(name_from_text("example.net.", net) > 0);
    f.validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 2, .marks = 4096, .key = 7});
    f.store = store_new(&(struct store_options){
        .size = 1 << 20,
        .policy = {.max_ttl = 86400, .negative_ttl = 900, .client_ttl = 86400},
        .validity = f.validity,
    });
    f.applier = applier_new(
        &(struct applier_options){.validity = f.validity, .stores = &f.store, .store_count = 1});
    *state = &f;
    return f.applier ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    applier_free(f->applier);
    store_free(f->store);
    validity_free(f->validity);
    return 0;
}

static struct answer_key key_of(struct fixture *f, const char *text, uint16_t type, bool dnssec_ok)
{
    uint8_t name[NAME_MAX_SIZE];
    struct answer_key key;
    assert_true(name_from_text(text, name) > 0);
    store_key(
        f->store,
        &(struct key_parts){.name = name, .type = type, .class = CLASS_IN, .dnssec_ok = dnssec_ok},
        &key);
    return key;
}

/* Holds some answer for (text, A) that depends on `text` and on the names of `more`, the last one missing. */
static void hold(struct fixture *f, const char *text, const char *const *more, bool negative)
{
    uint8_t name[NAME_MAX_SIZE], body[] = {0};
    struct answer answer = {
        .ttl = 3600, .body = body, .body_size = 1, .ede = EDE_NONE, .negative = negative};
    assert_true(name_from_text(text, name) > 0);
    bool last = !more || !more[0];
    validity_depend_on_question(f->validity, name, negative && last, &answer.dependencies);
    for (size_t i = 0; more && more[i]; i++) {
        uint8_t further[NAME_MAX_SIZE];
        assert_true(name_from_text(more[i], further) > 0);
        last = !more[i + 1];
        assert_int_equal(
            validity_depend(f->validity, further, negative && last, &answer.dependencies), 0);
    }
    for (int dnssec_ok = 0; dnssec_ok <= 1; dnssec_ok++) {
        struct answer_key key = key_of(f, text, TYPE_A, dnssec_ok);
        assert_true(store_put(f->store, &key, &answer, validity_now(f->validity), start));
    }
}

struct held {
    enum store_result result;
    size_t size;
    uint8_t body[512];
    uint32_t ttl;
    uint16_t answers;
};

static struct held look(struct fixture *f, const char *text, bool dnssec_ok)
{
    struct held held = {0};
    struct store_hit hit;
    struct answer_key key = key_of(f, text, TYPE_A, dnssec_ok);
    held.result =
        store_get(f->store,
                  &(struct store_look){
                      .key = &key, .now = start, .buffer = held.body, .room = sizeof held.body},
                  &hit);
    if (held.result == STORE_HIT) {
        held.size = hit.body_size;
        held.answers = hit.counts[0];
        held.ttl = held.size > 10 ? wire_get_u32(held.body + 6) : 0;
    }
    return held;
}

static bool is_held(struct fixture *f, const char *text)
{
    return look(f, text, false).result == STORE_HIT;
}

/* It comes as soon as it was made, a moment after what the stores hold was fetched. */
static struct apply_at on_time(const struct change_set *set)
{
    return (struct apply_at){.now = mono_add(start, 1), .wall_us = set->time_us};
}

/* Applies {"v":1,"zone":zone,"serial":serial,"time":...,"changes":[changes]}. */
static int apply_at(struct fixture *f, const char *zone, unsigned serial, int second,
                    const char *changes, struct apply_result *ret)
{
    char json[65536];
    struct change_set *set = NULL;
    struct changeset_error error;
    int size = snprintf(json, sizeof json,
                        "{\"v\":1,\"zone\":\"%s\",\"serial\":%u,"
                        "\"time\":\"2026-11-22T03:00:%02d.000000Z\",\"changes\":[%s]}",
                        zone, serial, second, changes);
    int status = changeset_parse(json, (size_t)size, &set, &error);
    if (status)
        print_error("%s at %s\n", error_text(status), error.where);
    assert_int_equal(status, ERR_OK);
    status = apply_change_set(f->applier, set, on_time(set), ret);
    changeset_free(set);
    return status;
}

static struct apply_result apply(struct fixture *f, const char *changes)
{
    static unsigned serial = 1;
    struct apply_result result;
    serial++;
    assert_int_equal(apply_at(f, "example.com.", serial, (int)(serial % 60), changes, &result), 0);
    return result;
}

#define SET_WWW(ttl, address)                                                                      \
    "{\"op\":\"SET\",\"name\":\"www.example.com.\",\"type\":\"A\",\"ttl\":" #ttl                   \
    ",\"rdata\":[\"" address "\"]}"

static void a_set_is_installed_where_it_is_held(void **state)
{
    struct fixture *f = *state;
    hold(f, "www.example.com.", NULL, false);
    struct apply_result result = apply(f, SET_WWW(300, "192.0.2.7"));
    assert_int_equal(result.installed, 1);
    struct held held = look(f, "www.example.com.", false);
    assert_int_equal(held.result, STORE_HIT);
    assert_int_equal(held.answers, 1);
    assert_int_equal(held.ttl, 300);
    assert_memory_equal(held.body + 12, ((uint8_t[]){192, 0, 2, 7}), 4);
    /* who asked with DO wants signatures, which a change set does not carry */
    assert_int_equal(look(f, "www.example.com.", true).result, STORE_INVALID);
}

/* RFC 2181 5: a set has no duplicates. */
static void a_record_given_twice_is_installed_once(void **state)
{
    struct fixture *f = *state;
    hold(f, "www.example.com.", NULL, false);
    struct apply_result result = apply(f, SET_WWW(300, "192.0.2.7\",\"192.0.2.8\",\"192.0.2.7"));
    assert_int_equal(result.installed, 1);
    struct held held = look(f, "www.example.com.", false);
    assert_int_equal(held.answers, 2);
    assert_memory_equal(held.body + 12, ((uint8_t[]){192, 0, 2, 7}), 4);
    assert_memory_equal(held.body + 16 + 12, ((uint8_t[]){192, 0, 2, 8}), 4);
}

static void a_set_of_something_not_held_fills_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(apply(f, SET_WWW(300, "192.0.2.7")).installed, 0);
    assert_int_equal(look(f, "www.example.com.", false).result, STORE_MISS);
}

static void a_set_replaces_a_negative_answer(void **state)
{
    struct fixture *f = *state;
    hold(f, "www.example.com.", NULL, true);
    assert_int_equal(apply(f, SET_WWW(300, "192.0.2.7")).installed, 1);
    assert_int_equal(look(f, "www.example.com.", false).answers, 1);
}

/* ---- clients with answers of their own, to (www.example.com., A) ---- */

static struct mono after_s(uint64_t seconds)
{
    return mono_add(start, seconds * 1000);
}

static struct answer_key client_key(struct fixture *f, uint64_t client)
{
    uint8_t name[NAME_MAX_SIZE];
    struct answer_key key;
    assert_true(name_from_text("www.example.com.", name) > 0);
    store_key(
        f->store,
        &(struct key_parts){.name = name, .type = TYPE_A, .class = CLASS_IN, .client = client},
        &key);
    return key;
}

/* The client has asked, and its upstream says 0.0.0.0 with that RCODE. Returns whether it is kept. */
static bool fetch_as(struct fixture *f, uint64_t client, uint16_t rcode, uint32_t ttl,
                     struct mono now)
{
    uint8_t body[16] = {0};
    struct answer_key key = client_key(f, client);
    struct answer answer = {
        .flags = rcode, .ttl = ttl, .body = body, .body_size = sizeof body, .ede = EDE_NONE};
    validity_depend_on_question(f->validity, answer_key_name(key.bytes), false,
                                &answer.dependencies);
    return store_put(f->store, &key, &answer, validity_now(f->validity), now);
}

/* The last byte of its address; or what else became of the question, negative. */
static int look_as(struct fixture *f, uint64_t client, struct mono now)
{
    uint8_t body[512];
    struct store_hit hit;
    struct answer_key key = client_key(f, client);
    enum store_result result = store_get(
        f->store,
        &(struct store_look){.key = &key, .now = now, .buffer = body, .room = sizeof body}, &hit);
    return result == STORE_HIT ? body[15] : -(int)result;
}

static void a_set_replaces_what_each_client_holds(void **state)
{
    struct fixture *f = *state;
    struct store_counters counters;
    assert_true(fetch_as(f, 1, 0, 3600, start) && fetch_as(f, 3, 0, 3600, start));
    assert_int_equal(apply(f, SET_WWW(300, "192.0.2.7")).installed, 1);
    assert_int_equal(look_as(f, 1, start), 7);
    assert_int_equal(look_as(f, 3, start), 7);
    store_count(f->store, &counters);
    assert_int_equal(counters.hits, 2); /* once for each look */
    assert_int_equal(counters.invalid, 0);
    /* who never asked has nothing that could be replaced, and what a client fetches is its own */
    assert_int_equal(look_as(f, 5, start), -STORE_MISS);
    assert_true(fetch_as(f, 5, 0, 3600, start));
    assert_int_equal(look_as(f, 5, start), 0);
    assert_int_equal(look_as(f, 1, start), 7);
}

static void test_p1_a_flush_evicts_what_each_client_holds(void **state)
{
    static const char flush[] = "{\"op\":\"FLUSH\",\"name\":\"www.example.com.\"}";
    struct fixture *f = *state;
    assert_true(fetch_as(f, 1, 0, 3600, start));
    apply(f, flush);
    assert_int_equal(look_as(f, 1, start), -STORE_INVALID);
    /* What came in between is not known: a set brings nothing until somebody has asked again. */
    apply(f, SET_WWW(300, "192.0.2.6"));
    assert_int_equal(look_as(f, 1, start), -STORE_INVALID);
    assert_true(fetch_as(f, 1, 0, 3600, start));
    apply(f, SET_WWW(300, "192.0.2.7"));
    assert_int_equal(look_as(f, 1, start), 7);
    apply(f, flush);
    assert_int_equal(look_as(f, 1, start), -STORE_INVALID);
}

/* Order among zones is not known: what another zone's change has evicted is not brought back by an older set. */
static void test_p8_a_set_brings_nothing_after_another_change(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    hold(f, "www.example.com.", NULL, false);
    apply(f, "{\"op\":\"FLUSH\",\"name\":\"example.com.\",\"subtree\":true}");
    assert_int_equal(apply(f, SET_WWW(300, "192.0.2.1")).installed, 0);
    assert_int_equal(look(f, "www.example.com.", false).result, STORE_INVALID);
    hold(f, "www.example.com.", NULL, false);
    assert_int_equal(apply(f, SET_WWW(300, "192.0.2.2")).installed, 1);
    assert_int_equal(apply(f, SET_WWW(300, "192.0.2.3")).installed, 1);
    assert_int_equal(apply_invalidate(f->applier, NULL, (struct apply_at){.now = start}, &result),
                     0);
    assert_int_equal(apply(f, SET_WWW(300, "192.0.2.4")).installed, 0);
}

/*
 * A fetch that set out before a change was applied and comes back after it may have what the change brought, the old, or
 * something newer. What the change brought must not stand behind what the fetch's client was told.
 */
static void test_p8_a_late_fill_may_be_newer_than_what_was_pushed(void **state)
{
    struct fixture *f = *state;
    uint8_t body[16] = {0};
    struct answer_key key = key_of(f, "www.example.com.", TYPE_A, false);
    struct answer answer = {.ttl = 60, .body = body, .body_size = sizeof body, .ede = EDE_NONE};
    validity_depend_on_question(f->validity, answer_key_name(key.bytes), TOLD_DATA,
                                &answer.dependencies);
    hold(f, "www.example.com.", NULL, false);
    struct stamp set_out = validity_now(f->validity);
    assert_int_equal(apply(f, SET_WWW(300, "192.0.2.7")).installed, 1);
    assert_int_equal(look(f, "www.example.com.", false).result, STORE_HIT);
    assert_false(store_put(f->store, &key, &answer, set_out, mono_add(start, 3)));
    assert_int_equal(look(f, "www.example.com.", false).result, STORE_MISS);
}

static void what_a_set_brought_outlives_what_it_replaced(void **state)
{
    struct fixture *f = *state;
    assert_true(fetch_as(f, 1, 0, 60, start));
    apply(f, SET_WWW(300, "192.0.2.7"));
    assert_int_equal(look_as(f, 1, after_s(299)), 7);
    assert_int_equal(look_as(f, 1, after_s(301)), -STORE_EXPIRED);
    assert_true(fetch_as(f, 1, 0, 60, after_s(301)));
    assert_int_equal(look_as(f, 1, after_s(301)), 0);
}

/* As in a store of everybody's. */
static void test_p4_a_server_that_lags_does_not_undo_a_set_for_a_client(void **state)
{
    struct fixture *f = *state;
    assert_true(fetch_as(f, 1, 0, 3600, start));
    apply(f, SET_WWW(300, "192.0.2.7"));
    assert_false(fetch_as(f, 1, 0, 3600, start));
    assert_int_equal(look_as(f, 1, start), 7);
}

static void a_failure_does_not_undo_a_set_for_a_client(void **state)
{
    struct fixture *f = *state;
    struct ttl_policy policy = store_policy(f->store);
    policy.prefetch = true;
    policy.serve_stale = 3600;
    assert_int_equal(store_configure(f->store, &policy, 1 << 20), 0);
    assert_true(fetch_as(f, 1, 0, 3600, start));
    apply(f, SET_WWW(300, "192.0.2.7"));
    assert_false(fetch_as(f, 1, RCODE_SERVFAIL, 5, after_s(290)));
    assert_int_equal(look_as(f, 1, after_s(290)), 7);
    /* and it stands in for a dead upstream */
    struct answer_key key = client_key(f, 1);
    assert_true(store_revive(f->store, &key, after_s(310)));
    assert_int_equal(look_as(f, 1, after_s(310)), 7);
}

static void count_view(void *arg, const struct view *view)
{
    (void)view;
    ++*(int *)arg;
}

static void a_place_for_a_change_is_no_answer(void **state)
{
    struct fixture *f = *state;
    struct answer_key all = key_of(f, "www.example.com.", TYPE_A, false);
    int seen = 0;
    assert_true(fetch_as(f, 1, 0, 3600, start));
    struct view_walk *walk = view_walk_new(f->store);
    while (view_walk_next(walk, start, count_view, &seen))
        ;
    view_walk_free(walk);
    assert_int_equal(seen, 1);
    assert_false(view_entry(f->store, &all, start, count_view, &seen));
    apply(f, SET_WWW(300, "192.0.2.7"));
    assert_true(view_entry(f->store, &all, start, count_view, &seen));
}

static void partial_changes_evict(void **state)
{
    static const char *const changes[] = {
        "{\"op\":\"ADD\",\"name\":\"www.example.com.\",\"type\":\"A\",\"ttl\":60,"
        "\"rdata\":[\"192.0.2.9\"]}",
        "{\"op\":\"DEL\",\"name\":\"www.example.com.\",\"type\":\"A\",\"rdata\":[\"192.0.2.9\"]}",
        "{\"op\":\"DEL\",\"name\":\"www.example.com.\",\"type\":\"A\"}",
        "{\"op\":\"DEL\",\"name\":\"www.example.com.\"}",
        "{\"op\":\"FLUSH\",\"name\":\"www.example.com.\"}",
        "{\"op\":\"FLUSH\",\"name\":\"example.com.\",\"subtree\":true}",
        "{\"op\":\"SET\",\"name\":\"www.example.com.\",\"type\":\"AAAA\",\"ttl\":60,"
        "\"rdata\":[\"2001:db8::1\"]}",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        hold(f, "www.example.com.", NULL, false);
        assert_true(is_held(f, "www.example.com."));
        assert_int_equal(apply(f, changes[i]).installed, 0);
        assert_false(is_held(f, "www.example.com."));
    }
}

static void unrelated_names_stay(void **state)
{
    struct fixture *f = *state;
    hold(f, "mail.example.com.", NULL, false);
    hold(f, "www.example.net.", NULL, false);
    hold(f, "no.example.com.", NULL, true);
    apply(f, SET_WWW(300, "192.0.2.7"));
    apply(f, "{\"op\":\"DEL\",\"name\":\"gone.example.com.\"}");
    assert_true(is_held(f, "mail.example.com."));
    assert_true(is_held(f, "www.example.net."));
    assert_true(is_held(f, "no.example.com."));
}

static void a_chain_goes_with_each_of_its_links(void **state)
{
    static const char *const chain[] = {"alias.example.net.", "end.example.com.", NULL};
    struct fixture *f = *state;
    struct apply_result result;
    hold(f, "www.example.com.", chain, false);
    assert_int_equal(apply_at(f, "example.net.", 1, 1,
                              "{\"op\":\"FLUSH\",\"name\":\"alias.example.net.\"}", &result),
                     0);
    assert_false(is_held(f, "www.example.com."));
    hold(f, "www.example.com.", chain, false);
    apply(f, "{\"op\":\"FLUSH\",\"name\":\"end.example.com.\"}");
    assert_false(is_held(f, "www.example.com."));
}

static void a_name_that_comes_to_be_ends_its_absence(void **state)
{
    struct fixture *f = *state;
    hold(f, "ent.example.com.", NULL, true);
    apply(f, "{\"op\":\"ADD\",\"name\":\"a.b.ent.example.com.\",\"type\":\"A\",\"ttl\":60,"
             "\"rdata\":[\"192.0.2.9\"]}");
    assert_false(is_held(f, "ent.example.com."));
}

static void wildcards_delegations_and_dnames_take_all_below(void **state)
{
    static const char *const changes[] = {
        "{\"op\":\"SET\",\"name\":\"*.sub.example.com.\",\"type\":\"A\",\"ttl\":60,"
        "\"rdata\":[\"192.0.2.9\"]}",
        "{\"op\":\"SET\",\"name\":\"sub.example.com.\",\"type\":\"NS\",\"ttl\":60,"
        "\"rdata\":[\"ns.example.net.\"]}",
        "{\"op\":\"SET\",\"name\":\"sub.example.com.\",\"type\":\"DNAME\",\"ttl\":60,"
        "\"rdata\":[\"example.net.\"]}",
        "{\"op\":\"DEL\",\"name\":\"sub.example.com.\"}",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        hold(f, "x.sub.example.com.", NULL, false);
        hold(f, "other.example.com.", NULL, false);
        apply(f, changes[i]);
        assert_false(is_held(f, "x.sub.example.com."));
        assert_true(is_held(f, "other.example.com."));
    }
}

static void name_servers_at_the_apex_do_not(void **state)
{
    struct fixture *f = *state;
    hold(f, "www.example.com.", NULL, false);
    apply(f, "{\"op\":\"SET\",\"name\":\"example.com.\",\"type\":\"NS\",\"ttl\":60,"
             "\"rdata\":[\"ns.example.net.\"]}");
    assert_true(is_held(f, "www.example.com."));
}

static void the_last_word_of_a_set_counts(void **state)
{
    struct fixture *f = *state;
    hold(f, "www.example.com.", NULL, false);
    apply(f, SET_WWW(60, "192.0.2.1") "," SET_WWW(60, "192.0.2.2"));
    assert_int_equal(look(f, "www.example.com.", false).body[15], 2);
    apply(f, SET_WWW(60, "192.0.2.3") ",{\"op\":\"DEL\",\"name\":\"www.example.com.\","
                                      "\"type\":\"A\",\"rdata\":[\"192.0.2.3\"]}");
    assert_false(is_held(f, "www.example.com."));
    hold(f, "www.example.com.", NULL, false);
    apply(f, "{\"op\":\"FLUSH\",\"name\":\"example.com.\",\"subtree\":true}," SET_WWW(60,
                                                                                      "192.0.2.4"));
    assert_int_equal(look(f, "www.example.com.", false).body[15], 4);
    apply(f, SET_WWW(60, "192.0.2.5") ",{\"op\":\"FLUSH\",\"name\":\"example.com.\","
                                      "\"subtree\":true}");
    assert_false(is_held(f, "www.example.com."));
}

static void the_last_word_of_a_large_set_counts(void **state)
{
    enum { NAMES = 40, ROUNDS = 3 };
    struct fixture *f = *state;
    static char changes[60000];
    size_t at = 0;
    for (int i = 0; i < NAMES * ROUNDS; i++)
        at += (size_t)snprintf(changes + at, sizeof changes - at,
                               "{\"op\":\"SET\",\"name\":\"n%d.example.com.\",\"type\":\"A\","
                               "\"ttl\":60,\"rdata\":[\"192.0.2.%d\"]},",
                               i % NAMES, i);
    /* Of every four names one is flushed, one gets a further record, and two stay as set. */
    for (int i = 0; i < NAMES; i += 4)
        at += (size_t)snprintf(changes + at, sizeof changes - at,
                               "{\"op\":\"FLUSH\",\"name\":\"N%d.example.com.\"},"
                               "{\"op\":\"ADD\",\"name\":\"n%d.example.com.\",\"type\":\"A\","
                               "\"ttl\":60,\"rdata\":[\"192.0.2.200\"]},",
                               i, i + 1);
    changes[at - 1] = '\0';
    char name[32];
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "n%d.example.com.", i);
        hold(f, name, NULL, false);
    }
    assert_int_equal(apply(f, changes).installed, NAMES / 2);
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "n%d.example.com.", i);
        struct held held = look(f, name, false);
        assert_int_equal(held.result, i % 4 < 2 ? STORE_INVALID : STORE_HIT);
        if (held.result == STORE_HIT)
            assert_int_equal(held.body[15], i + NAMES * (ROUNDS - 1));
    }
}

static void test_p8_an_older_set_brings_nothing_back(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    hold(f, "www.example.com.", NULL, false);
    assert_int_equal(apply_at(f, "example.com.", 1000, 50, SET_WWW(60, "192.0.2.2"), &result), 0);
    assert_int_equal(result.installed, 1);
    assert_int_equal(apply_at(f, "example.com.", 999, 51, SET_WWW(60, "192.0.2.1"), &result), 0);
    assert_int_equal(result.installed, 0);
    assert_false(is_held(f, "www.example.com."));
    hold(f, "www.example.com.", NULL, false);
    assert_int_equal(apply_at(f, "example.com.", 1001, 49, SET_WWW(60, "192.0.2.1"), &result), 0);
    assert_int_equal(result.installed, 0);
}

/* As apply_at(), with a publisher and its seq; times and serials are all the same. */
static struct apply_result apply_seq(struct fixture *f, const char *publisher, unsigned seq,
                                     const char *changes)
{
    char json[4096];
    struct change_set *set = NULL;
    struct changeset_error error;
    struct apply_result result;
    int size = snprintf(json, sizeof json,
                        "{\"v\":1,\"zone\":\"example.com.\",\"publisher\":\"%s\",\"seq\":%u,"
                        "\"time\":\"2026-11-22T03:00:00.000000Z\",\"changes\":[%s]}",
                        publisher, seq, changes);
    assert_int_equal(changeset_parse(json, (size_t)size, &set, &error), ERR_OK);
    assert_int_equal(apply_change_set(f->applier, set, on_time(set), &result), 0);
    changeset_free(set);
    return result;
}

/* What is not known name by name is evicted with its zone, and no more. */
static void without_memory_a_set_takes_its_zone(void **state)
{
    enum { CHANGES = 100 };
    struct fixture *f = *state;
    static char json[CHANGES * 100 + 200];
    size_t at = (size_t)snprintf(json, sizeof json,
                                 "{\"v\":1,\"zone\":\"example.com.\",\"time\":"
                                 "\"2026-11-22T03:00:00.000000Z\",\"changes\":[");
    for (int i = 0; i < CHANGES; i++)
        at += (size_t)snprintf(json + at, sizeof json - at,
                               "%s{\"op\":\"SET\",\"name\":\"n%d.example.com.\",\"type\":\"A\","
                               "\"ttl\":60,\"rdata\":[\"192.0.2.1\"]}",
                               i ? "," : "", i);
    at += (size_t)snprintf(json + at, sizeof json - at, "]}");
    struct change_set *set = NULL;
    struct changeset_error error;
    struct apply_result result;
    hold(f, "n7.example.com.", NULL, false);
    hold(f, "www.example.com.", NULL, false);
    hold(f, "www.example.net.", NULL, false);
    assert_int_equal(changeset_parse(json, at, &set, &error), ERR_OK);
    starved = true;
    const int code = apply_change_set(f->applier, set, on_time(set), &result);
    starved = false;
    assert_int_equal(code, 0);
    assert_int_equal(result.installed, 0);
    assert_false(is_held(f, "n7.example.com."));
    assert_false(is_held(f, "www.example.com."));
    assert_true(is_held(f, "www.example.net."));
    changeset_free(set);
}

static struct apply_zone_status status_of(struct fixture *f)
{
    struct apply_zone_status status;
    assert_true(applier_zone_status(f->applier, 0, &status));
    return status;
}

static void test_p8_a_set_applied_twice_does_nothing(void **state)
{
    struct fixture *f = *state;
    hold(f, "www.example.com.", NULL, false);
    assert_int_equal(apply_seq(f, "ns1", 1, SET_WWW(60, "192.0.2.1")).installed, 1);
    assert_int_equal(apply_seq(f, "ns1", 2, SET_WWW(60, "192.0.2.2")).installed, 1);
    uint64_t clock = validity_now(f->validity).n;
    assert_true(apply_seq(f, "ns1", 1, SET_WWW(60, "192.0.2.1")).duplicate);
    assert_true(apply_seq(f, "ns1", 2, SET_WWW(60, "192.0.2.2")).duplicate);
    assert_int_equal(validity_now(f->validity).n, clock);
    assert_int_equal(look(f, "www.example.com.", false).body[15], 2);
    assert_int_equal(status_of(f).duplicates, 2);
    /* another publisher's seqs are its own */
    assert_false(apply_seq(f, "ns2", 1, SET_WWW(60, "192.0.2.3")).duplicate);
}

static void test_p8_a_seq_that_jumps_back_brings_no_data(void **state)
{
    struct fixture *f = *state;
    hold(f, "www.example.com.", NULL, false);
    apply_seq(f, "ns1", 5000, SET_WWW(60, "192.0.2.1"));
    struct apply_result result = apply_seq(f, "ns1", 7, SET_WWW(60, "192.0.2.2"));
    assert_false(result.duplicate);
    assert_int_equal(result.installed, 0);
    assert_false(is_held(f, "www.example.com."));
    assert_int_equal(status_of(f).jumps_back, 1);
    /* within the window a late one is told from a repeated one */
    hold(f, "www.example.com.", NULL, false);
    assert_int_equal(apply_seq(f, "ns1", 4990, SET_WWW(60, "192.0.2.3")).installed, 0);
    assert_true(apply_seq(f, "ns1", 4990, SET_WWW(60, "192.0.2.3")).duplicate);
}

/* After a gap (a topic made anew, say) a publisher may count from 1 again: its sets are not duplicates. */
static void test_p8_seqs_start_over_after_a_gap(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    apply_seq(f, "ns1", 1, "");
    apply_seq(f, "ns1", 2, "");
    assert_int_equal(
        apply_invalidate(f->applier, NULL, (struct apply_at){.now = start, .wall_us = 0}, &result),
        0);
    hold(f, "www.example.com.", NULL, false);
    assert_false(apply_seq(f, "ns1", 1, SET_WWW(60, "192.0.2.1")).duplicate);
    assert_int_equal(look(f, "www.example.com.", false).body[15], 1);
}

static void test_p8_the_window_slides(void **state)
{
    struct fixture *f = *state;
    for (unsigned seq = 1; seq <= 5000; seq += 3)
        assert_false(apply_seq(f, "ns1", seq, "").duplicate);
    for (unsigned seq = 4984; seq <= 4999; seq++)
        assert_int_equal(apply_seq(f, "ns1", seq, "").duplicate, seq % 3 == 1);
}

static void test_p8_publishers_are_remembered_in_bounds(void **state)
{
    struct fixture *f = *state;
    char name[32];
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "p%d", i);
        apply_seq(f, name, 9, "");
        apply_seq(f, "steady", (unsigned)i + 1, "");
    }
    assert_true(apply_seq(f, "steady", 500, "").duplicate);
    assert_true(apply_seq(f, "p499", 9, "").duplicate);
    assert_false(apply_seq(f, "p0", 9, "").duplicate);
}

static void zones_of_others_are_left_alone(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    uint64_t before = validity_now(f->validity).n;
    assert_int_equal(apply_at(f, "example.org.", 1, 1,
                              "{\"op\":\"FLUSH\",\"name\":\"example.org.\",\"subtree\":true}",
                              &result),
                     ERR_NOT_FOUND);
    assert_int_equal(validity_now(f->validity).n, before);
}

static void test_p9_a_zone_can_be_invalidated_whole(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    uint8_t zone[NAME_MAX_SIZE];
    hold(f, "www.example.com.", NULL, false);
    hold(f, "www.example.net.", NULL, false);
    hold(f, "www.example.org.", NULL, false);
    assert_true(name_from_text("example.com.", zone) > 0);
    assert_int_equal(
        apply_invalidate(f->applier, zone, (struct apply_at){.now = start, .wall_us = 0}, &result),
        0);
    assert_false(is_held(f, "www.example.com."));
    assert_true(is_held(f, "www.example.net."));
    struct apply_zone_status status;
    assert_true(applier_zone_status(f->applier, 0, &status));
    assert_int_equal(status.invalidated, 1);
}

/* A gap: all that the feed covers goes, what it does not cover stays, and a fetch under way is too old. */
static void test_p5_a_gap_ends_all_zones_of_the_feed(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    hold(f, "www.example.com.", NULL, false);
    hold(f, "no.example.net.", NULL, true);
    hold(f, "www.example.org.", NULL, false);
    struct stamp under_way = validity_now(f->validity);
    assert_int_equal(
        apply_invalidate(f->applier, NULL, (struct apply_at){.now = start, .wall_us = 0}, &result),
        0);
    assert_false(is_held(f, "www.example.com."));
    assert_false(is_held(f, "no.example.net."));
    assert_true(is_held(f, "www.example.org."));
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text("other.example.com.", name) > 0);
    struct dependent question = validity_question(f->validity, name, false);
    assert_false(validity_holds(f->validity, &question, under_way));
    assert_true(validity_holds(f->validity, &question, result.stamp));
}

/*
 * Serial 2 lay in the gap, and what is held since is newer than that. Serial 1, repeated behind the gap, is all that
 * the history gets to see: it must not pass for new (tests/model/counterexamples/history-only.txt).
 */
static void test_p8_a_repeated_set_behind_a_gap_brings_no_data(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    const int64_t second_30 = INT64_C(1795316430000000); /* 2026-11-22T03:00:30Z */
    assert_int_equal(apply_invalidate(f->applier, NULL,
                                      (struct apply_at){.now = start, .wall_us = second_30},
                                      &result),
                     0);
    hold(f, "www.example.com.", NULL, false);
    assert_int_equal(apply_at(f, "example.com.", 1, 29, SET_WWW(300, "192.0.2.1"), &result), 0);
    assert_int_equal(result.installed, 0);
    assert_false(is_held(f, "www.example.com."));
    assert_int_equal(status_of(f).stale, 1);
    /* what was committed since is read in order */
    hold(f, "www.example.com.", NULL, false);
    assert_int_equal(apply_at(f, "example.com.", 3, 31, SET_WWW(300, "192.0.2.3"), &result), 0);
    assert_int_equal(result.installed, 1);
}

static void policy_bounds_what_is_installed(void **state)
{
    struct fixture *f = *state;
    struct ttl_policy policy = {.max_ttl = 100, .negative_ttl = 10, .client_ttl = 86400};
    assert_int_equal(store_configure(f->store, &policy, 1 << 20), 0);
    hold(f, "www.example.com.", NULL, false);
    apply(f, SET_WWW(300, "192.0.2.7"));
    assert_int_equal(look(f, "www.example.com.", false).ttl, 100);
}

static void an_operator_evicts_names_of_the_feed(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    uint8_t name[NAME_MAX_SIZE];
    hold(f, "www.example.com.", NULL, false);
    assert_true(name_from_text("www.example.com.", name) > 0);
    apply_evict(f->applier, name, false, start, &result);
    assert_int_equal(result.marked, 1);
    assert_false(is_held(f, "www.example.com."));
}

/* Whatever is being fetched of it holds no more; and zones below an evicted name are evicted with it. */
static void an_operator_evicts_names_outside_the_feed(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text("www.example.org.", name) > 0);
    struct dependent question = validity_question(f->validity, name, false);
    struct stamp under_way = validity_now(f->validity);
    apply_evict(f->applier, name, false, start, &result);
    assert_false(validity_holds(f->validity, &question, under_way));
    assert_true(validity_holds(f->validity, &question, result.stamp));
    hold(f, "www.example.com.", NULL, false);
    assert_true(name_from_text("com.", name) > 0);
    apply_evict(f->applier, name, false, start, &result);
    assert_true(is_held(f, "www.example.com."));
    apply_evict(f->applier, name, true, start, &result);
    assert_false(is_held(f, "www.example.com."));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_set_is_installed_where_it_is_held),
        TEST(a_record_given_twice_is_installed_once),
        TEST(a_set_of_something_not_held_fills_nothing),
        TEST(a_set_replaces_a_negative_answer),
        TEST(a_set_replaces_what_each_client_holds),
        TEST(test_p1_a_flush_evicts_what_each_client_holds),
        TEST(test_p8_a_set_brings_nothing_after_another_change),
        TEST(test_p8_a_late_fill_may_be_newer_than_what_was_pushed),
        TEST(what_a_set_brought_outlives_what_it_replaced),
        TEST(test_p4_a_server_that_lags_does_not_undo_a_set_for_a_client),
        TEST(a_failure_does_not_undo_a_set_for_a_client),
        TEST(a_place_for_a_change_is_no_answer),
        TEST(partial_changes_evict),
        TEST(unrelated_names_stay),
        TEST(a_chain_goes_with_each_of_its_links),
        TEST(a_name_that_comes_to_be_ends_its_absence),
        TEST(wildcards_delegations_and_dnames_take_all_below),
        TEST(name_servers_at_the_apex_do_not),
        TEST(the_last_word_of_a_set_counts),
        TEST(the_last_word_of_a_large_set_counts),
        TEST(without_memory_a_set_takes_its_zone),
        TEST(test_p8_an_older_set_brings_nothing_back),
        TEST(test_p8_a_set_applied_twice_does_nothing),
        TEST(test_p8_a_repeated_set_behind_a_gap_brings_no_data),
        TEST(test_p8_a_seq_that_jumps_back_brings_no_data),
        TEST(test_p8_seqs_start_over_after_a_gap),
        TEST(test_p8_the_window_slides),
        TEST(test_p8_publishers_are_remembered_in_bounds),
        TEST(zones_of_others_are_left_alone),
        TEST(test_p5_a_gap_ends_all_zones_of_the_feed),
        TEST(test_p9_a_zone_can_be_invalidated_whole),
        TEST(policy_bounds_what_is_installed),
        TEST(an_operator_evicts_names_of_the_feed),
        TEST(an_operator_evicts_names_outside_the_feed),
    };
    return cmocka_run_group_tests_name("apply", tests, NULL, NULL);
}
