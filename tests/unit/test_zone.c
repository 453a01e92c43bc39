/* test_zone.c - a zone's state: what changes make of it, against a plain list; old states stay; no memory. */
#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/rdata.h"
#include "tests/unit/fake/zones.h"

/* -- allocations fail in their turn ------------------------------------------------------------- */

static _Thread_local int until_failure = -1;

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

/* -- by hand ----------------------------------------------------------------------------------- */

static struct zone *zone_of(const char *apex)
{
    uint8_t name[NAME_MAX_SIZE];
    struct zone *zone;
    assert_true(name_from_text(apex, name) > 0);
    assert_int_equal(zone_new(name, &zone), ERR_OK);
    return zone;
}

static void changed_to(const char *changes, const char *expected)
{
    struct zone *zone = zone_of("example.");
    zones_change(zone, changes);
    zones_expect(zone_state(zone), expected);
    zone_free(zone);
}

static void test_set_add_del(void **unused)
{
    (void)unused;
    changed_to("SET a.example. 60 A 192.0.2.1\n"
               "ADD a.example. 90 A 192.0.2.0\n"
               "ADD a.example. 90 A 192.0.2.1\n",
               "a.example. 90 A 192.0.2.0\na.example. 90 A 192.0.2.1\n");
    changed_to("ADD a.example. 60 A 192.0.2.1\n"
               "SET a.example. 61 TXT \"x\"\n"
               "SET a.example. 62 A 192.0.2.3\n",
               "a.example. 62 A 192.0.2.3\na.example. 61 TXT \"x\"\n");
    changed_to("ADD a.example. 60 A 192.0.2.1\nADD a.example. 60 A 192.0.2.2\n"
               "DEL a.example. 0 A 192.0.2.1\nDEL a.example. 0 A 192.0.2.9\n",
               "a.example. 60 A 192.0.2.2\n");
    changed_to("ADD a.example. 60 A 192.0.2.1\nDEL a.example. 0 A 192.0.2.1\n", "");
    changed_to("ADD a.example. 60 A 192.0.2.1\nADD a.example. 60 TXT \"x\"\nDEL a.example. 0 A\n",
               "a.example. 60 TXT \"x\"\n");
    changed_to("ADD a.example. 60 A 192.0.2.1\nADD a.example. 60 TXT \"x\"\nDEL a.example.\n", "");
    changed_to("DEL a.example.\nDEL b.example. 0 A\nFLUSH example.\n", "");
}

static void test_canonical_order(void **unused)
{
    (void)unused;
    /* RFC 4034 6.1 */
    changed_to("ADD z.example. 1 A 192.0.2.1\n"
               "ADD zabc.a.example. 1 A 192.0.2.1\n"
               "ADD \\200.z.example. 1 A 192.0.2.1\n"
               "ADD *.z.example. 1 A 192.0.2.1\n"
               "ADD example. 1 NS ns.example.\n"
               "ADD a.example. 1 A 192.0.2.1\n"
               "ADD yljkjljk.a.example. 1 A 192.0.2.1\n"
               "ADD z.a.example. 1 A 192.0.2.1\n"
               "ADD \\001.z.example. 1 A 192.0.2.1\n"
               "ADD \\000.z.example. 1 A 192.0.2.1\n"
               "ADD \\000\\000.z.example. 1 A 192.0.2.1\n"
               "SET example. 1 SOA ns.example. mail.example. 7 1 1 1 1\n",
               "example. 1 SOA ns.example. mail.example. 7 1 1 1 1\n"
               "example. 1 NS ns.example.\n"
               "a.example. 1 A 192.0.2.1\n"
               "yljkjljk.a.example. 1 A 192.0.2.1\n"
               "z.a.example. 1 A 192.0.2.1\n"
               "zabc.a.example. 1 A 192.0.2.1\n"
               "z.example. 1 A 192.0.2.1\n"
               "\\000.z.example. 1 A 192.0.2.1\n"
               "\\000\\000.z.example. 1 A 192.0.2.1\n"
               "\\001.z.example. 1 A 192.0.2.1\n"
               "*.z.example. 1 A 192.0.2.1\n"
               "\\200.z.example. 1 A 192.0.2.1\n");
}

