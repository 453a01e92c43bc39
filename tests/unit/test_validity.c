#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "cache/validity.h"

/* Names by their text; canonical. Good for a few per expression. */
static const uint8_t *name(const char *text)
{
    static uint8_t names[8][NAME_MAX_SIZE];
    static size_t next;
    uint8_t *buffer = names[next++ % 8];
    assert_true(name_from_text(text, buffer) > 0);
    name_lower(buffer, name_size(buffer), buffer);
    return buffer;
}

static struct validity *two_zones(void)
{
    const uint8_t *zones[] = {name("example.com."), name("sub.example.com."), name("example.net.")};
    return validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 3, .marks = 1024, .key = 42});
}

static int setup(void **state)
{
    *state = two_zones();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    validity_free(*state);
    return 0;
}

/* Two answers that depend on a name: one by its question, one in another way. */
struct on {
    uint8_t name[NAME_MAX_SIZE];
    struct dependencies by_question, further;
};

static void on(struct validity *v, const char *text, bool negative, struct on *ret)
{
    memcpy(ret->name, name(text), name_size(name(text)));
    validity_depend_on_question(v, ret->name, negative, &ret->by_question);
    ret->further = (struct dependencies){0};
    assert_int_equal(validity_depend(v, ret->name, negative, &ret->further), ERR_OK);
}

/* They must agree. */
static bool holds(struct validity *v, const struct on *on, struct stamp stamp)
{
    struct dependent by_question = validity_dependent(v, &on->by_question);
    struct dependent further = validity_dependent(v, &on->further);
    bool held = validity_holds(v, &by_question, stamp);
    assert_int_equal(held, validity_holds(v, &further, stamp));
    assert_int_equal(validity_newest_mark(v, &by_question).n, validity_newest_mark(v, &further).n);
    return held;
}

/* Whether an answer for `answer`, fetched now, survives a change at `changed`. */
static bool survives_name(struct validity *v, const char *answer, bool negative,
                          const char *changed)
{
    struct stamp stamp = validity_now(v);
    struct on d;
    on(v, answer, negative, &d);
    validity_mark_name(v, name(changed));
    validity_commit(v, (struct mono){1});
    return holds(v, &d, stamp);
}

static bool survives_subtree(struct validity *v, const char *answer, const char *changed)
{
    struct stamp stamp = validity_now(v);
    struct on d;
    on(v, answer, false, &d);
    validity_mark_subtree(v, name(changed));
    validity_commit(v, (struct mono){1});
    return holds(v, &d, stamp);
}

static void zones_are_found_longest_first(void **state)
{
    struct validity *v = *state;
    assert_true(name_equal(validity_zone_of(v, name("a.b.sub.example.com."), NULL),
                           name("sub.example.com.")));
    assert_true(
        name_equal(validity_zone_of(v, name("a.example.com."), NULL), name("example.com.")));
    assert_null(validity_zone_of(v, name("example.org."), NULL));
    assert_null(validity_zone_of(v, name("com."), NULL));
    assert_null(validity_zone_of(v, name("."), NULL));
}

static void names_outside_depend_on_nothing(void **state)
{
    struct on d;
    on(*state, "www.example.org.", true, &d);
    assert_int_equal(d.by_question.zone, ZONE_NONE);
    assert_int_equal(d.further.count, 0);
    assert_true(holds(*state, &d, (struct stamp){0}));
}

static void a_change_invalidates_its_name_alone(void **state)
{
    assert_false(survives_name(*state, "www.example.com.", false, "www.example.com."));
    assert_true(survives_name(*state, "www.example.com.", false, "mail.example.com."));
    assert_true(survives_name(*state, "www.example.com.", false, "a.www.example.com."));
    assert_true(survives_name(*state, "www.example.com.", false, "example.com."));
    assert_true(survives_name(*state, "www.example.com.", false, "www.example.net."));
}

