#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "cache/ring.h"

enum { CAPACITY = 4096, MODEL_MAX = CAPACITY / RING_UNIT };

/* What the ring should hold, oldest first: the number written into each block that is not gone. */
struct model {
    size_t count;
    uint32_t numbers[MODEL_MAX];
};

struct numbered {
    struct ring_block block;
    uint32_t number;
};

/* Every block carries its number from behind its head to its end. */
static void fill(struct ring_block *block, uint32_t number)
{
    uint32_t *words = (uint32_t *)block;
    for (size_t i = 1; i < block->size8 * RING_UNIT / sizeof *words; i++)
        words[i] = number;
}

static uint32_t number_of(const struct ring_block *block)
{
    const uint32_t *words = (const uint32_t *)block;
    for (size_t i = 2; i < block->size8 * RING_UNIT / sizeof *words; i++)
        assert_int_equal(words[i], words[1]);
    return words[1];
}

static void assert_same(const struct ring *ring, const struct model *model)
{
    size_t at = 0, bytes = 0;
    for (const struct ring_block *block = NULL; (block = ring_next(ring, block));) {
        bytes += (size_t)block->size8 * RING_UNIT;
        if (block->dead)
            continue;
        assert_true(at < model->count);
        assert_int_equal(number_of(block), model->numbers[at++]);
    }
    assert_int_equal(at, model->count);
    assert_int_equal(bytes, ring->used);
    assert_true(ring->used <= ring->capacity);
}

static void model_shift(struct model *model)
{
    memmove(model->numbers, model->numbers + 1, --model->count * sizeof model->numbers[0]);
}

/* Gives up the oldest block, or makes it the youngest. */
static void move_on(struct ring *ring, struct model *model, bool renew)
{
    struct ring_block *oldest = ring_oldest(ring);
    assert_non_null(oldest);
    if (oldest->dead) {
        ring_drop(ring);
        return;
    }
    uint32_t number = number_of(oldest);
    assert_int_equal(number, model->numbers[0]);
    model_shift(model);
    if (!renew) {
        ring_drop(ring);
        return;
    }
    assert_int_equal(number_of(ring_renew(ring)), number);
    model->numbers[model->count++] = number;
}

static void blocks_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct ring ring;
    struct model model = {0};
    srand(7);
    assert_true(ring_init(&ring, CAPACITY));
    for (uint32_t number = 1; number <= 200000; number++) {
        uint16_t size8 = (uint16_t)(1 + rand() % (rand() % 16 ? 20 : 200));
        struct ring_block *block;
        while (!(block = ring_take(&ring, size8)))
            move_on(&ring, &model, rand() % 3 == 0);
        assert_int_equal(block->size8, size8);
        fill(block, number);
        model.numbers[model.count++] = number;
        if (rand() % 4 == 0) { /* the youngest is not wanted after all */
            block->dead = true;
            model.count--;
        }
        if (number % 64 == 0)
            assert_same(&ring, &model);
    }
    assert_same(&ring, &model);
    while (ring.used > 0)
        move_on(&ring, &model, false);
    assert_null(ring_oldest(&ring));
    assert_null(ring_next(&ring, NULL));
    ring_free(&ring);
}

static void what_is_larger_than_the_ring_does_not_fit(void **state)
{
    (void)state;
    struct ring ring;
    assert_true(ring_init(&ring, 100)); /* 96 bytes, then */
    assert_null(ring_take(&ring, 13));
    assert_non_null(ring_take(&ring, 12));
    assert_null(ring_take(&ring, 1));
    assert_non_null(ring_renew(&ring)); /* full: it stays where it is, as the youngest */
    ring_drop(&ring);
    assert_non_null(ring_take(&ring, 12));
    ring_free(&ring);
}

static void a_block_is_found_by_its_reference(void **state)
{
    (void)state;
    struct ring ring;
    assert_true(ring_init(&ring, CAPACITY));
    for (int i = 0; i < 10; i++) {
        struct ring_block *block = ring_take(&ring, (uint16_t)(1 + i));
        assert_ptr_equal(ring_at(&ring, ring_ref(&ring, block)), block);
    }
    ring_free(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_out_as_they_went_in),
        cmocka_unit_test(what_is_larger_than_the_ring_does_not_fit),
        cmocka_unit_test(a_block_is_found_by_its_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
