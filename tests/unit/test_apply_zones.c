#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "invalidation/apply.h"

/* example.com. with a.b.example.com. in it, both on the feed, and x.example.com. that is not. */
struct fixture {
    struct validity *validity;
    struct store *store;
    struct positions *positions;
    struct applier *applier;
};

static const struct mono start = {1000000};

static void open_at(struct fixture *f, uint64_t clock)
{
    static uint8_t com[NAME_MAX_SIZE], deep[NAME_MAX_SIZE], excepted[NAME_MAX_SIZE];
    const uint8_t *zones[] = {com, deep}, *except[] = {excepted};
    assert_true(name_from_text("example.com.", com) > 0);
    assert_true(name_from_text("a.b.example.com.", deep) > 0);
    assert_true(name_from_text("x.example.com.", excepted) > 0);
    f->validity = validity_new(&(struct validity_options){.zones = zones,
                                                          .zone_count = 2,
                                                          .except = except,
                                                          .except_count = 1,
                                                          .marks = 4096,
                                                          .key = 7,
                                                          .clock = clock});
    f->store = store_new(&(struct store_options){
        .size = 1 << 20,
        .policy = {.max_ttl = 86400, .negative_ttl = 900, .client_ttl = 86400},
        .validity = f->validity,
    });
    f->positions = positions_new(f->validity, 4000, (struct mono){1});
    f->applier = applier_new(&(struct applier_options){
        .validity = f->validity, .stores = &f->store, .store_count = 1, .positions = f->positions});
    assert_non_null(f->applier);
}

