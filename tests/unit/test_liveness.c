/*
 * test_liveness.c - the feed's states under a made-up clock: what proves that nothing is missed, and
 * what ends it.
 */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "dns/error.h"
#include "invalidation/liveness.h"

enum { LEASE_MS = 3000, TICK_MS = 100, START_MS = 50000, LOG = 77 };

/* -- helpers ----------------------------------------------------------------------------------- */

struct fixture {
    struct liveness liveness;
    uint64_t now_ms;
    struct log_reading reading;
};

static struct mono at(uint64_t ms)
{
    return (struct mono){ms};
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    const struct liveness_options options = {.lease_ms = LEASE_MS, .tick_ms = TICK_MS};
    liveness_init(&f->liveness, &options);
    f->now_ms = START_MS;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* A reading asked for at `asked_ms` that comes now: two partitions end there. */
static enum liveness_action read_at(struct fixture *f, uint64_t asked_ms, int64_t end0,
                                    int64_t end1)
{
    f->reading = (struct log_reading){.asked = at(asked_ms),
                                      .ends = {.count = 2, .offset = {end0, end1}, .log_id = LOG}};
    return liveness_read(&f->liveness, &f->reading, "", at(f->now_ms));
}

/* The same, and a position is taken at its ends when it comes to that. */
static enum liveness_action read_now(struct fixture *f, int64_t end0, int64_t end1)
{
    const enum liveness_action action = read_at(f, f->now_ms, end0, end1);
    if (action == LIVENESS_TAKE)
        liveness_take(&f->liveness, &f->reading, f->reading.ends.offset, at(f->now_ms));
    return action;
}

static enum liveness_action read_fails(struct fixture *f, int code, const char *error,
                                       const char *trouble)
{
    f->reading = (struct log_reading){.asked = at(f->now_ms), .code = code};
    strcpy(f->reading.error, error);
    return liveness_read(&f->liveness, &f->reading, trouble, at(f->now_ms));
}

static void tick(struct fixture *f, uint64_t ms)
{
    f->now_ms += ms;
    liveness_tick(&f->liveness, "", at(f->now_ms));
}

static void is_state(const struct fixture *f, enum feed_state state, const char *reason)
{
    assert_string_equal(feed_state_text(f->liveness.state), feed_state_text(state));
    assert_string_equal(f->liveness.reason, reason);
    assert_int_equal(liveness_lease(&f->liveness).ms > 0, state == FEED_LIVE);
}

/* A position at (10, 20), both partitions seen to be read. */
static void go_live(struct fixture *f)
{
    assert_int_equal(read_now(f, 10, 20), LIVENESS_TAKE);
    liveness_reached(&f->liveness, 0, 10);
    liveness_reached(&f->liveness, 1, 20);
    tick(f, 0);
    is_state(f, FEED_LIVE, "");
}

static void is_gap(struct fixture *f, enum liveness_action action, const char *reason)
{
    assert_int_equal(action, LIVENESS_DROP);
    assert_false(f->liveness.assigned);
    is_state(f, FEED_COLD, reason);
}

/* -- on the way up ----------------------------------------------------------------------------- */

static void it_starts_cold(void **state)
{
    struct fixture *f = *state;
    is_state(f, FEED_COLD, "starting");
    tick(f, 100000);
    is_state(f, FEED_COLD, "starting");
    assert_false(f->liveness.assigned);
}

static void cold_says_why(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_fails(f, ERR_NOT_FOUND, "topic x: unknown", ""), LIVENESS_GO_ON);
    is_state(f, FEED_COLD, "topic x: unknown");
    assert_int_equal(read_fails(f, ERR_TIMEOUT, "timed out", "connection refused"), LIVENESS_GO_ON);
    is_state(f, FEED_COLD, "connection refused");
    assert_int_equal(read_fails(f, ERR_TIMEOUT, "timed out", ""), LIVENESS_GO_ON);
    is_state(f, FEED_COLD, "timed out");
}

static void a_position_is_the_ends_of_the_first_reading(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_now(f, 10, 20), LIVENESS_TAKE);
    is_state(f, FEED_CATCHUP, "reading to the end of the log");
    assert_int_equal(f->liveness.count, 2);
    assert_int_equal(f->liveness.next[0], 10);
    assert_int_equal(f->liveness.next[1], 20);
    assert_int_equal(f->liveness.takes, 1);
}

