#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "invalidation/position.h"

enum { FEED = 77, PARTITIONS = 12, HORIZON_MS = 4000 };

static const struct mono start = {100000};

/* Two processes on one log: each has its own clock, and its own place. */
struct process {
    struct validity *validity;
    struct positions *positions;
};

struct fixture {
    struct process parent, child;
};

static struct mono after(uint64_t ms)
{
    return mono_add(start, ms);
}

static void invalidate(struct process *p, struct mono now)
{
    validity_mark_all(p->validity, true);
    validity_commit(p->validity, now);
}

static void take(struct process *p, const int64_t *offsets, size_t count, struct mono now)
{
    assert_int_equal(positions_take(p->positions, FEED, offsets, count, now, now), 0);
    invalidate(p, now);
    positions_claim(p->positions, now);
}

static void open_process(struct process *p, const int64_t *offsets, size_t count)
{
    static uint8_t zone[NAME_MAX_SIZE];
    const uint8_t *zones[] = {zone};
    assert_true(name_from_text("example.com.", zone) > 0);
    p->validity = validity_new(
        &(struct validity_options){.zones = zones, .zone_count = 1, .marks = 64, .key = 1});
    p->positions = positions_new(p->validity, HORIZON_MS, (struct mono){1});
    take(p, offsets, count, start);
}

static void close_process(struct process *p)
{
    positions_free(p->positions);
    validity_free(p->validity);
}

/* Another process in its place, with its first position. */
static void begin(struct process *p, const int64_t *offsets, size_t count)
{
    close_process(p);
    open_process(p, offsets, count);
}

static int setup(void **state)
{
    static struct fixture f;
    const int64_t offsets[PARTITIONS] = {0};
    open_process(&f.parent, offsets, PARTITIONS);
    open_process(&f.child, offsets, PARTITIONS);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close_process(&f->parent);
    close_process(&f->child);
    return 0;
}

/* The process applies the message at `offset` of a partition; returns the stamp of it. */
static uint64_t apply(struct process *p, int32_t partition, int64_t offset, struct mono now)
{
    positions_applying(p->positions, partition, offset + 1, now);
    uint64_t stamp = validity_commit(p->validity, now).n;
    positions_applied(p->positions, partition, offset + 1);
    return stamp;
}

/* The child asks the parent, option and all. Its answer's stamp, or -1 when it says nothing. */
static int64_t asks(struct fixture *f, struct mono now)
{
    uint8_t option[POSITION_MAX_SIZE];
    struct position_query query, received = {.known = false};
    struct position_claim claim, answered = {.known = false};
    struct stamp own = validity_now(f->child.validity), bound;
    positions_ask(f->child.positions, now, &query);
    size_t size = position_write_query(&query, option);
    assert_true(size <= POSITION_QUERY_SIZE);
    if (size > 0)
        assert_int_equal(position_read_query(option, size, &received), 1);
    positions_claim_for(f->parent.positions, &received, now, &claim);
    size = position_write_claim(&claim, option);
    assert_true(size <= POSITION_MAX_SIZE);
    if (size > 0)
        assert_int_equal(position_read_claim(option, size, &answered), 1);
    int error = positions_bound(f->child.positions, &query, &answered, now, own, &bound);
    assert_true(error == 0 || error == ERR_NOT_FOUND);
    return error ? -1 : (int64_t)bound.n;
}

static int64_t own_clock(const struct fixture *f)
{
    return (int64_t)validity_now(f->child.validity).n;
}

static void test_p3_a_parent_as_far_is_as_new(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(asks(f, after(10)), own_clock(f));
    for (int i = 0; i < 5; i++) {
        apply(&f->parent, 3, i, after(20));
        apply(&f->child, 3, i, after(20));
    }
    assert_int_equal(asks(f, after(30)), own_clock(f));
    apply(&f->parent, 3, 5, after(40)); /* further than the child */
    assert_int_equal(asks(f, after(50)), own_clock(f));
}

