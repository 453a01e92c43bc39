/*
 * test_intake.c - one message of the feed, from its bytes to what it does: applied, refused, or
 * none of ours.
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "invalidation/intake.h"

struct fixture {
    struct validity *validity;
    struct store *store;
    struct applier *applier;
};

static const struct mono start = {1000000};

/* A second after the time of the sets below. */
static const struct apply_at moment = {.now = {1005000}, .wall_us = INT64_C(1795316401000000)};

/* -- helpers ----------------------------------------------------------------------------------- */

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

static void key_of(struct fixture *f, const char *text, struct answer_key *ret)
{
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text(text, name) > 0);
    store_key(f->store, &(struct key_parts){.name = name, .type = TYPE_A, .class = CLASS_IN}, ret);
}

static void cache(struct fixture *f, const char *text)
{
    uint8_t name[NAME_MAX_SIZE], body[] = {0};
    struct answer answer = {.ttl = 3600, .body = body, .body_size = 1, .ede = EDE_NONE};
    struct answer_key key;
    assert_true(name_from_text(text, name) > 0);
    validity_depend_on_question(f->validity, name, false, &answer.dependencies);
    key_of(f, text, &key);
    assert_true(store_put(f->store, &key, &answer, validity_now(f->validity), start));
}

/* How many bytes the cached answer has; 0: it is not cached, or not valid. */
static size_t cached(struct fixture *f, const char *text)
{
    uint8_t body[512];
    struct answer_key key;
    struct store_hit hit;
    key_of(f, text, &key);
    const struct store_look look = {.key = &key, .now = start, .buffer = body, .room = sizeof body};
    return store_get(f->store, &look, &hit) == STORE_HIT ? hit.body_size : 0;
}

static struct intake_message message(const char *key, const char *value)
{
    return (struct intake_message){.key = key,
                                   .key_size = key ? strlen(key) : 0,
                                   .value = value,
                                   .value_size = value ? strlen(value) : 0};
}

#define TIME "\"time\":\"2026-11-22T03:00:00.000000Z\""

/* A whole set of one change to `zone`. */
static const char *set_of(const char *zone, const char *change)
{
    static char json[2048];
    snprintf(json, sizeof json, "{\"v\":1,\"zone\":\"%s\"," TIME ",\"changes\":[%s]}", zone,
             change);
    return json;
}

#define SET_WWW                                                                                    \
    "{\"op\":\"SET\",\"name\":\"www.example.com.\",\"type\":\"A\",\"ttl\":60,\"rdata\":["          \
    "\"192.0.2.7\"]}"

static int read_code(const char *key, const char *value)
{
    const struct intake_message m = message(key, value);
    struct change_set *set = NULL;
    struct changeset_error error;
    int code = intake_read(&m, &set, &error);
    assert_int_equal(set != NULL, code == 0);
    changeset_free(set);
    return code;
}

static struct apply_result apply(struct fixture *f, const char *key, const char *value, bool live)
{
    const struct intake_message m = message(key, value);
    struct change_set *set;
    struct changeset_error error;
    struct apply_result result;
    assert_int_equal(intake_read(&m, &set, &error), 0);
    assert_int_equal(intake_apply(f->applier, set, live, moment, &result), 0);
    changeset_free(set);
    return result;
}

static struct intake_refusal refuse(struct fixture *f, const char *key, const char *value)
{
    const struct intake_message m = message(key, value);
    struct change_set *set;
    struct changeset_error error;
    assert_true(intake_read(&m, &set, &error) < 0);
    return intake_refuse(f->applier, &m, &error, moment);
}

static void cache_both(struct fixture *f)
{
    cache(f, "www.example.com.");
    cache(f, "www.example.net.");
}