static void test_serial(void **unused)
{
    (void)unused;
    struct zone *zone = zone_of("example.");
    uint32_t serial = 1;
    assert_false(zone_serial(zone_state(zone), &serial));
    zones_change(zone, "SET example. 1 SOA ns.example. mail.example. 4294967295 1 2 3 4\n");
    assert_true(zone_serial(zone_state(zone), &serial));
    assert_int_equal(serial, 4294967295);
    zone_free(zone);
}

static void test_outside_and_too_large(void **unused)
{
    (void)unused;
    static uint8_t big[40000];
    struct zone *zone = zone_of("example.");
    struct zone_edit *edit;
    struct rdata_view rdata[2] = {{big, sizeof big}, {big, sizeof big - 1}};
    uint8_t name[NAME_MAX_SIZE];
    assert_true(name_from_text("example.org.", name) > 0);
    assert_int_equal(zone_edit_begin(zone, false, &edit), ERR_OK);
    struct change change = {.op = CHANGE_ADD, .type = 65280, .name = name, .rdata = rdata};
    change.rdata_count = 1;
    assert_int_equal(zone_edit_change(edit, &change), ERR_ZONE);
    change.name = zone_apex(zone);
    assert_int_equal(zone_edit_change(edit, &change), ERR_OK);
    change.rdata_count = 2;
    assert_int_equal(zone_edit_change(edit, &change), ERR_TOO_LARGE);
    struct zone_size size;
    zone_size(zone_edit_state(edit), &size);
    assert_int_equal(size.records, 1);
    zone_edit_abort(edit);
    zone_size(zone_state(zone), &size);
    assert_int_equal(size.records, 0);
    zone_free(zone);
}

/* RFC 5155: what only NSEC3 gives is kept apart, and is there for all who walk. */
static void test_hashes_are_walked_too(void **unused)
{
    (void)unused;
    changed_to("ADD b.example. 1 A 192.0.2.1\n"
               "ADD a.example. 1 NSEC3 1 0 0 - 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A\n"
               "ADD c.example. 1 NSEC3 1 0 0 - 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A\n"
               "ADD c.example. 1 A 192.0.2.1\n"
               "DEL c.example. 0 A\n"
               "ADD b.example. 1 NSEC3 1 0 0 - 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A\n",
               "a.example. 1 NSEC3 1 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A\n"
               "b.example. 1 A 192.0.2.1\n"
               "b.example. 1 NSEC3 1 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A\n"
               "c.example. 1 NSEC3 1 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A\n");
}

/* -- against a plain list ---------------------------------------------------------------------- */

enum { LABELS = 5, TYPES = 4, MODEL_RECORDS = 4096 };

/* One record of the model; RDATA is a number of four bytes. */
struct item {
    uint8_t name[64];
    uint16_t type;
    uint32_t ttl;
    uint32_t data;
};

struct model {
    size_t count;
    struct item items[MODEL_RECORDS];
};

static const uint16_t model_types[TYPES] = {TYPE_A, TYPE_SOA, TYPE_NSEC3, 65280};

static void random_name(uint64_t *seed, uint8_t name[64])
{
    static const char *const labels[LABELS] = {"\001a", "\001b", "\002\000a", "\001\001",
                                               "\003abc"};
    static const size_t sizes[LABELS] = {2, 2, 3, 2, 4};
    static const uint8_t apex[] = {1, 'z', 0};
    size_t at = 0;
    for (size_t depth = zones_random(seed) % 5; depth > 0; depth--) {
        const size_t k = zones_random(seed) % LABELS;
        memcpy(name + at, labels[k], sizes[k]);
        at += sizes[k];
    }
    memcpy(name + at, apex, sizeof apex);
}

static bool matches(const struct item *item, const struct change *change)
{
    return name_equal(item->name, change->name) &&
           (change->type == 0 || item->type == change->type);
}