static void each_partition_has_to_show_that_it_is_read(void **state)
{
    struct fixture *f = *state;
    read_now(f, 10, 20);
    liveness_reached(&f->liveness, 1, 20);
    liveness_reached(&f->liveness, 1, 21);
    liveness_reached(&f->liveness, 2, 5); /* there is no such partition */
    liveness_reached(&f->liveness, -1, 5);
    tick(f, 100);
    is_state(f, FEED_CATCHUP, "reading to the end of the log");
    liveness_reached(&f->liveness, 0, 10);
    tick(f, 100);
    is_state(f, FEED_LIVE, "");
}

/* A transaction hid what comes before the ends; it is committed later. */
static void a_position_below_the_ends_is_live_once_they_are_reached(void **state)
{
    struct fixture *f = *state;
    const int64_t start[] = {7, 20};
    assert_int_equal(read_at(f, f->now_ms, 10, 20), LIVENESS_TAKE);
    liveness_take(&f->liveness, &f->reading, start, at(f->now_ms));
    assert_int_equal(f->liveness.next[0], 7);
    liveness_drained(&f->liveness, 0, 7);
    liveness_drained(&f->liveness, 1, 20);
    tick(f, 100);
    is_state(f, FEED_CATCHUP,
             "3 messages do not come: a transaction under way hides them, or they are large");
    liveness_reached(&f->liveness, 0, 8);
    liveness_drained(&f->liveness, 0, 10);
    tick(f, 100);
    is_state(f, FEED_LIVE, "");
}

static void a_start_that_is_not_known_is_asked_for_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_at(f, f->now_ms, 10, 20), LIVENESS_TAKE);
    liveness_take_failed(&f->liveness, "timed out", at(f->now_ms));
    is_state(f, FEED_COLD, "timed out");
    assert_false(f->liveness.assigned);
    f->now_ms += 999;
    assert_int_equal(read_at(f, f->now_ms, 10, 20), LIVENESS_GO_ON);
    f->now_ms += 1;
    assert_int_equal(read_at(f, f->now_ms, 10, 20), LIVENESS_TAKE);
}

static void the_lease_runs_from_the_asking(void **state)
{
    struct fixture *f = *state;
    f->now_ms += 700; /* the answer took that long */
    assert_int_equal(read_at(f, START_MS, 10, 20), LIVENESS_TAKE);
    liveness_take(&f->liveness, &f->reading, f->reading.ends.offset, at(f->now_ms));
    liveness_reached(&f->liveness, 0, 10);
    liveness_reached(&f->liveness, 1, 20);
    tick(f, 100);
    assert_int_equal(liveness_lease(&f->liveness).ms, START_MS + LEASE_MS);
    assert_true(liveness_is_live(&f->liveness, at(START_MS + LEASE_MS - 1)));
    assert_false(liveness_is_live(&f->liveness, at(START_MS + LEASE_MS)));
}

static void positions_never_move_back(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    liveness_reached(&f->liveness, 0, 9);
    assert_int_equal(f->liveness.next[0], 10);
}

/* -- while live -------------------------------------------------------------------------------- */

static void a_reading_that_is_reached_renews_the_proof(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    f->now_ms += 1000;
    assert_int_equal(read_now(f, 10, 20), LIVENESS_GO_ON);
    tick(f, 100);
    assert_int_equal(liveness_lease(&f->liveness).ms, START_MS + 1000 + LEASE_MS);
}

static void what_is_behind_proves_once_it_is_reached(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    f->now_ms += 1000;
    read_now(f, 12, 20);
    tick(f, 100);
    assert_int_equal(liveness_lease(&f->liveness).ms, START_MS + LEASE_MS);
    liveness_reached(&f->liveness, 0, 11);
    tick(f, 100);
    assert_int_equal(liveness_lease(&f->liveness).ms, START_MS + LEASE_MS);
    liveness_reached(&f->liveness, 0, 12);
    tick(f, 100);
    assert_int_equal(liveness_lease(&f->liveness).ms, START_MS + 1000 + LEASE_MS);
}

/* Always one message behind the newest reading, it still proves what was asked for earlier. */
static void who_is_always_a_little_behind_stays_live(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    for (int64_t end = 11; end < 40; end++) {
        f->now_ms += 900;
        read_now(f, end, 20);
        liveness_reached(&f->liveness, 0, end - 1);
        tick(f, 100);
        is_state(f, FEED_LIVE, "");
    }
}