static void a_missing_name_depends_on_what_is_below_it(void **state)
{
    assert_false(survives_name(*state, "no.example.com.", true, "no.example.com."));
    assert_false(survives_name(*state, "no.example.com.", true, "x.no.example.com."));
    assert_false(survives_name(*state, "no.example.com.", true, "y.x.no.example.com."));
    assert_true(survives_name(*state, "no.example.com.", true, "other.example.com."));
    assert_true(survives_name(*state, "x.no.example.com.", true, "y.no.example.com."));
}

/* NODATA at the apex is common (AAAA): a change elsewhere in the zone must not touch it. */
static void the_apex_always_exists(void **state)
{
    assert_true(survives_name(*state, "example.com.", true, "www.example.com."));
    assert_false(survives_name(*state, "example.com.", true, "example.com."));
}

static void a_subtree_takes_all_below(void **state)
{
    assert_false(survives_subtree(*state, "a.b.example.com.", "b.example.com."));
    assert_false(survives_subtree(*state, "b.example.com.", "b.example.com."));
    assert_false(survives_subtree(*state, "a.b.example.com.", "example.com."));
    assert_true(survives_subtree(*state, "c.example.com.", "b.example.com."));
    assert_true(survives_subtree(*state, "ab.example.com.", "b.example.com."));
}

/* A zone inside a subscribed zone goes with its parent's subtree: the delegation above it changed. */
static void a_nested_zone_hears_its_parent(void **state)
{
    assert_false(survives_subtree(*state, "www.sub.example.com.", "sub.example.com."));
    assert_false(survives_subtree(*state, "www.sub.example.com.", "example.com."));
    assert_true(survives_name(*state, "no.example.com.", true, "www.sub.example.com."));
}

static struct validity *nested(void)
{
    const uint8_t *zones[] = {name("example.com."), name("a.b.example.com."),
                              name("z.x.example.com.")};
    const uint8_t *except[] = {name("x.example.com.")};
    return validity_new(&(struct validity_options){.zones = zones,
                                                   .zone_count = 3,
                                                   .except = except,
                                                   .except_count = 1,
                                                   .marks = 1024,
                                                   .key = 42});
}

/* A name comes to exist between two apexes when the lower one does; apexes themselves exist in any case. */
static void existence_is_marked_past_a_nested_apex(void **state)
{
    (void)state;
    struct validity *v = nested();
    assert_false(survives_name(v, "b.example.com.", true, "a.b.example.com."));
    assert_false(survives_name(v, "b.example.com.", true, "www.a.b.example.com."));
    assert_true(survives_name(v, "a.b.example.com.", true, "www.a.b.example.com."));
    assert_true(survives_name(v, "example.com.", true, "www.a.b.example.com."));
    validity_free(v);
}

static void zones_that_others_lie_in_are_parted(void **state)
{
    (void)state;
    struct validity *v = nested(), *two = two_zones();
    assert_true(validity_is_parted(v, 0));
    assert_false(validity_is_parted(v, 1));
    assert_false(validity_is_parted(v, 2));
    assert_true(validity_is_parted(two, 0));
    assert_false(validity_is_parted(two, 1));
    assert_false(validity_is_parted(two, 2));
    validity_free(v);
    validity_free(two);
}

/* Newest marks for a name, however an answer may depend on it, are the same in both. */
static void are_alike(struct validity *one, struct validity *other, const char *text)
{
    static const enum told_of told[] = {TOLD_DATA, TOLD_ABSENCE, TOLD_SOA};
    for (size_t i = 0; i < 3; i++) {
        struct dependencies a, b;
        const uint8_t *canonical = name(text);
        validity_depend_on_question(one, canonical, told[i], &a);
        validity_depend_on_question(other, canonical, told[i], &b);
        const struct dependent first = validity_dependent(one, &a),
                               second = validity_dependent(other, &b);
        assert_int_equal(validity_newest_mark(one, &first).n,
                         validity_newest_mark(other, &second).n);
        assert_int_equal(validity_holds(one, &first, (struct stamp){0}),
                         validity_holds(other, &second, (struct stamp){0}));
    }
}