static int setup(void **state)
{
    static struct fixture f;
    open_at(&f, 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    applier_free(f->applier);
    store_free(f->store);
    positions_free(f->positions);
    validity_free(f->validity);
    return 0;
}

static struct answer_key key_of(struct fixture *f, const char *text, uint16_t type)
{
    uint8_t name[NAME_MAX_SIZE];
    struct answer_key key;
    assert_true(name_from_text(text, name) > 0);
    store_key(f->store, &(struct key_parts){.name = name, .type = type, .class = CLASS_IN}, &key);
    return key;
}

static void hold_told(struct fixture *f, const char *text, uint16_t type, enum told_of told,
                      struct mono now)
{
    uint8_t body[] = {0};
    struct answer answer = {.ttl = 3600,
                            .body = body,
                            .body_size = 1,
                            .ede = EDE_NONE,
                            .negative = told == TOLD_ABSENCE};
    struct answer_key key = key_of(f, text, type);
    validity_depend_on_question(f->validity, answer_key_name(key.bytes), told,
                                &answer.dependencies);
    assert_true(store_put(f->store, &key, &answer, validity_now(f->validity), now));
}

static void hold(struct fixture *f, const char *text)
{
    hold_told(f, text, TYPE_A, TOLD_DATA, start);
}

/* The last byte of its address, 0 for what was held before; negative: the store's result. */
static int look(struct fixture *f, const char *text, uint16_t type)
{
    uint8_t body[512] = {0};
    struct store_hit hit;
    struct answer_key key = key_of(f, text, type);
    struct store_look look = {
        .key = &key, .now = mono_add(start, 100), .buffer = body, .room = sizeof body};
    enum store_result result = store_get(f->store, &look, &hit);
    return result == STORE_HIT ? body[15] : -(int)result;
}

enum { GONE = -(int)STORE_INVALID, KEPT = 0 };

/* A set of `zone`, made at a second of 03:00 and applied as soon as it was made, 10 ms after the start. */
static struct apply_result apply_more(struct fixture *f, const char *zone, int second,
                                      const char *more, const char *changes)
{
    char json[4096];
    struct change_set *set = NULL;
    struct changeset_error error;
    struct apply_result result = {0};
    int size = snprintf(json, sizeof json,
                        "{\"v\":1,\"zone\":\"%s\",%s\"time\":\"2026-11-22T03:00:%02d.000000Z\","
                        "\"changes\":[%s]}",
                        zone, more, second, changes);
    assert_int_equal(changeset_parse(json, (size_t)size, &set, &error), 0);
    int code = apply_change_set(
        f->applier, set, (struct apply_at){.now = mono_add(start, 10), .wall_us = set->time_us},
        &result);
    result.marked = code == 0 ? result.marked : 0;
    changeset_free(set);
    return result;
}

static struct apply_result apply(struct fixture *f, const char *zone, int second,
                                 const char *changes)
{
    return apply_more(f, zone, second, "", changes);
}

#define SET(name, address)                                                                         \
    "{\"op\":\"SET\",\"name\":\"" name "\",\"type\":\"A\",\"ttl\":300,\"rdata\":[\"" address "\"]" \
    "}"
#define RRSET(op, name, type, rdata)                                                               \
    "{\"op\":\"" op "\",\"name\":\"" name "\",\"type\":\"" type                                    \
    "\",\"ttl\":300,\"rdata\":[\"" rdata "\"]}"
#define SUBTREE(name) "{\"op\":\"FLUSH\",\"name\":\"" name "\",\"subtree\":true}"
#define FLUSH(name)   "{\"op\":\"FLUSH\",\"name\":\"" name "\"}"

/* The delegation of a nested zone makes the name between exist. */
static void test_p1_a_nested_delegation_ends_absence_above_it(void **state)
{
    struct fixture *f = *state;
    hold_told(f, "b.example.com.", TYPE_A, TOLD_ABSENCE, start);
    apply(f, "example.com.", 10, RRSET("SET", "a.b.example.com.", "NS", "ns.example.net."));
    assert_int_equal(look(f, "b.example.com.", TYPE_A), GONE);
    hold_told(f, "b.example.com.", TYPE_A, TOLD_ABSENCE, start);
    apply(f, "a.b.example.com.", 11, SET("www.a.b.example.com.", "192.0.2.1"));
    assert_int_equal(look(f, "b.example.com.", TYPE_A), GONE);
}

/* A cut is taken away, or was never made: what appears below it is of the zone above, and makes the name exist. */
static void test_p1_without_its_cut_a_nested_apex_is_any_name(void **state)
{
    struct fixture *f = *state;
    hold_told(f, "a.b.example.com.", TYPE_A, TOLD_ABSENCE, start);
    hold_told(f, "b.example.com.", TYPE_A, TOLD_ABSENCE, start);
    apply(f, "example.com.", 10, SET("www.a.b.example.com.", "192.0.2.1"));
    assert_int_equal(look(f, "a.b.example.com.", TYPE_A), GONE);
    assert_int_equal(look(f, "b.example.com.", TYPE_A), GONE);
    /* With it, its zone says that there is nothing of a type, whatever else comes and goes there. */
    hold_told(f, "a.b.example.com.", TYPE_A, TOLD_ABSENCE, start);
    hold_told(f, "example.com.", TYPE_A, TOLD_ABSENCE, start);
    apply(f, "a.b.example.com.", 11, SET("www.a.b.example.com.", "192.0.2.2"));
    assert_int_equal(look(f, "a.b.example.com.", TYPE_A), KEPT);
    assert_int_equal(look(f, "example.com.", TYPE_A), KEPT);
}

#define DEL_NS(name) "{\"op\":\"DEL\",\"name\":\"" name "\",\"type\":\"NS\"}"

/* A set of `zone` for a name that is held. Whether it was installed. */
static bool installs(struct fixture *f, const char *zone, int second, const char *name,
                     const char *set)
{
    hold(f, name);
    return apply(f, zone, second, set).installed == 1;
}

/* Whose cut was taken away may go on publishing: nobody is told what it says any more. */
static void test_p8_a_zone_without_its_cut_is_not_installed(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *zone, *name, *set, *other;
    } cases[] = {
        {"a.b.example.com.", "www.a.b.example.com.", SET("www.a.b.example.com.", "192.0.2.1"),
         SET("www.a.b.example.com.", "192.0.2.2")},
        {"y.sub.example.com.", "www.y.sub.example.com.", SET("www.y.sub.example.com.", "192.0.2.1"),
         SET("www.y.sub.example.com.", "192.0.2.2")},
    };
    static const char *const taken[] = {DEL_NS("a.b.example.com.") "," DEL_NS("sub.example.com."),
                                        "{\"op\":\"DEL\",\"name\":\"a.b.example.com.\"},"
                                        "{\"op\":\"DEL\",\"name\":\"sub.example.com.\"}"};
    for (int i = 0; i < 2; i++) {
        const int second = 10 + 10 * i;
        for (size_t k = 0; k < 2; k++)
            assert_true(installs(f, cases[k].zone, second, cases[k].name, cases[k].set));
        apply(f, "example.com.", second + 1, taken[i]);
        for (size_t k = 0; k < 2; k++) {
            assert_false(installs(f, cases[k].zone, second + 2, cases[k].name, cases[k].other));
            assert_int_equal(look(f, cases[k].name, TYPE_A), GONE);
        }
        apply(f, "example.com.", second + 3,
              RRSET("SET", "a.b.example.com.", "NS", "ns.example.net.") "," RRSET(
                  "ADD", "sub.example.com.", "NS", "ns.example.net."));
        for (size_t k = 0; k < 2; k++)
            assert_true(installs(f, cases[k].zone, second + 4, cases[k].name, cases[k].other));
        apply(f, "example.com.", second + 5, FLUSH("b.example.com.") "," SUBTREE("example.com."));
    }
    /* After a gap nothing is known of it, as at the start. */
    struct apply_result result;
    apply(f, "example.com.", 40, taken[0]);
    assert_int_equal(apply_invalidate(f->applier, NULL, (struct apply_at){.now = start}, &result),
                     0);
    assert_true(installs(f, cases[0].zone, 41, cases[0].name, cases[0].other));
}

