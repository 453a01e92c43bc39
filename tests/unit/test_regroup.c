/*
 * Zones that come and go while answers are held and under way.
 */
#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/store.h"
#include "dns/type.h"

static const uint8_t *name(const char *text)
{
    static _Thread_local uint8_t names[8][NAME_MAX_SIZE];
    static _Thread_local size_t next;
    uint8_t *buffer = names[next++ % 8];
    assert_true(name_from_text(text, buffer) > 0);
    name_lower(buffer, name_size(buffer), buffer);
    return buffer;
}

static struct validity *roomy(size_t room, size_t marks)
{
    return validity_new(&(struct validity_options){.room = room, .marks = marks, .key = 42});
}

static size_t set(struct validity *v, const char *text, enum zone_standing standing)
{
    const struct zone_change change = {name(text), standing};
    size_t changed;
    assert_int_equal(validity_regroup(v, &change, 1, &changed), ERR_OK);
    if (changed > 0)
        validity_commit(v, (struct mono){1});
    return changed;
}

/* ---- beside a table that is made anew -------------------------------------------------------- */

enum { NAMES = 120, ANSWERS = 300, FURTHER = 3, STEPS = 400, BATCH = 6 };

/* Names of a small tree, so that zones often lie in zones. */
static void random_name(uint8_t ret[NAME_MAX_SIZE])
{
    char text[32] = "";
    const int labels = rand() % 5;
    for (int i = 0; i < labels; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%c.", 'a' + rand() % 3);
    memcpy(ret, name(labels ? text : "."), NAME_MAX_SIZE);
}

struct model {
    uint8_t names[NAMES][NAME_MAX_SIZE];
    enum zone_standing standings[NAMES];
    struct validity *v;
};

/* The standing of the longest name around, of those that have one. */
static enum zone_standing standing_around(const struct model *m, const uint8_t *at)
{
    size_t best = 0;
    enum zone_standing standing = STANDING_NONE;
    for (size_t i = 0; i < NAMES; i++)
        if (m->standings[i] != STANDING_NONE && name_is_within(at, m->names[i]) &&
            name_size(m->names[i]) > best) {
            best = name_size(m->names[i]);
            standing = m->standings[i];
        }
    return standing;
}

static void regroup_some(struct model *m, size_t count, uint8_t ret_moved[][NAME_MAX_SIZE])
{
    struct zone_change changes[BATCH];
    size_t changed;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = m->names[rand() % NAMES];
        memcpy(ret_moved[i], at, NAME_MAX_SIZE);
        changes[i] = (struct zone_change){at, (enum zone_standing)(rand() % 3)};
        for (size_t k = 0; k < NAMES; k++) /* one name may be there more than once */
            if (name_equal(m->names[k], at))
                m->standings[k] = changes[i].standing;
    }
    assert_int_equal(validity_regroup(m->v, changes, count, &changed), ERR_OK);
    if (changed > 0)
        validity_commit(m->v, (struct mono){1});
}

static struct validity *made_anew(const struct model *m)
{
    struct zone_change changes[NAMES];
    size_t count = 0;
    for (size_t i = 0; i < NAMES; i++)
        if (m->standings[i] != STANDING_NONE)
            changes[count++] = (struct zone_change){m->names[i], m->standings[i]};
    return validity_new(&(struct validity_options){
        .changes = changes, .change_count = count, .marks = 1 << 16, .key = 42});
}

static const uint8_t *top_of_name(const struct validity *v, const uint8_t *at)
{
    struct dependencies d;
    validity_depend_on_question(v, at, TOLD_DATA, &d);
    return d.zone == ZONE_NONE ? NULL : validity_zone(v, d.zone - 1);
}

static bool same(const uint8_t *one, const uint8_t *two)
{
    return one && two ? name_equal(one, two) : one == two;
}

/* Each name lies in the same zone, and what is marked of it is the same. */
static void are_alike(const struct model *m)
{
    struct validity *anew = made_anew(m);
    for (size_t i = 0; i < NAMES; i++) {
        const uint8_t *at = m->names[i];
        assert_true(same(validity_zone_of(m->v, at, NULL), validity_zone_of(anew, at, NULL)));
        assert_true(same(top_of_name(m->v, at), top_of_name(anew, at)));
        assert_int_equal(validity_mark_name(anew, at), validity_mark_name(m->v, at));
        assert_int_equal(validity_mark_subtree(anew, at), validity_mark_subtree(m->v, at));
    }
    validity_free(anew);
}

static struct model *new_model(unsigned seed)
{
    struct model *m = calloc(1, sizeof *m);
    srand(seed);
    for (size_t i = 0; i < NAMES; i++)
        random_name(m->names[i]);
    m->v = roomy(NAMES, 1 << 16);
    return m;
}