/* Of a name of which it is known that it lies in a zone, or below, the same is marked as of any. */
static void many_names_are_marked_as_each_is(void **state)
{
    static const struct {
        size_t k;
        const char *name;
    } marked[] = {
        {0, "example.com."},         {0, "www.example.com."}, {0, "n.b.example.com."},
        {0, "x.example.com."},       {0, "a.b.example.com."}, {1, "a.b.example.com."},
        {1, "w.w.a.b.example.com."}, {2, "z.x.example.com."}, {2, "w.w.w.z.x.example.com."},
    };
    static size_t (*const mark[])(struct validity *, const uint8_t *) = {
        validity_mark_name, validity_mark_subtree, validity_mark_soa};
    static const enum scope_kind kinds[] = {SCOPE_NAME, SCOPE_SUBTREE, SCOPE_SOA};
    enum { MARKED = sizeof marked / sizeof marked[0], KINDS = sizeof kinds / sizeof kinds[0] };
    (void)state;
    for (size_t i = 0; i < KINDS * MARKED; i++) {
        struct validity *each = nested(), *many = nested();
        const size_t kind = i / MARKED, k = marked[i % MARKED].k;
        const uint8_t *canonical = name(marked[i % MARKED].name);
        const struct hashed_name hashed = validity_hashed(many, canonical);
        assert_int_equal(mark[kind](each, canonical),
                         validity_mark_in(many, k, kinds[kind], &hashed));
        validity_commit(each, (struct mono){1});
        validity_commit(many, (struct mono){1});
        for (size_t other = 0; other < MARKED; other++)
            are_alike(each, many, marked[other].name);
        are_alike(each, many, "b.example.com.");
        validity_free(each);
        validity_free(many);
    }
}

static void an_excepted_zone_is_no_part(void **state)
{
    (void)state;
    struct validity *v = nested();
    assert_null(validity_zone_of(v, name("x.example.com."), NULL));
    assert_null(validity_zone_of(v, name("www.y.x.example.com."), NULL));
    assert_non_null(validity_zone_of(v, name("www.z.x.example.com."), NULL));
    assert_non_null(validity_zone_of(v, name("yx.example.com."), NULL));
    assert_null(validity_zone(v, 3));
    assert_true(survives_subtree(v, "www.x.example.com.", "x.example.com."));
    /* What is subscribed below it still hears what is said above. */
    assert_false(survives_subtree(v, "www.z.x.example.com.", "x.example.com."));
    assert_false(survives_subtree(v, "www.z.x.example.com.", "example.com."));
    validity_free(v);
}

static void a_serial_touches_the_soa_alone(void **state)
{
    struct validity *v = *state;
    struct stamp stamp = validity_now(v);
    struct dependencies soa, chain = {0}, apex;
    uint8_t own[NAME_MAX_SIZE];
    memcpy(own, name("example.com."), name_size(name("example.com.")));
    validity_depend_on_question(v, own, TOLD_SOA, &soa);
    validity_depend_on_question(v, own, TOLD_DATA, &apex);
    assert_int_equal(validity_depend(v, own, TOLD_SOA, &chain), ERR_OK);
    struct dependent question = validity_question(v, own, true);
    validity_mark_soa(v, own);
    validity_commit(v, (struct mono){1});
    struct dependent soas[] = {validity_dependent(v, &soa), validity_dependent(v, &chain),
                               question};
    for (size_t i = 0; i < 3; i++)
        assert_false(validity_holds(v, &soas[i], stamp));
    struct dependent other = validity_dependent(v, &apex);
    assert_true(validity_holds(v, &other, stamp));
}

static void one_mark_for_everything(void **state)
{
    struct validity *v = *state;
    struct stamp stamp = validity_now(v);
    struct on one, two, outside;
    on(v, "www.example.com.", false, &one);
    on(v, "no.example.net.", true, &two);
    on(v, "www.example.org.", false, &outside);
    assert_int_equal(validity_mark_all(v, true), 1);
    struct stamp all = validity_commit(v, (struct mono){1});
    assert_false(holds(v, &one, stamp));
    assert_false(holds(v, &two, stamp));
    assert_true(holds(v, &outside, stamp));
    assert_true(holds(v, &one, all));
    struct dependent dependent = validity_dependent(v, &one.by_question);
    assert_int_equal(validity_newest_mark(v, &dependent).n, all.n);
}

