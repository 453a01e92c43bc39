/*
 * test_route.c - whom to ask for which name.
 */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "resolver/answer/route.h"
#include "tests/unit/fake/source.h"

enum { SOURCES = 4 };

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

static struct fixture {
    struct world world;
    struct fake_source sources[SOURCES];
    struct routes *routes;
} f;

static int setup(void **state)
{
    (void)state;
    world_open(&f.world);
    for (size_t i = 0; i < SOURCES; i++)
        fake_source_open(&f.sources[i], &f.world);
    f.routes = routes_new(source_ref(&f.sources[0].source));
    return f.routes ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    routes_free(f.routes);
    for (size_t i = 0; i < SOURCES; i++)
        fake_source_close(&f.sources[i]);
    world_close(&f.world);
    return 0;
}

static void add(const char *zone, size_t source)
{
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text(zone, name) > 0);
    assert_int_equal(routes_add(f.routes, name, source_ref(&f.sources[source].source)), ERR_OK);
}

static void expect(const char *name, size_t source)
{
    struct question question = fake_question(name, TYPE_A);
    assert_ptr_equal(routes_find(f.routes, question.name), &f.sources[source].source);
}

static void without_zones_all_goes_one_way(void **state)
{
    (void)state;
    assert_false(routes_differ(f.routes));
    expect("www.example.com.", 0);
    expect(".", 0);
}

static void the_longest_zone_decides(void **state)
{
    (void)state;
    add("example.com.", 1);
    add("b.example.com.", 2);
    add("c.b.example.com.", 3);
    assert_true(routes_differ(f.routes));
    expect("com.", 0);
    expect("example.com.", 1);
    expect("www.EXAMPLE.com.", 1);
    expect("b.example.com.", 2);
    expect("a.B.example.com.", 2);
    expect("x.y.c.b.example.com.", 3);
    /* Whole labels count. */
    expect("notexample.com.", 0);
    expect("ab.example.com.", 1);
    expect("example.com.net.", 0);
}

/* RFC 4035 2.4: whether a zone is signed is the parent zone's to say. */
static void the_parent_is_asked_for_ds(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t type;
        size_t source;
    } asked[] = {
        {"example.com.", TYPE_DS, 0},
        {"EXAMPLE.com.", TYPE_DS, 0},
        {"example.com.", TYPE_DNSKEY, 1},
        {"b.example.com.", TYPE_DS, 1},
        {"x.b.example.com.", TYPE_DS, 2},
        {"a.example.com.", TYPE_DS, 1},
        {"com.", TYPE_DS, 0},
        {".", TYPE_DS, 0},
    };
    add("example.com.", 1);
    add("b.example.com.", 2);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct question question = fake_question(asked[i].name, asked[i].type);
        assert_ptr_equal(routes_find_for(f.routes, question.name, question.type),
                         &f.sources[asked[i].source].source);
    }
}

static void the_root_may_be_a_zone(void **state)
{
    (void)state;
    add(".", 1);
    expect("www.example.com.", 1);
    expect(".", 1);
}

/* A bare label of the zone's bytes inside another label is none. */
static void bytes_are_not_labels(void **state)
{
    (void)state;
    uint8_t name[] = "\x0dx\x07"
                     "example\x03"
                     "com";
    add("example.com.", 1);
    assert_int_equal(name_size(name), sizeof name);
    assert_ptr_equal(routes_find(f.routes, name), &f.sources[0].source);
}

/* Zones may share a source; each holds a reference, which teardown counts. */
static void many_zones(void **state)
{
    (void)state;
    char zone[64];
    for (int i = 0; i < 1000; i++) {
        snprintf(zone, sizeof zone, "z%d.example.", i);
        add(zone, 1 + (size_t)i % 3);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(zone, sizeof zone, "www.z%d.example.", i);
        expect(zone, 1 + (size_t)i % 3);
    }
    assert_int_equal(f.sources[1].source.references, 1 + 334);
}

static void without_memory_a_zone_is_refused(void **state)
{
    (void)state;
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text("example.com.", name) > 0);
    for (int n = 0; n < 3; n++) { /* the route, the table, its buckets */
        until_failure = n;
        assert_int_equal(routes_add(f.routes, name, source_ref(&f.sources[1].source)), ERR_MEMORY);
        until_failure = -1;
        assert_false(routes_differ(f.routes));
    }
    add("example.com.", 1);
    expect("www.example.com.", 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_memory_a_zone_is_refused),
        TEST(without_zones_all_goes_one_way),
        TEST(the_longest_zone_decides),
        TEST(the_parent_is_asked_for_ds),
        TEST(the_root_may_be_a_zone),
        TEST(bytes_are_not_labels),
        TEST(many_zones),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
