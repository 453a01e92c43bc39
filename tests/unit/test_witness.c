/*
 * test_witness.c - whether the log is still the one it was: against made-up logs of time stamps.
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "invalidation/witness.h"

enum { MOST = 64, LOG = 7 };

/* -- a log, as a broker has it ------------------------------------------------------------------ */

struct partition {
    int64_t start, end;
    int64_t time_ms[MOST]; /* by offset */
};

struct log {
    size_t count;
    struct partition partitions[3];
};

static void append(struct log *log, size_t partition, int64_t time_ms)
{
    struct partition *p = &log->partitions[partition];
    assert_true(p->end < MOST);
    p->time_ms[p->end++] = time_ms;
}

static int64_t first_since(const struct log *log, const struct witness_question *question)
{
    const struct partition *p = &log->partitions[question->partition];
    for (int64_t k = p->start; k < p->end; k++)
        if (p->time_ms[k] >= question->time_ms)
            return k;
    return WITNESS_NONE;
}

/* One reading at the time of day `now`. False: it is another log. */
static bool look(struct witness *witness, const struct log *log, int64_t now)
{
    struct witness_question question;
    struct log_ends ends = {.count = log->count, .log_id = LOG};
    bool same = true;
    for (size_t k = 0; k < log->count; k++)
        ends.offset[k] = log->partitions[k].end;
    if (witness_question(witness, &ends, &question))
        same = witness_answer(witness, first_since(log, &question));
    if (witness_wish(witness, &ends, now, &question))
        witness_learn(witness, &ends, &question, first_since(log, &question));
    return same;
}

/* -- tests -------------------------------------------------------------------------------------- */

static void an_empty_log_has_no_witness(void **state)
{
    (void)state;
    struct witness witness = {.known = false};
    const struct log log = {.count = 3};
    assert_true(look(&witness, &log, 100));
    assert_false(witness.known);
}

static void a_log_that_grows_and_expires_is_the_same(void **state)
{
    (void)state;
    struct witness witness = {.known = false};
    struct log log = {.count = 2};
    for (int64_t now = 100; now < 160; now++) {
        append(&log, (size_t)now % 2, now);
        if (now > 120)
            log.partitions[now % 2].start++;
        assert_true(look(&witness, &log, now + 1));
    }
    log.partitions[0].start = log.partitions[0].end;
    log.partitions[1].start = log.partitions[1].end;
    assert_true(look(&witness, &log, 1000));
    assert_true(witness.known);
}

static void one_message_is_enough_to_know_a_log_by(void **state)
{
    (void)state;
    for (size_t partition = 0; partition < 3; partition++) {
        struct witness witness = {.known = false};
        struct log log = {.count = 3}, anew = {.count = 3};
        append(&log, partition, 100);
        assert_true(look(&witness, &log, 101));
        append(&anew, partition, 200);
        append(&anew, partition, 201);
        assert_false(look(&witness, &anew, 202));
        assert_true(look(&witness, &anew, 203)); /* and the new one is known from here on */
        assert_true(witness.known);
    }
}

/* Publishers ahead of us and behind us; what counts is what came before the question. */
static void clocks_that_differ_a_little_do_no_harm(void **state)
{
    (void)state;
    struct witness witness = {.known = false};
    struct log log = {.count = 1}, anew = {.count = 1};
    append(&log, 0, 90);
    append(&log, 0, 105); /* ahead */
    append(&log, 0, 95);
    assert_true(look(&witness, &log, 100));
    assert_true(witness.known && witness.below == 1);
    append(&log, 0, 101);
    assert_true(look(&witness, &log, 102));
    append(&anew, 0, 500);
    append(&anew, 0, 501);
    assert_false(look(&witness, &anew, 502));
}

/* Its first message is from the year 9999, so no question tells: another partition is asked about. */
static void a_partition_that_cannot_tell_is_passed_over(void **state)
{
    (void)state;
    struct witness witness = {.known = false};
    struct log log = {.count = 2}, anew = {.count = 2};
    append(&log, 0, INT64_MAX);
    append(&log, 1, 90);
    assert_true(look(&witness, &log, 100));
    assert_true(look(&witness, &log, 101));
    assert_true(witness.known && witness.question.partition == 1);
    append(&anew, 0, 200);
    append(&anew, 1, 200);
    assert_false(look(&witness, &anew, 201));
}

static void a_witness_that_is_outgrown_is_replaced(void **state)
{
    (void)state;
    struct witness witness = {.known = false};
    struct log log = {.count = 1};
    append(&log, 0, 100);
    look(&witness, &log, 101);
    assert_int_equal(witness.below, 1);
    for (int64_t now = 102; now < 120; now++) {
        append(&log, 0, now);
        assert_true(look(&witness, &log, now + 1));
    }
    assert_true(witness.below >= 4);
}

static void a_witness_from_the_future_is_replaced(void **state)
{
    (void)state;
    struct witness witness = {.known = false};
    struct log log = {.count = 1}, anew = {.count = 1};
    append(&log, 0, 100);
    look(&witness, &log, 1000000); /* by a clock that is set right soon after */
    assert_true(look(&witness, &log, 101));
    assert_int_equal(witness.question.time_ms, 101);
    append(&anew, 0, 200);
    append(&anew, 0, 200);
    assert_false(look(&witness, &anew, 201));
}

static void other_partitions_or_another_id_are_not_asked_about(void **state)
{
    (void)state;
    struct witness witness = {.known = false};
    struct witness_question question;
    struct log log = {.count = 2};
    append(&log, 0, 100);
    look(&witness, &log, 101);
    const struct log_ends more = {.count = 3, .log_id = LOG}, other = {.count = 2, .log_id = 8};
    struct witness copy = witness;
    assert_false(witness_question(&copy, &more, &question));
    copy = witness;
    assert_false(witness_question(&copy, &other, &question));
    assert_false(copy.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_log_has_no_witness),
        cmocka_unit_test(a_log_that_grows_and_expires_is_the_same),
        cmocka_unit_test(one_message_is_enough_to_know_a_log_by),
        cmocka_unit_test(clocks_that_differ_a_little_do_no_harm),
        cmocka_unit_test(a_partition_that_cannot_tell_is_passed_over),
        cmocka_unit_test(a_witness_that_is_outgrown_is_replaced),
        cmocka_unit_test(a_witness_from_the_future_is_replaced),
        cmocka_unit_test(other_partitions_or_another_id_are_not_asked_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