/* Too many scopes: whatever happens in its zones touches it. */
static void an_answer_with_too_many_names_depends_on_its_zones(void **state)
{
    struct validity *v = *state;
    for (int many = 0; many < 2; many++) {
        struct dependencies d;
        uint8_t own[NAME_MAX_SIZE];
        memcpy(own, name("example.com."), name_size(name("example.com.")));
        validity_depend_on_question(v, own, TOLD_DATA, &d);
        if (many)
            assert_int_equal(validity_depend(v, name("example.net."), TOLD_DATA, &d), ERR_OK);
        int error = ERR_OK;
        for (int i = 0; i < 200 && !error; i++) {
            char text[64];
            snprintf(text, sizeof text, "n%d.example.com.", i);
            error = validity_depend(v, name(text), TOLD_DATA, &d);
        }
        assert_int_equal(error, ERR_SPACE);
        struct stamp stamp = validity_now(v);
        struct dependent dependent = validity_dependent(v, &d);
        assert_true(validity_holds(v, &dependent, stamp));
        validity_mark_name(v, name("n199.example.com."));
        validity_commit(v, (struct mono){1});
        assert_false(validity_holds(v, &dependent, stamp));
        assert_true(validity_newest_mark(v, &dependent).n > stamp.n);
    }
}

static void a_fetch_of_an_evicted_name_outside_holds_no_more(void **state)
{
    struct validity *v = *state;
    struct on d, below, other;
    on(v, "www.example.org.", false, &d);
    on(v, "a.www.example.org.", false, &below);
    on(v, "w.example.org.", false, &other);
    struct stamp stamp = validity_now(v);
    validity_evict_outside(v, name("www.example.org."), false, (struct mono){1});
    struct dependent by = validity_dependent(v, &d.by_question);
    struct dependent by_below = validity_dependent(v, &below.by_question);
    struct dependent by_other = validity_dependent(v, &other.by_question);
    assert_false(validity_holds(v, &by, stamp));
    assert_true(validity_holds(v, &by, validity_now(v)));
    assert_true(validity_holds(v, &by_below, stamp));
    validity_evict_outside(v, name("www.example.org."), true, (struct mono){1});
    assert_false(validity_holds(v, &by_below, stamp));
    assert_true(validity_holds(v, &by_other, stamp));
    /* More than are remembered: then all count. */
    for (int i = 0; i < VALIDITY_EVICTIONS; i++)
        validity_evict_outside(v, name("x.example.org."), false, (struct mono){1});
    assert_false(validity_holds(v, &by_other, stamp));
    assert_true(validity_holds(v, &by_other, validity_now(v)));
}

/* Such as that nobody could answer: it may not be asked which name was evicted. */
static void what_depends_on_no_name_is_not_evicted(void **state)
{
    struct validity *v = *state;
    const struct dependencies none = {.zone = ZONE_NONE};
    const struct dependent by = validity_dependent(v, &none);
    struct stamp stamp = validity_now(v);
    for (int i = 0; i < 2 * VALIDITY_EVICTIONS; i++)
        validity_evict_outside(v, name("www.example.org."), i % 2, (struct mono){1});
    assert_true(validity_holds(v, &by, stamp));
}