static bool names_data(const struct change *change, uint32_t data)
{
    for (size_t i = 0; i < change->rdata_count; i++)
        if (wire_get_u32(change->rdata[i].bytes) == data)
            return true;
    return false;
}

static void model_change(struct model *model, const struct change *change)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->count; i++) {
        struct item *item = &model->items[i];
        if (matches(item, change)) {
            const bool named = names_data(change, item->data);
            if (change->op == CHANGE_SET || named ||
                (change->op == CHANGE_DEL && change->rdata_count == 0))
                continue;
            if (change->op == CHANGE_ADD)
                item->ttl = change->ttl;
        }
        model->items[kept++] = *item;
    }
    model->count = kept;
    for (size_t i = 0; change->op != CHANGE_DEL && i < change->rdata_count; i++) {
        struct item *item = &model->items[model->count++];
        assert_true(model->count < MODEL_RECORDS);
        memcpy(item->name, change->name, name_size(change->name));
        item->type = change->type;
        item->ttl = change->ttl;
        item->data = wire_get_u32(change->rdata[i].bytes);
    }
}

/* Labels from the root's side, compared as strings: RFC 4034 6.1 as it is written. */
static int canonical(const uint8_t *a, const uint8_t *b)
{
    const size_t deep = name_labels(a), other = name_labels(b);
    for (size_t i = 1; i <= deep && i <= other; i++) {
        const uint8_t *x = a, *y = b;
        for (size_t k = deep - i; k > 0; k--)
            x = name_parent(x);
        for (size_t k = other - i; k > 0; k--)
            y = name_parent(y);
        const int order = memcmp(x + 1, y + 1, x[0] < y[0] ? x[0] : y[0]);
        if (order != 0 || x[0] != y[0])
            return order != 0 ? order : x[0] - y[0];
    }
    return (int)deep - (int)other;
}

static unsigned type_place(uint16_t type)
{
    return type == TYPE_SOA ? 0 : type;
}

static int item_order(const void *a, const void *b)
{
    const struct item *one = a, *other = b;
    int order = canonical(one->name, other->name);
    if (order == 0)
        order = (int)type_place(one->type) - (int)type_place(other->type);
    return order != 0 ? order : (one->data > other->data) - (one->data < other->data);
}

struct walk {
    const struct model *model;
    size_t at;
};

static bool same_as_model(void *arg, const struct zone_rrset *rrset)
{
    struct walk *walk = arg;
    for (size_t k = 0; k < rrset->count; k++) {
        const struct item *item = &walk->model->items[walk->at++];
        assert_true(walk->at <= walk->model->count);
        assert_true(name_equal(item->name, rrset->owner));
        assert_int_equal(item->type, rrset->type);
        assert_int_equal(item->ttl, rrset->ttl);
        assert_int_equal(zone_rdata(rrset, k).size, 4);
        assert_int_equal(item->data, wire_get_u32(zone_rdata(rrset, k).bytes));
    }
    return true;
}

static void compare_with_model(const struct zone_state *state, const struct model *model)
{
    struct walk walk = {model, 0};
    struct zone_size size;
    assert_true(zone_each(state, same_as_model, &walk));
    assert_int_equal(walk.at, model->count);
    zone_size(state, &size);
    assert_int_equal(size.records, model->count);
}

/* From any place, there or not, the rest. */
static void compare_rest(const struct zone_state *state, const struct model *model, uint64_t *seed)
{
    struct item from = {.data = UINT32_MAX};
    struct walk walk = {model, 0};
    random_name(seed, from.name);
    from.type = model_types[zones_random(seed) % TYPES];
    while (walk.at < model->count && item_order(&model->items[walk.at], &from) < 0)
        walk.at++;
    assert_true(zone_each_after(state, from.name, from.type, same_as_model, &walk));
    assert_int_equal(walk.at, model->count);
    struct zone_rrset rrset;
    bool there = false;
    for (size_t i = 0; i < model->count; i++)
        there |= name_equal(model->items[i].name, from.name) && model->items[i].type == from.type;
    assert_int_equal(zone_find(state, from.name, from.type, &rrset), there);
}

