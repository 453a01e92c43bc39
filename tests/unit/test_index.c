#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "cache/index.h"

enum { REFS = 20000 };

/* References count from 1 here; the hash of each is `hashes[ref]`, 0 when it is not in the table. */
static uint64_t hashes[REFS + 1];

static uint64_t hash_of(void *arg, uint32_t ref)
{
    (void)arg;
    return hashes[ref];
}

static void open_index(struct index *index, size_t max_bytes)
{
    memset(hashes, 0, sizeof hashes);
    *index = (struct index){.hash_of = hash_of};
    assert_true(index_init(index, max_bytes, 0));
}

static bool has(const struct index *index, uint64_t hash, uint32_t wanted)
{
    struct index_cursor cursor = index_find(index, hash);
    uint32_t ref;
    size_t seen = 0;
    while (index_next(index, &cursor, &ref)) {
        assert_int_equal(hashes[ref] >> 56, hash >> 56);
        seen += ref == wanted;
    }
    assert_true(seen <= 1);
    return seen == 1;
}

static uint64_t random_hash(void)
{
    return ((uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand()) | 1;
}

static void add(struct index *index, uint32_t ref, uint64_t hash)
{
    hashes[ref] = hash;
    assert_true(index_insert(index, hash, ref));
}

static void what_is_in_is_found_and_nothing_else(void **state)
{
    (void)state;
    struct index index;
    open_index(&index, SIZE_MAX / 4);
    srand(3);
    size_t count = 0;
    for (int i = 0; i < 500000; i++) {
        uint32_t ref = 1 + (uint32_t)(rand() % REFS);
        assert_int_equal(has(&index, hashes[ref], ref), hashes[ref] != 0);
        if (hashes[ref]) {
            index_remove(&index, hashes[ref], ref);
            hashes[ref] = 0;
            count--;
        } else {
            add(&index, ref, random_hash());
            count++;
        }
        assert_int_equal(index.count, count);
    }
    for (uint32_t ref = 1; ref <= REFS; ref++)
        assert_int_equal(has(&index, hashes[ref], ref), hashes[ref] != 0);
    assert_true(index_bytes(&index) <= 16 * REFS);
    index_free(&index);
}

/* The worst that hashes can do: they are all the same. */
static void equal_hashes_overflow_into_other_buckets(void **state)
{
    (void)state;
    enum { SAME = 39 };
    struct index index;
    const uint64_t hash = 0xab00000000000003u;
    open_index(&index, 0);
    for (uint32_t ref = 1; ref <= SAME; ref++)
        add(&index, ref, hash);
    for (uint32_t ref = 1; ref <= SAME; ref++)
        assert_true(has(&index, hash, ref));
    for (uint32_t ref = 1; ref <= SAME; ref += 2) {
        index_remove(&index, hash, ref);
        assert_false(has(&index, hash, ref));
    }
    for (uint32_t ref = 2; ref <= SAME; ref += 2)
        assert_true(has(&index, hash, ref));
    assert_false(has(&index, 0xab00000000000002u, 1));
    index_free(&index);
}

static void a_reference_moves(void **state)
{
    (void)state;
    struct index index;
    open_index(&index, 0);
    add(&index, 1, 42);
    hashes[2] = hashes[1];
    index_move(&index, 42, 1, 2);
    assert_true(has(&index, 42, 2));
    assert_false(has(&index, 42, 1));
    assert_int_equal(index.count, 1);
    index_free(&index);
}

static void it_grows_no_larger_than_allowed(void **state)
{
    (void)state;
    struct index index;
    open_index(&index, 4096);
    uint32_t ref = 1;
    srand(5);
    for (; !index_is_full(&index); ref++)
        add(&index, ref, random_hash());
    assert_int_equal(index_bytes(&index), 4096);
    assert_int_equal(ref - 1, 640);
    assert_false(index_insert(&index, random_hash(), ref));
    index_remove(&index, hashes[1], 1);
    assert_false(index_is_full(&index));
    index_free(&index);
}

/* A table of another size with the same references. */
static void change_table(struct index *index, size_t count)
{
    index_free(index);
    assert_true(index_init(index, SIZE_MAX / 4, count));
    for (uint32_t ref = 1; ref <= REFS; ref++)
        if (hashes[ref])
            assert_true(index_insert(index, hashes[ref], ref));
}

/* Every second reference stays, in another slot now and then; the others come and go, and so do whole tables. */
static void disturb(struct index *index, int step)
{
    uint32_t ref = 1 + (uint32_t)rand() % REFS;
    if (hashes[ref])
        index_remove(index, hashes[ref], ref);
    if (ref % 2 == 0 || !hashes[ref])
        add(index, ref, ref % 2 == 0 ? hashes[ref] : random_hash());
    else
        hashes[ref] = 0;
    if (step % 500 == 499)
        change_table(index, step % 1000 == 999 ? 0 : 8 * REFS);
}

static void walk_through(struct index *index, uint64_t hash_mask)
{
    static int met[REFS + 1];
    uint32_t refs[32];
    memset(met, 0, sizeof met);
    for (uint32_t ref = 2; ref <= REFS; ref += 2)
        add(index, ref, random_hash() & hash_mask);
    struct index_walk walk = {0};
    for (int step = 0; !walk.ended; step++) {
        size_t count = index_walk(index, &walk, refs, 1 + (size_t)step % 32);
        assert_true(count <= 1 + (size_t)step % 32);
        size_t taken = count > 3 && step % 5 == 0 ? count - 2 : count;
        for (size_t i = 0; i < taken; i++)
            met[refs[i]]++;
        if (taken < count)
            index_walk_back(index, &walk, refs[taken]);
        disturb(index, step);
    }
    for (uint32_t ref = 2; ref <= REFS; ref += 2)
        assert_int_equal(met[ref], 1);
}

static void a_walk_meets_once_what_stays(void **state)
{
    (void)state;
    struct index index;
    srand(7);
    open_index(&index, SIZE_MAX / 4);
    walk_through(&index, UINT64_MAX);
    index_free(&index);
    /* all in a few buckets, far more in each than are taken at a time */
    open_index(&index, SIZE_MAX / 4);
    walk_through(&index, ~(uint64_t)0xfffff7);
    index_free(&index);
}

static void a_walk_through_nothing_ends(void **state)
{
    (void)state;
    struct index index;
    uint32_t refs[8];
    struct index_walk walk = {0};
    open_index(&index, SIZE_MAX / 4);
    change_table(&index, 8 * REFS);
    int steps = 1;
    for (; !walk.ended; steps++)
        assert_int_equal(index_walk(&index, &walk, refs, 8), 0);
    assert_in_range(steps, 2, 1000);
    index_free(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_is_found_and_nothing_else),
        cmocka_unit_test(equal_hashes_overflow_into_other_buckets),
        cmocka_unit_test(a_reference_moves),
        cmocka_unit_test(a_walk_meets_once_what_stays),
        cmocka_unit_test(a_walk_through_nothing_ends),
        cmocka_unit_test(it_grows_no_larger_than_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