static void a_lease_that_runs_out_behind_is_catchup(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    for (int k = 0; k < 3; k++) {
        f->now_ms += 1000;
        read_now(f, 15, 23);
        tick(f, 0);
    }
    is_state(f, FEED_CATCHUP, "8 messages behind");
    liveness_reached(&f->liveness, 0, 15);
    liveness_reached(&f->liveness, 1, 23);
    tick(f, 100);
    is_state(f, FEED_LIVE, "");
}

static void what_a_transaction_hides_is_said(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    for (int k = 0; k < 3; k++) {
        f->now_ms += 1000;
        read_now(f, 15, 20);
        liveness_drained(&f->liveness, 0, 12);
        tick(f, 0);
    }
    is_state(f, FEED_CATCHUP,
             "3 messages do not come: a transaction under way hides them, or they are large");
    liveness_reached(&f->liveness, 0,
                     13); /* it goes on: no longer at the end of what can be read */
    tick(f, 0);
    is_state(f, FEED_CATCHUP, "2 messages behind");
    liveness_drained(&f->liveness, 0, 15); /* the rest was aborted */
    tick(f, 0);
    is_state(f, FEED_LIVE, "");
}

static void answers_that_take_most_of_the_lease_are_slow(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    f->now_ms += LEASE_MS;
    read_at(f, START_MS + 10, 10, 20);
    tick(f, 0);
    is_state(f, FEED_CATCHUP, "the brokers are slow to say how long the log is");
}

static void a_lapse_is_noticed_within_the_lease(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    tick(f, LEASE_MS - TICK_MS - 1);
    is_state(f, FEED_LIVE, "");
    tick(f, 1);
    is_state(f, FEED_LOST, "no answer from the brokers within the lease");
    assert_true(f->liveness.assigned);
}

static void a_lapse_names_the_trouble(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    liveness_tick(&f->liveness, "connection reset", at(f->now_ms + LEASE_MS));
    is_state(f, FEED_LOST, "no answer from the brokers within the lease: connection reset");
}

/* A process that slept: nothing said that time had passed, and still it does not count as live. */
static void a_sleeper_is_not_live_on_waking(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    assert_true(liveness_is_live(&f->liveness, at(f->now_ms)));
    assert_false(liveness_is_live(&f->liveness, at(f->now_ms + LEASE_MS)));
    is_state(f, FEED_LIVE, "");
}

/* -- loss and what follows --------------------------------------------------------------------- */

static void a_loss_keeps_the_position_and_resumes(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    liveness_reached(&f->liveness, 0, 14);
    f->now_ms += 100;
    liveness_lose(&f->liveness, "gone", at(f->now_ms));
    is_state(f, FEED_LOST, "gone");
    tick(f, 100);
    is_state(f, FEED_LOST, "gone");
    assert_int_equal(read_now(f, 16, 20), LIVENESS_RESUME);
    is_state(f, FEED_CATCHUP, "reading on after a loss");
    assert_int_equal(f->liveness.next[0], 14);
    assert_int_equal(f->liveness.takes, 1);
    liveness_reached(&f->liveness, 0, 16);
    tick(f, 100);
    is_state(f, FEED_CATCHUP, "reading to the end of the log"); /* the other was not seen since */
    liveness_reached(&f->liveness, 1, 20);
    tick(f, 100);
    is_state(f, FEED_LIVE, "");
}

static void a_reading_from_before_the_loss_proves_nothing(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    f->now_ms += 100;
    liveness_lose(&f->liveness, "gone", at(f->now_ms));
    assert_int_equal(read_at(f, f->now_ms - 1, 10, 20), LIVENESS_GO_ON);
    is_state(f, FEED_LOST, "gone");
    assert_int_equal(read_at(f, f->now_ms, 10, 20), LIVENESS_RESUME);
}

static void what_was_wanted_before_a_loss_is_forgotten(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    f->now_ms += 100;
    read_now(f, 12, 20);
    f->now_ms += 100;
    liveness_lose(&f->liveness, "gone", at(f->now_ms));
    f->now_ms += 2000;
    read_now(f, 13, 20);
    liveness_reached(&f->liveness, 0, 12);
    liveness_reached(&f->liveness, 1, 20);
    tick(f, 100);
    is_state(f, FEED_CATCHUP, "1 messages behind");
}

static void cold_cannot_be_lost(void **state)
{
    struct fixture *f = *state;
    liveness_lose(&f->liveness, "gone", at(f->now_ms));
    is_state(f, FEED_COLD, "starting");
}

/* -- gaps -------------------------------------------------------------------------------------- */