static void left(struct fixture *f, bool com, bool net)
{
    assert_int_equal(cached(f, "www.example.com.") > 0, com);
    assert_int_equal(cached(f, "www.example.net.") > 0, net);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* It says itself which zone it is of. */
static void a_set_is_read_under_any_key(void **state)
{
    (void)state;
    const char *value = set_of("example.com.", SET_WWW);
    const char *const keys[] = {"example.com.",
                                "EXAMPLE.com.",
                                "example.com",
                                "example.net.",
                                "com.",
                                "www.example.com.",
                                "",
                                "..",
                                "key 7",
                                NULL};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        assert_int_equal(read_code(keys[k], value), 0);
}

static void what_cannot_be_read_says_why(void **state)
{
    (void)state;
    assert_int_equal(read_code("example.com.", NULL), ERR_JSON);
    assert_int_equal(read_code("example.com.", ""), ERR_JSON);
    assert_int_equal(read_code("example.com.", "{"), ERR_JSON);
    assert_int_equal(read_code("example.com.", "{\"v\":2}"), ERR_SCHEMA_VERSION);
}

/* -- applying ---------------------------------------------------------------------------------- */

static void a_set_installs_while_live(void **state)
{
    struct fixture *f = *state;
    cache_both(f);
    assert_int_equal(apply(f, "example.com.", set_of("example.com.", SET_WWW), true).installed, 1);
    assert_true(cached(f, "www.example.com.") > 1);
    left(f, true, true);
}

static void test_p8_what_is_read_late_only_evicts(void **state)
{
    struct fixture *f = *state;
    cache_both(f);
    const struct apply_result result =
        apply(f, "example.com.", set_of("example.com.", SET_WWW), false);
    assert_int_equal(result.installed, 0);
    assert_true(result.marked > 0);
    left(f, false, true);
}

/* -- refusing ---------------------------------------------------------------------------------- */

static void test_p9_the_keys_zone_is_invalidated(void **state)
{
    struct fixture *f = *state;
    cache_both(f);
    const struct intake_refusal refusal = refuse(f, "example.com.", "{");
    assert_true(refusal.ours && refusal.has_zone && refusal.marked > 0);
    left(f, false, true);
}

static void test_p9_the_named_zone_is_invalidated(void **state)
{
    struct fixture *f = *state;
    cache_both(f);
    refuse(f, NULL, set_of("example.net.", "{}"));
    left(f, true, false);
}

static void test_p9_key_and_named_zone_are_invalidated(void **state)
{
    struct fixture *f = *state;
    cache_both(f);
    refuse(f, "example.com.", set_of("example.net.", "{}"));
    left(f, false, false);
}

static void test_p9_without_any_zone_all_are_invalidated(void **state)
{
    struct fixture *f = *state;
    cache_both(f);
    const struct intake_refusal refusal = refuse(f, NULL, "garbage");
    assert_true(refusal.ours && !refusal.has_zone);
    left(f, false, false);
}

/* It would install what holds for some clients only. */
static void test_p9_what_must_be_understood_and_is_not(void **state)
{
    struct fixture *f = *state;
    cache_both(f);
    refuse(f, "example.com.",
           "{\"v\":1,\"zone\":\"example.com.\"," TIME
           ",\"must\":[\"variant\"],\"changes\":[" SET_WWW "]}");
    left(f, false, true);
}

static void other_zones_are_none_of_ours(void **state)
{
    struct fixture *f = *state;
    cache_both(f);
    assert_false(refuse(f, "example.org.", "{").ours);
    assert_false(refuse(f, NULL, set_of("example.org.", "{}")).ours);
    assert_false(refuse(f, "anything", set_of("example.org.", "{}")).ours);
    left(f, true, true);
}

/* With only the key to go by. */
static void test_p9_keys_in_any_spelling(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"example.com", "EXAMPLE.COM.", "Example.Com",
                                       "sub.example.com.", "a.b.example.com"};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        cache_both(f);
        refuse(f, keys[k], "{");
        left(f, false, true);
    }
}

/* It may be of any zone. */
static void test_p9_keys_that_say_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"", "ns1", "7f3a9c", "example.org", "..", "a key", NULL};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        cache_both(f);
        assert_true(refuse(f, keys[k], "{").ours);
        left(f, false, false);
    }
}

/* Of a zone that is not subscribed but lies in one that is: that zone's names are touched. */
static void test_p9_a_zone_below_one_of_ours(void **state)
{
    struct fixture *f = *state;
    cache_both(f);
    cache(f, "www.sub.example.com.");
    refuse(f, NULL, set_of("sub.example.com.", "{}"));
    left(f, true, true);
    assert_int_equal(cached(f, "www.sub.example.com."), 0);
}

static void apply_from(struct fixture *f, int32_t partition, int second)
{
    char value[1024];
    struct change_set *set;
    struct changeset_error error;
    struct apply_result result;
    snprintf(value, sizeof value,
             "{\"v\":1,\"zone\":\"example.com.\",\"time\":\"2026-11-22T03:00:%02dZ\",\"changes\":"
             "[" SET_WWW "]}",
             second);
    const struct intake_message m = message("any key", value);
    const struct apply_at at = {.now = {1005000 + (uint64_t)second * 1000},
                                .wall_us = moment.wall_us + second * INT64_C(1000000),
                                .partition = partition};
    assert_int_equal(intake_read(&m, &set, &error), 0);
    assert_int_equal(intake_apply(f->applier, set, true, at, &result), 0);
    changeset_free(set);
}

static void test_p8_sets_of_a_zone_in_two_partitions_only_evict(void **state)
{
    struct fixture *f = *state;
    cache(f, "www.example.com.");
    apply_from(f, 2, 1);
    assert_true(cached(f, "www.example.com.") > 0);
    apply_from(f, 2, 2);
    assert_true(cached(f, "www.example.com.") > 0);
    apply_from(f, 1, 3);
    assert_int_equal(cached(f, "www.example.com."), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_set_is_read_under_any_key),
        TEST(what_cannot_be_read_says_why),
        TEST(a_set_installs_while_live),
        TEST(test_p8_what_is_read_late_only_evicts),
        TEST(test_p9_the_keys_zone_is_invalidated),
        TEST(test_p9_the_named_zone_is_invalidated),
        TEST(test_p9_key_and_named_zone_are_invalidated),
        TEST(test_p9_without_any_zone_all_are_invalidated),
        TEST(test_p9_what_must_be_understood_and_is_not),
        TEST(other_zones_are_none_of_ours),
        TEST(test_p9_keys_in_any_spelling),
        TEST(test_p9_keys_that_say_nothing),
        TEST(test_p9_a_zone_below_one_of_ours),
        TEST(test_p8_sets_of_a_zone_in_two_partitions_only_evict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