/* As old as our clock just before what the parent lacks; in whatever partition that lies. */
static void test_p3_a_parent_behind_is_as_old_as_that(void **state)
{
    struct fixture *f = *state;
    apply(&f->parent, 1, 0, after(10));
    apply(&f->child, 1, 0, after(10));
    int64_t before = own_clock(f);
    apply(&f->child, 1, 1, after(20));
    apply(&f->child, 1, 2, after(30));
    assert_int_equal(asks(f, after(40)), before);
    apply(&f->parent, 1, 1, after(50));
    assert_int_equal(asks(f, after(60)), before + 1);
    apply(&f->child, 7, 0, after(70));
    apply(&f->parent, 1, 2, after(80));
    assert_int_equal(asks(f, after(90)), before + 2); /* all but that of partition 7 */
    apply(&f->parent, 7, 0, after(95));
    assert_int_equal(asks(f, after(99)), own_clock(f));
}

/* While a set is being applied, a child already counts it and a parent does not claim it yet. */
static void test_p3_between_mark_and_clock(void **state)
{
    struct fixture *f = *state;
    int64_t before = own_clock(f);
    positions_applying(f->parent.positions, 2, 1, after(10));
    apply(&f->child, 2, 0, after(10));
    assert_int_equal(asks(f, after(11)), before);
    positions_applied(f->parent.positions, 2, 1);
    assert_int_equal(asks(f, after(12)), own_clock(f));
    /* The child's own set under way is newer than the stamp of a query that left before it was applied. */
    positions_applying(f->child.positions, 2, 2, after(20));
    assert_int_equal(asks(f, after(21)), own_clock(f));
}

/* What lies before the child's base is not in its checkpoints: nothing of such a parent is new enough. */
static void test_p3_a_parent_before_the_base(void **state)
{
    struct fixture *f = *state;
    int64_t offsets[PARTITIONS] = {0};
    offsets[4] = 9;
    begin(&f->child, offsets, PARTITIONS);
    assert_int_equal(asks(f, after(1010)), 0);
    apply(&f->child, 4, 9, after(1020));
    assert_int_equal(asks(f, after(1030)), 0);
    positions_applied(f->parent.positions, 4, 9);
    assert_int_equal(asks(f, after(1040)), own_clock(f) - 1);
    positions_applied(f->parent.positions, 4, 10);
    assert_int_equal(asks(f, after(1050)), own_clock(f));
}

/* The end of a transaction takes an offset and is no message. */
static void offsets_that_are_no_messages(void **state)
{
    struct fixture *f = *state;
    apply(&f->parent, 0, 0, after(10));
    apply(&f->child, 0, 0, after(10));
    positions_applied(f->child.positions, 0, 2); /* the child has read on to the end */
    assert_int_equal(asks(f, after(20)), own_clock(f));
    int64_t offsets[PARTITIONS] = {2};
    begin(&f->child, offsets, PARTITIONS); /* a child that starts there */
    assert_int_equal(asks(f, after(40)), 0);
    positions_applied(f->parent.positions, 0, 2);
    positions_applied(f->parent.positions, 0, 1); /* never backwards */
    assert_int_equal(asks(f, after(50)), own_clock(f));
}

/* Longer ago than the horizon nothing is named: the parent's proof says that it has it, or it does not. */
static void test_p3_the_proof_stands_for_what_is_not_named(void **state)
{
    struct fixture *f = *state;
    struct position_query query;
    int64_t before = own_clock(f);
    apply(&f->child, 5, 0, after(1000));
    positions_ask(f->child.positions, after(4999), &query);
    assert_int_equal(query.first, 5);
    assert_int_equal(query.size, 1);
    assert_int_equal(query.bits[0], 1);
    positions_ask(f->child.positions, after(5000), &query);
    assert_int_equal(query.size, 0);
    assert_true(query.known && query.quiet_since.ms == after(1000).ms);
    /* The parent's last proof is the one it started with: so old is its answer, though not older. */
    assert_int_equal(asks(f, after(6000)), before - 1);
    positions_proved(f->parent.positions, after(800));
    assert_int_equal(asks(f, after(6000)), before);
    positions_proved(f->parent.positions, after(3000)); /* it has applied it, by then */
    assert_int_equal(asks(f, after(6000)), own_clock(f));
    positions_proved(f->parent.positions, after(2000)); /* never backwards */
    assert_int_equal(asks(f, after(6000)), own_clock(f));
    /* However old the proof, nothing came since that is not named. */
    apply(&f->parent, 6, 0, after(60000));
    apply(&f->child, 6, 0, after(60000));
    assert_int_equal(asks(f, after(60100)), own_clock(f));
}

