#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "invalidation/kafka.h"
#include "invalidation/position.h"

enum { FEED = 77, PARTITIONS = 12 };

struct fixture {
    struct validity *validity;
    struct positions *positions;
    int32_t com, net; /* where the two zones are */
};

static int setup(void **state)
{
    static struct fixture f;
    static uint8_t com[NAME_MAX_SIZE], net[NAME_MAX_SIZE];
    const uint8_t *zones[] = {com, net};
    int64_t offsets[PARTITIONS] = {0};
    assert_true(name_from_text("example.com.", com) > 0);
    assert_true(name_from_text("example.net.", net) > 0);
    f.validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 2, .marks = 64, .key = 1});
    f.positions = positions_new(f.validity);
    f.com = kafka_partition_of(com, PARTITIONS);
    f.net = kafka_partition_of(net, PARTITIONS);
    assert_int_not_equal(f.com, f.net);
    assert_int_equal(positions_take(f.positions, FEED, offsets, PARTITIONS), 0);
    positions_claim(f.positions);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    positions_free(f->positions);
    validity_free(f->validity);
    return 0;
}

static struct position_set wanted(struct fixture *f)
{
    struct position_set set;
    positions_wanted_now(f->positions, &set);
    return set;
}

static struct position_set applied(struct fixture *f)
{
    struct position_set set;
    positions_applied_now(f->positions, &set);
    return set;
}

/* What another process that has got as far as this one would send. */
static struct position_set sent(const struct position_set *set)
{
    uint8_t option[POSITION_MAX_SIZE];
    struct position_set read;
    size_t size = position_write_response(set, option);
    assert_int_equal(position_read(option, size, &read), 1);
    return read;
}

static void test_p3_a_parent_as_far_covers(void **state)
{
    struct fixture *f = *state;
    struct position_set theirs = applied(f), ours = wanted(f);
    theirs = sent(&theirs);
    assert_true(positions_cover(f->positions, &theirs, &ours, 0));
    assert_true(positions_cover(f->positions, &theirs, &ours, 1));
}

static void test_p3_a_parent_behind_in_a_zone_does_not(void **state)
{
    struct fixture *f = *state;
    struct position_set theirs = applied(f);
    positions_applying(f->positions, f->com, 5);
    positions_applied(f->positions, f->com, 5);
    struct position_set ours = wanted(f);
    assert_false(positions_cover(f->positions, &theirs, &ours, 0));
    assert_true(positions_cover(f->positions, &theirs, &ours, 1));
}

/* While a set is being applied, a child already wants it and a parent does not claim it yet. */
static void test_p3_between_mark_and_clock(void **state)
{
    struct fixture *f = *state;
    positions_applying(f->positions, f->com, 5);
    struct position_set claim = applied(f), want = wanted(f);
    assert_false(positions_cover(f->positions, &claim, &want, 0));
    positions_applied(f->positions, f->com, 5);
    claim = applied(f);
    assert_true(positions_cover(f->positions, &claim, &want, 0));
}

static void test_p3_between_taking_and_claiming(void **state)
{
    struct fixture *f = *state;
    int64_t offsets[PARTITIONS] = {0};
    offsets[f->com] = 9;
    assert_int_equal(positions_take(f->positions, FEED, offsets, PARTITIONS), 0);
    assert_true(wanted(f).known);
    assert_false(applied(f).known);
    positions_claim(f->positions);
    assert_true(applied(f).known);
    positions_drop(f->positions);
    assert_false(wanted(f).known);
    assert_false(applied(f).known);
}

static void without_a_position_everything_will_do(void **state)
{
    struct fixture *f = *state;
    struct position_set nothing = {.known = false};
    positions_drop(f->positions);
    struct position_set ours = wanted(f);
    assert_true(positions_cover(f->positions, &nothing, &ours, 0));
    assert_int_equal(position_write_query(&ours, (uint8_t[POSITION_MAX_SIZE]){0}), 0);
}

static void another_feed_covers_nothing(void **state)
{
    struct fixture *f = *state;
    struct position_set theirs = applied(f), ours = wanted(f);
    theirs.feed_id++;
    assert_false(positions_cover(f->positions, &theirs, &ours, 0));
    struct position_set none = {.known = false};
    assert_false(positions_cover(f->positions, &none, &ours, 0));
}

static void a_position_from_the_future_covers_nothing(void **state)
{
    struct fixture *f = *state;
    struct position_set theirs = applied(f), ours = wanted(f);
    for (size_t i = 0; i < theirs.count; i++)
        theirs.listed[i].offset = INT64_MAX;
    assert_false(positions_cover(f->positions, &theirs, &ours, 0));
}

static void the_option_is_found_among_others(void **state)
{
    struct fixture *f = *state;
    uint8_t options[POSITION_MAX_SIZE + 6] = {0, 10, 0, 2, 1, 2};
    struct position_set set = applied(f), read;
    size_t size = position_write_response(&set, options + 6);
    assert_int_equal(position_read(options, 6 + size, &read), 1);
    assert_int_equal(read.feed_id, FEED);
    assert_int_equal(read.count, 2);
    assert_int_equal(position_read(options, 6, &read), 0);
    assert_int_equal(position_read(options, 0, &read), 0);
}

static void malformed_options_are_errors(void **state)
{
    struct fixture *f = *state;
    uint8_t good[POSITION_MAX_SIZE], bad[POSITION_MAX_SIZE];
    struct position_set set = applied(f), read;
    size_t size = position_write_response(&set, good);
    for (size_t length = 0; length < size - 4; length++) {
        memcpy(bad, good, size);
        wire_put_u16(bad + 2, (uint16_t)length);
        int found = position_read(bad, 4 + length, &read);
        assert_true(found == ERR_FORMAT || (found == 1 && (length - 9) % 12 == 0));
    }
    memcpy(bad, good, size);
    bad[4] = 2; /* version */
    assert_int_equal(position_read(bad, size, &read), ERR_FORMAT);
    memcpy(bad, good, size);
    bad[13] = 0x80; /* a partition below 0 */
    assert_int_equal(position_read(bad, size, &read), ERR_FORMAT);
    memcpy(bad, good, size);
    bad[17] = 0x80; /* an offset below 0 */
    assert_int_equal(position_read(bad, size, &read), ERR_FORMAT);
    assert_int_equal(position_read(good, size - 1, &read), ERR_FORMAT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_p3_a_parent_as_far_covers),
        TEST(test_p3_a_parent_behind_in_a_zone_does_not),
        TEST(test_p3_between_mark_and_clock),
        TEST(test_p3_between_taking_and_claiming),
        TEST(without_a_position_everything_will_do),
        TEST(another_feed_covers_nothing),
        TEST(a_position_from_the_future_covers_nothing),
        TEST(the_option_is_found_among_others),
        TEST(malformed_options_are_errors),
    };
    return cmocka_run_group_tests_name("position", tests, NULL, NULL);
}