struct random_change {
    struct change change;
    struct rdata_view rdata[3];
    uint8_t bytes[3][4];
    uint8_t name[64];
};

static void random_change(uint64_t *seed, struct random_change *ret)
{
    static const enum change_op ops[] = {CHANGE_ADD, CHANGE_ADD, CHANGE_SET, CHANGE_DEL,
                                         CHANGE_DEL};
    const uint32_t first = (uint32_t)(zones_random(seed) % 4);
    random_name(seed, ret->name);
    ret->change = (struct change){.op = ops[zones_random(seed) % 5],
                                  .type = model_types[zones_random(seed) % TYPES],
                                  .ttl = (uint32_t)(zones_random(seed) % 3),
                                  .name = ret->name,
                                  .rdata = ret->rdata,
                                  .rdata_count = 1 + zones_random(seed) % 3};
    for (uint32_t i = 0; i < 3; i++) {
        wire_put_u32(ret->bytes[i], first + 2 - i);
        ret->rdata[i] = (struct rdata_view){ret->bytes[i], 4};
    }
    if (ret->change.op == CHANGE_DEL && zones_random(seed) % 2)
        ret->change.rdata_count = 0;
    if (ret->change.rdata_count == 0 && zones_random(seed) % 2)
        ret->change.type = 0;
}

/* A change while memory ends sooner and sooner: an error changes nothing. */
static void change_with_failures(struct zone_edit *edit, const struct change *change,
                                 const struct model *model)
{
    int result, failing = 0;
    for (;;) {
        until_failure = failing++;
        result = zone_edit_change(edit, change);
        const bool was_failure = until_failure < 0;
        until_failure = -1;
        if (result == ERR_OK)
            return;
        assert_true(was_failure);
        assert_int_equal(result, ERR_MEMORY);
        compare_with_model(zone_edit_state(edit), model);
    }
}

/* Edits of a few changes, some of them given up; the state a reader has stays as it was. */
static void run_against_model(uint64_t seed, bool with_failures)
{
    static struct model model, before;
    struct zone *zone;
    static const uint8_t apex[] = {1, 'z', 0};
    assert_int_equal(zone_new(apex, &zone), ERR_OK);
    model.count = 0;
    for (int round = 0; round < (with_failures ? 60 : 400); round++) {
        struct zone_edit *edit;
        const bool empty = zones_random(&seed) % 20 == 0;
        before = model;
        assert_int_equal(zone_edit_begin(zone, empty, &edit), ERR_OK);
        if (empty)
            model.count = 0;
        zone_read_begin();
        const struct zone_state *old = zone_state(zone);
        for (size_t i = zones_random(&seed) % 12; i > 0; i--) {
            struct random_change random;
            random_change(&seed, &random);
            if (with_failures)
                change_with_failures(edit, &random.change, &model);
            else
                assert_int_equal(zone_edit_change(edit, &random.change), ERR_OK);
            model_change(&model, &random.change);
            qsort(model.items, model.count, sizeof model.items[0], item_order);
        }
        compare_with_model(zone_edit_state(edit), &model);
        compare_with_model(old, &before);
        if (zones_random(&seed) % 4 == 0) {
            zone_edit_abort(edit);
            model = before;
        } else {
            zone_edit_commit(edit);
        }
        compare_with_model(old, &before);
        compare_with_model(zone_state(zone), &model);
        compare_rest(zone_state(zone), &model, &seed);
        zone_read_end();
    }
    zone_free(zone);
}

static void test_against_model(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= ROUNDS(30); seed++)
        run_against_model(seed, false);
}

static void test_no_memory(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= ROUNDS(10); seed++)
        run_against_model(seed, true);
}

/* -- held states -------------------------------------------------------------------------------- */

static void *release_elsewhere(void *state)
{
    zone_state_release(state);
    return NULL;
}