/* More partitions in use than are named: never cut silently, the proof is the bound for the rest. */
static void test_p3_hundreds_of_partitions(void **state)
{
    (void)state;
    enum { MANY = 600 };
    static int64_t offsets[MANY];
    struct fixture f;
    open_process(&f.parent, offsets, MANY);
    open_process(&f.child, offsets, MANY);
    for (int k = 0; k < 64; k++) {
        apply(&f.parent, k * 9, 0, after(5000));
        apply(&f.child, k * 9, 0, after(5000));
    }
    positions_proved(f.parent.positions, after(5100));
    assert_int_equal(asks(&f, after(5200)), own_clock(&f));
    for (int k = 0; k < MANY; k++) {
        apply(&f.parent, k, 1, after(6000));
        apply(&f.child, k, 1, after(6000));
    }
    assert_true(asks(&f, after(6050)) < own_clock(&f)); /* the proof is from before those */
    positions_proved(f.parent.positions, after(6100));
    assert_int_equal(asks(&f, after(6300)), own_clock(&f));
    int64_t before = own_clock(&f);
    apply(&f.child, MANY - 1, 2, after(6400)); /* past those that are named */
    assert_true(asks(&f, after(6450)) <= before);
    close_process(&f.parent);
    close_process(&f.child);
}

static void without_a_position_everything_will_do(void **state)
{
    struct fixture *f = *state;
    positions_drop(f->child.positions);
    positions_drop(f->parent.positions);
    assert_int_equal(asks(f, after(10)), own_clock(f));
}

/* As old as the moment at which it dropped all it had; until it has done so, of any age. */
static void test_p3_a_parent_without_a_position(void **state)
{
    struct fixture *f = *state;
    const int64_t offsets[PARTITIONS] = {0};
    apply(&f->child, 0, 0, after(1000));
    const int64_t before = own_clock(f);
    positions_drop(f->parent.positions);
    assert_int_equal(asks(f, after(2000)), 0);
    positions_claim(f->parent.positions, after(2000));
    assert_int_equal(asks(f, after(3000)), before);
    apply(&f->child, 0, 1, after(3100));
    assert_int_equal(asks(f, after(4000)), before);
    assert_int_equal(
        positions_take(f->parent.positions, FEED, offsets, PARTITIONS, after(4000), after(4100)),
        0);
    assert_int_equal(asks(f, after(4150)), before); /* taken, not claimed yet */
    positions_claim(f->parent.positions, after(4200));
    assert_int_equal(asks(f, after(5000)), own_clock(f)); /* the proof is from after both */
}

static void who_follows_no_log_says_nothing(void **state)
{
    struct fixture *f = *state;
    struct positions *none = positions_new(f->parent.validity, HORIZON_MS, (struct mono){0});
    struct position_claim claim;
    positions_claim_for(none, &(struct position_query){.known = true}, after(10), &claim);
    assert_false(claim.known);
    positions_free(none);
}

/* Of partitions that it has not heard of no proof of the parent's says anything. */
static void test_p3_a_parent_that_knows_fewer_partitions(void **state)
{
    struct fixture *f = *state;
    const int64_t offsets[PARTITIONS + 1] = {0};
    begin(&f->child, offsets, PARTITIONS + 1);
    apply(&f->child, PARTITIONS, 0, after(1100));
    positions_proved(f->parent.positions, after(2000));
    assert_int_equal(asks(f, after(2200)), -1);
}