static void a_table_that_changed_is_as_one_made_anew(void **state)
{
    uint8_t moved[BATCH][NAME_MAX_SIZE];
    (void)state;
    for (unsigned seed = 1; seed <= 8; seed++) {
        struct model *m = new_model(seed);
        for (int step = 0; step < 40; step++) {
            regroup_some(m, 1 + (size_t)rand() % BATCH, moved);
            are_alike(m);
            validity_commit(m->v, (struct mono){1});
        }
        validity_free(m->v);
        free(m);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

/* An answer of a few names, and whether anything happened to one of them since it was asked for. */
struct held {
    uint8_t names[FURTHER][NAME_MAX_SIZE];
    struct dependencies dependencies;
    struct stamp stamp;
    bool touched; /* or one of them lies in another zone, or topmost zone */
    bool near;    /* something at or above one of them came or went */
};

static void fetch(struct model *m, struct held *held)
{
    held->stamp = validity_now(m->v);
    held->touched = held->near = false;
    for (size_t i = 0; i < FURTHER; i++)
        memcpy(held->names[i], m->names[rand() % NAMES], NAME_MAX_SIZE);
    validity_depend_on_question(m->v, held->names[0], TOLD_DATA, &held->dependencies);
    for (size_t i = 1; i < FURTHER; i++)
        assert_int_equal(validity_depend(m->v, held->names[i], TOLD_DATA, &held->dependencies),
                         ERR_OK);
}

static void judge(const struct model *m, const struct held *held)
{
    const struct dependent dependent = validity_dependent(m->v, &held->dependencies);
    const bool holds = validity_holds(m->v, &dependent, held->stamp);
    if (held->touched)
        assert_false(holds);
    else if (!held->near &&
             !(held->dependencies.outside && validity_grouped(m->v).n > held->stamp.n))
        assert_true(holds);
}

/* A change of one name, as the feed would apply it. */
static void change(struct model *m, struct held *answers)
{
    const uint8_t *at = m->names[rand() % NAMES];
    if (standing_around(m, at) != STANDING_ZONE)
        return;
    validity_mark_name(m->v, at);
    validity_commit(m->v, (struct mono){1});
    for (size_t i = 0; i < ANSWERS; i++)
        for (size_t k = 0; k < FURTHER; k++)
            answers[i].touched |= name_equal(answers[i].names[k], at);
}

static void come_and_go(struct model *m, struct held *answers)
{
    struct validity *before = made_anew(m);
    uint8_t moved[BATCH][NAME_MAX_SIZE];
    const size_t count = 1 + (size_t)rand() % BATCH;
    regroup_some(m, count, moved);
    for (size_t i = 0; i < ANSWERS; i++)
        for (size_t k = 0; k < FURTHER; k++) {
            const uint8_t *at = answers[i].names[k];
            answers[i].touched |=
                !same(validity_zone_of(before, at, NULL), validity_zone_of(m->v, at, NULL)) ||
                !same(top_of_name(before, at), top_of_name(m->v, at));
            for (size_t n = 0; n < count; n++)
                answers[i].near |= name_is_within(at, moved[n]);
        }
    validity_free(before);
}

/* Whatever is held: a change is heard, and a zone that comes or goes takes along those of its names. */
static void answers_hold_as_long_as_nothing_happens_to_their_names(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 6; seed++) {
        struct model *m = new_model(100 + seed);
        struct held *answers = calloc(ANSWERS, sizeof *answers);
        for (size_t i = 0; i < ANSWERS; i++)
            fetch(m, &answers[i]);
        for (int step = 0; step < STEPS; step++) {
            if (rand() % 4 == 0)
                come_and_go(m, answers);
            else
                change(m, answers);
            for (size_t i = 0; i < ANSWERS; i++)
                judge(m, &answers[i]);
            for (int again = 0; again < 40; again++)
                fetch(m, &answers[rand() % ANSWERS]);
        }
        free(answers);
        validity_free(m->v);
        free(m);
    }
}

static void what_makes_no_difference_changes_nothing(void **state)
{
    (void)state;
    struct validity *v = roomy(4, 64);
    assert_int_equal(set(v, "example.com.", STANDING_ZONE), 1);
    const struct stamp stamp = validity_now(v);
    assert_int_equal(set(v, "example.com.", STANDING_ZONE), 0);
    assert_int_equal(set(v, "example.net.", STANDING_NONE), 0);
    assert_int_equal(validity_now(v).n, stamp.n);
    validity_free(v);
}

/* A number is a name's for ever: so many, and no more. */
static void there_is_room_for_so_many_names(void **state)
{
    (void)state;
    struct validity *v = roomy(2, 64);
    size_t changed;
    set(v, "a.", STANDING_ZONE);
    set(v, "a.", STANDING_NONE);
    const struct zone_change two[] = {{name("b."), STANDING_ZONE}, {name("c."), STANDING_ZONE}};
    assert_int_equal(validity_regroup(v, two, 2, &changed), ERR_SPACE);
    assert_null(validity_zone_of(v, name("b."), NULL));
    set(v, "b.", STANDING_ZONE);
    assert_int_equal(set(v, "a.", STANDING_ZONE), 1);
    assert_int_equal(validity_zones(v), 2);
    validity_free(v);
}

/* ---- what stores hold ------------------------------------------------------------------------ */

static struct answer_key key_of(const struct validity *v, const char *text)
{
    struct answer_key key;
    answer_key_make(v, &(struct key_parts){.name = name(text), .type = TYPE_A, .class = CLASS_IN},
                    &key);
    return key;
}

/* An answer to `text` that is a CNAME to `target`; NULL: an A record. */
static void put(struct store *store, const struct validity *v, const char *text, const char *target)
{
    uint8_t body[NAME_MAX_SIZE + 32] = {0xc0, 12, 0, target ? TYPE_CNAME : TYPE_A, 0, CLASS_IN, 0,
                                        0,    0,  60};
    const uint16_t offsets[] = {6};
    const struct answer_key key = key_of(v, text);
    struct answer answer = {.body = body,
                            .counts = {1},
                            .ttl = 60,
                            .origin = 1,
                            .ttl_offsets = offsets,
                            .ttl_count = 1};
    const size_t size = target ? name_size(name(target)) : 4;
    wire_put_u16(body + 10, (uint16_t)size);
    if (target)
        memcpy(body + 12, name(target), size);
    answer.body_size = 12 + size;
    validity_depend_on_question(v, answer_key_name(key.bytes), TOLD_DATA, &answer.dependencies);
    answer.outside = answer.dependencies.own == OWN_NONE;
    if (target) {
        answer.outside |= !validity_zone_of(v, name(target), NULL);
        assert_int_equal(validity_depend(v, name(target), TOLD_DATA, &answer.dependencies), ERR_OK);
    }
    assert_true(store_put(store, &key, &answer, validity_now(v), (struct mono){1}));
}

static bool is_held(struct store *store, const struct validity *v, const char *text)
{
    uint8_t buffer[DNS_MAX_MESSAGE];
    struct store_hit hit;
    const struct answer_key key = key_of(v, text);
    const struct store_look look = {
        .key = &key, .buffer = buffer, .room = sizeof buffer, .now = {1000}};
    return store_get(store, &look, &hit) == STORE_HIT;
}

struct kept {
    struct validity *v;
    struct store *store;
};

static struct kept keep(void)
{
    struct validity *v = roomy(16, 1024);
    set(v, "example.com.", STANDING_ZONE);
    struct store *store = store_new(&(struct store_options){
        .size = 1 << 20, .policy = {.max_ttl = 3600, .client_ttl = 3600}, .validity = v});
    assert_non_null(store);
    return (struct kept){v, store};
}

static void let_go(struct kept kept)
{
    store_free(kept.store);
    validity_free(kept.v);
}

static void what_was_foreign_goes_when_its_zone_comes(void **state)
{
    (void)state;
    struct kept k = keep();
    put(k.store, k.v, "www.example.net.", NULL);
    put(k.store, k.v, "www.example.org.", NULL);
    put(k.store, k.v, "a.example.org.", "www.example.net.");
    put(k.store, k.v, "b.example.com.", "www.example.net.");
    put(k.store, k.v, "c.example.com.", "www.example.org.");
    put(k.store, k.v, "d.example.com.", NULL);
    set(k.v, "net.", STANDING_ZONE);
    assert_false(is_held(k.store, k.v, "www.example.net."));
    assert_true(is_held(k.store, k.v, "www.example.org."));
    assert_false(is_held(k.store, k.v, "a.example.org."));
    assert_false(is_held(k.store, k.v, "b.example.com."));
    assert_true(is_held(k.store, k.v, "c.example.com."));
    assert_true(is_held(k.store, k.v, "d.example.com."));
    let_go(k);
}

static void what_was_of_a_zone_goes_with_it(void **state)
{
    (void)state;
    struct kept k = keep();
    set(k.v, "example.net.", STANDING_ZONE);
    put(k.store, k.v, "www.example.com.", NULL);
    put(k.store, k.v, "www.example.net.", NULL);
    put(k.store, k.v, "www.example.org.", "www.example.net.");
    set(k.v, "example.net.", STANDING_NONE);
    assert_false(is_held(k.store, k.v, "www.example.net."));
    assert_false(is_held(k.store, k.v, "www.example.org."));
    assert_true(is_held(k.store, k.v, "www.example.com."));
    put(k.store, k.v, "www.example.net.", NULL);
    assert_true(is_held(k.store, k.v, "www.example.net."));
    set(k.v, "example.net.", STANDING_ZONE);
    assert_false(is_held(k.store, k.v, "www.example.net."));
    let_go(k);
}

/* Excepted is as foreign. */
static void an_exception_takes_its_names_out_of_the_zone(void **state)
{
    (void)state;
    struct kept k = keep();
    put(k.store, k.v, "www.sub.example.com.", NULL);
    put(k.store, k.v, "www.example.com.", NULL);
    set(k.v, "sub.example.com.", STANDING_EXCEPTED);
    assert_false(is_held(k.store, k.v, "www.sub.example.com."));
    assert_true(is_held(k.store, k.v, "www.example.com."));
    put(k.store, k.v, "www.sub.example.com.", NULL);
    set(k.v, "sub.example.com.", STANDING_NONE);
    assert_false(is_held(k.store, k.v, "www.sub.example.com."));
    let_go(k);
}

/* ---- readers ---------------------------------------------------------------------------------- */

enum { READERS = 3, ROUNDS = 4000 };

/* A name whose zone comes and goes: the truth at its authority, and which of it has been applied, or was there when its zone came. */
struct race {
    struct validity *v;
    _Atomic uint64_t truth, applied;
    atomic_bool over;
    _Atomic uint64_t held;
};

static void *read_on(void *arg)
{
    struct race *race = arg;
    uint8_t foreign[NAME_MAX_SIZE], www[NAME_MAX_SIZE];
    memcpy(foreign, name("foreign."), NAME_MAX_SIZE);
    memcpy(www, name("www.b.a."), NAME_MAX_SIZE);
    while (!atomic_load(&race->over)) {
        struct dependencies d, own;
        const struct stamp stamp = validity_now(race->v);
        const uint64_t seen = atomic_load(&race->truth);
        validity_depend_on_question(race->v, foreign, TOLD_DATA, &d);
        assert_int_equal(validity_depend(race->v, www, TOLD_DATA, &d), ERR_OK);
        validity_depend_on_question(race->v, www, TOLD_ABSENCE, &own);
        for (int i = 0; i < 20; i++) {
            const struct dependent dependents[] = {validity_dependent(race->v, &d),
                                                   validity_dependent(race->v, &own)};
            const uint64_t applied = atomic_load(&race->applied);
            for (size_t k = 0; k < 2; k++)
                if (validity_holds(race->v, &dependents[k], stamp)) {
                    assert_true(seen >= applied);
                    atomic_fetch_add(&race->held, 1);
                }
        }
    }
    return NULL;
}

/* The name lies in one zone, in another around it, in both, or in none. */
static void write_on(struct race *race)
{
    for (int round = 0; round < ROUNDS; round++) {
        char other[16];
        const uint64_t truth = atomic_fetch_add(&race->truth, 1) + 1;
        if (round % 3 == 0) {
            snprintf(other, sizeof other, "n%d.", round);
            set(race->v, other, STANDING_ZONE); /* the table grows */
            set(race->v, rand() % 2 ? "b.a." : "a.", (enum zone_standing)(rand() % 3));
        }
        if (validity_zone_of(race->v, name("www.b.a."), NULL)) {
            validity_mark_name(race->v, name("www.b.a."));
            validity_commit(race->v, (struct mono){1});
            atomic_store(&race->applied, truth);
        }
    }
}

static void readers_never_hold_what_a_change_has_touched(void **state)
{
    (void)state;
    pthread_t threads[READERS];
    struct race race = {.v = roomy(ROUNDS, 1024)};
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &race), 0);
    while (atomic_load(&race.held) == 0)
        continue;
    write_on(&race);
    atomic_store(&race.over, true);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    validity_free(race.v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_that_changed_is_as_one_made_anew),
        cmocka_unit_test(answers_hold_as_long_as_nothing_happens_to_their_names),
        cmocka_unit_test(what_makes_no_difference_changes_nothing),
        cmocka_unit_test(there_is_room_for_so_many_names),
        cmocka_unit_test(what_was_foreign_goes_when_its_zone_comes),
        cmocka_unit_test(what_was_of_a_zone_goes_with_it),
        cmocka_unit_test(an_exception_takes_its_names_out_of_the_zone),
        cmocka_unit_test(readers_never_hold_what_a_change_has_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