static void other_partitions_are_a_gap(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    f->now_ms += 1000;
    f->reading = (struct log_reading){.asked = at(f->now_ms),
                                      .ends = {.count = 3, .offset = {10, 20, 0}, .log_id = LOG}};
    is_gap(f, liveness_read(&f->liveness, &f->reading, "", at(f->now_ms)),
           "partition count changed from 2 to 3");
}

static void another_cluster_is_a_gap(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    f->reading = (struct log_reading){.asked = at(f->now_ms),
                                      .ends = {.count = 2, .offset = {10, 20}, .log_id = LOG + 1}};
    is_gap(f, liveness_read(&f->liveness, &f->reading, "", at(f->now_ms)),
           "the cluster is another one");
}

static void a_log_that_shrank_is_a_gap(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    is_gap(f, read_now(f, 10, 19), "the log ends before what was read from it");
}

/* Not even read: that it was there is enough. */
static void an_end_below_an_end_seen_is_a_gap(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    read_now(f, 15, 20);
    is_gap(f, read_now(f, 14, 20), "the log ends before what was read from it");
}

static void a_topic_made_anew_is_a_gap(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    f->reading = (struct log_reading){
        .asked = at(f->now_ms),
        .ends = {.count = 2, .offset = {15, 25}, .log_id = LOG, .made_anew = 1}};
    is_gap(f, liveness_read(&f->liveness, &f->reading, "", at(f->now_ms)),
           "the topic was made anew");
    f->now_ms += 2000;
    f->reading.asked = at(f->now_ms);
    assert_int_equal(liveness_read(&f->liveness, &f->reading, "", at(f->now_ms)), LIVENESS_TAKE);
    liveness_take(&f->liveness, &f->reading, f->reading.ends.offset, at(f->now_ms));
    assert_int_equal(liveness_read(&f->liveness, &f->reading, "", at(f->now_ms)), LIVENESS_GO_ON);
}

static void a_gap_while_lost_is_one(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    liveness_lose(&f->liveness, "gone", at(f->now_ms));
    is_gap(f, read_now(f, 3, 20), "the log ends before what was read from it");
}

static void a_topic_that_is_gone_is_a_gap(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    is_gap(f, read_fails(f, ERR_NOT_FOUND, "topic x: unknown", ""), "topic x: unknown");
}

static void a_failure_that_passes_is_none(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    assert_int_equal(read_fails(f, ERR_TIMEOUT, "timed out", ""), LIVENESS_GO_ON);
    is_state(f, FEED_LIVE, "");
}

static void after_a_gap_a_new_position_is_taken(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    f->now_ms += 2000;
    is_gap(f, liveness_gap(&f->liveness, "out of range", at(f->now_ms)), "out of range");
    assert_int_equal(read_at(f, f->now_ms - 1, 10, 20), LIVENESS_GO_ON); /* asked before it */
    assert_int_equal(read_now(f, 3, 4), LIVENESS_TAKE);
    assert_int_equal(f->liveness.next[0], 3);
    assert_int_equal(f->liveness.takes, 2);
    liveness_reached(&f->liveness, 0, 3);
    liveness_reached(&f->liveness, 1, 4);
    tick(f, 100);
    is_state(f, FEED_LIVE, "");
}

static void gaps_that_repeat_do_not_spin(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    f->now_ms += 10;
    liveness_gap(&f->liveness, "out of range", at(f->now_ms));
    f->now_ms += 10;
    assert_int_equal(read_now(f, 10, 20), LIVENESS_GO_ON);
    f->now_ms = START_MS + 1000;
    assert_int_equal(read_now(f, 10, 20), LIVENESS_TAKE);
}

/* -- a client that gets nowhere ------------------------------------------------------------------ */

static bool stalls(const struct fixture *f)
{
    return liveness_is_stalled(&f->liveness, at(f->now_ms));
}

/* The reader has good answers all the time, at the ends that are given. */
static void pass(struct fixture *f, uint64_t ms, int64_t end0, int64_t end1)
{
    for (uint64_t k = 0; k < ms; k += TICK_MS) {
        tick(f, TICK_MS);
        read_at(f, f->now_ms, end0, end1);
    }
}

static void a_live_feed_does_not_stall(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    pass(f, 600000, 10, 20);
    is_state(f, FEED_LIVE, "");
    assert_false(stalls(f));
}