/* A topic made anew has the same name; the parent's offsets may be those of the old one, and higher. */
static void test_p3_offsets_of_before_a_gap_do_not_compare(void **state)
{
    struct fixture *f = *state;
    const int64_t none[PARTITIONS] = {0};
    int64_t many[PARTITIONS];
    for (int k = 0; k < PARTITIONS; k++)
        many[k] = 1000;
    take(&f->parent, many, PARTITIONS, after(500));
    take(&f->child, none, PARTITIONS, after(1000));
    apply(&f->child, 0, 0, after(1100));
    assert_true(asks(f, after(1200)) < own_clock(f) - 1);
    positions_proved(f->parent.positions, after(1200));
    assert_int_equal(asks(f, after(1400)), own_clock(f));
}

static void a_claim_that_cannot_be_compared(void **state)
{
    struct fixture *f = *state;
    int64_t offsets[PARTITIONS] = {0};
    assert_int_equal(
        positions_take(f->parent.positions, FEED + 1, offsets, PARTITIONS, start, start), 0);
    positions_claim(f->parent.positions, start);
    assert_int_equal(asks(f, after(10)), -1); /* another log */
    offsets[3] = INT64_MAX;
    assert_int_equal(positions_take(f->parent.positions, FEED, offsets, PARTITIONS, start, start),
                     0);
    positions_claim(f->parent.positions, start);
    assert_int_equal(asks(f, after(10)), -1); /* from a future that cannot be */
    /* Fewer offsets than were asked for. */
    struct position_query query;
    struct position_claim claim = {.known = true, .feed_id = FEED, .age_ms = 0};
    struct stamp bound;
    positions_ask(f->child.positions, after(10), &query);
    assert_int_equal(
        positions_bound(f->child.positions, &query, &claim, after(10), (struct stamp){1}, &bound),
        ERR_NOT_FOUND);
}

static void too_many_partitions_are_no_position(void **state)
{
    struct fixture *f = *state;
    static int64_t offsets[POSITION_MAX_PARTITIONS + 1];
    assert_int_equal(positions_take(f->child.positions, FEED, offsets, POSITION_MAX_PARTITIONS + 1,
                                    start, start),
                     ERR_TOO_LARGE);
    take(&f->child, offsets, POSITION_MAX_PARTITIONS, after(10));
    take(&f->parent, offsets, POSITION_MAX_PARTITIONS, after(10));
    apply(&f->child, POSITION_MAX_PARTITIONS - 1, 0, after(9000));
    apply(&f->child, 0, 0, after(9000));
    positions_proved(f->parent.positions, after(9000));
    assert_int_equal(asks(f, after(9200)), own_clock(f) - 2);
}

static void the_option_is_found_among_others(void **state)
{
    struct fixture *f = *state;
    uint8_t options[POSITION_MAX_SIZE + 6] = {0, 10, 0, 2, 1, 2};
    struct position_query query, read;
    struct position_claim claim, read_claim;
    positions_ask(f->child.positions, after(1), &query);
    size_t size = position_write_query(&query, options + 6);
    assert_int_equal(position_read_query(options, 6 + size, &read), 1);
    assert_int_equal(read.feed_id, FEED);
    assert_memory_equal(read.bits, query.bits, sizeof read.bits);
    assert_false(read.covered);
    position_note_query(options + 6, true);
    assert_int_equal(position_read_query(options, 6 + size, &read), 1);
    assert_true(read.covered && read.first == query.first);
    position_note_query(options + 6, false);
    assert_int_equal(position_read_query(options, 6 + size, &read), 1);
    assert_true(!read.covered && read.first == query.first);
    positions_claim_for(f->parent.positions, &query, after(1), &claim);
    claim.offsets[0] = INT64_MAX;
    claim.offsets[1] = 127;
    claim.offsets[2] = 128;
    size = position_write_claim(&claim, options + 6);
    assert_int_equal(position_read_claim(options, 6 + size, &read_claim), 1);
    assert_int_equal(read_claim.count, PARTITIONS);
    assert_memory_equal(read_claim.offsets, claim.offsets, PARTITIONS * sizeof(int64_t));
    assert_false(read_claim.provisional);
    position_describe(options + 6, &(struct position_claim){.provisional = true});
    assert_int_equal(position_read_claim(options, 6 + size, &read_claim), 1);
    assert_true(read_claim.provisional && !read_claim.vouched);
    position_describe(options + 6, &(struct position_claim){.vouched = true, .outside = true});
    assert_int_equal(position_read_claim(options, 6 + size, &read_claim), 1);
    assert_true(!read_claim.provisional && read_claim.vouched && read_claim.outside);
    assert_false(read_claim.second_hand);
    position_describe(options + 6, &(struct position_claim){.second_hand = true});
    assert_int_equal(position_read_claim(options, 6 + size, &read_claim), 1);
    assert_true(read_claim.second_hand && !read_claim.vouched && !read_claim.outside);
    assert_int_equal(position_read_query(options, 6, &read), 0);
    assert_int_equal(position_read_claim(options, 0, &read_claim), 0);
}