/* A delegation and its glue come in one set, as a rule. */
static void test_p8_glue_of_a_cut_in_the_same_set(void **state)
{
    struct fixture *f = *state;
    static const char *const sets[] = {
        RRSET("SET", "new.example.com.", "NS", "ns.new.example.com.") "," SET("ns.new.example.com.",
                                                                              "192.0.2.1"),
        SET("ns.new.example.com.", "192.0.2.1") "," RRSET("ADD", "new.example.com.", "NS",
                                                          "ns.new.example.com."),
    };
    hold(f, "www.example.com.");
    for (int i = 0; i < 2; i++) {
        hold(f, "ns.new.example.com.");
        char changes[1024];
        snprintf(changes, sizeof changes, "%s,%s", sets[i], SET("www.example.com.", "192.0.2.3"));
        assert_int_equal(apply(f, "example.com.", 10 + i, changes).installed, 1);
        assert_int_equal(look(f, "ns.new.example.com.", TYPE_A), GONE);
        assert_int_equal(look(f, "www.example.com.", TYPE_A), 3);
    }
}

/* "example.com. and all below": also what is said in the name of a zone below that is not listed. */
static void test_p1_a_set_of_a_zone_below_counts(void **state)
{
    struct fixture *f = *state;
    hold(f, "www.sub.example.com.");
    assert_int_equal(apply(f, "sub.example.com.", 10, FLUSH("www.sub.example.com.")).marked, 2);
    assert_int_equal(look(f, "www.sub.example.com.", TYPE_A), GONE);
    hold(f, "www.sub.example.com.");
    assert_int_equal(
        apply(f, "sub.example.com.", 11, SET("www.sub.example.com.", "192.0.2.7")).installed, 1);
    assert_int_equal(look(f, "www.sub.example.com.", TYPE_A), 7);
    /* Its order is its own: what the zone above says meanwhile, or later, has nothing to do with it. */
    apply_more(f, "example.com.", 30, "\"serial\":9,", FLUSH("mail.example.com."));
    assert_int_equal(apply_more(f, "sub.example.com.", 20, "\"serial\":1,",
                                SET("www.sub.example.com.", "192.0.2.8"))
                         .installed,
                     1);
    uint8_t zone[NAME_MAX_SIZE];
    struct apply_result result;
    assert_true(name_from_text("sub.example.com.", zone) > 0);
    hold(f, "mail.example.com.");
    assert_int_equal(
        apply_invalidate(f->applier, zone, (struct apply_at){.now = mono_add(start, 20)}, &result),
        0);
    assert_int_equal(look(f, "www.sub.example.com.", TYPE_A), GONE);
    assert_int_equal(look(f, "mail.example.com.", TYPE_A), KEPT);
}