static void the_clock_starts_over(void **state)
{
    (void)state;
    const uint8_t *zones[] = {name("example.com.")};
    struct validity *v = validity_new(&(struct validity_options){.zones = zones,
                                                                 .zone_count = 1,
                                                                 .marks = 64,
                                                                 .key = 1,
                                                                 .settle_ms = 2000,
                                                                 .clock = VALIDITY_LAST_STAMP - 2});
    struct on d;
    on(v, "www.example.com.", false, &d);
    struct stamp before = validity_now(v);
    validity_mark_name(v, name("www.example.com."));
    struct stamp change = validity_commit(v, (struct mono){5000});
    validity_restart(v, (struct mono){6000});
    assert_true(validity_now(v).n < 10);
    assert_false(holds(v, &d, before));
    assert_false(holds(v, &d, change));
    struct stamp after = validity_now(v);
    assert_true(holds(v, &d, after));
    validity_mark_name(v, name("www.example.com."));
    validity_commit(v, (struct mono){7000});
    assert_false(holds(v, &d, after));
    /* Everything changed at that moment, as far as settling goes. */
    struct dependent dependent = validity_dependent(v, &d.by_question);
    assert_true(validity_is_settling(v, validity_newest_mark(v, &dependent), (struct mono){7500}));
    validity_free(v);
}

/* Whatever the rate, what settles is told by time. */
static void test_p4_what_settled_long_ago_is_not_settling(void **state)
{
    (void)state;
    const uint8_t *zones[] = {name("example.com.")};
    struct validity *v = validity_new(&(struct validity_options){
        .zones = zones, .zone_count = 1, .marks = 1 << 20, .key = 7, .settle_ms = 60000});
    validity_mark_all(v, false);
    struct stamp first = validity_commit(v, (struct mono){1});
    assert_false(validity_is_settling(v, first, (struct mono){2}));
    assert_true(validity_is_first(v, first));
    struct stamp quiet = {0};
    struct mono now = {3600 * 1000};
    for (int i = 0; i < 600 * 120; i++) {
        if (i == 30000) {
            validity_mark_name(v, name("quiet.example.com."));
            quiet.n = validity_now(v).n + 1;
        }
        now.ms = 3600 * 1000 + (uint64_t)i * 1000 / 600;
        validity_commit(v, now);
    }
    assert_false(validity_is_settling(v, first, now));
    assert_true(validity_is_settling(v, quiet, (struct mono){now.ms - 12000}));
    assert_false(validity_is_settling(v, quiet, (struct mono){now.ms}));
    /* As for caches elsewhere: within an hour of the change, but the very first mark is no change. */
    assert_true(validity_may_be_cached(v, quiet, 3600000, now));
    assert_false(validity_may_be_cached(v, quiet, 8000, now));
    assert_false(validity_may_be_cached(v, first, 86400000, now));
    validity_free(v);
}

/* The one mechanism: what set out before the change is invalid, what set out after it is not. */
static void a_fetch_is_as_old_as_its_question(void **state)
{
    struct validity *v = *state;
    struct on d;
    on(v, "www.example.com.", false, &d);
    struct stamp before = validity_now(v);
    validity_mark_name(v, name("www.example.com."));
    struct stamp during = validity_now(v);
    struct stamp change = validity_commit(v, (struct mono){1});
    struct stamp after = validity_now(v);
    assert_false(holds(v, &d, before));
    assert_false(holds(v, &d, during));
    assert_true(holds(v, &d, after));
    assert_int_equal(change.n, after.n);
    struct dependent dependent = validity_dependent(v, &d.by_question);
    assert_int_equal(validity_newest_mark(v, &dependent).n, change.n);
}

static void too_many_names_is_an_error(void **state)
{
    struct dependencies d = {0};
    int error = ERR_OK;
    for (int i = 0; i < 100 && !error; i++) {
        char text[64];
        snprintf(text, sizeof text, "n%d.example.com.", i);
        error = validity_depend(*state, name(text), false, &d);
    }
    assert_int_equal(error, ERR_SPACE);
    assert_true(d.count <= DEPENDENCIES_MAX);
}

static void the_deepest_name_fits(void **state)
{
    char text[300] = "";
    for (int i = 0; i < 115; i++)
        strcat(text, "a.");
    strcat(text, "example.com.");
    struct on d;
    on(*state, text, true, &d);
    assert_int_equal(d.by_question.count, 0);
    assert_true(d.further.count > 100);
    assert_true(holds(*state, &d, validity_now(*state)));
    validity_mark_subtree(*state, name("a.a.example.com."));
    validity_commit(*state, (struct mono){1});
    assert_false(holds(*state, &d, (struct stamp){0}));
}