/* Whatever is committed meanwhile, and in whatever order they are let go. */
static void test_held_states(void **unused)
{
    (void)unused;
    enum { HELD = 24 };
    static struct model models[HELD];
    const struct zone_state *held[HELD];
    struct zone *zone = zone_of("z.");
    uint64_t seed = 99;
    for (size_t version = 0; version < HELD; version++) {
        struct zone_edit *edit;
        assert_int_equal(zone_edit_begin(zone, version % 9 == 8, &edit), ERR_OK);
        models[version].count = 0;
        if (version > 0 && version % 9 != 8)
            models[version] = models[version - 1];
        for (int i = 0; i < 30; i++) {
            struct random_change random;
            random_change(&seed, &random);
            assert_int_equal(zone_edit_change(edit, &random.change), ERR_OK);
            model_change(&models[version], &random.change);
        }
        qsort(models[version].items, models[version].count, sizeof models[0].items[0], item_order);
        zone_edit_commit(edit);
        held[version] = zone_state_hold(zone);
    }
    zone_free(zone);
    for (size_t i = 0; i < HELD; i++) {
        const size_t version = i * 7 % HELD;
        pthread_t thread;
        for (size_t k = i; k < HELD; k++)
            compare_with_model(held[k * 7 % HELD], &models[k * 7 % HELD]);
        assert_int_equal(pthread_create(&thread, NULL, release_elsewhere, (void *)held[version]),
                         0);
        pthread_join(thread, NULL);
    }
    zone_state_release(NULL);
}

/* -- readers beside a writer --------------------------------------------------------------------- */

static atomic_bool over;

struct summing {
    uint32_t sum;
    size_t count;
};

static bool sum_up(void *arg, const struct zone_rrset *rrset)
{
    struct summing *summing = arg;
    for (size_t k = 0; k < rrset->count; k++) {
        summing->sum += wire_get_u32(zone_rdata(rrset, k).bytes);
        summing->count++;
    }
    return true;
}

/* Each state holds the numbers of one version alone: their sum is the version times how many there are. */
static void *read_on(void *arg)
{
    const struct zone *zone = arg;
    size_t reads = 0;
    zone_reader_register();
    while (!over || reads == 0) {
        struct summing summing = {0};
        zone_read_begin();
        zone_each(zone_state(zone), sum_up, &summing);
        zone_read_end();
        assert_true(summing.count == 0 || summing.sum % summing.count == 0);
        reads++;
    }
    zone_reader_unregister();
    return NULL;
}

static void write_version(struct zone *zone, uint32_t version, bool empty)
{
    enum { NAMES = 40 };
    struct zone_edit *edit;
    assert_int_equal(zone_edit_begin(zone, empty, &edit), ERR_OK);
    for (uint8_t i = 0; i < NAMES; i++) {
        uint8_t data[4], name[] = {2, (uint8_t)('a' + i % 7), i, 1, 'z', 0};
        wire_put_u32(data, version);
        struct rdata_view rdata = {data, 4};
        const struct change change = {
            .op = CHANGE_SET, .type = TYPE_A, .name = name, .rdata = &rdata, .rdata_count = 1};
        assert_int_equal(zone_edit_change(edit, &change), ERR_OK);
    }
    zone_edit_commit(edit);
}

static void test_readers_beside_writer(void **unused)
{
    (void)unused;
    enum { READERS = 3, VERSIONS = 2000 };
    pthread_t readers[READERS];
    struct zone *zone = zone_of("z.");
    over = false;
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, zone), 0);
    for (uint32_t version = 1; version <= VERSIONS; version++)
        write_version(zone, version, version % 50 == 0);
    over = true;
    for (size_t i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    zone_free(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_add_del),
        cmocka_unit_test(test_canonical_order),
        cmocka_unit_test(test_serial),
        cmocka_unit_test(test_outside_and_too_large),
        cmocka_unit_test(test_hashes_are_walked_too),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_held_states),
        cmocka_unit_test(test_readers_beside_writer),
    };
    zone_reader_register();
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    zone_reader_unregister();
    return failed;
}