static void a_set_of_an_excepted_zone_is_nobodys(void **state)
{
    struct fixture *f = *state;
    hold(f, "www.x.example.com.");
    assert_int_equal(apply(f, "x.example.com.", 10, FLUSH("www.x.example.com.")).marked, 0);
    assert_int_equal(apply(f, "y.x.example.com.", 10, FLUSH("www.y.x.example.com.")).marked, 0);
    /* What the zone above has of it is glue at most. */
    assert_int_equal(apply(f, "example.com.", 10, SET("www.x.example.com.", "192.0.2.7")).installed,
                     0);
    assert_int_equal(look(f, "www.x.example.com.", TYPE_A), KEPT);
}

/* The zone above has glue, which is not what the zone itself says. */
static void test_p8_glue_is_never_installed(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"ns.a.b.example.com.", "ns.sub.example.com."};
    hold(f, names[0]);
    hold(f, names[1]);
    apply(f, "a.b.example.com.", 20, SET("ns.a.b.example.com.", "192.0.2.2"));
    apply(f, "sub.example.com.", 20, SET("ns.sub.example.com.", "192.0.2.2"));
    assert_int_equal(look(f, names[0], TYPE_A), 2);
    assert_int_equal(look(f, names[1], TYPE_A), 2);
    for (int second = 10; second <= 30; second += 20) {
        struct apply_result result = apply(
            f, "example.com.", second,
            SET("ns.a.b.example.com.", "192.0.2.1") "," SET("ns.sub.example.com.", "192.0.2.1"));
        assert_int_equal(result.installed, 0);
        assert_int_equal(look(f, names[0], TYPE_A), GONE);
        assert_int_equal(look(f, names[1], TYPE_A), GONE);
    }
}

static void test_p8_a_counter_that_starts_over_still_evicts(void **state)
{
    struct fixture *f = *state;
    hold(f, "www.example.com.");
    apply_more(f, "example.com.", 10, "\"publisher\":\"p\",\"seq\":1,",
               SET("www.example.com.", "192.0.2.1"));
    struct apply_result result = apply_more(f, "example.com.", 20, "\"publisher\":\"p\",\"seq\":1,",
                                            SET("www.example.com.", "192.0.2.2"));
    assert_false(result.duplicate);
    assert_true(result.marked > 0);
    assert_int_equal(look(f, "www.example.com.", TYPE_A), GONE);
    hold(f, "www.example.com.");
    result = apply_more(f, "example.com.", 20, "\"publisher\":\"p\",\"seq\":1,",
                        SET("www.example.com.", "192.0.2.2"));
    assert_true(result.duplicate);
    assert_int_equal(look(f, "www.example.com.", TYPE_A), KEPT);
}

/* Keys and their digests decide what is believed below; so do name servers and DNAMEs. */
static void test_p1_what_is_believed_below_goes_with_keys(void **state)
{
    struct fixture *f = *state;
    static const char *const changes[] = {
        RRSET("SET", "sub.example.com.", "NS", "ns.example.net."),
        RRSET("ADD", "sub.example.com.", "DS",
              "1 13 2 "
              "E2D3C916F6DEEAC73294E8268FB5885044A833FC5459588F4A9184CFC41A5766"),
        "{\"op\":\"DEL\",\"name\":\"sub.example.com.\",\"type\":\"DS\"}",
        RRSET("SET", "sub.example.com.", "DNSKEY", "257 3 13 AAAA"),
        RRSET("SET", "sub.example.com.", "DNAME", "example.net."),
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        hold(f, "www.sub.example.com.");
        hold(f, "www.example.com.");
        apply(f, "example.com.", 10, changes[i]);
        assert_int_equal(look(f, "www.sub.example.com.", TYPE_A), GONE);
        assert_int_equal(look(f, "www.example.com.", TYPE_A), KEPT);
    }
}