static void malformed_options_are_errors(void **state)
{
    struct fixture *f = *state;
    uint8_t good[POSITION_MAX_SIZE], bad[POSITION_MAX_SIZE + 200];
    struct position_query query;
    struct position_claim claim;
    positions_ask(f->child.positions, after(1), &query);
    positions_claim_for(f->parent.positions, &query, after(1), &claim);
    size_t size = position_write_claim(&claim, good);
    for (size_t length = 0; length < size - 4; length++) {
        memcpy(bad, good, size);
        wire_put_u16(bad + 2, (uint16_t)length);
        int found = position_read_claim(bad, 4 + length, &claim);
        assert_int_equal(found, length < 14 ? ERR_FORMAT : 1);
        found = position_read_query(bad, 4 + length, &query);
        assert_true(length >= 11 || found == ERR_FORMAT);
    }
    memcpy(bad, good, size);
    bad[4] = 1; /* version */
    assert_int_equal(position_read_claim(bad, size, &claim), ERR_FORMAT);
    memcpy(bad, good, size);
    bad[size - 1] = 0x80; /* an offset that goes on */
    assert_int_equal(position_read_claim(bad, size, &claim), ERR_FORMAT);
    memcpy(bad, good, size);
    memset(bad + 18, 0xff, 10); /* one of 64 bits and more */
    wire_put_u16(bad + 2, 14 + 10);
    assert_int_equal(position_read_claim(bad, 28, &claim), ERR_FORMAT);
    assert_int_equal(position_read_claim(good, size - 1, &claim), ERR_FORMAT);
    memset(bad, 0, sizeof bad); /* more offsets than can be asked for */
    memcpy(bad, good, 18);
    wire_put_u16(bad + 2, 14 + POSITION_MAX_NAMED + 1);
    assert_int_equal(position_read_claim(bad, 18 + POSITION_MAX_NAMED + 1, &claim), ERR_FORMAT);
    size = position_write_query(&query, good);
    memcpy(bad, good, size);
    bad[13] = 4; /* partition 1024 */
    assert_int_equal(position_read_query(bad, size, &query), ERR_FORMAT);
    memset(bad + 13, 0xff, 100); /* more than may be named */
    bad[13] = bad[14] = 0;
    wire_put_u16(bad + 2, 9 + 2 + 17);
    assert_int_equal(position_read_query(bad, 4 + 9 + 2 + 17, &query), ERR_FORMAT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_p3_a_parent_as_far_is_as_new),
        TEST(test_p3_a_parent_behind_is_as_old_as_that),
        TEST(test_p3_between_mark_and_clock),
        TEST(test_p3_a_parent_before_the_base),
        TEST(offsets_that_are_no_messages),
        TEST(test_p3_the_proof_stands_for_what_is_not_named),
        cmocka_unit_test(test_p3_hundreds_of_partitions),
        TEST(without_a_position_everything_will_do),
        TEST(test_p3_a_parent_without_a_position),
        TEST(who_follows_no_log_says_nothing),
        TEST(test_p3_a_parent_that_knows_fewer_partitions),
        TEST(test_p3_offsets_of_before_a_gap_do_not_compare),
        TEST(a_claim_that_cannot_be_compared),
        TEST(too_many_partitions_are_no_position),
        TEST(the_option_is_found_among_others),
        TEST(malformed_options_are_errors),
    };
    return cmocka_run_group_tests_name("position", tests, NULL, NULL);
}