static void test_p4_a_change_settles(void **state)
{
    (void)state;
    const uint8_t *zones[] = {name("example.com.")};
    struct validity *v = validity_new(&(struct validity_options){
        .zones = zones, .zone_count = 1, .marks = 64, .key = 1, .settle_ms = 2000});
    struct mono start = {100000};
    assert_false(validity_is_settling(v, (struct stamp){0}, start));
    validity_mark_name(v, name("www.example.com."));
    struct stamp change = validity_commit(v, start);
    assert_true(validity_is_settling(v, change, mono_add(start, 1999)));
    assert_false(validity_is_settling(v, change, mono_add(start, 2000)));
    /* However many follow, a change that settles counts as settling; the memory is bounded. */
    for (int i = 0; i < 100000; i++)
        validity_commit(v, mono_add(start, 1000));
    assert_true(validity_is_settling(v, change, mono_add(start, 1500)));
    assert_false(validity_is_settling(v, change, mono_add(start, 3000)));
    validity_free(v);
}

static void test_p5_p6_a_lease_ends_by_itself(void **state)
{
    struct validity *v = *state;
    assert_false(validity_has_lease(v, (struct mono){1}));
    validity_set_lease(v, (struct mono){1000});
    assert_true(validity_has_lease(v, (struct mono){999}));
    assert_false(validity_has_lease(v, (struct mono){1000}));
    validity_set_lease(v, (struct mono){0});
    assert_false(validity_has_lease(v, (struct mono){1}));
}

static void the_moment_of_a_change_is_remembered_for_a_while(void **state)
{
    enum { MANY = 1 << 15 };
    struct validity *v = *state;
    struct mono moment = {0};
    struct stamp first = validity_commit(v, (struct mono){1000});
    struct stamp second = validity_commit(v, (struct mono){2000});
    assert_true(validity_moment(v, first, &moment));
    assert_int_equal(moment.ms, 1000);
    assert_true(validity_moment(v, second, &moment));
    assert_int_equal(moment.ms, 2000);
    for (int k = 0; k < MANY - 1; k++)
        validity_commit(v, (struct mono){3000 + (uint64_t)k});
    assert_false(validity_moment(v, first, &moment));
    assert_int_equal(moment.ms, 2000);
    assert_true(validity_moment(v, second, &moment));
    assert_int_equal(moment.ms, 2000);
    validity_commit(v, (struct mono){9999999});
    assert_false(validity_moment(v, second, &moment));
    assert_int_equal(moment.ms, 3000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(zones_are_found_longest_first),
        TEST(names_outside_depend_on_nothing),
        TEST(a_change_invalidates_its_name_alone),
        TEST(a_missing_name_depends_on_what_is_below_it),
        TEST(the_apex_always_exists),
        TEST(a_subtree_takes_all_below),
        TEST(a_nested_zone_hears_its_parent),
        TEST(a_fetch_is_as_old_as_its_question),
        TEST(too_many_names_is_an_error),
        TEST(the_deepest_name_fits),
        TEST(existence_is_marked_past_a_nested_apex),
        TEST(zones_that_others_lie_in_are_parted),
        TEST(many_names_are_marked_as_each_is),
        TEST(an_excepted_zone_is_no_part),
        TEST(a_serial_touches_the_soa_alone),
        TEST(one_mark_for_everything),
        TEST(an_answer_with_too_many_names_depends_on_its_zones),
        TEST(a_fetch_of_an_evicted_name_outside_holds_no_more),
        TEST(what_depends_on_no_name_is_not_evicted),
        TEST(the_clock_starts_over),
        TEST(test_p4_what_settled_long_ago_is_not_settling),
        TEST(the_moment_of_a_change_is_remembered_for_a_while),
        TEST(test_p4_a_change_settles),
        TEST(test_p5_p6_a_lease_ends_by_itself),
    };
    return cmocka_run_group_tests_name("validity", tests, NULL, NULL);
}