static void test_p1_a_serial_ends_the_soa(void **state)
{
    struct fixture *f = *state;
    hold_told(f, "example.com.", TYPE_SOA, TOLD_SOA, start);
    hold_told(f, "example.com.", TYPE_NS, TOLD_DATA, start);
    apply(f, "example.com.", 10, SET("www.example.com.", "192.0.2.1"));
    assert_int_equal(look(f, "example.com.", TYPE_SOA), KEPT);
    apply_more(f, "example.com.", 11, "\"serial\":2,", SET("www.example.com.", "192.0.2.2"));
    assert_int_equal(look(f, "example.com.", TYPE_SOA), GONE);
    assert_int_equal(look(f, "example.com.", TYPE_NS), KEPT);
    /* A heartbeat that repeats the serial says nothing; one with another serial does. */
    hold_told(f, "example.com.", TYPE_SOA, TOLD_SOA, start);
    apply_more(f, "example.com.", 12, "\"serial\":2,", "");
    assert_int_equal(look(f, "example.com.", TYPE_SOA), KEPT);
    apply_more(f, "example.com.", 13, "\"serial\":3,", "");
    assert_int_equal(look(f, "example.com.", TYPE_SOA), GONE);
    /* The serial of a nested zone is not that of the zone above. */
    hold_told(f, "example.com.", TYPE_SOA, TOLD_SOA, start);
    hold_told(f, "a.b.example.com.", TYPE_SOA, TOLD_SOA, start);
    apply_more(f, "a.b.example.com.", 14, "\"serial\":3,", FLUSH("www.a.b.example.com."));
    assert_int_equal(look(f, "example.com.", TYPE_SOA), KEPT);
    assert_int_equal(look(f, "a.b.example.com.", TYPE_SOA), GONE);
}

/* The authority may be further than the change by the time it comes. */
static void test_p8_a_set_that_was_overtaken_only_evicts(void **state)
{
    struct fixture *f = *state;
    hold_told(f, "www.example.com.", TYPE_A, TOLD_DATA, mono_add(start, 10));
    assert_int_equal(apply(f, "example.com.", 10, SET("www.example.com.", "192.0.2.1")).installed,
                     0);
    assert_int_equal(look(f, "www.example.com.", TYPE_A), GONE);
    hold_told(f, "www.example.com.", TYPE_A, TOLD_DATA, mono_add(start, 9));
    assert_int_equal(apply(f, "example.com.", 11, SET("www.example.com.", "192.0.2.1")).installed,
                     1);
}

/* At its end the change clock starts over: nothing of before is given, and the position is gone. */
static void the_clock_starts_over(void **state)
{
    (void)state;
    struct fixture f;
    open_at(&f, VALIDITY_LAST_STAMP - (1 << 16) - 1);
    int64_t offsets[] = {5};
    assert_int_equal(positions_take(f.positions, 77, offsets, 1, start, start), 0);
    positions_claim(f.positions, start);
    hold(&f, "www.example.com.");
    hold(&f, "www.example.org.");
    struct apply_result result = apply(&f, "example.com.", 10, FLUSH("mail.example.com."));
    assert_false(result.restarted);
    assert_int_equal(look(&f, "www.example.com.", TYPE_A), KEPT);
    result = apply(&f, "example.com.", 11, SET("www.example.com.", "192.0.2.1"));
    assert_true(result.restarted);
    assert_int_equal(look(&f, "www.example.com.", TYPE_A), -(int)STORE_MISS);
    struct position_query query;
    positions_ask(f.positions, start, &query);
    assert_false(query.known);
    hold(&f, "www.example.com.");
    apply(&f, "example.com.", 12, FLUSH("mail.example.com."));
    assert_int_equal(look(&f, "www.example.com.", TYPE_A), KEPT);
    apply(&f, "example.com.", 13, FLUSH("www.example.com."));
    assert_int_equal(look(&f, "www.example.com.", TYPE_A), GONE);
    void *all = &f;
    teardown(&all);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_p1_a_nested_delegation_ends_absence_above_it),
        TEST(test_p1_without_its_cut_a_nested_apex_is_any_name),
        TEST(test_p8_glue_of_a_cut_in_the_same_set),
        TEST(test_p8_a_zone_without_its_cut_is_not_installed),
        TEST(test_p1_a_set_of_a_zone_below_counts),
        TEST(a_set_of_an_excepted_zone_is_nobodys),
        TEST(test_p8_glue_is_never_installed),
        TEST(test_p8_a_counter_that_starts_over_still_evicts),
        TEST(test_p1_what_is_believed_below_goes_with_keys),
        TEST(test_p1_a_serial_ends_the_soa),
        TEST(test_p8_a_set_that_was_overtaken_only_evicts),
        cmocka_unit_test(the_clock_starts_over),
    };
    return cmocka_run_group_tests_name("apply_zones", tests, NULL, NULL);
}
