#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "resolver/answer/pool.h"

enum { SIZE = 1000, MANY = 4096, KEPT = 128 };

static void *objects[MANY];

static void take_all(struct pool *pool)
{
    for (size_t i = 0; i < MANY; i++) {
        objects[i] = pool_get(pool);
        assert_non_null(objects[i]);
        memset(objects[i], (int)(i & 0xff), SIZE);
    }
}

static void objects_are_apart(void **state)
{
    (void)state;
    struct pool pool = pool_of(SIZE, KEPT);
    take_all(&pool);
    for (size_t i = 0; i < MANY; i++) {
        const uint8_t *bytes = objects[i];
        assert_int_equal((uintptr_t)bytes % 16, 0);
        assert_true(bytes[0] == (i & 0xff) && bytes[SIZE - 1] == (i & 0xff));
        if (i % 3 == 0) {
            pool_put(&pool, objects[i]);
            objects[i] = pool_get(&pool);
            memset(objects[i], (int)(i & 0xff), SIZE);
        }
    }
    for (size_t i = 0; i < MANY; i++)
        pool_put(&pool, objects[i]);
    pool_drain(&pool);
    assert_null(pool.roomy);
}

/* A sanitizer's own memory comes and goes, too; with AddressSanitizer a pool has no slabs. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* Bytes of this process that are mapped. */
static size_t mapped(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    (void)fclose(file);
    return pages * 4096;
}

/* As when a flood ends: in the order in which they came, while others go on. */
static void memory_goes_back(void **state)
{
    (void)state;
    struct pool pool = pool_of(SIZE, KEPT);
    const size_t before = mapped();
    take_all(&pool);
    assert_true(mapped() >= before + (size_t)MANY * SIZE);
    for (size_t i = 0; i < MANY - 1; i++)
        pool_put(&pool, objects[i]);
    assert_true(mapped() <= before + (KEPT + 2) * SIZE + 3 * (size_t)POOL_SLAB);
    assert_true(pool.empty <= pool.keeps);
    pool_put(&pool, objects[MANY - 1]);
    pool_drain(&pool);
    assert_true(mapped() <= before);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_apart),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(memory_goes_back),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