static void what_is_not_read_stalls(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    pass(f, 600000, 10, 20);
    liveness_reached(&f->liveness, 0, 12); /* and no end of it is seen */
    pass(f, LEASE_MS, 15, 20);
    assert_int_equal(f->liveness.state, FEED_CATCHUP);
    pass(f, 2000, 15, 20);
    assert_true(stalls(f));
    liveness_reached(&f->liveness, 0, 13);
    pass(f, TICK_MS, 15, 20);
    assert_false(stalls(f));
}

static void a_partition_that_never_shows_stalls(void **state)
{
    struct fixture *f = *state;
    read_now(f, 10, 20);
    liveness_drained(&f->liveness, 0, 10);
    pass(f, 2000, 10, 20);
    is_state(f, FEED_CATCHUP, "reading to the end of the log");
    assert_true(stalls(f));
}

static void a_start_that_is_never_known_stalls(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_at(f, f->now_ms, 10, 20), LIVENESS_TAKE);
    liveness_take_failed(&f->liveness, "timed out", at(f->now_ms));
    assert_true(stalls(f));
}

/* Gap after gap: that other partitions are read in between does not help. */
static void errors_that_repeat_stall(void **state)
{
    struct fixture *f = *state;
    for (int64_t k = 0; k < 5; k++) {
        assert_int_equal(read_now(f, 10 + k, 20), LIVENESS_TAKE);
        liveness_reached(&f->liveness, 0, 11 + k);
        tick(f, TICK_MS);
        assert_true(stalls(f));
        liveness_gap(&f->liveness, "partition 1: not allowed", at(f->now_ms));
        tick(f, 1000);
        assert_true(stalls(f));
    }
}

static void brokers_that_do_not_answer_are_to_blame(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    read_fails(f, ERR_TIMEOUT, "timed out", "");
    tick(f, 20000);
    assert_int_equal(f->liveness.state, FEED_LOST);
    assert_false(stalls(f));
}

static void a_transaction_is_to_blame_for_a_minute(void **state)
{
    struct fixture *f = *state;
    go_live(f);
    liveness_drained(&f->liveness, 0, 10);
    liveness_drained(&f->liveness, 1, 20);
    tick(f, TICK_MS);
    pass(f, LEASE_MS + 50000, 15, 20);
    assert_int_equal(f->liveness.state, FEED_CATCHUP);
    assert_false(stalls(f));
    pass(f, 11000, 15, 20);
    assert_true(stalls(f));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_starts_cold),
        TEST(cold_says_why),
        TEST(a_position_is_the_ends_of_the_first_reading),
        TEST(each_partition_has_to_show_that_it_is_read),
        TEST(a_position_below_the_ends_is_live_once_they_are_reached),
        TEST(a_start_that_is_not_known_is_asked_for_again),
        TEST(the_lease_runs_from_the_asking),
        TEST(positions_never_move_back),
        TEST(a_reading_that_is_reached_renews_the_proof),
        TEST(what_is_behind_proves_once_it_is_reached),
        TEST(who_is_always_a_little_behind_stays_live),
        TEST(a_lease_that_runs_out_behind_is_catchup),
        TEST(what_a_transaction_hides_is_said),
        TEST(answers_that_take_most_of_the_lease_are_slow),
        TEST(a_lapse_is_noticed_within_the_lease),
        TEST(a_lapse_names_the_trouble),
        TEST(a_sleeper_is_not_live_on_waking),
        TEST(a_loss_keeps_the_position_and_resumes),
        TEST(a_reading_from_before_the_loss_proves_nothing),
        TEST(what_was_wanted_before_a_loss_is_forgotten),
        TEST(cold_cannot_be_lost),
        TEST(other_partitions_are_a_gap),
        TEST(another_cluster_is_a_gap),
        TEST(a_log_that_shrank_is_a_gap),
        TEST(an_end_below_an_end_seen_is_a_gap),
        TEST(a_topic_made_anew_is_a_gap),
        TEST(a_gap_while_lost_is_one),
        TEST(a_topic_that_is_gone_is_a_gap),
        TEST(a_failure_that_passes_is_none),
        TEST(after_a_gap_a_new_position_is_taken),
        TEST(gaps_that_repeat_do_not_spin),
        TEST(a_live_feed_does_not_stall),
        TEST(what_is_not_read_stalls),
        TEST(a_partition_that_never_shows_stalls),
        TEST(a_start_that_is_never_known_stalls),
        TEST(errors_that_repeat_stall),
        TEST(brokers_that_do_not_answer_are_to_blame),
        TEST(a_transaction_is_to_blame_for_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
